// Package flake knows flake references, lock files and how inputs are found. It computes what Nix 2.34 computes and
// fetches nothing itself.
//
//	Attrs    the attributes of an input, such as { type = "github"; owner = "NixOS"; … }
//	Ref      where a flake is: attributes and a subdirectory; as a URL or as attributes
//	Registry what names such as nixpkgs stand for
//	Lock     flake.lock: the graph of pinned inputs, of versions 5 to 7
//	Resolve  the inputs that flake.nix declares, checked against the lock; what the lock lacks is completed in memory
//
// testdata/flakes holds small flakes with the values that Nix 2.34 gives them; just record-flakes writes these anew.
//
// Package fetch, below, fetches what a Ref points to.
package flake
