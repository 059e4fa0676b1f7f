package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"go.yaml.in/yaml/v3"
)

// A NewHost is the entry of a host to write into an inventory.
type NewHost struct {
	Name    string
	Comment string // above it; JSON has no comments
	Fields  []NewField
}

// A NewField is a field of an entry. Value is a string, an int, a bool, a []string or,
// for fields below it, a []NewField.
type NewField struct {
	Name    string
	Comment string
	Value   any
}

// errByHand says that an inventory has a form to which nothing is added.
var errByHand = errors.New("add the host by hand")

// AddHost returns the text of an inventory, which may be empty, with one more host. The
// name of the file says its language. What was there stays as it is, with its comments.
func AddHost(name string, src []byte, h *NewHost) ([]byte, error) {
	if err := checkNew(h.Fields); err != nil {
		return nil, fmt.Errorf("add host %s: %w", h.Name, err)
	}
	var out []byte
	var err error
	switch filepath.Ext(name) {
	case ".cue":
		out, err = addCUE(src, h)
	case ".toml":
		out, err = addTOML(src, h), nil
	case ".yaml", ".yml":
		out, err = addYAML(src, h)
	case ".json":
		out, err = addJSON(src, h)
	default:
		err = errors.New("unknown file type, want .cue, .toml, .yaml or .json")
	}
	if err != nil {
		return nil, fmt.Errorf("add host %s to %s: %w", h.Name, name, err)
	}
	return out, nil
}

// checkNew refuses texts that not all languages can hold.
func checkNew(fields []NewField) error {
	for _, f := range fields {
		texts := []string{f.Name, f.Comment}
		switch v := f.Value.(type) {
		case string:
			texts = append(texts, v)
		case []string:
			texts = append(texts, v...)
		case []NewField:
			if err := checkNew(v); err != nil {
				return err
			}
		case int, bool:
		default:
			panic(fmt.Sprintf("schema: new field %T", v))
		}
		for _, t := range texts {
			if !utf8.ValidString(t) || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return fmt.Errorf("field %s: %q has characters that an inventory may not have", quote(f.Name), t)
			}
		}
	}
	return nil
}

// addCUE adds hosts: NAME: {…} at the end: CUE puts declarations of one field together.
func addCUE(src []byte, h *NewHost) ([]byte, error) {
	file := &ast.File{Decls: []ast.Decl{cueField("hosts", &ast.StructLit{Elts: []ast.Decl{cueField(h.Name, cueStruct(h.Fields))}})}}
	if h.Comment != "" {
		ast.AddComment(file.Decls[0], cueComment(h.Comment))
	}
	text, err := format.Node(file, format.Simplify())
	if err != nil {
		return nil, err
	}
	if _, err := parser.ParseFile("", text); err != nil {
		return nil, err
	}
	return endWith(src, text), nil
}

// endWith puts a text after another, with an empty line between them.
func endWith(src, text []byte) []byte {
	if len(bytes.TrimSpace(src)) == 0 {
		return text
	}
	return slices.Concat(bytes.TrimRight(src, "\n"), []byte("\n\n"), text)
}

func cueStruct(fields []NewField) *ast.StructLit {
	s := &ast.StructLit{Lbrace: token.Blank.Pos(), Rbrace: token.Newline.Pos()}
	for _, f := range fields {
		var value ast.Expr
		switch v := f.Value.(type) {
		case string:
			value = cueString(v)
		case int:
			value = ast.NewLit(token.INT, strconv.Itoa(v))
		case bool:
			value = ast.NewBool(v)
		case []string:
			l := &ast.ListLit{}
			for _, e := range v {
				l.Elts = append(l.Elts, cueString(e))
			}
			if len(v) == 0 || len(v) > 1 || len(v[0]) > 60 {
				for _, e := range l.Elts {
					ast.SetRelPos(e, token.Newline)
				}
				l.Rbrack = token.Newline.Pos()
			}
			value = l
		case []NewField:
			value = cueStruct(v)
		}
		field := cueField(f.Name, value)
		if f.Comment != "" {
			ast.AddComment(field, cueComment(f.Comment))
		}
		ast.SetRelPos(field, token.Newline)
		s.Elts = append(s.Elts, field)
	}
	return s
}

func cueField(name string, value ast.Expr) *ast.Field {
	var label ast.Label = ast.NewIdent(name)
	if !unquotedLabel(name) {
		label = cueString(name)
	}
	return &ast.Field{Label: label, Value: value}
}

// unquotedLabel reports whether a name is a label of a field without quotes.
func unquotedLabel(name string) bool {
	return ast.IsValidIdent(name) && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "#")
}

// cueLabel is a label of a field, in quotes where it has to be.
func cueLabel(name string) string {
	if unquotedLabel(name) {
		return name
	}
	return literal.String.Quote(name)
}

func cueString(text string) *ast.BasicLit {
	return &ast.BasicLit{Kind: token.STRING, Value: literal.String.Quote(text)}
}

func cueComment(text string) *ast.CommentGroup {
	return &ast.CommentGroup{Doc: true, List: []*ast.Comment{{Text: "// " + text}}}
}

// addTOML adds the table hosts.NAME at the end.
func addTOML(src []byte, h *NewHost) []byte {
	var b strings.Builder
	if h.Comment != "" {
		b.WriteString("# " + h.Comment + "\n")
	}
	tomlTable(&b, "hosts."+tomlName(h.Name), h.Fields)
	return endWith(src, []byte(b.String()))
}

func tomlTable(b *strings.Builder, path string, fields []NewField) {
	b.WriteString("[" + path + "]\n")
	for _, f := range fields {
		if _, below := f.Value.([]NewField); below {
			continue
		}
		if f.Comment != "" {
			b.WriteString("# " + f.Comment + "\n")
		}
		b.WriteString(tomlName(f.Name) + " = " + jsonText(f.Value, "", false) + "\n")
	}
	for _, f := range fields {
		below, ok := f.Value.([]NewField)
		if !ok {
			continue
		}
		for len(below) == 1 && f.Comment == "" {
			next, ok := below[0].Value.([]NewField)
			if !ok {
				break
			}
			f = NewField{Name: f.Name + "\x00" + below[0].Name, Comment: below[0].Comment}
			below = next
		}
		b.WriteString("\n")
		if f.Comment != "" {
			b.WriteString("# " + f.Comment + "\n")
		}
		sub := path
		for name := range strings.SplitSeq(f.Name, "\x00") {
			sub += "." + tomlName(name)
		}
		tomlTable(b, sub, below)
	}
}

// tomlName is a key of TOML, in quotes where it has to be.
func tomlName(name string) string {
	for _, c := range name {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return jsonText(name, "", false)
		}
	}
	return cmp.Or(name, `""`)
}

// jsonText is a value in JSON, whose texts, numbers and lists TOML and YAML read too.
func jsonText(v any, indent string, lines bool) string {
	switch v := v.(type) {
	case []NewField:
		var b strings.Builder
		b.WriteString("{")
		for i, f := range v {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString("\n" + indent + "  " + jsonText(f.Name, "", false) + ": " + jsonText(f.Value, indent+"  ", lines))
		}
		b.WriteString("\n" + indent + "}")
		return b.String()
	case []string:
		var b strings.Builder
		b.WriteString("[")
		for i, e := range v {
			if i > 0 {
				b.WriteString(",")
			}
			if lines {
				b.WriteString("\n" + indent + "  ")
			} else if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(jsonText(e, "", false))
		}
		if lines && len(v) > 0 {
			b.WriteString("\n" + indent)
		}
		b.WriteString("]")
		return b.String()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // a text, a number or a bool
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// addYAML adds the host as the first below hosts.
func addYAML(src []byte, h *NewHost) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, errors.New(oneLine(err.Error()))
	}
	entry := func(indent string) []byte {
		var b strings.Builder
		if h.Comment != "" {
			b.WriteString(indent + "# " + h.Comment + "\n")
		}
		b.WriteString(indent + yamlKey(h.Name) + ":\n")
		yamlFields(&b, indent+"  ", h.Fields)
		return []byte(b.String())
	}
	if len(doc.Content) == 0 {
		return endWith(src, append([]byte("hosts:\n"), entry("  ")...)), nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
		return nil, errByHand
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Value != "hosts" {
			continue
		}
		lines := bytes.SplitAfter(src, []byte("\n"))
		if value.Kind != yaml.MappingNode || value.Style&yaml.FlowStyle != 0 || len(value.Content) == 0 || value.Line <= key.Line || key.Line > len(lines) {
			return nil, errByHand
		}
		indent := strings.Repeat(" ", value.Content[0].Column-1)
		before := bytes.Join(lines[:key.Line], nil)
		after := bytes.Join(lines[key.Line:], nil)
		return slices.Concat(before, entry(indent), after), nil
	}
	return endWith(src, append([]byte("hosts:\n"), entry("  ")...)), nil
}

func yamlFields(b *strings.Builder, indent string, fields []NewField) {
	for _, f := range fields {
		if f.Comment != "" {
			b.WriteString(indent + "# " + f.Comment + "\n")
		}
		b.WriteString(indent + yamlKey(f.Name) + ":")
		switch v := f.Value.(type) {
		case []NewField:
			b.WriteString("\n")
			yamlFields(b, indent+"  ", v)
		case []string:
			if len(v) == 0 {
				b.WriteString(" []")
			}
			b.WriteString("\n")
			for _, e := range v {
				b.WriteString(indent + "  - " + jsonText(e, "", false) + "\n")
			}
		default:
			b.WriteString(" " + jsonText(v, "", false) + "\n")
		}
	}
}

// yamlKey is a key of YAML. A plain one could be a number or a bool.
func yamlKey(name string) string {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(name), &n); err == nil && len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode &&
		n.Content[0].Tag == "!!str" && n.Content[0].Value == name && strings.IndexFunc(name, notPlain) < 0 {
		return name
	}
	return jsonText(name, "", false)
}

func notPlain(c rune) bool {
	return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// addJSON adds the host as the first of hosts.
func addJSON(src []byte, h *NewHost) ([]byte, error) {
	if len(bytes.TrimSpace(src)) == 0 {
		src = []byte("{\n  \"hosts\": {}\n}\n")
	}
	at, indent, empty, err := jsonHosts(src)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("\n" + indent + jsonText(h.Name, "", false) + ": " + jsonText(h.Fields, indent, true))
	if !empty {
		b.WriteString(",")
	} else {
		b.WriteString("\n" + strings.TrimSuffix(indent, "  "))
	}
	return slices.Concat(src[:at], []byte(b.String()), src[at:]), nil
}

// jsonHosts finds the place behind the opening brace of hosts, how its members are
// indented, and whether there are any.
func jsonHosts(src []byte) (at int, indent string, empty bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(src))
	depth := 0
	for {
		tok, e := dec.Token()
		if e != nil {
			return 0, "", false, errByHand
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			continue
		}
		if depth != 1 {
			continue
		}
		// A member of the whole: its name is followed by its value.
		name := tok
		var value json.RawMessage
		if e := dec.Decode(&value); e != nil {
			return 0, "", false, errByHand
		}
		if name != "hosts" {
			continue
		}
		if len(value) == 0 || value[0] != '{' {
			return 0, "", false, errByHand
		}
		at = int(dec.InputOffset()) - len(value) + 1
		inner := value[1:]
		rest := bytes.TrimLeft(inner, " \t\r\n")
		indent = "    "
		space := inner[:len(inner)-len(rest)]
		if i := bytes.LastIndexByte(space, '\n'); i >= 0 && rest[0] == '"' {
			indent = string(space[i+1:])
		}
		return at, indent, rest[0] == '}', nil
	}
}
