package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/user"

	"muster/exec"
	"muster/exec/remote"
)

// operator is who runs muster, for others who find a host locked.
func operator() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); err == nil && name == "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "somewhere"
	}
	return fmt.Sprintf("%s@%s", name, host)
}

// connectError has package exec know an error of a connection attempt.
func connectError(err error) error {
	if errors.Is(err, remote.ErrUnreachable) {
		return unreachable{err}
	}
	return err
}

type unreachable struct{ error }

func (u unreachable) Unwrap() []error { return []error{u.error, exec.ErrUnreachable} }
