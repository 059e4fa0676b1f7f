package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
)

// A Machine is one connected machine. Its methods can be called from many goroutines at once.
type Machine struct {
	target Target
	user   string
	conn   *conn

	slots chan struct{} // one for each session that is open
	spare chan struct{} // the same for those that end others, so that they never wait for what they end

	sudo sudoState
}

// sshd allows ten sessions a connection (MaxSessions). Two are kept for ending commands.
const (
	maxSessions   = 8
	spareSessions = 2
)

func newMachine(t Target, user string, c *conn) *Machine {
	return &Machine{target: t, user: user, conn: c,
		slots: make(chan struct{}, maxSessions), spare: make(chan struct{}, spareSessions),
		sudo: sudoState{asking: make(chan struct{}, 1)}}
}

// Name is the target's name in the inventory.
func (m *Machine) Name() string { return m.target.Name }

// User is who the connection is logged in as.
func (m *Machine) User() string { return m.user }

// Sudoes reports whether the target has its user run privileged commands through sudo.
func (m *Machine) Sudoes() bool { return m.target.Sudo }

// Lost is closed once the connection is, for whatever reason.
func (m *Machine) Lost() <-chan struct{} { return m.conn.lost }

// Close closes the connection. Commands that still run see their input end and their output refused; what ends them
// for certain is the end of their context, before.
func (m *Machine) Close() error {
	m.conn.close()
	return nil
}

// Run runs a command to its end. A command that runs and does not succeed is an *ExitError. When ctx ends, the command
// is ended too, with all it started in its process group: TERM, and KILL after two seconds. Run then returns ctx's
// error, after five seconds at the most even if the machine is gone. ErrConnectionLost says nothing about the command,
// which may run on.
func (m *Machine) Run(ctx context.Context, c Command) error {
	s, err := m.start(ctx, c)
	if err != nil {
		return err
	}
	return s.run(c)
}

// Output runs a command and returns what it prints.
func (m *Machine) Output(ctx context.Context, argv ...string) ([]byte, error) {
	var out bytes.Buffer
	err := m.Run(ctx, Command{Argv: argv, Stdout: &out})
	return out.Bytes(), err
}

// Stream starts a command to talk with, such as nix-store --serve. It holds one of the machine's eight sessions until
// it ends. The end of ctx ends it as with Run.
func (m *Machine) Stream(ctx context.Context, c Command) (*Stream, error) {
	if c.Stdin != nil || c.Stdout != nil {
		return nil, errors.New("stream command: its stdin and stdout are the stream's")
	}
	return m.start(ctx, c)
}

// Upload writes a file, through sudo where the target has it. Others see the old file or the whole new one with its
// mode, never a part.
func (m *Machine) Upload(ctx context.Context, dest string, mode uint32, content []byte) error {
	if mode&^0o7777 != 0 {
		return fmt.Errorf("upload %s: %#o is not a mode", dest, mode)
	}
	err := m.Run(ctx, Command{
		Argv:       []string{"sh", "-c", uploadScript, "upload", dest, strconv.Itoa(len(content)), strconv.FormatUint(uint64(mode), 8)},
		Privileged: m.target.Sudo,
		Stdin:      bytes.NewReader(content),
	})
	var exit *ExitError
	if errors.As(err, &exit) {
		exit.Command = "upload " + quoteWord(dest)
	}
	return err
}

// The file is made beside dest, so that mv only renames. A shorter one is what a cut connection leaves.
const uploadScript = `set -eu
umask 077
if [ -d "$1" ]; then echo "$1 is a directory" >&2; exit 1; fi
t=$(mktemp "$(dirname -- "$1")/.upload.XXXXXX")
trap 'rm -f -- "$t"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cat >"$t"
n=$(wc -c <"$t")
if [ "$n" -ne "$2" ]; then echo "got $n of $2 bytes" >&2; exit 1; fi
chmod "$3" "$t"
sync "$t" 2>/dev/null || :
mv -f -- "$t" "$1"
trap - EXIT
`

// sudoState is what is known of the way to root. asking is its lock, one that can be waited for under a context.
type sudoState struct {
	asking   chan struct{}
	known    bool
	err      error  // there is none
	needed   bool   // the login is not root
	password []byte // with its newline; nil if sudo wants none
}

// prefix is a way to run a command as root: words in front of it, bytes in front of its stdin.
type prefix struct {
	argv  []string
	stdin []byte
}

// root finds out, once, how to become root.
func (m *Machine) root(ctx context.Context) (prefix, error) {
	if m.user == "root" {
		return prefix{}, nil
	}
	select {
	case m.sudo.asking <- struct{}{}:
		defer func() { <-m.sudo.asking }()
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
		return prefix{argv: []string{"sudo", "-n", "--"}}, nil
	default:
		// Without -k, a ticket from before would make sudo leave the password to the command.
		return prefix{argv: []string{"sudo", "-k", "-S", "-p", "", "--"}, stdin: s.password}, nil
	}
}

func (m *Machine) probeSudo(ctx context.Context) error {
	id, err := m.Output(ctx, "id", "-u")
	if err != nil {
		return err
	}
	if string(bytes.TrimSpace(id)) == "0" {
		return nil
	}
	m.sudo.needed = true
	if !m.target.Sudo {
		return fmt.Errorf("%w: %s is not root and the target does not say to use sudo", ErrNoSudo, m.user)
	}
	env := map[string]string{"LC_ALL": "C"}
	err = m.Run(ctx, Command{Argv: []string{"sudo", "-k", "-n", "--", "true"}, Env: env})
	var exit *ExitError
	if err == nil || !errors.As(err, &exit) {
		return err
	}
	if exit.Status == 127 || exit.Status == 126 {
		return fmt.Errorf("%w: %s", ErrNoSudo, exit.lastLine())
	}
	if !bytes.Contains(exit.Stderr, []byte("password is required")) && !bytes.Contains(exit.Stderr, []byte("terminal is required")) {
		return fmt.Errorf("%w: %s", ErrNoSudo, exit.lastLine())
	}
	if m.target.SudoPassword == nil {
		return fmt.Errorf("%w: %s needs one, and none was given", ErrSudoPassword, m.user)
	}
	password, err := m.target.SudoPassword(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSudoPassword, err)
	}
	if bytes.ContainsAny(password, "\n\x00") {
		return fmt.Errorf("%w: a password of more than one line", ErrSudoPassword)
	}
	password = append(bytes.Clone(password), '\n')
	// Nothing but the password goes in, so that a wrong one cannot take a command's input for the next try.
	err = m.Run(ctx, Command{Argv: []string{"sudo", "-k", "-S", "-p", "", "--", "true"}, Env: env, Stdin: bytes.NewReader(password)})
	if errors.As(err, &exit) {
		if bytes.Contains(exit.Stderr, []byte("not in the sudoers")) || bytes.Contains(exit.Stderr, []byte("may not run")) ||
			bytes.Contains(exit.Stderr, []byte("not allowed to")) {
			return fmt.Errorf("%w: %s", ErrNoSudo, exit.lastLine())
		}
		return fmt.Errorf("%w: sudo does not take the one given for %s", ErrSudoPassword, m.user)
	}
	if err == nil {
		m.sudo.password = password
	}
	return err
}
