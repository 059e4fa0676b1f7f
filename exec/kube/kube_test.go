package kube

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/exec/lab/kubelab"
	fleet "muster/schema"
)

// apiServer is a real API server, which `just test-kube` builds. Without it, the tests that
// need one are left out, and those of etcd are made.
var apiServer = flag.String("apiserver", "", "the kube-apiserver to test with")

var (
	adminFile = fleet.SecretsDir + "/" + fleet.CertAdmin
	etcdFile  = fleet.SecretsDir + "/" + fleet.CertAPIServerEtcd
)

func startLab(t *testing.T, masters int, api string) *kubelab.Cluster {
	t.Helper()
	return startLabAs(t, kubelab.Config{Masters: masters, APIServer: api, Secrets: []string{adminFile, etcdFile}})
}

func startLabAs(t *testing.T, config kubelab.Config) *kubelab.Cluster {
	t.Helper()
	config.Dir = t.TempDir()
	lab, err := kubelab.Start(config)
	if err != nil {
		t.Fatalf("%v: apt-get install etcd-server", err)
	}
	t.Cleanup(func() {
		lab.Close()
		for _, name := range []string{"m1-etcd", "m1-api"} {
			if t.Failed() {
				t.Logf("%s:\n%s", name, lab.Log(name))
			}
		}
	})
	return lab
}

// members are masters of a lab, and nodes.
func members(masters, nodes int) (all []fleet.KlusterMember) {
	for i := range masters {
		all = append(all, fleet.KlusterMember{Host: fmt.Sprintf("m%d", i+1), Addresses: []string{kubelab.Address(i + 1)}, Master: true, Etcd: true})
	}
	for i := range nodes {
		all = append(all, fleet.KlusterMember{Host: fmt.Sprintf("n%d", i+1), Zone: fmt.Sprintf("z%d", i%2)})
	}
	return all
}

// open is a cluster of a lab, as another muster would have it.
func open(t *testing.T, lab *kubelab.Cluster, r fleet.KlusterRollout, all []fleet.KlusterMember) *Cluster {
	t.Helper()
	ca, etcdCA := lab.PKI.Authorities()
	var names []string
	for _, m := range all {
		if m.Master {
			names = append(names, m.Host)
		}
	}
	c := New(Config{
		Distribution: fleet.Kubernetes, Masters: names, PKI: &PKI{CA: ca, EtcdCA: etcdCA}, Rollout: r, Members: all, Poll: 100 * time.Millisecond,
		Reach: func(ctx context.Context, name string) (Machine, error) { return lab.Reach(ctx, name) },
	})
	t.Cleanup(c.Close)
	return c
}

// told collects what is told.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) tell(change, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(change+" "+text))
}

func (l *told) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// awaitEtcd waits until all members are as they should be.
func awaitEtcd(t *testing.T, c *Cluster, healthy int) []EtcdMember {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for {
		o, err := c.openUntil(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all, err := o.etcd.members(ctx)
		n := 0
		for _, m := range all {
			if m.Problem == "" {
				n++
			}
		}
		if err == nil && n == healthy {
			return all
		}
		if c.pause(ctx) != nil {
			t.Fatalf("want %d healthy members of etcd: %v: %+v", healthy, err, all)
		}
	}
}

// A member of a real etcd is let go where the others keep the quorum, and no other is then.
// One that is down already is let go: its host is what is to be mended. Refused, nothing was
// asked of the API.
func TestEtcdKeepsItsQuorum(t *testing.T) {
	lab := startLab(t, 3, "")
	all := members(3, 0)
	c := open(t, lab, fleet.KlusterRollout{Timeout: time.Minute}, all)
	found := awaitEtcd(t, c, 3)
	for i := range all {
		member := memberOf(found, &all[i])
		if member == nil || member.Name != all[i].Host {
			t.Fatalf("%s: found %+v", all[i].Host, member)
		}
		if err := mayLose(found, member); err != nil {
			t.Errorf("%s: %v", all[i].Host, err)
		}
		if err := mayRemove(found, member); err != nil {
			t.Errorf("remove %s: %v", all[i].Host, err)
		}
	}

	lab.StopEtcd("m3")
	found = awaitEtcd(t, c, 2)
	if err := mayLose(found, memberOf(found, &all[2])); err != nil {
		t.Errorf("m3, which is down: %v", err)
	}
	err := c.Leave(t.Context(), &all[0], "run", new(told).tell)
	if err == nil || !strings.Contains(err.Error(), "etcd would lose its quorum without m1: 1 of 3 members would be healthy, and 2 are needed (m3: ") {
		t.Errorf("m1 leaves: %v", err)
	}
	if err := mayRemove(found, memberOf(found, &all[0])); err == nil {
		t.Error("m1 is removed while m3 is down")
	}

	// The member is replaced: taken out, added again without its data.
	o, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.etcd.removeMember(t.Context(), memberOf(found, &all[2])); err != nil {
		t.Fatal(err)
	}
	awaitEtcd(t, c, 2)
	if _, err := o.etcd.client.MemberAdd(t.Context(), []string{lab.PeerURL("m3")}); err != nil {
		t.Fatal(err)
	}
	found = awaitEtcd(t, c, 2)
	if err := mayLose(found, &found[1]); err == nil {
		t.Error("a member is let go while another has not begun")
	}
	if err := lab.JoinEtcd("m3"); err != nil {
		t.Fatal(err)
	}
	if err := c.awaitMember(t.Context(), o, &all[2]); err != nil {
		t.Error(err)
	}
	awaitEtcd(t, c, 3)

	// A master that is not reached: etcd is asked through the others.
	lab.Cut("m1", true)
	awaitEtcd(t, c, 2)
	lab.Cut("m1", false)
	awaitEtcd(t, c, 3)
}

func TestMayLose(t *testing.T) {
	ok, ill, leaderless := EtcdMember{}, EtcdMember{Problem: "down", Down: true}, EtcdMember{Problem: "it knows no leader"}
	for _, tt := range []struct {
		name   string
		all    []EtcdMember
		lose   int
		loses  bool
		remove bool
	}{
		{"the only member", []EtcdMember{ok}, 0, true, false},
		{"one of two", []EtcdMember{ok, ok}, 0, false, true},
		{"one of three", []EtcdMember{ok, ok, ok}, 0, true, true},
		{"one of three, another is down", []EtcdMember{ok, ok, ill}, 0, false, false},
		{"the one that is down", []EtcdMember{ok, ok, ill}, 2, true, true},
		{"one of five, another is down", []EtcdMember{ok, ok, ok, ok, ill}, 0, true, true},
		{"one of five, two are down", []EtcdMember{ok, ok, ok, ill, ill}, 0, false, false},
		{"one of three in an election", []EtcdMember{leaderless, leaderless, ill}, 0, false, false},
		{"one of three that knows no leader, as the only one", []EtcdMember{leaderless, ok, ok}, 0, true, true},
		{"a learner", []EtcdMember{ok, ok, ill, {Learner: true}}, 3, true, true},
		{"learners do not vote", []EtcdMember{ok, ok, ill, {Learner: true}}, 0, false, false},
	} {
		for i := range tt.all {
			tt.all[i].ID, tt.all[i].Name = uint64(i+1), fmt.Sprint("m", i+1)
		}
		if err := mayLose(tt.all, &tt.all[tt.lose]); (err == nil) != tt.loses {
			t.Errorf("%s: lose: %v", tt.name, err)
		}
		if err := mayRemove(tt.all, &tt.all[tt.lose]); (err == nil) != tt.remove {
			t.Errorf("%s: remove: %v", tt.name, err)
		}
	}
}

func TestUpgradesGoInTheOrderOfKubernetes(t *testing.T) {
	all := members(3, 2)
	wants := func(masters, nodes string) map[string]string {
		v := map[string]string{}
		for _, m := range all {
			if v[m.Host] = nodes; m.Master {
				v[m.Host] = masters
			}
			if v[m.Host] == "" {
				delete(v, m.Host)
			}
		}
		return v
	}
	one := wants("", "1.35")
	one["m1"] = "1.35"
	back := wants("", "")
	back["m2"] = "1.33"
	for _, tt := range []struct {
		name     string
		kubelets string
		wants    map[string]string
		err      string // a part of it
	}{
		{"nothing pinned", "v1.34.1", wants("", ""), ""},
		{"the same", "v1.34.1", wants("1.34.1", "1.34"), ""},
		{"one minor version", "v1.34.1", wants("1.35", "1.35.0"), ""},
		{"two", "v1.34.1", wants("1.36", "1.36"), "master m1: Kubernetes 1.36 after 1.34.1 skips a minor version: upgrade to 1.35 first; master m2"},
		{"back", "v1.34.1", back, "master m2: Kubernetes 1.33 is older than 1.34.1 of the API: a control plane does not go back"},
		{"nodes, after a run that upgraded the masters and was cut off", "v1.35.0", wants("", "1.35"), ""},
		{"nodes alone", "v1.34.1", wants("", "1.35"), "node n1: Kubernetes 1.35 is newer than 1.34 of the API: upgrade the masters first, all of them; node n2"},
		{"nodes with one master", "v1.34.1", one, "node n1: Kubernetes 1.35 is newer than 1.34 of the API"},
		{"nodes that are behind", "v1.31.4+k3s1", wants("1.35", "1.35"), "node n1: its kubelet 1.31.4 is more than 3 minor versions older than 1.35: upgrade the node to 1.34 first"},
		{"nodes that are just behind enough", "v1.32.0", wants("1.35", "1.32"), ""},
		{"old nodes, control plane as it is", "v1.30.0", wants("1.34", "1.34"), ""},
	} {
		c := &Cluster{config: Config{Members: all}}
		var nodes []node
		for _, m := range all {
			n := node{}
			n.Name, n.Status.NodeInfo.KubeletVersion = m.Host, tt.kubelets
			nodes = append(nodes, n)
		}
		err := c.upgrade(Version{1, 34, 1}, nodes, tt.wants).check()
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Who waits while the masters are asked by another one ends with its context.
func TestAMasterThatDoesNotAnswerHoldsNobodyElseUp(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	c := New(Config{Distribution: fleet.Kubernetes, Masters: []string{"m1"}, Reach: func(context.Context, string) (Machine, error) {
		close(begun)
		<-goOn
		return nil, errors.New("no route to host")
	}})
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.open(t.Context()); err == nil || !strings.Contains(err.Error(), "no route to host") {
			t.Errorf("got %v", err)
		}
	})
	<-begun
	why := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := c.Held(ctx, &fleet.KlusterMember{Host: "m1"})
		second <- err
	}()
	cancel(why)
	select {
	case err := <-second:
		if !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("it waits for the other one")
	}
	close(goOn)
	first.Wait()
	c.Close()
}
