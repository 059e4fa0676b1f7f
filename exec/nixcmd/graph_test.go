package nixcmd_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/builds"
	"muster/exec/lab"
	"muster/exec/nixcmd"
)

// A fleet is a number of systems that share derivations, as minios' systems do, whose builds
// leave a line each on the machine that they are built on.
type fleet struct {
	t      *testing.T
	lab    *lab.Lab
	nix    *nixcmd.Nix
	record string // file of the lines
	hosts  []*system
}

// A system is one of the systems, and what has become of it.
type system struct {
	drv, out store.Path
	err      error
	done     int
	at       time.Time
}

// newFleet makes the derivations: each system needs those that are shared and its own.
// mistakes are Nix attributes: broken, odd, slow are lists of numbers of systems.
func newFleet(t *testing.T, hosts, shared int, here string, mistakes string) *fleet {
	t.Helper()
	return newFleetOn(t, []string{"b1", "b2"}, hosts, shared, here, mistakes)
}

// newFleetOn is newFleet with other builders.
func newFleetOn(t *testing.T, builders []string, hosts, shared int, here string, mistakes string) *fleet {
	t.Helper()
	lab.RequireLab(t)
	f := &fleet{t: t, lab: lab.New(t, builders...), record: fmt.Sprintf("/tmp/muster-built-%d", time.Now().UnixNano())}
	t.Cleanup(func() { os.Remove(f.record) })
	if dir := os.Getenv(builderNix); dir != "" {
		for _, h := range f.lab.Hosts {
			f.must(h.InstallNix(dir))
		}
	}
	n, err := nixcmd.Find()
	if err != nil {
		t.Fatal(err)
	}
	n.Env = []string{
		"NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =\nmax-jobs = " + here,
		"NIX_SSHOPTS=-F " + f.lab.SSHConfig + " -o ServerAliveInterval=1",
	}
	f.nix = n
	var out bytes.Buffer
	err = n.Run(t.Context(), []string{"nix-instantiate", "testdata/fleet.nix", "--argstr", "record", f.record,
		"--arg", "hosts", fmt.Sprint(hosts), "--arg", "shared", fmt.Sprint(shared), "--arg", "mistakes", "{ " + mistakes + " }"}, &out, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, drv := range strings.Fields(out.String()) {
		text, err := os.ReadFile(drv)
		if err != nil {
			t.Fatal(err)
		}
		d, err := store.ParseDerivation(store.Path(drv), text)
		if err != nil {
			t.Fatal(err)
		}
		f.hosts = append(f.hosts, &system{drv: store.Path(drv), out: d.Outputs["out"].Path})
	}
	return f
}

// both are both builders, with more in their lines.
func both(more ...string) []string {
	return []string{strings.Join(append([]string{"ssh://b1 x86_64-linux - 2 1"}, more...), " "), "ssh://b2 x86_64-linux - 2 1"}
}

// build builds all systems, and returns what was seen.
func (f *fleet) build(g *nixcmd.Graph, w *watcher) *watcher {
	f.t.Helper()
	if w == nil {
		w = &watcher{}
	}
	w.t, w.began = f.t, time.Now()
	var mu sync.Mutex
	var wants []builds.Want
	for _, h := range f.hosts {
		wants = append(wants, builds.Want{Drv: h.drv, Out: h.out, Done: func(out store.Path, err error) {
			mu.Lock()
			defer mu.Unlock()
			h.done++
			h.err, h.at = err, time.Now()
			if err == nil && out != h.out {
				h.err = fmt.Errorf("built %s, want %s", out, h.out)
			}
		}})
	}
	g.Build(f.t.Context(), wants, w)
	for i, h := range f.hosts {
		if h.done != 1 {
			f.t.Errorf("system %d is done %d times", i, h.done)
		}
		h.done = 0
	}
	return w
}

// built counts the builds by name, as the machines have recorded them.
func (f *fleet) built() map[string]int {
	f.t.Helper()
	count := map[string]int{}
	here, _ := os.ReadFile(f.record)
	texts := []string{string(here)}
	for _, h := range f.lab.Hosts {
		text, _ := h.ReadFile(f.record)
		texts = append(texts, string(text))
	}
	for _, name := range strings.Fields(strings.Join(texts, "\n")) {
		count[name]++
	}
	return count
}

// failing are the numbers of the systems that failed.
func (f *fleet) failing() (numbers []int) {
	for i, h := range f.hosts {
		if h.err != nil {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// A watcher keeps what it is told.
type watcher struct {
	t       *testing.T
	began   time.Time
	started func(name, on string) // may be nil

	after  map[string]time.Duration // when each was begun first
	on     map[string][]string      // where each was begun, in order
	ended  map[string]string        // with which error each ended last
	counts builds.Counts
	losses []builds.Loss
	said   []string
}

func (w *watcher) Started(drv store.Path, on string) {
	if w.on == nil {
		w.on, w.ended, w.after = map[string][]string{}, map[string]string{}, map[string]time.Duration{}
	}
	name := strings.TrimSuffix(drv.Name(), ".drv")
	if w.on[name] == nil {
		w.after[name] = time.Since(w.began)
	}
	w.on[name] = append(w.on[name], on)
	w.t.Logf("%.1f started %s on %s", time.Since(w.began).Seconds(), name, on)
	if w.started != nil {
		w.started(name, on)
	}
}
func (w *watcher) Phase(drv store.Path, phase string)  {}
func (w *watcher) Printed(drv store.Path, line string) {}
func (w *watcher) Counted(c builds.Counts)             { w.counts = c }
func (w *watcher) Lost(l builds.Loss)                  { w.losses = append(w.losses, l); w.t.Logf("lost %+v", l) }
func (w *watcher) Said(line string)                    { w.said = append(w.said, line); w.t.Logf("said %s", line) }
func (w *watcher) Ended(drv store.Path, on string, took time.Duration, err string) {
	name := strings.TrimSuffix(drv.Name(), ".drv")
	if w.ended == nil {
		w.ended = map[string]string{}
	}
	w.ended[name] = err
	w.t.Logf("%.1f ended %s on %s: %s", time.Since(w.began).Seconds(), name, on, err)
}

// lost are the builders that were lost.
func (w *watcher) lost() (urls []string) {
	for _, l := range w.losses {
		urls = append(urls, l.Builder)
	}
	slices.Sort(urls) // Nix begins with any of those that are as fast
	return urls
}

// once checks that every derivation was built exactly once.
func (f *fleet) once(derivations int) {
	f.t.Helper()
	count := f.built()
	if len(count) != derivations {
		f.t.Errorf("%d derivations were built, want %d: %v", len(count), derivations, count)
	}
	for name, n := range count {
		if n != 1 {
			f.t.Errorf("%s was built %d times", name, n)
		}
	}
}

// Twelve systems share derivations: each is built once, on both builders, and a system is
// done before the last is.
func TestAGraphIsBuiltOnce(t *testing.T) {
	f := newFleet(t, 12, 4, "0", `slow = [ 3 ];`)
	g := f.nix.NewGraph()
	g.Machines = both()
	w := f.build(g, nil)
	if got := f.failing(); got != nil {
		t.Errorf("failed: %v: %v", got, f.hosts[got[0]].err)
	}
	f.once(16)
	where := map[string]bool{}
	for _, on := range w.on {
		where[on[0]] = true
	}
	if !where["ssh://b1"] || !where["ssh://b2"] || len(where) != 2 {
		t.Errorf("built on %v", where)
	}
	if want := (builds.Counts{Built: 16, Total: 16}); w.counts != want {
		t.Errorf("counts %+v, want %+v", w.counts, want)
	}
	slow := f.hosts[3].at
	for i, h := range f.hosts {
		if i != 3 && !h.at.Before(slow.Add(-time.Second)) {
			t.Errorf("system %d was done %v before the slow one", i, slow.Sub(h.at))
		}
	}
	if len(w.said) > 0 {
		t.Errorf("said: %q", w.said)
	}
}

// A derivation that fails is the failure of the systems that need it.
func TestAFailureIsThatOfItsSystems(t *testing.T) {
	for _, here := range []string{"0", "2"} {
		f := newFleet(t, 4, 2, here, `broken = [ 1 2 ];`)
		g := f.nix.NewGraph()
		if g.Machines = both(); here != "0" {
			g.Machines = []string{}
		}
		w := f.build(g, nil)
		if diff := cmp.Diff([]int{1, 2}, f.failing()); diff != "" {
			t.Errorf("failed (-want +got):\n%s", diff)
		}
		var failure *nixcmd.BuildError
		if !asBuildError(f.hosts[1].err, &failure) || !strings.Contains(failure.Msg, "failed with exit code 3") || !slices.Contains(failure.Log, "oh no") || !strings.HasSuffix(string(failure.Drv), "-broken.drv") {
			t.Errorf("error: %#v", f.hosts[1].err)
		}
		if n := f.built()["broken"]; n != 1 {
			t.Errorf("the broken one was built %d times", n)
		}
		if !strings.Contains(w.ended["broken"], "exit code 3") || w.ended["shared-0"] != "" {
			t.Errorf("ended: %q", w.ended)
		}
		if len(w.losses) > 0 {
			t.Errorf("lost: %+v", w.losses)
		}
	}
}

// Builders that are lost are routed around.
func TestALostBuilderIsRoutedAround(t *testing.T) {
	tests := []struct {
		name     string
		here     string
		machines []string
		mistakes string
		before   func(f *fleet) // what happens before
		started  func(f *fleet, name, on string)
		lost     []string
		why      string
	}{
		{
			name: "unreachable at the start", here: "0", machines: both(),
			before: func(f *fleet) { f.must(f.lab.Host("b2").Stop()) },
			lost:   []string{"ssh://b2"}, why: "Connection refused",
		},
		{
			name: "killed in the middle", here: "0", machines: both(), mistakes: "slow = [ 0 1 2 3 ];",
			started: func(f *fleet, name, on string) {
				if name == "system-2" {
					go func() { f.must(f.lab.Host(strings.TrimPrefix(on, "ssh://")).Stop()) }()
				}
			},
			why: "",
		},
		{
			name: "frozen in the middle", here: "0", machines: both(), mistakes: "slow = [ 0 1 2 3 ];",
			started: func(f *fleet, name, on string) {
				if name == "system-2" {
					go func() { f.must(f.lab.Host(strings.TrimPrefix(on, "ssh://")).Freeze()) }()
				}
			},
			why: "",
		},
		{
			name: "disk full", here: "0", machines: both(),
			before: func(f *fleet) { f.must(f.lab.Host("b1").FillDisk(0)) },
			lost:   []string{"ssh://b1"}, why: "disk",
		},
		{
			name: "another architecture than is said", here: "0", machines: []string{"ssh://b1 riscv64-linux,x86_64-linux - 2 9", "ssh://b2 x86_64-linux - 2 1"},
			before: func(f *fleet) { f.configure("b1", "system = riscv64-linux") },
			lost:   []string{"ssh://b1"}, why: "it is riscv64-linux",
		},
		{
			name: "another host key than is known", here: "0", machines: both(),
			before: func(f *fleet) { f.must(f.lab.Host("b1").ChangeHostKey(f.t.Context())) },
			lost:   []string{"ssh://b1"}, why: "its SSH host key is not the one that is known",
		},
		{
			name: "cut off in the middle", here: "0", machines: both(), mistakes: "slow = [ 0 1 2 3 ];",
			started: func(f *fleet, name, on string) {
				if name == "system-2" {
					go func() { f.must(f.lab.Host(strings.TrimPrefix(on, "ssh://")).DropTraffic()) }()
				}
			},
			why: "",
		},
		{
			name: "an output that is not what was built", here: "0", machines: []string{"ssh://b1 x86_64-linux - 4 9", "ssh://b2 x86_64-linux - 2 1"},
			before: func(f *fleet) { f.corrupt("b1", f.hosts[2]) },
			lost:   []string{"ssh://b1"}, why: "hash mismatch importing path",
		},
		{
			name: "both gone: here", here: "2", machines: both(),
			before: func(f *fleet) { f.must(f.lab.Host("b1").Stop()); f.must(f.lab.Host("b2").Stop()) },
			lost:   []string{"ssh://b1", "ssh://b2"}, why: "Connection refused",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFleet(t, 4, 2, tt.here, tt.mistakes)
			g := f.nix.NewGraph()
			g.Machines = tt.machines
			if tt.before != nil {
				tt.before(f)
			}
			w := &watcher{}
			var once sync.Once
			if tt.started != nil {
				w.started = func(name, on string) {
					if name == "system-2" {
						once.Do(func() { tt.started(f, name, on) })
					}
				}
			}
			f.build(g, w)
			if got := f.failing(); got != nil {
				t.Fatalf("failed: %v: %v", got, f.hosts[got[0]].err)
			}
			if tt.lost != nil {
				if diff := cmp.Diff(tt.lost, w.lost()); diff != "" {
					t.Errorf("lost (-want +got):\n%s", diff)
				}
			} else if len(w.losses) != 1 {
				t.Errorf("lost: %+v", w.losses)
			}
			for _, l := range w.losses {
				if !strings.Contains(l.Why, tt.why) {
					t.Errorf("lost for %q, want %q", l.Why, tt.why)
				}
			}
		})
	}
}

// Five builders that are broken in five ways do not keep the sixth from building all.
func TestFiveBrokenBuilders(t *testing.T) {
	f := newFleetOn(t, []string{"away", "key", "full", "arch", "dies", "well"}, 12, 3, "0", "slow = [ 0 1 2 3 ];")
	f.must(f.lab.Host("away").Stop())
	f.must(f.lab.Host("key").ChangeHostKey(t.Context()))
	f.must(f.lab.Host("full").FillDisk(0))
	f.configure("arch", "system = riscv64-linux")
	g := f.nix.NewGraph()
	for _, h := range f.lab.Hosts {
		systems := "x86_64-linux"
		if h.Name == "arch" {
			systems = "riscv64-linux,x86_64-linux"
		}
		g.Machines = append(g.Machines, "ssh://"+h.Name+" "+systems+" - 2 1")
	}
	g.Machines[4] = "ssh://dies x86_64-linux - 2 9" // the first choice
	var once sync.Once
	w := &watcher{started: func(name, on string) {
		if on == "ssh://dies" {
			once.Do(func() { go func() { f.must(f.lab.Host("dies").Stop()) }() })
		}
	}}
	f.build(g, w)
	if got := f.failing(); got != nil {
		t.Fatalf("failed: %v: %v", got, f.hosts[got[0]].err)
	}
	lost := map[string]string{}
	for _, l := range w.losses {
		lost[l.Builder] = l.Why
	}
	for builder, why := range map[string]string{"ssh://away": "Connection refused", "ssh://key": "its SSH host key is not the one that is known", "ssh://full": "disk", "ssh://arch": "it is riscv64-linux", "ssh://dies": ""} {
		if got, ok := lost[builder]; !ok || !strings.Contains(got, why) {
			t.Errorf("%s: lost for %q, %v, want %q", builder, got, ok, why)
		}
	}
	if why, ok := lost["ssh://well"]; ok {
		t.Errorf("the good one was lost, too: %s", why)
	}
}

// Where no machine builds, the systems that need it fail, and the others are built.
func TestWhatNoMachineBuilds(t *testing.T) {
	for _, here := range []string{"0", "2"} {
		f := newFleet(t, 4, 2, here, `odd = [ 1 ]; slow = [ 0 ];`)
		g := f.nix.NewGraph()
		g.Machines = both()
		f.build(g, nil)
		if diff := cmp.Diff([]int{1}, f.failing()); diff != "" {
			t.Errorf("failed (-want +got):\n%s", diff)
		}
		if err := f.hosts[1].err; err == nil || !strings.Contains(err.Error(), "it needs x86_64-linux with odd") {
			t.Errorf("error: %v", err)
		}
	}
}

// A system without a machine fails before anything is built, and the others are built.
func TestASystemWithoutAMachineFailsFirst(t *testing.T) {
	f := newFleet(t, 3, 1, "2", `foreign = [ 1 ];`)
	g := f.nix.NewGraph()
	g.Machines, g.Own = both(), []string{"x86_64-linux", "i686-linux"}
	w := f.build(g, nil)
	if diff := cmp.Diff([]int{1}, f.failing()); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	text := fmt.Sprint(f.hosts[1].err)
	if !strings.Contains(text, "it needs riscv64-linux with kvm; this machine is x86_64-linux, i686-linux; name a builder for that") {
		t.Errorf("error: %s", text)
	}
	for name := range w.on {
		if f.hosts[1].at.After(w.began.Add(w.after[name])) {
			t.Errorf("%s was begun before", name)
		}
	}
	// With a builder for it, it is Nix that tries.
	g.Machines = append(both(), "ssh://b2 riscv64-linux - 1 1 kvm")
	f.build(g, &watcher{})
	if text := fmt.Sprint(f.hosts[1].err); strings.Contains(text, "name a builder") {
		t.Errorf("error: %s", text)
	}
}

// A feature that only one builder has is built there, and a builder that only says so is
// left out for it.
func TestFeaturesOfBuilders(t *testing.T) {
	f := newFleet(t, 3, 1, "0", `odd = [ 1 2 ];`)
	f.configure("b1", "system-features = benchmark")
	f.configure("b2", "system-features = odd")
	g := f.nix.NewGraph()
	g.Machines = []string{"ssh://b1 x86_64-linux - 2 9 odd", "ssh://b2 x86_64-linux - 2 1 odd"}
	w := f.build(g, nil)
	if got := f.failing(); got != nil {
		t.Fatalf("failed: %v: %v", got, f.hosts[got[0]].err)
	}
	if len(w.losses) != 1 || w.losses[0].Builder != "ssh://b1" || w.losses[0].For != "the feature odd" || w.losses[0].Why != "its features are benchmark" || w.losses[0].Left != 2 {
		t.Errorf("lost: %+v", w.losses)
	}
	if on := w.on["odd"]; on[len(on)-1] != "ssh://b2" {
		t.Errorf("built on %v", on)
	}
}

// Where all builders are gone and this machine does not build, the error names both.
func TestAllBuildersGone(t *testing.T) {
	f := newFleet(t, 3, 1, "2", "")
	g := f.nix.NewGraph()
	g.Machines, g.Here = both(), false
	f.must(f.lab.Host("b1").Stop())
	f.must(f.lab.Host("b2").Stop())
	f.build(g, nil)
	if diff := cmp.Diff([]int{0, 1, 2}, f.failing()); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	text := fmt.Sprint(f.hosts[0].err)
	for _, want := range []string{"no machine can build", "this machine does not build", "ssh://b1: ", "ssh://b2: ", "Connection refused"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in: %s", want, text)
		}
	}
}

func (f *fleet) must(err error) {
	if err != nil {
		f.t.Error(err)
	}
}

// corrupt has a system be built on a builder, and changed there.
func (f *fleet) corrupt(name string, h *system) {
	f.t.Helper()
	on := "ssh://" + name
	for _, argv := range [][]string{
		{"nix", "--extra-experimental-features", "nix-command", "copy", "--to", on, "--derivation", string(h.drv)},
		{"ssh", "-F", f.lab.SSHConfig, name, "nix-store", "--realise", string(h.drv)},
		{"ssh", "-F", f.lab.SSHConfig, name, "chmod", "u+w", string(h.out)},
		{"ssh", "-F", f.lab.SSHConfig, name, "echo changed >" + string(h.out)},
	} {
		f.must(f.nix.Run(f.t.Context(), argv, nil, nil))
	}
}

// configure adds to nix.conf of a builder.
func (f *fleet) configure(name, line string) {
	f.t.Helper()
	h := f.lab.Host(name)
	conf, err := h.ReadFile("/etc/nix/nix.conf")
	f.must(err)
	f.must(h.WriteFile("/etc/nix/nix.conf", append(conf, line+"\n"...), 0o644))
}

func asBuildError(err error, into **nixcmd.BuildError) bool {
	failure, ok := err.(*nixcmd.BuildError)
	*into = failure
	return ok
}
