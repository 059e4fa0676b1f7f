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
	Run   string    `json:"run,omitempty"`   // of the attempt
	Stage Stage     `json:"stage,omitempty"` // the last that was begun of those from the activation on; "" for none
	Since time.Time `json:"since,omitzero"`  // when that was
}

// returnsBy is when a host that was left in the middle of its activation is back
// by itself, at the latest; the zero time for one that was not.
func (j *job) returnsBy() time.Time {
	a, o := j.step.Earlier, &j.run.opts
	switch {
	case a == nil || a.Stage == "":
		return time.Time{}
	case a.Stage == Restart:
		return a.Since.Add(j.rebootTimeout())
	}
	return a.Since.Add(j.activateTimeout() + j.confirmTimeout() + o.RevertTimeout + o.AnswerTimeout)
}

// inActivation reports whether the host was left in the middle of its activation
// and may still be.
func inActivation(j *job) bool { return time.Now().Before(j.returnsBy()) }

// A Baseline is what a run found a host on when it first looked at it.
type Baseline struct {
	Run        string     `json:"run,omitempty"` // that found it
	State      host.State `json:"state"`
	DeployedBy string     `json:"deployed_by,omitempty"` // the run that had deployed the profile's system; "" where the host does not say
}

// ErrOvertaken says that a host is neither what a run had found nor what the run
// has made of it.
var ErrOvertaken = errors.New("the host has moved on")

// recordBaseline writes down what the run has found the host on, unless an earlier
// attempt of the same run has.
func recordBaseline(j *job, in *host.Inspection) {
	if !j.action().isResumed() || j.recorded || j.step.Baseline != nil && j.step.Baseline.Run == j.run.opts.Run {
		return
	}
	j.recorded = true
	j.emit(Inspected{Host: j.step.Host.Name, State: in.State, DeployedBy: in.Facts.DeployedBy})
}

// checkBaseline fails where a host that an earlier attempt has left has been
// changed by others since: the run would take it back.
func checkBaseline(j *job, in *host.Inspection) error {
	if j.step.Earlier == nil || !j.action().isResumed() || j.upToDate() {
		return nil
	}
	what := movedOn(j, in)
	if what == "" {
		return nil
	}
	return fmt.Errorf("%w since run %s: %s; it is left alone", ErrOvertaken, j.step.Earlier.Run, what)
}

// movedOn says what others have changed on a host since an earlier attempt, "" for nothing.
func movedOn(j *job, in *host.Inspection) string {
	now, by, run := in.State, in.Facts.DeployedBy, j.step.Earlier.Run
	own := by == run || by == j.run.opts.Run
	b := j.step.Baseline
	if b == nil {
		if !own && by > run {
			return fmt.Sprintf("it is on %s, which run %s deployed", now, by)
		}
		return ""
	}
	own = own || by == b.Run
	// Of a rollback, what it wants is known from what it did.
	want := j.step.System.Out
	if j.action() == Rollback && own {
		want = now.Generation.System
	}
	guard := in.Guard != "" && (in.Guard == run || in.Guard == j.run.opts.Run)
	found := b.State
	profileStays := now.Generation.System == found.Generation.System && now.Generation.Number == found.Generation.Number
	runs := now.Current == found.Current || now.Current == want || guard && j.action() == Rollback
	boots := now.Boots == "" || found.Boots == "" || now.Boots == found.Boots || now.Boots == want
	switch {
	case !profileStays && now.Generation.System != want, !runs, !boots:
		if by != "" && !own && by != b.DeployedBy {
			return fmt.Sprintf("it is on %s, which run %s deployed, and was on %s", now, by, found)
		}
		return fmt.Sprintf("it is on %s now, and was on %s", describe(now, found), describe(found, now))
	case !own && by != b.DeployedBy && (profileStays || by > run):
		return fmt.Sprintf("run %s has deployed %s", by, now)
	}
	return ""
}

// describe says what a host is on, with what it boots where only that differs.
func describe(s, other host.State) string {
	if s.Generation.System == other.Generation.System && s.Current == other.Current && s.Boots != "" {
		return fmt.Sprintf("%s, booting %s", s, s.Boots)
	}
	return s.String()
}

// isResumed reports whether runs of the action keep a journal and can be resumed.
func (a Action) isResumed() bool { return a == Switch || a == Boot || a == Test || a == Rollback }

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
	by := j.returnsBy()
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

// work is what a stage does to the host, or to the profile that the job is about.
func (j *job) work(s Stage) stageFunc {
	if sim := j.run.opts.simulated; sim != nil {
		return sim.stage(s)
	}
	if f, ok := profileWork[s]; ok && j.step.Host.Profile != nil {
		return f
	}
	return work[s]
}

// carryOut does the work of a stage. On a host that was left in the middle of its
// activation, the guard comes first: its verdict, or its return when the
// connection is lost to what it does.
func carryOut(ctx context.Context, j *job, s Stage) error {
	if !inActivation(j) || s != Inspect && s != Lock && s != Copy {
		return j.work(s)(ctx, j)
	}
	if s == Inspect {
		if err := awaitGuard(ctx, j); err != nil {
			return err
		}
	}
	for {
		err := j.work(s)(ctx, j)
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
	by := j.returnsBy()
	ctx, cancel := context.WithDeadlineCause(ctx, by, fmt.Errorf("the activation that was left at %q is not finished", j.step.Earlier.Stage))
	defer cancel()
	v, err := j.guard.await(ctx, Activate, false)
	j.guard.resumed = err == nil && v.Phase == host.Activated
	return err
}
