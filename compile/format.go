package compile

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// A Format is a tool that takes the network expression.
type Format string

// The formats. Modules of hosts are the same in all; the composition and the names
// of deployment.* differ.
const (
	Muster   Format = "muster"    // for muster: a NixOps network
	NixOps   Format = "nixops"    // NixOps 1.7 and 2
	Morph    Format = "morph"     // morph
	Colmena  Format = "colmena"   // a colmena hive
	Flake    Format = "flake"     // a flake with nixosConfigurations and colmena
	DeployRS Format = "deploy-rs" // that flake, with deploy.nodes besides
)

// Formats returns all formats, Muster first.
func Formats() []Format { return []Format{Muster, NixOps, Morph, Colmena, Flake, DeployRS} }

// inFlake reports whether the format is a flake.
func (f Format) inFlake() bool { return f == Flake || f == DeployRS }

// A format says how to write the network for one tool.
type format struct {
	// deployment returns the options by which the tool reaches a host.
	deployment func(*writer, *schema.Host) *schema.Attrs
	// apart keeps deployment out of the host's module.
	apart bool
	// common returns a module that all hosts import, with its name; may be nil.
	common func() *syntax.Attr
	// write composes the parts.
	write func(*writer, parts) syntax.Expr
}

var formats = map[Format]format{
	"":       {deployment: musterDeployment, write: (*writer).musterNetwork},
	Muster:   {deployment: musterDeployment, write: (*writer).musterNetwork},
	NixOps:   {deployment: nixopsDeployment, write: (*writer).nixopsNetwork},
	Morph:    {deployment: morphDeployment, common: morphModule, write: (*writer).morphNetwork},
	Colmena:  {deployment: colmenaDeployment, write: (*writer).colmenaHive},
	Flake:    {deployment: colmenaDeployment, apart: true, write: (*writer).flake},
	DeployRS: {deployment: colmenaDeployment, apart: true, write: (*writer).deployRSFlake},
}

// reach returns the options that have the same name in all tools.
func reach(h *schema.Host) *schema.Attrs {
	d := &schema.Attrs{At: h.At}
	if o := h.AddressOption; o != nil {
		put(d, schema.Expr{At: o.At, Text: "config." + o.Option}, "targetHost")
	} else if h.Address != "" {
		put(d, schema.String{At: h.PosOf("host"), V: h.Address}, "targetHost")
	}
	if h.Port != 0 {
		put(d, schema.Int{At: h.PosOf("port"), V: int64(h.Port)}, "targetPort")
	}
	if h.User != "" {
		put(d, schema.String{At: h.PosOf("user"), V: h.User}, "targetUser")
	}
	return d
}

func musterDeployment(_ *writer, h *schema.Host) *schema.Attrs {
	d := reach(h)
	put(d, schema.String{At: h.PosOf("host"), V: "none"}, "targetEnv")
	return d
}

// nixopsDeployment leaves out targetUser if it is root: NixOps 1.7, which always
// logs in as root, does not know the option.
func nixopsDeployment(w *writer, h *schema.Host) *schema.Attrs {
	root := *h
	if h.User == "root" {
		root.User = ""
	}
	d := musterDeployment(w, &root)
	w.putSSHOptions(d, h)
	return d
}

func morphDeployment(_ *writer, h *schema.Host) *schema.Attrs {
	d := reach(h)
	if len(h.Tags) > 0 {
		put(d, texts(h.PosOf("tags"), h.Tags), "tags")
	}
	if h.Substitute {
		put(d, schema.Bool{At: h.PosOf("substitute"), V: true}, "substituteOnDestination")
	}
	return d
}

// colmenaDeployment says null for a host without an address: by default, Colmena
// connects to it by its name.
func colmenaDeployment(w *writer, h *schema.Host) *schema.Attrs {
	d := reach(h)
	if h.Address == "" && h.AddressOption == nil {
		put(d, schema.Null{At: h.At}, "targetHost")
	}
	if h.Local {
		put(d, schema.Bool{At: h.PosOf("local"), V: true}, "allowLocalDeployment")
	}
	if len(h.Tags) > 0 {
		put(d, texts(h.PosOf("tags"), h.Tags), "tags")
	}
	if h.BuildOn == schema.BuildTarget {
		put(d, schema.Bool{At: h.PosOf("build_on"), V: true}, "buildOnTarget")
	}
	if h.Care.KeepForeign {
		put(d, schema.Bool{At: h.PosOf("replace_foreign"), V: false}, "replaceUnknownProfiles")
	}
	if words := escalation[h.Privilege]; len(words) > 0 {
		put(d, texts(h.PosOf("privilege"), words), "privilegeEscalationCommand")
	} else if h.Privilege == schema.Command {
		put(d, texts(h.PosOf("privilege"), h.PrivilegeCommand), "privilegeEscalationCommand")
	}
	w.putSSHOptions(d, h)
	return d
}

// escalation are the commands that run the words after them as root, where a tool's own
// sudo does not do.
var escalation = map[schema.Privilege][]string{
	schema.Doas: {"doas", "-n"},
	schema.Run0: {"run0"},
}

// putSSHOptions sets the arguments that ssh gets for a host, unless there are none.
func (w *writer) putSSHOptions(d *schema.Attrs, h *schema.Host) {
	if args := w.sshArgs(h); len(args) > 0 {
		put(d, texts(h.PosOf("jump"), args), "sshOptions")
	}
}

// sshArgs are the arguments that ssh gets for a host, but its port and user.
func (w *writer) sshArgs(h *schema.Host) (args []string) {
	switch h.Jump {
	case "":
	case "none":
		args = append(args, "-o", "ProxyJump=none")
	default:
		args = append(args, "-J", w.jump(h.Jump))
	}
	if h.SSH.AgentForwarding {
		args = append(args, "-A")
	}
	for _, o := range h.SSH.Config() {
		args = append(args, "-o", o.Name+"="+o.Value)
	}
	return args
}

// jump returns a jump host in the notation of ssh -J. It uses the address if the
// jump host is in the fleet.
func (w *writer) jump(via string) string {
	if w.hosts == nil {
		w.hosts = make(map[string]*schema.Host, len(w.fleet.Hosts))
		for _, h := range w.fleet.Hosts {
			w.hosts[h.Name] = h
		}
	}
	h := w.hosts[via]
	if h == nil || h.AddressOption != nil {
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

// musterNetwork writes network.nixpkgs as a tree, which the driver imports.
func (w *writer) musterNetwork(p parts) syntax.Expr {
	about := w.about(w.rollback)
	if tree := w.nixpkgs(); tree != nil {
		about.Bindings = append(about.Bindings, attr("nixpkgs", tree))
	}
	about.Bindings = append(about.Bindings, w.special()...)
	about.Bindings = append(about.Bindings, w.nodeNixpkgs(func(tree syntax.Expr) syntax.Expr { return tree })...)
	about.Bindings = append(about.Bindings, w.flakeSystems()...)
	return let(p.lets(), w.network("network", about, p))
}

// nixopsNetwork writes network.nixpkgs as NixOps 2 wants it: a package set. NixOps
// 1.7 prints all of network, down to derivations, so the set poses as one.
func (w *writer) nixopsNetwork(p parts) syntax.Expr {
	w.cannot(NixOps)
	about := w.about(w.rollback)
	if w.nixpkgs() != nil {
		set := attr("nixpkgs", &syntax.Binary{
			Op: syntax.Update,
			X:  w.packages(w.nixpkgs()),
			Y:  &syntax.Attrs{Bindings: []syntax.Binding{attr("type", str("derivation"))}},
		})
		set.Note = &syntax.Note{Before: []string{
			"For NixOps 2. NixOps 1.7 wants -I nixpkgs=… instead, and prints all of",
			"network down to derivations: the type keeps it from printing nixpkgs.",
		}}
		about.Bindings = append(about.Bindings, set)
	}
	return let(p.lets(), w.network("network", about, p))
}

// morphNetwork sets lib, evalConfig and runCommand and not network.pkgs, with which
// hosts could not configure nixpkgs.
func (w *writer) morphNetwork(p parts) syntax.Expr {
	w.cannot(Morph)
	about := w.about(nil)
	lets := p.lets()
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
		for _, b := range p.lets() {
			lets = append(lets, spaced(b.(*syntax.Attr)))
		}
	}
	return let(lets, w.network("network", about, p))
}

// morphModule undoes the changes that morph makes to systems, so that derivations
// are the same as with other tools.
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
		"Undoes changes of morph that other tools do not make: it adds the list of its",
		"health checks to every system, and sets no nixpkgs.system.",
	}}
	return a
}

// colmenaHive writes a hive.
func (w *writer) colmenaHive(p parts) syntax.Expr {
	w.cannot(Colmena)
	about := w.about(nil)
	about.Bindings = append(about.Bindings, attr("nixpkgs", w.packages(w.nixpkgs())))
	about.Bindings = append(about.Bindings, w.special()...)
	about.Bindings = append(about.Bindings, w.nodeNixpkgs(w.packages)...)
	return let(p.lets(), w.network("meta", about, p))
}

// about returns the metadata of a network. more may add to it.
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

// network returns a set of metadata, defaults and hosts.
func (w *writer) network(head string, about *syntax.Attrs, p parts) *syntax.Attrs {
	set := &syntax.Attrs{Bindings: []syntax.Binding{attr(head, about)}}
	if p.defaults != nil {
		set.Bindings = append(set.Bindings, p.defaultsBinding(p.defaults))
	}
	w.addHosts(set, p.hostBinding)
	return set
}

// defaultsBinding returns the binding of the module of all hosts, with a comment
// that names its position unless the module is a file with one.
func (p parts) defaultsBinding(module syntax.Expr) *syntax.Attr {
	b := spaced(attr("defaults", module))
	b.At = pos(p.defaultsAt)
	if p.defaultsAt.IsValid() && !p.split {
		b.Note.Before = []string{place(p.defaultsAt)}
	}
	return b
}

// hostBinding returns the binding of a host, with a comment that names its
// position unless the host is a file with one.
func (p parts) hostBinding(i int, h *schema.Host) *syntax.Attr {
	b := attr(h.Name, p.module(i, h))
	b.At = pos(h.At)
	b.Note = &syntax.Note{Blank: true, Before: []string{place(h.At)}}
	if p.split {
		b.Note = &syntax.Note{Blank: i == 0}
	}
	return b
}

// let puts bindings before an expression, if there are any.
func let(bindings []syntax.Binding, e syntax.Expr) syntax.Expr {
	if len(bindings) == 0 {
		return e
	}
	return &syntax.Let{Bindings: bindings, Body: e}
}

// packages returns the package set of a tree of nixpkgs, or of <nixpkgs> for none.
func (w *writer) packages(tree syntax.Expr) syntax.Expr {
	return apply(ident("import"), w.tree(tree), systemArgument())
}

// lets are the let bindings of inputs and roles.
func (p parts) lets() []syntax.Binding {
	if len(p.inputs) == 0 {
		return p.roles
	}
	lets := slices.Clone(p.inputs)
	for _, role := range p.roles {
		lets = append(lets, spaced(role.(*syntax.Attr)))
	}
	return lets
}

// systemArgument returns { system = "x86_64-linux"; }.
func systemArgument() *syntax.Attrs { return attrs(attr("system", str(defaultSystem))) }

func (w *writer) flake(p parts) syntax.Expr { return w.flakeFor(Flake, p, flakeMore{}) }

// flakeMore is what a flake has besides the hosts and what colmena reads.
type flakeMore struct {
	inputs, outputs []syntax.Binding
	arguments       []syntax.Formal // of the function outputs
}

// flakeFor writes the hosts once, as modules, and makes all outputs from them.
func (w *writer) flakeFor(format Format, p parts, more flakeMore) syntax.Expr {
	w.cannot(format)
	if n := w.fleet.Nixpkgs; len(n.Patches) > 0 {
		w.fail(n.Patches[0].At, "patches of nixpkgs: the format %s has no words for them", format)
	}
	special := w.special()
	hosts := &syntax.Attrs{}
	w.addHosts(hosts, p.hostBinding)
	meta := attrs(
		attr("description", str(w.fleet.Network.Description)),
		attr("nixpkgs", apply(ident("import"), ident("nixpkgs"), systemArgument())),
	)
	meta.Bindings = append(meta.Bindings, special...)
	hive := &syntax.Attrs{Bindings: []syntax.Binding{
		attr("meta", meta),
		&syntax.Inherit{Names: attrPath("defaults")},
	}}
	w.addHosts(hive, w.hiveEntry)
	defaults := p.defaults
	if defaults == nil {
		defaults = &syntax.Attrs{}
	}
	lets := slices.Clone(p.lets())
	lets = append(lets, p.defaultsBinding(defaults), spaced(attr("hosts", hosts)), spaced(attr("hive", hive)))

	// A nixpkgs among the inputs may be no flake.
	system, formals := ident("nixpkgs.lib.nixosSystem"), []syntax.Formal{{Name: "self"}, {Name: "nixpkgs"}}
	if n := w.fleet.Nixpkgs; n.Input != "" {
		formals = formals[:1]
		nixpkgs := &syntax.Select{At: pos(n.At), X: ident(inputsName), Path: attrPath(n.Input)}
		lets = append([]syntax.Binding{attr("nixpkgs", nixpkgs)}, lets...)
		system = apply(ident("import"), &syntax.Binary{Op: syntax.Add, X: ident("nixpkgs.outPath"), Y: str("/nixos/lib/eval-config.nix")})
	}
	configurations := apply(ident("builtins.mapAttrs"),
		&syntax.Lambda{Param: "name", Body: &syntax.Lambda{Param: "host", Body: apply(system, attrs(
			attr("system", str(defaultSystem)),
			attr("specialArgs", withSpecial(special, attrs(
				&syntax.Inherit{Names: attrPath("name")},
				attr("nodes", ident("self.nixosConfigurations")),
			))),
			attr("modules", &syntax.List{Elems: []syntax.Expr{ident("defaults"), ident("host")}}),
		))}},
		ident("hosts"))

	outputs := &syntax.Lambda{
		Formals: &syntax.Formals{List: append(formals, more.arguments...)},
		Body: &syntax.Let{Bindings: lets, Body: attrs(append([]syntax.Binding{
			attr("nixosConfigurations", configurations),
			spaced(attr("colmena", ident("hive"))),
			evaluatedHive(),
		}, more.outputs...)...)},
	}
	top := attrs(attr("description", str(w.fleet.Network.Description)))
	if w.fleet.Nixpkgs.Input == "" {
		top.Bindings = append(top.Bindings, &syntax.Attr{Path: attrPath("inputs", "nixpkgs", "url"), Value: str(w.flakeURL())})
	}
	top.Bindings = append(top.Bindings, more.inputs...)
	top.Bindings = append(top.Bindings, spaced(attr("outputs", outputs)))
	return top
}

// withSpecial adds arguments to those that the fleet gives all hosts and one.
func withSpecial(special []syntax.Binding, args syntax.Expr) syntax.Expr {
	for _, b := range slices.Backward(special) {
		value := b.(*syntax.Attr).Value
		if b.(*syntax.Attr).Path[0].Name == "nodeSpecialArgs" {
			value = &syntax.Select{X: value, Path: syntax.AttrPath{{Expr: ident("name")}}, Default: attrs()}
		}
		args = &syntax.Binary{Op: syntax.Update, X: value, Y: args}
	}
	return args
}

// hiveEntry returns the binding of a host in the hive of a flake.
func (w *writer) hiveEntry(_ int, h *schema.Host) *syntax.Attr {
	deployment := w.field(nil, schema.Field{At: h.At, Name: "deployment", Value: w.format.deployment(w, h)})
	if h.AddressOption != nil { // config stands for a module's argument
		deployment.Value = &syntax.Let{Bindings: []syntax.Binding{w.configOf(h)}, Body: deployment.Value}
	}
	return attr(h.Name, attrs(
		attr("imports", &syntax.List{Elems: []syntax.Expr{
			&syntax.Select{X: &syntax.Ident{Name: "hosts"}, Path: attrPath(h.Name)},
		}}),
		deployment,
	))
}

// flakeURL returns the fleet's nixpkgs as a flake reference. A path is relative to
// the flake and must be in the same repository.
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

// withHash adds the hash of the tree to a flake reference, if the hash is in the
// notation of flakes.
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
