package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/schema"
)

type evalOptions struct {
	selection selectFlags
	attr      string
	json      bool
	trace     bool
}

func (o *evalOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	fs.StringVar(&o.attr, "attr", "", "print this `attribute` of each host instead, such as config.time.timeZone")
	fs.BoolVar(&o.json, "json", false, "print JSON, host by host")
	fs.BoolVar(&o.trace, "show-trace", false, "say how evaluation came to an error")
}

func (o *evalOptions) run(ctx context.Context, std streams, args []string) error {
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
	nix, err := wireNix(ctx)
	if err != nil {
		return err
	}
	if o.attr != "" {
		return o.query(ctx, std, nix, fleet, hosts, attr)
	}
	systems, errs, err := evaluate(ctx, nix, fleet, hosts, o.trace, std.err)
	if err != nil {
		return err
	}
	found := map[string]string{}
	for host, s := range systems {
		found[host] = string(s.Drv)
	}
	if o.json {
		return o.end(std, hosts, printJSON(std, systems), errs, len(found))
	}
	printValues(std, hosts, "derivation", found)
	return o.end(std, hosts, nil, errs, len(found))
}

// query prints an attribute of each host.
func (o *evalOptions) query(ctx context.Context, std streams, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, attr []string) error {
	net, err := network(fleet, hosts, o.trace)
	if err != nil {
		return err
	}
	values, errs, err := nix.Query(ctx, net, attr)
	if err != nil {
		return err
	}
	errs = blamed(fleet, net, errs)
	if o.json {
		return o.end(std, hosts, printJSON(std, values), errs, len(values))
	}
	found := map[string]string{}
	for host, v := range values {
		found[host] = string(v)
	}
	printValues(std, hosts, o.attr, found)
	return o.end(std, hosts, nil, errs, len(values))
}

// end says which hosts did not evaluate, and sums up.
func (o *evalOptions) end(std streams, hosts []*schema.Host, err error, errs map[string]error, done int) error {
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := errs[h.Name]; err != nil {
			fmt.Fprintf(std.err, "%s: %s: %v\n", h.Name, exec.Evaluate, err)
		}
	}
	switch {
	case len(errs) > 0 && !o.trace:
		fmt.Fprintln(std.err, "hint: --show-trace tells how evaluation came to it")
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
