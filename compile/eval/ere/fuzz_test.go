package ere_test

import (
	"regexp"
	"strings"
	"testing"

	"muster/compile/eval/ere"
)

// zeros is a count of repetitions that begins with a zero and has more digits, as in x{00}.
var zeros = regexp.MustCompile(`[{,]0[0-9]`)

// inGo writes a POSIX pattern as Go's syntax has it: a backslash in a bracket expression
// stands for itself in POSIX and begins an escape in Go. It is false for what Go has no
// words for, or reads as something else.
func inGo(pattern string) (string, bool) {
	if zeros.MatchString(pattern) {
		return "", false // Go takes the repetition for text
	}
	var b strings.Builder
	rest := pattern
	for rest != "" {
		begin := strings.IndexAny(rest, `[\`)
		if begin < 0 {
			break
		}
		b.WriteString(rest[:begin])
		rest = rest[begin:]
		var taken, written string
		if rest[0] == '\\' {
			if len(rest) < 2 || !strings.ContainsRune("^.[]$()|*+?{}\\", rune(rest[1])) {
				return "", false
			}
			taken, written = rest[:2], rest[:2]
		} else {
			taken = bracketExpression.FindString(rest)
			if taken == "" || strings.Contains(taken, "[.") || strings.Contains(taken, "[=") {
				return "", false
			}
			written = strings.ReplaceAll(taken, `\`, `\\`)
		}
		b.WriteString(written)
		rest = rest[len(taken):]
	}
	return b.String() + rest, true
}

// bracketExpression is one at the beginning of a text: a ] that comes first stands for
// itself, and the one of a class ends nothing.
var bracketExpression = regexp.MustCompile(`^\[\^?\]?(?:\[:[a-z]*:\]|[^]])*\]`)

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
		translated, ok := inGo(pattern)
		if !ok {
			return
		}
		other, err := regexp.CompilePOSIX("^(?:" + translated + ")$")
		if err == nil && other.MatchString(text) != (groups != nil) {
			t.Errorf("%q, %q: we say %v, Go %v", pattern, text, groups != nil, other.MatchString(text))
		}
	})
}
