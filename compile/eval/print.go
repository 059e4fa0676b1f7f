package eval

import (
	"fmt"
	"strconv"
	"strings"

	"muster/compile/syntax"
)

// A printer writes values as nix-instantiate --eval does, or, for messages, as
// Nix's errors show them: shortened, with functions by name.
type printer struct {
	th     *thread
	b      strings.Builder
	force  bool // evaluate what is not evaluated yet
	brief  bool // for messages
	depth  int
	seen   map[*object]bool
	budget int // attributes and elements a brief printer still shows
}

// print returns v as nix-instantiate --eval prints it; everything in it is
// evaluated first if strict.
func (th *thread) print(v value, strict bool) string {
	p := printer{th: th, force: strict, seen: map[*object]bool{}}
	p.value(v)
	return p.b.String()
}

// show returns v for a message; nothing is evaluated.
func (th *thread) show(v value) string {
	p := printer{th: th, brief: true, seen: map[*object]bool{}, budget: 20}
	p.value(v)
	return p.b.String()
}

func (p *printer) value(v value) {
	if v.kind() == kindThunk {
		t := v.thunk()
		switch {
		case p.force:
			v = p.th.force(v)
		case t.done():
			v = t.result()
		case p.brief:
			p.b.WriteString("«thunk»")
			return
		default:
			p.b.WriteString("<CODE>")
			return
		}
	}
	p.th.descend()
	defer func() { p.th.nesting-- }()
	switch v.kind() {
	case kindNull:
		p.b.WriteString("null")
	case kindBool:
		p.b.WriteString(strconv.FormatBool(v.bool()))
	case kindInt:
		p.b.WriteString(strconv.FormatInt(v.int(), 10))
	case kindFloat:
		p.b.WriteString(formatFloat(v.float()))
	case kindString:
		p.text(v.str())
	case kindPath:
		p.b.WriteString(v.str())
	case kindList:
		p.list(v)
	case kindSet:
		p.set(v)
	case kindLambda:
		p.function(v.closure().fn)
	case kindBuiltin:
		if p.brief {
			fmt.Fprintf(&p.b, "«primop %s»", v.builtin().name)
		} else {
			p.b.WriteString("<PRIMOP>")
		}
	case kindPartial:
		if p.brief {
			fmt.Fprintf(&p.b, "«partially applied primop %s»", v.partial().b.name)
		} else {
			p.b.WriteString("<PRIMOP-APP>")
		}
	}
}

func (p *printer) function(l *lambda) {
	if !p.brief {
		p.b.WriteString("<LAMBDA>")
		return
	}
	p.b.WriteString("«lambda ")
	if l.name != 0 {
		p.b.WriteString(l.name.String() + " ")
	}
	fmt.Fprintf(&p.b, "@ %s»", p.th.ev.positions.at(l.pos))
}

// repeated notes that a list or set is being printed, and tells whether it was
// before.
func (p *printer) repeated(v value) bool {
	if v.o.n == 0 {
		return false
	}
	if p.seen[v.o] {
		p.b.WriteString("«repeated»")
		return true
	}
	p.seen[v.o] = true
	return false
}

func (p *printer) list(v value) {
	if p.repeated(v) {
		return
	}
	p.b.WriteString("[ ")
	for i, x := range v.list() {
		if p.brief {
			if p.budget--; p.budget < 0 || p.depth > 10 {
				fmt.Fprintf(&p.b, "«%d more» ", int(v.o.n)-i)
				break
			}
		}
		p.depth++
		p.value(x)
		p.depth--
		p.b.WriteByte(' ')
	}
	p.b.WriteByte(']')
}

func (p *printer) set(v value) {
	if p.repeated(v) {
		return
	}
	p.b.WriteString("{ ")
	for i, a := range byName(v.attrs()) {
		if p.brief {
			if p.budget--; p.budget < 0 || p.depth > 10 {
				fmt.Fprintf(&p.b, "«%d more» ", int(v.o.n)-i)
				break
			}
		}
		p.name(a.sym.String())
		p.b.WriteString(" = ")
		p.depth++
		p.value(a.v)
		p.depth--
		p.b.WriteString("; ")
	}
	p.b.WriteByte('}')
}

func (p *printer) name(s string) {
	if isIdentifier(s) {
		p.b.WriteString(s)
	} else {
		p.text(s)
	}
}

// isIdentifier reports whether an attribute name needs no quotes; unlike the
// grammar's, printed names take "or" for one.
func isIdentifier(s string) bool {
	switch s {
	case "", "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit":
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '\'' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// text writes a string literal.
func (p *printer) text(s string) {
	if p.brief && len(s) > 1024 {
		defer fmt.Fprintf(&p.b, " «%d bytes elided»", len(s)-1024)
		s = s[:1024]
	}
	b := &p.b
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '$':
			if i+1 < len(s) && s[i+1] == '{' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// formatFloat writes a float as C's %g does: six significant digits.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', 6, 64)
	switch s {
	case "+Inf":
		return "inf"
	case "-Inf":
		return "-inf"
	case "NaN":
		return "nan"
	}
	if !strings.Contains(s, "e") {
		return s
	}
	// Go keeps zeros nowhere, but switches to the exponent at 21 digits.
	return s
}

// showExpr writes an expression as Nix's messages do.
func showExpr(e syntax.Expr) string {
	var b strings.Builder
	if syntax.FprintParse(&b, &syntax.File{Expr: e}, "/", "") != nil {
		return "…"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// deep evaluates everything in v.
func (th *thread) deep(v value) value {
	seen := map[*object]bool{}
	var walk func(v value)
	walk = func(v value) {
		v = th.force(v)
		if k := v.kind(); k != kindSet && k != kindList || v.o.n == 0 || seen[v.o] {
			return
		}
		seen[v.o] = true
		th.descend()
		if v.kind() == kindSet {
			for _, a := range v.attrs() {
				walk(a.v)
			}
		} else {
			for _, x := range v.list() {
				walk(x)
			}
		}
		th.nesting--
	}
	walk(v)
	return th.force(v)
}
