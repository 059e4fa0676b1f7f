package eval_test

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"muster/compile/eval"
)

// hostile are programs that exceed limits. Each must end with an error, soon,
// and never end the process.
var hostile = map[string]string{
	"recursion in tail position": `let f = x: f (x + 1); in f 0`,
	"recursion":                  `let f = x: 1 + f (x + 1); in f 0`,
	"recursion through thunks":   `let f = x: { v = 1 + (f (x + 1)).v; }; in (f 0).v`,
	"json of itself":             `let l = [ l ]; in builtins.toJSON l`,
	"xml of itself":              `let a = { b = a; }; in builtins.toXML a`,
	"equal to another of a kind": `let l = [ l ]; m = [ m ]; in l == m`,
	"less than another":          `let l = [ l ]; m = [ m ]; in l < m`,
	"deep list":                  `builtins.toJSON (builtins.foldl' (a: b: [ a ]) [ ] (builtins.genList (x: x) 300000))`,
	"deep thunks":                `builtins.foldl' (a: b: { x = a.x + 1; }) { x = 0; } (builtins.genList (x: x) 1000000)`,
	"long list":                  `builtins.length (builtins.genList (x: x) 2000000000)`,
	"longer list":                `builtins.genList (x: x) 9223372036854775807`,
	"long string":                `let s = n: if n == 0 then "xxxxxxxx" else let t = s (n - 1); in t + t; in builtins.stringLength (s 60)`,
	"interpolated string":        `let s = n: if n == 0 then "xxxxxxxx" else let t = s (n - 1); in "${t}${t}"; in builtins.stringLength (s 60)`,
	"joined string":              `let s = n: if n == 0 then "xxxxxxxx" else let t = s (n - 1); in builtins.concatStringsSep t [ t t ]; in builtins.stringLength (s 60)`,
	"replaced string":            `let s = n: if n == 0 then "xxxxxxxx" else builtins.replaceStrings [ "x" ] [ "xxxxxxxx" ] (s (n - 1)); in builtins.stringLength (s 60)`,
	"concatenated list":          `let s = n: if n == 0 then [ 1 2 3 ] else let t = s (n - 1); in t ++ t; in builtins.length (s 60)`,
	"functor of itself":          `let x = { __functor = s: s; }; in x 1`,
	"toString of itself":         `let x = { __toString = s: s; }; in "${x}"`,
	"outPath of itself":          `let x = { outPath = x; }; in "${x}"`,
	"endless closure":            `builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: [ { key = x.key + 1; } ]; }`,
	"endless loop":               `let f = x: if x == 0 then f 0 else f (x - 1); in builtins.foldl' (a: b: builtins.foldl' (a: b: a) 0 (builtins.genList (x: x) 10000)) 0 (builtins.genList (x: x) 10000000)`,
	"exponential work":           `let f = n: if n == 0 then 1 else f (n - 1) + f (n - 1); in f 64`,
	"xml of what is deep":        `builtins.toXML (builtins.foldl' (a: b: { inherit a; }) { } (builtins.genList (x: x) 300000))`,
	"deep attribute path":        `{ ` + strings.Repeat("a.", 1_000_000) + `a = 1; }`,
	"deeper selection":           `let x = { a = x; }; in x.` + strings.Repeat("a.", 1_000_000) + `b`,
	"quadratic regex":            `builtins.match "(x+x+)+y" (builtins.concatStringsSep "" (builtins.genList (_: "x") 100000))`,
	"quadratic search":           `builtins.split "(a*)*b" (builtins.concatStringsSep "" (builtins.genList (_: "a") 50000))`,
	"regex on a long string":     `builtins.match "(a|b|(c|d)*)*x" (builtins.concatStringsSep "" (builtins.genList (x: "abcd") 2000000))`,
	"file without end":           `builtins.readFile /dev/zero`,
	"hash of one":                `builtins.hashFile "sha256" /dev/zero`,
	"copy of one":                `"${/dev/zero}"`,
	"import of one":              `import /dev/zero`,
	"deep json":                  `builtins.fromJSON (builtins.concatStringsSep "" (builtins.genList (x: "[") 200000))`,
	"deep toml":                  `builtins.fromTOML ("a = " + builtins.concatStringsSep "" (builtins.genList (x: "[") 200000))`,
	"deep regex":                 `builtins.match (builtins.concatStringsSep "" (builtins.genList (x: "(") 200000)) ""`,
	"repeated regex":             `builtins.match "((((a{1000}){1000}){1000}){1000})" ""`,
	"auto-called by itself":      `let f = { __functor = self: { x ? f }: self; }; in builtins.deepSeq (f f f) (throw "end")`,
}

func TestHostileProgramsEnd(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	for name, program := range hostile {
		t.Run(name, func(t *testing.T) {
			ev := eval.New(eval.Options{MaxSteps: 3_000_000, MaxMemory: 400 << 20})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // for a loaded machine
			defer cancel()
			begin := time.Now()
			v, err := ev.Expr(ctx, program, "/")
			if err == nil {
				_, err = v.Print(ctx, true)
			}
			var e *eval.Error
			if !errors.As(err, &e) {
				t.Fatalf("it ended with %v", err)
			}
			if e.Kind == eval.InternalError || e.Kind == eval.CanceledError {
				t.Errorf("after %v: kind %d: %v\n%v", time.Since(begin), e.Kind, e, e.Unwrap())
			}
		})
	}
}

// TestHostileProgramsEndWithoutLimits checks that programs end without limits of
// steps and memory, too.
func TestHostileProgramsEndWithoutLimits(t *testing.T) {
	for _, name := range []string{"xml of itself", "xml of what is deep", "deep attribute path", "deeper selection", "quadratic regex", "deep regex", "json of itself"} {
		t.Run(name, func(t *testing.T) {
			ev := eval.New(eval.Options{})
			v, err := ev.Expr(t.Context(), hostile[name], "/")
			if err == nil {
				_, err = v.Print(t.Context(), true)
			}
			var e *eval.Error
			if !errors.As(err, &e) || e.Kind == eval.InternalError {
				t.Fatalf("it ended with %v", err)
			}
		})
	}
}

func TestEvaluationIsCanceled(t *testing.T) {
	ev := eval.New(eval.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user interrupted")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	v, err := ev.Expr(t.Context(), `{ slow = let f = n: if n == 0 then 1 else f (n - 1) + f (n - 1); in f 64; fast = 1; }`, "/")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = v.Select(ctx, "slow", nil)
	var e *eval.Error
	if !errors.As(err, &e) || e.Kind != eval.CanceledError || !errors.Is(err, why) {
		t.Errorf("got %v, want to be canceled", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	// Other values remain usable.
	if w, err := v.Select(t.Context(), "fast", nil); err != nil {
		t.Errorf("%v, %v", w, err)
	}
}

// TestLimitsLeaveValuesPending has a value fail at a limit and evaluate when
// asked again.
func TestLimitsLeaveValuesPending(t *testing.T) {
	ev := eval.New(eval.Options{MaxDepth: 1000})
	v, err := ev.Expr(t.Context(), `let f = n: if n == 0 then 0 else 1 + f (n - 1); x = f 100; in { deep = f 5000; inherit x; }`, "/")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := v.Select(t.Context(), "deep", nil)
		var e *eval.Error
		if !errors.As(err, &e) || e.Kind != eval.LimitError || e.Msg != "stack overflow; max-call-depth exceeded" {
			t.Errorf("got %v", err)
		}
	}
	x, err := v.Select(t.Context(), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := x.Print(t.Context(), true); err != nil || s != "100" {
		t.Errorf("x is %s, %v", s, err)
	}
}

func TestPureAndRestrictedMode(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o       eval.Options
		program string
		want    string
	}{
		"pure: no files":              {eval.Options{Pure: true}, `builtins.readFile "` + dir + `/x"`, "access to absolute path '" + dir + "/x' is forbidden in pure evaluation mode (use '--impure' to override)"},
		"pure: no system":             {eval.Options{Pure: true}, `builtins.currentSystem`, "attribute 'currentSystem' missing"},
		"pure: no search path":        {eval.Options{Pure: true}, `<x>`, "cannot look up '<x>' in pure evaluation mode (use '--impure' to override)"},
		"pure: no environment":        {eval.Options{Pure: true, World: environment{vars: map[string]string{"x": "x"}}}, `throw (builtins.getEnv "x" + "none")`, "none"},
		"restricted: not elsewhere":   {eval.Options{Restricted: true}, `builtins.readDir "/"`, "access to absolute path '/' is forbidden in restricted mode"},
		"restricted: below allowed":   {eval.Options{Restricted: true, Allowed: []string{dir}}, `throw (builtins.toJSON (builtins.readDir "` + dir + `"))`, `{"link":"symlink"}`},
		"restricted: not by links":    {eval.Options{Restricted: true, Allowed: []string{dir}}, `builtins.readFile "` + dir + `/link/passwd"`, "access to absolute path '/etc/passwd' is forbidden in restricted mode"},
		"restricted: not its sibling": {eval.Options{Restricted: true, Allowed: []string{dir + "/a"}}, `builtins.readDir "` + dir + `/ab"`, "access to absolute path '" + dir + "/ab' is forbidden in restricted mode"},
		"restricted: not by ..":       {eval.Options{Restricted: true, Allowed: []string{dir}}, `builtins.readDir "` + dir + `/../.."`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ev := eval.New(c.o)
			v, err := ev.Expr(t.Context(), c.program, "/")
			if err == nil {
				_, err = v.Print(t.Context(), true)
			}
			var e *eval.Error
			if !errors.As(err, &e) {
				t.Fatalf("it ended with %v", err)
			}
			if c.want != "" && e.Msg != c.want {
				t.Errorf("got  %s\nwant %s", e.Msg, c.want)
			}
		})
	}
}
