package nixcmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"muster/exec/bounded"
	"muster/exec/human"
)

// SSH runs the ssh client and returns its standard output. It serves configurations
// that only ssh understands.
func SSH(ctx context.Context, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxSSHTime, fmt.Errorf("no answer within %v", maxSSHTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, "ssh", args...)
	cmd.WaitDelay = time.Second
	stdout, stderr := &bounded.Head{Limit: maxSSHOutput, Full: tooMuch}, &tail{limit: 4096}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case stdout.Exceeded():
		return nil, fmt.Errorf("run ssh: it prints more than %d bytes", maxSSHOutput)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run ssh: %w", context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("run ssh: %v: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// The limits of ssh -G, which may run programs (Match exec).
const (
	maxSSHTime   = 30 * time.Second
	maxSSHOutput = 1 << 20 // bytes
)

// ProxyCommand runs the ProxyCommand of an SSH configuration (ssh_config(5)) in the
// user's shell, and returns its standard input and output as a connection. The
// command runs until the connection is closed; the end of the context does not stop
// it.
func ProxyCommand(_ context.Context, command string) (net.Conn, error) {
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	cmd := exec.Command(shell, "-c", "exec "+command)
	cmd.Stderr = human.NewPlainWriter(os.Stderr)
	cmd.WaitDelay = time.Second // a child that outlives it may hold the pipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("run ProxyCommand: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run ProxyCommand: %v", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run ProxyCommand: %v", err)
	}
	return &processConn{cmd: cmd, stdin: stdin, stdout: stdout}, nil
}

// A processConn is a connection to the standard input and output of a process.
type processConn struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	once   sync.Once
}

func (c *processConn) Read(p []byte) (int, error)  { return c.stdout.Read(p) }
func (c *processConn) Write(p []byte) (int, error) { return c.stdin.Write(p) }

// Close kills the process and all its children.
func (c *processConn) Close() error {
	c.once.Do(func() {
		c.stdin.Close()
		syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		c.stdout.Close()
		go c.cmd.Wait()
	})
	return nil
}

// A deadliner is a pipe with deadlines.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

func (c *processConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *processConn) SetReadDeadline(t time.Time) error {
	if d, ok := c.stdout.(deadliner); ok {
		return d.SetReadDeadline(t)
	}
	return os.ErrNoDeadline
}

func (c *processConn) SetWriteDeadline(t time.Time) error {
	if d, ok := c.stdin.(deadliner); ok {
		return d.SetWriteDeadline(t)
	}
	return os.ErrNoDeadline
}

func (c *processConn) LocalAddr() net.Addr  { return processAddr{} }
func (c *processConn) RemoteAddr() net.Addr { return processAddr{} }

// A processAddr is the address of a process.
type processAddr struct{}

func (processAddr) Network() string { return "pipe" }
func (processAddr) String() string  { return "ProxyCommand" }
