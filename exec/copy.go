package exec

import (
	"context"
	"errors"
	"fmt"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// copy sends the host what it lacks of its system. The session stays open
// until the host is done: as long as it is, nothing that was copied can be
// collected as garbage.
func (j *job) copy(ctx context.Context) error {
	if j.settled() {
		return nil
	}
	stream, err := j.machine.Serve(ctx)
	if err != nil {
		return err
	}
	// The stream must outlive this stage, and is closed with the job.
	dst, err := nixserve.New(ctx, stream)
	if err != nil {
		return err
	}
	j.onClose(func() { dst.Close() })
	paths := j.step.Paths
	if j.action != CopyPaths {
		paths = []store.Path{j.step.System.Out}
	}
	stats, err := nixserve.Copy(ctx, j.opts.Source, dst, paths, nixserve.CopyOptions{
		Substitute: j.step.Host.Substitute,
		Progress: func(p nixserve.Progress) {
			j.opts.Sink(Progressed{Host: j.step.Host.Name, Stage: Copy, Done: p.Bytes, Total: p.TotalBytes})
		},
	})
	j.out.Paths, j.out.Bytes = stats.Sent, stats.SentBytes
	j.out.changed = j.out.changed || stats.Sent > 0
	if err != nil {
		var gone interface{ Hint() string }
		if errors.As(err, &gone) && gone.Hint() != "" {
			return fmt.Errorf("%w (%s)", err, gone.Hint())
		}
		return err
	}
	j.out.Status = Copied
	return nil
}
