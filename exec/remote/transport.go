package remote

import (
	"net"
	"sync/atomic"
	"time"
)

// A transport is the network connection below SSH. It batches writes, coalesces reads while much is sent, and records
// when something last came in.
type transport struct {
	*batchedConn
	coalescer coalescer    // of Read
	lastRead  atomic.Int64 // in nanoseconds since 1970
}

func newTransport(c net.Conn) *transport {
	t := &transport{batchedConn: batch(c)}
	t.lastRead.Store(time.Now().UnixNano())
	return t
}

func (t *transport) Read(p []byte) (int, error) {
	t.coalescer.wait(t.written.Load())
	n, err := t.Conn.Read(p)
	if n > 0 {
		t.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

// silence is how long nothing has come in.
func (t *transport) silence() time.Duration { return time.Since(time.Unix(0, t.lastRead.Load())) }
