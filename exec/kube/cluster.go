package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/exec/human"
	fleet "muster/schema"
)

// Config says what a cluster is and how its masters are reached.
type Config struct {
	Distribution fleet.Distribution
	Masters      []string
	Reach        func(ctx context.Context, master string) (Machine, error)
	PKI          *PKI // nil where muster does not make the cluster's certificates
	Rollout      fleet.KlusterRollout
	Members      []fleet.KlusterMember // all hosts that are in the cluster
	Poll         time.Duration         // between two looks at what is waited for; 1 s
}

// A Cluster is a Kubernetes cluster of hosts.
type Cluster struct {
	config  Config
	masters *masters

	opening chan struct{} // holds one while the masters are asked, and guards what comes of it
	opened  *opened

	leaving sync.Mutex // one member asks for leave at a time
	before  map[string][]string
}

// opened is a cluster whose masters were asked.
type opened struct {
	api  *api
	etcd *etcd // nil where the cluster has none
}

// New returns a cluster. Its masters are asked when it is first used.
func New(c Config) *Cluster {
	c.Poll = cmp.Or(c.Poll, drainPoll)
	return &Cluster{config: c, masters: &masters{names: c.Masters, reach: c.Reach, open: map[string]Machine{}}, opening: make(chan struct{}, 1), before: map[string][]string{}}
}

// Close closes all connections.
func (c *Cluster) Close() {
	c.opening <- struct{}{}
	defer func() { <-c.opening }()
	if c.opened != nil {
		c.opened.close()
		c.opened = nil
	}
	c.masters.close()
}

func (o *opened) close() {
	o.api.close()
	if o.etcd != nil {
		o.etcd.close()
	}
}

// etcdEndpoint is etcd as each master sees it.
const etcdEndpoint = "https://127.0.0.1:2379"

// apiAddress is the API as each master sees it.
func (c *Config) apiAddress() string {
	easy := c.Distribution == fleet.Kubernetes && c.PKI == nil
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(fleet.ServerPort(easy)))
}

// open asks the masters for the administrator's certificate, the first time.
func (c *Cluster) open(ctx context.Context) (*opened, error) {
	select {
	case c.opening <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the masters to be asked: %w", context.Cause(ctx))
	}
	defer func() { <-c.opening }()
	if c.opened != nil {
		return c.opened, nil
	}
	credentials, err := c.masters.credentials(ctx, c.config.Distribution, c.config.PKI)
	if err != nil {
		return nil, err
	}
	o := &opened{}
	if o.api, err = newAPI(c.masters, c.config.apiAddress(), credentials); err != nil {
		return nil, err
	}
	if credentials.hasEtcd() {
		if o.etcd, err = newEtcd(c.masters, c.endpoints(), credentials); err != nil {
			return nil, err
		}
	}
	c.opened = o
	return o, nil
}

// Credentials are the administrator's, as a master has them.
func (c *Cluster) Credentials(ctx context.Context) (*Credentials, error) {
	return c.masters.credentials(ctx, c.config.Distribution, c.config.PKI)
}

// endpoints are where etcd is reached: at its members, as any master sees them.
func (c *Cluster) endpoints() []string {
	var all []string
	for _, m := range c.config.Members {
		if m.Etcd && len(m.Addresses) > 0 {
			all = append(all, "https://"+net.JoinHostPort(m.Addresses[0], "2379"))
		}
	}
	if len(all) == 0 {
		return []string{etcdEndpoint}
	}
	return all
}

// A Tell is told what happens: a change of a node, "" for a line about the work.
type Tell = func(change, text string)

// The changes of a node.
const (
	Cordoned   = "cordoned"
	Drained    = "drained"
	Ready      = "ready"
	Uncordoned = "uncordoned"
	Removed    = "removed"
)

// The limits where the inventory has none.
const (
	standardTimeout      = 10 * time.Minute
	standardDrainTimeout = 5 * time.Minute
)

func (c *Cluster) timeout() time.Duration { return cmp.Or(c.config.Rollout.Timeout, standardTimeout) }
func (c *Cluster) drainTimeout() time.Duration {
	return cmp.Or(c.config.Rollout.Drain.Timeout, standardDrainTimeout)
}

// Leave makes a member ready to be changed: etcd keeps its quorum without it, no more nodes
// are out than the inventory allows, and it runs no pods that could run elsewhere. Where
// that fails, the node is as it was. A host that is not in the cluster yet is ready.
func (c *Cluster) Leave(ctx context.Context, m *fleet.KlusterMember, run string, tell Tell) error {
	limit := c.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	o, err := c.open(ctx)
	if errors.Is(err, ErrNotBegun) {
		tell("", "the cluster has not begun: nothing to drain")
		return nil
	}
	if err != nil {
		return orMend(err)
	}
	if m.Etcd && o.etcd != nil {
		if err := c.awaitSpare(ctx, o, m); err != nil {
			return orMend(err)
		}
	}
	n, err := c.take(ctx, o, m, run, tell)
	if err != nil {
		return orMend(err)
	}
	if n == nil {
		return nil
	}
	if err := c.drainNode(ctx, o, n, tell); err != nil {
		return errors.Join(fmt.Errorf("drain node %s: %w", n.Name, err), c.giveBack(ctx, o, n.Name, tell))
	}
	return nil
}

// Spare fails where etcd would lose its quorum while a member is restarted. A cluster that
// has not begun has none to lose.
func (c *Cluster) Spare(ctx context.Context, m *fleet.KlusterMember) error {
	limit := c.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	o, err := c.open(ctx)
	if errors.Is(err, ErrNotBegun) {
		return nil
	}
	if err != nil {
		return orMend(err)
	}
	if !m.Etcd || o.etcd == nil {
		return nil
	}
	return orMend(c.awaitSpare(ctx, o, m))
}

// orMend adds to why a member may not be changed how it is changed all the same: the cluster
// may be what is to be mended.
func orMend(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; where the cluster is to be mended, --ignore-cluster changes its hosts without asking it", err)
}

// awaitSpare fails where etcd would lose its quorum without a member. It waits a little:
// another member may have come back just now.
func (c *Cluster) awaitSpare(ctx context.Context, o *opened, m *fleet.KlusterMember) error {
	for try := 0; ; try++ {
		all, err := o.etcd.members(ctx)
		if err == nil {
			member := memberOf(all, m)
			if member == nil {
				return nil
			}
			err = mayLose(all, member)
		}
		if err == nil || try >= spareTries {
			return err
		}
		if again := c.pause(ctx); again != nil {
			return fmt.Errorf("%w; last: %w", again, err)
		}
	}
}

// spareTries is how often etcd is asked again whether it can lose a member.
const spareTries = 10

// pause waits for the next look.
func (c *Cluster) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(c.config.Poll):
		return nil
	}
}

// take cordons the node of a member when there is room for it among those that are out. It
// returns nil where there is no node to drain.
func (c *Cluster) take(ctx context.Context, o *opened, m *fleet.KlusterMember, run string, tell Tell) (*node, error) {
	why := ""
	for {
		n, others, err := c.tryTake(ctx, o, m, run, tell)
		switch {
		case err != nil && ctx.Err() != nil && why != "": // that the limit has cut the question says less
			return nil, fmt.Errorf("not begun: %s: %w", why, context.Cause(ctx))
		case err != nil || len(others) == 0:
			return n, err
		}
		if now := fmt.Sprintf("out of service: %s; kluster.rollout allows no more", strings.Join(others, ", ")); now != why {
			why = now
			tell("", "waiting: "+why)
		}
		if err := c.pause(ctx); err != nil {
			return nil, fmt.Errorf("not begun: %s: %w", why, err)
		}
	}
}

// tryTake is take once. Where there is no room, it returns the nodes that are out.
func (c *Cluster) tryTake(ctx context.Context, o *opened, m *fleet.KlusterMember, run string, tell Tell) (_ *node, others []string, _ error) {
	c.leaving.Lock()
	defer c.leaving.Unlock()
	nodes, err := o.api.nodes(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the API for the nodes: %w", err)
	}
	n := nodeOf(nodes, m)
	switch {
	case n == nil:
		tell("", "the cluster has no node for the host yet: nothing to drain")
		return nil, nil, nil
	case !isReady(n):
		tell("", fmt.Sprintf("node %s is not ready (%s): it is not drained", n.Name, whyNotReady(n)))
		return nil, nil, nil
	case !isOurs(n):
		if others := c.out(nodes, m); len(others) > 0 {
			return nil, others, nil
		}
	}
	if c.before[m.Host], err = o.api.unready(ctx, n.Name); err != nil {
		return nil, nil, err
	}
	cordoned, err := c.cordon(ctx, o, n.Name, run, tell)
	switch {
	case isRefused(err, http.StatusNotFound): // it was deleted just now
		tell("", fmt.Sprintf("node %s is gone: nothing to drain", n.Name))
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case !cordoned && !isOurs(n):
		tell("", fmt.Sprintf("node %s was cordoned by others and stays so", n.Name))
	}
	return n, nil, nil
}

// cordon cordons a node, and reports whether it took pods before. Where that fails, the node is as it was.
func (c *Cluster) cordon(ctx context.Context, o *opened, name, run string, tell Tell) (bool, error) {
	cordoned, err := o.api.cordon(ctx, name, run)
	switch {
	case err != nil && cordoned: // that was asked for, and the answer was lost
		return false, errors.Join(fmt.Errorf("cordon node %s: %w", name, err), c.giveBack(ctx, o, name, tell))
	case err != nil:
		return false, fmt.Errorf("cordon node %s: %w", name, err)
	case cordoned:
		tell(Cordoned, name)
	}
	return cordoned, nil
}

// out names the nodes of the same kind that are out of service, where one more would be too
// many: not ready, or cordoned by muster.
func (c *Cluster) out(nodes []node, m *fleet.KlusterMember) []string {
	var kind, zone []string
	for i := range c.config.Members {
		other := &c.config.Members[i]
		n := nodeOf(nodes, other)
		if n == nil || other.Host == m.Host || other.ControlPlane() != m.ControlPlane() {
			continue
		}
		switch {
		case !isReady(n):
			kind = append(kind, n.Name+" is not ready")
		case isOurs(n):
			kind = append(kind, n.Name+" is cordoned by muster")
		default:
			continue
		}
		if other.Zone == m.Zone {
			zone = append(zone, kind[len(kind)-1])
		}
	}
	most, inZone := c.config.Rollout.Limits(m)
	switch {
	case most > 0 && len(kind) >= most:
		return kind
	case inZone > 0 && len(zone) >= inZone:
		return zone
	}
	return nil
}

// drainNode evicts the pods of a node that is cordoned.
func (c *Cluster) drainNode(ctx context.Context, o *opened, n *node, tell Tell) error {
	d := &c.config.Rollout.Drain
	if d.Off != "" {
		tell("", "not drained: "+d.Off)
		return nil
	}
	nodes, err := o.api.nodes(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(nodes, func(other node) bool {
		return other.Name != n.Name && isReady(&other) && !other.Spec.Unschedulable
	}) {
		tell("", fmt.Sprintf("no other node is ready to take the pods of node %s: they stay", n.Name))
		return nil
	}
	limit := c.drainTimeout()
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	gone, err := o.api.drain(limited, n.Name, d, c.config.Poll)
	if err != nil {
		return err
	}
	tell(Drained, fmt.Sprintf("%s: %s evicted", n.Name, human.Count(gone, "pod")))
	return nil
}

// giveBackLimit is the limit for uncordoning a node whose host is not changed after all.
const giveBackLimit = 30 * time.Second

// giveBack uncordons a node, whatever has happened.
func (c *Cluster) giveBack(ctx context.Context, o *opened, name string, tell Tell) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), giveBackLimit, fmt.Errorf("no answer within %v", giveBackLimit))
	defer cancel()
	uncordoned, err := o.api.uncordon(ctx, name)
	if err != nil {
		return fmt.Errorf("node %s is left cordoned: %w", name, err)
	}
	if uncordoned {
		tell(Uncordoned, name)
	}
	return nil
}

// Held reports whether the node of a member is cordoned by muster, of this run or of one
// whose deployer is gone.
func (c *Cluster) Held(ctx context.Context, m *fleet.KlusterMember) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, heldLimit, fmt.Errorf("no answer within %v", heldLimit))
	defer cancel()
	o, err := c.open(ctx)
	if errors.Is(err, ErrNotBegun) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n, err := o.api.node(ctx, m)
	if errors.Is(err, errNoNode) {
		return false, nil
	}
	return err == nil && n.Annotations[cordonedBy] != "", err
}

// heldLimit is the limit for asking whether a node is cordoned by muster.
const heldLimit = 20 * time.Second

// Rejoin waits until a member is whole again: etcd has it, its node is ready, and so are the
// pods that belong to the node. Then it uncordons the node, where muster cordoned it. A node
// that does not become ready stays cordoned.
func (c *Cluster) Rejoin(ctx context.Context, m *fleet.KlusterMember, tell Tell) error {
	limit := c.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	o, err := c.openUntil(ctx)
	if err != nil {
		return err
	}
	if m.Etcd && o.etcd != nil {
		if err := c.awaitMember(ctx, o, m); err != nil {
			return err
		}
	}
	name, err := c.awaitReady(ctx, o, m)
	if err != nil {
		return err
	}
	tell(Ready, name)
	uncordoned, err := o.api.uncordon(ctx, name)
	if err != nil {
		return fmt.Errorf("uncordon node %s: %w", name, err)
	}
	if uncordoned {
		tell(Uncordoned, name)
	}
	return nil
}

// openUntil is open, tried until the masters have what it takes: a first master makes its
// certificates when it begins the cluster.
func (c *Cluster) openUntil(ctx context.Context) (*opened, error) {
	for {
		o, err := c.open(ctx)
		if err == nil {
			return o, nil
		}
		if again := c.pause(ctx); again != nil {
			return nil, fmt.Errorf("%w; last: %w", again, err)
		}
	}
}

// awaitMember waits until a member of etcd is healthy.
func (c *Cluster) awaitMember(ctx context.Context, o *opened, m *fleet.KlusterMember) error {
	why := ""
	for {
		all, err := o.etcd.members(ctx)
		if err != nil && (why == "" || ctx.Err() == nil) {
			why = err.Error()
		} else if err == nil && memberOf(all, m) == nil {
			why = "it is not there"
		} else if member := memberOf(all, m); member != nil {
			if why = member.Problem; why == "" {
				return nil
			}
		}
		if err := c.pause(ctx); err != nil {
			return fmt.Errorf("the host's member of etcd: %w: %s", err, why)
		}
	}
}

// awaitReady waits until the node of a member is ready with the pods that belong to it, and
// its kubelet has said so since. It returns the node's name.
func (c *Cluster) awaitReady(ctx context.Context, o *opened, m *fleet.KlusterMember) (string, error) {
	var since time.Time
	why := ""
	for {
		name, now := c.notReady(ctx, o, m, &since)
		if now == "" {
			return name, nil
		}
		if why == "" || ctx.Err() == nil { // not that the limit has cut the question
			why = now
		}
		if err := c.pause(ctx); err != nil {
			return "", fmt.Errorf("not back in the cluster: %w: %s", err, why)
		}
	}
}

// notReady is why the node of a member is not ready with its pods; "" where it is. since is
// when its kubelet had last said that it lives, when that was first asked.
func (c *Cluster) notReady(ctx context.Context, o *opened, m *fleet.KlusterMember, since *time.Time) (name, why string) {
	n, err := o.api.node(ctx, m)
	if err != nil {
		return "", err.Error()
	}
	if !isReady(n) {
		return n.Name, fmt.Sprintf("node %s is not ready: %s", n.Name, whyNotReady(n))
	}
	renewed, err := o.api.renewed(ctx, n.Name)
	if err != nil {
		return n.Name, err.Error()
	}
	if since.IsZero() {
		*since = renewed
	}
	if !renewed.IsZero() && renewed.Equal(*since) {
		return n.Name, fmt.Sprintf("the kubelet of node %s has not said anything since", n.Name)
	}
	if why, err = c.unreadyPods(ctx, o, m, n.Name); err != nil {
		why = err.Error()
	}
	return n.Name, why
}

// unreadyPods names the pods that belong to a node and are not ready, though they were before
// the member left; "" for none.
func (c *Cluster) unreadyPods(ctx context.Context, o *opened, m *fleet.KlusterMember, node string) (string, error) {
	pods, err := o.api.unready(ctx, node)
	c.leaving.Lock()
	before := len(c.before[m.Host])
	c.leaving.Unlock()
	// A daemon set gives its pod another name when it is started anew.
	if err != nil || len(pods) <= before {
		return "", err
	}
	return fmt.Sprintf("node %s: %s not ready: %s", node, human.Count(len(pods), "pod"), strings.Join(pods[:min(len(pods), mostNamed)], ", ")), nil
}
