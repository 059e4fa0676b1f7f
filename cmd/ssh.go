package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	"muster/exec/nixcmd"
	"muster/exec/remote"
	"muster/schema"
)

// sshOptions are those of ssh, which becomes the ssh client, connected to a host as the
// inventory says.
type sshOptions struct {
	noRules
	reading loadFlags
	ssh     sshFlags
	print   bool
	command []string
}

func (o *sshOptions) groups() []group { return []group{&o.reading, &o.ssh} }

func (o *sshOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Bool(&o.print, false), "print-config", "G", "print what the SSH configuration means for HOST, as ssh -G does, instead")
}

// takeCommand takes the words behind --, for newCommand.
func (o *sshOptions) takeCommand(words []string) { o.command = words }

func (o *sshOptions) run(ctx context.Context, std streams, args []string) error {
	if o.print {
		return o.printConfig(ctx, std, args)
	}
	name, rest := args[0], args[1:]
	command := o.command
	if len(rest) > 1 || len(rest) == 1 && !strings.ContainsAny(rest[0], "./") {
		rest, command = nil, append(rest, command...)
	}
	fleet, err := o.reading.load(ctx, rest)
	if err != nil {
		return err
	}
	hosts, err := schema.Select(fleet, name)
	if err != nil {
		return usageError{selectionError("ssh "+name, err)}
	}
	if len(hosts) != 1 {
		return usageError{fmt.Errorf("ssh %s: it names %d hosts: want one", name, len(hosts))}
	}
	if err := readAddress(ctx, std, fleet, hosts[0]); err != nil {
		return err
	}
	arguments, err := o.arguments(ctx, fleet, hosts[0])
	if err != nil {
		return err
	}
	return nixcmd.BecomeSSH(append(arguments, command...))
}

// arguments are those by which ssh connects as muster does.
func (o *sshOptions) arguments(ctx context.Context, fleet *schema.Fleet, h *schema.Host) ([]string, error) {
	if h.Unconnected || h.Address == "" {
		return nil, usageError{fmt.Errorf("ssh %s: the inventory has no address of it", h.Name)}
	}
	t := target(h, h.Ways()[0])
	pins := ""
	if len(t.HostKeys) > 0 {
		var err error
		if pins, err = writePins(fleet.Dir, h); err != nil {
			return nil, err
		}
	}
	return remote.NewDialer(remoteConfig(&o.ssh, nil)).SSHArgs(ctx, t, pins)
}

// writePins writes the host keys of the inventory to a file as known_hosts has them,
// and returns its name.
func writePins(fleetDir string, h *schema.Host) (string, error) {
	dir := stateDir(fleetDir, "known_hosts")
	if dir == "" {
		return "", errors.New("write the host keys for ssh: neither XDG_STATE_HOME nor HOME is set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", plainError("make", dir, err)
	}
	name := filepath.Join(dir, h.Name)
	return name, writePrivate(name, remote.PinLines(h.HostKeys))
}
