package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// jsonMistake says what is wrong with a JSON text that the parser refused.
func (s *source) jsonMistake() *mistake {
	if m := s.whole(langJSON); m != nil {
		return m
	}
	at, msg, brackets := s.jsonFault()
	c, line := s.at(at), s.restOfLine(at)
	before := s.lastText(at)
	last := byte(0)
	if before >= 0 {
		last = s.data[before]
	}
	if m := s.lookAlike(at); m != nil && !strings.Contains(msg, "in string") {
		return m
	}
	switch {
	case len(bytes.TrimSpace(s.data)) == 0:
		return &mistake{0, "the file is empty", `write {"hosts": {"NAME": {"host": "ADDRESS"}}}`}
	case strings.Contains(msg, "escape"):
		for at > 0 && s.data[at] != '\\' {
			at--
		}
		return badEscape(at, s.restOfLine(at), "")
	case strings.Contains(msg, "in string"):
		if c == '\n' || c == '\r' {
			return &mistake{at, "a text goes on over the end of its line", `close the quote, or write \n for a line break`}
		}
		return &mistake{at, fmt.Sprintf("control character %U in a text", c), `write it as an escape, such as \t or \u0007`}
	case strings.Contains(msg, "unexpected end"):
		if m := s.unbalanced(brackets); m != nil {
			return m
		}
		return &mistake{at, "the text ends too early", "close what is open"}
	case c == '#', strings.HasPrefix(line, "//"), strings.HasPrefix(line, "/*"):
		return &mistake{at, "JSON has no comments", "delete it, or name the file hosts.yaml, which takes JSON with # for comments"}
	case c == '\'':
		return &mistake{at, "JSON has only double quotes", `write "…"`}
	case c == ';':
		return &mistake{at, "; where JSON has a comma", "write a comma"}
	case c == '=':
		return &mistake{at, "= where JSON has a colon", "write a colon"}
	case (c == '}' || c == ']') && last == ',':
		return &mistake{before, fmt.Sprintf("a comma too many before %c", c), "delete it"}
	case c == ',' && (last == ',' || last == '[' || last == '{'):
		return &mistake{at, "a comma too many", "delete it"}
	case (c == ',' || c == '}') && last == ':':
		return s.noValue(at)
	case strings.Contains(msg, "after top-level value"):
		if c == '}' || c == ']' {
			return &mistake{at, fmt.Sprintf("%c closes nothing", c), "delete it, or open it before"}
		}
		return &mistake{at, "text after the end of the JSON value", "delete it, or put all in one { }"}
	case strings.HasSuffix(msg, "after object key") && (c == '}' || c == ','):
		return &mistake{before + 1, "a name without a value", `write "name": value`}
	case strings.HasSuffix(msg, "after object key") && strings.IndexByte("\"{[", c) >= 0:
		return &mistake{at, "no colon behind the name of a field", "write one"}
	case strings.Contains(msg, "object key string"), s.namesField(at):
		return s.jsonKey(at)
	case strings.Contains(msg, "literal") && s.wordStart(at) < at:
	case c == '}' || c == ']':
		if m := s.unbalanced(append(brackets, bracket{at, c})); m != nil {
			return m
		}
	case c == '"' || c == '{' || c == '[':
		if strings.HasPrefix(msg, "after") {
			return &mistake{before + 1, "no comma between two fields or elements", "write one"}
		}
	case c == ':':
		if opened := brackets[max(0, len(brackets)-1):]; len(opened) == 1 && opened[0].open == '[' && !isAddress(s.word(s.wordStart(at))) {
			if m := s.unbalanced(brackets); m != nil {
				return m
			}
		}
	}
	start := s.wordStart(at)
	if start < at && s.at(start) == ':' && s.at(start+1) != ':' {
		start++ // the colon of the field
	}
	if last == '"' && start == at && strings.HasPrefix(msg, "after") {
		return &mistake{at, "text behind the end of a quote, or a quote that ended too early", `write a comma between fields, and \" for a quote in a text`}
	}
	if m := s.value(start, langJSON); m != nil {
		return m
	}
	if word := s.word(start); word != "" {
		return needsQuotes(start, "a text", word)
	}
	return &mistake{at, fmt.Sprintf("%s where something else belongs (%s)", shorten(line), msg), "put texts in double quotes, and commas between fields"}
}

// namesField reports whether a word at an offset is followed by a colon and not itself a value.
func (s *source) namesField(at int) bool {
	word := s.word(at)
	return strings.HasSuffix(word, ":") && strings.Count(word, ":") == 1 && unicode.IsLetter(rune(word[0])) && bytes.IndexByte([]byte("{,"), s.at(max(0, s.lastText(at)))) >= 0
}

// jsonKey finds what is wrong where the name of a field begins.
func (s *source) jsonKey(at int) *mistake {
	name, _, _ := strings.Cut(s.word(at), ":")
	if name == "" {
		_, size := utf8.DecodeRune(s.data[at:])
		return &mistake{at, string(s.data[at:at+size]) + " where the name of a field begins", `write "name": value`}
	}
	return &mistake{at, fmt.Sprintf("the name %s needs quotes", name), "write " + doubleQuoted(name) + ": …"}
}

// jsonFault finds the byte at which JSON cannot go on, what a reader says of it, and the
// brackets before it.
func (s *source) jsonFault() (at int, msg string, brackets []bracket) {
	var v json.RawMessage
	err := json.Unmarshal(s.data, &v)
	at, msg = max(0, len(s.data)-1), "unexpected end"
	if se, ok := err.(*json.SyntaxError); ok && !strings.HasPrefix(se.Error(), "unexpected end") {
		at = min(max(0, int(se.Offset)-1), at)
		msg = se.Error()
		if _, what, ok := strings.Cut(msg, "' "); ok {
			msg = what
		}
	} else {
		at = max(0, s.lastText(len(s.data)))
	}
	text := false
	for i := 0; i <= at && i < len(s.data); i++ {
		switch c := s.data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && i < at+1 && strings.IndexByte("[]{}", c) >= 0 && (i < at || msg == "unexpected end"):
			brackets = append(brackets, bracket{i, c})
		}
	}
	return at, msg, brackets
}
