package exec

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/exec/kube"
	"muster/exec/lab/kubelab"
	"muster/schema"
)

var (
	apiServer    = flag.String("apiserver", "", "the kube-apiserver of TestClusterChaos, which just test-kube builds")
	clusterChaos = flag.Int("cluster-chaos", 3, "how many seeded runs TestClusterChaos makes")
	clusterSeed  = flag.Uint64("cluster-seed", 1, "the first seed of TestClusterChaos")
)

// TestClusterChaos rolls through three masters and four nodes with faults at random: a node
// dies while it is drained, the API is gone for a while, the deployer is killed and the run
// resumed, an operator has cordoned a node. The API server and etcd are real; the kubelets
// and the hosts are played. Each time:
//
//   - etcd has its quorum at every moment
//   - no more nodes are out than max_unavailable says, and one master at most
//   - in the end, no node is cordoned by muster, and an operator's cordon is still there
func TestClusterChaos(t *testing.T) {
	if *apiServer == "" {
		t.Skip("no -apiserver; just test-kube builds one")
	}
	w := newChaosWorld(t)
	for seed := *clusterSeed; seed < *clusterSeed+uint64(*clusterChaos); seed++ {
		w.run(seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A chaosWorld is a cluster with hosts.
type chaosWorld struct {
	t     *testing.T
	lab   *kubelab.Cluster
	hosts []*schema.Host
	ca    kube.PKI

	mu       sync.Mutex
	fakes    map[string]*fakeHost
	dead     map[string]bool // kubelets that do nothing
	down     map[string]bool // members of etcd
	most     int             // nodes that may be out
	observed []string        // what must not be
	acts     int             // activations
}

const chaosMasters, chaosNodes = 3, 4

func newChaosWorld(t *testing.T) *chaosWorld {
	t.Helper()
	lab, err := kubelab.Start(kubelab.Config{Dir: t.TempDir(), Masters: chaosMasters, APIServer: *apiServer, Secrets: []string{
		schema.SecretsDir + "/" + schema.CertAdmin, schema.SecretsDir + "/" + schema.CertAPIServerEtcd,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	w := &chaosWorld{t: t, lab: lab, dead: map[string]bool{}, down: map[string]bool{}, most: 1}
	w.ca.CA, w.ca.EtcdCA = lab.PKI.Authorities()
	for i := range chaosMasters {
		w.hosts = append(w.hosts, &schema.Host{Name: fmt.Sprintf("m%d", i+1), Address: kubelab.Address(i + 1), Roles: []string{schema.RoleMaster, schema.RoleNode}})
	}
	for i := range chaosNodes {
		w.hosts = append(w.hosts, &schema.Host{Name: fmt.Sprintf("n%d", i+1), Address: fmt.Sprintf("10.99.0.%d", i+11), Roles: []string{schema.RoleNode}})
	}
	w.await("/api/v1/namespaces/default", "/api/v1/namespaces/kube-node-lease")
	for _, h := range w.hosts {
		w.must(w.call("POST", "/api/v1/nodes", fmt.Sprintf(`{"metadata":{"name":%q,"labels":{"kubernetes.io/hostname":%q}}}`, h.Name, h.Name)))
		w.must(w.call("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{}}`, h.Name)))
		w.ready(h.Name, true)
	}
	stop := make(chan struct{})
	var done sync.WaitGroup
	for _, work := range []func(){w.kubelets, w.observe} {
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					work()
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); done.Wait() })
	return w
}

func (w *chaosWorld) call(method, path, body string) ([]byte, error) {
	kind := "application/json"
	if method == "PATCH" {
		kind = "application/merge-patch+json"
	}
	return w.lab.Call(context.Background(), method, path, kind, body)
}

func (w *chaosWorld) must(text []byte, err error) []byte {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// await waits until objects are there.
func (w *chaosWorld) await(paths ...string) {
	w.t.Helper()
	for _, path := range paths {
		for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
			_, err := w.call("GET", path, "")
			if err == nil {
				break
			}
			if time.Since(began) > 3*time.Minute {
				w.t.Fatal(err)
			}
		}
	}
}

// ready has the cluster know that a node is ready, or not.
func (w *chaosWorld) ready(name string, ready bool) {
	status := map[bool]string{true: "True", false: "Unknown"}[ready]
	if _, err := w.call("PATCH", "/api/v1/nodes/"+name+"/status", fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status)); err != nil {
		w.violation("set node %s ready: %v", name, err)
	}
}

func (w *chaosWorld) violation(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observed = append(w.observed, fmt.Sprintf(format, args...))
}

// kubelets does once what the kubelets that live do.
func (w *chaosWorld) kubelets() {
	for _, h := range w.hosts {
		w.mu.Lock()
		dead := w.dead[h.Name]
		w.mu.Unlock()
		if dead {
			continue
		}
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
}

// A chaosNode is what the API says of a node.
type chaosNode struct {
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec   struct{ Unschedulable bool }
	Status struct {
		Conditions []struct{ Type, Status string }
	}
}

func (n *chaosNode) ours() bool { return n.Metadata.Annotations["muster.dev/cordoned-by"] != "" }

func (n *chaosNode) ready() bool {
	return len(n.Status.Conditions) > 0 && n.Status.Conditions[0].Status == "True"
}

func (w *chaosWorld) nodes() (all []chaosNode) {
	var list struct{ Items []chaosNode }
	text, err := w.call("GET", "/api/v1/nodes", "")
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil // an API server is being changed
	}
	return list.Items
}

// observe looks once for what must not be.
func (w *chaosWorld) observe() {
	out := map[bool][]string{}
	for _, n := range w.nodes() {
		if n.ours() || !n.ready() {
			master := n.Metadata.Name[0] == 'm'
			out[master] = append(out[master], n.Metadata.Name)
		}
	}
	w.mu.Lock()
	most := w.most
	w.mu.Unlock()
	if len(out[true]) > 1 {
		w.violation("masters out at once: %v", out[true])
	}
	if len(out[false]) > most {
		w.violation("nodes out at once: %v, and %d may be", out[false], most)
	}
}

// A deployer is a muster at work. When it is killed, nothing that it does has an effect.
type deployer struct {
	world *chaosWorld
	run   string

	mu     sync.Mutex
	killed bool
	dead   chan struct{} // closed when it is killed
	conns  []net.Conn
}

func newDeployer(w *chaosWorld, run string) *deployer {
	return &deployer{world: w, run: run, dead: make(chan struct{})}
}

var errKilled = errors.New("the deployer is killed")

func (d *deployer) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killed = true
	close(d.dead)
	for _, c := range d.conns {
		c.Close()
	}
}

func (d *deployer) alive() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.killed {
		return errKilled
	}
	return nil
}

// A chaosMaster is the deployer's connection to a master, for the cluster.
type chaosMaster struct {
	*kubelab.Machine
	deployer *deployer
}

func (m chaosMaster) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	if err := m.deployer.alive(); err != nil {
		return err
	}
	return m.Machine.Run(ctx, argv, stdout, stderr)
}

func (m chaosMaster) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if err := m.deployer.alive(); err != nil {
		return nil, err
	}
	c, err := m.Machine.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	m.deployer.mu.Lock()
	defer m.deployer.mu.Unlock()
	if m.deployer.killed {
		c.Close()
		return nil, errKilled
	}
	m.deployer.conns = append(m.deployer.conns, c)
	return c, nil
}

// A chaosHost is the deployer's connection to a host.
type chaosHost struct {
	*fakeHost
	name     string
	deployer *deployer
}

func (h chaosHost) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	if err := h.deployer.alive(); err != nil {
		return err
	}
	if len(argv) > 3 && argv[3] == "muster-arm" {
		h.deployer.world.activated(h.name)
	}
	return h.fakeHost.Run(ctx, argv, stdout, stderr)
}

// activated plays what an activation does to the cluster: the kubelet starts anew, and on a
// master etcd does.
func (w *chaosWorld) activated(name string) {
	for _, n := range w.nodes() {
		if n.Metadata.Name == name && n.ready() && !n.Spec.Unschedulable {
			w.violation("%s is activated, and its node takes pods", name)
		}
	}
	w.mu.Lock()
	w.acts++
	for other := range w.down {
		if other != name && w.down[other] {
			w.observed = append(w.observed, fmt.Sprintf("etcd of %s is stopped while that of %s is down", name, other))
		}
	}
	master := name[0] == 'm'
	w.down[name] = master
	w.mu.Unlock()
	w.ready(name, false)
	if master {
		w.lab.StopEtcd(name)
		w.lab.Cut(name, true)
		time.Sleep(100 * time.Millisecond)
		if err := w.lab.StartEtcd(name); err != nil {
			w.violation("start etcd of %s: %v", name, err)
		}
		w.lab.Cut(name, false)
	}
	w.ready(name, true)
	w.mu.Lock()
	w.down[name] = false
	w.mu.Unlock()
}

// options are those of a run of the deployer.
func (d *deployer) options(c *ClusterPlan, sink Sink) (Options, func()) {
	w := d.world
	cluster := kube.New(kube.Config{
		Distribution: schema.Kubernetes, Masters: []string{"m1", "m2", "m3"}, PKI: &w.ca, Rollout: c.Rollout, Members: c.Members, Poll: 50 * time.Millisecond,
		Reach: func(ctx context.Context, name string) (kube.Machine, error) {
			if err := d.alive(); err != nil {
				return nil, err
			}
			m, err := w.lab.Reach(ctx, name)
			if err != nil {
				return nil, err
			}
			return chaosMaster{m, d}, nil
		},
	})
	return Options{
		Cluster: cluster, Run: d.run, Sink: sink,
		Connect: func(_ context.Context, h *schema.Host) (Machine, error) {
			if err := d.alive(); err != nil {
				return nil, err
			}
			return chaosHost{w.fakes[h.Name], h.Name, d}, nil
		},
	}, cluster.Close
}

// run makes one rollout with the faults of a seed.
func (w *chaosWorld) run(seed uint64) {
	t := w.t
	began := time.Now()
	random := rand.New(rand.NewPCG(seed, 28))
	w.mu.Lock()
	w.fakes = map[string]*fakeHost{}
	for _, h := range w.hosts {
		w.fakes[h.Name] = newFakeHost(oldSystem, newSystem)
	}
	w.most, w.observed, w.acts = 1+random.IntN(2), nil, 0
	most := w.most
	w.mu.Unlock()
	for i, h := range w.hosts {
		for pod := range 2 {
			name := fmt.Sprintf("s%d-%s-%d", seed, h.Name, pod)
			w.must(w.call("POST", "/api/v1/namespaces/default/pods", fmt.Sprintf(`{"metadata":{"name":%q,"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"%d","controller":true}]},
				"spec":{"nodeName":%q,"automountServiceAccountToken":false,"containers":[{"name":"c","image":"i"}]}}`, name, i+1, h.Name)))
		}
	}
	node := func() string { return fmt.Sprintf("n%d", 1+random.IntN(chaosNodes)) }
	var faults []string
	dies, operators := "", ""
	if random.IntN(2) == 0 {
		dies = node()
		faults = append(faults, dies+" dies in its drain")
	}
	if random.IntN(3) == 0 {
		if operators = node(); operators == dies {
			operators = ""
		} else {
			faults = append(faults, operators+" is cordoned by an operator")
			w.must(w.call("PATCH", "/api/v1/nodes/"+operators, `{"spec":{"unschedulable":true}}`))
		}
	}
	var timers []*time.Timer
	if random.IntN(2) == 0 {
		after, lasts := time.Duration(random.IntN(6000))*time.Millisecond, time.Duration(500+random.IntN(2500))*time.Millisecond
		faults = append(faults, fmt.Sprintf("the API is gone after %v for %v", after, lasts))
		timers = append(timers, time.AfterFunc(after, func() { w.lab.CutAPI(true) }), time.AfterFunc(after+lasts, func() { w.lab.CutAPI(false) }))
	}
	kills := 0
	if random.IntN(2) == 0 {
		kills = 1 + random.IntN(20)
		faults = append(faults, fmt.Sprintf("the deployer is killed at change %d", kills))
	}
	revive := func() {
		w.mu.Lock()
		was := w.dead[dies]
		w.dead[dies] = false
		w.mu.Unlock()
		if was {
			w.ready(dies, true)
		}
	}
	fleet := &schema.Fleet{Hosts: w.hosts, Kluster: &schema.Kluster{
		Distribution: schema.Kubernetes, Masters: []string{"m1", "m2", "m3"}, Etcd: []string{"m1", "m2", "m3"},
		Rollout: &schema.KlusterRollout{MaxUnavailable: most, Timeout: 40 * time.Second, Drain: schema.Drain{Timeout: 3 * time.Second}},
	}, Rollout: schema.Rollout{MaxFailures: 100}}
	newPlan := func() *Plan {
		p := &Plan{Action: Rollback, Generation: 1}
		for _, h := range w.hosts {
			p.Steps = append(p.Steps, Step{Host: h, System: System{Out: oldSystem}})
		}
		if err := p.RollOut(fleet); err != nil {
			t.Fatal(err)
		}
		return p
	}
	died := false
	changes := 0
	sink := func(d *deployer) Sink {
		return func(e Event) {
			c, ok := e.(NodeChanged)
			if !ok {
				return
			}
			if c.Change == kube.Cordoned && c.Host == dies && !died {
				died = true
				w.mu.Lock()
				w.dead[dies] = true
				w.mu.Unlock()
				timers = append(timers, time.AfterFunc(time.Second, func() {
					w.mu.Lock()
					dead := w.dead[dies]
					w.mu.Unlock()
					if dead {
						w.ready(dies, false)
					}
				}), time.AfterFunc(time.Duration(4+random.IntN(4))*time.Second, revive))
			}
			if changes++; changes == kills {
				d.kill()
			}
		}
	}

	// The first run, with a journal that ends where the deployer is killed.
	plan := newPlan()
	dir := t.TempDir()
	journal, err := CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	d := newDeployer(w, plan.Run)
	write := journal.Sink(sink(d))
	o, closeCluster := d.options(plan.Cluster, func(e Event) {
		if d.alive() == nil {
			write(e)
		}
	})
	var outcomes []Outcome
	ended := make(chan []Outcome, 1)
	go func() { ended <- Run(t.Context(), plan, o) }()
	select {
	case outcomes = <-ended:
	case <-d.dead: // what it waits for has no effect
	}
	closeCluster()
	journal.Close()
	resumed := false
	if d.alive() != nil {
		resumed = true
		record, err := ReadJournal(journalFile(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		rest := record.Rest(func(_ string, ended *Outcome) bool {
			return ended == nil || ended.Status == Skipped || ended.Interrupted
		})
		d = newDeployer(w, record.Plan.Run)
		o, closeCluster = d.options(rest.Cluster, sink(d))
		outcomes = Run(t.Context(), rest, o)
		closeCluster()
		// A node that failed before the deployer was killed is not resumed.
		for _, step := range record.Plan.Steps {
			if !slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Host == step.Host.Name }) {
				outcomes = append(outcomes, record.Outcomes[step.Host.Name])
			}
		}
	}
	for _, timer := range timers {
		timer.Stop()
	}
	w.lab.CutAPI(false)
	revive()
	// The operator deploys again until all is done.
	again := 0
	for failed(outcomes) && again < 4 {
		again++
		d = newDeployer(w, NewRunID())
		plan = newPlan()
		o, closeCluster = d.options(plan.Cluster, sink(d))
		outcomes = Run(t.Context(), plan, o)
		closeCluster()
	}
	for i := range outcomes {
		if !outcomes[i].OK() {
			t.Errorf("seed %d: %s: %s at %s: %v", seed, outcomes[i].Host, outcomes[i].Status, outcomes[i].Stage, outcomes[i].Err)
		}
	}
	w.check(seed, operators)
	t.Logf("seed %d: %d of 4 nodes at once, %d activations, resumed %v, deployed again %d times, %.1f s: %s", seed, most, w.acts, resumed, again, time.Since(began).Seconds(), strings.Join(faults, "; "))
}

func failed(outcomes []Outcome) bool {
	return slices.ContainsFunc(outcomes, func(o Outcome) bool { return !o.OK() })
}

func journalFile(t *testing.T, dir string) string {
	t.Helper()
	names, err := Journals(dir)
	if err != nil || len(names) == 0 {
		t.Fatalf("no journal: %v", err)
	}
	return names[len(names)-1]
}

// check looks at the end of a run, and makes the world ready for the next.
func (w *chaosWorld) check(seed uint64, operators string) {
	for _, n := range w.nodes() {
		name := n.Metadata.Name
		if n.ours() {
			w.t.Errorf("seed %d: node %s is left cordoned by muster", seed, name)
		}
		if n.Spec.Unschedulable != (name == operators) {
			w.t.Errorf("seed %d: node %s: unschedulable is %v", seed, name, n.Spec.Unschedulable)
		}
	}
	if operators != "" {
		w.must(w.call("PATCH", "/api/v1/nodes/"+operators, `{"spec":{"unschedulable":null}}`))
	}
	w.must(w.call("DELETE", "/api/v1/namespaces/default/pods", `{"gracePeriodSeconds":0}`))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		if f := w.fakes[h.Name]; f.current != oldSystem {
			w.t.Errorf("seed %d: %s runs %s", seed, h.Name, f.current)
		}
	}
	for _, what := range w.observed {
		w.t.Errorf("seed %d: %s", seed, what)
	}
}
