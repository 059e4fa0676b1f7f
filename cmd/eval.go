package cmd

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/pflag"

	"muster/exec"
)

type evalOptions struct {
	selection selectFlags
	json      bool
}

func (o *evalOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	fs.BoolVar(&o.json, "json", false, "print JSON: each host's derivation and what it builds")
}

func (o *evalOptions) run(ctx context.Context, std streams, args []string) error {
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
	systems, errs, err := evaluate(ctx, nix, fleet, hosts)
	if err != nil {
		return err
	}
	if o.json {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(systems); err != nil {
			return err
		}
	} else {
		t := newTable(std.out, "host", "derivation")
		for _, h := range hosts {
			if s, ok := systems[h.Name]; ok {
				t.row(h.Name, string(s.Drv))
			}
		}
		t.flush()
	}
	for _, h := range hosts {
		if err := errs[h.Name]; err != nil {
			fmt.Fprintf(std.err, "%s: %s: %v\n", h.Name, exec.Evaluate, err)
		}
	}
	switch {
	case len(errs) > 0 && len(systems) > 0:
		return exitError(exec.ExitPartly)
	case len(errs) > 0:
		return exitError(exec.ExitFailed)
	}
	return nil
}
