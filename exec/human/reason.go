package human

import (
	"fmt"
	"strings"
)

// Reason is why something failed in one line: the first of an error. Where that only announces the reason, as in
// "Failed assertions:", the first item of the list below it follows, and how many more there are.
func Reason(text string) string {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	first = strings.TrimSpace(first)
	if !strings.HasSuffix(first, ":") {
		return first
	}
	items := items(rest)
	switch len(items) {
	case 0:
		return first
	case 1:
		return first + " " + items[0]
	}
	return fmt.Sprintf("%s %s (and %d more)", first, items[0], len(items)-1)
}

// items are those of a list in which each begins with "- " or "* ", in one line each; of other text, the first line.
func items(text string) (list []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		item, begins := strings.CutPrefix(line, "- ")
		if !begins {
			item, begins = strings.CutPrefix(line, "* ")
		}
		switch {
		case line == "":
		case begins:
			list = append(list, strings.TrimSpace(item))
		case len(list) > 0:
			list[len(list)-1] += " " + line
		default:
			return []string{line}
		}
	}
	return list
}
