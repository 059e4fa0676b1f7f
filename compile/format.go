package compile

import (
	"net/url"
	"strconv"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// A Format is a tool that takes the network expression.
type Format string

// The formats. All say the same of every host; they differ in how the whole is
// put together and in what deployment.* is called.
const (
	Muster  Format = "muster"  // muster's own, a NixOps network
	NixOps  Format = "nixops"  // NixOps 1.7 and 2
	Morph   Format = "morph"   // morph
	Colmena Format = "colmena" // a colmena hive
	Flake   Format = "flake"   // a flake with nixosConfigurations and colmena
)

// Formats lists the formats, muster's own first.
func Formats() []Format { return []Format{Muster, NixOps, Morph, Colmena, Flake} }

type format struct {
	// deployment is what the tool wants to know about reaching a host.
	deployment func(*schema.Fleet, *schema.Host) *schema.Attrs
	// apart keeps deployment out of the host's module.
	apart bool
	// common is a module that every host imports, bound to its name.
	common func() *syntax.Attr
	write  func(*writer, parts) syntax.Expr
}

var formats = map[Format]format{
	"":      {deployment: musterDeployment, write: (*writer).musterNetwork},
	Muster:  {deployment: musterDeployment, write: (*writer).musterNetwork},
	NixOps:  {deployment: nixopsDeployment, write: (*writer).nixopsNetwork},
	Morph:   {deployment: morphDeployment, common: morphModule, write: (*writer).morphNetwork},
	Colmena: {deployment: colmenaDeployment, write: (*writer).colmenaHive},
	Flake:   {deployment: colmenaDeployment, apart: true, write: (*writer).flake},
}

// reach is what every tool calls the same.
func reach(h *schema.Host) *schema.Attrs {
	d := &schema.Attrs{At: h.At}
	put(d, schema.String{At: h.PosOf("host"), V: h.Address}, "targetHost")
	if h.Port != 0 {
		put(d, schema.Int{At: h.PosOf("port"), V: int64(h.Port)}, "targetPort")
	}
	if h.User != "" {
		put(d, schema.String{At: h.PosOf("user"), V: h.User}, "targetUser")
	}
	return d
}

func musterDeployment(_ *schema.Fleet, h *schema.Host) *schema.Attrs {
	d := reach(h)
	put(d, schema.String{At: h.PosOf("host"), V: "none"}, "targetEnv")
	return d
}

// nixopsDeployment says nothing that NixOps 1.7 does not know where it can be
// left out: that logs in as root and knows no other user.
func nixopsDeployment(f *schema.Fleet, h *schema.Host) *schema.Attrs {
	root := *h
	if h.User == "root" {
		root.User = ""
	}
	d := musterDeployment(f, &root)
	putJump(d, f, h)
	return d
}

func morphDeployment(_ *schema.Fleet, h *schema.Host) *schema.Attrs {
	d := reach(h)
	if len(h.Tags) > 0 {
		put(d, texts(h.PosOf("tags"), h.Tags), "tags")
	}
	if h.Substitute {
		put(d, schema.Bool{At: h.PosOf("substitute"), V: true}, "substituteOnDestination")
	}
	return d
}

func colmenaDeployment(f *schema.Fleet, h *schema.Host) *schema.Attrs {
	d := reach(h)
	if len(h.Tags) > 0 {
		put(d, texts(h.PosOf("tags"), h.Tags), "tags")
	}
	if h.BuildOn == schema.BuildTarget {
		put(d, schema.Bool{At: h.PosOf("build_on"), V: true}, "buildOnTarget")
	}
	putJump(d, f, h)
	return d
}

// putJump says how ssh gets to a host that is behind another.
func putJump(d *schema.Attrs, f *schema.Fleet, h *schema.Host) {
	if h.Jump == "" {
		return
	}
	put(d, texts(h.PosOf("jump"), []string{"-J", jump(f, h.Jump)}), "sshOptions")
}

// jump is a host to go through as ssh -J has it: where it is a host of the
// fleet, by its address.
func jump(f *schema.Fleet, via string) string {
	h := f.Host(via)
	if h == nil {
		return via
	}
	to := h.Address
	if strings.Contains(to, ":") {
		to = "[" + to + "]"
	}
	if h.User != "" {
		to = h.User + "@" + to
	}
	if h.Port != 0 {
		to += ":" + strconv.Itoa(h.Port)
	}
	return to
}

// musterNetwork has nixpkgs as a tree, which the driver imports.
func (w *writer) musterNetwork(p parts) syntax.Expr {
	about := w.about(w.rollback)
	if tree := w.nixpkgs(); tree != nil {
		about.Bindings = append(about.Bindings, attr("nixpkgs", tree))
	}
	return let(p.roles, network("network", about, p))
}

// nixopsNetwork has nixpkgs as NixOps 2 takes it, the package set. NixOps 1.7
// writes all of network down, which would be all of nixpkgs; it stops at what
// seems to be a derivation.
func (w *writer) nixopsNetwork(p parts) syntax.Expr {
	about := w.about(w.rollback)
	if w.nixpkgs() != nil {
		set := attr("nixpkgs", &syntax.Binary{
			Op: syntax.Update,
			X:  w.packages(),
			Y:  &syntax.Attrs{Bindings: []syntax.Binding{attr("type", str("derivation"))}},
		})
		set.Note = &syntax.Note{Before: []string{
			"For NixOps 2. NixOps 1.7 is told with -I nixpkgs=…; its listing of the",
			"network stops at a derivation, and is spared all of nixpkgs.",
		}}
		about.Bindings = append(about.Bindings, set)
	}
	return let(p.roles, network("network", about, p))
}

// morphNetwork gives morph its parts of nixpkgs one by one: with network.pkgs
// all hosts would have that one package set, whatever they say of nixpkgs.
func (w *writer) morphNetwork(p parts) syntax.Expr {
	about := w.about(nil)
	lets := p.roles
	if tree := w.nixpkgs(); tree != nil {
		below := func(path string) syntax.Expr {
			return &syntax.Binary{Op: syntax.Add, X: ident("nixpkgs"), Y: str(path)}
		}
		about.Bindings = append(about.Bindings,
			attr("lib", apply(ident("import"), below("/lib"))),
			attr("evalConfig", below("/nixos/lib/eval-config.nix")),
			&syntax.Inherit{
				From:  apply(ident("import"), ident("nixpkgs"), systemArgument()),
				Names: attrPath("runCommand"),
			})
		lets = []syntax.Binding{attr("nixpkgs", tree)}
		for _, role := range p.roles {
			lets = append(lets, spaced(role.(*syntax.Attr)))
		}
	}
	return let(lets, network("network", about, p))
}

// morphModule undoes what makes morph's systems others than everybody's.
func morphModule() *syntax.Attr {
	e, err := syntax.ParseExpr(`
		{ lib, ... }:
		{
		  options.system.extraDependencies = lib.mkOption {
		    apply = builtins.filter (path: path.name or "" != "healthcheck-commands.txt");
		  };
		  config.nixpkgs.system = lib.mkDefault "` + defaultSystem + `";
		}`)
	if err != nil {
		panic("compile: morph's module: " + err.Error())
	}
	a := attr("plainSystem", e)
	a.Note = &syntax.Note{Before: []string{
		"What morph does unlike others: it adds the list of its health checks to",
		"every system, and leaves open what kind of machine it is for.",
	}}
	return a
}

func (w *writer) colmenaHive(p parts) syntax.Expr {
	about := w.about(nil)
	about.Bindings = append(about.Bindings, attr("nixpkgs", w.packages()))
	return let(p.roles, network("meta", about, p))
}

// about is what a network says of itself.
func (w *writer) about(more func(*schema.Attrs)) *syntax.Attrs {
	about := &schema.Attrs{}
	put(about, schema.String{V: w.fleet.Network.Description}, "description")
	if more != nil {
		more(about)
	}
	return w.attrs(about).(*syntax.Attrs)
}

func (w *writer) rollback(about *schema.Attrs) {
	put(about, schema.Bool{V: w.fleet.Network.EnableRollback}, "enableRollback")
}

// network is a set of what is said of the whole, the defaults and the hosts.
func network(head string, about *syntax.Attrs, p parts) *syntax.Attrs {
	set := &syntax.Attrs{Bindings: []syntax.Binding{attr(head, about)}}
	if p.defaults != nil {
		set.Bindings = append(set.Bindings, p.defaultsBinding(p.defaults))
	}
	set.Bindings = append(set.Bindings, hostBindings(p)...)
	return set
}

// defaultsBinding is the module of all hosts, with where it comes from where
// that is not said in a file of its own.
func (p parts) defaultsBinding(module syntax.Expr) *syntax.Attr {
	b := spaced(attr("defaults", module))
	b.At = pos(p.defaultsAt)
	if p.defaultsAt.IsValid() && !p.split {
		b.Note.Before = []string{place(p.defaultsAt)}
	}
	return b
}

// hostBindings are the hosts by name. A host that is a file of its own says
// there where it comes from.
func hostBindings(p parts) []syntax.Binding {
	var bs []syntax.Binding
	for i, h := range p.hosts {
		b := attr(h.host.Name, h.module)
		b.At = pos(h.host.At)
		b.Note = &syntax.Note{Blank: true, Before: []string{place(h.host.At)}}
		if p.split {
			b.Note = &syntax.Note{Blank: i == 0}
		}
		bs = append(bs, b)
	}
	return bs
}

// let puts bindings in front of an expression.
func let(bindings []syntax.Binding, e syntax.Expr) syntax.Expr {
	if len(bindings) == 0 {
		return e
	}
	return &syntax.Let{Bindings: bindings, Body: e}
}

// packages is the package set of the fleet's nixpkgs.
func (w *writer) packages() syntax.Expr {
	tree := w.nixpkgs()
	if tree == nil {
		tree = &syntax.SearchPath{Name: "nixpkgs"}
	}
	return apply(ident("import"), tree, systemArgument())
}

// systemArgument is { system = "x86_64-linux"; }.
func systemArgument() *syntax.Attrs {
	return &syntax.Attrs{Bindings: []syntax.Binding{attr("system", str(defaultSystem))}}
}

// flake has the hosts once, as modules, and both outputs made of them.
func (w *writer) flake(p parts) syntax.Expr {
	hosts := &syntax.Attrs{Bindings: hostBindings(p)}
	if len(hosts.Bindings) > 0 {
		hosts.Bindings[0].(*syntax.Attr).Note.Blank = false
	}
	hive := &syntax.Attrs{}
	for _, h := range p.hosts {
		hive.Bindings = append(hive.Bindings, attr(h.host.Name, &syntax.Attrs{Bindings: []syntax.Binding{
			attr("imports", &syntax.List{Elems: []syntax.Expr{
				&syntax.Select{X: &syntax.Ident{Name: "hosts"}, Path: attrPath(h.host.Name)},
			}}),
			w.field(nil, schema.Field{At: h.host.At, Name: "deployment", Value: h.deployment}),
		}}))
	}
	defaults := p.defaults
	if defaults == nil {
		defaults = &syntax.Attrs{}
	}
	lets := append([]syntax.Binding(nil), p.roles...)
	lets = append(lets, p.defaultsBinding(defaults), spaced(attr("hosts", hosts)))

	system := func(args ...syntax.Binding) *syntax.Attrs { return &syntax.Attrs{Bindings: args} }
	configurations := apply(ident("builtins.mapAttrs"),
		&syntax.Lambda{Param: "name", Body: &syntax.Lambda{Param: "host", Body: apply(ident("nixpkgs.lib.nixosSystem"), system(
			attr("system", str(defaultSystem)),
			attr("specialArgs", system(
				&syntax.Inherit{Names: attrPath("name")},
				attr("nodes", ident("self.nixosConfigurations")),
			)),
			attr("modules", &syntax.List{Elems: []syntax.Expr{ident("defaults"), ident("host")}}),
		))}},
		ident("hosts"))

	meta := system(
		attr("description", str(w.fleet.Network.Description)),
		attr("nixpkgs", apply(ident("import"), ident("nixpkgs"), system(attr("system", str(defaultSystem))))),
	)
	hiveHead := []syntax.Binding{attr("meta", meta), &syntax.Inherit{Names: attrPath("defaults")}}
	hive.Bindings = append(hiveHead, hive.Bindings...)

	outputs := &syntax.Lambda{
		Formals: &syntax.Formals{List: []syntax.Formal{{Name: "self"}, {Name: "nixpkgs"}}},
		Body: &syntax.Let{Bindings: lets, Body: system(
			attr("nixosConfigurations", configurations),
			spaced(attr("colmena", hive)),
		)},
	}
	top := system(attr("description", str(w.fleet.Network.Description)))
	top.Bindings = append(top.Bindings,
		&syntax.Attr{Path: attrPath("inputs", "nixpkgs", "url"), Value: str(w.flakeURL())},
		spaced(attr("outputs", outputs)))
	return top
}

// flakeURL is the fleet's nixpkgs as a flake reference. A tree beside the
// inventory is relative to the flake: Nix finds it in the same repository.
func (w *writer) flakeURL() string {
	n := w.fleet.Nixpkgs
	switch {
	case n.Path != "":
		return "path:" + w.relative(n.Path)
	case n.URL != "":
		return withHash("tarball+"+n.URL, n.Hash)
	case n.Rev != "":
		return withHash("github:NixOS/nixpkgs/"+n.Rev, n.Hash)
	}
	return "nixpkgs"
}

// withHash adds the hash of the tree to a flake reference, where it is written
// as flakes do.
func withHash(ref, hash string) string {
	if !strings.HasPrefix(hash, "sha256-") {
		return ref
	}
	before := "?"
	if strings.Contains(ref, "?") {
		before = "&"
	}
	return ref + before + "narHash=" + url.QueryEscape(hash)
}
