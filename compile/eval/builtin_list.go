package eval

// listBuiltins build and inspect lists.
var listBuiltins = []*builtin{
	fn1("length", func(th *thread, x value) value { return th.newInt(int64(len(th.wantList(x, 0)))) }),
	fn1("head", head),
	fn1("tail", tail),
	fn2("elemAt", elemAt),
	fn2("elem", elem),
	fn2("map", mapList),
	fn2("filter", filterList),
	fn3("foldl'", foldl),
	fn2("any", func(th *thread, f, l value) value { return boolValue(th.some(f, l, true)) }),
	fn2("all", func(th *thread, f, l value) value { return boolValue(!th.some(f, l, false)) }),
	fn2("genList", genList),
	fn2("sort", sortList),
	fn2("partition", partition),
	fn2("groupBy", groupBy),
	fn1("concatLists", func(th *thread, x value) value { return th.concatLists(th.wantList(x, 0)) }),
	fn2("concatMap", concatMap),
}

func head(th *thread, x value) value {
	l := th.wantList(x, 0)
	if len(l) == 0 {
		th.fail(0, "'builtins.head' called on an empty list")
	}
	return th.force(l[0])
}

func tail(th *thread, x value) value {
	l := th.wantList(x, 0)
	if len(l) == 0 {
		th.fail(0, "'builtins.tail' called on an empty list")
	}
	th.reserve(8 * len(l))
	return th.newList(l[1:])
}

func elemAt(th *thread, x, y value) value {
	l, i := th.wantList(x, 0), th.wantInt(y, 0)
	if i < 0 || i >= int64(len(l)) {
		th.fail(0, "'builtins.elemAt' called with index %d on a list of size %d", i, len(l))
	}
	return th.force(l[i])
}

func elem(th *thread, x, l value) value {
	for _, y := range th.wantList(l, 0) {
		th.spend(1)
		if th.equal(x, y) {
			return valueTrue
		}
	}
	return valueFalse
}

func mapList(th *thread, f, x value) value {
	l := th.wantList(x, 0)
	if len(l) == 0 {
		return emptyList
	}
	f = th.wantFunction(f, 0)
	out := th.newValues(len(l))
	for i, x := range l {
		if i%1024 == 1023 {
			th.reserve(1024 * thunkSize)
		}
		out[i] = th.delayCall(f, x)
	}
	return th.newList(out)
}

func filterList(th *thread, f, x value) value {
	if th.ev.compat.forcesUnused {
		f = th.wantFunction(f, 0)
	}
	l := th.wantList(x, 0)
	if len(l) == 0 {
		return emptyList
	}
	f = th.wantFunction(f, 0)
	th.reserve(valueSize * len(l))
	base := len(th.scratch)
	for _, x := range l {
		if th.wantBool(th.call(f, x), 0) {
			th.scratch = append(th.scratch, x)
		}
	}
	out := th.force(x)
	if passed := th.scratch[base:]; len(passed) < len(l) {
		list := th.newValues(len(passed))
		copy(list, passed)
		out = th.newList(list)
	}
	th.unwind(base)
	return out
}

// foldl evaluates the accumulator at every step.
func foldl(th *thread, f, z, x value) value {
	f = th.wantFunction(f, 0)
	acc := z
	for _, x := range th.wantList(x, 0) {
		acc = th.call2(f, acc, x)
	}
	return th.force(acc)
}

// some reports whether f returns want for an element.
func (th *thread) some(f, x value, want bool) bool {
	f = th.wantFunction(f, 0)
	for _, x := range th.wantList(x, 0) {
		if th.wantBool(th.call(f, x), 0) == want {
			return true
		}
	}
	return false
}

func genList(th *thread, f, x value) value {
	n := th.wantInt(x, 0)
	if n < 0 {
		th.fail(0, "cannot create list of size %d", n)
	}
	if n >= 1<<31 {
		th.failAs(LimitError, 0, "cannot create list of size %d", n)
	}
	th.reserve((valueSize + thunkSize + intSize) * int(n))
	if !th.ev.compat.forcesUnused {
		f = th.wantFunction(f, 0)
	}
	out := th.newValues(int(n))
	for i := range out {
		th.spend(1)
		out[i] = th.delayCall(f, th.newInt(int64(i)))
	}
	return th.newList(out)
}

func sortList(th *thread, f, x value) value {
	if th.ev.compat.forcesUnused {
		f = th.wantFunction(f, 0)
	}
	l := th.wantList(x, 0)
	if len(l) == 0 {
		return emptyList
	}
	f = th.wantFunction(f, 0)
	for _, x := range l {
		th.force(x)
	}
	before := func(a, b value) bool { return th.wantBool(th.call2(f, a, b), 0) }
	if f.same(lessThan.value()) {
		before = func(a, b value) bool { th.spend(1); return th.less(a, b, 0) }
	}
	th.reserve(2 * valueSize * len(l))
	out := th.newValues(len(l))
	copy(out, l)
	mergeSort(out, make([]value, len(l)), before)
	return th.newList(out)
}

// mergeSort sorts l stably. It calls before(b, a) only if a is before b in l,
// and terminates whatever before returns.
func mergeSort(l, spare []value, before func(a, b value) bool) {
	if len(l) < 8 { // Nix, too, compares the first two elements first
		for i := 1; i < len(l); i++ {
			for j := i; j > 0 && before(l[j], l[j-1]); j-- {
				l[j], l[j-1] = l[j-1], l[j]
			}
		}
		return
	}
	mid := len(l) / 2
	mergeSort(l[:mid], spare[:mid], before)
	mergeSort(l[mid:], spare[mid:], before)
	if !before(l[mid], l[mid-1]) {
		return // already in order
	}
	left, right := spare[:copy(spare, l[:mid])], l[mid:]
	out := l[:0]
	for len(left) > 0 && len(right) > 0 {
		if before(right[0], left[0]) {
			out, right = append(out, right[0]), right[1:]
		} else {
			out, left = append(out, left[0]), left[1:]
		}
	}
	copy(l[len(out):], left)
}

func partition(th *thread, f, x value) value {
	f = th.wantFunction(f, 0)
	var right, wrong []value
	for _, x := range th.wantList(x, 0) {
		th.force(x)
		if th.wantBool(th.call(f, x), 0) {
			right = th.add(right, x)
		} else {
			wrong = th.add(wrong, x)
		}
	}
	attrs := th.newAttrs(2)
	attrs[0], attrs[1] = attr{sym: symRight, v: th.newList(right)}, attr{sym: symWrong, v: th.newList(wrong)}
	sortAttrs(attrs)
	return th.newSet(attrs)
}

func groupBy(th *thread, f, x value) value {
	f = th.wantFunction(f, 0)
	groups := map[symbol][]value{}
	for _, x := range th.wantList(x, 0) {
		key := th.wantName(th.call(f, x), 0)
		groups[key] = th.add(groups[key], x)
	}
	attrs := th.newAttrs(len(groups))[:0]
	for key, l := range groups {
		attrs = append(attrs, attr{sym: key, v: th.newList(l)})
	}
	sortAttrs(attrs)
	return th.newSet(attrs)
}

func concatMap(th *thread, f, x value) value {
	f = th.wantFunction(f, 0)
	l := th.wantList(x, 0)
	th.reserve(valueSize * len(l))
	base := len(th.scratch)
	for _, x := range l {
		part := th.call(f, x)
		th.wantList(part, functionPos(f))
		th.scratch = append(th.scratch, part)
	}
	out := th.concatLists(th.scratch[base:])
	th.unwind(base)
	return out
}

// concatLists joins lists. A list that is the only non-empty one is returned
// itself.
func (th *thread) concatLists(lists []value) value {
	total := 0
	var last value
	for _, x := range lists {
		x = th.force(x)
		if n := len(th.wantList(x, 0)); n > 0 {
			total += n
			last = x
		}
	}
	if total == 0 {
		return emptyList
	}
	if int(last.o.n) == total {
		return last
	}
	out := th.newValues(total)[:0]
	for _, x := range lists {
		out = append(out, th.force(x).list()...)
	}
	return th.newList(out)
}
