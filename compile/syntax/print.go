package syntax

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Fprint writes f in the layout of nixfmt: two spaces per level, at most 100 columns
// where possible. It fails for what Nix cannot parse: a NUL byte, a number that is
// not finite, an invalid name. The error has the position of the node. Then nothing
// is written, or what comes before the error in a file with [File.Rest].
func Fprint(w io.Writer, f *File) error {
	p := printer{}
	p.build(f)
	if p.err != nil {
		return p.err
	}
	p.sink = w
	out := append(p.render(), '\n')
	if err := cmp.Or(p.err, p.sinkErr); err != nil {
		return err
	}
	_, err := w.Write(out)
	return err
}

// Format is [Fprint] for trees that are known to be printable. It prints an
// approximation of what Nix cannot parse.
func Format(f *File) []byte {
	p := printer{}
	p.build(f)
	return append(p.render(), '\n')
}

// FormatExpr returns e as [Format] prints it, without the final newline.
func FormatExpr(e Expr) string {
	p := printer{}
	p.expr(e)
	return string(p.render())
}

// A printer converts a tree to a layout.
type printer struct {
	layout
	notes map[any]*Note // of the file
	rest  map[*Attrs]Bindings
	above map[any]bool // nodes whose Note.Before is already printed
	err   error        // the first error
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

// build builds the layout of a file.
func (p *printer) build(f *File) {
	p.notes, p.rest = f.Notes, f.Rest
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
}

// expr prints e without parentheses around it.
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

// bare prints e without its comments.
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
			p.parens(e.X) // -a/b would be a path
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
		p.apply(e, false)
	default:
		p.term(e, grouped)
	}
}

// unaryOperand returns the minimum precedence of an operand of op without
// parentheses. Two operators in a row get parentheses, to be readable.
func unaryOperand(op Op) int {
	if op == Not {
		return precNot
	}
	return precNegate + 1
}

// beginsWithPath reports whether e, printed without parentheses, begins with a
// path.
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

// precOf returns the precedence of e as it is printed.
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
			return precApply // parentheses make f (a.b or c) easier to read
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

// operand prints e, with parentheses if its precedence is lower than min.
func (p *printer) operand(e Expr, min int) {
	if precOf(e) < min {
		p.parens(e)
	} else {
		p.expr(e)
	}
}

// term prints what needs no parentheses as an operand, or a negative number. A set
// in the style wide is broken even if it fits on one line.
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

// float returns the shortest literal for e.
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
				p.apply(e, true)
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
		// The closing parenthesis has the indentation of the opening one.
		p.text(")")
	})
}

// needsParens reports whether a dot after e would become part of it.
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
	switch {
	case p.isAbsorbable(e.X):
		p.add(breakToken)
	case precOf(e.X) < precSimple:
		p.add(softBreak)
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

// body prints the body of a construct. A bracket in it is broken if the construct
// is.
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

// assert prints assert cond; body, with the body on a line of its own.
func (p *printer) assert(e *Assert) {
	p.group(groupToken, func() {
		p.text("assert")
		p.nested(func() {
			if call, ok := e.Cond.(*Apply); ok && len(call.Args) > 0 && !p.noted(call) {
				p.add(spaceToken)
				p.group(groupToken, func() { p.brokenCall(splitOr(flattenApply(call))) })
				return
			}
			p.value(e.Cond)
		})
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

// ifElse prints if … then … else …; sep separates the branches.
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

// lambda prints a function; depth is the number of functions that directly
// contain it.
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

// isTerm reports whether e is neither an operation nor a call nor a construct with
// a keyword.
func isTerm(e Expr) bool { return precOf(e) >= precSimple }

// isAbsorbable reports whether e may begin on the line of what precedes it and
// extend over more lines: a set or list with elements, an indented string with
// several lines.
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

// isAbsorbableExpr reports whether e ends in an absorbable expression that can be
// broken while the rest of e stays on one line.
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

var errNUL = errors.New("NUL bytes are not allowed in Nix strings")
