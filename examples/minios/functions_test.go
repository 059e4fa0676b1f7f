package minios_test

import "testing"

// functionTests: what the library's functions give. Like the other tables it
// passes against nixpkgs' own lib too.
var functionTests = []struct{ expr, want string }{
	{`lib.attrByPath [ "a" "b" ] 9 { a.b = 1; }`, `1`},
	{`lib.attrByPath [ "a" "c" ] 9 { a.b = 1; }`, `9`},
	{`lib.hasAttrByPath [ "a" "b" ] { a.b = 1; }`, `true`},
	{`lib.setAttrByPath [ "a" "b" ] 1`, `{"a":{"b":1}}`},
	{`lib.getAttrFromPath [ "a" "b" ] { a.b = 1; }`, `1`},
	{`lib.filterAttrs (n: v: n == "a") { a = 1; b = 2; }`, `{"a":1}`},
	{`lib.filterAttrsRecursive (n: v: v != null) { a = null; b.c = null; b.d = 1; }`, `{"b":{"d":1}}`},
	{`lib.mapAttrs' (n: v: lib.nameValuePair (n + "x") (v + 1)) { a = 1; }`, `{"ax":2}`},
	{`lib.mapAttrsToList (n: v: n + v) { a = "1"; b = "2"; }`, `["a1","b2"]`},
	{`lib.mapAttrsRecursive (path: v: lib.concatStringsSep "." path + v) { a.b = "1"; }`, `{"a":{"b":"a.b1"}}`},
	{`lib.mapAttrsRecursiveCond (v: !(v ? stop)) (path: v: builtins.length path) { a.b = 1; c = { stop = 1; }; }`, `{"a":{"b":2},"c":1}`},
	{`lib.concatMapAttrs (n: v: { ${n + "1"} = v; ${n + "2"} = v; }) { a = 1; }`, `{"a1":1,"a2":1}`},
	{`lib.genAttrs [ "a" "b" ] (n: n + "!")`, `{"a":"a!","b":"b!"}`},
	{`lib.collect builtins.isInt { a = 1; b.c = 2; d = "x"; }`, `[1,2]`},
	{`lib.foldAttrs (x: acc: [ x ] ++ acc) [ ] [ { a = 1; } { a = 2; b = 3; } ]`, `{"a":[1,2],"b":[3]}`},
	{`lib.recursiveUpdate { a.b = 1; a.c = 2; } { a.b = 3; d = 4; }`, `{"a":{"b":3,"c":2},"d":4}`},
	{`lib.recursiveUpdate { a.b = 1; } { a = 2; }`, `{"a":2}`},
	{`lib.matchAttrs { a.b = 1; } { a = { b = 1; c = 2; }; }`, `true`},
	{`lib.zipAttrs [ { a = 1; } { a = 2; } ]`, `{"a":[1,2]}`},
	{`lib.getAttrs [ "a" ] { a = 1; b = 2; }`, `{"a":1}`},
	{`lib.attrsToList { a = 1; }`, `[{"name":"a","value":1}]`},
	{`lib.foldlAttrs (acc: n: v: acc + v) 0 { a = 1; b = 2; }`, `3`},
	{`lib.optionalAttrs false { a = 1; }`, `{}`},
	{`lib.optional true 1 ++ lib.optionals false [ 2 ]`, `[1]`},
	{`lib.foldr (a: b: a + "(" + b + ")") "z" [ "a" "b" ]`, `"a(b(z))"`},
	{`lib.imap1 (i: x: i * x) [ 3 4 ]`, `[3,8]`},
	{`lib.flatten [ 1 [ 2 [ 3 ] ] ]`, `[1,2,3]`},
	{`lib.findFirst (x: x > 1) null [ 1 2 3 ]`, `2`},
	{`lib.findSingle (x: x > 1) "none" "many" [ 1 2 3 ]`, `"many"`},
	{`lib.range 2 4`, `[2,3,4]`},
	{`lib.range 4 2`, `[]`},
	{`lib.sublist 1 2 [ 1 2 3 4 ]`, `[2,3]`},
	{`lib.sublist 3 9 [ 1 2 ]`, `[]`},
	{`[ (lib.take 2 [ 1 2 3 ]) (lib.drop 2 [ 1 2 3 ]) (lib.last [ 1 2 ]) (lib.init [ 1 2 ]) ]`, `[[1,2],[3],2,[1]]`},
	{`lib.unique [ 1 2 1 3 2 ]`, `[1,2,3]`},
	{`[ (lib.intersectLists [ 1 2 ] [ 2 3 ]) (lib.subtractLists [ 1 2 ] [ 2 3 ]) ]`, `[[2],[3]]`},
	{`lib.reverseList [ 1 2 3 ]`, `[3,2,1]`},
	{`lib.sortOn (x: -x) [ 1 3 2 ]`, `[3,2,1]`},
	{`lib.naturalSort [ "disk10" "disk9" "disk1" ]`, `["disk1","disk9","disk10"]`},
	{`lib.zipListsWith (a: b: a + b) [ 1 2 3 ] [ 10 20 ]`, `[11,22]`},
	{`lib.cartesianProduct { a = [ 1 2 ]; b = [ 3 ]; }`, `[{"a":1,"b":3},{"a":2,"b":3}]`},
	{`[ (lib.replicate 2 "a") (lib.strings.replicate 2 "a") ]`, `[["a","a"],"aa"]`},
	{`lib.remove 1 [ 1 2 1 ]`, `[2]`},
	{`lib.splitString "." "a.b..c"`, `["a","b","","c"]`},
	{`lib.splitString "\n" "a\n"`, `["a",""]`},
	{`[ (lib.hasPrefix "a" "ab") (lib.hasSuffix "b" "ab") (lib.hasInfix "x.y" "axzyb") (lib.hasInfix "." "a.b") ]`, `[true,true,false,true]`},
	{`[ (lib.removePrefix "a" "ab") (lib.removeSuffix "b" "ab") (lib.removeSuffix "x" "ab") (lib.hasSuffix "abc" "c") ]`, `["b","a","ab",false]`},
	{`lib.concatMapStringsSep ", " (x: x + "!") [ "a" "b" ]`, `"a!, b!"`},
	{`lib.concatLines [ "a" "b" ]`, `"a\nb\n"`},
	{`lib.intersperse "/" [ "a" "b" "c" ]`, `["a","/","b","/","c"]`},
	{`map lib.escapeShellArg [ "abc" "a b" "it's" "" "~" "a=b" ]`, `["abc","'a b'","'it'\\''s'","''","'~'","'a=b'"]`},
	{`map lib.strings.escapeNixIdentifier [ "a" "a.b" "1a" "a-b" ]`, `["a","\"a.b\"","\"1a\"","a-b"]`},
	{`lib.strings.escapeNixString "a\${b}\"c"`, `"\"a\\${b}\\\"c\""`},
	{`lib.escapeRegex "a.b[c]"`, `"a\\.b\\[c]"`},
	{`lib.toUpper "abcZ" + lib.toLower "ABCz"`, `"ABCZabcz"`},
	{`lib.trim " a b\n"`, `"a b"`},
	{`map lib.toInt [ "12" "-3" " 4 " ]`, `[12,-3,4]`},
	{`lib.fixedWidthNumber 4 42`, `"0042"`},
	{`[ (lib.versionOlder "1.9" "1.10") (lib.versionAtLeast "2" "2") ]`, `[true,true]`},
	{`[ (lib.getName "hello-2.12") (lib.getVersion "hello-2.12") (lib.versions.majorMinor "1.2.3") ]`, `["hello","2.12","1.2"]`},
	{`lib.makeBinPath [ "/usr" "/opt" ]`, `"/usr/bin:/opt/bin"`},
	{`lib.strings.sanitizeDerivationName "a b/c@d.service"`, `"a-b-c-d.service"`},
	{`lib.generators.toKeyValue { } { a = 1; b = true; }`, `"a=1\nb=true\n"`},
	{`lib.generators.toINI { } { s.a = 1; t.b = "x"; }`, `"[s]\na=1\n\n[t]\nb=x\n"`},
	{`lib.generators.toPretty { } { a = [ 1 "x" ]; b = { }; }`, `"{\n  a = [\n    1\n    \"x\"\n  ];\n  b = { };\n}"`},
	{`lib.generators.toPretty { } "a\nb"`, `"''\n  a\n  b''"`},
	{`lib.generators.toPretty { } "a\n"`, `"''\n  a\n''"`},
	{`lib.showOption [ "a" "b.c" "<name>" "*" "1" ]`, `"a.\"b.c\".<name>.*.\"1\""`},
	{`lib.pipe 1 [ (x: x + 1) toString ]`, `"2"`},
	{`(lib.fix (lib.extends (final: prev: { a = prev.a + 1; }) (final: { a = 1; b = final.a; }))).b`, `2`},
	{`(lib.makeExtensible (final: { a = 1; b = final.a; })).extend (final: prev: { a = 5; })`, `{"a":5,"b":5}`},
	{`((lib.makeOverridable ({ a, b ? 2 }: { sum = a + b; }) { a = 1; }).override { b = 5; }).sum`, `6`},
	{`(lib.callPackageWith { a = 1; c = 3; } ({ a, b ? 2 }: { s = a + b; }) { }).s`, `3`},
	{`lib.stringAfter [ "etc" ] "true"`, `{"deps":["etc"],"text":"true"}`},
	{`lib.scrubOptionValue { a = 1; _args = 2; b = [ { _args = 3; } ]; }`, `{"a":1,"b":[{}]}`},
	{`lib.assertMsg true "no"`, `true`},
	{`lib.functionArgs (lib.setFunctionArgs (x: x) { a = true; })`, `{"a":true}`},
}

func TestFunctions(t *testing.T) {
	for _, test := range functionTests {
		t.Run(test.expr, func(t *testing.T) {
			// Functions that came along (extend, override) are not data.
			got, errs := eval(t, preamble()+`
			let
			  data = v:
			    if builtins.isAttrs v then lib.mapAttrs (_: data) (lib.filterAttrs (_: x: !(lib.isFunction x)) v)
			    else if builtins.isList v then map data v else v;
			in data (`+test.expr+`)`)
			checkResult(t, got, errs, test.want, nil)
		})
	}
}
