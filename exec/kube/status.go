package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	fleet "muster/schema"
)

// A Status is what the API server and etcd say of a cluster.
type Status struct {
	Version string
	Nodes   []NodeStatus
	Etcd    []EtcdMember // empty where the cluster has none that can be asked
	Ending  []Ending     // the certificates in use that end soon
}

// An Ending is a certificate that ends soon, or has ended.
type Ending struct {
	Of   string
	Ends time.Time
}

// ending are those of some certificates that end soon.
func ending(now time.Time, certificates map[string]*x509.Certificate) (all []Ending) {
	for of, c := range certificates {
		if c != nil && fleet.CertificateEnding(c.NotBefore, c.NotAfter, now) {
			all = append(all, Ending{Of: of, Ends: c.NotAfter})
		}
	}
	slices.SortFunc(all, func(a, b Ending) int { return strings.Compare(a.Of, b.Of) })
	return all
}

// A NodeStatus is what the API says of a node.
type NodeStatus struct {
	Name       string
	Host       string // of the inventory; "" for a node that it does not have
	Ready      bool
	Why        string // it is not ready
	Version    string // of its kubelet
	Cordoned   bool
	CordonedBy string // the run of muster that cordoned it; "" for others
}

// Status asks the API server and etcd how the cluster is.
func (c *Cluster) Status(ctx context.Context) (*Status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, heldLimit, fmt.Errorf("no answer within %v", heldLimit))
	defer cancel()
	o, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	v, err := o.api.serverVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the API for its version: %w", err)
	}
	nodes, err := o.api.nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the API for the nodes: %w", err)
	}
	s := &Status{Version: v.String(), Ending: ending(time.Now(), o.api.certificates())}
	for i := range nodes {
		n := &nodes[i]
		state := NodeStatus{Name: n.Name, Ready: isReady(n), Version: n.Status.NodeInfo.KubeletVersion, Cordoned: n.Spec.Unschedulable, Host: c.hostOf(nodes, n)}
		if !state.Ready {
			state.Why = whyNotReady(n)
		}
		if isOurs(n) {
			state.CordonedBy = n.Annotations[cordonedBy]
		}
		s.Nodes = append(s.Nodes, state)
	}
	slices.SortFunc(s.Nodes, func(a, b NodeStatus) int { return strings.Compare(a.Name, b.Name) })
	if o.etcd != nil {
		if s.Etcd, err = o.etcd.members(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// hostOf is the member that a node is; "" for none.
func (c *Cluster) hostOf(nodes []node, n *node) string {
	for i := range c.config.Members {
		if found := nodeOf(nodes, &c.config.Members[i]); found != nil && found.Name == n.Name {
			return c.config.Members[i].Host
		}
	}
	return ""
}

// Remove takes a node out of the cluster for good: its member of etcd, if it has one, and its
// pods go, then the node itself. The other members of etcd have to keep their quorum, which
// is asked before anything is done.
func (c *Cluster) Remove(ctx context.Context, name, run string, tell Tell) error {
	limit := c.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	o, err := c.open(ctx)
	if err != nil {
		return err
	}
	m := &fleet.KlusterMember{Host: name}
	n, err := o.api.node(ctx, m)
	if err != nil && !errors.Is(err, errNoNode) {
		return err
	}
	if n != nil {
		m.Addresses = addresses(n)
	}
	var member *EtcdMember
	if o.etcd != nil {
		all, err := o.etcd.members(ctx)
		if err != nil {
			return err
		}
		if member = memberOf(all, m); member != nil {
			if err := mayRemove(all, member); err != nil {
				return err
			}
		}
	}
	if n == nil && member == nil {
		return fmt.Errorf("%s: %w, and etcd no such member", name, errNoNode)
	}
	if n != nil {
		switch err := c.empty(ctx, o, n, run, tell); {
		case isRefused(err, http.StatusNotFound): // another has removed it just now
			tell("", fmt.Sprintf("node %s is gone already", n.Name))
			n = nil
		case err != nil:
			return err
		}
	}
	if member != nil {
		if err := o.etcd.removeMember(ctx, member); err != nil {
			if n != nil {
				err = errors.Join(err, c.giveBack(ctx, o, n.Name, tell))
			}
			return err
		}
		tell(Removed, fmt.Sprintf("%s from etcd", member.Name))
	}
	if n != nil {
		if err := o.api.removeNode(ctx, n.Name); err != nil {
			return fmt.Errorf("remove node %s, which stays cordoned until that is done: %w", n.Name, err)
		}
		tell(Removed, "node "+n.Name)
	}
	return nil
}

// empty cordons and drains a node that is to be removed. One that is not ready keeps its
// pods until it is removed: nothing there can end them.
func (c *Cluster) empty(ctx context.Context, o *opened, n *node, run string, tell Tell) error {
	if _, err := c.cordon(ctx, o, n.Name, run, tell); err != nil {
		return err
	}
	if !isReady(n) {
		tell("", fmt.Sprintf("node %s is not ready (%s): it is not drained", n.Name, whyNotReady(n)))
		return nil
	}
	if err := c.drainNode(ctx, o, n, tell); err != nil {
		return errors.Join(fmt.Errorf("drain node %s: %w", n.Name, err), c.giveBack(ctx, o, n.Name, tell))
	}
	return nil
}

// addresses are those of a node.
func addresses(n *node) (all []string) {
	for _, a := range n.Status.Addresses {
		if a.Type == "InternalIP" || a.Type == "ExternalIP" {
			all = append(all, a.Address)
		}
	}
	return all
}
