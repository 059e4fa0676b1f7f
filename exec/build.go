package exec

import (
	"context"
	"path/filepath"
)

// build builds the host's system in the local store, under a garbage collector
// root of its own that lasts until the next build for that host.
func (j *job) build(ctx context.Context) error {
	if j.settled() {
		return nil
	}
	if j.buildsThere() {
		if j.action == Preview {
			return nil // nothing is done on a host for a plan
		}
		return j.buildThere(ctx)
	}
	root := ""
	if j.opts.Roots != "" {
		root = filepath.Join(j.opts.Roots, j.step.Host.Name)
	}
	out, err := j.opts.Builder.Realise(ctx, j.step.System.Drv, root, j.said(Build))
	if err != nil {
		return err
	}
	j.step.System.Out = out
	j.out.System = out
	j.out.Status = Built
	return nil
}
