package eval

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// A definition is one static binding of a set or let.
type definition struct {
	sym   symbol
	pos   posID
	scope definitionScope
	value lazy
}

// A definitionScope is the frame in which a definition's value is evaluated.
type definitionScope uint8

const (
	scopeInner definitionScope = iota // the frame of the bindings themselves; the enclosing one for a set without rec
	scopeOuter                        // inherit x: the enclosing frame
	scopeFrom                         // inherit (e) x: a frame with a slot for each such e
)

// definitions are the static bindings of a set or let, sorted by symbol.
type definitions struct {
	list []definition
	from []lazy // the e of each inherit (e) …
}

// fromFrame makes the frame for scopeFrom.
func (d *definitions) fromFrame(th *thread, inner *frame) *frame {
	if len(d.from) == 0 {
		return nil
	}
	f := th.newFrame(inner, len(d.from))
	for i := range d.from {
		*f.slot(i) = d.from[i].delay(th, inner)
	}
	return f
}

// A letNode is let … in body. Its frame has a slot for each definition.
type letNode struct {
	defs definitions
	body node
}

func (n *letNode) eval(th *thread, env *frame) value {
	inner := th.newFrame(env, len(n.defs.list))
	from := n.defs.fromFrame(th, inner)
	for i := range n.defs.list {
		d := &n.defs.list[i]
		scope := inner
		switch d.scope {
		case scopeOuter:
			scope = env
		case scopeFrom:
			scope = from
		}
		*inner.slot(i) = d.value.delay(th, scope)
	}
	return n.body.eval(th, inner)
}

// A setNode is { … } or rec { … }. The latter has a frame as a let has.
type setNode struct {
	defs      definitions
	dynamic   []dynamicDefinition
	rec       bool
	overrides int // index of __overrides in a rec set, or -1
	pos       posID
}

// A dynamicDefinition is ${name} = value.
type dynamicDefinition struct {
	name  node
	value lazy
	pos   posID
}

func (n *setNode) eval(th *thread, env *frame) value {
	count := len(n.defs.list)
	attrs := th.newAttrs(count + len(n.dynamic))[:count]
	inner := env
	if n.rec {
		inner = th.newFrame(env, count)
	}
	from := n.defs.fromFrame(th, inner)
	for i := range n.defs.list {
		d := &n.defs.list[i]
		scope := inner
		switch d.scope {
		case scopeOuter:
			scope = env
		case scopeFrom:
			scope = from
		}
		v := d.value.delay(th, scope)
		if n.rec {
			*inner.slot(i) = v
		}
		attrs[i] = attr{d.sym, d.pos, v}
	}
	if n.overrides >= 0 {
		attrs = n.override(th, attrs, inner)
	}
	for i := range n.dynamic {
		attrs = n.dynamic[i].add(th, attrs, inner)
	}
	return th.newSet(attrs)
}

// override replaces attributes and variables of a rec set by those of
// __overrides.
func (n *setNode) override(th *thread, attrs []attr, inner *frame) []attr {
	set := th.force(attrs[n.overrides].v)
	if set.kind() != kindSet {
		th.wantType(attrs[n.overrides].pos, "a set", set)
	}
	th.seen(set)
	for _, o := range set.attrs() {
		if i := slices.IndexFunc(n.defs.list, func(d definition) bool { return d.sym == o.sym }); i >= 0 {
			*inner.slot(i) = o.v
		}
	}
	return th.merge(attrs, set.attrs())
}

// add evaluates the name and adds the attribute. The name null adds none.
func (d *dynamicDefinition) add(th *thread, attrs []attr, inner *frame) []attr {
	name := d.name.eval(th, inner)
	if name.kind() == kindNull {
		return attrs
	}
	sym := th.wantName(name, d.pos)
	i := sort.Search(len(attrs), func(i int) bool { return attrs[i].sym >= sym })
	if i < len(attrs) && attrs[i].sym == sym {
		th.fail(d.pos, "dynamic attribute '%s' already defined at %s", sym, th.ev.shownAt(attrs[i].pos))
	}
	return slices.Insert(attrs, i, attr{sym, d.pos, d.value.delay(th, inner)})
}

// find returns the attribute with a symbol, else nil.
func find(attrs []attr, s symbol) *attr {
	lo, hi := 0, len(attrs)
	for hi-lo > 6 {
		mid := int(uint(lo+hi) >> 1)
		if attrs[mid].sym <= s {
			lo = mid
		} else {
			hi = mid
		}
	}
	for i := lo; i < hi; i++ {
		if attrs[i].sym == s {
			return &attrs[i]
		}
	}
	return nil
}

// An attrName is a name of an attribute path, known or computed.
type attrName struct {
	sym  symbol // 0 if computed
	node node
	pos  posID // of node
}

func (n *attrName) symbol(th *thread, env *frame) symbol {
	if n.sym != 0 {
		return n.sym
	}
	return th.wantName(n.node.eval(th, env), n.pos)
}

// A select1 is x.name, the most frequent selection.
type select1 struct {
	x   node
	sym symbol
	pos posID
}

func (n *select1) eval(th *thread, env *frame) value {
	v := n.x.eval(th, env)
	if v.kind() != kindSet {
		th.wantType(n.pos, "a set", v)
	}
	if v.o.flags == describesTree {
		th.recordLookup(v, n.sym)
	}
	a := find(v.attrs(), n.sym)
	if a == nil {
		th.missing(n.pos, n.sym, v)
	}
	return th.force(a.v)
}

// A selectNode is x.a.${b} or def.
type selectNode struct {
	x    node
	path []attrName
	def  node // nil without default
	pos  posID
}

func (n *selectNode) eval(th *thread, env *frame) value {
	v := n.x.eval(th, env)
	for i := range n.path {
		sym := n.path[i].symbol(th, env)
		var a *attr
		if v.kind() == kindSet {
			a = th.lookup(v, sym)
		} else if n.def == nil {
			th.wantType(n.pos, "a set", v)
		}
		if a == nil {
			if n.def != nil {
				return n.def.eval(th, env)
			}
			th.missing(n.pos, sym, v)
		}
		v = th.force(a.v)
	}
	return v
}

func (th *thread) missing(pos posID, sym symbol, set value) {
	if th.ev.compat.plainMissing {
		th.fail(pos, "attribute '%s' missing", sym.String())
	}
	th.fail(pos, "attribute '%s' missing", sym)
}

// A hasAttrNode is x ? a.b.
type hasAttrNode struct {
	x    node
	path []attrName
}

func (n *hasAttrNode) holds(th *thread, env *frame) bool {
	v := n.x.eval(th, env)
	for i := range n.path {
		if v.kind() != kindSet {
			return false
		}
		a := th.lookup(v, n.path[i].symbol(th, env))
		if a == nil {
			return false
		}
		if i < len(n.path)-1 {
			v = th.force(a.v)
		}
	}
	return true
}

func (n *hasAttrNode) eval(th *thread, env *frame) value { return boolValue(n.holds(th, env)) }

// An updateNode is l // r.
type updateNode struct {
	l, r       node
	pos        posID
	lpos, rpos posID // of the operands, where errors in them are
}

func (n *updateNode) eval(th *thread, env *frame) value {
	if th.ev.compat.rightFirst {
		r := n.operand(n.r, n.rpos, th, env)
		return th.update(n.operand(n.l, n.lpos, th, env), r)
	}
	l := n.operand(n.l, n.lpos, th, env)
	return th.update(l, n.operand(n.r, n.rpos, th, env))
}

func (n *updateNode) operand(x node, pos posID, th *thread, env *frame) value {
	v := x.eval(th, env)
	if v.kind() != kindSet {
		th.wantType(pos, "a set", v)
	}
	return v
}

func (th *thread) update(l, r value) value {
	if l.o.n == 0 {
		return r
	}
	if r.o.n == 0 {
		return l
	}
	v := th.newSet(th.merge(l.attrs(), r.attrs()))
	if flags := l.o.flags | r.o.flags; flags != 0 {
		v.o.flags = flags
	}
	return v
}

// merge returns the attributes of both sets. For a name in both, r's wins.
func (th *thread) merge(l, r []attr) []attr {
	out := th.newAttrs(len(l) + len(r))[:0]
	if len(r)*8 < len(l) {
		// Few are replaced: copy whole runs of the others.
		for _, a := range r {
			k := sort.Search(len(l), func(i int) bool { return l[i].sym >= a.sym })
			out = append(append(out, l[:k]...), a)
			if k < len(l) && l[k].sym == a.sym {
				k++
			}
			l = l[k:]
		}
		return append(out, l...)
	}
	for len(l) > 0 && len(r) > 0 {
		switch {
		case l[0].sym < r[0].sym:
			out, l = append(out, l[0]), l[1:]
		case l[0].sym > r[0].sym:
			out, r = append(out, r[0]), r[1:]
		default:
			out, l, r = append(out, r[0]), l[1:], r[1:]
		}
	}
	return append(append(out, l...), r...)
}

// sortedSet makes a small set of attributes in any order.
func sortedSet(attrs ...attr) value {
	sortAttrs(attrs)
	return setValue(attrs)
}

func sortAttrs(attrs []attr) {
	slices.SortFunc(attrs, func(a, b attr) int { return int(int64(a.sym) - int64(b.sym)) })
}

// A ranked is an attribute in a list that is sorted by name.
type ranked struct {
	prefix uint64 // of the name; see symbolName
	sym    symbol
	at     uint32 // its index in the set
}

func (r ranked) compare(other ranked) int {
	if r.prefix != other.prefix {
		return cmp.Compare(r.prefix, other.prefix)
	}
	return strings.Compare(r.sym.String(), other.sym.String())
}

// nameOrder appends the attributes to order and sorts them by the bytes of their names.
func nameOrder(order []ranked, attrs []attr) []ranked {
	for i, a := range attrs {
		order = append(order, ranked{a.sym.entry().prefix, a.sym, uint32(i)})
	}
	slices.SortFunc(order, ranked.compare)
	return order
}

// nameOrder returns the order by name until it is called again.
func (th *thread) nameOrder(attrs []attr) []ranked {
	th.reserve(attrSize * len(attrs))
	order := nameOrder(th.order[:0], attrs)
	th.order = keepSmall(order)
	return order
}

// byName is the function byName within the memory limit.
func (th *thread) byName(attrs []attr) []attr {
	th.reserve(attrSize * len(attrs))
	return inOrder(attrs, th.nameOrder(attrs))
}

// byName returns the attributes in the order of the bytes of their names, in
// which they are printed and listed.
func byName(attrs []attr) []attr { return inOrder(attrs, nameOrder(nil, attrs)) }

func inOrder(attrs []attr, order []ranked) []attr {
	out := make([]attr, len(attrs))
	for i, r := range order {
		out[i] = attrs[r.at]
	}
	return out
}
