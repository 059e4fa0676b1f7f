package compile

import (
	"fmt"
	"path/filepath"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// Options say how a network expression is written.
type Options struct {
	// Dir is the directory the file will stand in, absolute; files of the
	// inventory are named relative to it. "" is the inventory's own directory.
	Dir string
	// Absolute has every file named by its absolute path, for an expression
	// that is evaluated somewhere else.
	Absolute bool
}

// Network returns the network expression of a fleet. The error, a
// [schema.Errors], names every piece of Nix in the inventory that is not Nix;
// a fleet without such pieces always compiles.
func Network(f *schema.Fleet, o Options) (*syntax.File, error) {
	if o.Dir == "" {
		o.Dir = f.Dir
	}
	w := &writer{fleet: f, dir: o.Dir, absolute: o.Absolute, roleIdents: roleIdents(f.Roles)}

	var top []syntax.Binding
	top = append(top, attr("network", w.network()))
	if b := w.module(module{own: &schema.Attrs{}, user: []schema.Module{f.Defaults}}); b != nil {
		top = append(top, spaced(attr("defaults", b)))
	}
	used := map[string]bool{}
	for _, h := range f.Hosts {
		m := w.host(h)
		for _, r := range m.roles {
			used[r] = true
		}
		host := spaced(attr(h.Name, w.module(m)))
		host.At = pos(h.At)
		host.Note.Before = []string{" " + place(h.At)}
		top = append(top, host)
	}

	var expr syntax.Expr = &syntax.Attrs{Bindings: top}
	if lets := w.roles(used); len(lets) > 0 {
		expr = &syntax.Let{Bindings: lets, Body: expr}
	}
	if len(w.errs) > 0 {
		return nil, w.errs
	}
	return &syntax.File{
		Name:    "network.nix",
		Comment: []string{fmt.Sprintf(" Written by muster compile from %s; edit that instead.", strings.Join(w.sources(), ", "))},
		Expr:    expr,
	}, nil
}

// A writer holds what the parts of one network expression share.
type writer struct {
	fleet    *schema.Fleet
	dir      string
	absolute bool
	errs     schema.Errors

	roleIdents map[string]string // the let binding of each role of the user's
}

// place is a position as a comment names it: the same from whatever directory
// muster was called.
func place(p schema.Pos) string {
	p.File = filepath.Base(p.File)
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// sources names the inventory's files as a reader in its directory would.
func (w *writer) sources() []string {
	var names []string
	for _, f := range w.fleet.Files {
		names = append(names, filepath.Base(f))
	}
	return names
}

// network is what the expression says of the fleet as a whole.
func (w *writer) network() syntax.Expr {
	n := w.fleet.Network
	set := &schema.Attrs{}
	put(set, schema.String{V: n.Description}, "description")
	put(set, schema.Bool{V: n.EnableRollback}, "enableRollback")
	e := w.attrs(set).(*syntax.Attrs)
	if p := w.nixpkgs(); p != nil {
		e.Bindings = append(e.Bindings, attr("nixpkgs", p))
	}
	return e
}

// nixpkgs is the tree the fleet is made of; nil for whoever's <nixpkgs>.
func (w *writer) nixpkgs() syntax.Expr {
	n := w.fleet.Nixpkgs
	switch {
	case n.Path != "":
		return w.path(n.At, n.Path)
	case n.Rev != "":
		set := &schema.Attrs{}
		put(set, schema.String{V: n.URL}, "url")
		if n.Hash != "" {
			put(set, schema.String{V: n.Hash}, "sha256")
		}
		return apply(ident("builtins.fetchTarball"), w.attrs(set))
	}
	return nil
}

// path writes the name of a file of the inventory, as seen from the file that
// is being written.
func (w *writer) path(at schema.Pos, name string) syntax.Expr {
	abs := name
	if !filepath.IsAbs(abs) {
		abs = filepath.Join(w.fleet.Dir, name)
	}
	text := abs
	if rel, err := filepath.Rel(w.dir, abs); err == nil && !w.absolute && !filepath.IsAbs(name) {
		switch {
		case rel == ".":
			text = "./."
		case rel == ".." || strings.HasPrefix(rel, "../"):
			text = rel
			if strings.HasSuffix(rel, "..") {
				text += "/."
			}
		default:
			text = "./" + rel
		}
	}
	if plainPath(text) {
		return &syntax.Path{At: pos(at), Parts: []syntax.Part{{Text: text}}}
	}
	// Nix's path syntax has no quoting: start from a path and add a string.
	root, rest := "/.", text
	if !filepath.IsAbs(text) {
		root, rest = "./.", "/"+strings.TrimPrefix(text, "./")
	}
	return &syntax.Binary{
		Op: syntax.Add,
		X:  &syntax.Path{Parts: []syntax.Part{{Text: root}}},
		Y:  str(rest),
	}
}

// plainPath reports whether text can be written as a Nix path literal.
func plainPath(text string) bool {
	if text == "/" || strings.Contains(text, "//") || strings.HasSuffix(text, "/") {
		return false
	}
	for _, r := range text {
		if !strings.ContainsRune("/._-+", r) && !('a' <= r && r <= 'z') && !('A' <= r && r <= 'Z') && !('0' <= r && r <= '9') {
			return false
		}
	}
	return true
}
