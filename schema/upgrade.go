package schema

import (
	"path/filepath"
	"strings"
)

// An Upgrade says when a host upgrades itself to what its fleet has, and where the fleet
// is: in a git repository, or as a flake.
type Upgrade struct {
	At    Pos
	Every string // when, as systemd's OnCalendar has it
	Delay string // the longest random delay; "" for none
	Git   string // the URL of a repository
	Ref   string // its branch or tag; "" means main
	File  string // the network expression in it; "" means network.nix
	Flake string // the reference of a flake
	Off   bool   // no upgrades, where roles or defaults have them
}

// upgrade decodes an upgrade, nil for none.
func (d *decoder) upgrade(n *node) *Upgrade {
	if n == nil || n.kind != structKind {
		return nil
	}
	field := func(name string) string { return text(n.get(name)) }
	u := &Upgrade{
		At: n.at, Every: field("every"), Delay: field("delay"), Git: field("git"), Ref: field("ref"), File: field("file"), Flake: field("flake"),
	}
	if e := n.get("enable"); e != nil && e.kind == boolKind {
		u.Off = !e.bool
	}
	return u
}

// upgradeOf is the upgrade of a host: its own, or that of its last role that has one, or
// that of the defaults; nil for none.
func (f *Fleet) upgradeOf(h *Host) *Upgrade {
	u := f.Defaults.Upgrade
	for _, r := range f.RolesOf(h) {
		if r.Upgrade != nil {
			u = r.Upgrade
		}
	}
	if h.Upgrade != nil {
		u = h.Upgrade
	}
	if u == nil || u.Off {
		return nil
	}
	return u
}

// checkUpgrades checks what upgrades build from.
func (c *checker) checkUpgrades() {
	c.eachModule(func(m *Module, path string) {
		u := m.Upgrade
		if u == nil || u.Off {
			return
		}
		path += ".upgrade"
		switch {
		case u.Every == "":
			c.report.add(u.At, path, "missing-field", "missing field %q, want a time such as \"04:00\"", "every")
		case (u.Git == "") == (u.Flake == ""):
			c.report.add(u.At, path, "upgrade", "want one of git and flake, where hosts find the fleet")
		case u.Flake != "" && (u.Ref != "" || u.File != ""):
			c.report.add(u.At, path, "upgrade", "ref and file belong to git: a flake's reference names its branch itself")
		}
		if u.Git == "" {
			return
		}
		n := c.fleet.Nixpkgs
		if m.Nixpkgs != nil {
			n = *m.Nixpkgs
		}
		switch {
		case n.Unpinned || n.Rev == "" && n.Path == "" && n.Input == "":
			e := c.report.add(u.At, path, "upgrade", "nixpkgs is not pinned: each host would upgrade to whatever its own channel has")
			e.Hint = "pin nixpkgs with rev and hash"
		case n.Path != "" && (filepath.IsAbs(n.Path) || strings.HasPrefix(n.Path, "..")):
			c.report.warn(u.At, path, "upgrade", "nixpkgs.path is outside the repository, where hosts do not have it")
		}
	})
	for _, h := range c.fleet.Hosts {
		if h.Flake != nil && h.Upgrade != nil && !h.Upgrade.Off {
			c.report.add(h.Upgrade.At, join("hosts", h.Name)+".upgrade", "conflict", "the host is a system of a flake, which decides about its upgrades").Hint = "leave it out"
		}
	}
}
