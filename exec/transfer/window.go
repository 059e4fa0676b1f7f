package transfer

import (
	"sync"
	"time"

	"muster/exec/nixserve"
)

// A window limits how many bytes have been sent and are not confirmed yet. It is a [nixserve.Window].
//
// A connection takes megabytes before any has arrived, and an sshd that keeps them for a slow nix-store works as hard as
// that does: up to OpenSSH 9.3 its buffers grow by a few bytes at a time, and are copied whole each time. So no more is
// sent ahead than keeps the far end from ever waiting.
type window struct {
	limit     int64                   // bytes; 0: none
	confirmed func(nixserve.PathInfo) // called for each path that is confirmed

	mu      sync.Mutex
	changed sync.Cond
	bytes   int64 // sent and not confirmed
	closed  bool  // no more confirmations will come
}

const (
	minWindow       = 256 << 10 // bytes where a round trip takes no time
	windowBandwidth = 100 << 20 // bytes a second that the window leaves room for on a longer way
	maxWindow       = sshWindow // SSH's own window limits what is larger
)

// A distant stream knows how long a round trip to its far end takes.
type distant interface {
	RoundTrip() (time.Duration, bool)
}

func newWindow(s nixserve.Stream, confirmed func(nixserve.PathInfo)) *window {
	w := &window{confirmed: confirmed}
	w.changed.L = &w.mu
	if d, ok := s.(distant); ok {
		if roundTrip, known := d.RoundTrip(); known {
			w.limit = minWindow + int64(roundTrip.Seconds()*windowBandwidth)
		}
	}
	if w.limit >= maxWindow {
		w.limit = 0
	}
	return w
}

// Acquire counts a path that is about to be sent. Where the window is full it flushes what is written, and waits until
// half of the window is free.
func (w *window) Acquire(info nixserve.PathInfo, flush func() error) error {
	if w.limit == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over(w.limit) {
		w.mu.Unlock()
		err := flush()
		w.mu.Lock()
		if err != nil {
			return err
		}
		for w.over(w.limit / 2) {
			w.changed.Wait()
		}
	}
	w.bytes += cost(info)
	return nil
}

func (w *window) over(limit int64) bool { return w.bytes > limit && !w.closed }

// Confirmed frees what a path took.
func (w *window) Confirmed(info nixserve.PathInfo) {
	if w.limit > 0 {
		w.mu.Lock()
		w.bytes -= cost(info)
		if !w.over(w.limit / 2) {
			w.changed.Broadcast()
		}
		w.mu.Unlock()
	}
	w.confirmed(info)
}

// Close ends the wait in Acquire.
func (w *window) Close() {
	if w.limit == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.changed.Broadcast()
}

// cost is what a path takes of a window. A large one takes nothing: waiting for the whole of it to be confirmed would
// leave the connection idle, and this host behind others that are sent the same.
func cost(info nixserve.PathInfo) int64 {
	if info.NARSize > minWindow {
		return 0
	}
	return info.NARSize
}
