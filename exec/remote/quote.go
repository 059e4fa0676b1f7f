package remote

import (
	"strings"

	"muster/exec/ondemand"
)

// Quote writes argv as one line for a shell, which reads exactly these words from it. Any login shell does: backslashes
// are outside of the single quotes, inside of which fish interprets them and POSIX shells do not. Words must not contain
// a NUL byte, as no argument can.
func Quote(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quoteWord(word)
	}
	return strings.Join(words, " ")
}

var plainWord = ondemand.Regexp(`^[A-Za-z0-9_@%+:,./-]+$`)

func quoteWord(word string) string {
	if plainWord().MatchString(word) {
		return word
	}
	return `'` + strings.NewReplacer(`'`, `'\''`, `\`, `'\\'`).Replace(word) + `'`
}
