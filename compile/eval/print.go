package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/compile/eval/float"
	"muster/compile/syntax"
)

// A printer writes values as nix-instantiate --eval does or, with brief, as
// Nix's messages do: functions by name, thunks as such.
type printer struct {
	th    *thread
	b     textBuilder
	force bool // evaluate thunks
	brief bool
	limit int // of a brief printer: the number of attributes, and of elements, to show; 0 is no limit
	most  int // of a brief printer: about how many bytes to show
	attrs int // attributes shown so far
	elems int
	depth int
	seen  map[*object]bool
}

// print returns v as nix-instantiate --eval prints it. With strict, everything
// in it is evaluated first.
func (th *thread) print(v value, strict bool) string {
	p := printer{th: th, b: textBuilder{th: th}, force: strict, seen: map[*object]bool{}}
	p.value(v)
	return p.b.String()
}

// show returns v for a message, shortened. Nothing is evaluated.
func (th *thread) show(v value) string {
	p := printer{th: th, b: textBuilder{th: th}, brief: true, seen: map[*object]bool{}, limit: 10, most: maxText}
	p.value(v)
	return p.b.String()
}

// showAll returns v as builtins.trace prints it. Nothing is evaluated.
func (th *thread) showAll(v value) string {
	if th.ev.compat.oldTrace {
		return shortenedTo(maxTraced, th.print(v, false))
	}
	p := printer{th: th, b: textBuilder{th: th}, brief: true, seen: map[*object]bool{}, most: maxTraced}
	p.value(v)
	return p.b.String()
}

// maxTraced is how many bytes of a value builtins.trace prints.
const maxTraced = 1 << 20

// full reports whether a brief printer has written enough.
func (p *printer) full() bool { return p.brief && p.b.Len() > p.most }

func (p *printer) value(v value) {
	if p.full() {
		return
	}
	cell := v.o
	if v.kind() == kindThunk {
		t := v.thunk()
		switch {
		case p.force:
			v = p.th.force(v)
		case t.done():
			v = t.result()
		default:
			p.b.WriteString(p.unevaluated(t))
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
		p.b.WriteString(float.Printf(v.float(), 'g'))
	case kindString:
		p.text(v.str())
	case kindPath:
		if p.brief {
			p.b.WriteString(p.th.ev.shownPath(v.str()))
		} else {
			p.b.WriteString(v.str())
		}
	case kindList:
		// Lists are identified by where they are stored, sets by their content.
		p.list(v, cell)
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

func (p *printer) unevaluated(t *thunk) string {
	switch {
	case t.runBy(p.th):
		return "«potential infinite recursion»"
	case !p.brief:
		return "<CODE>"
	}
	return "«thunk»"
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
	fmt.Fprintf(&p.b, "@ %s»", p.th.ev.shownAt(l.pos))
}

// repeated reports whether a list or set was printed before.
func (p *printer) repeated(cell *object) bool {
	if p.seen[cell] {
		p.b.WriteString("«repeated»")
		return true
	}
	p.seen[cell] = true
	return false
}

// maxShownDepth is how deep messages show nested values.
const maxShownDepth = 10

func (p *printer) list(v value, cell *object) {
	l := v.list()
	if len(l) > 0 && p.repeated(cell) {
		return
	}
	if p.limit > 0 && p.depth >= maxShownDepth && len(l) > 0 {
		p.b.WriteString("[ ... ]")
		return
	}
	p.b.WriteString("[ ")
	for i, x := range l {
		if p.full() || p.limit > 0 && p.elems >= p.limit {
			p.elided(len(l)-i, "item")
			break
		}
		p.depth++
		p.value(x)
		p.depth--
		p.elems++
		p.b.WriteByte(' ')
	}
	p.b.WriteByte(']')
}

func (p *printer) set(v value) {
	p.th.seen(v)
	attrs := v.attrs()
	// Sets that are made empty are one, and nix-instantiate tells of none that it is repeated.
	if (p.brief || len(attrs) > 0) && p.repeated(v.o) {
		return
	}
	if p.limit > 0 && p.depth >= maxShownDepth && len(attrs) > 0 {
		p.b.WriteString("{ ... }")
		return
	}
	p.b.WriteString("{ ")
	for i, a := range p.inOrder(attrs) {
		if p.full() || p.limit > 0 && p.attrs >= p.limit {
			p.elided(len(attrs)-i, "attribute")
			break
		}
		p.name(a.sym.String())
		p.b.WriteString(" = ")
		p.depth++
		p.value(a.v)
		p.depth--
		p.attrs++
		p.b.WriteString("; ")
	}
	p.b.WriteByte('}')
}

// inOrder returns attributes in the order in which they are printed: by name, and where not
// all are shown, those first that say what kind of set it is.
func (p *printer) inOrder(attrs []attr) []attr {
	sorted := p.th.byName(attrs)
	if p.limit > 0 {
		sorted = slices.Clone(sorted)
		slices.SortStableFunc(sorted, func(a, b attr) int { return cmp.Compare(rank(a.sym), rank(b.sym)) })
	}
	return sorted
}

// rank is 0 for an attribute that says what kind of set it is in, and 1 for others.
func rank(s symbol) int {
	if name := s.String(); name == "type" || name == "_type" {
		return 0
	}
	return 1
}

func (p *printer) elided(n int, what string) {
	if n != 1 {
		what += "s"
	}
	fmt.Fprintf(&p.b, "«%d %s elided» ", n, what)
}

func (p *printer) name(s string) {
	if len(s) <= maxText && isIdentifier(s) {
		p.b.WriteString(s)
	} else {
		p.text(s)
	}
}

// isIdentifier reports whether an attribute name is printed without quotes.
// Unlike in the grammar, "or" needs none.
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
	most := len(s)
	switch {
	case p.limit > 0:
		most = 1024
	case p.brief:
		most = p.most
	}
	if len(s) > most {
		defer fmt.Fprintf(&p.b, " «%d bytes elided»", len(s)-most)
		s = s[:most]
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

// showExpr returns an expression as Nix's messages show it.
func showExpr(e syntax.Expr) string {
	var b strings.Builder
	if syntax.FprintParse(&b, &syntax.File{Expr: e}, "/", "") != nil {
		return "…"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// deep evaluates everything in v, attributes sorted by name. Symbols would not
// do: they depend on the order in which files were read, and the first error
// found must not.
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
			for _, a := range th.byName(v.attrs()) {
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
