package evaluate

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile"
	"muster/compile/store"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/schema"
)

// eachNetwork has Nix evaluate hosts: those that nix eval evaluates apart for each flake, since it takes one, and the
// others together. Evaluate returns the results of the hosts of one network.
func eachNetwork[R any](ctx context.Context, n Nix, hosts []*schema.Host, evaluate func(Nix, nixcmd.Network, []*schema.Host) ([]R, error), none func(*schema.Host) R) ([]R, error) {
	return eachPurity(n.byNixEval, hosts, func(hosts []*schema.Host, byNixEval bool) ([]R, error) {
		if !byNixEval {
			net, err := n.network(hosts)
			if err != nil {
				return nil, err
			}
			return evaluate(n, net, hosts)
		}
		return eachGroup(hosts, byFlake(n.Fleet, hosts), func(group []*schema.Host) ([]R, error) {
			some, net, err := n.pureNetwork(ctx, group)
			if err != nil {
				return nil, err
			}
			return evaluate(some, net, group)
		}, none)
	}, none)
}

// byNixEval reports whether nix eval is given the flake of a host: to evaluate it purely, and where it has other inputs
// than its lock file says, which builtins.getFlake cannot be told.
func (n Nix) byNixEval(h *schema.Host) bool {
	return n.isPure(h) || len(n.Overrides) > 0 && ofFlake(h)
}

// byFlake groups hosts that are systems of the same output of the same flake.
func byFlake(fleet *schema.Fleet, hosts []*schema.Host) (groups [][]*schema.Host) {
	at := map[[2]string]int{}
	for _, h := range hosts {
		key := [2]string{compile.FlakeRef(fleet, h.Flake), h.Flake.Attr[0]}
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], h)
	}
	return groups
}

// pureNetwork is the network of hosts of one flake, which is evaluated purely, and the evaluator of a fleet that has
// only these hosts. What the evaluation reads is copied to the store: pure evaluation reads nothing else.
func (n Nix) pureNetwork(ctx context.Context, hosts []*schema.Host) (Nix, nixcmd.Network, error) {
	some := *n.Fleet
	some.Hosts = hosts
	n.Fleet = &some
	net, err := n.network(hosts)
	if err != nil {
		return n, net, err
	}
	client, err := serve(ctx, n.Command, true)
	if err != nil {
		return n, net, err
	}
	defer client.Close()
	net.Pure = &nixcmd.Purity{Flake: compile.FlakeRef(n.Fleet, hosts[0].Flake), Output: hosts[0].Flake.Attr[0], Impure: n.Impure}
	for _, at := range slices.Sorted(maps.Keys(n.Overrides)) {
		net.Pure.Overrides = append(net.Pure.Overrides, nixcmd.Override{Input: at, Ref: n.Overrides[at].String()})
	}
	copies := map[string]nixcmd.StoreCopy{}
	eachPath(net.File.Expr, n.Fleet.Dir, func(name string, replace func(string)) {
		of := readWith(name)
		if _, ok := copies[of]; !ok && err == nil {
			copies[of], err = copyToStore(ctx, client, of)
			net.Pure.Copies = append(net.Pure.Copies, copies[of])
		}
		replace(string(copies[of].Path) + strings.TrimPrefix(name, of))
	})
	if err != nil {
		return n, net, err
	}
	files, err := nixcmd.PureFiles(net.File, net.Driver)
	if err != nil {
		return n, net, err
	}
	dir, err := os.MkdirTemp("", "muster-eval-")
	if err != nil {
		return n, net, fmt.Errorf("make a directory to evaluate in: %v", err)
	}
	defer os.RemoveAll(dir)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return n, net, fmt.Errorf("write the network expression: %v", err)
		}
	}
	own, err := copyToStore(ctx, client, dir)
	net.Pure.Dir, net.Pure.Copies = own.Path, append(net.Pure.Copies, own)
	return n, net, err
}

// copyToStore copies a file or directory to the store, as builtins.path would, but neither what only Git reads nor what
// no archive can hold.
func copyToStore(ctx context.Context, client *nixserve.Client, name string) (nixcmd.StoreCopy, error) {
	c := nixcmd.StoreCopy{Of: name}
	dump := func(w io.Writer) error {
		return store.Dump(w, name, func(path string, t store.FileType) (bool, error) {
			return filepath.Base(path) != ".git" && t != store.Unknown, nil
		})
	}
	sum := store.NewHashWriter(store.SHA256, io.Discard)
	err := dump(sum)
	if err == nil {
		c.Hash = sum.Sum()
		c.Path, err = store.FixedPath("source", c.Hash, true)
	}
	var valid []store.Path
	if err == nil {
		valid, err = client.QueryValidPaths(ctx, []store.Path{c.Path}, true, false)
	}
	if err == nil && !slices.Contains(valid, c.Path) {
		info := nixserve.PathInfo{Path: c.Path, NARHash: c.Hash, NARSize: sum.Size(), CA: store.FixedCA(c.Hash, true)}
		_, err = client.Send(ctx, []nixserve.PathInfo{info}, func(_ context.Context, _ nixserve.PathInfo, w io.Writer) error { return dump(w) }, nil)
	}
	if err != nil {
		return c, fmt.Errorf("copy %s to the store for pure evaluation: %w", name, err)
	}
	return c, nil
}
