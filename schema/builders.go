package schema

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"muster/exec/ondemand"
)

// Build says where systems are built, besides Builders of [Fleet].
type Build struct {
	// OnlyThere leaves all builds to builders: this machine builds nothing.
	OnlyThere bool
	Machines  []*BuildMachine // in inventory order
}

// A BuildMachine is a builder in fields instead of Nix's notation.
type BuildMachine struct {
	Name      string
	At        Pos
	Host      *Host  // that it is, by its name, and without a URL in the inventory; else nil
	URL       string // ssh://NAME by default; see builderHostURL for a host of the inventory
	Systems   []string
	Jobs      int
	Speed     int
	Features  []string // that it has
	Mandatory []string // that a derivation must need to be built there
	Key       string   // file of the private SSH key
	HostKey   string   // such as "ssh-ed25519 AAAA…"
}

// Line is the machine in Nix's notation.
func (m *BuildMachine) Line() string {
	list := func(words []string) string { return cmp.Or(strings.Join(words, ","), "-") }
	host := "-"
	if m.HostKey != "" {
		host = base64.StdEncoding.EncodeToString([]byte(m.HostKey))
	}
	return strings.Join([]string{
		m.URL, list(m.Systems), cmp.Or(m.Key, "-"), strconv.Itoa(cmp.Or(m.Jobs, 1)), strconv.Itoa(cmp.Or(m.Speed, 1)),
		list(m.Features), list(m.Mandatory), host,
	}, " ")
}

// build decodes where is built. The machines become builders like those in Nix's notation.
func (d *decoder) build(n *node) {
	if n == nil || n.kind != structKind {
		return
	}
	here := n.get("here")
	d.fleet.Build.OnlyThere = here != nil && here.kind == boolKind && !truth(here)
	machines := n.get("machines")
	if machines == nil || machines.kind != structKind {
		return
	}
	addresses := map[string]bool{} // of machines that are hosts
	for _, f := range machines.fields {
		if f.val.kind != structKind {
			continue
		}
		m := &BuildMachine{
			Name: f.name, At: f.at, URL: text(f.val.get("url")), Systems: texts(f.val.get("systems")),
			Jobs: number32(f.val.get("jobs")), Speed: number32(f.val.get("speed")),
			Features: texts(f.val.get("features")), Mandatory: texts(f.val.get("mandatory_features")),
			Key: text(f.val.get("key")), HostKey: text(f.val.get("host_key")),
		}
		host := d.fleet.Host(m.Name)
		if m.URL == "" {
			m.Host, m.URL = host, builderHostURL(m.Name, host, addresses)
			if host != nil {
				addresses[host.Address] = true
			}
		}
		if host != nil && len(m.Systems) == 0 {
			m.Systems = []string{host.System}
		}
		// Nix's notation has one key. Several are in the SSH configuration that Nix is given.
		if host != nil && m.HostKey == "" && len(host.HostKeys) == 1 {
			m.HostKey = host.HostKeys[0]
		}
		d.fleet.Build.Machines = append(d.fleet.Build.Machines, m)
		d.fleet.Builders = append(d.fleet.Builders, m.Line())
	}
}

// builderHostURL is the URL of a builder without one: its name, unless it is a host of the
// inventory with an address that no machine before it has. That is what SSH configurations
// have. IPv6 addresses are left out, as versions of Nix differ in how they read them.
func builderHostURL(name string, host *Host, taken map[string]bool) string {
	switch {
	case host == nil || host.Address == "" || strings.Contains(host.Address, ":") || taken[host.Address]:
		return "ssh://" + name
	case host.User != "":
		return "ssh://" + host.User + "@" + host.Address
	}
	return "ssh://" + host.Address
}

// builders checks the lines of builders, and the machines.
func (c *checker) builders() {
	if list := c.tree.get("builders"); list != nil {
		for i, e := range list.elems {
			if text(e) == "" {
				continue
			}
			if err := CheckBuilder(e.text); err != nil {
				c.report.add(e.at, fmt.Sprintf("builders[%d]", i), "builder", "%v", err).Hint = builderHint
			}
		}
	}
	for _, m := range c.fleet.Build.Machines {
		if m.Host != nil && m.Host.Address == "" {
			c.report.add(m.At, join("build.machines", m.Name), "builder", "host %s has no address in the inventory", quote(m.Name)).Hint = "set url to a name that ~/.ssh/config has"
		}
	}
	for _, h := range c.fleet.Hosts {
		if h.Cross != "" && h.Cross == h.System {
			c.report.add(h.PosOf("cross"), join("hosts", h.Name)+".cross", "builder", "the host is itself %s", h.Cross).Hint = "leave cross out, or set system to that of the host"
		}
	}
	if c.fleet.Build.OnlyThere && len(c.fleet.Builders) == 0 {
		c.report.warn(c.tree.get("build").at, "build.here", "builder", "nothing is built here, and the inventory has no builders: those of nix.conf build")
	}
}

const builderHint = "a line has, parted by spaces and - for none: URL, systems, file of an SSH key, builds at once, speed, features, features that a derivation must need, host key in base64"

var (
	builderURL     = ondemand.Regexp(`^(?:[a-z][a-z0-9+-]*://\S+|[A-Za-z0-9]\S*)$`)
	builderSystem  = ondemand.Regexp(`^[a-z0-9_]+-[a-z0-9_]+$|^builtin$`)
	builderFeature = ondemand.Regexp(`^[A-Za-z0-9._+:-]+$`)
)

// CheckBuilder finds what is wrong with a builder in Nix's notation: a line, or a file of
// lines behind @.
func CheckBuilder(line string) error {
	if file, ok := strings.CutPrefix(strings.TrimSpace(line), "@"); ok {
		if !strings.HasPrefix(file, "/") {
			return fmt.Errorf("file of builders %s: want an absolute path behind @", quote(file))
		}
		return nil
	}
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return errors.New("want the URL of a builder")
	}
	checks := []func(string) error{
		matches("URL", builderURL(), "a URL such as ssh://builder"),
		listOf("system", builderSystem(), "a system such as x86_64-linux"),
		checkBuilderKey,
		func(s string) error { return wholeNumber("builds at once", s) },
		checkSpeed,
		listOf("feature", builderFeature(), "a feature such as kvm"),
		listOf("feature", builderFeature(), "a feature such as kvm"),
		checkBuilderHostKey,
	}
	if len(fields) > len(checks) {
		return fmt.Errorf("it has %d fields, want at most %d", len(fields), len(checks))
	}
	for i, f := range fields {
		if f == "-" && i > 0 {
			continue
		}
		if err := checks[i](f); err != nil {
			return err
		}
	}
	return nil
}

func matches(what string, pattern *regexp.Regexp, want string) func(string) error {
	return func(s string) error {
		if !pattern.MatchString(s) {
			return fmt.Errorf("%s %s: want %s", what, quote(s), want)
		}
		return nil
	}
}

func listOf(what string, pattern *regexp.Regexp, want string) func(string) error {
	check := matches(what, pattern, want)
	return func(s string) error {
		for _, word := range strings.Split(s, ",") {
			if err := check(word); err != nil {
				return err
			}
		}
		return nil
	}
}

func wholeNumber(what, s string) error {
	if n, err := strconv.Atoi(s); err != nil || n < 1 {
		return fmt.Errorf("%s %s: want a number from 1", what, quote(s))
	}
	return nil
}

func checkSpeed(s string) error {
	if n, err := strconv.ParseFloat(s, 64); err != nil || n <= 0 {
		return fmt.Errorf("speed %s: want a number above 0, by which Nix prefers faster builders", quote(s))
	}
	return nil
}

func checkBuilderKey(s string) error {
	if !strings.HasPrefix(s, "/") {
		return fmt.Errorf("SSH key %s: want the absolute path of a private key, which Nix may read as another user", quote(s))
	}
	return nil
}

func checkBuilderHostKey(s string) error {
	key, err := base64.StdEncoding.DecodeString(s)
	if err != nil || !strings.Contains(string(key), " ") {
		return fmt.Errorf("host key %s: want a line of /etc/ssh/ssh_host_ed25519_key.pub in base64, as base64 -w0 makes it", quote(s))
	}
	return nil
}
