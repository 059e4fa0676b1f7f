package objectstore

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A stallGuard ends a request that goes on too slowly: a store could otherwise hold its readers for ever, a byte at a time.
// Each stretch of time that is spent waiting for the store has to bring a least number of bytes, in either direction.
type stallGuard struct {
	cancel  context.CancelCauseFunc
	stretch time.Duration

	mu     sync.Mutex
	waits  int           // for the store: 1 while the request is sent, and while its answer is read
	since  time.Time     // the last wait began
	waited time.Duration // in this stretch, without the wait that goes on
	bytes  int64         // in this stretch
	timer  *time.Timer
	ended  bool
}

// leastPerSecond is how many bytes a second of waiting has to bring.
const leastPerSecond = 256

// guardStall guards a request until its context ends.
func guardStall(ctx context.Context, stretch time.Duration) (context.Context, *stallGuard) {
	g := &stallGuard{stretch: stretch}
	ctx, g.cancel = context.WithCancelCause(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(stretch, g.look)
	context.AfterFunc(ctx, g.end)
	return ctx, g
}

func (g *stallGuard) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.timer.Stop()
}

// look ends the request where a stretch has brought too little.
func (g *stallGuard) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	waited := g.waited
	if g.waits > 0 {
		waited += time.Since(g.since)
	}
	// A reader that is busy with what it has read is not the store's fault.
	if left := g.stretch - waited; left > 0 {
		g.timer.Reset(left)
		return
	}
	if least := int64(g.stretch.Seconds() * leastPerSecond); g.bytes < least {
		g.cancel(fmt.Errorf("%w: it has sent or taken %d bytes in %v, want %d at least", ErrUnreachable, g.bytes, g.stretch, least))
		return
	}
	g.bytes, g.waited, g.since = 0, 0, time.Now()
	g.timer.Reset(g.stretch)
}

// wait counts the time as spent waiting for the store, until done is called.
func (g *stallGuard) wait() (done func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waits++; g.waits == 1 {
		g.since = time.Now()
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.waits--; g.waits == 0 {
			g.waited += time.Since(g.since)
		}
	}
}

func (g *stallGuard) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes += int64(n)
}

// A sentBody is an object that is sent. The time between reads is that of the store.
type sentBody struct {
	io.Reader
	guard *stallGuard
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.guard.add(n)
	return n, err
}

// A guardedBody is an object that arrives. Close ends its guard.
type guardedBody struct {
	io.ReadCloser
	guard *stallGuard
	ctx   context.Context
}

func (b *guardedBody) Read(p []byte) (int, error) {
	defer b.guard.wait()()
	n, err := b.ReadCloser.Read(p)
	b.guard.add(n)
	if err != nil && err != io.EOF && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *guardedBody) Close() error {
	b.guard.cancel(nil)
	return b.ReadCloser.Close()
}
