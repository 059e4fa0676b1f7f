package syntax

import (
	"fmt"
	"math"
)

// Walk calls visit for e and, where that returns true, for the expressions
// directly inside it, in the order they are written.
func Walk(e Expr, visit func(Expr) bool) {
	if e == nil || !visit(e) {
		return
	}
	children(e, func(c Expr) { Walk(c, visit) })
}

// children calls f for each expression directly inside e.
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

// Equal reports whether a and b are the same tree, whatever their positions and
// notes. Two ways to build what is printed alike are the same: neighbouring
// texts and their concatenation, (f a) b and f a b, the number -1 and the minus
// sign before 1, the name "a" and the string "a" as a name, an indented string
// that is short and one that is not indented, a URI and the same in quotes.
func Equal(a, b Expr) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	a, b = plain(a), plain(b)
	switch a := a.(type) {
	case *Ident:
		b, ok := b.(*Ident)
		return ok && a.Name == b.Name
	case *Int:
		b, ok := b.(*Int)
		return ok && a.Value == b.Value
	case *Float:
		b, ok := b.(*Float)
		return ok && math.Float64bits(a.Value) == math.Float64bits(b.Value)
	case *String:
		b, ok := b.(*String)
		return ok && indented(a) == indented(b) && equalParts(a.Parts, b.Parts)
	case *Path:
		b, ok := b.(*Path)
		return ok && equalParts(a.Parts, b.Parts)
	case *SearchPath:
		b, ok := b.(*SearchPath)
		return ok && a.Name == b.Name
	case *List:
		b, ok := b.(*List)
		return ok && equalList(a.Elems, b.Elems)
	case *Attrs:
		b, ok := b.(*Attrs)
		return ok && a.Rec == b.Rec && equalBindings(a.Bindings, b.Bindings)
	case *Select:
		b, ok := b.(*Select)
		return ok && Equal(a.X, b.X) && equalPath(a.Path, b.Path) && Equal(a.Default, b.Default)
	case *HasAttr:
		b, ok := b.(*HasAttr)
		return ok && Equal(a.X, b.X) && equalPath(a.Path, b.Path)
	case *Apply:
		b, ok := b.(*Apply)
		if !ok {
			return false
		}
		af, aa := flattenApply(a)
		bf, ba := flattenApply(b)
		return Equal(af, bf) && equalList(aa, ba)
	case *Lambda:
		b, ok := b.(*Lambda)
		return ok && a.Param == b.Param && equalFormals(a.Formals, b.Formals) && Equal(a.Body, b.Body)
	case *Let:
		b, ok := b.(*Let)
		return ok && equalBindings(a.Bindings, b.Bindings) && Equal(a.Body, b.Body)
	case *LegacyLet:
		b, ok := b.(*LegacyLet)
		return ok && equalBindings(a.Bindings, b.Bindings)
	case *With:
		b, ok := b.(*With)
		return ok && Equal(a.Scope, b.Scope) && Equal(a.Body, b.Body)
	case *If:
		b, ok := b.(*If)
		return ok && Equal(a.Cond, b.Cond) && Equal(a.Then, b.Then) && Equal(a.Else, b.Else)
	case *Assert:
		b, ok := b.(*Assert)
		return ok && Equal(a.Cond, b.Cond) && Equal(a.Body, b.Body)
	case *Unary:
		b, ok := b.(*Unary)
		return ok && a.Op == b.Op && Equal(a.X, b.X)
	case *Binary:
		b, ok := b.(*Binary)
		return ok && a.Op == b.Op && Equal(a.X, b.X) && Equal(a.Y, b.Y)
	}
	panic(fmt.Sprintf("syntax: compare %T", a))
}

// plain returns e as the parser builds it.
func plain(e Expr) Expr {
	switch e := e.(type) {
	case *Int:
		switch {
		case e.Value == math.MinInt64:
			return &Binary{Op: Sub, X: &Int{Value: e.Value + 1}, Y: &Int{Value: 1}}
		case e.Value < 0:
			return &Unary{Op: Negate, X: &Int{Value: -e.Value}}
		}
	case *Float:
		switch {
		case e.Value == 0 && math.Signbit(e.Value):
			return &Binary{Op: Mul, X: &Float{}, Y: &Float{Value: -1}}
		case e.Value < 0:
			return &Unary{Op: Negate, X: &Float{Value: -e.Value}}
		}
	case *Apply:
		if len(e.Args) == 0 {
			return plain(e.F)
		}
	}
	return e
}

// indented reports whether s is printed as an indented string.
func indented(s *String) bool { return s.Indented && !isShort(JoinText(s.Parts)) }

func equalParts(a, b []Part) bool {
	a, b = JoinText(a), JoinText(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Text != b[i].Text || !Equal(a[i].Expr, b[i].Expr) {
			return false
		}
	}
	return true
}

func equalList(a, b []Expr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalPath(a, b []AttrName) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := plainName(a[i]), plainName(b[i])
		if x.Name != y.Name || !Equal(x.Expr, y.Expr) {
			return false
		}
	}
	return true
}

// plainName returns n with a name that is but a text as that text. Any other
// string is the same however it is quoted.
func plainName(n AttrName) AttrName {
	s, ok := n.Expr.(*String)
	if !ok {
		return n
	}
	switch parts := JoinText(s.Parts); {
	case len(parts) == 0:
		return AttrName{}
	case len(parts) == 1 && parts[0].Expr == nil:
		return AttrName{Name: parts[0].Text}
	default:
		return AttrName{Expr: &String{Parts: parts}}
	}
}

func equalFormals(a, b *Formals) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if a.Ellipsis != b.Ellipsis || len(a.List) != len(b.List) {
		return false
	}
	for i := range a.List {
		if a.List[i].Name != b.List[i].Name || !Equal(a.List[i].Default, b.List[i].Default) {
			return false
		}
	}
	return true
}

func equalBindings(a, b []Binding) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		switch x := a[i].(type) {
		case *Attr:
			y, ok := b[i].(*Attr)
			if !ok || !equalPath(x.Path, y.Path) || !Equal(x.Value, y.Value) {
				return false
			}
		case *Inherit:
			y, ok := b[i].(*Inherit)
			if !ok || !Equal(x.From, y.From) || !equalPath(x.Names, y.Names) {
				return false
			}
		}
	}
	return true
}
