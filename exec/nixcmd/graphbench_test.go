package nixcmd_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec/builds"
)

var graphBench = flag.Int("graphbench", 0, "compare a graph of so many systems with builds host after host, on two lab builders")

// TestGraphBench builds the systems of a fleet, which share 40 derivations, on two builders
// with four builds at once each: as one graph, host after host with the same options, and as a
// loop over nix-store does. Each derivation takes 0.2 s, the systems nothing.
func TestGraphBench(t *testing.T) {
	if *graphBench == 0 {
		t.Skip("for -graphbench")
	}
	const shared = 40
	machines := []string{"ssh://b1 x86_64-linux - 4 1", "ssh://b2 x86_64-linux - 4 1"}
	ways := []struct {
		name  string
		build func(f *fleet) error
	}{
		{"one graph", func(f *fleet) error {
			g := f.nix.NewGraph()
			g.Machines = machines
			f.build(g, nil)
			return nil
		}},
		{"host after host", func(f *fleet) error {
			g := f.nix.NewGraph()
			g.Machines = machines
			for _, h := range f.hosts {
				var failed error
				want := builds.Want{Drv: h.drv, Out: h.out, Done: func(_ store.Path, err error) { failed = err }}
				if g.Build(t.Context(), []builds.Want{want}, &watcher{t: t, began: time.Now()}); failed != nil {
					return failed
				}
			}
			return nil
		}},
		{"nix-store in a loop", func(f *fleet) error {
			for _, h := range f.hosts {
				if err := f.nix.Run(t.Context(), []string{"nix-store", "--realise", string(h.drv), "--option", "builders", strings.Join(machines, ";")}, nil, nil); err != nil {
					return err
				}
			}
			return nil
		}},
		{"one nix-store", func(f *fleet) error {
			args := []string{"nix-store", "--realise", "--keep-going", "--option", "builders", strings.Join(machines, ";")}
			for _, h := range f.hosts {
				args = append(args, string(h.drv))
			}
			return f.nix.Run(t.Context(), args, nil, nil)
		}},
	}
	var report strings.Builder
	for _, way := range ways {
		f := newFleet(t, *graphBench, shared, "0", "")
		began := time.Now()
		if err := way.build(f); err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		took := time.Since(began)
		f.once(*graphBench + shared)
		fmt.Fprintf(&report, "%-22s %6.1f s\n", way.name, took.Seconds())
	}
	fmt.Printf("%d systems, %d shared derivations, two builders of four\n%s", *graphBench, shared, &report)
}
