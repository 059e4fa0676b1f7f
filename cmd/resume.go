package cmd

import (
	"context"
	"errors"
	"fmt"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/human"
)

// resumeOptions are those of resume and retry, which continue an earlier run.
type resumeOptions struct {
	continueFlags
	retry   bool
	failed  bool
	runName string
}

func (o *resumeOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.runName, "", runName), "run", "continue the run of this `name` (default the last one)")
	if o.retry {
		fs.Var(flags.Bool(&o.failed, true), "failed", "the hosts that failed, were rolled back or were skipped")
	}
}

func (o *resumeOptions) check() error {
	if o.retry && !o.failed {
		return errors.New("--failed=false: want --failed, for retry takes no other hosts")
	}
	return nil
}

func (o *resumeOptions) run(ctx context.Context, std streams, args []string) error {
	record, err := o.find(args)
	switch {
	case err != nil:
		return err
	case record == nil && o.runName != "":
		return fmt.Errorf("no run %s of this fleet is known here", o.runName)
	case record == nil && o.retry:
		return errors.New("no run of this fleet is known here")
	case record == nil:
		fmt.Fprintln(std.out, "nothing to resume: every run of this fleet has ended")
		return nil
	}
	// A muster that is still at work on the run holds its journal.
	journal, err := record.Reopen()
	if err != nil {
		return fmt.Errorf("run %s: %w", record.Plan.Run, err)
	}
	plan := record.Rest(func(_ string, ended *exec.Outcome) bool { return o.remains(record.Plan.Action, ended) })
	if o.retry || len(plan.Steps) == 0 {
		journal.Close()
	}
	if len(plan.Steps) == 0 {
		fmt.Fprintf(std.out, "nothing to %s: every host of run %s is done\n", o.verb(), record.Plan.Run)
		return nil
	}
	s, err := o.begin(ctx, std)
	if err != nil {
		return err
	}
	defer s.close()
	s.note("%s run %s of %s: %s", o.verb(), record.Plan.Run, record.Began.Local().Format("2006-01-02 15:04:05"), human.Count(len(plan.Steps), "host"))
	if o.retry {
		journal = s.journal(plan)
	}
	return o.carryOut(ctx, s, plan, journal)
}

// find finds the run to continue, nil where there is none.
func (o *resumeOptions) find(args []string) (*exec.Record, error) {
	dir, err := fleetDir(args)
	if err != nil {
		return nil, err
	}
	return lastRun(dir, func(p *exec.Record) bool {
		return o.runName == p.Plan.Run || o.runName == "" && (o.retry || !p.Ended)
	})
}

func (o *resumeOptions) verb() string {
	if o.retry {
		return "retry"
	}
	return "resume"
}

// remains reports whether something remains to be done on a host.
func (o *resumeOptions) remains(action exec.Action, ended *exec.Outcome) bool {
	if o.retry {
		return ended == nil || !ended.OK()
	}
	return unfinished(action, ended)
}

// unfinished reports whether a run that is resumed has something to do on a host.
// A host that is done is inspected again, for what it runs now counts. But a
// rollback that is done is not repeated, or the host would go back further.
func unfinished(action exec.Action, ended *exec.Outcome) bool {
	switch {
	case ended == nil, ended.Status == exec.Skipped, ended.Interrupted:
		return true
	case ended.OK():
		return action != exec.Rollback
	}
	return false // it failed: that is for retry
}
