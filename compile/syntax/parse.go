package syntax

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An Error is an error in Nix text, with Nix's own message.
type Error struct {
	At  Pos
	Msg string // syntax error, unexpected ';', expecting …
}

func (e *Error) Error() string { return e.At.String() + ": " + e.Msg }

// Options choose what [ParseFile] accepts and keeps. The zero value accepts what
// Nix does by default, and skips comments.
type Options struct {
	Comments bool // keep comments and blank lines, to print the tree again
	Pipes    bool // accept the experimental operators |> and <|
	Lints    Lints
	Warn     func(*Error) // told what the lints only warn of

	// Progress is called from time to time. It may panic to end parsing.
	Progress func()

	// Start is the position of the text, for Nix inside another file. Positions
	// in the tree are then in that file. The zero Pos means line 1, column 1.
	Start Pos
}

// Limits of a tree, so that recursion over it is safe. Nix 2.8 itself fails at
// about 5,000 nested brackets.
const (
	MaxDepth  = 10_000  // nested expressions in the text
	MaxHeight = 100_000 // height of the tree, including long chains of operators
)

// ParseFile parses a Nix file; name is its name in positions. An error is an
// [*Error]. It does not report undefined variables: see [Resolve].
func ParseFile(name string, src []byte, opts Options) (*File, error) {
	return parse(name, string(src), opts)
}

// ParseExpr parses a single Nix expression.
func ParseExpr(src string) (Expr, error) {
	f, err := parse("", src, Options{})
	if err != nil {
		return nil, err
	}
	return f.Expr, nil
}

func parse(name, src string, opts Options) (f *File, err error) {
	f = &File{Name: name}
	p := &parser{}
	p.unchained = -1
	p.src, p.file, p.pipes, p.line = src, &f.Name, opts.Pipes, 1
	p.lints, p.warn, p.progress = opts.Lints, opts.Warn, opts.Progress
	if opts.Start.IsValid() {
		p.file, p.line, p.lineStart = opts.Start.file, opts.Start.Line, 1-int(opts.Start.Col)
	}
	if opts.Comments {
		p.comments = &commentScanner{}
		p.notes = map[any]*Note{}
		f.Notes = p.notes
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			f, err = nil, e
		}
	}()
	p.next()
	if p.comments != nil {
		f.Comment = p.takeFileComment()
	}
	f.Expr = p.expr()
	if p.tok != tokEOF {
		p.unexpected(tokEOF)
	}
	if p.comments != nil {
		f.End = p.takeAll()
	}
	return f, nil
}

// A parser builds a tree by recursive descent, with precedence climbing for
// operators. At the first error it panics with an *Error, which parse recovers.
type parser struct {
	scanner
	pipes  bool // accept |> and <|
	lints  Lints
	warn   func(*Error)
	depth  int
	height int // of the tallest tree parsed so far at the current level
	notes  map[any]*Note

	// The offset of an operator that does not associate with the one before it.
	// Nix's parser does not say what it expects there.
	unchained int

	// Stacks for elements whose number is not yet known. At their end they move
	// to a slice of the right size.
	exprs    []Expr
	bindings []Binding
	names    []AttrName
	parts    []Part
	formals  []Formal
	seen     map[string]bool
}

func (p *parser) fail(at Pos, format string, args ...any) {
	panic(&Error{at, fmt.Sprintf(format, args...)})
}

// unexpected reports the current token. Like Nix's parser it names at most four
// expected tokens, and none if there are more.
func (p *parser) unexpected(expected ...token) {
	if (p.tok == tokPipeTo || p.tok == tokPipeFrom) && !p.pipes {
		p.fail(p.pos(), "experimental Nix feature 'pipe-operators' is disabled; "+
			"add '--extra-experimental-features pipe-operators' to enable it")
	}
	msg := "syntax error, unexpected " + p.tok.String()
	if len(expected) <= 4 && p.start != p.unchained {
		for i, t := range expected {
			if i == 0 {
				msg += ", expecting "
			} else {
				msg += " or "
			}
			msg += t.String()
		}
	}
	panic(&Error{p.pos(), msg})
}

// expect consumes the token t. expected are the tokens for the error, if not only
// t.
func (p *parser) expect(t token, expected ...token) {
	if p.tok != t {
		if len(expected) == 0 {
			expected = []token{t}
		}
		p.unexpected(expected...)
	}
	p.next()
}

// enter increases the depth. The function it returns decreases it.
func (p *parser) enter() (height int) {
	p.depth++
	if p.depth > MaxDepth {
		p.fail(p.pos(), "nested more than %d levels deep", MaxDepth)
	}
	height, p.height = p.height, 0
	return height
}

func (p *parser) leave(height int) {
	p.depth--
	p.height = max(height, p.height+1)
}

// grow increases the height for a node above the tree parsed last.
func (p *parser) grow() {
	p.height++
	if p.height > MaxHeight {
		p.fail(p.pos(), "more than %d operators in a row", MaxHeight)
	}
}

// expr parses any expression.
func (p *parser) expr() Expr {
	height := p.enter()
	e := p.expr1()
	p.leave(height)
	return e
}

func (p *parser) expr1() Expr {
	at := p.pos()
	var c []comment
	if p.comments != nil {
		c = p.takeLeading()
	}
	e := p.expr2(at)
	if len(c) > 0 {
		p.noteBefore(e, c)
	}
	return e
}

// chainHead returns the first operand of y if y continues a chain of op.
func chainHead(op Op, y Expr) Expr {
	if b, ok := y.(*Binary); ok && b.Op == op && ops[op].assoc == assocRight {
		return b.X
	}
	return y
}

func (p *parser) expr2(at Pos) Expr {
	switch p.tok {
	case tokIdent:
		name := p.text()
		p.next()
		switch p.tok {
		case tokColon:
			p.next()
			return &Lambda{At: at, Param: name, ParamAt: at, Body: p.expr()}
		case tokAt:
			p.next()
			if p.tok != tokLBrace {
				p.unexpected(tokLBrace)
			}
			l := &Lambda{At: at, Param: name, ParamAt: at, Formals: p.formalSet()}
			p.checkFormals(l)
			p.expect(tokColon)
			l.Body = p.expr()
			return l
		}
		return p.pipeline(p.application(at, p.postfix(at, &Ident{At: at, Name: name})))
	case tokLBrace:
		if p.atFormals() {
			return p.formalLambda(at)
		}
	case tokLet:
		return p.letOrLegacy(at)
	case tokAssert:
		p.next()
		e := &Assert{At: at}
		e.Cond = p.expr()
		p.expect(tokSemicolon)
		e.Body = p.expr()
		return e
	case tokWith:
		p.next()
		e := &With{At: at}
		e.Scope = p.expr()
		p.expect(tokSemicolon)
		e.Body = p.expr()
		return e
	case tokIf:
		p.next()
		e := &If{At: at}
		e.Cond = p.expr()
		p.expect(tokThen)
		e.Then = p.expr()
		p.expect(tokElse)
		e.Else = p.expr()
		return e
	}
	return p.pipeline(nil)
}

// formalLambda parses a function that begins with { a, b }.
func (p *parser) formalLambda(at Pos) Expr {
	l := &Lambda{At: at, Formals: p.formalSet()}
	if p.tok == tokAt {
		p.next()
		if p.tok != tokIdent {
			p.unexpected(tokIdent)
		}
		l.Param, l.ParamAt, l.AtLast = p.text(), p.pos(), true
		p.next()
		p.checkFormals(l)
		p.expect(tokColon)
	} else {
		p.checkFormals(l)
		p.expect(tokColon, tokColon, tokAt)
	}
	l.Body = p.expr()
	return l
}

// atFormals reports whether the current { begins formals and not a set. The two
// tokens after it decide.
func (p *parser) atFormals() bool {
	m := p.mark()
	defer p.reset(m)
	p.next()
	switch p.tok {
	case tokEllipsis:
		return true
	case tokIdent:
		p.next()
		return p.tok == tokComma || p.tok == tokQuestion || p.tok == tokRBrace
	case tokRBrace:
		p.next()
		return p.tok == tokColon || p.tok == tokAt
	}
	return false
}

// formalSet parses { a, b ? 1, ... }.
func (p *parser) formalSet() *Formals {
	f := &Formals{At: p.pos()}
	p.next()
	base := len(p.formals)
	var leads [][]comment // comments before each formal
	var afters []string   // the comment after each
	for p.tok != tokRBrace {
		if p.comments != nil {
			leads = append(leads, p.takeLeading())
		}
		if p.tok == tokEllipsis {
			f.Ellipsis = true
			p.next()
			if p.tok != tokRBrace {
				p.unexpected(tokRBrace)
			}
			break
		}
		if p.tok != tokIdent {
			p.unexpected(tokIdent, tokEllipsis, tokRBrace)
		}
		a := Formal{At: p.pos(), Name: p.text()}
		p.next()
		if p.tok == tokQuestion {
			p.next()
			a.Default = p.expr()
		}
		p.formals = append(p.formals, a)
		if p.tok == tokComma {
			p.next()
		} else if p.tok != tokRBrace {
			p.unexpected(tokRBrace, tokComma)
		}
		if p.comments != nil {
			after, _ := p.sameLine()
			afters = append(afters, after)
		}
	}
	f.List = append([]Formal(nil), p.formals[base:]...)
	p.formals = p.formals[:base]
	if p.comments != nil {
		for i, after := range afters {
			if after != "" {
				p.note(&f.List[i]).After = after
			}
		}
		for i, c := range leads {
			if len(c) == 0 {
				continue
			}
			if i < len(f.List) {
				p.noteBefore(&f.List[i], c)
			} else {
				p.note(f).Inside = append(p.note(f).Inside, texts(c)...)
			}
		}
		p.takeInside(f)
	}
	p.next()
	return f
}

// checkFormals rejects duplicate parameters.
func (p *parser) checkFormals(l *Lambda) {
	list := l.Formals.List
	twice := func(i int) {
		p.fail(list[i].At, "duplicate formal function argument '%s'", list[i].Name)
	}
	if len(list) <= 8 {
		for i := range list {
			for j := range i {
				if list[i].Name == list[j].Name {
					twice(i)
				}
			}
		}
	} else {
		seen := p.emptyNames()
		for i := range list {
			if seen[list[i].Name] {
				twice(i)
			}
			seen[list[i].Name] = true
		}
	}
	if l.Param == "" {
		return
	}
	for i := range list {
		if list[i].Name == l.Param {
			p.fail(l.At, "duplicate formal function argument '%s'", l.Param)
		}
	}
}

// emptyNames returns the empty map that finds duplicates.
func (p *parser) emptyNames() map[string]bool {
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	clear(p.seen)
	return p.seen
}

// letOrLegacy parses let … in …, or let { … } and what may follow a term.
func (p *parser) letOrLegacy(at Pos) Expr {
	p.next()
	if p.tok == tokLBrace {
		return p.pipeline(p.application(at, p.postfix(at, p.legacyLet(at))))
	}
	e := &Let{At: at}
	e.Bindings = p.bindingList(tokIn, letExpected)
	if p.comments != nil {
		p.takeInside(e)
	}
	p.next()
	p.checkLet(e)
	e.Body = p.expr()
	return e
}

// legacyLet parses { … } after let.
func (p *parser) legacyLet(at Pos) Expr {
	p.next()
	e := &LegacyLet{At: at}
	e.Bindings = p.bindingList(tokRBrace, recExpected)
	if p.comments != nil {
		p.takeInside(e)
	}
	p.next()
	p.check(e.Bindings)
	return e
}

// pipeline parses a |> b |> c or a <| b <| c, which do not mix, or an operation. x
// is the first operand if it is already parsed.
func (p *parser) pipeline(x Expr) Expr {
	x = p.operation(precImplies, x)
	if (p.tok == tokPipeTo || p.tok == tokPipeFrom) && !p.pipes {
		p.unexpected()
	}
	for p.tok == tokPipeTo {
		at := p.pos()
		p.next()
		x = &Binary{At: at, Op: PipeTo, X: x, Y: p.operand(PipeTo, precPipe)}
		p.grow()
		if p.tok == tokPipeFrom {
			p.unexpected()
		}
	}
	if p.tok == tokPipeFrom {
		at := p.pos()
		height := p.enter()
		p.next()
		y := p.pipeline(nil)
		if p.tok == tokPipeTo {
			p.unexpected()
		}
		p.leave(height)
		return &Binary{At: at, Op: PipeFrom, X: x, Y: y}
	}
	return x
}

// operation parses a chain of operators at least as tight as min. x is the first
// operand if it is already parsed.
func (p *parser) operation(min int, x Expr) Expr {
	outer := p.height
	p.height = 0
	x = p.operationFrom(min, x)
	p.height = max(outer, p.height)
	return x
}

func (p *parser) operationFrom(min int, x Expr) Expr {
	start := p.pos()
	if x != nil {
		start = x.Pos()
	} else {
		switch at := p.pos(); p.tok {
		case tokNot:
			x = p.unary(at, Not, precNot)
		case tokMinus:
			x = p.unary(at, Negate, precNegate)
		default:
			x = p.application(at, p.simple())
		}
	}
	// A non-associative operator ends the expression at its own level.
	limit := precSimple
	for {
		if p.tok == tokQuestion {
			if precHasAttr < min || precHasAttr >= limit {
				if precHasAttr == limit {
					p.unchained = p.start
				}
				return x
			}
			at := p.pos()
			p.next()
			x = &HasAttr{At: at, X: x, Path: p.attrPath()}
			p.grow()
			limit = precHasAttr
			continue
		}
		op := Op(0)
		if int(p.tok) < len(operators) {
			op = operators[p.tok]
		}
		if op == 0 {
			return x
		}
		prec := int(ops[op].prec)
		if prec < min || prec >= limit {
			if prec == limit && ops[op].assoc == assocNone {
				p.unchained = p.start
			}
			return x
		}
		at := p.pos()
		p.next()
		right := p.pos()
		y := p.operand(op, prec)
		x = &Binary{At: at, Op: op, X: x, Y: y, XAt: start, YAt: right}
		p.grow()
		switch ops[op].assoc {
		case assocNone:
			limit = prec
		case assocLeft:
			limit = prec + 1
		case assocRight:
			limit = prec // the rest was parsed as the right operand
		}
	}
}

// operand parses the right operand of op.
func (p *parser) operand(op Op, prec int) Expr {
	height := p.enter()
	min := prec + 1
	if ops[op].assoc == assocRight {
		min = prec
	}
	if p.comments != nil {
		if c := p.takeLeading(); len(c) > 0 {
			y := p.operation(min, nil)
			p.noteBefore(chainHead(op, y), c)
			p.leave(height)
			return y
		}
	}
	y := p.operation(min, nil)
	p.leave(height)
	return y
}

func (p *parser) unary(at Pos, op Op, prec int) Expr {
	height := p.enter()
	p.next()
	e := &Unary{At: at, Op: op, X: p.operation(prec, nil)}
	p.leave(height)
	return e
}

// application parses the arguments of f, which begins at a position.
func (p *parser) application(at Pos, f Expr) Expr {
	if !p.atSimple() {
		return f
	}
	base := len(p.exprs)
	for p.atSimple() {
		var c []comment
		if p.comments != nil {
			c = p.takeLeading()
		}
		a := p.simple()
		if len(c) > 0 {
			p.noteBefore(a, c)
		}
		p.exprs = append(p.exprs, a)
	}
	args := p.popExprs(base)
	if inner, ok := f.(*Apply); ok { // (f a) b is f a b
		all := make([]Expr, 0, len(inner.Args)+len(args))
		return &Apply{At: inner.At, F: inner.F, Args: append(append(all, inner.Args...), args...)}
	}
	return &Apply{At: at, F: f, Args: args}
}

func (p *parser) popExprs(base int) []Expr {
	list := append([]Expr(nil), p.exprs[base:]...)
	p.exprs = p.exprs[:base]
	return list
}

// startsSimple are the tokens that a term can begin with.
var startsSimple = [tokPipeFrom + 1]bool{
	tokIdent: true, tokInt: true, tokFloat: true, tokString: true, tokIndented: true, tokPath: true,
	tokHomePath: true, tokSearchPath: true, tokURI: true, tokLParen: true, tokLBrace: true,
	tokLBracket: true, tokRec: true, tokLet: true,
}

func (p *parser) atSimple() bool { return startsSimple[p.tok] }

// simple parses a term and selections from it.
func (p *parser) simple() Expr { return p.postfix(p.pos(), p.term()) }

// postfix parses .a.b, or default, and the old a or, after x, which begins at a position.
func (p *parser) postfix(at Pos, x Expr) Expr {
	switch p.tok {
	case tokDot:
		e := &Select{At: at, X: x}
		p.next()
		e.Path = p.attrPath()
		if p.tok == tokOr {
			p.next()
			height := p.enter()
			e.Default = p.simple()
			p.leave(height)
		}
		return e
	case tokOr:
		or := &Ident{At: p.pos(), Name: "or"}
		p.next()
		return &Apply{At: at, F: x, Args: []Expr{or}}
	}
	return x
}

// isZero reports whether a float literal is exactly 0. Nix refuses other numbers that
// are too small for a normal float64.
func isZero(float string) bool {
	digits, _, _ := strings.Cut(strings.ToLower(float), "e")
	return strings.Trim(digits, "0.") == ""
}

// term parses a literal, variable, bracket or string.
func (p *parser) term() Expr {
	at := p.pos()
	switch p.tok {
	case tokIdent:
		e := &Ident{At: at, Name: p.text()}
		p.next()
		return e
	case tokInt:
		v, err := strconv.ParseInt(p.text(), 10, 64)
		if err != nil {
			p.fail(at, "invalid integer '%s'", p.text())
		}
		p.next()
		return &Int{At: at, Value: v}
	case tokFloat:
		v, err := strconv.ParseFloat(p.text(), 64)
		if err != nil || v < 0x1p-1022 && !isZero(p.text()) {
			p.fail(at, "invalid float '%s'", p.text())
		}
		p.next()
		return &Float{At: at, Value: v}
	case tokString:
		e := &String{At: at}
		p.stringParts(e)
		p.next()
		return e
	case tokIndented:
		e := &String{At: at, Indented: true}
		e.Parts = p.indentedParts()
		p.next()
		return e
	case tokPath, tokHomePath:
		e := &Path{At: at, Parts: p.pathParts()}
		p.next()
		return e
	case tokSearchPath:
		e := &SearchPath{At: at, Name: p.src[p.start+1 : p.off-1]}
		p.next()
		return e
	case tokURI:
		if p.lints.URLs != LintIgnore {
			p.lintURL(at, p.text())
		}
		e := &String{At: at, Parts: []Part{{At: at, Text: p.text()}}, URI: true}
		p.next()
		return e
	case tokLParen:
		p.next()
		e := p.expr()
		p.closeParen(e)
		return e
	case tokLet:
		p.next()
		if p.tok != tokLBrace {
			p.unexpected(tokLBrace)
		}
		height := p.enter()
		e := p.legacyLet(at)
		p.leave(height)
		return e
	case tokRec:
		p.next()
		if p.tok != tokLBrace {
			p.unexpected(tokLBrace)
		}
		return p.attrs(at, true)
	case tokLBrace:
		return p.attrs(at, false)
	case tokLBracket:
		return p.list(at)
	}
	p.unexpected()
	return nil
}

func (p *parser) closeParen(e Expr) {
	if p.tok != tokRParen {
		p.unexpected(tokRParen)
	}
	if p.comments != nil {
		if c := p.takeLeading(); len(c) > 0 {
			n := p.note(e)
			n.Inside = append(n.Inside, texts(c)...)
		}
	}
	p.next()
}

func (p *parser) attrs(at Pos, rec bool) Expr {
	height := p.enter()
	p.next()
	e := &Attrs{At: at, Rec: rec}
	expected := setExpected
	if rec {
		expected = recExpected
	}
	e.Bindings = p.bindingList(tokRBrace, expected)
	if p.comments != nil {
		p.takeInside(e)
	}
	p.next()
	p.check(e.Bindings)
	p.leave(height)
	return e
}

func (p *parser) list(at Pos) Expr {
	height := p.enter()
	p.next()
	base := len(p.exprs)
	for p.tok != tokRBracket {
		if !p.atSimple() {
			p.unexpected()
		}
		if p.comments == nil {
			p.exprs = append(p.exprs, p.simple())
			continue
		}
		blank, c := p.blankBefore(), p.takeLeading()
		x := p.simple()
		if len(c) > 0 {
			p.noteBefore(x, c)
		}
		if blank && len(p.exprs) > base {
			p.note(x).Blank = true
		}
		p.exprs = append(p.exprs, x)
		p.takeAfter(x)
	}
	e := &List{At: at, Elems: p.popExprs(base)}
	if p.comments != nil {
		p.takeInside(e)
	}
	p.next()
	p.leave(height)
	return e
}

// The tokens that Nix's parser expects where a binding may begin.
var (
	setExpected = []token{tokInherit} // it may also be formals
	recExpected = []token{tokInherit, tokRBrace}
	letExpected = []token{tokIn, tokInherit}
)

// bindingList parses bindings up to end, which stays the current token. expected
// are the tokens for an error.
func (p *parser) bindingList(end token, expected []token) []Binding {
	base := len(p.bindings)
	for p.tok != end {
		var b Binding
		var note *Note
		if p.comments != nil {
			note = p.leadingNote(len(p.bindings) > base)
		}
		if p.tok == tokInherit {
			in := p.inherit()
			in.Note = note
			b = in
		} else {
			a := p.attr(expected)
			a.Note = note
			b = a
		}
		p.bindings = append(p.bindings, b)
		if p.comments != nil {
			p.takeAfterBinding(b)
		}
	}
	list := append([]Binding(nil), p.bindings[base:]...)
	p.bindings = p.bindings[:base]
	return list
}

// startsBinding are the tokens that a binding can begin with.
var startsBinding = [tokPipeFrom + 1]bool{
	tokIdent: true, tokOr: true, tokString: true, tokDollarCurly: true, tokInherit: true,
}

// attr parses a.b = value;
func (p *parser) attr(expected []token) *Attr {
	b := &Attr{At: p.pos()}
	if !startsBinding[p.tok] {
		p.unexpected(expected...)
	}
	b.Path = p.attrPath()
	p.expect(tokAssign, tokDot, tokAssign)
	b.Value = p.expr()
	p.expect(tokSemicolon)
	return b
}

func (p *parser) inherit() *Inherit {
	b := &Inherit{At: p.pos()}
	p.next()
	if p.tok == tokLParen {
		p.next()
		b.From = p.expr()
		p.closeParen(b.From)
	}
	base := len(p.names)
	for p.tok != tokSemicolon {
		switch p.tok {
		case tokIdent, tokOr, tokString, tokDollarCurly:
		default:
			p.unexpected()
		}
		n := p.attrName()
		if n.Expr != nil {
			p.fail(n.At, "dynamic attributes not allowed in inherit")
		}
		p.names = append(p.names, n)
	}
	b.Names = p.popNames(base)
	p.next()
	return b
}

func (p *parser) popNames(base int) []AttrName {
	list := append([]AttrName(nil), p.names[base:]...)
	p.names = p.names[:base]
	return list
}

func (p *parser) attrPath() AttrPath {
	base := len(p.names)
	for {
		switch p.tok {
		case tokIdent, tokOr, tokString, tokDollarCurly:
		default:
			p.unexpected(tokIdent, tokOr, tokDollarCurly, tokString)
		}
		p.names = append(p.names, p.attrName())
		if p.tok != tokDot {
			return p.popNames(base)
		}
		p.next()
	}
}

// attrName parses one name. A ${"…"} with plain text is the name in it.
func (p *parser) attrName() AttrName {
	n := AttrName{At: p.pos()}
	switch p.tok {
	case tokIdent, tokOr:
		n.Name = p.text()
		p.next()
	case tokString:
		s := &String{At: n.At}
		height := p.enter()
		p.stringParts(s)
		p.leave(height)
		p.next()
		n.Expr = s
	case tokDollarCurly:
		p.next()
		n.Expr = p.expr()
		if p.tok != tokRBrace {
			p.unexpected(tokRBrace)
		}
		p.next()
	}
	if s, ok := n.Expr.(*String); ok {
		switch {
		case len(s.Parts) == 0:
			n.Expr = nil
		case len(s.Parts) == 1 && s.Parts[0].Expr == nil:
			n.Name, n.Expr = s.Parts[0].Text, nil
		}
	}
	return n
}

// checkLet rejects bindings that are not allowed in let.
func (p *parser) checkLet(e *Let) {
	p.check(e.Bindings)
	for _, b := range e.Bindings {
		if a, ok := b.(*Attr); ok && a.Path[0].Expr != nil {
			p.fail(e.At, "dynamic attributes not allowed in let")
		}
	}
}

// check rejects bindings that define an attribute twice. It is fast for sets whose
// first names are distinct, which are nearly all.
func (p *parser) check(bs []Binding) {
	if p.distinct(bs) {
		return
	}
	if _, err := mergeBindings(bs); err != nil {
		var e *Error
		errors.As(err, &e)
		panic(e)
	}
}

// distinct reports whether the first names of bs, except computed ones, are
// distinct.
func (p *parser) distinct(bs []Binding) bool {
	var few [12]string
	n := 0
	var seen map[string]bool
	add := func(name string) bool {
		if seen != nil {
			if seen[name] {
				return false
			}
			seen[name] = true
			return true
		}
		for _, have := range few[:n] {
			if have == name {
				return false
			}
		}
		if n < len(few) {
			few[n] = name
			n++
			return true
		}
		seen = p.emptyNames()
		for _, have := range few {
			seen[have] = true
		}
		seen[name] = true
		return true
	}
	for _, b := range bs {
		switch b := b.(type) {
		case *Attr:
			if b.Path[0].Expr == nil && !add(b.Path[0].Name) {
				return false
			}
		case *Inherit:
			for i := range b.Names {
				if !add(b.Names[i].Name) {
					return false
				}
			}
		}
	}
	return true
}
