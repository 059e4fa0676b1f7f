package schema

import (
	"fmt"
	"slices"
	"strings"
)

// FirstDeploy returns warnings about what NixOS demands of every machine and a host does
// not have: a root file system, a boot loader and a state version. Only hosts are
// looked at of which the inventory says everything: one that has a module, be it of a
// file, of an input or as text, its own, of a role or of the defaults, may have all of it
// there, and only an evaluation can tell.
func FirstDeploy(f *Fleet) Errors {
	r := new(report)
	roles := make(map[string]*Module)
	for i := range f.Roles {
		roles[f.Roles[i].Name] = &f.Roles[i].Module
	}
	var rootless, unbootable, stateless []*Host
	for _, h := range f.Hosts {
		modules := []*Module{&f.Defaults, &h.Module}
		for _, name := range h.Roles {
			if m := roles[name]; m != nil {
				modules = append(modules, m)
			}
		}
		if h.NoSystem || h.Flake != nil || slices.ContainsFunc(modules, opaque) {
			continue
		}
		said := demands{modules}
		if !said.may("system.stateVersion") {
			stateless = append(stateless, h)
		}
		if h.GuestOf != "" || said.may("boot.isContainer") {
			continue // its machine boots it
		}
		onDisks := len(h.Disks) > 0 || h.DiskUUID != ""
		hasRoot := slices.ContainsFunc(h.FileSystems, func(fs FileSystem) bool { return fs.MountPoint == "/" })
		if !onDisks && !hasRoot && !said.may("fileSystems", "disko", "virtualisation", "boot.zfs", "boot.initrd.systemd.repart") {
			rootless = append(rootless, h)
		}
		if len(h.Disks) == 0 && !said.may("boot.loader", "disko", "virtualisation", "boot.lanzaboote") {
			unbootable = append(unbootable, h)
		}
	}
	warn := func(hosts []*Host, what, mend string) {
		if len(hosts) == 0 {
			return
		}
		h := hosts[0]
		r.warn(h.At, join("hosts", h.Name), "first-deploy", "%s", fmt.Sprintf(what, whoseHost(hosts))).Hint = mend
	}
	l := langCUE
	if len(f.Hosts) > 0 {
		l = languageOf(f.Hosts[0].At.File)
	}
	option := func(path, value string) string { return "set " + l.option(path, value) }
	warn(rootless, "no root file system for %s: NixOS refuses to build it", "set "+l.pair("disk_uuid", `"…"`)+", or file_systems with \"/\"; muster adopt writes what a machine has")
	warn(unbootable, "no boot loader for %s: NixOS refuses to build it", option("boot.loader.grub.device", `"/dev/sda"`)+", or boot.loader.systemd-boot.enable; muster adopt writes what a machine has")
	warn(stateless, "no state version for %s: NixOS takes that of its release, and data may change with an upgrade", option("system.stateVersion", `"24.11"`)+", the release that it was first installed with")
	return r.list.sorted()
}

// option writes an option in config.
func (l language) option(path, value string) string {
	switch l {
	case langTOML:
		return "config." + path + " = " + value
	case langCUE:
		return "config: " + strings.ReplaceAll(path, ".", ": ") + ": " + value
	}
	return path + " in config to " + value
}

// whoseHost names the first of some hosts and counts the others.
func whoseHost(hosts []*Host) string {
	switch len(hosts) {
	case 1:
		return "the host"
	case 2:
		return "this host and " + hosts[1].Name
	}
	return fmt.Sprintf("this and %d other hosts", len(hosts)-1)
}

// demands are modules that may meet what NixOS demands.
type demands struct{ modules []*Module }

// may reports whether a module sets something at or below one of some options, or has an
// expression above it that may.
func (d demands) may(options ...string) bool {
	for _, m := range d.modules {
		for _, o := range options {
			if m.Config != nil && mayHave(m.Config, o) {
				return true
			}
		}
	}
	return false
}

// mayHave reports whether a value has an attribute, by its dotted path, or may have it.
func mayHave(v Value, path string) bool {
	if path == "" {
		return true
	}
	switch v := v.(type) {
	case *Attrs:
		name, rest, _ := strings.Cut(path, ".")
		return slices.ContainsFunc(v.Fields, func(f Field) bool { return f.Name == name && mayHave(f.Value, rest) })
	case Mark:
		return slices.ContainsFunc(v.Values, func(v Value) bool { return mayHave(v, path) })
	}
	return true // an expression
}
