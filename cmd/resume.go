package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"muster/exec"
)

// resumeOptions are those of resume and retry, which go on with a run that was.
type resumeOptions struct {
	retry    bool
	failed   bool
	run_     string
	ssh      sshFlags
	output   outputFlag
	how      rolloutFlags
	building buildFlags
	copy     copyFlags
}

func (o *resumeOptions) addFlags(fs *pflag.FlagSet) {
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	o.how.addFlags(fs)
	o.how.addActivationFlags(fs)
	o.building.addFlags(fs)
	o.copy.addFlags(fs)
	fs.StringVar(&o.run_, "run", "", "go on with the run of this `name` (default the last one)")
	if o.retry {
		fs.BoolVar(&o.failed, "failed", true, "the hosts that failed, were rolled back or were skipped")
	}
}

func (o *resumeOptions) run(ctx context.Context, std streams, args []string) error {
	if err := o.how.check(); err != nil {
		return err
	}
	if o.retry && !o.failed {
		return usageError{errors.New("--failed=false: there is nothing else to retry")}
	}
	if err := o.copy.check(); err != nil {
		return err
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
	defer ui.close()
	dir, err := fleetDir(args)
	if err != nil {
		return err
	}
	past, err := lastRun(dir, func(p *exec.Record) bool {
		return o.run_ == p.Plan.Run || o.run_ == "" && (o.retry || !p.Ended)
	})
	if err != nil {
		return err
	}
	switch {
	case past == nil && o.run_ != "":
		return fmt.Errorf("no run %s of this fleet is known here", o.run_)
	case past == nil && o.retry:
		return errors.New("no run of this fleet is known here")
	case past == nil:
		fmt.Fprintln(std.out, "nothing to resume: every run of this fleet has ended")
		return nil
	}
	// Whoever still is at work on it holds its journal.
	journal, err := past.Reopen()
	if err != nil {
		return fmt.Errorf("run %s: %w", past.Plan.Run, err)
	}
	var plan *exec.Plan
	if o.retry {
		journal.Close()
		plan = past.Rest(func(_ string, ended *exec.Outcome) bool { return ended == nil || !ended.OK() })
	} else {
		plan = past.Rest(func(_ string, ended *exec.Outcome) bool { return unfinished(past.Plan.Action, ended) })
	}
	if len(plan.Steps) == 0 {
		journal.Close()
		fmt.Fprintf(std.out, "nothing to %s: every host of run %s is done\n", o.verb(), past.Plan.Run)
		return nil
	}
	ui.note("%s run %s of %s: %s", o.verb(), past.Plan.Run, past.Began.Local().Format("2006-01-02 15:04:05"), plural(len(plan.Steps), "host"))
	if o.retry {
		journal = begin(ui, plan)
	}
	nix, err := wireNix()
	if err != nil {
		return err
	}
	opts, done := wireRun(nix, plan.Dir, o.ssh)
	defer done()
	o.building.apply(&opts, nix, plan)
	o.copy.apply(&opts, nix, plan)
	o.how.apply(&opts, ui, std, plan.Dir)
	return carryOut(ctx, ui, plan, opts, journal)
}

func (o *resumeOptions) verb() string {
	if o.retry {
		return "retry"
	}
	return "resume"
}

// unfinished reports whether a run that goes on has something to do on a host.
// One that is done is looked at again, for what counts is what it is on; but a
// way back that was gone is not gone further.
func unfinished(action exec.Action, ended *exec.Outcome) bool {
	switch {
	case ended == nil, ended.Status == exec.Skipped, ended.Interrupted:
		return true
	case ended.OK():
		return action != exec.Rollback
	}
	return false // it failed: that is for retry
}
