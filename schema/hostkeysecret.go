package schema

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"muster/exec/foreign"
)

// HostKey returns the type of the SSH host key that the secret is, ed25519 or rsa, or ""
// for any other secret. A host key is a file on the host's disk at its path; the other
// secrets are encrypted to it.
func (s *Secret) HostKey() string {
	m := hostKeyFile().FindStringSubmatch(s.Path)
	if m == nil {
		return ""
	}
	return m[1]
}

// HostKeySecret returns the secret that is the host's SSH host key, or nil.
func (h *Host) HostKeySecret() *Secret {
	i := slices.IndexFunc(h.AllSecrets, func(s *Secret) bool { return s.HostKey() != "" })
	if i < 0 {
		return nil
	}
	return h.AllSecrets[i]
}

// PublicKeyFile is where the public key of a file of age with an SSH host key is, in plain
// text.
func PublicKeyFile(age string) string { return age + ".pub" }

// hostKeyFields are fields of a secret that do not fit an SSH host key.
var hostKeyFields = []string{"owner", "group", "mode", "restart", "reload", "volatile", "keep", "template"}

// hostKeySecret checks the fields of a secret that is an SSH host key.
func (d *decoder) hostKeySecret(n *node, s *Secret, at string) {
	if path.Dir(s.Path) != "/etc/ssh" || !strings.HasPrefix(path.Base(s.Path), "ssh_host_") || !strings.HasSuffix(s.Path, "_key") {
		return
	}
	if s.HostKey() == "" {
		d.report.add(n.get("path").at, at+".path", "secret", "%s is no host key that secrets can be encrypted to: want /etc/ssh/ssh_host_ed25519_key or /etc/ssh/ssh_host_rsa_key", quote(s.Path))
		return
	}
	for _, field := range hostKeyFields {
		if f := n.get(field); f != nil {
			d.report.add(f.at, at+"."+field, "conflict", "%s is an SSH host key, which belongs to root and is on the host's disk: it has no %s", s.Path, field)
		}
	}
	if kind := s.Generate.Kind; kind != "" && kind != "ssh-"+s.HostKey() {
		d.report.add(s.PosOf("generate"), at+".generate.kind", "conflict", "%s is an SSH host key of type %s, not %s", s.Path, s.HostKey(), kind)
	}
}

// hostKeySecrets checks the SSH host keys among the secrets, and takes up their public
// keys.
func (c *checker) hostKeySecrets() {
	users := map[string]*Host{} // of files
	for _, h := range c.fleet.Hosts {
		var first *Secret
		for _, s := range h.AllSecrets {
			if s.HostKey() == "" {
				continue
			}
			at := join("hosts", h.Name) + ".secrets." + s.Name
			if first != nil {
				c.report.add(s.PosOf("path"), at+".path", "conflict", "secret %s is an SSH host key of %s too: want one", first.Name, h.Name)
				continue
			}
			first = s
			if other := users[s.Age]; s.Age != "" && other != nil {
				c.report.add(s.At, at, "conflict", "%s and %s would have the same SSH host key, want one for each", other.Name, h.Name)
				continue
			}
			users[s.Age] = h
			c.hostKeyPin(h, s, at)
		}
	}
}

// hostKeyPin takes up the public key of a host's key, and checks it against host_keys.
func (c *checker) hostKeyPin(h *Host, s *Secret, at string) {
	if s.Age == "" {
		if len(h.HostKeys) == 0 {
			c.report.add(s.At, at, "host-key", "nothing says which public key it has").Hint = "name it in host_keys"
		}
		return
	}
	key, there := c.publicKey(s.Age, s.PosOf("age"), at+".age")
	if !there {
		e := c.report.warn(s.PosOf("age"), at+".age", "missing-file", "no such file yet: %s, with the public key", quote(PublicKeyFile(s.Age)))
		if e.Hint = "muster secrets rekey writes it"; s.Generate.Kind != "" && c.lookFor(s.Age) == nil {
			e.Hint = "muster secrets generate writes it"
		}
		return
	}
	if key == "" {
		return
	}
	for _, other := range h.HostKeys {
		if KeyType(other) == KeyType(key) && !SameKey(other, key) {
			e := c.report.warn(h.PosOf("host_keys"), join("hosts", h.Name)+".host_keys", "host-key", "a machine with another key than the secret %s is accepted, too, and would be given that key", s.Name)
			e.Hint = "remove the other key when the host has its own"
		}
	}
	h.pin(key)
}

// SameKey reports whether two public keys are the same but for their comments.
func SameKey(a, b string) bool { return keyMaterial(a) == keyMaterial(b) }

// KeyType is the type of a public key, such as ssh-ed25519.
func KeyType(key string) string {
	kind, _, _ := strings.Cut(key, " ")
	return kind
}

// pin adds a key to those that a host may present.
func (h *Host) pin(key string) {
	if !slices.ContainsFunc(h.HostKeys, func(k string) bool { return SameKey(k, key) }) {
		h.HostKeys = append(h.HostKeys, key)
	}
}

// publicKey reads the public key beside a file of age. One that is none is reported, and
// "" then.
func (c *checker) publicKey(age string, pos Pos, at string) (key string, there bool) {
	file := PublicKeyFile(age)
	if c.lookFor(file) == nil {
		return "", false
	}
	content, err := foreign.ReadFile(c.absolute(file), foreign.Limits{Size: maxPublicKey, Time: foreign.Time, Links: true})
	key = strings.TrimSpace(string(content))
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case strings.Contains(key, "\n") || len(strings.Fields(key)) < 2:
		why = "want one line such as ssh-ed25519 AAAA…"
	default:
		why = badKey(key)
	}
	if why != "" {
		c.report.add(pos, at, "host-key", "%s is not a public key: %s", quote(file), why)
		return "", true
	}
	return key, true
}

// hostKeyPath reports a reference of the configuration to a secret that is the host's key.
func (c *checker) hostKeyPath(p SecretPath, s *Secret, at string) {
	c.report.add(p.At, at+".$secret", "secret", "%s is the host's SSH host key, and no file in %s", quote(p.Name), SecretsDir).Hint = fmt.Sprintf("its path is %s", s.Path)
}
