package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"muster/compile/eval"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
)

// rawFlags evaluate Nix that is no inventory, as nix-instantiate does.
type rawFlags struct {
	file, expr  string
	strict, xml bool
	instantiate bool
	args        []string
	argstrs     []string
	options     []string
	searchPath  []string
}

func (f *rawFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.file, "file", "", "evaluate this Nix `file` instead of an inventory")
	fs.StringVarP(&f.expr, "expr", "E", "", "evaluate this Nix `expression` instead of an inventory")
	fs.BoolVar(&f.strict, "strict", false, "with --file or --expr: evaluate all of the value")
	fs.BoolVar(&f.xml, "xml", false, "with --file or --expr: print XML")
	fs.BoolVar(&f.instantiate, "instantiate", false, "with --file or --expr: print the derivations' paths")
	fs.StringArrayVar(&f.args, "arg", nil, "with --file or --expr: give a function the argument `NAME EXPR`")
	fs.StringArrayVar(&f.argstrs, "argstr", nil, "with --file or --expr: give a function the argument `NAME STRING`")
	fs.StringArrayVar(&f.options, "option", nil, "with --file or --expr: the Nix setting `NAME VALUE`, such as pure-eval true")
	fs.StringArrayVarP(&f.searchPath, "include", "I", nil, "add `path` to where <name> is looked for")
}

func (f *rawFlags) given() bool { return f.file != "" || f.expr != "" }

func (f *rawFlags) run(ctx context.Context, std streams, args []string, o *evalOptions) error {
	if o.selection.on != "" || o.how.evaluator != "embedded" {
		return usageError{errors.New("eval: --on and --evaluator go with an inventory")}
	}
	if f.file != "" && f.expr != "" || len(args) > 0 {
		return usageError{errors.New("eval: give one of an inventory, --file and --expr")}
	}
	settings, err := f.settings()
	if err != nil {
		return err
	}
	nix, _ := wireNix() // nil if Nix is not installed
	o.how.searchPath = f.searchPath
	environment, err := o.how.environment(nix, settings)
	if err != nil {
		return err
	}
	defer holdCollector()()
	ev, done := environment.Evaluator(plainWriter{std.err})
	defer done()
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current directory: %v", err)
	}
	var v eval.Value
	if f.expr != "" {
		v, err = ev.Expr(ctx, f.expr, dir)
	} else {
		v, err = ev.File(ctx, absolute(dir, f.file))
	}
	var given map[string]eval.Value
	if err == nil {
		given, err = f.arguments(ctx, ev, dir)
	}
	if err == nil {
		v, err = v.AutoCall(ctx, given)
	}
	if err == nil {
		v, err = v.Select(ctx, o.attr, given)
	}
	var text string
	if err == nil {
		switch {
		case f.instantiate:
			var drvs []string
			drvs, err = v.Derivations(ctx, given)
			text = strings.Join(drvs, "\n")
		case o.json:
			text, err = v.JSON(ctx)
		case f.xml:
			text, err = v.XML(ctx, f.strict)
		default:
			text, err = v.Print(ctx, f.strict)
		}
	}
	var own *eval.Error
	if nix != nil && evaluate.IsUnsupported(err) {
		fmt.Fprintf(std.err, "evaluated by Nix: %s\n", plain(err.Error()))
		err := nix.Run(ctx, f.nixCommand(o), std.out, plainWriter{std.err})
		var exit *nixcmd.ExitError
		if errors.As(err, &exit) {
			return exitError(exec.ExitFailed) // Nix has said why
		}
		return err
	}
	if errors.As(err, &own) {
		if o.how.trace {
			fmt.Fprintln(std.err, plain(own.Detail()))
		} else {
			fmt.Fprintf(std.err, "error: %s\n", plain(own.Error()))
		}
		return exitError(exec.ExitFailed)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(std.out, text)
	return nil
}

// nixCommand asks Nix the same.
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
	add(o.attr != "", "--attr", o.attr)
	pair := func(flag string, pairs []string) {
		for _, p := range pairs {
			name, value, _ := strings.Cut(p, "=")
			argv = append(argv, flag, name, value)
		}
	}
	pair("--arg", f.args)
	pair("--argstr", f.argstrs)
	pair("--option", f.options)
	for _, p := range f.searchPath {
		argv = append(argv, "-I", p)
	}
	if f.expr != "" {
		return append(argv, "--expr", f.expr)
	}
	return append(argv, f.file)
}

// settings are what --option gives.
func (f *rawFlags) settings() ([]nixcmd.Setting, error) {
	var settings []nixcmd.Setting
	for _, o := range f.options {
		name, value, ok := strings.Cut(o, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--option %s: want a name and a value", o)}
		}
		settings = append(settings, nixcmd.Setting{Name: name, Value: value})
	}
	return settings, nil
}

// arguments are what --arg and --argstr give.
func (f *rawFlags) arguments(ctx context.Context, ev *eval.Evaluator, dir string) (map[string]eval.Value, error) {
	given := map[string]eval.Value{}
	for _, a := range f.args {
		name, expr, ok := strings.Cut(a, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--arg %s: want a name and an expression", a)}
		}
		v, err := ev.Expr(ctx, expr, dir)
		if err != nil {
			return nil, err
		}
		given[name] = v
	}
	for _, a := range f.argstrs {
		name, text, ok := strings.Cut(a, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--argstr %s: want a name and a string", a)}
		}
		given[name] = ev.String(text)
	}
	return given, nil
}

// joinArgs writes --arg NAME EXPR, two words as Nix has them, as NAME=EXPR; so
// it does with --argstr and --option.
func joinArgs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if slices.Contains([]string{"--arg", "--argstr", "--option"}, args[i]) && i+2 < len(args) {
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
