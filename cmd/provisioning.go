package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/cmd/ui"
	"muster/compile/tofu"
	"muster/exec"
	"muster/exec/backoff"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/provision"
	"muster/schema"
)

// A provisioning is one use of the user's OpenTofu or Terraform on a fleet:
//
//	write ─▶ init ─▶ plan ─▶ agree ─▶ apply ─▶ pin ─▶ host keys ─▶ install, adopt or deploy
//
// Each step finds what it did before, so that the same command goes on after a crash: the
// program's state has the machines, and the file of machines says what became of each.
type provisioning struct {
	*session
	where []string // the arguments that name the inventory
	all   []*schema.Host
	tofu  *provision.Tofu
	dir   string // of the configuration
	fresh string // the file of a plan that is made now
	plan  string // the file of the plan

	byAddress map[string]string // names of hosts, by the resources of their machines

	waiting []string // hosts whose machines are made, and have no address yet
}

// beginProvisioning reads the inventory, writes the configuration and prepares the program.
func beginProvisioning(ctx context.Context, std streams, selection *selectFlags, args []string) (*provisioning, error) {
	s, err := begin(ctx, std, args, needs{selection: selection, warnings: true})
	if err != nil {
		return nil, err
	}
	p := &provisioning{session: s, where: args, byAddress: map[string]string{}}
	for _, h := range s.fleet.Hosts {
		if h.Provision != nil {
			p.all = append(p.all, h)
			p.byAddress[tofu.Address(h)] = h.Name
		}
	}
	if selection.on == "" && selection.choose == nil {
		s.hosts = p.all
	}
	for _, h := range s.hosts {
		if h.Provision == nil {
			s.close()
			return nil, usageError{fmt.Errorf("%s: the machine of host %s is not made by provision", h.At, h.Name)}
		}
	}
	if len(p.all) == 0 && len(s.fleet.Provision.Machines) == 0 {
		s.close()
		return nil, usageError{hinted{errors.New("no host of the inventory has a machine to make"), `give hosts, roles or defaults a provision such as {target: "hetzner", size: "cx22", region: "fsn1", image: "debian-12"}`}}
	}
	if err := p.open(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// open writes the configuration and prepares the program.
func (p *provisioning) open(ctx context.Context) error {
	how := &p.fleet.Provision
	if p.dir = how.Dir; !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(p.fleet.Dir, p.dir)
	}
	if err := p.writeConfiguration(); err != nil {
		return err
	}
	name := how.Program
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(p.fleet.Dir, name)
	}
	program, err := provision.Find(name)
	if err != nil {
		return hinted{err, "install OpenTofu (the package opentofu of nixpkgs), or name the program with provision.program"}
	}
	if p.tofu, err = provision.Open(program, p.dir, p.std.err); err != nil {
		return err
	}
	// A plan has what the program's variables have: it is for its owner only.
	private, err := os.MkdirTemp("", "muster-provision-")
	if err != nil {
		return err
	}
	p.opened = append(p.opened, func() { os.RemoveAll(private) })
	p.fresh = filepath.Join(private, "plan")
	p.plan = p.fresh
	return p.tofu.Init(ctx)
}

// writeConfiguration writes the files of the configuration that differ from what is there.
func (p *provisioning) writeConfiguration() error {
	if err := os.MkdirAll(p.dir, 0o777); err != nil {
		return plainError("make", p.dir, err)
	}
	for _, f := range tofu.Files(p.fleet) {
		name := filepath.Join(p.dir, f.Name)
		if before, err := readGenerated(name); err == nil && bytes.Equal(before, f.Text) {
			continue
		}
		if err := writeFile(name, f.Text); err != nil {
			return err
		}
	}
	return nil
}

// only are the resources that a plan is about: nil for all.
func (p *provisioning) only() []string {
	if len(p.hosts) == len(p.all) {
		return nil
	}
	return p.addresses(p.hosts)
}

// addresses are the resources of hosts in the state of the program.
func (p *provisioning) addresses(hosts []*schema.Host) (list []string) {
	for _, h := range hosts {
		list = append(list, tofu.Address(h))
	}
	return list
}

// A toldChange is a change with the host whose machine it is.
type toldChange struct {
	Host string `json:"host,omitempty"`
	provision.Change
}

// told says which hosts changes are about.
func (p *provisioning) told(changes []provision.Change) []toldChange {
	list := []toldChange{}
	for _, c := range changes {
		list = append(list, toldChange{p.hostOf(c), c})
	}
	return list
}

// hostOf is the host whose machine a change is about; "" for another resource. A machine
// whose host is gone from the inventory is known by its id.
func (p *provisioning) hostOf(c provision.Change) string {
	if name := p.byAddress[c.Address]; name != "" {
		return name
	}
	if c.Owner != "" {
		return c.Owner
	}
	for _, m := range p.fleet.Provision.Machines {
		if c.ID != "" && m.ID == c.ID && strings.HasSuffix(c.Address, "."+schema.TofuLabel(m.Host)) {
			return m.Host
		}
	}
	return ""
}

// summary says what becomes of the machines.
func (p *provisioning) summary(w io.Writer, changes []provision.Change) {
	for _, c := range p.told(changes) {
		what := c.Address
		if c.Host != "" {
			what = c.Host + " (" + c.Address + ")"
		}
		fmt.Fprintf(w, "%-8s %s\n", c.Action, ui.Printable(what))
	}
	if len(changes) == 0 {
		fmt.Fprintln(w, "every machine is what the inventory says")
		return
	}
	fmt.Fprintln(w, human.Count(len(changes), "change"))
}

// lost are the hosts whose machines changes destroy, or destroy and make anew, and the
// other resources that they destroy: not those that muster made for such a machine.
func (p *provisioning) lost(changes []provision.Change) (hosts, resources []string) {
	var labels []string
	for _, c := range p.told(changes) {
		if c.Host != "" && c.Loses() {
			hosts = append(hosts, c.Host)
			labels = append(labels, c.Label())
		}
	}
	for _, c := range p.told(changes) {
		if c.Host == "" && c.Loses() && !tofu.GoesWith(c.Address, labels) {
			resources = append(resources, c.Address)
		}
	}
	return hosts, resources
}

// An agreement is what the user has agreed to on the command line.
type agreement struct {
	yes   bool     // to machines that are made and changed
	names []string // of machines and resources that are destroyed, with the flag
	flag  string
}

// lacks are the names that the user has not agreed to.
func (a *agreement) lacks(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(a.names, name) })
}

// agree has the user agree to changes. Each machine that is destroyed is named, and so is
// each other resource.
func (p *provisioning) agree(ctx context.Context, changes []provision.Change, a agreement) error {
	hosts, resources := p.lost(changes)
	machines, others := a.lacks(hosts), a.lacks(resources)
	terminal := ui.CanAnswer(p.std.in)
	if len(machines)+len(others) > 0 && !terminal {
		return unnamed(machines, others, a.flag)
	}
	for _, name := range slices.Concat(machines, others) {
		question := fmt.Sprintf("%s: the machine will be destroyed, and all that is on it lost; type %s to destroy it: ", name, name)
		if slices.Contains(others, name) {
			question = fmt.Sprintf("%s, which is no machine of a host, will be destroyed; type %s to destroy it: ", name, name)
		}
		if err := ui.AskFor(ctx, p.std.in, p.std.err, question, strings.ToLower(name)); err != nil {
			return declined(err)
		}
	}
	if a.yes || !slices.ContainsFunc(changes, func(c provision.Change) bool { return !c.Loses() }) {
		return nil
	}
	if !terminal {
		return errors.New("nothing is changed: there is no terminal to ask on; --yes agrees to it")
	}
	return declined(ui.Ask(ctx, p.std.in, p.std.err, human.Count(len(changes), "change")+": make them? [y/N] "))
}

// unnamed says that nobody agreed to what would be destroyed.
func unnamed(machines, others []string, flag string) error {
	var what, agrees []string
	if len(machines) > 0 {
		what = append(what, "the machines of "+someOf(machines))
	}
	if len(others) > 0 {
		what = append(what, someOf(others))
	}
	for _, name := range slices.Concat(machines, others) {
		agrees = append(agrees, flag+" "+name)
	}
	return hinted{fmt.Errorf("nothing is changed: %s would be destroyed, and there is no terminal to ask on", strings.Join(what, " and ")), strings.Join(agrees, " ") + " agrees to it"}
}

// mayBeRenamed tells of hosts that have gone and others that are new: a host that has
// another name keeps its machine where the inventory says so.
func (p *provisioning) mayBeRenamed(changes []provision.Change) {
	var gone, added []string
	for _, c := range p.told(changes) {
		switch h := p.fleet.Host(c.Host); {
		case c.Host == "":
		case c.Action == provision.Destroy && h == nil:
			gone = append(gone, c.Host)
		case c.Action == provision.Create && h != nil:
			added = append(added, c.Host)
		}
	}
	if len(gone) > 0 && len(added) > 0 {
		fmt.Fprintf(p.std.err, "note: %s left the inventory, and %s is new: a host that was renamed keeps its machine with provision: made_as: %q\n", someOf(gone), someOf(added), gone[0])
	}
}

// declined is what a no means.
func declined(err error) error {
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("nothing is changed")
	}
	return err
}

// lockChanged takes the machines that are to be changed or destroyed, so that no deployment
// works on them, and fails where one does: clouds turn a machine off to change its size. One
// that does not answer is changed all the same.
func (p *provisioning) lockChanged(ctx context.Context, changes []provision.Change, ssh *sshFlags) (unlock func(), err error) {
	var changed []string
	for _, c := range p.told(changes) {
		if c.Host != "" && c.Action != provision.Create {
			changed = append(changed, c.Host)
		}
	}
	connect, done := wireConnect(ssh, p.warn)
	var held []func()
	unlock = func() {
		for _, release := range held {
			release()
		}
		done()
	}
	run := exec.NewRunID()
	for _, name := range changed {
		h := p.fleet.Host(name)
		if h == nil || h.Unconnected {
			continue
		}
		m, err := connect(ctx, h)
		if err != nil {
			fmt.Fprintf(p.std.err, "note: %s: cannot tell whether a deployment works on it: %v\n", name, err)
			continue
		}
		ask := host.New(m, ssh.answerTimeout)
		if err := ask.Lock(ctx, host.LockRequest{Run: run, Who: operator(), Lapse: 10 * time.Minute}); errors.Is(err, host.ErrLocked) {
			m.Close()
			unlock()
			return nil, fmt.Errorf("%s: nothing is changed: %w", name, err)
		}
		held = append(held, func() {
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = ask.Unlock(limited, run) // a machine that is destroyed has no lock
			m.Close()
		})
	}
	return unlock, nil
}

// pin writes what the program has made to the file of machines. What is known of a
// machine that is still the same stays.
func (p *provisioning) pin(ctx context.Context) error {
	state, err := p.tofu.Machines(ctx, p.all)
	if err != nil {
		return err
	}
	for i := range state.Machines {
		m := &state.Machines[i]
		before := p.before(m)
		if before == nil {
			continue
		}
		m.Done = before.Done
		// What has been installed has host keys of its own.
		if len(m.HostKeys) == 0 || m.Done == schema.ThenInstall {
			m.HostKeys = before.HostKeys
		}
	}
	p.waiting = state.Waiting
	return p.write(state.Machines)
}

// before is a machine as the file of machines has it: by its host, or by the name that the
// host had. It is nil for a machine that is new.
func (p *provisioning) before(m *schema.PinnedMachine) *schema.PinnedMachine {
	for i := range p.fleet.Provision.Machines {
		b := &p.fleet.Provision.Machines[i]
		if b.ID != m.ID || b.Target != m.Target {
			continue
		}
		if h := p.fleet.Host(b.Host); b.Host == m.Host || h == nil || h.Provision == nil {
			return b
		}
	}
	return nil
}

// forget has the file of machines say that those that changes make anew are new: a crash
// could come before it has their ids, and a cloud may give a machine the id of the one
// whose place it takes.
func (p *provisioning) forget(changes []provision.Change) error {
	machines := slices.Clone(p.fleet.Provision.Machines)
	for _, c := range p.told(changes) {
		for i := range machines {
			if m := &machines[i]; m.Host == c.Host && (c.Action == provision.Create || c.Action == provision.Replace) {
				m.Done, m.HostKeys = "", nil
			}
		}
	}
	return p.write(machines)
}

// change applies the plan, which has these changes, and pins what became of it also where
// that fails.
func (p *provisioning) change(ctx context.Context, changes []provision.Change, ssh *sshFlags) error {
	unlock, err := p.lockChanged(ctx, changes, ssh)
	if err != nil {
		return err
	}
	if err := p.forget(changes); err != nil {
		unlock()
		return err
	}
	failed := p.tofu.Apply(ctx, p.plan)
	unlock()
	err = p.pin(context.WithoutCancel(ctx))
	if provision.IsStale(failed) {
		return hinted{failed, "somebody has changed the machines since the plan was made: plan anew"}
	}
	return errors.Join(failed, err)
}

// awaitAddresses waits for the addresses of machines that are made, which some clouds tell
// late.
func (p *provisioning) awaitAddresses(ctx context.Context, patience time.Duration) error {
	missing := func() (names []string) {
		for _, h := range p.hosts {
			if slices.Contains(p.waiting, h.Name) {
				names = append(names, h.Name)
			}
		}
		return names
	}
	if len(missing()) == 0 {
		return nil
	}
	fmt.Fprintf(p.std.err, "waiting for the address of %s\n", someOf(missing()))
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wait := backoff.Backoff{First: time.Second, Max: 15 * time.Second}
	for wait.Wait(limited) == nil {
		if err := p.tofu.Refresh(limited); err != nil && limited.Err() == nil {
			return err
		}
		if err := p.pin(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		if len(missing()) == 0 {
			return nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return hinted{fmt.Errorf("the machines of %s are made, and have no address after %v", someOf(missing()), patience), "look at them in the cloud; the same command goes on when they have one"}
}

// write writes the file of machines, if it changes.
func (p *provisioning) write(machines []schema.PinnedMachine) error {
	p.fleet.Provision.Machines = machines
	name := p.fleet.Provision.Pinned
	if !filepath.IsAbs(name) {
		name = filepath.Join(p.fleet.Dir, name)
	}
	text := schema.PinnedText(machines)
	if before, err := readGenerated(name); err == nil && bytes.Equal(before, text) || err != nil && len(machines) == 0 {
		return nil
	}
	return writeFile(name, text)
}

// readGenerated reads a file that muster wrote.
func readGenerated(name string) ([]byte, error) {
	return foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
}

// fromRoot is the absolute name of a file.
func fromRoot(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}
