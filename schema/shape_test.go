package schema

import (
	"math"
	"sync"
	"testing"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

type comparedLeaf struct{ ours, cue func(*node) bool }

// cueLeaves returns all scalar constraints of schema.cue, as compiled by shape.go and
// as CUE values.
var cueLeaves = sync.OnceValue(func() map[string]comparedLeaf {
	ctx := cuecontext.New()
	v := ctx.CompileString(schemaText)
	leaves := make(map[string]comparedLeaf)
	it, err := v.Fields(cue.Definitions(true))
	if err != nil {
		panic(err)
	}
	judge := func(v cue.Value) func(*node) bool {
		return func(n *node) bool {
			var x any
			switch n.kind {
			case stringKind:
				if !utf8.ValidString(n.text) {
					return leafOf(v).accepts(n) // no inventory holds one
				}
				x = n.text
			case intKind:
				x = n.num
			case floatKind:
				if math.IsNaN(n.flt) || math.IsInf(n.flt, 0) || n.flt == math.Trunc(n.flt) {
					return leafOf(v).accepts(n) // CUE would make it an integer
				}
				x = n.flt
			case boolKind:
				x = n.bool
			}
			return v.Unify(ctx.Encode(x)).Validate(cue.Concrete(true)) == nil
		}
	}
	var add func(path string, v cue.Value)
	add = func(path string, v cue.Value) {
		k := v.IncompleteKind()
		switch {
		case k == cue.TopKind || k&(cue.ListKind) != 0, k&cue.StructKind != 0 && k != cue.StructKind:
		case k == cue.StructKind:
			fields, err := v.Fields(cue.Optional(true))
			if err != nil {
				panic(err)
			}
			for fields.Next() {
				add(path+"."+fields.Selector().String(), fields.Value())
			}
		default:
			leaves[path] = comparedLeaf{leafOf(v).accepts, judge(v)}
		}
	}
	for it.Next() {
		add(it.Selector().String(), it.Value())
	}
	return leaves
})

func TestEveryFieldIsDescribed(t *testing.T) {
	if n := len(cueLeaves()); n < 40 {
		t.Errorf("%d leaves compared with CUE, want all", n)
	}
	var check func(s *shape, path string)
	check = func(s *shape, path string) {
		for name, f := range s.fields {
			below := join(path, name)
			if f.doc == "" || f.want == "" {
				t.Errorf("%s: comment %q, message %q", below, f.doc, f.want)
			}
			if f.elem != nil && f.elem.want == "" {
				t.Errorf("%s: no message for its elements", below)
			}
			if f.entry != nil {
				if f.names == "" {
					t.Errorf("%s: no message for names", below)
				}
				check(f.entry, below)
			}
			check(f, below)
		}
	}
	check(inventoryShape(), "")
}
