package eval_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"muster/compile/eval"
	"muster/compile/syntax"
)

var recordErrors = flag.String("record-errors", "", "write testdata/errors anew from this nix-instantiate of 2.34")

// TestErrorsAreWhereNixHasThem evaluates small programs that fail. testdata/errors/programs.txt has for each the line, the
// column and the message that Nix 2.34 gives. Where Nix has no place for the error itself, there is ~ and the place of the
// innermost expression that Nix names: ours is there or inside of it. just record-errors writes the file.
func TestErrorsAreWhereNixHasThem(t *testing.T) {
	file := filepath.Join("testdata", "errors", "programs.txt")
	programs := failingPrograms()
	if *recordErrors != "" {
		recordFailures(t, file, programs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for _, chunk := range strings.Split(string(text), "\n---\n") {
		if program, result, ok := strings.Cut(chunk, "\n### "); ok {
			recorded[program] = strings.TrimSuffix(result, "\n")
		}
	}
	if len(recorded) != len(programs) {
		t.Errorf("%d programs are recorded, and there are %d: just record-errors", len(recorded), len(programs))
	}
	for _, p := range programs {
		want, ok := recorded[p]
		if !ok {
			t.Errorf("not recorded: just record-errors\n%s", p)
			continue
		}
		if why, ok := differsFromNix[p]; ok {
			t.Logf("left out: %s: %s", p, why)
			continue
		}
		at, got := failureHere(t, p)
		where, msg, _ := strings.Cut(want, " ")
		if msg != got || !sameErrorPlace(p, where, at) {
			t.Errorf("\n%s\n here %d:%d %s\n  nix %s", p, at.Line, at.Col, got, want)
		}
	}
}

// differsFromNix are programs that are not compared, and why.
var differsFromNix = map[string]string{
	`builtins.fromJSON "{"`:            "Nix has the words of its JSON library",
	"[\n  (builtins.fromJSON \"s\") ]": "Nix has the words of its JSON library",
	`builtins.fromTOML "s"`:            "Nix has the words of its TOML library",
	`builtins.toFile "a/b" "c"`:        "Nix names the store path that the file would have",
	`let x = { y = x.y; }; in x.y`:     "Nix has the name of the attribute, and this package the expression",
}

// sameErrorPlace reports whether an error of a program is at a recorded place.
func sameErrorPlace(program, recorded string, at syntax.Pos) bool {
	text, around := strings.CutPrefix(recorded, "~")
	var line, col int32
	if _, err := fmt.Sscanf(text, "%d:%d", &line, &col); err != nil {
		return recorded == "-" // a value, or a message without any place
	}
	if !around || program[0] == 'b' {
		return at.Line == line && at.Col == col
	}
	return at.Line > line || at.Line == line && at.Col >= col
}

// failureHere evaluates a program and returns the place and the message of its error.
func failureHere(t *testing.T, program string) (syntax.Pos, string) {
	ev := eval.New(eval.Options{NixVersion: "2.34.8", MaxDepth: 10_000})
	v, err := ev.Expr(t.Context(), program, "/")
	if err == nil {
		var text string
		if text, err = v.Print(t.Context(), true); err == nil {
			return syntax.Pos{}, "value " + text
		}
	}
	var e *eval.Error
	if !errors.As(err, &e) {
		return syntax.Pos{}, err.Error()
	}
	at := e.Pos
	for _, step := range e.Trace {
		if at.IsValid() {
			break
		}
		at = step.Pos
	}
	return at, oneLine(e.Msg)
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\\n") }

// recordFailures writes what Nix says of each program.
func recordFailures(t *testing.T, file string, programs []string) {
	results := make([]string, len(programs))
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i, p := range programs {
		g.Go(func() error {
			results[i] = failureOfNix(t, *recordErrors, p)
			return nil
		})
	}
	_ = g.Wait()
	var b strings.Builder
	for i, p := range programs {
		fmt.Fprintf(&b, "%s\n### %s\n---\n", p, results[i])
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	ansi      = regexp.MustCompile("\x1b\\[[0-9;]*m")
	tracedPos = regexp.MustCompile(`(?m)^\s+at «string»:(\d+:\d+):$`)
)

func failureOfNix(t *testing.T, nix, program string) string {
	cmd := exec.CommandContext(t.Context(), nix, "--eval", "--strict", "--show-trace", "--log-format", "internal-json", "-E", program)
	cmd.Env = append(os.Environ(), "NIX_REMOTE=dummy://", "NIX_PATH=")
	cmd.Dir = "/"
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		return "- value " + strings.TrimSpace(string(out))
	}
	for line := range strings.Lines(said.String()) {
		var msg struct {
			Action       string
			Level        int
			Msg          string
			Raw          string `json:"raw_msg"`
			Line, Column int
		}
		text, ok := strings.CutPrefix(line, "@nix ")
		if !ok || json.Unmarshal([]byte(text), &msg) != nil || msg.Action != "msg" || msg.Raw == "" {
			continue
		}
		at := "-"
		if msg.Line != 0 {
			at = fmt.Sprintf("%d:%d", msg.Line, msg.Column)
		} else if places := tracedPos.FindAllStringSubmatch(ansi.ReplaceAllString(msg.Msg, ""), -1); len(places) > 0 {
			at = "~" + places[len(places)-1][1]
		}
		return at + " " + oneLine(ansi.ReplaceAllString(msg.Raw, ""))
	}
	t.Errorf("%s\n%v: %s", program, err, said.String())
	return ""
}

// failingPrograms makes the programs: every operator, builtin and form of expression with values that it does not take.
func failingPrograms() []string {
	var all []string
	add := func(format string, args ...any) {
		if p := fmt.Sprintf(format, args...); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	values := []string{`null`, `true`, `1`, `1.5`, `"s"`, `/p`, `[ ]`, `[ 1 ]`, `{ }`, `{ a = 1; }`, `(x: x)`, `builtins.head`, `(builtins.add 1)`}
	some := func(skip ...string) []string {
		return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return slices.Contains(skip, v) })
	}
	// Operators, with the wrong operand left, right, behind a variable, and on lines of their own.
	right := map[string]string{"+": "1", "-": "1", "*": "1", "/": "1", "++": "[ ]", "//": "{ }", "&&": "true", "||": "false", "->": "true", "<": "1", "<=": "1", ">": "1", ">=": "1"}
	takes := map[string][]string{
		"+": {"1", "1.5"}, "-": {"1", "1.5"}, "*": {"1", "1.5"}, "/": {"1", "1.5"}, "++": {"[ ]", "[ 1 ]"}, "//": {"{ }", "{ a = 1; }"},
		"&&": {"true"}, "||": {"true"}, "->": {"true"}, "<": {"1", "1.5"}, "<=": {"1", "1.5"}, ">": {"1", "1.5"}, ">=": {"1", "1.5"},
	}
	shapes := []string{"%s %s %s", "let v = %s; in\n  v %s %s", "(%s\n  %s\n    %s)", "{ x = [ (%s %s %s) ]; }"}
	n := 0
	for _, op := range slices.Sorted(maps.Keys(right)) {
		good := right[op]
		for _, v := range some(takes[op]...) {
			add(shapes[n%len(shapes)], v, op, good)
			n++
			truthy := good
			if op == "||" {
				truthy = "false"
			}
			add(shapes[n%len(shapes)], truthy, op, v)
			n++
		}
	}
	for _, v := range some() {
		add("\"s\" + %s", v)
		add("/p +\n %s", v)
		add("\"a${%s}b\"", v)
		add("''\n  a\n  ${%s}\n''", v)
		add("/a/${%s}", v)
		add("{ }.${%s}", v)
		add("{ ${%s} = 1; }", v)
		add("{ } ? ${%s}", v)
		add("if %s then 1 else 2", v)
		add("assert %s; 1", v)
		add("with %s; a", v)
		add("!%s", v)
		add("let v = -%s; in v", v)
		add("%s 1", v)
		add("let f = %s; in\n[ (f 1 2) ]", v)
		add("%s.a.b", v)
		add("let v = %s; in {\n  x = v.y;\n}", v)
		add("({ a }: a) %s", v)
		add("let f = { b, ... }: b; in\n f %s", v)
		add("let inherit (%s) q; in q", v)
		add("{ inherit\n (%s) q; }", v)
		add("rec { __overrides = %s; a = 1; }", v)
	}
	// Parentheses, chains and lines.
	for _, p := range []string{
		"([ ]) + 1", "1 + ([ ])", "(1 + 2) + { }", "1 + 2 + { }", "\"a\" + \"b\" + { }", "({ }).a", "({ }.a) 1", "((1)) 2", "(({ a = 1; }).a) 3", "!(1)", "{ }.${(\"a\")}",
		"({\n  a = 1;\n}).b", "{ a = { }; }\n  .a\n  .b", "{ a = 1; }.a.b", "{ a.b = { }; }.a.b.c.d", "{ }.a or { }.b", "({ }).a.b or (1 + { })", "[ ((1) 2) ]", "let f = x: x.y; in f (1)",
		"({ a }: a) { b = 1; }", "({ a, ... }: a) { }", "(f: f { }) ({ a }: a)", "(x: x.a) 1", "(x:\n  y: x + y) 1 { }", "let f = { a, b ? a.c }: b; in f { a = 1; }", "with { }; (a)", "with { }; with 1; a", "with 1; with { }; a",
		"9223372036854775807 + 1", "9223372036854775807 * 2", "(-9223372036854775807) - 2", "1 / 0", "1.0 / 0", "1 / 0.0", "builtins.div 1 0", "if 1 then 2 else 3", "if { }.a then 2 else 3", "(if true then 1 else 2).a",
		"let x = y; y = x; in x", "rec { a = b; b = a; }.a", "let x = { inherit (x) a; }; in x.a", "let inherit ({ }) a; in a", "{ inherit ({ }) a; }.a", "rec { inherit (b) a; b = 1; }.a", "let f = x: f x; in f 1",
		"assert 1 == 2; 3", "assert false;\n 3", "assert { a = 1; } == { a = 2; }; 1", "assert [ 1 ] == [ ]; 1", "assert \"a\" == \"b\"; 1", "assert 1.5 == 2; 1", "assert (x: x) == (x: x); 1", "assert null == 1; 1", "assert !true; 1", "assert { }.a; 1",
		"{ a = throw \"x\"; }.a", "builtins.throw \"a\\nb\"", "abort \"x\"", "[ (throw \"x\") ]", "builtins.tryEval (abort \"x\")", "builtins.addErrorContext \"c\" (throw \"x\")", "builtins.seq (throw \"x\") 1", "throw 1", "throw { }", "abort null",
		"{ a = 1; a.b = 2; }.a", "{ ${\"a\"} = 1; a = 2; }", "{ ${\"a\" + \"\"} = 1; a = 2; }", "{ a = 1; ${null} = 2; }.b", "{ a = 1; }.\"b c\"", "{ }.\"\"", "{ } ? a.b.c && { }.x", "map (x: x.y) [ 1 ]", "builtins.map (x: x + { }) [ 1 2 ]",
		"builtins.foldl' (a: b: a + b) 0 [ 1 { } ]", "builtins.sort (a: b: a < b) [ 1 { } ]", "builtins.sort builtins.lessThan [ 1 null ]", "builtins.filter (x: 1) [ 1 ]", "builtins.all (x: null) [ 1 ]", "builtins.any (x: { }) [ 1 ]",
		"builtins.concatMap (x: x) [ 1 ]", "builtins.genList (x: throw \"e\") 2", "builtins.genList (x: x) (-1)", "builtins.elemAt [ 1 ] 1", "builtins.elemAt [ 1 ] (-1)", "builtins.head [ ]", "builtins.tail [ ]", "builtins.substring (-1) 1 \"a\"",
		"builtins.mapAttrs (n: v: v.x) { a = 1; }", "builtins.mapAttrs 1 { a = 1; }", "builtins.getAttr \"a\" { }", "builtins.listToAttrs [ { name = \"a\"; } ]", "builtins.listToAttrs [ { value = 1; } ]", "builtins.listToAttrs [ 1 ]", "builtins.catAttrs \"a\" [ 1 ]",
		"builtins.genericClosure { }", "builtins.genericClosure { startSet = 1; }", "builtins.genericClosure { startSet = [ { } ]; operator = x: [ ]; }", "builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: 1; }", "builtins.replaceStrings [ \"a\" ] [ ] \"a\"", "builtins.replaceStrings [ 1 ] [ \"a\" ] \"a\"",
		"builtins.hashString \"x\" \"a\"", "builtins.match \"(\" \"a\"", "builtins.split \"[\" \"a\"", "builtins.toJSON (x: x)", "builtins.toJSON { a = { b = x: x; }; }", "builtins.toJSON [ (throw \"x\") ]", "builtins.toString { }", "toString [ { } ]", "toString (x: x)", "\"${toString { }}\"",
		"builtins.fromJSON \"{\"", "builtins.readFile /nonexistent", "import /nonexistent", "builtins.readDir /nonexistent", "<nope>", "builtins.findFile [ ] \"nope\"", "/nonexistent + { }", "\"${/nonexistent}\"", "builtins.toFile \"a/b\" \"c\"", "builtins.toFile \"a\" 1",
		"derivation { }", "derivation { name = 1; system = \"x\"; builder = \"y\"; }.drvPath", "(derivation { name = \"a\"; builder = \"y\"; }).drvPath", "(derivation { name = \"a b\"; system = \"x\"; builder = \"y\"; }).drvPath", "(derivation { name = \"a\"; system = \"x\"; builder = \"y\"; x = y: y; }).drvPath", "(derivation { name = \"a\"; system = \"x\"; builder = \"y\"; outputs = [ ]; }).drvPath",
		"let f = (x: y: z: x + y) 1; in f { } 2", "(builtins.add 1) { }", "map (builtins.add 1) [ { } ]", "builtins.foldl' builtins.add 0 [ { } ]", "builtins.head (builtins.tail [ 1 ])", "builtins.add 1 (builtins.head [ { } ])", "builtins.add (builtins.length [ ]) \"x\"",
		"let a = b; b = c; c = a; in a", "rec { x = y; y = x; }.x", "let x = [ x.a ]; in x", "let x = { y = x.y; }; in x.y", "let f = x: x.a; in f { b = 1; }", "{ __functor = self: x: x.y; } { }", "{ __functor = 1; } 2", "{ __toString = self: 1; } + \"\"", "\"${{ __toString = 1; }}\"", "\"${{ outPath = { }; }}\"",
		"x", "{ a = b; }", "let a = 1; in { a = c; }", "rec { a = a; }.a", "{ a = 1", "[ 1", "(1", "\"a", "''a", "{ a }", "{ a = ; }", "let in", "if true then 1", "1 +", "a: ", "{ a, a }: a", "x@{ x }: x", "{ a = 1; a = 2; }", "{ a.b = 1; a.b = 2; }", "let a = 1; a = 2; in a", "1 < 2 < 3", "1 == 2 == 3", "{ inherit 1; }", "99999999999999999999", "a.", "{ }.", "assert true", "with", "''${''", "\"${\"", "1 ? a", "rec", "inherit a;", "/a/", "<a", "{ a ? 1 }", "...", "@", "`", "1 = 2", "a = 1;", "}", ")", "]", "\"\\", "import", "in", "or", "let or = 1; in or",
	} {
		add("%s", p)
	}
	return append(all, failingCalls(values)...)
}

// failingCalls calls every builtin with values of wrong types, and with some of the right type that it refuses.
func failingCalls(values []string) []string {
	var all []string
	arguments := map[string][]string{
		"add": {"1", "1"}, "sub": {"1", "1"}, "mul": {"2", "2"}, "div": {"1", "1"}, "bitAnd": {"1", "1"}, "bitOr": {"1", "1"}, "bitXor": {"1", "1"}, "lessThan": {"1", "1"},
		"all": {"(x: true)", "[ 1 ]"}, "any": {"(x: false)", "[ 1 ]"}, "filter": {"(x: true)", "[ 1 ]"}, "map": {"(x: x)", "[ 1 ]"}, "concatMap": {"(x: [ x ])", "[ 1 ]"},
		"partition": {"(x: true)", "[ 1 ]"}, "groupBy": {"(x: x)", "[ \"a\" ]"}, "sort": {"(a: b: true)", "[ 1 2 ]"}, "genList": {"(x: x)", "2"}, "elemAt": {"[ 1 ]", "0"},
		"foldl'": {"(a: b: a)", "0", "[ 1 ]"}, "head": {"[ 1 ]"}, "tail": {"[ 1 ]"}, "length": {"[ 1 ]"}, "concatLists": {"[ [ ] ]"}, "concatStringsSep": {"\" \"", "[ \"a\" ]"}, "elem": {"1", "[ 1 ]"},
		"attrNames": {"{ a = 1; }"}, "attrValues": {"{ a = 1; }"}, "catAttrs": {"\"a\"", "[ { a = 1; } ]"}, "getAttr": {"\"a\"", "{ a = 1; }"}, "hasAttr": {"\"a\"", "{ }"},
		"intersectAttrs": {"{ }", "{ }"}, "listToAttrs": {"[ { name = \"a\"; value = 1; } ]"}, "mapAttrs": {"(n: v: v)", "{ a = 1; }"}, "removeAttrs": {"{ }", "[ \"a\" ]"},
		"zipAttrsWith": {"(n: v: v)", "[ { a = 1; } ]"}, "functionArgs": {"({ a }: a)"}, "unsafeGetAttrPos": {"\"a\"", "{ }"},
		"ceil": {"1.5"}, "floor": {"1.5"}, "compareVersions": {"\"1\"", "\"2\""}, "parseDrvName": {"\"a-1\""}, "splitVersion": {"\"1.2\""},
		"match": {"\"a\"", "\"a\""}, "split": {"\"a\"", "\"a\""}, "substring": {"0", "1", "\"abc\""}, "stringLength": {"\"a\""}, "replaceStrings": {"[ \"a\" ]", "[ \"b\" ]", "\"abc\""},
		"hashString": {"\"sha256\"", "\"a\""}, "fromJSON": {"\"1\""}, "fromTOML": {"\"a = 1\""}, "toJSON": {"1"}, "toXML": {"1"}, "toString": {"1"}, "baseNameOf": {"\"a\""}, "dirOf": {"\"/a\""},
		"pathExists": {"/p"}, "readFile": {"/p"}, "readDir": {"/p"}, "readFileType": {"/p"}, "import": {"/p"}, "toPath": {"\"/a\""}, "placeholder": {"\"out\""}, "throw": {"\"a\""}, "abort": {"\"a\""},
		"genericClosure": {"{ startSet = [ { key = 1; } ]; operator = x: [ ]; }"}, "getContext": {"\"a\""}, "hasContext": {"\"a\""}, "unsafeDiscardStringContext": {"\"a\""}, "appendContext": {"\"a\"", "{ }"},
		"convertHash": {"{ hash = \"d41d8cd98f00b204e9800998ecf8427e\"; hashAlgo = \"md5\"; toHashFormat = \"base16\"; }"}, "toFile": {"\"a\"", "\"b\""}, "getEnv": {"\"A\""}, "findFile": {"[ ]", "\"a\""},
		"filterSource": {"(p: t: true)", "/p"}, "path": {"{ path = /p; }"}, "seq": {"1", "1"}, "deepSeq": {"1", "1"}, "trace": {"1", "1"}, "addErrorContext": {"\"a\"", "1"}, "tryEval": {"1"},
		"derivationStrict": {"{ name = \"a\"; system = \"b\"; builder = \"c\"; }"}, "storePath": {"\"/a\""}, "scopedImport": {"{ }", "/p"}, "warn": {"\"a\"", "1"}, "flakeRefToString": {"{ type = \"path\"; path = \"/p\"; }"}, "parseFlakeRef": {"\"path:/p\""},
	}
	n := 0
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		for i, right := range arguments[name] {
			wrong := 0
			for k := range values {
				v := values[(k+n)%len(values)]
				if v == right || wrong == 4 {
					continue
				}
				wrong++
				args := slices.Clone(arguments[name])
				args[i] = v
				call := "builtins." + name + " " + strings.Join(args, " ")
				shapes := []string{call, "let r = " + call + "; in\n  r", "[\n  (" + call + ") ]", "map (x:\n  builtins." + name + " " + strings.Join(args, " ") + ") [ 1 ]"}
				all = append(all, shapes[n%len(shapes)])
				n++
			}
		}
	}
	return all
}
