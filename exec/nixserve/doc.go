// Package nixserve speaks the protocol of `nix-store --serve --write`: it asks a store what it has and adds paths to it,
// over any stream to such a process, local or at the far end of an SSH connection.
//
//	Stream ─ New ─▶ Client ─┬ QueryValidPaths, QueryClosure, QueryPathInfos
//	                        └ Send: paths and their archives, pipelined as far as a Window allows
//	CompressedStream ─ NewOneWay ─▶ Client ─ Send: the same to `zstd -d | nix-store --serve --write`
//
// The server handles requests strictly in turn and answers each addition with one word. So a sender does not wait: Send
// writes request after request while a second goroutine reads the answers. When something is wrong the server writes why
// to standard error and ends; the number of answers tells which paths it has registered.
//
//	client, err := nixserve.New(ctx, stream) // stream runs `nix-store --serve --write` on the host
//	defer client.Close()
//	valid, err := client.QueryValidPaths(ctx, paths, true, false)
//	n, err := client.Send(ctx, infos, source.NAR, nil)
//
// Paths that QueryValidPaths locks stay locked for as long as the Client is open: set a profile before closing it.
//
// The protocol is that of Nix 2.4 and later (version 2.7), and what Nix 2.3 has of it (2.5). Nix documents it in its source only
// (src/libstore/serve-protocol.hh, src/nix-store/nix-store.cc).
package nixserve

// OldestNix is the oldest version of Nix that a host may have: copying is tried with
// Nix 2.3.7, 2.8, 2.26 and 2.34 (just test-nix). The protocol has what it takes since
// Nix 2.1.
const OldestNix = "2.3"
