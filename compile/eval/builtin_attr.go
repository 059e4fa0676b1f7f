package eval

import (
	"cmp"
	"slices"
)

// attrBuiltins build and inspect attribute sets.
var attrBuiltins = []*builtin{
	fn1("attrNames", attrNames),
	fn1("attrValues", attrValues),
	fn2("getAttr", getAttr),
	fn2("hasAttr", hasAttr),
	fn2("unsafeGetAttrPos", unsafeGetAttrPos),
	fn2("removeAttrs", removeAttrs),
	fn1("listToAttrs", listToAttrs),
	fn2("intersectAttrs", intersectAttrs),
	fn2("catAttrs", catAttrs),
	fn2("mapAttrs", mapAttrs),
	fn2("zipAttrsWith", zipAttrsWith),
}

func attrNames(th *thread, x value) value {
	order := th.nameOrder(th.wantSet(x, 0))
	out := th.newValues(len(order))
	for i, r := range order {
		out[i] = r.sym.value()
	}
	return th.newList(out)
}

func attrValues(th *thread, x value) value {
	attrs := th.wantSet(x, 0)
	out := th.newValues(len(attrs))
	for i, r := range th.nameOrder(attrs) {
		out[i] = attrs[r.at].v
	}
	return th.newList(out)
}

func getAttr(th *thread, name, set value) value {
	name = th.wantPlain(name, 0)
	a := th.attribute(set, name)
	if a == nil {
		th.fail(0, "attribute '%s' missing", symbolOf(name))
	}
	return th.force(a.v)
}

// attribute returns an attribute of a set, else nil. The name is looked up last: the set
// may be the first to have an attribute with this name.
func (th *thread) attribute(set, name value) *attr {
	set = th.force(set)
	if set.kind() != kindSet {
		th.wantSet(set, 0)
	}
	return th.lookup(set, lookupOf(name))
}

func hasAttr(th *thread, name, set value) value {
	name = th.wantPlain(name, 0)
	return boolValue(th.attribute(set, name) != nil)
}

func unsafeGetAttrPos(th *thread, name, set value) value {
	name = th.wantPlain(name, 0)
	a := th.attribute(set, name)
	if a == nil {
		return valueNull
	}
	return th.positionValue(a.pos)
}

func removeAttrs(th *thread, set, names value) value {
	attrs := th.wantSet(set, 0)
	var remove []symbol
	for _, n := range th.wantList(names, 0) {
		if s := lookupOf(th.wantPlain(n, 0)); s != 0 && find(attrs, s) != nil {
			remove = append(remove, s)
		}
	}
	if len(remove) == 0 {
		return th.newSet(attrs) // another one, which is not printed as «repeated»
	}
	slices.Sort(remove)
	out := th.newAttrs(len(attrs))[:0]
	for _, a := range attrs {
		for len(remove) > 0 && remove[0] < a.sym {
			remove = remove[1:]
		}
		if len(remove) == 0 || remove[0] != a.sym {
			out = append(out, a)
		}
	}
	return th.newSetOfItsOwn(out)
}

// listToAttrs makes a set of a list of { name, value }. The first of equal
// names wins.
func listToAttrs(th *thread, x value) value {
	l := th.wantList(x, 0)
	attrs := th.newAttrs(len(l))
	for i, x := range l {
		pair := th.wantSet(x, 0)
		name := th.wantName(th.wantAttr(pair, symName), 0)
		attrs[i].sym = name
		if v := find(pair, symValue); v != nil {
			attrs[i] = attr{name, v.pos, v.v}
		}
	}
	if !slices.IsSortedFunc(attrs, func(a, b attr) int { return int(int64(a.sym) - int64(b.sym)) }) {
		slices.SortStableFunc(attrs, func(a, b attr) int { return int(int64(a.sym) - int64(b.sym)) })
	}
	attrs = slices.CompactFunc(attrs, func(a, b attr) bool { return a.sym == b.sym })
	for _, a := range attrs {
		if a.v.isNone() {
			th.fail(0, "attribute '%s' missing", symValue)
		}
	}
	return th.newSet(attrs)
}

// intersectAttrs returns the attributes of the second set whose names the first
// set has, too.
func intersectAttrs(th *thread, x, y value) value {
	l, r := th.wantSet(x, 0), th.wantSet(y, 0)
	if len(l) == 0 || len(r) == 0 {
		return emptySet
	}
	out := th.newAttrs(min(len(l), len(r)))[:0]
	switch {
	case len(l)*8 < len(r):
		for _, a := range l {
			if b := find(r, a.sym); b != nil {
				out = append(out, *b)
			}
		}
	case len(r)*8 < len(l):
		for _, b := range r {
			if find(l, b.sym) != nil {
				out = append(out, b)
			}
		}
	default:
		for len(l) > 0 && len(r) > 0 {
			switch {
			case l[0].sym < r[0].sym:
				l = l[1:]
			case l[0].sym > r[0].sym:
				r = r[1:]
			default:
				out, l, r = append(out, r[0]), l[1:], r[1:]
			}
		}
	}
	return th.newSetOfItsOwn(out)
}

func catAttrs(th *thread, name, x value) value {
	name = th.wantPlain(name, 0)
	var out []value
	for _, x := range th.wantList(x, 0) {
		attrs := th.wantSet(x, 0) // which may be the first to have the name
		if a := find(attrs, lookupOf(name)); a != nil {
			out = th.add(out, a.v)
		}
	}
	return th.newList(out)
}

func mapAttrs(th *thread, f, x value) value {
	attrs := th.wantSet(x, 0)
	out := th.newAttrs(len(attrs))
	for i := range attrs {
		if i%1024 == 1023 {
			th.reserve(1024 * thunkSize)
		}
		out[i] = attr{sym: attrs[i].sym, v: th.delayMapping(f, &attrs[i])}
	}
	return th.newSet(out)
}

// zipAttrsWith calls f with each name that occurs in the sets and the list of
// its values.
func zipAttrsWith(th *thread, f, x value) value {
	f = th.wantFunction(f, 0)
	sets := th.wantList(x, 0)
	total := 0
	for _, x := range sets {
		total += len(th.wantSet(x, 0))
	}
	th.reserve(total * (3*valueSize + attrSize + thunkSize))
	// The attributes of all sets, sorted by symbol and then by set.
	th.zip = th.zip[:0]
	for set, x := range sets {
		for at, a := range th.force(x).attrs() {
			th.zip = append(th.zip, zipped{a.sym, uint32(set), uint32(at)})
		}
	}
	slices.SortFunc(th.zip, zipped.compare)
	names := 0
	for i, z := range th.zip {
		if i == 0 || z.sym != th.zip[i-1].sym {
			names++
		}
	}
	out := th.newAttrs(names)[:0]
	for rest := th.zip; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].sym == rest[0].sym {
			n++
		}
		l := th.newValues(n)
		for i, z := range rest[:n] {
			l[i] = th.force(sets[z.set]).attrs()[z.at].v
		}
		out = append(out, attr{sym: rest[0].sym, v: th.delayCall2(f, rest[0].sym.value(), th.newList(l))})
		rest = rest[n:]
	}
	th.zip = keepSmall(th.zip)
	return th.newSet(out)
}

// A zipped is an attribute of one of the sets that zipAttrsWith is given.
type zipped struct {
	sym     symbol
	set, at uint32
}

func (z zipped) compare(other zipped) int {
	if z.sym != other.sym {
		return cmp.Compare(z.sym, other.sym)
	}
	return cmp.Compare(z.set, other.set)
}
