package schema

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// What no network and no address of a cluster or a mesh can be, though it is well formed.

// specialUse is why a network or an address cannot be used between hosts; "" where it can.
func specialUse(p netip.Prefix) string {
	for _, s := range []struct{ network, why string }{
		{"127.0.0.0/8", "stays in the host itself"}, {"::1/128", "stays in the host itself"},
		{"169.254.0.0/16", "is for one link only"}, {"fe80::/10", "is for one link only"},
		{"224.0.0.0/4", "is for multicast"}, {"ff00::/8", "is for multicast"},
		{"0.0.0.0/8", "stands for no host"}, {"240.0.0.0/4", "is reserved"}, {"::/128", "stands for no host"},
	} {
		if special := netip.MustParsePrefix(s.network); p.IsValid() && special.Overlaps(p) {
			return fmt.Sprintf("%s %s", special, s.why)
		}
	}
	return ""
}

// specialAddress is specialUse of a text that may be an address.
func specialAddress(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil {
		if text == "localhost" {
			return "it stays in the host itself"
		}
		return ""
	}
	return specialUse(netip.PrefixFrom(a.WithZone(""), a.BitLen()))
}

// specialNetworks reports networks of the cluster that cannot be used.
func (c *checker) specialNetworks() {
	k := c.fleet.Kluster
	for _, n := range k.networks() {
		if why := specialUse(n.prefix); why != "" && k.PosOf(n.field) != k.At {
			c.report.add(k.PosOf(n.field), "kluster."+n.field, "network", "%s cannot be a network of the cluster: %s", n.prefix, why)
		}
	}
}

// apiPlace checks that members can reach the API where the inventory says that it is.
func (c *checker) apiPlace() {
	k := c.fleet.Kluster
	at := c.apiField("address")
	if why := specialAddress(k.API.Address); why != "" {
		c.report.add(at, "kluster.api.address", "network", "members do not reach the API at %s: %s", k.API.Address, why)
		return
	}
	addr, err := netip.ParseAddr(k.API.Address)
	c.sharedAddress(at, err == nil)
	if err != nil {
		return
	}
	for _, n := range k.networks() {
		if n.prefix.IsValid() && n.field != "mesh_cidr" && n.prefix.Contains(addr) {
			c.report.add(at, "kluster.api.address", "overlapping-networks", "%s is inside kluster.%s, %s: want an address of a master or a load balancer", addr, n.field, n.prefix)
			return
		}
	}
	if c.apiInMesh(at, addr) {
		return
	}
	serves := k.Masters
	if len(k.LoadBalancers) > 0 {
		serves = k.LoadBalancers
	}
	for _, h := range c.fleet.Hosts {
		if len(k.LoadBalancers) < 2 && !slices.Contains(serves, h.Name) && slices.Contains(h.addresses(), addr.String()) {
			c.report.add(at, "kluster.api.address", "conflict", "%s is the address of host %s, which is none of %s", addr, quote(h.Name), strings.Join(serves, ", ")).Hint = "want an address of one of them, or one of its own"
		}
	}
	if port := k.API.Port; port != 0 && port != k.ServerPort() && len(k.LoadBalancers) == 0 && slices.ContainsFunc(k.Masters, func(m string) bool {
		h := c.hosts[m]
		return h != nil && slices.Contains(h.addresses(), addr.String())
	}) {
		c.report.add(c.apiField("port"), "kluster.api.port", "conflict", "%s is a master's address, where the API has the port %d", addr, k.ServerPort()).Hint = "leave out port; it is for load balancers"
	}
}

// sharedAddress checks that several load balancers can share the API's address: by VRRP, which
// moves an address, not a name, and is multicast on one network.
func (c *checker) sharedAddress(at Pos, isIP bool) {
	k := c.fleet.Kluster
	if len(k.LoadBalancers) < 2 || c.report.refused(at) {
		return
	}
	if k.API.Address != "" && !isIP {
		c.report.add(at, "kluster.api.address", "network", "got the name %s, want an address: %d load balancers share it", quote(k.API.Address), len(k.LoadBalancers))
	}
	on := c.apiField("interface")
	switch {
	case k.API.Interface == "lo":
		c.report.add(on, "kluster.api.interface", "network", "load balancers do not hear each other on lo: want the interface of the network that they share")
	case c.fleet.Mesh(k.API.Interface) != nil:
		c.report.add(on, "kluster.api.interface", "network", "load balancers do not hear each other in mesh %s: WireGuard carries no multicast", k.API.Interface).Hint = "want the interface of another network that they share"
	}
}

// apiInMesh checks an address of the API that is inside a mesh, and reports whether it is. A
// mesh carries packets to the addresses of its members, and to no others.
func (c *checker) apiInMesh(at Pos, addr netip.Addr) bool {
	k := c.fleet.Kluster
	serves := k.Masters
	if len(k.LoadBalancers) > 0 {
		serves = k.LoadBalancers
	}
	for _, m := range c.fleet.Meshes {
		if !slices.ContainsFunc(m.Networks(), func(n netip.Prefix) bool { return n.IsValid() && n.Contains(addr) }) {
			continue
		}
		if len(k.LoadBalancers) > 1 {
			c.report.add(at, "kluster.api.address", "network", "%s is inside mesh %s, where only members have addresses: load balancers cannot share one", addr, m.Name).Hint = "want an address of the network of kluster.api.interface"
			return true
		}
		missing := false
		for _, member := range m.Members {
			if slices.Contains(member.Addresses, addr) {
				if !slices.Contains(serves, member.Host) {
					c.report.add(at, "kluster.api.address", "conflict", "%s is the address of host %s in mesh %s, which is none of %s", addr, quote(member.Host), m.Name, strings.Join(serves, ", ")).Hint = "want the address of one of them"
				}
				return true
			}
			missing = missing || slices.ContainsFunc(member.Addresses, func(a netip.Addr) bool { return !a.IsValid() })
		}
		if !missing {
			c.report.add(at, "kluster.api.address", "network", "%s is inside mesh %s, and no member has it", addr, m.Name).Hint = "want the address of one of " + strings.Join(serves, ", ")
		}
		return true
	}
	return false
}

// RKE2Port is the port on which servers of RKE2 take new members, and load balancers hand them on.
const RKE2Port = 9345

// balancerPort checks that nothing else listens on the port that load balancers give the API.
func (c *checker) balancerPort() {
	k := c.fleet.Kluster
	for _, name := range k.LoadBalancers {
		h := c.hosts[name]
		if h == nil {
			continue
		}
		taken := map[int]string{cmp.Or(h.Port, 22): "its SSH server"}
		if slices.Contains(k.Etcd, name) {
			taken[2379], taken[2380] = "etcd", "etcd"
		}
		if k.IsMaster(name) || h.HasRole(RoleNode) {
			taken[10250] = "its kubelet"
		}
		port := cmp.Or(k.API.Port, APIPort)
		if k.Distribution != Kubernetes && (k.IsMaster(name) || h.HasRole(RoleNode)) {
			taken[6444] = "its " + string(k.Distribution) // on 127.0.0.1, in place of all addresses
		}
		if k.Distribution == RKE2 {
			taken[RKE2Port] = "the port of RKE2 for new members"
			if h.HasRole(RoleNode) && !k.IsMaster(name) {
				taken[APIPort] = "its rke2, an agent of the API,"
			}
		}
		if what := taken[port]; what != "" {
			c.report.add(c.apiField("port"), "kluster.api.port", "conflict", "the load balancer %s has %s on the port %d", quote(name), what, port).Hint = "set kluster.api.port to another"
		}
		if k.Distribution == RKE2 && k.IsMaster(name) {
			c.report.add(k.PosOf("load_balancers"), "kluster.load_balancers", "conflict", "%s is a master: its RKE2 has the port %d for new members already", quote(name), RKE2Port).Hint = "load balancers of RKE2 are hosts that are no masters"
			return
		}
	}
}

// memberPlaces checks the addresses of members, their labels and their taints.
func (c *checker) memberPlaces() {
	k := c.fleet.Kluster
	members := c.fleet.Members()
	for _, h := range c.fleet.Hosts {
		path := join("hosts", h.Name)
		if h.Node != nil && (k == nil || k.Member(h) == nil) {
			c.report.add(h.Node.At, path+".node", "no-kluster", "the host is no member of a cluster").Hint = "give it the role " + RoleNode + ", or leave out node"
		}
		if h.Node != nil {
			c.nodeLabels(h, path+".node.labels")
			c.nodeTaints(h, path+".node.taints")
		}
		if k == nil || k.Member(h) == nil || len(members) < 2 {
			continue
		}
		if why := specialAddress(h.ClusterAddress()); why != "" {
			c.report.add(h.PosOf("host"), path+".host", "network", "other members of the cluster do not reach the host at %s: %s", h.ClusterAddress(), why).Hint = "give it an address that they reach, or kluster.mesh"
		}
	}
}

// ownLabels are labels of Kubernetes that a kubelet may give its node by --node-labels; those
// below kubelet.kubernetes.io and node.kubernetes.io, too. With any other one of
// kubernetes.io or k8s.io it does not start
// (https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet).
var ownLabels = []string{
	"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
	"beta.kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type",
	"failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
}

// nodeLabels checks the names of the labels of a node.
func (c *checker) nodeLabels(h *Host, path string) {
	for i, l := range h.Node.Labels {
		at := h.Node.labelsAt[i]
		if why := wrongKey(l.Name); why != "" {
			c.report.add(at, path, "label", "%s is no name of a label: %s", quote(l.Name), why)
			continue
		}
		domain, _, ok := strings.Cut(l.Name, "/")
		of := func(suffix string) bool { return domain == suffix || strings.HasSuffix(domain, "."+suffix) }
		if !ok || !of("kubernetes.io") && !of("k8s.io") || of("kubelet.kubernetes.io") || of("node.kubernetes.io") || slices.Contains(ownLabels, l.Name) {
			continue
		}
		c.report.add(at, path, "label", "a kubelet does not start with the label %s: nodes may not give themselves those of %s", quote(l.Name), domain).Hint = "set it with kubectl label node, or take a domain of your own"
	}
}

// nodeTaints checks the taints of a node.
func (c *checker) nodeTaints(h *Host, path string) {
	seen := map[string]bool{}
	for i, taint := range h.Node.Taints {
		where, at := h.Node.At, fmt.Sprintf("%s[%d]", path, i)
		if len(h.Node.taintsAt) == len(h.Node.Taints) {
			where = h.Node.taintsAt[i]
		}
		if c.report.refused(where) {
			continue
		}
		rest, effect, _ := strings.Cut(taint, ":")
		key, _, _ := strings.Cut(rest, "=")
		if why := wrongKey(key); why != "" {
			c.report.add(where, at, "taint", "%s is no name of a taint: %s", quote(key), why)
		}
		if id := key + ":" + effect; seen[id] {
			c.report.add(where, at, "repeated", "the node has a taint %s twice: want one value for a name and an effect", quote(id))
		} else {
			seen[id] = true
		}
	}
}

// wrongKey is why Kubernetes does not take the name of a label or a taint; "" where it does.
func wrongKey(key string) string {
	domain, name, ok := strings.Cut(key, "/")
	if !ok {
		domain, name = "", key
	}
	switch {
	case strings.Contains(name, "/"):
		return "want one '/' at most, after a domain"
	case len(name) > 63:
		return fmt.Sprintf("want at most 63 characters, not %d", len(name))
	case len(domain) > 253:
		return fmt.Sprintf("want at most 253 characters before '/', not %d", len(domain))
	case domain != strings.ToLower(domain):
		return "want a domain in lower case before '/'"
	case strings.Contains(domain, "_"):
		return "want a domain without '_' before '/'"
	}
	return ""
}

// klusterWords checks texts of a cluster that are well formed and mean nothing.
func (c *checker) klusterWords() {
	k := c.fleet.Kluster
	if k.Domain != strings.ToLower(k.Domain) || strings.Contains(k.Domain, "_") {
		c.report.add(k.PosOf("domain"), "kluster.domain", "domain", "got %s, want a domain in lower case, without '_'", quote(k.Domain))
	}
	if k.Mesh != "" && k.MeshCIDR.IsValid() {
		c.report.add(k.PosOf("mesh_cidr"), "kluster.mesh_cidr", "conflict", "the network between the hosts is that of kluster.mesh, %s", quote(k.Mesh)).Hint = "mesh_cidr is for one that muster does not make"
	}
	if r := k.Rollout; r != nil && r.Drain.GracePeriod >= cmp.Or(r.Drain.Timeout, standardDrain) {
		c.report.add(c.tree.get("kluster").get("rollout").get("drain").get("grace_period").at, "kluster.rollout.drain.grace_period", "conflict",
			"a pod may take %v to end, and all pods together %v", r.Drain.GracePeriod, cmp.Or(r.Drain.Timeout, standardDrain)).Hint = "set kluster.rollout.drain.timeout to more"
	}
}

// otherOptions warns of options of a distribution that the cluster is not made with, and that
// nothing enables.
func (c *checker) otherOptions() {
	k := c.fleet.Kluster
	for _, other := range []Distribution{Kubernetes, K3s, RKE2} {
		if other == k.Distribution || c.report.refused(k.PosOf("distribution")) {
			continue
		}
		enabled := false
		c.eachModule(func(m *Module, _ string) {
			for _, by := range []string{".enable", ".roles", ".kubelet.enable", ".apiserver.enable"} {
				enabled = enabled || option(m.Config, "services."+string(other)+by) != nil
			}
		})
		c.eachModule(func(m *Module, path string) {
			set, ok := option(m.Config, "services."+string(other)).(*Attrs)
			if !ok || len(set.Fields) == 0 || enabled || opaque(m) {
				return
			}
			c.report.warn(set.At, path+".config.services."+string(other), "distribution", "no effect: kluster.distribution is %s, and nothing enables services.%s", k.Distribution, other).Hint = "set options of services." + string(k.Distribution)
		})
	}
}
