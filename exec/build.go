package exec

import (
	"context"
	"fmt"

	"muster/compile/store"
	"muster/schema"
)

// build builds the host's system in the local store, under a garbage collector
// root of its own that lasts until the next build for that host, or on the host
// itself or another one where its inventory says so.
func build(ctx context.Context, j *job) error {
	switch {
	case j.systemUpToDate():
		return nil
	case j.buildsElsewhere() && j.action() == Preview: // nothing is done on a host for a plan
		if name := j.step.Host.BuildOn.Host(); name != "" {
			j.note(Finding{Check: "build", Text: "to be built on host " + name})
		}
		return nil
	case j.buildsOnTarget():
		return buildOnTarget(ctx, j)
	case j.buildsElsewhere():
		return buildOnHost(ctx, j)
	}
	return buildAlone(ctx, j)
}

// buildsElsewhere reports whether the system is built on a host, as the inventory may
// say. Without a connection, as for muster build, and for an installer, it is built here.
func (j *job) buildsElsewhere() bool {
	on := j.step.Host.BuildOn
	return on != schema.BuildLocal && on != "" && j.step.System.Drv != "" && j.conn.machine() != nil && j.action() != Install
}

// buildsOnTarget reports whether the host builds its own system.
func (j *job) buildsOnTarget() bool {
	return j.step.Host.BuildOn == schema.BuildTarget && j.buildsElsewhere()
}

// buildOnTarget has the host build its own system: nothing of the result is ever here.
func buildOnTarget(ctx context.Context, j *job) error {
	if err := realise(ctx, j); err != nil {
		return err
	}
	j.out.System, j.out.Status = j.step.System.Out, Built
	return nil
}

// realise sends the host of a job the derivation with all that it needs, and has it built
// there. The result is locked until the connection ends.
func realise(ctx context.Context, j *job) error {
	drv, out := j.step.System.Drv, j.step.System.Out
	dst, err := (&sender{j: j, stage: Build}).serve(ctx, []store.Path{drv})
	if err != nil {
		return err
	}
	valid := func() ([]store.Path, error) {
		limit := j.run.opts.AnswerTimeout
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
		defer cancel()
		return dst.QueryValidPaths(ctx, []store.Path{out}, true, false)
	}
	// The lock on what is not there yet holds from the moment it is.
	if _, err := valid(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, workLimit, errWorkLimit)
	defer cancel()
	lines := &lineWriter{line: j.said(Build)}
	err = j.conn.machine().Run(ctx, []string{"nix-store", "--realise", string(drv)}, nil, lines)
	lines.close()
	if err != nil {
		return fmt.Errorf("build on the host: %w", err)
	}
	there, err := valid()
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return fmt.Errorf("build on the host: it has built %s, but not %s", drv, out)
	}
	return nil
}
