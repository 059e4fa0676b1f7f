package cmd

import (
	"context"

	"muster/cmd/flags"
	"muster/exec"
)

// rollbackOptions are those of rollback, which undoes the last deployment or
// returns hosts to a generation.
type rollbackOptions struct {
	noRules
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	rollout   rolloutFlags
	tell      tellFlags
	to        int // 0 undoes the last deployment
	dry       bool
}

func (o *rollbackOptions) groups() []group {
	o.rollout.activates = true
	return []group{&o.selection, &o.selection.profile, &o.ssh, &o.output, &o.rollout, &o.tell}
}

func (o *rollbackOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Number(&o.to, 0, 1, 1<<31-1), "to", "return to this `generation` instead of undoing the last deployment")
	fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "change nothing and show where each host would go")
}

func (o *rollbackOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, deploys: true, ui: o.output.reporter, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	action := exec.Rollback
	if o.dry {
		action = exec.WouldRevert
	}
	plan := s.planWithoutSystems(action)
	plan.Generation = o.to
	if err := plan.RollBack(s.fleet); err != nil {
		return err
	}
	s.ignoreCluster = o.rollout.ignoreCluster
	if o.dry {
		return s.run(ctx, plan, &o.ssh, &o.rollout)
	}
	return s.runWithJournal(ctx, plan, s.journal(plan), &o.ssh, &o.rollout, &o.tell)
}
