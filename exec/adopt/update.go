package adopt

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/exec/host"
	"muster/schema"
)

// ErrByHand says that a module is written in a way in which nothing is changed for its
// user.
var ErrByHand = errors.New("the module is not written as muster adopt writes it: change it by hand")

// Update is the module in a file with what the machine is made of. What differs is
// replaced; everything else stays, with its comments. The file was parsed with them.
func Update(file *syntax.File, h *schema.Host, hw *host.Hardware) (*syntax.File, error) {
	differs := CompareModule("", file, h, hw)
	set, wrap := body(file.Expr)
	if set == nil {
		return nil, ErrByHand
	}
	about := func(b syntax.Binding) bool { // a binding that holds what differs
		a, ok := b.(*syntax.Attr)
		if !ok {
			return false
		}
		path := pathText(a.Path)
		return slices.ContainsFunc(differs, func(d Difference) bool { return below(d.What, path) || below(path, d.What) })
	}
	is := Module(hw)
	fresh, _ := body(is.Expr)
	var kept []syntax.Binding
	for _, b := range set.Bindings {
		if !about(b) {
			kept = append(kept, b)
		}
	}
	for _, b := range fresh.Bindings {
		if about(b) {
			kept = append(kept, b)
		}
	}
	notes := maps.Clone(file.Notes)
	if notes == nil {
		notes = map[any]*syntax.Note{}
	}
	maps.Copy(notes, is.Notes)
	out := &syntax.File{Expr: wrap(&syntax.Attrs{Bindings: kept}, is.Expr), Comment: file.Comment, End: file.End, Notes: notes}
	text := syntax.Format(out)
	again, err := syntax.ParseFile("", text, syntax.Options{})
	if err != nil || len(CompareModule("", again, h, hw)) > 0 || syntax.Resolve(again, nil) != nil {
		return nil, ErrByHand
	}
	return out, nil
}

// body is the set of a module, and how to put another in its place. Arguments that only
// the other needs are added.
func body(e syntax.Expr) (*syntax.Attrs, func(*syntax.Attrs, syntax.Expr) syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Attrs:
		if e.Rec {
			return nil, nil
		}
		return e, func(set *syntax.Attrs, like syntax.Expr) syntax.Expr {
			if l, ok := like.(*syntax.Lambda); ok {
				return &syntax.Lambda{Formals: l.Formals, Body: set}
			}
			return set
		}
	case *syntax.Lambda:
		set, ok := e.Body.(*syntax.Attrs)
		if !ok || set.Rec || e.Formals == nil || !e.Formals.Ellipsis {
			return nil, nil
		}
		return set, func(set *syntax.Attrs, like syntax.Expr) syntax.Expr {
			formals := &syntax.Formals{Ellipsis: true, List: slices.Clone(e.Formals.List)}
			if l, ok := like.(*syntax.Lambda); ok {
				for _, f := range l.Formals.List {
					if !slices.ContainsFunc(formals.List, func(o syntax.Formal) bool { return o.Name == f.Name }) {
						formals.List = append(formals.List, f)
					}
				}
			}
			return &syntax.Lambda{Param: e.Param, AtLast: e.AtLast, Formals: formals, Body: set}
		}
	}
	return nil, nil
}

// pathText is an attribute path as the names of options have it.
func pathText(p syntax.AttrPath) string {
	var names []string
	for _, n := range p {
		if n.Expr != nil {
			names = append(names, text(n.Expr))
		} else {
			names = append(names, syntax.QuoteAttr(n.Name))
		}
	}
	return strings.Join(names, ".")
}

// below reports whether an option is a path or below it.
func below(option, path string) bool {
	return option == path || strings.HasPrefix(option, path+".")
}
