package schema

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// A checker looks at what concerns the fleet as a whole: names that must
// exist, values that must differ, files that must be there.
type checker struct {
	report *report
	fleet  *Fleet
	tree   *node
	root   string
	stat   map[string]bool // files looked for, and whether they are there
}

func (c *checker) run() {
	c.nixpkgs()
	c.kluster()
	c.unique()
	c.roles()
	c.imports()
}

func (c *checker) hostNames() []string {
	names := make([]string, len(c.fleet.Hosts))
	for i, h := range c.fleet.Hosts {
		names[i] = h.Name
	}
	return names
}

// noHost reports a name that is no host's.
func (c *checker) noHost(at Pos, path, name string) {
	e := c.report.add(at, path, "undefined-host", "no host named %s", quote(name))
	if near := nearest(name, c.hostNames()); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
}

func (c *checker) nixpkgs() {
	n, p := c.tree.get("nixpkgs"), c.fleet.Nixpkgs
	if n == nil {
		e := c.report.warn(c.tree.at, "nixpkgs", "unpinned", "not given: the fleet is made of whatever <nixpkgs> is where it is evaluated")
		e.Hint = "pin it with rev and hash, or say unpinned: true"
		return
	}
	if n.kind != structKind {
		return
	}
	var given []string
	for _, name := range []string{"path", "rev", "unpinned"} {
		if n.get(name) != nil {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0:
		c.report.add(n.at, "nixpkgs", "nixpkgs", "says nothing, want path, rev with hash, or unpinned: true")
	case len(given) > 1:
		c.report.add(n.at, "nixpkgs", "nixpkgs", "has %s, want one of them", strings.Join(given, " and "))
	case p.Rev != "" && p.Hash == "" && n.get("hash") == nil:
		c.report.add(n.get("rev").at, "nixpkgs.rev", "nixpkgs", "a commit without its hash")
	case p.Path != "" && !c.exists(p.Path):
		c.report.add(n.get("path").at, "nixpkgs.path", "missing-file", "no such directory: %s", p.Path)
	}
	if n.get("rev") == nil {
		for _, name := range []string{"hash", "url"} {
			if v := n.get(name); v != nil {
				c.report.add(v.at, "nixpkgs."+name, "nixpkgs", "%s without rev", name)
			}
		}
	}
}

// exists reports whether a path of the inventory's is there.
func (c *checker) exists(path string) bool {
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.fleet.Dir, path)
	}
	there, known := c.stat[path]
	if !known {
		_, err := os.Stat(path)
		there = err == nil
		if c.stat == nil {
			c.stat = make(map[string]bool)
		}
		c.stat[path] = there
	}
	return there
}

func (c *checker) kluster() {
	k := c.fleet.Kluster
	if k == nil {
		return
	}
	if k.Master != "" && c.fleet.Host(k.Master) == nil {
		c.noHost(k.PosOf("master"), "kluster.master", k.Master)
	}
	if etcd := c.tree.get("kluster").get("etcd"); etcd != nil && etcd.kind == listKind {
		seen := make(map[string]bool)
		for i, e := range etcd.elems {
			path := fmt.Sprintf("kluster.etcd[%d]", i)
			switch {
			case e.kind != stringKind:
			case c.fleet.Host(e.text) == nil:
				c.noHost(e.at, path, e.text)
			case seen[e.text]:
				c.report.add(e.at, path, "etcd", "host %s is listed twice", quote(e.text))
			}
			seen[text(e)] = true
		}
		switch {
		case len(etcd.elems) == 0:
			c.report.add(etcd.at, "kluster.etcd", "etcd", "no members, want an odd number of hosts")
		case len(etcd.elems)%2 == 0:
			c.report.add(etcd.at, "kluster.etcd", "etcd", "%d members, want an odd number: an even one survives no more failures than one fewer", len(etcd.elems))
		}
	}
}

// unique reports hosts that share what only one can have.
func (c *checker) unique() {
	type owner struct {
		host *Host
		at   Pos
	}
	addresses, uuids, names := make(map[string]owner), make(map[string]owner), make(map[string]owner)
	claim := func(by map[string]owner, key string, h *Host, at Pos, path, rule, what string) {
		if first, ok := by[key]; ok {
			c.report.add(at, path, rule, "%s is that of host %s already", what, quote(first.host.Name)).Hint = "see " + first.at.String()
			return
		}
		by[key] = owner{h, at}
	}
	for _, h := range c.fleet.Hosts {
		path := join("hosts", h.Name)
		claim(names, strings.ToLower(h.Name), h, h.At, path, "duplicate-name", "the name, but for upper and lower case,")
		if h.Address != "" {
			key := strings.ToLower(h.Address)
			if a, err := netip.ParseAddr(h.Address); err == nil {
				key = a.Unmap().String()
			}
			// Behind one address there may be several hosts on ports of
			// their own, or behind jump hosts.
			key += "\x00" + fmt.Sprint(h.Port) + "\x00" + h.Jump
			claim(addresses, key, h, h.PosOf("host"), path+".host", "duplicate-address", "address "+quote(h.Address))
		}
		if h.DiskUUID != "" {
			claim(uuids, strings.ToLower(h.DiskUUID), h, h.PosOf("disk_uuid"), path+".disk_uuid", "duplicate-uuid", "disk "+quote(h.DiskUUID))
		}
	}
}

// roles reports roles nobody defines.
func (c *checker) roles() {
	known := []string{RoleMaster, RoleNode}
	for _, r := range c.fleet.Roles {
		known = append(known, r.Name)
	}
	defined := make(map[string]bool, len(known))
	for _, k := range known {
		defined[k] = true
	}
	c.eachRoles(func(list *node, path string) {
		for i, e := range list.elems {
			if e.kind != stringKind || defined[e.text] {
				continue
			}
			x := c.report.add(e.at, fmt.Sprintf("%s[%d]", path, i), "undefined-role", "no role named %s", quote(e.text))
			if near := nearest(e.text, known); near != "" {
				x.Hint = fmt.Sprintf("did you mean %q?", near)
			} else {
				x.Hint = "known are " + strings.Join(known, ", ")
			}
		}
	})
}

// eachRoles calls f for every list of roles that hosts or defaults have.
func (c *checker) eachRoles(f func(list *node, path string)) {
	if l := c.tree.get("defaults").get("roles"); l != nil {
		f(l, "defaults.roles")
	}
	if hosts := c.tree.get("hosts"); hosts != nil {
		for _, h := range hosts.fields {
			if l := h.val.get("roles"); l != nil {
				f(l, join("hosts", h.name)+".roles")
			}
		}
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

func (c *checker) imports() {
	c.eachModule(func(m *Module, path string) {
		for i, im := range m.Imports {
			if !c.exists(im.Path) {
				c.report.add(im.At, fmt.Sprintf("%s.imports[%d]", path, i), "missing-file", "no such file: %s", im.Path)
			}
		}
	})
}
