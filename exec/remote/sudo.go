package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Become is the program by which a user other than root runs commands as root.
type Become string

// The programs. Only sudo is given a password; the others must be allowed to run commands without one.
const (
	NoBecome Become = ""     // none is allowed
	Sudo     Become = "sudo" // sudo(8)
	Doas     Become = "doas" // doas(1)
	Run0     Become = "run0" // run0(1), of systemd 256 and later
	// OwnCommand is a command of the inventory's, which runs the words after it as root.
	OwnCommand Become = "command"
)

// Argv are the words in front of a command. With a password, which is for sudo only, the first line of standard input is
// that.
func (b Become) Argv(password bool) []string {
	switch {
	case password:
		// With -k, because sudo would leave the password to the command where it has a valid timestamp.
		return []string{"sudo", "-k", "-S", "-p", "", "--"}
	case b == Sudo:
		return []string{"sudo", "-n", "--"}
	case b == Doas:
		return []string{"doas", "-n", "--"}
	case b == Run0:
		return []string{"run0", "--no-ask-password", "--"}
	}
	return nil
}

// becomeArgv are the words in front of a privileged command.
func (m *Machine) becomeArgv(password bool) []string {
	if m.target.Become == OwnCommand {
		return m.target.BecomeArgv
	}
	return m.target.Become.Argv(password)
}

// becomeLimit is how long a machine may take to say how to become root on it, the user's answer to a question apart.
const becomeLimit = time.Minute

// sudoState is how to become root on a machine.
type sudoState struct {
	probing  chan struct{} // a lock that can be awaited under a context
	known    bool
	err      error  // why there is no way
	needed   bool   // the login is not root
	password []byte // with its newline; nil if sudo needs none
}

// A prefix makes a command run as root: by words in front of it, and bytes in front of its stdin.
type prefix struct {
	argv  []string
	stdin []byte
}

// wrap puts the prefix in front of a command.
func (p prefix) wrap(argv []string) []string { return slices.Concat(p.argv, argv) }

// root finds out, once, how to become root.
func (m *Machine) root(ctx context.Context) (prefix, error) {
	if m.user == "root" {
		return prefix{}, nil
	}
	select {
	case m.sudo.probing <- struct{}{}:
		defer func() { <-m.sudo.probing }()
	case <-ctx.Done():
		return prefix{}, context.Cause(ctx)
	}
	s := &m.sudo
	if !s.known {
		if err := m.probeSudo(ctx); err != nil {
			if !errors.Is(err, ErrNoSudo) && !errors.Is(err, ErrSudoPassword) {
				return prefix{}, err // not an answer: ask again next time
			}
			s.err = err
		}
		s.known = true
	}
	switch {
	case s.err != nil:
		return prefix{}, s.err
	case !s.needed:
		return prefix{}, nil
	case s.password == nil:
		return prefix{argv: m.becomeArgv(false)}, nil
	default:
		return prefix{argv: m.becomeArgv(true), stdin: s.password}, nil
	}
}

// probeSudo sets needed and password.
func (m *Machine) probeSudo(ctx context.Context) error {
	id, err := m.userID(ctx)
	if err != nil {
		return err
	}
	if id == "0" {
		return nil
	}
	m.sudo.needed = true
	become := m.target.Become
	if become == NoBecome {
		return fmt.Errorf("%w: %s is not root, and the target does not allow sudo", ErrNoSudo, m.user)
	}
	argv := m.becomeArgv(false)
	if become == Sudo {
		argv = []string{"sudo", "-k", "-n", "--"}
	}
	err = m.try(ctx, Command{Argv: slices.Concat(argv, []string{"true"}), Env: sudoEnv})
	var exit *ExitError
	if err == nil || !errors.As(err, &exit) {
		return err
	}
	missing := exit.Status == 127 || exit.Status == 126
	switch {
	case become != Sudo && !missing && exit.says("uthentication required", "uthorization required"):
		return fmt.Errorf("%w: %s asks %s for a password (%s)", ErrNoSudo, argv[0], m.user, exit.lastLine())
	case become != Sudo, missing, !exit.says("password is required", "terminal is required"):
		return fmt.Errorf("%w: %s", ErrNoSudo, exit.lastLine())
	}
	password, err := m.askPassword(ctx)
	if err != nil {
		return err
	}
	return m.tryPassword(ctx, password)
}

// userID is the number of the user of the login.
func (m *Machine) userID(ctx context.Context) (string, error) {
	ctx, cancel := limitBecome(ctx)
	defer cancel()
	id, err := m.Output(ctx, "id", "-u")
	return string(bytes.TrimSpace(id)), err
}

// try runs a command that shows whether there is a way to become root.
func (m *Machine) try(ctx context.Context, c Command) error {
	ctx, cancel := limitBecome(ctx)
	defer cancel()
	return m.Run(ctx, c)
}

func limitBecome(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, becomeLimit, fmt.Errorf("no answer within %v", becomeLimit))
}

// sudoEnv has sudo write the messages that says looks for.
var sudoEnv = map[string]string{"LC_ALL": "C"}

// askPassword returns the password with its newline.
func (m *Machine) askPassword(ctx context.Context) ([]byte, error) {
	if m.target.SudoPassword == nil {
		return nil, fmt.Errorf("%w: none was given for %s", ErrSudoPassword, m.user)
	}
	password, err := m.target.SudoPassword(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSudoPassword, err)
	}
	if bytes.ContainsAny(password, "\n\x00") {
		return nil, fmt.Errorf("%w: the password has more than one line", ErrSudoPassword)
	}
	return append(bytes.Clone(password), '\n'), nil
}

// tryPassword keeps the password if sudo accepts it. Only the password is sent: after a wrong one, sudo would read the
// input of the command as the next attempt.
func (m *Machine) tryPassword(ctx context.Context, password []byte) error {
	err := m.try(ctx, Command{Argv: append(Sudo.Argv(true), "true"), Env: sudoEnv, Stdin: bytes.NewReader(password)})
	var exit *ExitError
	if errors.As(err, &exit) {
		if exit.says("not in the sudoers", "may not run", "not allowed to") {
			return fmt.Errorf("%w: %s", ErrNoSudo, exit.lastLine())
		}
		return fmt.Errorf("%w: sudo refuses the one given for %s", ErrSudoPassword, m.user)
	}
	if err == nil {
		m.sudo.password = password
	}
	return err
}

// says reports whether stderr contains one of the texts.
func (e *ExitError) says(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(e.Stderr, []byte(text)) })
}
