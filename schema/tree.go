package schema

import (
	"strconv"
	"strings"
)

// A node is a value of an inventory as it was written. Readers of all languages
// make nodes, and what comes after the readers sees only nodes.
type node struct {
	kind kind
	bool bool
	at   Pos // position of the value
	num  int64
	flt  float64
	// text is the content of a string, the digits of a number that fits no
	// int64 or float64, or the constraints on an unknown value.
	text   string
	elems  []*node
	fields []field
	// by maps names to indices of fields; only structs with many fields use it.
	by map[string]int
}

// A field is one field of a struct node; at is the position of its name.
type field struct {
	name string
	at   Pos
	val  *node
}

// A kind says what a node is.
type kind uint8

const (
	badKind     kind = iota // an error that is already reported
	unknownKind             // a CUE value that is not concrete
	nullKind
	boolKind
	intKind
	bigKind // a number that Nix cannot represent
	floatKind
	stringKind
	dateKind // a TOML date or time
	listKind
	structKind
)

// get returns the value of the named field, or nil.
func (n *node) get(name string) *node {
	if i := n.index(name); i >= 0 {
		return n.fields[i].val
	}
	return nil
}

// index returns the index of the named field in n.fields, or -1.
func (n *node) index(name string) int {
	if n == nil || n.kind != structKind {
		return -1
	}
	if len(n.fields) <= 8 {
		for i := range n.fields {
			if n.fields[i].name == name {
				return i
			}
		}
		return -1
	}
	if n.by == nil {
		n.by = make(map[string]int, 2*len(n.fields))
	}
	for i := len(n.by); i < len(n.fields); i++ {
		n.by[n.fields[i].name] = i
	}
	if i, ok := n.by[name]; ok {
		return i
	}
	return -1
}

// set appends a field. The caller has made sure that there is none of the name.
func (n *node) set(name string, at Pos, val *node) {
	n.fields = append(n.fields, field{name: name, at: at, val: val})
}

// String returns the node as messages show it: short, in the notation of the
// inventory.
func (n *node) String() string {
	switch n.kind {
	case nullKind:
		return "null"
	case boolKind:
		return strconv.FormatBool(n.bool)
	case intKind:
		return strconv.FormatInt(n.num, 10)
	case floatKind:
		text := strconv.FormatFloat(n.flt, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return text
	case stringKind:
		return quote(n.text)
	case bigKind, dateKind:
		return shorten(n.text)
	case listKind:
		if len(n.elems) == 0 {
			return "an empty list"
		}
		return "a list"
	case structKind:
		return "an attribute set"
	case unknownKind:
		return "the constraint " + shorten(n.text)
	}
	return "nothing"
}

// quote returns s quoted for a message: on one line, without invisible
// characters, and shortened if it is long.
func quote(s string) string {
	q := strconv.Quote(clip(s))
	if len(clip(s)) < len(s) {
		q = q[:len(q)-1] + `…"`
	}
	return q
}

// shorten returns s for a message, unquoted.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if c := clip(s); len(c) < len(s) {
		return c + "…"
	}
	return s
}

// clip cuts s after 60 characters.
func clip(s string) string {
	n := 0
	for i := range s {
		if n++; n > 60 {
			return s[:i]
		}
	}
	return s
}

// join appends a name to a path. As in CUE, a name that is not an identifier is
// quoted.
func join(path, name string) string {
	if !isIdent(name) || len(name) > 64 {
		name = quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func isIdent(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
