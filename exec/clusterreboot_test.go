package exec_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/exec"
	"muster/exec/kube"
	"muster/exec/lab"
	"muster/exec/lab/kubelab"
	"muster/schema"
)

// A rebootWorld is hosts that systemd boots, which are nodes of a cluster with a real API
// server. The test is their kubelets: a node is ready while its host runs.
type rebootWorld struct {
	*field
	kube *kubelab.Cluster
}

func newRebootWorld(t *testing.T, names ...string) *rebootWorld {
	t.Helper()
	api := flag.Lookup("apiserver").Value.String()
	if api == "" {
		t.Skip("no -apiserver; just test-kube builds one")
	}
	w := &rebootWorld{field: newRestartField(t, names...)}
	var err error
	if w.kube, err = kubelab.Start(kubelab.Config{Dir: t.TempDir(), Masters: 1, APIServer: api, Secrets: []string{
		schema.SecretsDir + "/" + schema.CertAdmin, schema.SecretsDir + "/" + schema.CertAPIServerEtcd,
	}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kube.Close)
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		_, err := w.call("GET", "/api/v1/namespaces/kube-node-lease", "")
		_, other := w.call("GET", "/api/v1/namespaces/default", "")
		if err == nil && other == nil {
			break
		}
		if time.Since(began) > 3*time.Minute {
			t.Fatal(errors.Join(err, other))
		}
	}
	for i, name := range names {
		w.must("POST", "/api/v1/nodes", `{"metadata":{"name":%q}}`, name)
		w.must("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", `{"metadata":{"name":%q},"spec":{}}`, name)
		w.must("POST", "/api/v1/namespaces/default/pods", `{"metadata":{"name":"p%d","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"%d","controller":true}]},
			"spec":{"nodeName":%q,"automountServiceAccountToken":false,"containers":[{"name":"c","image":"i"}]}}`, i, i+1, name)
	}
	stop, halt := context.WithCancel(context.Background())
	var kubelets sync.WaitGroup
	for _, h := range w.lab.Hosts {
		kubelets.Go(func() {
			for stop.Err() == nil {
				w.kubelet(stop, h)
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
	t.Cleanup(func() { halt(); kubelets.Wait() })
	for _, name := range names {
		for began := time.Now(); !w.node(name).ready(); time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("node %s is not ready", name)
			}
		}
	}
	return w
}

func (w *rebootWorld) call(method, path, body string) ([]byte, error) {
	kind := "application/json"
	if method == "PATCH" {
		kind = "application/merge-patch+json"
	}
	return w.kube.Call(context.Background(), method, path, kind, body)
}

func (w *rebootWorld) must(method, path, body string, args ...any) {
	w.Helper()
	if _, err := w.call(method, path, fmt.Sprintf(body, args...)); err != nil {
		w.Fatal(err)
	}
}

// kubelet does once what the kubelet of a host does, and what the cluster does where there
// is none.
func (w *rebootWorld) kubelet(ctx context.Context, h *lab.Host) {
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status := "True"
	if _, err := h.Run(limited, "systemctl", "is-active", "sshd.service"); err != nil {
		status = "Unknown"
	} else {
		now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		_, _ = w.call("PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+h.Name, fmt.Sprintf(`{"spec":{"renewTime":%q}}`, now))
		var pods struct {
			Items []struct {
				Metadata struct{ Name, DeletionTimestamp string }
			}
		}
		text, _ := w.call("GET", "/api/v1/namespaces/default/pods?fieldSelector=spec.nodeName="+h.Name, "")
		_ = json.Unmarshal(text, &pods)
		for _, p := range pods.Items {
			if p.Metadata.DeletionTimestamp != "" {
				_, _ = w.call("DELETE", "/api/v1/namespaces/default/pods/"+p.Metadata.Name, `{"gracePeriodSeconds":0}`)
			}
		}
	}
	_, _ = w.call("PATCH", "/api/v1/nodes/"+h.Name+"/status", fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status))
}

// A rebootNode is what the API says of a node.
type rebootNode struct {
	Spec   struct{ Unschedulable bool }
	Status struct {
		Conditions []struct{ Type, Status string }
	}
}

func (n *rebootNode) ready() bool {
	return len(n.Status.Conditions) > 0 && n.Status.Conditions[0].Status == "True"
}

func (w *rebootWorld) node(name string) *rebootNode {
	n := &rebootNode{}
	text, err := w.call("GET", "/api/v1/nodes/"+name, "")
	if err == nil {
		err = json.Unmarshal(text, n)
	}
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// pods are how many run on a node.
func (w *rebootWorld) pods(name string) int {
	var pods struct{ Items []struct{} }
	text, err := w.call("GET", "/api/v1/namespaces/default/pods?fieldSelector=spec.nodeName="+name, "")
	if err == nil {
		err = json.Unmarshal(text, &pods)
	}
	if err != nil {
		w.Fatal(err)
	}
	return len(pods.Items)
}

// A mortalMaster is a connection to a master that a deployer which is killed no longer has.
type mortalMaster struct {
	*kubelab.Machine
	dead *atomic.Bool
}

var errKilledHere = errors.New("the deployer is killed")

func (m mortalMaster) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	if m.dead.Load() {
		return errKilledHere
	}
	return m.Machine.Run(ctx, argv, stdout, stderr)
}

func (m mortalMaster) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if m.dead.Load() {
		return nil, errKilledHere
	}
	return m.Machine.Dial(ctx, addr)
}

// options are those of a deployer that does nothing more once it is dead.
func (w *rebootWorld) options(dead *atomic.Bool, c *exec.ClusterPlan) exec.Options {
	pki := &kube.PKI{}
	pki.CA, pki.EtcdCA = w.kube.PKI.Authorities()
	cluster := kube.New(kube.Config{
		Distribution: schema.Kubernetes, Masters: []string{"m1"}, PKI: pki, Rollout: c.Rollout, Members: c.Members, Poll: 100 * time.Millisecond,
		Reach: func(ctx context.Context, name string) (kube.Machine, error) {
			if dead.Load() {
				return nil, errKilledHere
			}
			m, err := w.kube.Reach(ctx, name)
			if err != nil {
				return nil, err
			}
			return mortalMaster{m, dead}, nil
		},
	})
	w.Cleanup(cluster.Close)
	o := w.opts
	o.Reboot, o.Cluster, o.RebootTimeout = true, cluster, 2*time.Minute
	o.Connect = func(ctx context.Context, h *schema.Host) (exec.Machine, error) {
		if dead.Load() {
			return nil, errKilledHere
		}
		return w.connect(ctx, h)
	}
	return o
}

// rollout is a plan that brings the hosts a new kernel, one node at a time.
func (w *rebootWorld) rollout(t *testing.T, timeout time.Duration) *exec.Plan {
	t.Helper()
	fleet := &schema.Fleet{Kluster: &schema.Kluster{Distribution: schema.Kubernetes, Masters: []string{"m1"}, Rollout: &schema.KlusterRollout{
		MaxUnavailable: 1, Timeout: timeout, Drain: schema.Drain{Timeout: time.Minute},
	}}, Rollout: schema.Rollout{MaxFailures: 100}}
	for _, h := range w.lab.Hosts {
		w.hosts[h.Name].Roles = []string{schema.RoleNode}
		fleet.Hosts = append(fleet.Hosts, w.hosts[h.Name])
	}
	p := w.plan(exec.Switch, w.all(system(t, "kernel")))
	p.Run = exec.NewRunID()
	if err := p.RollOut(fleet); err != nil {
		t.Fatal(err)
	}
	return p
}

// changes are the changes of nodes that a run told of.
func (w *rebootWorld) changes() (all []string) {
	w.field.mu.Lock()
	defer w.field.mu.Unlock()
	for _, e := range w.events {
		switch e := e.(type) {
		case exec.NodeChanged:
			all = append(all, e.Host+" "+e.Change)
		case exec.StageStarted:
			if e.Stage == exec.Restart {
				all = append(all, e.Host+" restarts")
			}
		}
	}
	return all
}

// A host that needs a restart is drained, restarted, ready again and uncordoned, one after
// the other.
func TestNodesAreDrainedAndRestarted(t *testing.T) {
	w := newRebootWorld(t, "a", "b")
	plan := w.rollout(t, 3*time.Minute)
	most := 0
	out := w.run(t.Context(), plan, w.options(new(atomic.Bool), plan.Cluster), func(e exec.Event) {
		if s, ok := e.(exec.StageStarted); !ok || s.Stage != exec.Restart {
			return
		}
		away := 0
		for _, name := range []string{"a", "b"} {
			if n := w.node(name); n.Spec.Unschedulable || !n.ready() {
				away++
			}
		}
		most = max(most, away)
		if host := e.(exec.StageStarted).Host; !w.node(host).Spec.Unschedulable || w.pods(host) > 0 {
			t.Errorf("%s is restarted: unschedulable %v, %d pods", host, w.node(host).Spec.Unschedulable, w.pods(host))
		}
	})
	for _, o := range out {
		if o.Status != exec.Activated || !o.Rebooted || o.KernelAfter != "6.12.1" {
			t.Errorf("%s: %s at %q, rebooted %v into %q: %v", o.Host, o.Status, o.Stage, o.Rebooted, o.KernelAfter, o.Err)
		}
		if n := w.node(o.Host); n.Spec.Unschedulable || !n.ready() {
			t.Errorf("%s: unschedulable %v, ready %v", o.Host, n.Spec.Unschedulable, n.ready())
		}
	}
	var want []string
	for _, host := range []string{"a", "b"} {
		for _, change := range []string{"cordoned", "drained", "restarts", "ready", "uncordoned"} {
			want = append(want, host+" "+change)
		}
	}
	got := w.changes()
	if len(got) > 0 && strings.HasPrefix(got[0], "b") {
		want = append(slices.Clone(want[5:]), want[:5]...)
	}
	if !slices.Equal(got, want) || most != 1 {
		t.Errorf("%d away at once; got %q\nwant %q", most, got, want)
	}
}

// Where muster is killed while the host boots, resume finds the node cordoned and the host
// with its new kernel, and uncordons it.
func TestMusterIsKilledWhileANodeBoots(t *testing.T) {
	w := newRebootWorld(t, "a", "b")
	plan := w.rollout(t, 3*time.Minute)
	dir := t.TempDir()
	journal, err := exec.CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	dead, restarts := new(atomic.Bool), make(chan string, 2)
	write := journal.Sink(func(exec.Event) {})
	o := w.options(dead, plan.Cluster)
	o.Sink = func(e exec.Event) {
		if dead.Load() {
			return
		}
		write(e)
		if s, ok := e.(exec.StageStarted); ok && s.Stage == exec.Restart {
			dead.Store(true) // the host is told over the connection that is there
			restarts <- s.Host
		}
	}
	go exec.Run(context.Background(), plan, o)
	host := <-restarts
	journal.Close()
	before := w.lab.Host(host).Pid()
	for began := time.Now(); w.lab.Host(host).Pid() == before; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("%s has not restarted", host)
		}
	}
	if !w.node(host).Spec.Unschedulable {
		t.Fatalf("node %s is not cordoned", host)
	}
	rest := w.resumed(dir)
	for _, out := range w.run(t.Context(), rest, w.options(new(atomic.Bool), rest.Cluster), nil) {
		if !out.OK() {
			t.Errorf("%s: %s at %q: %v", out.Host, out.Status, out.Stage, out.Err)
		}
		if n := w.node(out.Host); n.Spec.Unschedulable || !n.ready() {
			t.Errorf("%s: unschedulable %v, ready %v", out.Host, n.Spec.Unschedulable, n.ready())
		}
		w.expect(out.Host, "kernel", "kernel", "kernel")
	}
}

// A host that does not come back stays cordoned, which is said, and no other host is taken
// out after it. When it is back, the run goes on.
func TestANodeThatNeverComesBackStaysCordoned(t *testing.T) {
	w := newRebootWorld(t, "a", "b")
	plan := w.rollout(t, 10*time.Second)
	dir := t.TempDir()
	journal, err := exec.CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	var off sync.WaitGroup
	lost := ""
	o := w.options(new(atomic.Bool), plan.Cluster)
	o.RebootTimeout = 20 * time.Second
	write := journal.Sink(func(exec.Event) {})
	out := w.run(t.Context(), plan, o, func(e exec.Event) {
		write(e)
		if s, ok := e.(exec.StageStarted); ok && s.Stage == exec.Restart && lost == "" {
			lost = s.Host
			off.Go(func() {
				h := w.lab.Host(lost)
				before := h.Pid()
				for h.Pid() == before {
					time.Sleep(20 * time.Millisecond)
				}
				h.Stop()
			})
		}
	})
	off.Wait()
	journal.Close()
	other := map[string]string{"a": "b", "b": "a"}[lost]
	for _, out := range out {
		switch out.Host {
		case lost:
			said := ""
			for _, f := range out.Findings {
				said += f.Text + "\n"
			}
			if out.Status != exec.Failed || out.Stage != exec.Restart || !strings.Contains(said, "its node stays as it is: muster deploy uncordons it when it is ready") {
				t.Errorf("%s: %s at %q: %v: %s", lost, out.Status, out.Stage, out.Err, said)
			}
		default:
			if out.Status != exec.Skipped || !strings.Contains(fmt.Sprint(out.Err), "kluster.rollout allows no more") {
				t.Errorf("%s: %s at %q: %v", other, out.Status, out.Stage, out.Err)
			}
		}
	}
	if !w.node(lost).Spec.Unschedulable || w.node(other).Spec.Unschedulable {
		t.Errorf("cordoned: %s %v, %s %v", lost, w.node(lost).Spec.Unschedulable, other, w.node(other).Spec.Unschedulable)
	}

	if err := w.lab.Host(lost).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, err := exec.Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("journals %v: %v", names, err)
	}
	past, err := exec.ReadJournal(names[0])
	if err != nil {
		t.Fatal(err)
	}
	// resume goes on with the host that was skipped, and retry with the one that failed.
	for _, goesOn := range []func(string, *exec.Outcome) bool{
		func(_ string, ended *exec.Outcome) bool { return ended != nil && ended.Status == exec.Failed },
		func(_ string, ended *exec.Outcome) bool { return ended == nil || ended.Status == exec.Skipped },
	} {
		rest := past.Rest(goesOn)
		rest.Cluster.Rollout.Timeout = 3 * time.Minute
		for _, out := range w.run(t.Context(), rest, w.options(new(atomic.Bool), rest.Cluster), nil) {
			if !out.OK() {
				t.Errorf("%s: %s at %q: %v", out.Host, out.Status, out.Stage, out.Err)
			}
			if n := w.node(out.Host); n.Spec.Unschedulable || !n.ready() {
				t.Errorf("%s: unschedulable %v, ready %v", out.Host, n.Spec.Unschedulable, n.ready())
			}
			w.expect(out.Host, "kernel", "kernel", "kernel")
		}
	}
}
