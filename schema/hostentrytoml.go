package schema

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

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
