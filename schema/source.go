package schema

import (
	"bytes"
	"fmt"
	"sort"
	"unicode/utf8"
)

// MaxFileSize is the size of the largest file of an inventory, in bytes.
const MaxFileSize = 64 << 20

// The limits of one inventory. They are far above what a fleet needs, and keep a
// hostile or broken one from exhausting the machine.
const (
	maxDepth   = 200      // levels of nested values
	maxNodes   = 20 << 20 // values
	maxAliased = 500_000  // values that YAML's aliases expand to
	maxString  = 16 << 20 // bytes of one string
)

// A source is one file being read.
type source struct {
	name  string // name in messages
	data  []byte
	lines []int // byte offset of each line
}

// newSource checks what all languages require of their text: UTF-8, no NUL, and
// at most MaxFileSize bytes. It returns nil after reporting a problem.
func newSource(name string, data []byte, r *report) *source {
	s := &source{name: name, data: data, lines: []int{0}}
	if len(data) > MaxFileSize {
		r.add(Pos{File: name, Line: 1, Col: 1}, "", "too-large", "file is larger than %d MiB", MaxFileSize>>20)
		return nil
	}
	for i, c := range data {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		e := r.add(s.pos(i), "", "syntax", "NUL byte in the file")
		e.Hint = "this is no text: an inventory is text in CUE, TOML, YAML or JSON"
		if isUTF16(data) {
			e.Pos, e.Msg, e.Hint = s.start(), "the file is UTF-16, not UTF-8", "save it as UTF-8, or: iconv -f UTF-16 -t UTF-8 "+name
		}
		return nil
	}
	if !utf8.Valid(data) {
		i := 0
		for i < len(data) {
			c, n := utf8.DecodeRune(data[i:])
			if c == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		r.add(s.pos(i), "", "syntax", "byte 0x%02x is not UTF-8", data[i]).Hint = "save the file as UTF-8, or: iconv -f ISO-8859-1 -t UTF-8 " + name
		return nil
	}
	return s
}

// start returns the first position of the file.
func (s *source) start() Pos { return Pos{File: s.name, Line: 1, Col: 1} }

// pos returns the position of a byte offset.
func (s *source) pos(offset int) Pos {
	line := sort.SearchInts(s.lines, offset+1)
	return Pos{File: s.name, Line: line, Col: offset - s.lines[line-1] + 1}
}

// byteCol returns the column in bytes of the n-th character of a line. All three
// count from 1.
func (s *source) byteCol(line, n int) int {
	if line < 1 || line > len(s.lines) {
		return 1
	}
	rest := s.data[s.lines[line-1]:]
	col := 0
	for i := 1; i < n && col < len(rest); i++ {
		_, size := utf8.DecodeRune(rest[col:])
		col += size
	}
	return col + 1
}

// line returns the text of a line without its line break.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	text := s.data[s.lines[n-1]:]
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return string(bytes.TrimSuffix(text, []byte("\r")))
}

// A stop is the panic by which a reader ends after a problem that it cannot read
// past; read recovers it.
type stop struct{}

// read runs a reader and returns its tree, or nil. It reports a panic of a
// library as a problem of the file.
func (s *source) read(r *report, f func() *node) (n *node) {
	defer func() {
		switch x := recover(); x.(type) {
		case nil:
		case stop:
			n = nil
		default:
			r.add(s.start(), "", "syntax", "cannot be read: %s", oneLine(fmt.Sprint(x)))
			n = nil
		}
	}()
	return f()
}

// isUTF16 reports whether a text is UTF-16: it has the mark of that, or every other byte
// at its beginning is 0.
func isUTF16(data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return true
	}
	return len(data) >= 4 && (data[0] == 0) != (data[1] == 0) && (data[0] == 0) == (data[2] == 0) && (data[1] == 0) == (data[3] == 0)
}
