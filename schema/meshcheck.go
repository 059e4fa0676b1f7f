package schema

import (
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkMeshes checks the networks of the meshes, their members and the ways between them.
func (c *checker) checkMeshes() {
	meshes := c.fleet.Meshes
	for i, m := range meshes {
		path := join("mesh", m.Name)
		c.meshNetworks(m, path)
		c.meshMistakes(m, path)
		for _, other := range meshes[:i] {
			c.meshBeside(m, other, path)
		}
		c.meshMembers(m, path)
		c.meshWays(m, path)
		c.meshSize(m, path)
		c.meshLocked(m, path)
		c.meshKeys(m, path)
		c.meshMissing(m, path)
	}
	c.klusterMesh()
}

// meshNetworks checks the networks of a mesh against those that hosts are in already.
func (c *checker) meshNetworks(m *Mesh, path string) {
	if m.Network6.IsValid() && m.Network6.Addr().Is4() {
		c.report.add(m.PosOf("ipv6"), path+".ipv6", "network", "got %s, want an IPv6 network such as fd5a:12c8:73d1::/64", m.Network6).Hint = "the IPv4 network is the field network"
	}
	fields := []string{"network", "ipv6"}
	for i, network := range m.Networks() {
		at, path := m.PosOf(fields[i]), path+"."+fields[i]
		if k := c.fleet.Kluster; k != nil {
			for _, other := range k.networks() {
				if other.prefix.IsValid() && network.IsValid() && network.Overlaps(other.prefix) {
					e := c.report.add(at, path, "overlapping-networks", "%s overlaps kluster.%s, %s", network, other.field, other.prefix)
					if e.Hint = "that is the default of " + k.defaults(); k.PosOf(other.field) != k.At {
						e.Hint = "see " + k.PosOf(other.field).String()
					}
				}
			}
		}
		c.meshOverHost(network, at, path)
	}
	if m.Network6.IsValid() && m.Network.IsValid() && m.Network6.Overlaps(m.Network) {
		c.report.add(m.PosOf("ipv6"), path+".ipv6", "overlapping-networks", "%s overlaps the field network, %s", m.Network6, m.Network).Hint = "see " + m.PosOf("network").String()
	}
}

// meshOverHost reports a network that the address of a host is in: packets to it would go
// into the mesh that they are to carry.
func (c *checker) meshOverHost(network netip.Prefix, at Pos, path string) {
	for _, h := range c.fleet.Hosts {
		for _, p := range c.hostPlaces(h) {
			if network.Contains(p.addr) && p.at != h.At {
				c.report.add(at, path, "overlapping-networks", "%s has %s, the address of host %s outside the mesh", network, p.text, quote(h.Name)).Hint = "see " + p.path + " at " + p.at.String()
				return
			}
		}
	}
}

// meshBeside checks two meshes against each other.
func (c *checker) meshBeside(m, other *Mesh, path string) {
	fields := []string{"network", "ipv6"}
	for i, a := range m.Networks() {
		for j, b := range other.Networks() {
			if a.IsValid() && b.IsValid() && a.Overlaps(b) {
				c.report.add(m.PosOf(fields[i]), path+"."+fields[i], "overlapping-networks", "%s overlaps %s of mesh %s, %s", a, fields[j], other.Name, b).Hint = "see " + other.PosOf(fields[j]).String()
			}
		}
	}
	for _, member := range m.Members {
		if there := other.Member(member.Host); there != nil && there.Port == member.Port {
			at, field := member.PosOf("port"), join(path+".hosts", member.Host)+".port"
			if at == member.At {
				at, field = m.PosOf("port"), path+".port"
			}
			c.report.add(at, field, "mesh", "host %s listens on port %d in mesh %s already", quote(member.Host), member.Port, other.Name).Hint = "set port to another"
			return
		}
	}
}

// meshMembers checks what the inventory says of single members.
func (c *checker) meshMembers(m *Mesh, path string) {
	listed := c.tree.get("mesh").get(m.Name).get("hosts")
	if listed != nil && listed.kind == structKind {
		for _, f := range listed.fields {
			at := join(path+".hosts", f.name)
			switch {
			case c.hosts[f.name] == nil:
				c.noHost(f.at, at, f.name)
			case m.Member(f.name) == nil && !m.cut:
				c.report.add(f.at, at, "mesh", "host %s is no member of the mesh", quote(f.name)).Hint = "members are NixOS hosts that on selects"
			}
		}
	}
	by := map[netip.Addr]*MeshMember{}
	fields := []string{"address", "ipv6"}
	for _, member := range m.Members {
		at := join(path+".hosts", member.Host)
		for i, network := range m.Networks() {
			a := member.Addresses[i]
			if !member.given[i] || !network.IsValid() {
				continue
			}
			where, at := member.PosOf(fields[i]), at+"."+fields[i]
			switch other := by[a]; {
			case !network.Contains(a):
				c.report.add(where, at, "mesh", "%s is outside %s, the %s of the mesh", a, network, meshField(i)).Hint = "see " + m.PosOf(meshField(i)).String()
			case !usable(network, a):
				c.report.add(where, at, "mesh", "%s is no address of a host in %s: it stands for the network or for all hosts", a, network)
			case other != nil:
				c.report.add(where, at, "duplicate-address", "duplicate address %s: host %s has it in the mesh too", a, quote(other.Host)).Hint = "see " + other.PosOf(fields[i]).String()
			}
			by[a] = member
		}
		if _, given := member.pos["ipv6"]; given && !m.Network6.IsValid() {
			c.report.add(member.PosOf("ipv6"), at+".ipv6", "mesh", "the mesh has no IPv6 network").Hint = "set ipv6 of the mesh"
		}
		if _, given := member.pos["endpoint"]; given && member.nat {
			c.report.add(member.PosOf("endpoint"), at+".endpoint", "conflict", "has endpoint and nat, want one of them")
		}
		if member.KeepAlive%time.Second != 0 || member.KeepAlive > math.MaxUint16*time.Second {
			c.report.add(member.PosOf("keep_alive"), at+".keep_alive", "type", "got %v, want 1s to 65535s", member.KeepAlive)
		}
		c.meshEndpoint(member, at)
	}
}

// meshField is the field of a mesh with its ith network.
func meshField(i int) string { return []string{"network", "ipv6"}[i] }

// meshEndpoint checks where a member is reached.
func (c *checker) meshEndpoint(member *MeshMember, at string) {
	switch {
	case member.nat:
	case member.Endpoint == "":
		e := c.report.add(member.At, at, "missing-field", "host %s has no address at which others reach it", quote(member.Host))
		e.Hint = "set endpoint, or nat: true where nobody reaches it from outside"
	default:
		if c.report.refused(member.PosOf("endpoint")) || c.report.refused(member.portAt) {
			return
		}
		if _, port, err := net.SplitHostPort(member.Endpoint); err == nil {
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				c.report.add(member.PosOf("endpoint"), at+".endpoint", "type", "got the port %s, want a port number, 1 to 65535", quote(port))
			}
		}
	}
}

// meshWays checks that every member reaches every other one.
func (c *checker) meshWays(m *Mesh, path string) {
	hub := m.Member(m.Hub)
	if at := m.PosOf("hub"); m.Hub != "" {
		switch {
		case c.report.refused(at):
		case c.hosts[m.Hub] == nil:
			c.noHost(at, path+".hub", m.Hub)
		case hub == nil && !m.cut:
			c.report.add(at, path+".hub", "mesh", "the hub %s is no member of the mesh", quote(m.Hub)).Hint = "have on select it too"
		case hub != nil && hub.nat:
			c.report.add(at, path+".hub", "mesh", "the hub %s is behind NAT: nobody reaches it", quote(m.Hub)).Hint = "see " + hub.PosOf("nat").String()
		}
		return
	}
	var first *MeshMember
	for _, member := range m.Members {
		if !member.nat {
			continue
		}
		if first != nil {
			c.report.add(member.PosOf("nat"), join(path+".hosts", member.Host)+".nat", "mesh", "hosts %s and %s are both behind NAT: neither reaches the other", quote(first.Host), quote(member.Host)).Hint = "set hub to a member that both reach"
			return
		}
		first = member
	}
}

// meshSize reports a network without room for all members.
func (c *checker) meshSize(m *Mesh, path string) {
	for i, network := range m.Networks() {
		bits := network.Addr().BitLen() - network.Bits()
		if !network.IsValid() || bits > 30 {
			continue
		}
		room := 1<<bits - 1
		if network.Addr().Is4() {
			room = max(room-1, 0)
		}
		if room < len(m.Members) {
			c.report.add(m.PosOf(meshField(i)), path+"."+meshField(i), "network", "%s is too small: it has room for %d hosts, and %d are members", network, room, len(m.Members))
		}
	}
}

// meshKeys checks the files of the members' keys, without reading what they hide.
func (c *checker) meshKeys(m *Mesh, path string) {
	at, path := m.PosOf("keys"), path+".keys"
	if info := c.lookFor(m.Keys); info != nil && !info.IsDir() {
		c.report.add(at, path, "missing-file", "not a folder: %s", quote(m.Keys))
		return
	}
	by := map[string]string{}
	var without []string // members with a public key alone
	for _, member := range m.Members {
		if other := m.Member(strings.TrimSuffix(member.Host, ".next")); other != nil && other != member {
			c.report.add(member.At, join("mesh."+m.Name+".hosts", member.Host), "mesh", "host %s cannot be in a mesh beside host %s: the file of its key is that of the other's next key", quote(member.Host), quote(other.Host)).Hint = "give one of them another name, or leave it out with on"
		}
		for _, key := range []string{member.PublicKey, member.NextKey} {
			if other := by[key]; other != "" && key != "" {
				c.report.add(at, path, "repeated", "hosts %s and %s have one key: members take packets of one for those of the other", quote(other), quote(member.Host)).Hint = "delete the files of one in " + quote(filepath.Clean(m.Keys)) + "; muster secrets generate makes new ones"
				break
			}
		}
		if member.NextKey != "" && member.NextKey == member.PublicKey {
			c.report.add(at, path, "repeated", "the next key of host %s is the one that it has", quote(member.Host)).Hint = "delete " + quote(m.NextKeyFile(member.Host)) + " and " + quote(PublicKeyFile(m.NextKeyFile(member.Host)))
		}
		by[member.PublicKey], by[member.NextKey] = member.Host, member.Host
		for _, s := range member.host.AllSecrets {
			if s.Mesh == m.Name && s.derived {
				without = append(without, c.meshKeyFile(s, path, at, member)...)
			}
		}
	}
	if len(without) > 0 {
		c.report.warn(at, path, "missing-file", "%d of the public keys have no private one: no such file: %s", len(without), quote(without[0])).Hint = "take it from version control again; or delete " + quote(PublicKeyFile(without[0])) + ", too, and muster secrets generate makes new ones"
	}
}

// meshKeyFile checks the file of a private key, where its public key is there. It returns the
// file where that is missing.
func (c *checker) meshKeyFile(s *Secret, path string, at Pos, member *MeshMember) (missing []string) {
	public := member.PublicKey
	if s.Name == "mesh-"+s.Mesh+"-next" {
		public = member.NextKey
	}
	switch info := c.lookFor(s.Age); {
	case info == nil && public == "":
	case info == nil:
		return []string{s.Age}
	case !info.Mode().IsRegular():
		c.report.add(at, path, "missing-file", "not a file: %s", quote(s.Age))
	case public == "":
		c.report.warn(at, path, "missing-file", "host %s has a private key, and no public one: no such file: %s", quote(member.Host), quote(PublicKeyFile(s.Age))).Hint = "take it from version control again; or delete " + quote(s.Age) + ", too, and muster secrets generate makes new ones"
	default:
		c.ageFile(s, path)
	}
	return nil
}

// meshMissing warns of members that have no address or key yet.
func (c *checker) meshMissing(m *Mesh, path string) {
	addresses, keys := 0, 0
	for _, member := range m.Members {
		if slices.ContainsFunc(member.Addresses, func(a netip.Addr) bool { return !a.IsValid() }) {
			addresses++
		}
		if member.PublicKey == "" {
			keys++
		}
	}
	if addresses > 0 {
		c.report.warn(m.At, path, "mesh-address", "%d of %d members have no address yet", addresses, len(m.Members)).Hint = "muster mesh assign gives them addresses and writes " + MeshLockFile
	}
	if keys > 0 {
		c.report.warn(m.PosOf("keys"), path+".keys", "missing-file", "%d of %d members have no key in %s yet", keys, len(m.Members), quote(filepath.Clean(m.Keys))).Hint = "muster secrets generate makes them"
	}
}

// klusterMesh checks that all members of the cluster are in its mesh.
func (c *checker) klusterMesh() {
	k := c.fleet.Kluster
	if k == nil || k.Mesh == "" {
		return
	}
	m := c.fleet.Mesh(k.Mesh)
	if m == nil {
		e := c.report.add(k.PosOf("mesh"), "kluster.mesh", "undefined", "no mesh named %s", quote(k.Mesh))
		var names []string
		for _, m := range c.fleet.Meshes {
			names = append(names, m.Name)
		}
		if near := nearest(k.Mesh, names); near != "" {
			e.Hint = "did you mean " + quote(near) + "?"
		}
		return
	}
	if pods := k.Pods(); pods.IsValid() && m.Network.IsValid() && !k.DualStack() && pods.Addr().Is4() != m.Network.Addr().Is4() {
		e := c.report.add(k.PosOf("mesh"), "kluster.mesh", "network", "members know each other by addresses of mesh %s, %s, and the pods' network is %s: want networks of one family", k.Mesh, m.Network, pods)
		e.Hint = "set kluster.pod_cidr and kluster.service_cidr to networks of IPv6, or network of the mesh to one of IPv4"
		if pods.Addr().Is6() {
			e.Hint = "set network of the mesh to one of IPv6"
		}
	}
	for _, h := range c.fleet.Hosts {
		member := h.HasRole(RoleMaster) || h.HasRole(RoleNode) || h.HasRole(RoleBalancer) || slices.Contains(k.Etcd, h.Name)
		if member && m.Member(h.Name) == nil && !m.cut {
			c.report.add(k.PosOf("mesh"), "kluster.mesh", "mesh", "host %s is a member of the cluster and not of mesh %s", quote(h.Name), k.Mesh).Hint = "see " + m.PosOf("on").String()
			return
		}
	}
}
