package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Run runs any command on this machine and waits for it. If it fails, the error is
// an [ExitError].
func (n *Nix) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	cmd := n.command(ctx, argv[0], argv[1:]...)
	said := &tail{limit: 1 << 20}
	cmd.Stdout, cmd.Stderr = stdout, said
	if stderr != nil {
		cmd.Stderr = io.MultiWriter(said, stderr)
	}
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", argv[0], cause)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Command: strings.Join(append(argv[:1:1], flags(argv[1:])...), " "), Status: exit.ExitCode(), Stderr: said.String()}
	}
	return fmt.Errorf("run %s: %v", argv[0], err)
}
