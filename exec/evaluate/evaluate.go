package evaluate

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"muster/compile"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/schema"
)

// An Evaluator evaluates hosts of a fleet.
//
// The results are in the order of hosts, one for each. A host that does not
// evaluate has its error in its result, and the others have their systems all
// the same. The returned error is one of the whole fleet: the network expression
// cannot be generated, Nix cannot be run, or ctx is done. It is apart from the
// results because the run ends with it, once, and not with a failure per host. If
// ctx ends, there are results all the same: those of the hosts that were done have
// no error.
type Evaluator interface {
	// Systems finds the hosts' systems.
	Systems(ctx context.Context, hosts []*schema.Host) ([]Result, error)
	// Query evaluates an attribute of each host, given as its names, such as
	// config, time and timeZone.
	Query(ctx context.Context, hosts []*schema.Host, attr []string) ([]Value, error)
}

// A System is the NixOS system of a host.
type System struct {
	Drv store.Path // its derivation
	Out store.Path // what the derivation builds
}

// A Result is what a host evaluates to.
type Result struct {
	Host     *schema.Host
	System   System
	Warnings []string // NixOS's warnings about the host's configuration
	Err      error    // why there is no system
}

// A Value is what an attribute of a host evaluates to.
type Value struct {
	Host *schema.Host
	JSON json.RawMessage
	Err  error // why there is no value
}

// Options are what evaluators of a fleet have in common.
type Options struct {
	Fleet     *schema.Fleet
	Trace     io.Writer     // gets the lines that evaluation and builds print, as they are; may be nil
	ShowTrace bool          // errors contain the evaluator's whole trace
	MaxTime   time.Duration // how long the evaluation of a host may take; 0 is no limit
	WorkDir   string        // errors name files relative to this directory
	Impure    bool          // systems of flakes may read what Nix's pure evaluation forbids

	worktrees map[store.Path]string // directories of the fleet by the store paths that they are copied to
}

// network generates the network expression of the fleet.
func (o Options) network() (*syntax.File, error) {
	return compile.Network(o.Fleet, compile.Options{Absolute: true})
}

func names(hosts []*schema.Host) []string {
	var ns []string
	for _, h := range hosts {
		ns = append(ns, h.Name)
	}
	return ns
}
