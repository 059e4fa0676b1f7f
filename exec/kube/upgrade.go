package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	fleet "muster/schema"
)

// nodesSkew is how many minor versions a kubelet may be older than an API server.
const nodesSkew = 3

// CheckUpgrade fails where a deployment of some hosts, with the versions that the inventory
// pins for them, would not go in the order that Kubernetes asks: the control plane by one
// minor version at a time and never back, and no node ahead of it or too far behind.
func (c *Cluster) CheckUpgrade(ctx context.Context, versions map[string]string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, heldLimit, fmt.Errorf("no answer within %v", heldLimit))
	defer cancel()
	o, err := c.open(ctx)
	if errors.Is(err, ErrNotBegun) {
		return nil
	}
	if err != nil {
		return err
	}
	runs, err := o.api.serverVersion(ctx)
	if err != nil {
		return fmt.Errorf("ask the API for its version: %w", err)
	}
	nodes, err := o.api.nodes(ctx)
	if err != nil {
		return fmt.Errorf("ask the API for the nodes: %w", err)
	}
	return c.upgrade(runs, nodes, versions).check()
}

// An upgrade is what a deployment makes of the versions of a cluster.
type upgrade struct {
	runs    Version                            // of the API servers
	kubelet map[string]Version                 // of members that have a node
	wants   map[string]fleet.KubernetesVersion // of members that are deployed
	members []fleet.KlusterMember
}

func (c *Cluster) upgrade(runs Version, nodes []node, versions map[string]string) *upgrade {
	u := &upgrade{runs: runs, kubelet: map[string]Version{}, wants: map[string]fleet.KubernetesVersion{}, members: c.config.Members}
	for i := range c.config.Members {
		m := &c.config.Members[i]
		if n := nodeOf(nodes, m); n != nil {
			if v, ok := ParseVersion(n.Status.NodeInfo.KubeletVersion); ok {
				u.kubelet[m.Host] = v
			}
		}
		if v, ok := fleet.ParseKubernetesVersion(versions[m.Host]); ok {
			u.wants[m.Host] = v
		}
	}
	return u
}

func (u *upgrade) check() error {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	oldest, newest := u.runs.Minor, u.runs.Minor // of the API servers when the deployment has ended
	if masters := u.masters(); len(masters) > 0 {
		oldest, newest = slices.Min(masters), max(slices.Max(masters), newest)
	}
	for _, m := range u.members {
		v, ok := u.wants[m.Host]
		switch {
		case !ok:
		case m.Master && v.Minor > u.runs.Minor+1:
			add("master %s: Kubernetes 1.%d after %s skips a minor version: upgrade to 1.%d first", m.Host, v.Minor, u.runs, u.runs.Minor+1)
		case m.Master && v.Minor < u.runs.Minor:
			add("master %s: Kubernetes 1.%d is older than %s of the API: a control plane does not go back", m.Host, v.Minor, u.runs)
		case !m.Master && v.Minor > oldest:
			add("node %s: Kubernetes 1.%d is newer than 1.%d of the API: upgrade the masters first, all of them", m.Host, v.Minor, oldest)
		}
	}
	for _, m := range u.members {
		// A master's own kubelet is upgraded with it.
		if v, ok := u.kubelet[m.Host]; ok && !m.Master && newest > u.runs.Minor && newest-v.Minor > nodesSkew {
			add("node %s: its kubelet %s is more than %d minor versions older than 1.%d: upgrade the node to 1.%d first", m.Host, v, nodesSkew, newest, u.runs.Minor)
		}
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

// masters are the minor versions that the masters have when the deployment has ended.
func (u *upgrade) masters() (all []int) {
	for _, m := range u.members {
		switch v, ok := u.wants[m.Host]; {
		case !m.Master:
		case ok:
			all = append(all, v.Minor)
		default:
			// Its kubelet was upgraded with its API server.
			all = append(all, max(u.runs.Minor, u.kubelet[m.Host].Minor))
		}
	}
	return all
}
