package evaluate

import (
	"io"
	"slices"
	"strings"

	"muster/compile/eval"
	"muster/exec/nixcmd"
)

// A World is what evaluation in this process sees of the machine, so that it
// results in what Nix would.
type World struct {
	Settings   nixcmd.Settings
	SearchPath []string            // entries in front of those in Settings
	Getenv     func(string) string // builtins.getEnv
	Home       string              // ~
	NixVersion string              // builtins.nixVersion; "" is the evaluator's default
	MaxMemory  int64               // bytes of this process's heap; 0 is no limit
	Nix        *nixcmd.Nix         // fetches and builds; nil if Nix is not installed
}

// Evaluator returns an evaluator for Nix programs that traces to trace, which may
// be nil. Done ends the process that it may have started.
func (w World) Evaluator(trace io.Writer) (ev *eval.Evaluator, done func()) {
	options, done := w.options(trace)
	return eval.New(options), done
}

// maxCallDepth is the highest that the setting max-call-depth can be: the stack
// of a Go process holds no more calls.
const maxCallDepth = 1_000_000

func (w World) options(trace io.Writer) (o eval.Options, done func()) {
	if trace == nil {
		trace = io.Discard
	}
	d := &delegate{nix: w.Nix, log: trace}
	return eval.Options{
		Fetch:      d.fetch,
		Realise:    d.realise,
		References: d.references,

		Getenv:     w.Getenv,
		Home:       w.Home,
		NixPath:    searchEntries(slices.Concat(w.SearchPath, w.Settings.SearchPath)),
		NixVersion: w.NixVersion,
		MaxMemory:  w.MaxMemory,
		Trace:      trace,

		System:                 w.Settings.System,
		Features:               w.Settings.ExperimentalFeatures,
		Pure:                   w.Settings.PureEval,
		Restricted:             w.Settings.RestrictEval,
		TraceVerbose:           w.Settings.TraceVerbose,
		AbortOnWarn:            w.Settings.AbortOnWarn,
		NoImportFromDerivation: w.Settings.NoImportFromDerivation,
		MaxDepth:               min(w.Settings.MaxCallDepth, maxCallDepth),
		Lints:                  w.Settings.Lints,
	}, d.close
}

// searchEntries parses entries of the form prefix=path or path.
func searchEntries(entries []string) []eval.SearchEntry {
	var path []eval.SearchEntry
	for _, e := range entries {
		if e == "" {
			continue
		}
		prefix, dir, ok := strings.Cut(e, "=")
		if !ok {
			prefix, dir = "", e
		}
		path = append(path, eval.SearchEntry{Prefix: prefix, Path: dir})
	}
	return path
}
