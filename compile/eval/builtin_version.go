package eval

import "strconv"

// versionBuiltins know how versions are written and ordered.
var versionBuiltins = []*builtin{
	fn1("parseDrvName", parseDrvName),
	fn2("compareVersions", func(th *thread, x, y value) value {
		return th.newInt(int64(compareVersions(th.wantPlainString(x, 0), th.wantPlainString(y, 0))))
	}),
	fn1("splitVersion", splitVersion),
}

// parseDrvName splits a name before the first dash that no letter follows.
func parseDrvName(th *thread, x value) value {
	s := th.wantPlainString(x, 0)
	name, version := s, ""
	for i := 0; i+1 < len(s); i++ {
		if c := s[i+1]; s[i] == '-' && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			name, version = s[:i], s[i+1:]
			break
		}
	}
	return sortedSet(attr{sym: symName, v: stringValue(name)}, attr{sym: symVersion, v: stringValue(version)})
}

func splitVersion(th *thread, x value) value {
	var out []value
	for s := th.wantPlainString(x, 0); ; {
		var c string
		if c, s = versionComponent(s); c == "" {
			return th.newList(out)
		}
		out = append(out, stringValue(c))
	}
}

// versionComponent cuts the first component off a version: digits, or what is
// no digit, dot or dash. It is "" at the end.
func versionComponent(s string) (component, rest string) {
	for s != "" && (s[0] == '.' || s[0] == '-') {
		s = s[1:]
	}
	if s == "" {
		return "", ""
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	i := 1
	for i < len(s) && s[i] != '.' && s[i] != '-' && digit(s[i]) == digit(s[0]) {
		i++
	}
	return s[:i], s[i:]
}

// compareVersions returns -1, 0 or 1.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = versionComponent(a)
		y, b = versionComponent(b)
		switch {
		case componentLess(x, y):
			return -1
		case componentLess(y, x):
			return 1
		}
	}
	return 0
}

// componentLess orders components: "pre" before nothing, nothing before a
// number, and any word before a number.
func componentLess(a, b string) bool {
	x, xerr := strconv.ParseInt(a, 10, 32)
	y, yerr := strconv.ParseInt(b, 10, 32)
	switch {
	case xerr == nil && yerr == nil:
		return x < y
	case a == "" && yerr == nil:
		return true
	case a == "pre" && b != "pre":
		return true
	case b == "pre":
		return false
	case yerr == nil:
		return true
	case xerr == nil:
		return false
	}
	return a < b
}
