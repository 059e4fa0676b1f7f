package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Shell runs the user's shell in a directory, on the terminal that this program has, until it
// ends. How it ends is no error.
func (l *Lab) Shell(ctx context.Context, dir string) error {
	shell := exec.CommandContext(ctx, cmp.Or(os.Getenv("SHELL"), "/bin/sh"))
	shell.Dir, shell.Stdin, shell.Stdout, shell.Stderr = dir, os.Stdin, os.Stdout, os.Stderr
	var ended *exec.ExitError
	if err := shell.Run(); err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("start the shell %s: %w", shell.Path, err)
	}
	return context.Cause(ctx)
}
