package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"muster/cmd/flags"
	"muster/compile/eval/collector"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
	"muster/schema"
)

// evaluateFlags say how a fleet is evaluated.
type evaluateFlags struct {
	noRules
	evaluator  string
	trace      bool
	noCache    bool
	maxMemory  int64         // in MB; 0 is three quarters of the machine's
	maxTime    time.Duration // of a host's evaluation
	searchPath []string      // entries in front of $NIX_PATH; a flag of eval only
	overrides  []flags.Pair
	impure     bool // pure-eval of nix.conf is not obeyed
}

// The evaluators.
const (
	byEmbedded = "embedded"
	byNix      = "nix"
	byBoth     = "both"
)

func (o *evaluateFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.evaluator, byEmbedded, byNix, byBoth), "evaluator", "evaluate with `what`: %s, which compares them")
	fs.Var(flags.Number(&o.maxMemory, 0, 0, 1<<24), "max-memory", "let evaluation take at most `MB` of memory; 0 is three quarters of the machine's")
	fs.Var(flags.Positive(&o.maxTime, evaluationLimit), "eval-timeout", "let the evaluation of a host take at most this `duration`, with what it fetches and builds")
	fs.Var(flags.ListOf(&o.overrides, inputOverride), "override-input", "take what a flake reference leads to for an input, `NAME REFERENCE`, in this run")
	fs.Var(flags.Bool(&o.impure, false), "impure", "let evaluation read the environment, the time and any file, though nix.conf says pure-eval, or it is of a flake")
	fs.Var(flags.Bool(&o.trace, false), "show-trace", "show how evaluation reached an error")
	fs.Var(flags.Bool(&o.noCache, false), "no-eval-cache", "evaluate every host, also where nothing has changed")
}

// systems finds the systems of hosts and writes what NixOS warns of to warn. If
// nix is given, their derivations are in its store afterwards; without, only
// their names are known.
func (o *evaluateFlags) systems(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) ([]evaluate.Result, error) {
	held := holdCollector()
	defer held.release()
	e, err := o.build(ctx, nix, fleet, warn, held.lower)
	if err != nil {
		return nil, err
	}
	return e.Systems(ctx, hosts)
}

// query evaluates an attribute of each host.
func (o *evaluateFlags) query(ctx context.Context, fleet *schema.Fleet, hosts []*schema.Host, attr []string, warn io.Writer) ([]evaluate.Value, error) {
	held := holdCollector()
	defer held.release()
	e, err := o.build(ctx, nil, fleet, warn, held.lower)
	if err != nil {
		return nil, err
	}
	return e.Query(ctx, hosts, attr)
}

// build makes the evaluator that the flags ask for. The embedded one writes the
// derivations to the store of write, if that is given, and calls firstDone when it has
// evaluated a host.
func (o *evaluateFlags) build(ctx context.Context, write *nixcmd.Nix, fleet *schema.Fleet, warn io.Writer, firstDone func()) (evaluate.Evaluator, error) {
	nix, err := wireNix() // nil if Nix is not installed
	if err != nil && o.evaluator != byEmbedded {
		return nil, err
	}
	warnings := evaluate.NewWarnings(warn)
	settings := o.purity(fleet)
	environment, err := o.environment(nix, settings, warn)
	if err != nil {
		return nil, err
	}
	if nix != nil {
		nix = nix.WithSettings(os.Getenv("NIX_CONFIG"), settings)
	}
	if len(o.overrides) > 0 {
		if fleet, err = o.override(ctx, fleet, &environment, warn); err != nil {
			return nil, err
		}
	}
	options := evaluate.Options{Fleet: fleet, Trace: warnings, ShowTrace: o.trace, MaxTime: o.maxTime, Impure: o.impure || fleet.Impure}
	options.WorkDir, _ = os.Getwd()
	nixOnly := evaluate.Nix{Options: options, Command: nix, SearchPath: o.searchPath, Overrides: environment.Overrides}
	if o.evaluator == byNix {
		return warnings.Around(nixOnly), nil
	}
	embedded := evaluate.Embedded{Options: options, Environment: environment, FirstDone: firstDone}
	if o.evaluator == byBoth {
		embedded.Trace = nil
		if embedded.Environment.NixVersion, err = nix.Version(ctx); err != nil {
			return nil, err
		}
		return warnings.Around(evaluate.Both{Embedded: embedded, Nix: nixOnly, Log: warn}), nil
	}
	embedded.Store = write
	embedded.Log = warn
	if dir, err := cacheDir(); o.noCache {
	} else if err != nil {
		fmt.Fprintf(warn, "note: the evaluation cache is not used: %v\n", err)
	} else {
		embedded.CacheDir = filepath.Join(dir, "muster", "eval")
	}
	if nix == nil {
		return warnings.Around(embedded), nil
	}
	return warnings.Around(evaluate.Fallback{First: embedded, Second: nixOnly, Log: warn}), nil
}

// override takes other inputs for those of the fleet, as --override-input says.
func (o *evaluateFlags) override(ctx context.Context, fleet *schema.Fleet, e *evaluate.Environment, warn io.Writer) (*schema.Fleet, error) {
	overrides, err := o.overridden()
	if err != nil {
		return nil, err
	}
	fleet, err = e.Override(ctx, fleet, overrides, evaluate.Options{Fleet: fleet, Trace: warn, MaxTime: o.maxTime})
	if err != nil {
		return nil, err
	}
	if len(fleet.FlakeHosts()) > 0 {
		e.Overrides = overrides
	}
	return fleet, nil
}

// overridden are the references that --override-input gives for inputs, by their paths.
func (o *evaluateFlags) overridden() (map[string]flake.Ref, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the current directory: %v", err)
	}
	overrides := map[string]flake.Ref{}
	for _, p := range o.overrides {
		other, _, err := fetch.Locate(p.Value, dir)
		if err != nil {
			return nil, fmt.Errorf("--override-input %s: %w", p.Name, err)
		}
		overrides[p.Name] = other
	}
	return overrides, nil
}

// purity is the setting of Nix that lets the evaluation of a fleet read what is outside
// of it, where the flags or the inventory say so.
func (o *evaluateFlags) purity(fleet *schema.Fleet) []nixcmd.Setting {
	if !o.impure && !fleet.Impure {
		return nil
	}
	return []nixcmd.Setting{{Name: "pure-eval", Value: "false"}}
}

// environment is what an evaluator in this process sees of the machine: what Nix would
// see. Settings are those of the command line. Nix may be nil.
func (o *evaluateFlags) environment(nix *nixcmd.Nix, settings []nixcmd.Setting, warn io.Writer) (evaluate.Environment, error) {
	read, err := nixSettings(settings)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return evaluate.Environment{}, usageError{hinted{err, "let yourself read it with chmod or chown, or set HOME to your own home folder"}}
		}
		return evaluate.Environment{}, usageError{hinted{err, nixConfHint}}
	}
	home, _ := os.UserHomeDir()
	memory := o.maxMemory << 20
	if memory == 0 {
		memory = collector.Memory() / 4 * 3
	}
	limitMemory(memory)
	if nix != nil {
		nix = nix.WithSettings(os.Getenv("NIX_CONFIG"), settings)
	}
	fetcher, err := newFetcher(read, home, func(text string) { fmt.Fprintf(warn, "warning: %s\n", text) })
	if err != nil {
		return evaluate.Environment{}, err
	}
	return evaluate.Environment{
		Settings:   read,
		Fetcher:    fetcher,
		SearchPath: o.searchPath,
		Getenv:     os.Getenv,
		Home:       home,
		MaxMemory:  memory,
		Nix:        nix,
	}, nil
}

// steps are the steps of a plan for hosts that were evaluated. A host without a
// system fails before anything is done to it.
func steps(results []evaluate.Result) []exec.Step {
	evaluate.ShareMistakes(results)
	list := make([]exec.Step, len(results))
	for i, r := range results {
		list[i] = exec.Step{Host: r.Host, System: exec.System(r.System), Err: r.Err}
	}
	return list
}
