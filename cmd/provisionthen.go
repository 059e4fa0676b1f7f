package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/backoff"
	"muster/exec/host"
	"muster/exec/provision"
	"muster/exec/remote"
	"muster/schema"
)

// goOn does with each new machine what the inventory or --then says. One that fails keeps
// no other waiting.
func (o *provisionApplyOptions) goOn(ctx context.Context, p *provisioning) error {
	chosen := map[schema.AfterProvision][]string{}
	for _, h := range p.hosts {
		m, then := p.fleet.Provision.Machine(h.Name), o.after(h)
		switch {
		case m == nil || then == schema.ThenNothing:
		case m.Done == "":
			chosen[then] = append(chosen[then], h.Name)
		case o.then != thenInventory && m.Done != then:
			fmt.Fprintf(p.std.err, "note: %s: the machine is not new: it was %s; muster %s does it\n", h.Name, madeWord(m.Done), then)
		}
	}
	var failed []error
	for _, then := range []schema.AfterProvision{schema.ThenAdopt, schema.ThenInstall, schema.ThenDeploy} {
		if names := chosen[then]; len(names) > 0 {
			failed = append(failed, o.one(ctx, p, then, names))
		}
	}
	return unreported(failed)
}

// unreported is what of some errors the user has not been told; where there is no such error,
// the first.
func unreported(failed []error) error {
	var told error
	var untold []error
	for _, err := range failed {
		switch exit := exitError(0); {
		case err == nil:
		case errors.As(err, &exit):
			told = cmp.Or(told, err)
		default:
			untold = append(untold, err)
		}
	}
	return cmp.Or(errors.Join(untold...), told)
}

// after is what becomes of the new machine of a host.
func (o *provisionApplyOptions) after(h *schema.Host) schema.AfterProvision {
	if o.then != thenInventory {
		return schema.AfterProvision(o.then)
	}
	return h.Provision.Then
}

// ready fails where a new machine could not be installed, before it is made.
func (o *provisionApplyOptions) ready(p *provisioning) error {
	for _, h := range p.hosts {
		if m := p.fleet.Provision.Machine(h.Name); m != nil && m.Done != "" || o.after(h) != schema.ThenInstall {
			continue
		}
		if h.Install.HostKey == "" && !h.Install.InPlace {
			return noHostKeyFile(h)
		}
	}
	return nil
}

// one does one thing with new machines, when their host keys are known.
func (o *provisionApplyOptions) one(ctx context.Context, p *provisioning, then schema.AfterProvision, names []string) error {
	t := &going{options: o, p: p, then: then, own: map[string]bool{}}
	var failed []error
	for _, name := range names {
		own, err := o.knowHostKey(ctx, p, name, then)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		t.own[name], t.names = own, append(t.names, name)
	}
	if len(t.names) > 0 {
		failed = append(failed, t.run(ctx))
	}
	return unreported(failed)
}

// A going is one thing that is done with new machines.
type going struct {
	options *provisionApplyOptions
	p       *provisioning
	then    schema.AfterProvision
	names   []string
	own     map[string]bool // hosts whose machines show the SSH host keys that they were installed with

	mu     sync.Mutex
	bad    int      // hosts that failed
	locked []string // those of them on which another run is
	unsaid error    // of the file of machines
}

// run runs the verb. What becomes of each host is in the file of machines at once. A machine
// that is locked may be so by a run that was killed: it is tried again until the lock lapses.
func (g *going) run(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, g.options.patience)
	defer cancel()
	wait := backoff.Backoff{First: 5 * time.Second, Max: 15 * time.Second}
	fmt.Fprintf(g.p.std.err, "%s: %s\n", g.then, someOf(g.names))
	for {
		err := g.try(ctx)
		if len(g.locked) == 0 || g.bad > len(g.locked) {
			return cmp.Or(err, g.unsaid)
		}
		fmt.Fprintf(g.p.std.err, "waiting for the lock on %s\n", someOf(g.locked))
		if wait.Wait(limited) != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		g.names = g.locked
	}
}

// try runs the verb once.
func (g *going) try(ctx context.Context) error {
	std := g.p.std
	std.ended = g.ended
	g.bad, g.locked = 0, nil
	for _, c := range g.options.commands(g.p, g.then, g.names) {
		root := newRoot(std)
		root.SetArgs(c.args)
		err := root.ExecuteContext(ctx)
		if exit := exitError(0); errors.As(err, &exit) && int(exit) != exec.ExitInterrupted && g.bad == 0 {
			err = nil // each failure was that it is done already
		}
		if err != nil {
			return err
		}
		if g.then == schema.ThenAdopt { // which has no run
			g.done(c.names...)
		}
	}
	return nil
}

// ended is told what became of a host.
func (g *going) ended(o exec.Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch o.Status {
	case exec.Installed, exec.Activated, exec.Unchanged:
		g.done(o.Host)
	case exec.Failed:
		if g.then == schema.ThenInstall && g.own[o.Host] && o.Before.Current != "" && errors.Is(o.Err, exec.ErrInstalled) {
			fmt.Fprintf(g.p.std.err, "note: %s: an earlier attempt has installed it\n", o.Host)
			g.done(o.Host)
			return
		}
		g.bad++
		if errors.Is(o.Err, host.ErrLocked) {
			g.locked = append(g.locked, o.Host)
		}
	default:
		g.bad++
	}
}

// done has the file of machines say what became of them.
func (g *going) done(names ...string) {
	machines := slices.Clone(g.p.fleet.Provision.Machines)
	for i := range machines {
		m := &machines[i]
		if !slices.Contains(names, m.Host) {
			continue
		}
		m.Done = g.then
		if h := g.p.fleet.Host(m.Host); g.then == schema.ThenInstall && !h.Install.InPlace {
			m.HostKeys = nil // the installer's; the host has one of its own
		}
	}
	if err := g.p.write(machines); err != nil {
		g.unsaid = err
	}
}

// A thenCommand is a command line that does one thing with some machines.
type thenCommand struct{ args, names []string }

// commands are the command lines that do one thing with machines.
func (o *provisionApplyOptions) commands(p *provisioning, then schema.AfterProvision, names []string) (all []thenCommand) {
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
	decrypting := common
	for _, file := range o.secrets.identities {
		decrypting = append(slices.Clip(decrypting), "--identity", file)
	}
	add := func(names []string, words ...[]string) {
		if len(names) > 0 {
			all = append(all, thenCommand{append(slices.Concat(words...), where), names})
		}
	}
	switch then {
	case schema.ThenInstall:
		inPlace := func(name string) bool { return p.fleet.Host(name).Install.InPlace }
		wiped := slices.DeleteFunc(slices.Clone(names), inPlace)
		kept := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !inPlace(name) })
		add(wiped, []string{"install"}, decrypting, wiped)
		add(kept, []string{"install", "--in-place"}, decrypting, kept)
	case schema.ThenDeploy:
		add(names, []string{"deploy", "--on", strings.Join(names, ",")}, decrypting)
	default:
		for _, name := range names {
			h := p.fleet.Host(name)
			way := schema.Way{User: cmp.Or(h.User, "root"), Address: p.fleet.Provision.Machine(name).Address, Port: h.Port}
			add([]string{name}, []string{"adopt", "--update", "--name", name}, common, []string{way.String()})
		}
	}
	return all
}

// knowHostKey waits for a machine, and sees that its host key is known: from an output,
// from its console, or because the user says so. own is whether it is the one that the
// host gets when it is installed.
func (o *provisionApplyOptions) knowHostKey(ctx context.Context, p *provisioning, name string, then schema.AfterProvision) (own bool, err error) {
	h, m := p.fleet.Host(name), p.fleet.Provision.Machine(name)
	if len(m.HostKeys) == 0 && len(h.Provision.Console) > 0 {
		keys, err := provision.HostKeys(ctx, h, *m, o.patience)
		if err != nil {
			return false, err
		}
		m.HostKeys = keys
		if err := p.write(p.fleet.Provision.Machines); err != nil {
			return false, err
		}
	}
	ways := machineWays(h, m, then)
	shown, err := o.waitFor(ctx, p, ways)
	switch {
	case err != nil:
		return false, err
	case shown.Verdict == nil:
		known := func(key string) bool { return schema.SameKey(key, shown.Key) }
		return slices.ContainsFunc(h.HostKeys, known) && !slices.ContainsFunc(m.HostKeys, known), nil
	case !errors.Is(shown.Verdict, remote.ErrHostKeyUnknown):
		return false, shown.Verdict
	}
	if err := o.accept(ctx, p, name, shown); err != nil {
		return false, err
	}
	m.HostKeys = append(m.HostKeys, shown.Key)
	return false, p.write(p.fleet.Provision.Machines)
}

// machineWays are the ways to a machine: as it was made, and as the host that an earlier
// attempt has made of it.
func machineWays(h *schema.Host, m *schema.PinnedMachine, then schema.AfterProvision) (ways []*schema.Host) {
	w := *h
	w.Address, w.Unconnected = m.Address, false
	w.HostKeys = slices.Clone(h.HostKeys)
	for _, key := range slices.Concat(m.HostKeys, h.Install.HostKeys) {
		if !slices.Contains(w.HostKeys, key) {
			w.HostKeys = append(w.HostKeys, key)
		}
	}
	ways = append(ways, &w)
	if port := h.Install.Port; then == schema.ThenInstall && port != 0 && port != h.Port {
		other := w
		other.Port = port
		ways = append(ways, &other)
	}
	return ways
}

// waitFor asks a machine for its host key until it answers in one of some ways.
func (o *provisionApplyOptions) waitFor(ctx context.Context, p *provisioning, ways []*schema.Host) (*remote.Presented, error) {
	dialer := remote.NewDialer(remoteConfig(&o.ssh, p.warn))
	defer dialer.Close()
	limited, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	wait := backoff.Backoff{First: 200 * time.Millisecond, Max: 5 * time.Second}
	for {
		var last error
		for _, h := range ways {
			t := target(h, schema.Way{Address: h.Address, Port: h.Port, User: h.User})
			t.Client = clientOf(o.ssh.client, h)
			shown, err := dialer.HostKey(limited, t)
			if err == nil {
				return shown, nil
			}
			last = err
		}
		if wait.Wait(limited) != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("wait for the machine at %s: no answer within %v: %w", net.JoinHostPort(ways[0].Address, fmt.Sprint(cmp.Or(ways[0].Port, 22))), o.patience, last)
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
