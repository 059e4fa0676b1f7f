package syntax

import (
	"math"
	"math/rand/v2"
)

// A gen makes random trees: every kind of node, with the texts, names and
// numbers that are hard to print.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 7))} }

func pick[T any](g gen, xs ...T) T { return xs[g.IntN(len(xs))] }

// text is a string made of what scanners trip over.
func (g gen) text() string {
	pieces := []string{
		"$", "$$", "{", "}", "${", "$${", "''", "'", "'''", "''$", `''\`, `\`, `\n`, `"`, "\n", "\n\n", "\t", "\r",
		"\r\n", " ", "  ", "    ", "a", "foo", "é", "\xff", "\x80", "日本", "#", "/*", "*/", ";", "${x}", "''${x}", "\x01", "\x7f",
	}
	s := ""
	for range g.IntN(8) {
		s += pick(g, pieces...)
	}
	return s
}

func (g gen) name() string {
	return pick(g, "a", "b", "c", "x1", "_", "a'b", "foo-bar", "services", "rec'", "__functor", "true", "inherits")
}

// attr is any attribute name but a NUL.
func (g gen) attr() string {
	if g.IntN(3) > 0 {
		return g.name()
	}
	return pick(g, "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or", "", "1a", "a b", "a.b", "-a", "'a", g.text())
}

func (g gen) parts(depth int) []Part {
	var parts []Part
	for range g.IntN(4) {
		if depth > 0 && g.IntN(3) == 0 {
			parts = append(parts, Part{Expr: g.expr(depth - 1)})
		} else {
			parts = append(parts, Part{Text: g.text()})
		}
	}
	return parts
}

func (g gen) path(depth int) AttrPath {
	var p AttrPath
	for range 1 + g.IntN(3) {
		p = append(p, g.attrName(depth))
	}
	return p
}

func (g gen) attrName(depth int) AttrName {
	if depth > 0 && g.IntN(6) == 0 {
		return AttrName{Expr: g.expr(depth - 1)}
	}
	return AttrName{Name: g.attr()}
}

// bindings makes bindings whose first names differ, so that none is defined twice.
func (g gen) bindings(depth int, let bool) []Binding {
	var bs []Binding
	seen := map[string]bool{}
	for range g.IntN(4) {
		if g.IntN(4) == 0 {
			b := &Inherit{}
			if g.IntN(2) == 0 {
				b.From = g.expr(depth - 1)
			}
			for range g.IntN(3) {
				if n := g.attr(); !seen[n] {
					seen[n] = true
					b.Names = append(b.Names, AttrName{Name: n})
				}
			}
			bs = append(bs, b)
			continue
		}
		b := &Attr{Path: g.path(depth), Value: g.expr(depth - 1)}
		if p := plainName(b.Path[0]); p.Expr == nil {
			if seen[p.Name] {
				continue
			}
			seen[p.Name] = true
		} else if let {
			continue
		}
		if g.IntN(4) == 0 {
			b.Note = &Note{Before: []string{g.text(), "x"}, After: g.text(), Blank: true}
		}
		bs = append(bs, b)
	}
	return bs
}

func (g gen) int() *Int {
	return &Int{Value: pick(g, 0, 1, 42, -1, math.MaxInt64, math.MinInt64, math.MinInt64+1, g.Int64(), -g.Int64())}
}

func (g gen) float() *Float {
	for {
		v := pick(g, 0, 1, -1, 0.5, 1e3, 1e300, 1e-300, math.MaxFloat64, 0x1p-1022, math.Copysign(0, -1),
			math.Float64frombits(g.Uint64()), g.NormFloat64())
		if !math.IsNaN(v) && !math.IsInf(v, 0) && (v == 0 || math.Abs(v) >= 0x1p-1022) {
			return &Float{Value: v}
		}
	}
}

func (g gen) string(depth int) *String {
	switch g.IntN(8) {
	case 0:
		return &String{URI: true, Parts: []Part{{Text: pick(g, "https://example.org/a?b=c", "x:x", "a+b:,")}}}
	case 1, 2, 3:
		return &String{Indented: true, Parts: g.parts(depth)}
	default:
		return &String{Parts: g.parts(depth)}
	}
}

func (g gen) pathLiteral(depth int) *Path {
	p := &Path{Parts: []Part{{Text: pick(g, "./", "../a/", "/", "~/", "a-b/", "~/.x/", "./.", "/nix/store", "a/b", "./a+b_c", "-/a")}}}
	for depth > 0 && g.IntN(2) == 0 {
		p.Parts = append(p.Parts, Part{Expr: g.expr(depth - 1)}, Part{Text: pick(g, "", ".nix", "/x", "a/b", "-")})
	}
	if last := JoinText(p.Parts); last[len(last)-1].Expr == nil {
		p.Parts = append(p.Parts, Part{Text: "z"})
	}
	return p
}

func (g gen) lambda(depth int) *Lambda {
	l := &Lambda{Body: g.expr(depth - 1)}
	if g.IntN(2) == 0 {
		l.Param = g.name()
		return l
	}
	l.Formals = &Formals{Ellipsis: g.IntN(2) == 0}
	seen := map[string]bool{}
	if g.IntN(3) == 0 {
		l.Param, l.AtLast = g.name(), g.IntN(2) == 0
		seen[l.Param] = true
	}
	for range g.IntN(4) {
		a := Formal{Name: g.name()}
		if seen[a.Name] {
			continue
		}
		seen[a.Name] = true
		if g.IntN(2) == 0 {
			a.Default = g.expr(depth - 1)
		}
		l.Formals.List = append(l.Formals.List, a)
	}
	return l
}

func (g gen) exprs(n, depth int) []Expr {
	list := make([]Expr, n)
	for i := range list {
		list[i] = g.expr(depth - 1)
	}
	return list
}

// expr makes any expression, at most depth deep.
func (g gen) expr(depth int) Expr {
	if depth <= 0 {
		switch g.IntN(7) {
		case 0:
			return g.int()
		case 1:
			return g.float()
		case 2:
			return g.string(0)
		case 3:
			return g.pathLiteral(0)
		case 4:
			return &SearchPath{Name: pick(g, "nixpkgs", "nixpkgs/lib", "a.b/c-d", "...")}
		default:
			return &Ident{Name: g.name()}
		}
	}
	d := depth - 1
	switch g.IntN(19) {
	case 0:
		return &List{Elems: g.exprs(g.IntN(5), depth)}
	case 1, 2:
		return &Attrs{Rec: g.IntN(4) == 0, Bindings: g.bindings(depth, false)}
	case 3:
		s := &Select{X: g.expr(d), Path: g.path(d)}
		if g.IntN(2) == 0 {
			s.Default = g.expr(d)
		}
		return s
	case 4:
		return &HasAttr{X: g.expr(d), Path: g.path(d)}
	case 5, 6:
		a := &Apply{F: g.expr(d), Args: g.exprs(1+g.IntN(3), depth)}
		if g.IntN(20) == 0 {
			a.Args[g.IntN(len(a.Args))] = &Ident{Name: "or"}
		}
		return a
	case 7, 8:
		return g.lambda(depth)
	case 9:
		return &Let{Bindings: g.bindings(depth, true), Body: g.expr(d)}
	case 10:
		return &LegacyLet{Bindings: g.bindings(depth, false)}
	case 11:
		return &With{Scope: g.expr(d), Body: g.expr(d)}
	case 12:
		return &If{Cond: g.expr(d), Then: g.expr(d), Else: g.expr(d)}
	case 13:
		return &Assert{Cond: g.expr(d), Body: g.expr(d)}
	case 14:
		return &Unary{Op: pick(g, Not, Negate), X: g.expr(d)}
	case 15, 16:
		op := pick(g, PipeTo, PipeFrom, Implies, Or, And, Eq, Neq, Less, LessEq, Greater, GreaterEq, Update, Add, Sub, Mul, Div, Concat)
		return &Binary{Op: op, X: g.expr(d), Y: g.expr(d)}
	case 17:
		return g.string(depth)
	default:
		return g.pathLiteral(depth)
	}
}
