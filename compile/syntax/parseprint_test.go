package syntax

import (
	"bytes"
	"testing"
)

// reparse prints e and parses what was printed.
func reparse(t *testing.T, e Expr) {
	t.Helper()
	var out bytes.Buffer
	if err := Fprint(&out, &File{Expr: e}); err != nil {
		t.Fatalf("print: %v\n%s", err, FormatExpr(e))
	}
	f, err := ParseFile("printed.nix", out.Bytes(), Options{Pipes: true})
	if err != nil {
		t.Fatalf("parse what was printed: %v\n%s", err, out.Bytes())
	}
	if !equal(e, f.Expr) {
		a, b := parseForm(e), parseForm(f.Expr)
		i := 0
		for i < min(len(a), len(b)) && a[i] == b[i] {
			i++
		}
		from := max(0, i-50)
		t.Fatalf("printed and parsed, the tree differs\n%s\nwas  %.100q\nis   %.100q", out.Bytes(), a[from:], b[from:])
	}
	if again := Format(f); !bytes.Equal(stripComments(t, again), stripComments(t, Format(&File{Expr: f.Expr}))) {
		t.Fatalf("printing is not stable\nonce\n%s\ntwice\n%s", out.Bytes(), again)
	}
}

// parseForm shows the structure of a tree.
func parseForm(e Expr) string {
	var b bytes.Buffer
	if err := FprintParse(&b, &File{Expr: e}, "/d", "/h"); err != nil {
		return err.Error()
	}
	return b.String()
}

func stripComments(t *testing.T, src []byte) []byte {
	t.Helper()
	f, err := ParseFile("", src, Options{Pipes: true})
	if err != nil {
		t.Fatal(err)
	}
	return Format(f)
}

// TestPrintParse prints random trees, which come back the same.
func TestPrintParse(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 2_000
	}
	for seed := range n {
		g := newGen(uint64(seed))
		reparse(t, g.expr(1+seed%5))
	}
}

// FuzzPrintParse is [TestPrintParse] with seeds of the fuzzer's choice.
func FuzzPrintParse(f *testing.F) {
	f.Add(uint64(1), 3)
	f.Fuzz(func(t *testing.T, seed uint64, depth int) {
		reparse(t, newGen(seed).expr(1+abs(depth)%6))
	})
}

// FuzzParsePrint parses any text; what parses is printed and parsed again.
func FuzzParsePrint(f *testing.F) {
	for _, src := range []string{
		"{ a.b = 1; inherit (x) y; }", "a: { b ? 1, ... }@c: a.b or c ? d", `"a${b}\n$${c}"`, "''\n  a\n   ''${b}''",
		"let x = ./a/${b}.c; in with x; [ <n/l> x:y 1.5 ] ++ -1 // !2", "assert a -> b; if a then b else c",
		"let { body = a or b; }", "# c\nx: # d\ny /* e */",
	} {
		f.Add(src, false)
	}
	f.Fuzz(func(t *testing.T, src string, comments bool) {
		file, err := ParseFile("fuzz.nix", []byte(src), Options{Pipes: true, Comments: comments})
		if err != nil {
			return
		}
		_ = Resolve(file, nil)
		var out bytes.Buffer
		if err := FprintParse(&out, file, "/d", "/h"); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if err := Fprint(&out, file); err != nil {
			t.Fatalf("print: %v", err)
		}
		again, err := ParseFile("printed.nix", out.Bytes(), Options{Pipes: true, Comments: comments})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
		if !equal(file.Expr, again.Expr) {
			t.Fatalf("the tree differs\n%s", out.Bytes())
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }
