package schema

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML reads a TOML file. go-toml parses the syntax. This file decides what
// tables and dotted keys build and which of them are duplicates, because go-toml
// would count lines again for the position of each.
func readTOML(s *source, r *report) *node {
	if i := tooDeep(s.data); i >= 0 {
		r.add(s.pos(i), "", "too-deep", "nested deeper than %d levels", maxDepth)
		return nil
	}
	t := &tomlReader{source: s, report: r}
	return s.read(r, t.document)
}

type tomlReader struct {
	*source
	report *report
	parser unstable.Parser
	made   map[*node]tomlMade
	count  int // values read
}

// tomlMade says what created a table or an array, which decides what may extend
// it.
type tomlMade uint8

const (
	byPath   tomlMade = iota // parent of [a.b]: [a] may follow
	byHeader                 // [a]: only headers below it may follow
	byDots                   // a.b = 1: only dotted keys may extend it
	byValue                  // { … } or [ … ]: complete
	byArray                  // [[a]]: further [[a]] may follow
)

func (t *tomlReader) document() *node {
	root := &node{kind: structKind, at: t.start()}
	t.made = map[*node]tomlMade{root: byHeader}
	table, path := root, []string(nil)
	t.parser.Reset(t.data)
	for t.parser.NextExpression() {
		e := t.parser.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			t.keyValue(table, path, e)
		case unstable.Table, unstable.ArrayTable:
			table, path = t.header(root, e)
		}
	}
	if err := t.parser.Error(); err != nil {
		at, msg := 0, err.Error()
		if pe := (*unstable.ParserError)(nil); errors.As(err, &pe) {
			at, msg = max(0, t.offsetOf(pe.Highlight)), pe.Message
		}
		t.report.mistake(t.source, t.tomlMistake(at, strings.TrimPrefix(msg, "toml: ")))
	}
	return root
}

// offsetOf returns the offset of a slice of the file's text, or -1.
func (t *tomlReader) offsetOf(b []byte) (offset int) {
	defer func() {
		if recover() != nil { // not a slice of the text
			offset = -1
		}
	}()
	if len(b) == 0 {
		if len(t.data) == 0 {
			return 0
		}
		return len(t.data) - 1
	}
	return int(t.parser.Range(b).Offset)
}

type tomlKey struct {
	name string
	at   int
}

func (t *tomlReader) keys(e *unstable.Node) []tomlKey {
	var keys []tomlKey
	for it := e.Key(); it.Next(); {
		n := it.Node()
		keys = append(keys, tomlKey{string(n.Data), int(n.Raw.Offset)})
	}
	if len(keys) > maxDepth {
		t.report.add(t.pos(keys[maxDepth].at), "", "too-deep", "nested deeper than %d levels", maxDepth)
		panic(stop{})
	}
	return keys
}

// header returns the table of [a.b] or [[a.b]] and its path, and creates it if
// necessary.
func (t *tomlReader) header(root *node, e *unstable.Node) (*node, []string) {
	keys := t.keys(e)
	at, path := root, []string(nil)
	for i, k := range keys {
		path = append(path, k.name)
		pos := t.pos(k.at)
		last := i == len(keys)-1
		child := at.get(k.name)
		switch {
		case child == nil && last && e.Kind == unstable.ArrayTable:
			list := &node{kind: listKind, at: pos}
			t.made[list] = byArray
			at.set(k.name, pos, list)
			return t.element(list, pos), path
		case child == nil:
			child = &node{kind: structKind, at: pos}
			if last {
				t.made[child] = byHeader
			}
			at.set(k.name, pos, child)
		case last && e.Kind == unstable.ArrayTable && child.kind == listKind && t.made[child] == byArray:
			return t.element(child, pos), path
		case last && e.Kind == unstable.Table && child.kind == structKind && t.made[child] == byPath:
			t.made[child] = byHeader
			if at.fields[at.index(k.name)].at.Line < pos.Line {
				at.fields[at.index(k.name)].at, child.at = pos, pos
			}
		case !last && child.kind == listKind && t.made[child] == byArray:
			child = child.elems[len(child.elems)-1]
		case !last && child.kind == structKind && t.made[child] != byValue:
		default:
			t.duplicate(pos, path, at, k.name)
			// Continue with a table outside the tree, to find errors in it.
			child = &node{kind: structKind, at: pos}
			t.made[child] = byHeader
			return child, path
		}
		at = child
	}
	return at, path
}

// element appends a table to an array of tables.
func (t *tomlReader) element(list *node, pos Pos) *node {
	n := &node{kind: structKind, at: pos}
	t.made[n] = byHeader
	list.elems = append(list.elems, n)
	return n
}

// duplicate reports a key that the table already has.
func (t *tomlReader) duplicate(pos Pos, path []string, table *node, name string) {
	before := table.fields[table.index(name)].at
	t.report.add(pos, joinAll(path), "duplicate-key", "duplicate key").Hint = "first at " + before.String()
}

// joinAll returns the path of several names.
func joinAll(path []string) string {
	out := ""
	for _, name := range path {
		out = join(out, name)
	}
	return out
}

// keyValue adds a key, dotted or not, and its value to a table.
func (t *tomlReader) keyValue(table *node, path []string, e *unstable.Node) {
	keys := t.keys(e)
	at := table
	path = path[:len(path):len(path)]
	for i, k := range keys {
		path = append(path, k.name)
		pos := t.pos(k.at)
		child := at.get(k.name)
		if i == len(keys)-1 {
			val := t.value(e.Value(), t.afterKey(k.at), path)
			if child != nil {
				t.duplicate(pos, path, at, k.name)
			} else {
				at.set(k.name, pos, val)
			}
			return
		}
		if child == nil {
			child = &node{kind: structKind, at: pos}
			t.made[child] = byDots
			at.set(k.name, pos, child)
		} else if child.kind != structKind || t.made[child] != byDots {
			t.duplicate(pos, path, at, k.name)
			return
		}
		at = child
	}
}

// afterKey returns the offset of the value whose key is at offset. go-toml does
// not give the offset of a list.
func (t *tomlReader) afterKey(offset int) int {
	i := offset
	if i < len(t.data) && (t.data[i] == '"' || t.data[i] == '\'') {
		q := t.data[i]
		for i++; i < len(t.data) && t.data[i] != q; i++ {
			if t.data[i] == '\\' && q == '"' {
				i++
			}
		}
	}
	for i < len(t.data) && t.data[i] != '=' {
		i++
	}
	for i++; i < len(t.data) && (t.data[i] == ' ' || t.data[i] == '\t'); i++ {
	}
	return min(i, max(0, len(t.data)-1))
}

// value converts a value. at is its offset, unless go-toml gives one.
func (t *tomlReader) value(e *unstable.Node, at int, path []string) *node {
	if t.count++; t.count > maxNodes || len(path) > maxDepth {
		t.report.add(t.pos(at), "", "too-large", "nested too deeply, or more than %d values", maxNodes)
		panic(stop{})
	}
	if e.Raw.Length > 0 {
		at = int(e.Raw.Offset)
	}
	n := &node{at: t.pos(at)}
	text := string(e.Data)
	switch e.Kind {
	case unstable.String:
		n.kind, n.text = stringKind, text
	case unstable.Bool:
		n.kind, n.bool = boolKind, text == "true"
	case unstable.Integer:
		i, err := strconv.ParseInt(text, 0, 64)
		if err != nil { // underscores; 007 is already a syntax error
			i, err = strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
		}
		n.kind, n.num = intKind, i
		if err != nil {
			n.kind, n.text = bigKind, text
		}
	case unstable.Float:
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		n.kind, n.flt = floatKind, f
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			n.kind, n.text = bigKind, text
		}
	case unstable.Array:
		n.kind = listKind
		t.made[n] = byValue
		next := at + 1
		for it := e.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			n.elems = append(n.elems, t.value(it.Node(), next, path))
		}
	case unstable.InlineTable:
		n.kind = structKind
		t.made[n] = byHeader
		for it := e.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				t.keyValue(n, path, it.Node())
			}
		}
		t.made[n] = byValue
	default:
		n.kind, n.text = dateKind, text
	}
	return n
}

// tooDeep returns the offset of a bracket in TOML text that nests deeper than
// maxDepth, or -1. It runs before the parser, which recurses without a limit.
func tooDeep(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '#':
			for i < len(data) && data[i] != '\n' {
				i++
			}
		case '"', '\'':
			long := i+2 < len(data) && data[i+1] == c && data[i+2] == c
			if long {
				i += 2
			}
			for i++; i < len(data); i++ {
				if data[i] == '\\' && c == '"' {
					i++
				} else if data[i] == c && (!long || i+2 < len(data) && data[i+1] == c && data[i+2] == c) {
					if long {
						i += 2
					}
					break
				} else if data[i] == '\n' && !long {
					break
				}
			}
		case '[', '{':
			if depth++; depth > maxDepth {
				return i
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return -1
}
