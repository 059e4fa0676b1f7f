package ere_test

import (
	"regexp"
	"strings"
	"testing"

	"muster/compile/eval/ere"
)

// zeros is a count of repetitions that begins with a zero and has more digits, as in x{00}.
var zeros = regexp.MustCompile(`[{,]0[0-9]`)

// escapeInBrackets is a backslash in a bracket expression, which stands for itself in POSIX and begins an escape in Go.
var escapeInBrackets = regexp.MustCompile(`\[[^]]*\\`)

// A pattern that Go reads as a POSIX one too matches the same whole texts.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"a(b|c)*d?", "abcd"}, {"[a-c]{2,3}x+", "abx"}, {"(a*)(ab)*b", "aabb"}, {"[^a-z.]*", "12"}, {"[[:alpha:]_-]+", "a_b"}, {"x{0}", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		// Long ones take long, and Go's characters are not bytes.
		if len(pattern) > 100 || len(text) > 100 || strings.ContainsFunc(pattern+text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return
		}
		p, err := ere.Compile(pattern)
		if err != nil {
			return
		}
		groups, err := p.Match(text, free{})
		if err != nil {
			return
		}
		for i := 0; i < len(groups); i += 2 {
			if b, e := groups[i], groups[i+1]; b > e || b < -1 || e > len(text) || (b < 0) != (e < 0) {
				t.Errorf("%q, %q: groups %v", pattern, text, groups)
			}
		}
		found, err := p.Search(text, 0, free{})
		if err == nil && groups != nil && found == nil {
			t.Errorf("%q matches all of %q, and is not found in it", pattern, text)
		}
		if zeros.MatchString(pattern) || escapeInBrackets.MatchString(pattern) {
			return // Go takes the repetition for text, the backslash for an escape
		}
		other, err := regexp.CompilePOSIX("^(?:" + pattern + ")$")
		if err != nil {
			other, err = regexp.CompilePOSIX("^(" + pattern + ")$")
		}
		if err == nil && other.MatchString(text) != (groups != nil) {
			t.Errorf("%q, %q: we say %v, Go %v", pattern, text, groups != nil, other.MatchString(text))
		}
	})
}
