// Package compile turns an inventory into Nix.
//
// A [schema.Fleet] goes in, the network expression comes out as a tree of
// package syntax, in the form NixOps made common: an attribute set with
// network, defaults, and one NixOS module a host. Printing the tree gives text
// that a person would have written; nothing is ever pasted together as text.
//
//	fleet, err := schema.Load(ctx, "hosts.toml", schema.Options{})
//	file, err := compile.Network(fleet, compile.Options{})
//	err = syntax.Fprint(os.Stdout, file)
//
// [Network] writes for muster itself and for the tools of [Formats], which
// differ in how the whole is put together (format.go); [Split] writes the same
// as one file a host and one a role.
//
// What a host means in Nix is in node.go, what muster's own roles mean in
// role_kubernetes.go, and how a value of the inventory is written in
// literal.go. Everything first becomes a [schema.Attrs], options and values
// with the places they come from, so that muster's own options and the user's
// are merged in one place and printed by one piece of code.
//
// [Driver] is the Nix expression that turns the network into NixOS systems;
// every evaluator runs that.
package compile
