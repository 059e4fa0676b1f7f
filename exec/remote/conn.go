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

	// For Read alone.
	since time.Time // the pause was last chosen
	told  int64     // bytes written until then
	pause time.Duration
}

func (c *watchedConn) Read(p []byte) (int, error) {
	c.gather()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

const (
	chooseEvery   = 8 * time.Millisecond
	muchSent      = 2e6       // bytes a second from which what comes in may wait
	perReading    = 128 << 10 // bytes sent in the meantime
	longestPause  = 4 * time.Millisecond
	shortestPause = 250 * time.Microsecond // shorter ones cost more than they save
)

// gather lets what comes in gather for a moment while much is sent: those are the answers to single paths and the far end's
// leave to send more, nobody waits for any one of them, and to be woken for each cost more than all else that is done for
// many small paths. All connections read at the same moments.
func (c *watchedConn) gather() {
	now := time.Now()
	if elapsed := now.Sub(c.since); elapsed >= chooseEvery {
		written := c.out.written.Load()
		c.pause = pauseFor(written-c.told, elapsed)
		c.since, c.told = now, written
	}
	if c.pause > 0 {
		time.Sleep(c.pause - time.Duration(now.UnixNano())%c.pause)
	}
}

// pauseFor is for how long to leave what comes in alone after sent bytes went out in the time elapsed: until about as much
// as perReading has been sent, which is far less than the far end lets be under way.
func pauseFor(sent int64, elapsed time.Duration) time.Duration {
	rate := float64(sent) / elapsed.Seconds()
	if rate < muchSent {
		return 0
	}
	pause := longestPause
	for pause.Seconds() > perReading/rate {
		pause /= 2
	}
	if pause < shortestPause {
		return 0
	}
	return pause
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
