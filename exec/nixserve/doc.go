// Package nixserve speaks the protocol of `nix-store --serve --write`: it asks a store what it has and fills it with
// what it lacks, over any stream to such a process, local or at the far end of an SSH connection.
//
//	Stream ─ New ─▶ Client ─┬ QueryValidPaths, QueryPathInfos, QueryClosure, BuildPaths …
//	                        └ Send: paths and their archives, pipelined
//	Local store ─ Source ─ Copy ─▶ the closure of some paths, only what the destination lacks, references first
//
// The server handles requests strictly in turn and answers each addition with one word, so a sender never waits: it
// writes request after request while a second goroutine counts the answers. When something is wrong the server writes
// why to standard error and ends; the number of answers tells how far it came.
//
//	dst, err := nixserve.New(ctx, stream) // stream runs `nix-store --serve --write` on the host
//	defer dst.Close()
//	stats, err := nixserve.Copy(ctx, src, dst, []store.Path{system}, nixserve.CopyOptions{})
//
// Paths found valid are locked on the destination for as long as the Client is open: set the profile before closing it.
//
// The protocol is the one of Nix 2.5 and later (version 2.7); Nix documents it in its source only
// (src/libstore/serve-protocol.hh, src/nix-store/nix-store.cc).
package nixserve

// OldestNix is the oldest version of Nix that a host may have.
const OldestNix = "2.4"
