package cmd

import (
	"errors"
	"fmt"

	"muster/exec"
	"muster/exec/human"
)

// pastRuns are what is known of the earlier runs of a fleet: the one to continue,
// and what stands beside it.
type pastRuns struct {
	record    *exec.Record // nil where there is none to continue
	newer     string       // the newest run after record; "" for none
	last      string       // the newest run of all, where it has ended
	abandoned []string     // runs that did not end and that another has overtaken, oldest first
}

// find finds the run to continue: the one that was named, or the last one. A
// journal that cannot be read is never passed over for an older one.
func (o *resumeOptions) find(args []string) (*pastRuns, error) {
	dir, err := fleetDir(args)
	if err != nil {
		return nil, err
	}
	names, err := recorded(args)
	if err != nil {
		return nil, err
	}
	past := &pastRuns{}
	switch {
	case o.runName != "":
		err = past.findNamed(names, o.runName)
	case len(names) == 0 && o.retry:
		err = errNoRuns
	case len(names) > 0:
		err = past.findLast(names, o.retry)
	}
	if err == nil && past.record != nil && past.record.Plan.Dir != dir {
		err = &exec.JournalError{Name: past.record.Name, Err: fmt.Errorf("its run is of the fleet in %q, not of the one in %q", past.record.Plan.Dir, dir)}
	}
	return past, err
}

func (p *pastRuns) findNamed(names []string, run string) (err error) {
	for i, name := range names {
		if exec.RunOf(name) == run {
			if i < len(names)-1 {
				p.newer = exec.RunOf(names[len(names)-1])
			}
			p.record, err = exec.ReadJournal(name)
			return err
		}
	}
	return noRun(run)
}

// findLast takes the last run, whether it has ended or not if ended is set. Where
// it has ended, the runs before it are looked at: each journal must be readable
// for it to be said that there is nothing to do.
func (p *pastRuns) findLast(names []string, ended bool) error {
	last := len(names) - 1
	record, err := exec.ReadJournal(names[last])
	if err != nil {
		return unreadable([]error{err})
	}
	if ended || !record.Ended {
		p.record = record
		return nil
	}
	p.last = record.Plan.Run
	var errs []error
	for _, name := range names[:last] {
		switch record, err := exec.ReadJournal(name); {
		case err != nil:
			errs = append(errs, err)
		case !record.Ended:
			p.abandoned = append(p.abandoned, fmt.Sprintf("%s of %s", record.Plan.Run, began(record)))
		}
	}
	return unreadable(errs)
}

// unreadable is the error about journals that cannot be read, nil for none.
func unreadable(errs []error) error {
	const most = 10
	if len(errs) > most {
		errs = append(errs[:most:most], fmt.Errorf("and %s more", human.Count(len(errs)-most, "journal")))
	}
	return errors.Join(errs...)
}

// tell says that there is nothing to resume.
func (p *pastRuns) tell(std streams) error {
	if len(p.abandoned) == 0 {
		fmt.Fprintln(std.out, "nothing to resume: every run of this fleet has ended")
		return nil
	}
	fmt.Fprintf(std.out, "nothing to resume: the last run of this fleet, %s, has ended\n", p.last)
	const most = 5
	if n := len(p.abandoned) - most; n > 0 {
		fmt.Fprintf(std.out, "%s did not end and were overtaken; the last %d:\n", human.Count(len(p.abandoned), "run"), most)
		p.abandoned = p.abandoned[n:]
	}
	for _, run := range p.abandoned {
		fmt.Fprintf(std.out, "run %s did not end and was overtaken: muster resume --run continues it by its name\n", run)
	}
	return nil
}
