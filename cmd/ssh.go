package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
		return usageError{err}
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
	user, err := remote.NewDialer(remoteConfig(&o.ssh, nil)).User(ctx, t)
	if err != nil {
		return nil, err
	}
	var argv []string
	if o.ssh.config != "" {
		argv = append(argv, "-F", o.ssh.config)
	}
	argv = append(argv, "-l", user, "-o", fmt.Sprintf("ConnectTimeout=%d", max(1, int(o.ssh.connectTimeout.Seconds()))))
	if t.Port != 0 {
		argv = append(argv, "-p", strconv.Itoa(t.Port))
	}
	switch {
	case t.Jump == "none":
		argv = append(argv, "-o", "ProxyJump=none", "-o", "ProxyCommand=none")
	case t.Jump != "":
		argv = append(argv, "-J", t.Jump)
	}
	if len(t.HostKeys) > 0 {
		pins, err := writePins(fleet, h)
		if err != nil {
			return nil, err
		}
		argv = append(argv, "-o", "HostKeyAlias="+h.Name, "-o", "StrictHostKeyChecking=yes",
			"-o", "UserKnownHostsFile="+quoteForSSH(pins), "-o", "GlobalKnownHostsFile=none")
	}
	return append(argv, "--", cmp.Or(t.Address, t.Name)), nil
}

// quoteForSSH quotes a file's name in an option of ssh.
func quoteForSSH(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, `%`, `%%`), `"`, `\"`) + `"`
}

// writePins writes the host keys of the inventory to a file as known_hosts has them,
// and returns its name.
func writePins(fleet *schema.Fleet, h *schema.Host) (string, error) {
	dir := stateDir(fleet.Dir, "known_hosts")
	if dir == "" {
		return "", errors.New("write the host keys for ssh: neither XDG_STATE_HOME nor HOME is set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", plainError("make", dir, err)
	}
	var text strings.Builder
	for _, key := range h.HostKeys {
		marker := ""
		if rest, ok := strings.CutPrefix(key, "cert-authority "); ok {
			marker, key = "@cert-authority ", rest
		}
		fmt.Fprintf(&text, "%s%s %s\n", marker, h.Name, strings.TrimSpace(key))
	}
	name := filepath.Join(dir, h.Name)
	return name, writePrivate(name, []byte(text.String()))
}
