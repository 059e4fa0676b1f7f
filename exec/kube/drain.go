package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"muster/exec/human"
	fleet "muster/schema"
)

// What becomes of the pods of a node that is drained, as kubectl drain has it:
//
//	mirror pods, pods of daemon sets      stay
//	ended pods                            are evicted
//	pods without a controller             are evicted with delete_unmanaged, else the node is not drained
//	pods with an emptyDir                 are evicted with delete_local_data, else the node is not drained
//	others                                are evicted
//
// An eviction that a PodDisruptionBudget forbids is asked for again until the limit. A pod is
// gone when the API no longer has it.

// drainPoll is how often pods that are to go are looked at.
const drainPoll = time.Second

// pods are those of a node.
func (a *api) pods(ctx context.Context, node string) ([]pod, error) {
	var list struct {
		Items []pod `json:"items"`
	}
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.get(ctx, "/api/v1/pods?fieldSelector=spec.nodeName%3D"+node, &list)
	})
	return list.Items, err
}

// drain evicts the pods of a node and waits until they are gone. It returns how many went.
func (a *api) drain(ctx context.Context, node string, d *fleet.Drain, poll time.Duration) (gone int, err error) {
	all, err := a.pods(ctx, node)
	if err != nil {
		return 0, err
	}
	var leaving []pod
	var refused []string
	for i := range all {
		p := &all[i]
		leaves, err := a.leaves(ctx, p, d)
		switch {
		case err != nil:
			refused = append(refused, fmt.Sprintf("pod %s %v", p.name(), err))
		case leaves:
			leaving = append(leaving, *p)
		}
	}
	if len(refused) > 0 {
		return 0, errors.New(strings.Join(refused, "; "))
	}
	return len(leaving), a.evictAll(ctx, leaving, d, poll)
}

// leaves reports whether a pod leaves a node that is drained. Its error is why the node
// cannot be drained.
func (a *api) leaves(ctx context.Context, p *pod, d *fleet.Drain) (bool, error) {
	if p.isMirror() {
		return false, nil
	}
	ended := p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed"
	owner := p.controller()
	switch {
	case ended:
		return true, nil
	case owner != nil && owner.Kind == "DaemonSet":
		there, err := a.hasDaemonSet(ctx, p.Namespace, owner.Name)
		if err != nil {
			return false, err
		}
		if there {
			return false, nil
		}
		if !d.DeleteUnmanaged {
			return false, fmt.Errorf("is of the daemon set %s, which is gone: want drain: {delete_unmanaged: true}", owner.Name)
		}
	case owner == nil && !d.DeleteUnmanaged:
		return false, errors.New("has no controller that starts it elsewhere: want drain: {delete_unmanaged: true}")
	}
	for _, v := range p.Spec.Volumes {
		if v.EmptyDir == nil || d.DeleteLocalData {
			continue
		}
		return false, errors.New("has data in an emptyDir, which go with it: want drain: {delete_local_data: true}")
	}
	return true, nil
}

func (a *api) hasDaemonSet(ctx context.Context, namespace, name string) (bool, error) {
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.get(ctx, "/apis/apps/v1/namespaces/"+namespace+"/daemonsets/"+name, nil)
	})
	if isRefused(err, http.StatusNotFound) {
		return false, nil
	}
	return err == nil, err
}

// A leavingPod is a pod that is to go from its node.
type leavingPod struct {
	*pod
	evicted bool
	why     string // it is still there
}

// evictAll evicts pods and waits until they are gone.
func (a *api) evictAll(ctx context.Context, pods []pod, d *fleet.Drain, poll time.Duration) error {
	var left []*leavingPod
	for i := range pods {
		left = append(left, &leavingPod{pod: &pods[i], why: "it was not asked to go"})
	}
	for {
		var still []*leavingPod
		for _, p := range left {
			gone, err := a.evict(ctx, p, d)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("evict pod %s: %w", p.name(), err)
			}
			if !gone {
				still = append(still, p)
			}
		}
		if left = still; len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", context.Cause(ctx), whatIsLeft(left))
		case <-time.After(poll):
		}
	}
}

// mostNamed is how many pods a message names.
const mostNamed = 5

func whatIsLeft(left []*leavingPod) string {
	var words []string
	for _, p := range left[:min(len(left), mostNamed)] {
		words = append(words, fmt.Sprintf("pod %s: %s", p.name(), p.why))
	}
	if more := len(left) - mostNamed; more > 0 {
		words = append(words, fmt.Sprintf("and %s", human.Count(more, "more pod")))
	}
	return strings.Join(words, "; ")
}

// evict takes one pod a step further, and reports whether it is gone.
func (a *api) evict(ctx context.Context, p *leavingPod, d *fleet.Drain) (gone bool, err error) {
	if p.evicted {
		return a.isGone(ctx, p)
	}
	options := map[string]any{"preconditions": map[string]any{"uid": p.UID}}
	if d.GracePeriod > 0 {
		options["gracePeriodSeconds"] = int64(d.GracePeriod.Round(time.Second) / time.Second)
	}
	err = a.post(ctx, p.path()+"/eviction", map[string]any{
		"apiVersion": "policy/v1", "kind": "Eviction",
		"metadata": map[string]any{"name": p.Name, "namespace": p.Namespace}, "deleteOptions": options,
	})
	switch {
	case err == nil, hasCause(err, namespaceTerminating):
		p.evicted, p.why = true, "it was asked to go, and is still there"
		return false, nil
	case isRefused(err, http.StatusNotFound):
		return true, nil
	case isRefused(err, http.StatusConflict): // another pod has its name, or the pod was changed meanwhile
		p.why = err.Error()
		return a.isGone(ctx, p)
	}
	return false, a.wait(ctx, p, err)
}

// isGone reports whether the API has a pod no longer.
func (a *api) isGone(ctx context.Context, p *leavingPod) (bool, error) {
	var now pod
	err := a.get(ctx, p.path(), &now)
	if isRefused(err, http.StatusNotFound) || err == nil && now.UID != p.UID {
		return true, nil
	}
	if err == nil && now.DeletionTimestamp == nil {
		p.evicted = false // the answer was not the API's, or what it said is lost: it is asked again
	}
	return false, a.wait(ctx, p, err)
}

// wait keeps why a pod is still there; an error that will not pass is returned.
func (a *api) wait(ctx context.Context, p *leavingPod, err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*refusal](err); ok && r.Code == http.StatusTooManyRequests {
		p.why = r.Message
		if c := r.cause(disruptionBudget); c != nil {
			p.why = c.Message
		}
		return nil
	}
	if !passes(err) {
		return err
	}
	if ctx.Err() == nil {
		p.why = err.Error()
	}
	a.client.CloseIdleConnections()
	a.masters.skip()
	return nil
}

// unready names the pods that belong to a node (mirror pods, and those of daemon sets) and
// are not ready.
func (a *api) unready(ctx context.Context, node string) (names []string, err error) {
	all, err := a.pods(ctx, node)
	for i := range all {
		p := &all[i]
		owner := p.controller()
		if own := p.isMirror() || owner != nil && owner.Kind == "DaemonSet"; !own || p.DeletionTimestamp != nil {
			continue
		}
		if !isTrue(p.Status.Conditions, readyCondition) {
			names = append(names, p.name())
		}
	}
	return names, err
}
