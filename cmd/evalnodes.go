package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"muster/cmd/flags"
	"muster/compile/eval"
	"muster/exec/evaluate"
)

// overFleet reports whether a file or expression is evaluated over the hosts of an
// inventory: one is named, or the expression is a function of nodes that is not given
// them.
func (f *rawFlags) overFleet(args []string) bool {
	isNodes := func(a flags.Pair) bool { return a.Name == "nodes" }
	return len(args) > 0 || evaluate.TakesNodes(f.expr) && !slices.ContainsFunc(f.args, isNodes) && !slices.ContainsFunc(f.argstrs, isNodes)
}

var errNotOverFleet = usageError{errors.New("--arg, --argstr, --option and --instantiate are not for expressions over an inventory")}

// runOverFleet evaluates a file or expression that sees nodes, pkgs and lib. A function
// is called with them.
func (f *rawFlags) runOverFleet(ctx context.Context, std streams, args []string, o *evalOptions) error {
	if f.instantiate || len(f.args)+len(f.argstrs)+len(f.settings) > 0 {
		return errNotOverFleet
	}
	fleet, err := o.selection.reading.load(ctx, args)
	if err != nil {
		return err
	}
	printWarningsOf(fleet, std)
	o.how.searchPath = f.searchPath
	defer holdCollector().release()
	i, err := o.how.interpreter(ctx, fleet, std.err)
	if err != nil {
		return err
	}
	defer i.Close()
	var text string
	err = i.Do(ctx, func(i *evaluate.Interpreter) error {
		text, err = f.evaluateOverFleet(ctx, i, o)
		return err
	})
	if err != nil {
		return reportEvaluation(std, err, o.how.trace)
	}
	fmt.Fprintln(std.doc, text)
	return nil
}

// evaluateOverFleet returns what to print.
func (f *rawFlags) evaluateOverFleet(ctx context.Context, i *evaluate.Interpreter, o *evalOptions) (string, error) {
	v, err := f.valueOverFleet(ctx, i)
	if err != nil {
		return "", err
	}
	if v, err = i.Call(ctx, v); err != nil {
		return "", err
	}
	if v, err = v.Select(ctx, o.attr, nil); err != nil {
		return "", err
	}
	return f.print(ctx, v, o.json)
}

func (f *rawFlags) valueOverFleet(ctx context.Context, i *evaluate.Interpreter) (eval.Value, error) {
	if f.expr != "" {
		return i.Evaluate(ctx, f.expr)
	}
	dir, err := os.Getwd()
	if err != nil {
		return eval.Value{}, fmt.Errorf("find the current directory: %v", err)
	}
	return i.File(ctx, absolute(dir, f.file))
}
