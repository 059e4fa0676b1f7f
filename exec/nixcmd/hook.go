package nixcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"muster/exec/bounded"
)

// RunHook runs a command of the user in a directory; env is added to its
// environment. line gets the lines of its output. When the context ends, the command
// and all its children are terminated.
func RunHook(ctx context.Context, dir string, argv, env []string, line func(string)) error {
	cmd := hookCommand(ctx, dir, argv, env)
	said := &tail{limit: 4096, line: line}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	said.flush()
	return explainHook(ctx, argv, err, said)
}

// Capture runs a command on this machine like [RunHook], and returns what it prints to
// standard output, which is at most limit bytes. Nothing that it prints is part of an
// error: it may be a secret, or hold one.
func Capture(ctx context.Context, dir string, argv, env []string, limit int) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := hookCommand(ctx, dir, argv, env)
	out := &bounded.Head{Limit: limit, Full: func() error {
		cancel(fmt.Errorf("it printed more than %d bytes", limit))
		return nil
	}}
	cmd.Stdout = out
	err := explainHook(ctx, argv, cmd.Run(), &tail{})
	if cmd.ProcessState != nil && !cmd.ProcessState.Success() && ctx.Err() == nil {
		err = fmt.Errorf("%w; what it printed may hold the secret and is not shown: run it by hand to see it", err)
	}
	return out.Bytes(), err
}

func hookCommand(ctx context.Context, dir string, argv, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// explainHook makes the error of a command that has ended.
func explainHook(ctx context.Context, argv []string, err error, said *tail) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit):
		text := strings.TrimSpace(said.String())
		if last := strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:]); last != "" {
			return fmt.Errorf("%s: %s", exit.ProcessState, last)
		}
		return errors.New(exit.ProcessState.String())
	}
	return fmt.Errorf("run %s: %v", argv[0], err)
}

// Edit has the user change a file with $VISUAL, $EDITOR or vi.
func Edit(ctx context.Context, file string) error {
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("edit with %s: %v", editor, err)
	}
	return nil
}
