package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// A conn is one SSH connection that notices when it is dead. Machines and jump hosts have one each.
type conn struct {
	client *ssh.Client
	raw    *watchedConn
	after  func() // after it is closed: let go of the jump host

	once  sync.Once
	lost  chan struct{} // closed when the connection is
	cause error         // why, set before; nil after close
	done  sync.WaitGroup
}

// watchedConn remembers when something last came in.
type watchedConn struct {
	net.Conn
	out      *batchedConn // itself, with writes gathered
	lastRead atomic.Int64
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

func newConn(client *ssh.Client, raw *watchedConn, interval time.Duration, max int, after func()) *conn {
	c := &conn{client: client, raw: raw, after: after, lost: make(chan struct{})}
	c.done.Add(1)
	go func() {
		defer c.done.Done()
		err := client.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("closed by the other side")
		}
		c.end(fmt.Errorf("%w: %s", ErrConnectionLost, plainNetError(err)))
	}()
	if interval > 0 {
		c.done.Add(1)
		go func() {
			defer c.done.Done()
			c.keepAlive(interval, max)
		}()
	}
	return c
}

// keepAlive asks the server for a sign of life every interval, and ends the connection when nothing at all has come in
// for max intervals. A request on a dead link blocks until the connection is closed: it waits in a goroutine of its own.
func (c *conn) keepAlive(interval time.Duration, max int) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	asking := false
	for {
		select {
		case <-c.lost:
			return
		case <-answered:
			asking = false
		case <-ticker.C:
			silent := time.Since(time.Unix(0, c.raw.lastRead.Load()))
			if silent >= interval*time.Duration(max) {
				c.end(fmt.Errorf("%w: no answer for %v", ErrConnectionLost, silent.Round(time.Second/10)))
				return
			}
			if !asking && silent >= interval/2 {
				asking = true
				c.done.Add(1)
				go func() {
					defer c.done.Done()
					c.client.SendRequest("keepalive@openssh.com", true, nil)
					answered <- struct{}{}
				}()
			}
		}
	}
}

// end closes the connection, once, for the reason given.
func (c *conn) end(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.lost)
		c.raw.out.Close() // first, so that nothing waits for a dead link
		c.client.Close()
		if c.after != nil {
			c.after()
		}
	})
}

// lastWords is for how long closing a connection waits for what was said last to be sent.
const lastWords = 100 * time.Millisecond

var errClosed = fmt.Errorf("%w: closed here", ErrConnectionLost)

// close ends the connection and waits for its goroutines.
func (c *conn) close() {
	c.raw.out.drain(lastWords)
	c.end(errClosed)
	c.done.Wait()
}
