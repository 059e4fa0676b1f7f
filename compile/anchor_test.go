package compile

import (
	"testing"

	"muster/compile/syntax"
)

// A name that is inherited is its own anchor: the binding before it has nothing to do with it.
func TestAnchorOfInheritedNames(t *testing.T) {
	name := "a.nix"
	f, err := syntax.ParseFile(name, []byte("let\n  set = { a = 1; };\n  inherit (set) a b;\nin\n{ inherit a; c = b; }\n"), syntax.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []syntax.Pos{syntax.NewPos(&name, 3, 17), syntax.NewPos(&name, 3, 19), syntax.NewPos(&name, 5, 11)} {
		if found, ok := anchor(f.Expr, at); !ok || !samePlace(found, at) {
			t.Errorf("anchor of %v: %v, %t", at, found, ok)
		}
	}
}
