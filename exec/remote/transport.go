package remote

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A transport is the network connection below SSH. It batches writes, coalesces reads while much is sent, and records
// when something last came in.
type transport struct {
	*batchedConn
	coalescer coalescer    // of Read
	lastRead  atomic.Int64 // in nanoseconds since 1970

	greeted  bool // of Read: the first line is complete
	mu       sync.Mutex
	greeting []byte // the first line that came in
}

// maxGreeting is how much of the first line is kept, in bytes.
const maxGreeting = 255

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
		if !t.greeted {
			t.hear(p[:n])
		}
	}
	return n, err
}

// hear keeps the first line.
func (t *transport) hear(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, ended := bytes.Cut(p, []byte("\n"))
	t.greeting = append(t.greeting, line[:min(len(line), maxGreeting-len(t.greeting))]...)
	t.greeted = ended || len(t.greeting) == maxGreeting
}

// heard is the first line that came in: an SSH server names itself in it, or says why it does not serve.
func (t *transport) heard() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimRight(string(t.greeting), "\r")
}

// silence is how long nothing has come in.
func (t *transport) silence() time.Duration { return time.Since(time.Unix(0, t.lastRead.Load())) }
