package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"muster/exec/human"
	"muster/exec/remote"
	"muster/schema"
)

// target is a host as package remote takes it, by one of the ways to it.
func target(h *schema.Host, way schema.Way) remote.Target {
	t := remote.Target{
		Name:         h.Name,
		Address:      way.Address,
		Port:         way.Port,
		User:         way.User,
		HostKeys:     h.HostKeys,
		Jump:         h.Jump,
		Become:       become[h.Privilege],
		BecomeArgv:   h.PrivilegeCommand,
		ForwardAgent: h.SSH.AgentForwarding,
		Options:      sshConfigOf(&h.SSH),
	}
	if h.SSH.OwnUser {
		t.DefaultUser = remote.LocalUser
	}
	return t
}

// sshConfigOf are the SSH fields of a host as options of ssh_config, by their names in
// lower case.
func sshConfigOf(s *schema.SSH) map[string]string {
	options := map[string]string{}
	for _, o := range s.Config() {
		options[strings.ToLower(o.Name)] = o.Value
	}
	return options
}

// become is how each privilege of the inventory is had on a host.
var become = map[schema.Privilege]remote.Become{
	schema.Root:         remote.NoBecome,
	schema.Sudo:         remote.Sudo,
	schema.SudoPassword: remote.Sudo,
	schema.Doas:         remote.Doas,
	schema.Run0:         remote.Run0,
	schema.Command:      remote.OwnCommand,
}

// waysTaken are the ways by which hosts were reached last, by their names.
type waysTaken struct {
	mu   sync.Mutex
	last map[string]int
}

// dial connects to a host by the first of its ways that leads there: the one that did
// last, then the others in their order. Every way has its host key checked, so that
// another machine at an address of the host is passed over.
func (w *waysTaken) dial(ctx context.Context, d *remote.Dialer, h *schema.Host, client string, password func(context.Context) ([]byte, error)) (*remote.Machine, error) {
	ways := h.DialWays()
	if h.AddressOption != nil && h.Address == "" {
		return nil, addressError(h, errors.New("it has not been read"))
	}
	w.mu.Lock()
	last := w.last[h.Name]
	w.mu.Unlock()
	failed := make([]error, 0, len(ways))
	for _, i := range order(len(ways), last) {
		t := target(h, ways[i])
		if i < len(h.MeshWays) {
			t.Options = withHostKeyOf(t.Options, h)
		}
		t.Client = clientOf(client, h)
		if h.Privilege == schema.SudoPassword {
			t.SudoPassword = password
		}
		m, err := d.Dial(ctx, t)
		if err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.last == nil {
				w.last = map[string]int{}
			}
			w.last[h.Name] = i
			return m, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, noWay(failed)
}

// withHostKeyOf adds to options that a host reached through a mesh has the host key that is
// known of its own address.
func withHostKeyOf(options map[string]string, h *schema.Host) map[string]string {
	if options["hostkeyalias"] != "" || h.Address == "" {
		return options
	}
	options["hostkeyalias"] = h.Address
	if h.Port != 0 && h.Port != 22 {
		options["hostkeyalias"] = fmt.Sprintf("[%s]:%d", h.Address, h.Port)
	}
	return options
}

// clientOf is what connects to a host, by the value of --ssh.
func clientOf(client string, h *schema.Host) remote.Client {
	if client == sshOpenSSH || client == sshAuto && h.SSH.OpenSSH {
		return remote.OpenSSH
	}
	return remote.BuiltIn
}

// order is the numbers below n, with one of them first.
func order(n, first int) []int {
	all := make([]int, 0, n)
	for i := range n {
		all = append(all, i)
		if i == first {
			copy(all[1:], all[:i])
			all[0] = first
		}
	}
	return all
}

// noWay is why no way leads to a host. Where a machine answers and is refused, that says
// more than that others do not answer.
func noWay(failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	telling := failed[len(failed)-1]
	var all []string
	for _, err := range failed {
		if !errors.Is(err, remote.ErrUnreachable) && errors.Is(telling, remote.ErrUnreachable) {
			telling = err
		}
		all = append(all, err.Error())
	}
	return waysError{telling, fmt.Sprintf("none of %s leads there: %s", human.Count(len(all), "way"), strings.Join(all, "; "))}
}

// A waysError says of each way to a host why it does not lead there, and is the most
// telling of these errors.
type waysError struct {
	error
	text string
}

func (e waysError) Error() string { return e.text }
func (e waysError) Unwrap() error { return e.error }
