package flake

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// An Input is an input that a flake declares, or what one declares about an input of an input.
type Input struct {
	Ref      *Ref     // nil: the registry's entry of its name
	Follows  []string // the path of another input from the root; nil if it does not follow
	NotFlake bool
	Inputs   map[string]Input // what it says about the input's own inputs
}

// A Flake is a flake.nix that was read.
type Flake struct {
	Locked Ref    // of the tree that it is in
	Path   string // the directory of flake.nix
	Inputs map[string]Input
	Lock   *Lock // of the flake.lock beside it
}

// A Source is where [Resolve] finds flakes and trees.
type Source interface {
	// Flake fetches a flake and reads its flake.nix. Follows in it begin at the path at.
	Flake(ref Ref, at []string) (*Flake, error)
	// FlakeIn reads the flake.nix of a directory in a tree that was fetched.
	FlakeIn(dir string, ref Ref, at []string) (*Flake, error)
	// Tree fetches what is not a flake and returns where it is.
	Tree(ref Ref) (locked Ref, dir string, err error)
	// Warn tells the user something.
	Warn(text string)
}

// Options change how inputs are resolved.
type Options struct {
	Pure      bool           // an input that is not locked may not be fetched
	Overrides map[string]Ref // other references for inputs, by path
}

// A Resolved is a flake whose inputs are all known.
type Resolved struct {
	Lock  *Lock
	Dirs  map[*Node]string // where what was fetched is: the directory of flake.nix, or the tree
	Fresh bool             // the lock differs from the file
}

// Resolve computes the inputs of a flake: what its lock has is kept, unfetched, as long as flake.nix still means the
// same input; what the lock lacks is fetched. Nothing is written.
func Resolve(top *Flake, src Source, opts Options) (*Resolved, error) {
	r := resolver{src: src, opts: opts, overrides: map[string]override{}, dirs: map[*Node]string{}}
	for at, ref := range opts.Overrides {
		r.overrides[at] = override{input: Input{Ref: &ref}, dir: top.Path, chosen: true}
	}
	lock := EmptyLock()
	r.dirs[lock.Root] = top.Path
	if err := r.inputs(top.Inputs, lock.Root, nil, top.Lock.Root, nil, top.Path, false); err != nil {
		return nil, err
	}
	for _, at := range slices.Sorted(maps.Keys(opts.Overrides)) {
		if !r.overrides[at].used {
			src.Warn(fmt.Sprintf("the flag '--override-input %s %s' does not match any input", at, opts.Overrides[at]))
		}
	}
	if err := lock.check(); err != nil {
		return nil, err
	}
	before, _ := top.Lock.JSON()
	after, _ := lock.JSON()
	return &Resolved{Lock: lock, Dirs: r.dirs, Fresh: before != after}, nil
}

type resolver struct {
	src       Source
	opts      Options
	overrides map[string]override // by the path of the input
	dirs      map[*Node]string
	parents   []Ref // flakes being resolved, outermost first
}

// An override is what a flake further up says about an input.
type override struct {
	input  Input
	dir    string   // of the flake that says it
	parent []string // its path
	chosen bool     // the user says it
	used   bool
}

// inputs resolves the inputs of a node at a path. Old is the node in the lock file, nil if there is none; its follows
// begin at the path follows. Trusted says that the inputs come from that lock file and not from flake.nix.
func (r *resolver) inputs(inputs map[string]Input, n *Node, at []string, old *Node, follows []string, dir string, trusted bool) error {
	if len(at) > maxLockDepth {
		return fmt.Errorf("inputs are nested more than %d deep", maxLockDepth)
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		r.addOverrides(inputs[name], append(slices.Clip(at), name), dir, at)
	}
	r.warnOfUnused(inputs, at)
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		here := append(slices.Clip(at), name)
		if err := r.input(inputs[name], name, n, here, old, follows, dir, trusted); err != nil {
			return fmt.Errorf("update the flake input '%s': %w", PathString(here), err)
		}
	}
	return nil
}

func (r *resolver) addOverrides(in Input, at []string, dir string, parent []string) {
	for _, name := range slices.Sorted(maps.Keys(in.Inputs)) {
		o, here := in.Inputs[name], append(slices.Clip(at), name)
		if _, known := r.overrides[PathString(here)]; !known && (o.Ref != nil || o.Follows != nil) {
			r.overrides[PathString(here)] = override{input: o, dir: dir, parent: append([]string{}, parent...)}
		}
		r.addOverrides(o, here, dir, parent)
	}
}

func (r *resolver) warnOfUnused(inputs map[string]Input, at []string) {
	for _, o := range slices.Sorted(maps.Keys(r.overrides)) {
		parent, name := path.Split(o)
		if _, ok := inputs[name]; !ok && strings.TrimSuffix(parent, "/") == PathString(at) && !r.overrides[o].chosen {
			r.src.Warn(fmt.Sprintf("input '%s' has an override for a non-existent input '%s'", PathString(at), name))
		}
	}
}

func (r *resolver) input(declared Input, name string, n *Node, at []string, old *Node, follows []string, dir string, trusted bool) error {
	in := declared
	o, overridden := r.overrides[PathString(at)]
	if overridden {
		o.used = true
		r.overrides[PathString(at)] = o
		in, dir = o.input, o.dir
		in.NotFlake = declared.NotFlake
	}
	if in.Follows != nil {
		n.Inputs[name] = Edge{Follows: in.Follows}
		return nil
	}
	if in.Ref == nil {
		in.Ref = &Ref{Attrs: Attrs{"type": "indirect", "id": name}}
	}
	var parent []string
	relative, isRelative := in.Ref.Attrs.Relative()
	if isRelative {
		parent = append([]string{}, at[:len(at)-1]...)
		if overridden {
			parent = o.parent
		}
	}
	place := place{name: name, at: at, dir: dir, parent: parent}
	if isRelative {
		place.relative = path.Join("/", dir, relative)
	}
	if locked := lockedInput(old, name); locked != nil && !o.chosen &&
		locked.Original.canonical().Equal(in.Ref.canonical()) && slices.Equal(locked.Parent, parent) && (locked.Parent == nil) == (parent == nil) {
		return r.keep(locked, n, place, follows, trusted)
	}
	original := *in.Ref
	if o.chosen && declared.Ref != nil {
		original = *declared.Ref
	}
	return r.add(in, original, n, place)
}

// lockedInput returns the node of an input in a lock file.
func lockedInput(old *Node, name string) *Node {
	if old == nil {
		return nil
	}
	return old.Inputs[name].Node
}

// A place is where an input belongs.
type place struct {
	name     string
	at       []string // its path
	dir      string   // of the flake that names it
	parent   []string // of a relative path: the path of that flake
	relative string   // of a relative path: where it is
}

// keep takes an input from the lock file. Its flake is read only if the lock may no longer have all of its inputs.
func (r *resolver) keep(old, n *Node, p place, follows []string, trusted bool) error {
	child := &Node{Inputs: map[string]Edge{}, Original: old.Original, Locked: old.Locked, NotFlake: old.NotFlake, Parent: old.Parent}
	n.Inputs[p.name] = Edge{Node: child}
	known := map[string]Input{}
	for _, name := range slices.Sorted(maps.Keys(old.Inputs)) {
		edge := old.Inputs[name]
		if edge.Node != nil {
			known[name] = Input{Ref: &edge.Node.Original, NotFlake: edge.Node.NotFlake}
			continue
		}
		if _, ok := r.overrides[PathString(append(slices.Clip(p.at), name))]; !ok && !trusted {
			f, err := r.flake(old.Locked, p)
			if err != nil {
				return err
			}
			r.dirs[child] = f.Path
			return r.inputs(f.Inputs, child, p.at, old, follows, f.Path, false)
		}
		known[name] = Input{Follows: append(append([]string{}, follows...), edge.Follows...)}
	}
	return r.inputs(known, child, p.at, old, follows, p.dir, true)
}

// flake reads the flake of an input.
func (r *resolver) flake(ref Ref, p place) (*Flake, error) {
	if p.relative != "" {
		return r.src.FlakeIn(path.Join(p.relative, ref.Dir), ref, p.at)
	}
	return r.src.Flake(ref, p.at)
}

// add fetches an input that the lock file does not have.
func (r *resolver) add(in Input, original Ref, n *Node, p place) error {
	if r.opts.Pure && p.relative == "" && !in.Ref.Attrs.Locked() {
		return fmt.Errorf("cannot update unlocked flake input '%s' in pure mode", PathString(p.at))
	}
	child := &Node{Inputs: map[string]Edge{}, Original: original, NotFlake: in.NotFlake, Parent: p.parent}
	n.Inputs[p.name] = Edge{Node: child}
	if in.NotFlake {
		if p.relative != "" {
			child.Locked, r.dirs[child] = *in.Ref, p.relative
			return nil
		}
		var err error
		child.Locked, r.dirs[child], err = r.src.Tree(*in.Ref)
		return err
	}
	f, err := r.flake(*in.Ref, p)
	if err != nil {
		return err
	}
	child.Locked, r.dirs[child] = f.Locked, f.Path
	for _, parent := range r.parents {
		if parent.Equal(*in.Ref) {
			return fmt.Errorf("found circular import of flake '%s'", parent)
		}
	}
	r.parents = append(r.parents, *in.Ref)
	defer func() { r.parents = r.parents[:len(r.parents)-1] }()
	return r.inputs(f.Inputs, child, p.at, f.Lock.Root, p.at, f.Path, false)
}
