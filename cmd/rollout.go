package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"muster/exec"
	"muster/exec/nixcmd"
)

// rolloutFlags say how the hosts of a run are gone through.
type rolloutFlags struct {
	jobs            int
	failFast        bool
	reboot          bool
	yes             bool
	activateTimeout time.Duration
	confirmTimeout  time.Duration
	rebootTimeout   time.Duration
	lockTimeout     time.Duration
	buildJobs       int
	copyJobs        int
	activateJobs    int
}

func (f *rolloutFlags) addFlags(fs *pflag.FlagSet) {
	fs.IntVarP(&f.jobs, "jobs", "j", 10, "work on at most `n` hosts at once")
	fs.IntVar(&f.buildJobs, "build-jobs", 0, "build for at most `n` hosts at once (default as --jobs)")
	fs.IntVar(&f.copyJobs, "copy-jobs", 0, "copy to at most `n` hosts at once (default as --jobs)")
	fs.BoolVar(&f.failFast, "fail-fast", false, "begin no other host after one has failed")
}

// addActivationFlags adds those that matter where something is activated.
func (f *rolloutFlags) addActivationFlags(fs *pflag.FlagSet) {
	fs.IntVar(&f.activateJobs, "activate-jobs", 0, "activate at most `n` hosts at once (default as --jobs)")
	fs.DurationVar(&f.activateTimeout, "activate-timeout", 10*time.Minute, "an activation that takes longer than this `duration` has failed")
	fs.DurationVar(&f.confirmTimeout, "confirm-timeout", time.Minute, "a host that cannot be connected to anew for this `duration`\nafter its activation returns to what it had")
	fs.DurationVar(&f.lockTimeout, "lock-timeout", time.Minute, "a lock on a host lapses this `duration` after its holder's last sign of life")
	fs.BoolVar(&f.reboot, "reboot", false, "restart hosts whose new kernel, initrd, modules or systemd need it")
	fs.DurationVar(&f.rebootTimeout, "reboot-timeout", 10*time.Minute, "a host that is not back after this `duration` has failed")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask between waves where the rollout says so")
}

func (f *rolloutFlags) check() error {
	if f.jobs < 1 {
		return usageError{fmt.Errorf("--jobs %d: at least one host at a time", f.jobs)}
	}
	return nil
}

// apply makes the flags options of a run of a plan made in dir.
func (f *rolloutFlags) apply(o *exec.Options, ui reporter, std streams, dir string) {
	o.Jobs, o.BuildJobs, o.CopyJobs, o.ActivateJobs = f.jobs, f.buildJobs, f.copyJobs, f.activateJobs
	o.FailFast, o.Reboot = f.failFast, f.reboot
	o.ActivateTimeout, o.ConfirmTimeout, o.RebootTimeout, o.LockTimeout = f.activateTimeout, f.confirmTimeout, f.rebootTimeout, f.lockTimeout
	o.Local = func(ctx context.Context, argv, env []string, line func(string)) error {
		return nixcmd.RunHook(ctx, dir, argv, env, line)
	}
	o.Confirm = func(ctx context.Context, wave int) error {
		if f.yes {
			return nil
		}
		return ui.asking(func() error { return ask(ctx, std, fmt.Sprintf("go on with wave %d? [y/N] ", wave)) })
	}
}

// errDeclined says that somebody was asked and did not say yes.
var errDeclined = errors.New("declined")

// ask puts a question to whoever sits there. Anything but yes is no.
func ask(ctx context.Context, std streams, question string) error {
	io.WriteString(std.err, question)
	answer := make(chan string, 1)
	go func() {
		answer <- strings.ToLower(strings.TrimSpace(readLine(std.in)))
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
		return errDeclined
	}
}

// readLine reads a line and no more: what follows answers the next question.
func readLine(r io.Reader) string {
	var line strings.Builder
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] != '\n' {
			line.WriteByte(b[0])
		}
		if err != nil || n == 1 && b[0] == '\n' {
			return line.String()
		}
	}
}

// carryOut runs a plan with a journal, and reports how it ended.
func carryOut(ctx context.Context, ui reporter, plan *exec.Plan, opts exec.Options, journal *exec.Journal) error {
	opts.Sink = ui.event
	if journal != nil {
		opts.Sink = journal.Sink(ui.event)
		defer journal.Close()
	}
	said := context.AfterFunc(ctx, func() {
		ui.note("interrupted: finishing what is activating; interrupt again to leave at once")
	})
	outcomes := exec.Run(ctx, plan, opts)
	said()
	// A run that was interrupted has no end: it can be gone on with.
	if status := exec.ExitStatus(ctx, outcomes); journal != nil && status != exec.ExitInterrupted {
		journal.End(status)
	}
	return ui.end(ctx, outcomes)
}

// begin gives a plan's run its name and its journal. Without one, which is
// said, the run goes on all the same.
func begin(ui reporter, plan *exec.Plan) *exec.Journal {
	plan.Run = exec.NewRunID()
	dir := stateDir(plan.Dir, "runs")
	if dir == "" {
		return nil
	}
	j, err := exec.CreateJournal(dir, plan)
	if err != nil {
		ui.event(exec.JournalFailed{Err: err.Error()})
		return nil
	}
	return j
}

// lastRun finds the newest run of a fleet that is as asked.
func lastRun(dir string, as func(*exec.Record) bool) (*exec.Record, error) {
	names, err := exec.Journals(stateDir(dir, "runs"))
	if err != nil {
		return nil, err
	}
	for i := len(names) - 1; i >= 0; i-- {
		past, err := exec.ReadJournal(names[i])
		if err != nil {
			continue // one that was begun on a full disk, say
		}
		if as(past) {
			return past, nil
		}
	}
	return nil, nil
}

// fleetDir is the directory of the inventory that the arguments name, found
// without reading it.
func fleetDir(args []string) (string, error) {
	path := "."
	if len(args) > 0 {
		path = args[0]
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	switch filepath.Ext(abs) {
	case ".cue", ".toml", ".json", ".yaml", ".yml":
		return filepath.Dir(abs), nil
	}
	return abs, nil
}
