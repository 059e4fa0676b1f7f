package syntax

import "strings"

// A comment is a comment in the text.
type comment struct {
	text  string // without # or /* */
	line  int32  // first line
	end   int32  // last line
	alone bool   // only white space before it on its line
	blank bool   // a blank line above it
}

// A commentScanner collects comments until the parser attaches them to a node. No
// comment is lost: the rest is attached to the end of the bracket or file.
type commentScanner struct {
	pending []comment
	all     map[int]string // for tests: all comments, by offset
}

// add records the comment src[from:to], which ends on line end.
func (c *commentScanner) add(s *scanner, from, to int, at Pos, end int32) {
	before := strings.TrimRight(s.src[:from], " \t")
	alone := before == "" || before[len(before)-1] == '\n' || before[len(before)-1] == '\r'
	if c.all != nil {
		c.all[from] = commentText(s.src[from:to])
	}
	c.pending = append(c.pending, comment{
		text:  commentText(s.src[from:to]),
		line:  at.Line,
		end:   end,
		alone: alone,
		blank: alone && emptyLineAbove(s.src, from),
	})
}

// emptyLineAbove reports whether there is a blank line above that of src[i].
func emptyLineAbove(src string, i int) bool {
	n := 0
	for i > 0 {
		i--
		switch src[i] {
		case '\n':
			if n++; n == 2 {
				return true
			}
		case ' ', '\t', '\r':
		default:
			return false
		}
	}
	return false
}

// commentText returns the lines of a comment as [Note] has them. A comment of
// several lines and a documentation comment keep /* and */.
func commentText(src string) string {
	if src[0] == '#' {
		text := strings.TrimRight(strings.TrimPrefix(src[1:], " "), " \t")
		if isBlockComment(text) {
			text = " " + text // keep it from being printed as a block comment
		}
		return text
	}
	body := src[2 : len(src)-2]
	if !strings.HasPrefix(body, "*") && !strings.ContainsFunc(strings.TrimSpace(body), isLineEnd) {
		return strings.TrimSpace(body)
	}
	var lines []string
	open := "/*"
	if strings.HasPrefix(body, "*") {
		open, body = "/**", body[1:]
	}
	lines = strings.Split(strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n"), "\n")
	if len(lines) == 1 {
		return open + " " + strings.TrimSpace(lines[0]) + " */"
	}
	first := strings.TrimSpace(lines[0])
	lines = dedent(lines[1:])
	if first != "" {
		lines = append([]string{first}, lines...)
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return open + "\n" + strings.Join(lines, "\n") + "\n*/"
}

// dedent removes the white space that all lines, except empty ones, begin with.
func dedent(lines []string) []string {
	least := -1
	for i, l := range lines {
		l = strings.TrimRight(l, " \t")
		lines[i] = l
		if n := len(l) - len(strings.TrimLeft(l, " ")); l != "" && (least < 0 || n < least) {
			least = n
		}
	}
	for i, l := range lines {
		if l != "" {
			lines[i] = l[least:]
		}
	}
	return lines
}

func texts(cs []comment) []string {
	lines := make([]string, len(cs))
	for i, c := range cs {
		lines[i] = c.text
	}
	return lines
}

// takeLeading returns the comments since the last call.
func (p *parser) takeLeading() []comment {
	if len(p.comments.pending) == 0 {
		return nil
	}
	c := append([]comment(nil), p.comments.pending...)
	p.comments.pending = p.comments.pending[:0]
	return c
}

func (p *parser) takeAll() []string {
	return texts(p.takeLeading())
}

// takeFileComment returns the comments at the top of the file.
func (p *parser) takeFileComment() []string { return p.takeAll() }

// note returns the note of a node and creates it if necessary.
func (p *parser) note(node any) *Note {
	n := p.notes[node]
	if n == nil {
		n = &Note{}
		p.notes[node] = n
	}
	return n
}

func (p *parser) noteBefore(node any, cs []comment) {
	n := p.note(node)
	n.Before = append(texts(cs), n.Before...)
	n.Blank = n.Blank || cs[0].blank
}

// blankBefore reports whether there is a blank line above the current token and
// its comments.
func (p *parser) blankBefore() bool {
	for _, c := range p.comments.pending {
		if c.alone {
			return c.blank
		}
	}
	return emptyLineAbove(p.src, p.start)
}

// leadingNote returns the note of the binding that begins here; it may be nil.
func (p *parser) leadingNote(blanks bool) *Note {
	blank := blanks && p.blankBefore()
	before := p.takeAll()
	if !blank && len(before) == 0 {
		return nil
	}
	return &Note{Before: before, Blank: blank}
}

// takeAfter attaches the comment after a node on its last line to the node.
func (p *parser) takeAfter(node any) {
	if text, ok := p.sameLine(); ok {
		p.note(node).After = text
	}
}

func (p *parser) takeAfterBinding(b Binding) {
	text, ok := p.sameLine()
	if !ok {
		return
	}
	note := noteOf(b)
	if note == nil {
		note = &Note{}
		switch b := b.(type) {
		case *Attr:
			b.Note = note
		case *Inherit:
			b.Note = note
		}
	}
	note.After = text
}

// sameLine takes a one-line comment that is not alone on its line.
func (p *parser) sameLine() (string, bool) {
	pending := p.comments.pending
	if len(pending) == 0 || pending[0].alone || strings.Contains(pending[0].text, "\n") {
		return "", false
	}
	// A comment before another element on the line belongs to that element.
	if pending[0].end == p.tokLine && p.tok != tokEOF {
		return "", false
	}
	text := pending[0].text
	p.comments.pending = append(pending[:0], pending[1:]...)
	return text, true
}

// takeInside attaches the comments before the closing bracket of a node to it.
func (p *parser) takeInside(node any) {
	if c := p.takeLeading(); len(c) > 0 {
		p.note(node).Inside = texts(c)
	}
}
