package eval

import (
	"errors"
	"strconv"
	"strings"
)

// A pattern is a POSIX extended regular expression over bytes. Nix takes C++'s
// std::regex for match and split, so what counts is what that does: it goes
// through the ways to match depth first, takes all branches of an alternative,
// and of the longest matches keeps the first it met. That decides what groups
// capture.
//
// A program of states is run with backtracking; what came out of a state at a
// position is remembered once a match takes long, so that no pattern takes
// more than (states × length) steps.
type pattern struct {
	states []patternState
	start  int
	groups int
}

type patternState struct {
	op    patternOp
	next  int
	alt   int        // matchEither, matchRepeat: tried before next
	bytes *[256]bool // matchByte
	group int        // openGroup, closeGroup
}

type patternOp uint8

const (
	matchNothing patternOp = iota // goes on to next
	matchByte
	matchEither // alt and next, both
	matchRepeat // alt once more, else next
	openGroup
	closeGroup
	atBegin
	atEnd
	accept
)

// maxPatternStates is where std::regex gives up, too.
const maxPatternStates = 100_000

var errPatternSpace = errors.New("memory limit exceeded by regular expression")

// parsePattern reads an extended regular expression.
func parsePattern(text string) (p *pattern, err error) {
	c := &patternCompiler{text: text}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(patternError)
			if !ok {
				panic(r)
			}
			err = e.err
		}
	}()
	whole := c.alternatives()
	if c.at < len(text) {
		c.fail("unexpected " + strconv.Quote(text[c.at:c.at+1]))
	}
	end := c.add(patternState{op: accept})
	c.states[whole.last].next = end
	return &pattern{c.states, whole.first, c.groups}, nil
}

type patternError struct{ err error }

type patternCompiler struct {
	text   string
	at     int
	states []patternState
	groups int
	depth  int
}

func (c *patternCompiler) fail(msg string) { panic(patternError{errors.New(msg)}) }

func (c *patternCompiler) add(s patternState) int {
	if len(c.states) >= maxPatternStates {
		panic(patternError{errPatternSpace})
	}
	c.states = append(c.states, s)
	return len(c.states) - 1
}

// A fragment is a part of a program; its last state's next is still open.
type fragment struct{ first, last int }

func (c *patternCompiler) single(s patternState) fragment {
	i := c.add(s)
	return fragment{i, i}
}

func (c *patternCompiler) join(a, b fragment) fragment {
	c.states[a.last].next = b.first
	return fragment{a.first, b.last}
}

// alternatives reads a|b|c.
func (c *patternCompiler) alternatives() fragment {
	if c.depth++; c.depth > 1000 {
		c.fail("nested too deeply")
	}
	left := c.sequence()
	for c.at < len(c.text) && c.text[c.at] == '|' {
		c.at++
		right := c.sequence()
		end := c.add(patternState{})
		c.states[left.last].next = end
		c.states[right.last].next = end
		left = fragment{c.add(patternState{op: matchEither, alt: left.first, next: right.first}), end}
	}
	c.depth--
	return left
}

// sequence reads terms one after the other.
func (c *patternCompiler) sequence() fragment {
	f := c.single(patternState{})
	for c.at < len(c.text) && c.text[c.at] != '|' && c.text[c.at] != ')' {
		f = c.join(f, c.term())
	}
	return f
}

// term reads an anchor, or an atom with what repeats it.
func (c *patternCompiler) term() fragment {
	switch c.text[c.at] {
	case '^':
		c.at++
		return c.single(patternState{op: atBegin})
	case '$':
		c.at++
		return c.single(patternState{op: atEnd})
	}
	begin := len(c.states)
	f := c.atom()
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case '*':
			c.at++
			f = c.star(f)
		case '+':
			c.at++
			loop := c.add(patternState{op: matchRepeat, alt: f.first})
			c.states[f.last].next = loop
			f = fragment{f.first, loop}
		case '?':
			c.at++
			f = c.optional(f)
		case '{':
			f = c.interval(f, begin)
		default:
			return f
		}
	}
	return f
}

func (c *patternCompiler) star(f fragment) fragment {
	loop := c.add(patternState{op: matchRepeat, alt: f.first})
	c.states[f.last].next = loop
	return fragment{loop, loop}
}

func (c *patternCompiler) optional(f fragment) fragment {
	end := c.add(patternState{})
	c.states[f.last].next = end
	return fragment{c.add(patternState{op: matchRepeat, alt: f.first, next: end}), end}
}

// interval reads {n}, {n,} or {n,m}: n copies of the atom, whose states are all
// from begin on, and as many optional ones as may follow.
func (c *patternCompiler) interval(f fragment, begin int) fragment {
	c.at++
	least, ok := c.number()
	if !ok {
		c.fail("invalid interval")
	}
	most, bounded := least, true
	if c.at < len(c.text) && c.text[c.at] == ',' {
		c.at++
		most, bounded = c.number()
	}
	if c.at >= len(c.text) || c.text[c.at] != '}' || bounded && most < least {
		c.fail("invalid interval")
	}
	c.at++
	end := len(c.states)
	copy := func() fragment { return c.copy(f, begin, end) }
	out := c.single(patternState{})
	for range least {
		out = c.join(out, copy())
	}
	if !bounded {
		return c.join(out, c.star(copy()))
	}
	done := c.add(patternState{})
	for range most - least {
		g := copy()
		more := c.add(patternState{op: matchRepeat, alt: g.first, next: done})
		out = c.join(out, fragment{more, g.last})
		// The repeat's own next stays: joining set only the previous one's.
	}
	return c.join(out, fragment{done, done})
}

func (c *patternCompiler) number() (int, bool) {
	start := c.at
	for c.at < len(c.text) && c.text[c.at] >= '0' && c.text[c.at] <= '9' {
		c.at++
	}
	if start == c.at {
		return 0, false
	}
	n, err := strconv.Atoi(c.text[start:c.at])
	if err != nil || n > maxPatternStates {
		panic(patternError{errPatternSpace})
	}
	return n, true
}

// copy repeats the states from begin to end and returns the copy of f.
func (c *patternCompiler) copy(f fragment, begin, end int) fragment {
	shift := len(c.states) - begin
	for i := begin; i < end; i++ {
		s := c.states[i]
		if s.next >= begin && s.next < end {
			s.next += shift
		}
		if s.alt >= begin && s.alt < end {
			s.alt += shift
		}
		c.add(s)
	}
	return fragment{f.first + shift, f.last + shift}
}

// atom reads a group, a bracket, an escaped or a plain byte.
func (c *patternCompiler) atom() fragment {
	b := c.text[c.at]
	switch b {
	case '(':
		return c.group()
	case '[':
		return c.single(patternState{op: matchByte, bytes: c.bracket()})
	case '.':
		c.at++
		var set [256]bool
		for i := 1; i < 256; i++ {
			set[i] = true
		}
		return c.single(patternState{op: matchByte, bytes: &set})
	case '\\':
		c.at++
		if c.at == len(c.text) {
			c.fail("invalid escape at the end")
		}
		if b = c.text[c.at]; !strings.ContainsRune(`.[\()*+?{|^$}]`, rune(b)) {
			c.fail("invalid escape " + strconv.Quote(string(b)))
		}
	case '*', '+', '?', '{':
		c.fail("nothing to repeat")
	}
	c.at++
	var set [256]bool
	set[b] = true
	return c.single(patternState{op: matchByte, bytes: &set})
}

func (c *patternCompiler) group() fragment {
	c.at++
	c.groups++
	n := c.groups
	open := c.single(patternState{op: openGroup, group: n})
	body := c.alternatives()
	if c.at >= len(c.text) || c.text[c.at] != ')' {
		c.fail("parenthesis is not closed")
	}
	c.at++
	return c.join(c.join(open, body), c.single(patternState{op: closeGroup, group: n}))
}

// bracket reads [a-z[:digit:]_]; backslashes in it are plain bytes.
func (c *patternCompiler) bracket() *[256]bool {
	var set [256]bool
	c.at++
	negated := c.at < len(c.text) && c.text[c.at] == '^'
	if negated {
		c.at++
	}
	for first := true; ; first = false {
		if c.at >= len(c.text) {
			c.fail("bracket is not closed")
		}
		b := c.text[c.at]
		if b == ']' && !first {
			c.at++
			break
		}
		if name, ok := c.named(); ok {
			c.class(&set, name)
			continue
		}
		low, _ := c.element()
		if c.at+1 < len(c.text) && c.text[c.at] == '-' && c.text[c.at+1] != ']' {
			c.at++
			high, ok := c.element()
			if !ok || int8(low) > int8(high) {
				c.fail("invalid range in a bracket")
			}
			for i := int(int8(low)); i <= int(int8(high)); i++ { // bytes are signed there
				set[byte(i)] = true
			}
			continue
		}
		set[low] = true
	}
	if negated {
		for i := range set {
			set[i] = !set[i]
		}
	}
	return &set
}

// named reads [:name:].
func (c *patternCompiler) named() (string, bool) {
	if !strings.HasPrefix(c.text[c.at:], "[:") {
		return "", false
	}
	end := strings.Index(c.text[c.at+2:], ":]")
	if end < 0 {
		c.fail("class in a bracket is not closed")
	}
	name := c.text[c.at+2 : c.at+2+end]
	c.at += end + 4
	return name, true
}

// element reads one byte of a bracket, also as [.x.] or [=x=].
func (c *patternCompiler) element() (byte, bool) {
	if c.at >= len(c.text) {
		c.fail("bracket is not closed")
	}
	rest := c.text[c.at:]
	if len(rest) >= 2 && rest[0] == '[' && (rest[1] == '.' || rest[1] == '=') {
		if len(rest) < 5 || rest[3] != rest[1] || rest[4] != ']' {
			c.fail("invalid collating element")
		}
		c.at += 5
		return rest[2], true
	}
	c.at++
	return rest[0], true
}

func (c *patternCompiler) class(set *[256]bool, name string) {
	member, ok := byteClasses[name]
	if !ok {
		c.fail("invalid class " + strconv.Quote(name))
	}
	for i := range 128 {
		if member(byte(i)) {
			set[i] = true
		}
	}
}

// byteClasses are the classes of the C locale.
var byteClasses = map[string]func(b byte) bool{
	"lower":  isLower,
	"upper":  isUpper,
	"alpha":  func(b byte) bool { return isLower(b) || isUpper(b) },
	"digit":  isDigit,
	"d":      isDigit,
	"alnum":  isAlnum,
	"w":      func(b byte) bool { return isAlnum(b) || b == '_' },
	"xdigit": func(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' },
	"blank":  func(b byte) bool { return b == ' ' || b == '\t' },
	"space":  isSpace,
	"s":      isSpace,
	"cntrl":  func(b byte) bool { return b < ' ' || b == 127 },
	"graph":  func(b byte) bool { return b > ' ' && b < 127 },
	"print":  func(b byte) bool { return b >= ' ' && b < 127 },
	"punct":  func(b byte) bool { return b > ' ' && b < 127 && !isAlnum(b) },
}

func isLower(b byte) bool { return b >= 'a' && b <= 'z' }
func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isDigit(b byte) bool { return b >= '0' && b <= '9' }
func isAlnum(b byte) bool { return isLower(b) || isUpper(b) || isDigit(b) }
func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// A matcher matches one pattern against one text.
type matcher struct {
	p       *pattern
	text    string
	begin   int  // where the match has to begin
	whole   bool // the match has to reach the end
	notNull bool // the match must not be empty
	spend   func(int)

	groups []int // of the way being tried: begin and end of each; -1 for none
	best   []int // of the best match so far
	end    int   // of the best match, -1 for none
	loops  []loopCount
	steps  int
	depth  int
	known  []uint8 // per position and state: 1 no match, 2 a match; made late
}

type loopCount struct{ at, n int }

// match returns where the whole text's groups are (pairs of positions, -1 where
// a group took no part; group 0 is the match), or nil.
func (p *pattern) match(text string, spend func(int)) []int {
	m := matcher{p: p, text: text, whole: true, spend: spend}
	return m.from(0)
}

// search returns the first match at or after from.
func (p *pattern) search(text string, from int, spend func(int)) []int {
	// What fails from one place on fails from the next: m remembers it.
	m := matcher{p: p, text: text, spend: spend}
	for ; from <= len(text); from++ {
		if g := m.from(from); g != nil {
			return g
		}
	}
	return nil
}

// searchHere returns a match at from that is not empty.
func (p *pattern) searchHere(text string, from int, spend func(int)) []int {
	m := matcher{p: p, text: text, notNull: true, spend: spend}
	return m.from(from)
}

func (m *matcher) from(begin int) []int {
	m.begin, m.end = begin, -1
	if m.groups == nil {
		n := 2 * (m.p.groups + 1)
		both := make([]int, 2*n)
		m.groups, m.best = both[:n], both[n:]
	}
	for i := range m.groups {
		m.groups[i] = -1
	}
	m.spend(1)
	if !m.run(m.p.start, begin) {
		return nil
	}
	m.best[0], m.best[1] = begin, m.end
	return m.best
}

// remember is after how many steps results are remembered.
const remember = 16 * 1024

// maxPatternSteps is where a match is given up: some seconds. What needs that
// many grows with the square of the text at least.
const maxPatternSteps = 1 << 29

var (
	errPatternDepth = &Error{Kind: LimitError, Msg: "stack overflow (regular expression on a long string)"}
	errPatternSteps = &Error{Kind: LimitError, Msg: "regular expression takes too many steps on a long string"}
)

// run tries all ways from a state at a position and reports whether any
// matches.
func (m *matcher) run(state, at int) bool {
	if m.steps++; m.steps%1024 == 0 {
		m.spend(1024)
		if m.steps > maxPatternSteps {
			panic(errPatternSteps)
		}
		if m.steps == remember && len(m.text)*len(m.p.states) < 1<<30 {
			m.known = make([]uint8, (len(m.text)+1)*len(m.p.states))
		}
	}
	if m.depth++; m.depth > 2_000_000 {
		panic(errPatternDepth)
	}
	found := m.step(state, at)
	m.depth--
	return found
}

func (m *matcher) step(state, at int) bool {
	for {
		s := &m.p.states[state]
		switch s.op {
		case matchNothing:
			state = s.next
		case matchByte:
			if at == len(m.text) || !s.bytes[m.text[at]] {
				return false
			}
			at++
			state = s.next
		case atBegin:
			if at != 0 {
				return false
			}
			state = s.next
		case atEnd:
			if at != len(m.text) {
				return false
			}
			state = s.next
		case openGroup:
			old := m.groups[2*s.group]
			m.groups[2*s.group] = at
			found := m.run(s.next, at)
			m.groups[2*s.group] = old
			return found
		case closeGroup:
			old := m.groups[2*s.group+1]
			m.groups[2*s.group+1] = at
			found := m.run(s.next, at)
			m.groups[2*s.group+1] = old
			return found
		case accept:
			return m.accepted(at)
		default:
			return m.choose(state, s, at)
		}
	}
}

func (m *matcher) accepted(at int) bool {
	if m.whole && at != len(m.text) || m.notNull && at == m.begin {
		return false
	}
	if at > m.end {
		m.end = at
		copy(m.best, m.groups)
	}
	return true
}

// choose tries both ways a state offers, unless it is known what comes of it.
func (m *matcher) choose(state int, s *patternState, at int) bool {
	var known *uint8
	if m.known != nil {
		known = &m.known[at*len(m.p.states)+state]
		if *known != 0 {
			return *known == 2
		}
	}
	var found bool
	if s.op == matchEither {
		found = m.run(s.alt, at)
		if !found || !m.whole { // where all must match, no later way is longer
			found = m.run(s.next, at) || found
		}
	} else {
		found = m.repeat(state, s, at)
	}
	if m.known != nil {
		known = &m.known[at*len(m.p.states)+state]
		*known = 1
		if found {
			*known = 2
		}
	}
	return found
}

// repeat tries once more, and only if nothing comes of it, to go on. A body
// that matches nothing is entered at most twice at the same place.
func (m *matcher) repeat(state int, s *patternState, at int) bool {
	if body := &m.p.states[s.alt]; body.op == matchByte && body.next == state {
		// The commonest loops take single bytes: no need to recurse for each.
		end := at
		for end < len(m.text) && body.bytes[m.text[end]] {
			end++
		}
		for ; end >= at; end-- {
			if m.run(s.next, end) {
				return true
			}
		}
		return false
	}
	if m.loops == nil {
		m.loops = make([]loopCount, len(m.p.states))
	}
	old := m.loops[state]
	switch {
	case old.n == 0 || old.at != at:
		m.loops[state] = loopCount{at, 1}
	case old.n < 2:
		m.loops[state].n++
	default:
		return m.run(s.next, at)
	}
	found := m.run(s.alt, at)
	m.loops[state] = old
	return found || m.run(s.next, at)
}
