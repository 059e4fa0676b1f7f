//go:build unix

package provision

import (
	"os/exec"
	"syscall"
)

// ownSession keeps signals of the terminal, and the end of muster, from a command.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
