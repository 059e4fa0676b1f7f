package sshconfig

import "strings"

// MatchList reports whether name matches a pattern-list of ssh_config(5), PATTERNS: at least one of the patterns, and
// none that follows a "!". Case does not count, as in known_hosts and in "Match host".
func MatchList(name string, patterns []string) bool {
	name = strings.ToLower(name)
	found := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(strings.ToLower(p), "!")
		if MatchPattern(name, p) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// A verdict is what a pattern-list says about a name.
type verdict int

const (
	noMatch verdict = iota
	match
	excluded // a pattern that follows a "!" matches
)

// judge matches a name with a list, in which patterns are separated by commas. Case counts.
func judge(name, list string) verdict {
	found := noMatch
	for list != "" {
		var p string
		p, list, _ = strings.Cut(list, ",")
		p, negated := strings.CutPrefix(p, "!")
		if MatchPattern(name, p) {
			if negated {
				return excluded
			}
			found = match
		}
	}
	return found
}

// MatchPattern reports whether name matches a pattern, in which * stands for any text and ? for any character. It takes
// time linear in the name for each star.
func MatchPattern(name, pattern string) bool {
	star, mark := -1, 0
	n, p := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
