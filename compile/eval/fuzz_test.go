package eval_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"muster/compile/eval"
)

// limited evaluates a program that may take little, and returns what it comes to as JSON.
func limited(program string) (string, error) {
	ev := eval.New(eval.Options{MaxSteps: 1_000_000, MaxDepth: 1000, MaxTime: 5 * time.Second, Pure: true})
	v, err := ev.Expr(context.Background(), program, "/")
	if err != nil {
		return "", err
	}
	return v.JSON(context.Background())
}

// nixString writes a string of Nix.
func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`, "$", `\$`, "\r", `\r`).Replace(s) + `"`
}

// What fromJSON reads is JSON, for encoding/json too, and comes back from toJSON. What it refuses is not JSON, or something
// that Nix has no value for.
func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,true,null,"\u00e9\n"],"a":{"b":{}}}`, `1 ]`, `[1 2]`, `[1}`, "\"\\ud800\"", `18446744073709551615`, `-0`, ` "x" `, `{"a":1,}`, `nul`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) || len(text) > 10_000 {
			return
		}
		program := "let v = builtins.fromJSON " + nixString(text) + "; in { inherit v; same = builtins.fromJSON (builtins.toJSON v) == v; }"
		out, err := limited(program)
		if err != nil {
			if json.Valid([]byte(text)) && !strings.ContainsAny(text, `\0123456789[{`) && plainASCII(text) {
				t.Errorf("%q is JSON: %v", text, err)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("%q is not JSON, and is read as %s", text, out)
		}
		if !strings.HasPrefix(out, `{"same":true,`) && !strings.ContainsAny(text, "eE.") { // toJSON rounds some floats
			t.Errorf("%q does not come back: %s", text, out)
		}
	})
}

func plainASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// What fromTOML reads is TOML for go-toml too, with the same tables and keys. Nix does not mind bytes in comments that are not
// UTF-8.
func FuzzFromTOML(f *testing.F) {
	for _, s := range []string{"a = 1\n[b]\nc.d = [1, 2.5, \"x\"]\n[[e]]\nf = { g = true }\n", "a = '''\nx'''\nb = \"\\u00e9\"", "[a.b]\n[a]\nb.c = 1", "a = 0x1F\nb = 1_000\nc = 1e3", "a.b = 1\na = 2", "a = inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) || len(text) > 10_000 {
			return
		}
		out, err := limited("builtins.fromTOML " + nixString(text))
		if err != nil {
			return
		}
		var ours, theirs map[string]any
		if err := json.Unmarshal([]byte(out), &ours); err != nil {
			t.Fatal(err)
		}
		if err := toml.Unmarshal([]byte(text), &theirs); err != nil {
			// A float beyond the largest is the largest for Nix 2.8.
			if !strings.Contains(err.Error(), strconv.ErrRange.Error()) {
				t.Errorf("%q is read as %s, go-toml: %v", text, out, err)
			}
			return
		}
		if a, b := keys(ours), keys(theirs); a != b {
			t.Errorf("%q: we have %s, go-toml %s", text, a, b)
		}
	})
}

// keys shows the tables of a value, without what is in them otherwise.
func keys(v any) string {
	switch v := v.(type) {
	case map[string]any:
		names := map[string]string{}
		for name, value := range v {
			names[name] = keys(value)
		}
		return fmt.Sprint(names) // sorted
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, keys(e))
		}
		return fmt.Sprint(all)
	}
	return "value"
}

// Any program ends within its limits, with a value or an error in one piece, and the same again.
func FuzzEvaluate(f *testing.F) {
	for _, s := range []string{
		"let f = x: f x; in f 1", "rec { a = b; b = a; }.a", "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100)",
		"{ a ? 1, ... }@b: b", `"${toString [1 2 "x"]}"`, "builtins.sort (a: b: a < b) [3 1 2]", "builtins.tryEval (throw \"x\")",
		"builtins.concatStringsSep \",\" (builtins.attrNames { a = 1; b.c = 2; })", "builtins.substring 0 (-1) \"abc\"", "with { a = 1; }; a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, program string) {
		if len(program) > 2000 || strings.Contains(program, "Time") { // currentTime
			return
		}
		out, err := limited(program)
		again, errAgain := limited(program)
		if out != again || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Errorf("once %.200q, %v\ntwice %.200q, %v", out, err, again, errAgain)
		}
		if err == nil && !json.Valid([]byte(out)) {
			t.Errorf("not JSON: %.200q", out)
		}
	})
}
