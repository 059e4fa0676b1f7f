package exec

import (
	"context"
	"fmt"
	"time"
)

// reach connects to the host anew: whoever can do that is not locked out. The
// guard gets its full time again from here. Where no new connection succeeds in
// time, the guard returns the host to what it had, and that is waited for.
func (j *job) reach(ctx context.Context) error {
	if !j.waiting {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	window, cancel := context.WithTimeoutCause(ctx, j.opts.ConfirmTimeout, fmt.Errorf("no new connection within %v", j.opts.ConfirmTimeout))
	defer cancel()
	var last error
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		m, err := j.opts.Connect(window, j.step.Host)
		if err == nil {
			var there bool
			if there, err = j.tell(window, m, "extend", ""); err == nil {
				j.setMachine(m)
				if !there {
					// The guard was faster.
					return j.afterwards(ctx, fmt.Errorf("not confirmed within %v", j.opts.ConfirmTimeout))
				}
				return nil
			}
			m.Close()
		}
		if last == nil || window.Err() == nil {
			last = err
		}
		select {
		case <-window.Done():
			return j.afterwards(ctx, fmt.Errorf("no new connection after the activation: %w", last))
		case <-time.After(wait):
		}
	}
}

// afterwards waits for the end of a guard that is not confirmed, which leaves
// the host on what it had, and tells why it came to that.
func (j *job) afterwards(ctx context.Context, why error) error {
	j.waiting = false
	ctx, cancel := j.limited(ctx, j.opts.ConfirmTimeout+j.opts.RevertTimeout)
	defer cancel()
	v, err := j.await(ctx, Confirm, true)
	if err != nil {
		return fmt.Errorf("%w; its guard returns it to %s, which cannot be seen from here", why, or(string(j.out.Before.Current), "nothing"))
	}
	return j.take(ctx, v, why)
}

// confirm tells the guard that all is well, and waits until the system is the
// host's for good: the profile and the boot loader.
func (j *job) confirm(ctx context.Context) error {
	if !j.waiting {
		return nil
	}
	j.waiting = false
	ctx, cancel := j.limited(ctx, j.opts.ActivateTimeout+j.opts.RevertTimeout)
	defer cancel()
	for {
		_, err := j.tell(ctx, j.machine, "confirm", "")
		if err == nil {
			break
		}
		// Whether it got through shows in what becomes of it.
		if again := j.reconnect(ctx); again != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%w; if the confirmation has not got through, the host returns to %s", err, or(string(j.out.Before.Current), "nothing"))
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	v, err := j.await(ctx, Confirm, true)
	if err != nil {
		return err
	}
	return j.take(ctx, v, nil)
}

// abort tells the guard to return at once, and waits until it has.
func (j *job) abort(ctx context.Context, why error) error {
	ctx = context.WithoutCancel(ctx)
	tell, cancel := context.WithTimeout(ctx, j.opts.ConfirmTimeout)
	defer cancel()
	// Where it does not get through, the guard returns when its time is up.
	_, _ = j.tell(tell, j.machine, "abort", oneLine(why.Error()))
	return j.afterwards(ctx, why)
}
