package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"muster/exec/ondemand"
)

// config warns of NixOS configuration that is a mistake on a host that muster
// deploys.
func (c *checker) config() {
	c.eachModule(func(m *Module, path string) {
		if m.Config != nil {
			c.secrets(m.Config, join(path, "config"), "")
			c.configMistakes(m.Config, join(path, "config"))
		}
		for i, s := range m.Nix {
			if what := secretText(s.Text); what != "" {
				at := path + ".nix"
				if len(m.Nix) > 1 {
					at = fmt.Sprintf("%s.nix[%d]", path, i)
				}
				c.secret(s.At, at, what)
			}
		}
		if v, ok := option(m.Config, "system.autoUpgrade.enable").(Bool); ok && v.V {
			e := c.report.warn(v.At, path+".config.system.autoUpgrade.enable", "auto-upgrade", "the host upgrades itself and then differs from the inventory")
			e.Hint = "upgrade: {every: \"04:00\", git: \"https://…\"} upgrades it to what the fleet has"
		}
		for _, name := range []string{"deployment", "nixops"} {
			if v := option(m.Config, name); v != nil {
				e := c.report.warn(v.Pos(), path+".config."+name, "other-deployer", "%s is for other deployers and has no effect here", name)
				e.Hint = "host, user, port, tags, secrets and health of the inventory say what it says there"
			}
		}
		if v, ok := option(m.Config, "services.openssh.enable").(Bool); ok && !v.V {
			c.report.warn(v.At, path+".config.services.openssh.enable", "no-way-in", "muster cannot reach a host without an SSH server")
		}
	})
	c.wayIn()
}

// option returns the value of an option by its dotted path, or nil. The inventory
// may nest attribute sets or, in TOML and YAML, have dots in a name. Marks other
// than If are skipped.
func option(v Value, path string) Value {
	for {
		m, ok := v.(Mark)
		if !ok || len(m.Values) != 1 || m.Kind == If {
			break
		}
		v = m.Values[0]
	}
	if path == "" {
		return v
	}
	a, ok := v.(*Attrs)
	if !ok || a == nil {
		return nil
	}
	for _, f := range a.Fields {
		if rest, ok := strings.CutPrefix(path, f.Name); ok && (rest == "" || rest[0] == '.') {
			if found := option(f.Value, strings.TrimPrefix(rest, ".")); found != nil {
				return found
			}
		}
	}
	return nil
}

// wayIn warns of hosts without an authorized SSH key: once deployed they cannot be
// reached. Hosts with Nix files or text are skipped, since the key may be there.
func (c *checker) wayIn() {
	if opaque(&c.fleet.Defaults) || hasKey(c.fleet.Defaults.Config) {
		return
	}
	roles := make(map[string]bool)
	for _, r := range c.fleet.Roles {
		roles[r.Name] = opaque(&r.Module) || hasKey(r.Config)
	}
	var without []*Host
	for _, h := range c.fleet.Hosts {
		ok := h.NoSystem || h.Flake != nil || opaque(&h.Module) || hasKey(h.Config)
		for _, r := range h.Roles {
			ok = ok || roles[r]
		}
		if !ok {
			without = append(without, h)
		}
	}
	if len(without) == 0 {
		return
	}
	h := without[0]
	e := c.report.warn(h.At, join("hosts", h.Name), "no-way-in", "no SSH key gives access to %s after deployment", whoseHost(without))
	e.Hint = "set users.users.root.openssh.authorizedKeys.keys in config"
}

// opaque reports whether a module has parts that are not parsed.
func opaque(m *Module) bool { return len(m.Imports) > 0 || len(m.Nix) > 0 }

// hasKey reports whether configuration authorizes an SSH key for any user, or may
// do so in a Nix expression.
func hasKey(config *Attrs) bool {
	if config == nil {
		return false
	}
	found := false
	eachValue(config, "", func(path string, v Value) bool {
		switch v := v.(type) {
		case Expr, Pkg:
			found = found || strings.Contains(path, "users") || strings.HasPrefix(path, "services.openssh") || !strings.Contains(path, ".")
		case List:
			found = found || strings.Contains(path, "authorizedKeys.") && slices.ContainsFunc(v.Elems, mayBeKey)
		case Mark:
			found = found || strings.Contains(path, "authorizedKeys")
		}
		return !found
	})
	return found
}

// mayBeKey reports whether a value is a public key, or one that only Nix can
// evaluate.
func mayBeKey(v Value) bool {
	s, ok := v.(String)
	if !ok {
		return true
	}
	// Options may precede the key, as in authorized_keys (sshd(8)).
	for words := strings.Fields(s.V); len(words) > 1; words = words[1:] {
		if strings.HasPrefix(words[0], "ssh-") || strings.HasPrefix(words[0], "ecdsa-") || strings.HasPrefix(words[0], "sk-") {
			return badKey(strings.Join(words, " ")) == ""
		}
	}
	return false
}

// eachValue calls f for a value and, if f returns true, for the values in it. path
// is the dotted path of attribute names.
func eachValue(v Value, path string, f func(path string, v Value) bool) {
	if !f(path, v) {
		return
	}
	switch v := v.(type) {
	case *Attrs:
		for _, g := range v.Fields {
			below := g.Name
			if path != "" {
				below = path + "." + g.Name
			}
			eachValue(g.Value, below, f)
		}
	case List:
		for _, e := range v.Elems {
			eachValue(e, path, f)
		}
	case Mark:
		for _, e := range v.Values {
			eachValue(e, path, f)
		}
	}
}

var (
	// secretName matches names of options that contain a secret. Names that
	// end in File or the like do not match: such options contain a path.
	secretName = ondemand.Regexp(`(?i:(password|passwd|passphrase|secret|token|psk|(api|access|auth|encryption|private|preshared|secret|signing)_?key|secret_key_base)$)|(^|_)pass$|Pass$|_PASS$`)
	hashedName = ondemand.Regexp(`(?i)hashed`)
)

// A secretForm matches texts that are secrets under any name.
type secretForm struct {
	what string
	form *regexp.Regexp
}

var secretForms = sync.OnceValue(func() []secretForm {
	return []secretForm{
		{"a private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----`)},
		{"an age key", regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]{20,}`)},
		{"an AWS access key", regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{16}\b`)},
		{"a GitHub token", regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})`)},
		{"a GitLab token", regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20}`)},
		{"a password in an address", regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://[^\s/:@"']+:[^\s/:@"'$<{][^\s/@"']*@`)},
		{"a Slack token", regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{10,}`)},
	}
})

// secretText returns what kind of secret a text contains, or "".
func secretText(s string) string {
	if len(s) < 10 {
		return ""
	}
	for _, f := range secretForms() {
		if f.form.MatchString(s) {
			return f.what
		}
	}
	return ""
}

// secrets warns of secrets in configuration, without showing them.
func (c *checker) secrets(v Value, path, name string) {
	switch v := v.(type) {
	case *Attrs:
		for _, f := range v.Fields {
			c.secrets(f.Value, join(path, f.Name), f.Name)
		}
	case List:
		for i, e := range v.Elems {
			c.secrets(e, fmt.Sprintf("%s[%d]", path, i), name)
		}
	case Mark:
		for _, e := range v.Values {
			c.secrets(e, path, name)
		}
	case String:
		if what := secretText(v.V); what != "" {
			c.secret(v.At, path, what)
		} else if v.V != "" && secretName().MatchString(name) && !hashedName().MatchString(name) {
			c.secret(v.At, path, "a secret")
		}
	case Expr:
		if what := secretText(v.Text); what != "" {
			c.secret(v.At, path, what)
		}
	case Template:
		if what := secretText(v.Text); what != "" {
			c.secret(v.At, path, what)
		}
	}
}

func (c *checker) secret(at Pos, path, what string) {
	e := c.report.warn(at, path, "secret", "%s in the configuration: every user of the host can read it in /nix/store", what)
	e.Hint = "give the host a secret, as in secrets: NAME: {age: \"./NAME.age\"}, and refer to its file"
}
