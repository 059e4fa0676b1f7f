package evaluate

import (
	"encoding/json"
	"path/filepath"

	"muster/compile/flake"
	"muster/compile/store"
	"muster/exec/foreign"
	"muster/schema"
)

// pinnedPath is what <nixpkgs> stands for in the modules of a fleet: an entry of the search
// path for its NixOS, none for a fleet that has no pinned one. What is fetched has its path
// in the store before a module is evaluated.
func pinnedPath(f *schema.Fleet) []string {
	if f == nil {
		return nil
	}
	dir := ""
	switch n := f.Nixpkgs; {
	case n.Path != "":
		dir = inFleet(f, n.Path)
	case n.Rev != "":
		dir = fetchedPath("source", n.Hash)
	case n.Input != "":
		dir = inputPath(f, n.Input)
	}
	if dir == "" {
		return nil
	}
	return []string{nixpkgsInput + "=" + dir}
}

// inFleet is the absolute path of a file of the inventory.
func inFleet(f *schema.Fleet, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.Dir, name)
}

// fetchedPath is where a tree of a name with a hash is in the store, "" without a hash.
func fetchedPath(name, hash string) string {
	h, err := store.ParseHash(hash, store.SHA256)
	if err != nil {
		return ""
	}
	p, err := store.FixedPath(name, h, true)
	if err != nil {
		return ""
	}
	return string(p)
}

// inputPath is where the tree of an input is, "" if neither the inventory nor the lock file
// says its hash.
func inputPath(f *schema.Fleet, name string) string {
	for i := range f.Inputs {
		switch in := &f.Inputs[i]; {
		case in.Name != name || !in.Pinned():
		case in.Path != "":
			return filepath.Join(inFleet(f, in.Path), in.Dir)
		case in.Hash != "":
			return below(fetchedPath("source", in.Hash), in.Dir)
		}
	}
	if f.Lock == nil {
		return ""
	}
	file := inFleet(f, f.Lock.Path)
	text, err := foreign.ReadFile(file, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
	if err != nil {
		return ""
	}
	if !f.Lock.Flake {
		return pinIn(text, name)
	}
	lock, err := flake.ParseLock(file, text)
	if err != nil {
		return ""
	}
	n, err := lock.Find([]string{name})
	if n == nil || err != nil {
		return ""
	}
	if p, relative := n.Locked.Attrs.Relative(); relative {
		if len(n.Parent) > 0 {
			return ""
		}
		return filepath.Join(f.Dir, p, n.Locked.Dir)
	}
	return below(fetchedPath("source", n.Locked.Attrs.String("narHash")), n.Locked.Dir)
}

func below(dir, name string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// pinIn is where the tree of a pin of npins, lon or niv is: these give it its name, as
// compile/inputs.nix does.
func pinIn(text []byte, name string) string {
	type pin struct{ Hash, SHA256 string }
	var file struct {
		Pins    map[string]pin
		Sources map[string]pin
	}
	var niv map[string]json.RawMessage
	if json.Unmarshal(text, &file) != nil || json.Unmarshal(text, &niv) != nil {
		return ""
	}
	for _, pins := range []map[string]pin{file.Pins, file.Sources} {
		if p, ok := pins[name]; ok {
			return fetchedPath("source", p.Hash)
		}
	}
	var p pin
	if json.Unmarshal(niv[name], &p) != nil {
		return ""
	}
	return fetchedPath(name+"-src", p.SHA256)
}
