package compile

import (
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
	deployment func(*schema.Host) *schema.Attrs
	// apart keeps deployment out of the host's module.
	apart bool
	write func(*writer, parts) syntax.Expr
}

var formats = map[Format]format{
	"":      {deployment: nixopsDeployment, write: (*writer).nixopsNetwork},
	Muster:  {deployment: nixopsDeployment, write: (*writer).nixopsNetwork},
	NixOps:  {deployment: nixopsDeployment, write: (*writer).nixops2Network},
	Morph:   {deployment: morphDeployment, write: (*writer).morphNetwork},
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

func nixopsDeployment(h *schema.Host) *schema.Attrs {
	d := reach(h)
	put(d, schema.String{At: h.PosOf("host"), V: "none"}, "targetEnv")
	return d
}

func morphDeployment(h *schema.Host) *schema.Attrs {
	d := reach(h)
	if len(h.Tags) > 0 {
		put(d, texts(h.PosOf("tags"), h.Tags), "tags")
	}
	if h.Substitute {
		put(d, schema.Bool{At: h.PosOf("substitute"), V: true}, "substituteOnDestination")
	}
	return d
}

func colmenaDeployment(h *schema.Host) *schema.Attrs {
	d := reach(h)
	if len(h.Tags) > 0 {
		put(d, texts(h.PosOf("tags"), h.Tags), "tags")
	}
	if h.BuildOn == schema.BuildTarget {
		put(d, schema.Bool{At: h.PosOf("build_on"), V: true}, "buildOnTarget")
	}
	return d
}

// nixopsNetwork is muster's own: nixpkgs is a tree, which the driver imports.
func (w *writer) nixopsNetwork(p parts) syntax.Expr {
	return letRoles(p, w.network(p, "network", func(set *schema.Attrs) {
		put(set, schema.Bool{V: w.fleet.Network.EnableRollback}, "enableRollback")
	}, "nixpkgs", w.nixpkgs()))
}

// nixops2Network has nixpkgs as NixOps 2 takes it: the package set.
func (w *writer) nixops2Network(p parts) syntax.Expr {
	return letRoles(p, w.network(p, "network", func(set *schema.Attrs) {
		put(set, schema.Bool{V: w.fleet.Network.EnableRollback}, "enableRollback")
	}, "nixpkgs", w.packages()))
}

func (w *writer) morphNetwork(p parts) syntax.Expr {
	return letRoles(p, w.network(p, "network", nil, "pkgs", w.packages()))
}

func (w *writer) colmenaHive(p parts) syntax.Expr {
	return letRoles(p, w.network(p, "meta", nil, "nixpkgs", w.packages()))
}

// network is a set of what is said of the whole, the defaults and the hosts.
func (w *writer) network(p parts, head string, more func(*schema.Attrs), nixpkgs string, tree syntax.Expr) *syntax.Attrs {
	about := &schema.Attrs{}
	put(about, schema.String{V: w.fleet.Network.Description}, "description")
	if more != nil {
		more(about)
	}
	e := w.attrs(about).(*syntax.Attrs)
	if tree != nil {
		e.Bindings = append(e.Bindings, attr(nixpkgs, tree))
	}
	set := &syntax.Attrs{Bindings: []syntax.Binding{attr(head, e)}}
	if p.defaults != nil {
		set.Bindings = append(set.Bindings, spaced(attr("defaults", p.defaults)))
	}
	set.Bindings = append(set.Bindings, hostBindings(p)...)
	return set
}

func hostBindings(p parts) []syntax.Binding {
	var bs []syntax.Binding
	for _, h := range p.hosts {
		b := spaced(attr(h.host.Name, h.module))
		b.At = pos(h.host.At)
		b.Note.Before = []string{place(h.host.At)}
		bs = append(bs, b)
	}
	return bs
}

// letRoles puts the roles in front of an expression.
func letRoles(p parts, e syntax.Expr) syntax.Expr {
	if len(p.roles) == 0 {
		return e
	}
	return &syntax.Let{Bindings: p.roles, Body: e}
}

// packages is the package set of the fleet's nixpkgs.
func (w *writer) packages() syntax.Expr {
	tree := w.nixpkgs()
	if tree == nil {
		tree = &syntax.SearchPath{Name: "nixpkgs"}
	}
	args := &syntax.Attrs{Bindings: []syntax.Binding{attr("system", str(defaultSystem))}}
	return apply(ident("import"), tree, args)
}

// flake has the hosts once, as modules, and both outputs made of them.
func (w *writer) flake(p parts) syntax.Expr {
	hosts := &syntax.Attrs{}
	hive := &syntax.Attrs{}
	for _, h := range p.hosts {
		b := attr(h.host.Name, h.module)
		b.At = pos(h.host.At)
		b.Note = &syntax.Note{Before: []string{place(h.host.At)}, Blank: len(hosts.Bindings) > 0}
		hosts.Bindings = append(hosts.Bindings, b)

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
	lets = append(lets, spaced(attr("defaults", defaults)), spaced(attr("hosts", hosts)))

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

// flakeURL is the fleet's nixpkgs as a flake reference.
func (w *writer) flakeURL() string {
	n := w.fleet.Nixpkgs
	switch {
	case n.Path != "":
		return "path:" + w.relative(n.Path)
	case n.Rev != "":
		return "github:NixOS/nixpkgs/" + n.Rev
	}
	return "nixpkgs"
}
