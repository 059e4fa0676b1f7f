package transfer

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"muster/exec/nixserve"
)

// A Limiter is a bandwidth that streams share.
type Limiter struct{ bucket *rate.Limiter }

// NewLimiter makes a Limiter of so many bytes a second.
func NewLimiter(bytesPerSecond int64) *Limiter {
	return &Limiter{rate.NewLimiter(rate.Limit(bytesPerSecond), limitStep)}
}

// limitStep is how many bytes are written at once: few, so that streams take turns often.
const limitStep = 16 << 10

// Limit makes a Stream whose writes stay within all of the limiters. It adds to waited, which may be nil, for how many
// nanoseconds the writes have waited. Close ends a wait.
func Limit(s nixserve.Stream, waited *atomic.Int64, limiters ...*Limiter) nixserve.Stream {
	if len(limiters) == 0 {
		return s
	}
	return &limitedStream{Stream: s, limiters: limiters, waited: waited, closed: make(chan struct{})}
}

type limitedStream struct {
	nixserve.Stream
	limiters []*Limiter
	waited   *atomic.Int64 // nanoseconds; may be nil
	once     sync.Once
	closed   chan struct{}
}

var errLimitedClosed = errors.New("the stream is closed")

func (l *limitedStream) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		part := b[:min(len(b), limitStep)]
		if err := l.wait(len(part)); err != nil {
			return written, err
		}
		n, err := l.Stream.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		b = b[n:]
	}
	return written, nil
}

// wait waits until n bytes are within all limits.
func (l *limitedStream) wait(n int) error {
	now := time.Now()
	var wait time.Duration
	for _, limiter := range l.limiters { // all at once: a wait for one is a wait for the others
		wait = max(wait, limiter.bucket.ReserveN(now, n).DelayFrom(now))
	}
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	select {
	case <-timer.C:
	case <-l.closed:
		timer.Stop()
		return errLimitedClosed
	}
	if l.waited != nil {
		l.waited.Add(int64(time.Since(now)))
	}
	return nil
}

func (l *limitedStream) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Stream.Close()
}
