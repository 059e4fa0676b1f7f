package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"muster/cmd/ui"
	"muster/exec/backoff"
	"muster/exec/provision"
	"muster/exec/remote"
	"muster/schema"
)

// goOn does with each new machine what the inventory or --then says.
func (o *provisionApplyOptions) goOn(ctx context.Context, p *provisioning) error {
	chosen := map[schema.AfterProvision][]string{}
	for _, h := range p.hosts {
		m := p.fleet.Provision.Machine(h.Name)
		if m == nil {
			continue
		}
		then := h.Provision.Then
		if o.then != thenInventory {
			then = schema.AfterProvision(o.then)
		}
		if then == schema.ThenNothing || m.Done == then {
			continue
		}
		chosen[then] = append(chosen[then], h.Name)
	}
	for _, then := range []schema.AfterProvision{schema.ThenAdopt, schema.ThenInstall, schema.ThenDeploy} {
		if names := chosen[then]; len(names) > 0 {
			if err := o.one(ctx, p, then, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// one does one thing with new machines, when their host keys are known.
func (o *provisionApplyOptions) one(ctx context.Context, p *provisioning, then schema.AfterProvision, names []string) error {
	for _, name := range names {
		if err := o.knowHostKey(ctx, p, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Fprintf(p.std.err, "%s: %s\n", then, someOf(names))
	for _, args := range o.commands(p, then, names) {
		root := newRoot(p.std)
		root.SetArgs(args)
		if err := root.ExecuteContext(ctx); err != nil {
			return err
		}
	}
	machines := slices.Clone(p.fleet.Provision.Machines)
	for i := range machines {
		m := &machines[i]
		if !slices.Contains(names, m.Host) {
			continue
		}
		m.Done = then
		if h := p.fleet.Host(m.Host); then == schema.ThenInstall && h.Install.HostKey != "" {
			m.HostKeys = nil // the installer's; the host has one of its own
		}
	}
	return p.write(machines)
}

// commands are the command lines that do one thing with machines.
func (o *provisionApplyOptions) commands(p *provisioning, then schema.AfterProvision, names []string) [][]string {
	common := []string{"--ssh", o.ssh.client, "--connect-timeout", o.ssh.connectTimeout.String(), "--answer-timeout", o.ssh.answerTimeout.String()}
	if o.ssh.config != "" {
		common = append(common, "--ssh-config", o.ssh.config)
	}
	if o.yes {
		common = append(common, "--yes")
	}
	where := "./"
	if len(p.where) > 0 {
		if where = p.where[0]; !isInventory(where) {
			where = fromRoot(where) + "/"
		}
	}
	switch then {
	case schema.ThenInstall:
		return [][]string{slices.Concat([]string{"install"}, common, names, []string{where})}
	case schema.ThenDeploy:
		return [][]string{slices.Concat([]string{"deploy", "--on", strings.Join(names, ",")}, common, []string{where})}
	}
	var all [][]string
	for _, name := range names {
		h := p.fleet.Host(name)
		way := machineUser(h) + "@" + bracketed(p.fleet.Provision.Machine(name).Address)
		if h.Port != 0 {
			way += fmt.Sprintf(":%d", h.Port)
		}
		all = append(all, slices.Concat([]string{"adopt", "--update", "--name", name}, common, []string{way, where}))
	}
	return all
}

// machineUser is who logs in on a host.
func machineUser(h *schema.Host) string {
	if h.User != "" {
		return h.User
	}
	return "root"
}

// bracketed is an address as it stands before a port.
func bracketed(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

// knowHostKey waits for a machine, and sees that its host key is known: from an output,
// from its console, or because the user says so.
func (o *provisionApplyOptions) knowHostKey(ctx context.Context, p *provisioning, name string) error {
	h, m := p.fleet.Host(name), p.fleet.Provision.Machine(name)
	h.Address, h.Unconnected = m.Address, false
	if len(m.HostKeys) == 0 && len(h.Provision.Console) > 0 {
		keys, err := provision.HostKeys(ctx, h, *m, o.patience)
		if err != nil {
			return err
		}
		m.HostKeys = keys
		if err := p.write(p.fleet.Provision.Machines); err != nil {
			return err
		}
	}
	for _, key := range m.HostKeys {
		if !slices.Contains(h.HostKeys, key) {
			h.HostKeys = append(h.HostKeys, key)
		}
	}
	shown, err := o.waitFor(ctx, p, h)
	switch {
	case err != nil:
		return err
	case shown.Verdict == nil:
		return nil
	case !errors.Is(shown.Verdict, remote.ErrHostKeyUnknown):
		return shown.Verdict
	}
	if err := o.accept(ctx, p, name, shown); err != nil {
		return err
	}
	m.HostKeys = append(m.HostKeys, shown.Key)
	return p.write(p.fleet.Provision.Machines)
}

// waitFor asks a machine for its host key until it answers.
func (o *provisionApplyOptions) waitFor(ctx context.Context, p *provisioning, h *schema.Host) (*remote.Presented, error) {
	dialer := remote.NewDialer(remoteConfig(&o.ssh, p.warn))
	defer dialer.Close()
	t := target(h, schema.Way{Address: h.Address, Port: h.Port, User: h.User})
	t.Client = clientOf(o.ssh.client, h)
	limited, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	wait := backoff.Backoff{First: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		shown, err := dialer.HostKey(limited, t)
		if err == nil {
			return shown, nil
		}
		if wait.Wait(limited) != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("wait for the machine at %s: no answer within %v: %w", net.JoinHostPort(h.Address, fmt.Sprint(max(h.Port, 22))), o.patience, err)
		}
	}
}

// accept has the user say whether a key is that of a machine.
func (o *provisionApplyOptions) accept(ctx context.Context, p *provisioning, name string, shown *remote.Presented) error {
	told := fmt.Sprintf("%s: %s shows the host key %s", name, shown.Addr, shown.Fingerprint)
	switch {
	case o.trust:
		fmt.Fprintf(p.std.err, "note: %s, which is accepted (--trust-new)\n", told)
		return nil
	case !ui.CanAnswer(p.std.in):
		return hinted{fmt.Errorf("%s, which nobody knows", told), "compare it with the console of the machine and run it again on a terminal; have provision.console or provision.outputs.host_keys say it; or accept it with --trust-new"}
	}
	err := ui.Ask(ctx, p.std.in, p.std.err, told+"; is it the machine's? [y/N] ")
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("its host key is not accepted; nothing is sent to it")
	}
	return err
}
