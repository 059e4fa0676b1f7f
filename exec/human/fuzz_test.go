package human

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What Plain returns moves no cursor and turns no text round, and is plain already. A PlainWriter writes the same in one piece
// and in two, unless a control sequence is cut, and nothing worse.
func FuzzPlain(f *testing.F) {
	f.Add("\x1b]0;owned\x07\x1b[2J\u202eevil\u2066\u200b\ufeff\u2028\u009b1m\r\x7f\xff", uint8(3))
	f.Add("plain é\t\n", uint8(7))
	f.Fuzz(func(t *testing.T, text string, at uint8) {
		harmful := func(s, allowed string) bool {
			return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
				return !strings.ContainsRune(allowed, r) && (unicode.IsControl(r) || Hidden(r))
			})
		}
		plain := Plain(text)
		if harmful(plain, "\n") {
			t.Errorf("%q becomes %q", text, plain)
		}
		if again := Plain(plain); again != plain {
			t.Errorf("%q becomes %q", plain, again)
		}
		cut := min(int(at), len(text))
		var once, twice bytes.Buffer
		NewPlainWriter(&once).Write([]byte(text))
		w := NewPlainWriter(&twice)
		w.Write([]byte(text[:cut]))
		w.Write([]byte(text[cut:]))
		if harmful(once.String(), "\n\t") || harmful(twice.String(), "\n\t") {
			t.Errorf("written: %q, %q", once.String(), twice.String())
		}
		if once.String() != twice.String() && !strings.Contains(text, "\x1b") {
			t.Errorf("in one piece %q, in two %q", once.String(), twice.String())
		}
	})
}
