package schema

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/exec/ondemand"
)

// takenInterfaces are names of network interfaces that the kernel, container runtimes and
// the networks of clusters have for theirs.
var takenInterfaces = []string{"lo", "all", "default", "cni0", "mynet", "docker0", "kube-ipvs0", "kube-bridge", "virbr0", "tailscale0", "bonding_masters"}

// takenNames matches names that the kernel, udev, networks of clusters and tunnels give
// interfaces: eth0, enp1s0, wlan0, tunl0, flannel.1 and their like.
var takenNames = ondemand.Regexp(`^(eth|wlan|wwan|bond|tunl|sit|gre|gretap|erspan|ip6tnl|ip6gre|ip6_vti|ip_vti|dummy|ifb|teql)[0-9]+$|^(en|wl|ww|ib)(o|s|p|x)[0-9][0-9a-z]*$|^(flannel|cali|cilium|lxc|veth|kube-|docker)`)

// meshMistakes checks what is well formed in a mesh and does not work.
func (c *checker) meshMistakes(m *Mesh, path string) {
	add := func(field, code, format string, args ...any) *Error {
		return c.report.add(m.PosOf(field), path+"."+field, code, format, args...)
	}
	if slices.Contains(takenInterfaces, m.Name) || takenNames().MatchString(m.Name) {
		c.report.add(m.At, path, "mesh", "%s is the name of another network interface: want one of your own, such as wg0", quote(m.Name))
	}
	for i, network := range m.Networks() {
		if why := specialUse(network); why != "" {
			add([]string{"network", "ipv6"}[i], "network", "%s cannot be the network of a mesh: %s", network, why)
		}
	}
	if m.Network6.IsValid() && m.Network.IsValid() && m.Network.Addr().Is6() {
		add("ipv6", "network", "network is an IPv6 network already, %s", m.Network).Hint = "leave out ipv6, or take an IPv4 network for network"
	}
	if _, given := m.pos["keep_alive"]; given && m.KeepAlive < time.Second {
		add("keep_alive", "mesh", "got %v, want at least 1s: members behind NAT are not reached without", m.KeepAlive)
	} else if m.KeepAlive > mostKeepAlive {
		add("keep_alive", "mesh", "got %v, want at most %v", m.KeepAlive, mostKeepAlive)
	}
	if len(m.Members) == 1 && !m.cut {
		c.report.warn(m.At, path, "mesh", "host %s is its only member", quote(m.Members[0].Host))
	}
	c.meshOverFlannel(m, path)
	c.meshEndpoints(m, path)
	c.meshBehindJumps(m, path)
	if k := c.fleet.Kluster; k != nil && m.Domain != "" && (m.Domain == k.Domain || strings.HasSuffix(m.Domain, "."+k.Domain)) {
		add("names", "conflict", "%s is inside kluster.domain, which the cluster's DNS answers for", quote(m.Domain)).Hint = "see " + k.PosOf("domain").String()
	}
	for _, other := range c.fleet.Meshes {
		if other == m {
			break
		}
		if m.Domain != "" && strings.EqualFold(m.Domain, other.Domain) && slices.ContainsFunc(m.Members, func(member *MeshMember) bool { return other.Member(member.Host) != nil }) {
			add("names", "repeated", "members of mesh %s have names in %s already: a name is for one address", other.Name, quote(m.Domain)).Hint = "see " + other.PosOf("names").String()
		}
		if filepath.Clean(other.Keys) == filepath.Clean(m.Keys) {
			add("keys", "repeated", "the keys of mesh %s are in %s already: a key is for one mesh", other.Name, quote(m.Keys)).Hint = "see " + other.PosOf("keys").String()
		}
	}
}

// mostKeepAlive is the most that WireGuard takes.
const mostKeepAlive = 65535 * time.Second

// meshOverFlannel reports a UDP port of members that the network of the cluster has.
func (c *checker) meshOverFlannel(m *Mesh, path string) {
	k := c.fleet.Kluster
	if k == nil {
		return
	}
	taken := []int{8472} // VXLAN
	if k.Distribution == Kubernetes {
		taken = append(taken, 8285) // UDP, which the NixOS module opens too
	}
	for _, member := range m.Members {
		if member.host == nil || k.Member(member.host) == nil || !slices.Contains(taken, member.Port) {
			continue
		}
		c.report.add(m.PosOf("port"), path+".port", "conflict", "flannel has the UDP port %d on host %s, a member of the cluster", member.Port, quote(member.Host))
		return
	}
}

// meshBehindJumps warns of members that others may not reach where muster does: through a jump
// host, at an address of a private network that not all members are in.
func (c *checker) meshBehindJumps(m *Mesh, path string) {
	var behind []*MeshMember
	for _, member := range m.Members {
		host, _, err := net.SplitHostPort(member.Endpoint)
		if _, given := member.pos["endpoint"]; err != nil || given || member.host.Jump == "" {
			continue
		}
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Unmap().IsPrivate() {
			continue
		}
		if slices.ContainsFunc(m.Members, func(o *MeshMember) bool { return o.host.Jump != member.host.Jump && o.Host != member.host.Jump }) {
			behind = append(behind, member)
		}
	}
	if len(behind) == 0 {
		return
	}
	first := behind[0]
	e := c.report.warn(first.At, join(path+".hosts", first.Host), "mesh", "not all members may reach host %s at %s, which muster reaches through the jump host %s", quote(first.Host), first.Endpoint, quote(first.host.Jump))
	if more := len(behind) - 1; more > 0 {
		e.Msg += fmt.Sprintf("; nor %d more", more)
	}
	e.Hint = "set endpoint to where they do, or nat: true"
}

// numbers matches what is meant as an IPv4 address.
var numbers = ondemand.Regexp(`^[0-9.]+$`)

// meshEndpoints checks where members are reached from outside.
func (c *checker) meshEndpoints(m *Mesh, path string) {
	seen := map[string]*MeshMember{}
	for _, member := range m.Members {
		host, _, err := net.SplitHostPort(member.Endpoint)
		if err != nil {
			continue
		}
		at, field := member.PosOf("endpoint"), fmt.Sprintf("%s.hosts.%s.endpoint", path, member.Host)
		if _, given := member.pos["endpoint"]; !given {
			if member.host != nil {
				at, field = member.host.PosOf("host"), join("hosts", member.Host)+".host"
			}
		}
		if numbers().MatchString(host) && !c.report.refused(at) {
			if _, err := netip.ParseAddr(host); err != nil {
				c.report.add(at, field, "type", "got the address %s, want four numbers of 0 to 255", quote(host))
				continue
			}
		}
		if why := specialAddress(host); why != "" && len(m.Members) > 1 {
			c.report.add(at, field, "mesh", "other members do not reach %s at %s: %s", quote(member.Host), host, why)
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil && member.pos["endpoint"] != (Pos{}) {
			for _, network := range m.Networks() {
				if network.IsValid() && network.Contains(a.Unmap()) {
					c.report.add(at, field, "mesh", "%s is inside the mesh, %s, and packets to it would go into the mesh that they are to carry", a, network)
				}
			}
		}
		if other := seen[member.Endpoint]; other != nil {
			c.report.add(at, field, "repeated", "%s is the endpoint of host %s already", member.Endpoint, quote(other.Host)).Hint = "hosts behind one address have a port each"
			continue
		}
		seen[member.Endpoint] = member
	}
}
