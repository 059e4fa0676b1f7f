package eval

// unequal fails with how two values differ, after an assertion that they are
// equal did not hold. It returns if they turn out to be equal.
func (th *thread) unequal(l, r value, pos posID) {
	l, r = th.force(l), th.force(r)
	if l.same(r) && !l.isFunction() {
		return
	}
	th.descend()
	defer func() { th.nesting-- }()
	a, b := l.kind(), r.kind()
	differ := func(format string, args ...any) { th.failAs(AssertError, pos, format, args...) }
	number := func(k kind) bool { return k == kindInt || k == kindFloat }
	switch {
	case number(a) && number(b):
		if !th.equalForced(l, r) {
			differ("%s with value '%s' is not equal to %s with value '%s'", typeWords(l), th.show(l), typeWords(r), th.show(r))
		}
	case l.isFunction() && r.isFunction():
		differ("distinct functions and immediate comparisons of identical functions compare as unequal")
	case a != b:
		differ("%s of value '%s' is not equal to %s of value '%s'", typeWords(l), th.show(l), typeWords(r), th.show(r))
	case a == kindBool:
		if !l.same(r) {
			differ("boolean '%s' is not equal to boolean '%s'", th.show(l), th.show(r))
		}
	case a == kindString, a == kindPath:
		if l.str() != r.str() {
			differ("%s '%s' is not equal to %s '%s'", typeNames[a].str(), th.show(l), typeNames[a].str(), th.show(r))
		}
	case a == kindList:
		x, y := l.list(), r.list()
		if len(x) != len(y) {
			differ("list of size '%d' is not equal to list of size '%d', left hand side is '%s', right hand side is '%s'", len(x), len(y), th.show(l), th.show(r))
		}
		for i := range x {
			if !x[i].same(y[i]) {
				th.unequal(x[i], y[i], pos)
			}
		}
	case a == kindSet:
		th.unequalSets(l, r, pos)
	}
}

func (th *thread) unequalSets(l, r value, pos posID) {
	x, y := l.attrs(), r.attrs()
	if th.isDerivation(x) && th.isDerivation(y) {
		p, q := find(x, symOutPath), find(y, symOutPath)
		if p != nil && q != nil {
			th.unequal(p.v, q.v, pos)
			return
		}
	}
	if len(x) != len(y) {
		th.failAs(AssertError, pos, "attribute names of attribute set '%s' differs from attribute set '%s'", th.show(l), th.show(r))
	}
	for _, a := range byName(x) {
		b := find(y, a.sym)
		if b == nil {
			th.failAs(AssertError, pos, "attribute name '%s' is contained in '%s', but not in '%s'", a.sym, th.show(l), th.show(r))
		}
		if !a.v.same(b.v) {
			th.unequal(a.v, b.v, b.pos)
		}
	}
}
