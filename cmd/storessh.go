package cmd

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"

	"muster/exec/objectstore"
	"muster/schema"
)

// A reachStore connects to the machine of a store at ssh://[USER@]HOST[:PORT]/PATH.
type reachStore func(ctx context.Context, u *url.URL) (objectstore.Shell, error)

// wireStore reaches the machine of a store as every other host, until done is called. fleet returns the inventory; nil where
// there is none.
func wireStore(ssh *sshFlags, std streams, fleet func() *schema.Fleet) (reach reachStore, done func()) {
	connect, done := wireConnect(ssh, func(text string) { fmt.Fprintf(std.err, "warning: %s\n", text) })
	return func(ctx context.Context, u *url.URL) (objectstore.Shell, error) {
		h, err := storeHost(ctx, std, fleet(), u)
		if err != nil {
			return nil, err
		}
		m, err := connect(ctx, h)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", u.Host, err)
		}
		return m.(objectstore.Shell), nil
	}, done
}

// storeHost is the host of a store: one of the inventory, with the privilege that it is deployed with, or a machine that only
// the SSH configuration knows. A user in the URL is who writes there, without any privilege.
func storeHost(ctx context.Context, std streams, fleet *schema.Fleet, u *url.URL) (*schema.Host, error) {
	way := schema.Way{Address: u.Hostname(), User: u.User.Username()}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("port %s: want 1 to 65535", port)
		}
		way.Port = int(n)
	}
	var known *schema.Host
	if fleet != nil {
		known = fleet.Host(u.Hostname())
	}
	if known == nil {
		return &schema.Host{Name: u.Hostname(), Address: way.Address, Port: way.Port, User: way.User, Privilege: schema.Root}, nil
	}
	if err := readAddress(ctx, std, fleet, known); err != nil {
		return nil, err
	}
	h := *known
	h.Port = cmp.Or(way.Port, known.Port)
	if way.User != "" {
		h.User, h.Privilege, h.Others, h.MeshWays = way.User, schema.Root, nil, nil
	}
	return &h, nil
}
