package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/human"
	"muster/schema"
)

// evalOptions are those of eval, which evaluates an inventory or any Nix.
type evalOptions struct {
	selection selectFlags
	how       evaluateFlags
	raw       rawFlags
	flake     flakeFlags
	attr      string
	json      bool
}

func (o *evalOptions) groups() []group { return []group{&o.selection, &o.how, &o.raw, &o.flake} }

func (o *evalOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.attr, "", attributePath), "attr", "print this `attribute` of each host instead, such as config.time.timeZone")
	fs.Var(flags.Bool(&o.json, false), "json", "print JSON, host by host")
}

func (o *evalOptions) check() error {
	r := &o.raw
	switch raw, flake := r.given(), o.flake.given(); {
	case raw && flake:
		return errWhatToEvaluate
	case !raw && (r.strict || r.xml || len(r.args)+len(r.argstrs) > 0):
		return errors.New("--strict, --xml, --arg and --argstr need --file or --expr")
	case !raw && !flake && (r.instantiate || len(r.settings) > 0):
		return errors.New("--instantiate and --option need --file, --expr or --flake")
	case (raw || flake) && (o.selection.on != "" || o.how.evaluator != byEmbedded):
		return errors.New("--on and --evaluator need an inventory, not --file, --expr or --flake")
	case raw && len(o.how.overrides) > 0:
		return errors.New("--override-input is not for --file and --expr, which have no inputs")
	case flake && o.attr != "":
		return errors.New("--attr is not for --flake: the output stands behind the #")
	case flake && o.json && o.flake.raw:
		return errors.New("--raw and --json are mutually exclusive")
	case raw || flake:
		return nil
	}
	_, err := attrNames(o.attr)
	return err
}

func (o *evalOptions) run(ctx context.Context, std streams, args []string) error {
	if o.raw.given() {
		return o.raw.run(ctx, std, args, o)
	}
	if o.flake.given() {
		return o.flake.run(ctx, std, args, o)
	}
	// The embedded evaluator needs no Nix, and nothing is written here.
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, later: true, nix: o.how.evaluator != byEmbedded})
	if err != nil {
		return err
	}
	defer s.close()
	o.how.searchPath = o.raw.searchPath
	if o.attr != "" {
		return o.query(ctx, s)
	}
	results, err := o.how.systems(ctx, s.nix, s.fleet, s.systems, std.warn)
	if results == nil {
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
	return o.print(s, "derivation", systems, found, errs, err)
}

// query prints an attribute of each host.
func (o *evalOptions) query(ctx context.Context, s *session) error {
	attr, err := attrNames(o.attr)
	if err != nil {
		return err
	}
	results, err := o.how.query(ctx, s.fleet, s.systems, attr, s.std.warn)
	if results == nil {
		return err
	}
	values, found, errs := map[string]json.RawMessage{}, map[string]string{}, map[string]error{}
	for _, r := range results {
		if r.Err != nil {
			errs[r.Host.Name] = hintAtConfig(r.Err, attr)
			continue
		}
		values[r.Host.Name], found[r.Host.Name] = r.JSON, string(r.JSON)
	}
	return o.print(s, o.attr, values, found, errs, err)
}

// hintAtConfig adds to an error that a host has no attribute that the values of options are
// below config, which nixos-option and the NixOS manual leave out.
func hintAtConfig(err error, attr []string) error {
	if attr[0] == "config" || !strings.Contains(err.Error(), fmt.Sprintf("attribute '%s' missing", attr[0])) {
		return err
	}
	return hinted{err, "values of options are below config: --attr config." + strings.Join(attr, ".")}
}

// print prints what was found for each host, as JSON or as a table, and which
// hosts failed. If the evaluation was interrupted, it returns the interrupt, and
// what was not found is no failure.
func (o *evalOptions) print(s *session, what string, values any, found map[string]string, errs map[string]error, interrupt error) error {
	if o.json {
		if err := ui.JSON(s.std.out, values); err != nil {
			return err
		}
	} else {
		printValues(s.std, s.hosts, what, found)
	}
	if interrupt != nil {
		fmt.Fprintf(s.std.err, "evaluated %d of %s\n", len(found), human.Count(len(s.hosts), "host"))
		return interrupt
	}
	return o.end(s.std, s.hosts, errs, len(found))
}

// end reports which hosts did not evaluate, and returns the exit status.
func (o *evalOptions) end(std streams, hosts []*schema.Host, errs map[string]error, done int) error {
	var hints []string
	for _, names := range byMistake(hosts, errs) {
		err := errs[names[0]]
		fmt.Fprintf(std.err, "%s: %s: %v\n", strings.Join(names, ", "), exec.Evaluate, err)
		if hint := hint(names[0], err); hint != "" && !slices.Contains(hints, hint) {
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

// byMistake returns the names of the hosts that have an error, those with the same
// mistake together.
func byMistake(hosts []*schema.Host, errs map[string]error) (groups [][]string) {
	at := map[string]int{}
	for _, h := range hosts {
		err := errs[h.Name]
		if err == nil {
			continue
		}
		mistake := err.Error()
		var own *evaluate.Error
		if errors.As(err, &own) {
			mistake = own.Mistake()
		}
		i, ok := at[mistake]
		if !ok {
			i = len(groups)
			at[mistake] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], h.Name)
	}
	return groups
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
