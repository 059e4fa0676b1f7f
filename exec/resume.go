package exec

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How a run goes on with a host that an attempt before this one has left in the
// middle of its activation: its deployer was killed, say. The guard there is
// still at work. It may have taken the host off the net, and if so it puts it
// back by itself when nobody confirms. That is waited for: until then, nothing
// else can be done there, and nothing that is seen there lasts. Or it waits to
// be confirmed, and not for long: so nothing else is waited for.

// An Attempt is how far an attempt of a run had come with a host.
type Attempt struct {
	Stage Stage     // the last that was begun of those from the activation on; "" for none
	Since time.Time // when that was
}

// underWay reports whether a host may be between two systems in this stage.
func (s Stage) underWay() bool {
	switch s {
	case Activate, Revert, Reach, Health, Confirm, Restart:
		return true
	}
	return false
}

// returnsBy is when a host that was left midway is back by itself, at the
// latest; the zero time for one that was not left midway.
func (j *job) returnsBy() time.Time {
	e := j.step.Earlier
	switch {
	case e == nil || e.Stage == "":
		return time.Time{}
	case e.Stage == Restart:
		return e.Since.Add(j.opts.RebootTimeout)
	}
	return e.Since.Add(j.opts.ActivateTimeout + j.opts.ConfirmTimeout + j.opts.RevertTimeout + j.opts.AnswerTimeout)
}

// midway reports whether the host was left midway and may be so still.
func (j *job) midway() bool { return time.Now().Before(j.returnsBy()) }

// leftBehind reports whether the state of a host may be what an attempt before
// this one has made of it.
func (j *job) leftBehind(s *State) bool {
	want := j.step.System.Out
	return j.step.Earlier != nil && (j.facts.guard == j.opts.Run || s.Current == want || s.Generation.System == want)
}

// comesBack waits for a host that was left midway and cannot be reached. Any
// other has failed with err.
func (j *job) comesBack(ctx context.Context, err error) (Machine, error) {
	if !errors.Is(err, ErrUnreachable) || !j.midway() {
		return nil, err
	}
	by := j.returnsBy()
	j.said(ConnectTo)(fmt.Sprintf("muster: %v; it was left at %q and returns by itself, by %s at the latest", err, j.step.Earlier.Stage, by.Local().Format(time.TimeOnly)))
	limited, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-limited.Done():
			return nil, fmt.Errorf("%w; it was left at %q and should have returned by now", err, j.step.Earlier.Stage)
		case <-time.After(wait):
		}
		m, again := j.opts.Connect(limited, j.step.Host)
		if again == nil {
			return m, nil
		}
		if limited.Err() == nil {
			err = again
		}
	}
}

// carryOut does the work of a stage. On a host that was left midway, the guard
// comes first: its word, or its return when the connection is lost to what it
// does.
func (j *job) carryOut(ctx context.Context, s Stage) error {
	if !j.midway() || s != Inspect && s != Lock && s != Copy {
		return work[s](j, ctx)
	}
	if s == Inspect {
		if err := j.guardRests(ctx); err != nil {
			return err
		}
	}
	for {
		err := work[s](j, ctx)
		if err == nil || ctx.Err() != nil || !j.midway() || !j.lost(ctx) {
			return err
		}
		if again := j.guardRests(ctx); again != nil {
			return err
		}
		if s != Inspect {
			if again := j.inspect(ctx); again != nil {
				return err
			}
		}
	}
}

// guardRests waits until the guard that an attempt before this one has left is
// over or waits to be confirmed, over as many connections as it takes.
func (j *job) guardRests(ctx context.Context) error {
	ctx, cancel := context.WithDeadlineCause(ctx, j.returnsBy(), fmt.Errorf("the activation that was left at %q is not over", j.step.Earlier.Stage))
	defer cancel()
	v, err := j.await(ctx, Activate, false)
	j.left = err == nil && v.phase == activated
	return err
}
