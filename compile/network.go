package compile

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// Options say how a network expression is written.
type Options struct {
	// Format is the tool to write for; "" means muster.
	Format Format
	// Dir is the absolute path of the directory that the file will be in. Paths
	// in the file are relative to it. "" means the inventory's directory.
	Dir string
	// Absolute makes all paths in the file absolute, for an expression that is
	// evaluated in another directory.
	Absolute bool
}

// Network returns the network expression of a fleet. It fails only if Nix text in
// the inventory is invalid; the error is a [schema.Errors] with all such texts.
func Network(f *schema.Fleet, o Options) (*syntax.File, error) {
	w := newWriter(f, o)
	expr := w.format.write(w, w.parts())
	if err := w.failed(); err != nil {
		return nil, err
	}
	return w.file("network.nix", expr), nil
}

// Text returns the text of the [Network] of a fleet, in parts. It takes far less
// memory: a host's part of the tree is made when it is printed, and dropped.
func Text(f *schema.Fleet, o Options) ([][]byte, error) {
	w := newWriter(f, o)
	w.rest = map[*syntax.Attrs]syntax.Bindings{}
	var text pages
	err := syntax.Fprint(&text, w.file("network.nix", w.format.write(w, w.parts())))
	return text, cmp.Or(w.failed(), err)
}

// pages are what was written to them.
type pages [][]byte

func (p *pages) Write(data []byte) (int, error) {
	*p = append(*p, bytes.Clone(data))
	return len(data), nil
}

// failed returns the errors in the order of the inventory, or nil.
func (w *writer) failed() error {
	if len(w.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(w.errs, func(a, b *schema.Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return w.errs
}

func newWriter(f *schema.Fleet, o Options) *writer {
	if o.Dir == "" {
		o.Dir = f.Dir
	}
	f = withSystems(f)
	return &writer{
		fleet:      f,
		root:       o.Dir,
		dir:        o.Dir,
		absolute:   o.Absolute,
		format:     formats[o.Format],
		roleIdents: roleIdents(f.Roles),
		notes:      map[any]*syntax.Note{},
	}
}

// withSystems is the fleet of the hosts that are NixOS.
func withSystems(f *schema.Fleet) *schema.Fleet {
	without := func(h *schema.Host) bool { return h.NoSystem }
	if !slices.ContainsFunc(f.Hosts, without) {
		return f
	}
	those := *f
	those.Hosts = slices.DeleteFunc(slices.Clone(f.Hosts), without)
	return &those
}

// Header is the beginning of the first line of every file.
const Header = "Written by muster compile"

// file returns a file of the network with a first line that names its sources.
func (w *writer) file(name string, e syntax.Expr) *syntax.File {
	var sources []string
	for _, f := range w.fleet.Files {
		sources = append(sources, filepath.Base(f))
	}
	return &syntax.File{
		Name:    name,
		Comment: []string{fmt.Sprintf(Header+" from %s; edit that instead.", strings.Join(sources, ", "))},
		Expr:    e,
		Notes:   w.notes,
		Rest:    w.rest,
	}
}

// parts are what all formats are composed of.
type parts struct {
	inputs   []syntax.Binding // let bindings of the inputs
	roles    []syntax.Binding // let bindings, one per role in use
	defaults syntax.Expr      // the module of all hosts; may be nil
	split    bool             // defaults and hosts are paths of files

	defaultsAt schema.Pos

	// module returns the module of host i of the fleet.
	module func(i int, h *schema.Host) syntax.Expr
}

// parts writes the modules of the fleet.
func (w *writer) parts() parts {
	all := module{own: &schema.Attrs{}, user: []schema.Module{w.fleet.Defaults}}
	p := parts{defaultsAt: w.fleet.DefaultsAt, inputs: w.inputs()}
	if w.format.common != nil {
		common := w.format.common()
		all.roles = []string{common.Path[0].Name}
		p.roles = []syntax.Binding{common}
	}
	p.defaults = w.module(all)

	p.module = w.hostModule

	used := map[string]bool{}
	for _, h := range w.fleet.Hosts {
		for _, r := range w.roleNames(h) {
			used[r] = true
		}
	}
	w.enter("roles")
	for _, role := range w.roles(used) {
		if len(p.roles) > 0 {
			spaced(role.(*syntax.Attr))
		}
		p.roles = append(p.roles, role)
	}
	w.enter("")
	return p
}

// hostModule writes the module of a host.
func (w *writer) hostModule(_ int, h *schema.Host) syntax.Expr {
	m := w.host(h)
	if !w.format.apart && h.Flake == nil {
		own := &schema.Attrs{At: h.At}
		own.Fields = append(own.Fields, schema.Field{At: h.At, Name: "deployment", Value: w.format.deployment(w, h)})
		own.Fields = append(own.Fields, m.own.Fields...)
		m.own = own
	}
	if module := w.module(m); module != nil {
		return module
	}
	return &syntax.Attrs{}
}

// addHosts adds a binding for each host to a set: now, or when the set is printed.
func (w *writer) addHosts(set *syntax.Attrs, binding func(int, *schema.Host) *syntax.Attr) {
	if w.rest == nil || len(w.fleet.Hosts) == 0 {
		for i, h := range w.fleet.Hosts {
			set.Bindings = append(set.Bindings, binding(i, h))
		}
		return
	}
	dir := w.dir
	w.rest[set] = func(yield func(syntax.Binding, map[any]*syntax.Note) bool) {
		w.dir = dir
		for i, h := range w.fleet.Hosts {
			w.notes = map[any]*syntax.Note{}
			if !yield(binding(i, h), w.notes) {
				return
			}
		}
	}
}

// A writer writes one network expression.
type writer struct {
	fleet    *schema.Fleet
	root     string // directory of the network
	dir      string // directory of the file being written
	absolute bool
	files    map[string]string // files of shared modules, relative to root; nil unless split
	format   format
	errs     schema.Errors
	notes    map[any]*syntax.Note              // comments of Nix in the inventory
	rest     map[*syntax.Attrs]syntax.Bindings // hosts that are written when they are printed; nil to write all now

	roleIdents map[string]string       // let binding of each of the user's roles
	sites      map[string]string       // of hosts; nil until one is looked for
	hosts      map[string]*schema.Host // by name; nil until a jump host is looked for
}

// place returns a position for a comment. It has no directory, so that the output
// does not depend on where muster runs.
func place(p schema.Pos) string {
	p.File = filepath.Base(p.File)
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// nixpkgs returns the tree of the fleet's nixpkgs, or nil for <nixpkgs>.
func (w *writer) nixpkgs() syntax.Expr { return w.nixpkgsTree(w.fleet.Nixpkgs) }

func (w *writer) nixpkgsTree(n schema.Nixpkgs) syntax.Expr {
	if len(n.Patches) > 0 {
		return w.patched(n)
	}
	return w.plainTree(n)
}

// plainTree is the tree of a nixpkgs without patches.
func (w *writer) plainTree(n schema.Nixpkgs) syntax.Expr {
	switch {
	case n.Input != "":
		return &syntax.Select{At: pos(n.At), X: ident(inputsName), Path: attrPath(n.Input, "outPath")}
	case n.Path != "":
		return w.path(n.At, n.Path)
	case n.Rev != "":
		set := &schema.Attrs{}
		put(set, schema.String{V: n.Archive()}, "url")
		if n.Hash != "" {
			put(set, schema.String{V: n.Hash}, "sha256")
		}
		return apply(ident("builtins.fetchTarball"), w.attrs(set))
	}
	return nil
}

// path returns the path of a file of the inventory for the file being written.
func (w *writer) path(at schema.Pos, name string) syntax.Expr {
	text := w.relative(name)
	if plainPath(text) {
		return &syntax.Path{At: pos(at), Parts: []syntax.Part{{Text: text}}}
	}
	// Nix's path literals have no quoting, so append a string to a path.
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

// relative returns the name of a file relative to the file being written, unless
// paths are absolute. It begins with a slash or a dot.
func (w *writer) relative(name string) string {
	abs := inFleet(w.fleet, name)
	rel, err := filepath.Rel(w.dir, abs)
	switch {
	case err != nil || w.absolute || filepath.IsAbs(name):
		return abs
	case rel == ".":
		return "./."
	case rel == ".." || strings.HasSuffix(rel, "/.."):
		return rel + "/."
	case strings.HasPrefix(rel, "../"):
		return rel
	}
	return "./" + rel
}

// plainPath reports whether text is valid as a path literal of Nix.
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
