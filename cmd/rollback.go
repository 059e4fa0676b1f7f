package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"muster/exec"
)

type rollbackOptions struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      int
	to        int
}

func (o *rollbackOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "work on at most `n` hosts at once")
	fs.IntVar(&o.to, "to", 0, "the `generation` to return to (default the one before the current)")
}

func (o *rollbackOptions) run(ctx context.Context, std streams, args []string) error {
	if o.to < 0 {
		return usageError{fmt.Errorf("--to %d: generations count from 1", o.to)}
	}
	return runOnHosts(ctx, std, args, o.selection, o.ssh, o.output, o.jobs, &exec.Plan{Action: exec.Rollback, Generation: o.to})
}

// runOnHosts carries out an action that needs no evaluation.
func runOnHosts(ctx context.Context, std streams, args []string, sel selectFlags, ssh sshFlags, out outputFlag, jobs int, plan *exec.Plan) error {
	ui, err := out.reporter(std)
	if err != nil {
		return err
	}
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return err
	}
	hosts, err := sel.hosts(fleet)
	if err != nil {
		return err
	}
	defer ui.close()
	for _, h := range hosts {
		plan.Steps = append(plan.Steps, exec.Step{Host: h})
	}
	opts, done := wireRun(nil, fleet, ssh)
	defer done()
	opts.Jobs, opts.Sink = jobs, ui.event
	return ui.end(ctx, exec.Run(ctx, plan, opts))
}
