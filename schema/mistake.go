package schema

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"muster/exec/ondemand"
)

// A mistake is why a text of an inventory cannot be parsed, in the words of the user
// instead of those of a parser. The files mistakeLANGUAGE.go find them:
//
//	parser's error ─ offset ─▶ the rules of a language ─▶ mistake
//	                           the rules of this file, for all languages
//	                           the parser's message, reworded
//
// The rules run only on a text that the parser refused, so that they say nothing about a
// text that is valid.
type mistake struct {
	at   int    // offset in the text
	what string // what is wrong
	mend string // what to write instead
}

// reportMistake reports a mistake in a source.
func (r *report) mistake(s *source, m *mistake) {
	r.add(s.pos(min(max(m.at, 0), max(0, len(s.data)-1))), "", "syntax", "%s", oneLine(m.what)).Hint = m.mend
}

// A language is one in which an inventory is written.
type language string

const (
	langCUE  language = "CUE"
	langTOML language = "TOML"
	langJSON language = "JSON"
	langYAML language = "YAML"
)

// pair writes a field with a value.
func (l language) pair(name, value string) string {
	switch l {
	case langTOML:
		return name + " = " + value
	case langJSON:
		return doubleQuoted(name) + ": " + value
	}
	return name + ": " + value
}

// marker writes a value that has a marker.
func (l language) marker(name, value string) string {
	switch l {
	case langTOML:
		return fmt.Sprintf(`{ "$%s" = %s }`, name, value)
	case langJSON:
		return fmt.Sprintf(`{"$%s": %s}`, name, value)
	}
	return fmt.Sprintf(`{$%s: %s}`, name, value)
}

// languageOf returns the language of a file by its name.
func languageOf(name string) language {
	switch {
	case strings.HasSuffix(name, ".toml"):
		return langTOML
	case strings.HasSuffix(name, ".json"):
		return langJSON
	case strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
		return langYAML
	}
	return langCUE
}

func doubleQuoted(s string) string { return `"` + s + `"` }

// needsQuotes is the mistake of a text that is not quoted.
func needsQuotes(at int, kind, text string) *mistake {
	return &mistake{at, fmt.Sprintf("%s without quotes", kind), "write " + doubleQuoted(clip(text))}
}

// What is said of a text that a merge conflict was left in, and what to do.
const (
	Unmerged     = "a merge conflict is not resolved"
	UnmergedHint = "keep one of the two sides, and delete the lines that begin with <<<<<<<, ======= and >>>>>>>"
)

// ConflictMark returns where the first mark of a merge conflict stands in a text, or -1.
func ConflictMark(text []byte) int {
	if at := conflictMark().FindIndex(text); at != nil {
		return at[0]
	}
	return -1
}

// whole finds what is wrong with the text as a whole: the mark of a merge conflict, or
// another language than the file's name says.
func (s *source) whole(l language) *mistake {
	if at := ConflictMark(s.data); at >= 0 {
		return &mistake{at, Unmerged, UnmergedHint}
	}
	first := firstText().FindIndex(s.data)
	if first == nil {
		return nil
	}
	at := first[1]
	rest := s.data[at:]
	switch {
	case nixHead().Match(rest):
		return &mistake{at, "this is Nix, not " + string(l), "name a NixOS module in imports of a host; muster convert writes an inventory from the file of colmena, morph or NixOps"}
	case l != langTOML && tomlHead().Match(rest):
		return &mistake{at, "this is TOML, not " + string(l), "name the file hosts.toml"}
	case l == langTOML && rest[0] == '{':
		return &mistake{at, "this is not TOML, which has no { } around the whole", "name the file hosts.json or hosts.cue, or write [hosts.NAME] and the fields below it"}
	case l == langTOML && cueHead().Match(rest):
		return &mistake{at, "this is CUE, not TOML", "name the file hosts.cue"}
	case l == langTOML && yamlHead().Match(rest):
		return &mistake{at, "this is YAML, not TOML", "name the file hosts.yaml"}
	case l == langJSON && cueHead().Match(rest):
		return &mistake{at, "this is CUE, not JSON", "name the file hosts.cue"}
	case l == langJSON && yamlHead().Match(rest):
		return &mistake{at, "this is YAML, not JSON", "name the file hosts.yaml"}
	}
	return nil
}

var (
	conflictMark = ondemand.Regexp(`(?m)^(<{7} .*|={7}|>{7} .*)\r?$`)
	// firstText matches what stands before the first text: comments of any language.
	firstText = ondemand.Regexp(`^(?:\s+|#.*|//.*)*`)
	nixHead   = ondemand.Regexp(`^(?:\{\s*(?:[a-zA-Z_][\w'-]*\s*(?:\?[^,}]*)?,\s*)*(?:[a-zA-Z_][\w'-]*|\.\.\.)?\s*\}\s*(?:@\s*\w+\s*)?:|\w+\s*@\s*\{|let\s*\n|with\s+\S+;|\{\s*[\w".-]+(?:\s*=\s*(?:[^\n]*;|\{))|rec\s*\{)`)
	tomlHead  = ondemand.Regexp(`^\[{1,2}[\w"'. -]+\]{1,2}[ \t]*(?:#.*)?\r?\n`)
	cueHead   = ondemand.Regexp(`^(?:package[ \t]+\w+|\w+:[ \t]*(?:\w+:|\{))`)
	yamlHead  = ondemand.Regexp(`^(?:---\r?\n|\w+:[ \t]*\r?\n|\w+:[ \t]+[^\s{])`)
)

// lookAlikes are characters that word processors and web pages put in the place of plain
// ones, which the value is.
var lookAlikes = map[rune]string{
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '«': `"`, '»': `"`, '″': `"`, '＂': `"`,
	'‘': `'`, '’': `'`, '‚': `'`, '‛': `'`, '′': `'`, '´': `'`,
	'\u00a0': " ", '\u202f': " ", '\u2007': " ", '\u3000': " ",
	'\u200b': "", '\u200c': "", '\u200d': "", '\u2060': "", '\ufeff': "", '\u00ad': "",
	'–': "-", '—': "-", '‐': "-", '‑': "-", '−': "-",
	'：': ":", '，': ",", '；': ";", '｛': "{", '｝': "}", '［': "[", '］': "]", '（': "(", '）': ")", '＝': "=",
	'…': "...",
}

// lookAlike finds a character at an offset that only looks like one of the language.
func (s *source) lookAlike(at int) *mistake {
	if at >= len(s.data) {
		return nil
	}
	c, _ := utf8.DecodeRune(s.data[at:])
	plain, ok := lookAlikes[c]
	if !ok {
		return nil
	}
	switch plain {
	case "":
		return &mistake{at, fmt.Sprintf("invisible character %U", c), "delete it; it comes with text that is copied from a web page"}
	case " ":
		return &mistake{at, fmt.Sprintf("space of another kind, %U", c), "write a plain space"}
	case `"`, `'`:
		return &mistake{at, fmt.Sprintf("typographic quote %c", c), `write plain quotes, "…"`}
	}
	return &mistake{at, fmt.Sprintf("%c (%U) in the place of %s", c, c, plain), "write " + plain}
}

// word returns the text at an offset up to what ends a value in any language.
func (s *source) word(at int) string {
	rest := s.data[min(at, len(s.data)):]
	if i := bytes.IndexAny(rest, " \t\r\n,;\"'{}[]()#"); i >= 0 {
		rest = rest[:i]
	}
	return string(rest)
}

// wordStart returns the offset at which the word begins that an offset is in.
func (s *source) wordStart(at int) int {
	at = min(at, len(s.data))
	for at > 0 && bytes.IndexByte([]byte(" \t\r\n,;\"'{}[]()="), s.data[at-1]) < 0 {
		at--
	}
	return at
}

// restOfLine returns the text from an offset to the end of its line.
func (s *source) restOfLine(at int) string {
	rest, _, _ := strings.Cut(string(s.data[min(at, len(s.data)):]), "\n")
	return strings.TrimSuffix(rest, "\r")
}

// beforeOnLine returns the text of the line before an offset.
func (s *source) beforeOnLine(at int) string {
	return string(s.data[s.lines[s.pos(at).Line-1]:min(at, len(s.data))])
}

// lastText returns the offset of the last character before an offset that is no white
// space, or -1.
func (s *source) lastText(at int) int {
	return len(bytes.TrimRight(s.data[:min(at, len(s.data))], " \t\r\n")) - 1
}

// value finds what is wrong with a value at an offset that is not quoted, or nothing. A
// word that is a valid value of the language is never asked about.
func (s *source) value(at int, l language) *mistake {
	if m := s.lookAlike(at); m != nil {
		return m
	}
	line, word := s.restOfLine(at), s.word(at)
	if l != langCUE { // where such words are references
		if m := s.nixValue(at, l); m != nil {
			return m
		}
		if m := otherWord(at, word, l); m != nil {
			return m
		}
	}
	switch {
	case strings.HasPrefix(line, "//"), strings.HasPrefix(line, "/*"):
		return nil
	case strings.HasPrefix(line, `\`):
		return &mistake{at, `\ outside of quotes`, "delete it"}
	case word == "":
		return nil
	case l != langCUE && otherNumber().MatchString(word):
		return &mistake{at, fmt.Sprintf("%s does not write a number like that", l), "write it in decimal digits, such as 22 or 0.5"}
	case isAddress(word):
		return needsQuotes(at, "an address", word)
	case uuidForm().MatchString(word):
		return needsQuotes(at, "a UUID", word)
	case durationForm().MatchString(word):
		return needsQuotes(at, "a duration", word)
	case percentForm().MatchString(word):
		return needsQuotes(at, "a percentage", word)
	case pathForm().MatchString(word):
		return needsQuotes(at, "a path", word)
	case leadingZero().MatchString(word):
		return &mistake{at, "a number that begins with 0", fmt.Sprintf("write %s, or %s for a text", strings.TrimLeft(word[:len(word)-1], "0")+word[len(word)-1:], doubleQuoted(word))}
	case sizeForm().MatchString(word):
		return needsQuotes(at, "a number with a unit", word)
	case versionForm().MatchString(word):
		return needsQuotes(at, "a text with dots", word)
	case word[0] == '`':
		return &mistake{at, "quotes of another kind, `", `write "…"`}
	case word[0] == '$':
		return &mistake{at, "a variable of a shell", "the inventory has none: write the value, in quotes"}
	case word[0] == '@' || word[0] == '+' || word[0] == '*' || word[0] == '%':
		return needsQuotes(at, "a text", word)
	}
	if plainWord().MatchString(word) && (l == langTOML || l == langJSON || strings.ContainsAny(word, "-/:@")) {
		return needsQuotes(at, "a text", word)
	}
	return nil
}

// otherWord finds a word by which other languages write true, false or null.
func otherWord(at int, word string, l language) *mistake {
	if word == "true" || word == "false" || word == "null" && l != langTOML {
		return nil
	}
	switch strings.ToLower(word) {
	case "true", "yes", "on":
		return &mistake{at, fmt.Sprintf("%s writes true, not %s", l, word), "write true"}
	case "false", "no", "off":
		return &mistake{at, fmt.Sprintf("%s writes false, not %s", l, word), "write false"}
	case "none", "nil", "null", "undefined", "nan":
		if l == langTOML {
			return &mistake{at, "TOML has no " + word, "leave the field out"}
		}
		return &mistake{at, fmt.Sprintf("%s writes null, not %s", l, word), "write null, or leave the field out"}
	}
	return nil
}

// nixMarks are the functions of Nix that have a marker.
var nixMarks = map[string]string{"mkForce": "force", "mkDefault": "default", "mkBefore": "before", "mkAfter": "after", "mkMerge": "merge", "mkIf": "if", "mkOverride": "override", "mkOrder": "order"}

// nixValue finds an expression of Nix in the place of a value.
func (s *source) nixValue(at int, l language) *mistake {
	line := s.restOfLine(at)
	if m := nixMark().FindStringSubmatch(line); m != nil {
		return nixMarkMistake(at, m[1], strings.TrimSpace(m[2]), l)
	}
	if m := nixPkg().FindStringSubmatch(line); m != nil {
		return &mistake{at, "a package is not named as in Nix", "write " + l.marker("pkg", doubleQuoted(m[1]))}
	}
	if m := nixWord().FindStringSubmatch(line); m != nil {
		switch m[1] {
		case "rec":
			return &mistake{at, "rec is Nix", "leave it out: a field can refer to others without it"}
		case "import":
			return &mistake{at, "import is Nix", "name the file of a NixOS module in imports, such as " + l.pair("imports", `["./web.nix"]`)}
		case "with":
			return &mistake{at, "with is Nix", "name each package, such as [" + l.marker("pkg", `"git"`) + "]"}
		case "if":
			if l == langCUE {
				return &mistake{at, "CUE has no if for values", "put it around the field: if big {host: \"…\"}"}
			}
			return &mistake{at, "if is Nix", "write " + l.marker("if", `"…"`) + " with $then, or name a NixOS module in imports"}
		case "builtins.", "lib.", "config.":
			return &mistake{at, "an expression of Nix", "write " + l.marker("expr", doubleQuoted(clip(strings.TrimRight(line, "; ,"))))}
		}
	}
	return nil
}

// nixMarkMistake is a call of a function of Nix that has a marker.
func nixMarkMistake(at int, function, argument string, l language) *mistake {
	argument = strings.TrimRight(argument, "; ,}")
	mark, what := nixMarks[function], fmt.Sprintf("%s is Nix", function)
	switch mark {
	case "if":
		return &mistake{at, what, "write " + strings.TrimSuffix(l.marker("if", `"condition"`), "}") + ", " + l.pair("$then", "…") + "}"}
	case "override", "order":
		return &mistake{at, what, fmt.Sprintf("write the marker $%s with $priority; see muster help nix-in-cue", mark)}
	}
	if argument = strings.Trim(argument, "()"); argument == "" || len(argument) > 40 {
		argument = "…"
	}
	return &mistake{at, what, "write " + l.marker(mark, argument)}
}

var (
	nixMark      = ondemand.Regexp(`^(?:pkgs\.)?(?:lib\.)?(?:modules\.)?(mkForce|mkDefault|mkBefore|mkAfter|mkMerge|mkIf|mkOverride|mkOrder)\b(.*)`)
	nixPkg       = ondemand.Regexp(`^\(?pkgs\.([A-Za-z_][\w.'-]*[\w'-]|\w)`)
	nixWord      = ondemand.Regexp(`^(rec|import|with|if)(?:[ \t({]|$)|^(builtins\.|lib\.|config\.)`)
	uuidForm     = ondemand.Regexp(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	durationForm = ondemand.Regexp(`^(\d+(\.\d+)?(ms|us|ns|h|m|s|d|min|sec))+$`)
	percentForm  = ondemand.Regexp(`^\d+(\.\d+)?%$`)
	pathForm     = ondemand.Regexp(`^(~|\.{1,2})?/[^/*]|^(~|\.{1,2})?/$`)
	leadingZero  = ondemand.Regexp(`^0\d+$`)
	otherNumber  = ondemand.Regexp(`^[+-]?(\+\d+|0[xXoObB][0-9a-fA-F]+|\.\d+|\d+\.|\d+(_\d*)+)$`)
	sizeForm     = ondemand.Regexp(`^\d+(\.\d+)?[A-Za-z]{1,5}(/s)?$`)
	versionForm  = ondemand.Regexp(`^v?\d+(\.\d+){2,}[\w.-]*$`)
	plainWord    = ondemand.Regexp(`^[\pL_][\pL\pN_.:/@+-]*$`)
)

// isAddress reports whether a word is an IP address, with a port or the bits of a network
// or not.
func isAddress(word string) bool {
	if strings.Count(word, ".") != 3 && strings.Count(word, ":") < 2 {
		return false
	}
	if _, err := netip.ParseAddr(word); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(word); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(word); err == nil {
		return true
	}
	return dotted().MatchString(word)
}

// dotted matches four numbers, which need not be those of an address.
var dotted = ondemand.Regexp(`^\d+\.\d+\.\d+\.\d+$`)

// quoteInText is the mistake of a text that goes on behind a quote.
func quoteInText(at int) *mistake {
	return &mistake{at, "text behind the end of a quote", `write \" for a quote in a text`}
}

// A bracket is one in a text, by its offset.
type bracket struct {
	at   int
	open byte
}

// closing is the bracket that closes each.
var closing = map[byte]byte{'{': '}', '[': ']', '(': ')'}

// unbalanced finds a bracket that is not closed, closes nothing, or closes one of
// another kind. Of brackets that are not closed, the line breaks and the indentation
// tell which one was forgotten.
func (s *source) unbalanced(brackets []bracket) *mistake {
	var open []bracket
	for _, b := range brackets {
		if closing[b.open] != 0 {
			open = append(open, b)
			continue
		}
		if len(open) == 0 {
			return &mistake{b.at, fmt.Sprintf("%c closes nothing", b.open), "delete it, or open it before"}
		}
		top := open[len(open)-1]
		forgotten := s.indentOf(top.at) > s.indentOf(b.at) && s.firstOnLine(b.at)
		if closing[top.open] != b.open || forgotten {
			if forgotten || len(open) > 1 && closing[open[len(open)-2].open] == b.open {
				return s.notClosed(top)
			}
			return &mistake{b.at, fmt.Sprintf("%c where %c closes the %c of line %d", b.open, closing[top.open], top.open, s.pos(top.at).Line), fmt.Sprintf("write %c", closing[top.open])}
		}
		open = open[:len(open)-1]
	}
	if len(open) > 0 {
		return s.notClosed(open[len(open)-1])
	}
	return nil
}

// notClosed is the mistake of a bracket that is not closed.
func (s *source) notClosed(b bracket) *mistake {
	return &mistake{b.at, fmt.Sprintf("%c is not closed", b.open), fmt.Sprintf("write %c where it ends", closing[b.open])}
}

// indentOf is the indentation of the line that an offset is on.
func (s *source) indentOf(at int) int {
	start := s.lines[s.pos(at).Line-1]
	n := 0
	for start+n < len(s.data) && (s.data[start+n] == ' ' || s.data[start+n] == '\t') {
		n++
	}
	return n
}

// firstOnLine reports whether nothing stands before an offset on its line.
func (s *source) firstOnLine(at int) bool { return s.pos(at).Col-1 <= s.indentOf(at) }

// otherFile reports a file whose name is not that of an inventory.
func (l *loader) otherFile(s *source, ext string) {
	e := l.report.add(s.start(), "", "file", "unknown file type %q, want .cue, .toml, .yaml or .json", ext)
	e.Hint = "name the file after its language, such as hosts.cue"
	switch {
	case filepath.Base(l.file) == "flake.nix":
		e.Msg, e.Hint = "a flake is no inventory", "muster convert "+filepath.Dir(s.name)+" writes one from the hosts of a flake"
	case filepath.Base(l.file) == "configuration.nix":
		e.Msg, e.Hint = "a NixOS module is no inventory", "muster init begins one; name this file in imports of its host"
	case ext == ".nix":
		e.Msg, e.Hint = "a Nix file is no inventory", "muster convert "+s.name+" writes one from the file of colmena, morph or NixOps; name a NixOS module in imports of a host"
	case ext == "":
		e.Msg, e.Hint = "the file's name does not say in which language it is written", "name it hosts.cue, hosts.toml, hosts.yaml or hosts.json"
	}
}
