package schema

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
)

// DataToCUE returns the text of an inventory in TOML, YAML or JSON as CUE, with the same
// fields in the same order. Comments stay behind.
func DataToCUE(file string) ([]byte, error) {
	l, err := newLoader(file, Options{})
	if err != nil {
		return nil, err
	}
	if filepath.Ext(l.file) == ".cue" {
		return nil, fmt.Errorf("write %s as CUE: it is CUE", file)
	}
	tree := l.readData()
	if len(l.report.list) > 0 {
		return nil, l.report.list
	}
	if tree == nil || tree.kind != structKind {
		return nil, fmt.Errorf("write %s as CUE: it has no fields", file)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// Written by muster init from %s.\npackage fleet\n", filepath.Base(file))
	for _, f := range tree.fields {
		if f.name == "$schema" {
			continue // names the schema of JSON
		}
		b.WriteString("\n" + fieldText(f) + "\n")
	}
	text, err := format.Source([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("write %s as CUE: %v", file, err)
	}
	return text, nil
}

// fieldText is a field in CUE. The only field of a struct follows its name.
func fieldText(f field) string {
	name := f.name
	if !ast.IsValidIdent(name) || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "#") {
		name = literal.String.Quote(name)
	}
	if f.val.kind == structKind && len(f.val.fields) == 1 {
		return name + ": " + fieldText(f.val.fields[0])
	}
	return name + ": " + nodeText(f.val)
}

// nodeText is a value in CUE.
func nodeText(n *node) string {
	switch n.kind {
	case nullKind:
		return "null"
	case boolKind:
		return strconv.FormatBool(n.bool)
	case intKind:
		return strconv.FormatInt(n.num, 10)
	case floatKind, bigKind:
		return n.String()
	case listKind:
		var list []string
		for _, e := range n.elems {
			list = append(list, nodeText(e))
		}
		return "[" + inLines(list, ", ", ",\n") + "]"
	case structKind:
		var list []string
		for _, f := range n.fields {
			list = append(list, fieldText(f))
		}
		if len(list) == 0 {
			return "{}"
		}
		return "{\n" + strings.Join(list, "\n") + "\n}"
	}
	return literal.String.WithOptionalTabIndent(1).Quote(n.text)
}
