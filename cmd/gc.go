package cmd

import (
	"context"
	"time"

	"muster/cmd/flags"
	"muster/exec"
)

// gcOptions are those of gc, which removes old generations from hosts.
type gcOptions struct {
	noRules
	hostFlags
	keep  int
	newer time.Duration
	dry   bool
}

func (o *gcOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Number(&o.keep, 5, 1, 1_000_000), "keep", "keep the `n` newest generations")
	fs.Var(flags.NotNegative(&o.newer, 14*24*time.Hour), "newer-than", "and those that are younger than this `duration`")
	fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "only show which generations would be removed")
}

func (o *gcOptions) run(ctx context.Context, std streams, args []string) error {
	return o.carryOut(ctx, std, args, exec.Clean, exec.Keep{Last: o.keep, Newer: o.newer, Dry: o.dry})
}
