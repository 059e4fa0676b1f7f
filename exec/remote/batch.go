package remote

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A batchedConn is a connection whose writes are gathered: while one is under way, those that come are put together and
// written as one. SSH writes packet by packet, each in several pieces, and what a system call and a segment on the wire
// cost was half of the processor time of sending a large closure. An error comes with a later write.
type batchedConn struct {
	net.Conn
	written atomic.Int64 // bytes

	mu      sync.Mutex
	changed sync.Cond // on everything below
	buf     []byte    // what is to be written next; of batches, nil while there is nothing
	writing bool
	err     error
	closed  bool
}

// maxBatch is how much is gathered before writers wait. As much again may be on its way.
const maxBatch = 128 << 10

// batches are buffers: connections at rest hold none.
var batches = sync.Pool{New: func() any { b := make([]byte, 0, maxBatch); return &b }}

// batch gathers the writes to a connection until that is closed.
func batch(c net.Conn) *batchedConn {
	b := &batchedConn{Conn: c}
	b.changed.L = &b.mu
	go b.flush()
	return b
}

func (b *batchedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.buf) > 0 && len(b.buf)+len(p) > maxBatch && b.err == nil && !b.closed {
		b.changed.Wait()
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.closed {
		return 0, net.ErrClosed
	}
	if b.buf == nil {
		b.buf = *batches.Get().(*[]byte)
	}
	b.buf = append(b.buf, p...)
	b.changed.Broadcast()
	return len(p), nil
}

// flush writes what has been gathered, again and again.
func (b *batchedConn) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.buf) == 0 && !b.closed {
			b.changed.Wait()
		}
		if b.closed {
			return
		}
		out := b.buf
		b.buf, b.writing = nil, true
		b.changed.Broadcast()
		b.mu.Unlock()
		n, err := b.Conn.Write(out)
		b.written.Add(int64(n))
		b.mu.Lock()
		b.writing = false
		out = out[:0]
		batches.Put(&out)
		if err != nil {
			b.err = err
			b.changed.Broadcast()
			return
		}
		b.changed.Broadcast()
	}
}

// drain waits until all is written, at most for a while.
func (b *batchedConn) drain(limit time.Duration) {
	expired := false
	t := time.AfterFunc(limit, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		expired = true
		b.changed.Broadcast()
	})
	defer t.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for (len(b.buf) > 0 || b.writing) && b.err == nil && !b.closed && !expired {
		b.changed.Wait()
	}
}

// Close closes the connection. What was not written yet is lost: see drain.
func (b *batchedConn) Close() error {
	err := b.Conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed && errors.Is(err, net.ErrClosed) {
		err = nil
	}
	b.closed = true
	b.changed.Broadcast()
	return err
}
