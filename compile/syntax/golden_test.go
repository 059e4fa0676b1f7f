package syntax

import (
	"bytes"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden lays testdata/*.in.nix out. The goldens are what nixfmt 1.4 leaves
// as it is; where there is a nixfmt the test asks it.
func TestGolden(t *testing.T) {
	ins, err := filepath.Glob("testdata/*.in.nix")
	if err != nil || len(ins) == 0 {
		t.Fatal("no goldens", err)
	}
	for _, in := range ins {
		t.Run(filepath.Base(in), func(t *testing.T) {
			src, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			f, err := ParseFile(in, src, Options{Comments: true})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Fprint(&got, f); err != nil {
				t.Fatal(err)
			}
			out := strings.TrimSuffix(in, ".in.nix") + ".nix"
			if *update {
				if err := os.WriteFile(out, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("layout differs (-want +got)\n%s", diff)
			}
			nixfmt, err := exec.LookPath("nixfmt")
			if err != nil {
				return
			}
			cmd := exec.Command(nixfmt, "-")
			cmd.Stdin = bytes.NewReader(got.Bytes())
			stable, err := cmd.Output()
			if err != nil {
				t.Fatalf("nixfmt: %v", err)
			}
			if diff := cmp.Diff(string(stable), got.String()); diff != "" {
				t.Errorf("nixfmt would change it (-nixfmt +ours)\n%s", diff)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", `""`},
		{"a", `"a"`},
		{`a"b\`, `"a\"b\\"`},
		{"\n\r\t", `"\n\r\t"`},
		{"$", `"$"`},
		{"$x $$ ", `"$x $$ "`},
		{"${x}", `"\${x}"`},
		{"$${x}", `"$\${x}"`},
		{"$$${x}", `"$$\${x}"`},
		{`\${x}`, `"\\\${x}"`},
		{"''${x}", `"''\${x}"`},
		{"\xff", "\"\xff\""},
		{"a\x00b", "\"a\uFFFDb\""},
	} {
		if got := Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestQuoteAttr(t *testing.T) {
	for _, tt := range []struct {
		in    string
		ident bool
		want  string
	}{
		{"a", true, "a"},
		{"a-b'", true, "a-b'"},
		{"_", true, "_"},
		{"or", false, "or"},
		{"if", false, `"if"`},
		{"inherit", false, `"inherit"`},
		{"", false, `""`},
		{"1", false, `"1"`},
		{"a.b", false, `"a.b"`},
		{"é", false, `"é"`},
	} {
		if got := IsIdent(tt.in); got != tt.ident {
			t.Errorf("IsIdent(%q) = %v", tt.in, got)
		}
		if got := QuoteAttr(tt.in); got != tt.want {
			t.Errorf("QuoteAttr(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		e    Expr
		want string
	}{
		{&Int{Value: -1}, "-1"},
		{&Int{Value: math.MinInt64}, "-9223372036854775807 - 1"},
		{&Unary{Op: Negate, X: &Int{Value: -1}}, "-(-1)"},
		{&List{Elems: []Expr{&Int{Value: -1}}}, "[ (-1) ]"},
		{&Float{Value: 1}, "1.0"},
		{&Float{Value: 0.1}, "0.1"},
		{&Float{Value: 1e100}, "1.0e+100"},
		{&Float{Value: 1.5e-7}, "1.5e-07"},
		{&Float{Value: -2.5}, "-2.5"},
		{&Float{Value: math.Copysign(0, -1)}, "0.0 * -1.0"},
		{&Select{X: &Int{Value: 1}, Path: AttrPath{{Name: "a"}}}, "(1).a"},
	} {
		if got := FormatExpr(tt.e); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// TestFprintRefuses gives the printer what Nix could not read back.
func TestFprintRefuses(t *testing.T) {
	file := "hosts.cue"
	at := NewPos(&file, 3, 7)
	for _, tt := range []struct {
		e    Expr
		want string
	}{
		{&String{At: at, Parts: []Part{{Text: "a\x00"}}}, `hosts.cue:3:7: print string "a` + "\uFFFD" + `": NUL bytes are not allowed in Nix strings`},
		{&Float{At: at, Value: math.Inf(1)}, "hosts.cue:3:7: print float +Inf: Nix has no such literal"},
		{&Float{At: at, Value: math.NaN()}, "hosts.cue:3:7: print float NaN: Nix has no such literal"},
		{&Float{At: at, Value: 5e-324}, "hosts.cue:3:7: print float 5e-324: too small for Nix to read"},
		{&Ident{At: at, Name: "a b"}, `hosts.cue:3:7: print variable "a b": not a name`},
		{&Path{At: at, Parts: []Part{{Text: "a b"}}}, "hosts.cue:3:7: print path: not a path"},
		{&SearchPath{At: at, Name: "a>b"}, "hosts.cue:3:7: print search path <a>b>: not a search path"},
	} {
		err := Fprint(&bytes.Buffer{}, &File{Expr: tt.e})
		if err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

// TestCommentsStayComments prints comments that try to be code.
func TestCommentsStayComments(t *testing.T) {
	for _, text := range []string{"a\nb = 2;", "a\rb = 2;", "*/ b = 2; /*", "/* */ b = 2; */", "/*\n*/ b = 2; /*\n*/", "\x00", "", "!x", "#x", "/**/"} {
		f := &File{
			Comment: []string{text},
			End:     []string{text},
			Expr: &Attrs{Bindings: []Binding{&Attr{
				Path:  AttrPath{{Name: "a"}},
				Value: &Int{Value: 1},
				Note:  &Note{Before: []string{text}, After: text, Blank: true},
			}}},
		}
		g, err := ParseFile("", Format(f), Options{})
		if err != nil || !equal(f.Expr, g.Expr) {
			t.Errorf("comment %q: %v, printed\n%s", text, err, Format(f))
		}
	}
}
