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
	plan  string // the file of the plan
}

// beginProvisioning reads the inventory, writes the configuration and prepares the program.
func beginProvisioning(ctx context.Context, std streams, selection *selectFlags, args []string) (*provisioning, error) {
	s, err := begin(ctx, std, args, needs{selection: selection, warnings: true})
	if err != nil {
		return nil, err
	}
	p := &provisioning{session: s, where: args}
	for _, h := range s.fleet.Hosts {
		if h.Provision != nil {
			p.all = append(p.all, h)
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
	p.plan = filepath.Join(private, "plan")
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
	for _, h := range p.all {
		if tofu.Address(h) == c.Address {
			return h.Name
		}
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

// lost are the hosts whose machines changes destroy, or destroy and make anew.
func (p *provisioning) lost(changes []provision.Change) (names []string, others int) {
	for _, c := range p.told(changes) {
		switch {
		case c.Action != provision.Destroy && c.Action != provision.Replace:
		case c.Host != "":
			names = append(names, c.Host)
		default:
			others++
		}
	}
	return names, others
}

// An agreement is what the user has agreed to on the command line.
type agreement struct {
	yes   bool     // to machines that are made and changed
	names []string // of machines that are destroyed, with the flag
	flag  string
}

// agree has the user agree to changes. Each machine that is destroyed is named.
func (p *provisioning) agree(ctx context.Context, changes []provision.Change, a agreement) error {
	lost, others := p.lost(changes)
	var ask []string
	for _, name := range lost {
		if !slices.Contains(a.names, name) {
			ask = append(ask, name)
		}
	}
	terminal := ui.CanAnswer(p.std.in)
	if len(ask) > 0 && !terminal {
		return hinted{fmt.Errorf("nothing is changed: the machines of %s would be destroyed, and there is no terminal to ask on", someOf(ask)), fmt.Sprintf("%s %s agrees to it", a.flag, ask[0])}
	}
	for _, name := range ask {
		question := fmt.Sprintf("%s: the machine will be destroyed, and all that is on it lost; type %s to destroy it: ", name, name)
		if err := ui.AskFor(ctx, p.std.in, p.std.err, question, strings.ToLower(name)); err != nil {
			return declined(err)
		}
	}
	if a.yes || len(lost) > 0 && len(lost)+others == len(changes) {
		return nil // a machine's own key goes with it
	}
	if !terminal {
		return errors.New("nothing is changed: there is no terminal to ask on; --yes agrees to it")
	}
	return declined(ui.Ask(ctx, p.std.in, p.std.err, human.Count(len(changes), "change")+": make them? [y/N] "))
}

// declined is what a no means.
func declined(err error) error {
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("nothing is changed")
	}
	return err
}

// lockDestroyed takes the machines that are to be destroyed, so that no deployment works
// on them, and fails where one does. One that does not answer is destroyed all the same.
func (p *provisioning) lockDestroyed(ctx context.Context, changes []provision.Change, ssh *sshFlags) (unlock func(), err error) {
	lost, _ := p.lost(changes)
	connect, done := wireConnect(ssh, p.warn)
	var held []func()
	unlock = func() {
		for _, release := range held {
			release()
		}
		done()
	}
	run := exec.NewRunID()
	for _, name := range lost {
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
			return nil, fmt.Errorf("%s: nothing is destroyed: %w", name, err)
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
	machines, err := p.tofu.Machines(ctx, p.all)
	if err != nil {
		return err
	}
	for i := range machines {
		m := &machines[i]
		if before := p.fleet.Provision.Machine(m.Host); before != nil && before.ID == m.ID {
			m.Done = before.Done
			if len(m.HostKeys) == 0 {
				m.HostKeys = before.HostKeys
			}
		}
	}
	return p.write(machines)
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
