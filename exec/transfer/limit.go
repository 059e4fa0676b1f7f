package transfer

import (
	"errors"
	"muster/exec/nixserve"
	"sync"
	"sync/atomic"
	"time"
)

// A Limiter is a bandwidth that streams share.
type Limiter struct {
	rate float64 // bytes per second

	mu   sync.Mutex
	free time.Time // when the bandwidth is free again
}

// NewLimiter makes a Limiter of this many bytes per second.
func NewLimiter(rate int64) *Limiter { return &Limiter{rate: float64(rate)} }

// take takes the bandwidth for n bytes and returns how long to wait for it.
func (l *Limiter) take(n int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free.Before(now) {
		l.free = now
	}
	wait := l.free.Sub(now)
	l.free = l.free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	return wait
}

// Limit makes a nixserve.Stream whose writes keep within all of the limiters. It adds to waited, if that is not nil, for how many
// nanoseconds they had to wait.
func Limit(s nixserve.Stream, waited *atomic.Int64, limiters ...*Limiter) nixserve.Stream {
	if len(limiters) == 0 {
		return s
	}
	return &limitedStream{Stream: s, limiters: limiters, waited: waited, closed: make(chan struct{})}
}

type limitedStream struct {
	nixserve.Stream
	limiters []*Limiter
	waited   *atomic.Int64 // nanoseconds; nil where nobody asks
	once     sync.Once
	closed   chan struct{}
}

// limitStep is how many bytes are written at once: few enough that streams take turns often.
const limitStep = 16 << 10

var errLimitedClosed = errors.New("the stream is closed")

func (l *limitedStream) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		part := b[:min(len(b), limitStep)]
		now := time.Now()
		var wait time.Duration
		for _, limiter := range l.limiters {
			wait = max(wait, limiter.take(len(part), now))
		}
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-l.closed:
				timer.Stop()
				return written, errLimitedClosed
			}
			if l.waited != nil {
				l.waited.Add(int64(time.Since(now)))
			}
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

func (l *limitedStream) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Stream.Close()
}
