package remote

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A batchedConn is a connection whose writes are batched: those that come while one is in progress are written together.
// SSH writes packet by packet, each in several pieces; without batches, system calls and TCP segments took half of the
// processor time of sending a large closure. An error is returned by a later write.
type batchedConn struct {
	net.Conn
	written atomic.Int64 // bytes

	mu      sync.Mutex
	changed sync.Cond // signalled when any field below changes
	buf     []byte    // the next batch; from the pool, nil while it is empty
	writing bool
	err     error
	closed  bool
}

// maxBatch is the size of a batch, before writers wait. As much again can be in the write in progress.
const maxBatch = 128 << 10

// batches is a pool of buffers, so that idle connections hold none.
var batches = sync.Pool{New: func() any { b := make([]byte, 0, maxBatch); return &b }}

// batch batches the writes to a connection, until Close.
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

// flush writes batch after batch.
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

// drain waits until everything is written, for at most the limit.
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

// Close closes the connection. What is not written yet is lost; drain avoids that.
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
