package eval

import (
	"path"

	"muster/compile/syntax"
)

// A node is an expression in executable form: names are resolved to slots, each
// operator has a node type of its own, and positions are small. Nodes are
// immutable and shared by all threads. A [lowering] makes them of a syntax
// tree.
type node interface {
	// eval returns the expression's value in weak head normal form. env is the
	// frame of the innermost scope.
	eval(th *thread, env *frame) value
}

// A lazy is an expression that is evaluated later: an argument, an element or
// an attribute. For most expressions it is known beforehand how to delay them,
// and only few need a thunk.
type lazy struct {
	node  node // what the thunk evaluates
	kind  lazyKind
	level uint16
	slot  uint32
	v     value   // of a lazyConstant
	fn    *lambda // of a lazyLambda
}

type lazyKind uint8

const (
	lazyThunk    lazyKind = iota
	lazyConstant          // already a value
	lazyEmptySet          // a literal { }, which Nix delays: messages show that
	lazyVariable          // copies the variable
	lazyLambda            // makes a closure, which costs no more than a thunk
	lazySum               // n - 1 and the like: computed at once if the operands are known
)

func newLazy(n node) lazy {
	l := lazy{node: n}
	switch n := n.(type) {
	case *constant:
		l.kind, l.v = lazyConstant, n.v
		if n.v == emptySet {
			l.kind = lazyEmptySet
		}
	case *variable:
		l.kind, l.level, l.slot = lazyVariable, uint16(n.level), uint32(n.slot)
	case *variable0:
		l.kind, l.slot = lazyVariable, uint32(n.slot)
	case *variable1:
		l.kind, l.level, l.slot = lazyVariable, 1, uint32(n.slot)
	case *lambda:
		l.kind, l.fn = lazyLambda, n
	}
	return l
}

// newArgument is newLazy for a function's argument. A sum of known integers is
// computed at once, which costs less and cannot fail. (Elements and attributes
// are always delayed: trace shows whether they were evaluated.)
func newArgument(n node) lazy {
	l := newLazy(n)
	var left, right node
	switch n := n.(type) {
	case *addNode:
		left, right = n.l, n.r
	case *arithmeticNode:
		if n.op == '-' {
			left, right = n.l, n.r
		}
	}
	if left != nil && isSimple(left) && isSimple(right) {
		l.kind = lazySum
	}
	return l
}

// isSimple reports whether [known] may return the value of n.
func isSimple(n node) bool {
	switch n := n.(type) {
	case *constant:
		return n.v.isInt()
	case *variable0, *variable1, *variable:
		return true
	}
	return false
}

// known returns the value of n if it is an integer that is known without
// evaluation.
func known(n node, env *frame) (int64, bool) {
	var v value
	switch n := n.(type) {
	case *constant:
		v = n.v
	case *variable0:
		v = *env.slot(n.slot)
	case *variable1:
		v = *env.up.slot(n.slot)
	case *variable:
		for l := n.level; l > 0; l-- {
			env = env.up
		}
		v = *env.slot(n.slot)
	}
	if v.isNone() {
		return 0, false
	}
	if v.kind() == kindThunk {
		if !v.thunk().done() {
			return 0, false
		}
		v = v.thunk().result()
	}
	if !v.isInt() {
		return 0, false
	}
	return v.int(), true
}

// knownSum returns a + b or a - b of known integers if there is no overflow. No
// program can tell that it was computed early.
func knownSum(n node, env *frame) (int64, bool) {
	switch n := n.(type) {
	case *addNode:
		a, ok := known(n.l, env)
		b, also := known(n.r, env)
		sum, fits := add(a, b)
		return sum, ok && also && fits
	case *arithmeticNode:
		a, ok := known(n.l, env)
		b, also := known(n.r, env)
		difference, fits := subtract(a, b)
		return difference, ok && also && fits
	}
	return 0, false
}

// delay returns the expression's value in env: a thunk unless it is known.
func (l *lazy) delay(th *thread, env *frame) value {
	switch l.kind {
	case lazyConstant:
		return l.v
	case lazyEmptySet:
		return th.newConstantThunk(l)
	case lazyVariable:
		f := env
		for n := l.level; n > 0; n-- {
			f = f.up
		}
		if v := *f.slot(int(l.slot)); !v.isNone() {
			return v
		}
		// The variable's scope is still being filled, so a thunk has to read it
		// later.
	case lazyLambda:
		return th.newClosure(l.fn, env)
	case lazySum:
		if i, ok := knownSum(l.node, env); ok {
			return th.newInt(i)
		}
	}
	return th.newThunk(l, env)
}

// A constant is a literal or a builtin.
type constant struct{ v value }

func (n *constant) eval(*thread, *frame) value { return n.v }

// A shared is a thunk that belongs to no scope: the set builtins.
type shared struct{ v value }

func (n *shared) eval(th *thread, _ *frame) value { return th.force(n.v) }

// A variable is a slot of the frame that is level scopes outwards.
type variable struct {
	level, slot int
}

func (n *variable) eval(th *thread, env *frame) value {
	for l := n.level; l > 0; l-- {
		env = env.up
	}
	return th.force(*env.slot(n.slot))
}

// variable0 and variable1 are variables of level 0 and 1, the most frequent
// ones.
type (
	variable0 struct{ slot int }
	variable1 struct{ slot int }
)

func (n *variable0) eval(th *thread, env *frame) value { return th.force(*env.slot(n.slot)) }
func (n *variable1) eval(th *thread, env *frame) value { return th.force(*env.up.slot(n.slot)) }

// A withVariable is a name that no enclosing scope defines. It is looked up in
// the sets of the enclosing with expressions, innermost first.
type withVariable struct {
	withs []withScope
	sym   symbol
	pos   posID
}

// A placedVariable is a variable with a position.
type placedVariable struct {
	node
	pos posID
}

// A withScope is a with expression: the level of its frame, and where it is.
type withScope struct {
	level int
	pos   posID
}

func (n *withVariable) eval(th *thread, env *frame) value {
	level := 0
	for _, w := range n.withs {
		for ; level < w.level; level++ {
			env = env.up
		}
		set := th.force(*env.slot(0))
		if set.kind() != kindSet {
			th.wantType(w.pos, "a set", set)
		}
		if a := th.lookup(set, n.sym); a != nil {
			return th.force(a.v)
		}
	}
	th.fail(n.pos, "undefined variable '%s'", n.sym)
	return value{}
}

// A with is with scope; body. Its frame has one slot, the set.
type with struct {
	scope lazy
	body  node
}

func (n *with) eval(th *thread, env *frame) value {
	f := th.newFrame(env, 1)
	*f.slot(0) = n.scope.delay(th, env)
	return n.body.eval(th, f)
}

// A hereNode is __curPos.
type hereNode struct{ pos posID }

func (n *hereNode) eval(th *thread, _ *frame) value { return th.positionValue(n.pos) }

// positionValue returns { file, line, column }, or null for a position outside
// of files.
func (th *thread) positionValue(id posID) value {
	p := th.ev.positions.at(id)
	if !p.IsValid() || !path.IsAbs(p.File()) {
		return valueNull
	}
	th.recordPosition(p)
	return sortedSet(
		attr{sym: symFile, v: stringValue(p.File())},
		attr{sym: symLine, v: intValue(int64(p.Line))},
		attr{sym: symColumn, v: intValue(int64(p.Col))})
}

type ifNode struct {
	cond      condition
	then, els node
}

func (n *ifNode) eval(th *thread, env *frame) value {
	if n.cond.holds(th, env) {
		return n.then.eval(th, env)
	}
	return n.els.eval(th, env)
}

type assertNode struct {
	cond    condition
	body    node
	written syntax.Expr // the condition as written, for the message
}

func (n *assertNode) eval(th *thread, env *frame) value {
	if !n.cond.holds(th, env) {
		if eq, ok := n.cond.node.(*equalNode); ok && !eq.not {
			th.unequal(eq.l.eval(th, env), eq.r.eval(th, env), n.cond.pos)
		}
		th.failAs(AssertError, n.cond.pos, "assertion '%s' failed", showExpr(n.written))
	}
	return n.body.eval(th, env)
}

// A listNode is [ a b ].
type listNode struct{ elems []lazy }

func (n *listNode) eval(th *thread, env *frame) value {
	l := th.newValues(len(n.elems))
	for i := range n.elems {
		l[i] = n.elems[i].delay(th, env)
	}
	return th.newList(l)
}
