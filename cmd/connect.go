package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"sync"

	"golang.org/x/term"

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

// askOnce asks the user for the password of the hosts with the privilege
// sudo-password: once, for all of them, on the terminal.
func askOnce() func(context.Context) ([]byte, error) {
	ask := sync.OnceValues(func() ([]byte, error) {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("ask for the password of sudo: %v", err)
		}
		defer tty.Close()
		fmt.Fprint(tty, "password for sudo on the hosts: ")
		defer fmt.Fprintln(tty)
		return term.ReadPassword(int(tty.Fd()))
	})
	return func(context.Context) ([]byte, error) { return ask() }
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
