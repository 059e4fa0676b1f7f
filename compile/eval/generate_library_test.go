package eval_test

import (
	"fmt"
	"strings"
)

// library writes a use of the library of minios, or of -fuzz-lib: its module
// system, or some of its functions.
func (g *generator) library() string {
	if g.chance(2) {
		return g.evalModules()
	}
	return "(with lib; " + g.libraryCall(3) + ")"
}

// An optionKind is a type of options and the values that are defined for it.
type optionKind struct {
	typ   string
	value func(g *generator) string
}

func (g *generator) optionKind(depth int) optionKind {
	expr := func(t *typ, depth int) func(*generator) string {
		return func(g *generator) string { return g.expr(t, depth) }
	}
	if depth > 0 && g.chance(2) {
		inner := g.optionKind(depth - 1)
		list := func(g *generator) string {
			s := "[ "
			for range g.IntN(3) {
				s += "(" + inner.value(g) + ") "
			}
			return s + "]"
		}
		set := func(g *generator) string {
			s := "{ "
			for _, name := range []string{"a", "b", `"x y"`}[:g.IntN(4)] {
				s += name + " = " + g.property(inner.value(g)) + "; "
			}
			return s + "}"
		}
		switch g.IntN(8) {
		case 0, 1:
			return optionKind{"types.listOf (" + inner.typ + ")", list}
		case 2, 3:
			return optionKind{"types.attrsOf (" + inner.typ + ")", set}
		case 4:
			return optionKind{"types.nullOr (" + inner.typ + ")", func(g *generator) string { return pick(g, "null", inner.value(g)) }}
		case 5:
			return optionKind{"types.lazyAttrsOf (" + inner.typ + ")", set}
		case 6:
			other := g.optionKind(0)
			return optionKind{"types.either (" + inner.typ + ") (" + other.typ + ")", func(g *generator) string { return pick(g, inner.value(g), other.value(g)) }}
		}
		return optionKind{`types.submodule ({ name, config, ... }: { options.s = mkOption { type = ` + inner.typ + `; }; options.name = mkOption { type = types.str; default = name; }; options.t = mkOption { type = types.listOf types.str; default = [ config.name ]; }; })`,
			func(g *generator) string {
				return pick(g, "{ s = "+g.property(inner.value(g))+"; }", "{ s = "+inner.value(g)+"; t = [ \"x\" ]; }", "{ name, ... }: { s = "+inner.value(g)+"; t = mkBefore [ name ]; }", "{ t = mkForce [ ]; }")
			}}
	}
	switch g.IntN(11) {
	case 0:
		return optionKind{"types.str", expr(text, 2)}
	case 1:
		return optionKind{"types.lines", expr(text, 2)}
	case 2:
		return optionKind{"types.int", expr(integer, 1)}
	case 3:
		return optionKind{"types.bool", expr(boolean, 1)}
	case 4:
		return optionKind{`types.enum [ "a" "b" 1 ]`, func(g *generator) string { return pick(g, `"a"`, `"b"`, "1", `"c"`) }}
	case 5:
		return optionKind{"types.port", func(g *generator) string { return pick(g, "80", "443", "70000", "(-1)") }}
	case 6:
		return optionKind{"types.path", expr(path, 2)}
	case 7:
		return optionKind{"types.package", expr(derivation, 1)}
	case 8:
		return optionKind{"types.separatedString \":\"", expr(text, 2)}
	case 9:
		return optionKind{"types.coercedTo types.int toString types.str", func(g *generator) string { return pick(g, g.expr(integer, 1), g.expr(text, 1)) }}
	}
	return optionKind{"types.anything", func(g *generator) string { return g.expr(g.plain(2), 2) }}
}

// property sometimes wraps a definition in mkIf, mkForce and the like.
func (g *generator) property(value string) string {
	value = "(" + value + ")"
	switch g.IntN(14) {
	case 0:
		return "(mkIf " + g.expr(boolean, 2) + " " + value + ")"
	case 1:
		return "(" + pick(g, "mkForce", "mkDefault", "mkOverride 90", "mkOptionDefault") + " " + value + ")"
	case 2:
		return "(mkMerge [ " + value + " (mkIf " + pick(g, "false", "true") + " " + value + ") ])"
	case 3:
		return "(" + pick(g, "mkBefore", "mkAfter", "mkOrder 700") + " " + value + ")"
	case 4:
		return "(mkIf true (mkForce " + value + "))"
	}
	return value
}

// evalModules writes options and the modules that define them.
func (g *generator) evalModules() string {
	names := []string{"a", "b", "n.x", "n.y", "services.web"}[:1+g.IntN(5)]
	kinds := map[string]optionKind{}
	modules := "{ _file = \"options.nix\"; options = { "
	for _, n := range names {
		k := g.optionKind(2)
		kinds[n] = k
		modules += n + " = mkOption { type = " + k.typ + "; "
		if g.chance(2) {
			modules += "default = " + k.value(g) + "; "
		}
		if g.chance(6) {
			modules += "apply = x: [ x ]; "
		}
		modules += "}; "
	}
	modules += "}; } "
	for i := range 1 + g.IntN(3) {
		modules += "({ config, options, lib, ... }: { " + pick(g, "", fmt.Sprintf("_file = \"m%d.nix\"; ", i)) + "config = " + pick(g, "", "", "mkIf "+g.expr(boolean, 1)+" ", "mkMerge [ { } ") + "{ "
		merged := strings.HasSuffix(modules, "[ { } { ")
		for _, n := range names {
			if g.chance(3) {
				continue
			}
			value := kinds[n].value(g)
			if g.chance(12) {
				value = pick(g, "config."+g.either(names), "options."+n+".default or null", "options."+n+".isDefined")
			}
			modules += n + " = " + g.property(value) + "; "
		}
		if g.chance(30) {
			modules += "missing.option = 1; "
		}
		modules += "}" + map[bool]string{true: " ]", false: ""}[merged] + "; }) "
	}
	show := pick(g, "e.config", "e.config", "e.config", "builtins.mapAttrs (name: o: o.value or o) e.config",
		"map (o: [ (o.type.description or null) (o.isDefined or null) (map (d: d.file) (o.definitionsWithLocations or [ ])) (o.highestPrio or null) ]) (lib.collect lib.isOption e.options)",
		"builtins.mapAttrs (name: v: (builtins.tryEval (builtins.deepSeq v v)).value) e.config")
	return "(with lib; let e = lib.evalModules { modules = [ " + modules + "]; }; in builtins.removeAttrs (let r = " + show + "; in if builtins.isAttrs r then r else { list = r; }) [ \"_module\" ])"
}

func (g *generator) either(names []string) string { return names[g.IntN(len(names))] }

// libraryCall writes a call of one of the library's functions.
func (g *generator) libraryCall(depth int) string {
	e := func(t *typ) string { return g.expr(t, depth-1) }
	elem := pick(g, integer, text)
	list := listOf(elem)
	set := func() string { return "(" + e(g.set(2)) + ")" }
	sets := &typ{kind: aSet, fields: []field{{"a", elem}, {"b", elem}, {"x y", elem}}}
	switch g.IntN(34) {
	case 0:
		return "(recursiveUpdate " + set() + " " + set() + ")"
	case 1:
		return "(filterAttrs (n: v: n != " + e(text) + ") " + set() + ")"
	case 2:
		return "(mapAttrsToList (n: v: [ n v ]) " + set() + ")"
	case 3:
		return "(mapAttrs' (n: v: nameValuePair (n + \"x\") v) " + set() + ")"
	case 4:
		return "(unique " + e(list) + ")"
	case 5:
		return "(flatten [ " + e(list) + " [ " + e(listOf(list)) + " ] " + e(elem) + " ])"
	case 6:
		return "(foldr (a: b: [ a b ]) null " + e(list) + ")"
	case 7:
		return "(splitString " + quote(pick(g, ".", "a", " ", "/", "b")) + " " + e(text) + ")"
	case 8:
		return "(map (p: " + pick(g, "hasPrefix", "hasSuffix", "hasInfix", "removePrefix", "removeSuffix") + " p " + e(text) + ") [ \"a\" \"\" \"foo\" " + e(text) + " ])"
	case 9:
		return "(" + pick(g, "escapeShellArg", "escapeNixString", "escapeXML", "toUpper", "toLower", "escapeRegex", "stringToCharacters", "trim", "sanitizeDerivationName", "toSentenceCase") + " " + e(text) + ")"
	case 10:
		return "(concatMapStringsSep " + e(text) + " toString " + e(list) + ")"
	case 11:
		return "(" + pick(g, "sort (a: b: a < b)", "naturalSort", "sortOn (x: toString x)", "reverseList", "imap0 (i: v: [ i v ])", "imap1 (i: v: { inherit i v; })", "take 2", "drop 1", "sublist 1 2", "intersperse null", "concatLists") + " " +
			pick(g, e(list), e(listOf(text)), e(listOf(list))) + ")"
	case 12:
		return "(generators.toINI { } { s = " + e(sets) + "; })"
	case 13:
		return "(generators.toPretty { multiline = " + e(boolean) + "; } " + e(g.plain(3)) + ")"
	case 14:
		return "(attrByPath [ \"a\" \"b\" ] " + e(elem) + " " + set() + ")"
	case 15:
		return "(setAttrByPath " + pick(g, `[ "a" "b" ]`, `[ ]`, `[ "x y" ]`) + " " + e(elem) + ")"
	case 16:
		return "(foldAttrs (n: a: [ n ] ++ a) [ ] [ " + e(sets) + " " + e(sets) + " ])"
	case 17:
		return "(zipAttrsWith (n: vs: { inherit n vs; }) [ " + set() + " " + set() + " ])"
	case 18:
		return "(genAttrs [ \"a\" \"b\" " + e(text) + " ] (n: n + " + e(text) + "))"
	case 19:
		return "(partition (x: x < " + e(elem) + ") " + e(list) + ")"
	case 20:
		return "(fix (self: { a = " + e(elem) + "; b = [ self.a self.a ]; }))"
	case 21:
		return "(let o = makeOverridable (args: args // { x = args.a or null; }) " + set() + "; in removeAttrs (o.override (old: old // { a = " + e(elem) + "; })) [ \"override\" \"overrideDerivation\" ])"
	case 22:
		return "(let f = extends (final: prev: { b = prev.a; c = final.b; }) (self: { a = " + e(elem) + "; b = 1; }); in fix f)"
	case 23:
		return "(toInt " + pick(g, quote("1"), quote("-1"), quote("x"), quote("007"), quote(" 5 "), e(text)) + ")"
	case 24:
		return "[ (versionOlder " + e(text) + " " + e(text) + ") (versionAtLeast " + e(text) + " " + e(text) + ") ]"
	case 25:
		return "(fixedWidthNumber 5 " + pick(g, "0", "42", "12345", e(integer)) + ")"
	case 26:
		return "(cartesianProduct { a = " + e(list) + "; b = " + e(listOf(text)) + "; })"
	case 27:
		return "(mapAttrsRecursive (path: v: [ path (builtins.typeOf v) ]) " + set() + ")"
	case 28:
		return "(collect (v: !(builtins.isAttrs v)) " + set() + ")"
	case 29:
		return "(toShellVar \"name\" " + pick(g, e(text), e(listOf(text))) + ")"
	case 30:
		return "(pipe " + e(elem) + " [ toString (x: x + \"a\") stringLength ])"
	case 31:
		return "(groupBy (x: toString x) " + e(list) + ")"
	case 32:
		return "[ (getExe' " + e(derivation) + " \"p\") (makeBinPath [ " + e(derivation) + " " + e(text) + " ]) ]"
	}
	return "(zipListsWith (a: b: { inherit a b; }) " + e(list) + " " + e(list) + ")"
}
