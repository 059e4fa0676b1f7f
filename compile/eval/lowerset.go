package eval

import (
	"errors"
	"slices"

	"muster/compile/syntax"
)

// parseError converts an error of the parser.
func parseError(err error) *Error {
	var p *syntax.Error
	if errors.As(err, &p) {
		return &Error{Kind: ParseError, Msg: p.Msg, Pos: p.At}
	}
	return &Error{Kind: ParseError, Msg: err.Error()}
}

func (l *lowering) let(e *syntax.Let, sc *scope) node {
	s, err := syntax.MergeLet(e.Bindings)
	if err != nil {
		panic(parseError(err))
	}
	if len(s.Dyn) > 0 {
		panic(&Error{Kind: ParseError, Msg: "dynamic attributes not allowed in let", Pos: s.Dyn[0].At})
	}
	attrs, names := l.sortDefs(s)
	l.keeps++ // a variable that is not set yet is read by a thunk
	inner := &scope{up: sc, names: names}
	defs := l.definitions(s, attrs, inner, sc)
	return &letNode{defs, l.expr(e.Body, inner)}
}

func (l *lowering) set(e *syntax.Attrs, sc *scope) node {
	s, err := syntax.Merge(e)
	if err != nil {
		panic(parseError(err))
	}
	return l.mergedSet(s, sc)
}

func (l *lowering) mergedSet(s *syntax.Set, sc *scope) node {
	if len(s.Attrs) == 0 && len(s.Dyn) == 0 {
		return &constant{emptySet}
	}
	attrs, names := l.sortDefs(s)
	inner := sc
	if s.Rec {
		l.keeps++
		inner = &scope{up: sc, names: names}
	}
	l.descend(s.At)
	n := &setNode{rec: s.Rec, pos: l.at.id(s.At), overrides: -1}
	n.defs = l.definitions(s, attrs, inner, sc)
	if s.Rec {
		n.overrides = slices.Index(names, symOverrides)
	}
	if n.overrides >= 0 {
		// With __overrides, variables must be read after overriding.
		for i := range n.defs.list {
			if d := &n.defs.list[i]; d.scope != scopeOuter {
				d.value.kind = lazyThunk
			}
		}
	}
	for _, d := range s.Dyn {
		n.dynamic = append(n.dynamic, dynamicDefinition{
			name:  l.expr(d.Name, inner),
			value: l.value(d.Value, d.Set, inner),
			pos:   l.at.id(d.At),
		})
	}
	l.depth--
	return n
}

// An orderedDef is a static attribute with its symbol.
type orderedDef struct {
	sym symbol
	def *syntax.Def
}

// sortDefs returns the static attributes and their symbols, sorted by symbol:
// the order of a set's attributes and of a frame's slots.
func (l *lowering) sortDefs(s *syntax.Set) ([]orderedDef, []symbol) {
	defs := make([]orderedDef, len(s.Attrs))
	for i := range s.Attrs {
		defs[i] = orderedDef{l.sym(s.Attrs[i].Name), &s.Attrs[i]}
	}
	slices.SortFunc(defs, func(a, b orderedDef) int { return int(a.sym) - int(b.sym) })
	names := make([]symbol, len(defs))
	for i, d := range defs {
		names[i] = d.sym
	}
	return defs, names
}

// value lowers what an attribute is bound to.
func (l *lowering) value(e syntax.Expr, set *syntax.Set, sc *scope) lazy {
	if set != nil {
		return l.delayed(l.mergedSet(set, sc))
	}
	return l.lazy(e, sc)
}

// definitions lowers the static attributes. inner is the scope of their values,
// outer the scope around it.
func (l *lowering) definitions(s *syntax.Set, attrs []orderedDef, inner, outer *scope) definitions {
	d := definitions{list: make([]definition, len(attrs))}
	for _, e := range s.Froms {
		d.from = append(d.from, l.lazy(e, inner))
	}
	for i, o := range attrs {
		a := o.def
		def := definition{sym: o.sym, pos: l.at.id(a.At)}
		switch a.Kind {
		case syntax.Plain:
			def.value = l.alias(named(l.value(a.Value, a.Set, inner), def.sym), a.Value)
		case syntax.Inherited:
			def.scope = scopeOuter
			def.value = l.delayed(l.variable(outer, def.sym, a.At))
		case syntax.InheritedFrom:
			def.scope = scopeFrom
			def.value = l.delayed(&select1{&variable0{a.From}, def.sym, def.pos})
		}
		d.list[i] = def
	}
	return d
}

// alias gives the definition x = y the position of y, where a circle of such definitions is an infinite recursion.
func (l *lowering) alias(z lazy, e syntax.Expr) lazy {
	if z.kind == lazyVariable {
		z.node = &placedVariable{z.node, l.at.id(e.Pos())}
	}
	return z
}
