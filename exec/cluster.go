package exec

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"muster/exec/human"
	"muster/schema"
)

// How hosts of a Kubernetes cluster are changed, where the inventory has kluster.rollout:
//
//	waves     each master, and each member of etcd, has a wave of its own before all other hosts
//	pools     how many of them are out at once: one of the control plane, and of the nodes as
//	          many as the rollout says
//	leave     etcd keeps its quorum without the host, the node is cordoned and drained;
//	          nothing on the host was touched before
//	…         activated, confirmed, restarted
//	rejoin    etcd has the member again, the node is ready, it is uncordoned
//
// A host that fails after it has left rejoins all the same. Where its node does not become
// ready, it stays cordoned, with the annotation by which any later run knows it: that run
// uncordons it, also where the host is up to date. What a run that was killed has left is
// found in the same way.

// A Cluster takes hosts out of their Kubernetes cluster and back into it.
type Cluster interface {
	// Leave makes a member ready to be changed. Where it fails, the cluster is as it was.
	Leave(ctx context.Context, m *schema.KlusterMember, run string, tell func(change, text string)) error
	// Spare fails where etcd would lose its quorum while a member is restarted.
	Spare(ctx context.Context, m *schema.KlusterMember) error
	// Rejoin waits until a member is whole again, and has its node take pods again.
	Rejoin(ctx context.Context, m *schema.KlusterMember, tell func(change, text string)) error
	// Held reports whether the node of a member takes no pods because a run has not given
	// it back.
	Held(ctx context.Context, m *schema.KlusterMember) (bool, error)
}

// A ClusterPlan is what a plan knows of the cluster that its hosts are in.
type ClusterPlan struct {
	Distribution schema.Distribution
	Masters      []*schema.Host // through which the cluster is asked
	PKI          string         // the folder of the authorities' certificates; "" for none
	Version      string         // that the inventory pins; "" for none
	Rollout      schema.KlusterRollout
	Members      []schema.KlusterMember
}

// ClusterOf is what a plan has to know of a fleet's cluster; nil where the inventory does not
// say how hosts are taken out of it.
func ClusterOf(fleet *schema.Fleet) *ClusterPlan {
	k := fleet.Kluster
	if k == nil || k.Rollout == nil {
		return nil
	}
	c := ClusterWithout(fleet)
	c.Rollout = *k.Rollout
	return c
}

// ClusterWithout is the cluster of a fleet that has one, without its rollout.
func ClusterWithout(fleet *schema.Fleet) *ClusterPlan {
	k := fleet.Kluster
	c := &ClusterPlan{Distribution: k.Distribution, PKI: k.PKI, Version: k.Version, Members: fleet.Members()}
	for _, name := range k.Masters {
		if h := fleet.Host(name); h != nil && !h.Unconnected {
			c.Masters = append(c.Masters, h)
		}
	}
	return c
}

// Member is what a step's host is in the cluster; nil for none, and for a profile.
func (c *ClusterPlan) Member(s *Step) *schema.KlusterMember {
	if c == nil || s.Host.Profile != nil {
		return nil
	}
	for i := range c.Members {
		if c.Members[i].Host == s.Host.Name {
			return &c.Members[i]
		}
	}
	return nil
}

// controlPlaneFirst takes the steps of the control plane out of those of canaries and of
// the others.
func (p *Plan) controlPlaneFirst(canaries, others []int) (masters, first, rest []int) {
	split := func(steps []int) (hosts []int) {
		for _, i := range steps {
			if m := p.Cluster.Member(&p.Steps[i]); m != nil && m.ControlPlane() {
				masters = append(masters, i)
			} else {
				hosts = append(hosts, i)
			}
		}
		return hosts
	}
	first = split(canaries)
	rest = split(others)
	return masters, first, rest
}

// A pool is hosts of a cluster of which some may be down at once.
type pool struct {
	name       string
	most       int
	down, lost int
}

// poolsOf are the pools that the hosts of a plan take a place in while they are down.
func poolsOf(p *Plan) map[string][]*pool {
	all := map[string]*pool{}
	of := map[string][]*pool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		m := p.Cluster.Member(s)
		if m == nil {
			continue
		}
		add := func(name string, most int) {
			if most == 0 {
				return
			}
			if all[name] == nil {
				all[name] = &pool{name: name, most: most}
			}
			of[s.Host.Name] = append(of[s.Host.Name], all[name])
		}
		most, inZone := p.Cluster.Rollout.Limits(m)
		if m.ControlPlane() {
			add("the control plane", most)
			continue
		}
		if p.Action == PushSecrets {
			continue // restarts no pods
		}
		add("the cluster's nodes", most)
		add("the zone "+strconv.Quote(m.Zone), inZone)
	}
	return of
}

// roomIn reports whether one more host of some pools may be down. It fails where that will
// not come: too many have not come back.
func roomIn(pools []*pool) (bool, error) {
	for _, p := range pools {
		if p.lost >= p.most {
			return false, fmt.Errorf("not begun: %s of %s down: kluster.rollout allows no more", human.Count(p.lost, "host"), p.name)
		}
	}
	return !slices.ContainsFunc(pools, func(p *pool) bool { return p.down+p.lost >= p.most }), nil
}

// A membership is how far a host has left its cluster.
type membership struct {
	*schema.KlusterMember      // nil for a host that is in none, or is not taken out of it
	left                  bool // it was made ready to be changed
	held                  bool // its node may be cordoned by an earlier attempt, or another run
}

func (r *run) membership(step *Step) membership {
	if r.opts.Cluster == nil {
		return membership{}
	}
	return membership{KlusterMember: r.plan.Cluster.Member(step)}
}

// isOut reports whether the host is to be taken into its cluster again.
func (m *membership) isOut() bool { return m.left || m.held }

// survey finds out whether the host's node is cordoned by a run that has not given it back.
// A cluster that does not answer says nothing: the host may be what is to be mended.
func (m *membership) survey(ctx context.Context, j *job) {
	if m.KlusterMember == nil {
		return
	}
	if inActivation(j) {
		m.held = true // the guard waits for nothing else
		return
	}
	held, err := j.run.opts.Cluster.Held(ctx, m.KlusterMember)
	m.held = held || err != nil && j.step.Earlier != nil
}

// leaves reports whether the host leaves its cluster: something on it is to be changed that
// stops what it runs.
func (j *job) leaves() bool {
	if j.cluster.KlusterMember == nil || j.hasGuard() {
		return false
	}
	return j.stopsPods() || j.stopsControlPlane()
}

// stopsPods reports whether what is to be done stops what the node runs.
func (j *job) stopsPods() bool {
	if j.action() == Boot {
		return j.needsRestart()
	}
	return !j.systemUpToDate() || j.needsRestart()
}

// controlPlaneUnits are the units that run etcd or an API server, which needs it. That of
// RKE2 is rke2.service in NixOS 24.11, and rke2-server.service later.
var controlPlaneUnits = []string{"etcd.service", "kube-apiserver.service", "k3s.service", "rke2.service", "rke2-server.service"}

// stopsControlPlane reports whether a secret changes that has etcd or an API server
// restarted.
func (j *job) stopsControlPlane() bool {
	if !j.cluster.ControlPlane() || j.action() == Boot {
		return false
	}
	return slices.ContainsFunc(j.secrets.changes, func(c SecretChange) bool {
		s := j.step.Host.Secret(c.Name)
		return s != nil && slices.ContainsFunc(s.Restart, func(unit string) bool { return slices.Contains(controlPlaneUnits, unit) })
	})
}

// leave takes the host out of its cluster. Where only etcd or an API server is restarted,
// its pods stay, and the quorum of etcd is asked for.
func leave(ctx context.Context, j *job) error {
	take := func() error {
		return j.run.opts.Cluster.Leave(ctx, j.cluster.KlusterMember, j.run.opts.Run, j.tellOfNode(Leave))
	}
	if !j.stopsPods() {
		take = func() error { return j.run.opts.Cluster.Spare(ctx, j.cluster.KlusterMember) }
	}
	if err := take(); err != nil {
		return fmt.Errorf("%w; nothing on the host was changed", err)
	}
	j.cluster.left = true
	return nil
}

// rejoin takes the host into its cluster again.
func rejoin(ctx context.Context, j *job) error {
	ctx = context.WithoutCancel(ctx) // it has a limit of its own
	if err := j.run.opts.Cluster.Rejoin(ctx, j.cluster.KlusterMember, j.tellOfNode(Rejoin)); err != nil {
		j.out.keeps = true
		return fmt.Errorf("%w; the host keeps what it has, and its node stays as it is: muster deploy uncordons it when it is ready", err)
	}
	j.cluster.left, j.cluster.held = false, false
	return nil
}

// rejoinAfterFailure takes a host that failed into its cluster again.
func (j *job) rejoinAfterFailure(ctx context.Context) {
	if !j.cluster.left || j.failure.stage == Rejoin {
		return
	}
	if err := j.stage(context.WithoutCancel(ctx), Rejoin); err != nil {
		j.note(Finding{Check: "cluster", Text: err.Error()})
	}
}

// tellOfNode tells what happens in the cluster.
func (j *job) tellOfNode(s Stage) func(change, text string) {
	say := j.said(s)
	return func(change, text string) {
		if change == "" {
			say("muster: " + text)
			return
		}
		j.emit(NodeChanged{Host: j.step.Host.Name, Change: change, Text: clip(text)})
	}
}
