package syntax

import "fmt"

// Walk calls visit for e and, if that returns true, walks its children in the order
// of the text.
func Walk(e Expr, visit func(Expr) bool) {
	if e == nil || !visit(e) {
		return
	}
	children(e, func(c Expr) { Walk(c, visit) })
}

// children calls f for the child expressions of e.
func children(e Expr, f func(Expr)) {
	switch e := e.(type) {
	case *Ident, *Int, *Float, *SearchPath:
	case *String:
		partChildren(e.Parts, f)
	case *Path:
		partChildren(e.Parts, f)
	case *List:
		for _, x := range e.Elems {
			f(x)
		}
	case *Attrs:
		bindingChildren(e.Bindings, f)
	case *Select:
		f(e.X)
		pathChildren(e.Path, f)
		if e.Default != nil {
			f(e.Default)
		}
	case *HasAttr:
		f(e.X)
		pathChildren(e.Path, f)
	case *Apply:
		f(e.F)
		for _, x := range e.Args {
			f(x)
		}
	case *Lambda:
		if e.Formals != nil {
			for i := range e.Formals.List {
				if d := e.Formals.List[i].Default; d != nil {
					f(d)
				}
			}
		}
		f(e.Body)
	case *Let:
		bindingChildren(e.Bindings, f)
		f(e.Body)
	case *LegacyLet:
		bindingChildren(e.Bindings, f)
	case *With:
		f(e.Scope)
		f(e.Body)
	case *If:
		f(e.Cond)
		f(e.Then)
		f(e.Else)
	case *Assert:
		f(e.Cond)
		f(e.Body)
	case *Unary:
		f(e.X)
	case *Binary:
		f(e.X)
		f(e.Y)
	default:
		panic(fmt.Sprintf("syntax: children of %T", e))
	}
}

func partChildren(parts []Part, f func(Expr)) {
	for _, q := range parts {
		if q.Expr != nil {
			f(q.Expr)
		}
	}
}

func pathChildren(path AttrPath, f func(Expr)) {
	for _, n := range path {
		if n.Expr != nil {
			f(n.Expr)
		}
	}
}

func bindingChildren(bs []Binding, f func(Expr)) {
	for _, b := range bs {
		switch b := b.(type) {
		case *Attr:
			pathChildren(b.Path, f)
			f(b.Value)
		case *Inherit:
			if b.From != nil {
				f(b.From)
			}
			pathChildren(b.Names, f)
		}
	}
}
