package human

import (
	"regexp"
	"strings"
)

// controlSequence matches the control sequences of terminals, such as colours (ECMA-48, 5.4).
var controlSequence = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]")

// Plain removes from a text what a terminal would obey: control sequences and control characters. Line ends stay, and a
// tab becomes a space. Text from hosts and from Nix goes through it before it reaches the user's terminal.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n':
			return r
		case r < ' ' || r == 0x7f || (0x80 <= r && r < 0xa0):
			return -1
		}
		return r
	}, controlSequence.ReplaceAllString(s, ""))
}
