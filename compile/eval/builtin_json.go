package eval

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/compile/eval/float"
)

// jsonBuiltins write and parse JSON.
var jsonBuiltins = []*builtin{
	fn1("toJSON", toJSON),
	fn1("fromJSON", fromJSON),
}

func toJSON(th *thread, x value) value {
	b := jsonWriter{textBuilder: textBuilder{th: th}}
	var c references
	th.writeJSON(&b, x, &c)
	return contextValue(th.finish(&b), c)
}

// A jsonWriter holds JSON that is being written. Like Nix it reports strings
// that are not UTF-8 only after everything has been evaluated.
type jsonWriter struct {
	textBuilder
	bad   string // the first string that is not UTF-8
	plain bool   // paths are written as they are, and not copied to the store
}

// finish returns the text, or fails if a string was not UTF-8.
func (th *thread) finish(b *jsonWriter) string {
	if b.bad != "" {
		th.notUTF8(b.bad)
	}
	return b.String()
}

// writeJSON writes v without white space, with sorted names.
func (th *thread) writeJSON(b *jsonWriter, v value, c *references) {
	v = th.force(v)
	th.descend()
	switch v.kind() {
	case kindNull:
		b.WriteString("null")
	case kindBool:
		b.WriteString(strconv.FormatBool(v.bool()))
	case kindInt:
		b.WriteString(strconv.FormatInt(v.int(), 10))
	case kindFloat:
		b.WriteString(th.jsonFloat(v.float()))
	case kindString:
		*c = c.union(v.context())
		th.writeJSONString(b, v.str())
	case kindPath:
		how := copyPaths
		if b.plain {
			how = 0
		}
		th.writeJSONString(b, th.coerce(v, c, 0, how))
	case kindList:
		b.WriteByte('[')
		for i, x := range v.list() {
			if i > 0 {
				b.WriteByte(',')
			}
			th.writeJSON(b, x, c)
		}
		b.WriteByte(']')
	case kindSet:
		th.writeJSONSet(b, v, c)
	default:
		th.fail(functionPos(v), "cannot convert %s to JSON", typeWords(v))
	}
	th.nesting--
	th.spend(1)
}

func (th *thread) writeJSONSet(b *jsonWriter, v value, c *references) {
	if f := find(v.attrs(), symToString); f != nil {
		th.writeJSONString(b, th.coerce(th.jsonText(th.call(f.v, v), f.pos), c, 0, 0))
		return
	}
	if p := find(v.attrs(), symOutPath); p != nil {
		th.writeJSON(b, p.v, c)
		return
	}
	b.WriteByte('{')
	for i, a := range th.byName(v.attrs()) {
		if i > 0 {
			b.WriteByte(',')
		}
		th.writeJSONString(b, a.sym.String())
		b.WriteByte(':')
		th.writeJSON(b, a.v, c)
	}
	b.WriteByte('}')
}

// jsonText checks the result of a set's __toString.
func (th *thread) jsonText(s value, pos posID) value {
	switch s.kind() {
	case kindString, kindPath:
	case kindSet:
		if find(s.attrs(), symToString) == nil && find(s.attrs(), symOutPath) == nil {
			th.fail(pos, "`__toString` must return a string, but got %s", th.describe(s))
		}
	default:
		th.fail(pos, "`__toString` should return a string, but got %s", th.describe(s))
	}
	return s
}

// jsonFloat writes a float for toJSON.
func (th *thread) jsonFloat(f float64) string {
	if th.ev.compat.oldJSON {
		return float.Printf(f, 'g')
	}
	return float.JSON(f)
}

func (th *thread) writeJSONString(b *jsonWriter, s string) {
	if b.bad == "" && !th.ev.compat.oldJSON && !utf8.ValidString(s) {
		b.bad = s
	}
	const hex = "0123456789abcdef"
	b.WriteByte('"')
	plain := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(s[plain:i])
		plain = i + 1
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b' && !th.ev.compat.oldJSON:
			b.WriteString(`\b`)
		case c == '\f' && !th.ev.compat.oldJSON:
			b.WriteString(`\f`)
		default:
			b.WriteString(`\u00`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	b.WriteString(s[plain:])
	b.WriteByte('"')
}

// notUTF8 fails with the position of the first byte of s that is not UTF-8, in
// the words of Nix's JSON library.
func (th *thread) notUTF8(s string) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRuneInString(s[i:]) {
				th.fail(0, "JSON serialization error: [json.exception.type_error.316] incomplete UTF-8 string; last byte: 0x%02X", s[len(s)-1])
			}
			// The invalid byte is the first one that cannot follow the bytes
			// before it.
			for j := i + 1; j < len(s) && j < i+utf8.UTFMax; j++ {
				if utf8.FullRuneInString(s[i:j]) {
					break
				}
				n = j - i
			}
			bad := i + n - 1
			if !utf8.FullRuneInString(s[i : i+1]) {
				bad = i + n
			}
			bad = min(bad, len(s)-1)
			th.fail(0, "JSON serialization error: [json.exception.type_error.316] invalid UTF-8 byte at index %d: 0x%02X", bad, s[bad])
		}
		i += n
	}
}

func fromJSON(th *thread, x value) value {
	s := th.wantPlainString(x, 0)
	th.reserve(3 * len(s)) // the decoder's buffer doubles
	th.wantUnicode(s)
	d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(s, "\ufeff")))
	d.UseNumber()
	v, err := th.readJSON(d)
	if _, end := d.Token(); err == nil && end != io.EOF { // d.More is false before a bracket as well
		err = errTrailing
	}
	if e, ok := err.(jsonError); ok {
		th.fail(0, "%s", string(e))
	}
	if err != nil {
		th.fail(0, "cannot decode JSON: %v", err)
	}
	return v
}

type jsonError string

func (e jsonError) Error() string { return string(e) }

const errTrailing = jsonError("cannot decode JSON: text after the value")

// wantUnicode fails for what encoding/json would read as U+FFFD: bytes that are
// not UTF-8, and half of a surrogate pair.
func (th *thread) wantUnicode(s string) {
	if !utf8.ValidString(s) {
		th.fail(0, "[json.exception.parse_error.101] parse error: syntax error while parsing value - invalid string: ill-formed UTF-8 byte")
	}
	high := false // the previous unit is the first half of a pair
	for i := strings.IndexByte(s, '\\'); 0 <= i && i < len(s); i++ {
		unit := uint64(0)
		if s[i] == '\\' {
			if i++; i+4 < len(s) && s[i] == 'u' {
				unit, _ = strconv.ParseUint(s[i+1:i+5], 16, 16)
				i += 4
			}
		}
		switch low := unit >= 0xdc00 && unit < 0xe000; {
		case high && !low:
			th.fail(0, "[json.exception.parse_error.101] parse error: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF")
		case low && !high:
			th.fail(0, "[json.exception.parse_error.101] parse error: syntax error while parsing value - invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF")
		}
		high = unit >= 0xd800 && unit < 0xdc00
	}
}

// noNull fails for strings with a null byte, which Nix cannot represent.
func (th *thread) noNull(s string) {
	if strings.IndexByte(s, 0) >= 0 {
		th.fail(0, "input string '%s' cannot be represented as Nix string because it contains null bytes", strings.ReplaceAll(shortened(s), "\x00", "␀"))
	}
}

// readJSON reads one value. The last of equal names in an object wins.
func (th *thread) readJSON(d *json.Decoder) (value, error) {
	t, err := d.Token()
	if err != nil {
		return value{}, err
	}
	th.spend(1)
	switch t := t.(type) {
	case nil:
		return valueNull, nil
	case bool:
		return boolValue(t), nil
	case string:
		th.noNull(t)
		return th.newString(t), nil
	case json.Number:
		if u, err := strconv.ParseUint(t.String(), 10, 64); err == nil && len(t) >= 19 {
			if _, err := strconv.ParseInt(t.String(), 10, 64); err != nil {
				if th.ev.compat.wraps {
					return th.newInt(int64(u)), nil
				}
				return value{}, jsonError("unsigned json number " + shortened(t.String()) + " outside of Nix integer range")
			}
		}
		if i, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return th.newInt(i), nil
		}
		f, err := t.Float64()
		return floatValue(f), err
	case json.Delim:
		th.descend()
		defer func() { th.nesting-- }()
		if t == '[' {
			return th.readJSONArray(d)
		}
		return th.readJSONObject(d)
	}
	return value{}, jsonError("unexpected token")
}

func (th *thread) readJSONArray(d *json.Decoder) (value, error) {
	var list []value
	for d.More() {
		v, err := th.readJSON(d)
		if err != nil {
			return value{}, err
		}
		list = th.add(list, v)
	}
	_, err := d.Token()
	return th.newList(list), err
}

func (th *thread) readJSONObject(d *json.Decoder) (value, error) {
	values := map[symbol]value{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return value{}, err
		}
		v, err := th.readJSON(d)
		if err != nil {
			return value{}, err
		}
		th.noNull(name.(string))
		values[intern(name.(string))] = v
	}
	attrs := th.newAttrs(len(values))[:0]
	for name, v := range values {
		attrs = append(attrs, attr{sym: name, v: v})
	}
	sortAttrs(attrs)
	_, err := d.Token()
	return th.newSet(attrs), err
}
