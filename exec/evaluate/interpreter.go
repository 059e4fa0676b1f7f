package evaluate

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"strings"

	"muster/compile/eval"
	"muster/compile/syntax"
	"muster/schema"
)

// An Interpreter evaluates Nix expressions over a fleet. They see
//
//	nodes  the hosts by their names, as NixOS's modules see them: nodes.web1.config.…
//	pkgs   the packages of the first host
//	lib    the library of these
//
// and what [Interpreter.Bind] has added. What one expression has evaluated, the next
// one finds evaluated.
//
// Expressions are evaluated as nix-instantiate does. The systems of flakes are evaluated
// purely, as nix build does, unless Options.Impure is set: see [Interpreter.Do].
type Interpreter struct {
	embedded   Embedded
	evaluation *evaluation
	dir        string // of relative paths in expressions
	scope      eval.Value
	added      []string // texts of the sets that were added to the scope
	isPure     bool
	pure       *Interpreter // what Do calls; nil until an expression refers to the system of a flake
	onlyPure   bool         // the scope has what only the pure one can evaluate
}

// scopeText makes the names that expressions see of the hosts.
//
//go:embed scope.nix
var scopeText string

// callText calls a function with what it names of the scope, which is not evaluated
// before the function does.
//
//go:embed call.nix
var callText string

// Interpreter prepares the evaluation of expressions. The caller closes it.
func (e Embedded) Interpreter(ctx context.Context) (*Interpreter, error) {
	return e.interpreter(ctx, false)
}

func (e Embedded) interpreter(ctx context.Context, pure bool) (*Interpreter, error) {
	ev, err := e.open("", pure)
	if err != nil {
		return nil, err
	}
	i := &Interpreter{embedded: e, evaluation: ev, dir: e.WorkDir, isPure: pure}
	if err := i.begin(ctx); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

func (i *Interpreter) begin(ctx context.Context) error {
	var hosts []*schema.Host
	refused := &syntax.Attrs{}
	for _, h := range i.evaluation.fleet.Hosts {
		if h.NoSystem {
			continue
		}
		hosts = append(hosts, h)
		if i.embedded.isPure(h) != i.isPure {
			refused.Bindings = append(refused.Bindings, i.refuse(h.Name))
		}
	}
	nodes, err := i.evaluation.drive(ctx, hosts, []string{}, false) // no attribute: the hosts themselves
	if err != nil {
		return err
	}
	without, err := i.evaluation.ev.Tree(ctx, refused, i.dir)
	if err != nil {
		return err
	}
	f, err := i.evaluation.ev.Expr(ctx, "nodes: refused: ("+scopeText+") (nodes // refused)", i.dir)
	if err != nil {
		return err
	}
	i.scope, err = f.Apply(ctx, nodes, without)
	return err
}

// needsPurity is in the error of an expression that refers to the system of a flake and is not evaluated purely.
const needsPurity = "is a system of a flake, which is evaluated purely"

// refuse binds a host's name to the error that the host is not evaluated as the expression is. It is an abort, which
// tryEval does not catch.
func (i *Interpreter) refuse(name string) syntax.Binding {
	why := "nodes." + name + ": the host " + needsPurity
	if i.isPure {
		why = "nodes." + name + ": the host is no system of a flake, and what refers to systems of flakes is evaluated purely: ask for hosts of one kind, or use --impure"
	}
	abort := &syntax.Apply{F: &syntax.Ident{Name: "abort"}, Args: []syntax.Expr{&syntax.String{Parts: []syntax.Part{{Text: why}}}}}
	return &syntax.Attr{Path: []syntax.AttrName{{Name: name}}, Value: abort}
}

// Do evaluates something with this interpreter or, if it refers to the system of a flake, with one that evaluates
// purely. Values are of one interpreter: do evaluates them, and prints them.
func (i *Interpreter) Do(ctx context.Context, do func(*Interpreter) error) error {
	if !i.onlyPure {
		err := do(i)
		var own *eval.Error
		if i.isPure || !errors.As(err, &own) || !strings.Contains(own.Msg, needsPurity) {
			return err
		}
	}
	pure, err := i.purely(ctx)
	if err != nil {
		return err
	}
	return do(pure)
}

// purely returns the interpreter that evaluates systems of flakes.
func (i *Interpreter) purely(ctx context.Context) (*Interpreter, error) {
	if i.isPure || i.pure != nil {
		return cmp.Or(i.pure, i), nil
	}
	pure, err := i.embedded.interpreter(ctx, true)
	if err != nil {
		return nil, err
	}
	for _, text := range i.added {
		if err := pure.add(ctx, text); err != nil {
			pure.Close()
			return nil, err
		}
	}
	i.pure = pure
	return pure, nil
}

// Close ends the use of what was evaluated.
func (i *Interpreter) Close() {
	i.evaluation.done()
	if i.pure != nil {
		i.pure.Close()
	}
}

// Evaluate evaluates an expression.
func (i *Interpreter) Evaluate(ctx context.Context, text string) (eval.Value, error) {
	return i.evaluateIn(ctx, text, i.dir)
}

// evaluateIn evaluates an expression whose relative paths are relative to dir.
func (i *Interpreter) evaluateIn(ctx context.Context, text, dir string) (eval.Value, error) {
	file, err := syntax.ParseFile("«string»", []byte(text), syntax.Options{})
	if err != nil {
		return eval.Value{}, err
	}
	i.allow(pathsIn(file.Expr, dir)...)
	const scope = "the scope" // no identifier of an expression
	f, err := i.evaluation.ev.Tree(ctx, &syntax.Lambda{Param: scope, Body: &syntax.With{Scope: &syntax.Ident{Name: scope}, Body: file.Expr}}, dir)
	if err != nil {
		return eval.Value{}, err
	}
	return f.Apply(ctx, i.scope)
}

// File evaluates a file. Its expression sees nothing of the fleet unless it is a
// function that is called with [Interpreter.Call].
func (i *Interpreter) File(ctx context.Context, name string) (eval.Value, error) {
	i.allow(readWith(name))
	return i.evaluation.ev.File(ctx, name)
}

// Call calls a function that takes a set with those of the names that expressions see
// that it asks for: { nodes, ... }: …. Any other value is returned unchanged.
func (i *Interpreter) Call(ctx context.Context, v eval.Value) (eval.Value, error) {
	call, err := i.evaluation.ev.Expr(ctx, callText, i.dir)
	if err != nil {
		return eval.Value{}, err
	}
	return call.Apply(ctx, i.scope, v)
}

// Bind adds names to what later expressions see: those of bindings such as x = 1, or
// inherit (lib) mkForce. The final semicolon may be missing.
func (i *Interpreter) Bind(ctx context.Context, bindings string) error {
	return i.Add(ctx, asSet(bindings))
}

// Add adds the attributes of a set to what later expressions see.
func (i *Interpreter) Add(ctx context.Context, text string) error {
	err := i.Do(ctx, func(by *Interpreter) error {
		i.onlyPure = by != i
		if by != i {
			return nil // it is added below
		}
		return i.add(ctx, text)
	})
	if err == nil && i.pure != nil {
		err = i.pure.add(ctx, text)
	}
	if err == nil {
		i.added = append(i.added, text)
	}
	return err
}

func (i *Interpreter) add(ctx context.Context, text string) error {
	more, err := i.Evaluate(ctx, text)
	if err != nil {
		return err
	}
	update, err := i.evaluation.ev.Expr(ctx, "old: new: old // new", i.dir)
	if err != nil {
		return err
	}
	scope, err := update.Apply(ctx, i.scope, more)
	if err == nil {
		i.scope = scope
	}
	return err
}

// allow lets pure evaluation read what the user or the inventory names.
func (i *Interpreter) allow(paths ...string) {
	if i.isPure {
		i.evaluation.ev.Allow(paths...)
	}
}

// Names returns the names that an expression may go on with behind a path such as
// nodes.web1.config, which is "" for the names that it may begin with.
func (i *Interpreter) Names(ctx context.Context, path string) (names []string, err error) {
	err = i.Do(ctx, func(i *Interpreter) error {
		v := i.scope
		if path != "" {
			if v, err = i.Evaluate(ctx, path); err != nil {
				return err
			}
		}
		names, err = v.AttrNames(ctx)
		return err
	})
	return names, err
}

// A Kind is what a text is that an [Interpreter] is given.
type Kind int

// The kinds.
const (
	Expression Kind = iota // also a text that is neither
	Bindings               // for [Interpreter.Bind]
	Unfinished             // the beginning of one of them
)

// KindOf tells what a text is.
func KindOf(text string) Kind {
	parse := func(text string) error {
		_, err := syntax.ParseFile("", []byte(text), syntax.Options{})
		return err
	}
	asExpression := parse(text)
	switch {
	case asExpression == nil:
		return Expression
	case parse(asSet(text)) == nil:
		return Bindings
	case endsEarly(asExpression), endsEarly(parse("{" + text)):
		return Unfinished
	}
	return Expression
}

// asSet makes bindings a set.
func asSet(bindings string) string {
	return "{" + strings.TrimSuffix(strings.TrimSpace(bindings), ";") + ";}"
}

// endsEarly reports whether more would have to follow for a text to be parsed.
func endsEarly(err error) bool {
	var wrong *syntax.Error
	return errors.As(err, &wrong) && strings.Contains(wrong.Msg, "unexpected end of file")
}

// TakesNodes reports whether an expression is a function that takes the fleet's hosts:
// one of a set with nodes in it.
func TakesNodes(text string) bool {
	file, err := syntax.ParseFile("", []byte(text), syntax.Options{})
	if err != nil {
		return false
	}
	f, ok := file.Expr.(*syntax.Lambda)
	if !ok || f.Formals == nil {
		return false
	}
	for _, formal := range f.Formals.List {
		if formal.Name == "nodes" {
			return true
		}
	}
	return false
}
