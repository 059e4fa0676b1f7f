package compile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// A module is the content of one NixOS module of the network.
type module struct {
	roles []string        // names of the let-bound modules it imports
	own   *schema.Attrs   // options that muster sets
	user  []schema.Module // configuration of the inventory; a later one overrides
}

// host returns the module of a host.
func (w *writer) host(h *schema.Host) module {
	own := &schema.Attrs{At: h.At}
	text := func(field, s string) schema.String { return schema.String{At: h.PosOf(field), V: s} }

	// A flake says these itself.
	if h.Flake == nil {
		name, domain, _ := strings.Cut(h.Name, ".")
		put(own, schema.String{At: h.At, V: name}, "networking", "hostName")
		if domain != "" {
			put(own, schema.Mark{At: h.At, Kind: schema.Default, Values: []schema.Value{schema.String{At: h.At, V: domain}}}, "networking", "domain")
		}
	}
	if h.System != "" && (h.System != defaultSystem || h.Cross != "") {
		put(own, text("system", h.System), "nixpkgs", "hostPlatform")
	}
	if h.Cross != "" {
		put(own, text("cross", h.Cross), "nixpkgs", "buildPlatform")
	}
	if h.DiskUUID != "" {
		put(own, text("disk_uuid", "/dev/disk/by-uuid/"+h.DiskUUID), "fileSystems", "/", "device")
		put(own, text("disk_uuid", "ext4"), "fileSystems", "/", "fsType")
	}
	for _, fs := range h.FileSystems {
		put(own, schema.String{At: fs.At, V: fs.Device}, "fileSystems", fs.MountPoint, "device")
		if fs.FSType != "" {
			put(own, schema.String{At: fs.At, V: fs.FSType}, "fileSystems", fs.MountPoint, "fsType")
		}
		if len(fs.Options) > 0 {
			put(own, texts(fs.At, fs.Options), "fileSystems", fs.MountPoint, "options")
		}
		if fs.NeededForBoot {
			put(own, schema.Bool{At: fs.At, V: true}, "fileSystems", fs.MountPoint, "neededForBoot")
		}
	}
	var bootDisks []schema.Value
	for _, d := range h.Disks {
		if d.Boot {
			bootDisks = append(bootDisks, schema.String{At: d.At, V: d.Device})
		}
	}
	if len(bootDisks) > 0 {
		put(own, schema.List{At: h.PosOf("disks"), Elems: bootDisks}, "boot", "loader", "grub", "devices")
	}
	if h.Install.Disko {
		disko(own, h)
	}
	for _, d := range h.Disks {
		for i, p := range d.Partitions {
			if p.Encrypt != "" {
				put(own, schema.String{At: p.At, V: d.Part(i)}, "boot", "initrd", "luks", "devices", d.Mapper(i), "device")
			}
		}
	}
	if len(h.Swap) > 0 {
		var swaps []schema.Value
		for _, s := range h.Swap {
			swap := &schema.Attrs{At: s.At}
			put(swap, schema.String{At: s.At, V: s.Device}, "device")
			if s.Size > 0 {
				put(swap, schema.Int{At: s.At, V: int64(s.Size)}, "size")
			}
			swaps = append(swaps, swap)
		}
		put(own, schema.List{At: h.PosOf("swap"), Elems: swaps}, "swapDevices")
	}
	w.member(own, h)
	w.mesh(own, h)
	w.peers(own, h)
	if secrets := w.secrets(h); secrets != nil {
		put(own, secrets, "muster", "secrets")
	}
	if h.Upgrades != nil {
		put(own, upgrade(h), "muster", "upgrade")
	}
	if h.Pulls != nil {
		put(own, pull(h), "muster", "pull")
	}
	return module{roles: w.roleNames(h), own: own, user: []schema.Module{h.Module}}
}

// diskoDisks is true where disko makes only disks that the inventory names.
const diskoDisks = `builtins.all (disk: builtins.elem disk.device %s) (builtins.attrValues config.disko.devices.disk)`

// disko has the system bring the script along that makes the host's disks.
func disko(own *schema.Attrs, h *schema.Host) {
	at := h.PosOf("install")
	put(own, schema.Expr{At: at, Text: "config.system.build.diskoScript"}, "environment", "etc", "muster/disko", "source")
	var devices []string
	for _, d := range h.Disks {
		devices = append(devices, d.Device)
	}
	rule := &schema.Attrs{At: at}
	put(rule, schema.Expr{At: at, Text: fmt.Sprintf(diskoDisks, syntax.FormatExpr(syntax.StringList(devices)))}, "assertion")
	put(rule, schema.String{At: at, V: "disko.devices makes a disk that the inventory does not name in hosts." + h.Name + ".disks"}, "message")
	put(own, schema.List{At: at, Elems: []schema.Value{rule}}, "assertions")
}

// defaultSystem is the system that the driver builds for by default.
const defaultSystem = "x86_64-linux"

// texts returns a list of strings.
func texts(at schema.Pos, ss []string) schema.List {
	l := schema.List{At: at}
	for _, s := range ss {
		l.Elems = append(l.Elems, schema.String{At: at, V: s})
	}
	return l
}

// module writes a NixOS module: a set, or a function that returns one if the
// module needs an argument. It returns nil for an empty module.
func (w *writer) module(m module) syntax.Expr {
	var imports []syntax.Expr
	fromInput := false
	for _, r := range m.roles {
		imports = append(imports, w.role(r))
	}
	options := m.own
	for _, u := range m.user {
		for _, i := range u.Imports {
			if i.Input != nil {
				fromInput = true
				imports = append(imports, w.inputRef(*i.Input))
				continue
			}
			imports = append(imports, w.path(i.At, i.Path))
		}
		for _, s := range u.Nix {
			if e := w.snippet(s); e != nil {
				imports = append(imports, e)
			}
		}
		if e := w.packageOptions(u); e != nil {
			imports = append(imports, e)
		}
		options = overlay(options, u.Config)
	}
	set := &syntax.Attrs{}
	if len(imports) > 0 {
		set.Bindings = append(set.Bindings, attr("imports", &syntax.List{Elems: imports}))
	}
	for i, b := range w.options(options) {
		if i == 0 && len(imports) > 0 {
			spaced(b)
		}
		set.Bindings = append(set.Bindings, b)
	}
	if len(set.Bindings) == 0 {
		return nil
	}
	return w.withArguments(set, fromInput)
}

// options writes the options of a module. As people do, it writes the first name of
// a path at each option (services.openssh, services.caddy) and nests sets of
// several attributes below.
func (w *writer) options(set *schema.Attrs) []*syntax.Attr {
	var bs []*syntax.Attr
	for _, f := range set.Fields {
		below, isSet := f.Value.(*schema.Attrs)
		if !isSet || len(below.Fields) == 0 {
			bs = append(bs, w.field(nil, f))
			continue
		}
		// deployment belongs to the tool and is kept together.
		if f.Name == "deployment" {
			bs = append(bs, w.field(nil, f))
			continue
		}
		for _, g := range below.Fields {
			bs = append(bs, w.field(syntax.AttrPath{{At: pos(f.At), Name: f.Name}}, g))
		}
	}
	return bs
}

// moduleArguments are the arguments that modules of the network may take, in the
// order in which they are written.
var moduleArguments = []string{"config", "lib", "name", "nodes", "pkgs"}

// withArguments turns a module into a function of the arguments that it refers to.
// Inputs are an argument of modules in files of their own.
func (w *writer) withArguments(set *syntax.Attrs, inputs bool) syntax.Expr {
	used := map[string]bool{inputsName: inputs}
	for _, b := range set.Bindings {
		var roots []syntax.Expr
		if a, ok := b.(*syntax.Attr); ok && a.Path[0].Name == "imports" {
			// A module in Nix text declares its arguments itself.
			continue
		} else if ok {
			roots = append(roots, a.Value)
		}
		for _, r := range roots {
			syntax.Walk(r, func(e syntax.Expr) bool {
				if id, ok := e.(*syntax.Ident); ok {
					used[id.Name] = true
				}
				return true
			})
		}
	}
	formals := &syntax.Formals{Ellipsis: true}
	arguments := moduleArguments
	if w.files != nil {
		arguments = slices.Insert(slices.Clone(moduleArguments), 1, inputsName)
	}
	for _, name := range arguments {
		if used[name] {
			formals.List = append(formals.List, syntax.Formal{Name: name})
		}
	}
	if len(formals.List) == 0 {
		return set
	}
	return &syntax.Lambda{Formals: formals, Body: set}
}

// snippet parses a module in Nix text, with its comments. It reports an error in it
// and returns nil.
func (w *writer) snippet(s schema.Snippet) syntax.Expr {
	f := w.parse(s.At, s.Text, syntax.Options{Comments: true}, nil)
	if f == nil {
		return nil
	}
	maps.Copy(w.notes, f.Notes)
	return f.Expr
}
