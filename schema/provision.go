package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/exec/ondemand"
)

// A Provision says how OpenTofu or Terraform makes the machines of the fleet.
type Provision struct {
	At      Pos
	Program string // "" means tofu, or terraform where there is no tofu
	Dir     string // of the configuration, relative to the inventory's or absolute
	Pinned  string // the file of [PinnedMachine]s, relative to the inventory's directory or absolute
	Backend string // where the program keeps its state; "" means a file in Dir
	// BackendConfig are the settings of the backend.
	BackendConfig *Attrs
	Providers     []TofuProvider // in inventory order
	// Machines are those that are there, as Pinned has them.
	Machines []PinnedMachine
}

// A TofuProvider is a provider of OpenTofu or Terraform. Source and Version may be "".
type TofuProvider struct {
	At      Pos
	Name    string
	Source  string
	Version string
	Config  *Attrs // may be nil
}

// A ProvisionTarget says where a machine is made.
type ProvisionTarget string

// The targets.
const (
	Hetzner      ProvisionTarget = "hetzner"
	AWS          ProvisionTarget = "aws"
	GCP          ProvisionTarget = "gcp"
	Azure        ProvisionTarget = "azure"
	DigitalOcean ProvisionTarget = "digitalocean"
	Libvirt      ProvisionTarget = "libvirt"
	CustomTarget ProvisionTarget = "custom"
	noTarget     ProvisionTarget = "none"
)

// A ProvisionedMachine is the machine that is made for a host: what the host, its roles
// and the defaults say.
type ProvisionedMachine struct {
	At        Pos
	Target    ProvisionTarget
	Size      string
	Region    string
	Image     string
	Disk      int // in GB; 0 means the cloud's default
	Network   string
	Group     string
	SSHKeys   []string
	UserData  string
	Arguments *Attrs // may be nil
	Resource  string // its type, for [CustomTarget]
	Outputs   ProvisionedOutputs
	Console   []string // a command that prints its console
	Then      AfterProvision
	MadeAs    string // the name that the host had when it was made; "" means the one it has

	all *Attrs // as the inventory has it, for inspect
}

// ProvisionedOutputs are the attributes of a resource that say where its machine is.
type ProvisionedOutputs struct{ Address, ID, HostKeys, Disks string }

// AfterProvision is what becomes of a machine that was made.
type AfterProvision string

// What becomes of a new machine.
const (
	ThenInstall AfterProvision = "install"
	ThenAdopt   AfterProvision = "adopt"
	ThenDeploy  AfterProvision = "deploy"
	ThenNothing AfterProvision = "none"
)

// A targetRule is what a cloud demands of a machine.
type targetRule struct {
	needs []string // fields
	takes []string // fields that it may have besides those of all machines
	keys  string   // arguments that let somebody log in, where ssh_keys is missing
	name  pattern  // of names of machines
	names string   // what name accepts
	disk  string   // where the disk is that a machine boots from; "" where that differs
}

var targetRules = map[ProvisionTarget]targetRule{
	Hetzner: {
		needs: []string{"size", "region", "image"}, keys: "ssh_keys",
		name: onFirstUse(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`), names: "letters, digits, inner hyphens and dots",
		disk: "/dev/sda",
	},
	AWS: {
		needs: []string{"size", "region", "image"}, takes: []string{"disk", "network"}, keys: "key_name",
		name: onFirstUse(`^.{1,255}$`), names: "at most 255 characters",
		disk: "/dev/nvme0n1", // until it is made
	},
	GCP: {
		needs: []string{"size", "region", "image"}, takes: []string{"disk", "network"}, keys: "metadata",
		name: onFirstUse(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`), names: "lower-case letters, digits and inner hyphens, beginning with a letter, at most 63",
		disk: byID + "scsi-0Google_PersistentDisk_persistent-disk-0",
	},
	Azure: {
		needs: []string{"size", "region", "image", "network", "group"}, takes: []string{"disk"}, keys: "admin_ssh_key",
		name: onFirstUse(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$`), names: "letters, digits and inner hyphens, at most 64",
		disk: "/dev/sda",
	},
	DigitalOcean: {
		needs: []string{"size", "region", "image"}, takes: []string{"network"}, keys: "ssh_keys",
		name: onFirstUse(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`), names: "letters, digits, inner hyphens and dots",
		disk: "/dev/vda",
	},
	Libvirt: {
		needs: []string{"size", "image"}, takes: []string{"disk", "network", "group"}, keys: "cloudinit",
		name: onFirstUse(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$`), names: "letters, digits, '_', '.' and '-'",
		disk: "/dev/vda",
	},
	CustomTarget: {
		needs: []string{"resource", "outputs"}, name: onFirstUse(`^.+$`),
	},
}

// ofSome are the fields of a machine that not all targets have.
var ofSome = []string{"size", "region", "image", "disk", "network", "group", "resource", "outputs", "ssh_keys", "user_data"}

// takesField reports whether a target has a field that not all targets have.
func (t targetRule) takesField(name string, target ProvisionTarget) bool {
	if name == "ssh_keys" || name == "user_data" {
		return target != CustomTarget
	}
	return slices.Contains(t.needs, name) || slices.Contains(t.takes, name)
}

// libvirtSize is processors and memory, such as 2x4G.
var libvirtSize = ondemand.Regexp(`^([0-9]{1,3})x([0-9]{1,9})([MG])$`)

// ParseLibvirtSize reads the size of a machine of libvirt: processors and memory in MiB.
func ParseLibvirtSize(size string) (cpus, memory int, ok bool) {
	m := libvirtSize().FindStringSubmatch(size)
	if m == nil {
		return 0, 0, false
	}
	cpus, _ = strconv.Atoi(m[1]) // digits, few enough
	memory, _ = strconv.Atoi(m[2])
	if m[3] == "G" {
		memory *= 1024
	}
	return cpus, memory, cpus > 0 && cpus <= 512 && memory > 0 && memory < 1<<30
}

// TofuLabel is the name of a host's resource in the configuration: letters, digits, '-'
// and '_'.
func TofuLabel(host string) string {
	label := strings.ReplaceAll(host, ".", "_")
	if label != "" && label[0] >= '0' && label[0] <= '9' {
		label = "host_" + label
	}
	return label
}

// provision decodes how machines are made.
func (d *decoder) provision(n *node) Provision {
	p := Provision{Dir: "./provision", Pinned: defaultPinned}
	if n == nil || n.kind != structKind {
		return p
	}
	p.At, p.Program = n.at, text(n.get("program"))
	if strings.Contains(p.Program, "/") {
		p.Program = d.resolve(p.Program, n.get("program").at)
	}
	if dir := n.get("dir"); text(dir) != "" {
		p.Dir = d.resolve(dir.text, dir.at)
	}
	if file := n.get("pinned"); text(file) != "" {
		p.Pinned = d.resolve(file.text, file.at)
	}
	if b := n.get("backend"); b != nil && b.kind == structKind {
		if len(b.fields) != 1 {
			d.report.add(b.at, "provision.backend", "conflict", "want one backend, got %d", len(b.fields))
		}
		for _, f := range b.fields {
			p.Backend, p.BackendConfig = f.name, d.tofuSettings(f.val, "provision.backend."+f.name)
		}
	}
	if list := n.get("providers"); list != nil && list.kind == structKind {
		for _, f := range list.fields {
			p.Providers = append(p.Providers, TofuProvider{
				At: f.at, Name: f.name, Source: text(f.val.get("source")), Version: text(f.val.get("version")),
				Config: d.tofuSettings(f.val.get("config"), join("provision.providers", f.name)+".config"),
			})
		}
	}
	return p
}

// tofuSettings decodes settings that reach the program as they are.
func (d *decoder) tofuSettings(n *node, path string) *Attrs {
	if n == nil || n.kind != structKind {
		return nil
	}
	d.noSecrets(n, path)
	plain := valueReader{report: d.report, resolve: d.resolve, plain: true}
	return plain.attrs(n, path)
}

// noSecrets refuses markers, and secrets in plain text.
func (d *decoder) noSecrets(n *node, path string) {
	for _, f := range n.fields {
		below := join(path, f.name)
		switch {
		case strings.HasPrefix(f.name, "$"):
			d.report.add(f.at, below, "marker", "markers such as %s are for NixOS options: OpenTofu and Terraform do not know them", f.name)
		case f.val.kind == stringKind && secretName().MatchString(f.name) && f.val.text != "" && !strings.Contains(f.val.text, "${"):
			d.report.add(f.val.at, below, "secret", "a secret in plain text, which would be in files and in the state of the program").Hint = `set it in the environment (the provider's documentation names the variable), or as "${var.` + strings.ToLower(f.name) + `}" with a variable of your own`
		case f.val.kind == stringKind && privateKey().MatchString(f.val.text):
			d.report.add(f.val.at, below, "secret", "a private key, which would be in files and in the state of the program").Hint = "send it as one of the secrets of the host"
		default:
			d.noSecrets(f.val, below)
		}
	}
	for i, e := range n.elems {
		d.noSecrets(e, fmt.Sprintf("%s[%d]", path, i))
	}
}

// privateKey matches texts that hold a private key.
var privateKey = ondemand.Regexp(`-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1`)

// machineFields are the fields of a host's machine: those of the host, or of the last of
// its roles that has them, or of the defaults. It is nil where none says anything.
func machineFields(tree, host *node) *node {
	var levels []*node
	add := func(of *node) {
		if v := of.get("provision"); v != nil && v.kind == structKind {
			levels = append(levels, v)
		}
	}
	defaults := tree.get("defaults")
	add(host)
	roles := host.get("roles")
	if roles == nil {
		roles = defaults.get("roles")
	}
	for _, r := range slices.Backward(texts(roles)) {
		add(tree.get("roles").get(r))
	}
	add(defaults)
	if len(levels) == 0 {
		return nil
	}
	all := &node{kind: structKind, at: levels[0].at}
	for _, level := range levels {
		for _, f := range level.fields {
			if all.index(f.name) < 0 {
				all.set(f.name, f.at, f.val)
			}
		}
	}
	return all
}

// machine decodes the machine of a host, nil for none that is made. pos gets the
// positions of its fields.
func (d *decoder) machine(n *node, path string, pos map[string]Pos) *ProvisionedMachine {
	all := machineFields(d.tree, n)
	if all == nil {
		return nil
	}
	own := n.get("provision")
	note(pos, "provision", all)
	path += ".provision"
	target := ProvisionTarget(text(all.get("target")))
	part := cmp.Or(text(n.get("guest_of")), text(n.get("variant_of")))
	switch {
	case target == noTarget:
		return nil
	case part != "":
		if own != nil {
			d.report.add(own.at, path, "conflict", "the host is part of %s, which has the machine", quote(part)).Hint = "leave it out"
		}
		return nil
	case target == "":
		if own != nil && own.get("target") == nil {
			d.report.add(own.at, path, "missing-field", "missing field %q, want hetzner, aws, gcp, azure, digitalocean, libvirt, custom or none", "target")
		}
		return nil
	}
	rule, known := targetRules[target]
	if !known {
		return nil // reported
	}
	m := &ProvisionedMachine{
		At: all.at, Target: target,
		Size: text(all.get("size")), Region: text(all.get("region")), Image: text(all.get("image")), Disk: number32(all.get("disk")),
		Network: text(all.get("network")), Group: text(all.get("group")), SSHKeys: texts(all.get("ssh_keys")), UserData: text(all.get("user_data")),
		Resource: text(all.get("resource")), Console: texts(all.get("console")), Then: AfterProvision(cmp.Or(text(all.get("then")), string(ThenNothing))), MadeAs: text(own.get("made_as")),
	}
	if v := all.get("made_as"); v != nil && own.get("made_as") == nil {
		d.report.add(v.at, path+".made_as", "conflict", "a name of one machine stands in a role or the defaults: want it in the host that was renamed")
	}
	if a := all.get("arguments"); a != nil {
		m.Arguments = d.tofuSettings(a, path+".arguments")
	}
	if o := all.get("outputs"); o != nil {
		m.Outputs = ProvisionedOutputs{Address: text(o.get("address")), ID: text(o.get("id")), HostKeys: text(o.get("host_keys")), Disks: text(o.get("disks"))}
	}
	plain := valueReader{report: d.report, resolve: d.resolve, plain: true}
	m.all = plain.attrs(all, path)
	d.machineRules(n, all, m, rule, path)
	return m
}

// machineRules checks a machine by the rules of its target.
func (d *decoder) machineRules(n, all *node, m *ProvisionedMachine, rule targetRule, path string) {
	for _, name := range rule.needs {
		if all.get(name) == nil {
			d.report.add(all.at, path, "missing-field", "missing field %q, which a machine of target %s needs", name, m.Target)
		}
	}
	for _, name := range ofSome {
		// Fields of roles and defaults may be for hosts of other targets.
		if v := n.get("provision").get(name); v != nil && !rule.takesField(name, m.Target) {
			e := d.report.add(v.at, path+"."+name, "conflict", "a machine of target %s has no %s", m.Target, name)
			e.Hint = "put it into arguments, by the provider's own name"
		}
	}
	if rule.keys != "" && len(m.SSHKeys) == 0 && !m.Arguments.Has(rule.keys) {
		d.report.add(all.at, path, "missing-field", "missing field %q: nobody could log in", "ssh_keys")
	}
	if m.Target == Libvirt && m.Size != "" {
		if _, _, ok := ParseLibvirtSize(m.Size); !ok {
			d.report.add(all.get("size").at, path+".size", "type", "got %s, want processors and memory such as 2x4G", all.get("size"))
		}
	}
	if v := all.get("user_data"); v != nil && privateKey().MatchString(v.text) {
		d.report.add(v.at, path+".user_data", "secret", "a private key, which would be in the state of the program").Hint = "send it as one of the secrets of the host"
	}
}

// checkProvision checks what machines have to do with each other and with their hosts.
func (c *checker) checkProvision() {
	labels := map[string]*Host{}
	for _, h := range c.fleet.Hosts {
		m := h.Provision
		if m == nil {
			continue
		}
		path := join("hosts", h.Name)
		if rule := targetRules[m.Target]; !rule.name.accepts(&node{kind: stringKind, text: h.MadeName()}) {
			c.report.add(h.At, path, "name", "%s does not accept this name for a machine: want %s", m.Target, rule.names).Hint = "rename the host"
		}
		if written, there := h.pos.find("host"); there && written.File != c.pinnedFile {
			c.report.add(written, path+".host", "conflict", "the machine of the host is made by provision, which says its address").Hint = `leave host out, or set provision: target: "none"`
		}
		if first := cmp.Or(h.Install.User, h.User); m.Target == Azure && (first == "" || first == "root") {
			c.report.add(m.At, path+".provision", "missing-field", "azure lets nobody log in as root: want the fields user and privilege of the host, or install.user").Hint = `for instance user: "ops", privilege: "sudo"`
		}
		label := TofuLabel(h.MadeName())
		if other := labels[label]; other != nil {
			c.report.add(h.At, path, "name", "the resources of %s and %s would both be called %s", other.Name, h.Name, label).Hint = "rename one of the hosts"
		}
		labels[label] = h
	}
}

// Machine returns the machine that is there for a host, or nil.
func (p *Provision) Machine(host string) *PinnedMachine {
	for i := range p.Machines {
		if p.Machines[i].Host == host {
			return &p.Machines[i]
		}
	}
	return nil
}

// showProvision adds how machines are made to a resolved inventory.
func (r *resolver) showProvision(f *Fleet) {
	p := &f.Provision
	if !p.At.IsValid() {
		return
	}
	of := func(name string) Pos { return f.pos["provision."+name] }
	r.add("provision", p.At, r.set(p.At, func() {
		r.text("program", p.Program, of("program"))
		r.text("dir", p.Dir, of("dir"))
		r.text("pinned", p.Pinned, of("pinned"))
		if p.Backend != "" {
			r.add("backend", of("backend"), r.set(of("backend"), func() { r.add(p.Backend, of("backend."+p.Backend), p.BackendConfig) }))
		}
		if len(p.Providers) == 0 {
			return
		}
		r.add("providers", of("providers"), r.set(of("providers"), func() {
			for _, provider := range p.Providers {
				below := "providers." + provider.Name
				r.add(provider.Name, provider.At, r.set(provider.At, func() {
					r.text("source", provider.Source, of(below+".source"))
					r.text("version", provider.Version, of(below+".version"))
					if provider.Config != nil {
						r.add("config", of(below+".config"), provider.Config)
					}
				}))
			}
		}))
	}))
}

// Has reports whether there is a field of the name; a may be nil.
func (a *Attrs) Has(name string) bool {
	return a != nil && slices.ContainsFunc(a.Fields, func(f Field) bool { return f.Name == name })
}
