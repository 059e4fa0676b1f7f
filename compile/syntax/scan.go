package syntax

import (
	"math"
	"strings"
)

// A scanner splits a text into tokens. Like Nix's own it takes the longest token at
// each offset: a.b/c is a path, x:x a URI. The parser requests tokens one by one.
// It parses strings and paths itself, with [scanner.stringParts] and the like,
// since they contain expressions.
type scanner struct {
	src  string
	file *string

	off       int // offset to scan the next token from
	line      int32
	lineStart int // offset of the current line

	// The current token.
	tok      token
	start    int // src[start:off] is its text
	tokLine  int32
	tokStart int // lineStart of the token's line

	// The last run of path characters. All tokens in it have the same end of
	// run, so that it is searched only once.
	runEnd   int // its end
	runUnder int // its last '_', which a URI's scheme cannot contain, or -1

	comments *commentScanner // nil to skip comments

	pause    int    // offset from which progress is due
	progress func() // see Options.Progress
}

// progressEvery is the number of bytes between two calls of Options.Progress.
const progressEvery = 32 << 10

func (s *scanner) progressed() {
	s.pause = math.MaxInt
	if s.progress != nil {
		s.pause = s.off + progressEvery
		s.progress()
	}
}

// mark is a state of the scanner to return to.
type mark struct {
	off, lineStart, start, tokStart int
	line, tokLine                   int32
	tok                             token
	comments                        int
}

func (s *scanner) mark() mark {
	m := mark{s.off, s.lineStart, s.start, s.tokStart, s.line, s.tokLine, s.tok, 0}
	if s.comments != nil {
		m.comments = len(s.comments.pending)
	}
	return m
}

func (s *scanner) reset(m mark) {
	s.off, s.lineStart, s.start, s.tokStart = m.off, m.lineStart, m.start, m.tokStart
	s.line, s.tokLine, s.tok = m.line, m.tokLine, m.tok
	if s.comments != nil {
		s.comments.pending = s.comments.pending[:m.comments]
	}
}

// pos returns the position of the current token.
func (s *scanner) pos() Pos {
	return Pos{file: s.file, Line: s.tokLine, Col: int32(s.start-s.tokStart) + 1}
}

// here returns the position of offset i on the current line.
func (s *scanner) here(i int) Pos {
	return Pos{file: s.file, Line: s.line, Col: int32(i-s.lineStart) + 1}
}

// text returns the text of the current token.
func (s *scanner) text() string { return s.src[s.start:s.off] }

// newline records the line break at src[i], which is \n, \r\n or \r, and returns the
// offset after it.
func (s *scanner) newline(i int) int {
	if s.src[i] == '\r' && i+1 < len(s.src) && s.src[i+1] == '\n' {
		i++
	}
	s.line++
	s.lineStart = i + 1
	return i + 1
}

// space skips white space and comments.
func (s *scanner) space() {
	src, i := s.src, s.off
	for i < len(src) {
		switch c := src[i]; c {
		case ' ', '\t':
			i++
		case '\n', '\r':
			i = s.newline(i)
		case '#':
			at := i
			for i < len(src) && src[i] != '\n' && src[i] != '\r' {
				i++
			}
			if s.comments != nil {
				s.comments.add(s, at, i, s.here(at), s.line)
			}
		case '/':
			if i+1 >= len(src) || src[i+1] != '*' {
				s.off = i
				return
			}
			n := strings.Index(src[i+2:], "*/")
			if n < 0 {
				s.off = i
				return
			}
			at, begin, end := i, s.here(i), i+2+n+2
			for i < end {
				if src[i] == '\n' || src[i] == '\r' {
					i = s.newline(i)
				} else {
					i++
				}
			}
			if s.comments != nil {
				s.comments.add(s, at, i, begin, s.line)
			}
		default:
			s.off = i
			return
		}
	}
	s.off = i
}

// next moves to the next token.
func (s *scanner) next() {
	s.space()
	s.start, s.tokLine, s.tokStart = s.off, s.line, s.lineStart
	src, i := s.src, s.off
	if i >= len(src) {
		s.tok = tokEOF
		return
	}
	if i >= s.pause {
		s.progressed()
	}
	c := src[i]
	if class[c]&classPath != 0 {
		if tok, end := s.run(i); end > i {
			s.tok, s.off = tok, end
			return
		}
	}
	tok, n := tokInvalid, 1
	var d byte // the character after c
	if i+1 < len(src) {
		d = src[i+1]
	}
	switch c {
	case '"':
		tok = tokString
	case '\'':
		if d == '\'' {
			tok, n = tokIndented, 2
			// Spaces and a line break after the quotes are not part of the string.
			j := i + 2
			for j < len(src) && src[j] == ' ' {
				j++
			}
			if j < len(src) && src[j] == '\n' {
				s.newline(j)
				n = j + 1 - i
			}
		}
	case '$':
		if d == '{' {
			tok, n = tokDollarCurly, 2
		}
	case '=':
		tok = tokAssign
		if d == '=' {
			tok, n = tokEq, 2
		}
	case ';':
		tok = tokSemicolon
	case ':':
		tok = tokColon
	case ',':
		tok = tokComma
	case '?':
		tok = tokQuestion
	case '@':
		tok = tokAt
	case '(':
		tok = tokLParen
	case ')':
		tok = tokRParen
	case '{':
		tok = tokLBrace
	case '}':
		tok = tokRBrace
	case '[':
		tok = tokLBracket
	case ']':
		tok = tokRBracket
	case '.':
		tok = tokDot
		if d == '.' && i+2 < len(src) && src[i+2] == '.' {
			tok, n = tokEllipsis, 3
		}
	case '!':
		tok = tokNot
		if d == '=' {
			tok, n = tokNeq, 2
		}
	case '<':
		switch {
		case d == '=':
			tok, n = tokLessEq, 2
		case d == '|':
			tok, n = tokPipeFrom, 2
		default:
			tok = tokLess
			if end := searchPathEnd(src, i); end > 0 {
				tok, n = tokSearchPath, end-i
			}
		}
	case '>':
		tok = tokGreater
		if d == '=' {
			tok, n = tokGreaterEq, 2
		}
	case '&':
		if d == '&' {
			tok, n = tokAnd, 2
		}
	case '|':
		switch {
		case d == '|':
			tok, n = tokOrOr, 2
		case d == '>':
			tok, n = tokPipeTo, 2
		}
	case '-':
		tok = tokMinus
		if d == '>' {
			tok, n = tokImplies, 2
		}
	case '+':
		tok = tokPlus
		if d == '+' {
			tok, n = tokConcat, 2
		}
	case '*':
		tok = tokStar
	case '/':
		switch {
		case d == '/':
			tok, n = tokUpdate, 2
		case class[d]&classPath != 0 || d == '$' && i+2 < len(src) && src[i+2] == '{':
			tok = tokPath
		default:
			tok = tokSlash
		}
	case '~':
		if d == '/' && i+2 < len(src) && (class[src[i+2]]&classPath != 0 || strings.HasPrefix(src[i+2:], "${")) {
			tok = tokHomePath
		}
	}
	s.tok, s.off = tok, i+n
}

// run scans a token that begins with a path character: a path, URI, number or name.
// It returns i if the character is an operator. It scans only the beginning of a
// path; [scanner.pathParts] parses the rest.
func (s *scanner) run(i int) (token, int) {
	src := s.src
	if i >= s.runEnd {
		s.runUnder = -1
		j := i
		for j < len(src) && class[src[j]]&classPath != 0 {
			if src[j] == '_' {
				s.runUnder = j
			}
			j++
		}
		s.runEnd = j
	}
	if end := s.runEnd; end+1 < len(src) {
		switch d := src[end+1]; {
		case src[end] == '/' && (class[d]&classPath != 0 || d == '$' && end+2 < len(src) && src[end+2] == '{'):
			return tokPath, end
		case src[end] == ':' && class[d]&classURI != 0 && class[src[i]]&classLetter != 0 && s.runUnder < i:
			j := end + 1
			for j < len(src) && class[src[j]]&classURI != 0 {
				j++
			}
			return tokURI, j
		}
	}
	c := src[i]
	if class[c]&classIdentStart != 0 {
		j := i + 1
		for j < len(src) && class[src[j]]&classIdent != 0 {
			j++
		}
		return keywordOf(src[i:j]), j
	}
	return numberEnd(src, i)
}

// numberEnd scans [0-9]+ or a float: digits that do not begin with 0, a dot and
// maybe digits, or a dot, maybe with one 0 before it, and digits; then maybe an
// exponent.
func numberEnd(src string, i int) (token, int) {
	j := i
	for j < len(src) && isDigit(src[j]) {
		j++
	}
	whole := j - i
	if j < len(src) && src[j] == '.' {
		k := j + 1
		for k < len(src) && isDigit(src[k]) {
			k++
		}
		if whole > 0 && src[i] != '0' || k > j+1 && (whole == 0 || whole == 1 && src[i] == '0') {
			if e := k; e < len(src) && (src[e] == 'e' || src[e] == 'E') {
				e++
				if e < len(src) && (src[e] == '+' || src[e] == '-') {
					e++
				}
				if e < len(src) && isDigit(src[e]) {
					for e < len(src) && isDigit(src[e]) {
						e++
					}
					k = e
				}
			}
			return tokFloat, k
		}
	}
	return tokInt, j
}

// searchPathEnd returns the end of the <…> at src[i], or 0 if it is not a search
// path.
func searchPathEnd(src string, i int) int {
	j := i + 1
	for j < len(src) && (class[src[j]]&classPath != 0 || src[j] == '/') {
		j++
	}
	if j < len(src) && src[j] == '>' && isSearchPath(src[i+1:j]) {
		return j + 1
	}
	return 0
}

// Classes of characters.
const (
	classIdentStart = 1 << iota
	classIdent
	classPath
	classURI
	classLetter
)

var class = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		if isIdentStart(c) {
			t[i] |= classIdentStart
		}
		if isIdentByte(c) {
			t[i] |= classIdent
		}
		if isPathByte(c) {
			t[i] |= classPath
		}
		if isURIByte(c) {
			t[i] |= classURI
		}
		if isLetter(c) {
			t[i] |= classLetter
		}
	}
	return t
}()
