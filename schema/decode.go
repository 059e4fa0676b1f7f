package schema

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/exec/ondemand"
)

// A decoder turns a checked tree into a fleet. It skips what the shape has
// reported, so that the rules about the whole fleet can still be checked.
type decoder struct {
	report *report
	fleet  *Fleet
	tree   *node
	values valueReader
	// absDir returns the directory of the file that a position is in, and show the
	// name of a file in messages.
	absDir func(Pos) string
	show   func(string) string
	pinned []PinnedMachine // that are made

	machines map[string]*PinnedMachine // pinned, by host; nil until they are asked for
}

// decode fills in the fleet.
func (d *decoder) decode() {
	f, t := d.fleet, d.tree
	f.pos = make(map[string]Pos)
	for _, name := range []string{"network", "nixpkgs", "provision", "rollout"} {
		note(f.pos, name, t.get(name))
	}
	d.values = valueReader{report: d.report, resolve: d.resolve}
	d.inputs(t.get("inputs"))
	d.lock(t.get("lock"))
	f.Impure = truth(t.get("impure"))
	f.Nixpkgs = d.nixpkgs(t.get("nixpkgs"))
	if t.get("nixpkgs") == nil {
		// As in NixOps; the checker warns.
		f.Nixpkgs.Unpinned = true
		if f.HasInput(nixpkgsInput) {
			f.Nixpkgs = Nixpkgs{Input: nixpkgsInput}
		}
	}
	d.kluster(t.get("kluster"))
	d.network(t.get("network"))
	f.Provision = d.provision(t.get("provision"))
	f.Provision.Machines = d.pinned
	defaults := t.get("defaults")
	f.Defaults = d.module(defaults, "defaults")
	if i := t.index("defaults"); i >= 0 {
		f.DefaultsAt = t.fields[i].at
	}
	if roles := t.get("roles"); roles != nil && roles.kind == structKind {
		for _, r := range roles.fields {
			f.Roles = append(f.Roles, &Role{Name: r.name, At: r.at, Module: d.module(r.val, join("roles", r.name))})
		}
	}
	f.roleIndex = indexOf(f.Roles, func(r *Role) string { return r.Name })
	if hosts := t.get("hosts"); hosts != nil && hosts.kind == structKind {
		f.Hosts = make([]*Host, 0, len(hosts.fields))
		for _, h := range hosts.fields {
			if h.val.kind == structKind {
				f.Hosts = append(f.Hosts, d.host(h, defaults))
			}
		}
	}
	f.hostIndex = indexOf(f.Hosts, func(h *Host) string { return h.Name })
	f.variants()
	d.meshes(t.get("mesh"))
	f.Builders = texts(t.get("builders"))
	d.build(t.get("build"))
	if l := t.get("secret_recipients"); l != nil && l.kind == listKind {
		for _, e := range l.elems {
			f.SecretRecipients = append(f.SecretRecipients, Recipient{At: e.at, Text: text(e)})
		}
	}
	if c := t.get("cache"); c != nil {
		f.Cache = Cache{At: c.at, PushTo: text(c.get("push_to")), PullFrom: text(c.get("pull_from")), Peers: texts(c.get("peers"))}
	}
	d.rollout(t.get("rollout"))
}

// note records the positions of a value and of all values in it, by path.
func note(pos map[string]Pos, path string, n *node) {
	if n == nil {
		return
	}
	pos[path] = n.at
	for _, f := range n.fields {
		note(pos, path+"."+f.name, f.val)
	}
	for i, e := range n.elems {
		note(pos, fmt.Sprintf("%s[%d]", path, i), e)
	}
}

// network decodes the metadata of the network expression. By default rollback is
// enabled.
func (d *decoder) network(n *node) {
	kind := "NixOS fleet"
	if d.fleet.Kluster != nil {
		kind = "kubernetes cluster"
	}
	d.fleet.Network = Network{Description: cmp.Or(text(n.get("description")), kind), EnableRollback: true}
	if n.get("enable_rollback") != nil {
		d.fleet.Network.EnableRollback = truth(n.get("enable_rollback"))
	}
}

// text returns the text of a string node, and "" for any other.
func text(n *node) string {
	if n == nil || n.kind != stringKind {
		return ""
	}
	return n.text
}

// truth reports whether a node is true.
func truth(n *node) bool { return n != nil && n.kind == boolKind && n.bool }

// number32 returns an integer that fits 31 bits, and 0 for any other node.
func number32(n *node) int {
	if n == nil || n.kind != intKind || n.num < 0 || n.num > 1<<31-1 {
		return 0
	}
	return int(n.num)
}

// texts returns the strings in a list node.
func texts(n *node) []string {
	if n == nil || n.kind != listKind {
		return nil
	}
	out := make([]string, 0, len(n.elems))
	for _, e := range n.elems {
		if e.kind == stringKind {
			out = append(out, e.text)
		}
	}
	return out
}

// resolve makes a path relative to the inventory's directory. at is its position:
// in the inventory it is relative to the file it is written in.
func (d *decoder) resolve(path string, at Pos) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	rel, err := filepath.Rel(d.fleet.Dir, filepath.Join(d.absDir(at), path))
	if err != nil {
		return path
	}
	if !strings.HasPrefix(rel, "../") && rel != ".." {
		rel = "./" + rel
	}
	if rel == "./." {
		rel = "."
	}
	return rel
}

// nixpkgsInput is the input that is the fleet's NixOS where the inventory does not say
// which is.
const nixpkgsInput = "nixpkgs"

func (d *decoder) nixpkgs(n *node) Nixpkgs {
	if n == nil || n.kind != structKind {
		return Nixpkgs{}
	}
	p := Nixpkgs{
		At: n.at, Input: text(n.get("input")), URL: text(n.get("url")), Rev: text(n.get("rev")), Hash: text(n.get("hash")),
		Unpinned: truth(n.get("unpinned")),
	}
	if path := n.get("path"); text(path) != "" {
		p.Path = d.resolve(path.text, path.at)
	}
	if l := n.get("patches"); l != nil && l.kind == listKind {
		for _, e := range l.elems {
			if text(e) != "" {
				p.Patches = append(p.Patches, Patch{At: e.at, Path: d.resolve(e.text, e.at)})
			}
		}
	}
	return p
}

func (d *decoder) prefix(n *node, path string) netip.Prefix {
	if text(n) == "" {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(n.text)
	if err != nil {
		d.report.add(n.at, path, "network", "got %s, want a network such as 10.1.0.0/16", n)
		return netip.Prefix{}
	}
	if p.Masked() != p {
		d.report.add(n.at, path, "network", "got %s, want the network address %s", n, p.Masked())
	}
	return p.Masked()
}

func (d *decoder) module(n *node, path string) Module {
	var m Module
	if n == nil || n.kind != structKind {
		return m
	}
	m.Secrets = d.secrets(n.get("secrets"), join(path, "secrets"))
	m.Upgrade = d.upgrade(n.get("upgrade"))
	m.Pull = d.pull(n.get("pull"))
	if l := n.get("imports"); l != nil && l.kind == listKind {
		for i, e := range l.elems {
			if e.kind == stringKind && e.text != "" {
				m.Imports = append(m.Imports, Import{At: e.at, Path: d.resolve(e.text, e.at)})
			}
			if e.kind == structKind {
				if ref, ok := d.values.value(e, fmt.Sprintf("%s.imports[%d]", path, i)).(InputRef); ok {
					m.Imports = append(m.Imports, Import{At: e.at, Input: &ref})
				}
			}
		}
	}
	if p := n.get("nixpkgs"); p != nil && p.kind == structKind {
		own := d.nixpkgs(p)
		m.Nixpkgs = &own
	}
	m.NixpkgsConfig = d.options(n.get("nixpkgs_config"), join(path, "nixpkgs_config"))
	d.values.special = true
	m.SpecialArgs = d.options(n.get("special_args"), join(path, "special_args"))
	d.values.special = false
	if l := n.get("overlays"); l != nil && l.kind == listKind {
		for i, e := range l.elems {
			if e.kind != structKind {
				continue
			}
			at := fmt.Sprintf("%s.overlays[%d]", path, i)
			switch v := d.values.value(e, at).(type) {
			case Path, InputRef, Expr:
				m.Overlays = append(m.Overlays, v)
			case nil: // reported
			default:
				d.report.add(e.at, at, "type", "got %s, want an overlay: $path, $input or $expr", e)
			}
		}
	}
	m.Config = d.options(n.get("config"), join(path, "config"))
	if s := n.get("nix"); s != nil {
		list := []*node{s}
		if s.kind == listKind {
			list = s.elems
		}
		for _, e := range list {
			if e.kind == stringKind {
				m.Nix = append(m.Nix, Snippet{At: e.at, Text: e.text})
			}
		}
	}
	return m
}

// options decodes a set of options.
func (d *decoder) options(n *node, path string) *Attrs {
	if n == nil || n.kind != structKind {
		return nil
	}
	if isMarker(n) {
		e := d.report.add(n.at, path, "marker", "got a marker, want an attribute set of options")
		e.Hint = "put markers on the options, or write the module in nix"
		return nil
	}
	return d.values.attrs(n, path)
}

// host decodes a host. A field of the host replaces the same field of the
// defaults.
func (d *decoder) host(f field, defaults *node) *Host {
	n, path := f.val, join("hosts", f.name)
	h := &Host{Name: f.name, At: f.at}
	pos := make(map[string]Pos, len(n.fields))
	for _, g := range n.fields {
		pos[g.name] = g.val.at
	}
	of := func(name string) *node {
		if own := n.get(name); own != nil {
			return own
		}
		if def := defaults.get(name); def != nil {
			pos[name] = def.at
			return def
		}
		return nil
	}
	h.Flake = d.flakeSystem(n.get("flake"), path+".flake")
	if nixos := n.get("nixos"); text(nixos) != "" {
		d.oneOf(n, path, "flake", "nixos")
		h.Flake = d.nixosSystem(nixos, path+".nixos")
	} else {
		h.NoSystem = nixos != nil && !truth(nixos)
	}
	h.Profiles = d.profiles(n.get("profiles"), join(path, "profiles"))
	h.HostKeys = texts(n.get("host_keys"))
	h.DiskUUID = text(n.get("disk_uuid"))
	h.Jump = text(of("jump"))
	h.Local = truth(of("local"))
	h.System = cmp.Or(text(of("system")), "x86_64-linux")
	d.privilege(h, of("privilege"), join(path, "privilege"))
	h.Policy = Policy(cmp.Or(text(of("policy")), string(Required)))
	h.FailedUnits = FailedUnits(cmp.Or(text(of("failed_units")), string(NewFailures)))
	h.Cross = text(of("cross"))
	h.BuildOn = BuildOn(cmp.Or(text(of("build_on")), string(BuildLocal)))
	h.Substitute = truth(of("substitute"))
	h.KnownHosts, h.ExtraHosts = truth(of("known_hosts")), truth(of("extra_hosts"))
	h.LimitRate = bytesOf(of("limit_rate"))
	h.Roles = texts(of("roles"))
	h.Tags = texts(of("tags"))
	if of("roles") == nil && d.fleet.Kluster != nil {
		h.Roles = d.fleet.Kluster.memberRoles(h.Name)
	}
	h.Node = klusterNode(of("node"))
	h.Provision = d.machine(n, path, pos)
	d.connection(h, n, defaults, path, pos, of)
	d.care(h, n, defaults, path, of)
	h.GuestOf, h.VariantOf = text(n.get("guest_of")), text(n.get("variant_of"))
	h.Care.OnlyChosen = h.Care.OnlyChosen || h.VariantOf != ""
	h.Health = d.checks(of("health"), join(path, "health"))
	note(pos, "health", of("health"))
	for _, name := range []string{"host", "disks", "file_systems", "swap", "install"} {
		note(pos, name, n.get(name))
	}
	if meta := of("meta"); meta != nil && meta.kind == structKind {
		plain := valueReader{report: d.report, resolve: d.resolve, plain: true}
		h.Meta = plain.attrs(meta, join(path, "meta"))
	}
	h.pos = positionsOf(pos)
	h.Module = d.module(n, path)
	h.AllSecrets = d.fleet.allSecrets(h)
	h.Upgrades = d.fleet.upgradeOf(h)
	h.Pulls = d.fleet.pullOf(h)
	d.storage(h, n, path)
	h.Install = d.install(n.get("install"), defaults.get("install"), join(path, "install"))
	d.showsKeys(h)
	return h
}

// bytesOf decodes a number of bytes. The shape reports anything else.
func bytesOf(n *node) int64 {
	if n != nil && n.kind == intKind {
		return int64(number32(n))
	}
	size, err := ParseBytes(text(n))
	if err != nil {
		return 0
	}
	return size
}

// bytesText is a number of bytes, as #Rate of schema.cue has it.
var bytesText = ondemand.Regexp(`^([0-9]+(?:\.[0-9]+)?)([kKMG]?)$`)

// ParseBytes parses a number of bytes: 800, 500k, 10M, 1.5G; units are of 1000.
func ParseBytes(s string) (int64, error) {
	n := 0.0
	if m := bytesText().FindStringSubmatch(s); m != nil {
		n, _ = strconv.ParseFloat(m[1], 64) // one that is too large is infinite
		n *= map[string]float64{"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[m[2]]
	}
	if n < 1 || n > 1e15 {
		return 0, errors.New("want a number of bytes such as 800, 500k or 10M")
	}
	return int64(n), nil
}

func (d *decoder) storage(h *Host, n *node, path string) {
	if disks := n.get("disks"); disks != nil && disks.kind == structKind {
		for _, f := range disks.fields {
			d.disk(h, f, disks, join(path, "disks"))
		}
	}
	if systems := n.get("file_systems"); systems != nil && systems.kind == structKind {
		for _, f := range systems.fields {
			if f.val.kind != structKind {
				continue
			}
			below := join(join(path, "file_systems"), f.name)
			h.FileSystems = append(h.FileSystems, d.fileSystem(f, below))
		}
	}
	if swap := n.get("swap"); swap != nil && swap.kind == listKind {
		for _, e := range swap.elems {
			if e.kind == structKind {
				h.Swap = append(h.Swap, Swap{At: e.at, Device: text(e.get("device")), Size: number32(e.get("size"))})
			}
		}
	}
}

func (d *decoder) fileSystem(f field, path string) FileSystem {
	fs := FileSystem{
		At: f.at, MountPoint: f.name,
		FSType: text(f.val.get("fs_type")), Options: texts(f.val.get("options")), NeededForBoot: truth(f.val.get("needed_for_boot")),
	}
	var given []string
	for _, by := range []struct{ field, prefix string }{{"device", ""}, {"uuid", "/dev/disk/by-uuid/"}, {"label", "/dev/disk/by-label/"}} {
		if v := f.val.get(by.field); v != nil {
			given = append(given, by.field)
			fs.Device = by.prefix + text(v)
		}
	}
	switch {
	case len(given) == 0:
		d.report.add(f.at, path, "missing-field", "missing field: want device, uuid or label")
	case len(given) > 1:
		d.report.add(f.at, path, "file-system", "has %s, want one of them", strings.Join(given, " and "))
	}
	return fs
}

func (d *decoder) rollout(n *node) {
	if n == nil || n.kind != structKind {
		return
	}
	r := Rollout{
		At: n.at, Canaries: text(n.get("canaries")), Order: texts(n.get("order")), Confirm: truth(n.get("confirm")),
		MaxUnavailable: number32(n.get("max_unavailable")), MaxFailures: number32(n.get("max_failures")),
	}
	if b := n.get("batch"); b != nil {
		r.Batch = text(b)
		if b.kind == intKind {
			r.Batch = fmt.Sprint(b.num)
		}
	}
	r.Pause = d.duration(n.get("pause"), "rollout.pause", 0)
	r.Hooks = d.hooks(n.get("hooks"))
	d.fleet.Rollout = r
}

// duration decodes a duration; without one it returns the default. The shape
// reports what does not look like a duration, this function one that overflows.
func (d *decoder) duration(n *node, path string, byDefault time.Duration) time.Duration {
	if text(n) == "" {
		return byDefault
	}
	t, err := time.ParseDuration(n.text)
	if err != nil && durationText().MatchString(n.text) {
		d.report.add(n.at, path, "type", "got %s, want a duration such as 30s or 5m", n)
	}
	return t
}

// durationText is #Duration of schema.cue.
var durationText = ondemand.Regexp(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// checks decodes health checks.
func (d *decoder) checks(n *node, path string) []Check {
	if n == nil || n.kind != listKind {
		return nil
	}
	var checks []Check
	for i, e := range n.elems {
		if e.kind != structKind {
			continue
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		c := Check{
			At: e.at, Command: texts(e.get("command")), HTTP: text(e.get("http")), Status: number32(e.get("status")),
			TCP: text(e.get("tcp")), Unit: text(e.get("unit")), FromHere: text(e.get("from")) == "here",
			Timeout:  d.duration(e.get("timeout"), at+".timeout", 10*time.Second),
			Interval: d.duration(e.get("interval"), at+".interval", 2*time.Second),
			Retries:  5,
		}
		d.more(&c, e, at)
		if p := e.get("tcp"); p != nil && p.kind == intKind {
			c.TCP = fmt.Sprint(p.num)
		}
		if r := e.get("retries"); r != nil {
			c.Retries = number32(r)
		}
		d.oneOf(e, at, "command", "http", "tcp", "unit")
		checks = append(checks, c)
	}
	return checks
}

// more decodes the fields of a check that few have.
func (d *decoder) more(c *Check, n *node, path string) {
	c.Description, c.Before, c.Insecure = text(n.get("description")), text(n.get("when")) == "before", truth(n.get("insecure"))
	if headers := n.get("headers"); headers != nil {
		for _, f := range headers.fields {
			c.Headers = append(c.Headers, Header{Name: f.name, Value: text(f.val)})
		}
	}
	for _, name := range []string{"status", "headers", "insecure"} {
		if v := n.get(name); v != nil && n.get("http") == nil {
			d.report.add(v.at, path+"."+name, "conflict", "no effect without http")
		}
	}
	if v := n.get("http"); strings.HasPrefix(c.HTTP, "http") && !isURL(c.HTTP) {
		d.report.add(v.at, path+".http", "type", "got %s, want a URL such as http://localhost/health", v)
	}
	if v := n.get("insecure"); c.Insecure && strings.HasPrefix(c.HTTP, "http:") {
		d.report.add(v.at, path+".insecure", "conflict", "no effect: %s has no certificate", quote(c.HTTP))
	}
}

// isURL reports whether a text is a URL with a host, and with a port that exists where it
// has one.
func isURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return false
	}
	port, err := strconv.Atoi(cmp.Or(u.Port(), "80"))
	return err == nil && port >= 1 && port <= 65535
}

// hooks decodes the hooks of a rollout.
func (d *decoder) hooks(n *node) []Hook {
	if n == nil || n.kind != listKind {
		return nil
	}
	var hooks []Hook
	for i, e := range n.elems {
		if e.kind != structKind {
			continue
		}
		at := fmt.Sprintf("rollout.hooks[%d]", i)
		d.oneOf(e, at, "before", "after")
		hooks = append(hooks, Hook{
			At: e.at, Before: text(e.get("before")), After: text(e.get("after")), Command: texts(e.get("command")),
			OnHost: text(e.get("on")) == "host", Hosts: text(e.get("hosts")),
			Timeout: d.duration(e.get("timeout"), at+".timeout", time.Minute),
		})
	}
	return hooks
}

// oneOf reports a struct that has none or several of some fields.
func (d *decoder) oneOf(n *node, path string, fields ...string) {
	var given []string
	for _, f := range fields {
		if v := n.get(f); v != nil && (v.kind != listKind || len(v.elems) > 0) {
			given = append(given, f)
		}
	}
	switch {
	case len(given) == 0:
		d.report.add(n.at, path, "missing-field", "missing field: want %s", anyOf(fields))
	case len(given) > 1:
		d.report.add(n.at, path, "conflict", "has %s, want one of them", strings.Join(given, " and "))
	}
}

// anyOf returns "a, b or c".
func anyOf(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
