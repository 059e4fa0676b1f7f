package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	abortLimit = 5 * time.Second // for ending a command on the machine
	causeGrace = time.Second     // for a connection to be found lost after a session broke
)

// start starts a command, and returns when the server has accepted it.
func (m *Machine) start(ctx context.Context, c Command) (*Stream, error) {
	argv, err := c.argv()
	if err != nil {
		return nil, err
	}
	var root prefix
	if c.Privileged {
		if root, err = m.root(ctx); err != nil {
			return nil, err
		}
	}
	s := m.newStream(c.name(), c.Privileged, c.Stderr)
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", s.command, context.Cause(ctx))
	case <-m.conn.lost():
		return nil, fmt.Errorf("%s: %w", s.command, m.conn.cause())
	}
	// A request for a session blocks for as long as a dead link looks alive.
	started := make(chan error, 1)
	go func() { started <- m.startSession(ctx, s, argv, root, m.slots) }()
	select {
	case err = <-started:
	case <-ctx.Done():
		m.abandon(ctx, s, started)
		err = context.Cause(ctx)
	case <-m.conn.lost():
		err = m.conn.cause()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.command, err)
	}
	s.stopWatch = context.AfterFunc(ctx, func() { s.abort(context.Cause(ctx)) })
	return s, nil
}

// abandon aborts a command that is being started, and waits for that within limits.
func (m *Machine) abandon(ctx context.Context, s *Stream, started <-chan error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if <-started == nil {
			s.abort(context.Cause(ctx))
		}
	}()
	select {
	case <-ended:
	case <-m.conn.lost():
	case <-time.After(abortLimit):
	}
}

// startSession runs a command in a session of its own, and keeps the slot until the server has closed that session.
func (m *Machine) startSession(ctx context.Context, s *Stream, argv []string, root prefix, slots chan struct{}) error {
	opened, err := m.openSession(ctx)
	if err != nil {
		<-slots
		return m.explain(err)
	}
	channel := opened.channel
	if m.forwardsAgent {
		askForAgent(channel)
	}
	marker := "muster-" + rand.Text()
	s.attach(opened, marker)
	go func() {
		s.watch(opened.requests)
		opened.release()
		<-slots
	}()
	go s.readStderr(marker)

	answered := opened.conn.awaitAnswer()
	accepted, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{line(root.wrap(argv), marker)}))
	answered()
	if err == nil && accepted {
		if root.stdin != nil {
			// If this fails, the command ends and reports why.
			s.Stdin.Write(root.stdin)
		}
		return nil
	}
	s.beginTimer.Stop()
	channel.Close()
	if err != nil {
		return m.explain(err)
	}
	return errors.New("the server runs no commands for this user")
}

// explain makes the error of a session that broke or was not opened. If the cause is the connection, that takes a moment
// to show.
func (m *Machine) explain(err error) error {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return fmt.Errorf("the server opens no session: %s", clip(refused.Message))
	}
	select {
	case <-m.conn.lost():
		return m.conn.cause()
	case <-time.After(causeGrace):
		return fmt.Errorf("%w: the server ended the session", ErrConnectionLost)
	}
}

// watch handles what the server says about the command, until the session is closed.
func (s *Stream) watch(requests <-chan *ssh.Request) {
	known := false
	for req := range requests {
		if status, ok := parseExit(req); ok && !known {
			known = true
			s.status = status
			close(s.exited)
		}
		if req.WantReply {
			req.Reply(false, nil)
		}
	}
	s.beginTimer.Stop()
	close(s.closed)
}

// An exitStatus is how a command ended.
type exitStatus struct {
	code   int
	signal string
}

// parseExit reads the request by which a server reports the end of a command: RFC 4254, section 6.10.
func parseExit(req *ssh.Request) (exitStatus, bool) {
	switch req.Type {
	case "exit-status":
		var msg struct{ Status uint32 }
		err := ssh.Unmarshal(req.Payload, &msg)
		return exitStatus{code: int(msg.Status)}, err == nil
	case "exit-signal":
		var msg struct {
			Signal     string
			CoreDumped bool
			Error      string
			Lang       string
		}
		err := ssh.Unmarshal(req.Payload, &msg)
		return exitStatus{code: 128 + signalNumber[msg.Signal], signal: msg.Signal}, err == nil
	}
	return exitStatus{}, false
}

// signalNumber holds the signals of RFC 4254, section 6.10, by their numbers on Linux.
var signalNumber = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10,
	"SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}
