package syntax

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// nix runs nix-instantiate on a file made of text, with a store of its own, and
// returns what it prints. Without Nix the test is skipped.
func nix(t *testing.T, text []byte, args ...string) ([]byte, error) {
	t.Helper()
	bin, err := exec.LookPath("nix-instantiate")
	if err != nil {
		t.Skip("no nix-instantiate here")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "t.nix")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, append(args, file)...)
	cmd.Env = append(os.Environ(), "NIX_REMOTE="+filepath.Join(dir, "root"), "NIX_PATH=", "HOME="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%v\n%s", err, stderr.Bytes())
	}
	return out, err
}

// A value is a Nix value as a tree, and as JSON has it.
type value struct {
	expr Expr
	want any
}

// value makes a random value. Strings are UTF-8, since JSON holds no other.
func (g gen) value(depth int) value {
	kind := g.IntN(9)
	if depth <= 0 {
		kind %= 6
	}
	switch kind {
	case 0:
		i := g.int()
		return value{i, json.Number(fmt.Sprint(i.Value))}
	case 1:
		// Nix 2.8 writes floats to JSON in six digits.
		f := pick(g, 0.5, -2.25, 1.5, 10240.5, -1e20)
		return value{&Float{Value: f}, f}
	case 2:
		b := g.IntN(2) == 0
		return value{&Ident{Name: fmt.Sprint(b)}, b}
	case 3, 4, 5:
		s := g.utf8()
		return value{&String{Parts: g.cut(s), Indented: g.IntN(2) == 0, Lines: g.IntN(2) == 0}, s}
	case 6:
		v := value{&List{}, []any{}}
		for range g.IntN(5) {
			x := g.value(depth - 1)
			v.expr.(*List).Elems = append(v.expr.(*List).Elems, x.expr)
			v.want = append(v.want.([]any), x.want)
		}
		return v
	default:
		e, want := &Attrs{}, map[string]any{}
		for range g.IntN(5) {
			n := g.attr()
			for !utf8.ValidString(n) || n == "__toString" || n == "outPath" || n == "__functor" {
				n = g.attr()
			}
			if _, ok := want[n]; ok {
				continue
			}
			x := g.value(depth - 1)
			name := AttrName{Name: n}
			if g.IntN(4) == 0 {
				name = AttrName{Expr: &String{Parts: g.cut(n), Indented: g.IntN(2) == 0}}
			}
			b := &Attr{Path: AttrPath{name}, Value: x.expr}
			if g.IntN(4) == 0 {
				b.Note = &Note{Before: []string{g.text()}, After: g.text()}
			}
			e.Bindings = append(e.Bindings, b)
			want[n] = x.want
		}
		return value{e, want}
	}
}

func (g gen) utf8() string {
	for {
		s := g.text() + g.text()
		if utf8.ValidString(s) {
			return s
		}
	}
}

// cut makes parts of s, some of them interpolated strings.
func (g gen) cut(s string) []Part {
	var parts []Part
	for s != "" {
		n := 1 + g.IntN(len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n++
		}
		if g.IntN(4) == 0 {
			parts = append(parts, Part{Expr: &String{Parts: []Part{{Text: s[:n]}}, Indented: g.IntN(2) == 0}})
		} else {
			parts = append(parts, Part{Text: s[:n]})
		}
		s = s[n:]
	}
	return parts
}

// TestNixReadsWhatWePrint evaluates 40,000 printed values with Nix and compares
// what comes out with what went in: no text becomes code.
func TestNixReadsWhatWePrint(t *testing.T) {
	const runs, each = 8, 5_000
	for run := range runs {
		g := newGen(uint64(run) + 1000)
		all := &List{}
		var want []any
		for range each {
			v := g.value(3)
			all.Elems = append(all.Elems, v.expr)
			want = append(want, v.want)
		}
		var text bytes.Buffer
		if err := Fprint(&text, &File{Expr: all}); err != nil {
			t.Fatal(err)
		}
		out, err := nix(t, text.Bytes(), "--eval", "--strict", "--json")
		if err != nil {
			t.Fatal(err)
		}
		var got []any
		d := json.NewDecoder(bytes.NewReader(out))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d values, want %d", len(got), len(want))
		}
		for i := range want {
			if !sameJSON(got[i], want[i]) {
				t.Errorf("value %d: Nix read %q, want %q; printed\n%s", i, got[i], want[i], FormatExpr(all.Elems[i]))
			}
		}
	}
}

// sameJSON compares decoded JSON, numbers by value.
func sameJSON(got, want any) bool {
	switch want := want.(type) {
	case float64:
		n, ok := got.(json.Number)
		if !ok {
			return false
		}
		f, err := n.Float64()
		return err == nil && f == want
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return false
		}
		for i := range want {
			if !sameJSON(got[i], want[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			return false
		}
		for k := range want {
			if !sameJSON(got[k], want[k]) {
				return false
			}
		}
		return true
	}
	return got == want
}

// TestNixReadsEveryByte gives Nix strings that are not UTF-8 and floats of any
// size; it compares hashes and numbers itself, since JSON cannot hold them.
func TestNixReadsEveryByte(t *testing.T) {
	g := newGen(5)
	all := &List{}
	for range 5_000 {
		s := make([]byte, 1+g.IntN(6))
		for i := range s {
			s[i] = byte(1 + g.IntN(255))
		}
		// The same bytes printed three ways are the same string of that length.
		text := []Part{{Text: string(s)}}
		all.Elems = append(all.Elems, &List{Elems: []Expr{
			&String{Parts: text},
			&String{Parts: text, Indented: true},
			&String{Parts: text, Lines: true},
			&Int{Value: int64(len(s))},
		}})
	}
	floats := &List{}
	for range 2_000 {
		f := g.float()
		if f.Value == 0 || math.Abs(f.Value) > 1e300 || math.Abs(f.Value) < 1e-290 {
			continue
		}
		// Exactly one float lies between its neighbours.
		below, above := math.Nextafter(f.Value, math.Inf(-1)), math.Nextafter(f.Value, math.Inf(1))
		floats.Elems = append(floats.Elems, &Binary{Op: And,
			X: &Binary{Op: Less, X: &Float{Value: below}, Y: f},
			Y: &Binary{Op: Less, X: f, Y: &Float{Value: above}}})
	}
	var text bytes.Buffer
	check, err := ParseExpr(`
		strings: floats: let
			bad = builtins.filter
				(l: let e = builtins.elemAt l; in e 0 != e 1 || e 0 != e 2 || builtins.stringLength (e 0) != e 3)
				strings;
		in "${toString (builtins.length bad)} bad, floats ${if builtins.all (x: x) floats then "well" else "bad"}"`)
	if err != nil {
		t.Fatal(err)
	}
	if err := Fprint(&text, &File{Expr: &Apply{F: check, Args: []Expr{all, floats}}}); err != nil {
		t.Fatal(err)
	}
	out, err := nix(t, text.Bytes(), "--eval")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(out)), `"0 bad, floats well"`; got != want {
		t.Errorf("Nix says %s, want %s", got, want)
	}
}

// TestNixParsesWhatWePrint has Nix parse random trees, printed; it must agree
// about what they are.
func TestNixParsesWhatWePrint(t *testing.T) {
	all := &List{}
	for seed := range 3_000 {
		g := newGen(uint64(seed))
		e := g.expr(1 + seed%4)
		pipes := false
		Walk(e, func(e Expr) bool {
			if b, ok := e.(*Binary); ok && (b.Op == PipeTo || b.Op == PipeFrom) {
				pipes = true
			}
			return !pipes
		})
		if !pipes {
			all.Elems = append(all.Elems, e)
		}
	}
	// with lets every name pass.
	f := &File{Expr: &With{Scope: &Attrs{}, Body: all}}
	var text bytes.Buffer
	if err := Fprint(&text, f); err != nil {
		t.Fatal(err)
	}
	if _, err := nix(t, text.Bytes(), "--parse"); err != nil {
		t.Fatal(err)
	}
}

// TestCorpusAgreesWithNix asks nix-instantiate --parse, or the program that
// MUSTER_NIX_INSTANTIATE names, about every file of the corpus: it accepts what
// we accept. From Nix 2.26 on it prints what we print, too; 2.8 writes sets in no
// certain order and some strings in pieces of its own.
func TestCorpusAgreesWithNix(t *testing.T) {
	bin := os.Getenv("MUSTER_NIX_INSTANTIATE")
	if bin == "" {
		bin = "nix-instantiate"
	}
	bin, err := exec.LookPath(bin)
	if err != nil {
		t.Skip("no nix-instantiate here")
	}
	version, err := exec.Command(bin, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Contains(string(version), " 2.8")
	home := t.TempDir()
	// One process takes many files, one line each, and ends at the first it
	// rejects.
	parse := func(files []string) (lines []string, stderr string) {
		cmd := exec.Command(bin, append([]string{"--parse"}, files...)...)
		cmd.Env = append(os.Environ(), "HOME="+home, "NIX_REMOTE="+filepath.Join(home, "root"))
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err == nil && strings.Count(out.String(), "\n") != len(files) {
			t.Fatalf("%d files, but %d lines", len(files), strings.Count(out.String(), "\n"))
		}
		lines = strings.SplitAfter(out.String(), "\n")
		return lines[:len(lines)-1], said.String()
	}
	accepted, rejected, words := 0, 0, 0
	files := corpus(t)
	for i, name := range files {
		if files[i], err = filepath.Abs(name); err != nil {
			t.Fatal(err)
		}
	}
	for len(files) > 0 {
		batch := files[:min(len(files), 200)]
		lines, stderr := parse(batch)
		for i, theirs := range lines {
			name := batch[i]
			f, ours := parseResolved(t, name)
			if ours != nil {
				if !old || !strings.Contains(ours.Error(), "null bytes") {
					t.Errorf("Nix accepts %s, we say %v", name, ours)
				}
				continue
			}
			accepted++
			var printed bytes.Buffer
			if err := FprintParse(&printed, f, filepath.Dir(name), home); err != nil {
				t.Error(err)
			}
			out := printed.String()
			if !old && out != theirs {
				// Both are one long line.
				i := 0
				for i < min(len(out), len(theirs)) && out[i] == theirs[i] {
					i++
				}
				i = max(0, i-100)
				t.Errorf("%s: --parse prints\n… %.300s\nwe\n… %.300s", name, theirs[i:], out[i:])
			}
		}
		files = files[len(lines):]
		if len(lines) == len(batch) {
			continue
		}
		// The next it rejects.
		name := files[0]
		files = files[1:]
		_, ours := parseResolved(t, name)
		if ours == nil {
			if !old || !strings.Contains(stderr, "undefined variable 'break'") {
				t.Errorf("we accept %s, Nix says %s", name, stderr)
			}
			continue
		}
		rejected++
		var e *Error
		if errors.As(ours, &e) && strings.Contains(stderr, "error: "+e.Msg+"\n") && strings.Contains(stderr, e.At.String()+":") {
			words++
		} else {
			t.Logf("we say %v\nNix %s", ours, stderr)
		}
	}
	t.Logf("%s: %d files accepted and %d rejected alike, %d of those in the same words at the same place",
		strings.TrimSpace(string(version)), accepted, rejected, words)
}

// parseResolved parses a file and looks its names up, as Nix does at once.
func parseResolved(t *testing.T, name string) (*File, error) {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFile(name, src, Options{})
	if err == nil {
		err = Resolve(f, nil)
	}
	return f, err
}
