package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/host"
)

// How a host gets from one system to the next without a moment in which it
// cannot be reached or booted:
//
//	activate   the guard is started on the host and runs switch-to-configuration test:
//	           what runs changes, what would be booted does not
//	reconnect  a new connection shows that nobody is locked out
//	health     what the inventory wants to see is there
//	confirm    the guard is told so; it moves the system profile and runs
//	           switch-to-configuration boot for the boot loader: what runs is there
//	           already, and is not activated again
//
// Until "confirm" the profile and the boot loader are on the old generation: a
// host that crashes or is switched off boots what it had. A host that is not
// confirmed returns by itself. While it is confirmed, the profile is set before
// the boot loader, so that the boot loader never names a generation that is not
// there; a crash in between boots the old one, which still is whole.
//
// What the guard says is not yet the outcome: what runs, the profile and the boot
// default are read from the host and compared with what was meant.

// activate has the host's guard activate the copied system, and returns when
// it runs. Once begun it is not interrupted; time limits of its own end it.
func activate(ctx context.Context, j *job) error {
	if j.upToDate() {
		j.out.Status = Unchanged
		j.out.After = j.out.Before.Generation
		return mendMeshes(ctx, j)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if j.systemUpToDate() {
		return applySecrets(ctx, j)
	}
	if j.action() == DryActivate {
		return dryActivate(ctx, j)
	}
	action := j.action()
	order := func() host.Order {
		// A system that runs already is activated all the same: it may run because
		// an activation failed and there was nothing to go back to.
		return host.Order{System: j.step.System.Out, Action: string(action)}
	}
	err := undertake(ctx, j, Activate, order)
	if errors.Is(err, errTakesRestart) && j.run.opts.Reboot && action == Switch {
		j.note(Finding{Check: "restart", Text: "NixOS can change to this system only by a restart: it is made the boot default, and the host is restarted"})
		j.guard.restarts, action = true, Boot
		return undertake(ctx, j, Activate, order)
	}
	return err
}

// dryActivate has the system say what switching to it would do.
func dryActivate(ctx context.Context, j *job) error {
	limit := j.activateTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	lines := &lineWriter{line: j.said(Activate)}
	defer lines.close()
	j.out.Status = Previewed
	system := string(j.step.System.Out)
	return j.conn.machine().Run(ctx, []string{system + "/bin/switch-to-configuration", string(DryActivate)}, lines, lines)
}

// undertake starts a guard with an order, or joins the one that an earlier
// attempt of the same run has left, and follows it until it waits for
// confirmation or ends. The order is made when it is needed: a guard that was
// left may have changed what it depends on.
func undertake(ctx context.Context, j *job, s Stage, order func() host.Order) error {
	o := &j.run.opts
	// A system that lets nobody in is silent until its confirmation is overdue and
	// the host has returned.
	ctx, cancel := j.uninterrupted(ctx, o.LockTimeout+j.activateTimeout()+j.confirmTimeout()+o.RevertTimeout)
	defer cancel()
	var v host.Verdict
	var err error
	joined := false
	if j.hasGuard() {
		if v, err = j.guard.await(ctx, s, false); err != nil {
			return fmt.Errorf("%w; the host returns to what it had unless it is confirmed", err)
		}
		joined = v.Phase == host.Activated || v.Phase == host.Done
		if !joined {
			// It may have been at work when the host was inspected.
			if err := inspect(ctx, j); err != nil {
				return err
			}
		}
	}
	if !joined {
		full := order()
		full.Run, full.Who, full.Before = o.Run, o.Who, j.out.Before
		full.FailedUnits, full.InstallBootLoader = string(cmp.Or(o.FailedUnits, j.step.Host.FailedUnits)), j.installsBootLoader()
		full.Activate, full.Confirm, full.Revert, full.Busy = j.activateTimeout(), j.confirmTimeout(), o.RevertTimeout, o.LockTimeout
		full.Unguarded, full.Keep = j.unguarded(), j.step.Host.Care.RollbackOff != ""
		j.guard.doing, j.out.changed = Action(full.Action), true
		v, err = j.guard.start(ctx, full, j.seen.Facts.BootID)
		if errors.Is(err, host.ErrRefused) {
			j.out.changed = false
		}
		if err != nil {
			return err
		}
	}
	j.out.changed = true
	if v.Phase == host.Activated {
		j.guard.waiting = true
		return nil
	}
	return conclude(ctx, j, v, nil)
}

// uninterrupted is a context for what must not be interrupted, with a limit.
func (j *job) uninterrupted(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	limit += j.run.opts.AnswerTimeout
	return context.WithTimeoutCause(context.WithoutCancel(ctx), limit, fmt.Errorf("no answer from the host for %v", limit))
}

// errTakesRestart says that NixOS can change to a system only by a restart.
var errTakesRestart = errors.New("NixOS can change to this system only by a restart, and nothing was changed: deploy it with --action boot --reboot, or with --reboot")

// conclude makes a guard's last word and what is seen on the host the outcome. why
// is what led to it, where it was not the guard that found it.
func conclude(ctx context.Context, j *job, v host.Verdict, why error) error {
	if why == nil {
		why = errors.New(cmp.Or(v.Reason, string(v.Phase)))
	}
	if err := lastLook(ctx, j); err != nil {
		return fmt.Errorf("%w; its guard says %q, and what is on the host could not be seen: %w", why, v.Phase, err)
	}
	before, now := j.out.Before, j.seen.State
	back := now.Current == before.Current && now.Generation.System == before.Generation.System &&
		(now.Boots == before.Boots || now.Boots == "" || before.Boots == "")
	switch v.Phase {
	case host.Done:
		if problem := unmet(j, now); problem != "" {
			return fmt.Errorf("the guard is done, but %s", problem)
		}
		j.out.Status = Activated
		if j.action() == Rollback {
			j.out.Status = Reverted
		}
		return nil
	case host.NeedsRestart:
		j.out.changed = !back
		if !back {
			return fmt.Errorf("%w; %s", errTakesRestart, j.whatIsOnWhat(now))
		}
		return errTakesRestart
	case host.Untouched:
		if j.out.changed = !back; back {
			return fmt.Errorf("%w: nothing was changed", why)
		}
	case host.NoGuard:
		// The guard's files are gone with the boot in which they were made, and
		// the boot default was not moved.
		why = errors.New("the host has restarted before it was confirmed")
	case host.Died:
		why = fmt.Errorf("the guard on the host was killed %s", v.Reason)
	}
	if back {
		j.out.Status = RolledBack
		return why
	}
	return fmt.Errorf("%w; stuck: %s", why, j.whatIsOnWhat(now))
}

// unmet says what on a host is not as the action meant it; "" where all is.
func unmet(j *job, now host.State) string {
	want := j.step.System.Out
	runs, boots := now.Current == want, now.WouldBoot(want)
	switch j.guard.doing {
	case Boot:
		runs = true
	case Test:
		boots = true
	}
	if runs && boots {
		return ""
	}
	return j.whatIsOnWhat(now)
}

// whatIsOnWhat says which system runs, is the profile's and would boot, and what
// can be done.
func (j *job) whatIsOnWhat(now host.State) string {
	name := func(p store.Path) string {
		switch p {
		case "":
			return "nothing"
		case j.step.System.Out:
			return "the new system"
		case j.out.Before.Current, j.out.Before.Generation.System:
			return "the old system"
		}
		return string(p)
	}
	parts := []string{"it runs " + name(now.Current)}
	if now.Generation.System != now.Current {
		parts = append(parts, "its profile is on "+name(now.Generation.System))
	}
	if now.Boots != "" && now.Boots != now.Generation.System || now.Generation.System != now.Current {
		parts = append(parts, "it boots "+name(cmp.Or(now.Boots, now.Generation.System)))
	}
	return strings.Join(parts, ", ") + "; next: deploy again when what is wrong is mended"
}

// lastLook is look, where the request that confirmed the system has not looked already.
func lastLook(ctx context.Context, j *job) error {
	if in := j.guard.inspected; in != nil {
		j.guard.inspected = nil
		saw(j, *in)
		return nil
	}
	r := lastRequest(j)
	err := look(ctx, j, r)
	j.held.released = err == nil && r.Release != ""
	return err
}

// lastRequest is for a look after which the host is given back, where nothing more is
// done to it.
func lastRequest(j *job) host.InspectRequest {
	r := host.InspectRequest{Want: j.step.System.Out}
	if j.held.stop != nil && !j.run.opts.Reboot && len(j.step.Hooks) == 0 {
		j.held.stop()
		r.Release = j.run.opts.Run
	}
	return r
}

// look reads what the host ended on.
func look(ctx context.Context, j *job, r host.InspectRequest) error {
	in, err := j.inspection(ctx, r)
	if err != nil {
		return err
	}
	saw(j, in)
	return nil
}

// saw takes up what was read of the host.
func saw(j *job, in host.Inspection) {
	j.seen = in
	j.out.After, j.out.Running, j.out.Boots = in.State.Generation, in.State.Current, in.State.Boots
	j.out.NeedsReboot = in.Facts.Needs
}
