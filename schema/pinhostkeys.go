package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"github.com/pelletier/go-toml/v2/unstable"
	"go.yaml.in/yaml/v3"
)

// errNoPlace says that a file has no place where the field host_keys of a host is clear.
var errNoPlace = errors.New("add host_keys by hand")

// SetHostKeys returns the text of a file of the inventory in which the host at a path,
// such as hosts, web1, has these host_keys. What was there stays as it is, with its
// comments. The name of the file says its language. The caller loads the result to see
// that it means what was meant: another file can say something else of the host.
func SetHostKeys(name string, src []byte, path, keys []string) ([]byte, error) {
	for _, k := range keys {
		if strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("%q is no public key", k)
		}
	}
	f := &setField{name: "host_keys", text: jsonText(keys, "", false), lines: keys}
	if filepath.Ext(name) == ".cue" {
		return setCUE(src, path, f)
	}
	e, err := f.edit(filepath.Ext(name), src, path)
	if err != nil {
		return nil, err
	}
	return e.apply(src), nil
}

// A setField is a field that the entry of a host is given.
type setField struct {
	name  string
	text  string   // its value on one line
	lines []string // the texts of a list, for YAML; nil where the value is another
}

// edit is the edit that gives a field to the host at a path of a file in a language, where
// the host has an entry there.
func (f *setField) edit(ext string, src []byte, path []string) (*edit, error) {
	switch ext {
	case ".cue":
		file, err := parser.ParseFile("", src, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		if e := cueEdit(src, file, path, f); e != nil {
			return e, nil
		}
	case ".toml":
		return setTOML(src, path, f)
	case ".yaml", ".yml":
		return setYAML(src, path, f)
	case ".json":
		return setJSON(src, path, f)
	}
	return nil, errNoPlace
}

// An edit puts a text in place of the bytes between two offsets.
type edit struct {
	from, to int
	text     string
}

func (e *edit) apply(src []byte) []byte {
	return slices.Concat(src[:e.from], []byte(e.text), src[e.to:])
}

// after is the edit that adds a member behind another one that ends at an offset: on a
// line of its own, where the other is alone on its line, and else beside it. member is
// the new one; prefix stands before both, such as "web1." in TOML.
func after(src []byte, start, end int, prefix, member, comma, lineComma string) *edit {
	begin := bytes.LastIndexByte(src[:start], '\n') + 1
	indent := string(src[begin:start])
	eol := len(src)
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		eol = end + i
	}
	rest := strings.TrimLeft(strings.TrimLeft(string(src[end:eol]), " \t\r"), ",")
	rest = strings.TrimSpace(rest)
	alone := strings.TrimSpace(indent) == "" && (rest == "" || strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "//"))
	if !alone {
		return &edit{end, end, comma + prefix + member}
	}
	if lineComma != "" { // between members, as in JSON
		return &edit{end, end, lineComma + "\n" + indent + prefix + member}
	}
	return &edit{eol, eol, "\n" + indent + prefix + member}
}

// setCUE sets a field in CUE. Where the host has no struct of its own in this file, such
// as a host of a comprehension, they go to the end: CUE puts declarations of one field
// together.
func setCUE(src []byte, path []string, f *setField) ([]byte, error) {
	file, err := parser.ParseFile("", src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	e := cueEdit(src, file, path, f)
	if e == nil {
		text := f.name + ": " + f.text + "\n"
		for _, name := range slices.Backward(path) {
			label, err := format.Node(cueField(name, nil).Label)
			if err != nil {
				return nil, err
			}
			text = string(label) + ": " + text
		}
		return endWith(src, []byte(text)), nil
	}
	out := e.apply(src)
	if formatted, err := format.Source(src); err == nil && bytes.Equal(formatted, src) {
		if formatted, err = format.Source(out); err == nil {
			out = formatted
		}
	}
	return out, nil
}

// cueEdit is nil where the host has no struct of its own.
func cueEdit(src []byte, file *ast.File, path []string, f *setField) *edit {
	hosts := cueFields(file.Decls, path)
	for _, h := range hosts {
		for _, list := range cueBelow(h.value, []string{f.name}) {
			if l, ok := list.value.(*ast.ListLit); ok && l.Lbrack.IsValid() {
				return &edit{l.Lbrack.Offset(), l.Rbrack.Offset() + 1, f.text}
			}
		}
	}
	member := f.name + ": " + f.text
	for _, h := range hosts {
		s, ok := h.value.(*ast.StructLit)
		if !ok || !s.Lbrace.IsValid() {
			continue
		}
		for _, address := range cueBelow(s, []string{"host"}) {
			if slices.Contains(s.Elts, ast.Decl(address.field)) {
				return after(src, address.field.Pos().Offset(), address.value.End().Offset(), "", member, ", ", "")
			}
		}
		at := s.Lbrace.Offset() + 1
		if len(s.Elts) > 0 && s.Elts[0].Pos().Line() == s.Lbrace.Line() {
			return &edit{at, at, member + ", "}
		}
		if len(s.Elts) == 0 {
			return &edit{at, at, "\n" + member + "\n"}
		}
		first := string(src[:s.Elts[0].Pos().Offset()])
		return &edit{at, at, "\n" + first[strings.LastIndexByte(first, '\n')+1:] + member}
	}
	return nil
}

// A cueMember is a field, and one of the values that are unified there.
type cueMember struct {
	field *ast.Field
	value ast.Expr
}

// cueFields are the values of the field at a path, in all declarations.
func cueFields(decls []ast.Decl, path []string) (found []cueMember) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if name, _, err := ast.LabelName(d.Label); err == nil && name == path[0] {
				if len(path) > 1 {
					found = append(found, cueBelow(d.Value, path[1:])...)
					continue
				}
				for _, v := range cueConjuncts(d.Value) {
					found = append(found, cueMember{d, v})
				}
			}
		case *ast.EmbedDecl:
			found = append(found, cueBelow(d.Expr, path)...)
		}
	}
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

// setJSON sets a field in JSON.
func setJSON(src []byte, path []string, f *setField) (*edit, error) {
	from, to := 0, len(src)
	for _, name := range path {
		m, err := jsonMember(src, from, to, name)
		if err != nil {
			return nil, err
		}
		from, to = m.value, m.end
	}
	if m, err := jsonMember(src, from, to, f.name); err == nil {
		return &edit{m.value, m.end, f.text}, nil
	}
	member := jsonText(f.name, "", false) + ": " + f.text
	if m, err := jsonMember(src, from, to, "host"); err == nil {
		return after(src, m.name, m.end, "", member, ", ", ","), nil
	}
	at := from + 1 + bytes.IndexByte(src[from:to], '{')
	if at == from {
		return nil, errNoPlace
	}
	if bytes.HasPrefix(bytes.TrimLeft(src[at:], " \t\r\n"), []byte("}")) {
		return &edit{at, at, member}, nil
	}
	return &edit{at, at, member + ", "}, nil
}

// A jsonPlace is where a member of an object is.
type jsonPlace struct{ name, value, end int }

// jsonMember finds a member of the object between two offsets.
func jsonMember(src []byte, from, to int, name string) (jsonPlace, error) {
	dec := json.NewDecoder(bytes.NewReader(src[from:to]))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return jsonPlace{}, errNoPlace
	}
	for dec.More() {
		before := from + int(dec.InputOffset())
		tok, err := dec.Token()
		if err != nil {
			return jsonPlace{}, errNoPlace
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return jsonPlace{}, errNoPlace
		}
		if tok == name {
			end := from + int(dec.InputOffset())
			return jsonPlace{before + bytes.IndexByte(src[before:], '"'), end - len(value), end}, nil
		}
	}
	return jsonPlace{}, errNoPlace
}

// setYAML sets a field in YAML.
func setYAML(src []byte, path []string, f *setField) (*edit, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil || len(doc.Content) == 0 {
		return nil, errNoPlace
	}
	at := doc.Content[0]
	for _, name := range path {
		if _, at = yamlMember(at, name); at == nil {
			return nil, errNoPlace
		}
	}
	if at.Kind != yaml.MappingNode || len(at.Content) == 0 {
		return nil, errNoPlace
	}
	lines := lineStarts(src)
	offset := func(n *yaml.Node) int { return lines[n.Line-1] + n.Column - 1 }
	flow := at.Style&yaml.FlowStyle != 0
	if key, list := yamlMember(at, f.name); list != nil {
		return yamlReplace(src, lines, key, list, f, flow)
	}
	member := f.name + ": " + f.text
	if flow {
		start := offset(at) + 1
		return &edit{start, start, member + ", "}, nil
	}
	first := at.Content[0]
	indent := strings.Repeat(" ", first.Column-1)
	if key, value := yamlMember(at, "host"); value != nil && value.Kind == yaml.ScalarNode && value.Line == key.Line && value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && key.Line < len(lines) {
		next := lines[key.Line]
		text := f.yaml(indent)
		if next == len(src) && src[len(src)-1] != '\n' {
			text = "\n" + text
		}
		return &edit{next, next, text}, nil
	}
	start := lines[first.Line-1]
	if strings.TrimSpace(string(src[start:offset(first)])) != "" {
		return nil, errNoPlace
	}
	return &edit{start, start, f.yaml(indent)}, nil
}

// yamlMember finds a member of a mapping.
func yamlMember(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// yamlReplace puts other keys in place of a list.
func yamlReplace(src []byte, lines []int, key, list *yaml.Node, f *setField, flow bool) (*edit, error) {
	if list.Kind != yaml.SequenceNode {
		return nil, errNoPlace
	}
	from := lines[list.Line-1] + list.Column - 1
	if flow || list.Style&yaml.FlowStyle != 0 {
		to := endOfBracket(src, from)
		if to < 0 {
			return nil, errNoPlace
		}
		return &edit{from, to, f.text}, nil
	}
	if len(list.Content) == 0 || list.Line == key.Line {
		return nil, errNoPlace
	}
	last := list.Content[len(list.Content)-1]
	if last.Kind != yaml.ScalarNode || last.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil, errNoPlace
	}
	return &edit{lines[list.Line-1], lines[last.Line], yamlItems(strings.Repeat(" ", list.Column-1), f.lines)}, nil
}

// yaml is the field on lines of its own.
func (f *setField) yaml(indent string) string {
	if f.lines == nil {
		return indent + f.name + ": " + f.text + "\n"
	}
	return indent + f.name + ":\n" + yamlItems(indent+"  ", f.lines)
}

func yamlItems(indent string, texts []string) string {
	var b strings.Builder
	for _, k := range texts {
		b.WriteString(indent + "- " + jsonText(k, "", false) + "\n")
	}
	return b.String()
}

// lineStarts are the offsets of the lines of a text, and that of its end.
func lineStarts(src []byte) []int {
	starts := []int{0}
	for i, c := range src {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	if starts[len(starts)-1] != len(src) {
		starts = append(starts, len(src))
	}
	return starts
}

// setTOML sets a field in TOML: in the table of the host, among its dotted keys, or in
// an inline table.
func setTOML(src []byte, path []string, f *setField) (*edit, error) {
	members, err := tomlMembers(src)
	if err != nil {
		return nil, err
	}
	below := func(names []string, n int) bool {
		return len(names) == len(path)+n && slices.Equal(names[:len(path)], path)
	}
	text := f.text
	for _, m := range members {
		if below(m.path, 1) && m.path[len(path)] == f.name && m.value >= 0 {
			return &edit{m.value, m.end, text}, nil
		}
	}
	for _, m := range members {
		if below(m.path, 1) && m.path[len(path)] == "host" && m.value >= 0 {
			e := after(src, m.start, m.end, string(src[m.start:m.last]), f.name+" = "+text, ", ", "")
			if !m.inline && strings.HasPrefix(e.text, ", ") { // a value of several lines
				return nil, errNoPlace
			}
			return e, nil
		}
	}
	for _, m := range members {
		switch {
		case !below(m.path, 0):
		case m.value < 0: // a header
			return &edit{m.end, m.end, "\n" + f.name + " = " + text}, nil
		case m.end > m.value+1 && src[m.value] == '{':
			comma := ", "
			if strings.TrimSpace(string(src[m.value+1:m.end-1])) == "" {
				comma = ""
			}
			return &edit{m.value + 1, m.value + 1, f.name + " = " + text + comma}, nil
		}
	}
	return nil, errNoPlace
}

// A tomlMember is a key with its value, or the header of a table, whose value is -1.
type tomlMember struct {
	path       []string
	inline     bool // in an inline table
	start      int  // of the key
	last       int  // of the last part of the key
	value, end int  // of the value; end of the line of a header
}

// tomlMembers are all keys and headers of a file.
func tomlMembers(src []byte) (members []tomlMember, err error) {
	var p unstable.Parser
	p.Reset(src)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		names, start, last, end := tomlPath(e)
		switch e.Kind {
		case unstable.Table:
			table = names
			if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
				end += i
			} else {
				end = len(src)
			}
			members = append(members, tomlMember{path: names, start: start, last: last, value: -1, end: end})
		case unstable.ArrayTable:
			table = append(names, "[]") // not the table of a host
		case unstable.KeyValue:
			members = tomlValue(src, members, table, e, false)
		}
	}
	if p.Error() != nil {
		return nil, errNoPlace
	}
	return members, nil
}

// tomlValue adds a key with its value, and those of an inline table.
func tomlValue(src []byte, members []tomlMember, table []string, e *unstable.Node, inline bool) []tomlMember {
	names, start, last, end := tomlPath(e)
	path := slices.Concat(table, names)
	equals := bytes.IndexByte(src[end:], '=')
	if equals < 0 {
		return members
	}
	value := end + equals + 1
	for value < len(src) && (src[value] == ' ' || src[value] == '\t') {
		value++
	}
	to := endOfTOML(src, value)
	if to < 0 {
		return members
	}
	members = append(members, tomlMember{path: path, inline: inline, start: start, last: last, value: value, end: to})
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				members = tomlValue(src, members, path, it.Node(), true)
			}
		}
	}
	return members
}

// tomlPath is the key of an expression, and where it is.
func tomlPath(e *unstable.Node) (names []string, start, last, end int) {
	start = -1
	for it := e.Key(); it.Next(); {
		n := it.Node()
		names = append(names, string(n.Data))
		if last = int(n.Raw.Offset); start < 0 {
			start = last
		}
		end = last + int(n.Raw.Length)
	}
	return names, start, last, end
}

// endOfTOML is the offset behind a value, or -1.
func endOfTOML(src []byte, at int) int {
	switch {
	case at >= len(src):
		return -1
	case src[at] == '[' || src[at] == '{':
		return endOfBracket(src, at)
	case src[at] == '"' || src[at] == '\'':
		return endOfQuote(src, at)
	}
	if i := bytes.IndexAny(src[at:], ",}]# \t\r\n"); i >= 0 {
		return at + i
	}
	return len(src)
}

// endOfBracket is the offset behind the bracket that closes the one at an offset, or -1.
// Brackets in quotes and comments do not count.
func endOfBracket(src []byte, at int) int {
	depth := 0
	for at < len(src) {
		switch src[at] {
		case '"', '\'':
			if at = endOfQuote(src, at); at < 0 {
				return -1
			}
			continue
		case '#':
			i := bytes.IndexByte(src[at:], '\n')
			if i < 0 {
				return -1
			}
			at += i
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return -1
}

// endOfQuote is the offset behind a text in quotes, or -1. Three quotes begin a text of
// several lines.
func endOfQuote(src []byte, at int) int {
	quote := src[at : at+1]
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(src[at:], triple) {
		quote = triple
	}
	for i := at + len(quote); i < len(src); i++ {
		switch {
		case src[i] == '\\' && quote[0] == '"':
			i++
		case bytes.HasPrefix(src[i:], quote):
			return i + len(quote)
		}
	}
	return -1
}
