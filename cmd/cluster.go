package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/kube"
	"muster/exec/secret"
	"muster/schema"
)

// wireCluster is the cluster of some hosts, asked through its masters. done closes its
// connections.
func wireCluster(dir string, p *exec.ClusterPlan, connect exec.Connect) (_ *kube.Cluster, done func(), err error) {
	config := kube.Config{Distribution: p.Distribution, Rollout: p.Rollout, Members: p.Members}
	masters := map[string]*schema.Host{}
	for _, h := range p.Masters {
		config.Masters = append(config.Masters, h.Name)
		masters[h.Name] = h
	}
	config.Reach = func(ctx context.Context, name string) (kube.Machine, error) {
		m, err := connect(ctx, masters[name])
		if err != nil {
			return nil, err
		}
		reached, ok := m.(kube.Machine)
		if !ok {
			m.Close()
			return nil, errors.New("this connection carries no others")
		}
		return reached, nil
	}
	if p.PKI != "" {
		if config.PKI, err = readAuthorities(dir, p.PKI, p.Distribution == schema.Kubernetes); err != nil {
			return nil, nil, err
		}
	}
	c := kube.New(config)
	return c, c.Close, nil
}

// readAuthorities reads the certificates of the authorities of a cluster: that of etcd, and,
// where muster makes all of the cluster's certificates, that of the cluster.
func readAuthorities(dir, pki string, all bool) (*kube.PKI, error) {
	k := &schema.Kluster{PKI: pki}
	reader := &secret.Reader{Dir: dir}
	read := func(age string) ([]byte, error) {
		text, err := foreign.ReadFile(reader.Path(schema.CertificateFile(age)), foreign.Limits{Size: secret.MaxSize, Links: true})
		if err != nil {
			return nil, fmt.Errorf("read the certificate of the cluster's authority: %w", err)
		}
		return text, nil
	}
	authorities := &kube.PKI{}
	var err error
	if all {
		if authorities.CA, err = read(k.Authority()); err != nil {
			return nil, err
		}
	}
	authorities.EtcdCA, err = read(k.EtcdAuthority())
	return authorities, err
}

// Dial connects to an address as this machine sees it.
func (m thisMachine) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

// addIgnoreCluster adds the flag by which hosts stay in their cluster while they are changed.
func addIgnoreCluster(fs *flags.Set, ignore *bool) {
	fs.Var(flags.Bool(ignore, false), "ignore-cluster", "change the hosts of a Kubernetes cluster without asking it: nothing is drained, and neither etcd's quorum nor versions are looked at; for a cluster that is to be mended")
}

// joinCluster gives a run the cluster that its hosts are taken out of, where the plan says so.
func (s *session) joinCluster(plan *exec.Plan, o *exec.Options) error {
	if plan.Cluster == nil || o.Connect == nil || !slices.Contains([]exec.Action{exec.Switch, exec.Boot, exec.Test, exec.Rollback, exec.PushSecrets}, plan.Action) {
		return nil
	}
	if s.ignoreCluster {
		s.note("warning: --ignore-cluster: no node is drained, and etcd may lose its quorum")
		return nil
	}
	c, done, err := wireCluster(plan.Dir, plan.Cluster, o.Connect)
	if err != nil {
		return err
	}
	s.opened = append(s.opened, done)
	o.Cluster = c
	return nil
}

// errNoKluster says that there is no cluster to ask.
var errNoKluster = usageError{hinted{errors.New("the inventory has no kluster"), "kluster in the inventory makes one, with the roles kubernetes-master and kubernetes-node of its hosts"}}

// clusterOf is the cluster of a session's fleet, whether or not its hosts are taken out of it.
func (s *session) clusterOf(ssh *sshFlags) (*kube.Cluster, error) {
	k := s.fleet.Kluster
	if k == nil {
		return nil, errNoKluster
	}
	p := exec.ClusterOf(s.fleet)
	if p == nil {
		p = exec.ClusterWithout(s.fleet)
	}
	return s.askCluster(s.fleet.Dir, p, ssh)
}

// askCluster is a cluster, with connections of its own to the masters.
func (s *session) askCluster(dir string, p *exec.ClusterPlan, ssh *sshFlags) (*kube.Cluster, error) {
	connect, closeConnect := wireConnect(ssh, func(text string) { fmt.Fprintln(s.std.err, text) })
	c, done, err := wireCluster(dir, p, connect)
	if err != nil {
		closeConnect()
		return nil, err
	}
	s.opened = append(s.opened, closeConnect, done)
	return c, nil
}

// checkCluster refuses a deployment that would not go in the order that Kubernetes asks, and
// tells of nodes that the inventory does not have. A cluster that does not answer is told of:
// its hosts may be what is to be mended.
func (s *session) checkCluster(ctx context.Context, plan *exec.Plan, ssh *sshFlags) error {
	if s.ignoreCluster || plan.Cluster == nil || !slices.Contains([]exec.Action{exec.Switch, exec.Boot, exec.Test, exec.Preview}, plan.Action) {
		return nil
	}
	c, err := s.askCluster(plan.Dir, plan.Cluster, ssh)
	if err != nil {
		return err
	}
	versions := map[string]string{}
	for i := range plan.Steps {
		if m := plan.Cluster.Member(&plan.Steps[i]); m != nil {
			versions[m.Host] = m.Version
		}
	}
	state, err := c.Status(ctx)
	if state == nil {
		if !errors.Is(err, kube.ErrNotBegun) {
			s.note("the cluster was not asked: %v", err)
		}
		return nil
	}
	for _, n := range state.Nodes {
		if n.Host == "" {
			s.note("node %s is in the cluster and not in the inventory: muster cluster remove %[1]s drains it and takes it out", n.Name)
		}
	}
	if err := c.CheckUpgrade(ctx, versions); err != nil {
		return fmt.Errorf("the cluster's upgrade: %w", err)
	}
	return nil
}

// printClusterState prints how the cluster of the fleet is, where its hosts are taken out of
// it by kluster.rollout, and reports whether all is well.
func (s *session) printClusterState(ctx context.Context, ssh *sshFlags) (well bool) {
	if exec.ClusterOf(s.fleet) == nil {
		return true
	}
	c, err := s.clusterOf(ssh)
	var state *kube.Status
	if err == nil {
		state, err = c.Status(ctx)
	}
	if state != nil {
		well = printCluster(s.std.out, state)
	}
	if err != nil {
		fmt.Fprintf(s.std.out, "cluster: %v\n", err)
		well = false
	}
	return printEnding(s.std.out, s.fleet) && well
}

// printCluster prints how a cluster is, and reports whether all is well.
func printCluster(w io.Writer, s *kube.Status) (well bool) {
	well = true
	fmt.Fprintf(w, "Kubernetes %s\n", s.Version)
	for _, n := range s.Nodes {
		words := []string{n.Version, "ready"}
		if !n.Ready {
			words[1], well = "not ready: "+n.Why, false
		}
		switch {
		case n.CordonedBy != "":
			words, well = append(words, "cordoned by run "+n.CordonedBy), false
		case n.Cordoned:
			words = append(words, "cordoned")
		}
		if n.Host == "" {
			words = append(words, "not in the inventory")
		}
		fmt.Fprintf(w, "  node %s  %s\n", n.Name, strings.Join(words, ", "))
	}
	for _, e := range s.Ending {
		fmt.Fprintf(w, "  certificate %s  ends on %s\n", e.Of, e.Ends.UTC().Format(time.DateOnly))
	}
	for _, m := range s.Etcd {
		words := []string{"healthy"}
		if m.Problem != "" {
			words[0], well = m.Problem, false
		}
		if m.Leader {
			words = append(words, "leader")
		}
		if m.Learner {
			words = append(words, "learner")
		}
		fmt.Fprintf(w, "  etcd %s  %s\n", m.Name, strings.Join(append(words, m.Version), ", "))
	}
	return well
}
