package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"muster/cmd/ui"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/local"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/exec/transfer"
	"muster/schema"
)

// This file chooses the implementations: Nix, SSH, and this machine.

// wireNix finds the Nix of this machine.
func wireNix() (*nixcmd.Nix, error) { return nixcmd.Find() }

// wireConnect connects to hosts by SSH, as some flags say, until done is called.
// Where a host that may be local is this machine, there is no connection.
func wireConnect(ssh *sshFlags) (connect exec.Connect, done func()) {
	dialer := remote.NewDialer(remote.Config{
		ConfigFile:     ssh.config,
		ConnectTimeout: ssh.connectTimeout,
		Resolve:        nixcmd.SSH,
		Proxy:          nixcmd.ProxyCommand,
		Master:         wireMaster,
	})
	password := askOnce()
	return func(ctx context.Context, h *schema.Host) (exec.Machine, error) {
		if h.Local {
			if here, name := isHere(h); here {
				return connectHere(ctx, h, password)
			} else if h.Address == "" {
				return nil, unreachable{fmt.Errorf("it has no address, and muster runs on %s", name)}
			}
		}
		t := target(h)
		if ssh.client == sshOpenSSH {
			t.Client = remote.OpenSSH
		}
		if h.Privilege == schema.SudoPassword {
			t.SudoPassword = password
		}
		m, err := dialer.Dial(ctx, t)
		if err != nil {
			return nil, connectError(err)
		}
		return machine{m}, nil
	}, func() { dialer.Close() }
}

// wireMaster runs ssh, which asks on the terminal or with $SSH_ASKPASS.
func wireMaster(ctx context.Context, args []string, ask bool) (string, error) {
	if ask && !ui.CanAsk() && os.Getenv("SSH_ASKPASS") == "" {
		return "", remote.ErrNoQuestions
	}
	return nixcmd.OpenSSH(ctx, args)
}

// isHere reports whether a host is this machine, by its name.
func isHere(h *schema.Host) (here bool, name string) {
	name, err := os.Hostname()
	if err != nil {
		return false, "a machine without a name"
	}
	name, _, _ = strings.Cut(name, ".")
	return strings.EqualFold(name, h.Name), name
}

// connectHere makes this machine one to deploy to.
func connectHere(ctx context.Context, h *schema.Host, password func(context.Context) ([]byte, error)) (exec.Machine, error) {
	withPassword := h.Privilege == schema.SudoPassword
	c := local.Config{Become: become[h.Privilege].Argv(withPassword)}
	if withPassword && os.Geteuid() != 0 {
		secret, err := password(ctx)
		if err != nil {
			return nil, err
		}
		c.Password = append(slices.Clone(secret), '\n')
	}
	m, err := local.New(c)
	if err != nil {
		return nil, err
	}
	if err := m.Run(ctx, []string{"true"}, nil, nil); err != nil {
		return nil, fmt.Errorf("become root on this machine: %w", err)
	}
	return thisMachine{m}, nil
}

// thisMachine makes the machine that muster runs on an [exec.Machine].
type thisMachine struct{ *local.Machine }

func (m thisMachine) Serve(ctx context.Context) (nixserve.Stream, error) {
	return m.Stream(ctx, "nix-store", "--serve", "--write")
}

func (m thisMachine) Daemon(ctx context.Context) (nixserve.Stream, error) {
	return m.Stream(ctx, "nix-daemon", "--stdio")
}

// wireLocal is the store of this machine, to copy from.
func wireLocal(nix *nixcmd.Nix) (_ *transfer.Local, done func()) {
	local := transfer.NewLocal(store.Dir, func(ctx context.Context) (*nixserve.Client, error) {
		// The process serves all hosts: the first one must not end it.
		p, err := nix.Serve(context.WithoutCancel(ctx), false)
		if err != nil {
			return nil, err
		}
		return nixserve.New(ctx, p)
	})
	return local, func() { local.Close() }
}

func target(h *schema.Host) remote.Target {
	return remote.Target{
		Name:     h.Name,
		Address:  h.Address,
		Port:     h.Port,
		User:     h.User,
		HostKeys: h.HostKeys,
		Jump:     h.Jump,
		Become:   become[h.Privilege],
	}
}

// become is how each privilege of the inventory is had on a host.
var become = map[schema.Privilege]remote.Become{
	schema.Root:         remote.NoBecome,
	schema.Sudo:         remote.Sudo,
	schema.SudoPassword: remote.Sudo,
	schema.Doas:         remote.Doas,
	schema.Run0:         remote.Run0,
}

// A machine makes a remote machine an [exec.Machine].
type machine struct{ *remote.Machine }

func (m machine) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: argv[0] == "/bin/sh", Privileged: true, Stdout: stdout, Stderr: stderr})
}

// Feed is Run with standard input.
func (m machine) Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: argv[0] == "/bin/sh", Privileged: true, Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

func (m machine) Serve(ctx context.Context) (nixserve.Stream, error) {
	return m.stream(ctx, "nix-store", "--serve", "--write")
}

func (m machine) Daemon(ctx context.Context) (nixserve.Stream, error) {
	return m.stream(ctx, "nix-daemon", "--stdio")
}

// Below is the machine with the store below a directory, as an installer has it.
func (m machine) Below(root string) exec.Machine { return machineBelow{m, root} }

// A machineBelow is a machine whose store is below a directory. Its daemon has another.
type machineBelow struct {
	machine machine
	root    string
}

func (m machineBelow) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.machine.Run(ctx, argv, stdout, stderr)
}

func (m machineBelow) Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	return m.machine.Feed(ctx, argv, stdin, stdout, stderr)
}

func (m machineBelow) Serve(ctx context.Context) (nixserve.Stream, error) {
	return m.machine.stream(ctx, "nix-store", "--store", m.root, "--serve", "--write")
}

func (m machineBelow) ServePacked(ctx context.Context) (nixserve.Stream, error) {
	return m.machine.servePacked(ctx, "nix-store", "--store", m.root, "--serve", "--write")
}

func (m machineBelow) HeldUp() (time.Duration, bool) { return m.machine.HeldUp() }

func (m machineBelow) Close() error { return m.machine.Close() }

// stream starts a command that fills the store. A user without root and sudo can
// do that too, through the machine's daemon, if it trusts them.
func (m machine) stream(ctx context.Context, argv ...string) (nixserve.Stream, error) {
	s, err := m.Machine.Stream(ctx, remote.Command{Argv: argv, Privileged: m.BecomesRoot()})
	if err != nil {
		return nil, err
	}
	return serve{s, m.RoundTrip}, nil
}

// packedLimit is how long a host may take to say whether it has zstd.
const packedLimit = 30 * time.Second

// ServePacked is Serve for input that zstd has compressed. The exit status is that
// of nix-store.
func (m machine) ServePacked(ctx context.Context) (nixserve.Stream, error) {
	return m.servePacked(ctx, "nix-store", "--serve", "--write")
}

func (m machine) servePacked(ctx context.Context, serve ...string) (nixserve.Stream, error) {
	limited, cancel := context.WithTimeout(ctx, packedLimit)
	defer cancel()
	err := m.Machine.Run(limited, remote.Command{Argv: []string{"/bin/sh", "-c", "command -v zstd"}, Privileged: m.BecomesRoot()})
	var exit *remote.ExitError
	if errors.As(err, &exit) {
		return nil, transfer.ErrNoZstd
	}
	if err != nil {
		return nil, err
	}
	return m.stream(ctx, append([]string{"/bin/sh", "-c", `zstd -dcq | "$@"`, "muster-unpack"}, serve...)...)
}

// A serve makes a command on a host a [nixserve.Stream].
type serve struct {
	*remote.Stream
	roundTrip func() (time.Duration, bool)
}

func (s serve) Read(p []byte) (int, error)  { return s.Stdout.Read(p) }
func (s serve) Write(p []byte) (int, error) { return s.Stdin.Write(p) }
func (s serve) CloseWrite() error           { return s.Stdin.Close() }
func (s serve) Stderr() string              { return string(s.Stream.Stderr()) }

// RoundTrip is the round-trip time to the host.
func (s serve) RoundTrip() (time.Duration, bool) { return s.roundTrip() }
