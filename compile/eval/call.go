package eval

// A lambda is the code of a function. Together with the frame of the scope
// around it, it is a closure. Its own frame begins with a slot for x of x: …,
// or for args of args@{ … } if there is one; then comes a slot for each formal,
// sorted by symbol.
type lambda struct {
	name     symbol // of the attribute or variable that it is bound to, if any
	param    symbol // x, or args of args@{ … }; 0 if there is none
	slots    int
	hasSet   bool // { … }: …
	ellipsis bool
	formals  []formal
	body     node
	curried  *lambda // the body, if that is a lambda
	plain    int     // 1 for x: …, whose frame newParameter makes; 0 for { … }: …
	leaf     bool    // no expression in the body can keep the frame
	pos      posID
}

// A formal is one name of { a, b ? 1 }: ….
type formal struct {
	sym    symbol
	pos    posID
	hasDef bool
	def    lazy
}

func (l *lambda) eval(th *thread, env *frame) value { return th.newClosure(l, env) }

// describe names the function in messages.
func (l *lambda) describe() string {
	if l.name == 0 {
		return "anonymous lambda"
	}
	return "the '" + l.name.String() + "' function"
}

// title names the function in messages that say "function".
func (l *lambda) title() string {
	if l.name == 0 {
		return "anonymous lambda"
	}
	return l.name.String()
}

// bind makes the frame for a call of l with arg.
func (th *thread) bind(l *lambda, up *frame, arg value) *frame {
	if th.fuel--; th.fuel < 0 {
		th.checkpoint()
	}
	if !l.hasSet {
		return th.newParameter(up, arg)
	}
	f := th.newFrame(up, l.slots)
	arg = th.force(arg)
	if arg.kind() != kindSet {
		th.wantType(l.pos, "a set", arg)
	}
	slot := 0
	if l.param != 0 {
		*f.slot(0) = arg
		slot = 1
	}
	if arg.o.flags == describesTree {
		th.recordFormals(l, arg)
	}
	attrs := arg.attrs()
	used, at := 0, 0
	nearby := len(attrs) <= 4*len(l.formals) // few enough to walk both sorted lists together
	for i := range l.formals {
		p := &l.formals[i]
		var a *attr
		if nearby {
			for at < len(attrs) && attrs[at].sym < p.sym {
				at++
			}
			if at < len(attrs) && attrs[at].sym == p.sym {
				a = &attrs[at]
			}
		} else {
			a = find(attrs, p.sym)
		}
		switch {
		case a != nil:
			*f.slot(slot) = a.v
			used++
		case p.hasDef:
			*f.slot(slot) = p.def.delay(th, f)
		default:
			th.fail(l.pos, "function '%s' called without required argument '%s'", l.title(), p.sym)
		}
		slot++
	}
	if !l.ellipsis && used != len(attrs) {
		th.unexpected(l, attrs)
	}
	return f
}

// invoke evaluates l's body in a frame that bind made. If the body made nothing
// that may refer to a frame, as in functions that only compute, the innermost
// plain frames are reused.
func (th *thread) invoke(l *lambda, f *frame, plain int) value {
	kept := th.kept
	v := l.body.eval(th, f)
	th.depth--
	if l.leaf || th.kept == kept {
		for ; plain > 0; plain-- {
			up := f.up
			th.reuse(f)
			f = up
		}
	}
	return v
}

// unexpected fails with the first attribute that l has no formal for.
func (th *thread) unexpected(l *lambda, attrs []attr) {
	for _, a := range byName(attrs) {
		known := false
		for i := range l.formals {
			known = known || l.formals[i].sym == a.sym
		}
		if !known {
			th.fail(l.pos, "function '%s' called with unexpected argument '%s'", l.title(), a.sym)
		}
	}
}

// A call1 is f x, the most frequent call.
type call1 struct {
	fn  node
	arg lazy
	pos posID
}

func (n *call1) eval(th *thread, env *frame) value {
	f := n.fn.eval(th, env)
	if f.kind() == kindLambda {
		c := f.closure()
		th.enter(c.fn, n.pos)
		return th.invoke(c.fn, th.bind(c.fn, c.env, n.arg.delay(th, env)), c.fn.plain)
	}
	return th.apply(f, n.arg.delay(th, env), n.pos)
}

// A callNode is f x y …. A function that takes several arguments one by one
// gets all at once, without closures in between.
type callNode struct {
	fn   node
	args []lazy
	pos  posID
}

func (n *callNode) eval(th *thread, env *frame) value {
	f := n.fn.eval(th, env)
	for args := n.args; len(args) > 0; {
		switch f.kind() {
		case kindLambda:
			c := f.closure()
			l := c.fn
			th.enter(l, n.pos)
			inner, plain := th.bind(l, c.env, args[0].delay(th, env)), l.plain
			args = args[1:]
			for len(args) > 0 && l.curried != nil {
				l = l.curried
				inner, plain = th.bind(l, inner, args[0].delay(th, env)), (plain+1)*l.plain
				args = args[1:]
			}
			f = th.invoke(l, inner, plain)
		case kindBuiltin:
			b := f.builtin()
			switch {
			case b.arity == 2 && len(args) >= 2:
				outer := th.calling(n.pos)
				f = b.f2(th, args[0].delay(th, env), args[1].delay(th, env))
				th.called = outer
			case b.arity == 3 && len(args) >= 3:
				outer := th.calling(n.pos)
				f = b.f3(th, args[0].delay(th, env), args[1].delay(th, env), args[2].delay(th, env))
				th.called = outer
			default:
				f = th.apply(f, args[0].delay(th, env), n.pos)
				args = args[1:]
				continue
			}
			args = args[b.arity:]
		default:
			f = th.apply(f, args[0].delay(th, env), n.pos)
			args = args[1:]
		}
	}
	return f
}

// apply applies f, in weak head normal form, to x.
func (th *thread) apply(f, x value, pos posID) value {
	switch f.kind() {
	case kindLambda:
		c := f.closure()
		th.enter(c.fn, pos)
		return th.invoke(c.fn, th.bind(c.fn, c.env, x), c.fn.plain)
	case kindBuiltin:
		b := f.builtin()
		if b.arity == 1 {
			outer := th.calling(pos)
			v := b.f1(th, x)
			th.called = outer
			return v
		}
		return value{&(&partial{object{kind: kindPartial}, b, 1, [2]value{x}}).object}
	case kindPartial:
		p := f.partial()
		switch {
		case p.n+1 < p.b.arity:
			return value{&(&partial{object{kind: kindPartial}, p.b, 2, [2]value{p.args[0], x}}).object}
		}
		outer := th.calling(pos)
		var v value
		if p.n == 1 {
			v = p.b.f2(th, p.args[0], x)
		} else {
			v = p.b.f3(th, p.args[0], p.args[1], x)
		}
		th.called = outer
		return v
	case kindSet:
		if a := find(f.attrs(), symFunctor); a != nil {
			th.descend()
			th.spend(1)
			v := th.apply(th.apply(th.force(a.v), f, a.pos), x, pos)
			th.nesting--
			return v
		}
	}
	th.fail(pos, "attempt to call something which is not a function but %s", th.describe(f))
	return value{}
}

// calling records that a builtin is called at a position, and returns where the builtin around it is called, for
// th.called when the call ends. A builtin that is called by another one has no position of its own.
func (th *thread) calling(pos posID) (outer posID) {
	outer = th.called
	if pos != 0 {
		th.called = pos
	}
	return outer
}

// functionPos returns where a function is written, 0 of other values.
func functionPos(f value) posID {
	if f.kind() == kindLambda {
		return f.closure().fn.pos
	}
	return 0
}

// call applies f, which may be a thunk, to x.
func (th *thread) call(f, x value) value {
	th.spend(1)
	return th.apply(th.force(f), x, 0)
}

// call2 applies f, which may be a thunk, to x and y.
func (th *thread) call2(f, x, y value) value {
	th.spend(1)
	f = th.force(f)
	switch f.kind() {
	case kindLambda:
		c := f.closure()
		l := c.fn
		th.enter(l, 0)
		inner := th.bind(l, c.env, x)
		if next := l.curried; next != nil {
			return th.invoke(next, th.bind(next, inner, y), (l.plain+1)*next.plain)
		}
		v := th.apply(l.body.eval(th, inner), y, l.pos)
		th.depth--
		return v
	case kindBuiltin:
		if b := f.builtin(); b.arity == 2 {
			return b.f2(th, x, y)
		}
	}
	return th.apply(th.apply(f, x, 0), y, 0)
}
