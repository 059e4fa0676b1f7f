// Package strictjson reads JSON that others may have written, and refuses what it does not understand.
//
// encoding/json passes over unknown fields, takes the last of duplicate keys, ignores case and null, and fills memory
// without limit. Decode refuses all of these before it decodes, and says where in the text and where in the value.
//
//	var plan savedPlan
//	err := strictjson.Decode(text, &plan, strictjson.Limits{Memory: 100 << 20})
//	// 4:12: steps[0].host.adress: unknown field
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits say what a text may hold.
type Limits struct {
	Memory int64 // most bytes that the decoded value may take; must be positive
	// Check says what is wrong with a text of a named string type, such as exec.Action; "" where nothing is.
	Check func(of reflect.Type, text string) (wrong string)
	// As says what a type that decodes itself is written as.
	As map[reflect.Type]reflect.Type
}

// maxDepth is how deep values may be nested.
const maxDepth = 32

// maxDuration is the longest duration that is read. Added to any time that is near, it does not overflow.
const maxDuration = 100 * 365 * 24 * time.Hour

// An Error says what is wrong with a text, and where.
type Error struct {
	Offset int    // of the byte in the text
	Path   string // of the value, such as steps[0].host.port; "" for the whole
	Why    string
	Cut    bool // the text ends too early
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Why
	}
	return e.Path + ": " + e.Why
}

// Place returns the line and the column of the error in the text, both from 1.
func (e *Error) Place(text []byte) (line, column int) {
	before := text[:min(e.Offset, len(text))]
	return bytes.Count(before, []byte{'\n'}) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// Decode reads one value. Its errors are of type [*Error].
//
// A number that is a field with the tag want:"0..65535" must lie within. A [time.Duration] is never negative. Types that
// decode themselves are [time.Time], [json.RawMessage] and those of Limits.As; what a raw message holds is checked
// when it is decoded itself.
func Decode(text []byte, into any, limits Limits) error {
	if err := Check(text, reflect.TypeOf(into).Elem(), limits); err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return &Error{Why: err.Error()}
	}
	return nil
}

// Check finds what Decode into a value of a type would refuse, and decodes nothing.
func Check(text []byte, t reflect.Type, limits Limits) error {
	if limits.Memory <= 0 {
		panic("strictjson: no limit of memory")
	}
	c := &checker{text: text, limits: limits}
	return c.whole(t)
}

// A checker walks through a text and the type that it is to become.
type checker struct {
	text   []byte
	at     int
	limits Limits
	used   int64 // bytes of memory
	path   []segment
}

// A segment of a path is a field, or an element of a list where name is nil.
type segment struct {
	name  []byte
	index int
}

func (c *checker) whole(t reflect.Type) error {
	c.space()
	switch {
	case c.at == len(c.text):
		return c.cut("it is empty")
	case !utf8.Valid(c.text):
		return c.wrong("it is not UTF-8")
	}
	if err := c.value(t, ""); err != nil {
		return err
	}
	if c.space(); c.at < len(c.text) {
		return c.wrong("more text after the end")
	}
	return nil
}

func (c *checker) wrong(format string, args ...any) error {
	return &Error{Offset: c.at, Path: c.where(), Why: fmt.Sprintf(format, args...)}
}

func (c *checker) cut(why string) error {
	return &Error{Offset: c.at, Path: c.where(), Why: why, Cut: true}
}

// where is the path of the value that is being read.
func (c *checker) where() string {
	var b strings.Builder
	for i, s := range c.path {
		switch {
		case s.name == nil:
			fmt.Fprintf(&b, "[%d]", s.index)
		case i > 0:
			b.WriteString("." + name(s.name))
		default:
			b.WriteString(name(s.name))
		}
	}
	return b.String()
}

// name is the name of a field as a message has it.
func name(text []byte) string {
	short := clip(string(text))
	if strings.ContainsFunc(short, func(r rune) bool { return !unicode.IsPrint(r) || r == '.' || r == ' ' }) {
		return strconv.Quote(short)
	}
	return short
}

// unexpected is the error about the next byte.
func (c *checker) unexpected(want string) error {
	if c.at >= len(c.text) {
		return c.cut("it ends in the middle, as a file that was cut does")
	}
	r, _ := utf8.DecodeRune(c.text[c.at:])
	return c.wrong("want %s, not %q", want, r)
}

func (c *checker) space() {
	for c.at < len(c.text) && (c.text[c.at] == ' ' || c.text[c.at] == '\n' || c.text[c.at] == '\t' || c.text[c.at] == '\r') {
		c.at++
	}
}

// take passes over a byte, where it is next.
func (c *checker) take(b byte) bool {
	c.space()
	if c.at < len(c.text) && c.text[c.at] == b {
		c.at++
		return true
	}
	return false
}

func (c *checker) use(bytes int64) error {
	if c.used += bytes; c.used > c.limits.Memory {
		return c.wrong("it holds too much: decoded, it takes more than %d MB", c.limits.Memory>>20)
	}
	return nil
}

var (
	typeTime     = reflect.TypeFor[time.Time]()
	typeDuration = reflect.TypeFor[time.Duration]()
	typeRaw      = reflect.TypeFor[json.RawMessage]()
)

// value passes over a value that is to become one of type t, nil for any. want is the tag of its field.
func (c *checker) value(t reflect.Type, want string) error {
	if len(c.path) > maxDepth {
		return c.wrong("nested deeper than %d", maxDepth)
	}
	c.space()
	if as, ok := c.limits.As[t]; ok {
		t = as
	}
	switch {
	case t == nil || t == typeRaw:
		return c.anything()
	case t == typeTime:
		return c.time()
	}
	switch t.Kind() {
	case reflect.Pointer:
		if err := c.use(int64(t.Elem().Size())); err != nil {
			return err
		}
		return c.value(t.Elem(), want)
	case reflect.Struct:
		return c.object(fieldsOf(t))
	case reflect.Slice:
		return c.list(t.Elem())
	case reflect.String:
		return c.named(t)
	case reflect.Bool:
		return c.bool()
	case reflect.Int, reflect.Int64:
		return c.integer(t, want)
	}
	panic(fmt.Sprintf("strictjson: no rule for %v", t))
}

// anything passes over a value of any type.
func (c *checker) anything() error {
	if c.at >= len(c.text) {
		return c.unexpected("a value")
	}
	switch b := c.text[c.at]; {
	case b == '{':
		return c.object(nil)
	case b == '[':
		return c.list(nil)
	case b == '"':
		_, err := c.string()
		return err
	case b == 't', b == 'f':
		return c.bool()
	case b == 'n':
		return c.word("null")
	}
	_, err := c.number()
	return err
}

// object passes over an object with these fields, nil for any.
func (c *checker) object(fields map[string]field) error {
	if !c.take('{') {
		return c.unexpected("an object")
	}
	if c.take('}') {
		return nil
	}
	var seen uint64 // a bit for each field
	for {
		if c.space(); c.at >= len(c.text) || c.text[c.at] != '"' {
			return c.unexpected("the name of a field")
		}
		start := c.at
		name, err := c.string()
		if err != nil {
			return err
		}
		c.path = append(c.path, segment{name: name})
		f, known := fields[string(name)]
		switch {
		case known && seen&f.bit != 0:
			c.at = start
			return c.wrong("it is said twice")
		case fields != nil && !known:
			c.at = start
			return c.wrong("unknown field")
		case !c.take(':'):
			return c.unexpected("a colon")
		}
		seen |= f.bit
		if err := c.value(f.of, f.want); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
		switch {
		case c.take(','):
		case c.take('}'):
			return nil
		default:
			return c.unexpected("a comma or the end of the object")
		}
	}
}

// list passes over a list of a type, nil for any.
func (c *checker) list(of reflect.Type) error {
	if !c.take('[') {
		return c.unexpected("a list")
	}
	if c.take(']') {
		return nil
	}
	for n := 0; ; n++ {
		c.path = append(c.path, segment{index: n})
		if of != nil {
			if err := c.use(int64(of.Size())); err != nil {
				return err
			}
		}
		if err := c.value(of, ""); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
		switch {
		case c.take(','):
		case c.take(']'):
			return nil
		default:
			return c.unexpected("a comma or the end of the list")
		}
	}
}

// named passes over a text of a type that may have a check.
func (c *checker) named(t reflect.Type) error {
	start := c.at
	text, err := c.string()
	if err != nil {
		return err
	}
	if t.Name() != "string" && c.limits.Check != nil {
		if wrong := c.limits.Check(t, string(text)); wrong != "" {
			c.at = start
			return c.wrong("%s", wrong)
		}
	}
	return nil
}

// string passes over a string and returns it.
func (c *checker) string() ([]byte, error) {
	start := c.at
	if !c.take('"') {
		return nil, c.unexpected("a text in quotes")
	}
	plain := true
	for ; ; c.at++ {
		if c.at >= len(c.text) {
			c.at = len(c.text) // an escape that is cut has led past it
			return nil, c.unexpected("a quote")
		}
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			if err := c.use(int64(c.at - start)); err != nil {
				return nil, err
			}
			if plain {
				return c.text[start+1 : c.at-1], nil
			}
			return c.unescape(start)
		case b == '\\':
			plain = false
			c.at++
		case b < ' ':
			return nil, c.wrong("a control character in a text")
		}
	}
}

// unescape returns the string from start on, which has escapes.
func (c *checker) unescape(start int) ([]byte, error) {
	raw := c.text[start:c.at]
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		c.at = start
		return nil, c.wrong("an unknown escape in a text")
	}
	// encoding/json replaces half a surrogate pair. What it replaces is refused, unless it is written so.
	if strings.Count(text, "\ufffd") != bytes.Count(raw, []byte("\ufffd"))+bytes.Count(bytes.ToLower(raw), []byte(`\ufffd`)) {
		c.at = start
		return nil, c.wrong("half a surrogate pair in a text")
	}
	return []byte(text), nil
}

func (c *checker) time() error {
	start := c.at
	text, err := c.string()
	if err != nil {
		return err
	}
	if new(time.Time).UnmarshalText(text) != nil {
		c.at = start
		return c.wrong("want a time such as 2026-01-31T14:22:33Z, not %q", clip(string(text)))
	}
	return nil
}

func (c *checker) bool() error {
	if c.at < len(c.text) && c.text[c.at] == 't' {
		return c.word("true")
	}
	return c.word("false")
}

func (c *checker) word(word string) error {
	rest := c.text[c.at:]
	switch {
	case bytes.HasPrefix(rest, []byte(word)):
		c.at += len(word)
		return nil
	case len(rest) < len(word) && strings.HasPrefix(word, string(rest)):
		c.at = len(c.text)
	}
	if word == "null" {
		return c.unexpected("a value")
	}
	return c.unexpected("true or false")
}

// number passes over a number and returns it as it is written.
func (c *checker) number() (string, error) {
	start := c.at
	for c.at < len(c.text) && strings.IndexByte("+-.0123456789eE", c.text[c.at]) >= 0 {
		c.at++
	}
	text := string(c.text[start:c.at])
	if !json.Valid([]byte(text)) {
		if text != "" && c.at < len(c.text) || text == "" {
			c.at = start
		}
		return "", c.unexpected("a number")
	}
	return text, nil
}

func (c *checker) integer(t reflect.Type, want string) error {
	start := c.at
	text, err := c.number()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	low, high := bounds(t, want)
	if err == nil && low <= n && n <= high {
		return nil
	}
	c.at = start
	switch {
	case t == typeDuration:
		return c.wrong("want a duration in nanoseconds, from 0 to %d, not %s", high, clip(text))
	case errors.Is(err, strconv.ErrSyntax):
		return c.wrong("want a whole number, not %s", clip(text))
	}
	return c.wrong("want a number from %d to %d, not %s", low, high, clip(text))
}

// bounds are those of a tag such as 0..65535, or those of the type.
func bounds(t reflect.Type, want string) (low, high int64) {
	switch {
	case want != "":
		if n, err := fmt.Sscanf(want, "%d..%d", &low, &high); n != 2 || err != nil {
			panic("strictjson: the tag want:" + want)
		}
		return low, high
	case t == typeDuration:
		return 0, int64(maxDuration)
	}
	return -1 << 62, 1<<62 - 1
}

// clip shortens what a message quotes.
func clip(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// A field is one of a struct, as JSON names it.
type field struct {
	of   reflect.Type
	want string
	bit  uint64 // one of its own in each struct
}

var fields sync.Map // from reflect.Type to map[string]field

// fieldsOf are the fields of a struct, those of embedded structs among them.
func fieldsOf(t reflect.Type) map[string]field {
	if known, ok := fields.Load(t); ok {
		return known.(map[string]field)
	}
	all := map[string]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			for name, inner := range fieldsOf(f.Type) {
				inner.bit = 1 << len(all)
				all[name] = inner
			}
		case f.IsExported() && name != "-":
			if name == "" {
				name = f.Name
			}
			all[name] = field{of: f.Type, want: f.Tag.Get("want"), bit: 1 << len(all)}
		}
	}
	if len(all) > 64 {
		panic(fmt.Sprintf("strictjson: %v has more than 64 fields", t))
	}
	fields.Store(t, all)
	return all
}
