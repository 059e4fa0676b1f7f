package flake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Attrs are the attributes of an input. A value is a string, an int64 that is not negative, or a bool.
type Attrs map[string]any

// String returns an attribute that is a string; "" if there is none.
func (a Attrs) String(name string) string {
	s, _ := a[name].(string)
	return s
}

// Has reports whether there is an attribute.
func (a Attrs) Has(name string) bool {
	_, ok := a[name]
	return ok
}

// Bool returns an attribute that is a boolean; false if there is none.
func (a Attrs) Bool(name string) bool {
	b, _ := a[name].(bool)
	return b
}

// Int returns an attribute that is a number.
func (a Attrs) Int(name string) (n int64, ok bool) {
	n, ok = a[name].(int64)
	return n, ok
}

// Names returns the names of the attributes, sorted.
func (a Attrs) Names() []string { return slices.Sorted(maps.Keys(a)) }

// Equal reports whether two inputs have the same attributes.
func (a Attrs) Equal(b Attrs) bool { return maps.Equal(a, b) }

// With returns the attributes with another value for one of them.
func (a Attrs) With(name string, value any) Attrs {
	c := maps.Clone(a)
	c[name] = value
	return c
}

// Without returns the attributes without some.
func (a Attrs) Without(names ...string) Attrs {
	c := maps.Clone(a)
	for _, n := range names {
		delete(c, n)
	}
	return c
}

// JSON returns the attributes as one line of JSON, sorted by name.
func (a Attrs) JSON() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any(a)); err != nil {
		panic(err) // strings, numbers and booleans have an encoding
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ParseAttrs reads attributes from JSON.
func ParseAttrs(text []byte) (Attrs, error) {
	var raw map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return nil, fmt.Errorf("parse the attributes of an input: %v", err)
	}
	return attrsOf(raw)
}

func attrsOf(raw map[string]any) (Attrs, error) {
	a := Attrs{}
	for name, v := range raw {
		switch v := v.(type) {
		case string, bool:
			a[name] = v
		case json.Number:
			n, err := strconv.ParseUint(v.String(), 10, 64)
			if err != nil || n > math.MaxInt64 {
				return nil, fmt.Errorf("input attribute %s: want a whole number that is not negative, not %s", name, v)
			}
			a[name] = int64(n)
		default:
			return nil, fmt.Errorf("input attribute %s: want a string, a number or a boolean", name)
		}
	}
	return a, nil
}
