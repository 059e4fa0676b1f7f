package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
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

// settled reports whether the host already is what the action would make it.
func (j *job) settled() bool {
	want, have := j.step.System.Out, j.out.Before
	if want == "" {
		return false
	}
	switch j.action {
	case Switch, Preview:
		return have.Generation.System == want && have.Current == want && j.facts.guard != j.opts.Run
	case Boot:
		return have.Generation.System == want
	case Test:
		return have.Current == want && j.facts.guard != j.opts.Run
	}
	return false
}

// activate has the host's guard activate the copied system, and returns when
// it runs. Once begun it is not interrupted; time limits of its own end it.
func (j *job) activate(ctx context.Context) error {
	if j.settled() {
		j.out.Status = Unchanged
		j.out.After = j.out.Before.Generation
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if j.action == DryActivate {
		return j.preview(ctx)
	}
	o := order{system: j.step.System.Out, previous: j.out.Before.Current, action: j.action, former: j.out.Before.Generation.Number}
	return j.undertake(ctx, Activate, o)
}

// preview has the system say what switching to it would do.
func (j *job) preview(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, j.opts.ActivateTimeout, fmt.Errorf("not done after %v", j.opts.ActivateTimeout))
	defer cancel()
	lines := &lineWriter{line: j.said(Activate)}
	defer lines.close()
	j.out.Status = Previewed
	system := string(j.step.System.Out)
	return j.machine.Run(ctx, []string{system + "/bin/switch-to-configuration", string(DryActivate)}, lines, lines)
}

// undertake starts a guard with an order, or joins the one that an earlier
// attempt of the same run has left, and follows it until it waits for
// confirmation or ends.
func (j *job) undertake(ctx context.Context, s Stage, o order) error {
	ctx, cancel := j.limited(ctx, j.opts.ActivateTimeout+j.opts.RevertTimeout)
	defer cancel()
	joined := false
	if j.facts.guard == j.opts.Run {
		v, err := j.await(ctx, s, false)
		if err != nil {
			return fmt.Errorf("%w; the host returns to what it had unless it is confirmed", err)
		}
		joined = v.phase == activated || v.phase == done
		if !joined {
			// It may have been at work when the host was looked at.
			if err := j.inspect(ctx); err != nil {
				return err
			}
			o.previous, o.former = j.out.Before.Current, j.out.Before.Generation.Number
		}
	}
	j.out.changed = true
	if !joined {
		if err := j.start(ctx, o); err != nil {
			return err
		}
	}
	v, err := j.await(ctx, s, false)
	if err != nil {
		return fmt.Errorf("%w; the host returns to what it had unless it is confirmed", err)
	}
	if v.phase == activated {
		j.waiting = true
		return nil
	}
	return j.take(ctx, v, nil)
}

// start arms the guard. Where the connection is lost while it is told, nobody
// knows whether it has begun: a new connection shows.
func (j *job) start(ctx context.Context, o order) error {
	err := j.arm(ctx, o)
	if err == nil || ctx.Err() != nil || !j.lost(ctx) {
		return err
	}
	if again := j.reconnect(ctx); again != nil {
		return err
	}
	if v, err := j.follow(ctx, j.machine, Activate, false); err == nil && v.phase != noGuard {
		return nil
	}
	return j.arm(ctx, o)
}

// lost reports whether the connection no longer answers.
func (j *job) lost(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return j.machine.Run(ctx, []string{"true"}, nil, nil) != nil
}

// limited is a context for what must not be interrupted, with a limit.
func (j *job) limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	limit += j.opts.AnswerTimeout
	return context.WithTimeoutCause(context.WithoutCancel(ctx), limit, fmt.Errorf("no answer from the host for %v", limit))
}

// take makes a guard's last word the outcome. Why is what led to it, where it
// was not the guard that found it.
func (j *job) take(ctx context.Context, v verdict, why error) error {
	if why == nil {
		why = errors.New(or(v.reason, string(v.phase)))
	}
	switch v.phase {
	case done:
		j.out.Status = Activated
		if j.action == Rollback {
			j.out.Status = Reverted
		}
		return j.look(ctx)
	case reverted:
		if err := j.look(ctx); err != nil {
			return fmt.Errorf("%w; it is back on what it had, but: %w", why, err)
		}
		j.out.Status = RolledBack
		return why
	case noGuard:
		// Its files are gone with the boot they were made in, and the boot
		// default was not moved.
		why = errors.New("the host has restarted before it was confirmed")
		if err := j.look(ctx); err != nil {
			return fmt.Errorf("%w, and %w", why, err)
		}
		if j.out.After.System == j.out.Before.Generation.System && j.out.Running == j.out.Before.Current {
			j.out.Status = RolledBack
		}
		return why
	case guardDied:
		return fmt.Errorf("the guard on the host died %s; what runs there is unknown", v.reason)
	}
	return why
}

// look reads what the host ended on.
func (j *job) look(ctx context.Context) error {
	out, err := j.ask(ctx, j.machine, inspectScript, profile, "")
	if err != nil {
		return err
	}
	now := time.Now()
	s, err := j.readFacts(out, now, now)
	if err != nil {
		return err
	}
	j.out.After, j.out.Running = s.Generation, s.Current
	j.out.NeedsReboot = j.facts.Needs
	return nil
}

// revert takes the host to an earlier generation: the one asked for, or the
// one before the current.
func (j *job) revert(ctx context.Context) error {
	if j.facts.guard == j.opts.Run {
		// An attempt before this one chose already.
		v, err := j.follow(ctx, j.current(), Revert, false)
		if err != nil {
			return err
		}
		if v.phase == activated || v.phase == done {
			j.step.System.Out, j.out.System = j.out.Before.Current, j.out.Before.Current
			return j.undertake(ctx, Revert, order{})
		}
	}
	gens, err := j.generations(ctx)
	if err != nil {
		return err
	}
	to, err := chooseGeneration(gens, j.generation)
	if err != nil {
		return err
	}
	j.out.System = to.System
	j.step.System.Out = to.System
	if to.Current && j.out.Before.Current == to.System && j.facts.guard != j.opts.Run {
		j.out.Status, j.out.After = Unchanged, to
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return j.undertake(ctx, Revert, order{
		system: to.System, previous: j.out.Before.Current, action: Switch,
		generation: to.Number, former: j.out.Before.Generation.Number,
	})
}

// chooseGeneration finds generation n, or, for 0, the one before the current.
func chooseGeneration(gens []Generation, n int) (Generation, error) {
	if n != 0 {
		i := slices.IndexFunc(gens, func(g Generation) bool { return g.Number == n })
		if i < 0 {
			return Generation{}, fmt.Errorf("no generation %d: there are %s", n, numbers(gens))
		}
		return gens[i], nil
	}
	i := slices.IndexFunc(gens, func(g Generation) bool { return g.Current })
	switch {
	case i < 0:
		return Generation{}, errors.New("the system profile points to none of its generations")
	case i == 0:
		return Generation{}, fmt.Errorf("no generation before %d to go back to", gens[0].Number)
	}
	return gens[i-1], nil
}

func numbers(gens []Generation) string {
	if len(gens) == 0 {
		return "none"
	}
	s := ""
	for i, g := range gens {
		if i > 0 {
			s += ", "
		}
		s += strconv.Itoa(g.Number)
	}
	return s
}
