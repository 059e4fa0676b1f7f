package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"

	"muster/exec/lab/kubelab"
	fleet "muster/schema"
)

// A world is a cluster with a real API server, in which the test is the kubelets of the
// nodes: it renews their leases, and ends the pods that are to go.
type world struct {
	t       *testing.T
	lab     *kubelab.Cluster
	api     *api
	core    *rest.RESTClient
	apps    *rest.RESTClient
	leases  *rest.RESTClient
	policy  *rest.RESTClient
	members []fleet.KlusterMember

	mu   *sync.Mutex
	dead map[string]bool // nodes whose kubelets do nothing
}

func newWorld(t *testing.T, masters, nodes int) *world {
	t.Helper()
	if *apiServer == "" {
		t.Skip("no -apiserver; just test-kube builds one")
	}
	w := &world{t: t, lab: startLab(t, masters, *apiServer), members: members(masters, nodes), mu: new(sync.Mutex), dead: map[string]bool{}}
	c := open(t, w.lab, fleet.KlusterRollout{}, w.members)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o, err := c.openUntil(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.api = o.api
	if _, err := w.api.serverVersion(ctx); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	for _, g := range []struct {
		client **rest.RESTClient
		gv     schema.GroupVersion
		add    func(*runtime.Scheme) error
	}{
		{&w.core, corev1.SchemeGroupVersion, corev1.AddToScheme}, {&w.apps, appsv1.SchemeGroupVersion, appsv1.AddToScheme},
		{&w.leases, coordinationv1.SchemeGroupVersion, coordinationv1.AddToScheme}, {&w.policy, policyv1.SchemeGroupVersion, policyv1.AddToScheme},
	} {
		w.must(g.add(scheme))
		config := rest.Config{Host: "https://" + apiName, QPS: -1, APIPath: "/apis", UserAgent: "test"}
		if g.gv.Group == "" {
			config.APIPath = "/api"
		}
		config.GroupVersion, config.NegotiatedSerializer = &g.gv, serializer.NewCodecFactory(scheme).WithoutConversion()
		*g.client, err = rest.RESTClientForConfigAndClient(&config, w.api.client)
		w.must(err)
	}
	// The namespaces are made when the API server has begun.
	for _, name := range []string{"default", "kube-system", corev1.NamespaceNodeLease} {
		w.must(w.api.retry(ctx, func(ctx context.Context) error {
			err := w.core.Get().Resource("namespaces").Name(name).Do(ctx).Error()
			if err != nil {
				return fmt.Errorf("namespace %s: %v", name, err)
			}
			return nil
		}))
	}
	for _, m := range w.members {
		w.register(m.Host, m.Addresses)
	}
	done := make(chan struct{})
	stop, halt := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for stop.Err() == nil {
			w.kubelets(stop)
			time.Sleep(200 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { halt(); <-done })
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// register makes a node as its kubelet does.
func (w *world) register(name string, addrs []string) {
	w.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	w.must(w.core.Post().Resource("nodes").Body(n).Do(w.t.Context()).Into(n))
	n.Status.NodeInfo.KubeletVersion = "v1.34.1"
	for _, a := range addrs {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	w.must(w.core.Put().Resource("nodes").Name(name).SubResource("status").Body(n).Do(w.t.Context()).Error())
	// A node that was removed has left it behind.
	_ = w.leases.Delete().Namespace(corev1.NamespaceNodeLease).Resource("leases").Name(name).Do(w.t.Context()).Error()
	now := metav1.NowMicro()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease}, Spec: coordinationv1.LeaseSpec{RenewTime: &now}}
	w.must(w.leases.Post().Namespace(lease.Namespace).Resource("leases").Body(lease).Do(w.t.Context()).Error())
}

// setReady has the cluster know that a node is ready, or not.
func (w *world) setReady(name string, ready bool) {
	w.t.Helper()
	w.mu.Lock()
	w.dead[name] = !ready
	w.mu.Unlock()
	status := corev1.ConditionTrue
	if !ready {
		status = corev1.ConditionUnknown
	}
	w.must(w.api.retry(w.t.Context(), func(ctx context.Context) error {
		var n corev1.Node
		if err := w.core.Get().Resource("nodes").Name(name).Do(ctx).Into(&n); err != nil {
			return err
		}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Message: "Kubelet stopped posting node status."}}
		return w.core.Put().Resource("nodes").Name(name).SubResource("status").Body(&n).Do(ctx).Error()
	}))
}

// kubelets does once what the kubelets of all nodes do.
func (w *world) kubelets(ctx context.Context) {
	for _, m := range w.members {
		w.mu.Lock()
		dead := w.dead[m.Host]
		w.mu.Unlock()
		if dead {
			continue
		}
		var lease coordinationv1.Lease
		if w.leases.Get().Namespace(corev1.NamespaceNodeLease).Resource("leases").Name(m.Host).Do(ctx).Into(&lease) == nil {
			now := metav1.NowMicro()
			lease.Spec.RenewTime = &now
			_ = w.leases.Put().Namespace(corev1.NamespaceNodeLease).Resource("leases").Name(m.Host).Body(&lease).Do(ctx).Error()
		}
		var pods corev1.PodList
		_ = w.core.Get().Resource("pods").Param("fieldSelector", "spec.nodeName="+m.Host).Do(ctx).Into(&pods)
		for _, p := range pods.Items {
			if p.DeletionTimestamp != nil {
				now := int64(0)
				_ = w.core.Delete().Namespace(p.Namespace).Resource("pods").Name(p.Name).Body(&metav1.DeleteOptions{GracePeriodSeconds: &now}).Do(ctx).Error()
			}
		}
	}
}

// A podOption changes a pod before it is made.
type podOption func(*corev1.Pod)

func ownedBy(kind, name string) podOption {
	return func(p *corev1.Pod) {
		yes := true
		version := "apps/v1"
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: "1", Controller: &yes}}
	}
}

func withEmptyDir(p *corev1.Pod) {
	p.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: resource.NewQuantity(1<<20, resource.BinarySI)}}}}
}

func mirror(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }

func labelled(app string) podOption {
	return func(p *corev1.Pod) { p.Labels = map[string]string{"app": app} }
}

// pod makes a pod on a node, that runs and is ready.
func (w *world) pod(name, node string, options ...podOption) {
	w.t.Helper()
	no := false
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       corev1.PodSpec{NodeName: node, AutomountServiceAccountToken: &no, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	for _, o := range options {
		o(p)
	}
	w.must(w.core.Post().Namespace("default").Resource("pods").Body(p).Do(w.t.Context()).Into(p))
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	w.must(w.core.Put().Namespace("default").Resource("pods").Name(name).SubResource("status").Body(p).Do(w.t.Context()).Error())
}

func (w *world) daemonSet(name string) {
	w.t.Helper()
	labels := map[string]string{"app": name}
	ds := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}},
	}}
	w.must(w.apps.Post().Namespace("default").Resource("daemonsets").Body(ds).Do(w.t.Context()).Error())
}

// budget makes a PodDisruptionBudget for an app, and says how many of its pods may go, as
// its controller does.
func (w *world) budget(app string, allowed int32) {
	w.t.Helper()
	least := intstr.FromInt32(1)
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: app, Namespace: "default"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: &least, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
	}}
	w.must(w.policy.Post().Namespace("default").Resource("poddisruptionbudgets").Body(b).Do(w.t.Context()).Error())
	w.allow(app, allowed)
}

// allow has a budget allow some disruptions from now on.
func (w *world) allow(app string, allowed int32) {
	w.t.Helper()
	var b policyv1.PodDisruptionBudget
	w.must(w.policy.Get().Namespace("default").Resource("poddisruptionbudgets").Name(app).Do(w.t.Context()).Into(&b))
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, DisruptionsAllowed: allowed, CurrentHealthy: 1 + allowed, DesiredHealthy: 1, ExpectedPods: 1 + allowed}
	w.must(w.policy.Put().Namespace("default").Resource("poddisruptionbudgets").Name(app).SubResource("status").Body(&b).Do(w.t.Context()).Error())
}

// on names the pods on a node.
func (w *world) on(node string) (names []string) {
	w.t.Helper()
	all, err := w.api.pods(w.t.Context(), node)
	w.must(err)
	for _, p := range all {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// clear removes all pods.
func (w *world) clear() {
	w.t.Helper()
	now := int64(0)
	w.must(w.core.Delete().Namespace("default").Resource("pods").Body(&metav1.DeleteOptions{GracePeriodSeconds: &now}).Do(w.t.Context()).Error())
}

func (w *world) node(name string) *corev1.Node {
	w.t.Helper()
	var n corev1.Node
	w.must(w.core.Get().Resource("nodes").Name(name).Do(w.t.Context()).Into(&n))
	return &n
}

// kubectl changes spec.unschedulable as kubectl does.
func (w *world) kubectl(name string, unschedulable bool) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"spec":{"unschedulable":%v}}`, unschedulable)
	w.must(w.core.Patch("application/strategic-merge-patch+json").Resource("nodes").Name(name).Param("fieldManager", "kubectl").Body([]byte(patch)).Do(w.t.Context()).Error())
}

// member is a member of the world.
func (w *world) member(host string) *fleet.KlusterMember {
	return &w.members[slices.IndexFunc(w.members, func(m fleet.KlusterMember) bool { return m.Host == host })]
}

func TestRealAPI(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.daemonSet("agent")
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"pods leave as with kubectl drain", podsLeave},
		{"a pod that cannot leave", podsThatStay},
		{"a budget that forbids", budgetForbids},
		{"a cordon by others stays", othersCordon},
		{"muster is killed between drain and uncordon", killed},
		{"no more are out than may be", roomForOne},
		{"the API is gone for a while", apiGone},
		{"answers to changes are lost", answersLost},
		{"a node dies while it is drained", nodeDies},
		{"not ready again", notReadyAgain},
		{"an order that Kubernetes does not ask for", skewRefused},
		{"a removed host", removed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sub := *w
			sub.t = t
			tt.run(t, &sub)
			sub.clear()
			for _, m := range w.members {
				if n := sub.node(m.Host); n.Spec.Unschedulable || n.Annotations[cordonedBy] != "" {
					t.Errorf("node %s is left cordoned", n.Name)
				}
				sub.setReady(m.Host, true)
			}
		})
	}
}

func podsLeave(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	w.pod("web-2", "n2", ownedBy("ReplicaSet", "web"))
	w.pod("db-0", "n1", ownedBy("StatefulSet", "db"))
	w.pod("agent-1", "n1", ownedBy("DaemonSet", "agent"))
	w.pod("static", "n1", mirror)
	w.pod("cache", "n1", ownedBy("ReplicaSet", "cache"), withEmptyDir)
	w.pod("alone", "n1")
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute, Drain: fleet.Drain{DeleteLocalData: true, DeleteUnmanaged: true, GracePeriod: 2 * time.Second}}, w.members)
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	if got := strings.Join(w.on("n1"), " "); got != "agent-1 static" {
		t.Errorf("left on the node: %s", got)
	}
	if got := strings.Join(w.on("n2"), " "); got != "web-2" {
		t.Errorf("left on another node: %s", got)
	}
	if n := w.node("n1"); !n.Spec.Unschedulable || n.Annotations[cordonedBy] != "run1" {
		t.Errorf("unschedulable %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
	}
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if want := "cordoned n1\ndrained n1: 4 pods evicted\nready n1\nuncordoned n1"; l.all() != want {
		t.Errorf("told:\n%s\nwant:\n%s", l.all(), want)
	}
}

func podsThatStay(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	for _, tt := range []struct {
		name, want string
		options    []podOption
	}{
		{"data", "pod default/data has data in an emptyDir, which go with it: want drain: {delete_local_data: true}", []podOption{ownedBy("ReplicaSet", "web"), withEmptyDir}},
		{"alone", "pod default/alone has no controller that starts it elsewhere: want drain: {delete_unmanaged: true}", nil},
		{"orphan", "pod default/orphan is of the daemon set gone, which is gone: want drain: {delete_unmanaged: true}", []podOption{ownedBy("DaemonSet", "gone")}},
	} {
		w.pod(tt.name, "n1", tt.options...)
		c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
		err := c.Leave(t.Context(), w.member("n1"), "run", new(told).tell)
		if err == nil || err.Error() != "drain node n1: "+tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := w.on("n1"); !slices.Contains(got, "web-1") || !slices.Contains(got, tt.name) {
			t.Errorf("%s: on the node: %v", tt.name, got)
		}
		now := int64(0)
		w.must(w.core.Delete().Namespace("default").Resource("pods").Name(tt.name).Body(&metav1.DeleteOptions{GracePeriodSeconds: &now}).Do(t.Context()).Error())
	}
}

func budgetForbids(t *testing.T, w *world) {
	w.pod("shop-1", "n1", ownedBy("ReplicaSet", "shop"), labelled("shop"))
	w.budget("shop", 0)
	l := new(told)
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute, Drain: fleet.Drain{Timeout: 3 * time.Second}}, w.members)
	err := c.Leave(t.Context(), w.member("n1"), "run", l.tell)
	if err == nil || !strings.HasPrefix(err.Error(), "drain node n1: not done after 3s: pod default/shop-1: ") || !strings.Contains(err.Error(), "budget shop") {
		t.Errorf("error %v", err)
	}
	if got := w.on("n1"); len(got) != 1 {
		t.Errorf("on the node: %v", got)
	}
	if l.all() != "cordoned n1\nuncordoned n1" {
		t.Errorf("told:\n%s", l.all())
	}
	// It allows one in time.
	time.AfterFunc(2*time.Second, func() { w.allow("shop", 1) })
	patient := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	w.must(patient.Leave(t.Context(), w.member("n1"), "run", l.tell))
	if got := w.on("n1"); len(got) != 0 {
		t.Errorf("on the node: %v", got)
	}
	w.must(patient.Rejoin(t.Context(), w.member("n1"), l.tell))
}

func othersCordon(t *testing.T, w *world) {
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	w.kubectl("n1", true)
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run", l.tell))
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if n := w.node("n1"); !n.Spec.Unschedulable || n.Annotations[cordonedBy] != "" {
		t.Errorf("unschedulable %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
	}
	if got := w.on("n1"); len(got) != 0 {
		t.Errorf("on the node: %v", got)
	}
	if want := "node n1 was cordoned by others and stays so\ndrained n1: 1 pod evicted\nready n1"; l.all() != want {
		t.Errorf("told:\n%s", l.all())
	}
	w.kubectl("n1", false)
	// Muster cordons it; an operator takes it back into service and out again.
	w.must(c.Leave(t.Context(), w.member("n1"), "run", l.tell))
	w.kubectl("n1", false)
	w.kubectl("n1", true)
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if n := w.node("n1"); !n.Spec.Unschedulable || n.Annotations[cordonedBy] != "" {
		t.Errorf("after the operator's cordon: unschedulable %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
	}
	w.kubectl("n1", false)
}

func killed(t *testing.T, w *world) {
	first := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	w.must(first.Leave(t.Context(), w.member("n1"), "run1", new(told).tell))
	first.Close()
	second := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	for host, want := range map[string]bool{"n1": true, "n2": false} {
		if held, err := second.Held(t.Context(), w.member(host)); err != nil || held != want {
			t.Errorf("%s is held: %v, %v", host, held, err)
		}
	}
	// The same run goes on where it was.
	l := new(told)
	w.must(second.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	w.must(second.Rejoin(t.Context(), w.member("n1"), l.tell))
	if want := "drained n1: 0 pods evicted\nready n1\nuncordoned n1"; l.all() != want {
		t.Errorf("told:\n%s", l.all())
	}
}

func roomForOne(t *testing.T, w *world) {
	short := fleet.KlusterRollout{Timeout: 2 * time.Second}
	w.setReady("n2", false)
	err := open(t, w.lab, short, w.members).Leave(t.Context(), w.member("n1"), "run", new(told).tell)
	if err == nil || err.Error() != "not begun: out of service: n2 is not ready; kluster.rollout allows no more: not done after 2s" {
		t.Errorf("n2 is not ready: %v", err)
	}
	// Its own host is what is to be mended.
	w.must(open(t, w.lab, short, w.members).Leave(t.Context(), w.member("n2"), "run", new(told).tell))
	// Two may be out, one in each zone: n1 and n3 are in one.
	zones := fleet.KlusterRollout{Timeout: 2 * time.Second, PerZone: 1}
	c := open(t, w.lab, zones, w.members)
	w.must(c.Leave(t.Context(), w.member("n1"), "run", new(told).tell))
	err = c.Leave(t.Context(), w.member("n3"), "run", new(told).tell)
	if err == nil || err.Error() != "not begun: out of service: n1 is cordoned by muster; kluster.rollout allows no more: not done after 2s" {
		t.Errorf("n3, in the zone of n1: %v", err)
	}
	w.setReady("n2", true)
	w.must(open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members).Rejoin(t.Context(), w.member("n1"), new(told).tell))
}

func apiGone(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	w.lab.CutAPI(true)
	time.AfterFunc(2*time.Second, func() { w.lab.CutAPI(false) })
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run", l.tell))
	w.lab.CutAPI(true)
	time.AfterFunc(2*time.Second, func() { w.lab.CutAPI(false) })
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if want := "cordoned n1\ndrained n1: 1 pod evicted\nready n1\nuncordoned n1"; l.all() != want {
		t.Errorf("told:\n%s", l.all())
	}
	w.lab.CutAPI(true)
	defer w.lab.CutAPI(false)
	err := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Second}, w.members).Leave(t.Context(), w.member("n1"), "run", l.tell)
	if err == nil || !strings.Contains(err.Error(), "ask the API for the nodes: not done after 1s; last: ") {
		t.Errorf("the API does not come back: %v", err)
	}
}

// A losing transport makes requests whose first answers to changes do not arrive.
type losing struct {
	http.RoundTripper
	lost  map[string]int // by method
	gone  time.Duration  // no request is answered for so long after a loss
	until time.Time
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(l.until) {
		return nil, io.ErrUnexpectedEOF
	}
	answer, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method != http.MethodGet && l.lost[r.Method] == 0 {
		l.lost[r.Method]++
		answer.Body.Close()
		l.until = time.Now().Add(l.gone)
		return nil, io.ErrUnexpectedEOF
	}
	return answer, err
}

// What was done is told although the answer to it is lost: the change is not made twice, and
// is not taken for that of another.
func answersLost(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	o, err := c.open(t.Context())
	w.must(err)
	lose := &losing{RoundTripper: o.api.client.Transport, lost: map[string]int{}}
	o.api.client.Transport = lose
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	if lose.lost[http.MethodPatch] != 1 || lose.lost[http.MethodPost] != 1 {
		t.Fatalf("lost answers: %v", lose.lost)
	}
	clear(lose.lost)
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if lose.lost[http.MethodPatch] != 1 {
		t.Fatalf("lost answers: %v", lose.lost)
	}
	if want := "cordoned n1\ndrained n1: 1 pod evicted\nready n1\nuncordoned n1"; l.all() != want {
		t.Errorf("told:\n%s\nwant:\n%s", l.all(), want)
	}
	// Nor is a node left cordoned of which nobody knows.
	c = open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Second}, w.members)
	o, err = c.open(t.Context())
	w.must(err)
	o.api.client.Transport = &losing{RoundTripper: o.api.client.Transport, lost: map[string]int{}, gone: 6 * time.Second}
	err = c.Leave(t.Context(), w.member("n1"), "run1", l.tell)
	if err == nil || !strings.HasPrefix(err.Error(), "cordon node n1: not done after 3s; last: ") || strings.Contains(err.Error(), "left cordoned") {
		t.Errorf("the API is gone after it has cordoned the node: %v", err)
	}
	if n := w.node("n1"); n.Spec.Unschedulable {
		t.Error("n1 is left cordoned")
	}
}

func nodeDies(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	w.mu.Lock()
	w.dead["n1"] = true
	w.mu.Unlock()
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute, Drain: fleet.Drain{Timeout: 2 * time.Second}}, w.members)
	l := new(told)
	err := c.Leave(t.Context(), w.member("n1"), "run", l.tell)
	if err == nil || err.Error() != "drain node n1: not done after 2s: pod default/web-1: it was asked to go, and is still there" {
		t.Errorf("error %v", err)
	}
	w.setReady("n1", false)
	// The next attempt does not wait for what a dead kubelet cannot do.
	w.must(c.Leave(t.Context(), w.member("n1"), "run", l.tell))
	if !strings.HasSuffix(l.all(), "node n1 is not ready (Kubelet stopped posting node status.): it is not drained") {
		t.Errorf("told:\n%s", l.all())
	}
	w.setReady("n1", true)
}

func notReadyAgain(t *testing.T, w *world) {
	w.pod("agent-1", "n1", ownedBy("DaemonSet", "agent"))
	long, short := fleet.KlusterRollout{Timeout: time.Minute}, fleet.KlusterRollout{Timeout: 2 * time.Second}
	w.must(open(t, w.lab, long, w.members).Leave(t.Context(), w.member("n1"), "run", new(told).tell))
	rejoin := func(want string) {
		t.Helper()
		err := open(t, w.lab, short, w.members).Rejoin(t.Context(), w.member("n1"), new(told).tell)
		if err == nil || err.Error() != "not back in the cluster: not done after 2s: "+want {
			t.Errorf("error %v, want %s", err, want)
		}
		if n := w.node("n1"); !n.Spec.Unschedulable || n.Annotations[cordonedBy] == "" {
			t.Error("the node is uncordoned")
		}
	}
	w.setReady("n1", false)
	rejoin("node n1 is not ready: Kubelet stopped posting node status.")
	w.setReady("n1", true)
	w.mu.Lock()
	w.dead["n1"] = true
	w.mu.Unlock()
	rejoin("the kubelet of node n1 has not said anything since")
	w.setReady("n1", true)
	ready := func(status corev1.ConditionStatus) {
		var p corev1.Pod
		w.must(w.core.Get().Namespace("default").Resource("pods").Name("agent-1").Do(t.Context()).Into(&p))
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		w.must(w.core.Put().Namespace("default").Resource("pods").Name("agent-1").SubResource("status").Body(&p).Do(t.Context()).Error())
	}
	ready(corev1.ConditionFalse)
	rejoin("node n1: 1 pod not ready: default/agent-1")
	ready(corev1.ConditionTrue)
	w.must(open(t, w.lab, long, w.members).Rejoin(t.Context(), w.member("n1"), new(told).tell))
}

func skewRefused(t *testing.T, w *world) {
	c := open(t, w.lab, fleet.KlusterRollout{}, w.members)
	for version, want := range map[string]string{
		"1.34.2": "", "1.35": "",
		"1.36": "master m1: Kubernetes 1.36 after 1.34.1 skips a minor version: upgrade to 1.35 first",
		"1.33": "master m1: Kubernetes 1.33 is older than 1.34.1 of the API: a control plane does not go back",
	} {
		err := c.CheckUpgrade(t.Context(), map[string]string{"m1": version})
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func removed(t *testing.T, w *world) {
	w.pod("web-1", "n3", ownedBy("ReplicaSet", "web"))
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: time.Minute}, w.members)
	l := new(told)
	w.must(c.Remove(t.Context(), "n3", "run", l.tell))
	if want := "cordoned n3\ndrained n3: 1 pod evicted\nremoved node n3"; l.all() != want {
		t.Errorf("told:\n%s", l.all())
	}
	s, err := c.Status(t.Context())
	w.must(err)
	if len(s.Nodes) != 3 || s.Version != "1.34.1" || len(s.Etcd) != 1 || !s.Etcd[0].Leader {
		t.Errorf("status %+v", s)
	}
	if err := c.Remove(t.Context(), "n3", "run", l.tell); err == nil || err.Error() != "n3: the cluster has no such node, and etcd no such member" {
		t.Errorf("again: %v", err)
	}
	if err := c.Remove(t.Context(), "m1", "run", l.tell); err == nil || err.Error() != "m1 is the only member of etcd" {
		t.Errorf("the only master: %v", err)
	}
	w.register("n3", nil)
}
