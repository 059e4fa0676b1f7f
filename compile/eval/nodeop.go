package eval

import (
	"math"
	"math/bits"
)

// This file has the operators. In Nix those of arithmetic and comparison are
// calls of __sub, __lessThan and so on; a [lowering] makes calls only if the
// program defines such a name itself.

type (
	notNode     struct{ x condition }
	andNode     struct{ l, r condition }
	orNode      struct{ l, r condition }
	impliesNode struct{ l, r condition }
	equalNode   struct {
		l, r node
		not  bool
		pos  posID
	}
	lessNode struct {
		l, r node
		not  bool // the result is negated: l >= r
		pos  posID
	}
	arithmeticNode struct {
		op   byte // - * /
		l, r node
		pos  posID
	}
	concatNode struct {
		l, r node
		pos  posID
	}
)

// A test is an operator with a boolean result.
type test interface {
	node
	holds(th *thread, env *frame) bool
}

// A condition is an operand that must be a boolean.
type condition struct {
	node
	test test // the node if it is a test, whose result needs no value
	pos  posID
}

func newCondition(n node, pos posID) condition {
	t, _ := n.(test)
	return condition{n, t, pos}
}

func (c *condition) holds(th *thread, env *frame) bool {
	if c.test != nil {
		return c.test.holds(th, env)
	}
	v := c.node.eval(th, env)
	if v.kind() != kindBool {
		th.wantType(c.pos, "a Boolean", v)
	}
	return v.bool()
}

func (n *notNode) holds(th *thread, env *frame) bool { return !n.x.holds(th, env) }

func (n *andNode) holds(th *thread, env *frame) bool { return n.l.holds(th, env) && n.r.holds(th, env) }

func (n *orNode) holds(th *thread, env *frame) bool { return n.l.holds(th, env) || n.r.holds(th, env) }

func (n *impliesNode) holds(th *thread, env *frame) bool {
	return !n.l.holds(th, env) || n.r.holds(th, env)
}

func (n *equalNode) holds(th *thread, env *frame) bool {
	l := n.l.eval(th, env)
	return th.equalForced(l, n.r.eval(th, env)) != n.not
}

func (n *lessNode) holds(th *thread, env *frame) bool {
	l := n.l.eval(th, env)
	r := n.r.eval(th, env)
	if l.isInt() && r.isInt() {
		return l.int() < r.int() != n.not
	}
	return th.less(l, r, n.pos) != n.not
}

func (n *notNode) eval(th *thread, env *frame) value     { return boolValue(n.holds(th, env)) }
func (n *andNode) eval(th *thread, env *frame) value     { return boolValue(n.holds(th, env)) }
func (n *orNode) eval(th *thread, env *frame) value      { return boolValue(n.holds(th, env)) }
func (n *impliesNode) eval(th *thread, env *frame) value { return boolValue(n.holds(th, env)) }
func (n *equalNode) eval(th *thread, env *frame) value   { return boolValue(n.holds(th, env)) }
func (n *lessNode) eval(th *thread, env *frame) value    { return boolValue(n.holds(th, env)) }

func (n *arithmeticNode) eval(th *thread, env *frame) value {
	l := n.l.eval(th, env)
	r := n.r.eval(th, env)
	if n.op == '-' && l.isInt() && r.isInt() {
		if difference, ok := subtract(l.int(), r.int()); ok {
			return th.newInt(difference)
		}
	}
	return th.arithmetic(n.op, l, r, n.pos)
}

func (n *concatNode) eval(th *thread, env *frame) value {
	l := n.l.eval(th, env)
	if l.kind() != kindList {
		th.wantType(n.pos, "a list", l)
	}
	r := n.r.eval(th, env)
	if r.kind() != kindList {
		th.wantType(n.pos, "a list", r)
	}
	switch {
	case l.o.n == 0:
		return r
	case r.o.n == 0:
		return l
	}
	out := th.newValues(int(l.o.n) + int(r.o.n))
	copy(out[copy(out, l.list()):], r.list())
	return th.newList(out)
}

// arithmetic computes l op r of numbers in weak head normal form.
func (th *thread) arithmetic(op byte, l, r value, pos posID) value {
	if l.isInt() && r.isInt() {
		return th.newInt(th.integerArithmetic(op, l.int(), r.int(), pos))
	}
	if op == '/' && th.wantNumber(r, pos) == 0 {
		th.fail(pos, "division by zero")
	}
	if l.kind() != kindFloat && r.kind() != kindFloat {
		th.wantInt(l, pos)
		th.wantInt(r, pos)
	}
	a, b := th.wantNumber(l, pos), th.wantNumber(r, pos)
	switch op {
	case '+':
		return floatValue(a + b)
	case '-':
		return floatValue(a - b)
	case '*':
		return floatValue(a * b)
	}
	return floatValue(a / b)
}

// add and subtract compute with integers and report whether the result fits.
func add(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (a^sum)&(b^sum) >= 0
}

func subtract(a, b int64) (int64, bool) {
	difference := a - b
	return difference, (a^b)&(a^difference) >= 0
}

// integerArithmetic returns a op b. Nix wraps around before 2.25 and reports an
// error since.
func (th *thread) integerArithmetic(op byte, a, b int64, pos posID) int64 {
	var result int64
	var fits bool
	var doing string
	switch op {
	case '+':
		doing = "adding"
		result, fits = add(a, b)
	case '-':
		doing = "subtracting"
		result, fits = subtract(a, b)
	case '*':
		result, doing = a*b, "multiplying"
		high, _ := bits.Mul64(uint64(a), uint64(b))
		if a < 0 {
			high -= uint64(b)
		}
		if b < 0 {
			high -= uint64(a)
		}
		fits = int64(high) == result>>63
	default:
		if b == 0 {
			th.fail(pos, "division by zero")
		}
		if a == math.MinInt64 && b == -1 {
			th.fail(pos, "integer overflow in dividing %d / %d", a, b)
		}
		return a / b
	}
	if !fits && !th.ev.compat.wraps {
		th.fail(pos, "integer overflow in %s %d %c %d", doing, a, op, b)
	}
	return result
}

// An addNode is l + r: of numbers, strings or paths.
type addNode struct {
	l, r       node
	pos        posID
	lpos, rpos posID // of the operands, where errors in them are
}

func (n *addNode) eval(th *thread, env *frame) value {
	l := n.l.eval(th, env)
	r := n.r.eval(th, env)
	switch l.kind() {
	case kindInt:
		if r.isInt() {
			if sum, ok := add(l.int(), r.int()); ok {
				return th.newInt(sum)
			}
		}
		fallthrough
	case kindFloat:
		if r.kind() != kindInt && r.kind() != kindFloat {
			th.fail(n.rpos, "cannot add %s to %s", typeWords(r), typeWords(l))
		}
		return th.arithmetic('+', l, r, n.rpos)
	case kindPath:
		var c references
		s := th.coerce(r, &c, n.rpos, 0)
		if len(c) > 0 {
			th.fail(n.pos, "a string that refers to a store path cannot be appended to a path")
		}
		th.reserve(3 * (len(l.str()) + len(s))) // cleanPath copies
		return pathValue(cleanPath(l.str() + s))
	}
	var c references
	how := coercion(0)
	if l.kind() == kindString {
		how = copyPaths
	}
	a := th.coerce(l, &c, n.lpos, how)
	b := th.coerce(r, &c, n.rpos, how)
	th.reserve(len(a) + len(b))
	if len(c) == 0 {
		return th.newString(a + b)
	}
	return contextValue(a+b, c)
}

// An interpolation is "…${x}…".
type interpolation struct {
	parts []node
	at    []posID // of the parts
	pos   posID
}

func (n *interpolation) eval(th *thread, env *frame) value {
	if len(n.parts) == 1 {
		return th.interpolate(n.parts[0].eval(th, env), n.at[0])
	}
	var c references
	var buf [8]string
	texts := buf[:0]
	size := 0
	for i, p := range n.parts {
		v := p.eval(th, env)
		s := ""
		if v.kind() == kindString && v.o.flags == 0 {
			s = v.str()
		} else {
			s = th.coerce(v, &c, n.at[i], copyPaths)
		}
		texts = append(texts, s)
		size += len(s)
	}
	th.reserve(size)
	b := make([]byte, 0, size)
	for _, s := range texts {
		b = append(b, s...)
	}
	if len(c) == 0 {
		return th.newString(text(b))
	}
	return contextValue(text(b), c)
}

// interpolate returns "${v}".
func (th *thread) interpolate(v value, pos posID) value {
	if v.kind() == kindString {
		return v
	}
	var c references
	s := th.coerce(v, &c, pos, copyPaths)
	if len(c) == 0 {
		return th.newString(s)
	}
	return contextValue(s, c)
}

// A pathNode is ./a/${x}. Its first part is a path.
type pathNode struct {
	parts []node
	at    []posID // of the parts
	pos   posID
}

func (n *pathNode) eval(th *thread, env *frame) value {
	var c references
	b := textBuilder{th: th}
	for i, p := range n.parts {
		b.WriteString(th.coerce(p.eval(th, env), &c, n.at[i], 0))
		if len(c) > 0 {
			th.fail(n.pos, "a string that refers to a store path cannot be appended to a path")
		}
	}
	th.reserve(2 * b.Len()) // cleanPath copies
	return pathValue(cleanPath(b.String()))
}
