package eval_test

import (
	"testing"

	"muster/compile/eval"
)

// What Nix 2.26 and 2.34 print of sets and lists that are there twice: nix eval --expr.
func TestShowTellsOfWhatIsRepeated(t *testing.T) {
	for expr, want := range map[string]string{
		`{ a = { }; b = { }; c = [ ]; d = [ ]; e = [ 1 ]; f = [ 1 ]; }`:                                                            `{ a = { }; b = «repeated»; c = [ ]; d = [ ]; e = [ 1 ]; f = [ 1 ]; }`,
		`let e = { }; l = [ ]; in [ e e { } [ ] [ ] l l ]`:                                                                         `[ { } «repeated» «repeated» [ ] [ ] [ ] [ ] ]`,
		`let e = removeAttrs { a = 1; } [ "a" ]; in [ e e { } e ]`:                                                                 `[ { } «repeated» { } «repeated» ]`,
		`let m = builtins.mapAttrs (n: v: v) { }; in [ m m ({ } // { }) (builtins.fromJSON "{}") (builtins.functionArgs (x: x)) ]`: `[ { } «repeated» «repeated» «repeated» «repeated» ]`,
		`let s = { a = 1; b = [ 1 ]; }; in [ s (removeAttrs s [ ]) (removeAttrs s [ "c" ]) (s // { }) ]`:                           `[ { a = 1; b = [ 1 ]; } { a = 1; b = «repeated»; } { a = 1; b = «repeated»; } «repeated» ]`,
		`[ (removeAttrs { } [ ]) (removeAttrs { } [ "a" ]) { } ]`:                                                                  `[ { } «repeated» «repeated» ]`,
	} {
		showsAs(t, expr, want)
	}
}

// What Nix 2.34 prints of errors and derivations inside of values: nix eval --expr.
func TestShowTellsWhatFails(t *testing.T) {
	const path = "/nix/store/5dw7wrvlsrgxnazj941dch7y41lxc4hr-ab"
	for expr, want := range map[string]string{
		`{ a = { type = "derivation"; }; }`:                              `{ a = «derivation»; }`,
		`{ type = "derivation"; drvPath = "x"; }`:                        `«error: path 'x' is not in the Nix store»`,
		`[ { type = "derivation"; drvPath = 1; } ]`:                      `[ «error: cannot coerce an integer to a string: 1» ]`,
		`[ { type = throw "t"; drvPath = 1; } ]`:                         `[ «error: t» ]`,
		`{ type = throw "t"; drvPath = 1; }`:                             `«error: t»`,
		`{ type = "derivation"; drvPath = throw "d"; }`:                  `«error: d»`,
		`[ { type = "derivation"; drvPath = "/nix/store/"; } ]`:          `[ «error: path '/nix/store/' is not in the Nix store» ]`,
		`[ { type = "derivation"; drvPath = "` + path + `/c"; } ]`:       `[ «error: path '` + path + `/c' is not in the Nix store» ]`,
		`[ { type = "derivation"; drvPath.outPath = "` + path + `"; } ]`: `[ «derivation ` + path + `» ]`,
		`[ { type = "derivation"; drvPath = ` + path + `; } ]`:           `[ «derivation ` + path + `» ]`,
		`[ (throw "a\nb") (throw "a\n\n  c") (abort "x") ]`:              "[ «error: a\nb» «error: a\n\n  c» «error: evaluation aborted with the following error message: 'x'» ]",
	} {
		showsAs(t, expr, want)
	}
}

func showsAs(t *testing.T, expr, want string) {
	t.Helper()
	v, err := eval.New(eval.Options{}).Expr(t.Context(), expr, "/")
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	if got, err := v.Show(t.Context()); err != nil || got != want {
		t.Errorf("%s\n got %s, %v\nwant %s", expr, got, err, want)
	}
}
