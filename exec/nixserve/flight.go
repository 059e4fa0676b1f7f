package nixserve

import (
	"sync"
	"time"
)

// A flight is what has been sent and not been confirmed yet.
//
// A connection takes megabytes before any has arrived, and an sshd that has to
// keep them for a slow nix-store works as hard as that does: up to OpenSSH 9.3
// its buffers grow by a few bytes at a time, copied whole each time. So no more
// is under way than what keeps the far end from ever waiting.
type flight struct {
	limit int64 // bytes; 0: none

	mu      sync.Mutex
	changed sync.Cond
	bytes   int64
	over    bool // no answer will come any more
}

const (
	shortFlight  = 256 << 10 // bytes where the way takes no time
	flightSpeed  = 100 << 20 // bytes a second that a longer way has room for
	longestLimit = sshWindow // where there is no need for one
)

// A distant stream knows how long a round trip to its far end takes.
type distant interface {
	RoundTrip() (time.Duration, bool)
}

func newFlight(s Stream) *flight {
	f := &flight{}
	f.changed.L = &f.mu
	if d, ok := s.(distant); ok {
		if way, known := d.RoundTrip(); known {
			f.limit = shortFlight + int64(way.Seconds()*flightSpeed)
		}
	}
	if f.limit >= longestLimit {
		f.limit = 0
	}
	return f
}

// full reports whether the next path has to wait.
func (f *flight) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.above(f.limit)
}

func (f *flight) above(limit int64) bool { return f.limit > 0 && f.bytes > limit && !f.over }

// wait returns when half of the limit is free again.
func (f *flight) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.above(f.limit / 2) {
		f.changed.Wait()
	}
}

// sent says that a path of n bytes is on its way.
func (f *flight) sent(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes += counted(n)
}

// landed says that a path of n bytes is confirmed.
func (f *flight) landed(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes -= counted(n)
	if !f.above(f.limit / 2) {
		f.changed.Broadcast()
	}
}

// counted is what a path of n bytes counts for: a large one nothing, for to wait
// until all of it has landed would leave the way empty, and this host behind
// others that are sent the same.
func counted(n int64) int64 {
	if n > shortFlight {
		return 0
	}
	return n
}

// end lets go who waits.
func (f *flight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.changed.Broadcast()
}
