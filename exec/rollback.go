package exec

import (
	"context"
	"fmt"

	"muster/exec/host"
)

// revert takes the host to another generation: back by the last deployment, or to
// the one asked for.
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
	if j.back.way == nil {
		if f := choose(ctx, j); f.err != nil || j.back.way.leave != "" {
			return f.err
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	to := j.back.way.to
	return undertake(ctx, j, Revert, func() host.Order {
		return host.Order{
			System: to.System, Action: string(Switch), Generation: to.Number,
		}
	})
}

// choose decides where the host goes, or that it is left alone.
func choose(ctx context.Context, j *job) failure {
	w, err := wayBack(ctx, j)
	switch {
	case err != nil && ctx.Err() != nil:
		j.out.Status = Skipped
		return failure{"", fmt.Errorf("not begun: %w", err)}
	case err != nil:
		return failure{Revert, err}
	case w.leave == "" && j.back.unfit != nil:
		return failure{Inspect, j.back.unfit}
	}
	j.back.way = &w
	j.out.System, j.step.System.Out = w.to.System, w.to.System
	switch {
	case w.leave != "":
		j.out.Status, j.out.Reason = Unchanged, w.leave
		j.out.System, j.out.After = j.out.Before.Generation.System, j.out.Before.Generation
	case j.action() == WouldRevert:
		j.out.Status, j.out.After = Previewed, w.to
	}
	return failure{}
}

// list reads the generations of the host.
func list(ctx context.Context, j *job) error {
	var err error
	j.out.Generations, err = generations(ctx, j)
	j.out.Status = Listed
	return err
}

// generations are those of the system profile, or of the profile that the step is about,
// oldest first.
func generations(ctx context.Context, j *job) (gens []host.Generation, err error) {
	if p := j.step.Host.Profile; p != nil {
		gens, err = j.conn.ask().ProfileGenerations(ctx, host.ProfileName{User: p.User, Path: p.Path})
	} else {
		gens, err = j.conn.ask().Generations(ctx)
	}
	for i := range gens {
		gens[i].Current = gens[i].Number == j.out.Before.Generation.Number
	}
	return gens, err
}
