package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	stderrKept = 1 << 20         // bytes of stderr an ExitError holds
	endLimit   = 5 * time.Second // for ending a command on the machine
	drainLimit = 2 * time.Second // without any output once the command has ended; what it left behind may hold the pipe
	closeGrace = time.Second     // for a command to end on its own once its input has
	causeGrace = time.Second     // for the connection to be found lost once a session has ended without a status
)

// A Stream is a command to talk with. Read Stdout to its end before Wait; what is not read holds the command up.
// Stdout also ends when the connection is lost: Wait tells.
type Stream struct {
	Stdin  io.WriteCloser
	Stdout io.Reader

	machine *Machine
	command string // for messages
	asRoot  bool
	channel ssh.Channel
	outErr  *gate // what Command.Stderr gets
	stderr  tail
	pid     chan int // gets the process number when the command says it

	stopWatch func() bool   // stops watching ctx
	read      chan struct{} // closed when all of stderr is read
	exited    chan struct{} // closed when there is an exit status
	closed    chan struct{} // closed when the channel is
	ending    chan struct{} // closed when abort has begun on a command that was not over
	aborted   chan struct{} // closed when abort is done
	status    exitStatus    // read it after exited

	abortOnce sync.Once
	cause     error // of the abort; read it after aborted
	waitOnce  sync.Once
	result    error
}

type exitStatus struct {
	code   int
	signal string
}

// start begins a command and returns when the machine has taken it.
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
		argv = append(root.argv[:len(root.argv):len(root.argv)], argv...)
	}
	marker := "muster-" + rand.Text() + " "
	s := &Stream{machine: m, command: c.name(), asRoot: c.Privileged, outErr: &gate{w: c.Stderr}, stderr: tail{max: stderrKept},
		pid: make(chan int, 1), read: make(chan struct{}), exited: make(chan struct{}), closed: make(chan struct{}),
		ending: make(chan struct{}), aborted: make(chan struct{})}

	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", s.command, context.Cause(ctx))
	case <-m.conn.lost:
		return nil, fmt.Errorf("%s: %w", s.command, m.conn.cause)
	}
	// Asking for a session blocks for as long as a dead link looks alive.
	started := make(chan error, 1)
	go func() {
		err := m.exec(ctx, s, line(argv, marker), marker, m.slots)
		if err == nil && root.stdin != nil {
			// No matter if that does not work: the command ends then, and says why.
			s.Stdin.Write(root.stdin)
		}
		started <- err
	}()
	select {
	case err = <-started:
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.command, err)
		}
		s.stopWatch = context.AfterFunc(ctx, func() { s.abort(context.Cause(ctx)) })
		return s, nil
	case <-ctx.Done():
		ended := make(chan struct{})
		go func() {
			if <-started == nil {
				s.abort(context.Cause(ctx))
			}
			close(ended)
		}()
		select {
		case <-ended:
		case <-m.conn.lost:
		case <-time.After(endLimit):
		}
		return nil, fmt.Errorf("%s: %w", s.command, context.Cause(ctx))
	case <-m.conn.lost:
		return nil, fmt.Errorf("%s: %w", s.command, m.conn.cause)
	}
}

// exec runs a line in a session of its own, and keeps the slot until the server has closed it.
func (m *Machine) exec(ctx context.Context, s *Stream, line, marker string, slots chan struct{}) error {
	channel, reqs, err := m.openSession(ctx)
	if err != nil {
		<-slots
		return m.whyNot(err)
	}
	s.channel, s.Stdin, s.Stdout = channel, &stdin{channel: channel, conn: m.conn}, channel
	go func() {
		s.watch(reqs)
		<-slots
	}()
	go func() {
		defer close(s.read)
		f := &pidFilter{marker: []byte(marker), pid: s.pid, out: io.MultiWriter(&s.stderr, s.outErr)}
		io.Copy(f, channel.Stderr())
		f.flush()
	}()
	taken, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{line}))
	if err == nil && taken {
		return nil
	}
	channel.Close()
	if err != nil {
		return m.whyNot(err)
	}
	return errors.New("the server runs no commands for this user")
}

// openSession opens a session. A server that allows fewer of them than we do refuses: then it waits for one of the others to end.
func (m *Machine) openSession(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		channel, reqs, err := m.conn.client.OpenChannel("session", nil)
		var refused *ssh.OpenChannelError
		if err == nil || !errors.As(err, &refused) || len(m.slots)+len(m.spare) < 2 {
			return channel, reqs, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, nil, err
		case <-m.conn.lost:
			return nil, nil, err
		}
	}
}

// whyNot dresses an error of a session that could not be opened. If the connection is what broke, that takes a moment to show.
func (m *Machine) whyNot(err error) error {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return fmt.Errorf("the server opens no session: %s", refused.Message)
	}
	select {
	case <-m.conn.lost:
		return m.conn.cause
	case <-time.After(causeGrace):
		return fmt.Errorf("%w: the server ended the session", ErrConnectionLost)
	}
}

// watch follows what the server says about the command until the session is closed.
func (s *Stream) watch(reqs <-chan *ssh.Request) {
	known := false
	for req := range reqs {
		switch req.Type {
		case "exit-status":
			var msg struct{ Status uint32 }
			if !known && ssh.Unmarshal(req.Payload, &msg) == nil {
				known = true
				s.status = exitStatus{code: int(msg.Status)}
				close(s.exited)
			}
		case "exit-signal":
			var msg struct {
				Signal     string
				CoreDumped bool
				Error      string
				Lang       string
			}
			if !known && ssh.Unmarshal(req.Payload, &msg) == nil {
				known = true
				s.status = exitStatus{code: 128 + signalNumber[msg.Signal], signal: msg.Signal}
				close(s.exited)
			}
		}
		if req.WantReply {
			req.Reply(false, nil)
		}
	}
	close(s.closed)
}

// signalNumber holds the signals of RFC 4254, section 6.10, by their numbers on Linux.
var signalNumber = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10,
	"SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}

// abort ends the command on the machine, or as much of it as can be reached in time.
func (s *Stream) abort(cause error) {
	s.abortOnce.Do(func() {
		s.cause = cause
		defer close(s.aborted)
		select {
		case <-s.closed:
			return
		default:
			close(s.ending)
		}
		// Closing writes, which a dead link can block.
		defer func() { go s.channel.Close() }()
		select {
		case <-s.exited:
			return // only its output was awaited
		default:
		}
		limit := time.NewTimer(endLimit)
		defer limit.Stop()
		select {
		case pid := <-s.pid:
			s.machine.kill(pid, s.asRoot, limit.C)
		case <-limit.C:
		case <-s.closed:
		case <-s.machine.conn.lost:
		}
	})
	<-s.aborted
}

// kill ends a process group from a second session: sshd does not pass signals on for root (OpenSSH 9.2), and closing a
// session leaves what runs in it alone.
func (m *Machine) kill(pid int, asRoot bool, limit <-chan time.Time) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ctx, cancel := context.WithTimeout(context.Background(), endLimit)
		defer cancel()
		argv := []string{"/bin/sh", "-c", killScript(pid)}
		var root prefix
		if asRoot {
			root, _ = m.root(ctx) // known by now
			argv = append(root.argv[:len(root.argv):len(root.argv)], argv...)
		}
		select {
		case m.spare <- struct{}{}:
		case <-m.conn.lost:
			return
		}
		s := &Stream{machine: m, outErr: &gate{}, stderr: tail{max: 1}, pid: make(chan int, 1),
			read: make(chan struct{}), exited: make(chan struct{}), closed: make(chan struct{})}
		marker := "muster-" + rand.Text() + " "
		if m.exec(ctx, s, line(argv, marker), marker, m.spare) != nil {
			return
		}
		s.Stdin.Write(root.stdin)
		s.Stdin.Close()
		io.Copy(io.Discard, s.Stdout)
		<-s.closed
	}()
	select {
	case <-finished:
	case <-limit:
	case <-m.conn.lost:
	}
}

// Wait waits for the command to end, and says how it did, like Run.
func (s *Stream) Wait() error {
	s.waitOnce.Do(func() {
		select {
		case <-s.closed:
			<-s.read
		case <-s.aborted:
		}
		s.result = s.finish()
	})
	return s.result
}

// finish finds the error for a command that is over, one way or another.
func (s *Stream) finish() error {
	s.stopWatch()
	select {
	case <-s.ending:
		<-s.aborted
		s.outErr.close()
		return fmt.Errorf("%s: %w", s.command, s.cause)
	default:
	}
	s.outErr.close()
	select {
	case <-s.exited:
	default:
		return fmt.Errorf("%s: %w", s.command, s.machine.whyNot(io.EOF))
	}
	if s.status.code == 0 {
		return nil
	}
	return &ExitError{Host: s.machine.target.Name, Command: s.command, Status: s.status.code, Signal: s.status.signal, Stderr: s.Stderr()}
}

// Stderr is what the command has said there so far, the last mebibyte of it.
func (s *Stream) Stderr() []byte { return s.stderr.bytes() }

// Close ends the command: its input, and a second later the command itself.
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

// run feeds a started command and collects its output.
func (s *Stream) run(c Command) error {
	go func() {
		if c.Stdin != nil {
			io.Copy(s.Stdin, c.Stdin)
		}
		s.Stdin.Close()
	}()
	out := &gate{w: c.Stdout}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(out, s.Stdout)
	}()
	select {
	case <-s.exited:
		s.drain(out)
	case <-s.closed:
	case <-s.aborted:
	}
	select {
	case <-s.aborted: // the channel may still be open
	case <-copied:
	}
	err := s.Wait()
	out.close()
	if err == nil {
		if err = errors.Join(out.err, s.outErr.err); err != nil {
			err = fmt.Errorf("%s: take its output: %w", s.command, err)
		}
	}
	return err
}

// drain waits for the output of a command that has ended. A process it has left behind can hold the pipe for ever.
func (s *Stream) drain(out *gate) {
	tick := time.NewTicker(drainLimit)
	defer tick.Stop()
	before := int64(-1)
	for {
		select {
		case <-s.closed:
			return
		case <-s.aborted:
			return
		case <-tick.C:
			now := out.moved.Load() + s.outErr.moved.Load()
			if now == before && !out.busy.Load() && !s.outErr.busy.Load() {
				go s.channel.Close()
				return
			}
			before = now
		}
	}
}

// stdin is the input of a command.
type stdin struct {
	channel ssh.Channel
	conn    *conn
	once    sync.Once
	err     error
}

func (w *stdin) Write(p []byte) (int, error) {
	n, err := w.channel.Write(p)
	if err != nil {
		select {
		case <-w.conn.lost:
			err = w.conn.cause
		default:
			err = io.ErrClosedPipe
		}
	}
	return n, err
}

func (w *stdin) Close() error {
	w.once.Do(func() {
		if err := w.channel.CloseWrite(); err != nil && err != io.EOF {
			w.err = err
		}
	})
	return w.err
}

// A gate passes output on until it is closed, so that nothing is written behind the back of a caller who has gone on. A
// writer that fails gets nothing more, but does not hold up the command.
type gate struct {
	mu     sync.Mutex
	w      io.Writer // nil drops all
	closed bool
	err    error
	moved  atomic.Int64 // bytes
	busy   atomic.Bool  // in w
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.w != nil && !g.closed && g.err == nil {
		g.busy.Store(true)
		_, g.err = g.w.Write(p)
		g.busy.Store(false)
	}
	g.moved.Add(int64(len(p)))
	return len(p), nil
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

// A tail keeps the last max bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*t.max { // let it grow a while, so as not to move all of it each time
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf[max(0, len(t.buf)-t.max):])
}

// A pidFilter takes the line that says the process number out of a command's stderr. The login shell may have said
// something before, with or without a newline.
type pidFilter struct {
	marker []byte
	pid    chan<- int
	out    io.Writer
	held   []byte
	found  bool
}

func (f *pidFilter) Write(p []byte) (int, error) {
	if f.found {
		return f.out.Write(p)
	}
	f.held = append(f.held, p...)
	if i := bytes.Index(f.held, f.marker); i >= 0 {
		f.pass(i)
		if end := bytes.IndexByte(f.held, '\n'); end >= 0 {
			if pid, err := strconv.Atoi(string(f.held[len(f.marker):end])); err == nil && pid > 1 {
				f.pid <- pid
				f.held = f.held[end+1:]
			}
			f.found = true
			f.flush()
		}
		return len(p), nil
	}
	// Hold back what may be the marker's beginning.
	keep := min(len(f.held), len(f.marker)-1)
	for !bytes.HasPrefix(f.marker, f.held[len(f.held)-keep:]) {
		keep--
	}
	f.pass(len(f.held) - keep)
	return len(p), nil
}

// pass lets go of the first n bytes.
func (f *pidFilter) pass(n int) {
	if n > 0 {
		f.out.Write(f.held[:n])
		f.held = f.held[n:]
	}
}

func (f *pidFilter) flush() { f.pass(len(f.held)) }
