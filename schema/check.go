package schema

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// A checker checks the rules about the whole fleet: names that must be defined,
// values that must be unique, files that must exist.
type checker struct {
	report *report
	fleet  *Fleet
	tree   *node
	root   string // root of the directory tree of the inventory
	paths  []pathUse
	inputs []inputUse
	show   func(string) string // returns the name of a file in messages
	named  bool                // the user named the file itself, not its directory
	nix    func(v Value, module bool) *Error

	unpinned   bool   // inputs need no pin
	pinnedFile string // of machines that are made; "" for none

	hosts    map[string]*Host
	compared map[string]int         // names of hosts, by rule
	stat     map[string]os.FileInfo // files looked up; nil for a missing one
}

// run makes all checks, in the order of this file.
func (c *checker) run() {
	c.hosts = make(map[string]*Host, len(c.fleet.Hosts))
	for _, h := range c.fleet.Hosts {
		c.hosts[h.Name] = h
	}
	if hosts := c.tree.get("hosts"); hosts != nil && hosts.kind == structKind && len(hosts.fields) == 0 {
		c.report.warn(hosts.at, "hosts", "no-hosts", "no hosts")
	}
	c.checkInputs()
	c.nixpkgs()
	c.kluster()
	c.networks()
	c.checkMeshes()
	c.roles()
	c.unique()
	for _, h := range c.fleet.Hosts {
		c.host(h)
	}
	c.jumps()
	c.guests()
	c.buildHosts()
	c.builders()
	c.rollout()
	c.cache()
	c.files()
	c.checkSecrets()
	c.checkUpgrades()
	c.checkPulls()
	c.checkProvision()
	c.unread()
	c.config()
	c.nixTexts()
}

// nixTexts checks the pieces of Nix in the inventory.
func (c *checker) nixTexts() {
	if c.nix == nil {
		return
	}
	look := func(v Value, path string, module bool) {
		if e := c.nix(v, module); e != nil {
			e.Path, e.Rule = path, "nix"
			c.report.list = append(c.report.list, e)
		}
	}
	c.eachModule(func(m *Module, path string) {
		for _, s := range m.Nix {
			look(Expr{At: s.At, Text: s.Text}, path+".nix", true)
		}
		in := func(v Value, path string) {
			eachValue(v, "", func(below string, v Value) bool {
				switch v := v.(type) {
				case Expr, Template:
					look(v, strings.TrimSuffix(path+"."+below, "."), false)
				case Mark:
					if v.Kind == If {
						look(v, path+"."+below, false)
					}
				}
				return true
			})
		}
		if m.Config != nil {
			in(m.Config, path+".config")
		}
		if m.NixpkgsConfig != nil {
			in(m.NixpkgsConfig, path+".nixpkgs_config")
		}
		if m.SpecialArgs != nil {
			in(m.SpecialArgs, path+".special_args")
		}
		for i, v := range m.Overlays {
			in(v, fmt.Sprintf("%s.overlays[%d]", path, i))
		}
	})
}

// nixpkgs checks that the inventory names one NixOS.
func (c *checker) nixpkgs() {
	n := c.tree.get("nixpkgs")
	composed := func(h *Host) bool {
		return h.Flake == nil && !h.NoSystem || slices.ContainsFunc(h.Profiles, func(p *Profile) bool { return p.Expr != "" })
	}
	if n == nil && c.fleet.Nixpkgs.Unpinned && (len(c.fleet.Hosts) == 0 || slices.ContainsFunc(c.fleet.Hosts, composed)) {
		e := c.report.warn(c.tree.at, "nixpkgs", "unpinned", "missing: the fleet depends on what <nixpkgs> is where it is evaluated")
		e.Hint = "pin it with rev and hash, or set unpinned: true"
	}
	c.oneNixpkgs(n, "nixpkgs", c.fleet.Nixpkgs)
	if n := c.tree.get("defaults").get("nixpkgs"); n != nil {
		c.report.add(n.at, "defaults.nixpkgs", "nixpkgs", "the NixOS of all hosts is nixpkgs of the inventory").Hint = "move it there"
	}
	for _, r := range c.fleet.Roles {
		if r.Nixpkgs != nil {
			path := join("roles", r.Name)
			c.oneNixpkgs(c.tree.get("roles").get(r.Name).get("nixpkgs"), path+".nixpkgs", *r.Nixpkgs)
		}
	}
	for _, h := range c.fleet.Hosts {
		if h.Nixpkgs != nil {
			c.oneNixpkgs(c.tree.get("hosts").get(h.Name).get("nixpkgs"), join("hosts", h.Name)+".nixpkgs", *h.Nixpkgs)
		}
	}
}

// oneNixpkgs checks that a value names one NixOS.
func (c *checker) oneNixpkgs(n *node, path string, p Nixpkgs) {
	if n == nil || n.kind != structKind {
		return
	}
	var given []string
	for _, name := range []string{"path", "rev", "input", "unpinned"} {
		if n.get(name) != nil {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0 && len(p.Patches) > 0:
		c.report.add(n.get("patches").at, path+".patches", "nixpkgs", "patches of no tree: want path, rev with hash, input, or unpinned: true beside them")
	case len(given) == 0 && len(n.fields) > 0: // another problem of it is reported
	case len(given) == 0:
		c.report.add(n.at, path, "nixpkgs", "got an empty attribute set, want path, rev with hash, input, or unpinned: true")
	case len(given) > 1:
		c.report.add(n.at, path, "nixpkgs", "has %s, want one of them", strings.Join(given, " and "))
	case len(p.Rev) == 40 && n.get("hash") == nil:
		e := c.report.add(n.get("rev").at, path+".rev", "nixpkgs", "rev without hash")
		e.Hint = "nix-prefetch-url --unpack prints the hash of the commit's archive"
	case p.Input != "":
		c.hasInput(n.get("input").at, path+".input", p.Input)
	case p.Path != "":
		c.nixpkgsPath(n.get("path").at, path+".path", p.Path)
	}
	c.patches(path, p.Patches)
	if n.get("rev") == nil {
		for _, name := range []string{"hash", "url"} {
			if v := n.get(name); v != nil {
				c.report.add(v.at, path+"."+name, "nixpkgs", "%s without rev", name)
			}
		}
	}
}

// nixpkgsPath checks that a path leads to a NixOS.
func (c *checker) nixpkgsPath(at Pos, field, path string) {
	switch info := c.lookFor(path); {
	case info == nil:
		c.report.add(at, field, "missing-file", "no such directory: %s", quote(path))
	case !info.IsDir():
		c.report.add(at, field, "missing-file", "not a directory: %s", quote(path))
	case c.lookFor(filepath.Join(path, "nixos/lib/eval-config.nix")) == nil:
		c.report.warn(at, field, "nixpkgs", "not a NixOS tree: %s has no nixos/lib/eval-config.nix", quote(path))
	}
}

// storeName is what the name of a file in the Nix store may be.
var storeName = ondemand.Regexp(`^[A-Za-z0-9+_?=-][A-Za-z0-9+._?=-]*$`)

// patches checks that patches are files that Nix can copy to the store.
func (c *checker) patches(path string, patches []Patch) {
	for i, p := range patches {
		at := fmt.Sprintf("%s.patches[%d]", path, i)
		switch info := c.lookFor(p.Path); {
		case info == nil:
			c.report.add(p.At, at, "missing-file", "no such file: %s", quote(p.Path))
		case info.IsDir():
			c.report.add(p.At, at, "missing-file", "not a file: %s", quote(p.Path)).Hint = "name each patch in it"
		case !storeName().MatchString(filepath.Base(p.Path)):
			c.report.add(p.At, at, "patch", "the Nix store takes no file named %s", quote(filepath.Base(p.Path))).Hint = "use letters, digits and + - . _ ? =, not beginning with a dot"
		default:
			c.inside(p.At, at, p.Path)
		}
	}
}

// maySet reports whether a host's configuration sets the option, or has parts
// that are not parsed and may set it.
func (c *checker) maySet(h *Host, path string) bool {
	if h == nil {
		return false
	}
	may := func(m *Module) bool { return opaque(m) || option(m.Config, path) != nil }
	return may(&c.fleet.Defaults) || may(&h.Module) || slices.ContainsFunc(c.fleet.RolesOf(h), func(r *Role) bool { return may(&r.Module) })
}

// noHost reports a reference to a host that does not exist. The caller may set its hint.
func (c *checker) noHost(at Pos, path, name string) *Error {
	e := c.report.add(at, path, "undefined-host", "no host named %s", quote(name))
	if near := c.nearHost("undefined-host", name, func(*Host) bool { return true }); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return e
}

// mostCompared is how many names of hosts are compared with others for one rule. That is
// enough for a thousand hosts of which each breaks it.
const mostCompared = 1 << 20

// nearHost returns the name of the host, among some, that is most similar to the given one,
// or "" if none is similar enough or too many have been compared for the rule.
func (c *checker) nearHost(rule, name string, among func(*Host) bool) string {
	if c.compared == nil {
		c.compared = map[string]int{}
	}
	if c.compared[rule] += len(c.fleet.Hosts); c.compared[rule] > mostCompared {
		return ""
	}
	var names []string
	for _, h := range c.fleet.Hosts {
		if among(h) {
			names = append(names, h.Name)
		}
	}
	return nearest(name, names)
}

// networks reports networks of the cluster that overlap each other or contain
// the address of a host. For those not given it takes the defaults.
func (c *checker) networks() {
	k := c.fleet.Kluster
	if k == nil {
		return
	}
	nets := k.networks()
	given := func(n klusterNetwork) bool { return k.PosOf(n.field) != k.At }
	for i, a := range nets {
		for _, b := range nets[:i] {
			if !a.prefix.IsValid() || !b.prefix.IsValid() || !a.prefix.Overlaps(b.prefix) || !given(a) && !given(b) {
				continue
			}
			at, other := a, b
			if !given(a) {
				at, other = b, a
			}
			e := c.report.add(k.PosOf(at.field), "kluster."+at.field, "overlapping-networks", "%s overlaps %s, %s", at.prefix, other.field, other.prefix)
			if given(other) {
				e.Hint = "see " + k.PosOf(other.field).String()
			} else {
				e.Hint = "that is the default of " + k.defaults()
			}
		}
	}
	warned := map[string]bool{}
	for _, h := range c.fleet.Hosts {
		for _, p := range c.hostPlaces(h) {
			for _, n := range nets[:len(nets)-1] {
				switch {
				case !n.prefix.IsValid() || !n.prefix.Contains(p.addr):
				case given(n):
					c.report.add(p.at, p.path, "overlapping-networks", "%s is inside %s, %s", p.text, "kluster."+n.field, n.prefix)
				case k.Member(h) != nil && !warned[n.field]:
					warned[n.field] = true
					c.report.warn(p.at, p.path, "overlapping-networks", "%s is inside %s, which kluster.%s is by default: other members may not reach the host", p.text, n.prefix, n.field).Hint = "set kluster." + n.field + " to a network in which no host is"
				}
			}
		}
	}
}

// A hostPlace is an address of a host, in its field host or in its configuration.
type hostPlace struct {
	addr netip.Addr
	text string // as the inventory has it
	at   Pos
	path string
}

// hostPlaces are the addresses that the inventory says a host has: those at which it is
// reached, and those of the interfaces in its own configuration.
func (c *checker) hostPlaces(h *Host) (all []hostPlace) {
	for i, address := range h.addresses() {
		if a, err := netip.ParseAddr(address); err == nil {
			at, path := h.posOfAddress(i)
			all = append(all, hostPlace{a.Unmap(), address, at, path})
		}
	}
	if h.Config == nil {
		return all
	}
	eachValue(option(h.Config, "networking.interfaces"), join("hosts", h.Name)+".config.networking.interfaces", func(path string, v Value) bool {
		s, ok := v.(String)
		if !ok || !strings.HasSuffix(path, ".addresses.address") {
			return true
		}
		if a, err := netip.ParseAddr(s.V); err == nil {
			all = append(all, hostPlace{a.Unmap(), s.V, s.At, path})
		}
		return true
	})
	return all
}

// roles reports undefined roles and unused ones.
func (c *checker) roles() {
	known := []string{RoleMaster, RoleNode, RoleBalancer}
	builtin := func(role string) bool { return role == RoleMaster || role == RoleNode || role == RoleBalancer }
	defined := map[string]bool{RoleMaster: true, RoleNode: true, RoleBalancer: true}
	for _, r := range c.fleet.Roles {
		if !defined[r.Name] {
			known = append(known, r.Name)
		}
		defined[r.Name] = true
	}
	used := make(map[string]bool)
	c.eachList("roles", func(list *node, path string) {
		for i, e := range list.elems {
			path := fmt.Sprintf("%s[%d]", path, i)
			switch name := text(e); {
			case e.kind != stringKind:
			case !defined[name]:
				x := c.report.add(e.at, path, "undefined-role", "no role named %s", quote(name))
				if name == "etcd" && c.fleet.Kluster != nil {
					x.Hint = "kluster.etcd names the members of etcd; the masters by default"
				} else if mend := meantBy(path, name, langCUE); mend != "" {
					x.Hint = mend
				} else if near := cmp.Or(nearest(name, known), endingIn("-"+name, known), c.klusterRole(name)); near != "" {
					x.Hint = fmt.Sprintf("did you mean %q?", near)
				} else {
					x.Hint = "known roles: " + strings.Join(known, ", ") + "; roles at the top of the inventory defines others"
				}
			case builtin(name) && c.fleet.Kluster == nil:
				c.report.add(e.at, path, "no-kluster", "the role %s needs a cluster", name).Hint = "set kluster.master"
			case name == RoleMaster || name == RoleBalancer:
				c.strayMember(e, path, name)
			}
			used[text(e)] = true
		}
		c.repeated(list, path)
	})
	c.eachList("tags", c.repeated)
	for _, r := range c.fleet.Roles {
		if !used[r.Name] && !(c.fleet.Kluster != nil && builtin(r.Name)) {
			c.report.warn(r.At, join("roles", r.Name), "unused-role", "no host has the role")
		}
	}
}

// repeated warns of duplicate elements of a list.
func (c *checker) repeated(list *node, path string) {
	seen := make(map[string]bool, len(list.elems))
	for i, e := range list.elems {
		if e.kind != stringKind {
			continue
		}
		if seen[e.text] {
			c.report.warn(e.at, fmt.Sprintf("%s[%d]", path, i), "repeated", "%s is listed twice", quote(e.text))
		}
		seen[e.text] = true
	}
}

// eachList calls f for the lists of that name in defaults and hosts.
func (c *checker) eachList(name string, f func(list *node, path string)) {
	if l := c.tree.get("defaults").get(name); l != nil {
		f(l, "defaults."+name)
	}
	if hosts := c.tree.get("hosts"); hosts != nil {
		for _, h := range hosts.fields {
			if l := h.val.get(name); l != nil {
				f(l, join("hosts", h.name)+"."+name)
			}
		}
	}
}

// unique reports names, addresses, UUIDs and host keys that several hosts share.
func (c *checker) unique() {
	type owner struct {
		host *Host
		at   Pos
	}
	n := len(c.fleet.Hosts)
	addresses, uuids, names, keys := make(map[string]owner, n), make(map[string]owner, n), make(map[string]owner, n), make(map[string]owner)
	claim := func(by map[string]owner, key string, h *Host, at Pos) (owner, bool) {
		first, taken := by[key]
		if !taken {
			by[key] = owner{h, at}
		}
		return first, taken
	}
	for _, h := range c.fleet.Hosts {
		path := join("hosts", h.Name)
		if first, taken := claim(names, strings.ToLower(h.Name), h, h.At); taken {
			c.report.add(h.At, path, "duplicate-name", "the name differs from that of host %s only in case", quote(first.host.Name)).Hint = "see " + first.at.String()
		}
		if h.Address != "" {
			for i, w := range h.Ways() {
				at, path := h.posOfAddress(i)
				switch first, taken := claim(addresses, addressKey(w, h.Jump), h, at); {
				case taken && c.fleet.Machine(h) == c.fleet.Machine(first.host) && first.host != h: // systems of one machine
				case taken && first.host == h:
					c.report.warn(at, path, "repeated", "%s is listed twice", quote(w.Address))
				case taken:
					c.report.add(at, path, "duplicate-address", "duplicate address %s: host %s has it too", quote(w.Address), quote(first.host.Name)).Hint = "see " + first.at.String()
				}
			}
		}
		uuid := func(id string, at Pos, field string) {
			if first, taken := claim(uuids, strings.ToLower(id), h, at); taken && (c.fleet.Machine(h) != c.fleet.Machine(first.host) || first.host == h) {
				c.report.add(at, path+"."+field, "duplicate-uuid", "duplicate UUID %s: a file system of host %s has it too", quote(id), quote(first.host.Name)).Hint = "see " + first.at.String()
			}
		}
		if h.DiskUUID != "" {
			uuid(h.DiskUUID, h.PosOf("disk_uuid"), "disk_uuid")
		}
		for _, fs := range h.FileSystems {
			// The short UUIDs of FAT are not unique: images come with them.
			if id, ok := strings.CutPrefix(fs.Device, "/dev/disk/by-uuid/"); ok && len(id) == 36 && !c.sameHostUUID(h, id, fs) {
				uuid(id, h.PosOf("file_systems."+fs.MountPoint+".uuid"), join("file_systems", fs.MountPoint)+".uuid")
			}
		}
		for i, k := range h.HostKeys {
			at := h.posOfElem(c.tree, "host_keys", i)
			if first, taken := claim(keys, keyMaterial(k), h, at); taken && c.fleet.Machine(first.host) != c.fleet.Machine(h) {
				c.report.warn(at, fmt.Sprintf("%s.host_keys[%d]", path, i), "duplicate-host-key", "host %s has the same key: whoever holds it can impersonate both", quote(first.host.Name)).Hint = "see " + first.at.String()
			}
		}
	}
}

// addressKey returns a key that is the same for hosts that are one machine. One
// address may lead to several machines by port, and jump hosts may lead to
// different networks with the same addresses.
func addressKey(w Way, jump string) string {
	key := strings.ToLower(w.Address)
	if a, err := netip.ParseAddr(w.Address); err == nil {
		key = a.Unmap().String()
	}
	port := w.Port
	if port == 0 {
		port = 22
	}
	return fmt.Sprint(key, " ", port, " ", jump)
}

// sameHostUUID reports whether an earlier file system of the host has the same
// UUID, as subvolumes of one do.
func (c *checker) sameHostUUID(h *Host, id string, fs FileSystem) bool {
	if strings.EqualFold(h.DiskUUID, id) {
		return true
	}
	for _, other := range h.FileSystems {
		if other.MountPoint == fs.MountPoint {
			return false
		}
		if other.Device == fs.Device {
			return true
		}
	}
	return false
}

// posOfElem returns the position of an element of a host's list.
func (h *Host) posOfElem(tree *node, field string, i int) Pos {
	if l := tree.get("hosts").get(h.Name).get(field); l != nil && i < len(l.elems) {
		return l.elems[i].at
	}
	return h.PosOf(field)
}

// keyMaterial returns a public key without its comment.
func keyMaterial(key string) string {
	f := strings.Fields(key)
	return strings.Join(f[:min(2, len(f))], " ")
}

// notHosts are names with another meaning in the network expressions of muster
// and of other tools.
var notHosts = []string{"defaults", "meta", "network", "nixpkgs", "require", "resources"}

// host checks the rules about one host.
func (c *checker) host(h *Host) {
	path := join("hosts", h.Name)
	if slices.Contains(notHosts, h.Name) {
		c.report.add(h.At, path, "host-name", "%s cannot name a host: the name is reserved in network expressions", quote(h.Name))
	}
	for i, address := range h.addresses() {
		if a, err := netip.ParseAddr(address); err == nil && (a.IsUnspecified() || a.IsMulticast()) {
			at, path := h.posOfAddress(i)
			c.report.add(at, path, "address", "%s is not the address of one machine", quote(address))
		}
	}
	c.configured(h, path)
	if h.Unconnected {
		c.unconnected(h, path)
	}
	for i, k := range h.HostKeys {
		if why := badKey(k); why != "" && Fits("HostKey", k) {
			c.report.add(h.posOfElem(c.tree, "host_keys", i), fmt.Sprintf("%s.host_keys[%d]", path, i), "host-key", "not a public key: %s", why)
		}
	}
	c.profiles(h)
	c.disks(h, path)
	c.install(h, path+".install")
	for _, fs := range h.FileSystems {
		below := join(path+".file_systems", fs.MountPoint)
		if fs.MountPoint == "/" && h.DiskUUID != "" {
			c.report.add(fs.At, below, "file-system", "disk_uuid already defines the file system at /").Hint = "see " + h.PosOf("disk_uuid").String()
		}
		if fs.MountPoint != "/" && filepath.Clean(fs.MountPoint) != fs.MountPoint {
			c.report.add(fs.At, below, "file-system", "got the mount point %s, want %s", quote(fs.MountPoint), quote(filepath.Clean(fs.MountPoint)))
		}
	}
}

// unconnected warns of a host without an address that looks as if it should have
// one: it has fields about the connection, or its name is a misspelt one.
func (c *checker) unconnected(h *Host, path string) {
	for _, field := range []string{"port", "user", "host_keys", "jump"} {
		if !c.hasNo(h, field) {
			c.report.warn(h.PosOf(field), path+"."+field, "no-address", "no effect: the host has no address").Hint = "set its host, ssh: alias: true if SSH knows it by its name, or local: true"
			return
		}
	}
	letters := lettersOf(h.Name)
	if near := c.nearHost("no-address", h.Name, func(o *Host) bool { return !o.Unconnected && lettersOf(o.Name) != letters }); near != "" {
		c.report.warn(h.At, path, "no-address", "no address: the host is built, and never connected to").Hint = fmt.Sprintf("did you mean %q?", near)
	}
}

// badKey returns what is wrong with a public key, or "". The blob of a key begins
// with the length and the name of its type (RFC 4253, section 6.6).
func badKey(key string) string {
	f := strings.Fields(key)
	if len(f) < 2 {
		return ""
	}
	blob, err := base64.StdEncoding.DecodeString(f[1])
	if err != nil {
		return "the second word is not base64"
	}
	if len(blob) < 4 || uint64(binary.BigEndian.Uint32(blob))+4 > uint64(len(blob)) {
		return "it is truncated"
	}
	if name := string(blob[4 : 4+binary.BigEndian.Uint32(blob)]); name != f[0] {
		return fmt.Sprintf("its type is %s but it contains one of type %s", f[0], quote(name))
	}
	if f[0] == "ssh-ed25519" && len(blob) != 51 {
		return "it is truncated"
	}
	return ""
}

// jumps reports cycles of jump hosts, and jump hosts without an address. A jump
// host may be a host of the inventory, by its name.
func (c *checker) jumps() {
	through := func(h *Host) *Host {
		if h.Jump == "" {
			return nil
		}
		name := h.Jump
		if i := strings.LastIndexByte(name, '@'); i >= 0 {
			name = name[i+1:]
		}
		if !strings.HasPrefix(name, "[") {
			name, _, _ = strings.Cut(name, ":")
		}
		return c.hosts[name]
	}
	circles, looked := c.circles(through), make(map[string]bool)
	for _, h := range c.fleet.Hosts {
		if !looked[h.Jump] {
			looked[h.Jump] = true
			c.jumpLike(h)
		}
		if j := through(h); j != nil && j.Unconnected {
			c.report.add(h.PosOf("jump"), join("hosts", h.Name)+".jump", "jump", "host %s has no address", quote(j.Name)).Hint = "set its host"
		}
		if circle := circles.from(h); circle != nil {
			c.report.add(circle[0].PosOf("jump"), join("hosts", circle[0].Name)+".jump", "jump", "cycle of jump hosts: %s", arrows(circle))
		}
	}
}

// lettersOf is a name without the digits around it: names that differ in these alone are of
// machines of one kind.
func lettersOf(name string) string { return strings.Trim(name, "0123456789") }

// jumpLike warns of a jump host without a dot that no host is named as, but nearly: it is
// looked for in the SSH configuration and by DNS.
func (c *checker) jumpLike(h *Host) {
	if h.Jump == "" || strings.ContainsAny(h.Jump, ".@:[") || c.hosts[h.Jump] != nil {
		return
	}
	letters := lettersOf(h.Jump)
	if near := c.nearHost("jump", h.Jump, func(o *Host) bool { return o != h && lettersOf(o.Name) != letters }); near != "" {
		c.report.warn(h.PosOf("jump"), join("hosts", h.Name)+".jump", "jump", "no host is named %s: SSH and DNS have to know it", quote(h.Jump)).Hint = fmt.Sprintf("did you mean %q?", near)
	}
}

// hasNo reports whether the inventory does not have a field of a host.
func (c *checker) hasNo(h *Host, field string) bool {
	return c.tree.get("hosts").get(h.Name).get(field) == nil
}

// rollout checks the selectors of the rollout.
func (c *checker) rollout() {
	n := c.tree.get("rollout")
	if n == nil || len(c.fleet.Hosts) == 0 {
		return
	}
	selector := func(e *node, path string) {
		if text(e) == "" {
			return
		}
		if _, err := Select(c.fleet, e.text); err != nil {
			c.report.add(e.at, path, "selector", "%s", strings.TrimPrefix(err.Error(), "select "))
		}
	}
	if e := n.get("canaries"); e != nil {
		selector(e, "rollout.canaries")
	}
	if l := n.get("order"); l != nil {
		for i, e := range l.elems {
			selector(e, fmt.Sprintf("rollout.order[%d]", i))
		}
	}
	if l := n.get("hooks"); l != nil {
		for i, e := range l.elems {
			selector(e.get("hosts"), fmt.Sprintf("rollout.hooks[%d].hosts", i))
		}
	}
}

// cache checks that the cache is a binary cache or peers, and the selectors of peers.
func (c *checker) cache() {
	n := c.tree.get("cache")
	if n == nil {
		return
	}
	peers := n.get("peers")
	if n.get("push_to") == nil && (peers == nil || n.get("pull_from") != nil) {
		c.report.add(n.at, "cache", "missing-field", "missing field \"push_to\", want a store URL such as s3://bucket or ssh://cache")
	}
	if peers == nil || len(c.fleet.Hosts) == 0 {
		return
	}
	for i, e := range peers.elems {
		if text(e) == "" {
			continue
		}
		if _, err := Select(c.fleet, e.text); err != nil {
			c.report.add(e.at, fmt.Sprintf("cache.peers[%d]", i), "selector", "%s", strings.TrimPrefix(err.Error(), "select "))
		}
	}
}

// lookFor returns information on the file at a path of the inventory, or nil if
// there is none.
func (c *checker) lookFor(path string) os.FileInfo {
	path = c.absolute(path)
	info, known := c.stat[path]
	if !known {
		if i, err := os.Stat(path); err == nil {
			info = i
		}
		if c.stat == nil {
			c.stat = make(map[string]os.FileInfo)
		}
		c.stat[path] = info
	}
	return info
}

func (c *checker) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.fleet.Dir, path)
}

// files checks that the paths in the inventory exist.
func (c *checker) files() {
	c.eachModule(func(m *Module, path string) {
		for i, im := range m.Imports {
			at := fmt.Sprintf("%s.imports[%d]", path, i)
			if im.Input != nil {
				if im.Input.Attr == "" && im.Input.Path == "" {
					c.report.add(im.At, at, "input", "which module of the input %s: want module or path", quote(im.Input.Name))
				}
				continue
			}
			switch info := c.lookFor(im.Path); {
			case strings.Contains(im.Path, "<"):
				c.report.add(im.At, at, "missing-file", "no such file: %s", quote(im.Path)).Hint = "import it in nix, as in \"{ modulesPath, ... }: { imports = [ (modulesPath + \\\"/…\\\") ]; }\""
			case info == nil:
				c.report.add(im.At, at, "missing-file", "no such file: %s", quote(im.Path)).Hint = missingModule(c.fleet.Dir, im.Path)
			case info.IsDir() && c.lookFor(filepath.Join(im.Path, "default.nix")) == nil:
				c.report.add(im.At, at, "missing-file", "a directory without default.nix: %s", quote(im.Path)).Hint = "name the files in it, or import them in a default.nix"
			case !info.IsDir() && inventoryFile().MatchString(im.Path):
				c.report.add(im.At, at, "type", "not a Nix file: %s", quote(im.Path)).Hint = "imports takes modules in Nix; the files of an inventory are taken together in one folder"
			default:
				c.inside(im.At, at, im.Path)
			}
		}
	})
	for _, p := range c.paths {
		if c.lookFor(p.name) == nil {
			c.report.add(p.at, p.path, "missing-file", "no such file or directory: %s", quote(p.name))
		} else {
			c.inside(p.at, p.path, p.name)
		}
	}
}

// inside warns of a file outside the inventory's directory tree: a copy of the
// inventory does not include it.
func (c *checker) inside(at Pos, path, name string) {
	rel, err := filepath.Rel(c.root, c.absolute(name))
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		c.report.warn(at, path, "outside-tree", "%s is outside the inventory's directory %s", quote(name), quote(c.show(c.root)))
	}
}

// unread warns of other inventories in the same directory.
func (c *checker) unread() {
	if c.named {
		return
	}
	var there []string
	for _, name := range append([]string{"hosts.cue"}, dataFiles...) {
		if name = filepath.Join(c.fleet.Dir, name); isFile(name) && !slices.Contains(c.fleet.Files, name) {
			there = append(there, c.show(name))
		}
	}
	if len(there) > 0 {
		e := c.report.warn(c.tree.at, "", "unread", "not read: %s", strings.Join(there, ", "))
		e.Hint = "embed it with @embed, name it on the command line, or move it away"
	}
}

// eachModule calls f for every module of the fleet.
func (c *checker) eachModule(f func(m *Module, path string)) {
	f(&c.fleet.Defaults, "defaults")
	for _, r := range c.fleet.Roles {
		f(&r.Module, join("roles", r.Name))
	}
	for _, h := range c.fleet.Hosts {
		f(&h.Module, join("hosts", h.Name))
	}
}
