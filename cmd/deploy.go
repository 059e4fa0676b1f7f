package cmd

import (
	"context"
	"errors"
	"fmt"

	"muster/cmd/flags"
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
}

func (f *systemFlags) groups() []group {
	return []group{&f.selection, &f.ssh, &f.output, &f.how, &f.building, &f.rollout}
}

// begin reads the fleet and evaluates the systems of the hosts.
func (f *systemFlags) begin(ctx context.Context, std streams, args []string) (*session, error) {
	return begin(ctx, std, args, needs{selection: &f.selection, warnings: true, nix: true, ui: f.output.reporter, systems: &f.how})
}

// deployOptions are those of build, push and deploy. They have the same stages,
// and build and push stop early.
type deployOptions struct {
	systemFlags
	copy   copyFlags
	action exec.Action
	dry    bool
}

func (o *deployOptions) groups() []group {
	if o.action == exec.BuildOnly { // connects to no host
		return []group{&o.selection, &o.output, &o.how, &o.building, &o.rollout}
	}
	o.rollout.activates = o.action == exec.Switch
	groups := append(o.systemFlags.groups(), &o.copy)
	if o.rollout.activates {
		groups = append(groups, &o.secrets)
	}
	return groups
}

func (o *deployOptions) addFlags(fs *flags.Set) {
	if o.rollout.activates {
		fs.Var(flags.OneOf(&o.action, exec.Activations...), "action", "`what` to do with the system: %s")
		fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "change nothing and show what would change, as muster plan does")
	}
}

func (o *deployOptions) check() error {
	switch {
	case o.dry && o.action == exec.DryActivate:
		return errors.New("--dry-run needs another --action than dry-activate: want switch, boot or test")
	case o.rollout.bootLoader && o.action != exec.Switch && o.action != exec.Boot:
		return fmt.Errorf("--install-bootloader needs another --action than %s: want switch or boot", o.action)
	}
	return nil
}

func (o *deployOptions) run(ctx context.Context, std streams, args []string) error {
	if o.dry {
		return preview(ctx, std, args, &o.systemFlags, o.action, "")
	}
	s, err := o.begin(ctx, std, args)
	if err != nil {
		return err
	}
	defer s.close()
	if err := refuseDarwin(s.hosts, o.action); err != nil {
		return err
	}
	plan := s.plan(o.action)
	groups := []runFlags{&o.ssh, &o.rollout, &o.building, &o.copy, &o.secrets}
	if o.action != exec.Switch && o.action != exec.Boot && o.action != exec.Test {
		return s.runWithJournal(ctx, plan, nil, groups...)
	}
	if err := plan.RollOut(s.fleet); err != nil {
		return err
	}
	return s.runWithJournal(ctx, plan, s.journal(plan), groups...)
}
