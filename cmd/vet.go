package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile"
	"muster/exec"
	"muster/exec/human"
	"muster/schema"
)

// vetOptions are those of vet, which checks an inventory.
type vetOptions struct {
	noRules
	reading loadFlags
	color   colorFlag
	strict  bool
	format  string
	all     bool
}

// formatSARIF is the format of static analysis results.
const formatSARIF = "sarif"

func (o *vetOptions) groups() []group { return []group{&o.reading, &o.color} }

func (o *vetOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.strict, false), "strict", "treat warnings as errors")
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON, formatSARIF), "format", "report as `format`: %s")
	fs.Var(flags.Bool(&o.all, false), "all", "show every problem, however many there are")
}

func (o *vetOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, problems, err := o.vet(ctx, args)
	if err != nil {
		return err
	}
	switch o.format {
	case outputJSON:
		err = ui.ProblemsJSON(std.out, problems)
	case formatSARIF:
		err = ui.ProblemsSARIF(std.out, version(), problems)
	default:
		most := ui.MostOfAKind
		if o.all {
			most = 0
		}
		ui.NewProblemPrinter(std.err, o.color.color, most).Print(problems)
	}
	if err != nil {
		return err
	}
	invalid, warnings := len(problems.Invalid()), len(problems.Warnings())
	bad := invalid > 0 || o.strict && warnings > 0
	if o.format == outputText {
		if !bad {
			fmt.Fprintf(std.out, "%s, ", human.Count(len(fleet.Hosts), "host"))
		}
		fmt.Fprintln(std.out, verdict(invalid, warnings))
	}
	if bad {
		return exitError(exec.ExitUsage)
	}
	return nil
}

func verdict(invalid, warnings int) string {
	switch {
	case invalid > 0 && warnings > 0:
		return human.Count(invalid, "error") + ", " + human.Count(warnings, "warning")
	case invalid > 0:
		return human.Count(invalid, "error")
	case warnings > 0:
		return human.Count(warnings, "warning")
	}
	return "all in order"
}

// vet finds all problems of an inventory and of the Nix files it imports. The fleet is nil if it does not load. An
// error is about something else than the inventory's content.
func (o *vetOptions) vet(ctx context.Context, args []string) (*schema.Fleet, schema.Errors, error) {
	fleet, err := o.reading.load(ctx, args)
	var problems schema.Errors
	if errors.As(err, &problems) {
		return nil, problems, nil
	}
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, nil, fmt.Errorf("find the current directory: %v", err)
	}
	problems = append(fleet.Warnings, schema.FirstDeploy(fleet)...)
	return fleet, append(problems, compile.CheckImports(ctx, fleet, dir)...), nil
}
