package cmd

import (
	"muster/cmd/flags"
)

// evaluateFlags say how a fleet is evaluated.
type evaluateFlags struct {
	noRules
	evaluator string
	maxMemory int64 // in MB; 0 is three quarters of what there is
	trace     bool
	noCache   bool
}

func (f *evaluateFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&f.evaluator, "embedded", "nix", "both"), "evaluator", "evaluate with `what`: %s, which compares them")
	fs.Var(flags.Number(&f.maxMemory, 0, 0, 1<<24), "max-memory", "let evaluation take at most `MB` of memory; 0 is three quarters of what there is")
	fs.Var(flags.Bool(&f.trace, false), "show-trace", "show how evaluation reached an error")
	fs.Var(flags.Bool(&f.noCache, false), "no-eval-cache", "evaluate every host, also where nothing has changed")
}

// evaluation is an evaluation as the flags say.
func (f *evaluateFlags) evaluation() *evaluation {
	return &evaluation{evaluator: f.evaluator, trace: f.trace, noCache: f.noCache, maxMemory: f.maxMemory}
}
