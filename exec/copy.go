package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// CopyOptions say how closures are sent. The zero value sends them as fast as
// it goes.
type CopyOptions struct {
	Rate     *nixserve.Limiter // for all hosts together; nil is no limit
	HostRate int64             // bytes per second to one host; 0 is no limit
	Pack     nixserve.Pack     // whether to compress
}

// A packer is a machine that can take what is copied to it compressed.
type packer interface {
	// ServePacked starts zstd -d | nix-store --serve --write, or fails with
	// nixserve.ErrNoZstd.
	ServePacked(ctx context.Context) (nixserve.Stream, error)
	// HeldUp is for how long the network alone has held up what was to be sent.
	HeldUp() (time.Duration, bool)
}

// copy sends the host what it lacks of its system. The session stays open
// until the host is done: as long as it is, nothing that was copied can be
// collected as garbage.
func (j *job) copy(ctx context.Context) error {
	if j.settled() {
		return nil
	}
	// The session lives in this context, and longer than this stage.
	ctx, stop := context.WithCancelCause(ctx)
	j.onClose(func() { stop(nil) })
	paths := j.step.Paths
	if j.action != CopyPaths {
		paths = []store.Path{j.step.System.Out}
	}
	// The session outlives this stage, and is closed with the job.
	dst, stats, err := j.link().Copy(ctx, j.opts.Source, paths, nixserve.CopyOptions{
		Substitute: j.step.Host.Substitute,
		Pack:       j.opts.Copy.Pack,
		Progress: func(p nixserve.Progress) {
			// The first report comes before anything is sent.
			if free := j.facts.Space; p.Bytes == 0 && free > 0 && p.TotalBytes > free {
				stop(fmt.Errorf("%s to copy, and only %s free for /nix/store", bytesText(p.TotalBytes), bytesText(free)))
			}
			j.opts.Sink(Progressed{Host: j.step.Host.Name, Stage: Copy, Done: p.Bytes, Total: p.TotalBytes})
		},
	})
	if dst != nil {
		j.onClose(func() { dst.Close() })
	}
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

// link is the way to the host's store.
func (j *job) link() *nixserve.Link {
	l := &nixserve.Link{Serve: j.machine.Serve}
	if p, ok := j.machine.(packer); ok {
		l.Packed, l.HeldUp = p.ServePacked, p.HeldUp
	}
	if j.opts.Copy.Rate != nil {
		l.Limits = append(l.Limits, j.opts.Copy.Rate)
	}
	if j.opts.Copy.HostRate > 0 {
		l.Limits = append(l.Limits, nixserve.NewLimiter(j.opts.Copy.HostRate))
	}
	return l
}
