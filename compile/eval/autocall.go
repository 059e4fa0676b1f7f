package eval

import (
	"strconv"
	"strings"
)

// autoCall calls functions that take a set, and sets with __functor, with those
// of args that they name.
func (th *thread) autoCall(v value, args map[string]Value) value {
	v = th.force(v)
	if v.kind() == kindSet {
		if f := find(v.attrs(), symFunctor); f != nil {
			return th.autoCall(th.call(f.v, v), args)
		}
	}
	if v.kind() != kindLambda || !v.closure().fn.hasSet {
		return v
	}
	fn := v.closure().fn
	var attrs []attr
	if fn.ellipsis {
		for name, a := range args {
			attrs = append(attrs, attr{sym: intern(name), v: a.v})
		}
	} else {
		for _, p := range fn.formals {
			if a, ok := args[p.sym.String()]; ok {
				attrs = append(attrs, attr{sym: p.sym, v: a.v})
			} else if !p.hasDef {
				th.fail(p.pos, "cannot evaluate a function that has an argument without a value ('%s')\nNix attempted to evaluate a function as a top level expression; in\nthis case it must have its arguments supplied either by default\nvalues, or passed explicitly with '--arg' or '--argstr'. See\nhttps://nix.dev/manual/nix/stable/language/syntax.html#functions.", p.sym)
			}
		}
	}
	return th.call(v, sortedSet(attrs...))
}

// selectPath follows an attribute path from v. It calls functions on the way, and
// not the one that it arrives at.
func (th *thread) selectPath(v value, path string, args map[string]Value) value {
	for _, name := range th.splitPath(path) {
		v = th.autoCall(v, args)
		if i, err := strconv.Atoi(name); err == nil && i >= 0 {
			if v.kind() != kindList {
				th.fail(0, "the expression selected by the selection path '%s' should be a list but is %s", path, typeWords(v))
			}
			if i >= len(v.list()) {
				th.fail(0, "list index %d in selection path '%s' is out of range", i, path)
			}
			v = v.list()[i]
			continue
		}
		if v.kind() != kindSet {
			th.fail(0, "the expression selected by the selection path '%s' should be a set but is %s", path, typeWords(v))
		}
		if name == "" {
			th.fail(0, "empty attribute name in selection path '%s'", path)
		}
		a := find(v.attrs(), lookup(name))
		if a == nil {
			th.fail(0, "attribute '%s' in selection path '%s' not found", name, path)
		}
		v = a.v
	}
	return v
}

// A derivationCollector collects the derivations that a value is or holds, as
// nix-instantiate does: a derivation, or those in a list or set of derivations.
type derivationCollector struct {
	th   *thread
	args map[string]Value
	drvs []string
}

func (c *derivationCollector) collect(v value) {
	c.th.descend()
	defer func() { c.th.nesting-- }()
	v = c.th.autoCall(v, c.args)
	switch v.kind() {
	case kindSet:
		if c.take(v) {
			return
		}
		for _, a := range c.th.byName(v.attrs()) {
			if !isAttributeName(a.sym.String()) {
				continue
			}
			below := c.th.force(a.v)
			if below.kind() != kindSet || c.take(below) {
				continue
			}
			if more := find(below.attrs(), symRecurseForDerivations); more != nil && c.th.wantBool(more.v, more.pos) {
				c.collect(below)
			}
		}
	case kindList:
		for _, x := range v.list() {
			if below := c.th.force(x); below.kind() == kindSet && !c.take(below) {
				if more := find(below.attrs(), symRecurseForDerivations); more != nil && c.th.wantBool(more.v, more.pos) {
					c.collect(below)
				}
			}
		}
	default:
		c.th.fail(0, "expression does not evaluate to a derivation (or a set or list of those)")
	}
}

// take adds v if it is a derivation, and reports whether it is.
func (c *derivationCollector) take(v value) bool {
	th := c.th
	kind := find(v.attrs(), symType)
	if kind == nil {
		return false
	}
	if k := th.force(kind.v); k.kind() != kindString || k.str() != "derivation" {
		return false
	}
	drv := th.wantString(th.wantAttr(v.attrs(), symDrvPath), 0).str()
	if out := find(v.attrs(), symOutputName); out != nil {
		if name := th.wantString(out.v, out.pos).str(); name != "out" {
			drv += "!" + name
		}
	}
	c.drvs = append(c.drvs, drv)
	return true
}

// isAttributeName reports whether nix-instantiate considers an attribute when
// it looks for derivations.
func isAttributeName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '+'):
		default:
			return false
		}
	}
	return s != ""
}

// splitPath splits a."b.c".d at the dots outside of quotes.
func (th *thread) splitPath(path string) []string {
	if path == "" {
		return nil
	}
	var names []string
	var name strings.Builder
	quoted := false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteByte(c)
		}
	}
	if quoted {
		th.fail(0, "missing closing quote in selection path '%s'", path)
	}
	return append(names, name.String())
}
