package schema

import (
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
)

// plainTemplates are templates of hosts that are plain data, too:
//
//	hosts: [Name=string]: {
//		user: *"root" | string
//		tags: ["web"]
//		config: networking: hostName: "\(Name).example.com"
//	}
//
// They come before the hosts, and each host is declared once: the fields of a host are those
// of the templates, in their order, and then its own. Whatever is not so is left to CUE.
type plainTemplates struct {
	hosts *node // the struct of the hosts; nil before it is declared
	all   []plainTemplate
}

// A plainTemplate is what one pattern says of all hosts.
type plainTemplate struct {
	reader *plainReader
	alias  string // by which it refers to a host's name; "" for none
	decls  []ast.Decl
}

// template adds a template and reports whether it is one of all hosts.
func (p *plainReader) template(hosts *node, f *ast.Field) bool {
	t := plainTemplate{reader: p}
	pattern, ok := f.Label.(*ast.ListLit)
	if !ok || len(pattern.Elts) != 1 || len(hosts.fields) > 0 {
		return false
	}
	of := pattern.Elts[0]
	if a, ok := of.(*ast.Alias); ok {
		t.alias, of = a.Ident.Name, a.Expr
	}
	if id, ok := of.(*ast.Ident); !ok || id.Name != "string" && id.Name != "_" {
		return false
	}
	lit, ok := p.unwrap(f.Value).(*ast.StructLit)
	if !ok {
		return false
	}
	t.decls = lit.Elts
	p.templates.all = append(p.templates.all, t)
	return true
}

// host makes a host of the templates and of what is declared of it; nil if that takes CUE.
func (p *plainReader) host(name string, f *ast.Field) *node {
	lit, ok := p.unwrap(f.Value).(*ast.StructLit)
	if !ok {
		return nil
	}
	n := &node{kind: structKind, at: p.pos(f.Value.Pos())}
	layers := map[*node]kind{}
	for _, t := range p.templates.all {
		u := unifier{reader: t.reader, alias: t.alias, name: name, from: layers}
		if !u.fields(n, t.decls, 2) {
			return nil
		}
	}
	u := unifier{reader: p, from: layers, own: true}
	if !u.fields(n, lit.Elts, 2) {
		return nil
	}
	return n
}

// A unifier unifies what templates say of a host, and the host itself.
type unifier struct {
	reader *plainReader
	alias  string
	name   string // of the host, which alias stands for
	own    bool   // what the host itself says, and no template
	// from are the values of templates, and the kind of values that may take the place of each;
	// badKind for none.
	from map[*node]kind
}

func (u *unifier) fields(n *node, decls []ast.Decl, depth int) bool {
	if depth > maxDepth {
		return false
	}
	said := map[string]bool{} // by these declarations
	for _, d := range decls {
		if _, comment := d.(*ast.CommentGroup); comment {
			continue
		}
		f := plainField(d)
		if f == nil {
			return false
		}
		name, plain := labelName(f.Label)
		if !plain || u.alias != "" && name == u.alias || !u.field(n, name, f, said[name], depth) {
			return false
		}
		said[name] = true
	}
	return true
}

// field unifies one field with what a struct has. again is whether these declarations have
// said it before.
func (u *unifier) field(n *node, name string, f *ast.Field, again bool, depth int) bool {
	value := u.reader.unwrap(f.Value)
	i := n.index(name)
	if lit, ok := value.(*ast.StructLit); ok {
		var below *node
		if i < 0 {
			below = &node{kind: structKind}
			n.set(name, Pos{}, below)
			i = n.index(name)
		} else if below = n.fields[i].val; below.kind != structKind {
			return false
		}
		if !again && (u.own || n.fields[i].at == (Pos{})) {
			n.fields[i].at, below.at = u.reader.pos(f.Label.Pos()), u.reader.pos(f.Value.Pos())
		}
		return u.fields(below, lit.Elts, depth+1)
	}
	val, open := u.value(value, depth+1)
	if val == nil {
		return false
	}
	val.at = u.reader.pos(f.Value.Pos())
	if i < 0 {
		n.set(name, u.reader.pos(f.Label.Pos()), val)
		if !u.own {
			u.from[val] = open
		}
		return true
	}
	// The host's own value takes the place of a template's, where CUE would unify them.
	old := n.fields[i].val
	before, template := u.from[old]
	if !u.own || !template || !sameScalars(old, val) && before != val.kind {
		return false
	}
	at := val.at // so CUE says where two scalars meet
	if val.kind == listKind {
		at = u.reader.pos(f.Label.Pos())
	}
	n.fields[i] = field{name: name, at: at, val: val}
	return true
}

// value converts a value, and returns the kind of those that may take its place; nil for one
// that takes CUE.
func (u *unifier) value(x ast.Expr, depth int) (*node, kind) {
	switch x := x.(type) {
	case *ast.Ident:
		if u.alias != "" && x.Name == u.alias {
			return &node{kind: stringKind, text: u.name}, badKind
		}
	case *ast.Interpolation:
		if text, ok := u.interpolated(x); ok {
			return &node{kind: stringKind, text: text}, badKind
		}
	case *ast.BinaryExpr:
		return u.withDefault(x)
	case *ast.BasicLit, *ast.ListLit:
		return u.reader.value(x, depth), badKind
	}
	return nil, badKind
}

// withDefault converts *"root" | string, and the like.
func (u *unifier) withDefault(x *ast.BinaryExpr) (*node, kind) {
	marked, ok := x.X.(*ast.UnaryExpr)
	id, isType := x.Y.(*ast.Ident)
	if !ok || !isType || x.Op != token.OR || marked.Op != token.MUL || u.own {
		return nil, badKind
	}
	lit, ok := marked.X.(*ast.BasicLit)
	if !ok {
		return nil, badKind
	}
	n := &node{}
	kinds := map[string]kind{"string": stringKind, "int": intKind, "bool": boolKind}
	if !u.reader.scalar(n, lit.Kind, lit.Value) || kinds[id.Name] != n.kind {
		return nil, badKind
	}
	return n, n.kind
}

// interpolated is a string in which only the host's name is interpolated.
func (u *unifier) interpolated(x *ast.Interpolation) (string, bool) {
	if u.alias == "" {
		return "", false
	}
	var b strings.Builder
	for i, e := range x.Elts {
		switch e := e.(type) {
		case *ast.BasicLit:
			part, begins := strings.CutPrefix(e.Value, ")")
			if i == 0 {
				part, begins = strings.CutPrefix(e.Value, `"`)
			}
			part, ends := strings.CutSuffix(part, `\(`)
			if i == len(x.Elts)-1 {
				part, ends = strings.CutSuffix(part, `"`)
			}
			text, err := literal.Unquote(`"` + part + `"`)
			if !begins || !ends || err != nil || strings.HasPrefix(e.Value, `"""`) {
				return "", false
			}
			b.WriteString(text)
		case *ast.Ident:
			if e.Name != u.alias {
				return "", false
			}
			b.WriteString(u.name)
		default:
			return "", false
		}
	}
	return b.String(), true
}

// sameScalars reports whether two values, neither of which is a struct or has one, are
// the same.
func sameScalars(a, b *node) bool {
	return a.kind == b.kind && a.kind != structKind && a.bool == b.bool && a.num == b.num && a.text == b.text &&
		slices.EqualFunc(a.elems, b.elems, sameScalars)
}
