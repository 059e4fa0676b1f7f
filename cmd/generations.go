package cmd

import (
	"context"

	"github.com/spf13/pflag"

	"muster/exec"
)

type generationsOptions struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      int
}

func (o *generationsOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "ask at most `n` hosts at once")
}

func (o *generationsOptions) run(ctx context.Context, std streams, args []string) error {
	return runOnHosts(ctx, std, args, o.selection, o.ssh, o.output, o.jobs, &exec.Plan{Action: exec.List})
}
