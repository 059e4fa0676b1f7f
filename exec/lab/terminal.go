package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Terminal is a terminal with a program in it, of which the screen can be read: tmux with
// one window.
//
//	t, err := lab.StartTerminal(ctx, dir, 80, 24, "top")
//	screen, err := t.Screen()
type Terminal struct {
	socket string
	ctx    context.Context
}

// ErrNoTmux says that there is no tmux on this computer.
var ErrNoTmux = errors.New("there is no tmux: apt-get install tmux")

// StartTerminal runs a shell command in a terminal of a size. dir is a directory for its socket.
func StartTerminal(ctx context.Context, dir string, columns, rows int, command string) (*Terminal, error) {
	if _, err := exec.LookPath("tmux"); err != nil {
		return nil, ErrNoTmux
	}
	t := &Terminal{socket: filepath.Join(dir, "tmux"), ctx: ctx}
	_, err := t.do("-u", "-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), command)
	return t, err
}

// do gives tmux a command, and returns what it prints.
func (t *Terminal) do(args ...string) (string, error) {
	c := exec.CommandContext(t.ctx, "tmux", append([]string{"-S", t.socket}, args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=screen")
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Resize changes the size of the terminal.
func (t *Terminal) Resize(columns, rows int) error {
	_, err := t.do("resize-window", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows))
	return err
}

// Type types a text, and the return key.
func (t *Terminal) Type(text string) error {
	_, err := t.do("send-keys", "-l", text)
	if err == nil {
		_, err = t.do("send-keys", "Enter")
	}
	return err
}

// Screen is what the terminal shows, and in front of that what has scrolled off.
func (t *Terminal) Screen() (string, error) { return t.do("capture-pane", "-p", "-S", "-") }

// Forget forgets what has scrolled off.
func (t *Terminal) Forget() error {
	_, err := t.do("clear-history")
	return err
}

// Column is the column of the cursor, from 0.
func (t *Terminal) Column() (string, error) {
	text, err := t.do("display-message", "-p", "#{cursor_x}")
	return strings.TrimSpace(text), err
}

// Close ends the terminal, and what runs in it.
func (t *Terminal) Close() error {
	_, err := t.do("kill-server")
	return err
}
