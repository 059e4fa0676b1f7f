package schema

import (
	"path/filepath"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// Format returns the text of an inventory as muster fmt writes it: CUE in the
// layout of cue fmt, any other language unchanged. The function nix formats Nix
// modules inside the text, nix: """ … """; nil leaves them unchanged. Syntax
// errors are [Errors] with positions in name.
func Format(name string, src []byte, nix func(text string) string) ([]byte, error) {
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
			c.report.add(Pos{File: name, Line: max(1, p.Line()), Col: max(1, p.Column())}, "", "syntax", "%s", oneLine(message(e)))
		}
		return nil, c.report.list.sorted()
	}
	if nix != nil {
		out = formatNix(name, out, nix)
	}
	return out, nil
}

// formatNix formats the Nix modules in a formatted CUE file. It indents their
// lines like their closing quotes.
func formatNix(name string, src []byte, nix func(string) string) []byte {
	file, err := parser.ParseFile(name, src, parser.ParseComments)
	if err != nil {
		return src
	}
	var edits []splice
	ast.Walk(file, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		lit, ok := field.Value.(*ast.BasicLit)
		label, _, err := ast.LabelName(field.Label)
		if !ok || err != nil || label != "nix" || lit.Kind != token.STRING {
			return true
		}
		hashes := lit.Value[:len(lit.Value)-len(strings.TrimLeft(lit.Value, "#"))]
		if !strings.HasPrefix(lit.Value, hashes+`"""`) {
			return true
		}
		text, err := literal.Unquote(lit.Value)
		if err != nil {
			return true
		}
		formatted := strings.TrimRight(nix(text), "\n")
		switch {
		case hashes == "":
			formatted = strings.NewReplacer(`\`, `\\`, `"""`, `\"""`).Replace(formatted)
		case strings.Contains(formatted, `\`+hashes), strings.Contains(formatted, `"""`+hashes):
			return true
		}
		indent := lit.Value[strings.LastIndexByte(lit.Value, '\n')+1:]
		indent = indent[:len(indent)-len(`"""`)-len(hashes)]
		var b strings.Builder
		b.WriteString(hashes + `"""` + "\n")
		for line := range strings.Lines(formatted + "\n") {
			if line != "\n" {
				b.WriteString(indent)
			}
			b.WriteString(line)
		}
		b.WriteString(indent + `"""` + hashes)
		from := lit.Pos().Offset()
		edits = append(edits, splice{from: from, to: from + len(lit.Value), text: b.String()})
		return true
	}, nil)
	return spliced(src, edits)
}

// CUE returns the schema of inventories in CUE.
func CUE() string { return schemaText }
