package cmd

import (
	"context"

	"muster/cmd/flags"
	"muster/exec"
)

// rollbackOptions are those of rollback, which returns hosts to an earlier
// generation.
type rollbackOptions struct {
	noRules
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	rollout   rolloutFlags
	to        int // 0 is the generation before the current one
}

func (o *rollbackOptions) groups() []group {
	o.rollout.activates = true
	return []group{&o.selection, &o.ssh, &o.output, &o.rollout}
}

func (o *rollbackOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Number(&o.to, 0, 1, 1<<31-1), "to", "the `generation` to return to (default the one before the current)")
}

func (o *rollbackOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, ui: o.output.reporter})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(exec.Rollback)
	plan.Generation = o.to
	if err := plan.RollBack(s.fleet); err != nil {
		return err
	}
	return s.runWithJournal(ctx, plan, s.journal(plan), &o.ssh, &o.rollout)
}
