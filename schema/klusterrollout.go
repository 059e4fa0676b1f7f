package schema

import (
	"cmp"
	"slices"
	"time"
)

// A KlusterRollout says how hosts are taken out of their cluster while they are changed, and
// how many at a time. The masters are changed one after the other in any case.
type KlusterRollout struct {
	At             Pos
	MaxUnavailable int           // nodes that may be out at once; 0 means 1, or any number with PerZone
	PerZone        int           // nodes of one zone that may be out at once; 0 for any number
	Timeout        time.Duration // for leaving the cluster, and for being back in it; 0 for 10 minutes
	Drain          Drain
}

// A Drain says how the pods of a node are moved elsewhere.
type Drain struct {
	Off             string // why nodes are not drained; "" where they are
	DeleteLocalData bool   // also pods with data in an emptyDir
	DeleteUnmanaged bool   // also pods that nothing starts elsewhere
	GracePeriod     time.Duration
	Timeout         time.Duration // 0 for 5 minutes
}

// A KlusterMember is what a host is in the cluster.
type KlusterMember struct {
	Host      string
	Addresses []string
	Master    bool
	Etcd      bool
	Zone      string
	Version   string // of Kubernetes that the inventory pins for it; "" for none
}

// ControlPlane reports whether the cluster needs the member to be managed.
func (m *KlusterMember) ControlPlane() bool { return m.Master || m.Etcd }

// Limits are how many members of the same kind as one may be out at once, and how many of
// its zone; 0 for any number.
func (r *KlusterRollout) Limits(m *KlusterMember) (most, inZone int) {
	switch {
	case m.ControlPlane():
		return 1, 0
	case r.PerZone > 0:
		return r.MaxUnavailable, r.PerZone
	}
	return cmp.Or(r.MaxUnavailable, 1), 0
}

// zoneLabel is the label with the zone of a node.
const zoneLabel = "topology.kubernetes.io/zone"

// Member is what a host is in the cluster; nil where it has no part in it, as a load balancer.
func (k *Kluster) Member(h *Host) *KlusterMember {
	m := &KlusterMember{Host: h.Name, Addresses: h.memberAddresses(), Master: k.IsMaster(h.Name), Etcd: slices.Contains(k.Etcd, h.Name), Version: k.NodeVersion(h)}
	if !m.ControlPlane() && !h.HasRole(RoleNode) || h.Profile != nil {
		return nil
	}
	if h.Node != nil {
		for _, l := range h.Node.Labels {
			if l.Name == zoneLabel {
				m.Zone = l.Value
			}
		}
	}
	return m
}

// memberAddresses are the addresses of a host in its cluster, that of the cluster's mesh first.
func (h *Host) memberAddresses() []string {
	all := h.plainAddresses()
	if !h.clusterAddress.IsValid() {
		return all
	}
	own := h.clusterAddress.String()
	return append([]string{own}, slices.DeleteFunc(all, func(a string) bool { return a == own })...)
}

// Members are all hosts that are in the cluster, in inventory order.
func (f *Fleet) Members() (all []KlusterMember) {
	if f.Kluster == nil {
		return nil
	}
	for _, h := range f.Hosts {
		if m := f.Kluster.Member(h); m != nil {
			all = append(all, *m)
		}
	}
	return all
}

func (d *decoder) klusterRollout(n *node) *KlusterRollout {
	if n == nil || n.kind != structKind {
		return nil
	}
	r := &KlusterRollout{
		At: n.at, MaxUnavailable: number32(n.get("max_unavailable")), PerZone: number32(n.get("per_zone")),
		Timeout: d.duration(n.get("timeout"), "kluster.rollout.timeout", 0),
	}
	if drain := n.get("drain"); drain != nil && drain.kind == structKind {
		r.Drain = Drain{
			Off: text(drain.get("off")), DeleteLocalData: truth(drain.get("delete_local_data")), DeleteUnmanaged: truth(drain.get("delete_unmanaged")),
			GracePeriod: d.duration(drain.get("grace_period"), "kluster.rollout.drain.grace_period", 0),
			Timeout:     d.duration(drain.get("timeout"), "kluster.rollout.drain.timeout", 0),
		}
	}
	return r
}

// standardDrain is how long a drain takes at most where the inventory does not say.
const standardDrain = 5 * time.Minute

// klusterRollout checks how hosts are taken out of the cluster.
func (c *checker) klusterRollout() {
	r := c.fleet.Kluster.Rollout
	if r == nil {
		return
	}
	tree := c.tree.get("kluster").get("rollout")
	if d := tree.get("drain"); d != nil && d.get("off") != nil && len(d.fields) > 1 {
		c.report.add(d.get("off").at, "kluster.rollout.drain.off", "conflict", "nodes are not drained, and the other fields say how they are")
	}
	if r.Drain.Timeout > 0 && r.Drain.Timeout > cmp.Or(r.Timeout, 10*time.Minute) {
		c.report.add(tree.get("drain").get("timeout").at, "kluster.rollout.drain.timeout", "conflict", "longer than kluster.rollout.timeout, which ends the drain")
	}
	nodes, zones := 0, 0
	for _, m := range c.fleet.Members() {
		if m.ControlPlane() {
			continue
		}
		nodes++
		if m.Zone != "" {
			zones++
		}
	}
	if most := r.MaxUnavailable; nodes > 1 && most >= nodes {
		c.report.warn(tree.get("max_unavailable").at, "kluster.rollout.max_unavailable", "rollout", "all %d nodes may be out of service at once", nodes)
	}
	if r.PerZone > 0 && zones == 0 && nodes > 0 {
		c.report.warn(tree.get("per_zone").at, "kluster.rollout.per_zone", "rollout", "no node has the label %s: all count as of one zone", zoneLabel).Hint = `set node: labels: "topology.kubernetes.io/zone" of each host`
	}
}
