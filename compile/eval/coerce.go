package eval

import (
	"path"
	"strconv"
	"strings"

	"muster/compile/eval/float"
)

// The want… methods return the content of a value of the type that they name,
// and fail for other values.

func (th *thread) wantSet(v value, pos posID) []attr {
	v = th.force(v)
	if v.kind() != kindSet {
		th.wantType(pos, "a set", v)
	}
	th.seen(v)
	return v.attrs()
}

func (th *thread) wantList(v value, pos posID) []value {
	v = th.force(v)
	if v.kind() != kindList {
		th.wantType(pos, "a list", v)
	}
	return v.list()
}

func (th *thread) wantInt(v value, pos posID) int64 {
	v = th.force(v)
	if v.kind() != kindInt {
		th.wantType(pos, "an integer", v)
	}
	return v.int()
}

// wantNumber returns an integer or float as a float.
func (th *thread) wantNumber(v value, pos posID) float64 {
	v = th.force(v)
	switch v.kind() {
	case kindInt:
		return float64(v.int())
	case kindFloat:
		return v.float()
	}
	th.wantType(pos, "a float", v)
	return 0
}

func (th *thread) wantBool(v value, pos posID) bool {
	v = th.force(v)
	if v.kind() != kindBool {
		th.wantType(pos, "a Boolean", v)
	}
	return v.bool()
}

func (th *thread) wantString(v value, pos posID) value {
	v = th.force(v)
	if v.kind() != kindString {
		th.wantType(pos, "a string", v)
	}
	return v
}

// wantPlainString returns a string without context.
func (th *thread) wantPlainString(v value, pos posID) string { return th.wantPlain(v, pos).str() }

// wantName returns the symbol of a string without context.
func (th *thread) wantName(v value, pos posID) symbol { return symbolOf(th.wantPlain(v, pos)) }

// wantPlain returns a string without context as a value.
func (th *thread) wantPlain(v value, pos posID) value {
	v = th.wantString(v, pos)
	if c := v.context(); len(c) > 0 {
		th.fail(pos, "the string '%s' is not allowed to refer to a store path (such as '%s')", v.str(), c[0].path())
	}
	if th.ev.trees.any() {
		th.observe(v.str())
	}
	return v
}

func (th *thread) wantFunction(v value, pos posID) value {
	v = th.force(v)
	if !v.isFunction() && !(v.kind() == kindSet && find(v.attrs(), symFunctor) != nil) {
		th.wantType(pos, "a function", v)
	}
	return v
}

// A coercion says which values become strings, and how.
type coercion uint8

const (
	coerceMore coercion = 1 << iota // also booleans, numbers, null and lists, as toString does
	copyPaths                       // a path becomes the store path of a copy
)

// coerce converts v to a string and adds its context to c.
func (th *thread) coerce(v value, c *references, pos posID, how coercion) string {
	v = th.force(v)
	switch v.kind() {
	case kindString:
		*c = c.union(v.context())
		return v.str()
	case kindPath:
		if how&copyPaths == 0 {
			return v.str()
		}
		p := th.copyToStore(v.str(), pos)
		*c = c.with(pathReference(p))
		return string(p)
	case kindSet:
		th.descend()
		defer func() { th.nesting-- }()
		if f := find(v.attrs(), symToString); f != nil {
			th.spend(1)
			return th.coerce(th.apply(th.force(f.v), v, pos), c, pos, how)
		}
		if p := find(v.attrs(), symOutPath); p != nil {
			return th.coerce(p.v, c, pos, how)
		}
	}
	if how&coerceMore != 0 {
		switch v.kind() {
		case kindBool:
			if v.bool() {
				return "1"
			}
			return ""
		case kindInt:
			return strconv.FormatInt(v.int(), 10)
		case kindFloat:
			return float.Printf(v.float(), 'f')
		case kindNull:
			return ""
		case kindList:
			return th.coerceList(v.list(), c, pos, how)
		}
	}
	th.fail(pos, "cannot coerce %s to a string: %s", typeWords(v), th.show(v))
	return ""
}

// coerceList joins elements with spaces, except after an empty list.
func (th *thread) coerceList(l []value, c *references, pos posID, how coercion) string {
	th.descend()
	b := textBuilder{th: th}
	for i, x := range l {
		b.WriteString(th.coerce(x, c, pos, how))
		if i < len(l)-1 {
			if y := th.force(x); y.kind() != kindList || y.o.n != 0 {
				b.WriteByte(' ')
			}
		}
	}
	th.nesting--
	return b.String()
}

// wantPath returns the absolute path that v stands for: a path, or something
// that coerces to a string.
func (th *thread) wantPath(v value, c *references, pos posID) string {
	v = th.force(v)
	if v.kind() == kindPath {
		return v.str()
	}
	s := th.coerce(v, c, pos, 0)
	if !strings.HasPrefix(s, "/") {
		th.fail(pos, "string '%s' doesn't represent an absolute path", s)
	}
	th.reserve(2 * len(s)) // cleanPath copies
	return cleanPath(s)
}

// cleanPath removes . and .. and double slashes from an absolute path.
func cleanPath(p string) string { return path.Clean("/" + p) }
