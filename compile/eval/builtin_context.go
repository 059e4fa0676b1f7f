package eval

import "muster/compile/store"

// contextBuiltins read and change the contexts of strings.
var contextBuiltins = []*builtin{
	fn1("hasContext", func(th *thread, x value) value { return boolValue(len(th.wantString(x, 0).context()) > 0) }),
	fn1("getContext", getContext),
	fn2("appendContext", appendContext),
	fn1("unsafeDiscardStringContext", unsafeDiscardStringContext),
	fn1("unsafeDiscardOutputDependency", unsafeDiscardOutputDependency),
	fn1("addDrvOutputDependencies", addDrvOutputDependencies),
}

func unsafeDiscardStringContext(th *thread, x value) value {
	var c references
	return th.newString(th.coerce(x, &c, 0, copyPaths))
}

// unsafeDiscardOutputDependency replaces references to derivations with all
// their inputs by references to the .drv files alone.
func unsafeDiscardOutputDependency(th *thread, x value) value {
	var c references
	s := th.coerce(x, &c, 0, copyPaths)
	var out []reference
	for _, r := range c {
		if p, _, deep := r.split(); deep {
			r = pathReference(p)
		}
		out = append(out, r)
	}
	return contextValue(s, newReferences(out))
}

// addDrvOutputDependencies does the reverse.
func addDrvOutputDependencies(th *thread, x value) value {
	var c references
	s := th.coerce(x, &c, 0, copyPaths)
	if len(c) != 1 {
		th.fail(0, "context of string '%s' must have exactly one element, but has %d", s, len(c))
	}
	p, output, _ := c[0].split()
	if output != "" {
		th.fail(0, "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as '%s'", output)
	}
	if !p.IsDerivation() {
		th.fail(0, "path '%s' is not a derivation", p)
	}
	return contextValue(s, references{deepReference(p)})
}

// getContext returns { "/nix/store/…" = { path, allOutputs, outputs }; }.
func getContext(th *thread, x value) value {
	type entry struct {
		path, deep bool
		outputs    []value
	}
	entries := map[store.Path]*entry{}
	for _, r := range th.wantString(x, 0).context() {
		p, output, deep := r.split()
		th.observe(string(p))
		e := entries[p]
		if e == nil {
			e = &entry{}
			entries[p] = e
		}
		switch {
		case deep:
			e.deep = true
		case output != "":
			e.outputs = append(e.outputs, stringValue(output))
		default:
			e.path = true
		}
	}
	var attrs []attr
	for p, e := range entries {
		var info []attr
		if e.path {
			info = append(info, attr{sym: symPath, v: valueTrue})
		}
		if e.deep {
			info = append(info, attr{sym: symAllOutputs, v: valueTrue})
		}
		if len(e.outputs) > 0 {
			info = append(info, attr{sym: symOutputs, v: listValue(e.outputs)})
		}
		attrs = append(attrs, attr{sym: intern(string(p)), v: sortedSet(info...)})
	}
	return sortedSet(attrs...)
}

func appendContext(th *thread, x, y value) value {
	v := th.wantString(x, 0)
	c := v.context()
	for _, a := range th.wantSet(y, 0) {
		p, err := store.ParsePath(a.sym.String())
		if err != nil {
			th.fail(a.pos, "context key '%s' is not a store path", a.sym)
		}
		info := th.wantSet(a.v, a.pos)
		if b := find(info, symPath); b != nil && th.wantBool(b.v, b.pos) {
			c = c.with(pathReference(p))
		}
		if b := find(info, symAllOutputs); b != nil && th.wantBool(b.v, b.pos) {
			if !p.IsDerivation() {
				th.fail(a.pos, "tried to add all-outputs context of \"%s\", which is not a derivation, to a string", p)
			}
			c = c.with(deepReference(p))
		}
		if b := find(info, symOutputs); b != nil {
			outputs := th.wantList(b.v, b.pos)
			if len(outputs) > 0 && !p.IsDerivation() {
				th.fail(a.pos, "tried to add derivation output context of \"%s\", which is not a derivation, to a string", p)
			}
			for _, o := range outputs {
				c = c.with(outputReference(p, th.wantPlainString(o, b.pos)))
			}
		}
	}
	return contextValue(v.str(), c)
}
