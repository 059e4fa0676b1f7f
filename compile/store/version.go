package store

import "strconv"

// SplitName splits a package's name into name and version, as
// builtins.parseDrvName does: before the first dash that no letter follows.
// "hello-2.12.1" is "hello" and "2.12.1"; "hello-world" has no version.
func SplitName(s string) (name, version string) {
	for i := 0; i+1 < len(s); i++ {
		if c := s[i+1]; s[i] == '-' && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// CompareVersions returns -1, 0 or 1 as version a is before, equal to or after
// version b, as builtins.compareVersions does.
func CompareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = cutComponent(a)
		y, b = cutComponent(b)
		switch {
		case componentLess(x, y):
			return -1
		case componentLess(y, x):
			return 1
		}
	}
	return 0
}

// SplitVersion returns the components of a version, as builtins.splitVersion
// does: "1.2pre-3" is "1", "2", "pre" and "3".
func SplitVersion(s string) []string {
	var components []string
	for {
		var c string
		if c, s = cutComponent(s); c == "" {
			return components
		}
		components = append(components, c)
	}
}

// cutComponent cuts the first component off a version: a run of digits, or a run
// of bytes that are neither digits, dots nor dashes. The component is "" at the
// end.
func cutComponent(s string) (component, rest string) {
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

// componentLess orders components: "pre" comes before the end of the version, the
// end before a number, and any word before a number. As in Nix, a number of more
// than 32 bits is a word.
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
