package human

import (
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"muster/exec/ondemand"
)

// sequence matches the control sequences of terminals, such as colours, and their control strings, such as titles
// (ECMA-48, 5.4 and 5.6).
var sequence = ondemand.Regexp("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\\\)")

// Plain removes from a text what a terminal would obey: control sequences and control characters. Line ends stay, and a
// tab becomes a space. Characters that are not seen, or that change how others are seen, become U+FFFD, and so do bytes
// that are not UTF-8: marks of direction, joiners, line separators, byte-order marks. Text from hosts, archives,
// inventories and Nix goes through it before it reaches the user.
func Plain(s string) string { return plain(s, ' ') }

func plain(s string, tab rune) string {
	if harmless(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return tab
		case r == '\n':
			return r
		case unicode.IsControl(r):
			return -1
		case Hidden(r):
			return utf8.RuneError
		}
		return r
	}, sequence().ReplaceAllString(s, ""))
}

// harmless reports whether a text is lines of printable ASCII, as most are.
func harmless(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Hidden reports whether a character is invisible, or changes the order or the line in which others are shown.
func Hidden(r rune) bool { return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }

// A PlainWriter writes text as [Plain] has it, except that tabs stay. A character may be split over two calls of Write,
// which may come from several goroutines.
type PlainWriter struct {
	w io.Writer

	mu   sync.Mutex
	part []byte // the beginning of a character
}

// NewPlainWriter returns a PlainWriter that writes to w.
func NewPlainWriter(w io.Writer) *PlainWriter { return &PlainWriter{w: w} }

// Unwrap returns the writer that the text goes to.
func (p *PlainWriter) Unwrap() io.Writer { return p.w }

func (p *PlainWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := append(p.part, b...)
	end := len(text) - unfinished(text)
	p.part = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(p.w, plain(string(text[:end]), '\t')); err != nil {
		return 0, err
	}
	return len(b), nil
}

// unfinished returns the length of the character at the end of a text that lacks bytes.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
