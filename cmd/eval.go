package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/schema"
)

type evalOptions struct {
	selection selectFlags
	how       evaluation
	attr      string
	json      bool
	raw       rawFlags
}

func (o *evalOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	fs.StringVar(&o.attr, "attr", "", "print this `attribute` of each host instead, such as config.time.timeZone")
	fs.BoolVar(&o.json, "json", false, "print JSON, host by host")
	o.how.addFlags(fs)
	o.raw.addFlags(fs)
}

func (o *evalOptions) run(ctx context.Context, std streams, args []string) error {
	if err := o.how.check(); err != nil {
		return err
	}
	if o.raw.given() {
		return o.raw.run(ctx, std, args, o)
	}
	if o.raw.strict || o.raw.xml || o.raw.instantiate || len(o.raw.args)+len(o.raw.argstrs)+len(o.raw.options) > 0 {
		return usageError{errors.New("eval: --strict, --xml, --instantiate, --arg, --argstr and --option go with --file and --expr")}
	}
	o.how.searchPath = o.raw.searchPath
	attr, err := attrNames(o.attr)
	if err != nil {
		return usageError{err}
	}
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(fleet)
	if err != nil {
		return err
	}
	// The embedded evaluator needs no Nix, and nothing is written here.
	var nix *nixcmd.Nix
	if o.how.evaluator != "embedded" {
		if nix, err = wireNix(); err != nil {
			return err
		}
	}
	if o.attr != "" {
		return o.query(ctx, std, fleet, hosts, attr)
	}
	results, err := o.how.systems(ctx, nix, fleet, hosts, std.err)
	if err != nil {
		return err
	}
	systems, found, errs := map[string]exec.System{}, map[string]string{}, map[string]error{}
	for _, r := range results {
		if r.Err != nil {
			errs[r.Host.Name] = r.Err
			continue
		}
		systems[r.Host.Name], found[r.Host.Name] = exec.System(r.System), string(r.System.Drv)
	}
	if o.json {
		return o.end(std, hosts, printJSON(std, systems), errs, len(found))
	}
	printValues(std, hosts, "derivation", found)
	return o.end(std, hosts, nil, errs, len(found))
}

// query prints an attribute of each host.
func (o *evalOptions) query(ctx context.Context, std streams, fleet *schema.Fleet, hosts []*schema.Host, attr []string) error {
	results, err := o.how.query(ctx, fleet, hosts, attr, std.err)
	if err != nil {
		return err
	}
	values, found, errs := map[string]json.RawMessage{}, map[string]string{}, map[string]error{}
	for _, r := range results {
		if r.Err != nil {
			errs[r.Host.Name] = r.Err
			continue
		}
		values[r.Host.Name], found[r.Host.Name] = r.JSON, string(r.JSON)
	}
	if o.json {
		return o.end(std, hosts, printJSON(std, values), errs, len(values))
	}
	printValues(std, hosts, o.attr, found)
	return o.end(std, hosts, nil, errs, len(values))
}

// end says which hosts did not evaluate, and sums up.
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
		hints = []string{"--show-trace tells how evaluation came to it"}
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
	t := newTable(std.out, "host", what)
	for _, h := range hosts {
		if v, ok := values[h.Name]; ok {
			t.row(h.Name, v)
		}
	}
	t.flush()
}

func printJSON(std streams, v any) error {
	enc := json.NewEncoder(std.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// attrNames splits config.fileSystems."/".device into its names, by Nix's own
// rules.
func attrNames(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	e, err := syntax.ParseExpr("x." + path)
	sel, ok := e.(*syntax.Select)
	if err != nil || !ok || sel.Default != nil {
		return nil, fmt.Errorf("--attr %s: want names with dots between them, such as config.time.timeZone", path)
	}
	var names []string
	for _, n := range sel.Path {
		if n.Expr != nil || strings.TrimSpace(n.Name) == "" {
			return nil, fmt.Errorf("--attr %s: every name must be plain", path)
		}
		names = append(names, n.Name)
	}
	return names, nil
}
