package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/schema"
)

// evalOptions are those of eval, which evaluates an inventory or any Nix.
type evalOptions struct {
	selection selectFlags
	how       evaluateFlags
	raw       rawFlags
	attr      string
	json      bool
}

func (o *evalOptions) groups() []group { return []group{&o.selection, &o.how, &o.raw} }

func (o *evalOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.attr, "", attributePath), "attr", "print this `attribute` of each host instead, such as config.time.timeZone")
	fs.Var(flags.Bool(&o.json, false), "json", "print JSON, host by host")
}

func (o *evalOptions) check() error {
	if o.raw.given() {
		if o.selection.on != "" || o.how.evaluator != "embedded" {
			return errors.New("--on and --evaluator need an inventory, not --file or --expr")
		}
		return nil
	}
	_, err := attrNames(o.attr)
	return err
}

func (o *evalOptions) run(ctx context.Context, std streams, args []string) error {
	if o.raw.given() {
		return o.raw.run(ctx, std, args, o)
	}
	// The embedded evaluator needs no Nix, and nothing is written here.
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: o.how.evaluator != "embedded"})
	if err != nil {
		return err
	}
	defer s.close()
	how := o.how.evaluation()
	how.searchPath = o.raw.searchPath
	if o.attr != "" {
		return o.query(ctx, s, how)
	}
	systems, errs, err := how.systems(ctx, s.nix, s.fleet, s.hosts, std.err)
	if err != nil {
		return err
	}
	found := map[string]string{}
	for host, s := range systems {
		found[host] = string(s.Drv)
	}
	if o.json {
		return o.end(std, s.hosts, ui.JSON(std.out, systems), errs, len(found))
	}
	printValues(std, s.hosts, "derivation", found)
	return o.end(std, s.hosts, nil, errs, len(found))
}

// query prints an attribute of each host.
func (o *evalOptions) query(ctx context.Context, s *session, how *evaluation) error {
	attr, err := attrNames(o.attr)
	if err != nil {
		return err
	}
	values, errs, err := how.query(ctx, s.nix, s.fleet, s.hosts, attr, s.std.err)
	if err != nil {
		return err
	}
	if o.json {
		return o.end(s.std, s.hosts, ui.JSON(s.std.out, values), errs, len(values))
	}
	found := map[string]string{}
	for host, v := range values {
		found[host] = string(v)
	}
	printValues(s.std, s.hosts, o.attr, found)
	return o.end(s.std, s.hosts, nil, errs, len(values))
}

// end reports which hosts did not evaluate, and returns the exit status.
func (o *evalOptions) end(std streams, hosts []*schema.Host, err error, errs map[string]error, done int) error {
	if err != nil {
		return err
	}
	var hints []string
	for _, h := range hosts {
		err := errs[h.Name]
		if err == nil {
			continue
		}
		fmt.Fprintf(std.err, "%s: %s: %v\n", h.Name, exec.Evaluate, err)
		if hint := hint(h.Name, err); hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	if len(errs) > 0 && len(hints) == 0 && !o.how.trace {
		hints = []string{"--show-trace shows how evaluation reached the error"}
	}
	for _, hint := range hints {
		fmt.Fprintf(std.err, "hint: %s\n", hint)
	}
	switch {
	case len(errs) > 0 && done > 0:
		return exitError(exec.ExitPartly)
	case len(errs) > 0:
		return exitError(exec.ExitFailed)
	}
	return nil
}

func printValues(std streams, hosts []*schema.Host, what string, values map[string]string) {
	t := ui.NewTable(std.out, "host", what)
	for _, h := range hosts {
		if v, ok := values[h.Name]; ok {
			t.Row(h.Name, v)
		}
	}
	t.Flush()
}
