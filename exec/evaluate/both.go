package evaluate

import (
	"context"
	"fmt"
	"io"

	"muster/schema"
)

// A Both is the [Evaluator] that evaluates with Embedded and with Nix, and has a
// host fail unless the systems are the same. The results are those of Nix. What
// Embedded does not support is not compared.
//
// To be compared, Embedded has to call itself the same version of Nix
// ([Environment].NixVersion), and to evaluate every host, without a cache.
type Both struct {
	Embedded, Nix Evaluator
	Log           io.Writer // told which hosts are not compared
}

// Systems implements [Evaluator]. If ctx ends, hosts that Nix has not evaluated have
// no system.
func (b Both) Systems(ctx context.Context, hosts []*schema.Host) ([]Result, error) {
	embedded, err := b.Embedded.Systems(ctx, hosts)
	if err != nil {
		return nil, err
	}
	results, err := b.Nix.Systems(ctx, hosts)
	if results == nil {
		return nil, err
	}
	for i, h := range hosts {
		if err != nil && results[i].Err != nil {
			continue // Nix was interrupted
		}
		if IsUnsupported(embedded[i].Err) {
			fmt.Fprintf(b.Log, "%s: evaluated by Nix only: %v\n", h.Name, embedded[i].Err)
			continue
		}
		if err := difference(embedded[i], results[i]); err != nil {
			results[i] = Result{Host: h, Err: err}
		}
	}
	return results, err
}

// Query implements [Evaluator]. It asks Nix only.
func (b Both) Query(ctx context.Context, hosts []*schema.Host, attr []string) ([]Value, error) {
	return b.Nix.Query(ctx, hosts, attr)
}

// difference says how the results of a host differ; nil if they do not, or if
// both are errors.
func difference(embedded, nix Result) error {
	switch {
	case embedded.System == nix.System:
		return nil
	case embedded.Err != nil:
		return fmt.Errorf("the evaluators differ: Nix finds %s, the embedded one: %w", nix.System.Drv, embedded.Err)
	case nix.Err != nil:
		return fmt.Errorf("the evaluators differ: the embedded one finds %s, Nix: %w", embedded.System.Drv, nix.Err)
	}
	return fmt.Errorf("the evaluators differ: Nix finds %s, the embedded one %s", nix.System.Drv, embedded.System.Drv)
}
