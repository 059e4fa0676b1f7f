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
// No type of CUE leaves the package, nothing outside the inventory's tree is
// read by it, and the network is never used.
package schema
