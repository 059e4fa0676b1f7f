package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/exec/host"
)

// revert takes the host to an earlier generation: the one asked for, or the
// one before the current.
func revert(ctx context.Context, j *job) error {
	if j.hasGuard() {
		// An earlier attempt has chosen the generation already.
		v, err := j.guard.await(ctx, Revert, false)
		if err != nil {
			return err
		}
		if v.Phase == host.Activated || v.Phase == host.Done {
			j.step.System.Out, j.out.System = j.out.Before.Current, j.out.Before.Current
			return undertake(ctx, j, Revert, func() host.Order { return host.Order{} })
		}
	}
	gens, err := generations(ctx, j)
	if err != nil {
		return err
	}
	to, err := chooseGeneration(gens, j.run.plan.Generation)
	if err != nil {
		return err
	}
	j.out.System = to.System
	j.step.System.Out = to.System
	if to.Current && j.out.Before.Current == to.System && !j.hasGuard() {
		j.out.Status, j.out.After = Unchanged, to
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return undertake(ctx, j, Revert, func() host.Order {
		return host.Order{
			System: to.System, Action: string(Switch), Generation: to.Number,
		}
	})
}

// chooseGeneration finds generation n, or, for 0, the one before the current.
func chooseGeneration(gens []host.Generation, n int) (host.Generation, error) {
	if n != 0 {
		i := slices.IndexFunc(gens, func(g host.Generation) bool { return g.Number == n })
		if i < 0 {
			return host.Generation{}, fmt.Errorf("no generation %d: the host has %s", n, numbers(gens))
		}
		return gens[i], nil
	}
	i := slices.IndexFunc(gens, func(g host.Generation) bool { return g.Current })
	switch {
	case i < 0:
		return host.Generation{}, errors.New("the system profile points to none of its generations")
	case i == 0:
		return host.Generation{}, fmt.Errorf("no generation before %d to go back to", gens[0].Number)
	}
	return gens[i-1], nil
}

func numbers(gens []host.Generation) string {
	if len(gens) == 0 {
		return "none"
	}
	var texts []string
	for _, g := range gens {
		texts = append(texts, strconv.Itoa(g.Number))
	}
	return strings.Join(texts, ", ")
}

// list reads the generations of the host.
func list(ctx context.Context, j *job) error {
	var err error
	j.out.Generations, err = generations(ctx, j)
	j.out.Status = Listed
	return err
}

// generations are those of the system profile, oldest first.
func generations(ctx context.Context, j *job) ([]host.Generation, error) {
	gens, err := j.conn.ask().Generations(ctx)
	for i := range gens {
		gens[i].Current = gens[i].Number == j.out.Before.Generation.Number
	}
	return gens, err
}
