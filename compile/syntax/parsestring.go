package syntax

import (
	"math"
	"strings"
)

// stringParts parses a "…" string, whose opening quote is already consumed, with
// its closing quote.
func (p *parser) stringParts(e *String) {
	base := len(p.parts)
	for {
		at := p.here(p.off)
		text, interp := p.stringText(e)
		if text != "" {
			p.noNUL(text, at)
			p.parts = append(p.parts, Part{At: at, Text: text})
		}
		if !interp {
			break
		}
		p.interpolated()
	}
	e.Parts = p.popParts(base)
}

func (p *parser) popParts(base int) []Part {
	list := append([]Part(nil), p.parts[base:]...)
	clear(p.parts[base:])
	p.parts = p.parts[:base]
	return list
}

// interpolated parses ${ … } and appends it to the parts.
func (p *parser) interpolated() {
	at := p.here(p.off)
	p.off += len("${")
	p.next()
	x := p.expr()
	if p.tok != tokRBrace {
		p.unexpected(tokRBrace)
	}
	p.parts = append(p.parts, Part{At: at, Expr: x})
}

// noNUL rejects a text with a NUL byte, which Nix strings cannot contain.
func (p *parser) noNUL(text string, at Pos) {
	if strings.IndexByte(text, 0) >= 0 {
		p.fail(at, "input string '%s' cannot be represented as Nix string because it contains null bytes",
			strings.ReplaceAll(text, "\x00", "␀"))
	}
}

// atEnd reports the end of the text inside a string.
func (p *parser) atEnd(i int, expected ...token) {
	p.off, p.start, p.tok = i, i, tokEOF
	p.tokLine, p.tokStart = p.line, p.lineStart
	p.unexpected(expected...)
}

// stringText parses up to the closing quote, which it consumes, or up to a ${. Text
// without escapes, the usual case, is a slice of the source.
func (p *parser) stringText(e *String) (text string, interp bool) {
	src, from, i := p.src, p.off, p.off
	var b strings.Builder
	for i < len(src) {
		switch c := src[i]; c {
		case '"':
			b.WriteString(src[from:i])
			p.off = i + 1
			return textOf(&b, src[from:i]), false
		case '$':
			if i+1 == len(src) {
				i++
				continue
			}
			switch src[i+1] {
			case '{':
				p.off = i
				b.WriteString(src[from:i])
				return textOf(&b, src[from:i]), true
			case '"', '\\', '\n', '\r':
				i++
			default:
				i += 2 // $$ is two dollar signs, whatever follows
			}
		case '\\':
			b.WriteString(src[from:i])
			i++
			if i == len(src) {
				break
			}
			i = p.escape(&b, i)
			from = i
		case '\n':
			e.Lines = true
			i = p.newline(i)
		case '\r':
			// \r\n and \r stand for \n.
			e.Lines = true
			b.WriteString(src[from:i])
			b.WriteByte('\n')
			i = p.newline(i)
			from = i
		default:
			i++
		}
	}
	p.atEnd(len(src), tokString)
	panic("unreachable")
}

// textOf returns the text that was built, or else the slice of the source.
func textOf(b *strings.Builder, last string) string {
	if b.Len() == len(last) {
		return last
	}
	return b.String()
}

// escape writes the character that the escape \ src[i] stands for, and returns the
// offset after it.
func (p *parser) escape(b *strings.Builder, i int) int {
	switch c := p.src[i]; c {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '\n', '\r':
		b.WriteByte('\n')
		return p.newline(i)
	default:
		b.WriteByte(c)
	}
	return i + 1
}

// An indentedPiece is a piece of an indented string with its indentation.
type indentedPiece struct {
	at     Pos
	text   string
	expr   Expr
	indent bool // leading spaces are indentation, since it is not an escape
}

// indentedParts parses an indented string, whose opening quotes are already
// consumed, with its closing quotes.
func (p *parser) indentedParts() []Part {
	var pieces []indentedPiece
	src, from, i := p.src, p.off, p.off
	fromAt := p.here(from)
	flush := func(indent bool) {
		if from < i {
			pieces = append(pieces, indentedPiece{at: fromAt, text: src[from:i], indent: indent})
		}
	}
	restart := func(at int) {
		i, from = at, at
		fromAt = p.here(at)
	}
	// escape adds a piece that is an escape of n bytes in the source.
	escape := func(text string, n int) {
		flush(true)
		pieces = append(pieces, indentedPiece{at: p.here(i), text: text})
		restart(i + n)
	}
	for {
		if i >= len(src) {
			p.atEnd(len(src), tokIndentedText, tokDollarCurly, tokIndentedEnd)
		}
		rest := src[i:]
		switch c := rest[0]; {
		case c == '\n':
			i = p.newline(i)
		case c == '\r':
			i++
			if i == len(src) || src[i] != '\n' {
				p.newline(i - 1)
			}
		case c == '$' && strings.HasPrefix(rest, "${"):
			flush(true)
			p.off = i
			p.interpolated()
			last := p.parts[len(p.parts)-1]
			p.parts = p.parts[:len(p.parts)-1]
			pieces = append(pieces, indentedPiece{at: last.At, expr: last.Expr})
			restart(p.off)
		case c == '$' && (len(rest) == 1 || rest[1] == '\''):
			escape("$", 1)
		case c == '$' && rest[1] != '\n' && rest[1] != '\r':
			i += 2 // $$ is two dollar signs, whatever follows
		case c == '\'' && strings.HasPrefix(rest, "''"):
			switch {
			case strings.HasPrefix(rest, "''$"):
				escape("$", 3)
			case strings.HasPrefix(rest, "'''"):
				escape("''", 3)
			case strings.HasPrefix(rest, `''\`) && len(rest) > 3:
				flush(true)
				at := p.here(i)
				var b strings.Builder
				n := p.escape(&b, i+3)
				pieces = append(pieces, indentedPiece{at: at, text: b.String()})
				restart(n)
			default:
				flush(true)
				p.off = i + 2
				for _, q := range pieces {
					p.noNUL(q.text, q.at)
				}
				return stripIndentation(pieces)
			}
		case c == '\'' && (len(rest) == 1 || rest[1] == '$'):
			escape("'", 1)
		default:
			i++
		}
	}
}

// stripIndentation removes the spaces that all lines begin with, except lines of
// spaces only, and removes a last line of spaces.
func stripIndentation(pieces []indentedPiece) []Part {
	indent := commonIndent(pieces)
	parts := make([]Part, 0, len(pieces))
	start := true // at the start of a line
	dropped := 0  // spaces removed from this line
	for n, q := range pieces {
		if q.expr != nil {
			start, dropped = false, 0
			parts = append(parts, Part{At: q.at, Expr: q.expr})
			continue
		}
		text := q.text
		if indent > 0 {
			var b strings.Builder
			for i := 0; i < len(text); i++ {
				c := text[i]
				switch {
				case c == '\n':
					start, dropped = true, 0
				case start && c == ' ' && dropped < indent:
					dropped++
					continue
				case start:
					start, dropped = false, 0
				}
				b.WriteByte(c)
			}
			text = b.String()
		}
		if n == len(pieces)-1 {
			if i := strings.LastIndexByte(text, '\n'); i >= 0 && strings.Trim(text[i+1:], " ") == "" {
				text = text[:i+1]
			}
		}
		if text != "" {
			parts = append(parts, Part{At: q.at, Text: text})
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return parts
}

func commonIndent(pieces []indentedPiece) int {
	least, spaces, start := math.MaxInt, 0, true
	filled := func() {
		if start {
			start = false
			least = min(least, spaces)
		}
	}
	for _, q := range pieces {
		if !q.indent {
			filled()
			continue
		}
		for i := 0; i < len(q.text); i++ {
			switch c := q.text[i]; {
			case c == '\n':
				start, spaces = true, 0
			case !start:
			case c == ' ':
				spaces++
			default:
				filled()
			}
		}
	}
	return least
}

// checkSlashes refuses what Nix refuses in the text of a path before its first
// interpolation. Nix scans src[start:end] as segments, /a each, and a double slash
// ends a series of them. One more piece of text may follow the first series, and
// only before an interpolation: ./a//b is no path, ./a//b${c} is one.
func (p *parser) checkSlashes(start, end int) {
	more := 0 // pieces of text after the first series of segments
	for i := p.segments(start, end); i < end; {
		if more++; more == 2 {
			p.fail(p.here(i), "syntax error, unexpected string, expecting '${'")
		}
		i = max(p.segments(i, end), i+1)
	}
	if more > 0 && p.src[end-1] != '/' && !strings.HasPrefix(p.src[end:], "${") {
		p.fail(p.here(start), "syntax error, unexpected end of path, expecting '${'")
	}
}

// segments returns the end of the segments at src[i:end], with one slash behind them.
func (p *parser) segments(i, end int) int {
	for i < end && p.src[i] != '/' {
		i++
	}
	for i+1 < end && p.src[i] == '/' && p.src[i+1] != '/' {
		for i++; i < end && p.src[i] != '/'; i++ {
		}
	}
	if i < end {
		i++
	}
	return i
}

// slashAt returns where Nix sees the slash that ends a path, whose last text is src[from:to]: in what it has read last.
func slashAt(src string, from, to int) int {
	switch {
	case to < len(src):
		return to
	case strings.HasSuffix(src[from:to], "//"):
		return to - 1
	}
	return from
}

// pathParts parses a path that begins with the current token, and makes the whole
// path the current token.
func (p *parser) pathParts() []Part {
	base := len(p.parts)
	start, tokLine, tokStart := p.start, p.tokLine, p.tokStart
	tok := p.tok
	src := p.src
	i := p.start
	if p.tok == tokHomePath {
		i++
	}
	text := i
	for {
		from := i
		if i == start+1 && tok == tokHomePath {
			from = start
		}
		text = from
		for i < len(src) && (class[src[i]]&classPath != 0 || src[i] == '/') {
			i++
		}
		if i > from {
			if from == start {
				p.checkSlashes(start, i)
			}
			p.parts = append(p.parts, Part{At: p.here(from), Text: src[from:i]})
			if from == start && p.lints != (Lints{}) {
				p.lintPath(p.here(start), src[from:i])
			}
		}
		if !strings.HasPrefix(src[i:], "${") {
			break
		}
		p.off = i
		p.interpolated()
		i = p.off
	}
	p.off, p.start, p.tokLine, p.tokStart, p.tok = i, start, tokLine, tokStart, tok
	if src[i-1] == '/' {
		p.fail(p.here(slashAt(src, text, i)), "path has a trailing slash")
	}
	return p.popParts(base)
}
