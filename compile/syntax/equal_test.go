package syntax

import (
	"fmt"
	"math"
)

// equal reports whether a and b are the same tree, ignoring positions and notes.
// Trees that print alike are the same: neighbouring texts and their
// concatenation, (f a) b and f a b, the number -1 and the negation of 1, the
// name a and the string "a" as a name, a short indented string and one that is
// not indented, a URI and the same text in quotes.
func equal(a, b Expr) bool {
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
		return ok && equal(a.X, b.X) && equalPath(a.Path, b.Path) && equal(a.Default, b.Default)
	case *HasAttr:
		b, ok := b.(*HasAttr)
		return ok && equal(a.X, b.X) && equalPath(a.Path, b.Path)
	case *Apply:
		b, ok := b.(*Apply)
		if !ok {
			return false
		}
		af, aa := flattenApply(a)
		bf, ba := flattenApply(b)
		return equal(af, bf) && equalList(aa, ba)
	case *Lambda:
		b, ok := b.(*Lambda)
		return ok && a.Param == b.Param && equalFormals(a.Formals, b.Formals) && equal(a.Body, b.Body)
	case *Let:
		b, ok := b.(*Let)
		return ok && equalBindings(a.Bindings, b.Bindings) && equal(a.Body, b.Body)
	case *LegacyLet:
		b, ok := b.(*LegacyLet)
		return ok && equalBindings(a.Bindings, b.Bindings)
	case *With:
		b, ok := b.(*With)
		return ok && equal(a.Scope, b.Scope) && equal(a.Body, b.Body)
	case *If:
		b, ok := b.(*If)
		return ok && equal(a.Cond, b.Cond) && equal(a.Then, b.Then) && equal(a.Else, b.Else)
	case *Assert:
		b, ok := b.(*Assert)
		return ok && equal(a.Cond, b.Cond) && equal(a.Body, b.Body)
	case *Unary:
		b, ok := b.(*Unary)
		return ok && a.Op == b.Op && equal(a.X, b.X)
	case *Binary:
		b, ok := b.(*Binary)
		return ok && a.Op == b.Op && equal(a.X, b.X) && equal(a.Y, b.Y)
	}
	panic(fmt.Sprintf("syntax: compare %T", a))
}

// indented reports whether the printer writes s as an indented string.
func indented(s *String) bool { return s.Indented && !isShort(JoinText(s.Parts)) }

func equalParts(a, b []Part) bool {
	a, b = JoinText(a), JoinText(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Text != b[i].Text || !equal(a[i].Expr, b[i].Expr) {
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
		if !equal(a[i], b[i]) {
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
		if x.Name != y.Name || !equal(x.Expr, y.Expr) {
			return false
		}
	}
	return true
}

// plainName returns n with a string without interpolation turned into a name.
// Of any other string it drops how it is quoted.
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
		if a.List[i].Name != b.List[i].Name || !equal(a.List[i].Default, b.List[i].Default) {
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
			if !ok || !equalPath(x.Path, y.Path) || !equal(x.Value, y.Value) {
				return false
			}
		case *Inherit:
			y, ok := b[i].(*Inherit)
			if !ok || !equal(x.From, y.From) || !equalPath(x.Names, y.Names) {
				return false
			}
		}
	}
	return true
}
