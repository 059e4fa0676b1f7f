package schema

import (
	"cmp"
	"slices"
	"strings"
)

// A Profile is a profile of Nix that is deployed to a host beside its system, or
// without one: the home of a user, a system of nix-darwin, anything that has a command
// to activate it. Exactly one of Flake, Expr and File says what it is.
type Profile struct {
	Name string
	At   Pos

	Flake *FlakeSystem // the attribute is as written
	Expr  string       // a Nix expression, or a function of { nodes, pkgs, lib }
	Dir   string       // that paths in Expr are relative to
	File  string       // absolute
	Attr  string       // of File; "" is all of it

	User     string // whose it is; "" is the user that muster logs in as
	Path     string // of its link: absolute, or below the user's home
	Activate string // a command of the user's shell, run in the directory of the new generation
}

// ActivateHome is the activation of home-manager.
const ActivateHome = "./activate"

// ProfilePath is where the link of a profile is below the home of its user, unless the
// inventory says otherwise.
func ProfilePath(name string) string { return ".local/state/nix/profiles/" + name }

// Part is the host as it is deployed a profile: its name is HOST:PROFILE.
func (h *Host) Part(p *Profile) *Host {
	part := *h
	part.Name, part.Machine, part.Profile = h.Name+":"+p.Name, h.Name, p
	part.Health, part.AllSecrets, part.DiskUUID, part.Disks = nil, nil, "", nil
	part.BuildOn = BuildLocal
	return &part
}

// MachineName is the name of the host that a host or a part of one is on.
func (h *Host) MachineName() string { return cmp.Or(h.Machine, h.Name) }

// profiles decodes the profiles of a host.
func (d *decoder) profiles(n *node, path string) []*Profile {
	if n == nil || n.kind != structKind {
		return nil
	}
	var all []*Profile
	for _, f := range n.fields {
		if f.val.kind != structKind {
			continue // the shape is reported
		}
		at := join(path, f.name)
		p := &Profile{
			Name: f.name, At: f.at, Expr: text(f.val.get("expr")), Attr: text(f.val.get("attr")),
			User: text(f.val.get("user")), Path: cmp.Or(text(f.val.get("path")), ProfilePath(f.name)), Activate: cmp.Or(text(f.val.get("activate")), ActivateHome),
		}
		if n := f.val.get("file"); n != nil {
			p.File = d.resolve(text(n), n.at)
		}
		if n := f.val.get("expr"); n != nil {
			p.Dir = d.resolve(".", n.at)
		}
		if n := f.val.get("flake"); n != nil {
			if p.Flake = d.flakeSystem(n, at+".flake"); p.Flake != nil && p.Flake.Attr[0] == "nixosConfigurations" && !strings.Contains(text(n), "nixosConfigurations") {
				p.Flake.Attr = p.Flake.Attr[1:]
			}
		}
		d.oneOf(f.val, at, "flake", "expr", "file")
		all = append(all, p)
	}
	return all
}

// profiles checks what a host has of profiles.
func (c *checker) profiles(h *Host) {
	path := join("hosts", h.Name)
	if h.NoSystem && len(h.Profiles) == 0 {
		c.report.add(h.At, path, "profiles", "it has no NixOS, and nothing else to deploy: want profiles")
	}
	if strings.HasSuffix(h.System, "-darwin") && !h.NoSystem {
		c.report.add(h.PosOf("system"), path+".system", "system", "NixOS does not run on %s: want nixos: false, and profiles", h.System)
	}
	for i, p := range h.Profiles {
		at := path + ".profiles." + p.Name
		if p.File != "" && c.lookFor(p.File) == nil {
			c.report.add(p.At, at+".file", "missing-file", "no such file: %s", quote(p.File))
		}
		if p.Flake != nil && p.Flake.Dir != "" && c.lookFor(p.Flake.Dir) == nil {
			c.report.add(p.Flake.At, at+".flake", "missing-file", "no such directory: %s", quote(p.Flake.Dir))
		}
		same := func(other *Profile) bool { return other.Path == p.Path && other.User == p.User }
		if first := slices.IndexFunc(h.Profiles, same); first < i {
			c.report.add(p.At, at+".path", "duplicate", "profile %s of the host has the path %s too", quote(h.Profiles[first].Name), quote(p.Path))
		}
	}
}
