// Package syntax is the Nix language as a tree: positions, expressions, a
// scanner and parser that build the tree from text, and a printer that lays it
// out as nixfmt (the style of RFC 166) leaves it.
//
//	text ── ParseFile ─▶ *File ── Fprint ─▶ text
//
// A tree says what was written, not what it means: a.b = 1; a.c = 2; stays two
// bindings, so that the printer can give back what a person wrote.
// [Merge] says what a set's bindings amount to, [Resolve] which variables nothing
// defines; [FprintParse] prints both as nix-instantiate --parse does.
// Trees never hold a parenthesis: the printer inserts them where precedence
// asks for them, and escapes strings so that no text becomes code.
//
//	f := &syntax.File{Expr: &syntax.Attrs{Bindings: []syntax.Binding{
//		&syntax.Attr{
//			Path:  syntax.AttrPath{{Name: "networking"}, {Name: "hostName"}},
//			Value: &syntax.String{Parts: []syntax.Part{{Text: "web1"}}},
//		},
//	}}}
//	err := syntax.Fprint(os.Stdout, f) // { networking.hostName = "web1"; }
package syntax
