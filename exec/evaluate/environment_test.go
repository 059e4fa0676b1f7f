package evaluate

import (
	"errors"
	"strings"
	"testing"

	"muster/compile/eval"
	"muster/exec/nixcmd"
)

func TestEnvironment(t *testing.T) {
	e := Environment{
		Settings: nixcmd.Settings{
			System:       "aarch64-linux",
			SearchPath:   []string{"x=/second", "", "/third"},
			MaxCallDepth: 1 << 40,
		},
		SearchPath: []string{"x=/first"},
		Getenv:     func(name string) string { return "the " + name },
	}
	o, done := e.options(Options{})
	defer done()
	if o.MaxDepth != maxCallDepth {
		t.Errorf("nested calls are limited to %d, want %d", o.MaxDepth, maxCallDepth)
	}
	path := []eval.SearchEntry{{Prefix: "x", Path: "/first"}, {Prefix: "x", Path: "/second"}, {Path: "/third"}}
	if diff := differs(path, o.NixPath); diff != "" {
		t.Error(diff)
	}
	if got := program(t, e, `builtins.currentSystem + " " + builtins.getEnv "HOME"`); got != `"aarch64-linux the HOME"` {
		t.Errorf("the program is %s", got)
	}
}

// Without Nix, a program that needs it fails with the reason.
func TestEnvironmentWithoutNix(t *testing.T) {
	ev, done := Environment{}.Evaluator(Options{})
	defer done()
	v, err := ev.Expr(t.Context(), `import (derivation { name = "n"; system = "s"; builder = "b"; })`, "/")
	if err == nil {
		_, err = v.Print(t.Context(), true)
	}
	var own *eval.Error
	if !errors.As(err, &own) || IsUnsupported(err) {
		t.Fatal(err)
	}
	if got := own.Error(); !strings.Contains(got, "import from derivation builds, which needs Nix") || !strings.Contains(got, nixcmd.ErrNoNix.Error()) {
		t.Errorf("the error is %q", got)
	}
}

func program(t *testing.T, e Environment, expr string) string {
	t.Helper()
	ev, done := e.Evaluator(Options{})
	defer done()
	v, err := ev.Expr(t.Context(), expr, "/")
	if err != nil {
		t.Fatal(err)
	}
	text, err := v.Print(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
