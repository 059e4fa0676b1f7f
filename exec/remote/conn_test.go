package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A deadLine is a TCP proxy to an sshd that can stop to forward anything.
type deadLine struct {
	l      net.Listener
	frozen atomic.Bool
	mu     sync.Mutex
	conns  []net.Conn
}

func newLine(t *testing.T, to string) *deadLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &deadLine{l: l}
	t.Cleanup(func() { l.Close(); p.cut() })
	pump := func(dst, src net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			for p.frozen.Load() {
				time.Sleep(10 * time.Millisecond)
			}
			if n > 0 {
				if _, err := dst.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		dst.Close()
		src.Close()
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go pump(in, out)
			go pump(out, in)
		}
	}()
	return p
}

func (p *deadLine) port() int { return p.l.Addr().(*net.TCPAddr).Port }

func (p *deadLine) cut() {
	p.frozen.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}

func throughLine(t *testing.T, keepAlive time.Duration) (*Machine, *deadLine) {
	t.Helper()
	s := startSSHD(t)
	p := newLine(t, s.addr())
	m := s.connect(t, Config{KeepAlive: keepAlive}, Target{Name: "host", Port: p.port(), HostKeys: []string{authorized(s.hostKey)}})
	return m, p
}

// When the link dies silently, all that wait get an error after three unanswered probes.
func TestKeepAliveFindsADeadLink(t *testing.T) {
	m, link := throughLine(t, time.Second)
	stream, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second) // alive, if idle
	if out, err := m.Output(t.Context(), "echo", "alive"); err != nil || string(out) != "alive\n" {
		t.Fatalf("%q, %v", out, err)
	}
	link.frozen.Store(true)
	reason := "no answer for"
	if *throughOpenSSH {
		reason = masterEnded
	}
	ends(t, func() {
		for name, f := range map[string]func() error{
			"run":    func() error { return m.Run(t.Context(), Command{Argv: []string{"true"}}) },
			"stream": func() error { io.ReadAll(stream.Stdout); return stream.Wait() },
		} {
			if err := f(); !errors.Is(err, ErrConnectionLost) || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: got %v, want %v", name, err, ErrConnectionLost)
			}
		}
	})
	if _, err := stream.Stdin.Write([]byte("x")); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("write: got %v", err)
	}
	if err := m.Run(t.Context(), Command{Argv: []string{"true"}}); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("afterwards: got %v", err)
	}
}

// A busy link is not dead: a keepalive waits behind other data, but any data that comes in counts as an answer.
func TestKeepAliveLeavesABusyLinkAlone(t *testing.T) {
	m, _ := throughLine(t, time.Second)
	var out countBytes
	in := &zerosUntil{end: time.Now().Add(6 * time.Second)}
	if err := m.Run(t.Context(), Command{Argv: []string{"cat"}, Stdin: in, Stdout: &out}); err != nil || out != in.read {
		t.Errorf("%d of %d bytes, %v", out, in.read, err)
	}
}

// zerosUntil is zeros until some time.
type zerosUntil struct {
	end  time.Time
	read countBytes
}

func (z *zerosUntil) Read(p []byte) (int, error) {
	if time.Now().After(z.end) {
		return 0, io.EOF
	}
	clear(p)
	z.read += countBytes(len(p))
	return len(p), nil
}

type countBytes int64

func (c *countBytes) Write(p []byte) (int, error) { *c += countBytes(len(p)); return len(p), nil }

// On a dead link, a cancelled Run returns even before the keepalive has noticed.
func TestCancelOnADeadLink(t *testing.T) {
	m, link := throughLine(t, -1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	started := &firstLine{line: make(chan string, 1)}
	go func() {
		done <- m.Run(ctx, Command{Argv: []string{"sh", "-c", "echo; sleep 30"}, Stdout: started})
	}()
	<-started.line
	link.frozen.Store(true)
	go func() { done <- m.Run(ctx, Command{Argv: []string{"true"}}) }()
	time.Sleep(100 * time.Millisecond)
	cancel()
	ends(t, func() {
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		}
	})
	ends(t, func() { m.Close() })
}

func TestConnectionCut(t *testing.T) {
	m, link := throughLine(t, 0)
	started := &firstLine{line: make(chan string, 1)}
	done := make(chan error, 1)
	go func() {
		done <- m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "echo; sleep 5"}, Stdout: started})
	}()
	<-started.line
	link.cut()
	var err error
	ends(t, func() { err = <-done })
	if !errors.Is(err, ErrConnectionLost) {
		t.Errorf("got %v, want %v", err, ErrConnectionLost)
	}
	<-m.Lost()
}

// Closing a machine ends the commands that wait for it.
func TestCloseEndsRun(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	done := make(chan error, 1)
	go func() { done <- m.Run(t.Context(), Command{Argv: []string{"sleep", "5"}}) }()
	time.Sleep(200 * time.Millisecond)
	m.Close()
	var err error
	ends(t, func() { err = <-done })
	if !errors.Is(err, ErrConnectionLost) {
		t.Errorf("got %v, want %v", err, ErrConnectionLost)
	}
}

// With a server that allows fewer sessions than ours, commands wait for each other.
func TestFewSessions(t *testing.T) {
	m := startSSHD(t, "MaxSessions 2").connect(t, Config{}, Target{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := m.Run(t.Context(), Command{Argv: []string{"sleep", "0.1"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestNoGoroutineIsLeft(t *testing.T) {
	s, bastion := startSSHD(t), startSSHD(t)
	config := s.client(t, fmt.Sprintf("Host bastion\n\tHostName 127.0.0.1\n\tPort %d\n\tIdentityFile %s/id", bastion.port, bastion.dir))
	known, _ := os.ReadFile(s.path("known_hosts"))
	s.write(t, "known_hosts", string(known)+fmt.Sprintf("[127.0.0.1]:%d %s", bastion.port, authorized(bastion.hostKey)))
	socket, _ := serveAgent(t)
	before := runtime.NumGoroutine()
	d := NewDialer(Config{ConfigFile: config, KeepAlive: time.Second})
	d.agents.signers(t.Context(), socket)
	for _, jump := range []string{"none", "bastion"} {
		m, err := d.Dial(t.Context(), Target{Name: "host", Jump: jump})
		if err != nil {
			t.Fatal(err)
		}
		m.Output(t.Context(), "echo")
		m.Run(shortContext(t, 300*time.Millisecond), Command{Argv: []string{"sleep", "20"}})
		stream, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}})
		if err != nil {
			t.Fatal(err)
		}
		stream.Close()
		if _, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}}); err != nil { // left to Close
			t.Fatal(err)
		}
		m.Close()
	}
	dialOnceSilent(t, d)
	d.Close()
	for began := time.Now(); time.Since(began) < hangs; time.Sleep(10 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return
		}
	}
	var stacks bytes.Buffer
	buf := make([]byte, 1<<20)
	stacks.Write(buf[:runtime.Stack(buf, true)])
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, &stacks)
}

func dialOnceSilent(t *testing.T, d *Dialer) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := d.Dial(shortContext(t, 100*time.Millisecond), Target{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Error("a silent server accepted a user")
	}
}
