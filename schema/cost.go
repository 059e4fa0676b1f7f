package schema

import (
	"math"
	"path/filepath"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"muster/exec/foreign"
)

// exceeded reports an evaluation that did not end, at the field that probably
// costs most: CUE does not tell what it was doing.
func (c *cueReader) exceeded(err error) {
	at, field := c.start(), ""
	if _, ok := err.(*limitError); ok {
		at, field = c.costliest()
	}
	c.report.add(at, field, "limit", "evaluate the inventory: %v", err)
	if field != "" {
		last := c.report.list[len(c.report.list)-1]
		last.Hint = "of all fields, this one probably costs most"
	}
}

// costliest returns the position and the path of the field that probably costs
// most to evaluate.
func (c *cueReader) costliest() (Pos, string) {
	e := &estimator{tops: make(map[string][]ast.Expr), known: make(map[string]float64)}
	c.names = make(map[string]string)
	var decls []ast.Decl
	names, _ := filepath.Glob(filepath.Join(globEscape(c.dir), "*.cue"))
	for _, name := range names {
		data, err := foreign.ReadFile(name, foreign.Limits{Size: MaxFileSize, Time: foreign.Time, Links: true})
		if err != nil || c.outside(name) != "" || c.prescan(name, data) != nil {
			continue
		}
		f, err := parser.ParseFile(name, data)
		if err != nil {
			continue
		}
		decls = append(decls, f.Decls...)
	}
	e.add(decls)
	at, path := c.start(), ""
	for len(decls) > 0 {
		// Declarations of one name, such as hosts, count together.
		sums, total := make(map[string]float64), 0.0
		first := make(map[string]ast.Decl)
		below := make(map[string][]ast.Decl)
		for _, d := range decls {
			name := ""
			if f, ok := d.(*ast.Field); ok {
				if name, _, _ = ast.LabelName(f.Label); name != "" {
					if st, ok := f.Value.(*ast.StructLit); ok {
						below[name] = append(below[name], st.Elts...)
					}
				}
			}
			if first[name] == nil || e.cost(d) > e.cost(first[name]) {
				first[name] = d
			}
			sums[name] += e.cost(d)
			total += e.cost(d)
		}
		best := ""
		for _, d := range decls {
			if f, ok := d.(*ast.Field); ok {
				if name, _, _ := ast.LabelName(f.Label); sums[name] > sums[best] {
					best = name
				}
			}
		}
		// A field costs more than those it refers to, so the first is any.
		if path != "" && sums[best] < total/2 || first[best] == nil {
			break
		}
		if p := c.pos(first[best].Pos()); p.IsValid() {
			at = p
		}
		if best == "" {
			break // a comprehension or a pattern
		}
		path = join(path, best)
		decls = below[best]
	}
	return at, path
}

// An estimator estimates how many values an expression has, from its text.
type estimator struct {
	tops  map[string][]ast.Expr // values of the fields of the package
	known map[string]float64    // cost of a field of the package; infinite while it is found
}

// unknownLength stands for the length of a list that the text does not show.
const unknownLength = 100

func (e *estimator) add(decls []ast.Decl) {
	for _, d := range decls {
		if f, ok := d.(*ast.Field); ok {
			if name, _, err := ast.LabelName(f.Label); err == nil {
				e.tops[name] = append(e.tops[name], f.Value)
			}
		}
	}
}

// cost returns the number of values in n.
func (e *estimator) cost(n ast.Node) float64 {
	sum := 0.0
	ast.Walk(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			sum += 1 + e.field(n.Name)
		case *ast.BasicLit:
			sum++
		case *ast.Field:
			sum += e.cost(n.Value)
			return false
		case *ast.BinaryExpr:
			if n.Op == token.AND && hasChoice(n.X) && hasChoice(n.Y) {
				sum += e.cost(n.X) * e.cost(n.Y)
				return false
			}
		case *ast.Comprehension:
			times := 1.0
			for _, clause := range n.Clauses {
				if f, ok := clause.(*ast.ForClause); ok {
					times *= e.length(f)
				}
			}
			sum += times * (1 + e.cost(n.Value))
			return false
		}
		return true
	}, nil)
	return sum
}

// hasChoice reports whether an expression has a disjunction.
func hasChoice(x ast.Expr) bool {
	found := false
	ast.Walk(x, func(n ast.Node) bool {
		b, ok := n.(*ast.BinaryExpr)
		found = found || ok && b.Op == token.OR
		return !found
	}, nil)
	return found
}

// field returns the number of values in a field of the package. One that refers
// to itself has no end.
func (e *estimator) field(name string) float64 {
	values := e.tops[name]
	if len(values) == 0 || name == "hosts" {
		return 0
	}
	if sum, known := e.known[name]; known {
		return sum
	}
	e.known[name] = math.Inf(1)
	sum := 0.0
	for _, v := range values {
		sum += e.cost(v)
	}
	e.known[name] = sum
	return sum
}

// length returns the number of iterations of a for clause.
func (e *estimator) length(f *ast.ForClause) float64 {
	source := f.Source
	if id, ok := source.(*ast.Ident); ok {
		if v := topLevel(id, e.tops); v != nil {
			source = v
		}
	}
	switch source := source.(type) {
	case *ast.ListLit:
		return float64(len(source.Elts))
	case *ast.StructLit:
		return float64(len(source.Elts))
	case *ast.CallExpr:
		if r, ok := rangeOf(source, e.tops); ok {
			return float64(r.length())
		}
	}
	return unknownLength
}
