package exec_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/cmd/ui"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/builds"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/schema"
)

// TestScalePlans shows that a plan, a deployment with nothing to do, and what reads them
// afterwards grow with the number of hosts as they must:
// go test ./exec -run ScalePlans -scale 50000 -v.
func TestScalePlans(t *testing.T) {
	if testing.Short() {
		t.Skip("not in short tests")
	}
	for _, tt := range []struct {
		name string
		play func(testing.TB, int) time.Duration
	}{
		{"planned as text", planMany(false)},
		{"planned as JSON", planMany(true)},
		{"deployed with nothing to do", deployNothing},
		{"saved and applied", applyMany},
	} {
		t.Run(tt.name, func(t *testing.T) { exec.Scales(t, tt.play) })
	}
}

// A largeFleet is a fleet of played hosts whose roles have systems of their own: each host
// runs one of release 24.11 and is to get one of 25.05.
type largeFleet struct {
	steps  []exec.Step
	dial   exec.Connect
	shared map[string][]store.Path // what all systems of a role have, by role and release
}

const (
	largeRoles    = 5
	oldRelease    = "24.11"
	newRelease    = "25.05"
	roleClosure   = 400 // paths
	changedInRole = 60  // packages with another version
)

func newLargeFleet(t testing.TB, n int) *largeFleet {
	t.Helper()
	m, dialer := exec.StartManyHosts(t)
	f := &largeFleet{shared: map[string][]store.Path{}}
	for role := range largeRoles {
		for _, release := range []string{oldRelease, newRelease} {
			var paths []store.Path
			for i := range roleClosure {
				version := "1.0"
				if i < changedInRole {
					version = release
				}
				paths = append(paths, largePath("", fmt.Sprintf("package%dof%d-%s", i, role, version)))
			}
			f.shared[fmt.Sprint(role, release)] = paths
		}
	}
	for i := range n {
		name := fmt.Sprintf("h%05d", i)
		h := &schema.Host{Name: name, Address: "host", User: name, System: "x86_64-linux", Roles: []string{roleOf(i)},
			HostKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNx0W4S3aJ0l3c7GmF3jUzQqFoNnQhcVxg9bQ1XH" + name}}
		f.steps = append(f.steps, exec.Step{Host: h, System: exec.System{Drv: systemOf(name, newRelease) + ".drv", Out: systemOf(name, newRelease)}})
	}
	m.SetMisbehave(f.answer)
	f.dial = func(ctx context.Context, h *schema.Host) (exec.Machine, error) {
		c, err := dialer.Dial(ctx, remote.Target{Name: h.Name, Address: h.Address, User: h.User})
		if err != nil {
			return nil, err
		}
		return exec.SSHMachine{Machine: c}, nil
	}
	return f
}

func roleOf(host int) string { return fmt.Sprintf("role%d", host%largeRoles) }

// largePath is a store path whose digest depends on its name, and on what else it is made of.
func largePath(of, name string) store.Path {
	return store.Path(fmt.Sprintf("%s/%s-%s", store.Dir, store.HashBytes(store.SHA256, []byte(of+name)).Base32()[:32], name))
}

func systemOf(host, release string) store.Path {
	return largePath("", fmt.Sprintf("nixos-system-%s-%s", host, release))
}

// closure is that of the system of a host.
func (f *largeFleet) closure(host, release string) []store.Path {
	var n int
	fmt.Sscanf(host, "h%d", &n)
	return slices.Concat(f.shared[fmt.Sprint(n%largeRoles, release)], []store.Path{systemOf(host, release), largePath("", "hostname-"+host), largePath(host+release, "etc")})
}

// answer plays a host that runs the old release.
func (f *largeFleet) answer(host, command, marker string, ch ssh.Channel) bool {
	var out bytes.Buffer
	switch {
	case strings.Contains(command, "muster-inspect"):
		system := systemOf(host, oldRelease)
		fmt.Fprintf(&out, "time %d\nuid 0\nnix nix-store (Nix) 2.8.0\nprofile %s\nlink system-7-link\ncurrent %[2]s\nbooted %[2]s\nboots %[2]s\nmachine x86_64\nours\n",
			time.Now().Unix(), system)
		for i := range 7 {
			fmt.Fprintf(&out, "generation system-%d-link %s\n", i+1, system)
		}
	case strings.Contains(command, "muster-compare"):
		had := map[store.Path]bool{}
		for _, p := range f.closure(host, oldRelease) {
			had[p] = true
			fmt.Fprintf(&out, "has %s\n", p)
		}
		for _, p := range f.closure(host, newRelease) {
			if !had[p] {
				fmt.Fprintf(&out, "lacks %s\n", p)
			}
		}
	default:
		return false
	}
	fmt.Fprintln(ch, marker)
	io.Copy(ch, &out)
	ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
	return true
}

// Closure has the builder's store answer.
func (f *largeFleet) Closure(_ context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	host, _, ok := strings.Cut(strings.TrimPrefix(paths[0].Name(), "nixos-system-"), "-")
	if !ok {
		return nil, errors.New("no system")
	}
	var infos []nixserve.PathInfo
	for _, p := range f.closure(host, newRelease) {
		infos = append(infos, nixserve.PathInfo{Path: p, NARSize: int64(1000 + len(p))})
	}
	return infos, nil
}

func (f *largeFleet) NAR(context.Context, nixserve.PathInfo, io.Writer) error {
	return errors.New("nothing is sent")
}

// Build has every system be built already.
func (f *largeFleet) Build(_ context.Context, wants []builds.Want, _ builds.Watcher) {
	for _, w := range wants {
		w.Done(w.Out, nil)
	}
}

// options are those of a run on the fleet that a reporter shows.
func (f *largeFleet) options(r ui.Reporter) exec.Options {
	return exec.Options{Jobs: 32, Connect: f.dial, Builder: f, Source: f, Sink: r.Event}
}

// planMany plans for n played hosts as muster plan does, and prints the plan.
func planMany(asJSON bool) func(testing.TB, int) time.Duration {
	return func(t testing.TB, n int) time.Duration {
		f := newLargeFleet(t, n)
		out := &counter{}
		reporter := ui.NewText(out, io.Discard, func(string, error) string { return "" }, ui.ColorNever)
		if asJSON {
			reporter = ui.NewJSON(out)
		}
		began := exec.ProcessorTime(t)
		plan := exec.NewPlan(exec.Preview, f.steps)
		reporter.Begin(ui.Run{ID: exec.NewRunID(), Action: plan.Action, Hosts: make([]string, n)})
		outcomes := exec.Run(t.Context(), plan, f.options(reporter))
		reporter.End(outcomes)
		reporter.Close()
		took := exec.ProcessorTime(t) - began
		for i := range outcomes {
			if o := &outcomes[i]; o.Err != nil || o.Diff == nil || len(o.Diff.Changed) < changedInRole {
				t.Fatalf("%s: %s: %v: %.200v", o.Host, o.Status, o.Err, o.Diff)
			}
		}
		t.Logf("%d hosts: %d bytes in %d lines", n, out.bytes, out.lines)
		return took
	}
}

// deployNothing deploys to n played hosts that are what they are to be, with a journal.
func deployNothing(t testing.TB, n int) time.Duration {
	f := newLargeFleet(t, n)
	for i := range f.steps {
		s := &f.steps[i]
		s.System = exec.System{Drv: systemOf(s.Host.Name, oldRelease) + ".drv", Out: systemOf(s.Host.Name, oldRelease)}
	}
	out := &counter{}
	reporter := ui.NewText(out, io.Discard, func(string, error) string { return "" }, ui.ColorNever)
	began := exec.ProcessorTime(t)
	outcomes, journal := deployLarge(t, f, reporter, exec.NewPlan(exec.Switch, f.steps))
	took := exec.ProcessorTime(t) - began
	for i := range outcomes {
		if outcomes[i].Status != exec.Unchanged {
			t.Fatalf("%s: %s: %v", outcomes[i].Host, outcomes[i].Status, outcomes[i].Err)
		}
	}
	began = exec.ProcessorTime(t)
	record, err := exec.ReadJournal(journal)
	if err != nil || !record.Ended || len(record.Outcomes) != n {
		t.Fatalf("the journal is not whole: %v", err)
	}
	t.Logf("%d hosts: %d bytes in %d lines; its journal of %d MB is read in %v", n, out.bytes, out.lines, sizeOf(t, journal)>>20, exec.ProcessorTime(t)-began)
	return took
}

// What is done before a host gets another system is done once, and not where none gets one.
func TestBeforeChange(t *testing.T) {
	for _, changes := range []int{0, 1, 3} {
		f := newLargeFleet(t, 5)
		for i := range f.steps {
			if s := &f.steps[i]; i >= changes {
				s.System.Out = systemOf(s.Host.Name, oldRelease)
			}
		}
		called := 0
		o := f.options(ui.NewJSON(io.Discard))
		o.BeforeChange = func() { called++ }
		exec.Run(t.Context(), exec.NewPlan(exec.Switch, f.steps), o)
		if called != min(1, changes) {
			t.Errorf("%d hosts get another system: called %d times", changes, called)
		}
	}
}

func deployLarge(t testing.TB, f *largeFleet, reporter ui.Reporter, plan *exec.Plan) ([]exec.Outcome, string) {
	dir := t.TempDir()
	journal, err := exec.CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	reporter.Begin(ui.Run{ID: plan.Run, Action: plan.Action, Hosts: make([]string, len(plan.Steps)), Recorded: true})
	o := f.options(reporter)
	o.Sink = journal.Sink(o.Sink)
	outcomes := exec.Run(t.Context(), plan, o)
	reporter.End(outcomes)
	reporter.Close()
	journal.End(exec.ExitStatus(t.Context(), outcomes))
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := exec.Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	return outcomes, names[0]
}

// applyMany saves a plan for n hosts, reads it and applies it to hosts that have moved on since.
func applyMany(t testing.TB, n int) time.Duration {
	f := newLargeFleet(t, n)
	for i := range f.steps {
		s := &f.steps[i]
		was := systemOf(s.Host.Name, "24.05")
		s.Expect = &exec.HostState{Current: was, Booted: was, Boots: was}
		s.Expect.Generation.Number, s.Expect.Generation.System = 6, was
	}
	began := exec.ProcessorTime(t)
	text, err := json.Marshal(exec.NewPlan(exec.Switch, f.steps))
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > exec.MaxPlan {
		t.Fatalf("a saved plan for %d hosts has %d bytes", n, len(text))
	}
	name := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := exec.ReadPlan(name)
	if err != nil {
		t.Fatal(err)
	}
	read := exec.ProcessorTime(t)
	out := &counter{}
	reporter := ui.NewText(out, io.Discard, func(string, error) string { return "" }, ui.ColorNever)
	outcomes, _ := deployLarge(t, f, reporter, plan)
	took := exec.ProcessorTime(t) - began
	for i := range outcomes {
		if !errors.Is(outcomes[i].Err, exec.ErrMoved) {
			t.Fatalf("%s: %s: %v", outcomes[i].Host, outcomes[i].Status, outcomes[i].Err)
		}
	}
	t.Logf("%d hosts: a plan of %d MB, saved and read in %v; %d bytes in %d lines", n, len(text)>>20, read-began, out.bytes, out.lines)
	return took
}

func sizeOf(t testing.TB, name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A counter counts what is written to it.
type counter struct{ bytes, lines int }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	c.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}
