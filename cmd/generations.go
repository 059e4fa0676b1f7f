package cmd

import (
	"context"

	"muster/cmd/flags"
	"muster/exec"
)

// generationsOptions are those of generations, which lists them.
type generationsOptions struct {
	noRules
	hostFlags
}

func (o *generationsOptions) addFlags(*flags.Set) {}

func (o *generationsOptions) run(ctx context.Context, std streams, args []string) error {
	return o.carryOut(ctx, std, args, exec.List, exec.Keep{})
}

// hostFlags are those of the verbs that need no systems and no rollout: gc and
// generations.
type hostFlags struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      jobsFlag
}

func (f *hostFlags) groups() []group { return []group{&f.selection, &f.ssh, &f.output, &f.jobs} }

// carryOut carries out an action on the selected hosts.
func (f *hostFlags) carryOut(ctx context.Context, std streams, args []string, action exec.Action, keep exec.Keep) error {
	s, err := begin(ctx, std, args, needs{selection: &f.selection, ui: f.output.reporter})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(action)
	plan.Keep = keep
	return s.run(ctx, plan, &f.ssh, &f.jobs)
}
