// Package local runs commands on the machine that muster runs on, as root: a host
// without a connection.
//
//	m, err := local.New(local.Config{Become: []string{"sudo", "-n", "--"}})
//	err = m.Run(ctx, []string{"readlink", "/run/current-system"}, &out, nil)
//
// Root runs commands directly, any other user through the words of Become. A
// command has a process group of its own; when its context ends, the group gets
// TERM and, five seconds later, KILL.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"muster/exec/bounded"
)

// Config says how commands become root.
type Config struct {
	Become   []string // words in front of a command, for users other than root; none: only root may run commands
	Password []byte   // that the first word reads from its standard input, with its newline; nil: none
}

// A Machine is this machine. That of the zero value runs commands as the user.
type Machine struct{ become Config }

// ErrNotRoot says that commands cannot run as root here.
var ErrNotRoot = errors.New("not root on this machine")

// New returns this machine, where commands can run as root on it.
func New(c Config) (*Machine, error) {
	if os.Geteuid() == 0 {
		return &Machine{}, nil
	}
	if len(c.Become) == 0 {
		return nil, ErrNotRoot
	}
	return &Machine{become: c}, nil
}

// Here reports that this is the machine that muster runs on.
func (m *Machine) Here() bool { return true }

// Close does nothing.
func (m *Machine) Close() error { return nil }

// Dial makes a network connection.
func (m *Machine) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// Run runs a command as root to its end. The error of a command that does not
// succeed is an [ExitError].
func (m *Machine) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.Feed(ctx, argv, nil, stdout, stderr)
}

// Feed is Run with standard input.
func (m *Machine) Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd := m.command(ctx, argv)
	cmd.Stdin = stdin
	said := &bounded.Tail{Limit: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, io.Writer(said)
	if stderr != nil {
		cmd.Stderr = io.MultiWriter(said, stderr)
	}
	if m.become.Password != nil {
		cmd.Stdin = bytes.NewReader(m.become.Password)
		if stdin != nil {
			cmd.Stdin = io.MultiReader(cmd.Stdin, stdin)
		}
	}
	return explain(ctx, argv, cmd.Run(), said)
}

// command is a command as root.
func (m *Machine) command(ctx context.Context, argv []string) *exec.Cmd {
	words := append(append([]string(nil), m.become.Become...), argv...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// explain makes the error of a command that has ended.
func explain(ctx context.Context, argv []string, err error, said *bounded.Tail) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", argv[0], context.Cause(ctx))
	case errors.As(err, &exit):
		return &ExitError{Command: name(argv), Status: exit.ExitCode(), Stderr: said.String()}
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it has ended with success, and left a process that holds its output
	}
	return fmt.Errorf("run %s: %v", argv[0], err)
}

// name is what messages call a command: a script by its name.
func name(argv []string) string {
	if len(argv) > 3 && argv[0] == "/bin/sh" && argv[1] == "-c" {
		return argv[3]
	}
	return strings.Join(argv, " ")
}

// An ExitError is a command that did not succeed.
type ExitError struct {
	Command string
	Status  int    // exit status; -1 after a signal
	Stderr  string // the end of it
}

const (
	maxMessage = 400      // bytes of a line of stderr in a message
	maxStderr  = 64 << 10 // bytes of stderr that are kept
)

func (e *ExitError) Error() string {
	text := strings.TrimSpace(e.Stderr)
	last := text[strings.LastIndexByte(text, '\n')+1:]
	if last == "" {
		return fmt.Sprintf("%s: exit status %d", e.Command, e.Status)
	}
	return fmt.Sprintf("%s: exit status %d: %s", e.Command, e.Status, strings.ToValidUTF8(last[:min(len(last), maxMessage)], ""))
}

// ExitCode lets package nixserve handle this error and *exec.ExitError alike.
func (e *ExitError) ExitCode() int { return e.Status }
