package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"muster/exec"
	"muster/schema"
)

type rollbackOptions struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	rolloutFlags
	to int
}

func (o *rollbackOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	o.rolloutFlags.addFlags(fs)
	o.addActivationFlags(fs)
	fs.IntVar(&o.to, "to", 0, "the `generation` to return to (default the one before the current)")
}

func (o *rollbackOptions) run(ctx context.Context, std streams, args []string) error {
	if o.to < 0 {
		return usageError{fmt.Errorf("--to %d: generations count from 1", o.to)}
	}
	if err := o.ssh.check(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
	defer ui.close()
	plan := &exec.Plan{Action: exec.Rollback, Generation: o.to}
	fleet, err := hostsOf(ctx, args, o.selection, plan)
	if err != nil {
		return err
	}
	if err := plan.RollBack(fleet); err != nil {
		return err
	}
	opts, done := wireRun(nil, plan.Dir, o.ssh)
	defer done()
	o.apply(&opts, ui, std, plan.Dir)
	return carryOut(ctx, ui, plan, opts, begin(ui, plan))
}

// hostsOf gives a plan the hosts chosen, without systems.
func hostsOf(ctx context.Context, args []string, sel selectFlags, plan *exec.Plan) (*schema.Fleet, error) {
	fleet, err := readFleet(ctx, args)
	if err != nil {
		return nil, err
	}
	hosts, err := sel.hosts(fleet)
	if err != nil {
		return nil, err
	}
	plan.Dir = fleet.Dir
	for _, h := range hosts {
		plan.Steps = append(plan.Steps, exec.Step{Host: h})
	}
	return fleet, nil
}

// runOnHosts carries out an action that needs no evaluation and no journal.
func runOnHosts(ctx context.Context, std streams, args []string, sel selectFlags, ssh sshFlags, out outputFlag, jobs int, plan *exec.Plan) error {
	if err := ssh.check(); err != nil {
		return err
	}
	if jobs < 1 {
		return usageError{fmt.Errorf("--jobs %d: at least one host at a time", jobs)}
	}
	ui, err := out.reporter(std)
	if err != nil {
		return err
	}
	defer ui.close()
	if _, err := hostsOf(ctx, args, sel, plan); err != nil {
		return err
	}
	opts, done := wireRun(nil, plan.Dir, ssh)
	defer done()
	opts.Jobs, opts.Sink = jobs, ui.event
	return ui.end(ctx, exec.Run(ctx, plan, opts))
}
