package eval

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonBuiltins read and write JSON.
var jsonBuiltins = []*builtin{
	fn1("toJSON", toJSON),
	fn1("fromJSON", fromJSON),
}

func toJSON(th *thread, x value) value {
	var b strings.Builder
	var c references
	th.writeJSON(&b, x, &c)
	return contextValue(b.String(), c)
}

// writeJSON writes v without any white space, names sorted.
func (th *thread) writeJSON(b *strings.Builder, v value, c *references) {
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
		b.WriteString(jsonFloat(v.float()))
	case kindString:
		*c = c.union(v.context())
		th.writeJSONString(b, v.str())
	case kindPath:
		th.writeJSONString(b, th.coerce(v, c, 0, copyPaths))
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
		th.fail(0, "cannot convert %s to JSON", kindNames[v.kind()])
	}
	th.nesting--
	th.spend(1)
}

func (th *thread) writeJSONSet(b *strings.Builder, v value, c *references) {
	if find(v.attrs(), symToString) != nil {
		th.writeJSONString(b, th.coerce(v, c, 0, 0))
		return
	}
	if p := find(v.attrs(), symOutPath); p != nil {
		th.writeJSON(b, p.v, c)
		return
	}
	b.WriteByte('{')
	for i, a := range byName(v.attrs()) {
		if i > 0 {
			b.WriteByte(',')
		}
		th.writeJSONString(b, a.sym.String())
		b.WriteByte(':')
		th.writeJSON(b, a.v, c)
	}
	b.WriteByte('}')
}

// jsonFloat writes the shortest number that is read back as f, a float still.
func jsonFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(s, "IN") {
		return "null"
	}
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func (th *thread) writeJSONString(b *strings.Builder, s string) {
	if !utf8.ValidString(s) {
		th.fail(0, "cannot convert a string that is not valid UTF-8 to JSON")
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
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
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

func fromJSON(th *thread, x value) value {
	s := th.wantPlainString(x, 0)
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	v, err := th.readJSON(d)
	if err == nil && d.More() {
		err = errTrailing
	}
	if err != nil {
		th.fail(0, "cannot decode JSON: %v", err)
	}
	return v
}

type jsonError string

func (e jsonError) Error() string { return string(e) }

const errTrailing = jsonError("more text behind the value")

// readJSON reads one value. Of equal names in an object the last counts.
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
		return th.newString(t), nil
	case json.Number:
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
		list = append(list, v)
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
