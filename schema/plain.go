package schema

import (
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
)

// A plainReader reads CUE that is plain data: fields, strings, numbers, lists, and
// simple templates of hosts (see [plainTemplates]).
// Programs write only that, people mostly, and there is nothing in it to
// evaluate. Anything else it leaves to CUE; a test compares the two.
type plainReader struct {
	*cueReader
	// schema is the name under which the schema is imported, used whether the
	// text refers to it.
	schema string
	used   bool
	// templates are those of the package.
	templates *plainTemplates
}

// plain returns the tree of a package of plain data, or nil for another package.
func (c *cueReader) plain(inst *build.Instance) *node {
	root := &node{kind: structKind, at: c.start()}
	templates := &plainTemplates{}
	for _, f := range inst.Files {
		p := &plainReader{cueReader: c, templates: templates}
		for s := range f.ImportSpecs() {
			name, err := strconv.Unquote(s.Path.Value)
			if err != nil || name != schemaModule || p.schema != "" {
				return nil
			}
			p.schema = "schema"
			if s.Name != nil {
				p.schema = s.Name.Name
			}
		}
		var decls []ast.Decl
		for _, d := range f.Decls {
			switch d.(type) {
			case *ast.Package, *ast.ImportDecl, *ast.CommentGroup:
			default:
				decls = append(decls, d)
			}
		}
		if !p.fields(root, decls, 0) || p.schema != "" && !p.used {
			return nil
		}
	}
	return root
}

// plainField is a declaration as a field with neither an alias, a constraint nor attributes;
// nil where it is another.
func plainField(d ast.Decl) *ast.Field {
	f, ok := d.(*ast.Field)
	if !ok || f.Alias != nil || f.Constraint != token.ILLEGAL || len(f.Attrs) > 0 {
		return nil
	}
	return f
}

// fields adds declarations to a struct and reports whether all are plain.
func (p *plainReader) fields(n *node, decls []ast.Decl, depth int) bool {
	if depth > maxDepth {
		return false
	}
	for _, d := range decls {
		if _, comment := d.(*ast.CommentGroup); comment {
			continue
		}
		f := plainField(d)
		if f == nil {
			return false
		}
		if n == p.templates.hosts {
			if _, pattern := f.Label.(*ast.ListLit); pattern {
				if !p.template(n, f) {
					return false
				}
				continue
			}
		}
		name, plain := labelName(f.Label)
		if !plain {
			return false
		}
		value := p.unwrap(f.Value)
		i := n.index(name)
		if n == p.templates.hosts && len(p.templates.all) > 0 {
			val := p.host(name, f)
			if val == nil || i >= 0 {
				return false
			}
			n.set(name, p.pos(f.Label.Pos()), val)
			continue
		}
		if lit, ok := value.(*ast.StructLit); ok && i < 0 && depth == 0 && name == "hosts" {
			hosts := &node{kind: structKind, at: p.pos(f.Value.Pos())}
			p.templates.hosts = hosts
			n.set(name, p.pos(f.Label.Pos()), hosts)
			if !p.fields(hosts, lit.Elts, depth+1) {
				return false
			}
			continue
		}
		if i < 0 {
			val := p.value(value, depth+1)
			if val == nil {
				return false
			}
			val.at = p.pos(f.Value.Pos())
			n.set(name, p.pos(f.Label.Pos()), val)
			continue
		}
		// Several structs of one name merge; CUE decides about other values.
		st, ok := value.(*ast.StructLit)
		if !ok || n.fields[i].val.kind != structKind || !p.fields(n.fields[i].val, st.Elts, depth+1) {
			return false
		}
	}
	return true
}

// labelName returns the name of a regular field.
func labelName(l ast.Label) (string, bool) {
	switch l := l.(type) {
	case *ast.Ident:
		return l.Name, !strings.HasPrefix(l.Name, "_") && !strings.HasPrefix(l.Name, "#")
	case *ast.BasicLit:
		if l.Kind != token.STRING {
			return "", false
		}
		name, err := literal.Unquote(l.Value)
		return name, err == nil
	}
	return "", false
}

// unwrap returns the struct of schema.#Host & {…}. The definition allows
// everything; see openSchema.
func (p *plainReader) unwrap(x ast.Expr) ast.Expr {
	b, ok := x.(*ast.BinaryExpr)
	if !ok || b.Op != token.AND || p.schema == "" {
		return x
	}
	sel, ok := b.X.(*ast.SelectorExpr)
	if !ok {
		return x
	}
	pkg, ok := sel.X.(*ast.Ident)
	def, isDef := sel.Sel.(*ast.Ident)
	if !ok || !isDef || pkg.Name != p.schema || !inDefinitions(def.Name) {
		return x
	}
	if _, ok := b.Y.(*ast.StructLit); !ok {
		return x
	}
	p.used = true
	return b.Y
}

// inDefinitions reports whether schema.cue defines the name.
func inDefinitions(name string) bool {
	return strings.HasPrefix(name, "#") && strings.Contains(schemaText, "\n"+name+":")
}

// value converts a plain value; it returns nil for another.
func (p *plainReader) value(x ast.Expr, depth int) *node {
	n := &node{at: p.pos(x.Pos())}
	switch x := x.(type) {
	case *ast.StructLit:
		n.kind = structKind
		if p.fields(n, x.Elts, depth) {
			return n
		}
	case *ast.ListLit:
		n.kind = listKind
		for _, e := range x.Elts {
			val := p.value(e, depth+1)
			if val == nil || depth > maxDepth {
				return nil
			}
			n.elems = append(n.elems, val)
		}
		return n
	case *ast.BasicLit:
		if p.scalar(n, x.Kind, x.Value) {
			return n
		}
	}
	return nil
}

// scalar sets n to a literal and reports whether it is a plain one.
func (p *plainReader) scalar(n *node, kind token.Token, text string) bool {
	switch kind {
	case token.STRING:
		s, err := literal.Unquote(text)
		n.kind, n.text = stringKind, s
		return err == nil && text[0] == '"'
	case token.TRUE, token.FALSE:
		n.kind, n.bool = boolKind, kind == token.TRUE
		return true
	case token.NULL:
		n.kind = nullKind
		return true
	case token.INT:
		i, err := strconv.ParseInt(text, 10, 64)
		n.kind, n.num = intKind, i
		return err == nil && (text == "0" || text[0] != '0')
	}
	return false
}
