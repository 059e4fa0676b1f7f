package compile

import (
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// The small constructors that the rest of the package writes trees with.

func pos(p schema.Pos) syntax.Pos {
	if !p.IsValid() {
		return syntax.Pos{}
	}
	file := p.File
	return syntax.NewPos(&file, p.Line, p.Col)
}

func str(s string) *syntax.String {
	if s == "" {
		return &syntax.String{}
	}
	return &syntax.String{Parts: []syntax.Part{{Text: s}}}
}

// ident is a variable, or a selection from one: "lib.mkForce".
func ident(dotted string) syntax.Expr {
	name, rest, more := strings.Cut(dotted, ".")
	if !more {
		return &syntax.Ident{Name: name}
	}
	return &syntax.Select{X: &syntax.Ident{Name: name}, Path: attrPath(strings.Split(rest, ".")...)}
}

// at gives what ident returns a place.
func at(p syntax.Pos, e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident:
		e.At = p
	case *syntax.Select:
		e.At = p
		at(p, e.X)
	}
	return e
}

func apply(f syntax.Expr, args ...syntax.Expr) syntax.Expr {
	return &syntax.Apply{F: f, Args: args}
}

func attrPath(names ...string) syntax.AttrPath {
	var p syntax.AttrPath
	for _, n := range names {
		p = append(p, syntax.AttrName{Name: n})
	}
	return p
}

func attr(name string, v syntax.Expr) *syntax.Attr {
	return &syntax.Attr{Path: attrPath(name), Value: v}
}

// spaced sets an attribute off from what is above it.
func spaced(a *syntax.Attr) *syntax.Attr {
	if a.Note == nil {
		a.Note = &syntax.Note{}
	}
	a.Note.Blank = true
	return a
}

// put sets an option in a set of options, making the sets on the way; a later
// put of the same option wins. The option's place is the value's.
func put(set *schema.Attrs, v schema.Value, path ...string) {
	for _, name := range path[:len(path)-1] {
		set = sub(set, name, v.Pos())
	}
	field := schema.Field{At: v.Pos(), Name: path[len(path)-1], Value: v}
	for i, f := range set.Fields {
		if f.Name == field.Name {
			set.Fields[i] = field
			return
		}
	}
	set.Fields = append(set.Fields, field)
}

// sub returns the set below name, making it where there is none.
func sub(set *schema.Attrs, name string, at schema.Pos) *schema.Attrs {
	for _, f := range set.Fields {
		if f.Name == name {
			if below, ok := f.Value.(*schema.Attrs); ok {
				return below
			}
		}
	}
	below := &schema.Attrs{At: at}
	set.Fields = append(set.Fields, schema.Field{At: at, Name: name, Value: below})
	return below
}

// overlay returns base with over laid upon it: what only one says is kept, sets
// are joined, and elsewhere over wins. Neither is changed.
func overlay(base, over *schema.Attrs) *schema.Attrs {
	if over == nil {
		return base
	}
	out := &schema.Attrs{At: base.At, Fields: append([]schema.Field(nil), base.Fields...)}
	at := map[string]int{}
	for i, f := range out.Fields {
		at[f.Name] = i
	}
	for _, f := range over.Fields {
		i, both := at[f.Name]
		if !both {
			at[f.Name] = len(out.Fields)
			out.Fields = append(out.Fields, f)
			continue
		}
		below, isSet := out.Fields[i].Value.(*schema.Attrs)
		switch v := f.Value.(type) {
		case *schema.Attrs:
			if isSet {
				f.Value = overlay(below, v)
			}
		case schema.Mark, schema.Expr:
			// Whether the two agree only Nix can tell.
			if isSet {
				f.Value = schema.Mark{At: f.At, Kind: schema.Merge, Values: []schema.Value{below, v}}
			}
		}
		out.Fields[i] = f
	}
	return out
}
