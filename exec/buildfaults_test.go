package exec_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/builds"
	"muster/exec/nixcmd"
)

// A needsABuild builds a derivation before it has the system of a host; all else is built
// already.
type needsABuild struct {
	drv  store.Path
	real exec.Builder
}

func (b needsABuild) Build(ctx context.Context, wants []builds.Want, w builds.Watcher) {
	for _, want := range wants {
		if want.Drv != b.drv {
			want.Done(cmp.Or(want.Drv, want.Out), nil)
			continue
		}
		b.real.Build(ctx, []builds.Want{{Drv: b.drv, Done: func(_ store.Path, err error) { want.Done(want.Out, err) }}}, w)
	}
}

// A buildFault is what goes wrong with two builders.
type buildFault struct {
	script string                 // of the derivation
	before func(f *field)         // before the run
	during func(f *field, on int) // when the build has begun on a builder, 1 or 2
	fails  string                 // why the host fails; "" where it is deployed
	lost   int                    // builders
}

// builderFaults counts the faults of builders that were played.
var builderFaults atomic.Int32

// withBuilders is a fault of builders: one host's system needs a derivation that is built by
// one of two, and not here.
func withBuilders(fault buildFault) func(*testing.T) {
	return func(t *testing.T) {
		f := newField(t, "bad", "good", "builder1", "builder2")
		nix, err := nixcmd.Find()
		if err != nil {
			t.Fatal(err)
		}
		nix.Env = []string{nixConfig, "NIX_SSHOPTS=-F " + f.lab.SSHConfig + " -o ServerAliveInterval=1"}
		expr := fmt.Sprintf(`derivation { name = "needed"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "%s; echo >$out" ]; nonce = "%s"; }`,
			fault.script, exec.NewRunID())
		instantiate := osexec.Command("nix-instantiate", "-E", expr)
		instantiate.Env = append(os.Environ(), nixConfig)
		said, err := instantiate.Output()
		if err != nil {
			t.Fatal(err)
		}
		graph := nix.NewGraph()
		graph.Here = false
		// The first one is said to be faster, so that Nix asks it first. Nix counts what runs on a
		// builder by its URL, for all of this machine: other tests have other numbers in theirs.
		number := builderFaults.Add(1)
		for i, speed := range []int{2, 1} {
			graph.Machines = append(graph.Machines, fmt.Sprintf("ssh://builder%d?max-connections=%d x86_64-linux,aarch64-linux - 1 %d", i+1, number, speed))
		}
		f.opts.Builder = needsABuild{drv: store.Path(strings.TrimSpace(string(said))), real: graph}
		if fault.before != nil {
			fault.before(f)
		}
		var once sync.Once
		var lost []exec.BuilderLost
		plan := f.plan(exec.Switch, map[string]store.Path{"bad": system(t, "new"), "good": system(t, "new")})
		plan.Steps[0].System.Drv = f.opts.Builder.(needsABuild).drv
		out := f.run(t.Context(), plan, patient(f.opts), func(e exec.Event) {
			switch e := e.(type) {
			case exec.BuildStarted:
				if fault.during != nil {
					once.Do(func() { go fault.during(f, int(e.Builder[len("ssh://builder")]-'0')) })
				}
			case exec.BuilderLost:
				lost = append(lost, e)
			}
		})
		if len(lost) != fault.lost {
			t.Errorf("lost: %+v", lost)
		}
		if out[1].Status != exec.Activated {
			t.Errorf("good: %s: %v", out[1].Status, out[1].Err)
		}
		if fault.fails == "" {
			if out[0].Status != exec.Activated {
				t.Errorf("bad: %s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
			}
			f.expect("bad", "new", "new", "new")
			return
		}
		if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Build || !strings.Contains(o.Error, fault.fails) {
			t.Errorf("bad: %s: %s: %v", o.Status, o.Stage, o.Err)
		}
		f.expect("bad", "old", "old", "old")
	}
}

// builder is a builder of a lab, 1 or 2.
func (f *field) builder(n int) string { return fmt.Sprintf("builder%d", n) }

func (f *field) stopBuilder(n int) {
	if err := f.lab.Host(f.builder(n)).Stop(); err != nil {
		f.Error(err)
	}
}

func (f *field) freezeBuilder(n int) {
	if err := f.lab.Host(f.builder(n)).Freeze(); err != nil {
		f.Error(err)
	}
}

func stopBothBuilders(f *field) {
	f.stopBuilder(1)
	f.stopBuilder(2)
}
