package syntax

import (
	"fmt"
	"strings"
)

// list prints [ … ]. Two elements or more are on a line each, unless the list is
// compact and fits on one.
func (p *printer) list(e *List, style bracketStyle) {
	if len(e.Elems) == 0 && !p.hasInside(e) {
		p.text("[ ]")
		return
	}
	sep := lineToken
	if len(e.Elems) > 1 && style != compact || p.hasInside(e) {
		sep = hardToken
	}
	p.bracket(style, "[", "]", sep, func() {
		for i, x := range e.Elems {
			if i > 0 {
				p.add(sep)
			}
			if n := p.notes[x]; n != nil && n.Blank && i > 0 {
				p.add(emptyToken)
			}
			p.group(groupToken, func() { p.element(x) })
		}
		p.inside(e)
	})
}

// A bracketStyle is the layout of a set or list that is not empty.
type bracketStyle uint8

const (
	grouped bracketStyle = iota // on one line if it fits and has one element
	wide                        // a set on several lines, except { inherit a; }
	open                        // broken if what contains it is
	compact                     // a list on one line if it fits
	forced                      // a set on several lines, even { inherit a; }
)

// bracket prints a set or list around body.
func (p *printer) bracket(style bracketStyle, left, right string, sep layoutKind, body func()) {
	all := func() {
		p.text(left)
		p.nested(func() {
			p.add(sep)
			body()
		})
		p.add(sep)
		p.text(right)
	}
	if style == open {
		all()
	} else {
		p.group(groupToken, all)
	}
}

// element prints an element of a list or argument of a call, with its comments
// outside of its parentheses.
func (p *printer) element(x Expr) {
	n := p.notes[x]
	if n == nil || isBracket(x) || len(n.Inside) > 0 || precOf(x) >= precSelect {
		p.operand(x, precSelect)
		return
	}
	p.before(x)
	p.group(groupToken, func() {
		p.text("(")
		p.nested(func() {
			p.add(breakToken)
			p.group(groupToken, func() { p.bare(x) })
			p.add(breakToken)
		})
		p.text(")")
	})
	if n.After != "" {
		p.add(spaceToken)
		p.comment(n.After)
	}
}

// attrs prints { … }.
func (p *printer) attrs(e *Attrs, style bracketStyle) {
	if e.Rec {
		p.text("rec")
		p.add(spaceToken)
	}
	if more := p.rest[e]; more != nil {
		p.bracket(style, "{", "}", hardToken, func() {
			p.bindings(e.Bindings)
			p.later(len(e.Bindings) > 0, more)
			p.inside(e)
		})
		return
	}
	p.braces(e, e.Bindings, style)
}

// later leaves a gap for bindings that are made while the file is rendered. Each
// is laid out when it is made and then dropped. They may follow others of the set.
func (p *printer) later(follows bool, more Bindings) {
	nest := p.nest
	p.gap(func() {
		for b, notes := range more {
			one := printer{notes: notes, layout: layout{nest: nest}}
			if follows {
				one.separator(b)
			}
			one.binding(b)
			if p.fill(&one.layout); one.err != nil && p.err == nil {
				p.err = one.err
			}
			if p.err != nil || p.sinkErr != nil {
				return
			}
			follows = true
		}
	})
}

// braces prints { … } of e. Two bindings or more are on a line each.
func (p *printer) braces(e Expr, bs []Binding, style bracketStyle) {
	if len(bs) == 0 && !p.hasInside(e) {
		p.text("{ }")
		return
	}
	sep := lineToken
	_, inherits := bindingAt(bs, 0).(*Inherit)
	if style == wide && !inherits || style == forced || len(bs) != 1 || hasNote(bs[0]) || p.hasInside(e) {
		sep = hardToken
	}
	p.bracket(style, "{", "}", sep, func() {
		p.bindings(bs)
		p.inside(e)
	})
}

func bindingAt(bs []Binding, i int) Binding {
	if i < len(bs) {
		return bs[i]
	}
	return nil
}

func hasNote(b Binding) bool {
	n := noteOf(b)
	return n != nil && (len(n.Before) > 0 || n.After != "")
}

func noteOf(b Binding) *Note {
	switch b := b.(type) {
	case *Attr:
		return b.Note
	case *Inherit:
		return b.Note
	}
	panic(fmt.Sprintf("syntax: note of %T", b))
}

// bindings prints one binding per line.
func (p *printer) bindings(bs []Binding) {
	for i, b := range bs {
		if i > 0 {
			p.separator(b)
		}
		p.binding(b)
	}
}

// separator ends the line before a binding.
func (p *printer) separator(b Binding) {
	if note := noteOf(b); note != nil && note.Blank {
		p.add(emptyToken)
	} else {
		p.add(hardToken)
	}
}

func (p *printer) binding(b Binding) {
	note := noteOf(b)
	if note != nil {
		for _, c := range note.Before {
			p.comment(c)
		}
	}
	switch b := b.(type) {
	case *Attr:
		p.group(groupToken, func() { p.attr(b) })
	case *Inherit:
		p.inherit(b)
	}
	if note != nil && note.After != "" {
		p.add(spaceToken)
		p.comment(note.After)
	}
}

// attr prints a.b = value; A value that does not fit is on the line of a short
// name, since a line of its own would gain little.
func (p *printer) attr(b *Attr) {
	p.path(b.Path)
	p.add(spaceToken)
	p.text("=")
	if isShortPath(b.Path) {
		p.assigned(b.Value)
	} else {
		p.nested(func() {
			p.add(breakToken)
			p.group(priorityGroup, func() {
				p.add(markToken)
				p.assigned(b.Value)
			})
		})
	}
	p.text(";")
}

func (p *printer) assigned(v Expr) {
	if e, ok := v.(*Binary); ok && p.absorbsFirst(e) {
		p.add(spaceToken)
		p.group(groupToken, func() { p.binary(e, wide) })
		return
	}
	p.nested(func() { p.value(v) })
}

// isShortPath reports whether a path has at most four names, none in quotes.
func isShortPath(path AttrPath) bool {
	for _, n := range path {
		if n.Expr != nil || !IsIdent(n.Name) {
			return false
		}
	}
	return len(path) <= 4
}

// absorbsFirst reports whether e is a chain of //, ++ or + that begins with a
// bracket. It may begin after =, with the operators below the name.
func (p *printer) absorbsFirst(e *Binary) bool {
	if p.noted(e) {
		return false
	}
	if e.Op != Update && e.Op != Concat && e.Op != Add {
		return false
	}
	x := e.X
	for b, ok := x.(*Binary); ok && p.chains(e, b, false); b, ok = x.(*Binary) {
		x = b.X
	}
	return p.isAbsorbable(x) && precOf(x) >= precSimple
}

// value prints a space and the expression after =, ? or assert.
func (p *printer) value(e Expr) {
	if p.noted(e) {
		p.add(hardToken)
		p.expr(e)
		return
	}
	switch e := e.(type) {
	case *String, *Path:
		p.add(spaceToken)
		p.group(groupToken, func() { p.expr(e) })
		return
	case *Attrs, *List:
		p.add(spaceToken)
		p.group(groupToken, func() { p.term(e, wide) })
		return
	case *Apply:
		if p.isSimpleCall(e) {
			p.add(spaceToken)
			p.group(groupToken, func() { p.apply(e, false) })
			return
		}
		p.group(groupToken, func() {
			p.add(lineToken)
			p.callParts(e)
		})
		return
	case *Select:
		if e.Default != nil && p.isAbsorbable(e.Default) {
			break
		}
		p.group(groupToken, func() {
			p.add(lineToken)
			p.expr(e)
		})
		return
	case *Binary:
		if p.update(e) {
			return
		}
	}
	if p.isAbsorbableExpr(e) {
		p.add(spaceToken)
		p.group(groupToken, func() { p.absorbed(e, wide) })
		return
	}
	p.add(lineToken)
	p.group(groupToken, func() { p.expr(e) })
}

// update prints x // { … } and the like after =, if only the set, list or string on
// the right is to be broken.
func (p *printer) update(e *Binary) bool {
	if e.Op != Update && e.Op != Concat && e.Op != Add || !p.isAbsorbable(e.Y) || p.noted(e.X) {
		return false
	}
	if x, ok := e.X.(*Binary); ok && p.chains(e, x, false) {
		return false // a chain of three or more
	}
	min := int(ops[e.Op].prec)
	if ops[e.Op].assoc == assocRight {
		min++
	}
	p.group(groupToken, func() {
		p.add(lineToken)
		p.operand(e.X, min)
		p.add(lineToken)
		p.group(transparentGroup, func() {
			p.text(e.Op.String())
			p.add(spaceToken)
			p.group(priorityGroup, func() { p.term(e.Y, forced) })
		})
	})
	return true
}

// inherit prints inherit (from) a b; with a line for each name if there are more
// than three or they do not fit on one.
func (p *printer) inherit(b *Inherit) {
	p.group(groupToken, func() {
		p.text("inherit")
		if b.From != nil {
			p.inheritFrom(b.From)
		}
		p.nested(func() {
			sep, end := lineToken, breakToken
			if len(b.Names) > 3 {
				sep, end = hardToken, hardToken
			}
			if len(b.Names) == 0 {
				end = spaceToken
			}
			for _, n := range b.Names {
				p.add(sep)
				p.name(n)
			}
			p.add(end)
			p.text(";")
		})
	})
}

// inheritFrom prints (from), on a line of its own if it takes several lines.
func (p *printer) inheritFrom(from Expr) {
	at := len(p.tokens)
	p.add(spaceToken)
	p.parens(from)
	if p.flatWidth(at) <= lineWidth {
		return
	}
	p.tokens = p.tokens[:at]
	clear(p.above)
	p.nested(func() {
		p.add(hardToken)
		p.parens(from)
	})
}

func (p *printer) path(path AttrPath) {
	if len(path) == 0 {
		p.fail(Pos{}, "print attribute path: no names")
	}
	for i, n := range path {
		if i > 0 {
			p.text(".")
		}
		p.name(n)
	}
}

func (p *printer) name(n AttrName) {
	switch e := n.Expr.(type) {
	case nil:
		if strings.IndexByte(n.Name, 0) >= 0 {
			p.fail(n.At, "print attribute name %q: NUL bytes are not allowed in Nix strings", n.Name)
		}
		p.text(QuoteAttr(n.Name))
	case *String:
		if e.Indented {
			s := *e
			s.Indented = false
			e = &s
		}
		p.str(e)
	default:
		p.interpolation(e, false)
	}
}

func (p *printer) param(e *Lambda) {
	if e.Param != "" && !IsIdent(e.Param) {
		p.fail(e.At, "print parameter %q: not a name", e.Param)
	}
	switch {
	case e.Formals == nil:
		p.text(e.Param)
	case e.Param == "":
		p.formals(e.Formals)
	case e.AtLast:
		p.formals(e.Formals)
		p.text("@" + e.Param)
	default:
		p.text(e.Param + "@")
		p.formals(e.Formals)
	}
}

// formals prints { a, b, ... }, with one formal per line if there are more than two
// or one has a default.
func (p *printer) formals(f *Formals) {
	if len(f.List) == 0 && !p.hasInside(f) {
		if f.Ellipsis {
			p.text("{ ... }")
		} else {
			p.text("{ }")
		}
		return
	}
	sep := lineToken
	if len(f.List) > 2 {
		sep = hardToken
	}
	for _, a := range f.List {
		if a.Default != nil {
			sep = hardToken
		}
	}
	if p.hasInside(f) {
		sep = hardToken
	}
	p.group(groupToken, func() {
		p.text("{")
		p.nested(func() {
			for i := range f.List {
				p.add(sep)
				p.before(&f.List[i])
				p.formal(f.List[i])
				if i < len(f.List)-1 || f.Ellipsis {
					p.text(",")
				} else {
					p.add(commaToken)
				}
				if n := p.notes[&f.List[i]]; n != nil && n.After != "" {
					p.add(spaceToken)
					p.comment(n.After)
				}
			}
			p.inside(f)
			if f.Ellipsis {
				p.add(sep)
				p.text("...")
			}
		})
		p.add(sep)
		p.text("}")
	})
}

func (p *printer) formal(a Formal) {
	if !IsIdent(a.Name) {
		p.fail(a.At, "print parameter %q: not a name", a.Name)
	}
	p.group(groupToken, func() {
		p.text(a.Name)
		if a.Default != nil {
			p.add(spaceToken)
			p.text("?")
			p.nested(func() { p.value(a.Default) })
		}
	})
}
