package cmd

import (
	"bytes"
	"context"
	"path/filepath"

	"muster/cmd/flags"
	"muster/cmd/ui/graph"
	"muster/exec"
)

// graphOptions are those of graph, which draws the fleet.
type graphOptions struct {
	noRules
	selection selectFlags
	out       string
}

// graphVerb is graph's place in the help.
func graphVerb() entry {
	return entry{group: "inventory", use: "graph [INVENTORY]", verb: &graphOptions{}, short: "draw the fleet as an SVG",
		examples: exampleLines{{"muster graph --out fleet.svg", "draw the whole fleet"}, {"muster graph --on @web", "draw some hosts, and print the drawing"}},
		long: `
Draw the hosts by wave and role, and the jump hosts on the way to them, as an SVG.
Nothing is evaluated, and no host is connected to.

` + inventoryHelp}
}

func (o *graphOptions) groups() []group { return []group{&o.selection} }

func (o *graphOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Of(&o.out, "", orStandardOutput(flags.NewFile())), "out", "o", "write to this `file` instead of standard output")
}

func (o *graphOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := o.selection.reading.load(ctx, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(std, fleet)
	if err != nil {
		return err
	}
	var steps []exec.Step
	for _, h := range hosts {
		steps = append(steps, exec.Step{Host: h})
	}
	plan := exec.NewPlan(exec.Switch, steps)
	if err := plan.RollOut(fleet); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := graph.Write(&text, graph.Fleet{Name: filepath.Base(fleet.Dir), Hosts: hosts, Waves: plan.Waves()}); err != nil {
		return err
	}
	if o.out == "" || o.out == "-" {
		_, err := std.doc.Write(text.Bytes())
		return err
	}
	return writeFile(o.out, text.Bytes())
}
