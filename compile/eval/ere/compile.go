package ere

import (
	"errors"
	"strconv"
	"strings"
)

// A Pattern is a compiled expression. It may be used from several goroutines.
type Pattern struct {
	states []state
	start  int // index of the first state
	groups int // number of groups
}

// A state is one step of a pattern's program: it tests something and names the
// state that follows.
type state struct {
	op    op
	next  int
	alt   int        // either, repeat: tried before next
	bytes *[256]bool // oneByte: the bytes that match
	group int        // openGroup, closeGroup: the group's number
}

type op uint8

const (
	empty   op = iota // matches nothing and goes on to next
	oneByte           // matches one of bytes
	either            // tries both alt and next
	repeat            // tries alt (the body once more), else next
	openGroup
	closeGroup
	atBegin
	atEnd
	accept
)

// maxStates is the size of a program at which std::regex gives up, too.
const maxStates = 100_000

// ErrTooLarge says that a pattern needs more states than std::regex allows.
var ErrTooLarge = errors.New("memory limit exceeded by regular expression")

// stateSize is about the size of a state with its bytes.
const stateSize = 320

// Size returns about how many bytes of memory the pattern takes. A nil Pattern takes
// none.
func (p *Pattern) Size() int {
	if p == nil {
		return 0
	}
	return len(p.states) * stateSize
}

// Compile reads an extended regular expression.
func Compile(text string) (p *Pattern, err error) {
	c := &compiler{text: text}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(compileError)
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
	end := c.add(state{op: accept})
	c.states[whole.last].next = end
	return &Pattern{c.states, whole.first, c.groups}, nil
}

// A compileError is what a compiler panics with.
type compileError struct{ err error }

// A compiler is a recursive descent parser that emits states as it reads.
type compiler struct {
	text   string
	at     int // index of the next byte of text
	states []state
	groups int // how many were opened so far
	depth  int // of nested groups
}

func (c *compiler) fail(msg string) { panic(compileError{errors.New(msg)}) }

func (c *compiler) add(s state) int {
	if len(c.states) >= maxStates {
		panic(compileError{ErrTooLarge})
	}
	c.states = append(c.states, s)
	return len(c.states) - 1
}

// A fragment is a part of a program. The next of its last state is not set yet.
type fragment struct{ first, last int }

func (c *compiler) single(s state) fragment {
	i := c.add(s)
	return fragment{i, i}
}

func (c *compiler) join(a, b fragment) fragment {
	c.states[a.last].next = b.first
	return fragment{a.first, b.last}
}

// alternatives reads a|b|c.
func (c *compiler) alternatives() fragment {
	if c.depth++; c.depth > 1000 {
		c.fail("nested too deeply")
	}
	left := c.sequence()
	for c.at < len(c.text) && c.text[c.at] == '|' {
		c.at++
		right := c.sequence()
		end := c.add(state{})
		c.states[left.last].next = end
		c.states[right.last].next = end
		left = fragment{c.add(state{op: either, alt: left.first, next: right.first}), end}
	}
	c.depth--
	return left
}

// sequence reads abc.
func (c *compiler) sequence() fragment {
	f := c.single(state{})
	for c.at < len(c.text) && c.text[c.at] != '|' && c.text[c.at] != ')' {
		f = c.join(f, c.term())
	}
	return f
}

// term reads an anchor, or an atom and the operators that repeat it.
func (c *compiler) term() fragment {
	switch c.text[c.at] {
	case '^':
		c.at++
		return c.single(state{op: atBegin})
	case '$':
		c.at++
		return c.single(state{op: atEnd})
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
			loop := c.add(state{op: repeat, alt: f.first})
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

// star returns the program of f*.
func (c *compiler) star(f fragment) fragment {
	loop := c.add(state{op: repeat, alt: f.first})
	c.states[f.last].next = loop
	return fragment{loop, loop}
}

// optional returns the program of f?.
func (c *compiler) optional(f fragment) fragment {
	end := c.add(state{})
	c.states[f.last].next = end
	return fragment{c.add(state{op: repeat, alt: f.first, next: end}), end}
}

// interval reads {n}, {n,} or {n,m} after the atom f, whose states are all those
// from begin on. It emits n copies of the atom, followed by a star or by m-n
// optional copies.
func (c *compiler) interval(f fragment, begin int) fragment {
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
	out := c.single(state{})
	for range least {
		out = c.join(out, copy())
	}
	if !bounded {
		return c.join(out, c.star(copy()))
	}
	done := c.add(state{})
	for range most - least {
		g := copy()
		more := c.add(state{op: repeat, alt: g.first, next: done})
		out = c.join(out, fragment{more, g.last})
		// more.next remains done: join sets the next of the last state only.
	}
	return c.join(out, fragment{done, done})
}

func (c *compiler) number() (int, bool) {
	start := c.at
	for c.at < len(c.text) && c.text[c.at] >= '0' && c.text[c.at] <= '9' {
		c.at++
	}
	if start == c.at {
		return 0, false
	}
	n, err := strconv.Atoi(c.text[start:c.at])
	if err != nil || n > maxStates {
		panic(compileError{ErrTooLarge})
	}
	return n, true
}

// copy appends a copy of the states from begin to end and returns the copy of f.
func (c *compiler) copy(f fragment, begin, end int) fragment {
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

// atom reads a group, a bracket expression, an escaped byte or a plain byte.
func (c *compiler) atom() fragment {
	b := c.text[c.at]
	switch b {
	case '(':
		return c.group()
	case '[':
		return c.single(state{op: oneByte, bytes: c.bracket()})
	case '.':
		c.at++
		var set [256]bool
		for i := 1; i < 256; i++ {
			set[i] = true
		}
		return c.single(state{op: oneByte, bytes: &set})
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
	return c.single(state{op: oneByte, bytes: &set})
}

// group reads (abc).
func (c *compiler) group() fragment {
	c.at++
	c.groups++
	n := c.groups
	open := c.single(state{op: openGroup, group: n})
	body := c.alternatives()
	if c.at >= len(c.text) || c.text[c.at] != ')' {
		c.fail("unclosed parenthesis")
	}
	c.at++
	return c.join(c.join(open, body), c.single(state{op: closeGroup, group: n}))
}

// bracket reads [a-z[:digit:]_], in which a backslash is a plain byte.
func (c *compiler) bracket() *[256]bool {
	var set [256]bool
	c.at++
	negated := c.at < len(c.text) && c.text[c.at] == '^'
	if negated {
		c.at++
	}
	for first := true; ; first = false {
		if c.at >= len(c.text) {
			c.fail("unclosed bracket")
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
			for i := int(int8(low)); i <= int(int8(high)); i++ { // C++ compares signed bytes
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
func (c *compiler) named() (string, bool) {
	if !strings.HasPrefix(c.text[c.at:], "[:") {
		return "", false
	}
	end := strings.Index(c.text[c.at+2:], ":]")
	if end < 0 {
		c.fail("unclosed class in a bracket")
	}
	name := c.text[c.at+2 : c.at+2+end]
	c.at += end + 4
	return name, true
}

// element reads one byte of a bracket, spelled x, [.x.] or [=x=].
func (c *compiler) element() (byte, bool) {
	if c.at >= len(c.text) {
		c.fail("unclosed bracket")
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

// class adds the bytes of a named class to set.
func (c *compiler) class(set *[256]bool, name string) {
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

// byteClasses are the named classes in the C locale. The names d, w and s are
// extensions of std::regex.
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
