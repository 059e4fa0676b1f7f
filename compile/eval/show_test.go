package eval_test

import (
	"testing"

	"muster/compile/eval"
)

// What Nix 2.26 and 2.34 print of empty sets and lists: nix eval --expr.
func TestShowTellsOfRepeatedEmptySets(t *testing.T) {
	for expr, want := range map[string]string{
		`{ a = { }; b = { }; c = [ ]; d = [ ]; e = [ 1 ]; f = [ 1 ]; }`:                                                            `{ a = { }; b = «repeated»; c = [ ]; d = [ ]; e = [ 1 ]; f = [ 1 ]; }`,
		`let e = { }; l = [ ]; in [ e e { } [ ] [ ] l l ]`:                                                                         `[ { } «repeated» «repeated» [ ] [ ] [ ] [ ] ]`,
		`let e = removeAttrs { a = 1; } [ "a" ]; in [ e e { } e ]`:                                                                 `[ { } «repeated» { } «repeated» ]`,
		`let m = builtins.mapAttrs (n: v: v) { }; in [ m m ({ } // { }) (builtins.fromJSON "{}") (builtins.functionArgs (x: x)) ]`: `[ { } «repeated» «repeated» «repeated» «repeated» ]`,
	} {
		v, err := eval.New(eval.Options{}).Expr(t.Context(), expr, "/")
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		if got, err := v.Show(t.Context()); err != nil || got != want {
			t.Errorf("%s\n got %s, %v\nwant %s", expr, got, err, want)
		}
	}
}
