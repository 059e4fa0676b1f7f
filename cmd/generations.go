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
