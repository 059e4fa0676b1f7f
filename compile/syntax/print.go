package syntax

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Fprint writes f as nixfmt lays it out: two spaces a level, at most 100
// columns where that can be. It refuses what Nix cannot read back: a NUL byte,
// a number that is not finite, a name that is no name; the error says where the
// node came from.
func Fprint(w io.Writer, f *File) error {
	p := printer{}
	out := p.file(f)
	if p.err != nil {
		return p.err
	}
	_, err := w.Write(out)
	return err
}

// Format is [Fprint] for trees known to be printable. What Nix could not read
// back is printed all the same, as near as can be.
func Format(f *File) []byte {
	p := printer{}
	return p.file(f)
}

// FormatExpr returns e as [Format] prints it, without a newline at the end.
func FormatExpr(e Expr) string {
	p := printer{}
	p.expr(e)
	return string(p.render())
}

// A printer turns a tree into a layout.
type printer struct {
	layout
	notes map[any]*Note // of the file
	above map[any]bool  // nodes whose Note.Before is printed
	err   error         // the first thing that cannot be printed
}

func (p *printer) fail(at Pos, format string, args ...any) {
	if p.err != nil {
		return
	}
	p.err = fmt.Errorf(format, args...)
	if at.IsValid() {
		p.err = fmt.Errorf("%v: %w", at, p.err)
	}
}

func (p *printer) file(f *File) []byte {
	p.notes = f.Notes
	for _, c := range f.Comment {
		p.comment(c)
	}
	p.expr(f.Expr)
	if len(f.End) > 0 {
		p.add(hardToken)
	}
	for _, c := range f.End {
		p.comment(c)
	}
	return append(p.render(), '\n')
}

// before prints the comments above a node, once.
func (p *printer) before(node any) {
	if n := p.notes[node]; n != nil && len(n.Before) > 0 && !p.above[node] {
		if p.above == nil {
			p.above = map[any]bool{}
		}
		p.above[node] = true
		for _, c := range n.Before {
			p.comment(c)
		}
	}
}

// inside prints the comments at the end of a node, each on its line.
func (p *printer) inside(node any) {
	if n := p.notes[node]; n != nil && len(n.Inside) > 0 {
		p.add(hardToken)
		for _, c := range n.Inside {
			p.comment(c)
		}
	}
}

func (p *printer) hasInside(node any) bool {
	n := p.notes[node]
	return n != nil && len(n.Inside) > 0
}

// noted reports whether comments stand above or behind e.
func (p *printer) noted(e Expr) bool {
	n := p.notes[e]
	return n != nil && (len(n.Before) > 0 || n.After != "" || len(n.Inside) > 0 && !isBracket(e))
}

// isBracket reports whether e ends in a bracket that comments can stand before.
func isBracket(e Expr) bool {
	switch e.(type) {
	case *Attrs, *List, *LegacyLet, *Let:
		return true
	}
	return false
}

// expr prints e where any expression may stand.
func (p *printer) expr(e Expr) {
	p.before(e)
	p.bare(e)
	if n := p.notes[e]; n != nil {
		if !isBracket(e) {
			p.inside(e)
		}
		if n.After != "" {
			p.add(spaceToken)
			p.comment(n.After)
		}
	}
}

// bare prints e without the comments beside it.
func (p *printer) bare(e Expr) {
	switch e := e.(type) {
	case *Lambda:
		p.group(groupToken, func() { p.lambda(e, 1) })
	case *Let:
		p.let(e)
	case *With:
		p.group(groupToken, func() { p.with(e) })
	case *If:
		p.group(groupToken, func() { p.ifElse(e, lineToken) })
	case *Assert:
		p.assert(e)
	case *Binary:
		p.group(groupToken, func() { p.binary(e, grouped) })
	case *Unary:
		p.text(e.Op.String())
		if e.Op == Negate && beginsWithPath(e.X) {
			p.parens(e.X) // -a/b is a path
		} else {
			p.operand(e.X, unaryOperand(e.Op))
		}
	case *HasAttr:
		p.operand(e.X, precHasAttr+1)
		p.add(softToken)
		p.text("?")
		p.add(spaceToken)
		p.path(e.Path)
	case *Apply:
		p.apply(e, false, false)
	default:
		p.term(e, grouped)
	}
}

// unaryOperand returns how tight the operand of op must be to need no
// parentheses. Two signs in a row would read badly.
func unaryOperand(op Op) int {
	if op == Not {
		return precNot
	}
	return precNegate + 1
}

// beginsWithPath reports whether the first thing printed of e, which is printed
// without parentheses, is a path.
func beginsWithPath(e Expr) bool {
	for {
		switch x := e.(type) {
		case *Path:
			return true
		case *Apply:
			e = x.F
		case *HasAttr:
			e = x.X
		default:
			return false
		}
	}
}

// precOf returns how tightly e holds together when printed.
func precOf(e Expr) int {
	switch e := e.(type) {
	case *Lambda, *Let, *With, *If, *Assert:
		return precExpr
	case *Binary:
		return int(ops[e.Op].prec)
	case *Unary:
		return int(ops[e.Op].prec)
	case *HasAttr:
		return precHasAttr
	case *Apply:
		return precApply
	case *Select:
		if e.Default != nil {
			return precApply // f a.b or c is f (a.b or c): nobody should have to know
		}
		return precSelect
	case *Int:
		switch {
		case e.Value == math.MinInt64:
			return precAdd
		case e.Value < 0:
			return precNegate
		}
	case *Float:
		switch {
		case e.Value == 0 && math.Signbit(e.Value):
			return precMul
		case e.Value < 0:
			return precNegate
		}
	}
	return precSimple
}

// operand prints e, in parentheses unless it holds together as tightly as min.
func (p *printer) operand(e Expr, min int) {
	if precOf(e) < min {
		p.parens(e)
	} else {
		p.expr(e)
	}
}

// term prints what needs no parentheses anywhere an operand may stand, bar
// negative numbers. A wide set is broken even where it would fit on one line.
func (p *printer) term(e Expr, style bracketStyle) {
	switch e := e.(type) {
	case *Ident:
		if !IsIdent(e.Name) {
			p.fail(e.At, "print variable %q: not a name", e.Name)
		}
		p.text(e.Name)
	case *Int:
		if e.Value == math.MinInt64 {
			p.text("-9223372036854775807 - 1")
		} else {
			p.text(strconv.FormatInt(e.Value, 10))
		}
	case *Float:
		p.text(p.float(e))
	case *String:
		p.str(e)
	case *Path:
		p.pathLiteral(e)
	case *SearchPath:
		if !isSearchPath(e.Name) {
			p.fail(e.At, "print search path <%s>: not a search path", e.Name)
		}
		p.text("<" + e.Name + ">")
	case *List:
		p.list(e, style)
	case *Attrs:
		p.attrs(e, style)
	case *LegacyLet:
		p.text("let")
		p.add(spaceToken)
		p.braces(e, e.Bindings, wide)
	case *Select:
		p.selection(e)
	default:
		panic(fmt.Sprintf("syntax: print %T", e))
	}
}

// float returns the shortest literal that reads back as e.
func (p *printer) float(e *Float) string {
	v := e.Value
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		p.fail(e.At, "print float %v: Nix has no such literal", v)
	case v != 0 && math.Abs(v) < 0x1p-1022:
		p.fail(e.At, "print float %v: too small for Nix to read", v)
	case v == 0 && math.Signbit(v):
		return "0.0 * -1.0" // 0 minus 0.0, which -0.0 stands for, is 0.0
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	mantissa, exp, hasExp := strings.Cut(s, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if hasExp {
		return mantissa + "e" + exp
	}
	return mantissa
}

func (p *printer) parens(e Expr) {
	p.group(groupToken, func() {
		p.text("(")
		p.nested(func() {
			if p.noted(e) {
				p.add(hardToken)
				p.expr(e)
				p.add(hardToken)
				return
			}
			switch e := e.(type) {
			case *Apply:
				p.apply(e, true, true)
			case *Select:
				p.expr(e)
				p.add(breakToken)
			default:
				if p.isAbsorbableExpr(e) {
					style := grouped
					if _, ok := e.(*With); ok {
						style = wide
					}
					p.absorbed(e, style)
					return
				}
				p.add(breakToken)
				p.group(groupToken, func() { p.expr(e) })
				p.add(breakToken)
			}
		})
		// The closing parenthesis stands at the depth of the opening one.
		p.text(")")
	})
}

// needsParens reports whether a dot behind e would become part of it.
func needsParens(e Expr) bool {
	switch e.(type) {
	case *Int, *Float, *Path:
		return true
	}
	return false
}

func (p *printer) selection(e *Select) {
	if needsParens(e.X) {
		p.parens(e.X)
	} else {
		p.operand(e.X, precSimple)
	}
	if p.isAbsorbable(e.X) {
		p.add(breakToken)
	}
	p.text(".")
	p.path(e.Path)
	if e.Default != nil {
		p.nested(func() {
			p.add(softToken)
			p.text("or")
			p.add(spaceToken)
			p.operand(e.Default, precSelect)
		})
	}
}

// list prints [ … ]. Two elements or more stand on a line each, unless the list
// is compact and fits on one.
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

// A bracketStyle is how a set or list that is not empty is laid out.
type bracketStyle uint8

const (
	grouped bracketStyle = iota // on one line where it fits, if it holds one thing
	wide                        // a set never on one line
	open                        // broken when what is around it is
	compact                     // a list on one line where it fits
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

// element prints an element of a list or argument of a call, with comments
// outside of the parentheses it may need.
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
	p.braces(e, e.Bindings, style)
}

// braces prints { … } of e. Two bindings or more stand on a line each.
func (p *printer) braces(e Expr, bs []Binding, style bracketStyle) {
	if len(bs) == 0 && !p.hasInside(e) {
		p.text("{ }")
		return
	}
	sep := lineToken
	if style == wide || len(bs) != 1 || hasNote(bs[0]) || p.hasInside(e) {
		sep = hardToken
	}
	p.bracket(style, "{", "}", sep, func() {
		p.bindings(bs)
		p.inside(e)
	})
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

// bindings prints one binding a line.
func (p *printer) bindings(bs []Binding) {
	for i, b := range bs {
		note := noteOf(b)
		if i > 0 {
			if note != nil && note.Blank {
				p.add(emptyToken)
			} else {
				p.add(hardToken)
			}
		}
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
}

// attr prints a.b = value;
func (p *printer) attr(b *Attr) {
	p.path(b.Path)
	p.add(spaceToken)
	p.text("=")
	if e, ok := b.Value.(*Binary); ok && p.absorbsFirst(e) {
		p.add(spaceToken)
		p.group(groupToken, func() { p.binary(e, wide) })
	} else {
		p.nested(func() { p.value(b.Value) })
	}
	p.text(";")
}

// absorbsFirst reports whether e is a chain of //, ++ and + that begins with a
// bracket: it may begin behind = with the operators below the name.
func (p *printer) absorbsFirst(e *Binary) bool {
	if p.noted(e) {
		return false
	}
	x, last := Expr(e), e
	for {
		b, ok := x.(*Binary)
		if !ok || !p.chains(last, b, b == e) {
			break
		}
		if b.Op != Update && b.Op != Concat && b.Op != Add {
			return false
		}
		x, last = b.X, b
	}
	return p.isAbsorbable(x) && precOf(x) >= precSimple
}

// chains reports whether x, the left operand of e, is in one chain of operators
// with it: one that binds as tightly or more, with no parentheses between.
func (p *printer) chains(e, x *Binary, same bool) bool {
	if same {
		return true
	}
	min := ops[e.Op].prec
	if ops[e.Op].assoc != assocLeft {
		min++
	}
	return ops[x.Op].assoc != assocNone && ops[x.Op].prec >= min && !p.noted(x) && (e.Op > PipeFrom || e.Op == PipeTo && x.Op == PipeTo)
}

// value prints what stands behind =, ? or assert, beginning with the space.
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
			p.group(groupToken, func() { p.apply(e, false, false) })
			return
		}
		p.group(groupToken, func() {
			p.add(lineToken)
			p.callParts(e, false)
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

// update prints x // { … } and the like behind =, where the set, list or string
// on the right can be broken on its own.
func (p *printer) update(e *Binary) bool {
	if e.Op != Update && e.Op != Concat && e.Op != Add || !p.isAbsorbable(e.Y) || p.noted(e.X) {
		return false
	}
	if x, ok := e.X.(*Binary); ok && p.chains(e, x, false) {
		return false
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
			p.group(priorityGroup, func() { p.term(e.Y, wide) })
		})
	})
	return true
}

// inherit prints inherit (from) a b; with a line for each name where they are
// more than three or do not fit on one.
func (p *printer) inherit(b *Inherit) {
	p.group(groupToken, func() {
		p.text("inherit")
		if b.From != nil {
			p.add(spaceToken)
			p.parens(b.From)
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
			p.fail(n.At, "print attribute name %q: Nix strings hold no NUL byte", n.Name)
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

// with prints with scope; body.
func (p *printer) with(e *With) {
	p.withScope(e)
	p.add(lineToken)
	p.body(e.Body)
}

func (p *printer) withScope(e *With) {
	p.text("with")
	p.add(spaceToken)
	p.nested(func() { p.group(groupToken, func() { p.expr(e.Scope) }) })
	p.text(";")
}

// body prints what a construct leads to. A bracket there is broken when the
// construct is.
func (p *printer) body(e Expr) {
	switch e.(type) {
	case *Attrs, *List:
		if !p.noted(e) {
			p.term(e, open)
			return
		}
	}
	p.expr(e)
}

// assert prints assert cond; body, the body always on a line of its own.
func (p *printer) assert(e *Assert) {
	p.group(groupToken, func() {
		p.text("assert")
		p.nested(func() { p.value(e.Cond) })
		p.text(";")
	})
	p.add(hardToken)
	p.body(e.Body)
}

func (p *printer) let(e *Let) {
	p.text("let")
	p.nested(func() {
		p.add(hardToken)
		p.bindings(e.Bindings)
		p.inside(e)
	})
	p.add(hardToken)
	p.text("in")
	p.add(hardToken)
	p.body(e.Body)
}

// ifElse prints if … then … else …; sep is what separates the branches.
func (p *printer) ifElse(e *If, sep layoutKind) {
	for {
		p.group(groupToken, func() {
			p.text("if")
			p.nested(func() {
				p.add(lineToken)
				p.expr(e.Cond)
			})
			p.add(lineToken)
			p.text("then")
		})
		next, chain := e.Else.(*If)
		chain = chain && !p.noted(next)
		if chain {
			sep = hardToken
		}
		p.nested(func() {
			p.add(sep)
			p.group(groupToken, func() { p.expr(e.Then) })
		})
		p.add(sep)
		p.text("else")
		if !chain {
			p.nested(func() {
				p.add(sep)
				p.group(groupToken, func() { p.expr(e.Else) })
			})
			return
		}
		p.add(spaceToken)
		e = next
	}
}

// lambda prints a function; depth counts the functions around it that have
// nothing else between them.
func (p *printer) lambda(e *Lambda, depth int) {
	p.param(e)
	p.text(":")
	if e.Formals != nil {
		p.add(lineToken)
		p.body(e.Body)
		return
	}
	if next, ok := e.Body.(*Lambda); ok && next.Formals == nil && !p.noted(next) {
		p.add(spaceToken)
		p.lambda(next, depth+1)
		return
	}
	switch {
	case p.isAbsorbableExpr(e.Body):
		p.add(spaceToken)
		style := grouped
		if _, ok := e.Body.(*With); ok {
			style = wide
		}
		p.group(priorityGroup, func() { p.absorbed(e.Body, style) })
	case depth > 2:
		p.add(hardToken)
		p.expr(e.Body)
	default:
		p.add(lineToken)
		p.expr(e.Body)
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

// formals prints { a, b, ... }, one a line where there are more than two or one
// has a default.
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

// binary prints a chain of operators, broken before each of them.
func (p *printer) binary(e *Binary, first bracketStyle) {
	if ops[e.Op].assoc == assocNone {
		p.comparison(e)
		return
	}
	type link struct {
		op  Op
		x   Expr
		min int // how tight x must be to need no parentheses
	}
	var chain []link // backwards, but for the right operands of e
	var x, y Expr = e, nil
	last := e
	for {
		b, ok := x.(*Binary)
		if !ok || !p.chains(last, b, b == e) {
			break
		}
		prec := int(ops[b.Op].prec)
		if ops[b.Op].assoc == assocRight {
			// a ++ (b ++ c): the operands on the right belong to the chain.
			var right []link
			for y = b.Y; ; {
				n, ok := y.(*Binary)
				if !ok || n.Op != b.Op || p.noted(n) {
					break
				}
				right = append(right, link{b.Op, n.X, prec + 1})
				y = n.Y
			}
			min := prec
			if b.Op == PipeFrom {
				min = prec + 1
			}
			right = append(right, link{b.Op, y, min})
			for i := len(right) - 1; i >= 0; i-- {
				chain = append(chain, right[i])
			}
		} else {
			chain = append(chain, link{b.Op, b.Y, prec + 1})
		}
		x, last = b.X, b
	}
	min := int(ops[last.Op].prec)
	if ops[last.Op].assoc == assocRight || last.Op <= PipeFrom {
		min++ // |> and <| do not mix
	}
	switch {
	case first == wide:
		p.term(x, wide)
	case p.isAbsorbable(x) && precOf(x) >= min:
		p.body(x)
	default:
		p.operand(x, min)
	}
	for i := len(chain) - 1; i >= 0; i-- {
		l := chain[i]
		p.add(lineToken)
		p.before(l.x) // rather than between the operator and x
		p.text(l.op.String())
		p.nested(func() { p.operandAfter(l.x, l.min) })
	}
}

// comparison prints x == y, with y always on the operator's line.
func (p *printer) comparison(e *Binary) {
	min := int(ops[e.Op].prec) + 1
	p.operand(e.X, min)
	p.add(softToken)
	p.before(e.Y)
	p.text(e.Op.String())
	p.add(spaceToken)
	p.operand(e.Y, min)
}

// operandAfter prints the operand behind an operator, with the space before it.
func (p *printer) operandAfter(x Expr, min int) {
	if precOf(x) >= min && !p.noted(x) {
		switch x := x.(type) {
		case *Binary:
			p.group(groupToken, func() {
				p.add(lineToken)
				p.expr(x)
			})
			return
		case *Apply:
			p.group(groupToken, func() {
				p.add(lineToken)
				p.callParts(x, false)
			})
			return
		}
	}
	p.add(spaceToken)
	p.operand(x, min)
}

// apply prints f a b. In parentheses the closing one goes on a line of its own
// where the arguments do.
func (p *printer) apply(e *Apply, indent, closing bool) {
	p.group(groupToken, func() {
		p.callParts(e, indent)
		if closing {
			p.add(breakToken)
		}
	})
}

// callParts prints the function and its arguments. As many as can be stay on
// the function's line; the last may begin there and be broken.
func (p *printer) callParts(e *Apply, indent bool) {
	f, args := splitOr(flattenApply(e))
	if len(args) == 0 {
		p.operand(f, precSelect)
		return
	}
	if p.isSimpleCall(e) {
		p.group(groupToken, func() {
			p.callee(f, args, indent)
			for _, a := range args {
				p.add(spaceToken)
				p.nested(func() { p.arg(a) })
			}
		})
		return
	}
	p.leading(f, args, len(args)-1, indent)
	p.add(lineToken)
	last := args[len(args)-1]
	if len(args) > 1 && p.isList(last) && p.isList(args[len(args)-2]) {
		p.group(groupToken, func() { p.nested(func() { p.compactArg(last) }) })
		return
	}
	p.lastArg(last)
}

// leading prints f and the first n arguments, each with those before it in a
// group of its own.
func (p *printer) leading(f Expr, args []Expr, n int, indent bool) {
	p.group(transparentGroup, func() {
		if n == 0 {
			p.callee(f, args, indent)
			return
		}
		p.leading(f, args, n-1, indent)
		p.add(lineToken)
		p.nested(func() {
			p.group(priorityGroup, func() { p.compactArg(args[n-1]) })
		})
	})
}

// callee prints the function of a call.
func (p *printer) callee(f Expr, args []Expr, indent bool) {
	min := precSelect
	if isOr(args[0]) {
		min = precSimple // f.a or is something else
	}
	if !indent {
		p.operand(f, min)
		return
	}
	p.nested(func() {
		p.group(groupToken, func() {
			p.add(breakToken)
			p.operand(f, min)
		})
	})
}

func (p *printer) isList(e Expr) bool {
	_, ok := e.(*List)
	return ok && !p.noted(e)
}

// compactArg prints an argument; a short list of simple things stays on its line.
func (p *printer) compactArg(a Expr) {
	if l, ok := a.(*List); ok && !p.noted(a) && len(l.Elems) <= 6 {
		for _, x := range l.Elems {
			if !p.isSimple(x) {
				p.arg(a)
				return
			}
		}
		p.list(l, compact)
		return
	}
	p.arg(a)
}

// isSimple reports whether e is a variable, literal or attribute, or a call of
// at most two such things.
func (p *printer) isSimple(e Expr) bool {
	if p.noted(e) {
		return false
	}
	switch e := e.(type) {
	case *Ident, *Path, *SearchPath:
		return true
	case *Int:
		return e.Value >= 0
	case *Float:
		return e.Value >= 0
	case *String:
		return !hasNewline(e)
	case *Select:
		return isPlain(e)
	case *Apply:
		return p.isSimpleCall(e)
	}
	return false
}

func (p *printer) isSimpleCall(e *Apply) bool {
	f, args := flattenApply(e)
	if len(args) > 2 || !p.isSimple(f) {
		return false
	}
	for _, a := range args {
		if !p.isSimple(a) || isOr(a) {
			return false
		}
	}
	return true
}

// splitOr returns the call f args so that the last argument that is a variable
// called or, if there is one, is the first: only behind a term can it stand.
func splitOr(f Expr, args []Expr) (Expr, []Expr) {
	for k := len(args) - 1; k > 0; k-- {
		if isOr(args[k]) {
			return &Apply{F: f, Args: args[:k]}, args[k:]
		}
	}
	return f, args
}

func isOr(e Expr) bool {
	id, ok := e.(*Ident)
	return ok && id.Name == "or"
}

// flattenApply returns the function and all arguments of (f a) b.
func flattenApply(e *Apply) (Expr, []Expr) {
	f, args := e.F, e.Args
	for {
		inner, ok := f.(*Apply)
		if !ok {
			return f, args
		}
		args = append(append([]Expr(nil), inner.Args...), args...)
		f = inner.F
	}
}

// arg prints an argument of a call.
func (p *printer) arg(a Expr) {
	if isOr(a) {
		p.text("or")
		return
	}
	p.element(a)
}

// lastArg prints the argument that may break while the call before it stays on
// one line.
func (p *printer) lastArg(a Expr) {
	if precOf(a) >= precSelect {
		if p.isAbsorbable(a) {
			p.group(priorityGroup, func() { p.nested(func() { p.term(a, grouped) }) })
		} else {
			p.group(groupToken, func() { p.nested(func() { p.arg(a) }) })
		}
		return
	}
	p.group(priorityGroup, func() {
		p.nested(func() {
			p.text("(")
			switch body := p.absorbedArg(a); {
			case body == nil:
				p.nested(func() {
					p.add(breakToken)
					p.group(groupToken, func() { p.expr(a) })
				})
				p.add(breakToken)
			default:
				if l, ok := a.(*Lambda); ok {
					p.text(l.Param + ":")
				} else {
					p.expr(a.(*Apply).F)
				}
				p.add(spaceToken)
				p.term(body, wide)
			}
			p.text(")")
		})
	})
}

// absorbedArg returns the set or list that (x: { … }) and (f { … }) end in,
// which may then be broken with the rest left on its line; else nil.
func (p *printer) absorbedArg(a Expr) Expr {
	if p.noted(a) {
		return nil
	}
	switch a := a.(type) {
	case *Lambda:
		if a.Formals == nil && p.isAbsorbable(a.Body) {
			return a.Body
		}
	case *Apply:
		if _, ok := a.F.(*Ident); ok && len(a.Args) == 1 && p.isAbsorbable(a.Args[0]) {
			return a.Args[0]
		}
	}
	return nil
}

// isTerm reports whether e is no operation, call or keyword construct.
func isTerm(e Expr) bool { return precOf(e) >= precSimple }

// isAbsorbable reports whether e can begin on a line that it does not end on:
// a set or list that is not empty, an indented string of several lines.
func (p *printer) isAbsorbable(e Expr) bool {
	if p.noted(e) {
		return false
	}
	switch e := e.(type) {
	case *Attrs:
		return len(e.Bindings) > 0 || p.hasInside(e)
	case *List:
		return len(e.Elems) > 0 || p.hasInside(e)
	case *LegacyLet:
		return true
	case *Path:
		return true
	case *String:
		return e.Indented && hasNewline(e)
	}
	return false
}

// isAbsorbableExpr reports whether e ends in something absorbable that can be
// broken with what is before it left on one line.
func (p *printer) isAbsorbableExpr(e Expr) bool {
	if p.noted(e) {
		return false
	}
	switch e := e.(type) {
	case *With:
		return isTerm(e.Body) && p.isAbsorbable(e.Body)
	case *Lambda:
		if e.Formals != nil {
			return false
		}
		if next, ok := e.Body.(*Lambda); ok {
			return p.isAbsorbableExpr(next)
		}
		return p.isAbsorbable(e.Body)
	}
	return p.isAbsorbable(e)
}

// absorbed prints an absorbable expression.
func (p *printer) absorbed(e Expr, style bracketStyle) {
	switch e := e.(type) {
	case *With:
		if style != wide {
			p.expr(e)
			return
		}
		p.withScope(e)
		p.add(spaceToken)
		p.group(priorityGroup, func() { p.term(e.Body, wide) })
	case *Lambda:
		p.expr(e)
	default:
		p.term(e, style)
	}
}

// comment prints a comment's lines, each ending its line. Whatever the text, it
// stays a comment.
func (p *printer) comment(text string) {
	if isBlockComment(text) {
		p.blockComment(text)
		return
	}
	for _, line := range strings.FieldsFunc(text, isLineEnd) {
		line = strings.TrimRight(strings.ReplaceAll(line, "\x00", "\uFFFD"), " \t")
		switch {
		case line == "":
			p.text("#")
		case line[0] == '!' || line[0] == '#':
			p.text("#" + line)
		default:
			p.text("# " + line)
		}
		p.add(hardToken)
	}
	if text == "" {
		p.text("#")
		p.add(hardToken)
	}
}

// isBlockComment reports whether text is one whole /* … */ and nothing else.
func isBlockComment(text string) bool {
	return len(text) >= 4 && strings.HasPrefix(text, "/*") && strings.HasSuffix(text, "*/") &&
		strings.Index(text[2:], "*/") == len(text)-4
}

func (p *printer) blockComment(text string) {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\r", "\n"), "\n")
	for i, line := range lines {
		if i > 0 {
			p.add(stringLine)
		}
		line = strings.TrimRight(line, " \t")
		if i > 0 && i < len(lines)-1 && line != "" {
			line = "  " + line
		}
		p.text(line)
	}
	p.add(hardToken)
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

var errNUL = errors.New("Nix strings hold no NUL byte")
