package exec

import (
	"context"
	"errors"
	"testing"

	"muster/compile/store"
	"muster/schema"
)

// A countedCluster says what a run has asked of the cluster.
type countedCluster struct {
	asked string
	err   error
}

func (c *countedCluster) Leave(context.Context, *schema.KlusterMember, string, func(string, string)) error {
	c.asked += "leave "
	return c.err
}

func (c *countedCluster) Spare(context.Context, *schema.KlusterMember) error {
	c.asked += "spare "
	return c.err
}

func (c *countedCluster) Rejoin(context.Context, *schema.KlusterMember, func(string, string)) error {
	c.asked += "rejoin "
	return nil
}

func (c *countedCluster) Held(context.Context, *schema.KlusterMember) (bool, error) {
	return false, nil
}

// A secret that has etcd or an API server restarted waits until etcd can spare the member,
// whether it is pushed or deployed; one that only nodes use does not, and a new system has
// the host leave its cluster.
func TestSecretsThatRestartTheControlPlane(t *testing.T) {
	const same, other = "/nix/store/00000000000000000000000000000000-a", "/nix/store/11111111111111111111111111111111-b"
	secrets := func(names ...string) (all []SecretChange) {
		for _, name := range names {
			all = append(all, SecretChange{Name: name, Change: "changed"})
		}
		return all
	}
	host := &schema.Host{Name: "m1", AllSecrets: []*schema.Secret{
		{Name: "etcd", Restart: []string{"etcd.service"}}, {Name: "api", Restart: []string{"kube-apiserver.service"}},
		{Name: "k3s", Restart: []string{"k3s.service"}}, {Name: "rke2", Restart: []string{"rke2-server.service"}}, {Name: "rke2 of 24.11", Restart: []string{"rke2.service"}},
		{Name: "kubelet", Restart: []string{"kubelet.service"}}, {Name: "web", Reload: []string{"nginx.service"}},
	}}
	master, node := &schema.KlusterMember{Host: "m1", Master: true, Etcd: true}, &schema.KlusterMember{Host: "m1"}
	for _, row := range []struct {
		name    string
		action  Action
		member  *schema.KlusterMember
		current store.Path
		changes []SecretChange
		want    string // that is asked; "" where the host does not leave
	}{
		{"etcd's is pushed", PushSecrets, master, same, secrets("web", "etcd"), "spare "},
		{"the API's is pushed", PushSecrets, master, same, secrets("api"), "spare "},
		{"that of k3s is pushed", PushSecrets, master, same, secrets("k3s"), "spare "},
		{"that of RKE2 is pushed", PushSecrets, master, same, secrets("rke2"), "spare "},
		{"that of RKE2 in NixOS 24.11 is pushed", PushSecrets, master, same, secrets("rke2 of 24.11"), "spare "},
		{"the kubelet's is pushed", PushSecrets, master, same, secrets("kubelet"), ""},
		{"others are pushed", PushSecrets, master, same, secrets("web"), ""},
		{"one that is removed", PushSecrets, master, same, secrets("gone"), ""},
		{"a node's are pushed", PushSecrets, node, same, secrets("k3s"), ""},
		{"nothing is pushed", PushSecrets, master, same, nil, ""},
		{"a host elsewhere", PushSecrets, nil, same, secrets("etcd"), ""},
		{"etcd's is deployed, the system stays", Switch, master, same, secrets("etcd"), "spare "},
		{"others are deployed, the system stays", Switch, master, same, secrets("web"), ""},
		{"a new system", Switch, master, other, secrets("etcd"), "leave "},
		{"it is for the next boot", Boot, master, same, secrets("etcd"), ""},
	} {
		for _, fails := range []error{nil, errors.New("etcd would lose its quorum")} {
			c := &countedCluster{err: fails}
			j := &job{run: &run{plan: &Plan{Action: row.action}, opts: Options{Cluster: c, Run: "run", Sink: func(Event) {}}}, step: Step{Host: host, System: System{Out: same}}, cluster: membership{KlusterMember: row.member}}
			j.outputs = &outputs{emit: func(Stage, string) {}}
			j.secrets.changes = row.changes
			j.out.Before.Current, j.out.Before.Generation.System = row.current, row.current
			j.out.Before.Boots = row.current
			if leaves := j.leaves(); leaves != (row.want != "") {
				t.Errorf("%s: leaves %v", row.name, leaves)
			}
			if row.want == "" {
				continue
			}
			err := leave(t.Context(), j)
			if c.asked != row.want || (err == nil) != (fails == nil) || j.cluster.left != (fails == nil) {
				t.Errorf("%s: asked %q, left %v: %v", row.name, c.asked, j.cluster.left, err)
			}
		}
	}
	p := &Plan{Action: PushSecrets, Steps: []Step{{Host: host}, {Host: &schema.Host{Name: "n1"}}}, Cluster: &ClusterPlan{Members: []schema.KlusterMember{*master, {Host: "n1"}}}}
	if pools := poolsOf(p); len(pools["m1"]) != 1 || pools["m1"][0].most != 1 || len(pools["n1"]) != 0 {
		t.Errorf("pools of a push: %+v", pools)
	}
}
