package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// A conn is one SSH connection, to a machine or a jump host. It notices when the connection is dead.
type conn struct {
	client    *ssh.Client
	transport *transport
	hostKey   ssh.PublicKey
	release   func() // called when the connection has ended; lets go of the jump host

	up      context.Context // ends when the connection does, for the reason that is its cause
	down    context.CancelCauseFunc
	endOnce sync.Once
	done    sync.WaitGroup

	// answerLimit is how long the server can take to answer a request.
	answerLimit time.Duration
}

// answerLimit is far longer than a server that works at all takes. A server that answers keepalives but no request
// would be waited for without end otherwise.
const answerLimit = 2 * time.Minute

// newConn watches a connection. An interval of 0 or less means no keepalives. closed is why a connection ends that ends
// without an error.
func newConn(client *ssh.Client, t *transport, interval time.Duration, maxUnanswered int, closed string, release func()) *conn {
	c := &conn{client: client, transport: t, release: release, answerLimit: answerLimit}
	c.up, c.down = context.WithCancelCause(context.Background())
	c.done.Go(func() {
		err := client.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New(closed)
		}
		c.end(fmt.Errorf("%w: %s", ErrConnectionLost, plainNetError(err)))
	})
	if interval > 0 {
		c.done.Go(func() { c.keepAlive(interval, maxUnanswered) })
	}
	return c
}

// lost is closed when the connection has ended.
func (c *conn) lost() <-chan struct{} { return c.up.Done() }

// cause is why the connection has ended.
func (c *conn) cause() error { return context.Cause(c.up) }

// whileUp is ctx until the connection ends. Call stop when it is not needed any more.
func (c *conn) whileUp(ctx context.Context) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(c.up, func() { cancel(c.cause()) })
	return limited, func() { forget(); cancel(nil) }
}

// keepAlive probes the server at every interval at which the link was idle, and ends the connection when nothing has
// come in for maxUnanswered intervals.
func (c *conn) keepAlive(interval time.Duration, maxUnanswered int) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	probing := false
	for {
		select {
		case <-c.lost():
			return
		case <-answered:
			probing = false
		case <-ticker.C:
			silent := c.transport.silence()
			if silent >= interval*time.Duration(maxUnanswered) {
				c.end(fmt.Errorf("%w: no answer for %v", ErrConnectionLost, silent.Round(time.Second/10)))
				return
			}
			if !probing && silent >= interval/2 {
				probing = true
				// In a goroutine of its own: on a dead link it blocks until the connection is closed.
				c.done.Go(func() {
					c.client.SendRequest("keepalive@openssh.com", true, nil)
					answered <- struct{}{}
				})
			}
		}
	}
}

// awaitAnswer ends the connection if the server does not answer a request within the limit, unless answered is called
// before. Nothing else ends the wait for an answer.
func (c *conn) awaitAnswer() (answered func() bool) {
	return time.AfterFunc(c.answerLimit, func() {
		c.end(fmt.Errorf("%w: the server has not answered a request for %v", ErrConnectionLost, c.answerLimit))
	}).Stop
}

// end closes the connection, once, for the reason given.
func (c *conn) end(cause error) {
	c.endOnce.Do(func() {
		c.down(cause)
		c.transport.Close() // before the client, whose Close writes and would wait for a dead link
		c.client.Close()
		c.release()
	})
}

// flushLimit is how long the close of a connection waits until what was written last is sent.
const flushLimit = 100 * time.Millisecond

var errClosed = fmt.Errorf("%w: closed here", ErrConnectionLost)

// close ends the connection and waits for its goroutines.
func (c *conn) close() {
	c.transport.drain(flushLimit)
	c.end(errClosed)
	c.done.Wait()
}
