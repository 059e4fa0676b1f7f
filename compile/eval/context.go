package eval

import (
	"slices"
	"strings"

	"muster/compile/store"
)

// references are the context of a string: what it refers to in the store, which
// a derivation with the string in its environment needs. They are sorted,
// without duplicates, and immutable.
type references []reference

// A reference is one element of a context, in Nix's spelling:
//
//	/nix/store/…-source          a store path
//	!out!/nix/store/…-hello.drv  an output of a derivation
//	=/nix/store/…-hello.drv      a derivation with all its inputs and outputs
type reference string

func pathReference(p store.Path) reference { return reference(p) }
func outputReference(drv store.Path, output string) reference {
	return reference("!" + output + "!" + string(drv))
}
func deepReference(drv store.Path) reference { return reference("=" + string(drv)) }

// split returns the parts of a reference: output is set only for an output,
// deep only for a derivation with its inputs.
func (r reference) split() (p store.Path, output string, deep bool) {
	switch {
	case strings.HasPrefix(string(r), "="):
		return store.Path(r[1:]), "", true
	case strings.HasPrefix(string(r), "!"):
		output, path, _ := strings.Cut(string(r[1:]), "!")
		return store.Path(path), output, false
	}
	return store.Path(r), "", false
}

// path returns the store path alone.
func (r reference) path() store.Path {
	p, _, _ := r.split()
	return p
}

// union returns the references in c or d.
func (c references) union(d references) references {
	if len(c) == 0 {
		return d
	}
	if len(d) == 0 || len(c) == len(d) && &c[0] == &d[0] {
		return c
	}
	if len(d) == 1 {
		if i, found := slices.BinarySearch(c, d[0]); found {
			return c
		} else if len(c) > 0 {
			return slices.Insert(slices.Clip(c), i, d[0])
		}
	}
	out := make(references, 0, len(c)+len(d))
	for len(c) > 0 && len(d) > 0 {
		switch order := strings.Compare(string(c[0]), string(d[0])); {
		case order == 0:
			out, c, d = append(out, c[0]), c[1:], d[1:]
		case order < 0:
			out, c = append(out, c[0]), c[1:]
		default:
			out, d = append(out, d[0]), d[1:]
		}
	}
	return append(append(out, c...), d...)
}

// with returns c with r added.
func (c references) with(r reference) references { return c.union(references{r}) }

// newReferences sorts references.
func newReferences(refs []reference) references {
	slices.Sort(refs)
	return slices.Compact(refs)
}
