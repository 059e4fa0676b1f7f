package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"muster/compile/eval"
	"muster/exec"
)

// rawFlags evaluate Nix that is no inventory, as nix-instantiate does.
type rawFlags struct {
	file, expr  string
	strict, xml bool
	instantiate bool
	args        []string
	argstrs     []string
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
	defer eval.HoldCollector(collectFrom)()
	ev := eval.New(evaluatorOptions(f.searchPath, std.err))
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
			text, err = derivations(ctx, v)
		case o.json:
			text, err = v.JSON(ctx)
		case f.xml:
			text, err = v.XML(ctx, f.strict)
		default:
			text, err = v.Print(ctx, f.strict)
		}
	}
	var own *eval.Error
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

// joinArgs writes --arg NAME EXPR, two words as Nix has them, as NAME=EXPR.
func joinArgs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if (args[i] == "--arg" || args[i] == "--argstr") && i+2 < len(args) {
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

// derivations are the paths of a derivation, or of those in a set, a line each.
func derivations(ctx context.Context, v eval.Value) (string, error) {
	one, err := v.Select(ctx, "drvPath", nil)
	if err == nil {
		text, _, err := one.Text(ctx)
		return text, err
	}
	names, serr := v.AttrNames(ctx)
	if serr != nil {
		return "", err
	}
	all := ""
	for _, name := range names {
		below, err := v.Select(ctx, fmt.Sprintf("%q.drvPath", name), nil)
		if err != nil {
			return "", err
		}
		text, _, err := below.Text(ctx)
		if err != nil {
			return "", err
		}
		if all != "" {
			all += "\n"
		}
		all += text
	}
	return all, nil
}
