package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/backoff"
	"muster/exec/host"
)

// How a run goes on with a host that an earlier attempt has left in the middle of
// its activation, because its deployer was killed, say. The guard there is still
// at work. It may have cut the host off the network; then it brings the host back
// when nobody confirms. That is waited for: until then, nothing else can be done
// there, and nothing that is seen there lasts. Or it waits to be confirmed, which
// it does not do for long: then this host goes before all others.

// An Attempt is how far an attempt of a run had come with a host.
type Attempt struct {
	Stage Stage     `json:"stage,omitempty"` // the last that was begun of those from the activation on; "" for none
	Since time.Time `json:"since,omitzero"`  // when that was
}

// returnsBy is when a host that was left in the middle of its activation is back
// by itself, at the latest; the zero time for one that was not.
func (a *Attempt) returnsBy(o *Options) time.Time {
	switch {
	case a == nil || a.Stage == "":
		return time.Time{}
	case a.Stage == Restart:
		return a.Since.Add(o.RebootTimeout)
	}
	return a.Since.Add(o.ActivateTimeout + o.ConfirmTimeout + o.RevertTimeout + o.AnswerTimeout)
}

// inActivation reports whether the host was left in the middle of its activation
// and may still be.
func inActivation(j *job) bool { return time.Now().Before(j.step.Earlier.returnsBy(&j.run.opts)) }

// madeByEarlier reports whether the state of a host may be what an earlier
// attempt has made of it.
func madeByEarlier(j *job, in *host.Inspection) bool {
	want := j.step.System.Out
	return j.step.Earlier != nil &&
		(in.Guard == j.run.opts.Run || in.State.Current == want || in.State.Generation.System == want)
}

// awaitReturn waits for a host that was left in the middle of its activation and
// cannot be reached. Any other has failed with err.
func awaitReturn(ctx context.Context, j *job, err error) error {
	if !errors.Is(err, ErrUnreachable) || !inActivation(j) {
		return err
	}
	by := j.step.Earlier.returnsBy(&j.run.opts)
	j.said(ConnectTo)(fmt.Sprintf("muster: %v; it was left at %q and returns by itself, by %s at the latest", err, j.step.Earlier.Stage, by.Local().Format(time.TimeOnly)))
	limited, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	wait := backoff.Backoff{First: 100 * time.Millisecond, Max: 2 * time.Second}
	for {
		if wait.Wait(limited) != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w; it was left at %q and should have returned by now", err, j.step.Earlier.Stage)
		}
		again := j.conn.open(limited)
		if again == nil {
			return nil
		}
		if limited.Err() == nil {
			err = again
		}
	}
}

// carryOut does the work of a stage. On a host that was left in the middle of its
// activation, the guard comes first: its verdict, or its return when the
// connection is lost to what it does.
func carryOut(ctx context.Context, j *job, s Stage) error {
	if !inActivation(j) || s != Inspect && s != Lock && s != Copy {
		return work[s](ctx, j)
	}
	if s == Inspect {
		if err := awaitGuard(ctx, j); err != nil {
			return err
		}
	}
	for {
		err := work[s](ctx, j)
		if err == nil || ctx.Err() != nil || !inActivation(j) || !j.conn.lost(ctx) {
			return err
		}
		if again := awaitGuard(ctx, j); again != nil {
			return err
		}
		if s != Inspect {
			if again := inspect(ctx, j); again != nil {
				return err
			}
		}
	}
}

// awaitGuard waits until the guard that an earlier attempt has left is finished
// or waits to be confirmed, over as many connections as it takes.
func awaitGuard(ctx context.Context, j *job) error {
	by := j.step.Earlier.returnsBy(&j.run.opts)
	ctx, cancel := context.WithDeadlineCause(ctx, by, fmt.Errorf("the activation that was left at %q is not finished", j.step.Earlier.Stage))
	defer cancel()
	v, err := j.guard.await(ctx, Activate, false)
	j.guard.resumed = err == nil && v.Phase == host.Activated
	return err
}
