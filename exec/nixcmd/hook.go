package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// RunHook runs a command of the user in a directory; env is added to its
// environment. line gets the lines of its output. When the context ends, the command
// and all its children are terminated.
func RunHook(ctx context.Context, dir string, argv, env []string, line func(string)) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	said := &tail{limit: 4096, line: line}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	said.flush()
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
