package syntax

import (
	"strings"
	"unicode/utf8"
)

// str prints a string in the form that its fields ask for. Like nixfmt it prints a
// URI in quotes.
func (p *printer) str(e *String) {
	for _, part := range e.Parts {
		if part.Expr == nil && strings.IndexByte(part.Text, 0) >= 0 {
			p.fail(e.At, "print string %s: %w", short(part.Text), errNUL)
		}
	}
	parts := JoinText(e.Parts)
	switch {
	case e.Indented && !isShort(parts):
		p.indented(parts)
	default:
		p.quoted(parts, e.Lines)
	}
}

// isShort reports whether an indented string is as readable in "…", since it has
// no line breaks, quotes or backslashes.
func isShort(parts []Part) bool {
	for _, q := range parts {
		if q.Expr == nil && strings.ContainsAny(q.Text, "\n\r\"\\") {
			return false
		}
	}
	return true
}

func short(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return Quote(s)
}

// JoinText returns parts with neighbouring texts joined and without empty ones.
func JoinText(parts []Part) []Part {
	clean := true
	for i, q := range parts {
		if q.Expr == nil && (q.Text == "" || i > 0 && parts[i-1].Expr == nil) {
			clean = false
		}
	}
	if clean {
		return parts
	}
	var joined []Part
	for _, q := range parts {
		last := len(joined) - 1
		switch {
		case q.Expr == nil && q.Text == "":
		case q.Expr == nil && last >= 0 && joined[last].Expr == nil:
			joined[last].Text += q.Text
		default:
			joined = append(joined, q)
		}
	}
	return joined
}

func (p *printer) quoted(parts []Part, lines bool) {
	p.text(`"`)
	for i, q := range parts {
		if q.Expr != nil {
			p.interpolation(q.Expr, len(parts) == 1)
			continue
		}
		var b strings.Builder
		escapeString(&b, q.Text, i+1 < len(parts), lines)
		if !lines {
			p.text(b.String())
			continue
		}
		for j, line := range strings.Split(b.String(), "\n") {
			if j > 0 {
				p.add(rawLine)
			}
			p.text(line)
		}
	}
	p.text(`"`)
}

// indented prints ”…” (two single quotes). Parsing it, which removes the common
// indentation and a last line of spaces, gives parts again. A string with a newline
// begins on the line below the quotes.
func (p *printer) indented(parts []Part) {
	p.text("''")
	broken := false
	for _, q := range parts {
		if q.Expr == nil && strings.Contains(q.Text, "\n") {
			broken = true
		}
	}
	anchor := anchorLine(parts)
	p.nested(func() {
		line := 0
		start := true // at the start of a line
		if broken {
			p.add(stringLine)
		}
		for i, q := range parts {
			if q.Expr != nil {
				if start && broken && i == 0 {
					p.padded(0)
				}
				alone := start && (i+1 == len(parts) || strings.HasPrefix(parts[i+1].Text, "\n"))
				p.interpolation(q.Expr, alone)
				start = false
				continue
			}
			last := i+1 == len(parts)
			texts := strings.Split(q.Text, "\n")
			for j, text := range texts {
				end := j+1 == len(texts)
				if j > 0 {
					line++
					start = true
					if end && last && text == "" {
						break // the closing quotes are on this line
					}
					p.add(stringLine)
				}
				// A last line of spaces would be removed.
				keep := end && last && start && text != "" && strings.Trim(text, " ") == ""
				anchored := start && (keep || line == anchor)
				if start && broken && (text != "" || end && !last) {
					own := 0 // leading spaces of the line
					if trimmed := strings.TrimLeft(text, " "); !anchored && (trimmed != "" || end && !last) {
						own = len(text) - len(trimmed)
						text = trimmed
					}
					p.padded(own)
				}
				var b strings.Builder
				escapeIndented(&b, text, end && !last, end && last, anchored)
				p.text(b.String())
				if text != "" {
					start = false
				}
			}
		}
	})
	if n := len(parts); n > 0 && parts[n-1].Expr == nil && strings.HasSuffix(parts[n-1].Text, "\n") {
		p.add(stringLine)
	}
	p.text("''")
}

// anchorLine returns the number of the line whose first space must be escaped,
// because otherwise all lines would seem to be indented, or -1.
func anchorLine(parts []Part) int {
	line, spaces, anchor := 0, 0, -1
	blank := true // only spaces on this line so far
	firstBlank := -1
	filled := func() bool { // called for text on a line: does it begin at column 1?
		if !blank {
			return false
		}
		blank = false
		if spaces == 0 {
			return true
		}
		if anchor < 0 {
			anchor = line
		}
		return false
	}
	for _, q := range parts {
		if q.Expr != nil {
			if filled() {
				return -1
			}
			continue
		}
		for i := 0; i < len(q.Text); i++ {
			switch c := q.Text[i]; {
			case c == '\n':
				if blank && spaces > 0 && firstBlank < 0 {
					firstBlank = line
				}
				line++
				spaces, blank = 0, true
			case c == ' ' && blank:
				spaces++
			default:
				if filled() {
					return -1
				}
			}
		}
	}
	if anchor < 0 {
		anchor = firstBlank
	}
	return anchor
}

func hasNewline(e *String) bool {
	for _, q := range e.Parts {
		if q.Expr == nil && strings.Contains(q.Text, "\n") {
			return true
		}
	}
	return false
}

// interpolation prints ${e}. A short one is on one line even if that is too wide. A
// call alone on a line begins on that line.
func (p *printer) interpolation(e Expr, alone bool) {
	p.group(groupToken, func() {
		p.text("${")
		if isTerm(e) && p.isAbsorbable(e) {
			p.term(e, grouped)
			p.text("}")
			return
		}
		if call, ok := e.(*Apply); ok && alone && !p.noted(e) {
			p.nested(func() { p.apply(call, false) })
			p.text("}")
			return
		}
		inner := len(p.tokens)
		p.nested(func() {
			p.add(breakToken)
			p.expr(e)
		})
		p.add(breakToken)
		if p.isSimple(e) || p.isSimpleNest(e) || p.flatWidth(inner) <= 30 {
			p.closeBreaks(inner)
		}
		p.text("}")
	})
}

// isSimpleNest reports whether e is a call of at most two arguments that are simple
// or such calls themselves.
func (p *printer) isSimpleNest(e Expr) bool {
	call, ok := e.(*Apply)
	if !ok || p.noted(e) {
		return p.isSimple(e)
	}
	f, args := flattenApply(call)
	if len(args) > 2 || !p.isSimple(f) {
		return false
	}
	for _, a := range args {
		if !p.isSimpleNest(a) || isOr(a) {
			return false
		}
	}
	return true
}

// isPlain reports whether e is a variable or an attribute of one.
func isPlain(e Expr) bool {
	switch e := e.(type) {
	case *Ident:
		return true
	case *Select:
		if e.Default != nil {
			return false
		}
		for _, n := range e.Path {
			if n.Expr != nil {
				return false
			}
		}
		return isPlain(e.X)
	}
	return false
}

// flatWidth returns the columns of the tokens from i on one line, or a large number
// if they need several.
func (p *printer) flatWidth(i int) int {
	w := 0
	for ; i < len(p.tokens); i++ {
		switch t := p.tokens[i]; t.kind {
		case textToken:
			w += utf8.RuneCountInString(t.text)
		case spaceToken, lineToken, softToken:
			w++
		case hardToken, emptyToken, stringLine, rawLine:
			return 1 << 30
		}
		if w > 1000 {
			return w
		}
	}
	return w
}

// closeBreaks keeps the tokens from i on one line.
func (p *printer) closeBreaks(i int) {
	for ; i < len(p.tokens); i++ {
		switch t := &p.tokens[i]; t.kind {
		case lineToken, softToken:
			t.kind = spaceToken
		case breakToken, softBreak, commaToken:
			*t = layoutToken{kind: textToken, nest: t.nest}
		}
	}
}

// pathLiteral prints a path as it was written.
func (p *printer) pathLiteral(e *Path) {
	parts := JoinText(e.Parts)
	if !isPath(parts) {
		p.fail(e.At, "print path: not a path")
	}
	for _, q := range parts {
		if q.Expr != nil {
			p.interpolation(q.Expr, false)
		} else {
			p.text(q.Text)
		}
	}
}
