package schema

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Mesh is a private network of hosts over WireGuard.
type Mesh struct {
	Name      string // and that of its network interface
	At        Pos
	Network   netip.Prefix
	Network6  netip.Prefix // of further addresses, IPv6; not valid for none
	On        string       // a selector of the members; "" for all
	Hub       string       // "" for none
	Port      int
	KeepAlive time.Duration // of members without an endpoint
	Networkd  bool          // systemd-networkd makes the interface
	Domain    string        // members know each other as HOST.Domain; "" for not at all
	Keys      string        // folder of the members' keys
	Deploy    bool          // muster reaches members by their addresses in the mesh first
	Members   []*MeshMember // in inventory order

	byHost map[string]*MeshMember
	pos    map[string]Pos
	cut    bool // on selects nothing
}

// A MeshMember is a host as a member of a mesh.
type MeshMember struct {
	Host      string
	At        Pos
	Addresses []netip.Addr // one of each network; an invalid one is not assigned yet
	Endpoint  string       // HOST:PORT; "" where nobody reaches it from outside
	Port      int          // that it listens on
	KeepAlive time.Duration
	PublicKey string // "" where there is none yet
	NextKey   string // the public key that takes its place; "" for none

	host  *Host
	given []bool // which addresses the inventory has

	portAt Pos // of its port, or the mesh's
	nat    bool
	pos    map[string]Pos
}

// MeshPort is the UDP port of a mesh by default, and meshKeepAlive how often a member
// without an endpoint sends a packet: NAT forgets a way after 30 seconds or more.
const (
	MeshPort      = 51820
	meshKeepAlive = 25 * time.Second
)

// PosOf returns the position of a field such as "network", or that of the mesh if the
// inventory does not have the field.
func (m *Mesh) PosOf(field string) Pos {
	if p, ok := m.pos[field]; ok {
		return p
	}
	return m.At
}

// PosOf returns the position of a field such as "address", or that of the member.
func (m *MeshMember) PosOf(field string) Pos {
	if p, ok := m.pos[field]; ok {
		return p
	}
	return m.At
}

// Member returns a host as a member, or nil.
func (m *Mesh) Member(host string) *MeshMember { return m.byHost[host] }

// Networks are the networks of the addresses of each member.
func (m *Mesh) Networks() []netip.Prefix {
	if m.Network6.IsValid() {
		return []netip.Prefix{m.Network, m.Network6}
	}
	return []netip.Prefix{m.Network}
}

// Secret is the name of the secret with a member's private key, and NextSecret that of the
// key that takes its place.
func (m *Mesh) Secret() string     { return "mesh-" + m.Name }
func (m *Mesh) NextSecret() string { return m.Secret() + "-next" }

// KeyFile is the file of age with the private key of a member, and NextKeyFile that of the
// key that takes its place. The public keys are beside them; see [PublicKeyFile].
func (m *Mesh) KeyFile(host string) string     { return m.Keys + "/" + host + ".age" }
func (m *Mesh) NextKeyFile(host string) string { return m.Keys + "/" + host + ".next.age" }

// Mesh returns the mesh of a name, or nil.
func (f *Fleet) Mesh(name string) *Mesh {
	for _, m := range f.Meshes {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Address is the first address of a member; not valid where it is not assigned yet.
func (m *MeshMember) Address() netip.Addr { return m.Addresses[0] }

// meshes decodes the meshes, when all hosts are decoded: what a mesh gives its members is
// added to them.
func (d *decoder) meshes(n *node) {
	if n == nil || n.kind != structKind || len(n.fields) == 0 {
		return
	}
	lock := d.meshLock(n)
	for _, f := range n.fields {
		if f.val.kind != structKind {
			continue
		}
		m := d.mesh(f)
		d.fleet.Meshes = append(d.fleet.Meshes, m)
		m.assigned(lock.Meshes[m.Name])
	}
	d.clusterMesh()
	d.meshHosts()
}

func (d *decoder) mesh(f field) *Mesh {
	n, path := f.val, join("mesh", f.name)
	m := &Mesh{
		Name: f.name, At: f.at, On: text(n.get("on")), Hub: text(n.get("hub")), Port: cmp.Or(number32(n.get("port")), MeshPort),
		Network: d.prefix(n.get("network"), path+".network"), Network6: d.prefix(n.get("ipv6"), path+".ipv6"),
		KeepAlive: d.duration(n.get("keep_alive"), path+".keep_alive", meshKeepAlive),
		Networkd:  text(n.get("backend")) == "networkd", Deploy: truth(n.get("deploy")),
		byHost: map[string]*MeshMember{}, pos: map[string]Pos{},
	}
	for _, g := range n.fields {
		m.pos[g.name] = g.val.at
	}
	switch names := n.get("names"); {
	case truth(names):
		m.Domain = f.name
	case text(names) != "":
		m.Domain = names.text
	}
	m.Keys = "./mesh/" + f.name
	if keys := n.get("keys"); text(keys) != "" {
		m.Keys = d.resolve(keys.text, keys.at)
	}
	hosts, err := Select(d.fleet, m.On)
	if err != nil {
		d.report.add(n.get("on").at, path+".on", "selector", "%s", strings.TrimPrefix(err.Error(), "select "))
		m.cut = true
	}
	for _, h := range hosts {
		// Another system of a machine has no address of its own.
		if h.NoSystem || h.VariantOf != "" {
			continue
		}
		member := d.meshMember(m, h, n.get("hosts").get(h.Name), join(path+".hosts", h.Name))
		m.Members = append(m.Members, member)
		m.byHost[h.Name] = member
	}
	return m
}

func (d *decoder) meshMember(m *Mesh, h *Host, n *node, path string) *MeshMember {
	own := &MeshMember{Host: h.Name, host: h, At: h.At, Port: cmp.Or(number32(n.get("port")), m.Port), nat: truth(n.get("nat")), pos: map[string]Pos{}}
	if n != nil {
		own.At = n.at
		for _, f := range n.fields {
			own.pos[f.name] = f.val.at
		}
	}
	if own.portAt = m.PosOf("port"); n.get("port") != nil {
		own.portAt = n.get("port").at
	}
	for i := range m.Networks() {
		a, err := netip.ParseAddr(text(n.get([]string{"address", "ipv6"}[i])))
		own.Addresses = append(own.Addresses, a)
		own.given = append(own.given, err == nil)
	}
	if !own.nat {
		own.Endpoint = endpoint(text(n.get("endpoint")), h, own.Port)
	}
	own.KeepAlive = d.duration(n.get("keep_alive"), path+".keep_alive", 0)
	if own.KeepAlive == 0 && own.nat {
		own.KeepAlive = m.KeepAlive
	}
	own.PublicKey, own.NextKey = d.meshKey(m, m.KeyFile(h.Name)), d.meshKey(m, m.NextKeyFile(h.Name))
	return own
}

// endpoint is where others reach a member, as HOST:PORT: what the inventory says, or the
// first of the host's addresses that others can use. It is "" where there is none.
func endpoint(given string, h *Host, port int) string {
	if given == "" {
		all := h.plainAddresses()
		if len(all) == 0 {
			return ""
		}
		given = all[0]
	}
	if _, err := netip.ParseAddr(given); err == nil || !strings.Contains(given, ":") {
		return net.JoinHostPort(given, strconv.Itoa(port))
	}
	return given
}

// assigned gives members the addresses that the lock has for them. One that is outside the
// network, or that the inventory gives another member, is no longer theirs.
func (m *Mesh) assigned(lock map[string][]netip.Addr) {
	taken := m.given()
	for _, member := range m.Members {
		for i, network := range m.Networks() {
			if member.given[i] || i >= len(lock[member.Host]) {
				continue
			}
			if a := lock[member.Host][i]; usable(network, a) && !taken[a] {
				member.Addresses[i] = a
				taken[a] = true
			}
		}
	}
}

// given are the addresses that the inventory gives members.
func (m *Mesh) given() map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	for _, member := range m.Members {
		for i, a := range member.Addresses {
			if member.given[i] {
				taken[a] = true
			}
		}
	}
	return taken
}

// meshHosts gives hosts what they have as members: their keys among the secrets, and the
// ways to them through the mesh.
func (d *decoder) meshHosts() {
	for _, m := range d.fleet.Meshes {
		for _, member := range m.Members {
			h := member.host
			h.inMesh = true
			if !m.Deploy || !member.Address().IsValid() {
				continue
			}
			way := Way{Address: member.Address().String(), Port: h.Port, User: h.User}
			if h.Unconnected {
				h.Address, h.Unconnected = way.Address, false
				continue
			}
			h.MeshWays = append(h.MeshWays, way)
		}
	}
	for _, h := range d.fleet.Hosts {
		if h.inMesh {
			h.AllSecrets = d.fleet.allSecrets(h)
		}
	}
}

// clusterMesh gives the members of the cluster the addresses of its mesh.
func (d *decoder) clusterMesh() {
	k := d.fleet.Kluster
	if k == nil || d.fleet.Mesh(k.Mesh) == nil {
		return
	}
	for _, member := range d.fleet.Mesh(k.Mesh).Members {
		h := member.host
		h.clusterAddress = member.Address()
		for _, a := range member.Addresses {
			if a.IsValid() {
				h.clusterAddresses = append(h.clusterAddresses, a)
			}
		}
	}
}

// meshSecrets are the keys of a host in the meshes that it is in.
func (f *Fleet) meshSecrets(h *Host) []*Secret {
	var all []*Secret
	for _, m := range f.Meshes {
		member := m.Member(h.Name)
		if member == nil {
			continue
		}
		add := func(name, file string) {
			s := &Secret{
				Name: name, At: m.PosOf("keys"), Age: file, Generate: Generate{Kind: "wireguard"},
				Owner: "root", Group: "root", Mode: 0o400, Reload: []string{MeshUnit(m.Name)}, Mesh: m.Name, derived: true,
			}
			if m.Networkd {
				s.Group, s.Mode = "systemd-network", 0o440
			}
			all = append(all, s)
		}
		add(m.Secret(), m.KeyFile(h.Name))
		if member.NextKey != "" {
			add(m.NextSecret(), m.NextKeyFile(h.Name))
		}
	}
	return all
}

// MeshUnit is the systemd unit that gives a mesh's interface its key and its peers.
func MeshUnit(mesh string) string { return "muster-mesh-" + mesh + ".service" }

// DialWays are the ways to a host in the order in which muster tries them: through meshes
// that say so, and its own.
func (h *Host) DialWays() []Way { return append(append([]Way(nil), h.MeshWays...), h.Ways()...) }
