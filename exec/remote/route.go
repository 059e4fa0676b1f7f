package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"muster/exec/remote/sshconfig"
)

// A hop is one connection of a route: to a jump host, or to the target itself.
type hop struct {
	*sshconfig.Settings
	values *sshconfig.Values
	pinned []string // host keys from the inventory
	accept string   // the fingerprint of a key that is accepted where none is known

	password []byte // to log in with instead of keys
}

func (h hop) addr() string { return net.JoinHostPort(h.HostName, strconv.Itoa(h.Port)) }

const maxJumps = 8

// route finds the hops to a host, which itself comes last. It does so before any connection is made, so that jump hosts
// that lead in a circle are an error and not an endless wait. via is the route up to the host: "" is as configured,
// "none" is direct.
func (d *Dialer) route(ctx context.Context, q sshconfig.Query, via string, depth int) ([]hop, error) {
	if depth > maxJumps {
		return nil, fmt.Errorf("jump host %s: more than %d jump hosts: the configuration may lead in a circle", q.Host, maxJumps)
	}
	s, err := d.settings(ctx, q)
	if err != nil {
		return nil, err
	}
	d.warn(s)
	if via == "" {
		via = s.ProxyJump
	} else {
		s.ProxyCommand, s.ProxyPasses = "", false
	}
	if via == "" || via == "none" {
		return []hop{s}, nil
	}
	before, jump, err := sshconfig.SplitJump(via)
	if err != nil {
		return nil, err
	}
	jump.DefaultUser = d.env.User
	hops, err := d.route(ctx, jump, before, depth+1)
	if err != nil {
		return nil, err
	}
	return append(hops, s), nil
}
