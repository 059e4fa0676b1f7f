package cmd

import (
	"context"
	"errors"
	"fmt"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/exec"
)

// systemFlags are those of the verbs that find the systems of hosts and do
// something with them: build, push, deploy and plan.
type systemFlags struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	how       evaluateFlags
	building  buildFlags
	rollout   rolloutFlags
	secrets   secretFlags // of verbs that activate, or say what would change
	changes   bool        // hosts are changed, or it is said what would be
}

func (f *systemFlags) groups() []group {
	return []group{&f.selection, &f.selection.profile, &f.ssh, &f.output, &f.how, &f.building, &f.rollout}
}

// begin reads the fleet, asks what agree asks, and evaluates the systems of the hosts.
func (f *systemFlags) begin(ctx context.Context, std streams, args []string, agree func(context.Context, *session) error) (*session, error) {
	return begin(ctx, std, args, needs{selection: &f.selection, warnings: true, deploys: f.changes, agree: agree, nix: true, ui: f.output.reporter, systems: &f.how, connects: f.changes})
}

// deployOptions are those of build, push and deploy. They have the same stages,
// and build and push stop early.
type deployOptions struct {
	systemFlags
	copy   copyFlags
	keep   keepFlag
	tell   tellFlags
	action exec.Action
	dry    bool
	path   store.Path // a system that is in the store; "" for those of the inventory
	pushTo string     // of build: the store that gets what was built
	image  imageFlags // of build
}

func (o *deployOptions) groups() []group {
	if o.action == exec.BuildOnly { // connects to no host
		return []group{&o.selection, &o.selection.profile, &o.output, &o.how, &o.building, &o.rollout, &o.keep, &o.image}
	}
	o.rollout.activates = o.action == exec.Switch
	groups := append(o.systemFlags.groups(), &o.copy, &o.keep, &o.tell)
	if o.rollout.activates {
		groups = append(groups, &o.secrets)
	}
	return groups
}

func (o *deployOptions) addFlags(fs *flags.Set) {
	if o.rollout.activates {
		fs.Var(flags.OneOf(&o.action, exec.Activations...), "action", "`what` to do with the system: %s")
		fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "change nothing and show what would change, as muster plan does")
		fs.Var(flags.Of(&o.path, "", storePath), "path", "deploy this `system` of the local store to the one host, and evaluate nothing")
	}
	if o.action == exec.BuildOnly {
		fs.Var(flags.Of(&o.pushTo, "", storeURL), "push-to", "copy what was built, and all it refers to, to the store at this `URL` (s3://…, file://…, ssh://…)")
	}
}

func (o *deployOptions) check() error {
	switch {
	case o.path != "" && o.selection.on == "" && o.selection.choose == nil:
		return errors.New("--path needs --on, which names the host")
	case o.dry && o.action == exec.DryActivate:
		return errors.New("--dry-run needs another --action than dry-activate: want switch, boot or test")
	case o.rollout.bootLoader && o.action != exec.Switch && o.action != exec.Boot:
		return fmt.Errorf("--install-bootloader needs another --action than %s: want switch or boot", o.action)
	}
	return nil
}

func (o *deployOptions) run(ctx context.Context, std streams, args []string) error {
	begin := o.begin
	switch {
	case o.path != "":
		begin = o.beginWithPath
	case o.image.kind != "":
		begin = o.beginWithImages
	}
	o.changes = o.action != exec.BuildOnly
	s, err := begin(ctx, std, args, o.agreeToAll)
	if err != nil {
		return err
	}
	defer s.close()
	if err := refuseDarwin(s.systems, o.action); err != nil {
		return err
	}
	if o.dry {
		return preview(ctx, s, &o.systemFlags, o.action, "")
	}
	plan := s.plan(o.action)
	groups := []runFlags{&o.ssh, &o.rollout, &o.building, &o.copy, &o.secrets, &o.keep, &o.tell}
	if o.action == exec.BuildOnly {
		return o.build(ctx, s, plan)
	}
	if o.action != exec.Switch && o.action != exec.Boot && o.action != exec.Test {
		return s.runWithJournal(ctx, plan, nil, groups...)
	}
	if err := plan.RollOut(s.fleet); err != nil {
		return err
	}
	s.ignoreCluster = o.rollout.ignoreCluster
	if err := s.checkCluster(ctx, plan, &o.ssh); err != nil {
		return err
	}
	s.renewCertificates(&o.secrets)
	return s.runWithJournal(ctx, plan, s.journal(plan), groups...)
}
