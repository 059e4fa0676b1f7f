// Package syntax is the Nix language as a tree: positions, expressions, a
// scanner and parser that build the tree from text, and a printer that lays it
// out as nixfmt (the style of RFC 166) leaves it.
//
//	text ── ParseFile ─▶ *File ── Fprint ─▶ text
//
// A tree represents the text and not its meaning: a.b = 1; a.c = 2; are two
// bindings, so that the printer can reproduce what a person wrote. [Merge] merges
// the bindings of a set, [Resolve] finds undefined variables, and [FprintParse]
// prints a tree as nix-instantiate --parse does. Trees contain no parentheses: the
// printer inserts them by precedence. It also escapes strings, so that no text
// becomes code.
//
//	f := &syntax.File{Expr: &syntax.Attrs{Bindings: []syntax.Binding{
//		&syntax.Attr{
//			Path:  syntax.AttrPath{{Name: "networking"}, {Name: "hostName"}},
//			Value: &syntax.String{Parts: []syntax.Part{{Text: "web1"}}},
//		},
//	}}}
//	err := syntax.Fprint(os.Stdout, f) // { networking.hostName = "web1"; }
package syntax
