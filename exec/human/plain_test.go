package human_test

import (
	"bytes"
	"strings"
	"testing"

	"muster/exec/human"
)

func TestPlain(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"words", "plain words\nand lines", "plain words\nand lines"},
		{"other scripts", "grün 東京 é 👍", "grün 東京 é 👍"},
		{"colours", "\x1b[1;31mred\x1b[0m", "red"},
		{"a title", "a\x1b]0;owned\x07b\x1b]0;owned\x1b\\c", "abc"},
		{"a string without end", "a\x1b]0;title", "a]0;title"},
		{"a device string", "a\x1bP1$r\x1b\\b", "ab"},
		{"C1 controls", "a\u009b2Jb\u0085c", "a2Jbc"},
		{"bell, backspace, return, delete", "a\a\b\r\x7fb", "ab"},
		{"a tab", "a\tb", "a b"},
		{"NUL", "a\x00b", "ab"},
		{"direction", "a\u202eb\u202c\u2066c\u2069\u200e\u061c", "a\ufffdb\ufffd\ufffdc\ufffd\ufffd\ufffd"},
		{"zero width", "a\u200bb\u200d\u2060\ufeff\u00ad", "a\ufffdb\ufffd\ufffd\ufffd\ufffd"},
		{"separators", "a\u2028b\u2029c", "a\ufffdb\ufffdc"},
		{"tags", "a\U000e0041b", "a\ufffdb"},
		{"not UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
	} {
		if got := human.Plain(tt.text); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if got := human.Plain(tt.want); got != tt.want {
			t.Errorf("%s: twice gives %q", tt.name, got)
		}
	}
}

func TestPlainWriterJoinsCharacters(t *testing.T) {
	text := "grün\t東京 👍\u202e \x1b[31m\xff.\n"
	for n := 1; n < len(text); n++ {
		var b bytes.Buffer
		w := human.NewPlainWriter(&b)
		for rest := text; rest != ""; {
			n := min(n, len(rest))
			if m, err := w.Write([]byte(rest[:n])); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		// A control sequence that is split loses its first character.
		if got := strings.Replace(b.String(), "[31m", "", 1); got != "grün\t東京 👍\ufffd \ufffd.\n" {
			t.Errorf("%d bytes at a time: %q", n, got)
		}
	}
}
