package remote

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A slowConn takes its time for each write, and counts them.
type slowConn struct {
	net.Conn
	mu     sync.Mutex
	got    bytes.Buffer
	writes int
	hang   chan struct{} // nil: it writes
	err    error
	closed chan struct{}
}

func (c *slowConn) Write(p []byte) (int, error) {
	if c.hang != nil {
		select {
		case <-c.hang:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	time.Sleep(time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.err != nil {
		return 0, c.err
	}
	return c.got.Write(p)
}

func (c *slowConn) Close() error { close(c.closed); return nil }

func TestWritesAreBatched(t *testing.T) {
	c := &slowConn{closed: make(chan struct{})}
	b := batch(c)
	var want bytes.Buffer
	for i := range 5000 {
		piece := bytes.Repeat([]byte{byte(i)}, i%700+1)
		want.Write(piece)
		if n, err := b.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	b.drain(time.Minute)
	b.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bytes.Equal(c.got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes of %d arrived, or other ones", c.got.Len(), want.Len())
	}
	if c.writes > 500 {
		t.Errorf("%d writes for 5000", c.writes)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAFailedWriteIsReported(t *testing.T) {
	c := &slowConn{closed: make(chan struct{}), err: io.ErrClosedPipe}
	b := batch(c)
	b.Write([]byte("one"))
	b.drain(time.Minute)
	if _, err := b.Write([]byte("two")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// A connection that accepts nothing fills one batch and blocks its writers; Close ends them.
func TestAConnectionThatAcceptsNothing(t *testing.T) {
	c := &slowConn{closed: make(chan struct{}), hang: make(chan struct{})}
	b := batch(c)
	ended := make(chan int)
	go func() {
		sum := 0
		for {
			n, err := b.Write(make([]byte, 32<<10))
			if sum += n; err != nil {
				ended <- sum
				return
			}
		}
	}()
	b.drain(50 * time.Millisecond)
	b.Close()
	select {
	case sum := <-ended:
		if sum > 3*maxBatch {
			t.Errorf("%d bytes were accepted", sum)
		}
	case <-time.After(time.Minute):
		t.Error("a writer still waits")
	}
}
