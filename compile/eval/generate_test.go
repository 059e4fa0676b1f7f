package eval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"muster/compile/eval"
)

// A generator writes random well-formed Nix programs that two evaluators can be
// compared with. Programs are typed, so that most of them evaluate; now and
// then one contains something of a wrong type, a throw or a recursion.
type generator struct {
	*rand.Rand
	vars []variable // in scope, innermost last
	old  bool       // write only what Nix 2.8 supports
	fuel int        // number of compound expressions left for this program
}

// A variable is a name in scope. Names from with expressions are shadowed by
// all others.
type variable struct {
	name string
	typ  *typ
	with bool
}

// A typ is the type of value that an expression should evaluate to.
type typ struct {
	kind   kind
	elem   *typ    // of a list's elements, or of a function's result
	arg    *typ    // of a function's argument
	fields []field // of a set
}

type field struct {
	name string
	typ  *typ
}

type kind int

const (
	aNull kind = iota
	aBool
	anInt
	aFloat
	aString
	aPath
	aDerivation
	aList
	aSet
	aFunction
)

var (
	null       = &typ{kind: aNull}
	boolean    = &typ{kind: aBool}
	integer    = &typ{kind: anInt}
	float      = &typ{kind: aFloat}
	text       = &typ{kind: aString}
	path       = &typ{kind: aPath}
	derivation = &typ{kind: aDerivation}
)

func listOf(t *typ) *typ { return &typ{kind: aList, elem: t} }

func function(arg, result *typ) *typ { return &typ{kind: aFunction, arg: arg, elem: result} }

// program returns a closed expression.
func (g *generator) program() string {
	g.vars = nil
	g.fuel = 15 + g.IntN(60)
	switch g.IntN(14) {
	case 0:
		return g.modules()
	case 2, 3:
		return g.library()
	case 1:
		return "[ " + g.expr(derivation, 3) + " " + g.expr(text, 4) + " ]"
	}
	return g.expr(g.typ(3), 6)
}

// derivations returns an expression of derivations.
func (g *generator) derivations() string {
	g.vars = nil
	g.fuel = 10 + g.IntN(40)
	return "[ " + g.expr(derivation, 5) + " " + g.expr(derivation, 4) + ".drvPath " + g.expr(derivation, 4) + ".outPath ]"
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// chance is true once in n times.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

// typ returns a type whose values are at most depth deep.
func (g *generator) typ(depth int) *typ {
	if depth <= 0 || g.chance(3) {
		return pick(g, null, boolean, integer, integer, integer, float, text, text, text, text, path)
	}
	switch g.IntN(8) {
	case 0, 1:
		return listOf(g.typ(depth - 1))
	case 2:
		return function(g.typ(depth-1), g.typ(depth-1))
	case 3:
		return pick(g, derivation, text)
	}
	return g.set(depth)
}

func (g *generator) set(depth int) *typ {
	t := &typ{kind: aSet}
	for range g.IntN(4) {
		name := g.name()
		if !slices.ContainsFunc(t.fields, func(f field) bool { return f.name == name }) {
			t.fields = append(t.fields, field{name, g.typ(depth - 1)})
		}
	}
	return t
}

// plain returns a type without functions, paths and derivations.
func (g *generator) plain(depth int) *typ {
	if depth <= 0 || g.chance(2) {
		return pick(g, null, boolean, integer, float, text, text)
	}
	if g.chance(2) {
		return listOf(g.plain(depth - 1))
	}
	t := &typ{kind: aSet}
	for i := range g.IntN(3) {
		t.fields = append(t.fields, field{string(rune('a' + i)), g.plain(depth - 1)})
	}
	return t
}

// name returns the name of a variable or attribute. There are few, so that they
// collide.
func (g *generator) name() string {
	return pick(g, "a", "b", "c", "d", "x", "y", "z", "foo", "bar-baz", "x'", "_", "or1", "x y", "1", "", "é", "if", "a.b")
}

func isName(s string) bool {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && strings.ContainsRune("0123456789-'", c)) {
			return false
		}
	}
	return s != "" && s != "if"
}

// variableName returns a name that needs no quotes.
func (g *generator) variableName() string {
	for {
		if n := g.name(); isName(n) {
			return n
		}
	}
}

// attr writes an attribute's name: bare, quoted or computed.
func (g *generator) attr(name string) string {
	switch {
	case isName(name) && !g.chance(8):
		return name
	case g.chance(3):
		return "${" + quote(name) + "}"
	}
	return quote(name)
}

// staticAttr is attr without computed names.
func (g *generator) staticAttr(name string) string {
	if isName(name) {
		return name
	}
	return quote(name)
}

// quote writes a string literal.
func quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(s)
	return `"` + s + `"`
}

// expr writes an expression of type t that is valid in any position.
func (g *generator) expr(t *typ, depth int) string {
	if g.chance(400) {
		return g.mistake(depth)
	}
	if !g.old && g.chance(80) && depth < 4 {
		return "(throw " + quote(pick(g, "a", "b")) + ")" // possibly never evaluated
	}
	if g.fuel--; g.fuel < 0 {
		depth = 0
	}
	if g.chance(3) || depth <= 0 {
		if v := g.variable(t); v != "" {
			return v
		}
	}
	if depth <= 0 || g.chance(4) {
		return g.literal(t, depth)
	}
	if g.chance(3) {
		return g.common(t, depth-1)
	}
	return g.special(t, depth-1)
}

// mistake writes an expression that may fail, or of any type.
func (g *generator) mistake(depth int) string {
	switch g.IntN(6) {
	case 0:
		return "(throw " + g.expr(text, depth-1) + ")"
	case 1:
		return "(abort " + quote("no") + ")"
	case 2:
		return "(let " + "loop = loop; in loop)"
	case 3:
		return "(assert " + g.expr(boolean, depth-1) + "; null)"
	}
	return g.expr(g.typ(2), depth-1)
}

// unused writes an expression that is never evaluated, of any kind.
func (g *generator) unused(depth int) string {
	if g.chance(2) {
		return g.mistake(depth)
	}
	return g.expr(g.typ(1), depth-1)
}

// variable returns a variable of type t, or an attribute of one, or "".
func (g *generator) variable(t *typ) string {
	var found []string
	seen := map[string]bool{}
	for _, with := range []bool{false, true} {
		for i := len(g.vars) - 1; i >= 0; i-- {
			v := g.vars[i]
			if v.with != with || seen[v.name] {
				continue
			}
			seen[v.name] = true
			if same(v.typ, t) {
				found = append(found, v.name)
			}
			if v.typ.kind == aSet {
				for _, f := range v.typ.fields {
					if same(f.typ, t) {
						found = append(found, "("+v.name+"."+g.attr(f.name)+")")
					}
				}
			}
			if v.typ.kind == aFunction && same(v.typ.elem, t) && g.fuel > 0 {
				found = append(found, "("+v.name+" "+g.literal(v.typ.arg, 1)+")")
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return pick(g, found...)
}

func same(a, b *typ) bool {
	if a == b {
		return true
	}
	if a.kind != b.kind || a.kind < aList {
		return a.kind == b.kind
	}
	switch a.kind {
	case aList:
		return same(a.elem, b.elem)
	case aFunction:
		return same(a.arg, b.arg) && same(a.elem, b.elem)
	}
	return slices.EqualFunc(a.fields, b.fields, func(x, y field) bool { return x.name == y.name && same(x.typ, y.typ) })
}

// bind has variables in scope while f writes.
func (g *generator) bind(f func() string, vars ...variable) string {
	n := len(g.vars)
	g.vars = append(g.vars, vars...)
	s := f()
	g.vars = g.vars[:n]
	return s
}

// literal writes a simple value of type t.
func (g *generator) literal(t *typ, depth int) string {
	switch t.kind {
	case aNull:
		return "null"
	case aBool:
		return pick(g, "true", "false")
	case anInt:
		return pick(g, "0", "1", "2", "3", "7", "10", "(-1)", "(-7)", "100", "65536", "4294967296", "9223372036854775807", "(-9223372036854775807 - 1)")
	case aFloat:
		return pick(g, "0.0", "1.0", "0.5", "(-1.5)", "3.14159265", "1.0e10", "1.0e-5", "123456789.0", "1.0e300", ".1", "2.5",
			// Any number between the smallest and the largest, as Nix writes it.
			"("+pick(g, "", "-")+strconv.FormatFloat(g.Float64(), 'f', 1+g.IntN(17), 64)+pick(g, "", "e5", "e15", "e-3", "e-9", "e100", "e-300", "e20")+")")
	case aString:
		return g.stringLiteral(depth)
	case aPath:
		return pick(g, "./s/s/file", "./s/s/dir", "./s/s/dir/inner", "./s/s/dir/../s/s/file", "/.", "/nowhere/at/all", "(./s/s + \"/file\")", "(/. + \"/x/../y\")")
	case aDerivation:
		return g.derivation(min(depth, 1))
	case aList:
		var b strings.Builder
		b.WriteString("[ ")
		for range g.IntN(4) {
			b.WriteString(g.expr(t.elem, depth-2) + " ")
		}
		return b.String() + "]"
	case aFunction:
		return g.lambda(t, depth)
	}
	return g.setLiteral(t, depth)
}

var words = []string{"", "a", "b", "abc", "ab", "foo", "bar", "a b", "a-b", "1.2.3", "hello world", "1", "42", "x=y", "/a/b/c", "é", "$", "$$", "${", "\"", "\\", "''", "\n", "a\nb", "\t", "-", "foo-1.2.3", "2.0pre", "ÿ", "\x01"}

func (g *generator) stringLiteral(depth int) string {
	if depth <= 1 || g.chance(3) {
		return quote(pick(g, words...))
	}
	if g.chance(4) {
		return g.indented(depth)
	}
	s := `"`
	for range 1 + g.IntN(3) {
		if g.chance(2) {
			word := quote(pick(g, words...))
			s += word[1 : len(word)-1]
			continue
		}
		// "$${" does not interpolate.
		if before, ok := strings.CutSuffix(s, "$"); ok {
			s = before + `\$`
		}
		s += "${" + g.textual(depth-1) + "}"
	}
	return s + `"`
}

// indented writes a string between two single quotes.
func (g *generator) indented(depth int) string {
	var b strings.Builder
	b.WriteString("''")
	for range g.IntN(4) {
		b.WriteString(pick(g, "\n", "\n  ", "\n    ", "  ", "\n\t", "") + pick(g, "a", "b c", "'''", "''$", `''\n`, `''\t`, "''${", "$", "\"", "\\", "é") + pick(g, "", "\n", " ", "\n   "))
		if g.chance(3) {
			b.WriteString("x${" + g.textual(depth-1) + "}")
		}
	}
	return b.String() + "''"
}

// textual writes an expression that "${ }" accepts.
func (g *generator) textual(depth int) string {
	switch g.IntN(8) {
	case 0:
		return g.expr(derivation, depth)
	case 1:
		return pick(g, "./s/s/file", "./s/s/dir")
	case 2:
		return "{ outPath = " + g.expr(text, depth) + "; x = " + g.unused(depth) + "; }"
	case 3:
		return "{ __toString = self: " + g.expr(text, depth) + "; }"
	}
	return g.expr(text, depth)
}

func (g *generator) setLiteral(t *typ, depth int) string {
	type binding struct{ path, value string }
	var all []binding
	rec := g.chance(4)
	n := len(g.vars)
	defer func() { g.vars = g.vars[:n] }()
	if rec {
		// The set's own names shadow others; each attribute decides whether it
		// uses them.
		for _, f := range t.fields {
			if isName(f.name) {
				g.vars = append(g.vars, variable{name: f.name, typ: &typ{kind: aFunction, arg: null, elem: &typ{kind: aFunction, arg: path, elem: path}}})
			}
		}
	}
	var inherits strings.Builder
	for _, f := range t.fields {
		attr := g.attr(f.name)
		dynamic := strings.HasPrefix(attr, "$")
		switch {
		case f.typ.kind == aSet && len(f.typ.fields) > 0 && g.chance(3) && !dynamic:
			// a.b = …; a = { c = …; }; is merged.
			for _, inner := range f.typ.fields {
				all = append(all, binding{attr + "." + g.staticAttr(inner.name), g.expr(inner.typ, depth-2)})
			}
			if g.chance(3) {
				k := g.IntN(len(all) - len(f.typ.fields) + 1)
				_ = k
				last := all[len(all)-1]
				inner := f.typ.fields[len(f.typ.fields)-1]
				all[len(all)-1] = binding{attr, "{ " + g.staticAttr(inner.name) + " = " + last.value + "; }"}
			}
			continue
		case !rec && isName(f.name) && g.chance(5):
			if v := g.variable(f.typ); v == f.name {
				inherits.WriteString("inherit " + v + "; ")
				continue
			}
		case g.chance(12):
			inherits.WriteString("inherit (" + g.setLiteral(&typ{kind: aSet, fields: []field{f}}, depth-1) + ") " + g.staticAttr(f.name) + "; ")
			continue
		}
		all = append(all, binding{attr, g.expr(f.typ, depth-2)})
		if rec && isName(f.name) && !dynamic {
			g.vars = append(g.vars, variable{name: f.name, typ: f.typ})
		}
	}
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var b strings.Builder
	if rec {
		b.WriteString("(rec ")
	}
	b.WriteString("{ " + inherits.String())
	for _, x := range all {
		b.WriteString(x.path + " = " + x.value + "; ")
	}
	b.WriteString("}")
	if rec {
		b.WriteString(")")
	}
	return b.String()
}

// lambda writes a function of any of its forms.
func (g *generator) lambda(t *typ, depth int) string {
	if t.arg.kind == aSet && !g.chance(4) {
		return g.pattern(t, depth)
	}
	switch g.IntN(12) {
	case 0:
		x := g.variableName()
		return "{ __functor = self: " + x + ": " + g.bind(func() string { return g.expr(t.elem, depth-1) },
			variable{name: "self", typ: path2nothing}, variable{name: x, typ: t.arg}) + "; }"
	case 1:
		if same(t.arg, t.elem) {
			return "(x: x)"
		}
	}
	x := g.variableName()
	return "(" + x + ": " + g.bind(func() string { return g.expr(t.elem, depth-1) }, variable{name: x, typ: t.arg}) + ")"
}

// path2nothing is a type that no generated expression has.
var path2nothing = &typ{kind: aFunction, arg: null, elem: &typ{kind: aFunction, arg: path, elem: path}}

// pattern writes { a, b ? …, ... }@x: …
func (g *generator) pattern(t *typ, depth int) string {
	var formals []string
	vars := []variable{}
	open := g.chance(3)
	for _, f := range t.arg.fields {
		if !isName(f.name) {
			open = true
			continue
		}
		vars = append(vars, variable{name: f.name, typ: f.typ})
		if g.chance(3) {
			formals = append(formals, f.name+" ? "+g.unused(depth-1))
		} else {
			formals = append(formals, f.name)
		}
	}
	// Defaults may use the other arguments.
	if g.chance(2) {
		name := pick(g, "more", "extra", "q")
		dt := g.typ(1)
		formals = append(formals, name+" ? "+g.bind(func() string { return g.expr(dt, depth-2) }, vars...))
		vars = append(vars, variable{name: name, typ: dt})
	}
	g.Shuffle(len(formals), func(i, j int) { formals[i], formals[j] = formals[j], formals[i] })
	if open {
		formals = append(formals, "...")
	}
	head := "{ " + strings.Join(formals, ", ") + " }"
	switch g.IntN(4) {
	case 0:
		head += "@args"
		vars = append([]variable{{name: "args", typ: t.arg}}, vars...)
	case 1:
		head = "args@" + head
		vars = append([]variable{{name: "args", typ: t.arg}}, vars...)
	}
	return "(" + head + ": " + g.bind(func() string { return g.expr(t.elem, depth-1) }, vars...) + ")"
}

// common writes a compound expression that is possible for every type.
func (g *generator) common(t *typ, depth int) string {
	switch g.IntN(22) {
	case 0, 1:
		return g.let(t, depth)
	case 2:
		return "(if " + g.expr(boolean, depth) + " then " + g.expr(t, depth) + " else " + g.expr(t, depth) + ")"
	case 3, 4:
		arg := g.typ(2)
		return "(" + g.expr(function(arg, t), depth) + " " + g.expr(arg, depth) + ")"
	case 5:
		s := g.set(2)
		var vars []variable
		for _, f := range s.fields {
			if isName(f.name) {
				vars = append(vars, variable{name: f.name, typ: f.typ, with: true})
			}
		}
		return "(with " + g.expr(s, depth) + "; " + g.bind(func() string { return g.expr(t, depth) }, vars...) + ")"
	case 6:
		return "(assert " + g.expr(boolean, depth) + "; " + g.expr(t, depth) + ")"
	case 7, 8:
		s := g.set(2)
		name := g.name()
		s.fields = slices.DeleteFunc(s.fields, func(f field) bool { return f.name == name })
		s.fields = append(s.fields, field{name, t})
		if g.chance(4) {
			return "(builtins.getAttr " + quote(name) + " " + g.expr(s, depth) + ")"
		}
		return "(" + g.expr(s, depth) + "." + g.attr(name) + g.or(t, depth) + ")"
	case 9:
		return "({ x = " + g.unused(depth) + "; }." + pick(g, "y", "y.z", "a.b.c", `"x y"`) + " or " + g.expr(t, depth) + ")"
	case 10:
		return "(builtins.head [ " + g.expr(t, depth) + " " + g.unused(depth) + " ])"
	case 11:
		i := g.IntN(3)
		elems := []string{g.unused(depth), g.unused(depth), g.unused(depth)}
		elems[i] = g.expr(t, depth)
		return "(builtins.elemAt [ " + strings.Join(elems, " ") + " ] " + strconv.Itoa(i) + ")"
	case 12:
		return "(builtins." + pick(g, "seq", "deepSeq", "trace") + " " + g.expr(g.plain(2), depth) + " " + g.expr(t, depth) + ")"
	case 13:
		return "(let r = builtins.tryEval " + g.expr(t, depth) + "; in if r.success then r.value else " + g.expr(t, depth) + ")"
	case 14:
		elem, x := g.typ(1), g.variableName()
		acc := g.variableName()
		return "(builtins.foldl' (" + acc + ": " + x + ": " +
			g.bind(func() string { return g.expr(t, depth) }, variable{name: acc, typ: t}, variable{name: x, typ: elem}) +
			") " + g.expr(t, depth) + " " + g.expr(listOf(elem), depth) + ")"
	case 15:
		name := g.name()
		return "(builtins.listToAttrs [ { name = " + quote(name) + "; value = " + g.expr(t, depth) + "; } { name = " + quote(g.name()+"1") + "; value = " + g.unused(depth) +
			"; } { name = " + quote(name) + "; value = " + g.unused(depth) + "; } ])." + g.attr(name)
	case 16:
		return "(builtins.addErrorContext " + g.expr(text, depth) + " " + g.expr(t, depth) + ")"
	case 17:
		// A value made by a fixed point.
		return "(let fix = f: let x = f x; in x; in (fix (self: { a = " + g.expr(t, depth) + "; b = self.a; c = " + g.unused(depth) + "; })).b)"
	case 18:
		s := g.set(1)
		s.fields = slices.DeleteFunc(s.fields, func(f field) bool { return f.name == "k" })
		return "((" + g.expr(g.set(1), depth) + " // { k = " + g.expr(t, depth) + "; } // " + g.expr(s, depth) + ").k)"
	case 19:
		// An attribute path through sets that are merged.
		return "({ a.b." + g.staticAttr("c") + " = " + g.expr(t, depth) + "; a.b.d = " + g.unused(depth) + "; a.c = " + g.unused(depth) + "; }.a.b.c)"
	case 20:
		return "(builtins.scopedImport { here = " + g.expr(t, depth) + "; } ./s/s/dir/here.nix)"
	}
	return "(let { body = " + g.expr(t, depth) + "; unused = " + g.unused(depth) + "; })"
}

func (g *generator) or(t *typ, depth int) string {
	if g.chance(3) {
		return " or " + g.expr(t, depth)
	}
	return ""
}

// let writes bindings that use each other, in any order.
func (g *generator) let(t *typ, depth int) string {
	n := len(g.vars)
	defer func() { g.vars = g.vars[:n] }()
	names := []string{g.variableName(), g.variableName(), g.variableName()}[:1+g.IntN(3)]
	slices.Sort(names)
	names = slices.Compact(names)
	// Bindings that are not written yet have a type that nothing uses.
	for _, name := range names {
		g.vars = append(g.vars, variable{name: name, typ: path2nothing})
	}
	var bindings []string
	for _, name := range names {
		vt := g.typ(2)
		value := g.expr(vt, depth-1)
		g.vars = append(g.vars, variable{name: name, typ: vt})
		bindings = append(bindings, name+" = "+value+"; ")
	}
	g.Shuffle(len(bindings), func(i, j int) { bindings[i], bindings[j] = bindings[j], bindings[i] })
	return "(let " + strings.Join(bindings, "") + "in " + g.expr(t, depth) + ")"
}

// special writes a compound expression of a form that only some types have.
func (g *generator) special(t *typ, depth int) string {
	switch t.kind {
	case aBool:
		return g.booleanExpr(depth)
	case anInt:
		return g.integerExpr(depth)
	case aFloat:
		return g.floatExpr(depth)
	case aString:
		return g.textExpr(depth)
	case aPath:
		switch g.IntN(3) {
		case 0:
			return "(" + g.expr(path, depth) + " + " + quote(pick(g, "/x", "/../y", "z", "", "/")) + ")"
		case 1:
			return "(builtins.dirOf " + g.expr(path, depth) + ")"
		}
	case aDerivation:
		if g.chance(2) {
			return "(" + g.expr(derivation, depth) + " // { extra = " + g.unused(depth) + "; })"
		}
		return g.derivation(depth)
	case aList:
		return g.listExpr(t, depth)
	case aSet:
		return g.setExpr(t, depth)
	case aFunction:
		return g.lambda(t, depth+1)
	}
	return g.literal(t, depth)
}

// call writes a call of a builtin.
func call(name string, args ...string) string {
	if name == "map" || name == "removeAttrs" || name == "toString" || name == "baseNameOf" || name == "dirOf" {
		return "(" + name + " " + strings.Join(args, " ") + ")"
	}
	return "(builtins." + name + " " + strings.Join(args, " ") + ")"
}

func (g *generator) booleanExpr(depth int) string {
	e := func(t *typ) string { return g.expr(t, depth) }
	switch g.IntN(15) {
	case 0:
		return "(!" + e(boolean) + ")"
	case 1:
		return "(" + e(boolean) + pick(g, " && ", " || ", " -> ", " == ", " != ") + e(boolean) + ")"
	case 2, 3:
		t := g.ordered(2)
		return "(" + e(t) + pick(g, " < ", " <= ", " > ", " >= ") + e(t) + ")"
	case 4, 5:
		t := g.typ(2)
		return "(" + e(t) + pick(g, " == ", " != ") + e(t) + ")"
	case 6:
		return "(" + e(g.typ(1)) + pick(g, " == ", " != ") + e(g.typ(1)) + ")"
	case 7:
		return "(" + e(g.set(2)) + " ? " + pick(g, "a", "b", "a.b", `"x y"`, "${"+e(text)+"}", "x.${\"y\"}.z") + ")"
	case 8:
		return call("hasAttr", e(text), e(g.set(2)))
	case 9:
		return call("is"+pick(g, "Attrs", "Bool", "Float", "Function", "Int", "List", "Null", "Path", "String"), e(g.typ(2)))
	case 10:
		t := g.typ(1)
		return call("elem", e(t), e(listOf(t)))
	case 11:
		t := g.typ(1)
		return call(pick(g, "all", "any"), e(function(t, boolean)), e(listOf(t)))
	case 12:
		return call("hasContext", e(text))
	case 13:
		return call("lessThan", e(integer), e(pick(g, integer, float)))
	}
	return call("pathExists", e(path))
}

// ordered returns a type that < compares.
func (g *generator) ordered(depth int) *typ {
	if depth > 0 && g.chance(4) {
		return listOf(g.ordered(depth - 1))
	}
	return pick(g, integer, float, text, path, integer, text)
}

func (g *generator) integerExpr(depth int) string {
	e := func(t *typ) string { return g.expr(t, depth) }
	switch g.IntN(13) {
	case 0, 1, 2:
		return "(" + e(integer) + pick(g, " + ", " - ", " * ") + e(integer) + ")"
	case 3:
		return "(" + e(integer) + " / " + pick(g, "2", "3", "(-1)", "7", e(integer)) + ")"
	case 4:
		return "(-" + e(integer) + ")"
	case 5:
		return call(pick(g, "bitAnd", "bitOr", "bitXor", "add", "sub", "mul"), e(integer), e(integer))
	case 6:
		return call("length", e(listOf(g.typ(1))))
	case 7:
		return call("stringLength", e(text))
	case 8:
		return call(pick(g, "ceil", "floor"), e(pick(g, float, integer)))
	case 9:
		return call("compareVersions", e(text), e(text))
	case 10:
		return "(builtins.fromJSON " + quote(pick(g, "1", "-1", "12345678901", "0", "-0")) + ")"
	case 11:
		return "(builtins.unsafeGetAttrPos \"a\" { b = 1;\n  a = 1; })." + pick(g, "line", "column")
	}
	return "(builtins.stringLength (toString " + e(integer) + "))"
}

func (g *generator) floatExpr(depth int) string {
	e := func(t *typ) string { return g.expr(t, depth) }
	switch g.IntN(5) {
	case 0, 1:
		return "(" + e(float) + pick(g, " + ", " - ", " * ") + e(pick(g, float, integer)) + ")"
	case 2:
		return "(" + e(integer) + " / " + pick(g, "2.0", "3.0", "0.1", "(-7.5)", e(float)) + ")"
	case 3:
		return "(-" + e(float) + ")"
	}
	return "(builtins.fromJSON " + quote(pick(g, "1.5", "1e3", "-0.25", "0.1", "1E-3", "2.0")) + ")"
}

func (g *generator) textExpr(depth int) string {
	e := func(t *typ) string { return g.expr(t, depth) }
	switch g.IntN(43) {
	case 39:
		return call("toString", call("sort", pick(g, "(a: b: a.k < b.k)", "(a: b: a.k <= b.k)", "(a: b: a.k < 2)"),
			"(map (k: { inherit k; __toString = self: toString self.k; }) "+e(listOf(integer))+")"))
	case 40:
		if !g.old {
			return call("convertHash", "{ hash = "+quote(pick(g, "d41d8cd98f00b204e9800998ecf8427e", "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "x"))+
				pick(g, "", "; hashAlgo = \"md5\"")+"; toHashFormat = "+quote(pick(g, "base16", "nix32", "base64", "sri", "y"))+"; }")
		}
	case 41:
		return call("toJSON", call("readDir", pick(g, "./s/s", "./s", "./s/s/dir", "./s/s/file")))
	case 0, 1, 2:
		return "(" + e(text) + " + " + e(pick(g, text, text, path)) + ")"
	case 3:
		return call("toString", e(pick(g, integer, boolean, null, float, text, listOf(text), listOf(integer), path, derivation)))
	case 4:
		return call("toString", e(listOf(g.plain(1))))
	case 5, 6:
		return call("substring", pick(g, "0", "1", "2", "5"), pick(g, "0", "1", "3", "100", "(-1)"), e(text))
	case 7, 8:
		return call("concatStringsSep", e(text), e(listOf(pick(g, text, text, path, derivation))))
	case 9:
		return call("replaceStrings", pick(g, `[ "a" ] [ "b" ]`, `[ "" ] [ "x" ]`, `[ "a" "b" ] [ "b" "a" ]`, `[ "ab" "a" ] [ "1" "2" ]`, `[ "/" ] [ "-" ]`, `[ "a" "" ] [ "x" "-" ]`,
			`[ "o" ] [ `+e(text)+` ]`), e(text))
	case 10:
		return call("hashString", quote(pick(g, "md5", "sha1", "sha256", "sha512")), e(text))
	case 11, 12, 13:
		return call("toJSON", e(g.typ2json(2)))
	case 14:
		return call("toXML", e(g.typ(2)))
	case 15:
		return call("baseNameOf", e(pick(g, text, path)))
	case 16:
		return call("dirOf", e(text))
	case 17:
		return call("typeOf", e(g.typ(2)))
	case 18:
		return call("unsafeDiscardStringContext", e(text))
	case 19:
		return call("unsafeDiscardOutputDependency", e(text))
	case 20:
		return "(" + e(derivation) + "." + pick(g, "drvPath", "outPath", "name", "out.outPath", "outputName", "type", "system") + ")"
	case 21:
		return call("placeholder", quote(pick(g, "out", "dev", "bin")))
	case 22:
		return call("toFile", quote(pick(g, "a", "b.txt")), pick(g, e(text), quote("text"), call("unsafeDiscardStringContext", e(text))))
	case 23:
		return "(builtins.toString " + e(listOf(listOf(integer))) + ")"
	case 24:
		return call("toJSON", call("getContext", e(text)))
	case 25:
		return call("toJSON", call("match", quote(g.pattern1(1)), e(text)))
	case 26:
		return call("toJSON", call("split", quote(g.pattern1(1)), e(text)))
	case 27:
		return call("toJSON", call("fromTOML", quote(g.toml())))
	case 28:
		return call("toJSON", call("fromJSON", quote(g.json(3))))
	case 29:
		return call("toJSON", call("parseDrvName", e(text)))
	case 30:
		return call("toJSON", call("splitVersion", e(text)))
	case 31:
		return call("toJSON", call("functionArgs", g.lambda(function(g.set(2), integer), depth)))
	case 32:
		return "(toString { __toString = self: " + e(text) + "; outPath = " + g.unused(depth) + "; })"
	case 33:
		return "(builtins.appendContext " + quote("x") + " { ${builtins.unsafeDiscardStringContext (" + e(derivation) + ").drvPath} = " + pick(g, `{ outputs = [ "out" ]; }`, "{ allOutputs = true; }", "{ path = true; }", "{ }") + "; })"
	case 34:
		return call("toJSON", call("attrNames", e(g.set(2))))
	case 35:
		return call("hashFile", quote(pick(g, "md5", "sha256")), "./s/s/file")
	case 36:
		return call("readFile", pick(g, "./s/s/file", "./s/s/dir/inner"))
	case 37:
		return "(builtins.path { path = " + pick(g, "./s/s/dir", "./s/s/file") + "; name = " + quote(pick(g, "n", "m.txt")) + "; " +
			pick(g, "", "recursive = false; ", "filter = path: type: baseNameOf path != \"inner\"; ", "filter = p: t: t == \"directory\" || true; ") + "})"
	case 38:
		return call("concatStringsSep", quote(","), call("attrNames", call("readDir", "./s/s/dir")))
	}
	return "(builtins.filterSource (path: type: " + e(boolean) + ") ./s/s/dir)"
}

// typ2json returns a type that toJSON accepts.
func (g *generator) typ2json(depth int) *typ {
	switch g.IntN(6) {
	case 0:
		return derivation
	case 1:
		return listOf(pick(g, derivation, text))
	}
	return g.plain(depth)
}

func (g *generator) listExpr(t *typ, depth int) string {
	e := func(t *typ) string { return g.expr(t, depth) }
	elem := t.elem
	from := g.typ(1)
	switch g.IntN(20) {
	case 0, 1:
		return "(" + e(t) + " ++ " + e(t) + ")"
	case 2, 3:
		return call("map", e(function(from, elem)), e(listOf(from)))
	case 4:
		return call("filter", e(function(elem, boolean)), e(t))
	case 5:
		return call("genList", e(function(integer, elem)), strconv.Itoa(g.IntN(4)))
	case 6:
		return call("concatLists", e(listOf(t)))
	case 7:
		return call("concatMap", e(function(from, t)), e(listOf(from)))
	case 8:
		return call("tail", "("+"[ "+g.unused(depth)+" ] ++ "+e(t)+")")
	case 9:
		return call("attrValues", e(&typ{kind: aSet, fields: []field{{"x y", elem}, {"a", elem}, {"b", elem}}}))
	case 10:
		return call("catAttrs", quote("a"), "[ { a = "+e(elem)+"; } { b = "+g.unused(depth)+"; } { a = "+e(elem)+"; b = 1; } ]")
	case 11:
		return "(builtins.partition " + e(function(elem, boolean)) + " " + e(t) + ")." + pick(g, "right", "wrong")
	case 12:
		return "((builtins.groupBy " + e(function(elem, text)) + " " + e(t) + ")." + pick(g, "a", `""`, "foo") + " or [ ])"
	case 13:
		return "(map (x: x.key.v) (builtins.genericClosure { startSet = map (k: { key = { v = k; k = 1; }.k; } // { key.v = k; }) [ ]; operator = x: [ ]; }) ++ " + e(t) + ")"
	}
	switch elem.kind {
	case anInt, aFloat, aString:
		switch g.IntN(6) {
		case 0, 1:
			return call("sort", pick(g, "builtins.lessThan", "(a: b: a < b)", "(a: b: b < a)", "(a: b: a <= b)", "(a: b: true)", "(a: b: false)"), e(t))
		case 2:
			return "(map (x: x.key) (builtins.genericClosure { startSet = map (key: { inherit key; }) " + e(t) + "; operator = x: " +
				pick(g, "[ ]", "map (key: { inherit key; }) "+e(t), "[ x { key = "+e(elem)+"; } ]") + "; }))"
		case 3:
			if elem.kind == aString {
				return call("attrNames", e(g.set(2)))
			}
		case 4:
			if elem.kind == aString {
				return call("filter", "builtins.isString", call("split", quote(g.pattern1(1)), e(text)))
			}
		case 5:
			if elem.kind == aString {
				return call("splitVersion", e(text))
			}
		}
	}
	return g.literal(t, depth)
}

func (g *generator) setExpr(t *typ, depth int) string {
	e := func(t *typ) string { return g.expr(t, depth) }
	some, rest := &typ{kind: aSet}, &typ{kind: aSet}
	for _, f := range t.fields {
		if g.chance(2) {
			some.fields = append(some.fields, f)
		} else {
			rest.fields = append(rest.fields, f)
		}
	}
	switch g.IntN(9) {
	case 0, 1:
		return "(" + e(some) + " // " + e(rest) + ")"
	case 2:
		return call("intersectAttrs", g.keys(t, depth), "("+e(g.set(1))+" // "+e(t)+")")
	case 3:
		return call("removeAttrs", "("+e(t)+" // { zz = "+g.unused(depth)+"; })", "[ \"zz\" \"missing\" ]")
	case 4:
		return call("mapAttrs", "(name: value: value)", e(t))
	case 5:
		if len(t.fields) > 0 && !slices.ContainsFunc(t.fields, func(f field) bool { return !same(f.typ, t.fields[0].typ) }) {
			ft := t.fields[0].typ
			var names []string
			for _, f := range t.fields {
				names = append(names, quote(f.name))
			}
			from := g.typ(1)
			if g.chance(2) {
				return "(builtins.zipAttrsWith (name: values: builtins.head values) [ " + e(t) + " " + e(t) + " { } ])"
			}
			return "(builtins.mapAttrs (name: v: " + g.bind(func() string { return g.expr(ft, depth) }, variable{name: "name", typ: text}, variable{name: "v", typ: from}) +
				") (builtins.listToAttrs (map (name: { inherit name; value = " + e(from) + "; }) [ " + strings.Join(names, " ") + " ])))"
		}
	case 6:
		var pairs []string
		for _, f := range t.fields {
			pairs = append(pairs, "{ name = "+quote(f.name)+"; value = "+e(f.typ)+"; }")
		}
		return call("listToAttrs", "[ "+strings.Join(pairs, " ")+" ]")
	case 7:
		if g.onlyPlain(t) {
			return call("fromJSON", call("toJSON", e(t)))
		}
	}
	return g.literal(t, depth)
}

// keys writes a set with t's names.
func (g *generator) keys(t *typ, depth int) string {
	var b strings.Builder
	b.WriteString("{ ")
	for _, f := range t.fields {
		b.WriteString(quote(f.name) + " = " + g.unused(depth) + "; ")
	}
	return b.String() + "}"
}

func (g *generator) onlyPlain(t *typ) bool {
	switch t.kind {
	case aNull, aBool, anInt, aString:
		return true
	case aList:
		return g.onlyPlain(t.elem)
	case aSet:
		return !slices.ContainsFunc(t.fields, func(f field) bool { return !g.onlyPlain(f.typ) })
	}
	return false
}

// derivation writes a derivation.
func (g *generator) derivation(depth int) string {
	if depth <= 0 {
		return pick(g, `(derivation { name = "d"; system = "s"; builder = "b"; })`, `(derivation { name = "e"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; })`)
	}
	var b strings.Builder
	e := func(t *typ) string { return g.expr(t, depth-1) }
	fmt.Fprintf(&b, "(derivation { name = %s; system = %s; builder = %s; ", quote(pick(g, "x", "foo-1.2", "a.b")), quote(pick(g, "x86_64-linux", "builtin")),
		pick(g, `"/bin/sh"`, "./s/s/file", `"${./s/s/dir}/inner"`, e(derivation)))
	if g.chance(2) {
		b.WriteString("args = " + pick(g, `[ "-c" "x" ]`, "[ ]", "[ ./s/s/file 1 true null ]", e(listOf(pick(g, text, derivation)))) + "; ")
	}
	for _, name := range []string{"A", "b", "src", "inputs"} {
		if g.chance(3) {
			b.WriteString(name + " = " + e(pick(g, text, text, derivation, integer, boolean, null, listOf(text), listOf(derivation), listOf(listOf(integer)))) + "; ")
		}
	}
	switch g.IntN(10) {
	case 0:
		b.WriteString(pick(g, `outputs = [ "out" "dev" ]; `, `outputs = [ "bin" "out" ]; `, `outputs = [ "out" ]; `, `outputs = [ "out" "doc" "man" ]; `))
	case 1:
		b.WriteString(pick(g,
			`outputHash = "0000000000000000000000000000000000000000000000000000000000000000"; outputHashAlgo = "sha256"; `,
			`outputHash = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"; outputHashAlgo = "sha256"; outputHashMode = "recursive"; `,
			`outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; outputHashMode = "flat"; `,
			`outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"; `,
			`outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV==x"; outputHashMode = "recursive"; `,
			`outputHash = ""; outputHashAlgo = "sha256"; outputHashMode = "recursive"; `,
			`outputHash = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; `,
			`outputHash = "d41d8cd98f00b204e9800998ecf8427e"; outputHashAlgo = "md5"; outputHashMode = "flat"; `,
			`outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"; outputHashAlgo = "sha1"; outputHashMode = "recursive"; `))
	case 2:
		b.WriteString("__structuredAttrs = true; nested = " + e(g.plain(2)) + "; more = " + e(listOf(text)) + "; ")
	case 3:
		b.WriteString("__ignoreNulls = true; gone = null; ")
	case 4:
		b.WriteString(`passAsFile = [ "A" ]; allowedReferences = [ ]; `)
	case 5:
		b.WriteString("exportReferencesGraph = [ \"g\" " + e(derivation) + " ]; ")
	}
	return b.String() + "})"
}

// pattern1 writes an extended regular expression.
func (g *generator) pattern1(depth int) string {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		atom := pick(g, "a", "b", "c", "x", ".", "[ab]", "[^a]", "[a-c]", "(a)", "(b|c)", "()", "(a|ab)", "(b*)", "[[:alpha:]]", "[[:space:][:digit:]]", "[]a]", "[^]a]", "[a-]", `[\]`, `\.`, `\\`, "^", "$", "(a*)", "-", "[0-9]", "/", `\*`)
		if depth > 0 && g.chance(3) {
			atom = "(" + g.pattern1(depth-1)
			for g.chance(2) {
				atom += "|" + g.pattern1(depth-1)
			}
			atom += ")"
		}
		b.WriteString(atom)
		if atom != "^" && atom != "$" {
			b.WriteString(pick(g, "", "", "", "", "", "", "*", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}", "{0}", "{0,3}"))
		}
	}
	return b.String()
}

// regex writes a program that matches one pattern against one string.
func (g *generator) regex() string {
	p := quote(g.pattern1(2))
	var s strings.Builder
	for range g.IntN(9) {
		s.WriteString(pick(g, "a", "a", "b", "b", "c", "x", ".", "-", "1", " ", "\n", "\\", "]", "é", "/", "*"))
	}
	q := quote(s.String())
	return "[ (builtins.match " + p + " " + q + ") (builtins.split " + p + " " + q + ") ]"
}

// json writes a JSON text, nearly always a valid one.
func (g *generator) json(depth int) string {
	space := pick(g, "", "", " ", "\n\t")
	if depth <= 0 || g.chance(2) {
		s := pick(g, "null", "true", "false", "0", "-1", "1.5", "1e3", "-0.0", "12345678901234567", "9223372036854775807", "9223372036854775808", "1E400", `"a"`, `""`, `"\u00e9\ud83d\ude00"`, `"\n\"\\\/\b\f\t"`, `"é"`, `"\u0001"`)
		if g.chance(60) {
			s = pick(g, "", "nul", "01", "+1", ".5", "'a'", `"\x"`, `"\ud800"`, "[1,]", "{a:1}", "1 2", "\"a\nb\"", "NaN", "-", "1.", `"\u12"`)
		}
		return space + s + space
	}
	var parts []string
	if g.chance(2) {
		for range g.IntN(4) {
			parts = append(parts, g.json(depth-1))
		}
		return space + "[" + strings.Join(parts, ",") + space + "]"
	}
	for range g.IntN(4) {
		parts = append(parts, `"`+pick(g, "a", "b", "x y", "", "é", "a", "__toString1", "1")+`"`+space+":"+g.json(depth-1))
	}
	return "{" + space + strings.Join(parts, ",") + "}" + space
}

// toml writes a TOML document.
func (g *generator) toml() string {
	var b strings.Builder
	used := map[string]bool{}
	section := ""
	for range g.IntN(6) {
		if g.chance(4) {
			name := pick(g, "t", "u", "t.v", "u.w.x", "q")
			if used["["+name] {
				continue
			}
			used["["+name] = true
			section = name
			if name == "q" || g.chance(4) && !strings.Contains(name, ".") {
				delete(used, "["+name)
				name += "q"
				section = name + strconv.Itoa(g.Int())
				b.WriteString("[[" + name + "]]\n")
				continue
			}
			b.WriteString("[" + name + "]\n")
			continue
		}
		key := pick(g, "a", "b", "c", `"x y"`, "'q'", "a-b", "d.e", "d.f", "1")
		if used[section+"/"+key] {
			continue
		}
		used[section+"/"+key] = true
		b.WriteString(key + " = " + g.tomlValue(2) + pick(g, "", "", " # comment") + "\n")
	}
	return b.String()
}

func (g *generator) tomlValue(depth int) string {
	if depth > 0 && g.chance(4) {
		var parts []string
		if g.chance(2) {
			for range g.IntN(3) {
				parts = append(parts, g.tomlValue(depth-1))
			}
			return "[" + pick(g, "", " ", "\n") + strings.Join(parts, ", ") + pick(g, "", " ") + "]"
		}
		for i := range g.IntN(3) {
			parts = append(parts, string(rune('a'+i))+" = "+g.tomlValue(depth-1))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return pick(g, "1", "-7", "+3", "1_000", "0x1F", "0o17", "0b101", "1.5", "-0.5", "1e3", "6.02e23", "true", "false", `"a"`, `"a\tb\u00e9"`, `'raw\n'`, `"""`+"\n"+`multi \`+"\n   "+`line"""`, "'''raw'''", `""`)
}

// modules writes a use of the small module system of prelude.
func (g *generator) modules() string {
	var mods []string
	option := func() string {
		return pick(g, "mkOption { }", "mkOption { default = 1; }", "mkOption { default = \"d\"; apply = x: [ x ]; }", "mkOption { merge = lists; default = [ ]; }", "mkOption { merge = lines; default = \"\"; }",
			"mkOption { merge = submodule [ { options.s = mkOption { default = 5; }; options.t = mkOption { merge = lists; default = [ ]; }; } ]; default = { }; }")
	}
	names := []string{"a", "b", "c", "n.x", "n.y"}
	var options strings.Builder
	kinds := map[string]string{}
	for _, n := range names {
		kinds[n] = option()
		options.WriteString("options." + n + " = " + kinds[n] + "; ")
	}
	mods = append(mods, "{ "+options.String()+"}")
	for range 1 + g.IntN(4) {
		var b strings.Builder
		b.WriteString("({ config, options, ... }: { ")
		for _, n := range names {
			if g.chance(2) {
				continue
			}
			value := ""
			switch k := kinds[n]; {
			case strings.Contains(k, "lists"):
				value = pick(g, "[ 1 ]", "[ "+g.expr(text, 2)+" ]", "(map (x: x) [ config.a ])", "[ ]")
			case strings.Contains(k, "lines"):
				value = g.expr(text, 3)
			case strings.Contains(k, "submodule"):
				value = pick(g, "{ s = "+g.expr(integer, 2)+"; }", "{ t = [ "+g.expr(text, 2)+" ]; }", "{ }")
			default:
				value = pick(g, "3", "config.b", "config.n.x or 1", g.expr(g.plain(1), 2))
			}
			value = "(" + value + ")"
			switch g.IntN(6) {
			case 0:
				value = "mkIf " + g.expr(boolean, 2) + " " + value
			case 1:
				value = "mkOverride " + pick(g, "10", "50", "100", "1000") + " " + value
			case 2:
				value = "mkMerge [ " + value + " (mkIf false (throw \"no\")) ]"
			case 3:
				value = "mkMerge [ (mkOverride 1500 " + value + ") ]"
			}
			b.WriteString("config." + n + " = " + value + "; ")
		}
		b.WriteString("})")
		mods = append(mods, b.String())
	}
	return "(with modules; evalModules [ " + strings.Join(mods, " ") + " ])"
}

// order has the attribute names that programs use. Sets are compared in the
// order in which an evaluator first saw their names, which decides what fails
// first; so both evaluators see them first in this order.
const order = `{ a = 0; b = 0; c = 0; d = 0; x = 0; y = 0; z = 0; foo = 0; bar-baz = 0; x' = 0; _ = 0; or1 = 0; "x y" = 0; "1" = 0; "" = 0; "é" = 0; "if" = 0; "a.b" = 0; k = 0; v = 0; s = 0; t = 0; zz = 0; q = 0; more = 0; extra = 0; n = 0; i = 0; vs = 0; services = 0; web = 0; }`

func init() {
	if _, err := eval.New(eval.Options{}).Expr(context.Background(), order, "/"); err != nil {
		panic(err)
	}
}

// prelude is in scope of all programs of a batch. It has show, which prints all
// of a value, and a module system like that of nixpkgs.
const prelude = `
  show = depth: v: let t = builtins.typeOf v; in
    if depth == 0 then t
    else if t == "string" then (if builtins.hasContext v then { string = builtins.unsafeDiscardStringContext v; context = builtins.getContext v; } else v)
    else if t == "list" then map (show (depth - 1)) v
    else if t == "set" then (if v ? outPath then [ "out" (show (depth - 1) (removeAttrs v [ "all" "out" "outPath" "drvAttrs" ])) (builtins.isAttrs v.outPath || show 2 v.outPath == 1) (show 2 v.outPath) ]
      else builtins.listToAttrs (map (name: { name = "_" + name; value = show (depth - 1) v.${name}; }) (builtins.attrNames v)))
    else if t == "lambda" then [ "lambda" (let a = builtins.tryEval (builtins.functionArgs v); in a.value) ]
    else if t == "path" then [ "path" (toString v) ]
    else if t == "float" then [ "float" (builtins.toJSON v) (toString v) ]
    else v;
  # toJSON goes by name, deepSeq in an order of Nix's own, which decides what fails first.
  guard = p: let r = builtins.tryEval (builtins.toJSON (show 6 p)); in if r.success then r.value else "thrown";
  modules = rec {
    mkOption = o: { _type = "option"; } // o;
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    discharge = v: if v._type or "" == "if" then (if v.condition then discharge v.content else [ ])
      else if v._type or "" == "merge" then builtins.concatMap discharge v.contents
      else if v._type or "" == "override" then map (d: d // { inherit (v) priority; }) (discharge v.content)
      else [ { priority = 100; value = v; } ];
    lists = values: builtins.concatLists values;
    lines = values: builtins.concatStringsSep "\n" values;
    submodule = mods: values: evalModules (mods ++ map (config: { inherit config; }) values);
    only = values: if builtins.length values == 1 || builtins.all (v: v == builtins.head values) values then builtins.head values else throw "conflict";
    evalModules = mods: let
      called = map (m: if builtins.isFunction m then m { inherit config options; } else m) mods;
      merge = path: list: builtins.zipAttrsWith (name: values:
        if builtins.any (v: v ? _type) values then builtins.head values else merge (path ++ [ name ]) values) list;
      options = merge [ ] (builtins.catAttrs "options" called);
      pick = path: v: builtins.foldl' (acc: name: builtins.concatMap (x: if x ? ${name} then [ x.${name} ] else [ ]) acc) v path;
      value = path: o: let
        found = builtins.concatMap discharge (pick path (builtins.catAttrs "config" called));
        all = if found == [ ] && o ? default then [ { priority = 1500; value = o.default; } ] else found;
        best = builtins.foldl' (p: d: if d.priority < p then d.priority else p) 9999 all;
        values = map (d: d.value) (builtins.filter (d: d.priority == best) all);
      in (o.apply or (x: x)) (if values == [ ] then throw "option ${builtins.concatStringsSep "." path} is not defined" else (o.merge or only) values);
      walk = path: builtins.mapAttrs (name: o: if o._type or "" == "option" then value (path ++ [ name ]) o else walk (path ++ [ name ]) o);
      config = walk [ ] options;
    in config;
  };
in
`
