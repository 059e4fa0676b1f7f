package remote

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"time"
)

//go:embed kill.sh
var killScript string

// abort ends the command on the machine, as far as that works within abortLimit.
func (s *Stream) abort(cause error) { s.giveUp(cause, s.kill) }

// fail gives up a command that the login shell has not begun: there is no process to end, only a session to close.
func (s *Stream) fail(cause error) {
	s.failure.CompareAndSwap(nil, &cause)
	s.giveUp(cause, func() {})
}

func (s *Stream) giveUp(cause error, kill func()) {
	s.abortOnce.Do(func() {
		defer close(s.aborted)
		select {
		case <-s.closed:
			return
		default:
		}
		s.abortCause = cause
		close(s.aborting)
		select {
		case <-s.exited: // only output was still awaited
		default:
			kill()
		}
		go s.channel.Close() // it writes, which blocks on a dead link
	})
	<-s.aborted
}

// cutOff ends the connection where the server leaves the session of an aborted command open, as OpenSSH's does while the
// command goes on: reads and writes of the session would wait for that command.
func (s *Stream) cutOff() {
	select {
	case <-s.aborted:
	case <-s.closed:
		return
	case <-s.conn.lost():
		return
	}
	select {
	case <-s.closed:
	case <-s.conn.lost():
	case <-time.After(closeGrace):
		s.conn.end(fmt.Errorf("%w: closed here, for a command that could not be ended: %s", ErrConnectionLost, s.command))
	}
}

// kill ends the process group of the command.
func (s *Stream) kill() {
	limit := time.NewTimer(abortLimit)
	defer limit.Stop()
	select {
	case pid := <-s.pid:
		s.machine.kill(pid, s.privileged, limit.C)
	case <-limit.C:
	case <-s.closed:
	case <-s.conn.lost():
	}
}

// kill ends a process group from a second session: sshd does not deliver signals to commands of root (OpenSSH 9.2), and
// a command outlives its session.
func (m *Machine) kill(pid int, privileged bool, limit <-chan time.Time) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ctx, cancel := context.WithTimeout(context.Background(), abortLimit)
		defer cancel()
		m.runKill(ctx, pid, privileged)
	}()
	select {
	case <-finished:
	case <-limit:
	case <-m.conn.lost():
	}
}

func (m *Machine) runKill(ctx context.Context, pid int, privileged bool) {
	var root prefix
	if privileged {
		root, _ = m.root(ctx) // known since the command was started
	}
	select {
	case m.spare <- struct{}{}:
	case <-m.conn.lost():
		return
	}
	s := m.newStream("kill", privileged, nil)
	argv := []string{"/bin/sh", "-c", killScript, "kill.sh", strconv.Itoa(pid)}
	if m.startSession(ctx, s, argv, root, m.spare) != nil {
		return
	}
	s.Stdin.Close()
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	io.Copy(io.Discard, s.Stdout)
	select {
	case <-s.closed:
	case <-s.aborted:
	}
}
