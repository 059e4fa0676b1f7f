package minios_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tables below describe how NixOS behaves. With -lib they are checked
// against nixpkgs' own lib: go test -run 'Merge|Types|Functions' -lib /path/to/nixpkgs/lib
var libPath = flag.String("lib", "", "run the tables against the library at `path` instead of minios's own")

func libExpr() string {
	if *libPath != "" {
		return "import " + *libPath
	}
	return "import " + here() + "/lib"
}

// preamble is in scope of every row.
func preamble() string {
	return `
	let
	  lib = ` + libExpr() + `;
	  inherit (lib) mkOption mkIf mkMerge mkDefault mkForce mkOverride mkBefore mkAfter mkOrder types mkEnableOption;
	  # A module with a name, as it would have in a file of its own.
	  at = file: m: { _file = file; imports = [ m ]; };
	  opt = type: mkOption { inherit type; };
	  evaluate = modules: lib.evalModules { inherit modules; };
	  config = modules: (evaluate modules).config;
	in
	`
}

// sameJSON reports whether two JSON texts hold the same value, by a diff.
func sameJSON(t *testing.T, got, want string) string {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("not JSON: %s", got)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(want)))
	if err := d.Decode(&w); err != nil {
		t.Fatalf("want is not JSON: %v", err)
	}
	return cmp.Diff(w, g)
}

// mergeTests: modules, and either the configuration they give or what the error says.
var mergeTests = []struct {
	name string
	expr string   // a Nix expression, usually config [ modules ]
	want string   // JSON
	errs []string // parts of the error, in order
}{
	{name: "default", expr: `config [ { options.a = mkOption { type = types.int; default = 3; }; } ]`, want: `{"a":3}`},
	{name: "definition beats default", expr: `config [ { options.a = mkOption { type = types.int; default = 3; }; } { a = 4; } ]`, want: `{"a":4}`},
	{name: "mkDefault beats default", expr: `config [ { options.a = mkOption { type = types.int; default = 3; }; } { a = mkDefault 4; } ]`, want: `{"a":4}`},
	{name: "plain beats mkDefault", expr: `config [ { options.a = opt types.int; } { a = mkDefault 4; } { a = 5; } ]`, want: `{"a":5}`},
	{name: "mkForce beats plain", expr: `config [ { options.a = opt types.int; } { a = mkForce 4; } { a = 5; } { a = mkDefault 6; } ]`, want: `{"a":4}`},
	{name: "mkOverride by number", expr: `config [ { options.a = opt types.int; } { a = mkForce 4; } { a = mkOverride 10 5; } ]`, want: `{"a":5}`},
	{name: "mkVMOverride", expr: `config [ { options.a = opt types.int; } { a = mkForce 4; } { a = lib.mkVMOverride 5; } ]`, want: `{"a":5}`},
	{name: "mkIf", expr: `config [ { options.a = mkOption { type = types.int; default = 1; }; } { a = mkIf false 2; } { a = mkIf true 3; } ]`, want: `{"a":3}`},
	{name: "mkIf on a set of options", expr: `config [ { options.x.a = mkOption { type = types.int; default = 1; }; } { x = mkIf true { a = 2; }; } (mkIf false { x.a = 7; }) ]`, want: `{"x":{"a":2}}`},
	{name: "mkIf on an option that it reads", expr: `config [ ({ config, ... }: { options.a = mkEnableOption "a"; options.b = mkOption { type = types.int; default = 0; }; config = mkIf config.a { b = 1; }; }) { a = true; } ]`, want: `{"a":true,"b":1}`},
	{name: "mkMerge", expr: `config [ { options.l = opt (types.listOf types.int); } { l = mkMerge [ [ 1 ] (mkIf false [ 2 ]) (mkIf true [ 3 ]) ]; } ]`, want: `{"l":[1,3]}`},
	{name: "mkMerge of modules' config", expr: `config [ { options.a = opt types.int; options.b = opt types.int; } { config = mkMerge [ { a = 1; } (mkIf true { b = 2; }) ]; } ]`, want: `{"a":1,"b":2}`},
	{name: "mkForce on a set goes to its members", expr: `config [ { options.x.a = opt types.int; } { x = mkForce { a = 2; }; } { x.a = 1; } ]`, want: `{"x":{"a":2}}`},
	{name: "mkForce of a list replaces", expr: `config [ { options.l = opt (types.listOf types.int); } { l = [ 1 ]; } { l = mkForce [ 2 ]; } ]`, want: `{"l":[2]}`},
	{name: "list order of modules", expr: `config [ { options.l = opt (types.listOf types.int); } { l = [ 1 ]; } { l = [ 2 ]; } { l = [ 3 ]; } ]`, want: `{"l":[3,2,1]}`},
	{name: "list order of imports", expr: `config [ { options.l = opt (types.listOf types.int); imports = [ { l = [ 1 ]; } { l = [ 2 ]; imports = [ { l = [ 3 ]; } ]; } ]; config.l = [ 4 ]; } { l = [ 5 ]; } ]`, want: `{"l":[3,2,1,5,4]}`},
	{name: "mkBefore and mkAfter", expr: `config [ { options.l = opt (types.listOf types.int); } { l = mkAfter [ 1 ]; } { l = [ 2 ]; } { l = mkBefore [ 3 ]; } { l = mkOrder 1400 [ 4 ]; } ]`, want: `{"l":[3,2,4,1]}`},
	{name: "lines with order", expr: `config [ { options.s = opt types.lines; } { s = "b"; } { s = mkBefore "a"; } { s = mkAfter "c"; } ]`, want: `{"s":"a\nb\nc"}`},
	{name: "mkForce of mkBefore", expr: `config [ { options.l = opt (types.listOf types.int); } { l = [ 1 ]; } { l = mkForce (mkBefore [ 2 ]); } { l = mkForce [ 3 ]; } ]`, want: `{"l":[2,3]}`},
	{name: "list elements under mkIf", expr: `config [ { options.l = opt (types.listOf types.int); } { l = [ (mkIf false 1) 2 ]; } ]`, want: `{"l":[2]}`},
	{name: "attrsOf merges by name", expr: `config [ { options.x = opt (types.attrsOf types.int); } { x.a = 1; } { x.b = 2; x.c = mkIf false 3; } { x.a = mkForce 4; } ]`, want: `{"x":{"a":4,"b":2}}`},
	{name: "submodule", expr: `config [ { options.x = opt (types.attrsOf (types.submodule ({ name, config, ... }: { options.n = mkOption { type = types.str; default = name; }; options.m = mkOption { type = types.str; default = config.n + "!"; }; }))); } { x.a = { }; x.b.n = "c"; } ]`, want: `{"x":{"a":{"m":"a!","n":"a"},"b":{"m":"c!","n":"c"}}}`},
	{name: "submodule from several modules", expr: `config [ { options.x = opt (types.submodule { options.a = opt types.int; options.b = mkOption { type = types.int; default = 2; }; }); } { x.a = mkDefault 1; } { x = { a = 3; }; } ]`, want: `{"x":{"a":3,"b":2}}`},
	{name: "submodule definition as a function", expr: `config [ { options.x = opt (types.submodule { options.a = opt types.int; options.b = opt types.int; }); } { x = { config, ... }: { a = 1; b = config.a + 1; }; } ]`, want: `{"x":{"a":1,"b":2}}`},
	{name: "submodule with an option called config", expr: `config [ { options.x = opt (types.submodule { options.config = opt types.int; }); } { x.config = 1; } ]`, want: `{"x":{"config":1}}`},
	{name: "submodule declared twice", expr: `config [ { options.x = opt (types.submodule { options.a = mkOption { type = types.int; default = 1; }; }); } { options.x = opt (types.submodule { options.b = mkOption { type = types.int; default = 2; }; }); } { x = { }; } ]`, want: `{"x":{"a":1,"b":2}}`},
	{name: "attrsOf submodule declared twice", expr: `config [ { options.x = opt (types.attrsOf (types.submodule { options.a = mkOption { type = types.int; default = 1; }; })); } { options.x = opt (types.attrsOf (types.submodule { options.b = mkOption { type = types.int; default = 2; }; })); } { x.k = { }; } ]`, want: `{"x":{"k":{"a":1,"b":2}}}`},
	{name: "enum declared twice", expr: `config [ { options.x = opt (types.enum [ "a" ]); } { options.x = opt (types.enum [ "b" ]); } { x = "b"; } ]`, want: `{"x":"b"}`},
	{name: "options below a submodule option", expr: `config [ { options.x = opt (types.submodule { options.a = mkOption { type = types.int; default = 1; }; }); } { options.x.b = mkOption { type = types.int; default = 2; }; } { x = { }; } ]`, want: `{"x":{"a":1,"b":2}}`},
	{name: "freeform", expr: `config [ { freeformType = types.attrsOf types.int; options.a = mkOption { type = types.str; default = "s"; }; } { b = 1; } ]`, want: `{"a":"s","b":1}`},
	{name: "freeform in a submodule", expr: `config [ { options.s = mkOption { default = { }; type = types.submodule { freeformType = types.attrsOf types.anything; options.p.a = mkOption { type = types.int; default = 1; }; }; }; } { s.p.z = 2; s.q = "r"; } ]`, want: `{"s":{"p":{"a":1,"z":2},"q":"r"}}`},
	{name: "apply", expr: `config [ { options.a = mkOption { type = types.int; apply = x: x + 1; }; } { a = 1; } ]`, want: `{"a":2}`},
	{name: "_module.args", expr: `config [ ({ five, ... }: { options.a = opt types.int; config.a = five; }) { _module.args.five = 5; } ]`, want: `{"a":5}`},
	{name: "specialArgs may decide imports", expr: `(lib.evalModules { specialArgs.extra = { options.a = mkOption { type = types.int; default = 9; }; }; modules = [ ({ extra, ... }: { imports = [ extra ]; }) ]; }).config`, want: `{"a":9}`},
	{name: "a module imported twice counts once", expr: `let f = ./testdata/modules/one.nix; in config [ { options.l = opt (types.listOf types.int); } f f { imports = [ f ]; } ]`, want: `{"l":[1]}`},
	{name: "disabledModules", expr: `let f = ./testdata/modules/one.nix; in config [ { options.l = opt (types.listOf types.int); } f { l = [ 2 ]; disabledModules = [ f ]; } ]`, want: `{"l":[2]}`},
	{name: "disabled by key", expr: `config [ { options.l = opt (types.listOf types.int); } { key = "k"; config.l = [ 1 ]; } { config.l = [ 2 ]; disabledModules = [ { key = "k"; } ]; } ]`, want: `{"l":[2]}`},
	{name: "options read their meta", expr: `let e = evaluate [ { options.a = opt types.int; } (at "f.nix" { a = mkForce 1; }) ]; in { inherit (e.options.a) isDefined highestPrio files loc; d = e.options.a.definitionsWithLocations; u = e.options.a.type.description; }`, want: `{"d":[{"file":"f.nix","value":1}],"files":["f.nix"],"highestPrio":50,"isDefined":true,"loc":["a"],"u":"signed integer"}`},
	{name: "extendModules", expr: `((evaluate [ { options.a = mkOption { type = types.int; default = 1; }; } ]).extendModules { modules = [ { a = 2; } ]; }).config`, want: `{"a":2}`},
	{name: "anything merges deeply", expr: `config [ { options.x = opt types.anything; } { x.a.b = 1; } { x.a.c = "s"; } ]`, want: `{"x":{"a":{"b":1,"c":"s"}}}`},
	{name: "deferredModule", expr: `let c = config [ { options.m = opt types.deferredModule; } { m.a = 1; } { m = { b = 2; }; } ]; in config [ { options.a = opt types.int; options.b = opt types.int; } c.m ]`, want: `{"a":1,"b":2}`},
	{name: "functionTo", expr: `(config [ { options.f = opt (types.functionTo (types.listOf types.int)); } { f = x: [ x ]; } { f = x: [ (x + 1) ]; } ]).f 1`, want: `[2,1]`},
	{name: "coercedTo", expr: `config [ { options.a = opt (types.listOf (types.coercedTo types.int toString types.str)); } { a = [ 1 "b" ]; } ]`, want: `{"a":["1","b"]}`},
	{name: "lazyAttrsOf may refer to itself", expr: `config [ ({ config, ... }: { options.x = opt (types.lazyAttrsOf types.int); config.x = { a = 1; b = config.x.a + 1; }; }) ]`, want: `{"x":{"a":1,"b":2}}`},
	{name: "an unused error is no error", expr: `(config [ { options.a = opt types.int; options.b = opt types.int; } { a = 1; b = throw "not asked for"; } ]).a`, want: `1`},
	{name: "renamed option", expr: `config [ { options.warnings = mkOption { type = types.listOf types.str; default = [ ]; }; options.new.a = opt types.int; imports = [ (lib.mkRenamedOptionModule [ "old" ] [ "new" "a" ]) ]; } (at "f.nix" { old = 1; }) ]`, want: "{\"new\":{\"a\":1},\"old\":1,\"warnings\":[\"The option `old' defined in `f.nix' has been renamed to `new.a'.\"]}"},
	{name: "renamed option keeps priority", expr: `(config [ { options.warnings = mkOption { type = types.listOf types.str; default = [ ]; }; options.new = opt types.int; imports = [ (lib.mkRenamedOptionModule [ "old" ] [ "new" ]) ]; } { old = mkForce 1; } { new = 2; } ]).new`, want: `1`},
	{name: "alias", expr: `(config [ { options.new = opt types.int; imports = [ (lib.mkAliasOptionModule [ "old" ] [ "new" ]) ]; } { old = 1; } ]).new`, want: `1`},
	{name: "removed option", expr: `map (a: if a.assertion then "" else a.message) (config [ { options.assertions = mkOption { type = types.listOf types.unspecified; default = [ ]; }; imports = [ (lib.mkRemovedOptionModule [ "old" ] "Use new.") ]; } (at "f.nix" { old = 1; }) ]).assertions`, want: "[\"The option definition `old' in `f.nix' no longer has any effect; please remove it.\\nUse new.\\n\"]"},
	{name: "null or value", expr: `config [ { options.a = opt (types.nullOr types.int); options.b = mkOption { type = types.nullOr types.int; default = null; }; } { a = 1; } ]`, want: `{"a":1,"b":null}`},
	{name: "either of lists", expr: `config [ { options.a = opt (types.either types.int (types.listOf types.int)); } { a = [ 1 ]; } { a = [ 2 ]; } ]`, want: `{"a":[2,1]}`},
	{name: "a file's path names the module", expr: `config [ ./testdata/modules/nope.nix ]`, errs: []string{"The option `nope' does not exist. Definition values:\n", "- In `/", "/testdata/modules/nope.nix': 1"}},

	{name: "unknown option", expr: `config [ (at "hosts.nix" { a.b = "s"; }) ]`, errs: []string{"The option `a' does not exist. Definition values:\n", "- In `hosts.nix':", `b = "s"`}},
	{name: "unknown option below a known one", expr: `config [ { options.x.y = opt types.int; } (at "hosts.nix" { x.z = 1; }) ]`, errs: []string{"The option `x.z' does not exist. Definition values:\n", "- In `hosts.nix': 1"}},
	{name: "unknown option in a submodule", expr: `config [ { options.x = opt (types.attrsOf (types.submodule { options.a = opt types.int; })); } (at "hosts.nix" { x.k.b = 1; }) ]`, errs: []string{"The option `x.k.b' does not exist. Definition values:\n", "- In `hosts.nix': 1"}},
	{name: "odd names are quoted", expr: `config [ { options.x = opt (types.attrsOf types.int); } (at "hosts.nix" { x."a.b" = "s"; }) ]`, errs: []string{"A definition for option `x.\"a.b\"' is not of type `signed integer'. Definition values:\n", "- In `hosts.nix': \"s\""}},
	{name: "wrong type", expr: `config [ { options.a = opt types.bool; } (at "hosts.nix" { a = "yes"; }) ]`, errs: []string{"A definition for option `a' is not of type `boolean'. Definition values:\n", "- In `hosts.nix': \"yes\""}},
	{name: "wrong type in a list", expr: `config [ { options.a = opt (types.listOf types.port); } (at "hosts.nix" { a = [ 80 "x" ]; }) ]`, errs: []string{"A definition for option `a.\"[definition 1-entry 2]\"' is not of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'. Definition values:\n", "- In `hosts.nix': \"x\""}},
	{name: "several wrong ones", expr: `config [ { options.a = opt types.int; } (at "f.nix" { a = "x"; }) (at "g.nix" { a = true; }) ]`, errs: []string{"is not of type `signed integer'. Definition values:\n", "- In `g.nix': true\n", "- In `f.nix': \"x\""}},
	{name: "conflict", expr: `config [ { options.a = opt types.str; } (at "f.nix" { a = "x"; }) (at "g.nix" { a = "y"; }) ]`, errs: []string{"The option `a' has conflicting definition values:\n", "- In `g.nix': \"y\"\n", "- In `f.nix': \"x\"\n", "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions."}},
	{name: "same value twice is no conflict", expr: `config [ { options.a = opt types.str; } { a = "x"; } { a = "x"; } ]`, want: `{"a":"x"}`},
	{name: "no value", expr: `config [ { options.a.b = opt types.int; } ]`, errs: []string{"The option `a.b' was accessed but has no value defined. Try setting the option."}},
	{name: "no value, where the type has one of its own", expr: `config [ { options = { l = opt (types.listOf types.int); x = opt (types.attrsOf types.int); n = opt (types.nullOr types.int); s = opt (types.submodule { options.a = mkOption { default = 1; }; }); }; } ]`, want: `{"l":[],"n":null,"s":{"a":1},"x":{}}`},
	{name: "mkIf false defines no name", expr: `config [ { options.x = opt (types.attrsOf (types.submodule { })); } { x.a = mkIf false { }; x.b = { }; } ]`, want: `{"x":{"b":{}}}`},
	{name: "read-only", expr: `config [ { options.a = mkOption { type = types.int; default = 1; readOnly = true; }; } (at "f.nix" { a = 2; }) ]`, errs: []string{"The option `a' is read-only, but it's set multiple times."}},
	{name: "declared twice", expr: `config [ (at "f.nix" { options.a = mkOption { type = types.int; default = 1; }; }) (at "g.nix" { options.a = mkOption { type = types.int; default = 1; }; }) ]`, errs: []string{"The option `a' in `", "' is already declared in `"}},
	{name: "options and config at once", expr: `config [ (at "f.nix" { options = { }; foo = 1; }) ]`, errs: []string{"Module `:anon-1:anon-1' has an unsupported attribute `foo'. This is caused by introducing a top-level `config' or `options' attribute."}},
	{name: "a set where options are", expr: `config [ { options.x.a = opt types.int; } (at "f.nix" { x = 1; }) ]`, errs: []string{"In module `f.nix', you're trying to define a value of type `int'\n", "rather than an attribute set for the option\n", "`x'!"}},
	{name: "null and not null", expr: `config [ { options.a = opt (types.nullOr types.int); } (at "f.nix" { a = null; }) (at "g.nix" { a = 1; }) ]`, errs: []string{"The option `a` is defined both null and not null, in `g.nix' and `f.nix'."}},
	{name: "unique", expr: `config [ { options.a = opt types.raw; } (at "f.nix" { a = 1; }) (at "g.nix" { a = 2; }) ]`, errs: []string{"The option `a' is defined multiple times while it's expected to be unique.\n", "Definition values:\n", "- In `g.nix': 2\n", "- In `f.nix': 1"}},
	{name: "a module argument that is missing", expr: `config [ (at "f.nix" ({ nothing, ... }: { options.a = mkOption { type = types.raw; default = nothing; }; })) ]`, errs: []string{"attribute 'nothing' missing"}},
	{name: "mkIf without a boolean", expr: `config [ { options.a = opt types.int; } { a = mkIf "x" 1; } ]`, errs: []string{"called with a non-Boolean condition"}},
	{name: "a module that is none", expr: `config [ 1 ]`, errs: []string{"Expected a module, but found a value of type"}},
	{name: "multi-line values", expr: `config [ { options.a = opt types.int; } (at "f.nix" { a = { b = [ 1 { } ]; c = null; d = x: x; }; }) ]`, errs: []string{"- In `f.nix':\n", "    {\n", "b = [\n", "1\n", "{ }\n", "];\n", "..."}},
}

func TestMerge(t *testing.T) {
	for _, test := range mergeTests {
		t.Run(test.name, func(t *testing.T) {
			got, errs := eval(t, preamble()+test.expr)
			checkResult(t, got, errs, test.want, test.errs)
		})
	}
}

// checkResult compares JSON with want, or finds the parts of an error in order.
func checkResult(t *testing.T, got, errs, want string, parts []string) {
	t.Helper()
	if parts == nil {
		if got == "" {
			t.Fatalf("unexpected error:\n%s", errs)
		}
		if diff := sameJSON(t, got, want); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return
	}
	if got != "" {
		t.Fatalf("got %s, want an error", got)
	}
	rest := errs
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("no %q (in its place) in:\n%s", part, errs)
		}
		rest = after
	}
}

// typeTests: for each type how it is described, values it takes and refuses.
var typeTests = []struct {
	typ  string
	desc string
	good []string
	bad  []string
}{
	{typ: "bool", desc: "boolean", good: []string{"true", "false"}, bad: []string{`"yes"`, "1", "null"}},
	{typ: "int", desc: "signed integer", good: []string{"0", "-5"}, bad: []string{`"1"`, "1.5", "true"}},
	{typ: "float", desc: "floating point number", good: []string{"1.5"}, bad: []string{"1", `"1.5"`}},
	{typ: "number", desc: "signed integer or floating point number", good: []string{"1", "1.5"}, bad: []string{`"1"`}},
	{typ: "port", desc: "16 bit unsigned integer; between 0 and 65535 (both inclusive)", good: []string{"0", "65535"}, bad: []string{"-1", "65536", `"80"`}},
	{typ: "ints.unsigned", desc: "unsigned integer, meaning >=0", good: []string{"0"}, bad: []string{"-1"}},
	{typ: "ints.positive", desc: "positive integer, meaning >0", good: []string{"1"}, bad: []string{"0"}},
	{typ: "ints.u8", desc: "8 bit unsigned integer; between 0 and 255 (both inclusive)", good: []string{"255"}, bad: []string{"256"}},
	{typ: "ints.between 1 3", desc: "integer between 1 and 3 (both inclusive)", good: []string{"1", "3"}, bad: []string{"0", "4"}},
	{typ: "str", desc: "string", good: []string{`"a"`, `"a\nb"`}, bad: []string{"1", "null", "[ ]"}},
	{typ: "nonEmptyStr", desc: "non-empty string", good: []string{`"a"`}, bad: []string{`""`, `" "`}},
	{typ: "singleLineStr", desc: "(optionally newline-terminated) single-line string", good: []string{`"a"`}, bad: []string{`"a\nb"`}},
	{typ: `strMatching "a+"`, desc: "string matching the pattern a+", good: []string{`"aa"`}, bad: []string{`"b"`, "1"}},
	{typ: "lines", desc: `strings concatenated with "\n"`, good: []string{`"a"`}, bad: []string{"1"}},
	{typ: "commas", desc: `strings concatenated with ","`, good: []string{`"a"`}, bad: []string{"1"}},
	{typ: "path", desc: "absolute path", good: []string{`"/etc"`}, bad: []string{`"etc"`, "1"}},
	{typ: "package", desc: "package", good: []string{}, bad: []string{`"/etc"`, "{ }"}},
	{typ: `enum [ "a" "b" 3 ]`, desc: `one of "a", "b", 3`, good: []string{`"a"`, "3"}, bad: []string{`"c"`, "4"}},
	{typ: `enum [ "a" ]`, desc: `value "a" (singular enum)`, good: []string{`"a"`}, bad: []string{`"b"`}},
	{typ: "nullOr str", desc: "null or string", good: []string{"null", `"a"`}, bad: []string{"1"}},
	{typ: `nullOr (enum [ "a" "b" ])`, desc: `null or one of "a", "b"`, good: []string{"null", `"a"`}, bad: []string{`"c"`}},
	{typ: "listOf str", desc: "list of string", good: []string{`[ "a" ]`, "[ ]"}, bad: []string{`"a"`, "{ }"}},
	{typ: "listOf (nullOr int)", desc: "list of (null or signed integer)", good: []string{"[ 1 null ]"}, bad: []string{`[ "a" ]`}},
	{typ: "listOf (listOf int)", desc: "list of list of signed integer", good: []string{"[ [ 1 ] ]"}, bad: []string{"[ 1 ]"}},
	{typ: "listOf ints.positive", desc: "list of (positive integer, meaning >0)", good: []string{"[ 1 ]"}, bad: []string{"[ 0 ]"}},
	{typ: "nonEmptyListOf int", desc: "non-empty (list of signed integer)", good: []string{"[ 1 ]"}, bad: []string{"[ ]"}},
	{typ: "attrsOf int", desc: "attribute set of signed integer", good: []string{"{ a = 1; }", "{ }"}, bad: []string{"[ ]", "{ a = true; }"}},
	{typ: "attrsOf (listOf str)", desc: "attribute set of list of string", good: []string{`{ a = [ "b" ]; }`}, bad: []string{"{ a = 1; }"}},
	{typ: "either str int", desc: "string or signed integer", good: []string{`"a"`, "1"}, bad: []string{"true"}},
	{typ: "oneOf [ bool int str ]", desc: "boolean or signed integer or string", good: []string{"true", "1"}, bad: []string{"[ ]"}},
	{typ: "listOf (either str int)", desc: "list of (string or signed integer)", good: []string{`[ "a" 1 ]`}, bad: []string{"[ true ]"}},
	{typ: "either (listOf str) int", desc: "(list of string) or signed integer", good: []string{"1"}, bad: []string{"true"}},
	{typ: "coercedTo int toString str", desc: "string or signed integer convertible to it", good: []string{`"a"`}, bad: []string{"true"}},
	{typ: "attrs", desc: "attribute set", good: []string{"{ a = 1; }"}, bad: []string{"1"}},
	{typ: "anything", desc: "anything", good: []string{"1", `{ a = [ "b" ]; }`, "null"}},
	{typ: "raw", desc: "raw value", good: []string{"1", "{ }"}},
	{typ: "unspecified", desc: "unspecified value", good: []string{"1", "{ }"}},
	{typ: "submodule { }", desc: "submodule", good: []string{"{ }"}, bad: []string{"1", "[ ]"}},
	{typ: "uniq str", desc: "string", good: []string{`"a"`}, bad: []string{"1"}},
	{typ: "functionTo str", desc: "function that evaluates to a(n) string", bad: []string{"1"}},
	{typ: "passwdEntry str", desc: "string, not containing newlines or colons", good: []string{`"a"`}, bad: []string{`"a:b"`}},
}

func TestTypes(t *testing.T) {
	for _, test := range typeTests {
		t.Run(test.typ, func(t *testing.T) {
			expr := preamble() + fmt.Sprintf(`
			let
			  type = with types; %s;
			  try = value: builtins.tryEval (let v = (config [ { options.a = opt type; } { a = value; } ]).a; in builtins.deepSeq v v);
			  takes = value: let t = try value; in t.success && t.value == value;
			  refuses = value: !(try value).success;
			in {
			  desc = type.description;
			  good = map takes [ %s ];
			  bad = map refuses [ %s ];
			}`, test.typ, list(test.good), list(test.bad))
			got, errs := eval(t, expr)
			yes := func(n int) string {
				return strings.TrimSuffix(strings.Repeat("true,", n), ",")
			}
			want := fmt.Sprintf(`{"desc":%q,"good":[%s],"bad":[%s]}`, test.desc, yes(len(test.good)), yes(len(test.bad)))
			checkResult(t, got, errs, want, nil)
		})
	}
}

func list(values []string) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "(%s) ", v)
	}
	return b.String()
}
