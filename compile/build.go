package compile

import (
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// Constructors for trees of package syntax and for options.

// pos converts a position.
func pos(p schema.Pos) syntax.Pos {
	if !p.IsValid() {
		return syntax.Pos{}
	}
	file := p.File
	return syntax.NewPos(&file, p.Line, p.Col)
}

// str returns a string literal.
func str(s string) *syntax.String {
	if s == "" {
		return &syntax.String{}
	}
	return &syntax.String{Parts: []syntax.Part{{Text: s}}}
}

// ident returns a variable or a selection from one, such as lib.mkForce.
func ident(dotted string) syntax.Expr {
	name, rest, more := strings.Cut(dotted, ".")
	if !more {
		return &syntax.Ident{Name: name}
	}
	return &syntax.Select{X: &syntax.Ident{Name: name}, Path: attrPath(strings.Split(rest, ".")...)}
}

// at sets the position of an expression that ident returned.
func at(p syntax.Pos, e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident:
		e.At = p
	case *syntax.Select:
		e.At = p
		for i := range e.Path {
			e.Path[i].At = p
		}
		at(p, e.X)
	}
	return e
}

// apply returns a function call.
func apply(f syntax.Expr, args ...syntax.Expr) syntax.Expr {
	return &syntax.Apply{F: f, Args: args}
}

// attrPath returns the path of several names.
func attrPath(names ...string) syntax.AttrPath {
	var p syntax.AttrPath
	for _, n := range names {
		p = append(p, syntax.AttrName{Name: n})
	}
	return p
}

// attr returns the binding name = v.
func attr(name string, v syntax.Expr) *syntax.Attr {
	return &syntax.Attr{Path: attrPath(name), Value: v}
}

// attrs returns a set.
func attrs(bindings ...syntax.Binding) *syntax.Attrs { return &syntax.Attrs{Bindings: bindings} }

// spaced puts a blank line before a binding.
func spaced(a *syntax.Attr) *syntax.Attr {
	if a.Note == nil {
		a.Note = &syntax.Note{}
	}
	a.Note.Blank = true
	return a
}

// put sets an option, replaces an earlier value, and creates the attribute sets in
// its path. The position of the option is that of the value.
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

// sub returns the attribute set below name and creates it if necessary.
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

// overlay returns the options of base and over. Attribute sets are merged; of
// other values, over wins. It modifies neither argument;
// either may be nil.
func overlay(base, over *schema.Attrs) *schema.Attrs {
	switch {
	case over == nil:
		return base
	case base == nil:
		return over
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
			// Only Nix knows whether it can merge the two.
			if isSet {
				f.Value = schema.Mark{At: f.At, Kind: schema.Merge, Values: []schema.Value{below, v}}
			}
		}
		out.Fields[i] = f
	}
	return out
}
