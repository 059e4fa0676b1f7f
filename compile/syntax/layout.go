package syntax

import (
	"io"
	"slices"
	"unicode/utf8"
)

// lineWidth is the preferred maximum of columns of a line without its indentation.
const lineWidth = 100

// A layout is a document of text, possible line breaks and groups. Rendering tries
// for each group, in this order:
//
//  1. the group on one line,
//  2. one of its priority groups broken, the last first, and the rest on one line:
//     a call whose last argument is a wide set,
//  3. a new line at each break of the group itself.
//
// nixfmt works the same way. Building appends tokens; prefix sums tell by a
// subtraction whether a range fits, so that printing takes linear time.
type layout struct {
	tokens []layoutToken
	nest   int32
	gaps   []func() // write what belongs into the gaps

	// While rendering:
	out     []byte
	sink    io.Writer // gets out when it is long; may be nil
	sinkErr error
	begun   bool    // text has been written
	width   []int32 // width[i]: columns of tokens[:i] on one line
	hard    []int32 // hard[i]: mandatory line breaks in tokens[:i]
	col     int     // column without the indentation
	newline int     // pending line breaks
	space   bool    // a pending space
	indents []indent
	wasted  int // tokens rendered by attempts that failed
}

type layoutToken struct {
	kind layoutKind
	nest int32 // of text: how deep it is nested
	pad  int32 // of text that begins a line of an indented string: spaces before it, plus one
	end  int32 // of a group: index of its end; of a gap: its index
	text string
}

type layoutKind uint8

const (
	textToken  layoutKind = iota
	spaceToken            // a space
	lineToken             // a space; a line break if the group is broken
	softToken             // a space; a line break if what follows does not fit
	breakToken            // nothing; a line break if the group is broken
	softBreak             // nothing; a line break if what follows does not fit
	commaToken            // nothing; a comma if the group is broken
	hardToken             // a line break
	emptyToken            // a line break and a blank line
	stringLine            // a line break inside an indented string: never merged
	rawLine               // a line break inside a "…" string: no indentation follows
	markToken             // nothing; the group has more than the rest after it
	groupToken
	priorityGroup    // broken before the group around it is
	transparentGroup // its priority groups count as those of the group around it
	groupEnd
	gapToken // lines that are laid out when rendering comes to them
)

// An indent is a level of nesting and the column of its lines. A level that opens
// at the start of a line is indented two columns more than its parent, and one that
// opens inside a line is not. So the next line is indented by one step, however many
// levels open on a line.
type indent struct {
	col  int
	nest int32
}

func (l *layout) text(s string) {
	if s != "" {
		l.tokens = append(l.tokens, layoutToken{kind: textToken, text: s, nest: l.nest})
	}
}

// padded begins a line of an indented string with n spaces. What is broken on the
// line is indented with it.
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

// gap leaves room for lines that fill writes.
func (l *layout) gap(fill func()) {
	l.tokens = append(l.tokens, layoutToken{kind: gapToken, nest: l.nest, end: int32(len(l.gaps))})
	l.gaps = append(l.gaps, fill)
}

// fill renders lines into the gap that l has come to.
func (l *layout) fill(lines *layout) {
	lines.out, lines.begun = l.out, l.begun
	lines.col, lines.newline, lines.space, lines.indents = l.col, l.newline, l.space, l.indents
	lines.measure()
	lines.run(0, len(lines.tokens), false)
	l.out, l.begun = lines.out, lines.begun
	l.col, l.newline, l.space, l.indents = lines.col, lines.newline, lines.space, lines.indents
	if l.sink != nil && len(l.out) >= flushSize {
		if l.sinkErr == nil {
			_, l.sinkErr = l.sink.Write(l.out)
		}
		l.out = l.out[:0]
	}
}

// flushSize is the number of bytes that a sink gets at once.
const flushSize = 64 << 10

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
		case hardToken, emptyToken, stringLine, rawLine, gapToken:
			h = 1
		}
		l.width[i+1] = l.width[i] + w
		l.hard[i+1] = l.hard[i] + h
	}
}

// run writes tokens[i:j]. If flat is true it makes no optional line break.
func (l *layout) run(i, j int, flat bool) {
	begun := false // text of a flat range has been written
	for ; i < j; i++ {
		t := &l.tokens[i]
		switch t.kind {
		case textToken:
			// A flat range has the nesting of its first text.
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
		case gapToken:
			l.gaps[t.end]()
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

// tryPriority looks, from the last to the first, for a priority group in
// tokens[i:end] such that breaking only it makes the rest fit. If it finds one, it
// writes tokens[i:end].
func (l *layout) tryPriority(i, end int) bool {
	var found [8]int
	groups := l.priorities(i, end, found[:0])
	start := i
	for n := len(groups) - 1; n >= 0; n-- {
		open := groups[n]
		shut := int(l.tokens[open].end)
		if !l.fits(start, open, l.firstLine(open)) || l.hard[end] > l.hard[shut] || l.hasGap(open, shut) {
			continue
		}
		// Bound the failed attempts, which nesting could multiply.
		if l.wasted > 4*len(l.tokens)+1000 {
			return false
		}
		before := l.save()
		l.run(start, open, true)
		inner, innerEnd := open+1, shut
		for l.isGroup(inner) && int(l.tokens[inner].end) == innerEnd-1 {
			inner, innerEnd = inner+1, innerEnd-1 // a group whose only element is a group
		}
		l.run(inner, innerEnd, false)
		// If nothing follows, the length of the last line does not matter.
		if rest := l.firstLine(end); rest == 0 && l.width[end] == l.width[shut] || l.fits(shut, end, rest) {
			l.run(shut, end, true)
			return true
		}
		l.restore(before)
		l.wasted += shut - start
	}
	return false
}

// hasGap reports whether a gap is in tokens[i:j]: an attempt to render it could not
// be undone.
func (l *layout) hasGap(i, j int) bool {
	return len(l.gaps) > 0 && slices.ContainsFunc(l.tokens[i:j], func(t layoutToken) bool { return t.kind == gapToken })
}

func (l *layout) isGroup(i int) bool {
	k := l.tokens[i].kind
	return k == groupToken || k == priorityGroup || k == transparentGroup
}

// priorities appends the priority groups of tokens[i:j], without nested ones.
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

// fits reports whether tokens[i:j] and rest further columns fit on the line.
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

// firstLine returns the number of columns from i to the next possible line break.
func (l *layout) firstLine(i int) int {
	w := int32(0)
	for ; i < len(l.tokens); i++ {
		switch l.tokens[i].kind {
		case textToken, spaceToken:
			w += l.width[i+1] - l.width[i]
		case lineToken, softToken, breakToken, softBreak, hardToken, emptyToken, stringLine, rawLine, gapToken:
			return int(w)
		}
		if w > lineWidth {
			break
		}
	}
	return int(w)
}

// write appends pending space and the text of t. It sets the level of nesting
// unless t continues a flat range.
func (l *layout) write(t *layoutToken, continues bool) {
	switch {
	case !l.begun:
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
	l.newline, l.space, l.begun = 0, false, true
	l.out = append(l.out, t.text...)
	l.col += utf8.RuneCountInString(t.text)
}

// indentFor returns the column of lines at depth nest and makes nest the innermost
// level. A new level is step columns further in than its parent.
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

// dropLevel removes the level at depth nest.
func (l *layout) dropLevel(nest int32) {
	for len(l.indents) > 1 && l.indents[len(l.indents)-1].nest >= nest {
		l.indents = l.indents[:len(l.indents)-1]
	}
}

// layoutState is the state of rendering, to return to after a failed attempt.
type layoutState struct {
	out, col, newline int
	space, begun      bool
	indents           []indent
}

func (l *layout) save() layoutState {
	return layoutState{len(l.out), l.col, l.newline, l.space, l.begun, append([]indent(nil), l.indents...)}
}

func (l *layout) restore(s layoutState) {
	l.out, l.col, l.newline, l.space, l.begun, l.indents = l.out[:s.out], s.col, s.newline, s.space, s.begun, s.indents
}
