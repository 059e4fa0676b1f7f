package eval_test

import (
	"fmt"
	"strings"
	"testing"

	"muster/compile/eval"
)

// TestSetsOfAllSizes makes a set, or a list, as the first thing that a thread allocates.
func TestSetsOfAllSizes(t *testing.T) {
	for n := 1; n < 1200; n += 7 {
		var set, list strings.Builder
		for i := range n {
			fmt.Fprintf(&set, "a%d = 1; ", i)
			list.WriteString("{ } ")
		}
		for _, program := range []string{"{ " + set.String() + "}", "[ " + list.String() + "]"} {
			ev := eval.New(eval.Options{})
			v, err := ev.Expr(t.Context(), program, "/")
			if err != nil {
				t.Fatalf("%d elements: %v", n, err)
			}
			if text, err := v.Print(t.Context(), true); err != nil || strings.Count(text, "1;")+strings.Count(text, "{ }") != n {
				t.Errorf("%d elements: %s, %v", n, text, err)
			}
		}
	}
}
