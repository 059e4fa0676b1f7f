package transfer

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// limits end a copy to a destination that does not answer or takes nothing.
type limits struct {
	answer, stall time.Duration // 0: no limit

	moved  atomic.Int64  // bytes sent; a confirmed path counts as stallBytes
	waited *atomic.Int64 // nanoseconds that writes have waited for rate limits; nil: no such limits
}

const (
	// answerRate is the slowest link on which a question and its answer are worth waiting for, in paths a second.
	answerRate = 10
	// substituteLimit is how long a destination may fetch from its own binary caches.
	substituteLimit = 6 * time.Hour
	// stallBytes is the least that a copy in progress sends before it counts as stalled.
	stallBytes = 64 << 10
)

// question limits the time for a question about some paths.
func (l *limits) question(ctx context.Context, paths int, substitute bool) (context.Context, context.CancelFunc) {
	if l.answer == 0 {
		return ctx, func() {}
	}
	limit := l.answer + time.Duration(paths)*time.Second/answerRate
	if substitute {
		limit = substituteLimit
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit.Round(time.Second)))
}

// watch returns a context that ends when less than stallBytes were sent for as long as the limit. The caller stops it.
func (l *limits) watch(ctx context.Context) (context.Context, func()) {
	if l.stall == 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(l.stall)
		defer tick.Stop()
		moved, waited := l.moved.Load(), l.heldBack()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			nowMoved, nowWaited := l.moved.Load(), l.heldBack()
			if nowMoved-moved < stallBytes && nowWaited-waited < l.stall/2 {
				cancel(fmt.Errorf("nothing more was taken for %v", l.stall))
				return
			}
			moved, waited = nowMoved, nowWaited
		}
	}()
	return ctx, func() { cancel(nil) }
}

// heldBack is for how long writes have waited for rate limits.
func (l *limits) heldBack() time.Duration {
	if l.waited == nil {
		return 0
	}
	return time.Duration(l.waited.Load())
}
