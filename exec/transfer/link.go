package transfer

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A Link is a way to one destination, over which sessions can be opened.
type Link struct {
	// Serve starts nix-store --serve --write there.
	Serve func(context.Context) (nixserve.Stream, error)
	// ServeCompressed starts zstd -d | nix-store --serve --write there, or fails with ErrNoZstd. Nil: never compress.
	ServeCompressed func(context.Context) (nixserve.Stream, error)
	// HeldUp returns for how long the network alone has held up what was to be sent since the connection began, and
	// whether that is known. May be nil.
	HeldUp func() (time.Duration, bool)
	// Limits hold for everything that is sent.
	Limits []*Limiter

	waited atomic.Int64 // nanoseconds that writes have waited for the limits
}

// Compression says when to compress what is sent.
type Compression int

const (
	CompressAuto   Compression = iota // when the link proves slow, and the destination can decompress
	CompressNever                     // never
	CompressAlways                    // whenever the destination can decompress
)

// ErrNoZstd says that the destination has no zstd program.
var ErrNoZstd = errors.New("zstd was not found")

// minCompressed is how many bytes must be missing for compression to be worth a session of its own.
const minCompressed = 1 << 20

// Copy makes paths and all they refer to valid in the destination, and sends only what it lacks. The session that it
// returns, which is nil only with an error, keeps all of the closure from garbage collection there until it is closed.
//
// A copy begins uncompressed, because compression costs more than it saves on a fast link. When the link proves slow, the
// copy ends its session, and sends what is still missing compressed.
//
// After an error the destination holds whole valid paths only, and another Copy sends the rest.
func (l *Link) Copy(ctx context.Context, src Source, paths []store.Path, opts Options) (*nixserve.Client, Stats, error) {
	t := newTransfer(src, opts)
	t.limits.waited = &l.waited
	dst, w, err := l.begin(ctx, t, paths)
	if err != nil || len(t.missing) == 0 {
		return dst, t.stats, err
	}
	switch {
	case l.ServeCompressed == nil || opts.Compression == CompressNever || t.stats.MissingBytes < minCompressed:
		err = t.send(ctx, dst, w)
	case opts.Compression == CompressAlways:
		var stream nixserve.Stream
		if stream, err = l.ServeCompressed(ctx); err == nil {
			err = l.sendCompressed(ctx, t, stream)
		} else if errors.Is(err, ErrNoZstd) {
			err = t.send(ctx, dst, w)
		}
	default:
		dst, err = l.sendUnlessSlow(ctx, t, dst, w)
	}
	return dst, t.stats, err
}

// begin opens a session while it finds the closure, and then finds out what is missing.
func (l *Link) begin(ctx context.Context, t *transfer, paths []store.Path) (*nixserve.Client, *window, error) {
	found := make(chan error, 1)
	go func() { found <- t.find(ctx, paths) }()
	dst, w, err := l.open(ctx, t)
	findErr := <-found
	if err != nil {
		return nil, nil, err
	}
	if findErr != nil {
		return dst, w, findErr
	}
	return dst, w, t.compare(ctx, dst)
}

// open starts a session for a transfer.
func (l *Link) open(ctx context.Context, t *transfer) (*nixserve.Client, *window, error) {
	s, err := l.Serve(ctx)
	if err != nil {
		return nil, nil, err
	}
	s = Limit(s, &l.waited, l.Limits...)
	// The stream outlives this limit.
	limited, cancel := t.limits.question(ctx, 1, false)
	defer cancel()
	dst, err := nixserve.New(limited, s)
	if err != nil {
		return nil, nil, err
	}
	return dst, newWindow(s, t.confirmed), nil
}

// sendUnlessSlow sends what is missing. When the throughput turns out to be low, it sends the rest compressed. It returns
// the session that holds the locks.
func (l *Link) sendUnlessSlow(ctx context.Context, t *transfer, dst *nixserve.Client, w *window) (*nixserve.Client, error) {
	var stream nixserve.Stream
	t.throughput = &throughputMonitor{link: l, left: t.stats.MissingBytes, prepare: func() bool {
		var err error
		stream, err = l.ServeCompressed(ctx)
		return err == nil
	}}
	err := t.send(ctx, dst, w)
	t.throughput = nil
	if stream == nil || !errors.Is(err, errSlow) {
		return dst, err
	}
	dst.Close() // the session ended within a path, and its locks with it
	t.substitute = false
	if dst, _, err = l.open(ctx, t); err == nil {
		err = t.compare(ctx, dst)
	}
	if err != nil || len(t.missing) == 0 {
		stream.Close()
		return dst, err
	}
	return dst, l.sendCompressed(ctx, t, stream)
}

// sendCompressed sends what is missing over a stream of ServeCompressed, in a session of its own.
func (l *Link) sendCompressed(ctx context.Context, t *transfer, stream nixserve.Stream) error {
	t.stats.Compressed = true
	dst := nixserve.NewOneWay(&compressedStream{Stream: Limit(stream, &l.waited, l.Limits...)})
	err := t.send(ctx, dst, &window{confirmed: t.confirmed})
	if closeErr := dst.Close(); err == nil {
		err = closeErr
	}
	return err
}
