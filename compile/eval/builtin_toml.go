package eval

// This file reads TOML by hand, although package schema uses go-toml's parser.
// Nix reads TOML 1.0 (with toml11); go-toml v2.4 reads TOML 1.1, too, and accepts
// what Nix refuses:
//
//	a = { b = 1, }             a comma after the last pair of an inline table
//	a = {\n b = 1 # c\n}       line ends and comments in an inline table
//	a = "\x41"                 the escape \x
//	a = 07:32                  times without seconds
//
// The first two cannot be refused afterwards: its tree has no positions for
// commas, closing braces and line ends. Its recursion also has neither a limit nor
// a way to cancel it.

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/exec/ondemand"
)

// tomlBuiltins parse TOML.
var tomlBuiltins = []*builtin{
	fn1("fromTOML", fromTOML),
}

func fromTOML(th *thread, x value) value {
	r := tomlReader{th: th, text: strings.TrimPrefix(th.wantPlainString(x, 0), "\ufeff")}
	th.reserve(3 * len(r.text)) // strings are built with escapes undone
	root := newTOMLTable()
	defer func() {
		if e := recover(); e != nil {
			t, ok := e.(tomlError)
			if !ok {
				panic(e)
			}
			th.fail(0, "while parsing TOML: %s", string(t))
		}
	}()
	r.document(root)
	return root.value(th)
}

// A tomlTable is a table that is being read.
type tomlTable struct {
	keys    []string
	entries map[string]*tomlEntry
	open    bool // created by [a.b] for a: a header [a] may still follow
	dotted  bool // created by a.b = …: only further dotted keys may add to it
	inline  bool // { … }: complete
}

// A tomlEntry is a value, a table, or the tables of [[a]].
type tomlEntry struct {
	v      value
	table  *tomlTable
	tables []*tomlTable
}

func newTOMLTable() *tomlTable { return &tomlTable{entries: map[string]*tomlEntry{}} }

func (t *tomlTable) set(key string, e *tomlEntry) {
	t.keys = append(t.keys, key)
	t.entries[key] = e
}

func (t *tomlTable) value(th *thread) value {
	attrs := make([]attr, 0, len(t.keys))
	for _, k := range t.keys {
		e := t.entries[k]
		v := e.v
		switch {
		case e.table != nil:
			v = e.table.value(th)
		case e.tables != nil:
			list := make([]value, len(e.tables))
			for i, t := range e.tables {
				list[i] = t.value(th)
			}
			v = listValue(list)
		}
		attrs = append(attrs, attr{sym: intern(k), v: v})
	}
	return sortedSet(attrs...)
}

type tomlError string

// A tomlReader reads TOML 1.0. Errors are panics with a tomlError.
type tomlReader struct {
	th   *thread
	text string
	at   int
}

func (r *tomlReader) fail(msg string) { panic(tomlError(shortened(msg))) }

// peek returns the next byte, 0 at the end.
func (r *tomlReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *tomlReader) expect(c byte) {
	if r.peek() != c || r.at == len(r.text) {
		r.fail("expected '" + string(rune(c)) + "'")
	}
	r.at++
}

func (r *tomlReader) spaces() {
	for c := r.peek(); c == ' ' || c == '\t'; c = r.peek() {
		r.at++
	}
}

// blank skips white space, line ends and comments.
func (r *tomlReader) blank() {
	for {
		r.spaces()
		switch {
		case r.peek() == '#':
			r.comment()
		case r.peek() == '\n':
			r.at++
		case strings.HasPrefix(r.text[r.at:], "\r\n"):
			r.at += 2
		default:
			return
		}
	}
}

func (r *tomlReader) comment() {
	for r.at < len(r.text) && r.text[r.at] != '\n' {
		if strings.HasPrefix(r.text[r.at:], "\r\n") {
			return
		}
		if c := r.text[r.at]; c < ' ' && c != '\t' || c == 127 {
			r.fail("control character in a comment")
		}
		r.at++
	}
}

// lineEnd skips to the next line. Only white space and a comment may come
// before.
func (r *tomlReader) lineEnd() {
	r.spaces()
	if r.peek() == '#' {
		r.comment()
	}
	switch {
	case r.at == len(r.text):
	case r.peek() == '\n':
		r.at++
	case strings.HasPrefix(r.text[r.at:], "\r\n"):
		r.at += 2
	default:
		r.fail("expected the end of the line")
	}
}

// document reads all tables and pairs of the text.
func (r *tomlReader) document(root *tomlTable) {
	table := root
	for {
		r.blank()
		r.th.spend(1)
		switch {
		case r.at == len(r.text):
			return
		case strings.HasPrefix(r.text[r.at:], "[["):
			r.at += 2
			table = r.arrayTable(root, r.keyPath())
			r.expect(']')
			r.expect(']')
			r.lineEnd()
		case r.peek() == '[':
			r.at++
			table = r.table(root, r.keyPath())
			r.expect(']')
			r.lineEnd()
		default:
			r.pair(table)
			r.lineEnd()
		}
	}
}

// descend returns the table that a header names, and creates the missing ones
// on the path.
func (r *tomlReader) descend(t *tomlTable, path []string) *tomlTable {
	for _, key := range path {
		e := t.entries[key]
		switch {
		case e == nil:
			next := newTOMLTable()
			next.open = true
			t.set(key, &tomlEntry{table: next})
			t = next
		case e.table != nil && !e.table.inline:
			t = e.table
		case e.tables != nil:
			t = e.tables[len(e.tables)-1]
		default:
			r.fail("key '" + key + "' is not a table")
		}
	}
	return t
}

func (r *tomlReader) table(root *tomlTable, path []string) *tomlTable {
	t := r.descend(root, path[:len(path)-1])
	key := path[len(path)-1]
	e := t.entries[key]
	if e == nil {
		next := newTOMLTable()
		t.set(key, &tomlEntry{table: next})
		return next
	}
	if e.table == nil || !e.table.open {
		r.fail("duplicate table '" + strings.Join(path, ".") + "'")
	}
	e.table.open = false
	return e.table
}

func (r *tomlReader) arrayTable(root *tomlTable, path []string) *tomlTable {
	t := r.descend(root, path[:len(path)-1])
	key := path[len(path)-1]
	next := newTOMLTable()
	e := t.entries[key]
	switch {
	case e == nil:
		t.set(key, &tomlEntry{tables: []*tomlTable{next}})
	case e.tables != nil:
		e.tables = append(e.tables, next)
	default:
		r.fail("key '" + strings.Join(path, ".") + "' is not an array of tables")
	}
	return next
}

// pair reads a.b = value into t.
func (r *tomlReader) pair(t *tomlTable) {
	path := r.keyPath()
	r.expect('=')
	r.spaces()
	e := r.value()
	for _, key := range path[:len(path)-1] {
		have := t.entries[key]
		switch {
		case have == nil:
			next := newTOMLTable()
			next.dotted = true
			t.set(key, &tomlEntry{table: next})
			t = next
		case have.table != nil && have.table.dotted:
			t = have.table
		default:
			r.fail("duplicate key '" + key + "'")
		}
	}
	key := path[len(path)-1]
	if t.entries[key] != nil {
		r.fail("duplicate key '" + key + "'")
	}
	t.set(key, e)
}

func (r *tomlReader) keyPath() []string {
	var path []string
	for {
		r.spaces()
		path = append(path, r.key())
		r.spaces()
		if r.peek() != '.' {
			return path
		}
		r.at++
	}
}

func (r *tomlReader) key() string {
	switch r.peek() {
	case '"':
		return r.basic(false)
	case '\'':
		return r.literal(false)
	}
	start := r.at
	for r.at < len(r.text) && isBareKey(r.text[r.at]) {
		r.at++
	}
	if start == r.at {
		r.fail("expected a key")
	}
	return r.text[start:r.at]
}

func (r *tomlReader) value() *tomlEntry {
	r.th.spend(1)
	rest := r.text[r.at:]
	switch {
	case strings.HasPrefix(rest, `"""`):
		return &tomlEntry{v: stringValue(r.basic(true))}
	case strings.HasPrefix(rest, `"`):
		return &tomlEntry{v: stringValue(r.basic(false))}
	case strings.HasPrefix(rest, `'''`):
		return &tomlEntry{v: stringValue(r.literal(true))}
	case strings.HasPrefix(rest, `'`):
		return &tomlEntry{v: stringValue(r.literal(false))}
	case strings.HasPrefix(rest, "["):
		return &tomlEntry{v: r.array()}
	case strings.HasPrefix(rest, "{"):
		return &tomlEntry{table: r.inlineTable()}
	}
	end := 0
	for end < len(rest) && strings.IndexByte(" \t\r\n,]}#", rest[end]) < 0 {
		end++
	}
	// A date and a time may be separated by a space.
	if end == 10 && rest[4] == '-' && end+1 < len(rest) && rest[end] == ' ' && isDigit(rest[end+1]) {
		for end++; end < len(rest) && strings.IndexByte(" \t\r\n,]}#", rest[end]) < 0; {
			end++
		}
	}
	r.at += end
	return &tomlEntry{v: r.scalar(rest[:end])}
}

func (r *tomlReader) scalar(s string) value {
	switch s {
	case "true":
		return valueTrue
	case "false":
		return valueFalse
	case "":
		r.fail("expected a value")
	}
	number := strings.TrimLeft(s, "+-")
	switch {
	case len(s)-len(number) > 1:
		r.fail("invalid number '" + s + "'")
	case number == "inf":
		sign := 1
		if s[0] == '-' {
			sign = -1
		}
		return floatValue(math.Inf(sign))
	case number == "nan":
		return floatValue(math.NaN())
	case timestamp().MatchString(s):
		return r.timestamp(s)
	}
	based := len(number) > 2 && number[0] == '0' && strings.IndexByte("xob", number[1]) >= 0
	if based && !separates(number[2:], isHexDigit) || !based && !separates(number, isDigit) {
		r.fail("invalid number '" + s + "': '_' stands between digits only")
	}
	plain := strings.ReplaceAll(s, "_", "")
	if !based && strings.ContainsAny(plain, ".eE") {
		return r.float(s, plain, number)
	}
	digits := strings.TrimLeft(plain, "+-")
	if !based && len(digits) > 1 && digits[0] == '0' || based && s != number {
		r.fail("invalid integer '" + s + "'")
	}
	base := 10
	if based {
		base = map[byte]int{'x': 16, 'o': 8, 'b': 2}[number[1]]
		plain = digits[2:]
		if plain[0] == '+' || plain[0] == '-' {
			r.fail("invalid integer '" + s + "'")
		}
	}
	i, err := strconv.ParseInt(plain, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		r.fail("[error] toml::parse_dec_integer: too large integer: current max digits = 2^63")
	}
	if err != nil {
		r.fail("invalid integer '" + s + "'")
	}
	return intValue(i)
}

// separates reports whether each underscore of a number stands between two digits.
func separates(number string, digit func(byte) bool) bool {
	for i := range len(number) {
		if number[i] == '_' && (i == 0 || i == len(number)-1 || !digit(number[i-1]) || !digit(number[i+1])) {
			return false
		}
	}
	return true
}

// timestamp matches dates, times and both.
var timestamp = ondemand.Regexp(`^(\d{4}-\d\d-\d\d)?([Tt ]?)(\d\d:\d\d:\d\d)?(\.\d+)?([Zz]|[+-]\d\d:\d\d)?$`)

// timestamp returns { _type = "timestamp"; value = …; } if that experimental
// feature is on.
func (r *tomlReader) timestamp(s string) value {
	if !r.th.ev.enabled("parse-toml-timestamps") {
		r.fail("Dates and times are not supported")
	}
	m := timestamp().FindStringSubmatch(s)
	date, clock, fraction, zone := m[1], m[3], m[4], strings.ToUpper(m[5])
	if date == "" && clock == "" || (date == "" || clock == "") != (m[2] == "") || clock == "" && fraction+zone != "" {
		r.fail("invalid date or time '" + s + "'")
	}
	out := date
	if date != "" && clock != "" {
		out += "T"
	}
	out += clock
	if fraction != "" { // three, six or nine digits
		digits := fraction[1:min(len(fraction), 10)]
		out += "." + digits + "00"[:(3-len(digits)%3)%3]
	}
	return sortedSet(attr{sym: intern("_type"), v: stringValue("timestamp")}, attr{sym: symValue, v: stringValue(out + zone)})
}

func (r *tomlReader) float(s, plain, number string) value {
	whole, fraction, dotted := strings.Cut(strings.ToLower(number), ".")
	if dotted && (whole == "" || fraction == "" || !isDigit(fraction[0])) ||
		len(whole) > 1 && whole[0] == '0' && (isDigit(whole[1]) || whole[1] == '_') || !isDigit(number[0]) {
		r.fail("invalid float '" + s + "'")
	}
	f, err := strconv.ParseFloat(plain, 64)
	switch {
	case math.IsInf(f, 0) && r.th.ev.compat.clampsTOML:
		f = math.Copysign(math.MaxFloat64, f)
	case math.IsInf(f, 0):
		r.fail("[error] toml::parse_floating: failed to read floating point value from stream")
	case err != nil:
		r.fail("invalid float '" + s + "'")
	}
	return floatValue(f)
}

func (r *tomlReader) array() value {
	r.th.descend()
	defer func() { r.th.nesting-- }()
	r.at++
	var list []value
	for {
		r.blank()
		if r.peek() == ']' {
			r.at++
			return listValue(list)
		}
		e := r.value()
		if e.table != nil {
			e.v = e.table.value(r.th)
		}
		list = r.th.add(list, e.v)
		r.blank()
		if r.peek() != ']' {
			r.expect(',')
		}
	}
}

func (r *tomlReader) inlineTable() *tomlTable {
	r.th.descend()
	defer func() { r.th.nesting-- }()
	t := newTOMLTable()
	r.at++
	r.spaces()
	for r.peek() != '}' {
		r.pair(t)
		r.spaces()
		if r.peek() != '}' {
			r.expect(',')
			r.spaces()
			if r.peek() == '}' {
				r.fail("expected a key")
			}
		}
	}
	r.at++
	t.close()
	return t
}

// close marks t and the tables in it as complete.
func (t *tomlTable) close() {
	t.inline, t.dotted, t.open = true, false, false
	for _, e := range t.entries {
		if e.table != nil {
			e.table.close()
		}
	}
}

// literal reads a string in single quotes, or three of them if multi, which has
// no escapes.
func (r *tomlReader) literal(multi bool) string {
	quote := "'"
	if multi {
		quote = "'''"
	}
	r.at += len(quote)
	start := r.at
	if multi {
		r.firstNewline()
		start = r.at
	}
	for r.at < len(r.text) {
		c := r.text[r.at]
		if strings.HasPrefix(r.text[r.at:], quote) {
			end := r.at
			r.at += len(quote)
			for i := 0; multi && i < 2 && r.peek() == '\''; i++ { // up to two quotes before the end belong to the text
				end++
				r.at++
			}
			return r.text[start:end]
		}
		r.checkControl(c, multi)
		r.at++
	}
	r.fail("string is not closed")
	return ""
}

func (r *tomlReader) firstNewline() {
	switch {
	case r.peek() == '\n':
		r.at++
	case strings.HasPrefix(r.text[r.at:], "\r\n"):
		r.at += 2
	}
}

// checkControl refuses what a string cannot hold as it is. A carriage return is part of the end of a line.
func (r *tomlReader) checkControl(c byte, multi bool) {
	if c == '\t' || c >= ' ' && c != 127 || multi && (c == '\n' || strings.HasPrefix(r.text[r.at:], "\r\n")) {
		return
	}
	r.fail("control character in a string")
}

// basic reads "…" or """…""" with escapes.
func (r *tomlReader) basic(multi bool) string {
	quote := `"`
	if multi {
		quote = `"""`
	}
	r.at += len(quote)
	if multi {
		r.firstNewline()
	}
	var b strings.Builder
	for r.at < len(r.text) {
		if strings.HasPrefix(r.text[r.at:], quote) {
			r.at += len(quote)
			for i := 0; multi && i < 2 && r.peek() == '"'; i++ {
				b.WriteByte('"')
				r.at++
			}
			if strings.IndexByte(b.String(), 0) >= 0 {
				r.fail("error: input string '" + strings.ReplaceAll(shortened(b.String()), "\x00", "␀") + "' cannot be represented as Nix string because it contains null bytes")
			}
			return b.String()
		}
		c := r.text[r.at]
		if c == '\\' {
			r.at++
			r.escape(&b, multi)
			continue
		}
		r.checkControl(c, multi)
		b.WriteByte(c)
		r.at++
	}
	r.fail("string is not closed")
	return ""
}

func (r *tomlReader) escape(b *strings.Builder, multi bool) {
	c := r.peek()
	r.at++
	if i := strings.IndexByte(`btnfr"\`, c); i >= 0 && c != 0 {
		b.WriteByte("\b\t\n\f\r\"\\"[i])
		return
	}
	switch c {
	case 'u', 'U':
		n := 4
		if c == 'U' {
			n = 8
		}
		if r.at+n > len(r.text) {
			r.fail("invalid escape")
		}
		code, err := strconv.ParseUint(r.text[r.at:r.at+n], 16, 32)
		if err != nil || !utf8.ValidRune(rune(code)) {
			r.fail("invalid escape")
		}
		r.at += n
		b.WriteRune(rune(code))
		return
	case ' ', '\t', '\n', '\r':
		if !multi {
			break
		}
		// A backslash at the end of a line joins it with the next word.
		rest := strings.TrimLeft(r.text[r.at-1:], " \t")
		if !strings.HasPrefix(rest, "\n") && !strings.HasPrefix(rest, "\r\n") {
			break
		}
		for rest != "" && (strings.IndexByte(" \t\n", rest[0]) >= 0 || strings.HasPrefix(rest, "\r\n")) {
			rest = rest[1:]
		}
		r.at = len(r.text) - len(rest)
		return
	}
	r.fail("invalid escape")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// isBareKey reports whether c may be part of a key without quotes.
func isBareKey(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '-'
}
