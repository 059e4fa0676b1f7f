// Package store has the names and formats of the Nix store: store paths, hashes, derivations, archives and the wire format.
// It computes what Nix computes, byte for byte, and never touches a store itself.
//
//	Path        /nix/store/<digest>-<name>: parsing, and the fingerprints that yield the digest
//	Hash        md5, sha1, sha256 and sha512 in the four spellings Nix accepts
//	Derivation  how to build something: its ATerm text, its outputs' paths, its own path
//	NAR         the archive format: dump, read, restore
//	Wire        what archives and Nix's protocols are made of: words, strings, lists
//
// From a derivation to its path:
//
//	drv := &store.Derivation{Name: "hello", Outputs: map[string]store.Output{"out": {}}, ...}
//	err := drv.FillOutputs(store.NewModulo(readDrv)) // sets the outputs' paths and environment
//	path, err := drv.Path()                          // /nix/store/…-hello.drv
//	text := drv.ATerm()                              // what that file holds
package store
