package evaluate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"muster/compile"
	"muster/compile/eval"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/schema"
)

// A FetchedInput is an input of a fleet, or of a flake among its inputs.
type FetchedInput struct {
	Name string // its path, such as site/nixpkgs; after the host and a colon for a flake that a host is a system of
	Ref  *flake.Ref
	Err  error
}

// fetchJobs is how many inputs are fetched at once.
const fetchJobs = 4

// FetchInputs fetches all that a fleet is made from, so that evaluation needs no network:
// its inputs, those of the flakes among them and of the flakes that hosts are systems of,
// and its NixOS.
func (e Environment) FetchInputs(ctx context.Context, f *schema.Fleet, o Options) ([]FetchedInput, error) {
	if e.Fetcher == nil {
		return nil, ErrNoFetcher
	}
	var list []FetchedInput
	if f.Lock != nil && !f.Lock.Flake {
		return e.fetchPins(ctx, f, o)
	}
	if f.HasInputs() {
		lock, err := e.relock(ctx, f, nil, o)
		if err != nil {
			return nil, err
		}
		list = lockedInputs(list, "", lock)
	}
	flakes := e.flakesOf(f)
	for _, name := range slices.Sorted(maps.Keys(flakes)) {
		ref, _, err := fetch.Locate(flakes[name], f.Dir)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		lock, err := e.lockOf(ctx, ref, o)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		list = lockedInputs(list, name+": ", lock)
	}
	if n := f.Nixpkgs; n.Rev != "" {
		list = append(list, FetchedInput{Name: nixpkgsInput, Ref: &flake.Ref{Attrs: flake.Attrs{"type": "tarball", "url": n.Archive(), "narHash": n.Hash}}})
	}
	e.fetchAll(ctx, list)
	return list, context.Cause(ctx)
}

// flakesOf are the flakes that hosts are systems of, each by the first such host.
func (e Environment) flakesOf(f *schema.Fleet) map[string]string {
	seen, flakes := map[string]bool{}, map[string]string{}
	for _, h := range f.FlakeHosts() {
		ref := h.Flake.Ref
		if ref == "" {
			ref = inFleet(f, h.Flake.Dir)
		}
		if !seen[ref] {
			seen[ref] = true
			flakes[h.Name] = ref
		}
	}
	return flakes
}

// lockedInputs adds the inputs of a lock to a list, each once.
func lockedInputs(list []FetchedInput, prefix string, lock *flake.Lock) []FetchedInput {
	seen := map[*flake.Node]bool{}
	var walk func(at string, n *flake.Node)
	walk = func(at string, n *flake.Node) {
		for _, name := range slices.Sorted(maps.Keys(n.Inputs)) {
			in := n.Inputs[name].Node
			if in == nil || seen[in] {
				continue
			}
			seen[in] = true
			if _, relative := in.Locked.Attrs.Relative(); !relative {
				list = append(list, FetchedInput{Name: prefix + at + name, Ref: &in.Locked})
			}
			walk(at+name+"/", in)
		}
	}
	walk("", lock.Root)
	return list
}

// lockOf finds out what the inputs of a flake are.
func (e Environment) lockOf(ctx context.Context, ref flake.Ref, o Options) (*flake.Lock, error) {
	ev, done := e.Evaluator(o)
	defer done()
	resolved, err := ev.FlakeInputs(ctx, ref)
	if err != nil {
		return nil, err
	}
	return resolved.Lock, nil
}

// fetchAll fetches inputs side by side, and writes their errors into the list.
func (e Environment) fetchAll(ctx context.Context, list []FetchedInput) {
	var wait sync.WaitGroup
	free := make(chan struct{}, fetchJobs)
	for i := range list {
		in := &list[i]
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			if ctx.Err() != nil {
				in.Err = context.Cause(ctx)
				return
			}
			_, in.Err = e.Fetcher.Fetch(ctx, in.Ref.Attrs, true)
		})
	}
	wait.Wait()
}

// fetchPins fetches what a lock file pins that is no flake.lock, by evaluating it.
func (e Environment) fetchPins(ctx context.Context, f *schema.Fleet, o Options) ([]FetchedInput, error) {
	file, err := compile.Network(f, compile.Options{Absolute: true})
	if err != nil {
		return nil, err
	}
	ev, done := e.Evaluator(o)
	defer done()
	network, err := ev.Tree(ctx, file.Expr, f.Dir)
	if err != nil {
		return nil, err
	}
	inputs, err := network.Select(ctx, "network.specialArgs.inputs", nil)
	if err != nil {
		return nil, err
	}
	names, err := inputs.AttrNames(ctx)
	if err != nil {
		return nil, err
	}
	var list []FetchedInput
	for _, name := range names {
		if name == schema.SelfInput {
			continue
		}
		in := FetchedInput{Name: name}
		if no, err := isNoTree(ctx, inputs, name); err == nil && no {
			continue
		}
		v, err := inputs.Select(ctx, `"`+name+`".outPath`, nil)
		if err == nil {
			var text string
			text, _, err = v.Text(ctx)
			in.Ref = &flake.Ref{Attrs: flake.Attrs{"type": "path", "path": text}}
		}
		in.Err = err
		list = append(list, in)
	}
	return list, context.Cause(ctx)
}

// isNoTree reports whether a pin is of something that is no tree, such as a container.
func isNoTree(ctx context.Context, inputs eval.Value, name string) (bool, error) {
	pin, err := inputs.Select(ctx, `"`+name+`"`, nil)
	if err != nil {
		return false, err
	}
	names, err := pin.AttrNames(ctx)
	return !slices.Contains(names, "outPath"), err
}
