package schema

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"
)

// pos converts a position of CUE. It returns the zero Pos for one outside the
// user's text.
func (c *cueReader) pos(p token.Pos) Pos {
	if !p.IsValid() {
		return Pos{}
	}
	name := p.Filename()
	shown, known := c.names[name]
	if !known {
		if !c.ours(name) {
			abs := name
			if !filepath.IsAbs(abs) {
				abs = filepath.Join(c.root, abs)
			}
			shown = c.show(abs)
		}
		c.names[name] = shown
	}
	if shown == "" {
		return Pos{}
	}
	at := p.Position()
	return Pos{File: shown, Line: at.Line, Col: at.Column}
}

// index records the positions of fields in struct literals. CUE has no cheap
// answer for a value to which several declarations contribute.
func (c *cueReader) index(decls []ast.Decl, path string) {
	for _, d := range decls {
		f, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(f.Label)
		if err != nil {
			continue
		}
		below := join(path, name)
		value := f.Value
		for {
			b, ok := value.(*ast.BinaryExpr)
			if !ok || b.Op != token.AND {
				break
			}
			value = b.Y // _web & {…}
		}
		st, ok := value.(*ast.StructLit)
		if !ok {
			continue
		}
		if _, known := c.static[below]; !known {
			c.static[below] = place{c.pos(f.Label.Pos()), c.pos(f.Value.Pos())}
		}
		c.index(st.Elts, below)
	}
}

// places returns the positions of a field's label and value in the user's text.
func (c *cueReader) places(v cue.Value, path string) (label, at Pos) {
	src := v.Source()
	switch src := src.(type) {
	case *ast.Field:
		label, at = c.pos(src.Label.Pos()), c.pos(src.Value.Pos())
		if !at.IsValid() {
			at = label // a TOML table has no brackets
		}
		return label, at
	case *ast.BasicLit:
		at = c.pos(src.Pos())
		return at, at
	}
	if p, ok := c.static[path]; ok {
		return p.label, p.at
	}
	// Several declarations contribute. Prefer one that names the field (a
	// pattern does not) and gives a value (a type does not).
	_, args := v.Expr()
	best := -1
	for _, a := range args {
		f, ok := a.Source().(*ast.Field)
		if !ok || !c.pos(f.Label.Pos()).IsValid() {
			continue
		}
		score := 0
		if _, pattern := f.Label.(*ast.ListLit); !pattern {
			score = 1
		}
		if isValue(f.Value) {
			score += 2
		}
		if score <= best {
			continue
		}
		best = score
		label, at = c.pos(f.Label.Pos()), c.pos(f.Value.Pos())
		if !at.IsValid() {
			at = label
		}
	}
	if !at.IsValid() && src != nil {
		at = c.pos(src.Pos())
		label = at
	}
	return label, at
}

// isValue reports whether an expression is likely to be a value and not a type.
func isValue(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name != "_" && x.Name != "string" && x.Name != "int" && x.Name != "bool"
	case *ast.ListLit:
		for _, e := range x.Elts {
			if _, open := e.(*ast.Ellipsis); open {
				return false
			}
		}
	case *ast.BinaryExpr:
		return x.Op != token.OR
	}
	return true
}

// positions returns an error's positions in the user's text, the main one first.
func (c *cueReader) positions(e errors.Error) (Pos, []Pos) {
	var all []Pos
	for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if q := c.pos(p); q.IsValid() && !slices.Contains(all, q) {
			all = append(all, q)
		}
	}
	if len(all) == 0 {
		return Pos{}, nil
	}
	return all[0], all[1:]
}

// valueFirst moves the position whose text begins with value to the front.
func (c *cueReader) valueFirst(value string, pos Pos, others []Pos) (Pos, []Pos) {
	all := append([]Pos{pos}, others...)
	for i, p := range all {
		if s := c.texts[p.File]; s != nil && p.Col >= 1 && p.Col-1 < len(s.line(p.Line)) && strings.HasPrefix(s.line(p.Line)[p.Col-1:], value) {
			all[0], all[i] = all[i], all[0]
			break
		}
	}
	return all[0], all[1:]
}

// lookup returns the position of the innermost value on a path that has one.
func (c *cueReader) lookup(v cue.Value, path []string) Pos {
	at := c.start()
	for i := range path {
		if p, ok := c.static[showPath(path[:i+1])]; ok {
			at = p.at
		}
	}
	for _, name := range path {
		sel := cue.Str(unquote(name))
		if i, err := strconv.Atoi(name); err == nil {
			sel = cue.Index(i)
		}
		if !v.Exists() {
			break
		}
		v = v.LookupPath(cue.MakePath(sel))
		if _, p := c.places(v, ""); p.IsValid() {
			at = p
		}
	}
	return at
}

// unquote removes the quotes of a label, if it has any.
func unquote(label string) string {
	if s, err := strconv.Unquote(label); err == nil {
		return s
	}
	return label
}

// showPath joins the labels of an error to a path as messages show it.
func showPath(labels []string) string {
	path := ""
	for _, l := range labels {
		if _, err := strconv.Atoi(l); err == nil && path != "" {
			path += "[" + l + "]"
			continue
		}
		if strings.HasPrefix(l, "#") || strings.HasPrefix(l, "_") {
			path = strings.TrimPrefix(path+"."+l, ".")
			continue
		}
		path = join(path, unquote(l))
	}
	return path
}
