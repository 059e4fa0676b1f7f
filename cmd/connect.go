package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"sync"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/remote"
)

// operator names the user of muster to others who find a host locked.
func operator() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); err == nil && name == "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s@%s", name, host)
}

// askOnce returns a function that asks the user for the password of the hosts with
// the privilege sudo-password: once for all of them.
func askOnce() func(context.Context) ([]byte, error) {
	ask := sync.OnceValues(func() ([]byte, error) {
		password, err := ui.Password("password for sudo on the hosts: ")
		if err != nil {
			return nil, fmt.Errorf("ask for the password of sudo: %v", err)
		}
		return password, nil
	})
	return func(context.Context) ([]byte, error) { return ask() }
}

// connectError marks an error of a connection attempt as package exec knows it.
func connectError(err error) error {
	if errors.Is(err, remote.ErrUnreachable) {
		return unreachable{err}
	}
	return err
}

type unreachable struct{ error }

func (u unreachable) Unwrap() []error { return []error{u.error, exec.ErrUnreachable} }
