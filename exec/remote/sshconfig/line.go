package sshconfig

import (
	"errors"
	"fmt"
	"strings"
)

// blanks are what separates words, as ssh has it.
const blanks = " \t\r\n"

// A line is one line of a configuration that sets something.
type line struct {
	key  string   // the keyword, in lower case
	rest string   // what follows it, as it is
	args []string // the words of rest that are not read yet
}

// next returns the next word, which must be there.
func (l *line) next() (string, error) {
	word, ok := l.more()
	if !ok || word == "" {
		return "", errNoValue
	}
	return word, nil
}

// more returns the next word, if there is one.
func (l *line) more() (word string, ok bool) {
	if len(l.args) == 0 {
		return "", false
	}
	word, l.args = l.args[0], l.args[1:]
	return word, true
}

// all returns the words that are left.
func (l *line) all() (words []string) {
	words, l.args = l.args, nil
	return words
}

// command returns the rest of the line as it is, which is how ssh reads a command.
func (l *line) command() string {
	l.args = nil
	return strings.TrimLeft(l.rest, blanks+"=")
}

var errNoValue = errors.New("no value")

// parseLine reads "Keyword arg arg", "Keyword=arg" and "Keyword = arg", with quotes and comments. A line without a keyword is nil.
func parseLine(text string) (*line, error) {
	text, _, _ = strings.Cut(text, "\x00")
	if text == "" {
		return nil, nil
	}
	text = text[:1] + strings.TrimRight(text[1:], blanks+"\f")
	key, rest := cutKeyword(text)
	if key == "" {
		key, rest = cutKeyword(rest)
	}
	if key == "" || key[0] == '\n' || key[0] == '#' {
		return nil, nil
	}
	l := &line{key: strings.ToLower(key), rest: strings.TrimLeft(rest, blanks)}
	if l.rest == "" {
		return nil, fmt.Errorf("%s: %w", l.key, errNoValue)
	}
	var err error
	if l.args, err = splitWords(l.rest); err != nil {
		return nil, fmt.Errorf("%s: %w", l.key, err)
	}
	return l, nil
}

// cutKeyword splits the first word from a line. It ends at a blank, at a quoted text, which belongs to it, or at "=".
// A quote that does not end makes ssh pass over the line.
func cutKeyword(text string) (key, rest string) {
	end := strings.IndexAny(text, blanks+`"=`)
	switch {
	case end < 0:
		return text, ""
	case text[end] == '"':
		quoted, rest, ok := strings.Cut(text[end+1:], `"`)
		if !ok {
			return "", ""
		}
		return text[:end] + quoted, strings.TrimLeft(rest, blanks)
	}
	key, rest = text[:end], strings.TrimLeft(text[end+1:], blanks)
	if text[end] != '=' && strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], blanks)
	}
	return key, rest
}

// splitWords splits at blanks outside of quotes; a word that starts with # ends the line.
func splitWords(text string) (words []string, err error) {
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			i++
			continue
		}
		if text[i] == '#' {
			break
		}
		var b strings.Builder
		quote := byte(0)
		for ; i < len(text); i++ {
			c := text[i]
			if c == '\\' && i+1 < len(text) && (strings.IndexByte(`"'\`, text[i+1]) >= 0 || quote == 0 && text[i+1] == ' ') {
				i++
				b.WriteByte(text[i])
			} else if quote == 0 && (c == ' ' || c == '\t') {
				break
			} else if quote == 0 && (c == '"' || c == '\'') {
				quote = c
			} else if c == quote && quote != 0 {
				quote = 0
			} else {
				b.WriteByte(c)
			}
		}
		if quote != 0 {
			return nil, errors.New("quote without end")
		}
		words = append(words, b.String())
	}
	return words, nil
}
