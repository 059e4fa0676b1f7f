package eval

import (
	"fmt"
	"strings"
)

// controlBuiltins control evaluation and errors.
var controlBuiltins = []*builtin{
	fn1("abort", abort),
	fn1("throw", throw),
	fn1("tryEval", tryEval),
	fn2("addErrorContext", addErrorContext),
	fn2("seq", func(th *thread, x, y value) value { th.force(x); return th.force(y) }),
	fn2("deepSeq", func(th *thread, x, y value) value { th.deep(x); return th.force(y) }),
	fn2("trace", trace),
	fn2("traceVerbose", traceVerbose),
	fn2("warn", warn),
	fn1("break", func(th *thread, x value) value { return th.force(x) }),
	fn1("genericClosure", genericClosure),
}

func abort(th *thread, x value) value {
	var c references
	th.failAs(AbortError, 0, "evaluation aborted with the following error message: '%s'", th.coerce(x, &c, 0, copyPaths))
	return value{}
}

func throw(th *thread, x value) value {
	var c references
	th.failAs(ThrowError, 0, "%s", th.coerce(x, &c, 0, copyPaths))
	return value{}
}

// tryEval returns { success, value }. It catches throw and failed assertions;
// any other error ends the program.
func tryEval(th *thread, x value) value {
	v, err := th.attempt(func() value { return th.force(x) })
	if err != nil {
		if err = th.reworded(err); !err.catchable() {
			panic(err)
		}
		v = valueFalse
	}
	attrs := th.newAttrs(2)
	attrs[0], attrs[1] = attr{sym: symSuccess, v: boolValue(err == nil)}, attr{sym: symValue, v: v}
	sortAttrs(attrs)
	return th.newSet(attrs)
}

// reworded returns the error that x becomes on its way here: if the text of a
// note cannot be computed, the error of that replaces x.
func (th *thread) reworded(x *Error) *Error {
	if x.transient() {
		return x
	}
	for _, s := range x.steps {
		if s.note == nil {
			continue
		}
		if _, err := th.attempt(func() value { return stringValue(s.note(th)) }); err != nil {
			x = err
		}
	}
	return x
}

// addErrorContext returns y. The trace of an error in y gets the text x.
func addErrorContext(th *thread, x, y value) value {
	mark := len(th.notes)
	// As in Nix, the text is computed only if it is needed.
	th.notes = append(th.notes, note{th.depth, len(th.running), func(th *thread) string {
		var c references
		return th.coerce(x, &c, 0, 0)
	}})
	v := th.force(y)
	th.notes = th.notes[:mark]
	return v
}

func trace(th *thread, x, y value) value {
	x = th.force(x)
	text := ""
	if x.kind() == kindString {
		text = shortenedTo(maxTraced, x.str())
	} else {
		text = th.showAll(x)
	}
	th.say("trace: " + text)
	return th.force(y)
}

func traceVerbose(th *thread, x, y value) value {
	if th.ev.opts.TraceVerbose {
		return trace(th, x, y)
	}
	return th.force(y)
}

func warn(th *thread, x, y value) value {
	th.say("evaluation warning: " + shortenedTo(maxTraced, th.wantString(x, 0).str()))
	if th.ev.opts.AbortOnWarn {
		th.failAs(AbortError, 0, "aborting to reveal stack trace of warning, as abort-on-warn is set")
	}
	return th.force(y)
}

// say writes a line to Options.Trace.
func (th *thread) say(line string) {
	said := &th.ev.inputs
	if th.heap == &th.own {
		said = &th.inputs
	}
	th.observe(line)
	said.say(line)
	th.ev.say(line)
}

func (ev *Evaluator) say(line string) {
	if w := ev.opts.Trace; w != nil {
		ev.trace.Lock()
		defer ev.trace.Unlock()
		fmt.Fprintln(w, strings.TrimSuffix(line, "\n"))
	}
}

// genericClosure returns the items that operator reaches from startSet, one for
// each key, in the order in which they are found.
func genericClosure(th *thread, x value) value {
	attrs := th.wantSet(x, 0)
	work := th.add(nil, th.wantList(th.wantAttr(attrs, symStartSet), 0)...)
	if len(work) == 0 && !th.ev.compat.forcesUnused {
		return emptyList
	}
	operator := th.wantFunction(th.wantAttr(attrs, symOperator), 0)
	var result []value
	keys := keySet{th: th}
	for i := 0; i < len(work); i++ {
		th.spend(1)
		item := th.force(work[i])
		key := th.wantAttr(th.wantSet(item, 0), symKey)
		if !keys.add(th.force(key)) {
			continue
		}
		result = th.add(result, item)
		work = th.add(work, th.wantList(th.call(operator, item), 0)...)
	}
	return th.newList(result)
}

// wantAttr returns a required attribute.
func (th *thread) wantAttr(attrs []attr, sym symbol) value {
	a := find(attrs, sym)
	if a == nil {
		th.fail(0, "attribute '%s' missing", sym)
	}
	return a.v
}

// A keySet holds the keys of a genericClosure, which are values that < can
// compare.
type keySet struct {
	th      *thread
	first   value
	ints    map[int64]bool
	strings map[string]bool
	others  []value
}

// add adds a key and reports whether it is new.
func (k *keySet) add(key value) bool {
	if k.first.isNone() {
		k.first = key // nothing compares it: a single key may be of any type
	} else if key.kind() != k.first.kind() {
		k.th.less(key, k.first, 0)
	}
	switch key.kind() {
	case kindInt:
		if k.ints == nil {
			k.ints = map[int64]bool{}
		}
		if len(k.others) == 0 {
			isNew := !k.ints[key.int()]
			k.ints[key.int()] = true
			return isNew
		}
	case kindString, kindPath:
		if k.strings == nil {
			k.strings = map[string]bool{}
		}
		isNew := !k.strings[key.str()]
		k.strings[key.str()] = true
		return isNew
	}
	// Other keys are rare: floats, lists and mixed numbers.
	for i := range k.ints {
		if !k.th.less(intValue(i), key, 0) && !k.th.less(key, intValue(i), 0) {
			return false
		}
	}
	for _, other := range k.others {
		if !k.th.less(other, key, 0) && !k.th.less(key, other, 0) {
			return false
		}
	}
	k.others = append(k.others, key)
	return true
}
