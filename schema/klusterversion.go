package schema

import (
	"fmt"
)

// What Kubernetes allows of versions that differ (https://kubernetes.io/releases/version-skew-policy):
// API servers by one minor version, and kubelets none that is newer than an API server or
// more than three minor versions older.
const (
	mastersSkew = 1
	nodesSkew   = 3
)

// A KubernetesVersion is a minor version, and a patch where one is named.
type KubernetesVersion struct {
	Major, Minor int
	Patch        int // -1 for any
}

// ParseKubernetesVersion reads a version such as 1.34 or 1.34.1, which the schema has
// checked; false where it is none.
func ParseKubernetesVersion(s string) (v KubernetesVersion, ok bool) {
	v.Patch = -1
	n, _ := fmt.Sscanf(s, "%d.%d.%d", &v.Major, &v.Minor, &v.Patch)
	return v, n >= 2
}

// NodeVersion is the version of Kubernetes that the inventory pins for a host; "" for none.
func (k *Kluster) NodeVersion(h *Host) string {
	if h.Node != nil && h.Node.Version != "" {
		return h.Node.Version
	}
	return k.Version
}

// A pinned is a version that a member of the cluster has.
type pinned struct {
	host *Host
	KubernetesVersion
	text string
}

// at is where the version is pinned.
func (p *pinned) at(k *Kluster) (Pos, string) { return k.VersionAt(p.host) }

// VersionAt is where the inventory pins the version of a host: its position and its path.
func (k *Kluster) VersionAt(h *Host) (Pos, string) {
	if h.Node != nil && h.Node.Version != "" {
		return h.Node.versionAt, join("hosts", h.Name) + ".node.version"
	}
	return k.PosOf("version"), "kluster.version"
}

// versionSkew checks the versions that are pinned for members against each other.
func (c *checker) versionSkew() {
	k := c.fleet.Kluster
	var masters, nodes []pinned
	for _, h := range c.fleet.Hosts {
		m := k.Member(h)
		if m == nil {
			continue
		}
		if h.Node != nil && h.Node.Version != "" && k.Version == "" {
			c.report.add(h.Node.versionAt, join("hosts", h.Name)+".node.version", "missing-field", "missing field: want kluster.version, the version of the other members")
			return
		}
		v, ok := ParseKubernetesVersion(k.NodeVersion(h))
		switch p := (pinned{h, v, k.NodeVersion(h)}); {
		case !ok:
		case m.Master:
			masters = append(masters, p)
		default:
			nodes = append(nodes, p)
		}
	}
	if len(masters) == 0 {
		return
	}
	oldest, newest := masters[0], masters[0]
	for _, m := range masters[1:] {
		if m.Minor < oldest.Minor {
			oldest = m
		}
		if m.Minor > newest.Minor {
			newest = m
		}
	}
	if newest.Minor-oldest.Minor > mastersSkew {
		at, path := odd(&oldest, &newest).at(k)
		c.report.add(at, path, "skew", "the master %s has Kubernetes %s, and the master %s has %s: want masters that differ by one minor version at most", quote(newest.host.Name), newest.text, quote(oldest.host.Name), oldest.text)
	}
	for _, n := range nodes {
		at, path := n.at(k)
		switch {
		case n.Minor > oldest.Minor:
			if n.host.Node == nil || n.host.Node.Version == "" {
				at, path = oldest.at(k)
			}
			c.report.add(at, path, "skew", "the node %s has Kubernetes %s, newer than %s of the master %s: a kubelet may not be newer than an API server", quote(n.host.Name), n.text, oldest.text, quote(oldest.host.Name)).Hint = "upgrade the masters first"
		case newest.Minor-n.Minor > nodesSkew:
			c.report.add(at, path, "skew", "the node %s has Kubernetes %s, more than %d minor versions older than %s of the master %s", quote(n.host.Name), n.text, nodesSkew, newest.text, quote(newest.host.Name)).Hint = fmt.Sprintf("upgrade the node to 1.%d first", newest.Minor-nodesSkew)
		}
	}
}

// odd is the one of two versions that a host has by itself.
func odd(a, b *pinned) *pinned {
	if a.host.Node != nil && a.host.Node.Version != "" {
		return a
	}
	return b
}
