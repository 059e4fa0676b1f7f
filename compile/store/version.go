package store

import (
	"strconv"
	"strings"
)

// CompareVersions compares the first two numbers of versions.
func CompareVersions(version, than string) int {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range min(2, len(b)) {
		if i >= len(a) {
			return -1
		}
		x, errX := strconv.Atoi(a[i])
		y, _ := strconv.Atoi(b[i])
		if errX != nil {
			return 0
		}
		if x != y {
			return x - y
		}
	}
	return 0
}

// SplitName splits a name as builtins.parseDrvName does: the version begins
// after the first dash that no letter follows.
func SplitName(s string) (name, version string) {
	for i := 0; i+1 < len(s); i++ {
		if c := s[i+1]; s[i] == '-' && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
