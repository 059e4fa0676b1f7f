package schema

import (
	"fmt"
	"net/netip"
)

// A klusterNetwork is a network of the cluster, by the field that gives it.
type klusterNetwork struct {
	field  string
	prefix netip.Prefix
}

// The networks of pods and services that the distributions have by default, those of the
// NixOS module and of k3s and RKE2 (https://docs.k3s.io/cli/server#networking).
var (
	nixosPods, nixosServices     = netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.0.0.0/24")
	rancherPods, rancherServices = netip.MustParsePrefix("10.42.0.0/16"), netip.MustParsePrefix("10.43.0.0/16")
)

// Pods is the network of the pods' addresses.
func (k *Kluster) Pods() netip.Prefix {
	return k.network("pod_cidr", k.PodCIDR, nixosPods, rancherPods)
}

// Services is the network of the services' addresses.
func (k *Kluster) Services() netip.Prefix {
	return k.network("service_cidr", k.ServiceCIDR, nixosServices, rancherServices)
}

// network is a network of the inventory, or the default; the zero one where the inventory
// has one that is none.
func (k *Kluster) network(field string, given, nixos, rancher netip.Prefix) netip.Prefix {
	switch {
	case given.IsValid() || k.PosOf(field) != k.At:
		return given
	case k.Distribution == Kubernetes:
		return nixos
	}
	return rancher
}

// defaults names what the default networks are those of.
func (k *Kluster) defaults() string {
	if k.Distribution == Kubernetes {
		return "NixOS"
	}
	return string(k.Distribution)
}

// networks are the networks of the cluster: those of the inventory, or the defaults.
func (k *Kluster) networks() []klusterNetwork {
	return []klusterNetwork{
		{"pod_cidr", k.Pods()}, {"service_cidr", k.Services()},
		{"pod_cidr6", k.PodCIDR6}, {"service_cidr6", k.ServiceCIDR6}, {"mesh_cidr", k.MeshCIDR},
	}
}

// DualStack reports whether pods and services have addresses of both families.
func (k *Kluster) DualStack() bool { return k.PodCIDR6.IsValid() && k.ServiceCIDR6.IsValid() }

// NodeAddresses are the addresses with which a host is a node: one, or one of each family in
// a cluster that has both. It has none where the host is known by a name.
func (k *Kluster) NodeAddresses(h *Host) []netip.Addr {
	if !k.DualStack() {
		if a, err := netip.ParseAddr(h.ClusterAddress()); err == nil {
			return []netip.Addr{a}
		}
		return nil
	}
	candidates := h.clusterAddresses
	if len(candidates) == 0 {
		for _, text := range h.plainAddresses() {
			if a, err := netip.ParseAddr(text); err == nil {
				candidates = append(candidates, a.Unmap())
			}
		}
	}
	var all []netip.Addr
	for _, four := range []bool{true, false} {
		for _, a := range candidates {
			if a.Is4() == four {
				all = append(all, a)
				break
			}
		}
	}
	return all
}

// What Kubernetes gives a node of the pods' network, and how large networks may be: a
// controller manager hands out networks of /24 and /64, at most 65,536 of them, and an API
// server takes services' networks of up to 20 bits.
const (
	nodeBits, nodeBits6    = 24, 64
	mostNodeBits           = 16
	mostServiceBits        = 20
	addressBits, addrBits6 = 32, 128
)

// stack checks the networks of a cluster for their families and their sizes.
func (c *checker) stack() {
	k := c.fleet.Kluster
	for _, f := range []struct {
		field, other string
		prefix       netip.Prefix
		six          bool
	}{
		{"pod_cidr6", "service_cidr6", k.PodCIDR6, true}, {"service_cidr6", "pod_cidr6", k.ServiceCIDR6, true},
		{"pod_cidr", "service_cidr", k.PodCIDR, false}, {"service_cidr", "pod_cidr", k.ServiceCIDR, false},
	} {
		at := k.PosOf(f.field)
		if !f.prefix.IsValid() {
			continue
		}
		switch both := k.PodCIDR6.IsValid() || k.ServiceCIDR6.IsValid(); {
		case f.six && f.prefix.Addr().Is4():
			c.report.add(at, "kluster."+f.field, "network", "got %s, want an IPv6 network such as fd42:10::/56", f.prefix)
		case f.six && k.PosOf(f.other) == k.At:
			c.report.add(at, "kluster."+f.field, "missing-field", "missing field: want kluster.%s, too: pods and services have the same families of addresses", f.other)
		case !f.six && both && f.prefix.Addr().Is6():
			c.report.add(at, "kluster."+f.field, "network", "got %s, want an IPv4 network: that of IPv6 is kluster.%s6", f.prefix, f.field)
		case !f.six && f.field == "service_cidr" && k.Pods().IsValid() && f.prefix.Addr().Is4() != k.Pods().Addr().Is4(), !f.six && f.field == "pod_cidr" && k.PosOf(f.other) == k.At && f.prefix.Addr().Is6():
			c.report.add(at, "kluster."+f.field, "network", "got %s, and kluster.%s is %s: want networks of one family, or both families with pod_cidr6 and service_cidr6", f.prefix, f.other, c.otherNetwork(f.other))
		default:
			c.networkSize(f.field, f.prefix)
		}
	}
	if k.DualStack() {
		c.bothFamilies()
	} else {
		c.oneFamily()
	}
}

// oneFamily checks that the members of a cluster with one family of addresses have theirs of
// it: no distribution begins a cluster otherwise.
func (c *checker) oneFamily() {
	k := c.fleet.Kluster
	pods, services := k.Pods(), k.Services()
	if !pods.IsValid() || !services.IsValid() || pods.Addr().Is4() != services.Addr().Is4() {
		return
	}
	if c.fleet.Mesh(k.Mesh) != nil {
		return // klusterMesh checks its family
	}
	for _, h := range c.fleet.Hosts {
		a := k.NodeAddresses(h)
		if !h.HasRole(RoleMaster) && !h.HasRole(RoleNode) || len(a) == 0 || a[0].Is4() == pods.Addr().Is4() {
			continue
		}
		if c.maySet(h, "services.k3s.extraFlags") || c.maySet(h, "services.rke2.extraFlags") || c.maySet(h, "services.kubernetes.apiserver.advertiseAddress") {
			continue
		}
		e := c.report.add(h.PosOf("host"), join("hosts", h.Name)+".host", "network", "members know the host as %s, and the pods' network is %s: want addresses of one family", a[0], pods)
		e.Hint = "name the IPv4 address of the host first, or set kluster.pod_cidr and kluster.service_cidr to networks of IPv6"
		if a[0].Is4() {
			e.Hint = "name the IPv6 address of the host first, or set kluster.pod_cidr and kluster.service_cidr to networks of IPv4"
		}
	}
}

func (c *checker) otherNetwork(field string) netip.Prefix {
	for _, n := range c.fleet.Kluster.networks() {
		if n.field == field {
			return n.prefix
		}
	}
	return netip.Prefix{}
}

// networkSize checks that a network is as large as Kubernetes takes it, and that there is
// one for the pods of each node.
func (c *checker) networkSize(field string, p netip.Prefix) {
	k := c.fleet.Kluster
	bits, each := addressBits, nodeBits
	if p.Addr().Is6() {
		bits, each = addrBits6, nodeBits6
	}
	wrong := func(format string, args ...any) {
		c.report.add(k.PosOf(field), "kluster."+field, "network-size", format, args...)
	}
	if field == "service_cidr" || field == "service_cidr6" {
		switch size := bits - p.Bits(); {
		case size > mostServiceBits:
			wrong("%s is too large: an API server takes a network of services of /%d at most", p, bits-mostServiceBits)
		case size < 2:
			wrong("%s is too small: the first address is the API's, and one is the DNS server's", p)
		}
		return
	}
	nodes := 0
	for range c.fleet.Members() {
		nodes++
	}
	switch left := each - p.Bits(); {
	case left > mostNodeBits:
		wrong("%s is too large: a network of pods is /%d at most, as each node has a /%d of it", p, each-mostNodeBits, each)
	case left < 0:
		wrong("%s is too small: each node has a /%d of it for its pods", p, each)
	case nodes > 1<<left:
		wrong("%s is too small: each node has a /%d of it for its pods, which is enough for %d, and the cluster has %d members", p, each, 1<<left, nodes)
	}
}

// bothFamilies checks that every node has an address of each family.
func (c *checker) bothFamilies() {
	k := c.fleet.Kluster
	if m := c.fleet.Mesh(k.Mesh); m != nil && m.Network.Addr().Is4() && m.Network6.IsValid() {
		return // muster mesh assign gives both
	}
	for _, h := range c.fleet.Hosts {
		if !h.HasRole(RoleMaster) && !h.HasRole(RoleNode) || len(k.NodeAddresses(h)) == 2 {
			continue
		}
		has := "no address"
		if all := k.NodeAddresses(h); len(all) > 0 {
			has = fmt.Sprintf("only %s", all[0])
		}
		e := c.report.add(h.PosOf("host"), join("hosts", h.Name)+".host", "network", "the host has %s, want an IPv4 and an IPv6 address: the cluster has both families", has)
		e.Hint = `as in host: ["10.0.0.1", "2001:db8::1"], or a mesh with ipv6 as kluster.mesh`
	}
}
