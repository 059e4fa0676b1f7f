package schema

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// takenInterfaces are names of network interfaces that the kernel, container runtimes and
// the networks of clusters have for theirs.
var takenInterfaces = []string{"lo", "all", "default", "cni0", "mynet", "docker0", "kube-ipvs0", "kube-bridge", "virbr0"}

// meshMistakes checks what is well formed in a mesh and does not work.
func (c *checker) meshMistakes(m *Mesh, path string) {
	add := func(field, code, format string, args ...any) *Error {
		return c.report.add(m.PosOf(field), path+"."+field, code, format, args...)
	}
	if taken := slices.Contains(takenInterfaces, m.Name) || slices.ContainsFunc([]string{"flannel", "cali", "veth"}, func(p string) bool { return strings.HasPrefix(m.Name, p) }); taken {
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
	if k := c.fleet.Kluster; k != nil && m.Domain != "" && (m.Domain == k.Domain || strings.HasSuffix(m.Domain, "."+k.Domain)) {
		add("names", "conflict", "%s is inside kluster.domain, which the cluster's DNS answers for", quote(m.Domain)).Hint = "see " + k.PosOf("domain").String()
	}
	for _, other := range c.fleet.Meshes {
		if other == m {
			break
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
		if why := specialAddress(host); why != "" && len(m.Members) > 1 {
			c.report.add(at, field, "mesh", "other members do not reach %s at %s: %s", quote(member.Host), host, why)
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil && member.pos["endpoint"] != (Pos{}) {
			for _, network := range m.Networks() {
				if network.IsValid() && network.Contains(a) {
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
