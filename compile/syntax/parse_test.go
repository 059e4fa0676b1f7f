package syntax

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestErrors gives the parser mistakes; it says what Nix 2.34 says, where it says it.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"empty", "", "1:1: syntax error, unexpected end of file"},
		{"second expression", "1 ; 2", "1:3: syntax error, unexpected ';', expecting end of file"},
		{"no semicolon", "{ a = 1 }", "1:9: syntax error, unexpected '}', expecting ';'"},
		{"no value", "{ a = ; }", "1:7: syntax error, unexpected ';'"},
		{"no equals sign", "{ a ... }", "1:5: syntax error, unexpected '...', expecting '.' or '='"},
		{"number as a name", "{ 1 = x; }", "1:3: syntax error, unexpected integer, expecting 'inherit'"},
		{"number as a name in rec", "rec { 1 = x; }", "1:7: syntax error, unexpected integer, expecting 'inherit' or '}'"},
		{"number as a name in let", "let 1 = x; in x", "1:5: syntax error, unexpected integer, expecting 'in' or 'inherit'"},
		{"keyword selected", "a.if", "1:3: syntax error, unexpected 'if', expecting identifier or 'or' or '${' or '\"'"},
		{"no else", "if a then b", "1:12: syntax error, unexpected end of file, expecting 'else'"},
		{"comparison of comparisons", "a == b == c", "1:8: syntax error, unexpected '=='"},
		{"formals", "{ a, b c }: a", "1:8: syntax error, unexpected identifier, expecting '}' or ','"},
		{"no colon", "{ a } a", "1:7: syntax error, unexpected identifier, expecting ':' or '@'"},
		{"open string", "\"a", "1:3: syntax error, unexpected end of file, expecting '\"'"},
		{"open indented string", "''a", "1:4: syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string"},
		{"open list", "[ 1", "1:4: syntax error, unexpected end of file"},
		{"odd character", "a é", "1:3: syntax error, unexpected invalid token, expecting end of file"},
		{"on another line", "{\n  a = 1;\n  b = ]; }", "3:7: syntax error, unexpected ']'"},
		{"carriage returns", "{\r\n  a = 1;\r  b = ]; }", "3:7: syntax error, unexpected ']'"},
		{"attribute twice", "{ a = 1; a = 2; }", "1:10: attribute 'a' already defined at f.nix:1:3"},
		{"nested attribute twice", "{ a.b = 1; a = { b = 2; }; }", "1:18: attribute 'a.b' already defined at f.nix:1:3"},
		{"attribute of a number", "{ a = 1; a.b = 2; }", "1:10: attribute 'a' already defined at f.nix:1:3"},
		{"inherited twice", "{ inherit a; inherit a; }", "1:22: attribute 'a' already defined at f.nix:1:11"},
		{"parameter twice", "{ a, a }: a", "1:6: duplicate formal function argument 'a'"},
		{"parameter is the set", "a@{ a }: a", "1:1: duplicate formal function argument 'a'"},
		{"dynamic in let", "let ${a} = 1; in 2", "1:1: dynamic attributes not allowed in let"},
		{"dynamic in inherit", "{ inherit ${a}; }", "1:11: dynamic attributes not allowed in inherit"},
		{"large integer", "9223372036854775808", "1:1: invalid integer '9223372036854775808'"},
		{"large float", "1.0e999", "1:1: invalid float '1.0e999'"},
		{"small float", "1.0e-400", "1:1: invalid float '1.0e-400'"},
		{"subnormal float", "[ 0.0e-400 1.0e-320 ]", "1:12: invalid float '1.0e-320'"},
		{"path ends in a slash", "./a/ b", "1:5: path has a trailing slash"},
		{"path ends in a slash at the end", " ./a/", "1:2: path has a trailing slash"},
		{"interpolated path ends in a slash at the end", " ./a/${x}/", "1:10: path has a trailing slash"},
		{"path ends in slashes", "./a//", "1:5: path has a trailing slash"},
		{"double slash", "[ ./a//b ]", "1:3: syntax error, unexpected end of path, expecting '${'"},
		{"double slash of home", "~/a//b", "1:1: syntax error, unexpected end of path, expecting '${'"},
		{"three slashes", "../a///b", "1:7: syntax error, unexpected string, expecting '${'"},
		{"three slashes before an interpolation", "./a///b${\"x\"}", "1:6: syntax error, unexpected string, expecting '${'"},
		{"double slashes behind an interpolation", "[ ./a//b${\"x\"} ./a/${\"x\"}//b///c ] c", "1:36: undefined variable 'c'"},
		{"pipe", "a |> b", "1:3: experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it"},
		{"zero byte", "\"a\x00\"", "1:2: input string 'a␀' cannot be represented as Nix string because it contains null bytes"},
		{"undefined variable", "a: { b = c; }", "1:10: undefined variable 'c'"},
		{"undefined in inherit", "{ inherit c; }", "1:11: undefined variable 'c'"},
		{"not recursive", "{ a = 1; b = a; }", "1:14: undefined variable 'a'"},
		{"let's own name from outside", "let inherit a; in a", "1:13: undefined variable 'a'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFile("f.nix", []byte(tt.src), Options{})
			if err == nil {
				err = Resolve(f, nil)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want one of type *Error", err)
			}
			if got := strings.TrimPrefix(err.Error(), "f.nix:"); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestParse shows what the tree is, as nix-instantiate --parse of Nix 2.34 does.
func TestParse(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"a: a.b/c", "(a: /d/a.b/c)"},
		{"x:x", `"x:x"`},
		{"x: x", "(x: x)"},
		{"1.5.a or 2", "(1.5).a or (2)"},
		{"[ -1 ]", ""},
		{"a: -a.b", "(a: (__sub 0 (a).b))"},
		{"a: !a ? b", "(a: (! ((a) ? b)))"},
		{"a: b: -a + b", "(a: (b: ((__sub 0 a) + b)))"},
		{"a: b: !a + b == b", "(a: (b: ((! (a + b)) == b)))"},
		{"a: a ++ a ++ a", "(a: (a ++ (a ++ a)))"},
		{"a: a - a - a", "(a: (__sub (__sub a a) a))"},
		{"a: a -> a -> a", "(a: (a -> (a -> a)))"},
		{"a: b: a < b", "(a: (b: (__lessThan a b)))"},
		{"a: b: a >= b", "(a: (b: (! (__lessThan a b))))"},
		{"a: (a 1) 2", "(a: (a 1 2))"},
		{"a: let or = a; in a or 1", "(a: (let or = a; in (a or 1)))"},
		{"a: a.or or 1", "(a: (a).or or (1))"},
		{"let { body = 1; }", "(rec { body = 1; }).body"},
		{`"$${a}\${b}$"`, `"$\${a}\${b}$"`},
		{`"a\q"`, `"aq"`},
		{"\"a\r\nb\rc\"", `"a\nb\nc"`},
		{"''\n  a\n    b\n  ''", `"a\n  b\n"`},
		{"''a''$b'''c''\\nd''", `("a" + "$" + "b" + "''" + "c" + "\n" + "d")`},
		{"''\n\ta\n  b''", `"\ta\n  b"`},
		{"{ a.b = 1; a.c = 2; }", "{ a = { b = 1; c = 2; }; }"},
		{"{ a = { b = 1; }; a.c = 2; }", "{ a = { b = 1; c = 2; }; }"},
		{"{ a.b = 1; a = rec { c = 2; }; }", "{ a = { b = 1; c = 2; }; }"},
		{"{ a = rec { c = 2; }; a.b = 1; }", "{ a = rec { b = 1; c = 2; }; }"},
		{"a: { ${a} = 1; ${a}.b = 2; }", `(a: { "${a}" = 1; "${a}" = { b = 2; }; })`},
		{`{ ${"a"} = 1; "b" = 2; }`, "{ a = 1; b = 2; }"},
		{"a: { inherit (a) c b; inherit a; }", "(a: { inherit a; inherit (a) b c; })"},
		{"{ b, a ? 1, ... }@x: x", "({ a ? 1, b, ... } @ x: x)"},
		{"<a/b>", `(__findFile __nixPath "a/b")`},
		{"[ ./a ../b ~/c /d/../e ]", "[ (/d/a) (/b) (/h/c) (/e) ]"},
		{"a: ./${a}/b", `(a: (/d/ + a + "/b"))`},
		{"/* a **/ 1 # b", "1"},
		{"__curPos", "__curPos"},
		{"a: a |> a |> a", "(a: (a (a a)))"},
	} {
		f, err := ParseFile("f.nix", []byte(tt.src), Options{Pipes: true})
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s: no error", tt.src)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if err := Resolve(f, nil); err != nil {
			t.Errorf("%s: %v", tt.src, err)
		}
		var got bytes.Buffer
		if err := FprintParse(&got, f, "/d", "/h"); err != nil {
			t.Errorf("%s: %v", tt.src, err)
		}
		if strings.TrimSpace(got.String()) != tt.want {
			t.Errorf("%s:\n got %swant %s", tt.src, got.String(), tt.want)
		}
	}
}

// TestDeep nests every construct a million times: an error, and soon.
func TestDeep(t *testing.T) {
	const n = 1_000_000
	for _, tt := range []struct{ name, open, shut string }{
		{"parentheses", "(", ")"},
		{"lists", "[", "]"},
		{"sets", "{a=", ";}"},
		{"functions", "a: ", ""},
		{"formals", "{a?", "}:1"},
		{"negation", "-", ""},
		{"not", "!", ""},
		{"if", "if 1 then 1 else ", ""},
		{"let", "let a=", ";in 1"},
		{"old let", "let{a=", ";}"},
		{"with", "with 1;", ""},
		{"assert", "assert 1;", ""},
		{"sums", "1+", ""},
		{"concatenations", "1++", ""},
		{"implications", "1->", ""},
		{"defaults", "1 .a or ", ""},
		{"strings", "\"${", "}\""},
		{"indented strings", "''${", "}''"},
		{"paths", "./${", "}"},
		{"names", "{${", "}=1;}"},
		{"inherit", "{inherit(", ");}"},
		{"pipes", "1 |> ", ""},
		{"pipes back", "1 <| ", ""},
	} {
		src := strings.Repeat(tt.open, n) + "1" + strings.Repeat(tt.shut, n)
		_, err := ParseFile("f.nix", []byte(src), Options{Pipes: true})
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%s: error %.200v, want one about depth", tt.name, err)
		}
	}
	// Long is not deep.
	for _, src := range []string{
		"[" + strings.Repeat("1 ", n) + "]",
		"a: a" + strings.Repeat(" a", n),
		"1" + strings.Repeat("+1", MaxHeight/2),
		"{a" + strings.Repeat(".a", n) + "=1;}",
		strings.Repeat("a.", n) + "a",
	} {
		if _, err := ParseFile("f.nix", []byte(src), Options{}); err != nil {
			t.Errorf("%.20s…: %.200v", src, err)
		}
	}
}

// TestPositions looks at the places of nodes.
func TestPositions(t *testing.T) {
	f, err := ParseFile("f.nix", []byte("{ a.b = x +\n  (f 1);\n  inherit (y) z; }"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	set := f.Expr.(*Attrs)
	a, in := set.Bindings[0].(*Attr), set.Bindings[1].(*Inherit)
	sum := a.Value.(*Binary)
	for _, tt := range []struct {
		what string
		at   Pos
		want string
	}{
		{"set", set.At, "f.nix:1:1"},
		{"binding", a.At, "f.nix:1:3"},
		{"second name", a.Path[1].At, "f.nix:1:5"},
		{"operator", sum.At, "f.nix:1:11"},
		{"operand", sum.X.Pos(), "f.nix:1:9"},
		{"call", sum.Y.Pos(), "f.nix:2:4"},
		{"inherit", in.At, "f.nix:3:3"},
		{"inherited name", in.Names[0].At, "f.nix:3:15"},
	} {
		if tt.at.String() != tt.want {
			t.Errorf("%s is at %v, want %s", tt.what, tt.at, tt.want)
		}
	}
}

// TestWalk visits what is inside.
func TestWalk(t *testing.T) {
	e, err := ParseExpr(`{ a ? b, ... }: with c; let inherit (d) x; y.${e} = "${f}"; in [ g.h or i ./${j} ] ++ k`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	Walk(e, func(e Expr) bool {
		if id, ok := e.(*Ident); ok {
			names = append(names, id.Name)
		}
		return true
	})
	if got, want := strings.Join(names, " "), "b c d e f g i j k"; got != want {
		t.Errorf("visited %s, want %s", got, want)
	}
}
