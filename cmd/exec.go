package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"muster/cmd/flags"
	"muster/exec"
)

// execOptions are those of exec, which runs a command on hosts.
type execOptions struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      jobsFlag
	ordered   bool
	command   []string
}

func (o *execOptions) groups() []group { return []group{&o.selection, &o.ssh, &o.output, &o.jobs} }

func (o *execOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.ordered, false), "ordered", "print the lines of each host together, in the inventory's order,\ninstead of each line as it comes")
}

// takeCommand takes the words behind --.
func (o *execOptions) takeCommand(words []string) { o.command = words }

func (o *execOptions) check() error {
	if len(o.command) == 0 {
		return usageError{errors.New("exec needs a command: muster exec --on @web -- uptime")}
	}
	return nil
}

func (o *execOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, ui: o.reporter})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(exec.Command)
	plan.Command = o.command
	return s.run(ctx, plan, &o.ssh, &o.jobs)
}

// reporter shows what the command prints.
func (o *execOptions) reporter(s *session) reporter {
	if o.output.format == outputText {
		return newLines(s.std, names(s.hosts), o.ordered)
	}
	return o.output.reporter(s)
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

func (l *lines) end([]exec.Outcome) {}

func (l *lines) asking(ask func() error) error { return ask() }

func (l *lines) close() {}
