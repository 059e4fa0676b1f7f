// Package compile turns an inventory into Nix.
//
// Its input is a [schema.Fleet]. Its output is the network expression as a tree of
// package syntax, in the form that NixOps introduced: an attribute set with
// network, defaults, and one NixOS module per host. The printed tree reads as if
// written by hand. No Nix is assembled from text.
//
//	fleet, err := schema.Load(ctx, "hosts.toml", schema.Options{})
//	file, err := compile.Network(fleet, compile.Options{})
//	err = syntax.Fprint(os.Stdout, file)
//
// The flow:
//
//	Host, Role ─ node.go role_kubernetes.go ─▶ module of options ─ literal.go ─▶ Nix module ─ format.go ─▶ network expression
//
// Options are a [schema.Attrs], with the position of every value in the inventory,
// until muster's own and the user's are merged; then one piece of code writes them
// as Nix. [Network] writes for muster and for the tools of [Formats], which differ
// only in format.go. [Split] writes one file per host and per role instead.
//
// [Driver] is the Nix function that turns a network into NixOS systems. All
// evaluators apply it.
package compile
