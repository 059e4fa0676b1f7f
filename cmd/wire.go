package cmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/exec/transfer"
	"muster/schema"
)

// This file chooses who does the work: the real Nix, the real SSH.

// wireNix finds the Nix of this machine.
func wireNix() (*nixcmd.Nix, error) { return nixcmd.Find() }

// wireRun makes the options of a run: connections by SSH, builds and closures
// by nix, where the run needs any; dir is the inventory's. done ends what they hold open.
func wireRun(nix *nixcmd.Nix, dir string, ssh sshFlags) (o exec.Options, done func()) {
	widen := narrow()
	dialer := remote.NewDialer(remote.Config{
		ConfigFile:     ssh.config,
		ConnectTimeout: ssh.connectTimeout,
		Resolve:        nixcmd.SSH,
		Proxy:          nixcmd.ProxyCommand,
	})
	password := askOnce()
	o.Connect = func(ctx context.Context, h *schema.Host) (exec.Machine, error) {
		t := target(h)
		if h.Privilege == schema.SudoPassword {
			t.SudoPassword = password
		}
		m, err := dialer.Dial(ctx, t)
		if err != nil {
			return nil, connectError(err)
		}
		return machine{m}, nil
	}
	o.Who = operator()
	done = func() { dialer.Close(); widen() }
	if nix != nil {
		local, closeLocal := wireLocal(nix)
		o.Builder, o.Source, o.Roots = nix.NewBuilder(), local, stateDir(dir, "gcroots")
		done = func() { closeLocal(); dialer.Close(); widen() }
	}
	return o, done
}

// narrow has Go use half of the processors until widen is called. A run waits for hosts, and is woken for each packet that
// they send; on more processors Go spends more on handing that work from one to the next than on doing it. Measured on
// two, copying to eight hosts: six times as many switches between threads, a third more processor time. One carries some
// 1 GB/s of SSH. Who has set GOMAXPROCS is obeyed.
func narrow() (widen func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	all := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS((all + 1) / 2)
	return func() { runtime.GOMAXPROCS(all) }
}

// wireLocal is the store of this machine, to copy from.
func wireLocal(nix *nixcmd.Nix) (_ *transfer.Local, done func()) {
	local := transfer.NewLocal(store.Dir, func(ctx context.Context) (*nixserve.Client, error) {
		// It serves all hosts, and outlives the one that asks first.
		p, err := nix.Serve(context.WithoutCancel(ctx), false)
		if err != nil {
			return nil, err
		}
		return nixserve.New(ctx, p)
	})
	return local, func() { local.Close() }
}

// sharedMemory is how many bytes of archives are kept for the hosts that lack
// them too.
const sharedMemory = 64 << 20

// stateDir is where something is kept about the fleet whose inventory is in
// dir: below the user's state directory (XDG base directory specification), one
// directory a fleet; "" where there is no such place. gcroots holds garbage
// collector roots of systems, runs the journals.
func stateDir(dir, what string) string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(state, "muster", what, fmt.Sprintf("%s-%x", filepath.Base(dir), sum[:4]))
}

func target(h *schema.Host) remote.Target {
	return remote.Target{
		Name:     h.Name,
		Address:  h.Address,
		Port:     h.Port,
		User:     h.User,
		HostKeys: h.HostKeys,
		Jump:     h.Jump,
		Sudo:     h.Privilege == schema.Sudo || h.Privilege == schema.SudoPassword,
	}
}

// A machine is a remote machine as package exec wants one.
type machine struct{ *remote.Machine }

func (m machine) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: argv[0] == "/bin/sh", Privileged: true, Stdout: stdout, Stderr: stderr})
}

func (m machine) Serve(ctx context.Context) (nixserve.Stream, error) {
	return m.stream(ctx, "nix-store", "--serve", "--write")
}

func (m machine) Daemon(ctx context.Context) (nixserve.Stream, error) {
	return m.stream(ctx, "nix-daemon", "--stdio")
}

// stream starts a command that fills the store. A user who is not root and has
// no sudo can do that too: through the machine's daemon, as far as it trusts them.
func (m machine) stream(ctx context.Context, argv ...string) (nixserve.Stream, error) {
	s, err := m.Machine.Stream(ctx, remote.Command{Argv: argv, Privileged: m.Sudoes()})
	if err != nil {
		return nil, err
	}
	return serve{s, m.RoundTrip}, nil
}

// ServePacked is Serve for input that zstd has compressed. What the shell says
// is the end of nix-store.
func (m machine) ServePacked(ctx context.Context) (nixserve.Stream, error) {
	err := m.Machine.Run(ctx, remote.Command{Argv: []string{"/bin/sh", "-c", "command -v zstd"}, Privileged: m.Sudoes()})
	var exit *remote.ExitError
	if errors.As(err, &exit) {
		return nil, transfer.ErrNoZstd
	}
	if err != nil {
		return nil, err
	}
	return m.stream(ctx, "/bin/sh", "-c", "zstd -dcq | nix-store --serve --write")
}

// A serve is a command at the far end as package nixserve wants one.
type serve struct {
	*remote.Stream
	roundTrip func() (time.Duration, bool)
}

func (s serve) Read(p []byte) (int, error)  { return s.Stdout.Read(p) }
func (s serve) Write(p []byte) (int, error) { return s.Stdin.Write(p) }
func (s serve) CloseWrite() error           { return s.Stdin.Close() }
func (s serve) Stderr() string              { return string(s.Stream.Stderr()) }

// RoundTrip is how far away the far end is.
func (s serve) RoundTrip() (time.Duration, bool) { return s.roundTrip() }
