package schema

import (
	"fmt"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/encoding/jsonschema"
)

// Format returns an inventory's text as muster fmt leaves it: CUE in the
// layout of CUE's own formatter, anything else as it is. Mistakes of syntax
// are [Errors] with places in name.
func Format(name string, src []byte) ([]byte, error) {
	if filepath.Ext(name) != ".cue" {
		return src, nil
	}
	c := &cueReader{report: new(report), show: func(s string) string { return s }}
	s := newSource(name, src, c.report)
	if s != nil {
		if e := c.prescan(name, src); e != nil {
			c.report.list = append(c.report.list, e)
		}
	}
	if len(c.report.list) > 0 {
		return nil, c.report.list
	}
	var out []byte
	file, err := parser.ParseFile(name, src, parser.ParseComments)
	if err == nil {
		out, err = format.Node(file)
	}
	if err != nil {
		for _, e := range errors.Errors(err) {
			p := e.Position()
			c.report.add(Pos{name, max(1, p.Line()), max(1, p.Column())}, "", "syntax", "%s", oneLine(message(e)))
		}
		return nil, c.report.list.sorted()
	}
	return out, nil
}

// CUE returns the schema of inventories as CUE.
func CUE() string { return schemaText }

// JSONSchema returns the schema of inventories as a JSON Schema, draft
// 2020-12, for editors of TOML, YAML and JSON.
func JSONSchema() (string, error) {
	ctx := newContext()
	v := ctx.CompileString(schemaText, cue.Filename("schema.cue"))
	e, err := jsonschema.Generate(v.LookupPath(cue.ParsePath("#Inventory")), nil)
	if err != nil {
		return "", fmt.Errorf("generate a JSON Schema: %s", strings.TrimSpace(errors.Details(err, nil)))
	}
	out, err := ctx.BuildExpr(e).MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("generate a JSON Schema: %w", err)
	}
	return indentJSON(out), nil
}
