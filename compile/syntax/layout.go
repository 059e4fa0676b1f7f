package syntax

import "unicode/utf8"

// lineWidth is how many columns a line should have at most, not counting its
// indentation.
const lineWidth = 100

// A layout is a document that can be laid out in several ways: text, places
// where a line may break, and groups. A group is put on one line where it fits.
// Where it does not, its priority groups are broken one by one, the last first,
// with all around them still on one line (a call whose last argument is a set
// that does not fit); where that does not help either, every break of the group
// itself becomes a new line. This is how nixfmt's layouts can be described.
//
// Building is cheap appending; prefix sums make the question whether a stretch
// fits a subtraction, so that printing takes time linear in the text.
type layout struct {
	tokens []layoutToken
	nest   int32

	// While rendering:
	out     []byte
	width   []int32 // width[i]: columns of tokens[:i] on one line
	hard    []int32 // hard[i]: line ends in tokens[:i] that must be
	col     int     // of the line, its indentation not counted
	newline int     // line ends to write before the next text
	space   bool    // a space to write before the next text
	indents []indent
	wasted  int // tokens rendered in vain
}

type layoutToken struct {
	kind layoutKind
	nest int32 // of text: how deep it is nested
	pad  int32 // of text that begins a line of an indented string: spaces before it, plus one
	end  int32 // of a group: index of its end
	text string
}

type layoutKind uint8

const (
	textToken  layoutKind = iota
	spaceToken            // a space that stays
	lineToken             // a space or a line end
	softToken             // a space, or a line end where what follows would not fit
	breakToken            // nothing or a line end
	softBreak             // nothing, or a line end where what follows would not fit
	commaToken            // nothing, or a comma where the group is broken
	hardToken             // a line end
	emptyToken            // a line end and an empty line
	stringLine            // a line end inside an indented string: never merged
	rawLine               // a line end inside a "…" string: no indentation follows
	markToken             // nothing; what is behind it is not all of its group
	groupToken
	priorityGroup    // broken before the group around it is
	transparentGroup // its priority groups count as those of the group around it
	groupEnd
)

// An indent is one level of nesting and the column its lines begin at. A level
// that opens in the middle of a line begins at the column of the level around
// it, one that opens at the start of a line two further: however many levels
// open on one line, the next line is indented by one step only.
type indent struct {
	col  int
	nest int32
}

func (l *layout) text(s string) {
	if s != "" {
		l.tokens = append(l.tokens, layoutToken{kind: textToken, text: s, nest: l.nest})
	}
}

// padded begins a line of an indented string that has n spaces of its own: what
// is broken on that line is indented with it.
func (l *layout) padded(n int) {
	l.tokens = append(l.tokens, layoutToken{kind: textToken, nest: l.nest, pad: int32(n) + 1})
}

func (l *layout) add(k layoutKind) { l.tokens = append(l.tokens, layoutToken{kind: k, nest: l.nest}) }

func (l *layout) group(k layoutKind, body func()) {
	at := len(l.tokens)
	l.add(k)
	body()
	l.tokens[at].end = int32(len(l.tokens))
	l.add(groupEnd)
}

func (l *layout) nested(body func()) {
	l.nest++
	body()
	l.nest--
}

// render lays the whole document out and returns the text.
func (l *layout) render() []byte {
	l.measure()
	l.indents = append(l.indents[:0], indent{})
	l.run(0, len(l.tokens), false)
	return l.out
}

func (l *layout) measure() {
	l.width = make([]int32, len(l.tokens)+1)
	l.hard = make([]int32, len(l.tokens)+1)
	for i, t := range l.tokens {
		w, h := int32(0), int32(0)
		switch t.kind {
		case textToken:
			w = int32(utf8.RuneCountInString(t.text))
		case spaceToken, lineToken, softToken:
			w = 1
		case hardToken, emptyToken, stringLine, rawLine:
			h = 1
		}
		l.width[i+1] = l.width[i] + w
		l.hard[i+1] = l.hard[i] + h
	}
}

// run writes tokens[i:j]; flat leaves every optional break closed.
func (l *layout) run(i, j int, flat bool) {
	begun := false // some text of a flat stretch is written
	for ; i < j; i++ {
		t := &l.tokens[i]
		switch t.kind {
		case textToken:
			// A flat stretch counts as one text: it is nested as it begins.
			l.write(t, begun)
			begun = flat
		case spaceToken:
			l.space = true
		case lineToken:
			if flat {
				l.space = true
			} else {
				l.newline = max(l.newline, 1)
			}
		case softToken:
			if flat || l.fits(i, i+1, l.firstLine(i+1)) {
				l.space = true
			} else {
				l.newline = max(l.newline, 1)
			}
		case softBreak:
			if !flat && !l.fits(i, i, l.firstLine(i+1)) {
				l.newline = max(l.newline, 1)
			}
		case breakToken:
			if !flat {
				l.newline = max(l.newline, 1)
			}
		case commaToken:
			if !flat {
				l.out = append(l.out, ',')
				l.col++
			}
		case hardToken:
			l.newline = max(l.newline, 1)
		case emptyToken:
			l.newline = max(l.newline, 2)
		case stringLine:
			l.newline++
		case rawLine:
			l.write(t, false)
			l.out = append(l.out, '\n')
			l.col = 0
		case groupToken, priorityGroup, transparentGroup:
			if !flat {
				l.runGroup(i)
				i = int(t.end)
			}
		}
	}
}

// runGroup writes the group that opens at i.
func (l *layout) runGroup(i int) {
	end := int(l.tokens[i].end)
	if l.fits(i+1, end, l.firstLine(end)) {
		l.run(i+1, end, true)
		return
	}
	if l.tokens[i].kind != transparentGroup && l.tryPriority(i+1, end) {
		return
	}
	l.run(i+1, end, false)
}

// tryPriority looks, from the last to the first, for a priority group between i
// and end that can be broken while the rest stays on the lines it begins and
// ends on. It writes all if it finds one.
func (l *layout) tryPriority(i, end int) bool {
	var found [8]int
	groups := l.priorities(i, end, found[:0])
	start := i
	for n := len(groups) - 1; n >= 0; n-- {
		open := groups[n]
		shut := int(l.tokens[open].end)
		if !l.fits(start, open, l.firstLine(open)) || l.hard[end] > l.hard[shut] {
			continue
		}
		// Breaking a group only to find that the rest does not fit behind
		// it is work in vain, which nesting could multiply.
		if l.wasted > 4*len(l.tokens)+1000 {
			return false
		}
		before := l.save()
		l.run(start, open, true)
		inner, innerEnd := open+1, shut
		for l.isGroup(inner) && int(l.tokens[inner].end) == innerEnd-1 {
			inner, innerEnd = inner+1, innerEnd-1 // a group that is all of a group
		}
		l.run(inner, innerEnd, false)
		// Nothing more to write fits, however long the last line is.
		if rest := l.firstLine(end); rest == 0 && l.width[end] == l.width[shut] || l.fits(shut, end, rest) {
			l.run(shut, end, true)
			return true
		}
		l.restore(before)
		l.wasted += shut - start
	}
	return false
}

func (l *layout) isGroup(i int) bool {
	k := l.tokens[i].kind
	return k == groupToken || k == priorityGroup || k == transparentGroup
}

// priorities appends the priority groups directly between i and j.
func (l *layout) priorities(i, j int, found []int) []int {
	for ; i < j; i++ {
		switch l.tokens[i].kind {
		case priorityGroup:
			found = append(found, i)
			i = int(l.tokens[i].end)
		case groupToken:
			i = int(l.tokens[i].end)
		}
	}
	return found
}

// fits reports whether tokens[i:j] and rest more columns fit on the line.
func (l *layout) fits(i, j, rest int) bool {
	if l.hard[j] > l.hard[i] {
		return false
	}
	col := l.col
	if l.newline > 0 {
		col = 0
	} else if l.space {
		col++
	}
	return col+int(l.width[j]-l.width[i])+rest <= lineWidth
}

// firstLine returns how many columns follow i up to where a line may end.
func (l *layout) firstLine(i int) int {
	w := int32(0)
	for ; i < len(l.tokens); i++ {
		switch l.tokens[i].kind {
		case textToken, spaceToken:
			w += l.width[i+1] - l.width[i]
		case lineToken, softToken, breakToken, softBreak, hardToken, emptyToken, stringLine, rawLine:
			return int(w)
		}
		if w > lineWidth {
			break
		}
	}
	return int(w)
}

// write appends t's text, and before it what was held back. Unless it continues
// a stretch it sets the level of nesting.
func (l *layout) write(t *layoutToken, continues bool) {
	switch {
	case len(l.out) == 0:
		l.newline, l.space = 0, false
	case l.newline > 0:
		for range l.newline {
			l.out = append(l.out, '\n')
		}
		if t.pad > 0 {
			l.dropLevel(t.nest)
		}
		for range l.indentFor(t.nest, 2+max(0, int(t.pad)-1)) {
			l.out = append(l.out, ' ')
		}
		l.col = 0
	default:
		if l.space {
			l.out = append(l.out, ' ')
			l.col++
		}
		if !continues {
			l.indentFor(t.nest, 0)
		}
	}
	l.newline, l.space = 0, false
	l.out = append(l.out, t.text...)
	l.col += utf8.RuneCountInString(t.text)
}

// indentFor returns where lines at depth nest begin, and makes nest the
// innermost level, step columns in from the one around it if it is new.
func (l *layout) indentFor(nest int32, step int) int {
	for len(l.indents) > 1 && l.indents[len(l.indents)-1].nest > nest {
		l.indents = l.indents[:len(l.indents)-1]
	}
	top := l.indents[len(l.indents)-1]
	if nest > top.nest {
		top = indent{top.col + step, nest}
		l.indents = append(l.indents, top)
	}
	return top.col
}

// dropLevel forgets where lines at depth nest begin.
func (l *layout) dropLevel(nest int32) {
	for len(l.indents) > 1 && l.indents[len(l.indents)-1].nest >= nest {
		l.indents = l.indents[:len(l.indents)-1]
	}
}

// layoutState is what rendering changes.
type layoutState struct {
	out, col, newline int
	space             bool
	indents           []indent
}

func (l *layout) save() layoutState {
	return layoutState{len(l.out), l.col, l.newline, l.space, append([]indent(nil), l.indents...)}
}

func (l *layout) restore(s layoutState) {
	l.out, l.col, l.newline, l.space, l.indents = l.out[:s.out], s.col, s.newline, s.space, s.indents
}
