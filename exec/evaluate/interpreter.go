package evaluate

import (
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
type Interpreter struct {
	evaluation *evaluation
	dir        string // of relative paths in expressions
	scope      eval.Value
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
	ev, err := e.open("", false)
	if err != nil {
		return nil, err
	}
	i := &Interpreter{evaluation: ev, dir: e.WorkDir}
	if err := i.begin(ctx); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

func (i *Interpreter) begin(ctx context.Context) error {
	var hosts []*schema.Host
	for _, h := range i.evaluation.fleet.Hosts {
		if !h.NoSystem {
			hosts = append(hosts, h)
		}
	}
	nodes, err := i.evaluation.drive(ctx, hosts, []string{}, false) // no attribute: the hosts themselves
	if err != nil {
		return err
	}
	f, err := i.evaluation.ev.Expr(ctx, scopeText, i.dir)
	if err != nil {
		return err
	}
	i.scope, err = f.Apply(ctx, nodes)
	return err
}

// Close ends the use of what was evaluated.
func (i *Interpreter) Close() { i.evaluation.done() }

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

// Names returns the names that an expression may go on with behind a path such as
// nodes.web1.config, which is "" for the names that it may begin with.
func (i *Interpreter) Names(ctx context.Context, path string) ([]string, error) {
	if path == "" {
		return i.scope.AttrNames(ctx)
	}
	v, err := i.Evaluate(ctx, path)
	if err != nil {
		return nil, err
	}
	return v.AttrNames(ctx)
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
