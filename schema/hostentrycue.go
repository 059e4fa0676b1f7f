package schema

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// errNoEntry says that a host has no struct of its own in CUE, such as a host of a
// comprehension. Its fields go to the end: CUE puts declarations of one field together.
var errNoEntry = fmt.Errorf("no entry of the host: %w", errNoPlace)

// setCUE sets a field of a host in CUE.
func (f *hostFile) setCUE(host string, field *setField) (*splice, error) {
	if f.cue == nil {
		file, err := parser.ParseFile("", f.text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		f.cue = file
	}
	entries := f.cueEntries(host)
	for _, h := range entries {
		for _, list := range cueBelow(h.value, []string{field.name}) {
			if l, ok := list.value.(*ast.ListLit); ok && l.Lbrack.IsValid() {
				return &splice{from: l.Lbrack.Offset(), to: l.Rbrack.Offset() + 1, text: field.text}, nil
			}
		}
	}
	member := field.name + ": " + field.text
	for _, h := range entries {
		s, ok := h.value.(*ast.StructLit)
		if !ok || !s.Lbrace.IsValid() {
			continue
		}
		for _, address := range cueBelow(s, []string{"host"}) {
			if slices.Contains(s.Elts, ast.Decl(address.field)) {
				return f.after(address.field.Pos().Offset(), address.value.End().Offset(), "", member, ", ", ""), nil
			}
		}
		at := s.Lbrace.Offset() + 1
		if len(s.Elts) > 0 && s.Elts[0].Pos().Line() == s.Lbrace.Line() {
			return &splice{from: at, to: at, text: member + ", "}, nil
		}
		if len(s.Elts) == 0 {
			return &splice{from: at, to: at, text: "\n" + member + "\n"}, nil
		}
		first := string(f.text[:s.Elts[0].Pos().Offset()])
		return &splice{from: at, to: at, text: "\n" + first[strings.LastIndexByte(first, '\n')+1:] + member}, nil
	}
	return nil, errNoEntry
}

// A cueMember is a field, and one of the values that are unified there.
type cueMember struct {
	field *ast.Field
	value ast.Expr
}

// cueEntries are the values of the entry of a host, in all declarations.
func (f *hostFile) cueEntries(host string) []cueMember {
	if f.cueHosts == nil {
		f.cueHosts = map[string][]cueMember{}
		for _, hosts := range cueFields(f.cue.Decls, []string{"hosts"}) {
			if s, ok := hosts.value.(*ast.StructLit); ok {
				eachCUE(s.Elts, func(name string, m cueMember) { f.cueHosts[name] = append(f.cueHosts[name], m) })
			}
		}
	}
	return f.cueHosts[host]
}

// eachCUE calls visit for the values of all fields of some declarations.
func eachCUE(decls []ast.Decl, visit func(name string, m cueMember)) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if name, _, err := ast.LabelName(d.Label); err == nil {
				for _, v := range cueConjuncts(d.Value) {
					visit(name, cueMember{d, v})
				}
			}
		case *ast.EmbedDecl:
			for _, v := range cueConjuncts(d.Expr) {
				if s, ok := v.(*ast.StructLit); ok {
					eachCUE(s.Elts, visit)
				}
			}
		}
	}
}

// cueFields are the values of the field at a path, in all declarations.
func cueFields(decls []ast.Decl, path []string) (found []cueMember) {
	eachCUE(decls, func(name string, m cueMember) {
		switch {
		case name != path[0]:
		case len(path) == 1:
			found = append(found, m)
		default:
			found = append(found, cueBelow(m.value, path[1:])...)
		}
	})
	return found
}

// cueBelow are the values of the field at a path below an expression.
func cueBelow(e ast.Expr, path []string) (found []cueMember) {
	for _, v := range cueConjuncts(e) {
		if s, ok := v.(*ast.StructLit); ok {
			found = append(found, cueFields(s.Elts, path)...)
		}
	}
	return found
}

// cueConjuncts are the values that an expression unifies.
func cueConjuncts(e ast.Expr) []ast.Expr {
	switch v := e.(type) {
	case *ast.BinaryExpr:
		if v.Op == token.AND {
			return append(cueConjuncts(v.X), cueConjuncts(v.Y)...)
		}
	case *ast.ParenExpr:
		return cueConjuncts(v.X)
	}
	return []ast.Expr{e}
}
