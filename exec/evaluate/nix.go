package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"muster/compile"
	"muster/compile/flake"
	"muster/exec/nixcmd"
	"muster/schema"
)

// A Nix is the [Evaluator] that runs Nix. It writes the hosts' derivations to
// the store.
type Nix struct {
	Options
	Command    *nixcmd.Nix
	SearchPath []string             // entries in front of $NIX_PATH
	Overrides  map[string]flake.Ref // other references for inputs of the flakes that hosts are systems of, by path
}

// Systems implements [Evaluator].
func (n Nix) Systems(ctx context.Context, hosts []*schema.Host) ([]Result, error) {
	return eachNetwork(ctx, n, hosts, func(n Nix, net nixcmd.Network, hosts []*schema.Host) ([]Result, error) {
		return n.systems(ctx, net, hosts)
	}, func(h *schema.Host) Result { return Result{Host: h, Err: errNotEvaluated} })
}

func (n Nix) systems(ctx context.Context, net nixcmd.Network, hosts []*schema.Host) ([]Result, error) {
	found, err := n.Command.Evaluate(ctx, net)
	if err != nil && found == nil {
		return nil, fmt.Errorf("evaluate the fleet: %w", err)
	}
	results := make([]Result, len(hosts))
	for i, h := range hosts {
		s := found[i].Value
		results[i] = Result{
			Host:     h,
			System:   System{Drv: s.Drv, Out: s.Out},
			Warnings: s.Warnings,
			Err:      n.hostError(h, net.File, found[i].Err),
		}
	}
	return results, err
}

// Query implements [Evaluator].
func (n Nix) Query(ctx context.Context, hosts []*schema.Host, attr []string) ([]Value, error) {
	return eachNetwork(ctx, n, hosts, func(n Nix, net nixcmd.Network, hosts []*schema.Host) ([]Value, error) {
		return n.query(ctx, net, hosts, attr)
	}, func(h *schema.Host) Value { return Value{Host: h, Err: errNotEvaluated} })
}

func (n Nix) query(ctx context.Context, net nixcmd.Network, hosts []*schema.Host, attr []string) ([]Value, error) {
	found, err := n.Command.Query(ctx, net, attr)
	if err != nil && found == nil {
		return nil, err
	}
	values := make([]Value, len(hosts))
	for i, h := range hosts {
		values[i] = Value{Host: h, JSON: found[i].Value, Err: n.hostError(h, net.File, found[i].Err)}
	}
	return values, err
}

// errNotEvaluated is the error of hosts that an interrupt has left out.
var errNotEvaluated = errors.New("not evaluated")

// network is the fleet's network expression with what Nix needs besides.
func (n Nix) network(hosts []*schema.Host) (nixcmd.Network, error) {
	file, err := n.Options.network()
	if err != nil {
		return nixcmd.Network{}, err
	}
	var features []string
	if n.Fleet.HasFlakes() {
		features = flakeFeatures
	}
	return nixcmd.Network{
		Features:   features,
		Builds:     n.Fleet.HasPatches(),
		File:       file,
		Driver:     compile.Driver,
		Hosts:      names(hosts),
		SearchPath: slices.Concat(n.SearchPath, pinnedPath(n.Fleet)),
		Trace:      n.Trace,
		MaxTime:    n.MaxTime,
	}, nil
}
