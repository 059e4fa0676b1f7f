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
	for p, want := range recordedPrograms(t, "programs.txt", failingPrograms()) {
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

// TestOddTextsAreWhatNixMakesOfThem evaluates literals, JSON, TOML, paths and numbers that are at a limit of what is
// allowed. testdata/errors/odd.txt has what Nix 2.34 makes of them. Of errors it only counts that there is one.
func TestOddTextsAreWhatNixMakesOfThem(t *testing.T) {
	for p, want := range recordedPrograms(t, "odd.txt", oddPrograms()) {
		_, got := failureHere(t, p)
		value, ok := strings.CutPrefix(want, "- ")
		if ok && strings.HasPrefix(value, "value ") && got != value || !ok && strings.HasPrefix(got, "value ") {
			t.Errorf("\n%s\n here %s\n  nix %s", p, got, want)
		}
	}
}

// recordedPrograms returns what a file in testdata/errors has for each program.
func recordedPrograms(t *testing.T, name string, programs []string) map[string]string {
	file := filepath.Join("testdata", "errors", name)
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
		if _, ok := recorded[p]; !ok {
			t.Errorf("not recorded: just record-errors\n%s", p)
		}
	}
	return recorded
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

// oddPrograms makes the programs of TestOddTextsAreWhatNixMakesOfThem.
func oddPrograms() []string {
	var all []string
	add := func(format string, list ...string) {
		for _, x := range list {
			if p := fmt.Sprintf(format, x); !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	numbers := []string{
		"0", "-0", "00", "007", "9223372036854775807", "-9223372036854775807", "9223372036854775808", "0.0", "-0.0", "1.", ".5", "0.5", "1.0e3", "1e3", "1.e3", ".5e1", "1.0E+3", "1.0e-3",
		"1.0e308", "1.8e308", "-1.8e308", "1.0e-307", "2.2250738585072014e-308", "1.0e-308", "5.0e-324", "1.0e-400", "0.0e999", "0.1", "0.2", "0.30000000000000004", "100000.0", "1000000.0", "123456.7", "1234567.8", "12345678.9",
		"0.0001", "0.00001", "0.000012345678", "3.141592653589793", "1.0e15", "1.0e16", "1.0e17", "123456789012345680.0", "9007199254740993.0", "4.35", "2.675", "1.0e21", "1.0e22", "1.7976931348623157e308", "1.5e300 * 1.0e10", "(1.0e308 * 10)", "(1.0e308 * 10 - 1.0e308 * 10)",
	}
	add("(%s)", numbers...)
	add("toString (%s)", numbers...)
	add("builtins.toJSON (%s)", numbers...)
	add("[ (builtins.ceil (%s)) ]", "1.5", "-1.5", "0.5", "-0.5", "1.0e18", "9.3e18", "-9.3e18", "9223372036854775807", "-0.0", "1.0e308 * 10")
	add("[ (builtins.floor (%s)) ]", "1.5", "-1.5", "0.5", "-0.5", "1.0e18", "9.3e18", "9223372036854775806", "-0.0")
	add("builtins.fromJSON %s", quoteNix(
		"0", "-0", "-0.0", "01", "+1", "1.", ".5", "1e2", "1E+2", "1e-2", "1e400", "-1e400", "1e-400", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1.0", "100.0", "123456789.125",
		"", " ", "null", "nul", "nulll", "true false", "True", "NaN", "Infinity", "[]", "[ ]", "[1,]", "[,1]", "[1 2]", "0]", "[1]]", "{}]", "{}{}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"\":1}", "{\"a\":{\"b\":[{}]}}",
		"\"\"", "\"a", "\"\\u0041\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\u0000\"", "\"\\x\"", "\"\\/\\b\\f\\n\\r\\t\"", "\"\t\"", "\"\n\"", "// c\n1", "/* c */ 1", "1 // c", "\xef\xbb\xbf1", "[1,\n\t2\r\n]", "\"\xc3\xa9\"", "\"\xff\"", "\"\x7f\"",
	)...)
	add("builtins.fromTOML %s", quoteNix(
		"", "a = 1", "a = +1", "a = -0", "a = 01", "a = 0x1F", "a = 0xdead_beef", "a = 0o17", "a = 0b101", "a = 1_000", "a = 1__0", "a = _1", "a = 9223372036854775807", "a = 9223372036854775808", "a = -9223372036854775808", "a = 1.0", "a = 1.", "a = .5", "a = 1e3", "a = 1e-3", "a = 6.626e-34", "a = 1_0.0_1", "a = inf", "a = -inf", "a = nan", "a = +nan", "a = 1e400",
		"a = true", "a = True", "a = \"x\"", "a = 'x'", "a = \"\\u00e9\"", "a = \"\\U0001F600\"", "a = \"\\x41\"", "a = \"\\e\"", "a = \"\"\"\nx\n\"\"\"", "a = \"\"\"x\\\n   y\"\"\"", "a = '''\nx'''", "a = \"a\nb\"", "a = \"\"\"a\"\"b\"\"\"", "a = \"\"\"\"\"\"\"",
		"a = []", "a = [1,]", "a = [1,,2]", "a = [1, \"x\"]", "a = [\n1, # c\n2\n]", "a = {}", "a = {b = 1}", "a = {b = 1,}", "a = {b.c = 1, d = 2}", "a = {b = 1\n}", "a.b = 1\na.c = 2", "a = 1\na = 2", "a.b = 1\na = 2", "a = 1\na.b = 2", "[a]\nb = 1\n[a]\nc = 2", "[a]\n[a.b]\n[a]", "[a.b]\nx = 1\n[a]\ny = 2", "[[a]]\nx = 1\n[[a]]\nx = 2", "[a]\n[[a]]", "[[a]]\n[a]", "[[a]]\n[a.b]\nc = 1", "a = [1]\n[[a]]",
		"\"a b\" = 1", "'a' = 1", "\"\" = 1", "a-b_c = 1", "1 = 2", "1.2 = 3", "a.\"b.c\".d = 1", "= 1", "a =", "a", "a = 1 b = 2", "a = 1 # c", "# c", "a = 1\r\nb = 2", "a = 1\rb = 2", "\ta = 1", "[ a . b ]\nc = 1", "[]", "[a", "[a]]", "a = 1979-05-27", "a = 1979-05-27T07:32:00Z", "a = 07:32:00", "a = 1979-05-27 07:32:00", "é = 1", "a = \"\x01\"", "\xef\xbb\xbfa = 1",
	)...)
	add("%s", "/a/../b", "/a/./b", "/..", "/a//b", "./.", "../x", "/a/b/..", "/.a", "/a.b", "/a-b/c+d", "/a_b", "~/x", "/a/${\"b\"}", "/a/${\"../b\"}", "/a + \"b\"", "/a + \"/b\"", "/a + \"/../b\"", "/. + \"a\"", "/. + \"/a\"", "(/a == /b/../a)", "(/a < /b)", "(/a == \"/a\")", "\"${toString /a/../b}\"", "dirOf /a/b", "dirOf /", "dirOf /a", "dirOf \"a/b\"", "dirOf \"a\"", "dirOf \"/a/b/\"", "dirOf \"\"", "baseNameOf /a/b", "baseNameOf /", "baseNameOf \"a/b/\"", "baseNameOf \"/\"", "baseNameOf \"a//\"", "baseNameOf \"\"", "builtins.toPath \"/a/../b\"", "builtins.toPath \"a\"", "builtins.hasContext \"${/.}\"",
		"\"\\n\\t\\r\\x\\$\\\"\"", "\"$\"", "\"$$\"", "\"$${1}\"", "\"\\${1}\"", "\"$\\{1}\"", "''a''", "''  a''", "''\n  a\n    b\n''", "''\n\ta\n  b''", "''''$''", "''''\\n''", "'''a'''", "'''''''", "''$${1}''", "''''${1}''", "''a\n \n  b\n''", "''\n\n  a''", "''  ${\"x\"}\n    y''", "\"a\r\nb\"", "''a\r\nb''", "http://example.org/x?y=z", "a:b", "x:x", "mailto:a@b", "{ a.b.c = 1; a.b.d = 2; }", "{ a = { b = 1; }; a.c = 2; }", "rec { a = 1; b = a; }", "{ \"a b\" = 1; \"1\" = 2; if' = 3; or = 4; }", "{ ${null} = 1; }", "let or = 1; in [ or ]", "[ 1 or ]", "{ a = 1; }.a or 2", "{ }.a or 2", "1.a or 2", "[ -1 ]", "[ - 1 ]", "- - 1", "!true == false", "1 - -1", "-1.5", "2 - 1 - 1", "8 / 2 / 2", "[ 1 ] ++ [ 2 ] ++ [ 3 ]", "{ a = 1; } // { a = 2; } // { a = 3; }", "true -> false -> true", "1 == 1.0", "1 < 1.5", "\"a\" < \"b\"", "[ 1 2 ] < [ 1 3 ]", "[ ] < [ 1 ]", "null == null", "(x: x) == (x: x)", "{ } == { }", "{ f = x: x; } == { f = x: x; }", "let f = x: x; in f == f", "let f = x: x; in [ f ] == [ f ]", "{ type = \"derivation\"; outPath = 1; a = 2; } == { type = \"derivation\"; outPath = 1; a = 3; }", "0.1 + 0.2 == 0.3", "builtins.typeOf 1.0", "7 / 2", "-7 / 2", "7 / -2", "7.0 / 2", "(-9223372036854775807 - 1) / -1", "builtins.bitAnd (-1) 255", "builtins.compareVersions \"1.0\" \"1.0pre\"", "builtins.splitVersion \"1.2-a3..b\"", "builtins.parseDrvName \"a-b-1.2-c\"", "builtins.parseDrvName \"a-\"", "builtins.substring 1 (-1) \"abc\"", "builtins.substring 5 1 \"abc\"", "builtins.stringLength \"é\"", "builtins.toJSON \"é\\n\"", "builtins.toXML { a = [ 1 1.5 null true \"<&>\" ]; }", "builtins.replaceStrings [ \"\" ] [ \"x\" ] \"ab\"", "builtins.replaceStrings [ \"\" \"a\" ] [ \"x\" \"y\" ] \"ab\"", "builtins.split \"(b)|(x)\" \"abc\"", "builtins.split \"\" \"ab\"", "builtins.match \"a(b)?\" \"a\"", "builtins.match \".*\" \"a\\nb\"", "builtins.lessThan 1 1.5", "builtins.sort (a: b: a > b) [ 1 3 2 ]", "builtins.genericClosure { startSet = [ { key = 1; } { key = 1.0; } ]; operator = x: [ ]; }",
	)
	return all
}

// quoteNix writes texts as strings of Nix.
func quoteNix(texts ...string) []string {
	for i, s := range texts {
		texts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`, "\r", `\r`).Replace(s) + `"`
	}
	return texts
}
