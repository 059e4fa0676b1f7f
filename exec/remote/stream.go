package remote

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/bounded"
)

const (
	stderrKept = 1 << 20     // bytes of stderr that an ExitError holds
	closeGrace = time.Second // for a command to end by itself after the end of its input
)

// A Stream is a running command to exchange data with. Read Stdout to its end before Wait: output that is not read
// blocks the command. Stdout also ends when the connection is lost; Wait reports that.
type Stream struct {
	Stdin  io.WriteCloser
	Stdout io.Reader // what start-up files of the login shell print first is left out

	machine    *Machine
	conn       *conn  // that carries the session
	command    string // for messages
	privileged bool
	channel    ssh.Channel
	stdout     *stdoutReader
	stderrOut  *outputGate // to Command.Stderr
	stderr     bounded.Tail
	pid        chan int // receives the process id when the command reports it

	begin      sync.Once
	begun      chan struct{} // closed when the command itself, and not only the login shell, runs
	beginTimer *time.Timer   // aborts a login shell that does not begin the command in time

	stopWatch  func() bool   // stops watching the context
	stderrRead chan struct{} // closed when all of stderr is read
	exited     chan struct{} // closed when status is set
	status     exitStatus
	closed     chan struct{} // closed when the channel is

	failure    atomic.Pointer[error] // why the login shell was given up
	abortOnce  sync.Once
	abortCause error         // set before aborting is closed
	aborting   chan struct{} // closed when the abort of a command that was not over has begun
	aborted    chan struct{} // closed when an abort is done

	waitOnce sync.Once
	result   error
}

func (m *Machine) newStream(command string, privileged bool, stderr io.Writer) *Stream {
	return &Stream{
		machine:    m,
		command:    command,
		privileged: privileged,
		stderrOut:  &outputGate{w: stderr},
		stderr:     bounded.Tail{Limit: stderrKept},
		pid:        make(chan int, 1),
		begun:      make(chan struct{}),
		stderrRead: make(chan struct{}),
		exited:     make(chan struct{}),
		closed:     make(chan struct{}),
		aborting:   make(chan struct{}),
		aborted:    make(chan struct{}),
	}
}

// attach connects the stream with its session.
func (s *Stream) attach(opened *session, marker string) {
	s.channel, s.conn = opened.channel, opened.conn
	s.Stdin = &stdinWriter{channel: opened.channel, conn: opened.conn}
	s.stdout = &stdoutReader{stream: s, marker: marker + "\n"}
	s.Stdout = s.stdout
	limit := s.machine.beginLimit
	s.beginTimer = time.AfterFunc(limit, func() {
		s.fail(fmt.Errorf("the login shell has not begun the command within %v", limit))
	})
}

func (s *Stream) markBegun() {
	s.begin.Do(func() {
		s.beginTimer.Stop()
		close(s.begun)
	})
}

// Wait waits for the command to end. Its errors are those of Run.
func (s *Stream) Wait() error {
	s.waitOnce.Do(func() {
		select {
		case <-s.closed:
			<-s.stderrRead
		case <-s.aborted:
		}
		s.stopWatch()
		s.result = s.outcome()
		s.stderrOut.close()
	})
	return s.result
}

// outcome is the error of a command that is over or aborted.
func (s *Stream) outcome() error {
	select {
	case <-s.aborting:
		<-s.aborted
		return fmt.Errorf("%s: %w", s.command, s.abortCause)
	default:
	}
	if err := s.failure.Load(); err != nil {
		return fmt.Errorf("%s: %w", s.command, *err)
	}
	select {
	case <-s.exited:
	default:
		return fmt.Errorf("%s: %w", s.command, s.machine.explain(io.EOF))
	}
	if s.status.code == 0 {
		return s.checkBegun()
	}
	return &ExitError{
		Host:    s.machine.target.Name,
		Command: s.command,
		Status:  s.status.code,
		Signal:  s.status.signal,
		Stderr:  s.errorText(),
	}
}

// checkBegun is an error if a login shell ended with success without running the command, as a ForceCommand makes it.
func (s *Stream) checkBegun() error {
	select {
	case <-s.begun:
		return nil
	default:
		return fmt.Errorf("%s: the login shell ended without beginning the command%s", s.command, quoteBeginning(s.stdout.printed()))
	}
}

// errorText is stderr. A login shell that refuses the user may give the reason on stdout, as nologin does.
func (s *Stream) errorText() []byte {
	text := s.Stderr()
	select {
	case <-s.begun:
	default:
		text = append(text, s.stdout.printed()...)
	}
	return text
}

// Stderr is what the command has written to stderr so far, the last mebibyte of it.
func (s *Stream) Stderr() []byte { return s.stderr.Bytes() }

// Close ends the input of the command and, a second later, the command itself.
func (s *Stream) Close() error {
	s.Stdin.Close()
	select {
	case <-s.closed:
	case <-s.aborted:
	case <-time.After(closeGrace):
		s.abort(errors.New("stream closed"))
	}
	s.Wait()
	return nil
}

// stdinWriter is the input of a command.
type stdinWriter struct {
	channel ssh.Channel
	conn    *conn
	once    sync.Once
	err     error
	writing sync.Mutex // x/crypto's channels do not take Write and CloseWrite side by side
}

func (w *stdinWriter) Write(p []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	n, err := w.channel.Write(p)
	if err != nil {
		select {
		case <-w.conn.lost():
			err = w.conn.cause()
		default:
			err = io.ErrClosedPipe
		}
	}
	return n, err
}

// Close ends the input. A write that is blocked meanwhile ends with the session, and the
// input with it.
func (w *stdinWriter) Close() error {
	w.once.Do(func() {
		if !w.writing.TryLock() {
			return
		}
		defer w.writing.Unlock()
		if err := w.channel.CloseWrite(); err != nil && err != io.EOF {
			w.err = err
		}
	})
	return w.err
}
