// Package schema reads and checks inventories: hosts.cue, hosts.toml, hosts.yaml or
// hosts.json, which say what a fleet is. [Load] does all of it.
//
// The steps are the same for all languages:
//
//	text ─ cueload.go toml.go json.go yaml.go ─▶ tree ─ shape.go ─▶ checked tree ─ decode.go nix.go ─▶ Fleet ─ check.go ─▶ checked Fleet
//
// A reader turns text into a tree of nodes, each with its position. For CUE it
// evaluates the user's text, without the schema. The shape, compiled from
// schema.cue, then checks the tree, so that all problems are found at once and
// described in the same words for every language. The decoder fills in defaults.
// The checker knows the rules about the whole fleet.
//
//	fleet, err := schema.Load(ctx, "hosts.toml", schema.Options{})
//	if problems := (schema.Errors)(nil); errors.As(err, &problems) {
//		for _, p := range problems {
//			fmt.Println(p) // hosts.toml:4:8: hosts.il.host: got …
//		}
//	}
//
// # What is read
//
// A directory with hosts.cue, or with CUE files of one package, is read as that
// package: the files of the package in the directory and in its parents, up to the
// one with cue.mod, are one inventory. So the logical and the physical half of a
// fleet may be files side by side, and staging and production may be directories
// below what they share. Naming a CUE file means its package; a file without a
// package clause is read alone. A directory without CUE is read from the first of
// hosts.toml, hosts.yaml, hosts.yml and hosts.json that exists.
//
// CUE embeds other data files, whose values keep their positions:
//
//	@extern(embed)
//	package fleet
//	_terraform: _ @embed(file=terraform.json)
//	hosts: gate: host: _terraform.gate_ip.value
//
// The page [NixInCUE] describes how to write values that are more than data.
//
// # Limits
//
// No type of CUE leaves the package. It reads nothing outside the inventory's
// directory tree, not even through symbolic links, and never uses the network. It
// limits the size of files, nesting, the expansion of aliases, and the time and the
// memory that CUE may take. Since CUE cannot be cancelled, an abandoned evaluation
// keeps running until the program exits.
//
// The package sets no switch of the process. The CUE library reads the environment
// variables CUE_EXPERIMENT and CUE_DEBUG when it is first used; a program that must
// not depend on them removes them before.
package schema
