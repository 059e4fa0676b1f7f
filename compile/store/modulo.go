package store

import (
	"fmt"
	"slices"
	"sync"
)

// A Modulo computes the hashes that determine output paths, and remembers them. It may be used from several goroutines.
//
// A derivation's hash is taken of its text with every input derivation replaced by its own hash, and that of a
// fixed-output derivation depends on its output alone: so how something is fetched can change without changing the paths
// of all that is built from it.
type Modulo struct {
	read  func(Path) (*Derivation, error)
	known sync.Map // Path -> outputHashes
}

// outputHashes are a derivation's hashes by output name: all the same, unless the outputs are fixed.
type outputHashes map[string]Hash

// NewModulo makes a Modulo that reads the derivations it was not given with read.
func NewModulo(read func(Path) (*Derivation, error)) *Modulo {
	return &Modulo{read: read}
}

// Add makes the derivation stored at p known, so that it is not read when others use it. Its outputs must be filled in.
func (m *Modulo) Add(p Path, d *Derivation) error {
	if _, ok := m.known.Load(p); ok {
		return nil
	}
	hashes, err := m.hash(d, false, []Path{p})
	if err != nil {
		return err
	}
	m.known.Store(p, hashes)
	return nil
}

// hash computes a derivation's hashes. For its own output paths they are masked, since they are to be computed; where it
// is the input of another they are not. The derivations on the way here are in above.
func (m *Modulo) hash(d *Derivation, mask bool, above []Path) (outputHashes, error) {
	hashes := make(outputHashes, len(d.Outputs))
	if d.IsFixed() {
		o := d.Outputs["out"]
		h, recursive, err := o.Fixed()
		if err != nil {
			return nil, fmt.Errorf("derivation %s: output out: %w", d.Name, err)
		}
		hashes["out"] = HashString(SHA256, "fixed:out:"+methodAlgo(h.Algo(), recursive)+":"+h.Base16()+":"+string(o.Path))
		return hashes, nil
	}
	for name, o := range d.Outputs {
		if o.HashAlgo != "" || o.Hash != "" {
			return nil, fmt.Errorf("derivation %s: output %s is content-addressed or one fixed output of several, which is not supported", d.Name, name)
		}
		if o.Path == "" && !mask {
			return nil, fmt.Errorf("derivation %s: output %s has no path", d.Name, name)
		}
	}
	// Different inputs can have equal hashes, such as two that differ in how they fetch the same file: what is used of
	// them is then one set.
	inputs := make(map[string][]string, len(d.InputDrvs))
	for p, outputs := range d.InputDrvs {
		of, err := m.hashOf(p, above)
		if err != nil {
			return nil, err
		}
		for _, name := range outputs {
			h, ok := of[name]
			if !ok {
				return nil, fmt.Errorf("derivation %s uses output %s of %s, which it has not", d.Name, name, p)
			}
			key := h.Base16()
			inputs[key] = append(inputs[key], name)
		}
	}
	h := hashATerm(d, inputs, mask)
	for name := range d.Outputs {
		hashes[name] = h
	}
	return hashes, nil
}

// hashOf returns the hashes of the derivation stored at p.
func (m *Modulo) hashOf(p Path, above []Path) (outputHashes, error) {
	if h, ok := m.known.Load(p); ok {
		return h.(outputHashes), nil
	}
	if slices.Contains(above, p) {
		return nil, fmt.Errorf("derivation %s depends on itself", p)
	}
	d, err := m.read(p)
	if err != nil {
		return nil, fmt.Errorf("read derivation %s: %w", p, err)
	}
	hashes, err := m.hash(d, false, append(above[:len(above):len(above)], p))
	if err != nil {
		return nil, err
	}
	m.known.Store(p, hashes)
	return hashes, nil
}
