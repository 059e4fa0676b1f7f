package kube

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	fleet "muster/schema"
)

// How a node that muster cordoned is told from one that an operator cordoned:
//
//	cordon    sets spec.unschedulable and the annotation in one update; not where the node is
//	          unschedulable already
//	uncordon  only with the annotation, and while muster is the manager of spec.unschedulable:
//	          who uncordons the node and cordons it again is another manager
//
// The annotation stays with the node when muster is killed, so that the next run finds it.

// cordonedBy is the annotation of a node that muster cordoned; its value names the run.
const cordonedBy = "muster.dev/cordoned-by"

// errNoNode says that a host is not in the cluster.
var errNoNode = errors.New("the cluster has no such node")

const nodesPath = "/api/v1/nodes"

func (a *api) nodes(ctx context.Context) ([]node, error) {
	var list struct {
		Items []node `json:"items"`
	}
	err := a.retry(ctx, func(ctx context.Context) error { return a.get(ctx, nodesPath, &list) })
	return list.Items, err
}

// node returns the node that a host is, whatever name its kubelet has given it.
func (a *api) node(ctx context.Context, m *fleet.KlusterMember) (*node, error) {
	all, err := a.nodes(ctx)
	if err != nil {
		return nil, err
	}
	if n := nodeOf(all, m); n != nil {
		return n, nil
	}
	return nil, errNoNode
}

// nodeOf finds the node of a member: by its name, the first label of it, or an address.
func nodeOf(nodes []node, m *fleet.KlusterMember) *node {
	name := strings.ToLower(m.Host)
	for _, is := range []func(n *node) bool{
		func(n *node) bool { return n.Name == name },
		func(n *node) bool { return strings.HasPrefix(n.Name, name+".") },
		func(n *node) bool {
			return slices.ContainsFunc(n.Status.Addresses, func(a nodeAddress) bool {
				_, err := netip.ParseAddr(a.Address)
				return err == nil && slices.Contains(m.Addresses, a.Address)
			})
		},
	} {
		if i := slices.IndexFunc(nodes, func(n node) bool { return is(&n) }); i >= 0 {
			return &nodes[i]
		}
	}
	return nil
}

// isReady reports whether the kubelet of a node says that it is ready, as far as the cluster
// knows.
func isReady(n *node) bool { return isTrue(n.Status.Conditions, readyCondition) }

// whyNotReady is what a node says of itself where it is not ready.
func whyNotReady(n *node) string {
	for _, c := range n.Status.Conditions {
		if c.Type == readyCondition && c.Message != "" {
			return c.Message
		}
	}
	return "its kubelet has not said that it is"
}

// isOurs reports whether muster has cordoned a node, and nobody has changed that since.
func isOurs(n *node) bool {
	return n.Annotations[cordonedBy] != "" && n.Spec.Unschedulable && managesCordon(n)
}

// managesCordon reports whether muster has set spec.unschedulable of a node last.
func managesCordon(n *node) bool {
	for _, m := range n.ManagedFields {
		if m.Manager != fieldManager && m.Fields.Spec["f:unschedulable"] != nil {
			return false
		}
	}
	return true
}

// A nodePatch changes a node, where it is still as it was read.
type nodePatch struct {
	Metadata struct {
		ResourceVersion string         `json:"resourceVersion"`
		Annotations     map[string]any `json:"annotations"`
	} `json:"metadata"`
	Spec map[string]any `json:"spec,omitempty"`
}

// update changes a node as it is, again where another has changed it in the meantime.
// change returns nil where nothing is to be changed. It is asked again where the answer to
// a change is lost, and finds what it has changed itself.
func (a *api) update(ctx context.Context, name string, change func(*node) *nodePatch) error {
	return a.retry(ctx, func(ctx context.Context) error {
		for {
			var n node
			if err := a.get(ctx, nodesPath+"/"+name, &n); err != nil {
				return err
			}
			patch := change(&n)
			if patch == nil {
				return nil
			}
			patch.Metadata.ResourceVersion = n.ResourceVersion
			if err := a.patch(ctx, nodesPath+"/"+name, patch); !isRefused(err, http.StatusConflict) {
				return err
			}
		}
	})
}

// cordon makes a node take no new pods. It reports false where the node took none before:
// an operator has cordoned it, or an earlier attempt of muster. With an error, it reports
// whether the node may take none now.
func (a *api) cordon(ctx context.Context, name, run string) (cordoned bool, err error) {
	err = a.update(ctx, name, func(n *node) *nodePatch {
		if n.Spec.Unschedulable {
			cordoned = cordoned && n.Annotations[cordonedBy] == run // by the change whose answer was lost
			return nil
		}
		cordoned = true
		patch := &nodePatch{Spec: map[string]any{"unschedulable": true}}
		patch.Metadata.Annotations = map[string]any{cordonedBy: run}
		return patch
	})
	return cordoned, err
}

// uncordon has a node take pods again where muster has cordoned it. It reports whether it
// does.
func (a *api) uncordon(ctx context.Context, name string) (uncordoned bool, err error) {
	err = a.update(ctx, name, func(n *node) *nodePatch {
		if n.Annotations[cordonedBy] == "" {
			uncordoned = uncordoned && !n.Spec.Unschedulable // by the change whose answer was lost
			return nil
		}
		uncordoned = isOurs(n)
		patch := &nodePatch{}
		patch.Metadata.Annotations = map[string]any{cordonedBy: nil}
		if uncordoned {
			patch.Spec = map[string]any{"unschedulable": nil}
		}
		return patch
	})
	return uncordoned, err
}

// removeNode deletes a node.
func (a *api) removeNode(ctx context.Context, name string) error {
	return a.retry(ctx, func(ctx context.Context) error {
		err := a.remove(ctx, nodesPath+"/"+name)
		if isRefused(err, http.StatusNotFound) {
			return nil
		}
		return err
	})
}

// renewed is when the kubelet of a node has last said that it is alive; the zero time where
// it has not.
func (a *api) renewed(ctx context.Context, name string) (time.Time, error) {
	var l lease
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.get(ctx, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+name, &l)
	})
	if isRefused(err, http.StatusNotFound) {
		return time.Time{}, nil
	}
	if err != nil || l.Spec.RenewTime == nil {
		return time.Time{}, err
	}
	return *l.Spec.RenewTime, nil
}
