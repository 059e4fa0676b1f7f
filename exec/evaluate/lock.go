package evaluate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/compile/flake"
	"muster/schema"
)

// Lock finds out what the inputs of a fleet are, and what the flakes among them take
// as inputs, and returns a lock of all of it. What old has stays, unless renew says
// that an input of that name is to be the newest that its reference leads to.
func (e Environment) Lock(ctx context.Context, f *schema.Fleet, old *flake.Lock, renew func(name string) bool, o Options) (*flake.Lock, error) {
	top := &flake.Flake{Path: f.Dir, Inputs: map[string]flake.Input{}, Lock: flake.EmptyLock()}
	top.Locked = flake.Ref{Attrs: flake.Attrs{"type": "path", "path": f.Dir}}
	for i := range f.Inputs {
		in := &f.Inputs[i]
		if in.Kind == "" {
			continue
		}
		declared, err := inputOf(in)
		if err != nil {
			return nil, fmt.Errorf("%s: inputs.%s: %w", in.At, in.Name, err)
		}
		top.Inputs[in.Name] = declared
		if edge, ok := old.Root.Inputs[in.Name]; ok && !renew(in.Name) {
			top.Lock.Root.Inputs[in.Name] = edge
		}
	}
	ev, done := e.Evaluator(o)
	defer done()
	resolved, err := ev.Lock(ctx, top, nil)
	if err != nil {
		return nil, err
	}
	return resolved.Lock, nil
}

// inputOf is an input as flake.nix would declare it.
func inputOf(in *schema.Input) (flake.Input, error) {
	a := flake.Attrs{}
	for _, w := range in.Reference() {
		a[w[0]] = w[1]
	}
	if path := in.Path; path != "" {
		if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, ".") {
			path = "./" + path
		}
		a["path"] = path
	}
	if in.Submodules {
		a["submodules"] = true
	}
	attrs, err := flake.FromAttrs(a)
	if err != nil {
		return flake.Input{}, err
	}
	declared := flake.Input{Ref: &flake.Ref{Attrs: attrs, Dir: in.Dir}, NotFlake: !in.Flake}
	if len(in.Follows) > 0 {
		declared.Inputs = map[string]flake.Input{}
		for _, f := range in.Follows {
			declared.Inputs[f.Name] = flake.Input{Follows: append([]string{}, f.Path...)}
		}
	}
	return declared, nil
}

// A LockedChange is an input of a fleet that a lock has otherwise than another.
type LockedChange struct {
	Name        string
	Before, Now *flake.Ref // nil for none
}

// LockedChanges are the inputs that differ, by name.
func LockedChanges(before, now *flake.Lock) []LockedChange {
	names := map[string]bool{}
	for _, l := range []*flake.Lock{before, now} {
		for name := range l.Root.Inputs {
			names[name] = true
		}
	}
	var changes []LockedChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, b := lockedRef(before, name), lockedRef(now, name)
		if a == nil || b == nil || !a.Equal(*b) {
			changes = append(changes, LockedChange{name, a, b})
		}
	}
	return changes
}

func lockedRef(l *flake.Lock, name string) *flake.Ref {
	if n := l.Root.Inputs[name].Node; n != nil {
		return &n.Locked
	}
	return nil
}
