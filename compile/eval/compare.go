package eval

// equal compares values as == does. A value is equal to itself, even a
// function; other functions are not equal to anything.
func (th *thread) equal(l, r value) bool {
	// Both are forced even if they are the same, for an error in them must be
	// reported.
	x := th.force(l)
	y := th.force(r)
	return l.same(r) || th.equalForced(x, y)
}

// equalForced compares values in weak head normal form.
func (th *thread) equalForced(l, r value) bool {
	a, b := l.kind(), r.kind()
	if a != b {
		switch {
		case a == kindInt && b == kindFloat:
			return float64(l.int()) == r.float()
		case a == kindFloat && b == kindInt:
			return l.float() == float64(r.int())
		}
		return false
	}
	switch a {
	case kindNull:
		return true
	case kindBool:
		return l.same(r)
	case kindInt:
		return l.int() == r.int()
	case kindFloat:
		return l.float() == r.float()
	case kindString, kindPath:
		x, y := l.str(), r.str()
		if x != y && th.ev.trees.any() {
			th.observeEqual(x, y)
		}
		return x == y
	case kindList:
		return th.equalLists(l.list(), r.list())
	case kindSet:
		th.seen(l)
		th.seen(r)
		return th.equalSets(l.attrs(), r.attrs())
	}
	return false
}

func (th *thread) equalLists(l, r []value) bool {
	if len(l) != len(r) {
		return false
	}
	th.descend()
	for i := range l {
		th.spend(1)
		if !th.equal(l[i], r[i]) {
			th.nesting--
			return false
		}
	}
	th.nesting--
	return true
}

// equalSets compares derivations by their output path only.
func (th *thread) equalSets(l, r []attr) bool {
	th.descend()
	defer func() { th.nesting-- }()
	if th.isDerivation(l) && th.isDerivation(r) {
		p, q := find(l, symOutPath), find(r, symOutPath)
		if p != nil && q != nil {
			return th.equal(p.v, q.v)
		}
	}
	if len(l) != len(r) {
		return false
	}
	for i := range l {
		if l[i].sym != r[i].sym || !th.equal(l[i].v, r[i].v) {
			return false
		}
	}
	return true
}

// isDerivation reports whether a set has type = "derivation".
func (th *thread) isDerivation(attrs []attr) bool {
	a := find(attrs, symType)
	if a == nil {
		return false
	}
	v := th.force(a.v)
	return v.kind() == kindString && v.str() == "derivation"
}

// less implements < for numbers, strings, paths and lists of them.
func (th *thread) less(l, r value, pos posID) bool {
	l, r = th.force(l), th.force(r)
	a, b := l.kind(), r.kind()
	switch {
	case a == kindInt && b == kindInt:
		return l.int() < r.int()
	case (a == kindInt || a == kindFloat) && (b == kindInt || b == kindFloat):
		return th.wantNumber(l, pos) < th.wantNumber(r, pos)
	case a != b:
	case a == kindString, a == kindPath:
		if th.ev.trees.any() && l.str() != r.str() {
			th.observeLess(l.str(), r.str())
		}
		return l.str() < r.str()
	case a == kindList:
		x, y := l.list(), r.list()
		th.descend()
		defer func() { th.nesting-- }()
		for i := range y {
			if i == len(x) {
				return true
			}
			if !th.equal(x[i], y[i]) {
				return th.less(x[i], y[i], pos)
			}
		}
		return false
	}
	if a == b {
		th.fail(pos, "cannot compare %s with %s; values of that type are incomparable (values are %s and %s)", typeWords(l), typeWords(r), th.show(l), th.show(r))
	}
	th.fail(pos, "cannot compare %s with %s; values are %s and %s", typeWords(l), typeWords(r), th.show(l), th.show(r))
	return false
}
