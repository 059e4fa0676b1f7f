package eval

import (
	"slices"
	"strings"
)

// stringBuiltins build and inspect strings. Strings are bytes; lengths and
// positions count bytes.
var stringBuiltins = []*builtin{
	fn1("toString", toString),
	fn1("stringLength", stringLength),
	fn3("substring", substring),
	fn2("concatStringsSep", concatStringsSep),
	fn3("replaceStrings", replaceStrings),
	fn1("baseNameOf", baseNameOf),
	fn1("dirOf", dirOf),
	fn1("toPath", toPath),
}

func toString(th *thread, x value) value {
	x = th.force(x)
	if x.kind() == kindString {
		return x
	}
	var c references
	s := th.coerce(x, &c, 0, coerceMore)
	return contextValue(s, c)
}

func stringLength(th *thread, x value) value {
	var c references
	return th.newInt(int64(len(th.coerce(x, &c, 0, copyPaths))))
}

func substring(th *thread, from, length, x value) value {
	start, n := th.wantInt(from, 0), th.wantInt(length, 0)
	if start < 0 {
		th.fail(0, "negative start position in 'substring'")
	}
	var c references
	s := th.coerce(x, &c, 0, copyPaths)
	if th.ev.trees.any() {
		end := int64(len(s))
		if n >= 0 && n < end-start {
			end = start + n
		}
		th.observeCut(s, int(min(start, int64(len(s)))), int(end))
	}
	if start >= int64(len(s)) {
		return contextValue("", c)
	}
	s = s[start:]
	if n >= 0 && n < int64(len(s)) {
		s = s[:n]
	}
	if len(c) == 0 {
		return th.newString(s)
	}
	return contextValue(s, c)
}

func concatStringsSep(th *thread, separator, x value) value {
	sep := th.wantString(separator, 0)
	c := sep.context()
	l := th.wantList(x, 0)
	th.reserve(16 * len(l))
	texts := make([]string, len(l))
	size := len(sep.str()) * len(l)
	for i, x := range l {
		texts[i] = th.coerce(x, &c, 0, copyPaths)
		size += len(texts[i])
	}
	th.reserve(size)
	return contextValue(strings.Join(texts, sep.str()), c)
}

// replaceStrings tries the patterns in their order at every position. The empty
// pattern matches before each byte and at the end. Replacements are evaluated
// only if they are used.
func replaceStrings(th *thread, from, to, x value) value {
	patterns, replacements := th.wantList(from, 0), th.wantList(to, 0)
	if len(patterns) != len(replacements) {
		th.fail(0, "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths")
	}
	texts := make([]string, len(patterns))
	var begins [256]bool // whether a pattern begins with this byte
	matchesEmpty := false
	for i, p := range patterns {
		texts[i] = th.wantString(p, 0).str()
		if texts[i] == "" {
			matchesEmpty = true
		} else {
			begins[texts[i][0]] = true
		}
	}
	used := make([]value, len(replacements))
	if th.ev.compat.replacesAll {
		for i, r := range replacements {
			used[i] = th.wantString(r, 0)
		}
	}
	v := th.wantString(x, 0)
	s, c := v.str(), v.context()
	if slices.ContainsFunc(texts, mayMatchDigest) {
		th.observe(s)
	}
	out := textBuilder{th: th}
	out.grow(len(s))
	for p := 0; p <= len(s); {
		match := -1
		if matchesEmpty || p < len(s) && begins[s[p]] {
			for i, t := range texts {
				if strings.HasPrefix(s[p:], t) {
					match = i
					break
				}
			}
		}
		if match >= 0 {
			if used[match].isNone() {
				used[match] = th.wantString(replacements[match], 0)
			}
			c = c.union(used[match].context())
			th.spend(1)
			out.WriteString(used[match].str())
			if n := len(texts[match]); n > 0 {
				p += n
				continue
			}
		}
		if p < len(s) {
			out.WriteByte(s[p])
		}
		p++
	}
	return contextValue(out.String(), c)
}

// mayMatchDigest reports whether a text may be found at a place that a digest is part of.
func mayMatchDigest(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool { return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' })
}

func baseNameOf(th *thread, x value) value {
	var c references
	s := strings.TrimSuffix(th.coerce(x, &c, 0, 0), "/")
	return contextValue(s[strings.LastIndexByte(s, '/')+1:], c)
}

func dirOf(th *thread, x value) value {
	x = th.force(x)
	var c references
	s := th.coerce(x, &c, 0, 0)
	switch i := strings.LastIndexByte(s, '/'); {
	case i < 0:
		s = "."
	case i == 0:
		s = "/"
	default:
		s = s[:i]
	}
	if x.kind() == kindPath {
		return pathValue(s)
	}
	return contextValue(s, c)
}

func toPath(th *thread, x value) value {
	var c references
	s := th.wantPath(x, &c, 0)
	return contextValue(s, c)
}
