package compile

import (
	"muster/compile/syntax"
)

// Evaluators, and versions of Nix, place one error at different nodes of an
// expression: at the operator, the function, an argument. An anchor is the place
// that all are reduced to: the beginning of the value of a binding, of an element of
// a list, or of the body of a construct.

// anchor returns the anchor of a position in a tree. ok is false if the tree does not
// contain the position.
func anchor(tree syntax.Expr, at syntax.Pos) (found syntax.Pos, ok bool) {
	// The name of a binding stands for its value.
	syntax.Walk(tree, func(e syntax.Expr) bool {
		eachInherited(e, func(name syntax.Pos) {
			if samePlace(name, at) {
				found, ok = name, true
			}
		})
		eachBinding(e, func(value syntax.Expr, names ...syntax.Pos) {
			for _, name := range names {
				if begin := beginning(value); samePlace(name, at) && begin.IsValid() {
					found, ok = begin, true
				}
			}
		})
		return !ok
	})
	if ok {
		return found, true
	}
	if begin := beginning(tree); !sameFile(begin, at) {
		return syntax.Pos{}, false
	}
	found = descend(tree, at, syntax.Pos{})
	return found, found.IsValid()
}

// eachBinding calls f for the values of the bindings of a set or let, with the
// positions of their names.
func eachBinding(e syntax.Expr, f func(value syntax.Expr, names ...syntax.Pos)) {
	for _, b := range bindingsOf(e) {
		if a, ok := b.(*syntax.Attr); ok {
			names := []syntax.Pos{a.At}
			for _, n := range a.Path {
				names = append(names, n.At)
			}
			f(a.Value, names...)
		}
	}
}

// eachInherited calls f for the positions of the names that a set or let inherits.
func eachInherited(e syntax.Expr, f func(name syntax.Pos)) {
	for _, b := range bindingsOf(e) {
		if i, ok := b.(*syntax.Inherit); ok {
			for _, n := range i.Names {
				f(n.At)
			}
		}
	}
}

func bindingsOf(e syntax.Expr) []syntax.Binding {
	switch e := e.(type) {
	case *syntax.Attrs:
		return e.Bindings
	case *syntax.Let:
		return e.Bindings
	}
	return nil
}

func sameFile(a, b syntax.Pos) bool { return a.IsValid() && b.IsValid() && a.File() == b.File() }

func samePlace(a, b syntax.Pos) bool { return sameFile(a, b) && a.Line == b.Line && a.Col == b.Col }

// begun reports whether something that begins at a position has begun at another. A
// parenthesis before it, which the tree does not have, belongs to it.
func begun(begin, at syntax.Pos) bool {
	return sameFile(begin, at) && (!after(begin, at) || begin.Line == at.Line && begin.Col == at.Col+1)
}

// descend returns the innermost anchor at or below e that the position belongs to.
func descend(e syntax.Expr, at, best syntax.Pos) syntax.Pos {
	into := func(child syntax.Expr, anchored bool) bool {
		if child == nil {
			return false
		}
		begin := beginning(child)
		if !begun(begin, at) {
			return false
		}
		if anchored {
			best = begin
		}
		best = descend(child, at, best)
		return true
	}
	switch e := e.(type) {
	case *syntax.Binary:
		if !into(e.Y, false) && after(e.At, at) {
			into(e.X, false)
		}
	case *syntax.Select:
		if len(e.Path) == 0 || after(e.Path[0].At, at) {
			into(e.X, false)
		}
	case *syntax.HasAttr:
		if len(e.Path) == 0 || after(e.Path[0].At, at) {
			into(e.X, false)
		}
	case *syntax.Apply:
		for i := len(e.Args) - 1; i >= 0; i-- {
			if into(e.Args[i], false) {
				return best
			}
		}
		into(e.F, false)
	case *syntax.List:
		for i := len(e.Elems) - 1; i >= 0; i-- {
			if into(e.Elems[i], true) {
				return best
			}
		}
	case *syntax.If:
		_ = into(e.Else, true) || into(e.Then, true) || into(e.Cond, true)
	case *syntax.Attrs:
		into(bindingAt(e, at), true)
	case *syntax.Let:
		_ = into(e.Body, true) || into(bindingAt(e, at), true)
	case *syntax.With:
		_ = into(e.Body, true) || into(e.Scope, true)
	case *syntax.Assert:
		into(e.Body, true)
	case *syntax.Lambda:
		into(e.Body, true)
	}
	return best
}

// bindingAt returns the value of a set or let that begins last before a position.
func bindingAt(e syntax.Expr, at syntax.Pos) (last syntax.Expr) {
	var latest syntax.Pos
	eachBinding(e, func(value syntax.Expr, _ ...syntax.Pos) {
		if begin := beginning(value); begun(begin, at) && !after(latest, begin) {
			last, latest = value, begin
		}
	})
	return last
}

// beginning returns the position of the first token of an expression.
func beginning(e syntax.Expr) syntax.Pos {
	var first syntax.Pos
	switch e := e.(type) {
	case *syntax.Binary:
		first = beginning(e.X)
	case *syntax.Select:
		first = beginning(e.X)
	case *syntax.HasAttr:
		first = beginning(e.X)
	case *syntax.Apply:
		first = beginning(e.F)
	}
	if !first.IsValid() {
		first = e.Pos()
	}
	if !first.IsValid() {
		syntax.Walk(e, func(x syntax.Expr) bool {
			if !first.IsValid() {
				first = x.Pos()
			}
			return !first.IsValid()
		})
	}
	return first
}
