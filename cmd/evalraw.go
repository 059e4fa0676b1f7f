package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/cmd/flags"
	"muster/compile/eval"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
	"muster/schema"
)

// rawFlags evaluate a Nix file or expression instead of an inventory, as
// nix-instantiate does.
type rawFlags struct {
	file, expr  string
	strict, xml bool
	instantiate bool
	args        []flags.Pair
	argstrs     []flags.Pair
	settings    []nixcmd.Setting
	searchPath  []string
}

func (f *rawFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.file, "", flags.Existing()), "file", "evaluate this Nix `file` instead of an inventory")
	fs.VarP(flags.Of(&f.expr, "", nixExpression), "expr", "E", "evaluate this Nix `expression` instead of an inventory")
	fs.Var(flags.Bool(&f.strict, false), "strict", "with --file or --expr: evaluate all of the value")
	fs.Var(flags.Bool(&f.xml, false), "xml", "with --file or --expr: print XML")
	fs.Var(flags.Bool(&f.instantiate, false), "instantiate", "with --file, --expr or --flake: print the derivations' paths")
	fs.Var(flags.ListOf(&f.args, nixArgument("an expression")), "arg", "with --file or --expr: give a function the argument `NAME EXPR`")
	fs.Var(flags.ListOf(&f.argstrs, nixArgument("a string")), "argstr", "with --file or --expr: give a function the argument `NAME STRING`")
	fs.Var(flags.ListOf(&f.settings, nixSetting), "option", "with --file, --expr or --flake: the Nix setting `NAME VALUE`, such as pure-eval true")
	fs.VarP(flags.ListOf(&f.searchPath, searchPathEntry), "include", "I", "add `path` to where <name> is looked for")
}

func (f *rawFlags) check() error {
	switch {
	case f.file != "" && f.expr != "":
		return errWhatToEvaluate
	}
	return nil
}

var errWhatToEvaluate = usageError{errors.New("want one of an inventory, --file, --expr and --flake")}

func (f *rawFlags) given() bool { return f.file != "" || f.expr != "" }

func (f *rawFlags) run(ctx context.Context, std streams, args []string, o *evalOptions) error {
	if f.overFleet(args) {
		return f.runOverFleet(ctx, std, args, o)
	}
	nix, _ := wireNix() // nil if Nix is not installed
	o.how.searchPath = f.searchPath
	environment, err := o.how.environment(nix, append(o.how.purity(new(schema.Fleet)), f.settings...), std.err)
	if err != nil {
		return err
	}
	defer holdCollector().release()
	ev, done := environment.Evaluator(evaluate.Options{Trace: std.err, MaxTime: o.how.maxTime})
	defer done()
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current directory: %v", err)
	}
	text, err := f.evaluate(ctx, ev, dir, o)
	if nix != nil && evaluate.IsUnsupported(err) {
		return f.byNix(ctx, nix, std, o, err)
	}
	if err != nil {
		return reportEvaluation(std, err, o.how.trace)
	}
	fmt.Fprintln(std.doc, text)
	return nil
}

// reportEvaluation prints an error of the evaluator, with the whole trace if that is wanted, and returns the exit status.
func reportEvaluation(std streams, err error, trace bool) error {
	var own *eval.Error
	switch {
	case errors.As(err, &own) && trace:
		fmt.Fprintln(std.err, own.Detail())
		return exitError(exec.ExitFailed)
	case errors.As(err, &own):
		fmt.Fprintf(std.err, "error: %s\n", own.Error())
		return exitError(exec.ExitFailed)
	}
	return err
}

// evaluate evaluates the file or the expression, and returns what to print.
func (f *rawFlags) evaluate(ctx context.Context, ev *eval.Evaluator, dir string, o *evalOptions) (string, error) {
	var v eval.Value
	var err error
	if f.expr != "" {
		v, err = ev.Expr(ctx, f.expr, dir)
	} else {
		v, err = ev.File(ctx, absolute(dir, f.file))
	}
	if err != nil {
		return "", err
	}
	given, err := f.arguments(ctx, ev, dir)
	if err != nil {
		return "", err
	}
	if v, err = v.Select(ctx, o.attr, given); err != nil {
		return "", err
	}
	if f.instantiate {
		drvs, err := v.Derivations(ctx, given)
		return strings.Join(drvs, "\n"), err
	}
	// As in nix-instantiate, a function is a value unless there are arguments for it.
	if len(given) > 0 {
		if v, err = v.AutoCall(ctx, given); err != nil {
			return "", err
		}
	}
	return f.print(ctx, v, o.json)
}

// print returns a value as the flags want it printed.
func (f *rawFlags) print(ctx context.Context, v eval.Value, json bool) (string, error) {
	switch {
	case json:
		return v.JSON(ctx)
	case f.xml:
		return v.XML(ctx, f.strict)
	}
	return v.Print(ctx, f.strict)
}

// byNix has Nix evaluate the same, for a reason that is reported.
func (f *rawFlags) byNix(ctx context.Context, nix *nixcmd.Nix, std streams, o *evalOptions, reason error) error {
	fmt.Fprintf(std.err, "evaluated by Nix: %s\n", reason)
	err := nix.Run(ctx, f.nixCommand(o), std.doc, std.err)
	var exit *nixcmd.ExitError
	if errors.As(err, &exit) {
		return exitError(exec.ExitFailed) // Nix has printed why
	}
	return err
}

// nixCommand is the command by which Nix evaluates the same.
func (f *rawFlags) nixCommand(o *evalOptions) []string {
	argv := []string{"nix-instantiate"}
	add := func(given bool, words ...string) {
		if given {
			argv = append(argv, words...)
		}
	}
	add(!f.instantiate, "--eval")
	add(f.strict, "--strict")
	add(o.json, "--json")
	add(f.xml, "--xml")
	add(o.how.trace, "--show-trace")
	add(o.how.impure, "--option", "pure-eval", "false")
	add(o.attr != "", "--attr", o.attr)
	pair := func(flag string, pairs []flags.Pair) {
		for _, p := range pairs {
			argv = append(argv, flag, p.Name, p.Value)
		}
	}
	pair("--arg", f.args)
	pair("--argstr", f.argstrs)
	for _, s := range f.settings {
		argv = append(argv, "--option", s.Name, s.Value)
	}
	for _, p := range f.searchPath {
		argv = append(argv, "-I", p)
	}
	if f.expr != "" {
		return append(argv, "--expr", f.expr)
	}
	return append(argv, f.file)
}

// arguments are the arguments that --arg and --argstr give.
func (f *rawFlags) arguments(ctx context.Context, ev *eval.Evaluator, dir string) (map[string]eval.Value, error) {
	given := map[string]eval.Value{}
	for _, a := range f.args {
		v, err := ev.Expr(ctx, a.Value, dir)
		if err != nil {
			return nil, err
		}
		given[a.Name] = v
	}
	for _, a := range f.argstrs {
		given[a.Name] = ev.String(a.Value)
	}
	return given, nil
}

// joinArgs joins the two values of --arg NAME EXPR, as Nix has them, to one:
// NAME=EXPR. It does the same for --argstr and --option.
func joinArgs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if slices.Contains([]string{"--arg", "--argstr", "--option", "--override-input"}, args[i]) && i+2 < len(args) {
			out = append(out, args[i], args[i+1]+"="+args[i+2])
			i += 2
			continue
		}
		out = append(out, args[i])
	}
	return out
}

func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
