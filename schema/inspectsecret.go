package schema

import "fmt"

// sharedModule shows the module of a role or of the defaults.
func (r *resolver) sharedModule(m *Module) {
	r.secrets(m.Secrets)
	r.upgrade(m.Upgrade)
	r.pull(m.Pull)
	r.module(*m)
}

// secrets shows secrets by name: what becomes of them on a host, and files that hold them.
// Commands and templates are left out, which may hold what is secret.
func (r *resolver) secrets(all []*Secret) {
	if len(all) == 0 {
		return
	}
	r.add("secrets", all[0].At, r.set(all[0].At, func() {
		for _, s := range all {
			r.add(s.Name, s.At, r.set(s.At, func() { r.secret(s) }))
		}
	}))
}

func (r *resolver) secret(s *Secret) {
	at := func(field string) Pos { return s.pos[field] }
	r.text("age", s.Age, at("age"))
	if s.Sops.File != "" {
		r.add("sops", at("sops"), r.set(at("sops"), func() {
			r.text("file", s.Sops.File, at("sops"))
			r.text("key", s.Sops.Key, at("sops"))
		}))
	}
	r.text("file", s.File, at("file"))
	r.text("env", s.Env, at("env"))
	if g := s.Generate; g.Kind != "" {
		r.add("generate", at("generate"), r.set(at("generate"), func() {
			r.text("kind", g.Kind, at("generate"))
			r.number("length", g.Length, at("generate"))
			r.texts("names", g.Names, at("generate"))
			r.number("days", g.Days, at("generate"))
			r.text("authority", g.Authority, at("generate"))
		}))
	}
	r.text("path", s.Path, at("path"))
	if s.HostKey() != "" {
		return
	}
	r.text("owner", s.Owner, at("owner"))
	r.text("group", s.Group, at("group"))
	r.text("mode", fmt.Sprintf("%04o", s.Mode), at("mode"))
	r.text("unit", s.Unit(), Pos{})
	r.texts("restart", s.Restart, at("restart"))
	r.texts("reload", s.Reload, at("reload"))
	r.bool("volatile", s.Volatile, at("volatile"))
	r.bool("keep", s.Keep, at("keep"))
}

// upgrade shows how a host upgrades by itself; nil for not at all.
func (r *resolver) upgrade(u *Upgrade) {
	if u == nil {
		return
	}
	r.add("upgrade", u.At, r.set(u.At, func() {
		if u.Off {
			r.bool("enable", false, u.At)
		}
		r.text("every", u.Every, u.At)
		r.text("delay", u.Delay, u.At)
		r.text("git", u.Git, u.At)
		r.text("ref", u.Ref, u.At)
		r.text("file", u.File, u.At)
		r.text("flake", u.Flake, u.At)
	}))
}
