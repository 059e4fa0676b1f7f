package compile

import (
	_ "embed"
	"net/netip"
	"slices"
	"time"

	"muster/compile/syntax"
	"muster/schema"
)

// The let-bound modules of meshes: how a host gets its peers, and the members that all
// hosts know.
const (
	meshModule    = "musterMesh"
	membersModule = "meshMembers"
)

//go:embed mesh.nix
var meshNix string

//go:embed mesh.sh
var meshScript string

func meshText() syntax.Expr {
	return embedded("mesh.nix", meshNix, map[string]string{"meshScript": withoutComments(meshScript)})
}

// meshesOf are the meshes that a host is a member of.
func (w *writer) meshesOf(h *schema.Host) []*schema.Mesh {
	var all []*schema.Mesh
	for _, m := range w.fleet.Meshes {
		if m.Member(h.Name) != nil {
			all = append(all, m)
		}
	}
	return all
}

// meshMembers are the options that say who is in which mesh. Who has no address or key yet
// is an error where a mesh is compiled: the others could not reach it.
func (w *writer) meshMembers() *schema.Attrs {
	set := &schema.Attrs{}
	for _, m := range w.fleet.Meshes {
		in := func(v schema.Value, path ...string) {
			put(set, v, append([]string{"muster", "meshes", m.Name}, path...)...)
		}
		if m.Hub != "" {
			in(schema.String{At: m.PosOf("hub"), V: m.Hub}, "hub")
		}
		if m.Domain != "" {
			in(schema.String{At: m.PosOf("names"), V: m.Domain}, "domain")
		}
		if m.Networkd {
			in(schema.Bool{At: m.PosOf("backend"), V: true}, "networkd")
		}
		for _, member := range m.Members {
			w.meshComplete(m, member)
			in(meshMember(m, member), "members", member.Host)
		}
	}
	return set
}

// meshComplete reports a member that lacks an address or a key.
func (w *writer) meshComplete(m *schema.Mesh, member *schema.MeshMember) {
	if slices.ContainsFunc(member.Addresses, func(a netip.Addr) bool { return !a.IsValid() }) {
		w.fail(member.At, "host %s has no address in mesh %s yet: muster mesh assign gives it one", member.Host, m.Name)
	}
	if member.PublicKey == "" {
		w.fail(member.At, "host %s has no key in mesh %s yet: muster secrets generate makes it", member.Host, m.Name)
	}
}

// meshMember is what the others know of a member.
func meshMember(m *schema.Mesh, member *schema.MeshMember) *schema.Attrs {
	one := &schema.Attrs{At: member.At}
	put(one, schema.String{At: m.PosOf("keys"), V: member.PublicKey}, "publicKey")
	if member.NextKey != "" {
		put(one, schema.String{At: m.PosOf("keys"), V: member.NextKey}, "nextKey")
	}
	var ips []string
	for _, a := range member.Addresses {
		ips = append(ips, a.String())
	}
	put(one, texts(member.PosOf("address"), ips), "ips")
	if member.Endpoint != "" {
		put(one, schema.String{At: member.PosOf("endpoint"), V: member.Endpoint}, "endpoint")
	}
	if member.Port != schema.MeshPort {
		put(one, schema.Int{At: member.PosOf("port"), V: int64(member.Port)}, "port")
	}
	if member.KeepAlive != 0 {
		put(one, schema.Int{At: member.PosOf("keep_alive"), V: int64(member.KeepAlive / time.Second)}, "keepAlive")
	}
	return one
}

// mesh puts what a host needs of its own as a member of meshes: its interfaces, and its
// port, which the firewall lets in where others begin to send.
func (w *writer) mesh(own *schema.Attrs, h *schema.Host) {
	var open []int
	at := h.At
	for _, m := range w.meshesOf(h) {
		member := m.Member(h.Name)
		at = m.At
		var addresses []string
		for i, a := range member.Addresses {
			addresses = append(addresses, netip.PrefixFrom(a, m.Networks()[i].Bits()).String())
		}
		list := texts(member.PosOf("address"), addresses)
		put(own, schema.String{At: m.At, V: h.Name}, "muster", "meshes", m.Name, "self")
		put(own, list, "muster", "meshes", m.Name, "addresses")
		if m.Networkd {
			networkdInterface(own, m, member, list)
		} else {
			wireguardInterface(own, m, member, list)
		}
		if member.Endpoint != "" {
			open = append(open, member.Port)
		}
		if m.Hub == h.Name {
			for _, option := range forwarding(m) {
				put(own, schema.Int{At: m.PosOf("hub"), V: 1}, "boot", "kernel", "sysctl", option)
			}
		}
	}
	if len(open) > 0 {
		put(own, ports(at, open...), "networking", "firewall", "allowedUDPPorts")
	}
}

// forwarding are the settings of the kernel by which a hub hands packets on.
func forwarding(m *schema.Mesh) []string {
	options := []string{}
	for _, n := range m.Networks() {
		if n.Addr().Is4() {
			options = append(options, "net.ipv4.ip_forward")
		} else {
			options = append(options, "net.ipv6.conf.all.forwarding")
		}
	}
	return options
}

// wireguardInterface puts an interface of networking.wireguard. Its addresses have the
// networks' prefixes, so that the routes to peers do not come and go with them.
func wireguardInterface(own *schema.Attrs, m *schema.Mesh, member *schema.MeshMember, addresses schema.List) {
	at := func(v schema.Value, option string) {
		put(own, v, "networking", "wireguard", "interfaces", m.Name, option)
	}
	at(addresses, "ips")
	at(schema.Int{At: member.PosOf("port"), V: int64(member.Port)}, "listenPort")
	at(schema.SecretPath{At: m.PosOf("keys"), Name: m.Secret()}, "privateKeyFile")
	at(schema.Bool{At: m.At, V: false}, "allowedIPsAsRoutes")
}

// networkdInterface puts an interface of systemd-networkd.
func networkdInterface(own *schema.Attrs, m *schema.Mesh, member *schema.MeshMember, addresses schema.List) {
	at := func(v schema.Value, path ...string) {
		put(own, v, append([]string{"systemd", "network"}, path...)...)
	}
	backend := m.PosOf("backend")
	name := "50-" + m.Name
	at(schema.Bool{At: backend, V: true}, "enable")
	at(schema.String{At: backend, V: "wireguard"}, "netdevs", name, "netdevConfig", "Kind")
	at(schema.String{At: backend, V: m.Name}, "netdevs", name, "netdevConfig", "Name")
	at(schema.SecretPath{At: m.PosOf("keys"), Name: m.Secret()}, "netdevs", name, "wireguardConfig", "PrivateKeyFile")
	at(schema.Int{At: member.PosOf("port"), V: int64(member.Port)}, "netdevs", name, "wireguardConfig", "ListenPort")
	at(schema.String{At: backend, V: m.Name}, "networks", name, "matchConfig", "Name")
	at(addresses, "networks", name, "address")
}
