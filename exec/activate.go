package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"muster/compile/store"
)

// activate makes the copied system the host's: the profile first, so that a
// reboot at any moment finds a whole generation, then switch-to-configuration.
// Once begun it is not interrupted; a time limit of its own ends it.
func (j *job) activate(ctx context.Context) error {
	if j.settled() {
		j.out.Status = Unchanged
		j.out.After = j.out.Before.Generation
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), j.opts.ActivateTimeout,
		fmt.Errorf("not done after %v", j.opts.ActivateTimeout))
	defer cancel()

	system := j.step.System.Out
	if err := j.isSystem(ctx, system); err != nil {
		return err
	}
	action := j.action
	if action == DryActivate {
		j.out.Status = Previewed
		return j.switchTo(ctx, system, action)
	}
	j.out.changed = true
	if action == Switch || action == Boot {
		if err := j.machine.Run(ctx, []string{"nix-env", "--profile", profile, "--set", string(system)}, nil, nil); err != nil {
			return fmt.Errorf("set the system profile: %w", err)
		}
	}
	if err := j.switchTo(ctx, system, action); err != nil {
		return j.undo(ctx, err)
	}
	j.out.Status = Activated
	return j.look(ctx)
}

// isSystem makes sure that a store path is a NixOS system before the profile
// is pointed at it.
func (j *job) isSystem(ctx context.Context, system store.Path) error {
	if err := j.machine.Run(ctx, []string{"test", "-x", string(system) + "/bin/switch-to-configuration"}, nil, nil); err != nil {
		return fmt.Errorf("%s is no NixOS system: it has no bin/switch-to-configuration: %w", system, err)
	}
	return nil
}

// switchTo runs the system's own switch-to-configuration.
func (j *job) switchTo(ctx context.Context, system store.Path, action Action) error {
	lines := &lineWriter{line: j.said(Activate)}
	defer lines.close()
	return j.machine.Run(ctx, []string{string(system) + "/bin/switch-to-configuration", string(action)}, lines, lines)
}

// undo brings the host back to what it had before an activation that failed,
// and says so: the outcome is a rollback, and the error why.
func (j *job) undo(ctx context.Context, why error) error {
	before := j.out.Before
	if before.Generation.Number == 0 {
		return fmt.Errorf("%w; there is no generation before it to go back to", why)
	}
	// Two minutes of its own: the time limit may be what failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.opts.ActivateTimeout)
	defer cancel()
	var errs []error
	if j.action == Switch || j.action == Boot {
		errs = append(errs, j.switchGeneration(ctx, before.Generation.Number))
	}
	// What ran before may be newer than the profile, after an action test.
	system, action := before.Current, Switch
	if system == "" || system != before.Generation.System {
		action = Test
	}
	if system == "" {
		system = before.Generation.System
	}
	if j.action == Boot {
		system, action = before.Generation.System, Boot
	}
	errs = append(errs, j.switchTo(ctx, system, action))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w; going back to generation %d: %w", why, before.Generation.Number, err)
	}
	if err := j.look(ctx); err != nil {
		return fmt.Errorf("%w; going back to generation %d: %w", why, before.Generation.Number, err)
	}
	j.out.Status = RolledBack
	return why
}

// switchGeneration points the system profile at one of its generations.
func (j *job) switchGeneration(ctx context.Context, n int) error {
	err := j.machine.Run(ctx, []string{"nix-env", "--profile", profile, "--switch-generation", strconv.Itoa(n)}, nil, nil)
	if err != nil {
		return fmt.Errorf("switch the system profile to generation %d: %w", n, err)
	}
	return nil
}

// look reads which generation the host ended on.
func (j *job) look(ctx context.Context) error {
	out, err := script(ctx, j.machine, readState, profile)
	if err != nil {
		return err
	}
	s, err := parseState(out)
	if err != nil {
		return err
	}
	j.out.After = s.Generation
	return nil
}

// revert takes the host to an earlier generation: the one asked for, or the
// one before the current.
func (j *job) revert(ctx context.Context) error {
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
	if to.Current && j.out.Before.Current == to.System {
		j.out.Status, j.out.After = Unchanged, to
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), j.opts.ActivateTimeout,
		fmt.Errorf("not done after %v", j.opts.ActivateTimeout))
	defer cancel()
	if err := j.isSystem(ctx, to.System); err != nil {
		return err
	}
	j.out.changed = true
	if err := j.switchGeneration(ctx, to.Number); err != nil {
		return err
	}
	if err := j.switchTo(ctx, to.System, Switch); err != nil {
		return err
	}
	j.out.Status = Reverted
	return j.look(ctx)
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
