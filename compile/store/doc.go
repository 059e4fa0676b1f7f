// Package store knows how things are named and written down in the Nix store: store paths, hashes, derivations and
// archives. It computes what Nix would compute, byte for byte, and never touches a store itself.
//
//	Path        /nix/store/<digest>-<name>: parsing, and the fingerprints that yield the digest
//	Hash        md5, sha1, sha256 and sha512 in the four spellings Nix accepts
//	Derivation  a build recipe: its ATerm text, its outputs' paths, its own path
//	NAR         the archive format: dump, read, restore
//
// A derivation on its way to its path:
//
//	drv := &store.Derivation{Name: "hello", Outputs: map[string]store.Output{"out": {}}, ...}
//	err := drv.FillOutputs(store.NewModulo(readDrv)) // sets the outputs' paths and environment
//	path, err := drv.Path()                          // /nix/store/…-hello.drv
//	text := drv.ATerm()                              // what that file holds
package store
