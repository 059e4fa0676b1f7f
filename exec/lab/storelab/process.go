package storelab

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// A Process is a stream to a local command, as package nixserve wants one.
type Process struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	close  func() error
	stderr lockedBuffer
	ended  chan struct{}
	err    error
}

// Start starts a command that ends with the test at the latest.
func Start(t TB, cmd *exec.Cmd) *Process {
	t.Helper()
	return StartAs(t, cmd, uint32(os.Getuid()))
}

// StartAs starts a command as another user.
func StartAs(t TB, cmd *exec.Cmd, uid uint32) *Process {
	t.Helper()
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	// Wait closes the pipes that os/exec makes, and would lose what is not read yet.
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, &p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != uint32(os.Getuid()) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	p.in, p.out, p.close = inW, outR, sync.OnceValue(inW.Close)
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Close()
		<-p.ended
		outR.Close()
	})
	return p
}

func (p *Process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *Process) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p *Process) CloseWrite() error           { return p.close() }
func (p *Process) Stderr() string              { return p.stderr.String() }

// Close kills the command and all that it has started.
func (p *Process) Close() error {
	p.close()
	return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
