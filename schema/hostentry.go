package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"github.com/pelletier/go-toml/v2/unstable"
	"go.yaml.in/yaml/v3"
)

// errNoPlace says that a file has no place where a field of a host is clear.
var errNoPlace = errors.New("add host_keys by hand")

// HostKeys are the keys that a host is to have.
type HostKeys struct {
	Host string
	Keys []string
}

// SetHostKeys returns the text of a file of the inventory in which hosts have these
// host_keys. What was there stays as it is, with its comments. The name of the file says
// its language; main says that it is the inventory itself, and no file of hosts alone, or
// of one host. The caller loads the result to see that it means what was meant: another
// file can say something else of a host.
func SetHostKeys(name string, src []byte, main bool, hosts []HostKeys) ([]byte, error) {
	f := newHostFile(name, src)
	var atEnd []string
	for _, h := range hosts {
		for _, k := range h.Keys {
			if strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return nil, fmt.Errorf("%s: %q is no public key", h.Host, k)
			}
		}
		field := &setField{name: "host_keys", text: jsonText(h.Keys, "", false), lines: h.Keys}
		err := f.set(h.Host, field, main)
		switch {
		case errors.Is(err, errNoEntry):
			atEnd = append(atEnd, fmt.Sprintf("hosts: %s: %s: %s\n", cueLabel(h.Host), field.name, field.text))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", h.Host, err)
		}
	}
	out := f.edited()
	if f.kind == ".cue" {
		out = formattedLike(src, out)
	}
	if len(atEnd) > 0 {
		out = endWith(out, []byte(strings.Join(atEnd, "\n")))
	}
	return out, nil
}

// formattedLike is a text of CUE in the layout of cue fmt, where the one that it was made
// of has this layout.
func formattedLike(src, out []byte) []byte {
	if was, err := format.Source(src); err != nil || !bytes.Equal(was, src) {
		return out
	}
	if formatted, err := format.Source(out); err == nil {
		return formatted
	}
	return out
}

// A setField is a field that the entry of a host is given.
type setField struct {
	name  string
	text  string   // its value on one line
	lines []string // the texts of a list, for YAML; nil where the value is another
}

// set gives a field to a host. In a file that is not the main one of an inventory, the entry
// of the host may also be below its name alone, or the whole file.
func (f *hostFile) set(host string, field *setField, main bool) error {
	paths := [][]string{{"hosts", host}, {host}, nil}
	if main {
		paths = paths[:1]
	}
	setAt := func(set func(path []string, field *setField) (*splice, error)) (s *splice, err error) {
		for _, path := range paths {
			if s, err = set(path, field); err == nil {
				break
			}
		}
		return s, err
	}
	var s *splice
	err := errNoPlace
	switch f.kind {
	case ".cue":
		s, err = f.setCUE(host, field)
	case ".toml":
		s, err = setAt(f.setTOML)
	case ".yaml":
		s, err = setAt(f.setYAML)
	case ".json":
		s, err = setAt(f.setJSON)
	}
	if err == nil {
		f.edits = append(f.edits, *s)
	}
	return err
}

// after is the edit that adds a member behind another one that ends at an offset: on a
// line of its own, where the other is alone on its line, and else beside it. member is
// the new one; prefix stands before both, such as "web1." in TOML.
func (f *hostFile) after(start, end int, prefix, member, comma, lineComma string) *splice {
	src := f.text
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
		return &splice{from: end, to: end, text: comma + prefix + member}
	}
	if lineComma != "" { // between members, as in JSON
		return &splice{from: end, to: end, text: lineComma + "\n" + indent + prefix + member}
	}
	return &splice{from: eol, to: eol, text: "\n" + indent + prefix + member}
}

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

// setJSON sets a field in JSON.
func (f *hostFile) setJSON(path []string, field *setField) (*splice, error) {
	from, to := 0, len(f.text)
	for _, name := range path {
		m, ok := f.jsonMembers(from, to)[name]
		if !ok {
			return nil, errNoPlace
		}
		from, to = m.value, m.end
	}
	members := f.jsonMembers(from, to)
	if members == nil {
		return nil, errNoPlace
	}
	if m, ok := members[field.name]; ok {
		return &splice{from: m.value, to: m.end, text: field.text}, nil
	}
	member := jsonText(field.name, "", false) + ": " + field.text
	if m, ok := members["host"]; ok {
		return f.after(m.name, m.end, "", member, ", ", ","), nil
	}
	at := from + 1 + bytes.IndexByte(f.text[from:to], '{')
	if len(members) == 0 {
		return &splice{from: at, to: at, text: member, only: true}, nil
	}
	return &splice{from: at, to: at, text: member + ", "}, nil
}

// A jsonPlace is where a member of an object is.
type jsonPlace struct{ name, value, end int }

// jsonMembers are the members of the object between two offsets, by name; nil where there
// is no object. Of two of one name, the first counts.
func (f *hostFile) jsonMembers(from, to int) map[string]jsonPlace {
	if members, known := f.json[from]; known {
		return members
	}
	if f.json == nil {
		f.json = map[int]map[string]jsonPlace{}
	}
	f.json[from] = jsonMembers(f.text, from, to)
	return f.json[from]
}

func jsonMembers(src []byte, from, to int) map[string]jsonPlace {
	dec := json.NewDecoder(bytes.NewReader(src[from:to]))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil
	}
	members := map[string]jsonPlace{}
	for dec.More() {
		before := from + int(dec.InputOffset())
		tok, err := dec.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil
		}
		name := tok.(string) // as all names of members are
		if _, twice := members[name]; !twice {
			end := from + int(dec.InputOffset())
			members[name] = jsonPlace{before + bytes.IndexByte(src[before:], '"'), end - len(value), end}
		}
	}
	return members
}

// setYAML sets a field in YAML.
func (f *hostFile) setYAML(path []string, field *setField) (*splice, error) {
	if f.yaml == nil {
		f.yaml = new(yaml.Node)
		if err := yaml.Unmarshal(f.text, f.yaml); err != nil {
			*f.yaml = yaml.Node{}
		}
	}
	if len(f.yaml.Content) == 0 {
		return nil, errNoPlace
	}
	at := f.yaml.Content[0]
	for _, name := range path {
		if _, at = yamlMember(at, name); at == nil {
			return nil, errNoPlace
		}
	}
	if at.Kind != yaml.MappingNode || len(at.Content) == 0 {
		return nil, errNoPlace
	}
	lines := f.lineStarts()
	offset := func(n *yaml.Node) int { return lines[n.Line-1] + n.Column - 1 }
	flow := at.Style&yaml.FlowStyle != 0
	if key, list := yamlMember(at, field.name); list != nil {
		return f.yamlReplace(key, list, field, flow)
	}
	member := field.name + ": " + field.text
	if flow {
		start := offset(at) + 1
		return &splice{from: start, to: start, text: member + ", "}, nil
	}
	first := at.Content[0]
	indent := strings.Repeat(" ", first.Column-1)
	if key, value := yamlMember(at, "host"); value != nil && value.Kind == yaml.ScalarNode && value.Line == key.Line && value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && key.Line < len(lines) {
		next := lines[key.Line]
		text := field.yaml(indent)
		if next == len(f.text) && f.text[len(f.text)-1] != '\n' {
			text = "\n" + text
		}
		return &splice{from: next, to: next, text: text}, nil
	}
	start := lines[first.Line-1]
	if strings.TrimSpace(string(f.text[start:offset(first)])) != "" {
		return nil, errNoPlace
	}
	return &splice{from: start, to: start, text: field.yaml(indent)}, nil
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
func (f *hostFile) yamlReplace(key, list *yaml.Node, field *setField, flow bool) (*splice, error) {
	if list.Kind != yaml.SequenceNode {
		return nil, errNoPlace
	}
	lines := f.lineStarts()
	from := lines[list.Line-1] + list.Column - 1
	if flow || list.Style&yaml.FlowStyle != 0 {
		to := endOfBracket(f.text, from)
		if to < 0 {
			return nil, errNoPlace
		}
		return &splice{from: from, to: to, text: field.text}, nil
	}
	if len(list.Content) == 0 || list.Line == key.Line {
		return nil, errNoPlace
	}
	last := list.Content[len(list.Content)-1]
	if last.Kind != yaml.ScalarNode || last.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil, errNoPlace
	}
	return &splice{from: lines[list.Line-1], to: lines[last.Line], text: yamlItems(strings.Repeat(" ", list.Column-1), field.lines)}, nil
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

// setTOML sets a field in TOML: in the table of the host, among its dotted keys, or in
// an inline table.
func (f *hostFile) setTOML(path []string, field *setField) (*splice, error) {
	members := f.tomlMembers()
	member := field.name + " = " + field.text
	at := func(path []string) []tomlMember { return members[tomlPathKey(path)] }
	for _, m := range at(slices.Concat(path, []string{field.name})) {
		if m.value >= 0 {
			return &splice{from: m.value, to: m.end, text: field.text}, nil
		}
	}
	for _, m := range at(slices.Concat(path, []string{"host"})) {
		if m.value >= 0 {
			s := f.after(m.start, m.end, string(f.text[m.start:m.last]), member, ", ", "")
			if !m.inline && strings.HasPrefix(s.text, ", ") { // a value of several lines
				return nil, errNoPlace
			}
			return s, nil
		}
	}
	for _, m := range at(path) {
		switch {
		case m.value < 0: // a header
			return &splice{from: m.end, to: m.end, text: "\n" + member}, nil
		case m.end > m.value+1 && f.text[m.value] == '{':
			s := &splice{from: m.value + 1, to: m.value + 1, text: member}
			if s.only = strings.TrimSpace(string(f.text[m.value+1:m.end-1])) == ""; !s.only {
				s.text += ", "
			}
			return s, nil
		}
	}
	return nil, errNoPlace
}

// tomlMembers are all keys and headers of the file, by [tomlPathKey]; none where it is no TOML.
func (f *hostFile) tomlMembers() map[string][]tomlMember {
	if f.toml == nil {
		f.toml = map[string][]tomlMember{}
		members, err := tomlMembers(f.text)
		if err != nil {
			members = nil
		}
		for _, m := range members {
			key := tomlPathKey(m.path)
			f.toml[key] = append(f.toml[key], m)
		}
	}
	return f.toml
}

func tomlPathKey(path []string) string { return strings.Join(path, "\x00") }

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
