package schema

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"muster/exec/ondemand"
)

// yamlMistake says what is wrong with a YAML text on the line at which the parser
// stopped with a message.
func (s *source) yamlMistake(at Pos, msg string) *mistake {
	if m := s.whole(langYAML); m != nil {
		return m
	}
	for number := max(1, at.Line-1); number <= min(at.Line+1, len(s.lines)); number++ {
		if m := s.yamlLine(number); m != nil {
			return m
		}
	}
	// The place that the parser names may be the beginning of what is not ended.
	for number := 1; number <= len(s.lines); number++ {
		if m := s.yamlLine(number); m != nil {
			return m
		}
	}
	offset := s.lines[at.Line-1] + at.Col - 1
	if m := s.unbalanced(s.yamlBrackets()); m != nil {
		return m
	}
	switch {
	case strings.Contains(msg, "',' or ']'"), strings.Contains(msg, "',' or '}'"):
		return &mistake{offset, "no comma between the elements of a list or the fields in { }", "write one"}
	case strings.Contains(msg, "mapping values are not allowed"), strings.Contains(msg, "could not find expected ':'"):
		if m := s.yamlIndent(at.Line); m != nil {
			return m
		}
		return &mistake{offset, "a colon where no field can begin", "write each field on a line of its own, and quotes around a text with a colon"}
	case strings.Contains(msg, "did not find expected key"), strings.Contains(msg, "want a key"), strings.Contains(msg, "'-' indicator"):
		return &mistake{offset, "want a key, indented like its siblings", "indent the fields of one attribute set alike"}
	case strings.Contains(msg, "escape"):
		for number := max(1, at.Line-1); number <= min(at.Line+1, len(s.lines)); number++ {
			if i := yamlEscape().FindStringIndex(s.line(number)); i != nil {
				offset = s.lines[number-1] + i[0]
			}
		}
		return badEscape(offset, s.restOfLine(offset), "'…'")
	case strings.Contains(msg, "unexpected end of stream"), strings.Contains(msg, "unterminated quote"):
		return &mistake{offset, "a quote is not closed", "close it"}
	case strings.HasPrefix(msg, "unknown anchor"):
		return &mistake{offset, "an alias of an anchor that is not there", "put a text that begins with * in quotes, or define the anchor with & before"}
	case strings.Contains(msg, "control characters"):
		return &mistake{offset, "a control character", "delete it, or write it as an escape in double quotes"}
	}
	return &mistake{offset, yamlWords().Replace(oneLine(msg)), "see yaml.org, and put texts in quotes"}
}

var yamlWords = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer("did not find expected", "want", "found ", "", "<document start>", "a field, or --- before a new document", "node content", "a value", "could not find expected", "want")
})

// yamlLine finds a mistake in a line that is one in any place.
func (s *source) yamlLine(number int) *mistake {
	line, start := s.line(number), s.lines[number-1]
	text := strings.TrimLeft(line, " \t")
	indent := len(line) - len(text)
	switch {
	case strings.Contains(line[:indent], "\t"):
		return &mistake{start + strings.IndexByte(line, '\t'), "tab in the indentation, want spaces", "replace each tab by two spaces"}
	case indent == 0 && strings.HasPrefix(text, "%"):
		return &mistake{start, "a directive of YAML without --- below it", "delete it, or write --- on the next line"}
	case strings.HasPrefix(text, "//"), strings.HasPrefix(text, "/*"):
		return &mistake{start + indent, "YAML's comments begin with #", "write # instead"}
	case yamlTight().MatchString(text):
		m := yamlTight().FindStringSubmatch(text)
		return &mistake{start + indent + len(m[1]), "no space behind a colon", "write " + m[1] + ": " + m[2]}
	}
	m := yamlField().FindStringSubmatchIndex(line)
	if m == nil {
		return nil
	}
	at := start + m[2]
	value := strings.TrimRight(line[m[2]:], " ")
	if c := s.lookAlike(at); c != nil {
		return c
	}
	switch first := value[0]; {
	case strings.HasPrefix(value, "{{"), strings.HasPrefix(value, "{%"):
		return &mistake{at, "a template, which muster does not fill in", "write the value, in quotes"}
	case first == '@' || first == '`' || first == '%' || first == '|' && len(value) > 1 && value[1] == ' ':
		return needsQuotes(at, fmt.Sprintf("a text that begins with %c", first), value)
	case first == '*' && !bytes.Contains(s.data, []byte("&"+s.word(at+1))):
		return needsQuotes(at, "a text that begins with *", s.word(at))
	case first == '!' && yamlTag().MatchString(value):
		return needsQuotes(at, "a text that begins with !", value)
	case first == '[' && yamlOpen().MatchString(value):
		return needsQuotes(at+strings.IndexAny(value, "@`%"), "a text that begins with @, ` or %", s.word(at+strings.IndexAny(value, "@`%")))
	case first == '\'' && yamlApostrophe().MatchString(value):
		return &mistake{at + yamlApostrophe().FindStringIndex(value)[1] - 1, "text behind the end of a quote", "write \"…\" around a text with an apostrophe"}
	case first == '"' && yamlQuoted().MatchString(value):
		end := yamlQuoted().FindStringIndex(value)[1]
		if value[end-1] == ',' {
			return &mistake{at + end - 1, "a comma at the end of a line", "delete it: each field stands on a line of its own"}
		}
		return quoteInText(at + end - 1)
	case first == '"' && strings.Count(strings.ReplaceAll(value, `\"`, ""), `"`) == 1 && !s.closedLater(number):
		return &mistake{at, "the quote is not closed on its line", "close it, or write | and the lines of a longer text below it"}
	case first == '"' && yamlEscape().MatchString(value):
		i := yamlEscape().FindStringIndex(value)
		return badEscape(at+i[0], value[i[0]:], "'…'")
	case yamlNested().MatchString(value):
		return &mistake{at, "a second field on the line", "write it on a line of its own, indented; or put a text with a colon in quotes"}
	case strings.IndexByte("\"'[{|>&*!#", first) < 0 && strings.Contains(value, ": "):
		return needsQuotes(at, "a text with a colon", value)
	}
	return nil
}

var (
	yamlNested = ondemand.Regexp(`^[A-Za-z_][\w-]*: +\S`)
	// yamlTight matches a field without a space behind its colon.
	yamlTight      = ondemand.Regexp(`^([A-Za-z_][\w-]*):([^\s/:].*)$`)
	yamlField      = ondemand.Regexp(`^\s*(?:- )*(?:[\w."'-]+:|-)[ ]+(\S.*)$`)
	yamlTag        = ondemand.Regexp(`^![\w-]+$`)
	yamlOpen       = ondemand.Regexp("^\\[(?:[^\"']*,)?\\s*[@`%]")
	yamlQuoted     = ondemand.Regexp(`^"(?:[^"\\]|\\.)*"\s*(?:,$|[^\s,#:\]}])`)
	yamlApostrophe = ondemand.Regexp(`^'(?:[^']|'')*'[^'\s,#:\]}]`)
	yamlEscape     = ondemand.Regexp(`\\[^0abt\tnvfre "/\\N_LPxuU]`)
)

// closedLater reports whether a quote that is opened on a line is closed at the end of
// one below, with fewer than two quotes between: a text of several lines.
func (s *source) closedLater(number int) bool {
	for n := number + 1; n <= len(s.lines); n++ {
		line := s.line(n)
		if strings.Contains(line, `"`) {
			return strings.Count(line, `"`) == 1 && !strings.Contains(line, ": ")
		}
	}
	return false
}

// yamlIndent finds why a line cannot be a field: the line before it lacks a colon, or has
// a value already.
func (s *source) yamlIndent(number int) *mistake {
	before := number - 1
	for before > 0 && strings.TrimSpace(s.line(before)) == "" {
		before--
	}
	if before == 0 {
		return nil
	}
	line, above := s.line(number), s.line(before)
	indent := func(l string) int { return len(l) - len(strings.TrimLeft(l, " ")) }
	name, value, colon := strings.Cut(strings.TrimSpace(above), ":")
	switch {
	case !colon:
		word, rest, _ := strings.Cut(strings.TrimSpace(above), " ")
		rest = strings.TrimSpace(strings.TrimPrefix(rest, "="))
		return &mistake{s.lines[before-1] + indent(above) + len(word), "no colon behind " + word, "write " + strings.TrimSpace(word+": "+rest)}
	case strings.TrimSpace(value) != "" && indent(line) > indent(above):
		return &mistake{s.lines[number-1] + indent(line), fmt.Sprintf("indented as if it were in %s, which has a value", name), "indent it like " + name}
	}
	return nil
}

// yamlBrackets are the brackets that stand outside of quotes and comments.
func (s *source) yamlBrackets() []bracket {
	var brackets []bracket
	for i, quote := 0, byte(0); i < len(s.data); i++ {
		switch c := s.data[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && strings.IndexByte(" [{,:", s.data[i-1]) >= 0:
			quote = c
		case c == '#' && (i == 0 || s.data[i-1] == ' ' || s.data[i-1] == '\n'):
			i += len(s.restOfLine(i))
		case strings.IndexByte("[]{}", c) >= 0:
			brackets = append(brackets, bracket{i, c})
		}
	}
	return brackets
}
