package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"

	"muster/exec/ondemand"
)

// A cueToken is a token of a CUE text from one offset to another. A string with
// interpolations is one token.
type cueToken struct {
	at, end int
	tok     token.Token
	lit     string
	in      byte // the bracket that it is in; 0 for none
}

// A refusedCUE is a CUE text that the parser refused.
type refusedCUE struct {
	*source
	tokens   []cueToken
	brackets []bracket
}

// cueMistakes finds the mistakes of a text that the parser refused with an error. Each
// kind is told once, where it is first made.
func (s *source) cueMistakes(err error) []*mistake {
	if m := s.whole(langCUE); m != nil {
		return []*mistake{m}
	}
	t := &refusedCUE{source: s}
	t.scan()
	var found []*mistake
	seen := map[string]bool{}
	behind := 0 // the end of a line that is wrong
	for i, k := range t.tokens {
		if k.at < behind {
			continue
		}
		m := t.rule(i)
		if m == nil {
			continue
		}
		behind = m.at + len(t.restOfLine(m.at))
		if m.what == nixLines {
			behind = len(t.data) // it is not known where CUE goes on
		}
		if !seen[m.mend] && !seen[m.what] {
			found = append(found, m)
		}
		seen[m.mend], seen[m.what] = true, true
	}
	if len(found) > 0 {
		return found
	}
	first := errors.Errors(err)[0]
	m := t.reworded(max(0, first.Position().Offset()), message(first))
	return []*mistake{m}
}

// scan fills tokens and brackets.
func (t *refusedCUE) scan() {
	file := token.NewFile("", -1, len(t.data))
	var s scanner.Scanner
	s.Init(file, t.data, func(token.Pos, string, []any) {}, 0)
	var in []byte
	for {
		pos, tok, lit := s.Scan()
		at := pos.Offset()
		if tok == token.EOF {
			t.tokens = append(t.tokens, cueToken{at: len(t.data), end: len(t.data), tok: tok})
			return
		}
		k := cueToken{at: at, end: at + len(lit), tok: tok, lit: lit}
		if lit == "" {
			k.end = at + len(tok.String())
		}
		if tok == token.INTERPOLATION {
			k.tok, k.end = token.STRING, t.interpolated(&s)
		}
		if len(in) > 0 {
			k.in = in[len(in)-1]
		}
		switch tok {
		case token.LBRACE, token.LBRACK, token.LPAREN:
			in = append(in, t.data[at])
			t.brackets = append(t.brackets, bracket{at, t.data[at]})
		case token.RBRACE, token.RBRACK, token.RPAREN:
			in = in[:max(0, len(in)-1)]
			t.brackets = append(t.brackets, bracket{at, t.data[at]})
		}
		t.tokens = append(t.tokens, k)
	}
}

// interpolated reads a string with interpolations to its end, whose offset it returns.
func (t *refusedCUE) interpolated(s *scanner.Scanner) int {
	for depth := 0; ; {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return len(t.data)
		case token.LPAREN:
			depth++
		case token.RPAREN:
			if depth--; depth >= 0 {
				continue
			}
			depth = 0
			rest := s.ResumeInterpolation()
			end := pos.Offset() + 1 + len(rest)
			if !strings.HasSuffix(rest, "(") {
				return min(end, len(t.data))
			}
		}
	}
}

// token returns the token of an index, or the end of the text.
func (t *refusedCUE) token(i int) cueToken {
	if i < 0 || i >= len(t.tokens) {
		return cueToken{at: len(t.data), end: len(t.data), tok: token.EOF}
	}
	return t.tokens[i]
}

// beginsField reports whether the name of a field may stand at a token.
func (t *refusedCUE) beginsField(i int) bool {
	if i == 0 {
		return true
	}
	k, before := t.token(i), t.token(i-1)
	switch before.tok {
	case token.LBRACE, token.COLON, token.SEMICOLON:
		return true
	case token.COMMA:
		return k.in != '[' && k.in != '('
	}
	return t.data[before.at] == ';'
}

// beginsValue reports whether a value begins at a token.
func (t *refusedCUE) beginsValue(i int) bool {
	if i == 0 {
		return false
	}
	switch k := t.token(i); t.token(i - 1).tok {
	case token.COLON, token.BIND, token.LBRACK:
		return true
	case token.COMMA:
		return k.in == '['
	}
	return false
}

// endsValue reports whether a token ends a value.
func (k cueToken) endsValue() bool {
	switch k.tok {
	case token.IDENT, token.STRING, token.INT, token.FLOAT, token.TRUE, token.FALSE, token.NULL, token.RBRACE, token.RBRACK, token.RPAREN, token.BOTTOM:
		return true
	}
	return false
}

// startsValue reports whether a token starts a value and cannot go on with one.
func (k cueToken) startsValue() bool {
	switch k.tok {
	case token.IDENT, token.STRING, token.INT, token.FLOAT, token.TRUE, token.FALSE, token.NULL, token.LBRACE:
		return true
	}
	return false
}

// rule finds a mistake at a token. What it finds is valid nowhere in CUE.
func (t *refusedCUE) rule(i int) *mistake {
	for _, r := range []func(int) *mistake{t.comment, t.package_, t.sign, t.nixWords, t.label, t.unquoted, t.equals, t.clause, t.neighbours} {
		if m := r(i); m != nil {
			return m
		}
	}
	return nil
}

// comment finds a comment of another language.
func (t *refusedCUE) comment(i int) *mistake {
	k, next := t.token(i), t.token(i+1)
	if k.tok == token.QUO && next.tok == token.MUL && next.at == k.end {
		return &mistake{k.at, "CUE has no comments in /* */", "begin each line of a comment with //"}
	}
	if k.tok != token.IDENT || k.lit[0] != '#' {
		return nil
	}
	behindValue := i > 0 && t.token(i-1).endsValue()
	if behindValue || t.beginsField(i) && next.startsValue() && t.sameLine(k, next) || k.lit == "#" && next.tok != token.COLON {
		return &mistake{k.at, "CUE's comments do not begin with #", "write // instead"}
	}
	return nil
}

// package_ finds clauses of package and import that are wrong.
func (t *refusedCUE) package_(i int) *mistake {
	k, next := t.token(i), t.token(i+1)
	if k.tok != token.IDENT || !t.beginsField(i) || !t.sameLine(k, next) {
		return nil
	}
	fieldsBefore := slices.ContainsFunc(t.tokens[:i], func(k cueToken) bool { return k.tok == token.COLON })
	switch {
	case k.lit == "package" && next.tok == token.STRING:
		return &mistake{next.at, "the name of a package has no quotes", "write package " + strings.Trim(next.lit, `"`)}
	case k.lit == "package" && next.tok == token.IDENT && t.token(i+2).tok == token.SUB:
		word := t.word(next.at)
		return &mistake{next.at, "the name of a package has no hyphen", "write package " + strings.ReplaceAll(word, "-", "_")}
	case k.lit == "package" && next.tok == token.IDENT && fieldsBefore:
		return &mistake{k.at, "package stands behind a field", "move it to the beginning of the file"}
	case k.lit == "import" && next.tok == token.IDENT && t.token(i+2).tok == token.COMMA:
		return &mistake{next.at, "the name of what is imported has quotes", fmt.Sprintf("write import %q", next.lit)}
	case k.lit == "import" && (next.tok == token.STRING || next.tok == token.LPAREN) && fieldsBefore:
		return &mistake{k.at, "import stands behind a field", "move it to the beginning of the file, below package"}
	}
	return nil
}

// sign finds signs of other languages.
func (t *refusedCUE) sign(i int) *mistake {
	k, next := t.token(i), t.token(i+1)
	switch {
	case t.at(k.at) == ';':
		return &mistake{k.at, "; is not used in CUE", "delete it: fields are separated by line breaks or commas"}
	case k.tok == token.COLON && next.tok == token.COLON && next.at == k.end:
		return &mistake{k.at, ":: is of an old version of CUE", "write a definition as #Name: {…}"}
	case k.tok == token.COLON && k.in == '[' && t.namesElement(i-1):
		if m := t.unbalanced(t.brackets); m != nil {
			return m
		}
		return &mistake{t.token(i - 1).at, "a field in a list", "write { } around it; names of hosts stand in { }, not in [ ]"}
	case k.tok == token.COLON && next.tok == token.BIND && next.at == k.end:
		return &mistake{k.at, ":= is not used in CUE", "write : alone"}
	case k.tok == token.ELLIPSIS && k.in != '[' && next.startsValue() && next.at == k.end:
		return &mistake{k.at, "... does not copy fields", "write " + next.lit + " on a line of its own, without the dots"}
	case k.tok == token.IDENT && k.lit == "$" && next.tok == token.LBRACE && next.at == k.end:
		return &mistake{k.at, "${…} is for Nix and for shells", `write the name alone, or "\(name)" in a text`}
	case k.tok == token.OPTION && i > 0 && t.token(i-1).endsValue() && next.tok != token.COLON && next.startsValue():
		return &mistake{k.at, "CUE has no ? :", "write if condition {field: …} for each case"}
	case k.tok == token.COMMA && k.lit == "," && next.tok == token.COMMA && next.lit == ",":
		return &mistake{next.at, "a comma too many", "delete it"}
	case k.tok == token.COMMA && k.lit == "," && i > 0 && (t.token(i-1).tok == token.LBRACE || t.token(i-1).tok == token.LBRACK || t.token(i-1).tok == token.COLON):
		if t.token(i-1).tok == token.COLON {
			return t.noValue(k.at)
		}
		return &mistake{k.at, "a comma too many", "delete it"}
	case k.tok == token.SUB && t.firstOnLine(k.at) && t.at(k.end) == ' ' && i > 0 && (t.token(i-1).tok == token.COLON || t.token(i-1).tok == token.COMMA):
		return yamlList(k.at)
	case k.tok == token.STRING && k.lit == "''" && t.at(k.end) == '\n' && nixLinesEnd().Match(t.data[k.end:]):
		return &mistake{k.at, nixLines, `write """ on both ends`}
	}
	return nil
}

// namesElement reports whether a token is a name at the beginning of an element of a list.
func (t *refusedCUE) namesElement(i int) bool {
	if tok := t.token(i).tok; tok != token.IDENT && tok != token.STRING {
		return false
	}
	before := t.token(i - 1)
	return before.tok == token.COMMA || before.tok == token.LBRACK && (i < 2 || !t.token(i-2).endsValue())
}

func yamlList(at int) *mistake {
	return &mistake{at, "a list as YAML has it", `write ["a", "b"]`}
}

const nixLines = "'' is for texts in Nix"

var nixLinesEnd = ondemand.Regexp(`(?m)^\s*''`)

// nixWords finds keywords and functions of Nix.
func (t *refusedCUE) nixWords(i int) *mistake {
	k, next := t.token(i), t.token(i+1)
	switch {
	case k.tok == token.IDENT && k.lit == "inherit" && next.startsValue():
		return &mistake{k.at, "inherit is Nix", "write the name and the value of each field"}
	case k.tok == token.IN && t.beginsField(i):
		return &mistake{k.at, "in is Nix", "leave it out: let stands among the fields that use it"}
	case !t.beginsValue(i) || k.tok != token.IDENT && k.tok != token.IF:
		return nil
	case k.tok == token.IF && t.token(i-1).tok != token.COLON:
		return nil
	}
	if m := nixMark().FindStringSubmatch(t.restOfLine(k.at)); m != nil && !strings.HasPrefix(strings.TrimSpace(m[2]), "(") {
		return nixMarkMistake(k.at, m[1], strings.TrimSpace(m[2]), langCUE)
	}
	if nixWord().MatchString(t.restOfLine(k.at)) && t.at(k.end) != '.' && (next.startsValue() || next.tok == token.PERIOD || next.tok == token.QUO || next.tok == token.LPAREN) {
		return t.nixValue(k.at, langCUE)
	}
	return nil
}

// label finds the name of a field that needs quotes.
func (t *refusedCUE) label(i int) *mistake {
	k := t.token(i)
	if !t.beginsField(i) || k.tok == token.STRING {
		return nil
	}
	if i > 0 && t.token(i-1).tok == token.COLON && urlForm().MatchString(t.restOfLine(k.at)) {
		word, _, _ := strings.Cut(t.restOfLine(k.at), " ")
		return needsQuotes(k.at, "an address", word)
	}
	m := labelForm().FindStringSubmatch(t.restOfLine(k.at))
	if m == nil || plainLabel().MatchString(m[1]) || isAddress(m[1]) {
		return nil
	}
	if dottedLabel().MatchString(m[1]) {
		return &mistake{k.at, fmt.Sprintf("dots in the name %s", m[1]), "write " + strings.ReplaceAll(m[1], ".", ": ") + ": …"}
	}
	return &mistake{k.at, fmt.Sprintf("the name %s needs quotes", m[1]), "write " + doubleQuoted(m[1]) + ": …"}
}

var (
	labelForm   = ondemand.Regexp(`^([\pL\pN_$./@*+-]+)\s*:(?:[^:]|$)`)
	plainLabel  = ondemand.Regexp(`^[\pL_$][\pL\pN_$]*$|^\d+$`)
	dottedLabel = ondemand.Regexp(`^[\pL_$][\pL\pN_$]*(\.[\pL_$][\pL\pN_$]*)+$`)
)

// unquoted finds a text without quotes in the place of a value.
func (t *refusedCUE) unquoted(i int) *mistake {
	k := t.token(i)
	if m := t.lookAlike(k.at); m != nil && k.tok == token.ILLEGAL {
		return m
	}
	if !t.beginsValue(i) {
		return nil
	}
	word := t.word(k.at)
	switch {
	case k.tok == token.STRING, k.tok == token.TRUE, k.tok == token.FALSE, k.tok == token.NULL, word == "", labelForm().MatchString(t.restOfLine(k.at)) && !isAddress(word):
		return nil
	case urlForm().MatchString(word):
		return needsQuotes(k.at, "an address", word)
	case cueNumber().MatchString(word), k.tok == token.IDENT && !isAddress(word) && !uuidForm().MatchString(word) && !strings.Contains(word, "@"):
		return nil
	case strings.HasPrefix(word, "//"), strings.HasPrefix(word, "/*"), k.tok == token.MUL, k.tok == token.ADD:
		return nil
	}
	return t.value(k.at, langCUE)
}

var (
	urlForm   = ondemand.Regexp(`^[a-z][a-z0-9+.-]*://`)
	cueNumber = ondemand.Regexp(`^\d+(\.\d+)?[KMGTP]i?$`)
)

// equals finds = between the name of a field and its value.
func (t *refusedCUE) equals(i int) *mistake {
	k := t.token(i)
	if k.tok != token.BIND || i == 0 || t.token(i-2).tok == token.LET {
		return nil
	}
	// NAME=label: is an alias.
	for j := i + 1; ; j++ {
		switch next := t.token(j); next.tok {
		case token.COLON:
			if j > i+1 {
				return nil
			}
		case token.COMMA, token.RBRACE, token.EOF, token.SEMICOLON, token.LBRACE, token.ILLEGAL:
			start := t.wordStart(k.at)
			for start > 0 && t.data[start-1] == ' ' {
				start = t.wordStart(start - 1)
			}
			name := strings.ReplaceAll(strings.TrimSpace(string(t.data[start:k.at])), ".", ": ")
			if len(name) > 60 || strings.ContainsAny(name, "\n{}") {
				name = "name"
			}
			return &mistake{k.at, "= where CUE has a colon", "write " + name + ": …"}
		}
	}
}

// clause finds for, if and else in the wrong form.
func (t *refusedCUE) clause(i int) *mistake {
	k := t.token(i)
	switch {
	case k.tok == token.FOR && t.beginsValue(i) && t.token(i-1).tok == token.COLON:
		return &mistake{k.at, "for stands in braces", "write {for … in … {…}}"}
	case k.tok == token.FOR, k.tok == token.IF && (t.beginsField(i) && t.token(i-1).tok != token.COLON):
		for j := i + 1; t.token(j).tok != token.EOF && t.token(j).tok != token.LBRACE && t.sameLine(k, t.token(j)); j++ {
			if t.token(j).tok == token.COLON && t.token(j).in == k.in {
				return &mistake{t.token(j).at, fmt.Sprintf("no colon before the brace of %s", k.tok), "delete it"}
			}
		}
	case k.tok == token.ELSE, k.tok == token.IDENT && (k.lit == "else" || k.lit == "elif") && i > 0 && t.token(i-1).tok == token.RBRACE:
		return &mistake{k.at, "CUE has no else", "write if !condition {…} for the other case"}
	}
	return nil
}

// neighbours finds two values with nothing between them.
func (t *refusedCUE) neighbours(i int) *mistake {
	k, next, third := t.token(i), t.token(i+1), t.token(i+2)
	if !k.endsValue() || !next.startsValue() || !t.sameLine(k, next) || k.end == next.at && k.tok != token.STRING {
		return nil
	}
	switch {
	case k.tok == token.STRING && k.end == next.at:
		return quoteInText(next.at)
	case k.in == '[':
		return &mistake{next.at, "no comma between the elements of a list", "write " + shorten(t.text(k)) + ", " + shorten(t.text(next))}
	case t.inClause(i):
		return nil
	case t.beginsField(i) && (k.tok == token.IDENT || k.tok == token.STRING) && (next.tok == token.IDENT || next.tok == token.STRING) && third.tok == token.COLON && t.token(i-1).tok != token.COLON:
		name := strings.Trim(k.lit, `"`) + " " + strings.Trim(next.lit, `"`)
		return &mistake{k.at, fmt.Sprintf("the name %s needs quotes", name), fmt.Sprintf("write %s: …, or %s: …", doubleQuoted(name), strings.ReplaceAll(name, " ", "_"))}
	case third.tok == token.COLON:
		return &mistake{next.at, "no comma between two fields on one line", "write a comma, or begin a new line"}
	case t.beginsField(i) && third.tok == token.BIND && (k.lit == "var" || k.lit == "const" || k.lit == "local" || k.lit == "set"):
		return &mistake{k.at, k.lit + " is not used in CUE", "write let " + next.lit + " = …"}
	case t.beginsField(i) && k.tok == token.IDENT:
		return &mistake{k.end, fmt.Sprintf("no colon behind %s", k.lit), "write " + k.lit + ": " + shorten(t.text(next))}
	}
	return nil
}

// inClause reports whether a token is of a for, if or let on its line.
func (t *refusedCUE) inClause(i int) bool {
	for j := i; j >= 0 && t.sameLine(t.token(j), t.token(i)); j-- {
		switch t.token(j).tok {
		case token.FOR, token.IF, token.LET, token.IN:
			return true
		}
		if lit := t.token(j).lit; lit == "import" || lit == "package" {
			return true
		}
	}
	return false
}

// text returns the text of a token, with … for what a bracket has in it.
func (t *refusedCUE) text(k cueToken) string {
	switch k.tok {
	case token.LBRACE:
		return "{…}"
	case token.RBRACE, token.RBRACK, token.RPAREN:
		return "…" + k.tok.String()
	}
	return string(t.data[k.at:min(k.end, len(t.data))])
}

func (t *refusedCUE) sameLine(a, b cueToken) bool {
	return a.at <= b.at && bytes.IndexByte(t.data[a.at:min(b.at, len(t.data))], '\n') < 0 || a.at > b.at && t.sameLine(b, a)
}

func (s *source) noValue(at int) *mistake {
	return &mistake{at, "no value", "write one, such as \"text\", 22, true, [ ] or { }"}
}

// reworded says in the user's words what the parser said.
func (t *refusedCUE) reworded(at int, msg string) *mistake {
	quotes := `"`
	if rest := t.data[min(at, len(t.data)):]; bytes.HasPrefix(rest, []byte(`"""`)) || bytes.HasPrefix(rest, []byte("'''")) {
		quotes = string(rest[:3])
	}
	switch {
	case msg == "string literal not terminated" && quotes != `"`:
		return &mistake{at, fmt.Sprintf("%s has no end on a line of its own", quotes), fmt.Sprintf("write the closing %s on a line of its own", quotes)}
	case msg == "string literal not terminated":
		return &mistake{at, "the quote is not closed on its line", `close it, or write """ around a text of several lines, each on a line of its own`}
	case strings.HasPrefix(msg, "expected newline after multiline quote"):
		return &mistake{at, fmt.Sprintf("text on the line of the opening %s", quotes), "begin the text on the next line"}
	case strings.HasPrefix(msg, "non-matching whitespace"):
		return t.unevenLines(at, quotes)
	case strings.Contains(msg, "escape"):
		for at > 0 && t.data[at] != '\\' {
			at--
		}
		return &mistake{at, fmt.Sprintf("%s is not an escape of CUE", t.restOfLine(at)[:min(2, len(t.restOfLine(at)))]), `write \\ for \, or #"…"# around a text in which \ is itself`}
	case strings.HasPrefix(msg, "illegal character") && t.at(at) == '\\':
		return t.value(at, langCUE)
	case strings.HasPrefix(msg, "illegal character"):
		c := []rune(t.restOfLine(at))[0]
		return &mistake{at, fmt.Sprintf("%c has no meaning in CUE", c), "put a text in quotes, \"…\""}
	case strings.Contains(msg, "number") && strings.HasPrefix(msg, "illegal"):
		return &mistake{at, fmt.Sprintf("%s is not a number", t.word(at)), "write it without leading zeros, or in quotes"}
	case strings.Contains(msg, "attribute"):
		return &mistake{at, "@ begins an attribute of CUE", "put a text with @ in quotes"}
	case strings.Contains(msg, "'__'"):
		return &mistake{at, "names that begin with __ are reserved", "take another name, such as one that begins with _"}
	case strings.Contains(msg, "square bracket must have exactly one element"):
		return &mistake{at, "more than one pattern for names of fields", "write one, such as [string]: {…} or [=~\"^web\"]: {…}"}
	case strings.Contains(msg, "import path"):
		return &mistake{at, oneLine(msg), `write the path of a CUE package, such as "list"`}
	}
	if strings.Contains(msg, "'..'") {
		return &mistake{at, "CUE has no .. for ranges", rangeMend}
	}
	if m := t.unbalanced(t.brackets); m != nil {
		return m
	}
	found := t.foundAt(at)
	switch {
	case strings.HasPrefix(msg, "missing ',' before newline"), strings.Contains(msg, "in list literal"):
		return &mistake{at, "no comma behind an element of a list", "write one"}
	case strings.HasPrefix(msg, "missing ','"), strings.HasPrefix(msg, "expected ','"):
		return &mistake{at, found + " where a field ends", "separate fields by line breaks or commas, and put texts in quotes"}
	case strings.HasPrefix(msg, "expected operand"), strings.HasPrefix(msg, "expected expression"):
		if at >= len(t.data)-1 || strings.TrimSpace(t.restOfLine(at)) == "" {
			return &mistake{at, found + " where a value begins", "write a value"}
		}
		return &mistake{at, found + " where a value begins", "put a text in quotes"}
	case strings.HasPrefix(msg, "expected label"):
		return &mistake{at, found + " where the name of a field or a colon is", "write name: value, and quotes around a name that is more than letters, digits and _"}
	case strings.HasPrefix(msg, "expected selector"):
		return &mistake{at, found + " behind a dot", "write the name of a field there"}
	}
	return &mistake{at, cueWords().Replace(oneLine(msg)), "see cuelang.org/docs, or write the fleet as hosts.toml"}
}

const rangeMend = `import "list", and write list.Range(1, 4, 1) for 1, 2 and 3`

// cueWords replaces the names of CUE's tokens.
var cueWords = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer("expected", "want", "'IDENT'", "a name", "'STRING'", "a text", "'INT'", "a number", "'EOF'", "the end of the file")
})

// foundAt says what stands at an offset.
func (t *refusedCUE) foundAt(at int) string {
	switch line := t.restOfLine(at); {
	case at >= len(t.data):
		return "the end of the file"
	case strings.TrimSpace(line) == "":
		return "the end of the line"
	default:
		word := t.word(at)
		if word == "" {
			word = line[:1]
		}
		return shorten(word)
	}
}

// unevenLines finds the line of a text that is not indented as its closing quotes are.
func (t *refusedCUE) unevenLines(at int, quotes string) *mistake {
	m := &mistake{at, "a line of the text is indented less than the closing " + quotes, "indent all lines as far as those quotes, or move the quotes to the left"}
	end := bytes.Index(t.data[at+3:], []byte(quotes))
	if end < 0 {
		return m
	}
	end += at + 3
	indent := t.beforeOnLine(end)
	for line := t.pos(at).Line + 1; line < t.pos(end).Line; line++ {
		if text := t.line(line); strings.TrimSpace(text) != "" && !strings.HasPrefix(text, indent) {
			m.at = t.lines[line-1]
			return m
		}
	}
	return m
}

// valueOnNextLine reports fields whose value is on the next line and not in braces, as
// in YAML: it belongs to them, and the line after it does not. There are valid texts
// like that, so it is told only of an inventory that is not.
func (l *loader) valueOnNextLine() {
	for _, name := range l.fleet.Files {
		if filepath.Ext(name) != ".cue" {
			continue
		}
		text, err := readText(name, l.texts)
		if err != nil {
			continue // reported where the inventory was read
		}
		f, err := parser.ParseFile(name, text)
		if err != nil {
			continue
		}
		ast.Walk(f, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if ok && isOnNextLine(field) {
				at := field.Pos().Position()
				label, _, _ := ast.LabelName(field.Label)
				e := l.report.add(Pos{File: l.show(name), Line: at.Line, Col: at.Column}, "", "indentation", "%s has no value on its line: the next field is in it, and those below are not", cmp.Or(label, "the field"))
				e.Hint = "write { } around the fields that are in it; indentation has no meaning in CUE"
				l.dropOnLine(l.show(name), field.Value.(*ast.StructLit).Elts[0].Pos().Line())
			}
			return true
		}, nil)
	}
}

// dropOnLine drops what is reported of the fields of a line because they are in another.
func (l *loader) dropOnLine(file string, line int) {
	l.report.list = slices.DeleteFunc(l.report.list, func(e *Error) bool {
		return e.Pos.File == file && e.Pos.Line == line && (e.Rule == "missing-field" || e.Rule == "unknown-field")
	})
}

// isOnNextLine reports whether the value of a field is another field, on a line below.
func isOnNextLine(field *ast.Field) bool {
	below, ok := field.Value.(*ast.StructLit)
	return ok && !below.Lbrace.IsValid() && len(below.Elts) > 0 && below.Elts[0].Pos().Line() > field.TokenPos.Line()
}
