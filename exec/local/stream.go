package local

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"

	"muster/exec/bounded"
)

// A Stream is a running command to exchange data with, such as nix-store --serve.
type Stream struct {
	io.Reader
	io.WriteCloser
	stderr *bounded.Tail
	wait   func() error
	kill   func()
}

// Stream starts a command as root.
func (m *Machine) Stream(ctx context.Context, argv ...string) (*Stream, error) {
	cmd := m.command(ctx, argv)
	s := &Stream{stderr: &bounded.Tail{Limit: maxStderr}}
	cmd.Stderr = s.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %v", argv[0], err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %v", argv[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %v", argv[0], err)
	}
	s.Reader, s.WriteCloser = out, in
	s.wait = sync.OnceValue(func() error { return explain(ctx, argv, cmd.Wait(), s.stderr) })
	s.kill = func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if m.become.Password != nil {
		// If this fails, the command ends and reports why.
		in.Write(m.become.Password)
	}
	return s, nil
}

// CloseWrite closes the command's input.
func (s *Stream) CloseWrite() error { return s.WriteCloser.Close() }

// Close ends the command at once.
func (s *Stream) Close() error {
	s.WriteCloser.Close()
	s.kill()
	s.wait()
	return nil
}

// Wait waits for the command to end.
func (s *Stream) Wait() error { return s.wait() }

// Stderr is the end of what the command has written to standard error.
func (s *Stream) Stderr() string { return s.stderr.String() }
