package syntax

import "strings"

// before prints the comments above a node, once.
func (p *printer) before(node any) {
	if n := p.notes[node]; n != nil && len(n.Before) > 0 && !p.above[node] {
		if p.above == nil {
			p.above = map[any]bool{}
		}
		p.above[node] = true
		for _, c := range n.Before {
			p.comment(c)
		}
	}
}

// inside prints the comments before the closing bracket of a node.
func (p *printer) inside(node any) {
	if n := p.notes[node]; n != nil && len(n.Inside) > 0 {
		p.add(hardToken)
		for _, c := range n.Inside {
			p.comment(c)
		}
	}
}

func (p *printer) hasInside(node any) bool {
	n := p.notes[node]
	return n != nil && len(n.Inside) > 0
}

// noted reports whether e has comments above or after it.
func (p *printer) noted(e Expr) bool {
	n := p.notes[e]
	return n != nil && (len(n.Before) > 0 || n.After != "" || len(n.Inside) > 0 && !isBracket(e))
}

// isBracket reports whether e ends in a bracket that may have comments before it.
func isBracket(e Expr) bool {
	switch e.(type) {
	case *Attrs, *List, *LegacyLet, *Let:
		return true
	}
	return false
}

// comment prints a comment. It stays a comment for any text.
func (p *printer) comment(text string) {
	if isBlockComment(text) {
		p.blockComment(text)
		return
	}
	for _, line := range strings.FieldsFunc(text, isLineEnd) {
		line = strings.TrimRight(strings.ReplaceAll(line, "\x00", "\uFFFD"), " \t")
		switch {
		case line == "":
			p.text("#")
		case line[0] == '!' || line[0] == '#':
			p.text("#" + line)
		default:
			p.text("# " + line)
		}
		p.add(hardToken)
	}
	if text == "" {
		p.text("#")
		p.add(hardToken)
	}
}

// isBlockComment reports whether text is exactly one /* … */.
func isBlockComment(text string) bool {
	return len(text) >= 4 && strings.HasPrefix(text, "/*") && strings.HasSuffix(text, "*/") &&
		strings.Index(text[2:], "*/") == len(text)-4
}

func (p *printer) blockComment(text string) {
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\r", "\n"), "\n")
	for i, line := range lines {
		if i > 0 {
			p.add(stringLine)
		}
		line = strings.TrimRight(line, " \t")
		if i > 0 && i < len(lines)-1 && line != "" {
			line = "  " + line
		}
		p.text(line)
	}
	p.add(hardToken)
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }
