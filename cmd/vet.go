package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"muster/compile"
	"muster/exec"
	"muster/schema"
)

type vetOptions struct {
	strict bool
	format string
	all    bool
}

func (o *vetOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.strict, "strict", false, "take warnings for errors")
	fs.StringVar(&o.format, "format", "text", "report as `format`: text, json or sarif")
	fs.BoolVar(&o.all, "all", false, "show every problem, however many there are")
}

func (o *vetOptions) run(ctx context.Context, std streams, args []string) error {
	if o.format != "text" && o.format != "json" && o.format != "sarif" {
		return usageError{fmt.Errorf("--format %s: there is text, json and sarif", o.format)}
	}
	fleet, problems, err := vet(ctx, args)
	if err != nil {
		return err
	}
	switch o.format {
	case "json":
		err = problemsJSON(std.out, problems)
	case "sarif":
		err = problemsSARIF(std.out, problems)
	default:
		most := mostOfAKind
		if o.all {
			most = 0
		}
		newProblemPrinter(std.err, most).print(problems)
	}
	if err != nil {
		return err
	}
	invalid, warnings := len(problems.Invalid()), len(problems.Warnings())
	bad := invalid > 0 || o.strict && warnings > 0
	if o.format == "text" {
		if !bad {
			fmt.Fprintf(std.out, "%s, ", plural(len(fleet.Hosts), "host"))
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
		return plural(invalid, "error") + ", " + plural(warnings, "warning")
	case invalid > 0:
		return plural(invalid, "error")
	case warnings > 0:
		return plural(warnings, "warning")
	}
	return "all in order"
}

// vet finds all that is to be said about an inventory. The fleet is nil where
// it does not load; err is about something else than the inventory's content.
func vet(ctx context.Context, args []string) (*schema.Fleet, schema.Errors, error) {
	var problems schema.Errors
	defer relaxGC()()
	fleet, err := schema.Load(ctx, inventory(args), schema.Options{Nix: compile.CheckNix})
	if errors.As(err, &problems) {
		return nil, problems, nil
	}
	if err != nil {
		return nil, nil, inventoryError{err}
	}
	return fleet, fleet.Warnings, nil
}

// plural is "1 host" or "3 hosts".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
