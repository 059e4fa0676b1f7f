package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"muster/exec"
)

// execOptions are those of exec, which runs a command on hosts.
type execOptions struct {
	selection selectFlags
	ssh       sshFlags
	jobs      int
	ordered   bool
	format    string
	command   []string
}

func (o *execOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "on at most `n` hosts at once")
	fs.BoolVar(&o.ordered, "ordered", false, "print what each host says together, in the inventory's order,\ninstead of each line as it comes")
	fs.StringVar(&o.format, "output", "text", "report as `format`: text, or json for one event a line")
}

// takeCommand takes the words behind --.
func (o *execOptions) takeCommand(words []string) { o.command = words }

func (o *execOptions) run(ctx context.Context, std streams, args []string) error {
	if len(o.command) == 0 {
		return usageError{errors.New("exec takes a command: muster exec --on @web -- uptime")}
	}
	if o.jobs < 1 {
		return usageError{fmt.Errorf("--jobs %d: at least one host at a time", o.jobs)}
	}
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(fleet)
	if err != nil {
		return err
	}
	var ui reporter
	switch o.format {
	case "json":
		if ui, err = (&outputFlag{"json"}).reporter(std); err != nil {
			return err
		}
	case "text":
		ui = newLines(std, names(hosts), o.ordered)
	default:
		return usageError{fmt.Errorf("--output %s: there is text and json", o.format)}
	}
	defer ui.close()
	plan := &exec.Plan{Action: exec.Command, Command: o.command, Dir: fleet.Dir}
	for _, h := range hosts {
		plan.Steps = append(plan.Steps, exec.Step{Host: h})
	}
	opts, done := wireRun(nil, fleet.Dir, o.ssh)
	defer done()
	opts.Jobs, opts.Sink = o.jobs, ui.event
	return ui.end(ctx, exec.Run(ctx, plan, opts))
}

// lines shows what commands print, each line with its host.
type lines struct {
	std     streams
	ordered bool
	width   int
	said    map[string][]string
	next    []string // hosts whose turn it is not yet, in order
	ended   map[string]*exec.Outcome
}

func newLines(std streams, hosts []string, ordered bool) *lines {
	l := &lines{std: std, ordered: ordered, said: map[string][]string{}, next: hosts, ended: map[string]*exec.Outcome{}}
	for _, h := range hosts {
		l.width = max(l.width, len(h))
	}
	return l
}

func (l *lines) note(string, ...any) {}

func (l *lines) event(e exec.Event) {
	switch e := e.(type) {
	case exec.Said:
		if l.ordered {
			l.said[e.Host] = append(l.said[e.Host], e.Line)
			return
		}
		fmt.Fprintf(l.std.out, "%-*s  %s\n", l.width, e.Host, printable(e.Line))
	case exec.HostEnded:
		if !l.ordered {
			l.failed(&e.Outcome)
			return
		}
		l.ended[e.Outcome.Host] = &e.Outcome
		for len(l.next) > 0 && l.ended[l.next[0]] != nil {
			host := l.next[0]
			for _, line := range l.said[host] {
				fmt.Fprintf(l.std.out, "%-*s  %s\n", l.width, host, printable(line))
			}
			l.failed(l.ended[host])
			l.next = l.next[1:]
			delete(l.said, host)
		}
	}
}

func (l *lines) failed(o *exec.Outcome) {
	if o.Err == nil {
		return
	}
	fmt.Fprintf(l.std.err, "%s: %s\n", o.Host, strings.TrimSpace(printable(o.Err.Error())))
	if h := hint(o.Host, o.Err); h != "" {
		fmt.Fprintf(l.std.err, "hint: %s\n", h)
	}
}

func (l *lines) end(ctx context.Context, outcomes []exec.Outcome) error { return status(ctx, outcomes) }

func (l *lines) asking(ask func() error) error { return ask() }

func (l *lines) close() {}
