// Package schema is the inventory: what a fleet is, read from hosts.cue,
// hosts.toml, hosts.yaml or hosts.json, and checked.
//
// Every inventory goes the same way, whatever it is written in:
//
//	text ─ toml.go json.go yaml.go cue.go ─▶ tree ─ shape.go ─▶ tree, checked ─ decode.go nix.go ─▶ Fleet ─ check.go ─▶ Fleet
//
// The readers make a tree of plain nodes, each with the place it was written
// at. CUE is evaluated for what the user wrote in it; whether the result is an
// inventory is decided on the tree, by the shape that schema.cue describes, so
// that all problems come at once and in the same words for every language.
// What concerns the fleet as a whole is checked in Go.
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
// A directory with hosts.cue, or with CUE files of one package, is that
// package: files of the same package in it and, up to the directory with
// cue.mod, in those above it are one inventory. So logical and physical halves
// of a fleet may be files side by side, and staging and production directories
// below what they share. A CUE file given by name stands for its package; one
// that names no package stands alone. In a directory without CUE it is
// hosts.toml, hosts.yaml, hosts.yml or hosts.json, the first there is.
//
// Other files of data are taken in by CUE's own means, and keep their places:
//
//	@extern(embed)
//	package fleet
//	_terraform: _ @embed(file=terraform.json)
//	hosts: gate: host: _terraform.gate_ip.value
//
// The page [NixInCUE] says how values that are more than data are written.
//
// # Limits
//
// No type of CUE leaves the package, nothing outside the inventory's tree is
// read by it, links included, and the network is never used. Files, nesting and
// what aliases expand to are limited, and so are the time and memory CUE may
// take. CUE cannot be told to stop, though: an evaluation that is given up goes
// on until the program ends, which should be soon.
package schema
