package cmd

import (
	"context"
	"fmt"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/human"
)

// fetchOptions are those of fetch, which fetches all that a fleet is made from.
type fetchOptions struct {
	noRules
	reading loadFlags
}

func (o *fetchOptions) groups() []group { return []group{&o.reading} }

func (o *fetchOptions) addFlags(*flags.Set) {}

func (o *fetchOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := o.reading.load(ctx, args)
	if err != nil {
		return err
	}
	environment, err := new(evaluateFlags).environment(nil, nil, std.err)
	if err != nil {
		return err
	}
	list, err := environment.FetchInputs(ctx, fleet, evaluate.Options{Fleet: fleet, Trace: std.err, MaxTime: time.Hour})
	if err != nil {
		return reportEvaluation(std, err, false)
	}
	table := ui.NewReport(std.out, "input", "is")
	failed := 0
	for _, in := range list {
		if in.Err != nil {
			failed++
			fmt.Fprintf(std.err, "%s: %v\n", in.Name, in.Err)
			continue
		}
		table.Row(in.Name, lockedText(in.Ref))
	}
	if failed < len(list) {
		table.Flush()
	}
	switch {
	case failed > 0:
		fmt.Fprintf(std.err, "%d of %s could not be fetched\n", failed, human.Count(len(list), "input"))
		return exitError(exec.ExitFailed)
	case len(list) == 0:
		fmt.Fprintln(std.out, "the fleet has no inputs")
	default:
		fmt.Fprintf(std.out, "%s here; evaluation needs no network\n", human.Count(len(list), "input"))
	}
	return nil
}
