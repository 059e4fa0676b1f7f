// Package store knows how things in the Nix store are named and written: store paths, hashes, derivations, archives and
// versions. It computes what Nix computes, byte for byte, and never touches a store itself.
//
//	Path        /nix/store/<digest>-<name>: parsing, and the fingerprints that yield the digest
//	Hash        md5, sha1, sha256 and sha512 in the four spellings that Nix accepts
//	Derivation  what to build and how: its ATerm text, the paths of its outputs, its own path
//	NAR         the archive format: reading and writing, from any Files
//	Wire        what archives and protocols are made of: words, strings, lists
//	version.go  names and versions: splitting and comparing them
//
// The path of a derivation is computed like this:
//
//	drv := &store.Derivation{Name: "hello", Outputs: map[string]store.Output{"out": {}}, ...}
//	err := drv.FillOutputs(store.NewModulo(readDrv)) // sets the paths of outputs
//	path, err := drv.Path()                          // /nix/store/…-hello.drv
//	text := drv.ATerm()                              // the content of that file
package store
