package schema

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"go.yaml.in/yaml/v3"
)

// A hostFile is a file of an inventory that is edited. Places are offsets in text; all edits
// are made at the end, by edited. So it is parsed once, however many there are.
type hostFile struct {
	text  []byte
	kind  string // .cue, .toml, .yaml or .json
	edits []splice

	// What text is, once it is asked for.
	starts   []int
	cue      *ast.File
	cueHosts map[string][]cueMember
	toml     map[string][]tomlMember
	yaml     *yaml.Node
	json     map[int]map[string]jsonPlace // objects, by offset
}

func newHostFile(name string, text []byte) *hostFile {
	f := &hostFile{text: text, kind: filepath.Ext(name)}
	if f.kind == ".yml" {
		f.kind = ".yaml"
	}
	return f
}

// A splice puts a text in the place of another. It is the only one in its braces, unless
// another splice has the same place, which follows a comma.
type splice struct {
	from, to int
	text     string
	only     bool
}

func (f *hostFile) put(from, to int, text string) {
	f.edits = append(f.edits, splice{from: from, to: to, text: text})
}

// edited is the text with its edits.
func (f *hostFile) edited() []byte { return spliced(f.text, f.edits) }

// spliced is a text with edits, in any order. Those of one place stay in order.
func spliced(text []byte, edits []splice) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b splice) int { return a.from - b.from })
	var b bytes.Buffer
	at := 0
	for i, e := range edits {
		b.Write(text[at:max(at, e.from)])
		if e.only && i > 0 && edits[i-1].only && edits[i-1].from == e.from {
			b.WriteString(", ")
		}
		b.WriteString(e.text)
		at = max(at, e.to)
	}
	b.Write(text[at:])
	return b.Bytes()
}

// lineStarts are the offsets of the lines of the text, and that of its end.
func (f *hostFile) lineStarts() []int {
	if f.starts != nil {
		return f.starts
	}
	f.starts = []int{0}
	for i, c := range f.text {
		if c == '\n' {
			f.starts = append(f.starts, i+1)
		}
	}
	if f.starts[len(f.starts)-1] != len(f.text) {
		f.starts = append(f.starts, len(f.text))
	}
	return f.starts
}

// offset is the offset of a position, or -1.
func (f *hostFile) offset(at Pos) int {
	starts := f.lineStarts()
	if !at.IsValid() || at.Line > len(starts) {
		return -1
	}
	if offset := starts[at.Line-1] + at.Col - 1; offset < len(f.text) {
		return offset
	}
	return -1
}

// literal reads a text that is written on one line without escapes.
func (f *hostFile) literal(at int, flow bool) (end int, text string, ok bool) {
	rest := f.text[at:]
	if n := bytes.IndexByte(rest, '\n'); n >= 0 {
		rest = bytes.TrimSuffix(rest[:n], []byte("\r"))
	}
	if len(rest) == 0 {
		return 0, "", false
	}
	switch quote := rest[0]; {
	case quote == '"' || quote == '\'' && f.kind != ".cue" && f.kind != ".json":
		n := bytes.IndexByte(rest[1:], quote)
		if n < 0 || bytes.IndexByte(rest[1:1+n], '\\') >= 0 || n+2 < len(rest) && rest[n+2] == quote {
			return 0, "", false
		}
		return at + n + 2, string(rest[1 : n+1]), true
	case f.kind != ".yaml" || strings.ContainsRune("&*!|>%@`#[]{},", rune(quote)):
		return 0, "", false
	}
	if n := bytes.Index(rest, []byte(" #")); n >= 0 {
		rest = rest[:n]
	}
	if n := bytes.IndexAny(rest, ",]}"); flow && n >= 0 {
		rest = rest[:n]
	}
	rest = bytes.TrimRight(rest, " \t")
	return at + len(rest), string(rest), true
}

// inFlow reports whether a place of YAML is in braces or brackets that begin on its line.
func (f *hostFile) inFlow(at int) bool { return bytes.ContainsAny(f.before(at), "{[") }

// before is the line up to a place.
func (f *hostFile) before(at int) []byte {
	return f.text[bytes.LastIndexByte(f.text[:at], '\n')+1 : at]
}

// lineEnd is where the line of a place ends.
func (f *hostFile) lineEnd(at int) int {
	if n := bytes.IndexByte(f.text[at:], '\n'); n >= 0 {
		at += n
	} else {
		at = len(f.text)
	}
	if at > 0 && f.text[at-1] == '\r' {
		at--
	}
	return at
}

// comment begins a comment up to the end of a line; "" where there are none.
func (f *hostFile) comment() string {
	return map[string]string{".cue": "//", ".toml": "#", ".yaml": "#"}[f.kind]
}

// nothing reports whether a text has nothing but space, a comma and a comment.
func (f *hostFile) nothing(text []byte) bool {
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(text)), ","))
	return rest == "" || f.comment() != "" && strings.HasPrefix(rest, f.comment())
}

// A listed is an element of a list of texts.
type listed struct {
	from, to int
	text     string
}

// list reads a list of texts: in brackets, or a line each.
func (f *hostFile) list(at int) (elems []listed, ok bool) {
	if f.text[at] == '-' && f.kind == ".yaml" {
		return f.lines(at)
	}
	if f.text[at] != '[' {
		return nil, false
	}
	for i := at + 1; i < len(f.text); {
		switch c := f.text[i]; {
		case strings.IndexByte(" \t\r\n,", c) >= 0:
			i++
		case c == ']':
			return elems, true
		case f.comment() != "" && bytes.HasPrefix(f.text[i:], []byte(f.comment())):
			i = f.lineEnd(i)
		default:
			end, text, ok := f.literal(i, true)
			if !ok || end == i {
				return nil, false
			}
			elems = append(elems, listed{i, end, text})
			i = end
		}
	}
	return nil, false
}

// lines reads a list of YAML that has a line for each text.
func (f *hostFile) lines(at int) (elems []listed, ok bool) {
	column := len(f.before(at))
	for {
		from := at + 1 + len(f.text[at+1:f.lineEnd(at)]) - len(bytes.TrimLeft(f.text[at+1:f.lineEnd(at)], " "))
		end, text, ok := f.literal(from, false)
		if !ok || from == at+1 {
			return nil, false
		}
		elems = append(elems, listed{from, end, text})
		for {
			next := bytes.IndexByte(f.text[at:], '\n')
			if next < 0 {
				return elems, true
			}
			at += next + 1
			line := f.text[at:f.lineEnd(at)]
			word := bytes.TrimLeft(line, " ")
			if len(word) == 0 || word[0] == '#' {
				continue
			}
			if word[0] != '-' || len(line)-len(word) != column {
				return elems, true
			}
			at += column
			break
		}
	}
}

// member is a field on one line.
func (f *hostFile) member(path []string, value any) string {
	switch f.kind {
	case ".toml":
		var names []string
		for _, name := range path {
			names = append(names, tomlName(name))
		}
		return strings.Join(names, ".") + " = " + f.inline(value)
	case ".cue":
		text := ""
		for _, name := range path {
			text += cueLabel(name) + ": "
		}
		if fields, ok := value.([]NewField); ok && len(fields) == 1 {
			return text + cueLabel(fields[0].Name) + ": " + f.inline(fields[0].Value)
		}
		return text + f.inline(value)
	}
	return f.key(path[0]) + f.inline(within(path[1:], value))
}

// within is a value at a path of fields.
func within(path []string, value any) any {
	for _, name := range slices.Backward(path) {
		value = []NewField{{Name: name, Value: value}}
	}
	return value
}

// inline is a value on one line.
func (f *hostFile) inline(value any) string {
	fields, ok := value.([]NewField)
	if !ok {
		return jsonText(value, "", false)
	}
	var list []string
	for _, field := range fields {
		list = append(list, f.key(field.Name)+f.inline(field.Value))
	}
	return "{" + strings.Join(list, ", ") + "}"
}

// key is the name of a field with what separates it from its value.
func (f *hostFile) key(name string) string {
	switch f.kind {
	case ".cue":
		return cueLabel(name) + ": "
	case ".toml":
		return tomlName(name) + " = "
	case ".yaml":
		return yamlKey(name) + ": "
	}
	return jsonText(name, "", false) + ": "
}

// block is a field on lines of its own, each with a line break before it. prefix is what
// its first line begins with.
func (f *hostFile) block(prefix string, path []string, value any, about string) string {
	indent := prefix[:len(prefix)-len(strings.TrimLeft(prefix, " \t"))]
	text := ""
	if about != "" && f.comment() != "" {
		text = "\n" + indent + f.comment() + " " + about
	}
	if f.kind != ".yaml" {
		return text + "\n" + prefix + f.member(path, value)
	}
	var b strings.Builder
	yamlFields(&b, indent, within(path, value).([]NewField))
	return text + "\n" + strings.TrimSuffix(b.String(), "\n")
}
