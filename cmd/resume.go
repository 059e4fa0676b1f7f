package cmd

import (
	"context"
	"errors"
	"fmt"

	"muster/cmd/flags"
	"muster/cmd/ui"
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
	past, err := o.find(args)
	if err != nil {
		return err
	}
	if past.record == nil {
		return past.tell(std)
	}
	record := past.record
	// A muster that is still at work on the run holds its journal.
	journal, err := record.Reopen()
	if err != nil {
		return fmt.Errorf("run %s: %w", record.Plan.Run, err)
	}
	plan := record.Rest(func(_ string, ended *exec.Outcome) bool { return o.remains(ended) })
	if len(plan.Steps) == 0 {
		return o.conclude(ctx, std, record, journal)
	}
	if o.retry {
		journal.Close()
	}
	if err := o.mayGoOn(ctx, std, past, len(plan.Steps)); err != nil {
		journal.Close()
		return err
	}
	s, err := o.begin(ctx, std, plan)
	if err != nil {
		journal.Close()
		return err
	}
	defer s.close()
	done := ""
	if n := len(record.Plan.Steps) - len(plan.Steps); n > 0 {
		done = fmt.Sprintf(" of %d", n+len(plan.Steps))
	}
	s.note("%s run %s of %s: %s%s", o.verb(), record.Plan.Run, began(record), human.Count(len(plan.Steps), "host"), done)
	if o.retry {
		journal = s.journal(plan)
		return o.carryOut(ctx, s, plan, journal)
	}
	s.ended = ended(record)
	err = o.carryOut(ctx, s, plan, journal)
	if failed := failedHosts(s.ended); len(failed) > 0 {
		s.note("before run %s was interrupted, %s failed: %s; to try again: muster retry --run %[1]s", record.Plan.Run, human.Count(len(failed), "host"), someOf(failed))
	}
	return err
}

// ended are the outcomes of the hosts of a run on which nothing is left to do.
func ended(r *exec.Record) (outcomes []exec.Outcome) {
	for _, s := range r.Plan.Steps {
		if o, there := r.Outcomes[s.Host.Name]; there && !unfinished(&o) {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes
}

// failedHosts are the hosts of outcomes that are not done.
func failedHosts(outcomes []exec.Outcome) (names []string) {
	for i := range outcomes {
		if !outcomes[i].OK() {
			names = append(names, outcomes[i].Host)
		}
	}
	return names
}

func began(r *exec.Record) string { return r.Began.Local().Format("2006-01-02 15:04:05") }

// conclude says that nothing is left to do in a run. One whose muster was gone
// before it could say so has ended now.
func (o *resumeOptions) conclude(ctx context.Context, std streams, r *exec.Record, journal *exec.Journal) error {
	defer journal.Close()
	outcomes := ended(r)
	if !o.retry && !r.Ended {
		if err := journal.End(exec.ExitStatus(ctx, outcomes)); err != nil {
			fmt.Fprintf(std.err, "warning: %v\n", err)
		}
	}
	if failed := failedHosts(outcomes); len(failed) > 0 {
		fmt.Fprintf(std.out, "nothing to %s: run %s has ended on every host; for the %s that failed, %s: muster retry --run %[2]s\n", o.verb(), r.Plan.Run, human.Count(len(failed), "host"), someOf(failed))
		return status(ctx, outcomes)
	}
	fmt.Fprintf(std.out, "nothing to %s: every host of run %s is done\n", o.verb(), r.Plan.Run)
	return nil
}

// mayGoOn asks the user before a run goes on that a newer one has overtaken.
func (o *resumeOptions) mayGoOn(ctx context.Context, std streams, past *pastRuns, hosts int) error {
	if past.newer == "" || o.rollout.yes {
		return nil
	}
	run := past.record.Plan.Run
	if !ui.CanAnswer(std.in) {
		return fmt.Errorf("run %s: run %s of this fleet has begun since: to %s run %[1]s all the same, add --yes", run, past.newer, o.verb())
	}
	question := fmt.Sprintf("run %s of %s was overtaken by run %s; %s it on %s all the same? [y/N] ", run, began(past.record), past.newer, o.verb(), human.Count(hosts, "host"))
	if err := ui.Ask(ctx, std.in, std.err, question); err != nil {
		return fmt.Errorf("run %s: %w", run, err)
	}
	return nil
}

func (o *resumeOptions) verb() string {
	if o.retry {
		return "retry"
	}
	return "resume"
}

// remains reports whether something remains to be done on a host.
func (o *resumeOptions) remains(ended *exec.Outcome) bool {
	if o.retry {
		return ended == nil || !ended.OK()
	}
	return unfinished(ended)
}

// unfinished reports whether a run that is resumed has something to do on a host.
// One that has ended well is left alone: what was done to it since counts.
func unfinished(ended *exec.Outcome) bool {
	switch {
	case ended == nil, ended.Status == exec.Skipped, ended.Status == exec.Away, ended.Interrupted:
		return true
	}
	return false // it is done, or it failed: that is for retry
}
