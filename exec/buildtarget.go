package exec

import (
	"context"
	"fmt"

	"muster/compile/store"
	"muster/schema"
)

// buildsThere reports whether the host builds its own system, as its inventory
// may say. Without a connection, as for muster build, it is built here.
func (j *job) buildsThere() bool {
	return j.step.Host.BuildOn == schema.BuildTarget && j.step.System.Drv != "" && j.current() != nil
}

// buildThere sends the host the derivation with all that it needs, and has it
// built there: nothing of the result is ever here.
func (j *job) buildThere(ctx context.Context) error {
	drv, out := j.step.System.Drv, j.step.System.Out
	dst, err := j.deliver(ctx, Build, []store.Path{drv})
	if err != nil {
		return err
	}
	// The lock on what is not there yet holds from the moment it is.
	if _, err := dst.QueryValidPaths(ctx, []store.Path{out}, true, false); err != nil {
		return err
	}
	lines := &lineWriter{line: j.said(Build)}
	err = j.current().Run(ctx, []string{"nix-store", "--realise", string(drv)}, nil, lines)
	lines.close()
	if err != nil {
		return fmt.Errorf("build on the host: %w", err)
	}
	valid, err := dst.QueryValidPaths(ctx, []store.Path{out}, true, false)
	if err != nil {
		return err
	}
	if len(valid) == 0 {
		return fmt.Errorf("build on the host: it has built %s, but not %s", drv, out)
	}
	j.out.System, j.out.Status = out, Built
	return nil
}
