package nixcmd

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// A Process is a running `nix-store --serve`. Read reads its standard output, Write
// writes to its standard input.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr lockedTail

	wait func() error
}

// Serve starts a server of the local store; with write, it accepts writes.
func (n *Nix) Serve(ctx context.Context, write bool) (*Process, error) {
	args := []string{"--serve"}
	if write {
		args = append(args, "--write")
	}
	p := &Process{cmd: n.command(ctx, "nix-store", args...)}
	p.stderr.limit = 1 << 20
	p.cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start nix-store --serve: %v", err)
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("start nix-store --serve: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nix-store --serve: %v", err)
	}
	p.wait = sync.OnceValue(p.cmd.Wait)
	return p, nil
}

// Read reads answers of the server.
func (p *Process) Read(b []byte) (int, error) { return p.stdout.Read(b) }

// Write sends a request to the server.
func (p *Process) Write(b []byte) (int, error) { return p.stdin.Write(b) }

// CloseWrite closes the server's input. The server then exits.
func (p *Process) CloseWrite() error { return p.stdin.Close() }

// Close kills the server.
func (p *Process) Close() error {
	p.stdin.Close()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.wait()
	return nil
}

// Wait waits until the server has exited.
func (p *Process) Wait() error { return p.wait() }

// Stderr returns what the server wrote to standard error.
func (p *Process) Stderr() string { return p.stderr.String() }

// A lockedTail is a tail for concurrent use.
type lockedTail struct {
	mu sync.Mutex
	tail
}

func (t *lockedTail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tail.Write(b)
}

func (t *lockedTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tail.String()
}
