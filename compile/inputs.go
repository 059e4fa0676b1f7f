package compile

import (
	_ "embed"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// The inputs of a fleet are two let bindings of the network: the inputs, and the
// function that makes them of a lock file and of pins. Modules find inputs there, or,
// in files of their own, as an argument.
const (
	inputsName   = "inputs"
	inputsMaker  = "musterInputs"
	inputsFile   = "inputs.nix"
	inputsSource = "muster-inputs.nix"
)

//go:embed inputs.nix
var inputsNix string

// inputsText is the function that makes inputs.
func inputsText() syntax.Expr {
	f, err := syntax.ParseFile("inputs.nix", []byte(inputsNix), syntax.Options{})
	if err != nil {
		panic("inputs.nix: " + err.Error())
	}
	return f.Expr
}

// inputs are the let bindings of the inputs, none for a fleet without.
func (w *writer) inputs() []syntax.Binding {
	if !w.fleet.HasInputs() {
		return nil
	}
	if w.files != nil {
		return []syntax.Binding{attr(inputsName, apply(ident("import"), w.sibling(inputsFile)))}
	}
	maker := attr(inputsMaker, inputsText())
	maker.Note = &syntax.Note{Blank: true, Before: []string{"what lock files and pins name, fetched, and flakes evaluated"}}
	return []syntax.Binding{attr(inputsName, apply(ident(inputsMaker), w.inputArguments())), maker}
}

// inputArguments say where inputs are.
func (w *writer) inputArguments() *syntax.Attrs {
	var lock syntax.Expr = ident("null")
	if l := w.fleet.Lock; l != nil {
		lock = w.path(l.At, l.Path)
	}
	pins := &syntax.Attrs{}
	for i := range w.fleet.Inputs {
		if in := &w.fleet.Inputs[i]; in.Pinned() || !w.fleet.Lock.Flake {
			b := attr(in.Name, w.pin(in))
			b.At = pos(in.At)
			pins.Bindings = append(pins.Bindings, b)
		}
	}
	return attrs(attr("self", w.path(schema.Pos{}, ".")), attr("lock", lock), attr("pins", pins))
}

// pin writes one input.
func (w *writer) pin(in *schema.Input) syntax.Expr {
	locked := &syntax.Attrs{}
	for _, w := range in.Reference() {
		locked.Bindings = append(locked.Bindings, attr(w[0], str(w[1])))
	}
	if in.Dir != "" {
		locked.Bindings = append(locked.Bindings, attr("dir", str(in.Dir)))
	}
	if in.Kind == schema.Directory {
		locked.Bindings = append(locked.Bindings, attr("path", w.path(in.At, in.Path)))
	}
	if in.Submodules {
		locked.Bindings = append(locked.Bindings, attr("submodules", ident("true")))
	}
	pin := attrs()
	switch {
	case in.Pinned():
		pin.Bindings = append(pin.Bindings, attr("locked", locked))
	case in.Dir != "":
		pin.Bindings = append(pin.Bindings, attr("dir", str(in.Dir)))
	}
	flake := "false"
	if in.Flake {
		flake = "true"
		follows := &syntax.Attrs{}
		for _, f := range in.Follows {
			path := f.Path
			if len(path) == 0 {
				path = []string{schema.SelfInput}
			}
			list := &syntax.List{}
			for _, name := range path {
				list.Elems = append(list.Elems, str(name))
			}
			follows.Bindings = append(follows.Bindings, attr(f.Name, list))
		}
		if len(follows.Bindings) > 0 {
			pin.Bindings = append(pin.Bindings, attr("follows", follows))
		}
	}
	pin.Bindings = append(pin.Bindings, attr("flake", ident(flake)))
	return pin
}

// inputRef writes an attribute of an input, or a file of its tree.
func (w *writer) inputRef(v schema.InputRef) syntax.Expr {
	input := &syntax.Select{At: pos(v.At), X: ident(inputsName), Path: attrPath(v.Name)}
	switch {
	case v.Path != "":
		input.Path = append(input.Path, attrPath("outPath")...)
		return &syntax.Binary{Op: syntax.Add, X: input, Y: str("/" + v.Path)}
	case v.Attr != "":
		input.Path = append(input.Path, attrPath(strings.Split(v.Attr, ".")...)...)
	}
	return input
}

// special are the arguments that modules get beside those of NixOS: for all hosts,
// and for those whose roles or whose own configuration name more.
func (w *writer) special() []syntax.Binding {
	var bs []syntax.Binding
	all := w.specialArgs(w.fleet.Defaults.SpecialArgs)
	if w.fleet.HasInputs() && !defines(w.fleet.Defaults.SpecialArgs, inputsName) {
		if all == nil {
			all = attrs()
		}
		all.Bindings = append([]syntax.Binding{&syntax.Inherit{Names: attrPath(inputsName)}}, all.Bindings...)
	}
	if all != nil {
		bs = append(bs, attr("specialArgs", w.argumentScope(all, "")))
	}
	nodes := &syntax.Attrs{}
	for _, h := range w.fleet.Hosts {
		var args *schema.Attrs
		for _, m := range w.modulesOf(h) {
			args = overlay(args, m.SpecialArgs)
		}
		if own := w.specialArgs(args); own != nil {
			nodes.Bindings = append(nodes.Bindings, attr(h.Name, w.argumentScope(own, h.Name)))
		}
	}
	if len(nodes.Bindings) > 0 {
		bs = append(bs, attr("nodeSpecialArgs", nodes))
	}
	return bs
}

func defines(a *schema.Attrs, name string) bool {
	return a != nil && slices.ContainsFunc(a.Fields, func(f schema.Field) bool { return f.Name == name })
}

// modulesOf are the modules of the user's own roles that a host has, and its own.
func (w *writer) modulesOf(h *schema.Host) []*schema.Module {
	var ms []*schema.Module
	for _, r := range w.fleet.RolesOf(h) {
		ms = append(ms, &r.Module)
	}
	return append(ms, &h.Module)
}

func (w *writer) specialArgs(a *schema.Attrs) *syntax.Attrs {
	if a == nil {
		return nil
	}
	return w.attrs(a).(*syntax.Attrs)
}

// argumentScope binds the names that special arguments refer to.
func (w *writer) argumentScope(args *syntax.Attrs, host string) syntax.Expr {
	used := map[string]bool{}
	syntax.Walk(args, func(e syntax.Expr) bool {
		if id, ok := e.(*syntax.Ident); ok {
			used[id.Name] = true
		}
		return true
	})
	var lets []syntax.Binding
	if used["name"] && host != "" {
		lets = append(lets, attr("name", str(host)))
	}
	if used["nixpkgs"] {
		lets = append(lets, attr("nixpkgs", w.tree(w.nixpkgs())))
	}
	return let(lets, args)
}

// tree is the tree of a nixpkgs, or <nixpkgs> for none.
func (w *writer) tree(tree syntax.Expr) syntax.Expr {
	if tree == nil {
		return &syntax.SearchPath{Name: "nixpkgs"}
	}
	return tree
}

// ownNixpkgs is the NixOS of a host that has another one than the fleet, of its own or by a
// role; nil for any other.
func (w *writer) ownNixpkgs(h *schema.Host) (own *schema.Nixpkgs) {
	for _, m := range w.modulesOf(h) {
		if m.Nixpkgs != nil {
			own = m.Nixpkgs
		}
	}
	return own
}

// nodeNixpkgs are the trees of hosts that have another NixOS than the fleet.
func (w *writer) nodeNixpkgs(as func(tree syntax.Expr) syntax.Expr) []syntax.Binding {
	nodes := &syntax.Attrs{}
	for _, h := range w.fleet.Hosts {
		if own := w.ownNixpkgs(h); own != nil {
			b := attr(h.Name, as(w.tree(w.nixpkgsTree(*own))))
			b.At = pos(own.At)
			nodes.Bindings = append(nodes.Bindings, b)
		}
	}
	if len(nodes.Bindings) == 0 {
		return nil
	}
	return []syntax.Binding{attr("nodeNixpkgs", nodes)}
}

// flakeSystems are the systems of hosts that flakes and Nix files define.
func (w *writer) flakeSystems() []syntax.Binding {
	systems := &syntax.Attrs{}
	for _, h := range w.fleet.Hosts {
		f := h.Flake
		if f == nil {
			continue
		}
		var whole syntax.Expr
		if f.File == "" {
			whole = apply(ident("builtins.getFlake"), w.flakeRef(f))
		} else {
			whole = apply(ident("import"), w.path(f.At, f.File))
		}
		b := attr(h.Name, &syntax.Select{At: pos(f.At), X: whole, Path: attrPath(f.Attr...)})
		b.At = pos(f.At)
		systems.Bindings = append(systems.Bindings, b)
	}
	if len(systems.Bindings) == 0 {
		return nil
	}
	return []syntax.Binding{attr("systems", systems)}
}

// flakeRef is a reference to the flake of a system. One in a Git repository is that of
// the repository, as for Nix's own commands.
func (w *writer) flakeRef(f *schema.FlakeSystem) syntax.Expr {
	kind, root, query := flakeTree(w.fleet, f)
	if w.absolute || f.Dir == "" || filepath.IsAbs(root) {
		return str(FlakeRef(w.fleet, f))
	}
	ref := &syntax.String{Parts: []syntax.Part{{Text: kind + "://"}, {Expr: apply(ident("toString"), w.path(f.At, root))}}}
	if query != "" {
		ref.Parts = append(ref.Parts, syntax.Part{Text: query})
	}
	return ref
}

// FlakeRef is the reference to the flake of a system, as a network expression with absolute paths has it.
func FlakeRef(fleet *schema.Fleet, f *schema.FlakeSystem) string {
	if f.Dir == "" {
		return f.Ref
	}
	kind, root, query := flakeTree(fleet, f)
	return kind + "://" + (&url.URL{Path: inFleet(fleet, root)}).EscapedPath() + query
}

// flakeTree is the kind of reference, the directory and the query for a flake on this machine.
func flakeTree(fleet *schema.Fleet, f *schema.FlakeSystem) (kind, root, query string) {
	if f.Repo == "" {
		return "path", f.Dir, ""
	}
	if sub, err := filepath.Rel(inFleet(fleet, f.Repo), inFleet(fleet, f.Dir)); err == nil && sub != "." {
		query = "?dir=" + url.QueryEscape(sub)
	}
	return "git+file", f.Repo, query
}

// inFleet is the absolute path of a file of the inventory.
func inFleet(fleet *schema.Fleet, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(fleet.Dir, name)
}

// packageOptions is a module of the nixpkgs configuration and the overlays of a
// module of the inventory, or nil. It is a module of its own so that others may add
// to both.
func (w *writer) packageOptions(m schema.Module) syntax.Expr {
	set := attrs()
	if m.NixpkgsConfig != nil {
		b := &syntax.Attr{At: pos(m.NixpkgsConfig.At), Path: attrPath("nixpkgs", "config"), Value: w.attrs(m.NixpkgsConfig)}
		set.Bindings = append(set.Bindings, b)
	}
	if len(m.Overlays) > 0 {
		list := &syntax.List{At: pos(m.Overlays[0].Pos())}
		for _, v := range m.Overlays {
			e := w.value(v)
			if _, file := v.(schema.Path); file {
				e = apply(ident("import"), e)
			}
			list.Elems = append(list.Elems, e)
		}
		set.Bindings = append(set.Bindings, &syntax.Attr{Path: attrPath("nixpkgs", "overlays"), Value: list})
	}
	if len(set.Bindings) == 0 {
		return nil
	}
	return w.withArguments(set, false)
}

// cannot reports what a format has no words for.
func (w *writer) cannot(format Format) {
	for _, h := range w.fleet.Hosts {
		if h.Flake != nil {
			w.fail(h.Flake.At, "host %s is a system of %s: the format %s has no words for it", h.Name, h.Flake.What(), format)
		}
		for _, m := range w.modulesOf(h) {
			if m.Nixpkgs != nil && format != Colmena {
				w.fail(m.Nixpkgs.At, "nixpkgs of host %s: the format %s has one nixpkgs for all hosts", h.Name, format)
			}
			if m.SpecialArgs != nil && (format == NixOps || format == Morph) {
				w.fail(m.SpecialArgs.At, "special_args of host %s: the format %s has none", h.Name, format)
			}
		}
	}
	if a := w.fleet.Defaults.SpecialArgs; a != nil && (format == NixOps || format == Morph) {
		w.fail(a.At, "special_args: the format %s has none", format)
	}
	if w.files != nil && w.fleet.HasInputs() && (format == NixOps || format == Morph) {
		at := schema.Pos{}
		if len(w.fleet.Inputs) > 0 {
			at = w.fleet.Inputs[0].At
		}
		w.fail(at, "inputs: the format %s passes none to modules in files of their own; write one file", format)
	}
}
