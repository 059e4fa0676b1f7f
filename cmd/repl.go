package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile/eval"
	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/schema"
)

// replOptions are those of repl, which evaluates expressions over the fleet as they are
// typed.
type replOptions struct {
	reading loadFlags
	how     evaluateFlags
}

func (o *replOptions) groups() []group { return []group{&o.reading, &o.how} }

func (o *replOptions) addFlags(*flags.Set) {}

func (o *replOptions) check() error { return onlyEmbedded(o.how.evaluator) }

// onlyEmbedded refuses another evaluator than muster's own.
func onlyEmbedded(evaluator string) error {
	if evaluator != byEmbedded {
		return fmt.Errorf("--evaluator %s: expressions over the fleet are evaluated by the embedded evaluator", evaluator)
	}
	return nil
}

// interpreter makes one for a fleet.
func (o *evaluateFlags) interpreter(ctx context.Context, fleet *schema.Fleet, warn io.Writer) (*evaluate.Interpreter, error) {
	e, err := o.embedded(fleet, warn)
	if err != nil {
		return nil, err
	}
	return e.Interpreter(ctx)
}

// embedded is the evaluator of this process, without a cache.
func (o *evaluateFlags) embedded(fleet *schema.Fleet, warn io.Writer) (e evaluate.Embedded, err error) {
	nix, _ := wireNix() // nil if Nix is not installed
	e.Options = evaluate.Options{Fleet: fleet, Trace: warn, ShowTrace: o.trace, MaxTime: o.maxTime, Impure: o.impure || fleet.Impure}
	if e.WorkDir, err = os.Getwd(); err != nil {
		return e, fmt.Errorf("find the current directory: %v", err)
	}
	e.Environment, err = o.environment(nix, o.purity(fleet), warn)
	return e, err
}

func (o *replOptions) run(ctx context.Context, std streams, args []string) error {
	r := &repl{options: o, std: std, args: args}
	if err := r.reload(ctx); err != nil {
		return err
	}
	defer func() { r.interpreter.Close() }()
	r.prompt = ui.NewPrompt(std.in, std.err, func(before string) (string, bool) { return r.complete(ctx, before) })
	if r.prompt.IsTerminal() {
		fmt.Fprintf(std.out, "nodes has the hosts of %s; :? lists the commands\n", inventory(args))
	}
	failed, err := r.loop(ctx)
	if err == nil && failed && !r.prompt.IsTerminal() {
		return exitError(exec.ExitFailed)
	}
	return err
}

// A repl reads, evaluates and prints.
type repl struct {
	options     *replOptions
	std         streams
	args        []string
	prompt      *ui.Prompt
	interpreter *evaluate.Interpreter
}

// reload reads the inventory, and forgets what was evaluated and bound.
func (r *repl) reload(ctx context.Context) error {
	fleet, err := r.options.reading.load(ctx, r.args)
	if err != nil {
		return err
	}
	printWarningsOf(fleet, r.std)
	next, err := r.options.how.interpreter(ctx, fleet, r.std.err)
	if err != nil {
		return err
	}
	if r.interpreter != nil {
		r.interpreter.Close()
	}
	r.interpreter = next
	return nil
}

// loop takes inputs until the end, and reports whether one of them failed.
func (r *repl) loop(ctx context.Context) (failed bool, _ error) {
	for ctx.Err() == nil {
		text, err := r.read()
		if errors.Is(err, io.EOF) {
			return failed, nil
		}
		if err != nil {
			return failed, fmt.Errorf("read an expression: %w", err)
		}
		if text == ":q" || text == ":quit" {
			return failed, nil
		}
		if err := r.answer(ctx, text); err != nil && ctx.Err() == nil {
			failed = true
			r.report(err)
		}
	}
	return failed, context.Cause(ctx)
}

// read reads one input, of several lines where the first is no whole expression.
func (r *repl) read() (string, error) {
	text, err := r.prompt.Line("muster> ")
	for err == nil && !strings.HasPrefix(text, ":") && strings.TrimSpace(text) != "" && evaluate.KindOf(text) == evaluate.Unfinished {
		var more string
		if more, err = r.prompt.Line("      > "); more == "" {
			break // an empty line ends what would go on
		}
		text += "\n" + more
	}
	return strings.TrimSpace(text), err
}

// replHelp are the inputs that a repl takes.
const replHelp = `EXPRESSION      evaluate it; it sees nodes, pkgs and lib
NAME = EXPR     give a value a name; inherit (SET) NAME does too
:a EXPRESSION   add the attributes of a set to the names
:p EXPRESSION   print all of a value
:t EXPRESSION   print the type of a value
:d EXPRESSION   print the path of a derivation
:r              read the inventory again, and forget the names
:q              end
`

// answer carries one input out.
func (r *repl) answer(ctx context.Context, text string) error {
	command, rest := "", text
	if strings.HasPrefix(text, ":") {
		command, rest, _ = strings.Cut(text, " ")
	}
	switch command {
	case "":
		if text == "" || strings.HasPrefix(text, "#") {
			return nil
		}
		if evaluate.KindOf(text) == evaluate.Bindings {
			return r.interpreter.Bind(ctx, text)
		}
		return r.show(ctx, rest, func(v eval.Value) (string, error) { return v.Print(ctx, false) })
	case ":?", ":help":
		io.WriteString(r.std.out, replHelp)
		return nil
	case ":a":
		return r.interpreter.Add(ctx, rest)
	case ":p":
		return r.show(ctx, rest, func(v eval.Value) (string, error) { return v.Print(ctx, true) })
	case ":t":
		return r.show(ctx, "builtins.typeOf ("+rest+"\n)", func(v eval.Value) (string, error) {
			text, _, err := v.Text(ctx)
			return text, err
		})
	case ":d":
		return r.show(ctx, rest, func(v eval.Value) (string, error) { return v.Drv(ctx) })
	case ":r":
		return r.reload(ctx)
	}
	return fmt.Errorf("unknown command %s: :? lists the commands", command)
}

// show evaluates an expression and prints what text makes of its value.
func (r *repl) show(ctx context.Context, expr string, text func(eval.Value) (string, error)) (err error) {
	var printed string
	err = r.interpreter.Do(ctx, func(i *evaluate.Interpreter) error {
		v, err := i.Evaluate(ctx, expr)
		if err == nil {
			printed, err = text(v)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(r.std.doc, printed)
	return nil
}

// report prints an error, after which the repl goes on.
func (r *repl) report(err error) {
	var problems schema.Errors
	if errors.As(err, &problems) {
		ui.NewProblemPrinter(r.std.err, ui.ColorAuto, ui.MostOfAKind).Print(problems)
		return
	}
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		fmt.Fprintf(r.std.err, "error: %s\n", wrong)
		return
	}
	if reported := reportEvaluation(r.std, err, r.options.how.trace); !errors.As(reported, new(exitError)) {
		fmt.Fprintf(r.std.err, "error: %v\n", err)
	}
}

// complete completes the attribute path at the end of a text as far as it is certain.
func (r *repl) complete(ctx context.Context, before string) (string, bool) {
	begin := strings.LastIndexFunc(before, func(c rune) bool { return !strings.ContainsRune(".\"'-_", c) && !isLetterOrDigit(c) }) + 1
	path, start := "", before[begin:]
	if dot := strings.LastIndex(start, "."); dot >= 0 {
		path, start = start[:dot], start[dot+1:]
	}
	names, err := r.interpreter.Names(ctx, path)
	if err != nil {
		return "", false
	}
	common, found := "", false
	for _, name := range names {
		switch {
		case !strings.HasPrefix(name, start):
		case !found:
			common, found = name, true
		default:
			for !strings.HasPrefix(name, common) {
				common = common[:len(common)-1]
			}
		}
	}
	return strings.TrimSuffix(before, start) + common, found
}

func isLetterOrDigit(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
