package flake

import (
	"encoding/json"
	"fmt"
	"sync"
)

// A Registry says what names such as nixpkgs stand for. The first entry that fits counts.
type Registry []Entry

// An Entry replaces a reference by another one. An entry that names no branch and no revision fits any.
type Entry struct {
	From, To Ref
	Exact    bool
}

// ParseRegistry reads a registry file of version 2.
func ParseRegistry(name string, text []byte) (Registry, error) {
	var raw struct {
		Version int
		Flakes  []struct {
			From, To json.RawMessage
			Exact    bool
		}
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("cannot parse flake registry '%s': %v", name, err)
	}
	if raw.Version != 2 {
		return nil, fmt.Errorf("flake registry '%s' has unsupported version %d", name, raw.Version)
	}
	var r Registry
	for _, f := range raw.Flakes {
		e := Entry{Exact: f.Exact}
		for _, side := range []struct {
			text json.RawMessage
			ref  *Ref
		}{{f.From, &e.From}, {f.To, &e.To}} {
			a, err := ParseAttrs(side.text)
			if err == nil {
				*side.ref, err = RefFromAttrs(a)
			}
			if err != nil {
				return nil, fmt.Errorf("cannot parse flake registry '%s': %w", name, err)
			}
		}
		r = append(r, e)
	}
	return r, nil
}

// Find replaces an input by what the registry has for it, until it is something that can be fetched. Dir is the
// directory that the registry names, "" if it names none.
func (r Registry) Find(a Attrs) (found Attrs, dir string, err error) {
	for range 100 {
		next, ok := r.step(a)
		if !ok {
			if a.String("type") == "indirect" {
				return nil, "", fmt.Errorf("cannot find flake '%s' in the flake registries", Ref{Attrs: a})
			}
			return a, dir, nil
		}
		a = next.Attrs
		if next.Dir != "" {
			dir = next.Dir
		}
	}
	return nil, "", fmt.Errorf("cycle detected in flake registry for '%s'", Ref{Attrs: a})
}

func (r Registry) step(a Attrs) (Ref, bool) {
	for _, e := range r {
		if e.From.Attrs.Equal(a) {
			return e.To, true
		}
		if !e.Exact && e.From.Attrs.Equal(a.Without("ref", "rev")) {
			to := e.To
			switch {
			case e.From.Attrs.Has("ref") || e.From.Attrs.Has("rev"):
				continue
			case a.Has("rev") && isForge(to.Attrs.String("type")):
				to.Attrs = to.Attrs.Without("ref").With("rev", a["rev"])
			case a.Has("rev"):
				to.Attrs = to.Attrs.With("rev", a["rev"])
			}
			if a.Has("ref") && (!a.Has("rev") || !isForge(to.Attrs.String("type"))) {
				to.Attrs = to.Attrs.Without("rev").With("ref", a["ref"])
				if a.Has("rev") {
					to.Attrs["rev"] = a["rev"]
				}
			}
			return to, true
		}
	}
	return Ref{}, false
}

// Global is what names stand for everywhere: those of the flake registry of NixOS that flakes use.
var Global = sync.OnceValue(func() Registry {
	var r Registry
	for id, url := range map[string]string{
		"agda":           "github:agda/agda",
		"agenix":         "github:ryantm/agenix",
		"blender-bin":    "github:edolstra/nix-warez?dir=blender",
		"disko":          "github:nix-community/disko",
		"dwarffs":        "github:edolstra/dwarffs",
		"emacs-overlay":  "github:nix-community/emacs-overlay",
		"fenix":          "github:nix-community/fenix",
		"flake-parts":    "github:hercules-ci/flake-parts",
		"flake-utils":    "github:numtide/flake-utils",
		"home-manager":   "github:nix-community/home-manager",
		"hydra":          "github:NixOS/hydra",
		"mach-nix":       "github:DavHau/mach-nix",
		"nix":            "github:NixOS/nix",
		"nix-darwin":     "github:nix-darwin/nix-darwin",
		"nixops":         "github:NixOS/nixops",
		"nixos-hardware": "github:NixOS/nixos-hardware",
		"nixos-homepage": "github:NixOS/nixos-homepage",
		"nixos-search":   "github:NixOS/nixos-search",
		"nixpkgs":        "github:NixOS/nixpkgs/nixpkgs-unstable",
		"nur":            "github:nix-community/NUR",
		"patchelf":       "github:NixOS/patchelf",
		"poetry2nix":     "github:nix-community/poetry2nix",
		"sops-nix":       "github:Mic92/sops-nix",
		"systems":        "github:nix-systems/default",
		"templates":      "github:NixOS/templates",
	} {
		to, err := Parse(url, false)
		if err != nil {
			panic("flake: the global registry: " + err.Error())
		}
		r = append(r, Entry{From: Ref{Attrs: Attrs{"type": "indirect", "id": id}}, To: to})
	}
	return r
})
