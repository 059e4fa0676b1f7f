package ere

import "errors"

// A matcher matches one pattern against one text, by backtracking.
type matcher struct {
	p        *Pattern
	text     string
	begin    int  // where the match begins
	whole    bool // the match has to reach the end of text
	nonEmpty bool // the match must not be empty
	meter    Meter

	groups []int // begin and end of each group on the current path; -1 if it took no part
	best   []int // groups of the best match so far
	end    int   // end of the best match so far, -1 for none
	loops  []loopCount
	steps  int
	depth  int
	memo   []outcome // by position and state; allocated once a match takes rememberAfter steps
}

// A loopCount counts how often a loop's body was entered at a position.
type loopCount struct{ at, n int }

// An outcome is whether a state matches at a position.
type outcome uint8

const (
	unknown outcome = iota
	noMatch
	matches
)

// A Meter is told what a match takes.
type Meter interface {
	Spend(steps int)   // since the last call
	Reserve(bytes int) // before they are allocated
}

// Match returns the positions of the groups if the pattern matches the whole
// text, else nil. Group i begins at groups[2*i] and ends at groups[2*i+1]; both
// are -1 if it took no part. Group 0 is the match itself.
//
// The meter may panic to end a match that takes too much.
func (p *Pattern) Match(text string, meter Meter) (groups []int, err error) {
	m := matcher{p: p, text: text, whole: true, meter: meter}
	defer m.recoverLimit(&err)
	return m.from(0), nil
}

// Search returns the first match that begins at or after position from, as
// [Pattern.Match] does.
func (p *Pattern) Search(text string, from int, meter Meter) (groups []int, err error) {
	// What is remembered holds for every beginning, so one matcher serves all.
	m := matcher{p: p, text: text, meter: meter}
	defer m.recoverLimit(&err)
	for ; from <= len(text); from++ {
		if groups := m.from(from); groups != nil {
			return groups, nil
		}
	}
	return nil, nil
}

// SearchAt returns a match that begins at position from and is not empty.
func (p *Pattern) SearchAt(text string, from int, meter Meter) (groups []int, err error) {
	m := matcher{p: p, text: text, nonEmpty: true, meter: meter}
	defer m.recoverLimit(&err)
	return m.from(from), nil
}

// A limitError is what a matcher panics with when it gives up.
type limitError struct{ err error }

// Errors of matches that need too much.
var (
	ErrDepth = errors.New("stack overflow (regular expression on a long string)")
	ErrSteps = errors.New("regular expression takes too many steps on a long string")
)

const (
	maxDepth = 2_000_000
	// maxSteps is some seconds. A match that takes as many grows at least with the
	// square of the text.
	maxSteps = 1 << 29
)

func (m *matcher) recoverLimit(err *error) {
	switch r := recover().(type) {
	case nil:
	case limitError:
		*err = r.err
	default:
		panic(r)
	}
}

// from returns the groups of the longest match that begins at a position.
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
	m.meter.Spend(1)
	if !m.run(m.p.start, begin) {
		return nil
	}
	m.best[0], m.best[1] = begin, m.end
	return m.best
}

// rememberAfter is the number of steps after which outcomes are remembered.
const rememberAfter = 16 * 1024

// run follows all paths from state i at a position and reports whether any
// matches.
func (m *matcher) run(i, at int) bool {
	if m.steps++; m.steps%1024 == 0 {
		m.meter.Spend(1024)
		if m.steps > maxSteps {
			panic(limitError{ErrSteps})
		}
		if m.steps == rememberAfter && len(m.text)*len(m.p.states) < 1<<30 {
			m.meter.Reserve((len(m.text) + 1) * len(m.p.states))
			m.memo = make([]outcome, (len(m.text)+1)*len(m.p.states))
		}
	}
	if m.depth++; m.depth > maxDepth {
		panic(limitError{ErrDepth})
	}
	found := m.step(i, at)
	m.depth--
	return found
}

// step is run up to the first state that branches or sets a group.
func (m *matcher) step(i, at int) bool {
	for {
		s := &m.p.states[i]
		switch s.op {
		case empty:
			i = s.next
		case oneByte:
			if at == len(m.text) || !s.bytes[m.text[at]] {
				return false
			}
			at++
			i = s.next
		case atBegin:
			if at != 0 {
				return false
			}
			i = s.next
		case atEnd:
			if at != len(m.text) {
				return false
			}
			i = s.next
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
			return m.choose(i, s, at)
		}
	}
}

// accepted reports whether a match may end at a position, and keeps the match if
// it is the longest so far.
func (m *matcher) accepted(at int) bool {
	if m.whole && at != len(m.text) || m.nonEmpty && at == m.begin {
		return false
	}
	if at > m.end {
		m.end = at
		copy(m.best, m.groups)
	}
	return true
}

// choose follows both paths from a state, unless the outcome is remembered.
func (m *matcher) choose(i int, s *state, at int) bool {
	if m.memo != nil {
		if known := m.memo[at*len(m.p.states)+i]; known != unknown {
			return known == matches
		}
	}
	var found bool
	if s.op == either {
		found = m.run(s.alt, at)
		if !found || !m.whole { // if the whole text must match, no other match is longer
			found = m.run(s.next, at) || found
		}
	} else {
		found = m.repeat(i, s, at)
	}
	if m.memo != nil { // possibly allocated meanwhile
		known := noMatch
		if found {
			known = matches
		}
		m.memo[at*len(m.p.states)+i] = known
	}
	return found
}

// repeat tries the loop's body once more and, only if that does not match, what
// follows the loop. A body that consumes nothing is entered at most twice at the
// same position.
func (m *matcher) repeat(i int, s *state, at int) bool {
	if body := &m.p.states[s.alt]; body.op == oneByte && body.next == i {
		// The body of most loops is a single byte, which needs no recursion.
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
	old := m.loops[i]
	switch {
	case old.n == 0 || old.at != at:
		m.loops[i] = loopCount{at, 1}
	case old.n < 2:
		m.loops[i].n++
	default:
		return m.run(s.next, at)
	}
	found := m.run(s.alt, at)
	m.loops[i] = old
	return found || m.run(s.next, at)
}
