package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/host"
)

// How a host gets from one system to the next without a moment in which it
// cannot be reached or booted:
//
//	activate   the guard is started on the host and runs switch-to-configuration test:
//	           what runs changes, what would be booted does not
//	reconnect  a new connection shows that nobody is locked out
//	health     what the inventory wants to see is there
//	confirm    the guard is told so; it moves the system profile and then runs
//	           switch-to-configuration switch: what runs is there already, so that
//	           moves the boot loader's default, and leaves what nixos-rebuild would
//
// Until "confirm" the profile and the boot loader are on the old generation: a
// host that crashes or is switched off boots what it had. A host that is not
// confirmed returns by itself. While it is confirmed, the profile is set before
// the boot loader, so that the boot loader never names a generation that is not
// there; a crash in between boots the old one, which still is whole.

// activate has the host's guard activate the copied system, and returns when
// it runs. Once begun it is not interrupted; time limits of its own end it.
func activate(ctx context.Context, j *job) error {
	if j.upToDate() {
		j.out.Status = Unchanged
		j.out.After = j.out.Before.Generation
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if j.action() == DryActivate {
		return dryActivate(ctx, j)
	}
	return undertake(ctx, j, Activate, func() host.Order {
		return host.Order{
			System: j.step.System.Out, Previous: j.out.Before.Current,
			Action: string(j.action()), Former: j.out.Before.Generation.Number,
		}
	})
}

// dryActivate has the system say what switching to it would do.
func dryActivate(ctx context.Context, j *job) error {
	limit := j.run.opts.ActivateTimeout
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
	ctx, cancel := j.uninterrupted(ctx, o.ActivateTimeout+o.RevertTimeout)
	defer cancel()
	joined := false
	if j.hasGuard() {
		v, err := j.guard.await(ctx, s, false)
		if err != nil {
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
	j.out.changed = true
	if !joined {
		full := order()
		full.Run, full.Who = o.Run, o.Who
		full.InstallBootLoader = j.installsBootLoader()
		full.Activate, full.Confirm, full.Revert = o.ActivateTimeout, o.ConfirmTimeout, o.RevertTimeout
		if err := j.guard.start(ctx, full); err != nil {
			return err
		}
	}
	v, err := j.guard.await(ctx, s, false)
	if err != nil {
		return fmt.Errorf("%w; the host returns to what it had unless it is confirmed", err)
	}
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

// conclude makes a guard's last word the outcome. why is what led to it, where
// it was not the guard that found it.
func conclude(ctx context.Context, j *job, v host.Verdict, why error) error {
	if why == nil {
		why = errors.New(cmp.Or(v.Reason, string(v.Phase)))
	}
	switch v.Phase {
	case host.Done:
		j.out.Status = Activated
		if j.action() == Rollback {
			j.out.Status = Reverted
		}
		return look(ctx, j)
	case host.Reverted:
		if err := look(ctx, j); err != nil {
			return fmt.Errorf("%w; it is back on what it had, but: %w", why, err)
		}
		j.out.Status = RolledBack
		return why
	case host.NoGuard:
		// The guard's files are gone with the boot in which they were made, and
		// the boot default was not moved.
		why = errors.New("the host has restarted before it was confirmed")
		if err := look(ctx, j); err != nil {
			return fmt.Errorf("%w, and %w", why, err)
		}
		if j.out.After.System == j.out.Before.Generation.System && j.out.Running == j.out.Before.Current {
			j.out.Status = RolledBack
		}
		return why
	case host.Died:
		return fmt.Errorf("the guard on the host died %s; what runs there is unknown", v.Reason)
	}
	return why
}

// look reads what the host ended on.
func look(ctx context.Context, j *job) error {
	in, err := j.conn.ask().Inspect(ctx, host.InspectRequest{})
	if err != nil {
		return err
	}
	j.seen = in
	j.out.After, j.out.Running = in.State.Generation, in.State.Current
	j.out.NeedsReboot = in.Facts.Needs
	return nil
}
