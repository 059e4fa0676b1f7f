package schema

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// A Pull says where a host takes releases from, and when.
type Pull struct {
	At     Pos
	From   string // the URL of a store: s3://…, https://…, ssh://… or file://…
	Key    string // public keys that releases are signed with, in the form of Nix, with spaces between them
	Report string // the URL that reports are posted to; "" for the store
	Every  string // when, as systemd's OnCalendar has it; "" is every 15 minutes
	Jitter string // the longest random delay, such as 5m; "" is 5 minutes
	Off    bool   // no pull, where roles or defaults have it
}

// Keys are the public keys.
func (p *Pull) Keys() []string { return strings.Fields(p.Key) }

// pull decodes a pull, nil for none.
func (d *decoder) pull(n *node) *Pull {
	if n == nil || n.kind != structKind {
		return nil
	}
	field := func(name string) string { return text(n.get(name)) }
	p := &Pull{At: n.at, From: field("from"), Key: field("key"), Report: field("report"), Every: field("every"), Jitter: field("jitter")}
	if e := n.get("enable"); e != nil && e.kind == boolKind {
		p.Off = !e.bool
	}
	return p
}

// pullOf is the pull of a host: its own, or that of its last role that has one, or that of the defaults; nil for none.
func (f *Fleet) pullOf(h *Host) *Pull {
	p := f.Defaults.Pull
	for _, r := range f.RolesOf(h) {
		if r.Pull != nil {
			p = r.Pull
		}
	}
	if h.Pull != nil {
		p = h.Pull
	}
	if p == nil || p.Off {
		return nil
	}
	return p
}

// checkPulls checks where hosts take releases from.
func (c *checker) checkPulls() {
	c.eachModule(func(m *Module, path string) {
		if m.Pull != nil && !m.Pull.Off {
			c.checkPull(m.Pull, path+".pull")
		}
	})
	for _, h := range c.fleet.Hosts {
		if h.Pulls == nil {
			continue
		}
		path := join("hosts", h.Name) + ".pull"
		if h.Upgrades != nil {
			c.report.add(h.Pulls.At, path, "conflict", "the host has upgrade too: each would undo what the other has deployed").Hint = "leave one of them out, or switch it off with enable: false"
		}
		if h.Flake != nil && h.Pull != nil {
			c.report.warn(h.Pulls.At, path, "pull", "the host is a system of a flake, which has to run muster agent itself")
		}
	}
}

// checkPull checks one pull.
func (c *checker) checkPull(p *Pull, path string) {
	for _, name := range []string{"from", "key"} {
		if (name == "from" && p.From == "") || (name == "key" && p.Key == "") {
			c.report.add(p.At, path, "missing-field", "missing field %q, want %s", name, pullWants[name])
		}
	}
	if p.From != "" {
		c.checkPullFrom(p, path+".from")
	}
	if p.Report != "" {
		c.checkPullReport(p, path+".report")
	}
	for _, key := range p.Keys() {
		if !isPublicKey(key) {
			c.report.add(p.At, path+".key", "pull", "got %q, want %s", key, pullWants["key"])
		}
	}
}

// pullWants say what the fields of a pull hold.
var pullWants = map[string]string{
	"from": `the URL of the store, such as "https://releases.example.com"`,
	"key":  "the public key that muster publish --make-key prints, NAME:BASE64",
}

// checkPullFrom checks the URL of a store. It becomes part of the host's configuration, which every user of the host can read.
func (c *checker) checkPullFrom(p *Pull, path string) {
	u, err := url.Parse(p.From)
	switch {
	case err != nil || !slices.Contains([]string{"s3", "https", "http", "ssh", "file"}, u.Scheme) || u.Scheme != "file" && u.Host == "" || u.Scheme == "ssh" && strings.Trim(u.Path, "/") == "":
		c.report.add(p.At, path, "pull", "got %q, want s3://BUCKET, https://HOST/PATH, ssh://USER@HOST/PATH or file:///PATH", p.From)
	case u.User != nil && (u.Scheme != "ssh" || hasPassword(u)):
		c.report.add(p.At, path, "pull", "the URL has a password in it, which every user of the host could read").Hint = "put MUSTER_STORE_AUTH=USER:PASSWORD into /etc/muster/agent.env, a secret of the host for example"
	case u.Scheme == "http" || u.Query().Get("scheme") == "http":
		c.report.warn(p.At, path, "pull", "without https, whoever is on the way can keep releases and reports back; it cannot forge them")
	}
}

// checkPullReport checks the URL of an inbox, which becomes part of the host's configuration too.
func (c *checker) checkPullReport(p *Pull, path string) {
	u, err := url.Parse(p.Report)
	const hint = "leave report out, and put MUSTER_REPORT_TO=URL, or MUSTER_REPORT_AUTH=USER:PASSWORD, into /etc/muster/agent.env, a secret of the host for example"
	switch {
	case err != nil || u.Host == "":
		c.report.add(p.At, path, "pull", "got %q, want the URL that takes reports, such as https://reports.example.com/muster", p.Report)
	case u.User != nil || u.RawQuery != "":
		c.report.add(p.At, path, "pull", "the URL has a password or a query in it, which every user of the host could read").Hint = hint
	case u.Scheme == "http":
		c.report.warn(p.At, path, "pull", "without https, whoever is on the way can read reports and keep them back; it cannot forge signed ones")
	}
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has
}

// isPublicKey reports whether a text is a public key in the form of Nix.
func isPublicKey(text string) bool {
	name, key, ok := strings.Cut(text, ":")
	raw, err := base64.StdEncoding.DecodeString(key)
	return ok && name != "" && err == nil && len(raw) == 32
}

// pull shows where a host takes releases from; nil for nowhere.
func (r *resolver) pull(p *Pull) {
	if p == nil {
		return
	}
	r.add("pull", p.At, r.set(p.At, func() {
		if p.Off {
			r.bool("enable", false, p.At)
		}
		r.text("from", p.From, p.At)
		r.text("key", p.Key, p.At)
		r.text("report", p.Report, p.At)
		r.text("every", p.Every, p.At)
		r.text("jitter", p.Jitter, p.At)
	}))
}
