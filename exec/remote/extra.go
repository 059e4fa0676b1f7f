package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/backoff"
)

const (
	// aloneLimit is how long a server may refuse the only session: it may not have let go of one that has ended.
	aloneLimit = 3 * time.Second
	// crowdedLimit is how long a session waits for another one to end.
	crowdedLimit = 100 * time.Millisecond
)

// extraConns are further connections to a machine whose server allows fewer sessions on one (sshd's MaxSessions) than
// muster has open at a time. Each carries one session at a time.
//
//	first connection   nix-store --serve, which stays open
//	extra connection   a question, then the next one
type extraConns struct {
	dial func(context.Context) (*conn, error) // nil: there is only the first connection

	mu     sync.Mutex
	idle   []*conn
	all    []*conn
	closed bool
}

// needed reports whether the server has refused sessions before.
func (e *extraConns) needed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all) > 0
}

// take returns a connection that carries no session, a new one where there is none.
func (e *extraConns) take(ctx context.Context) (*conn, error) {
	e.mu.Lock()
	for len(e.idle) > 0 {
		c := e.idle[len(e.idle)-1]
		e.idle = e.idle[:len(e.idle)-1]
		if c.up.Err() == nil {
			e.mu.Unlock()
			return c, nil
		}
		e.all = slices.DeleteFunc(e.all, func(o *conn) bool { return o == c })
	}
	e.mu.Unlock()
	c, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		c.end(errClosed)
		return nil, errClosed
	}
	e.all = append(e.all, c)
	return c, nil
}

// put gives a connection back.
func (e *extraConns) put(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idle = append(e.idle, c)
}

// close ends all connections.
func (e *extraConns) close() {
	e.mu.Lock()
	e.closed = true
	all := e.all
	e.mu.Unlock()
	for _, c := range all {
		c.end(errClosed)
	}
}

// A session is one on the first connection to a machine or on another one, which release gives back.
type session struct {
	channel  ssh.Channel
	requests <-chan *ssh.Request
	conn     *conn
	release  func()
}

// openOn opens a session on a connection.
func openOn(c *conn) (*session, error) {
	defer c.awaitAnswer()()
	channel, requests, err := c.client.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	return &session{channel: channel, requests: requests, conn: c, release: func() {}}, nil
}

// openSession opens a session. A server with a lower limit of sessions than ours refuses: openSession then waits a moment
// for another session to end, and goes to another connection.
func (m *Machine) openSession(ctx context.Context) (*session, error) {
	ctx, stop := m.conn.whileUp(ctx)
	defer stop()
	retry := backoff.Backoff{First: 20 * time.Millisecond, Max: time.Second}
	for began := time.Now(); ; {
		s, err := openOn(m.conn)
		var refused *ssh.OpenChannelError
		if err == nil || !errors.As(err, &refused) {
			return s, err
		}
		switch alone := len(m.slots)+len(m.spare) < 2; {
		case alone && time.Since(began) > aloneLimit:
			return nil, err
		case !alone && m.extra.dial != nil && (time.Since(began) > crowdedLimit || m.extra.needed()):
			if s := m.openElsewhere(ctx); s != nil {
				return s, nil
			}
		}
		if retry.Wait(ctx) != nil {
			return nil, err
		}
	}
}

// openElsewhere opens a session on an extra connection; nil where that does not succeed now.
func (m *Machine) openElsewhere(ctx context.Context) *session {
	c, err := m.extra.take(ctx)
	if err != nil {
		return nil
	}
	s, err := openOn(c)
	if err != nil {
		m.extra.put(c)
		return nil
	}
	s.release = func() { m.extra.put(c) }
	return s
}
