package convert

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"muster/schema"
)

// A Conversion is the inventory that a source becomes.
type Conversion struct {
	Notes []Note
	// Texts are contents of secrets that the inventory may not have, by the path of the
	// file that is to hold them encrypted.
	Texts []Text
	// Hosts are the hosts of the inventory, by their names there.
	Hosts []Host

	source  *Source
	kind    Kind
	facts   *Facts
	entries []*entry
	about   []schema.NewField
	ordered []string // selectors, in the order of a deployment
	places  places
}

// A Host is a host of the inventory and its name in the source.
type Host struct {
	Name, Source string
	Attr         []string // of the flake
	Bare         bool     // without a system
	Secrets      int
}

// A Note is something that is not carried over, and what happens instead.
type Note struct {
	Hosts   []string // by their names in the source; none for the whole fleet
	Setting string
	At      string // file:line:column, relative to the inventory; "" where it is not known
	Text    string
}

// String is the note in a line: "web1, web2: deployment.owners (hive.nix:3:5): …".
func (n Note) String() string {
	s := n.Setting
	if len(n.Hosts) > 0 {
		s = strings.Join(n.Hosts, ", ") + ": " + s
	}
	if n.At != "" {
		s += " (" + n.At + ")"
	}
	return s + ": " + n.Text
}

// A Text is the content of a secret.
type Text struct {
	Hosts            []string
	Secret, File, Is string
}

// New converts what a source says.
func New(s *Source, f *Facts) *Conversion {
	c := &Conversion{source: s, kind: f.Kind(s.Kind), facts: f, places: places{source: s, root: f.Root, hosts: f.Hosts}}
	c.about = c.aboutFields()
	for i := range f.Hosts {
		if e := c.entry(&f.Hosts[i]); e != nil {
			c.entries = append(c.entries, e)
			c.Hosts = append(c.Hosts, Host{Name: e.name, Source: e.source, Attr: e.attr, Bare: e.bare, Secrets: len(e.secrets)})
		}
	}
	c.separate()
	c.buildHosts()
	c.findOrder()
	for _, o := range f.Others {
		c.Notes = append(c.Notes, Note{Setting: "nixosConfigurations." + o, Text: "it is no host of " + c.kind.String() + ": it is left out"})
	}
	for _, o := range f.Beside {
		c.beside(o)
	}
	for _, b := range f.Broken {
		c.Notes = append(c.Notes, Note{Setting: "the host " + b.Name, Text: "it does not evaluate and is left out: " + c.InSource(b.Why)})
	}
	c.texts()
	return c
}

// separate tells hosts with the same address apart, which an inventory takes only for
// systems of one machine.
func (c *Conversion) separate() {
	first := map[string]*entry{}
	for _, e := range c.entries {
		key := fmt.Sprintf("%s %d %s", strings.ToLower(e.host), cmp.Or(e.port, 22), e.jump)
		o := first[key]
		switch s := (&Setting{Name: "host"}); {
		case e.host == "":
		case o == nil:
			first[key] = e
		case e.guessed || o.guessed:
			c.noteAt(e.source, s, "", fmt.Sprintf("%s has the address %s too: the host is built, and not connected to until host says where it is", o.source, e.host))
			e.host = ""
		default:
			c.noteAt(e.source, s, "", fmt.Sprintf("%s has the address %s too: it is another system of that machine, which --on chooses", o.source, e.host))
			e.variantOf = o.name
		}
	}
}

// beside notes an output of the flake that is not converted.
func (c *Conversion) beside(o Output) {
	if len(o.Has) == 0 {
		return
	}
	text := fmt.Sprintf("%s: no NixOS system, and left out; profiles of a host can have it", strings.Join(o.Has, ", "))
	switch {
	case o.Deployer != "":
		text = fmt.Sprintf("it is for %s, and left out: --from %s converts it, and not %s", string(o.Deployer), string(o.Deployer), c.kind)
	case o.Name == "clan.inventory.machines":
		text = fmt.Sprintf("%s: no NixOS system of the flake, and left out", strings.Join(o.Has, ", "))
	case c.kind == DeployRS:
		text = fmt.Sprintf("%s: left out where it is no profile of deploy.nodes; profiles of a host can have it", strings.Join(o.Has, ", "))
	}
	c.note("", &Setting{Name: o.Name, At: o.At}, text)
}

// InSource is a text with the files of the source relative to it.
func (c *Conversion) InSource(text string) string {
	for _, dir := range []string{c.facts.Root, c.source.Dir} {
		if dir != "" {
			text = strings.ReplaceAll(text, dir+"/", "")
		}
	}
	return text
}

// Kind is the kind of the source, as its systems show it.
func (c *Conversion) Kind() Kind { return c.kind }

// note notes what is not carried over; the same of several hosts once.
func (c *Conversion) note(host string, s *Setting, text string) {
	c.noteAt(host, s, c.places.of(host, s), text)
}

func (c *Conversion) noteAt(host string, s *Setting, at, text string) {
	n := Note{Setting: s.Name, At: at, Text: text}
	if host != "" {
		n.Hosts = []string{host}
	}
	for i := range c.Notes {
		o := &c.Notes[i]
		if o.Setting == n.Setting && o.At == n.At && o.Text == n.Text {
			if !slices.Contains(o.Hosts, host) {
				o.Hosts = append(o.Hosts, host)
			}
			return
		}
	}
	c.Notes = append(c.Notes, n)
}

// entry converts one host.
func (c *Conversion) entry(n *Node) *entry {
	e := &entry{name: n.Name, source: n.Name, attr: n.Attr, bare: n.Bare, platform: n.System, c: c}
	if names := n.Attr; slices.ContainsFunc(names, noAttr) || names == nil && !n.Bare && noAttr(n.Name) {
		c.note("", &Setting{Name: fmt.Sprintf("the host %q", n.Name), At: n.At}, "no attribute path can have its name: it is left out")
		return nil
	}
	if n.Left {
		why := "its system is none of nixosConfigurations"
		if n.Empty {
			why = "it has no profiles"
		}
		c.note("", &Setting{Name: "deploy.nodes." + n.Name, At: n.At}, why+": it is left out")
		return nil
	}
	if !schema.Fits("HostName", n.Name) {
		e.name = c.free(plainName(n.Name, 60))
		c.note("", &Setting{Name: "the host " + n.Name, At: n.At}, fmt.Sprintf("it is called %s: muster takes letters, digits, and hyphens and underscores between them", e.name))
	}
	e.begin(n)
	rules := rulesOf(c.kind)
	for _, s := range inOrder(n.Settings, rules) {
		switch r, known := rules[s.Name]; {
		case s.Failed && r.Always:
		case s.Failed && r.Field == "host":
			e.only = true
			e.list(s, "its value does not evaluate: the host is built, and not connected to until host says where it is")
		case s.Failed:
			e.list(s, "its value does not evaluate, and is not carried over")
		case r.carry != nil && len(s.Value) > 0:
			r.carry(e, s)
		case !s.Set || r.Always || slices.Contains(r.Unless, string(s.Value)):
		case !known && !foreignOption(s.Name):
			e.list(s, "muster has no such setting")
		case !known:
		default:
			e.list(s, "%s", r.Instead)
		}
	}
	e.finish(n)
	return e
}

// noAttr reports whether a name cannot stand in the path of an attribute, as inventories
// have it.
func noAttr(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '"' || r == '#' })
}

// free is a name that no host has yet: the name, or one with a number.
func (c *Conversion) free(name string) string {
	taken := func(name string) bool {
		return name == "" || slices.ContainsFunc(c.facts.Hosts, func(n Node) bool { return n.Name == name }) ||
			slices.ContainsFunc(c.entries, func(e *entry) bool { return e.name == name })
	}
	free := name
	for i := 2; taken(free); i++ {
		free = fmt.Sprintf("%s-%d", cmp.Or(name, "host"), i)
	}
	return free
}

// foreignOption reports whether a setting is part of another tool's own workings: clan
// and lollypops make options of many others.
func foreignOption(name string) bool {
	return strings.HasPrefix(name, "clan.core.vars.") || strings.HasPrefix(name, "clan.core.networking.") || strings.HasPrefix(name, "lollypops.tasks")
}

// inOrder puts the address first, which others refer to.
func inOrder(settings []Setting, rules map[string]Rule) []*Setting {
	var list []*Setting
	for i := range settings {
		list = append(list, &settings[i])
	}
	first := func(s *Setting) int {
		if rules[s.Name].Field == "host" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *Setting) int { return cmp.Compare(first(a), first(b)) })
	return list
}

// begin sets what the deployer does where nothing is said.
func (e *entry) begin(n *Node) {
	yes := true
	for i := range n.Settings {
		if s := &n.Settings[i]; s.Name == "profiles" {
			p, _ := into[profile](s)
			e.names = append(e.names, p.Name)
		}
	}
	switch e.c.kind {
	case Colmena, DeployRS:
		e.substitute = &yes
	case Nixinate:
		e.user = "root"
		if slices.ContainsFunc(n.Settings, func(s Setting) bool { return strings.HasPrefix(s.Name, "nixinate.") }) { // which builds on the host by default
			e.buildOn = string(schema.BuildTarget)
		}
	case Clan:
		e.user = "root"
	}
}

// finish fills in what depends on several settings.
func (e *entry) finish(n *Node) {
	switch {
	case e.only, e.refused:
		e.host = ""
	case e.host == "" && e.c.kind == DeployRS:
		e.c.noteAt(e.source, &Setting{Name: "hostname"}, e.c.places.shown(n.At), "missing: the host is built, and not connected to until host says where it is")
	case e.host == "":
		e.host, e.guessed = e.found(n), true
	}
	if e.alias {
		e.user, e.port = "", 0
	}
	if e.user == "root" {
		e.privilege, e.command = "", nil
	} else if e.privilege == "" && e.command == nil && e.c.kind != Flake && e.c.kind != Lollypops && e.host != "" && !e.ownProfiles() {
		e.privilege = string(schema.Sudo)
	}
	if e.noEscalation != nil && e.user != "root" {
		e.noEscalation()
	}
	e.finishProfiles()
	if s := n.setting("deployment.targetUser"); e.only && s != nil && !s.Set {
		e.user = ""
	}
}

// found is the address of a host that no deployer says: its first static one, its
// domain name, or its name, which the SSH configuration may know.
func (e *entry) found(n *Node) string {
	var six string
	for _, text := range n.Addresses {
		bare, _, _ := strings.Cut(text, "/")
		a, err := netip.ParseAddr(bare)
		switch {
		case err != nil || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast():
		case a.Is4():
			return bare
		case six == "":
			six = bare
		}
	}
	if host := cmp.Or(six, n.FQDN); host != "" && isAddress(host) {
		return host
	}
	name := n.HostName
	if name == "" || name == "nixos" { // which is NixOS's default
		name = n.Name
	}
	s := &Setting{Name: "host"}
	if isAddress(name) {
		e.c.noteAt(e.source, s, "", "no address was found: it is the name, which DNS or the SSH configuration must know")
		return name
	}
	e.c.noteAt(e.source, s, "", "no address was found: the host is built, and not connected to until host says where it is")
	return ""
}

// texts gives each content of a secret a file: one for all hosts that have the same.
func (c *Conversion) texts() {
	for _, e := range c.entries {
		for i := range e.secrets {
			s := &e.secrets[i]
			if s.text == nil {
				continue
			}
			at := slices.IndexFunc(c.Texts, func(t Text) bool { return t.Secret == s.name && t.Is == *s.text })
			if at < 0 {
				file := "./" + path.Join("secrets", s.name+".age")
				if slices.ContainsFunc(c.Texts, func(t Text) bool { return t.File == file }) {
					file = "./" + path.Join("secrets", e.name+"-"+s.name+".age")
				}
				c.Texts = append(c.Texts, Text{Secret: s.name, File: file, Is: *s.text})
				at = len(c.Texts) - 1
			}
			t := &c.Texts[at]
			t.Hosts = append(t.Hosts, e.source)
			s.fields = append([]schema.NewField{{Name: "age", Value: t.File}}, s.fields...)
		}
	}
}

// shown is a path as it stands in the inventory's comments.
func (c *Conversion) shown(name string) string {
	if rel, err := filepath.Rel(c.source.Dir, name); err == nil {
		return rel
	}
	return name
}
