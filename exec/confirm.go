package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/backoff"
	"muster/exec/host"
)

// reach connects to the host anew: a new connection shows that nobody is locked
// out. The guard then waits for its full time again, unless it is confirmed next. Where no new connection
// succeeds in time, the guard returns the host to what it had, and that is waited
// for.
func reach(ctx context.Context, j *job) error {
	if !j.guard.waiting {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	limit := j.confirmTimeout()
	window, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no new connection within %v", limit))
	defer cancel()
	var last error
	wait := backoff.Backoff{First: 50 * time.Millisecond, Max: time.Second}
	for {
		m, err := j.run.opts.Connect(window, j.step.Host)
		if err == nil && j.confirmsNext() {
			j.conn.use(m)
			j.guard.untried = true
			return nil
		}
		if err == nil {
			var there bool
			if there, err = j.conn.over(m).Tell(window, j.run.opts.Run, host.ExtendWord, ""); err == nil {
				j.conn.use(m)
				if !there {
					return afterwards(ctx, j, fmt.Errorf("not confirmed within %v", limit))
				}
				return nil
			}
			m.Close()
		}
		if last == nil || window.Err() == nil {
			last = err
		}
		if wait.Wait(window) != nil {
			return afterwards(ctx, j, lockedOut(last))
		}
	}
}

// confirmsNext reports whether nothing that takes time comes before the confirmation.
func (j *job) confirmsNext() bool {
	return len(j.step.Host.Checks(false)) == 0 && len(j.step.Hooks) == 0
}

// lockedOut says what keeps a new connection from a host that was reached before
// its activation.
func lockedOut(err error) error {
	if errors.Is(err, ErrUnreachable) {
		return fmt.Errorf("no new connection after the activation: %w", err)
	}
	return fmt.Errorf("the new system does not let us in: no new connection after the activation: %w", err)
}

// afterwards waits for the end of a guard that is not confirmed, which leaves
// the host on what it had, and tells why it came to that.
func afterwards(ctx context.Context, j *job, why error) error {
	j.guard.waiting = false
	ctx, cancel := j.uninterrupted(ctx, j.confirmTimeout()+j.run.opts.RevertTimeout)
	defer cancel()
	v, err := j.guard.await(ctx, Confirm, true)
	if err != nil {
		return fmt.Errorf("%w; its guard returns it to %s, which cannot be seen from here", why, j.formerSystem())
	}
	return conclude(ctx, j, v, why)
}

// confirm tells the guard that all is well, and waits until the system is the
// host's for good: the profile and the boot loader.
func confirm(ctx context.Context, j *job) error {
	if j.secrets.applied {
		return settleSecrets(ctx, j)
	}
	if !j.guard.waiting {
		return nil
	}
	j.guard.waiting = false
	ctx, cancel := j.uninterrupted(ctx, j.activateTimeout()+j.run.opts.RevertTimeout)
	defer cancel()
	// A host that takes no command over the new connection locks everybody out.
	window := ctx
	if j.guard.untried {
		limit := j.confirmTimeout()
		window, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("no new connection within %v", limit))
		defer cancel()
	}
	r := lastRequest(j)
	v, in, err := j.guard.confirm(window, r)
	if err == nil {
		if in != nil {
			j.guard.inspected, j.held.released = in, r.Release != ""
		}
		return conclude(ctx, j, v, nil)
	}
	if ctx.Err() == nil {
		if v, again := j.guard.await(ctx, Confirm, true); again == nil {
			return conclude(ctx, j, v, lockedOut(err))
		}
	}
	return fmt.Errorf("%w; if the confirmation has not got through, the host returns to %s", err, j.formerSystem())
}

// abort tells the guard to return at once, and waits until it has.
func abort(ctx context.Context, j *job, why error) error {
	ctx = context.WithoutCancel(ctx)
	tell, cancel := context.WithTimeout(ctx, j.confirmTimeout())
	defer cancel()
	// Where it does not get through, the guard returns when its time is up.
	_, _ = j.guard.tell(tell, host.AbortWord, oneLine(why.Error()))
	return afterwards(ctx, j, why)
}
