package schema

import (
	"fmt"
	"strings"
	"sync"

	"muster/exec/ondemand"
)

// tomlMistake says what is wrong with a TOML text at the offset at which the parser
// stopped with a message.
func (s *source) tomlMistake(at int, msg string) *mistake {
	if m := s.whole(langTOML); m != nil {
		return m
	}
	c, line, before := s.at(at), s.restOfLine(at), s.beforeOnLine(at)
	switch {
	case strings.HasPrefix(msg, "invalid character at start of key"):
		return s.tomlKey(at)
	case msg == "expected '=' after key", msg == "unexpected comma in inline table":
		return s.tomlEquals(at)
	case strings.HasSuffix(msg, "at start of value"), strings.HasPrefix(msg, "expected value"), strings.HasPrefix(msg, "expected keyword"):
		return s.tomlValue(at)
	case strings.HasSuffix(msg, "table name"):
		if header := headerName().FindString(before); header != "" && strings.Trim(line, "] \t") != "" {
			name := strings.TrimRight(header+s.restOfLine(at), "] \t")
			parts := strings.Split(strings.TrimLeft(name, "["), ".")
			last := len(parts) - 1
			parts[last] = doubleQuoted(strings.Trim(strings.TrimSpace(parts[last]), `"`))
			return &mistake{at, fmt.Sprintf("the name %s needs quotes", parts[last]), "write [" + strings.Join(parts, ".") + "]"}
		}
		return &mistake{at, "the header of a table is not closed", "write " + strings.TrimRight(strings.TrimSpace(before), "]") + strings.Repeat("]", strings.Count(before, "["))}
	case strings.HasPrefix(msg, "expected newline"):
		return s.tomlBehind(at)
	case strings.Contains(msg, "escape"), strings.HasPrefix(msg, "need a character after"):
		for at > 0 && s.data[at] != '\\' && s.data[at] != '\n' {
			at--
		}
		return badEscape(at, s.restOfLine(at), "'…'")
	case msg == "strings must be quoted", msg == "integers cannot have leading zeroes", strings.Contains(msg, "digit"), strings.Contains(msg, "date"), strings.Contains(msg, "time"), strings.Contains(msg, "radix"), strings.Contains(msg, "64-bit"):
		start := s.wordStart(at)
		if m := s.value(start, langTOML); m != nil {
			return m
		}
		return needsQuotes(start, "a text", s.word(start))
	case strings.Contains(msg, "multiline"):
		return &mistake{at, "a text of several lines is not closed", `write """ or ''' at its end, the same as at its beginning`}
	case strings.Contains(msg, "new line"), strings.HasPrefix(msg, "unterminated"):
		quote := strings.LastIndexAny(before, `"'`)
		return &mistake{max(0, at-len(before)+quote), "the quote is not closed on its line", `close it, or write """ around a text of several lines`}
	case strings.Contains(msg, "array value"):
		if (c == '"' || c == '\'' || c == '{' || c >= '0' && c <= '9') && strings.TrimSpace(before) != "" {
			return &mistake{at, "no comma between the elements of a list", "write one"}
		}
		return s.tomlOpen(at, "no comma between the elements of a list, or no ] at its end")
	case strings.Contains(msg, "inline table"):
		if c != 0 && c != '\n' && strings.TrimSpace(line) != "" && at < len(s.data)-1 {
			return &mistake{at, "no comma between the fields in { }", "write one"}
		}
		return s.tomlOpen(at, "{ is not closed")
	case strings.Contains(msg, "control character"), strings.Contains(msg, "carriage return"):
		return &mistake{at, fmt.Sprintf("control character %U", c), `delete it, or write it as an escape such as \t or \u0007`}
	case strings.Contains(msg, "too many quotes"):
		return &mistake{at, "too many quotes at the end of a text", `write """ once`}
	}
	return &mistake{at, tomlWords().Replace(oneLine(msg)), "see toml.io, and put texts in quotes"}
}

var (
	headerName = ondemand.Regexp(`^\s*\[{1,2}[^\]]*$`)
	tomlWords  = sync.OnceValue(func() *strings.Replacer {
		return strings.NewReplacer("expected", "want", "basic string", "text in quotes", "literal string", "text in quotes", "array", "list", "keyword", "the word")
	})
)

// at returns the byte at an offset, or 0.
func (s *source) at(offset int) byte {
	if offset >= len(s.data) {
		return 0
	}
	return s.data[offset]
}

// tomlKey finds what is wrong where the name of a field or a header begins.
func (s *source) tomlKey(at int) *mistake {
	if m := s.lookAlike(at); m != nil {
		return m
	}
	line, before := s.restOfLine(at), s.beforeOnLine(at)
	switch c := s.at(at); {
	case strings.HasPrefix(line, "//"), strings.HasPrefix(line, "/*"):
		return &mistake{at, "TOML's comments begin with #", "write # instead"}
	case strings.TrimSpace(before) == "" && strings.HasPrefix(line, "- "):
		return &mistake{at, "a list as YAML has it", `write tags = ["a", "b"]`}
	case c == '}', c == ']', c == ')':
		return &mistake{at, fmt.Sprintf("%c closes nothing", c), "delete it, or open it before"}
	case c == '(':
		return &mistake{at, "the header of a table is in brackets", "write [" + strings.Trim(line, "()") + "]"}
	case c == '=':
		return &mistake{at, "no name before =", "write name = value"}
	case strings.Contains(before, "."), strings.Contains(before, "["):
		word := s.word(at)
		if head, _, ok := strings.Cut(word, "."); ok {
			word = head
		}
		if word == "" {
			return &mistake{at, "a dot without a name", "delete the dot, or write the name"}
		}
		return &mistake{at, fmt.Sprintf("the name %s needs quotes", word), "write " + doubleQuoted(word)}
	}
	return &mistake{at, s.restOfLine(at)[:1] + " where the name of a field begins", "write name = value, or [hosts.NAME] for a table"}
}

// tomlEquals finds what stands in the place of =.
func (s *source) tomlEquals(at int) *mistake {
	if m := s.lookAlike(at); m != nil {
		return m
	}
	name := strings.TrimSpace(s.beforeOnLine(at))
	if i := strings.LastIndexAny(name, "{,"); i >= 0 {
		name = strings.TrimSpace(name[i+1:])
	}
	line := s.restOfLine(at)
	words := behindName().FindString(line)
	switch {
	case name == "-":
		return &mistake{at, "a list as YAML has it", `write tags = ["a", "b"]`}
	case s.at(at) == ':':
		return &mistake{at, ": where TOML has =", "write " + name + " = …"}
	case words != "":
		whole := name + " " + strings.TrimSpace(strings.TrimSuffix(words, "="))
		return &mistake{max(0, at-len(name)-1), fmt.Sprintf("the name %s needs quotes", whole), fmt.Sprintf("write %s = …, or %s = …", doubleQuoted(whole), strings.ReplaceAll(whole, " ", "_"))}
	case strings.TrimSpace(line) == "":
		return &mistake{at, fmt.Sprintf("%s has no value", name), "write " + name + " = …, or [" + name + "] for a table"}
	case plainLabel().MatchString(name) || strings.ContainsAny(name, ".-"):
		return &mistake{at, "no = behind " + name, "write " + name + " = " + shorten(strings.TrimSpace(line))}
	}
	return &mistake{at, "no = behind the name of a field", "write name = value"}
}

var behindName = ondemand.Regexp(`^\s*[\pL_][\pL\pN_-]*\s*=`)

// tomlValue finds what is wrong where a value begins.
func (s *source) tomlValue(at int) *mistake {
	line := s.restOfLine(at)
	switch {
	case strings.HasPrefix(line, "//"):
		return &mistake{at, "TOML's comments begin with #", "write # instead"}
	case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
		name, _, _ := strings.Cut(strings.TrimSpace(s.beforeOnLine(at)), "=")
		return &mistake{at, strings.TrimSpace(name) + " has no value", `write one, such as "text", 22, true or ["a", "b"]`}
	case s.at(at) == ',':
		return &mistake{at, "a comma too many", "delete it"}
	case s.at(at) == '=':
		return &mistake{at, "a second =", "delete it"}
	case behindName().MatchString(line):
		return &mistake{at, "a field in a list", "write { } around the fields of an element"}
	}
	start := s.wordStart(at)
	if m := s.value(start, langTOML); m != nil {
		return m
	}
	if word := s.word(start); word != "" {
		return needsQuotes(start, "a text", word)
	}
	return &mistake{at, fmt.Sprintf("%s where a value begins", line[:1]), "put a text in quotes"}
}

// tomlBehind finds what stands behind a value or a header where the line should end.
func (s *source) tomlBehind(at int) *mistake {
	line, before := s.restOfLine(at), s.beforeOnLine(at)
	switch c := s.at(at); {
	case strings.HasPrefix(line, "//"), strings.HasPrefix(line, "/*"):
		return &mistake{at, "TOML's comments begin with #", "write # instead"}
	case c == ',' && strings.TrimSpace(line[1:]) != "" && strings.Contains(before, "="):
		return &mistake{at, "several values without brackets", "write [ ] around them"}
	case c == ',' || c == ';':
		return &mistake{at, fmt.Sprintf("%c at the end of a line", c), "delete it: each field stands on a line of its own"}
	case strings.HasPrefix(strings.TrimSpace(before), "[") && !strings.Contains(before, "=") && c != ']':
		return &mistake{at, "a field on the line of a header", "write it on the next line"}
	case c == '}' || c == ']':
		return &mistake{at, fmt.Sprintf("%c closes nothing", c), "delete it, or open it before"}
	}
	if m := s.lookAlike(at); m != nil {
		return m
	}
	if at > 0 && s.data[at-1] == '"' {
		return quoteInText(at)
	}
	if at > 0 && s.data[at-1] == '\'' {
		return &mistake{at, "text behind the end of a quote", "write \"…\" around a text with an apostrophe"}
	}
	start := s.wordStart(at)
	if start < at {
		if m := s.value(start, langTOML); m != nil {
			return m
		}
		return needsQuotes(start, "a text", s.word(start))
	}
	if strings.Contains(line, "=") {
		return &mistake{at, "two fields on one line", "write each on a line of its own"}
	}
	return &mistake{at, shorten(line) + " behind a value", "put the whole value in quotes, or a comment behind #"}
}

// tomlOpen is the mistake of a bracket that is not closed before an offset.
func (s *source) tomlOpen(at int, otherwise string) *mistake {
	var brackets []bracket
	for i, quote := 0, byte(0); i < at; i++ {
		switch c := s.data[i]; {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote || c == '\n' {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			i += len(s.restOfLine(i))
		case strings.IndexByte("[]{}", c) >= 0:
			brackets = append(brackets, bracket{i, c})
		}
	}
	if m := s.unbalanced(brackets); m != nil {
		return m
	}
	return &mistake{at, otherwise, "write it"}
}

// badEscape is the mistake of an escape that a language does not have, near an offset.
// raw are quotes in which \ is itself.
func badEscape(at int, line, raw string) *mistake {
	escape := line[:min(2, len(line))]
	mend := `write \\ for \`
	if raw != "" {
		mend += ", or " + raw + " around a text in which \\ is itself"
	}
	return &mistake{at, escape + " is not an escape", mend}
}
