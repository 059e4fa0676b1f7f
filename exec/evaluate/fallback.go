package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"muster/compile/eval"
	"muster/schema"
)

// A Fallback is the [Evaluator] that asks First, and then Second for the hosts
// that use a feature which First does not support. The results of Second
// replace those of First.
type Fallback struct {
	First, Second Evaluator
	Log           io.Writer // told which hosts Second evaluates, and why
}

// Systems implements [Evaluator].
func (f Fallback) Systems(ctx context.Context, hosts []*schema.Host) ([]Result, error) {
	results, err := f.First.Systems(ctx, hosts)
	if err != nil {
		return results, err
	}
	return results, replaceUnsupported(f.Log, results, func(hosts []*schema.Host) ([]Result, error) {
		return f.Second.Systems(ctx, hosts)
	})
}

// Query implements [Evaluator].
func (f Fallback) Query(ctx context.Context, hosts []*schema.Host, attr []string) ([]Value, error) {
	values, err := f.First.Query(ctx, hosts, attr)
	if err != nil {
		return values, err
	}
	return values, replaceUnsupported(f.Log, values, func(hosts []*schema.Host) ([]Value, error) {
		return f.Second.Query(ctx, hosts, attr)
	})
}

// An outcome is a [Result] or a [Value].
type outcome interface {
	of() (*schema.Host, error)
}

func (r Result) of() (*schema.Host, error) { return r.Host, r.Err }
func (v Value) of() (*schema.Host, error)  { return v.Host, v.Err }

// replaceUnsupported replaces, in place, the outcomes of hosts that use an
// unsupported feature by those of again.
func replaceUnsupported[T outcome](log io.Writer, outcomes []T, again func([]*schema.Host) ([]T, error)) error {
	var hosts []*schema.Host
	var at []int
	for i, o := range outcomes {
		if h, err := o.of(); IsUnsupported(err) {
			hosts, at = append(hosts, h), append(at, i)
			fmt.Fprintf(log, "%s: evaluated by Nix: %v\n", h.Name, err)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	replaced, err := again(hosts)
	for i, o := range replaced {
		outcomes[at[i]] = o
	}
	return err
}

// IsUnsupported reports whether an evaluation ended at a feature of Nix that the
// embedded evaluator does not support.
func IsUnsupported(err error) bool {
	var own *eval.Error
	return errors.As(err, &own) && own.Kind == eval.UnsupportedError
}
