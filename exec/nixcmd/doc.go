// Package nixcmd is the nix command line: the only place that starts
// processes outside tests.
//
// A [Nix] evaluates a network expression with nix-instantiate (all hosts in one
// evaluation), builds a derivation with nix-store --realise under a garbage
// collector root, and starts the local nix-store --serve that closures are
// copied from.
//
//	nix, err := nixcmd.Find()
//	results, err := nix.Evaluate(ctx, nixcmd.Network{File: file, Driver: compile.Driver, Hosts: names})
//	out, err := nix.NewBuilder().Realise(ctx, results[0].Value.Drv, root, log)
//
// A [SettingsSource] reads nix.conf, for evaluation without the command line.
//
// The commands are the old ones (nix-instantiate, nix-store): their options have
// been the same since Nix 1. Nix 2.8 and newer are tested.
package nixcmd
