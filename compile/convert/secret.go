package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/schema"
)

// A key is one of deployment.keys.
type key struct {
	Text, KeyFile     *string
	KeyCommand        []string
	Path, User, Group string
	Permissions       string
	UploadAt          string
}

// keys are deployment.keys of colmena and NixOps.
func (e *entry) keys(s *Setting) {
	keys, _ := into[map[string]key](s)
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		k := keys[name]
		sec := e.newSecret(s, name)
		switch {
		case k.KeyCommand != nil:
			sec.add("command", k.KeyCommand)
		case k.KeyFile != nil:
			e.readFile(s, sec, name, *k.KeyFile)
		case k.Text != nil:
			sec.text = k.Text
		default:
			e.list(s, "the key %s has no content", name)
			continue
		}
		e.access(s, sec, name, k.User, k.Group, k.Permissions, k.Path)
		e.late(s, name, k.UploadAt)
		e.secrets = append(e.secrets, *sec)
	}
}

// morphSecrets are deployment.secrets of morph, whose sources are relative to the
// network's file.
func (e *entry) morphSecrets(s *Setting) {
	type owner struct{ User, Group string }
	secrets, _ := into[map[string]struct {
		Source, Destination, Permissions, UploadAt string
		Owner                                      owner
		Action                                     []string
	}](s)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		m := secrets[name]
		sec := e.newSecret(s, name)
		source := m.Source
		if !filepath.IsAbs(source) && len(e.c.source.Files) > 0 {
			source = filepath.Join(filepath.Dir(e.c.source.Files[0]), source)
		}
		e.readFile(s, sec, name, source)
		e.access(s, sec, name, m.Owner.User, m.Owner.Group, m.Permissions, m.Destination)
		e.late(s, name, m.UploadAt)
		if verb, units := unitAction(m.Action); verb != "" {
			sec.add(verb, units)
		} else if len(m.Action) > 0 {
			e.list(s, "the secret %s: muster restarts or reloads units, and does not run %s", name, strings.Join(m.Action, " "))
		}
		e.secrets = append(e.secrets, *sec)
	}
}

// readFile takes the content of a secret from a file. One that is not there yet is read
// by a command, at deployment.
func (e *entry) readFile(s *Setting, sec *secret, name, file string) {
	if info, err := os.Stat(e.c.places.inTree(file)); err == nil && info.Mode().IsRegular() {
		sec.add("file", e.file(file))
		return
	}
	e.list(s, "the file of the secret %s is not there: cat reads it at deployment", name)
	sec.add("command", []string{"cat", e.file(file)})
}

// unitAction is what a command does to units, in words of the inventory.
func unitAction(words []string) (verb string, units []string) {
	if len(words) > 0 && words[0] == "sudo" {
		words = words[1:]
	}
	if len(words) < 3 || words[0] != "systemctl" {
		return "", nil
	}
	switch words[1] {
	case "restart", "try-restart":
		verb = "restart"
	case "reload", "reload-or-restart", "try-reload-or-restart":
		verb = "reload"
	default:
		return "", nil
	}
	for _, u := range words[2:] {
		if strings.HasPrefix(u, "-") {
			return "", nil
		}
		if !strings.Contains(u, ".") {
			u += ".service"
		}
		units = append(units, u)
	}
	return verb, units
}

// lollypopsSecrets are lollypops.secrets.files, whose commands are for a shell.
func (e *entry) lollypopsSecrets(s *Setting) {
	files, _ := into[map[string]struct {
		Cmd, Path, Mode, Owner string
		Group                  string `json:"group-name"`
	}](s)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		sec := e.newSecret(s, name)
		sec.add("command", []string{"sh", "-c", f.Cmd})
		e.access(s, sec, name, f.Owner, f.Group, f.Mode, f.Path)
		e.secrets = append(e.secrets, *sec)
	}
}

// newSecret begins a secret of a name that the inventory takes.
func (e *entry) newSecret(s *Setting, name string) *secret {
	plain := name
	if !schema.IsSecretName(name) {
		plain = plainName(name, 64)
		e.list(s, "the secret %q is %q: muster takes letters, digits, '.', '-' and '_'", name, plain)
	}
	return &secret{name: plain}
}

func (s *secret) add(name string, value any) {
	s.fields = append(s.fields, schema.NewField{Name: name, Value: value})
}

// access says whose a secret is and where. What the inventory has by default is left out.
func (e *entry) access(s *Setting, sec *secret, name, user, group, mode, path string) {
	for _, o := range [][2]string{{"owner", user}, {"group", group}} {
		switch {
		case o[1] == "" || o[1] == "root":
		case !schema.Fits("User", o[1]):
			e.list(s, "%s %q of the secret %s is no name: it is root", o[0], o[1], name)
		default:
			sec.add(o[0], o[1])
		}
	}
	bits, err := strconv.ParseUint(mode, 8, 12)
	switch {
	case err != nil || !octal().MatchString(mode):
		e.list(s, "permissions %q of the secret %s are no octal number of three digits: they are 0400", mode, name)
	case bits&0o007 != 0:
		mode = fmt.Sprintf("%04o", bits&^0o007)
		e.list(s, "permissions of the secret %s let every user read it, which muster does not do: they are %s", name, mode)
		sec.add("mode", mode)
	case bits != 0o400:
		sec.add("mode", fmt.Sprintf("%04o", bits))
	}
	if strings.HasPrefix(path, "/") && filepath.Clean(path) == path && !strings.Contains(path, " ") {
		sec.add("path", path)
	} else {
		e.list(s, "the path %q of the secret %s is none that muster takes: it is %s/%s", path, name, schema.SecretsDir, sec.name)
	}
}

func (e *entry) late(s *Setting, name, when string) {
	if when == "post-activation" {
		e.list(s, "the secret %s is there before the activation, and not only after it", name)
	}
}

// A morphCheck is one of healthChecks and preDeployChecks.
type morphCheck struct {
	Description, Scheme, Path string
	Host                      *string
	Port                      int
	Cmd                       []string
	Headers                   map[string]string
	Period, Timeout           int
	InsecureSSL               bool
}

type morphChecks struct{ Cmd, HTTP []morphCheck }

func (e *entry) healthChecks(s *Setting) { e.checks(s, "") }

func (e *entry) preDeployChecks(s *Setting) { e.checks(s, "before") }

func (e *entry) checks(s *Setting, when string) {
	checks, _ := into[morphChecks](s)
	for _, m := range checks.Cmd {
		if len(m.Cmd) == 0 {
			e.list(s, "the check %q has no command: it is left out", m.Description)
			continue
		}
		e.health = append(e.health, m.fields(e.host, when))
	}
	for _, m := range checks.HTTP {
		if m.Host == nil && e.host == "" {
			e.list(s, "the check %q has no address to ask, for the host has none: it is left out", m.Description)
			continue
		}
		e.health = append(e.health, m.fields(e.host, when))
	}
}

// fields are those of a check in the inventory. One of HTTP is made from where muster
// runs.
func (m *morphCheck) fields(host, when string) []schema.NewField {
	var fields []schema.NewField
	add := func(name string, value any, has bool) {
		if has {
			fields = append(fields, schema.NewField{Name: name, Value: value})
		}
	}
	add("command", m.Cmd, m.Cmd != nil)
	if m.Cmd == nil {
		add("http", m.url(host), true)
		add("from", "here", true)
	}
	add("description", m.Description, m.Description != "")
	add("when", when, when != "")
	var headers []schema.NewField
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		headers = append(headers, schema.NewField{Name: name, Value: m.Headers[name]})
	}
	add("headers", headers, len(headers) > 0)
	add("insecure", true, m.InsecureSSL && m.Scheme == "https")
	add("timeout", fmt.Sprintf("%ds", m.Timeout), m.Timeout > 0 && m.Timeout != 10)
	add("interval", fmt.Sprintf("%ds", m.Period), m.Period > 0 && m.Period != 2)
	return fields
}

// url is where morph asks, from where it runs.
func (m *morphCheck) url(host string) string {
	if m.Host != nil {
		host = *m.Host
	}
	return m.Scheme + "://" + net.JoinHostPort(host, strconv.Itoa(m.Port)) + m.Path
}

// same reports whether two secrets say the same.
func (s *secret) same(o *secret) bool {
	a, _ := json.Marshal(s.fields)
	b, _ := json.Marshal(o.fields)
	return s.name == o.name && string(a) == string(b)
}
