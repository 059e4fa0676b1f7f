package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
	"muster/compile/store"
	"muster/schema"
)

// A fake is an Evaluator that knows its results. It notes the hosts it is asked
// for.
type fake struct {
	results map[string]Result
	traces  []string // lines to trace while it finds systems
	trace   io.Writer
	err     error // of the fleet
	asked   []string
}

func (f *fake) Systems(_ context.Context, hosts []*schema.Host) ([]Result, error) {
	for _, line := range f.traces {
		fmt.Fprintln(f.trace, line)
	}
	if f.err != nil {
		return nil, f.err
	}
	var results []Result
	for _, h := range hosts {
		f.asked = append(f.asked, h.Name)
		r := f.results[h.Name]
		r.Host = h
		results = append(results, r)
	}
	return results, nil
}

// Query answers with the derivations of the systems.
func (f *fake) Query(ctx context.Context, hosts []*schema.Host, _ []string) ([]Value, error) {
	results, err := f.Systems(ctx, hosts)
	var values []Value
	for _, r := range results {
		v := Value{Host: r.Host, Err: r.Err}
		if r.Err == nil {
			v.JSON = []byte(fmt.Sprintf("%q", r.System.Drv))
		}
		values = append(values, v)
	}
	return values, err
}

// system is a Result with a system of some name.
func system(name string) Result {
	return Result{System: System{Drv: store.Path(name + ".drv"), Out: store.Path(name)}}
}

func warned(r Result, warnings ...string) Result {
	r.Warnings = warnings
	return r
}

func failed(text string) Result { return Result{Err: errors.New(text)} }

// unsupported is the error of a feature that the embedded evaluator lacks, as an
// Embedded returns it.
func unsupported() Result {
	return Result{Err: &Error{
		Message: "builtins.getFlake is left to Nix",
		Err:     &eval.Error{Kind: eval.UnsupportedError, Msg: "builtins.getFlake is left to Nix"},
	}}
}

func hostsNamed(names ...string) []*schema.Host {
	var hosts []*schema.Host
	for _, name := range names {
		hosts = append(hosts, &schema.Host{Name: name})
	}
	return hosts
}

// A found is a Result or a Value to compare: errors are compared by their text.
type found struct {
	Host, Value, Err string
}

func foundResults(results []Result) []found {
	var list []found
	for _, r := range results {
		list = append(list, found{r.Host.Name, string(r.System.Drv), errorText(r.Err)})
	}
	return list
}

func foundValues(values []Value) []found {
	var list []found
	for _, v := range values {
		list = append(list, found{v.Host.Name, string(v.JSON), errorText(v.Err)})
	}
	return list
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// differs is cmp.Diff, with a legend.
func differs(want, got any) string {
	if diff := cmp.Diff(want, got); diff != "" {
		return "(-want +got):\n" + diff
	}
	return ""
}
