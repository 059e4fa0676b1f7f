package exec

import (
	"context"
	"errors"
	"fmt"

	"muster/compile/store"
	"muster/exec/host"
)

// A profile of a user is deployed by the stages of a system, as far as they apply: it
// is inspected, built, copied and activated, and its outcome is what was seen. There is
// no guard: activating it changes neither the network nor the boot, and takes no root.
// A profile whose activation fails goes back to the generation before, which is
// activated again.

// profileWork is what stages do to a profile instead.
var profileWork = map[Stage]stageFunc{
	Lock:     nothingToDo, // the activation holds one of its own
	Compare:  compareProfile,
	Activate: activateProfile,
	Revert:   revertProfile,
	Reach:    nothingToDo,
	Health:   nothingToDo,
	Confirm:  nothingToDo,
	Restart:  nothingToDo,
}

func nothingToDo(context.Context, *job) error { return nil }

// activateProfile makes what was copied the profile's current generation.
func activateProfile(ctx context.Context, j *job) error {
	if j.upToDate() {
		j.out.Status, j.out.After = Unchanged, j.out.Before.Generation
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return moveProfile(ctx, j, Activate, host.Generation{System: j.step.System.Out})
}

// revertProfile takes the profile to another generation, as revert does a system.
func revertProfile(ctx context.Context, j *job) error {
	if j.back.way == nil {
		if f := choose(ctx, j); f.err != nil || j.back.way.leave != "" {
			return f.err
		}
	}
	return moveProfile(ctx, j, Revert, j.back.way.to)
}

// moveProfile moves the profile and looks at what has become of it. Once begun it is
// not interrupted.
func moveProfile(ctx context.Context, j *job, s Stage, to host.Generation) error {
	o := &j.run.opts
	ctx, cancel := j.uninterrupted(ctx, o.ActivateTimeout+o.RevertTimeout)
	defer cancel()
	p := j.step.Host.Profile
	lines := &lineWriter{line: j.said(s)}
	j.out.changed = true
	v, err := j.conn.ask().ActivateProfile(ctx, host.ProfileOrder{
		Profile: host.ProfileName{User: p.User, Path: p.Path}, System: to.System, Before: j.out.Before.Current, Generation: to.Number,
		Activate: p.Activate, Limit: o.ActivateTimeout, Run: o.Run, Who: o.Who,
	}, lines)
	lines.close()
	if err != nil && j.conn.lost(ctx) {
		_ = j.conn.renew(ctx) // a failure shows in the look
	}
	return concludeProfile(ctx, j, to.System, v, err)
}

// concludeProfile makes what is seen of the profile the outcome. why is what ended its
// activation; nil where v is what it said itself.
func concludeProfile(ctx context.Context, j *job, want store.Path, v host.Verdict, why error) error {
	if why == nil && v.Phase != host.Done {
		why = errors.New(v.Reason)
	}
	if err := look(ctx, j, host.InspectRequest{}); err != nil {
		return fmt.Errorf("what the profile is on could not be seen: %w", errors.Join(why, err))
	}
	now, before := j.seen.State, j.out.Before
	switch {
	case why == nil && now.Current == want:
		j.out.Status = Activated
		if j.action() == Rollback {
			j.out.Status = Reverted
		}
		return nil
	case why == nil:
		return fmt.Errorf("the activation is done, but the profile is on %s", now)
	case v.Phase == host.Untouched && now.Current == before.Current:
		j.out.changed = false
		return fmt.Errorf("%w: nothing was changed", why)
	case v.Phase == host.Reverted && now.Current == before.Current:
		j.out.Status = RolledBack
		return why
	}
	return fmt.Errorf("%w; the profile is on %s", why, now)
}

// compareProfile finds out what of a profile the host lacks.
func compareProfile(ctx context.Context, j *job) error {
	j.out.Status = Previewed
	if j.systemUpToDate() {
		j.out.Status = Unchanged
		return nil
	}
	infos, err := j.run.opts.Source.Closure(ctx, []store.Path{j.step.System.Out})
	if err != nil {
		return err
	}
	sizes := map[store.Path]int64{}
	var paths []store.Path
	for _, info := range infos {
		sizes[info.Path] = info.NARSize
		paths = append(paths, info.Path)
	}
	lacks, err := j.conn.ask().Lacks(ctx, paths)
	if err != nil {
		return err
	}
	d := &Diff{CopyPaths: len(lacks)}
	for _, p := range lacks {
		d.CopyBytes += sizes[p]
	}
	j.out.Diff = d
	return nil
}
