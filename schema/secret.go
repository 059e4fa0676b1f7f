package schema

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/exec/ondemand"
)

// A Secret is a file that a host has in memory. Exactly one of Age, Sops, Command,
// File, Env and Template says where its content is.
type Secret struct {
	Name string
	At   Pos

	Age      string // a file, relative to the inventory's directory or absolute
	Sops     Sops
	Command  []string
	File     string
	Env      string
	Template string
	Generate Generate // makes the file of Age

	Owner, Group string
	Mode         uint32 // permission bits
	Path         string // where a link to it is; "" for none
	Restart      []string
	Reload       []string
	Volatile     bool   // in memory only
	Keep         bool   // a rollback brings back the content of that generation
	Mesh         string // it is a host's key in this mesh; "" for any other secret

	pos     map[string]Pos // of its fields
	derived bool           // of the cluster's certificates or a mesh's keys, and not in the inventory
}

// PosOf returns the position of a field, or that of the secret if the inventory does
// not have the field.
func (s *Secret) PosOf(field string) Pos {
	if p, ok := s.pos[field]; ok {
		return p
	}
	return s.At
}

// A Sops is a file encrypted with sops, or the value of a key in it.
type Sops struct {
	File string
	Key  string // words with dots between them; "" for the whole file
}

// Generate is what makes a secret. Kind is "" for nothing.
type Generate struct {
	Kind         string
	Length       int      // 0 means the kind's own
	CommonName   string   // of a certificate; "" for the first of Names
	Organization string   // of a certificate's subject; "" for none
	Names        []string // of a certificate: DNS names and addresses; at least one without CommonName
	Days         int      // that a certificate is valid; 0 means [CertificateDays]
	Authority    string   // a file of age with the key and certificate that sign it; "" for itself
}

// A Recipient is an age recipient or an SSH public key.
type Recipient struct {
	At   Pos
	Text string
}

// SecretsDir is where secrets are on a host.
const SecretsDir = "/run/muster-secrets"

// Unit is the systemd unit after which the secret is there.
func (s *Secret) Unit() string { return "muster-secret-" + s.Name + ".service" }

// secretNames is #SecretName of schema.cue.
var secretNames = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// IsSecretName reports whether a text can be the name of a secret.
func IsSecretName(name string) bool { return secretNames().MatchString(name) }

// placeholder is {{NAME}} in a template.
var placeholder = ondemand.Regexp(`\{\{ *([A-Za-z0-9._-]+) *\}\}`)

// Placeholders are the secrets that the template names, each once.
func (s *Secret) Placeholders() []string {
	var names []string
	for _, m := range placeholder().FindAllStringSubmatch(s.Template, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// Fill replaces the placeholders of the template.
func (s *Secret) Fill(value func(name string) string) string {
	return placeholder().ReplaceAllStringFunc(s.Template, func(m string) string {
		return value(placeholder().FindStringSubmatch(m)[1])
	})
}

// hostKeyFile is where sshd has the keys that secrets can be encrypted to.
var hostKeyFile = ondemand.Regexp(`^/etc/ssh/ssh_host_(ed25519|rsa)_key$`)

// secrets decodes the secrets of a module.
func (d *decoder) secrets(n *node, path string) []*Secret {
	if n == nil || n.kind != structKind {
		return nil
	}
	var all []*Secret
	for _, f := range n.fields {
		if f.val.kind == structKind {
			all = append(all, d.secret(f, join(path, f.name)))
		}
	}
	return all
}

func (d *decoder) secret(f field, path string) *Secret {
	n := f.val
	file := func(n *node) string {
		if text(n) == "" {
			return ""
		}
		return d.resolve(n.text, n.at)
	}
	s := &Secret{
		Name: f.name, At: f.at,
		Age: file(n.get("age")), Command: texts(n.get("command")), File: file(n.get("file")), Env: text(n.get("env")), Template: text(n.get("template")),
		Owner: cmp.Or(text(n.get("owner")), "root"), Group: cmp.Or(text(n.get("group")), "root"),
		Path: text(n.get("path")), Restart: texts(n.get("restart")), Reload: texts(n.get("reload")),
		Volatile: truth(n.get("volatile")), Keep: truth(n.get("keep")), Mode: 0o400,
		pos: make(map[string]Pos, len(n.fields)),
	}
	for _, g := range n.fields {
		s.pos[g.name] = g.val.at
	}
	if mode, err := strconv.ParseUint(text(n.get("mode")), 8, 12); err == nil {
		s.Mode = uint32(mode)
	}
	if p := n.get("sops"); p != nil && p.kind == structKind {
		s.Sops = Sops{File: file(p.get("file")), Key: text(p.get("key"))}
	}
	if g := n.get("generate"); g != nil && g.kind == structKind {
		s.Generate = Generate{
			Kind: text(g.get("kind")), Length: number32(g.get("length")), CommonName: text(g.get("common_name")), Organization: text(g.get("organization")),
			Names: texts(g.get("names")), Days: number32(g.get("days")), Authority: file(g.get("authority")),
		}
		d.generate(g, path+".generate")
		if n.get("age") == nil {
			d.report.add(g.at, path+".generate", "missing-field", "missing field: want age, the file that what is generated is kept in")
		}
	}
	d.oneOf(n, path, "age", "sops", "command", "file", "env", "template")
	if p := n.get("path"); text(p) != "" && filepath.Clean(p.text) != p.text {
		d.report.add(p.at, path+".path", "type", "got %s, want it without . and .. and double slashes", p)
	}
	d.hostKeySecret(n, s, path)
	if m := n.get("mode"); s.Mode&0o007 != 0 {
		e := d.report.add(m.at, path+".mode", "secret", "%s lets every user of the host read it or more", m)
		e.Hint = `give it a group, and mode "0440"`
	}
	return s
}

// generate checks that what is to be generated has the fields of its kind.
func (d *decoder) generate(g *node, path string) {
	kind := text(g.get("kind"))
	if kind == "x509" && len(texts(g.get("names"))) == 0 && text(g.get("common_name")) == "" {
		d.report.add(g.at, path, "missing-field", "missing field: want names, those that the certificate is for")
	}
	for _, f := range g.fields {
		of := map[string][]string{"length": {"password", "hex"}, "names": {"x509"}, "common_name": {"x509"}, "organization": {"x509"}, "days": {"x509"}, "authority": {"x509"}}[f.name]
		if of != nil && !slices.Contains(of, kind) {
			d.report.add(f.at, join(path, f.name), "conflict", "%s is for kind %s, not %s", f.name, strings.Join(of, " and "), kind)
		}
	}
}

// allSecrets are the secrets of a host: those of the defaults, its roles, and its own.
func (f *Fleet) allSecrets(h *Host) []*Secret {
	var all []*Secret
	add := func(more []*Secret) {
		for _, s := range more {
			if i := slices.IndexFunc(all, func(o *Secret) bool { return o.Name == s.Name }); i >= 0 {
				all[i] = s
			} else {
				all = append(all, s)
			}
		}
	}
	add(f.Defaults.Secrets)
	for _, r := range f.RolesOf(h) {
		add(r.Secrets)
	}
	add(f.Kluster.secrets(h))
	add(f.meshSecrets(h))
	add(h.Secrets)
	return all
}

// Secret returns the host's secret with the name, or nil.
func (h *Host) Secret(name string) *Secret {
	for _, s := range h.AllSecrets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// checkSecrets checks that files are there and encrypted, and what templates name.
func (c *checker) checkSecrets() {
	seen, reported := map[*Secret]bool{}, map[Pos]bool{}
	c.eachModule(func(m *Module, path string) {
		for _, s := range m.Secrets {
			c.secretFiles(s, path+".secrets."+s.Name)
		}
	})
	c.derivedSecrets()
	c.plainSecrets()
	c.hostKeySecrets()
	for _, h := range c.fleet.Hosts {
		c.secretPaths(h, reported)
		byPath := map[string]string{}
		for _, s := range h.AllSecrets {
			path := "hosts." + h.Name + ".secrets." + s.Name
			if s.Path != "" {
				if other := byPath[s.Path]; other != "" {
					c.report.add(s.PosOf("path"), path+".path", "conflict", "%s is the path of secret %s too", quote(s.Path), other)
				}
				byPath[s.Path] = s.Name
			}
			if seen[s] {
				continue
			}
			for _, name := range s.Placeholders() {
				switch other := h.Secret(name); {
				case other == nil:
					c.report.add(s.PosOf("template"), path+".template", "undefined", "{{%s}}: host %s has no secret of this name", name, h.Name)
				case other.Template != "":
					c.report.add(s.PosOf("template"), path+".template", "secret", "{{%s}} is a template itself, want a secret that is none", name)
				}
			}
			seen[s] = true
		}
	}
}

// derivedSecrets reports secrets with names that the keys of a mesh have, or the certificates
// of the cluster: one of both would take the place of the other.
func (c *checker) derivedSecrets() {
	of := map[string]string{}
	for _, m := range c.fleet.Meshes {
		of[m.Secret()], of[m.NextSecret()] = "keys of mesh "+m.Name, "keys of mesh "+m.Name
	}
	hosts := map[string]string{} // that have a certificate of a name
	for _, h := range c.fleet.Hosts {
		for _, s := range h.AllSecrets {
			if s.derived && s.Mesh == "" && hosts[s.Name] == "" {
				hosts[s.Name] = h.Name
			}
		}
	}
	c.eachModule(func(m *Module, path string) {
		for _, s := range m.Secrets {
			at := path + ".secrets." + s.Name
			if what := of[s.Name]; what != "" {
				c.report.add(s.At, at, "repeated", "the name is that of the %s", what).Hint = "give the secret another name"
			}
			// A host's own takes the place of the certificate, as what it says of itself does everywhere.
			if h := hosts[s.Name]; h != "" && !strings.HasPrefix(path, "hosts.") {
				c.report.add(s.At, at, "repeated", "no effect on host %s: kluster.pki has a certificate of this name for it", quote(h)).Hint = "give the secret another name, or to the host itself"
			}
		}
	})
}

// modules calls f for the modules of a host with their places.
func (f *Fleet) modules(h *Host, each func(m *Module, path string)) {
	each(&f.Defaults, "defaults")
	for _, r := range f.RolesOf(h) {
		each(&r.Module, join("roles", r.Name))
	}
	each(&h.Module, join("hosts", h.Name))
}

// secretPaths checks that the secrets that the configuration of a host refers to are
// there. reported are those that were not, for another host.
func (c *checker) secretPaths(h *Host, reported map[Pos]bool) {
	c.fleet.modules(h, func(m *Module, path string) {
		if m.Config == nil {
			return
		}
		eachValue(m.Config, join(path, "config"), func(at string, v Value) bool {
			s, ok := v.(SecretPath)
			if !ok || reported[s.At] {
				return true
			}
			if there := h.Secret(s.Name); there != nil {
				if there.HostKey() != "" {
					reported[s.At] = true
					c.hostKeyPath(s, there, at)
				}
				return true
			}
			reported[s.At] = true
			e := c.report.add(s.At, at+".$secret", "undefined", "host %s has no secret %s", h.Name, quote(s.Name))
			var names []string
			for _, o := range h.AllSecrets {
				names = append(names, o.Name)
			}
			if near := nearest(s.Name, names); near != "" {
				e.Hint = fmt.Sprintf("did you mean %s?", near)
			}
			return true
		})
	})
}

// secretFiles checks the files of one secret, without reading what they hide.
func (c *checker) secretFiles(s *Secret, path string) {
	look := func(file, field string) {
		top, _, _ := strings.Cut(field, ".")
		at := s.PosOf(top)
		switch info := c.lookFor(file); {
		case file == "":
		case info == nil && s.Generate.Kind != "":
			e := c.report.warn(at, path+"."+field, "missing-file", "no such file yet: %s", quote(file))
			e.Hint = "muster secrets generate makes it"
		case info == nil:
			c.report.add(at, path+"."+field, "missing-file", "no such file: %s", quote(file))
		case !info.Mode().IsRegular():
			c.report.add(at, path+"."+field, "missing-file", "not a file: %s", quote(file))
		case field == "age":
			c.ageFile(s, path+".age")
		}
	}
	look(s.Age, "age")
	c.certificate(s, path, time.Now())
	look(s.Sops.File, "sops.file")
	look(s.File, "file")
	if s.Volatile {
		e := c.report.warn(s.PosOf("volatile"), path+".volatile", "secret", "in memory only: after a restart of the host, what needs it fails until muster sends it again")
		e.Hint = "muster secrets push sends it"
	}
	if s.Volatile && s.Keep {
		c.report.add(s.PosOf("keep"), path+".keep", "conflict", "has keep and volatile, want one of them")
	}
}

// nixPath is a path in Nix text.
var nixPath = ondemand.Regexp(`(?:^|[^A-Za-z0-9._+/-])(\.{0,2}/[A-Za-z0-9._+-][A-Za-z0-9._+/-]*)`)

// plainSecrets checks that nothing in the configuration leads to the plain file of a
// secret: what a path leads to is copied to the store.
func (c *checker) plainSecrets() {
	files := map[string]string{} // names of secrets
	c.eachModule(func(m *Module, _ string) {
		for _, s := range m.Secrets {
			if s.File != "" {
				files[c.absolute(s.File)] = s.Name
			}
		}
	})
	if len(files) == 0 {
		return
	}
	tell := func(at Pos, path, name, file string) {
		c.report.add(at, path, "secret", "%s puts the plain secret %s into the store, where every user can read it", quote(name), files[file])
	}
	for _, p := range c.paths {
		for _, file := range slices.Sorted(maps.Keys(files)) {
			if rel, err := filepath.Rel(c.absolute(p.name), file); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
				tell(p.at, p.path, p.name, file)
			}
		}
	}
	// A directory in Nix text may be there for what else is in it: only the file is sure.
	text := func(at Pos, path, text string) {
		for _, m := range nixPath().FindAllStringSubmatch(text, -1) {
			if file := filepath.Clean(c.absolute(m[1])); files[file] != "" {
				tell(at, path, m[1], file)
			}
		}
	}
	c.eachModule(func(m *Module, path string) {
		for _, s := range m.Nix {
			text(s.At, path+".nix", s.Text)
		}
		if m.Config == nil {
			return
		}
		eachValue(m.Config, join(path, "config"), func(at string, v Value) bool {
			switch v := v.(type) {
			case Expr:
				text(v.At, at+".$expr", v.Text)
			case Template:
				text(v.At, at+".$str", v.Text)
			case Mark:
				text(v.At, at+".$if", v.Cond)
			}
			return true
		})
	})
}
