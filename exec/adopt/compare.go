package adopt

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/exec/host"
	"muster/schema"
)

// A Difference is something in which a machine and its part of the fleet differ.
type Difference struct {
	// What is an option of the module, such as fileSystems."/data", or a field of the
	// host, such as host_keys.
	What    string `json:"what"`
	In      string `json:"in"`                // the file, or the place in the inventory
	Says    string `json:"says,omitempty"`    // what the file says; "" for nothing
	Machine string `json:"machine,omitempty"` // what the machine is; "" for nothing
	ByHand  bool   `json:"by_hand,omitempty"` // adopt --update leaves it to the user

	ofModule bool
}

func (d Difference) String() string {
	switch {
	case d.Says == "":
		return fmt.Sprintf("%s: %s: the machine has %s, which is not here", d.In, d.What, d.Machine)
	case d.Machine == "":
		return fmt.Sprintf("%s: %s: %s is here, and the machine does not have it", d.In, d.What, d.Says)
	}
	return fmt.Sprintf("%s: %s: %s is here, and the machine has %s", d.In, d.What, d.Says, d.Machine)
}

// CompareModule says in what the machine differs from the module of its hardware, file,
// which is nil where there is none. What the module says besides is not looked at: only
// mounts, swap, encrypted disks and addresses that the machine has no more.
func CompareModule(name string, file *syntax.File, h *schema.Host, hw *host.Hardware) []Difference {
	list := compareModule(name, file, h, hw)
	for i := range list {
		list[i].ofModule = true
	}
	return list
}

func compareModule(name string, file *syntax.File, h *schema.Host, hw *host.Hardware) []Difference {
	if file == nil {
		return []Difference{{What: "the module of its hardware", In: name, Machine: "hardware"}}
	}
	says, is := optionsOf(file.Expr), optionsOf(Module(hw).Expr)
	ofHost(says, h)
	var list []Difference
	for _, option := range is.names {
		value := is.values[option]
		there, ok := says.values[option]
		switch {
		case option == "system.stateVersion" && (!ok || !hw.StateVersion.Sure):
			// The inventory may set it for all hosts.
		case !ok:
			list = append(list, Difference{What: option, In: name, Machine: text(value)})
		case isList(value) && isList(there):
			list = append(list, compareLists(name, option, there.(*syntax.List), value.(*syntax.List))...)
		case text(value) != text(there):
			list = append(list, Difference{What: option, In: name, Says: text(there), Machine: text(value)})
		}
	}
	for _, option := range says.names {
		if _, ok := is.values[option]; !ok && isOfMachine(option) && !is.hasBelow(parent(option)) {
			list = append(list, Difference{What: option, In: name, Says: text(says.values[option])})
		}
	}
	return list
}

// compareLists says what a list lacks that the machine has, and of what swap and
// addresses it has too much.
func compareLists(file, option string, says, is *syntax.List) []Difference {
	var list []Difference
	lacks := func(l *syntax.List, e syntax.Expr) bool {
		return !slices.ContainsFunc(l.Elems, func(o syntax.Expr) bool { return text(o) == text(e) })
	}
	for _, e := range is.Elems {
		if lacks(says, e) {
			list = append(list, Difference{What: option, In: file, Machine: text(e)})
		}
	}
	for _, e := range says.Elems {
		if (option == "swapDevices" || isOfMachine(option)) && lacks(is, e) {
			list = append(list, Difference{What: option, In: file, Says: text(e)})
		}
	}
	return list
}

// isOfMachine reports whether an option is about one thing of the machine, which it may
// have no more.
func isOfMachine(option string) bool {
	for _, prefix := range []string{"fileSystems.", "boot.initrd.luks.devices.", "networking.interfaces."} {
		if strings.HasPrefix(option, prefix) {
			return true
		}
	}
	return option == "swapDevices"
}

// options are the options of a module by their paths.
type options struct {
	names  []string // in order
	values map[string]syntax.Expr
}

// hasBelow reports whether there is an option below a path.
func (o *options) hasBelow(path string) bool {
	return path != "" && slices.ContainsFunc(o.names, func(n string) bool { return strings.HasPrefix(n, path+".") })
}

// parent is the thing of the machine that an option is about: fileSystems."/" of
// fileSystems."/".noCheck. What a module adds to it is no difference.
func parent(option string) string {
	if i := strings.LastIndexByte(option, '.'); i > 0 && !strings.HasSuffix(option, `"`) {
		return option[:i]
	}
	return ""
}

// optionsOf are the options of a module. A value with a priority counts as the value.
func optionsOf(e syntax.Expr) *options {
	o := &options{values: map[string]syntax.Expr{}}
	for {
		l, ok := e.(*syntax.Lambda)
		if !ok {
			break
		}
		e = l.Body
	}
	o.collect("", e)
	return o
}

func (o *options) collect(path string, e syntax.Expr) {
	if a, ok := e.(*syntax.Apply); ok {
		if name := text(a.F); strings.HasPrefix(strings.TrimPrefix(name, "lib."), "mk") {
			e = a.Args[len(a.Args)-1]
		}
	}
	set, ok := e.(*syntax.Attrs)
	if !ok || len(set.Bindings) == 0 {
		o.add(path, e)
		return
	}
	for _, b := range set.Bindings {
		a, ok := b.(*syntax.Attr)
		if !ok {
			continue
		}
		o.collect(strings.TrimPrefix(path+"."+pathText(a.Path), "."), a.Value)
	}
}

func (o *options) add(path string, e syntax.Expr) {
	if _, ok := o.values[path]; !ok {
		o.names = append(o.names, path)
	}
	o.values[path] = e
}

// ofHost adds what the fields of the host in the inventory mean.
func ofHost(o *options, h *schema.Host) {
	if h == nil {
		return
	}
	mount := func(at, option string, e syntax.Expr) { o.add("fileSystems."+syntax.QuoteAttr(at)+"."+option, e) }
	if h.DiskUUID != "" {
		mount("/", "device", str("/dev/disk/by-uuid/"+h.DiskUUID))
		mount("/", "fsType", str("ext4"))
	}
	for _, fs := range h.FileSystems {
		mount(fs.MountPoint, "device", str(fs.Device))
		if fs.FSType != "" {
			mount(fs.MountPoint, "fsType", str(fs.FSType))
		}
		if len(fs.Options) > 0 {
			mount(fs.MountPoint, "options", texts(fs.Options...))
		}
	}
	if len(h.Swap) > 0 {
		list, _ := o.values["swapDevices"].(*syntax.List)
		all := &syntax.List{}
		if list != nil {
			all.Elems = slices.Clone(list.Elems)
		}
		for _, s := range h.Swap {
			all.Elems = append(all.Elems, &syntax.Attrs{Bindings: []syntax.Binding{bind("device", str(s.Device))}})
		}
		o.add("swapDevices", all)
	}
}

func isList(e syntax.Expr) bool { _, ok := e.(*syntax.List); return ok }

// text is an expression on one line.
func text(e syntax.Expr) string { return strings.Join(strings.Fields(syntax.FormatExpr(e)), " ") }

// CompareHost says in what the machine differs from its entry in the inventory.
func CompareHost(fleet *schema.Fleet, h *schema.Host, way Way, hw *host.Hardware) []Difference {
	var list []Difference
	at := func(field string) string { return h.PosOf(field).String() }
	keys := HostKeys(way, hw)
	for _, k := range keys {
		if !slices.ContainsFunc(h.HostKeys, func(o string) bool { return schema.SameKey(o, k) }) {
			list = append(list, Difference{What: "host_keys", In: at("host_keys"), Machine: k})
		}
	}
	for _, k := range h.HostKeys {
		if len(hw.HostKeys) > 0 && !slices.ContainsFunc(keys, func(o string) bool { return schema.SameKey(o, k) }) {
			list = append(list, Difference{What: "host_keys", In: at("host_keys"), Says: k})
		}
	}
	if hw.System != "" && hw.System != h.System {
		list = append(list, Difference{What: "system", In: at("system"), Says: h.System, Machine: hw.System})
	}
	list = append(list, compareDisks(h, hw)...)
	if file := File(h.Name); !slices.ContainsFunc(h.Imports, func(i schema.Import) bool { return strings.HasSuffix(i.Path, file) }) {
		list = append(list, Difference{What: "imports", In: at("imports"), Machine: "./" + file})
	}
	return append(list, compareKeys(fleet, h, hw)...)
}

func compareDisks(h *schema.Host, hw *host.Hardware) []Difference {
	var list []Difference
	if hw.Virtual.Container != "" {
		return nil
	}
	for _, f := range newDisks(h, hw) {
		list = append(list, Difference{What: "disks", In: h.PosOf("disks").String(), Machine: diskPath(hw.Device(f.Name))})
	}
	for _, o := range h.Disks {
		if !slices.ContainsFunc(hw.Disks(), func(d *host.Device) bool { return names(d, o.Device) }) {
			list = append(list, Difference{What: "disks." + o.Name, In: o.At.String(), Says: o.Device})
		}
	}
	return list
}

// names reports whether a path leads to a disk.
func names(d *host.Device, path string) bool {
	id, isID := strings.CutPrefix(path, "/dev/disk/by-id/")
	return path == "/dev/"+d.Name || d.ByPath != "" && path == "/dev/disk/by-path/"+d.ByPath || isID && slices.Contains(d.IDs, id)
}

// compareKeys finds authorized keys in home directories that the inventory does not
// have. NixOS leaves them there.
func compareKeys(fleet *schema.Fleet, h *schema.Host, hw *host.Hardware) []Difference {
	configs := []*schema.Attrs{h.Config, fleet.Defaults.Config}
	for _, r := range fleet.Roles {
		if h.HasRole(r.Name) {
			configs = append(configs, r.Config)
		}
	}
	known := func(key string) bool {
		return slices.ContainsFunc(configs, func(c *schema.Attrs) bool { return hasText(c, key) })
	}
	var list []Difference
	for _, u := range hw.Users {
		for _, k := range u.Keys {
			if !strings.HasPrefix(k.From, "/etc/ssh/") && !known(k.Text) {
				list = append(list, Difference{
					What: "config.users.users." + u.Name + ".openssh.authorizedKeys", In: h.PosOf("config").String(),
					Machine: fmt.Sprintf("%q in %s", k.Text, k.From),
				})
			}
		}
	}
	return list
}

// hasText reports whether a value has a text in it.
func hasText(v schema.Value, text string) bool {
	switch v := v.(type) {
	case *schema.Attrs:
		return v != nil && slices.ContainsFunc(v.Fields, func(f schema.Field) bool { return hasText(f.Value, text) })
	case schema.List:
		return slices.ContainsFunc(v.Elems, func(e schema.Value) bool { return hasText(e, text) })
	case schema.Mark:
		return slices.ContainsFunc(v.Values, func(e schema.Value) bool { return hasText(e, text) })
	case schema.String:
		return strings.Contains(v.V, text)
	}
	return false
}
