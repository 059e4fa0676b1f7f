package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// Inspect returns the resolved inventory, with defaults filled in, or the part of
// it at a path such as "hosts.web1.port" or "hosts.web1.roles[0]". The Pos of a
// value is where it was written; a default of muster has none.
func Inspect(f *Fleet, path string) (Value, error) {
	var v Value = f.resolved()
	steps, err := splitPath(path)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", quote(path), err)
	}
	at := ""
	for _, s := range steps {
		next, known := step(v, s)
		if next == nil {
			where := "the inventory"
			if at != "" {
				where = at
			}
			err := fmt.Errorf("inspect %s: %s has no %s", quote(path), where, quote(s))
			if near := nearest(s, known); near != "" {
				err = fmt.Errorf("%w; did you mean %q?", err, near)
			}
			return nil, err
		}
		v, at = next, join(at, s)
	}
	return v, nil
}

// step returns the value below v of a name or index, or nil and the known names.
func step(v Value, name string) (next Value, known []string) {
	switch v := v.(type) {
	case *Attrs:
		for _, f := range v.Fields {
			if f.Name == name {
				return f.Value, nil
			}
			known = append(known, f.Name)
		}
	case List:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v.Elems) {
			return v.Elems[i], nil
		}
	}
	return nil, known
}

// splitPath splits hosts."a b".roles[0] into its steps.
func splitPath(path string) ([]string, error) {
	var steps []string
	rest := strings.TrimPrefix(path, ".")
	for rest != "" {
		switch rest[0] {
		case '"':
			q, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("unterminated quote")
			}
			name, err := strconv.Unquote(q)
			if err != nil {
				return nil, fmt.Errorf("%s is not a name", q)
			}
			steps, rest = append(steps, name), rest[len(q):]
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("missing ]")
			}
			steps, rest = append(steps, strings.Trim(rest[1:end], `"`)), rest[end+1:]
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("missing name before %q", clip(rest))
			}
			steps, rest = append(steps, rest[:end]), rest[end:]
		}
		if strings.HasPrefix(rest, ".") {
			if rest = rest[1:]; rest == "" {
				return nil, fmt.Errorf("missing name at the end")
			}
		}
	}
	return steps, nil
}

// A Leaf is a value of a resolved inventory that contains no others.
type Leaf struct {
	Path string `json:"path"`
	Text string `json:"value"` // as JSON
	At   Pos    `json:"at"`
}

// Leaves returns the leaves of the value at a path.
func Leaves(v Value, path string) []Leaf {
	var out []Leaf
	var walk func(v Value, path string)
	walk = func(v Value, path string) {
		switch w := v.(type) {
		case *Attrs:
			if len(w.Fields) > 0 {
				for _, f := range w.Fields {
					walk(f.Value, join(path, f.Name))
				}
				return
			}
		case List:
			if len(w.Elems) > 0 {
				for i, e := range w.Elems {
					walk(e, fmt.Sprintf("%s[%d]", path, i))
				}
				return
			}
		}
		out = append(out, Leaf{Path: path, Text: string(JSON(v)), At: v.Pos()})
	}
	walk(v, path)
	return out
}

// JSON returns a value as JSON on one line, with names in inventory order and with
// markers such as {"$pkg": "git"}.
func JSON(v Value) []byte {
	var b bytes.Buffer
	writeJSON(&b, v)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, v Value) {
	text := func(s string) {
		var q bytes.Buffer
		e := json.NewEncoder(&q)
		e.SetEscapeHTML(false)
		if e.Encode(s) == nil {
			b.Write(bytes.TrimSuffix(q.Bytes(), []byte("\n")))
		}
	}
	list := func(elems []Value) {
		b.WriteByte('[')
		for i, e := range elems {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	}
	marker := func(name, s string) {
		b.WriteString(`{"` + name + `":`)
		text(s)
		b.WriteByte('}')
	}
	switch v := v.(type) {
	case nil, Null:
		b.WriteString("null")
	case Bool:
		b.WriteString(strconv.FormatBool(v.V))
	case Int:
		b.WriteString(strconv.FormatInt(v.V, 10))
	case Float:
		s := strconv.FormatFloat(v.V, 'g', -1, 64)
		if v.V == math.Trunc(v.V) && !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		b.WriteString(s)
	case String:
		text(v.V)
	case List:
		list(v.Elems)
	case *Attrs:
		b.WriteByte('{')
		for i, f := range v.Fields {
			if i > 0 {
				b.WriteByte(',')
			}
			name := f.Name
			if strings.HasPrefix(name, "$") {
				name = "$" + name // escaped: not a marker
			}
			text(name)
			b.WriteByte(':')
			writeJSON(b, f.Value)
		}
		b.WriteByte('}')
	case Path:
		marker("$path", v.Name)
	case Pkg:
		marker("$pkg", v.Name)
	case SecretPath:
		marker("$secret", v.Name)
	case InputRef:
		b.WriteString(`{"$input":`)
		text(v.Name)
		for _, f := range [][2]string{{"attr", v.Attr}, {"path", v.Path}} {
			if f[1] != "" {
				b.WriteString(`,"` + f[0] + `":`)
				text(f[1])
			}
		}
		b.WriteByte('}')
	case Expr:
		marker("$expr", v.Text)
	case Template:
		marker("$str", v.Text)
	case Mark:
		writeMark(b, v, text, list)
	default:
		panic(fmt.Sprintf("schema: JSON of a %T", v))
	}
}

func writeMark(b *bytes.Buffer, m Mark, text func(string), list func([]Value)) {
	for name, k := range markers {
		if k.kind != m.Kind || k.kind == 0 {
			continue
		}
		b.WriteString(`{"` + name + `":`)
		switch m.Kind {
		case Merge:
			list(m.Values)
		case If:
			text(m.Cond)
			b.WriteString(`,"$then":`)
			writeJSON(b, m.Values[0])
		default:
			writeJSON(b, m.Values[0])
			if m.Kind == Override || m.Kind == Order {
				b.WriteString(`,"$priority":` + strconv.Itoa(m.Priority))
			}
		}
		b.WriteByte('}')
	}
}

// resolved returns the whole fleet as a value, in the order of schema.cue.
func (f *Fleet) resolved() *Attrs {
	var r resolver
	at := func(path string) Pos { return f.pos[path] }
	network := r.set(at("network"), func() {
		r.text("description", f.Network.Description, at("network.description"))
		r.bool("enable_rollback", f.Network.EnableRollback, at("network.enable_rollback"))
	})
	nixpkgs := r.set(at("nixpkgs"), func() {
		r.nixpkgs(f.Nixpkgs, func(field string) Pos { return at("nixpkgs." + field) })
	})
	roles := r.set(Pos{}, func() {
		for _, role := range f.Roles {
			r.add(role.Name, role.At, r.set(role.At, func() { r.sharedModule(&role.Module) }))
		}
	})
	hosts := r.set(Pos{}, func() {
		for _, h := range f.Hosts {
			r.add(h.Name, h.At, r.set(h.At, func() { r.host(h) }))
		}
	})
	return r.set(Pos{}, func() {
		r.add("network", network.At, network)
		r.add("nixpkgs", nixpkgs.At, nixpkgs)
		if len(f.Inputs) > 0 {
			r.add("inputs", Pos{}, r.set(Pos{}, func() {
				for _, in := range f.Inputs {
					r.add(in.Name, in.At, r.set(in.At, func() { r.input(in) }))
				}
			}))
		}
		if f.Lock != nil {
			r.text("lock", f.Lock.Path, f.Lock.At)
		}
		if f.Impure {
			r.bool("impure", true, Pos{})
		}
		if k := f.Kluster; k != nil {
			r.add("kluster", k.At, r.set(k.At, func() { r.kluster(k) }))
		}
		if len(f.Meshes) > 0 {
			r.add("mesh", f.Meshes[0].At, r.set(f.Meshes[0].At, func() {
				for _, m := range f.Meshes {
					r.add(m.Name, m.At, r.set(m.At, func() { r.mesh(m) }))
				}
			}))
		}
		r.add("defaults", Pos{}, r.set(Pos{}, func() { r.sharedModule(&f.Defaults) }))
		r.add("roles", roles.At, roles)
		r.add("hosts", hosts.At, hosts)
		r.texts("builders", f.Builders, Pos{})
		if f.Build.OnlyThere {
			r.add("build", Pos{}, r.set(Pos{}, func() { r.bool("here", false, Pos{}) }))
		}
		if c := f.Cache; c.At.IsValid() {
			r.add("cache", c.At, r.set(c.At, func() {
				r.text("push_to", c.PushTo, c.At)
				r.text("pull_from", c.PullFrom, c.At)
				r.texts("peers", c.Peers, c.At)
			}))
		}
		r.showProvision(f)
		if f.Rollout.At.IsValid() {
			r.add("rollout", f.Rollout.At, r.set(f.Rollout.At, func() { r.rollout(f) }))
		}
	})
}

// A resolver builds attribute sets.
type resolver struct{ into *Attrs }

// set returns the attribute set that fill adds to.
func (r *resolver) set(at Pos, fill func()) *Attrs {
	outer := r.into
	r.into = &Attrs{At: at}
	fill()
	made := r.into
	r.into = outer
	return made
}

func (r *resolver) add(name string, at Pos, v Value) {
	r.into.Fields = append(r.into.Fields, Field{At: at, Name: name, Value: v})
}

func (r *resolver) text(name, s string, at Pos) {
	if s != "" {
		r.add(name, at, String{at, s})
	}
}

func (r *resolver) bool(name string, b bool, at Pos) { r.add(name, at, Bool{at, b}) }

func (r *resolver) number(name string, n int, at Pos) {
	if n != 0 {
		r.add(name, at, Int{at, int64(n)})
	}
}

func (r *resolver) texts(name string, list []string, at Pos) {
	if len(list) == 0 {
		return
	}
	l := List{At: at}
	for _, s := range list {
		l.Elems = append(l.Elems, String{at, s})
	}
	r.add(name, at, l)
}

func (r *resolver) prefix(name string, p netip.Prefix, at Pos) {
	if p.IsValid() {
		r.text(name, p.String(), at)
	}
}

func (r *resolver) kluster(k *Kluster) {
	r.text("distribution", string(k.Distribution), k.pos["distribution"])
	if at, ok := k.pos["masters"]; ok {
		r.texts("masters", k.Masters, at)
	} else {
		r.text("master", k.First(), k.pos["master"])
	}
	r.texts("etcd", k.Etcd, k.pos["etcd"])
	r.texts("load_balancers", k.LoadBalancers, k.pos["load_balancers"])
	if at := k.PosOf("api"); k.API != (KlusterAPI{}) {
		r.add("api", at, r.set(at, func() {
			r.text("address", k.API.Address, at)
			r.number("port", k.API.Port, at)
			r.text("interface", k.API.Interface, at)
		}))
	}
	r.text("token", k.Token, k.pos["token"])
	r.text("pki", k.PKI, k.pos["pki"])
	r.text("domain", k.Domain, k.pos["domain"])
	r.prefix("pod_cidr", k.PodCIDR, k.pos["pod_cidr"])
	r.prefix("service_cidr", k.ServiceCIDR, k.pos["service_cidr"])
	r.prefix("pod_cidr6", k.PodCIDR6, k.pos["pod_cidr6"])
	r.prefix("service_cidr6", k.ServiceCIDR6, k.pos["service_cidr6"])
	if k.NoDNS {
		r.bool("dns", false, k.pos["dns"])
	}
	if at, ok := k.pos["manifests"]; ok {
		r.add("manifests", at, r.set(at, func() {
			for _, m := range k.Manifests {
				r.add(m.Name, m.At, m.Object)
			}
		}))
	}
	r.prefix("mesh_cidr", k.MeshCIDR, k.pos["mesh_cidr"])
	r.text("mesh", k.Mesh, k.pos["mesh"])
}

// mesh adds a mesh with the addresses and endpoints of its members.
func (r *resolver) mesh(m *Mesh) {
	r.prefix("network", m.Network, m.PosOf("network"))
	r.prefix("ipv6", m.Network6, m.PosOf("ipv6"))
	r.text("on", m.On, m.PosOf("on"))
	r.text("hub", m.Hub, m.PosOf("hub"))
	r.number("port", m.Port, m.PosOf("port"))
	if m.Networkd {
		r.text("backend", "networkd", m.PosOf("backend"))
	}
	r.text("names", m.Domain, m.PosOf("names"))
	r.text("keys", m.Keys, m.PosOf("keys"))
	if m.Deploy {
		r.bool("deploy", true, m.PosOf("deploy"))
	}
	r.add("hosts", m.At, r.set(m.At, func() {
		for _, member := range m.Members {
			r.add(member.Host, member.At, r.set(member.At, func() {
				for i, a := range member.Addresses {
					if a.IsValid() {
						field := []string{"address", "ipv6"}[i]
						r.text(field, a.String(), member.PosOf(field))
					}
				}
				if r.text("endpoint", member.Endpoint, member.PosOf("endpoint")); member.nat {
					r.bool("nat", true, member.PosOf("nat"))
				}
				r.number("port", member.Port, member.PosOf("port"))
			}))
		}
	}))
}

func (r *resolver) nixpkgs(n Nixpkgs, at func(field string) Pos) {
	r.text("input", n.Input, at("input"))
	r.text("path", n.Path, at("path"))
	r.text("rev", n.Rev, at("rev"))
	r.text("hash", n.Hash, at("hash"))
	r.text("url", n.URL, at("url"))
	if n.Unpinned {
		r.bool("unpinned", true, at("unpinned"))
	}
	r.files("patches", n.Patches)
}

func (r *resolver) files(name string, patches []Patch) {
	if len(patches) == 0 {
		return
	}
	l := List{At: patches[0].At}
	for _, p := range patches {
		l.Elems = append(l.Elems, String{p.At, p.Path})
	}
	r.add(name, l.At, l)
}

func (r *resolver) input(in Input) {
	switch in.Kind {
	case GitHub, GitLab, SourceHut:
		r.text(string(in.Kind), in.Owner+"/"+in.Repo, in.At)
	case Directory:
		r.text(string(in.Kind), in.Path, in.At)
	default:
		r.text(string(in.Kind), in.URL, in.At)
	}
	r.text("host", in.Host, in.At)
	r.text("ref", in.Ref, in.At)
	r.text("rev", in.Rev, in.At)
	r.text("hash", in.Hash, in.At)
	r.text("dir", in.Dir, in.At)
	if in.Submodules {
		r.bool("submodules", true, in.At)
	}
	r.bool("flake", in.Flake, in.At)
	if len(in.Follows) > 0 {
		r.add("follows", in.At, r.set(in.At, func() {
			for _, f := range in.Follows {
				r.add(f.Name, in.At, String{in.At, strings.Join(f.Path, "/")})
			}
		}))
	}
}

func (r *resolver) module(m Module) {
	if len(m.Imports) > 0 {
		l := List{At: m.Imports[0].At}
		for _, im := range m.Imports {
			if im.Input != nil {
				l.Elems = append(l.Elems, *im.Input)
			} else {
				l.Elems = append(l.Elems, String{im.At, im.Path})
			}
		}
		r.add("imports", l.At, l)
	}
	if m.Nixpkgs != nil {
		r.add("nixpkgs", m.Nixpkgs.At, r.set(m.Nixpkgs.At, func() { r.nixpkgs(*m.Nixpkgs, func(string) Pos { return m.Nixpkgs.At }) }))
	}
	if m.NixpkgsConfig != nil {
		r.add("nixpkgs_config", m.NixpkgsConfig.At, m.NixpkgsConfig)
	}
	if len(m.Overlays) > 0 {
		r.add("overlays", m.Overlays[0].Pos(), List{At: m.Overlays[0].Pos(), Elems: m.Overlays})
	}
	if m.SpecialArgs != nil {
		r.add("special_args", m.SpecialArgs.At, m.SpecialArgs)
	}
	if m.Config != nil {
		r.add("config", m.Config.At, m.Config)
	}
	if len(m.Nix) > 0 {
		l := List{At: m.Nix[0].At}
		for _, s := range m.Nix {
			l.Elems = append(l.Elems, String{s.At, s.Text})
		}
		r.add("nix", l.At, l)
	}
}

func (r *resolver) host(h *Host) {
	at := func(field string) Pos { p, _ := h.pos.find(field); return p }
	r.ways(h, at)
	if f := h.Flake; f != nil && f.File != "" {
		r.text("nixos", f.File+"#"+strings.Join(f.Attr, "."), f.At)
	} else if f != nil {
		r.text("flake", cmp.Or(f.Dir, f.Ref)+"#"+strings.Join(f.Attr, "."), f.At)
	}
	r.texts("host_keys", h.HostKeys, at("host_keys"))
	r.text("jump", h.Jump, at("jump"))
	if h.Privilege == Command {
		r.texts("privilege", h.PrivilegeCommand, at("privilege"))
	} else {
		r.text("privilege", string(h.Privilege), at("privilege"))
	}
	r.ssh(&h.SSH, at)
	r.care(h, at)
	if h.KnownHosts {
		r.bool("known_hosts", true, at("known_hosts"))
	}
	if h.ExtraHosts {
		r.bool("extra_hosts", true, at("extra_hosts"))
	}
	if h.Local {
		r.bool("local", h.Local, at("local"))
	}
	r.text("system", h.System, at("system"))
	r.texts("roles", h.Roles, at("roles"))
	r.texts("tags", h.Tags, at("tags"))
	r.text("policy", string(h.Policy), at("policy"))
	r.text("failed_units", string(h.FailedUnits), at("failed_units"))
	r.text("build_on", string(h.BuildOn), at("build_on"))
	if h.Cross != "" {
		r.text("cross", h.Cross, at("cross"))
	}
	r.bool("substitute", h.Substitute, at("substitute"))
	r.number("limit_rate", int(h.LimitRate), at("limit_rate"))
	r.text("disk_uuid", h.DiskUUID, at("disk_uuid"))
	if len(h.Disks) > 0 {
		r.add("disks", at("disks"), r.set(at("disks"), func() {
			for _, d := range h.Disks {
				r.add(d.Name, d.At, r.set(d.At, func() {
					r.text("device", d.Device, at("disks."+d.Name+".device"))
					r.bool("boot", d.Boot, at("disks."+d.Name+".boot"))
					r.layout(d)
				}))
			}
		}))
	}
	if len(h.FileSystems) > 0 {
		r.add("file_systems", at("file_systems"), r.set(at("file_systems"), func() {
			for _, fs := range h.FileSystems {
				below := "file_systems." + fs.MountPoint
				device := cmp.Or(at(below+".device"), at(below+".uuid"), at(below+".label"))
				r.add(fs.MountPoint, fs.At, r.set(fs.At, func() {
					r.text("device", fs.Device, device)
					r.text("fs_type", fs.FSType, at(below+".fs_type"))
					r.texts("options", fs.Options, at(below+".options"))
					r.bool("needed_for_boot", fs.NeededForBoot, at(below+".needed_for_boot"))
				}))
			}
		}))
	}
	if len(h.Swap) > 0 {
		l := List{At: at("swap")}
		for i, s := range h.Swap {
			below := fmt.Sprintf("swap[%d]", i)
			l.Elems = append(l.Elems, r.set(s.At, func() {
				r.text("device", s.Device, at(below+".device"))
				r.number("size", s.Size, at(below+".size"))
			}))
		}
		r.add("swap", l.At, l)
	}
	r.install(&h.Install)
	r.secrets(h.AllSecrets)
	r.upgrade(h.Upgrades)
	r.pull(h.Pulls)
	if h.Provision != nil {
		r.add("provision", h.Provision.At, h.Provision.all)
	}
	if len(h.Health) > 0 {
		l := List{At: at("health")}
		for i, c := range h.Health {
			below := fmt.Sprintf("health[%d].", i)
			l.Elems = append(l.Elems, r.set(c.At, func() { r.check(c, func(field string) Pos { return at(below + field) }) }))
		}
		r.add("health", l.At, l)
	}
	r.module(h.Module)
	if h.Meta != nil {
		r.add("meta", h.Meta.At, h.Meta)
	}
}

func (r *resolver) check(c Check, at func(field string) Pos) {
	r.text("description", c.Description, at("description"))
	if c.Before {
		r.text("when", "before", at("when"))
	}
	r.texts("command", c.Command, at("command"))
	r.text("http", c.HTTP, at("http"))
	r.number("status", c.Status, at("status"))
	if len(c.Headers) > 0 {
		r.add("headers", at("headers"), r.set(at("headers"), func() {
			for _, h := range c.Headers {
				r.text(h.Name, h.Value, at("headers."+h.Name))
			}
		}))
	}
	if c.Insecure {
		r.bool("insecure", true, at("insecure"))
	}
	r.text("tcp", c.TCP, at("tcp"))
	r.text("unit", c.Unit, at("unit"))
	if c.FromHere {
		r.text("from", "here", at("from"))
	}
	r.text("timeout", c.Timeout.String(), at("timeout"))
	r.text("interval", c.Interval.String(), at("interval"))
	r.number("retries", c.Retries, at("retries"))
}

func (r *resolver) rollout(f *Fleet) {
	o, at := f.Rollout, func(field string) Pos { return f.pos["rollout."+field] }
	r.text("canaries", o.Canaries, at("canaries"))
	r.text("batch", o.Batch, at("batch"))
	r.texts("order", o.Order, at("order"))
	r.number("max_unavailable", o.MaxUnavailable, at("max_unavailable"))
	r.number("max_failures", o.MaxFailures, at("max_failures"))
	if o.Pause > 0 {
		r.text("pause", o.Pause.String(), at("pause"))
	}
	r.bool("confirm", o.Confirm, at("confirm"))
	if len(o.Hooks) == 0 {
		return
	}
	l := List{At: at("hooks")}
	for i, h := range o.Hooks {
		at := func(field string) Pos { return at(fmt.Sprintf("hooks[%d].%s", i, field)) }
		l.Elems = append(l.Elems, r.set(h.At, func() {
			r.text("before", h.Before, at("before"))
			r.text("after", h.After, at("after"))
			r.texts("command", h.Command, at("command"))
			if h.OnHost {
				r.text("on", "host", at("on"))
			}
			r.text("hosts", h.Hosts, at("hosts"))
			r.text("timeout", h.Timeout.String(), at("timeout"))
		}))
	}
	r.add("hooks", l.At, l)
}
