package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
func (a *api) pods(ctx context.Context, node string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.core.Get().Resource("pods").Param("fieldSelector", "spec.nodeName="+node).MaxRetries(0).Do(ctx).Into(&list)
	})
	return list.Items, err
}

// drain evicts the pods of a node and waits until they are gone. It returns how many went.
func (a *api) drain(ctx context.Context, node string, d *fleet.Drain, poll time.Duration) (gone int, err error) {
	all, err := a.pods(ctx, node)
	if err != nil {
		return 0, err
	}
	var leaving []corev1.Pod
	var refused []string
	for i := range all {
		p := &all[i]
		leaves, err := a.leaves(ctx, p, d)
		switch {
		case err != nil:
			refused = append(refused, fmt.Sprintf("pod %s %v", podName(p), err))
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
func (a *api) leaves(ctx context.Context, p *corev1.Pod, d *fleet.Drain) (bool, error) {
	if p.Annotations[corev1.MirrorPodAnnotationKey] != "" {
		return false, nil
	}
	ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	owner := controller(p)
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
	if !d.DeleteLocalData && slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil }) {
		return false, errors.New("has data in an emptyDir, which go with it: want drain: {delete_local_data: true}")
	}
	return true, nil
}

func (a *api) hasDaemonSet(ctx context.Context, namespace, name string) (bool, error) {
	err := a.retry(ctx, func(ctx context.Context) error {
		return a.apps.Get().Namespace(namespace).Resource("daemonsets").Name(name).MaxRetries(0).Do(ctx).Into(&appsv1.DaemonSet{})
	})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// A leavingPod is a pod that is to go from its node.
type leavingPod struct {
	*corev1.Pod
	evicted bool
	why     string // it is still there
}

// evictAll evicts pods and waits until they are gone.
func (a *api) evictAll(ctx context.Context, pods []corev1.Pod, d *fleet.Drain, poll time.Duration) error {
	var left []*leavingPod
	for i := range pods {
		left = append(left, &leavingPod{Pod: &pods[i], why: "it was not asked to go"})
	}
	for {
		var still []*leavingPod
		for _, p := range left {
			gone, err := a.evict(ctx, p, d)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("evict pod %s: %w", podName(p.Pod), err)
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
		words = append(words, fmt.Sprintf("pod %s: %s", podName(p.Pod), p.why))
	}
	if more := len(left) - mostNamed; more > 0 {
		words = append(words, fmt.Sprintf("and %s", human.Count(more, "more pod")))
	}
	return strings.Join(words, "; ")
}

// evict takes one pod a step further, and reports whether it is gone.
func (a *api) evict(ctx context.Context, p *leavingPod, d *fleet.Drain) (gone bool, err error) {
	if p.evicted {
		var now corev1.Pod
		err := a.core.Get().Namespace(p.Namespace).Resource("pods").Name(p.Name).MaxRetries(0).Do(ctx).Into(&now)
		if apierrors.IsNotFound(err) || err == nil && now.UID != p.UID {
			return true, nil
		}
		return false, a.wait(p, err)
	}
	options := &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}}
	if d.GracePeriod > 0 {
		seconds := int64(d.GracePeriod.Round(time.Second) / time.Second)
		options.GracePeriodSeconds = &seconds
	}
	err = a.core.Post().Namespace(p.Namespace).Resource("pods").Name(p.Name).SubResource("eviction").MaxRetries(0).Body(&policyv1.Eviction{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "Eviction"},
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}, DeleteOptions: options,
	}).Do(ctx).Error()
	switch {
	case err == nil, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		p.evicted, p.why = true, "it was asked to go, and is still there"
		return false, nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // gone, or another pod has its name
		return true, nil
	}
	return false, a.wait(p, err)
}

// wait keeps why a pod is still there; an error that will not pass is returned.
func (a *api) wait(p *leavingPod, err error) error {
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Code == http.StatusTooManyRequests {
		p.why = budget(status.Status())
		return nil
	}
	if !passes(err) {
		return err
	}
	p.why = err.Error()
	a.client.CloseIdleConnections()
	a.masters.skip()
	return nil
}

// budget is why a PodDisruptionBudget forbids an eviction.
func budget(s metav1.Status) string {
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			if c.Type == policyv1.DisruptionBudgetCause {
				return c.Message
			}
		}
	}
	return s.Message
}

// unready names the pods that belong to a node (mirror pods, and those of daemon sets) and
// are not ready.
func (a *api) unready(ctx context.Context, node string) (names []string, err error) {
	all, err := a.pods(ctx, node)
	for i := range all {
		p := &all[i]
		owner := controller(p)
		if own := p.Annotations[corev1.MirrorPodAnnotationKey] != "" || owner != nil && owner.Kind == "DaemonSet"; !own || p.DeletionTimestamp != nil {
			continue
		}
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if !ready {
			names = append(names, podName(p))
		}
	}
	return names, err
}
