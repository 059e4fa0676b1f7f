package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/compile/store"
	"muster/exec/nixserve"
	"muster/schema"
)

// CopyOptions say how closures are sent. The zero value sends them as fast as
// it goes.
type CopyOptions struct {
	Rate     *nixserve.Limiter // for all hosts together; nil is no limit
	HostRate int64             // bytes per second to one host; 0 is no limit
	Pack     nixserve.Pack     // whether to compress
	With     Carrier           // copies instead; nil: muster itself
	Else     Carrier           // copies to a host that does not speak nix-store --serve; nil: that is a failure
}

// A Carrier copies closures to a host by other means. Lines of it go to log.
type Carrier func(ctx context.Context, host *schema.Host, paths []store.Path, log func(line string)) error

// A packer is a machine that can take what is copied to it compressed.
type packer interface {
	// ServePacked starts zstd -d | nix-store --serve --write, or fails with
	// nixserve.ErrNoZstd.
	ServePacked(ctx context.Context) (nixserve.Stream, error)
	// HeldUp is for how long the network alone has held up what was to be sent.
	HeldUp() (time.Duration, bool)
}

// copy sends the host what it lacks of its system.
func (j *job) copy(ctx context.Context) error {
	if j.settled() {
		return nil
	}
	paths := j.step.Paths
	if j.action != CopyPaths {
		paths = []store.Path{j.step.System.Out}
		if j.buildsThere() { // and has it
			j.out.Status = Copied
			return nil
		}
	}
	if err := j.send(ctx, paths); err != nil {
		return err
	}
	j.out.Status = Copied
	return nil
}

// send copies closures to the host in the way the options say.
func (j *job) send(ctx context.Context, paths []store.Path) error {
	o := &j.opts.Copy
	if o.With != nil {
		j.out.changed = true
		return o.With(ctx, j.step.Host, paths, j.said(Copy))
	}
	_, err := j.deliver(ctx, Copy, paths)
	if o.Else != nil && (errors.Is(err, nixserve.ErrNotServe) || errors.Is(err, nixserve.ErrTooOld)) {
		j.said(Copy)(fmt.Sprintf("%v; trying the daemon's protocol", err))
		j.out.changed = true
		if elseErr := o.Else(ctx, j.step.Host, paths, j.said(Copy)); elseErr != nil {
			return fmt.Errorf("%w; by the daemon's protocol: %w", err, elseErr)
		}
		return nil
	}
	return err
}

// deliver copies closures to the host over its connection. The session it
// returns stays open until the host is done: as long as it is, nothing that
// was copied can be collected as garbage.
func (j *job) deliver(ctx context.Context, stage Stage, paths []store.Path) (*nixserve.Client, error) {
	// The session lives in this context, and longer than this stage.
	ctx, stop := context.WithCancelCause(ctx)
	j.onClose(func() { stop(nil) })
	dst, stats, err := j.link().Copy(ctx, j.opts.Source, paths, nixserve.CopyOptions{
		Substitute: j.step.Host.Substitute,
		Pack:       j.opts.Copy.Pack,
		Progress: func(p nixserve.Progress) {
			// The first report comes before anything is sent.
			if free := j.facts.Space; p.Bytes == 0 && free > 0 && p.TotalBytes > free {
				stop(fmt.Errorf("%s to copy, and only %s free for /nix/store", bytesText(p.TotalBytes), bytesText(free)))
			}
			j.opts.Sink(Progressed{Host: j.step.Host.Name, Stage: stage, Done: p.Bytes, Total: p.TotalBytes})
		},
	})
	if dst != nil {
		j.onClose(func() { dst.Close() })
	}
	j.out.Paths += stats.Sent
	j.out.Bytes += stats.SentBytes
	j.out.changed = j.out.changed || stats.Sent > 0
	var gone interface{ Hint() string }
	if errors.As(err, &gone) && gone.Hint() != "" {
		err = fmt.Errorf("%w (%s)", err, gone.Hint())
	}
	return dst, err
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
