package evaluate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/flake"
	"muster/exec/foreign"
	"muster/schema"
)

// nixpkgsInput is the name by which the NixOS of a fleet is overridden that has no such
// input.
const nixpkgsInput = "nixpkgs"

// Override returns a fleet with other inputs: overrides has flake references by the
// paths of inputs, such as nixpkgs or site/nixpkgs. What they lead to is fetched. The
// inputs of the fleet are locked anew, in a file of the fetcher's cache.
func (e Environment) Override(ctx context.Context, f *schema.Fleet, overrides map[string]flake.Ref, o Options) (*schema.Fleet, error) {
	if err := overridable(f, overrides); err != nil {
		return nil, err
	}
	changed := *f
	ofInputs := map[string]flake.Ref{}
	for _, at := range slices.Sorted(maps.Keys(overrides)) {
		name, _, _ := strings.Cut(at, "/")
		switch {
		case f.HasInput(name):
			ofInputs[at] = overrides[at]
		case at == nixpkgsInput && len(f.FlakeHosts()) < len(f.Hosts):
			dir, err := e.tree(ctx, overrides[at])
			if err != nil {
				return nil, fmt.Errorf("--override-input %s: %w", at, err)
			}
			changed.Nixpkgs = schema.Nixpkgs{At: f.Nixpkgs.At, Path: dir}
		}
	}
	if len(ofInputs) == 0 {
		return &changed, nil
	}
	lock, err := e.relock(ctx, f, ofInputs, o)
	if err != nil {
		return nil, err
	}
	return e.WithLock(&changed, lock)
}

// WithLock returns a fleet whose inputs are pinned by a lock, which is kept in the
// fetcher's cache.
func (e Environment) WithLock(f *schema.Fleet, lock *flake.Lock) (*schema.Fleet, error) {
	text, _ := lock.JSON()
	file := filepath.Join(e.Fetcher.Dir, "locks", keyOf(text)+".lock")
	if err := keepFile(file, text); err != nil {
		return nil, fmt.Errorf("keep a lock file: %w", err)
	}
	changed := *f
	changed.Lock = &schema.Lock{Path: file, Flake: true, Names: slices.Sorted(maps.Keys(lock.Root.Inputs))}
	changed.Inputs = slices.Clone(f.Inputs)
	for i := range changed.Inputs { // the lock has them all
		changed.Inputs[i] = schema.Input{Name: f.Inputs[i].Name, At: f.Inputs[i].At, Flake: f.Inputs[i].Flake}
	}
	return &changed, nil
}

// overridable checks that each override is of an input that there is, or may be: those of
// flakes that hosts are systems of are known only later.
func overridable(f *schema.Fleet, overrides map[string]flake.Ref) error {
	for _, at := range slices.Sorted(maps.Keys(overrides)) {
		name, _, nested := strings.Cut(at, "/")
		if name == schema.SelfInput {
			return errors.New("--override-input self: it is the fleet itself; name another inventory")
		}
		if f.HasInput(name) && f.Lock != nil && !f.Lock.Flake {
			return fmt.Errorf("--override-input %s: the inputs come from %s, which is no flake.lock: change the pin there", at, f.Lock.Path)
		}
		if f.HasInput(name) || len(f.FlakeHosts()) > 0 || name == nixpkgsInput && !nested {
			continue
		}
		known := []string{nixpkgsInput}
		for i := range f.Inputs {
			known = append(known, f.Inputs[i].Name)
		}
		if f.Lock != nil {
			known = append(known, f.Lock.Names...)
		}
		slices.Sort(known)
		return fmt.Errorf("--override-input %s: no input named %q; known inputs: %s", at, name, strings.Join(slices.Compact(known), ", "))
	}
	return nil
}

// tree fetches what a reference leads to and returns where its content is.
func (e Environment) tree(ctx context.Context, ref flake.Ref) (string, error) {
	if e.Fetcher == nil {
		return "", ErrNoFetcher
	}
	a, dir, err := e.Fetcher.Find(ref.Attrs, true)
	if err != nil {
		return "", err
	}
	if dir == "" {
		dir = ref.Dir
	}
	if p := a.String("path"); a.String("type") == "path" { // read where it is
		return filepath.Join(p, dir), nil
	}
	tree, err := e.Fetcher.Fetch(ctx, a, false)
	return filepath.Join(tree.Dir, dir), err
}

// ErrNoFetcher says that there is no directory for what is fetched.
var ErrNoFetcher = errors.New("fetch inputs: there is no cache directory: set HOME or XDG_CACHE_HOME")

// relock locks the inputs of a fleet anew: those that overrides name are what these lead
// to, the others stay what they are.
func (e Environment) relock(ctx context.Context, f *schema.Fleet, overrides map[string]flake.Ref, o Options) (*flake.Lock, error) {
	if e.Fetcher == nil {
		return nil, ErrNoFetcher
	}
	old := flake.EmptyLock()
	if f.Lock != nil {
		name := inFleet(f, f.Lock.Path)
		text, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if old, err = flake.ParseLock(name, text); err != nil {
			return nil, err
		}
	}
	top := &flake.Flake{Path: f.Dir, Inputs: map[string]flake.Input{}, Lock: old}
	top.Locked = flake.Ref{Attrs: flake.Attrs{"type": "path", "path": f.Dir}}
	for name, edge := range old.Root.Inputs {
		if edge.Node == nil {
			top.Inputs[name] = flake.Input{Follows: append([]string{}, edge.Follows...)}
			continue
		}
		top.Inputs[name] = flake.Input{Ref: &edge.Node.Original, NotFlake: edge.Node.NotFlake}
	}
	for i := range f.Inputs {
		if f.Inputs[i].Kind == "" {
			continue
		}
		in, err := inputOf(&f.Inputs[i])
		if err != nil {
			return nil, fmt.Errorf("%s: inputs.%s: %w", f.Inputs[i].At, f.Inputs[i].Name, err)
		}
		top.Inputs[f.Inputs[i].Name] = in
	}
	ev, done := e.Evaluator(o)
	defer done()
	resolved, err := ev.Lock(ctx, top, overrides)
	if err != nil {
		return nil, err
	}
	return resolved.Lock, nil
}

// keepFile writes a file whose name is that of its content.
func keepFile(name, text string) error {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer root.Close()
	return foreign.ReplaceText(root, filepath.Base(name), []byte(text))
}
