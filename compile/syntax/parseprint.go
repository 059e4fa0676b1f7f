package syntax

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// FprintParse writes f like nix-instantiate --parse of Nix 2.26 to 2.34: on one
// line, with all operations in parentheses, and sets merged and sorted. Relative
// paths are resolved against dir, paths that begin with ~ against home.
func FprintParse(w io.Writer, f *File, dir, home string) error {
	b := bufio.NewWriter(w)
	p := parsePrinter{w: b, dir: dir, home: home}
	p.expr(f.Expr)
	b.WriteByte('\n')
	if p.err != nil {
		return p.err
	}
	return b.Flush()
}

// A parsePrinter prints a tree for FprintParse.
type parsePrinter struct {
	w         *bufio.Writer
	dir, home string
	err       error
}

func (p *parsePrinter) put(s string) { p.w.WriteString(s) }

// call prints the function of two arguments that Nix has for an operator.
func (p *parsePrinter) call(f string, x, y Expr) {
	p.put("(" + f + " ")
	p.expr(x)
	p.put(" ")
	p.expr(y)
	p.put(")")
}

func (p *parsePrinter) expr(e Expr) {
	switch e := plain(e).(type) {
	case *Ident:
		p.put(e.Name)
	case *Int:
		p.put(strconv.FormatInt(e.Value, 10))
	case *Float:
		p.put(formatG6(e.Value))
	case *String:
		p.str(e)
	case *Path:
		p.path(e)
	case *SearchPath:
		p.put(`(__findFile __nixPath ` + quoteParse(e.Name) + `)`)
	case *List:
		p.put("[ ")
		for _, x := range e.Elems {
			p.put("(")
			p.expr(x)
			p.put(") ")
		}
		p.put("]")
	case *Attrs:
		set, err := Merge(e)
		p.fail(err)
		p.set(set)
	case *LegacyLet:
		set, err := MergeLet(e.Bindings)
		p.fail(err)
		p.put("(")
		p.set(set)
		p.put(").body")
	case *Let:
		set, err := MergeLet(e.Bindings)
		p.fail(err)
		p.put("(let ")
		p.bindings(set)
		p.put("in ")
		p.expr(e.Body)
		p.put(")")
	case *Select:
		p.put("(")
		p.expr(e.X)
		p.put(").")
		p.names(e.Path)
		if e.Default != nil {
			p.put(" or (")
			p.expr(e.Default)
			p.put(")")
		}
	case *HasAttr:
		p.put("((")
		p.expr(e.X)
		p.put(") ? ")
		p.names(e.Path)
		p.put(")")
	case *Apply:
		p.put("(")
		p.expr(e.F)
		for _, a := range e.Args {
			p.put(" ")
			p.expr(a)
		}
		p.put(")")
	case *Lambda:
		p.put("(")
		if e.Formals != nil {
			p.formals(e.Formals)
			if e.Param != "" {
				p.put(" @ ")
			}
		}
		p.put(e.Param)
		p.put(": ")
		p.expr(e.Body)
		p.put(")")
	case *With:
		p.put("(with ")
		p.expr(e.Scope)
		p.put("; ")
		p.expr(e.Body)
		p.put(")")
	case *If:
		p.put("(if ")
		p.expr(e.Cond)
		p.put(" then ")
		p.expr(e.Then)
		p.put(" else ")
		p.expr(e.Else)
		p.put(")")
	case *Assert:
		p.put("assert ")
		p.expr(e.Cond)
		p.put("; ")
		p.expr(e.Body)
	case *Unary:
		if e.Op == Not {
			p.put("(! ")
			p.expr(e.X)
			p.put(")")
		} else {
			p.call("__sub", &Int{}, e.X)
		}
	case *Binary:
		p.binary(e)
	default:
		panic(fmt.Sprintf("syntax: print %T", e))
	}
}

func (p *parsePrinter) binary(e *Binary) {
	switch e.Op {
	case Sub:
		p.call("__sub", e.X, e.Y)
	case Mul:
		p.call("__mul", e.X, e.Y)
	case Div:
		p.call("__div", e.X, e.Y)
	case Less:
		p.call("__lessThan", e.X, e.Y)
	case Greater:
		p.call("__lessThan", e.Y, e.X)
	case LessEq:
		p.put("(! ")
		p.call("__lessThan", e.Y, e.X)
		p.put(")")
	case GreaterEq:
		p.put("(! ")
		p.call("__lessThan", e.X, e.Y)
		p.put(")")
	case PipeTo:
		p.pipe(e.Y, e.X)
	case PipeFrom:
		p.pipe(e.X, e.Y)
	default:
		p.put("(")
		p.expr(e.X)
		p.put(" " + e.Op.String() + " ")
		p.expr(e.Y)
		p.put(")")
	}
}

func (p *parsePrinter) pipe(f, x Expr) {
	p.put("(")
	p.expr(f)
	p.put(" ")
	p.expr(x)
	p.put(")")
}

func (p *parsePrinter) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parsePrinter) formals(f *Formals) {
	list := slices.Clone(f.List)
	slices.SortFunc(list, func(a, b Formal) int { return strings.Compare(a.Name, b.Name) })
	p.put("{ ")
	for i, a := range list {
		if i > 0 {
			p.put(", ")
		}
		p.put(a.Name)
		if a.Default != nil {
			p.put(" ? ")
			p.expr(a.Default)
		}
	}
	if f.Ellipsis {
		if len(list) > 0 {
			p.put(", ")
		}
		p.put("...")
	}
	p.put(" }")
}

func (p *parsePrinter) set(s *Set) {
	if s == nil {
		return
	}
	if s.Rec {
		p.put("rec ")
	}
	p.put("{ ")
	p.bindings(s)
	p.put("}")
}

// bindings prints inherited names and then other names, both sorted, and then the
// computed ones.
func (p *parsePrinter) bindings(s *Set) {
	if s == nil {
		return
	}
	defs := slices.Clone(s.Attrs)
	slices.SortFunc(defs, func(a, b Def) int { return strings.Compare(a.Name, b.Name) })
	p.inherited(defs, nil, Inherited, 0)
	for i, from := range s.Froms {
		p.inherited(defs, from, InheritedFrom, i)
	}
	for _, d := range defs {
		if d.Kind != Plain {
			continue
		}
		p.put(nameParse(d.Name) + " = ")
		if d.Set != nil {
			p.set(d.Set)
		} else {
			p.expr(d.Value)
		}
		p.put("; ")
	}
	for _, d := range s.Dyn {
		p.put(`"${`)
		p.expr(d.Name)
		p.put(`}" = `)
		if d.Set != nil {
			p.set(d.Set)
		} else {
			p.expr(d.Value)
		}
		p.put("; ")
	}
}

func (p *parsePrinter) inherited(defs []Def, from Expr, kind DefKind, n int) {
	any := false
	for _, d := range defs {
		if d.Kind != kind || kind == InheritedFrom && d.From != n {
			continue
		}
		if !any {
			any = true
			p.put("inherit")
			if from != nil {
				p.put(" (")
				p.expr(from)
				p.put(")")
			}
		}
		p.put(" " + nameParse(d.Name))
	}
	if any {
		p.put("; ")
	}
}

func (p *parsePrinter) names(path AttrPath) {
	for i, n := range path {
		if i > 0 {
			p.put(".")
		}
		if n.Expr == nil {
			p.put(nameParse(n.Name))
			continue
		}
		p.put(`"${`)
		p.expr(n.Expr)
		p.put(`}"`)
	}
}

// str prints a string; one with interpolations is a sum.
func (p *parsePrinter) str(e *String) {
	parts := e.Parts
	if len(parts) == 0 {
		p.put(`""`)
		return
	}
	if len(parts) == 1 && parts[0].Expr == nil {
		p.put(quoteParse(parts[0].Text))
		return
	}
	if e.Indented && len(parts) == 1 && isText(parts[0].Expr) {
		p.expr(parts[0].Expr) // Nix drops the quotes around it
		return
	}
	p.put("(")
	for i, q := range parts {
		if i > 0 {
			p.put(" + ")
		}
		if q.Expr != nil {
			p.expr(q.Expr)
		} else {
			p.put(quoteParse(q.Text))
		}
	}
	p.put(")")
}

// isText reports whether e is a string without interpolations.
func isText(e Expr) bool {
	s, ok := e.(*String)
	return ok && (len(s.Parts) == 0 || len(s.Parts) == 1 && s.Parts[0].Expr == nil)
}

func (p *parsePrinter) path(e *Path) {
	parts := JoinText(e.Parts)
	if len(parts) == 1 {
		p.put(p.absolute(parts[0].Text))
		return
	}
	p.put("(")
	for i, q := range parts {
		switch {
		case i == 0:
			p.put(p.absolute(q.Text))
			if strings.HasSuffix(q.Text, "/") && q.Text != "/" {
				p.put("/")
			}
		case q.Expr != nil:
			p.put(" + ")
			p.expr(q.Expr)
		default:
			p.put(" + " + quoteParse(q.Text))
		}
	}
	p.put(")")
}

func (p *parsePrinter) absolute(s string) string {
	if strings.HasPrefix(s, "/") {
		return path.Clean(s)
	}
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		return path.Join(p.home, rest)
	}
	return path.Join(p.dir, s)
}

// nameParse returns an attribute name as Nix prints it.
func nameParse(s string) string {
	if IsIdent(s) || s == "or" {
		return s
	}
	return quoteParse(s)
}

// quoteParse returns a string as Nix prints it. Unlike [Quote] it escapes $ only
// before {.
func quoteParse(s string) string {
	var b strings.Builder
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
			b.WriteByte('$')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// formatG6 formats like %g of C.
func formatG6(v float64) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	mantissa, exp, hasExp := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if hasExp {
		return mantissa + "e" + exp
	}
	return mantissa
}

// plain returns e in the form the parser builds: negative numbers as operations,
// no call without arguments.
func plain(e Expr) Expr {
	switch e := e.(type) {
	case *Int:
		switch {
		case e.Value == math.MinInt64:
			return &Binary{Op: Sub, X: &Int{Value: e.Value + 1}, Y: &Int{Value: 1}}
		case e.Value < 0:
			return &Unary{Op: Negate, X: &Int{Value: -e.Value}}
		}
	case *Float:
		switch {
		case e.Value == 0 && math.Signbit(e.Value):
			return &Binary{Op: Mul, X: &Float{}, Y: &Float{Value: -1}}
		case e.Value < 0:
			return &Unary{Op: Negate, X: &Float{Value: -e.Value}}
		}
	case *Apply:
		if len(e.Args) == 0 {
			return plain(e.F)
		}
	}
	return e
}
