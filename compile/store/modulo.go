package store

import (
	"fmt"
	"slices"
	"sync"
)

// A Modulo computes and remembers the hashes that determine output paths. It may be used from several goroutines.
//
// A derivation's hash is that of its text with each input derivation replaced by the hash of that derivation. The hash
// of a fixed-output derivation depends on its output alone. So the way something is fetched can change without changing
// the paths of everything that is built from it.
type Modulo struct {
	read  func(Path) (*Derivation, error)
	known sync.Map // Path -> outputHashes
}

// outputHashes are the hashes of a derivation by output name. They are all the same unless the outputs are fixed.
type outputHashes map[string]Hash

// NewModulo makes a Modulo that calls read for derivations that were not added.
func NewModulo(read func(Path) (*Derivation, error)) *Modulo {
	return &Modulo{read: read}
}

// Add adds the derivation stored at p, so that it is not read when others use it. Its outputs must have paths.
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

// hash computes a derivation's hashes. With mask, the paths of its own outputs count as empty, to compute them; as the
// input of another derivation they count. above are the derivations that depend on this one, to find cycles.
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
	// Different inputs can have the same hash, such as two derivations that fetch the same file in different ways. Then
	// the outputs used of both are merged.
	inputs := make(map[string][]string, len(d.InputDrvs))
	for p, outputs := range d.InputDrvs {
		of, err := m.hashOf(p, above)
		if err != nil {
			return nil, err
		}
		for _, name := range outputs {
			h, ok := of[name]
			if !ok {
				return nil, fmt.Errorf("derivation %s uses output %s of %s, which has no such output", d.Name, name, p)
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
