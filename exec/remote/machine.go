package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/bounded"
)

// A Machine is one connected machine. Its methods can be called from many goroutines at once.
type Machine struct {
	target  Target
	user    string
	address string // that the connection was made to
	conn    *conn

	forwardsAgent bool // sessions ask the server for a way to the ssh-agent here

	slots chan struct{} // holds one value for each open session
	spare chan struct{} // the same for sessions that end commands, so that they never wait for what they end

	beginLimit time.Duration // the constants of these names
	drainLimit time.Duration

	sudo sudoState

	extra extraConns
}

// sshd allows ten sessions on a connection (MaxSessions). Two are reserved for ending commands.
const (
	maxSessions   = 8
	spareSessions = 2
)

// newMachine makes a Machine of a connection. again makes another one to it; it may be nil.
func newMachine(t Target, user string, c *conn, again func(context.Context) (*conn, error)) *Machine {
	m := &Machine{target: t, user: user, conn: c,
		slots: make(chan struct{}, maxSessions), spare: make(chan struct{}, spareSessions),
		beginLimit: beginLimit, drainLimit: drainLimit, sudo: sudoState{probing: make(chan struct{}, 1)}, extra: extraConns{dial: again}}
	context.AfterFunc(c.up, m.extra.close)
	return m
}

// Name is the target's name in the inventory.
func (m *Machine) Name() string { return m.target.Name }

// User is the user that the connection is logged in as.
func (m *Machine) User() string { return m.user }

// Address is the name or address that the connection was made to, as the ssh configuration has it.
func (m *Machine) Address() string { return m.address }

// HostKey is the public key by which the machine was recognized, in the format of authorized_keys; "" with OpenSSH, which
// does not tell.
func (m *Machine) HostKey() string {
	if m.conn.hostKey == nil {
		return ""
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(m.conn.hostKey)))
}

// BecomesRoot reports whether the target allows its user to run privileged commands.
func (m *Machine) BecomesRoot() bool { return m.target.Become != NoBecome }

// Lost is closed when the connection has ended, for whatever reason.
func (m *Machine) Lost() <-chan struct{} { return m.conn.lost() }

// Close closes the connection. A command that still runs sees the end of its input and cannot write output; to end it for
// certain, end its context before.
func (m *Machine) Close() error {
	m.extra.close()
	m.conn.close()
	return nil
}

// Run runs a command to its end. A command that does not succeed is an *ExitError. When ctx ends, the command is ended
// too, with its whole process group: by TERM, and by KILL after two seconds. Run then returns ctx's error, after five
// seconds at most even if the machine does not answer. ErrConnectionLost says nothing about the command, which may still
// run.
func (m *Machine) Run(ctx context.Context, c Command) error {
	s, err := m.start(ctx, c)
	if err != nil {
		return err
	}
	return s.run(c)
}

// maxOutput limits what Output returns.
const maxOutput = 4 << 20

// Output runs a command and returns what it prints, which is at most 4 MiB: for more, use Run.
func (m *Machine) Output(ctx context.Context, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &bounded.Head{Limit: maxOutput}
	out.Full = func() error {
		err := fmt.Errorf("it printed more than %d MB", maxOutput>>20)
		cancel(err)
		return err
	}
	err := m.Run(ctx, Command{Argv: argv, Stdout: out})
	return out.Bytes(), err
}

// Stream starts a command to exchange data with, such as nix-store --serve. It holds one of the machine's eight sessions
// until the command ends. The end of ctx ends the command, as with Run.
func (m *Machine) Stream(ctx context.Context, c Command) (*Stream, error) {
	if c.Stdin != nil || c.Stdout != nil {
		return nil, errors.New("stream command: Stdin and Stdout are those of the stream")
	}
	s, err := m.start(ctx, c)
	if err == nil {
		go s.cutOff()
	}
	return s, err
}
