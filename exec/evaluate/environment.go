package evaluate

import (
	"io"
	"slices"
	"strings"

	"muster/compile/eval"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/exec/nixcmd"
)

// An Environment is what evaluation in this process sees of the machine, besides
// its files. With the right one it results in what Nix would.
type Environment struct {
	Settings   nixcmd.Settings
	SearchPath []string             // entries in front of those in Settings
	Getenv     func(string) string  // builtins.getEnv; nil: every variable is empty
	Home       string               // ~
	NixVersion string               // builtins.nixVersion; "" is the evaluator's default
	MaxMemory  int64                // bytes of this process's memory; 0 is no limit
	Nix        *nixcmd.Nix          // builds; nil if Nix is not installed
	Overrides  map[string]flake.Ref // other references for inputs of the flakes that hosts are systems of, by path
	Fetcher    *fetch.Fetcher       // fetches sources and inputs; nil: nothing can be fetched
}

// Evaluator returns an evaluator for Nix programs, with the options that are not
// about a fleet. Done ends the process that it may have started.
func (e Environment) Evaluator(o Options) (ev *eval.Evaluator, done func()) {
	options, done := e.options(o)
	return eval.New(options), done
}

// maxCallDepth is the highest that the setting max-call-depth can be: the stack
// of a Go process holds no more calls.
const maxCallDepth = 1_000_000

func (e Environment) options(o Options) (opts eval.Options, done func()) {
	trace := o.Trace
	if trace == nil {
		trace = io.Discard
	}
	features := e.Settings.ExperimentalFeatures
	if o.Fleet != nil && o.Fleet.HasFlakes() {
		features = append(slices.Clone(features), flakeFeatures...)
	}
	d := &delegate{nix: e.Nix, fetcher: e.Fetcher, log: trace, getenv: e.Getenv}
	return eval.Options{
		World:      d,
		Home:       e.Home,
		NixPath:    searchEntries(slices.Concat(e.SearchPath, pinnedPath(o.Fleet), e.Settings.SearchPath)),
		NixVersion: e.NixVersion,
		MaxMemory:  e.MaxMemory,
		MaxTime:    o.MaxTime,
		Trace:      trace,

		System:                 e.Settings.System,
		Features:               features,
		Pure:                   e.Settings.PureEval,
		Restricted:             e.Settings.RestrictEval,
		TraceVerbose:           e.Settings.TraceVerbose,
		AbortOnWarn:            e.Settings.AbortOnWarn,
		NoImportFromDerivation: e.Settings.NoImportFromDerivation,
		MaxDepth:               min(e.Settings.MaxCallDepth, maxCallDepth),
		Lints:                  e.Settings.Lints,
		Overrides:              e.Overrides,
	}, d.close
}

// flakeFeatures are what the builtins take that evaluate flakes.
var flakeFeatures = []string{"flakes"}

// searchEntries parses entries of the form prefix=path or path.
func searchEntries(entries []string) []eval.SearchEntry {
	var path []eval.SearchEntry
	for _, entry := range entries {
		if entry == "" {
			continue
		}
		prefix, dir, ok := strings.Cut(entry, "=")
		if !ok {
			prefix, dir = "", entry
		}
		path = append(path, eval.SearchEntry{Prefix: prefix, Path: dir})
	}
	return path
}
