package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec/human"
	"muster/exec/provision"
	"muster/schema"
)

const provisionHelp = `
The machines of hosts with provision in the inventory are written as configuration of
OpenTofu or Terraform, in JSON, to the folder provision beside the inventory; the program
makes them and keeps its own state. What it made (addresses, ids, disks, host keys) is
written to provision.json, which the inventory reads: keep both in version control.`

func provisionPlanVerb() entry {
	return entry{group: "fleet", use: "provision plan [INVENTORY]", verb: &provisionPlanOptions{}, short: "show what would become of the machines",
		examples: exampleLines{{"muster provision plan", "show which machines would be made, changed and destroyed"}, {"muster provision plan --out machines.plan", "save the plan, for muster provision apply --plan"}},
		long:     "\nShow which machines OpenTofu or Terraform would make, change and destroy.\n" + provisionHelp + "\n\n" + inventoryHelp}
}

func provisionApplyVerb() entry {
	return entry{group: "fleet", use: "provision apply [INVENTORY]", verb: &provisionApplyOptions{}, short: "make the machines, and go on as the inventory says",
		examples: exampleLines{{"muster provision apply", "make what is missing, after a yes"}, {"muster provision apply --on web1 --then install", "make a machine, and install it"}},
		long: `
Make and change the machines, pin what is known of them, and go on with each new one as
provision.then says: install it, adopt it, deploy to it. Run it again where it was
interrupted: it goes on where it was. A machine that would be destroyed or made anew is
named by you, on the terminal or with --destroy.
` + provisionHelp + "\n\n" + inventoryHelp + "\n\n" + exitStatusHelp}
}

func provisionDestroyVerb() entry {
	return entry{group: "fleet", use: "provision destroy HOST [HOST...] [INVENTORY]", verb: &provisionDestroyOptions{}, short: "destroy the machines of hosts",
		examples: exampleLines{{"muster provision destroy web1", "destroy a machine, after you have typed its name"}, {"muster provision destroy web1 --yes web1", "without a terminal"}},
		long: `
Destroy the machine of each HOST, with all that is on it, after you have typed its name. A
machine that a deployment is working on is left alone. The next muster provision apply
makes it anew, unless the inventory has no machine for the host any more.

A last argument with a "/" or a "." in it is the INVENTORY.
` + inventoryHelp + "\n\n" + exitStatusHelp}
}

func provisionShowVerb() entry {
	return entry{group: "fleet", use: "provision show [INVENTORY]", verb: &provisionShowOptions{}, short: "list the machines that are made",
		examples: exampleLines{{"muster provision show", "list the machines that are pinned"}, {"muster provision show --output json", "for programs"}},
		long:     "\nList the machines of hosts with provision, as provision.json has them.\n\n" + inventoryHelp}
}

// provisionPlanOptions are those of provision plan.
type provisionPlanOptions struct {
	selection selectFlags
	output    outputFlag
	out       string
}

func (o *provisionPlanOptions) groups() []group { return []group{&o.selection, &o.output} }

func (o *provisionPlanOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.out, "", flags.NewFile()), "out", "save the plan to this `file`")
}

func (o *provisionPlanOptions) check() error { return nil }

func (o *provisionPlanOptions) run(ctx context.Context, std streams, args []string) error {
	p, err := beginProvisioning(ctx, std, &o.selection, args)
	if err != nil {
		return err
	}
	defer p.close()
	if o.out != "" {
		p.plan = fromRoot(o.out)
	}
	changes, err := p.tofu.Plan(ctx, provision.Request{Out: p.plan, Only: p.only()})
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := os.Chmod(p.plan, 0o600); err != nil {
			return plainError("protect", o.out, err)
		}
	}
	if o.output.format == outputJSON {
		ui.JSON(std.out, p.told(changes))
		return nil
	}
	text, err := p.tofu.Describe(ctx, p.plan)
	if err != nil {
		return err
	}
	fmt.Fprintln(std.doc, text)
	p.summary(std.out, changes)
	return nil
}

// provisionApplyOptions are those of provision apply.
type provisionApplyOptions struct {
	selection selectFlags
	ssh       sshFlags
	secrets   secretFlags
	plan      string
	then      thenFlag
	yes       bool
	destroys  []string
	trust     bool
	patience  time.Duration
}

// A thenFlag is what to do with new machines.
type thenFlag string

// thenInventory has the inventory decide.
const thenInventory thenFlag = "inventory"

func (o *provisionApplyOptions) groups() []group {
	return []group{&o.selection, &o.ssh, &o.secrets}
}

func (o *provisionApplyOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.plan, "", flags.Existing()), "plan", "carry out the plan in this `file`, of muster provision plan --out")
	fs.Var(flags.OneOf(&o.then, thenInventory, thenFlag(schema.ThenInstall), thenFlag(schema.ThenAdopt), thenFlag(schema.ThenDeploy), thenFlag(schema.ThenNothing)), "then", "what to do with new machines: %s; inventory is as provision.then says")
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "do not ask before machines are made and changed, nor before new ones are installed or adopted")
	fs.Var(flags.ListOf(&o.destroys, lostName), "destroy", "agree that the machine of `HOST` is destroyed, or destroyed and made anew, or a resource by its address; several times for several")
	fs.Var(flags.Bool(&o.trust, false), "trust-new", "accept the SSH host key that a new machine shows first, where neither an output nor its console says which it has")
	fs.Var(flags.Positive(&o.patience, 5*time.Minute), "boot-timeout", "give up on a new machine that does not answer by SSH within this `duration`")
}

func (o *provisionApplyOptions) check() error {
	if o.plan != "" && o.selection.on != "" {
		return errors.New("--plan and --on exclude each other: a plan has its machines")
	}
	return nil
}

func (o *provisionApplyOptions) run(ctx context.Context, std streams, args []string) error {
	p, err := beginProvisioning(ctx, std, &o.selection, args)
	if err != nil {
		return err
	}
	defer p.close()
	if err := o.ready(p); err != nil {
		return err
	}
	changes, err := o.changes(ctx, p)
	if err != nil {
		return err
	}
	p.summary(std.err, changes)
	p.mayBeRenamed(changes)
	if len(changes) == 0 {
		err = p.pin(ctx)
	} else if err = p.agree(ctx, changes, agreement{yes: o.yes, names: o.destroys, flag: "--destroy"}); err == nil {
		err = o.change(ctx, p, changes)
	}
	if err != nil {
		return err
	}
	late := p.awaitAddresses(ctx, o.patience)
	return cmp.Or(o.goOn(ctx, p), late)
}

// change carries out the plan. A saved plan that no longer fits may be one that the same
// command has carried out before it was interrupted.
func (o *provisionApplyOptions) change(ctx context.Context, p *provisioning, changes []provision.Change) error {
	err := p.change(ctx, changes, &o.ssh)
	if o.plan == "" || !provision.IsStale(err) {
		return err
	}
	p.plan = p.fresh
	if left, again := p.tofu.Plan(ctx, provision.Request{Out: p.plan}); again != nil || len(left) > 0 {
		return err
	}
	fmt.Fprintln(p.std.err, "note: the plan has been carried out already")
	return p.pin(ctx)
}

// changes are what the plan to be carried out changes.
func (o *provisionApplyOptions) changes(ctx context.Context, p *provisioning) ([]provision.Change, error) {
	if o.plan != "" {
		p.plan = fromRoot(o.plan)
		return p.tofu.Changes(ctx, p.plan)
	}
	return p.tofu.Plan(ctx, provision.Request{Out: p.plan, Only: p.only()})
}

// lostName is that of a host, which may have left the inventory, or the address of a
// resource such as hcloud_volume.data["a"].
var lostName = suggesting(suggestHosts, matching("name of a machine", "the name of a host whose machine is there, or the address of a resource", hostNamePattern+`(\["?[^"\]]{1,100}"?\][A-Za-z0-9._-]{0,252})*`))

// provisionDestroyOptions are those of provision destroy.
type provisionDestroyOptions struct {
	selection selectFlags // of which the hosts are arguments
	ssh       sshFlags
	yes       []string
}

func (o *provisionDestroyOptions) groups() []group { return []group{&o.selection.reading, &o.ssh} }

func (o *provisionDestroyOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.ListOf(&o.yes, lostName), "yes", "y", "destroy the machine of `HOST` without asking, or a resource that goes with it by its address; several times for several")
}

func (o *provisionDestroyOptions) check() error { return nil }

func (o *provisionDestroyOptions) run(ctx context.Context, std streams, args []string) error {
	names, where := namesAndInventory(args)
	if len(names) == 0 {
		return usageError{errors.New("provision destroy needs the name of a host")}
	}
	o.selection.choose = func(f *schema.Fleet) ([]*schema.Host, error) { return namedMachines(f, names) }
	p, err := beginProvisioning(ctx, std, &o.selection, where)
	if err != nil {
		return err
	}
	defer p.close()
	changes, err := p.tofu.Plan(ctx, provision.Request{Out: p.plan, Destroy: true, Only: p.addresses(p.hosts)})
	if err != nil {
		return err
	}
	p.summary(std.err, changes)
	if len(changes) == 0 {
		return p.pin(ctx)
	}
	if err := p.agree(ctx, changes, agreement{names: o.yes, flag: "--yes"}); err != nil {
		return err
	}
	return p.change(ctx, changes, &o.ssh)
}

// namedMachines are the hosts of names, each of which has a machine that is made.
func namedMachines(fleet *schema.Fleet, names []string) (hosts []*schema.Host, err error) {
	for _, name := range names {
		h := fleet.Host(name)
		switch {
		case h == nil:
			return nil, usageError{fmt.Errorf("no host %s in the inventory", name)}
		case h.Provision == nil:
			return nil, usageError{fmt.Errorf("%s: the machine of host %s is not made by provision", h.At, name)}
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// provisionShowOptions are those of provision show.
type provisionShowOptions struct {
	selection selectFlags
	output    outputFlag
}

func (o *provisionShowOptions) groups() []group        { return []group{&o.selection, &o.output} }
func (o *provisionShowOptions) addFlags(fs *flags.Set) {}
func (o *provisionShowOptions) check() error           { return nil }

// A shownMachine is a machine as provision show prints it.
type shownMachine struct {
	Host string `json:"host"`
	schema.PinnedMachine
	State string `json:"state"` // "made", "installed", "adopted", "deployed", "missing", "left over"
}

func (o *provisionShowOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection})
	if err != nil {
		return err
	}
	defer s.close()
	list := []shownMachine{}
	for _, h := range s.hosts {
		if h.Provision == nil {
			continue
		}
		one := shownMachine{Host: h.Name, State: "missing"}
		if m := s.fleet.Provision.Machine(h.Name); m != nil {
			one.PinnedMachine, one.State = *m, madeWord(m.Done)
		}
		list = append(list, one)
	}
	for _, m := range s.fleet.Provision.Machines {
		if h := s.fleet.Host(m.Host); h == nil || h.Provision == nil {
			list = append(list, shownMachine{Host: m.Host, PinnedMachine: m, State: "left over"})
		}
	}
	if o.output.format == outputJSON {
		ui.JSON(std.out, list)
		return nil
	}
	table := ui.NewTable(std.out, "host", "state", "target", "address", "id")
	for _, m := range list {
		table.Row(m.Host, m.State, string(m.Target), m.Address, m.ID)
	}
	table.Flush()
	fmt.Fprintln(std.out, human.Count(len(list), "machine"))
	return nil
}

// madeWord says what became of a machine.
func madeWord(done schema.AfterProvision) string {
	switch done {
	case schema.ThenInstall:
		return "installed"
	case schema.ThenAdopt:
		return "adopted"
	case schema.ThenDeploy:
		return "deployed"
	}
	return "made"
}
