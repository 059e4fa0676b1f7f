package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

func (a *api) nodes(ctx context.Context) ([]corev1.Node, error) {
	var list corev1.NodeList
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.core.Get().Resource("nodes").MaxRetries(0).Do(ctx).Into(&list)
	})
	return list.Items, err
}

// node returns the node that a host is, whatever name its kubelet has given it.
func (a *api) node(ctx context.Context, m *fleet.KlusterMember) (*corev1.Node, error) {
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
func nodeOf(nodes []corev1.Node, m *fleet.KlusterMember) *corev1.Node {
	name := strings.ToLower(m.Host)
	for _, is := range []func(n *corev1.Node) bool{
		func(n *corev1.Node) bool { return n.Name == name },
		func(n *corev1.Node) bool { return strings.HasPrefix(n.Name, name+".") },
		func(n *corev1.Node) bool {
			return slices.ContainsFunc(n.Status.Addresses, func(a corev1.NodeAddress) bool {
				_, err := netip.ParseAddr(a.Address)
				return err == nil && slices.Contains(m.Addresses, a.Address)
			})
		},
	} {
		if i := slices.IndexFunc(nodes, func(n corev1.Node) bool { return is(&n) }); i >= 0 {
			return &nodes[i]
		}
	}
	return nil
}

// isReady reports whether the kubelet of a node says that it is ready, as far as the cluster
// knows.
func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// whyNotReady is what a node says of itself where it is not ready.
func whyNotReady(n *corev1.Node) string {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Message != "" {
			return c.Message
		}
	}
	return "its kubelet has not said that it is"
}

// isOurs reports whether muster has cordoned a node, and nobody has changed that since.
func isOurs(n *corev1.Node) bool {
	return n.Annotations[cordonedBy] != "" && n.Spec.Unschedulable && managesCordon(n)
}

// managesCordon reports whether muster has set spec.unschedulable of a node last.
func managesCordon(n *corev1.Node) bool {
	for _, m := range n.ManagedFields {
		if m.FieldsV1 == nil || m.Manager == fieldManager {
			continue
		}
		var set struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if json.Unmarshal(m.FieldsV1.Raw, &set) == nil && set.Spec["f:unschedulable"] != nil {
			return false
		}
	}
	return true
}

// update changes a node as it is, again where another has changed it in the meantime.
// change reports whether anything is to be changed.
func (a *api) update(ctx context.Context, name string, change func(*corev1.Node) bool) (changed bool, err error) {
	err = a.retry(ctx, func(ctx context.Context) error {
		for {
			var n corev1.Node
			if err := a.core.Get().Resource("nodes").Name(name).MaxRetries(0).Do(ctx).Into(&n); err != nil {
				return err
			}
			if changed = change(&n); !changed {
				return nil
			}
			err := a.core.Put().Resource("nodes").Name(name).Param("fieldManager", fieldManager).Body(&n).MaxRetries(0).Do(ctx).Error()
			if !apierrors.IsConflict(err) {
				return err
			}
		}
	})
	return changed, err
}

// cordon makes a node take no new pods. It reports false where the node takes none already:
// an operator has cordoned it, or an earlier attempt of muster.
func (a *api) cordon(ctx context.Context, name, run string) (bool, error) {
	return a.update(ctx, name, func(n *corev1.Node) bool {
		if n.Spec.Unschedulable {
			return false
		}
		n.Spec.Unschedulable = true
		if n.Annotations == nil {
			n.Annotations = map[string]string{}
		}
		n.Annotations[cordonedBy] = run
		return true
	})
}

// uncordon has a node take pods again where muster has cordoned it. It reports whether it
// does.
func (a *api) uncordon(ctx context.Context, name string) (bool, error) {
	var uncordoned bool
	_, err := a.update(ctx, name, func(n *corev1.Node) bool {
		uncordoned = isOurs(n)
		if n.Annotations[cordonedBy] == "" {
			return false
		}
		delete(n.Annotations, cordonedBy)
		if uncordoned {
			n.Spec.Unschedulable = false
		}
		return true
	})
	return uncordoned, err
}

// remove deletes a node.
func (a *api) remove(ctx context.Context, name string) error {
	return a.retry(ctx, func(ctx context.Context) error {
		err := a.core.Delete().Resource("nodes").Name(name).MaxRetries(0).Do(ctx).Error()
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// renewed is when the kubelet of a node has last said that it is alive; the zero time where
// it has not.
func (a *api) renewed(ctx context.Context, name string) (time.Time, error) {
	var lease coordinationv1.Lease
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.leases.Get().Namespace(corev1.NamespaceNodeLease).Resource("leases").Name(name).MaxRetries(0).Do(ctx).Into(&lease)
	})
	if apierrors.IsNotFound(err) {
		return time.Time{}, nil
	}
	if err != nil || lease.Spec.RenewTime == nil {
		return time.Time{}, err
	}
	return lease.Spec.RenewTime.Time, nil
}

// controller is what a pod belongs to; nil for none.
func controller(p *corev1.Pod) *metav1.OwnerReference { return metav1.GetControllerOf(p) }

// podName names a pod.
func podName(p *corev1.Pod) string { return fmt.Sprintf("%s/%s", p.Namespace, p.Name) }
