package exec_test

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/lab"
	"muster/exec/units"
)

var foretellEach = flag.Bool("foretell", false, "make the changes of TestPlanForetells one by one, and not at once")

// foretold are the changes of testdata/foretell.nix and what becomes of units, as
// "stop a.service" and so on.
var foretold = []struct {
	name string
	want []string
}{
	{"a command", []string{"restart command.service"}},
	{"a variable of the environment", []string{"restart environment.service"}},
	{"a drop-in of an instance", []string{"restart template@one.service"}},
	{"a template", []string{"restart template@one.service", "restart template@two.service"}},
	{"a timer", []string{"restart timed.timer"}},
	{"a socket", []string{"stay listening.socket", "undone listening.socket"}},
	{"a service that its socket started", []string{"restart listening.socket", "stop listening.service"}},
	{"a service with a socket that a target wants", []string{"restart both.service", "restart both.socket"}},
	{"a path unit", []string{"restart watched.path", "unknown watched.service"}},
	{"a user unit", []string{"undone mine.service"}},
	{"reloadIfChanged", []string{"reload reloading.service"}},
	{"restartIfChanged = false", []string{"stay left.service"}},
	{"stopIfChanged = false", []string{"restart at-once.service"}},
	{"a restart trigger", []string{"restart restart-trigger.service"}},
	{"a reload trigger", []string{"reload passed-on.service", "reload reload-trigger.service"}},
	{"a unit is removed", []string{"stop removed.service"}},
	{"a unit is renamed", []string{"start new-name.service", "stop old-name.service"}},
	{"a oneshot that remains", []string{"restart remains.service"}},
	{"a target, with a new unit", []string{"start of-target.service"}},
	{"a unit that others require", []string{"restart follower.service", "restart leader.service", "stop loner.service"}},
	{"a unit that another is part of", []string{"restart part.service", "restart whole.service"}},
	{"an inactive unit", nil},
	{"a unit is masked", []string{"stop masked.service"}},
	{"the options of a mount, and the source of another", []string{"reload mnt-options.mount", "restart mnt-source.mount", "restart on-mount.service"}},
	{"a file system is added", []string{"start mnt-fstab.mount"}},
	{"the options of a file system", []string{"reload mnt-fstab.mount"}},
	{"a file system is removed", []string{"restart local-fs.target", "stop mnt-fstab.mount"}},
	{"swap in a container", nil},
	{"a unit is newly wanted", []string{"start wanted.service"}},
	{"a unit that conflicts with another", []string{"start rival.service", "stop incumbent.service"}},
	{"a description", nil},
	{"RefuseManualStop", []string{"stay refusing.service"}},
	{"the options of the root", []string{"reload -.mount"}},
	{"a unit with a condition", []string{"unknown conditional.service"}},
	{"X-OnlyManualStart", []string{"stay manual.service"}},
	{"X-StopOnRemoval = false", nil},
	{"a unit that another is bound to", []string{"restart binder.service", "restart bound.service"}},
	{"notSocketActivated", []string{"restart own-socket.service", "restart own-socket.socket"}},
	{"the ports of sshd and of the firewall", []string{"reload firewall.service", "restart sshd.service"}},
	{"a unit that fails", []string{"start flaky.service"}},
	{"a failed unit is mended", []string{"start flaky.service"}},
	{"a oneshot that ends", []string{"start runs-again.service"}},
	{"a oneshot that has ended", []string{"again runs-again.service"}},
	{"a target that is stopped at every switch", []string{"again runs-again.service", "start member.service", "start stopped.target"}},
	{"such a target's description", []string{"again runs-again.service", "restart member.service", "restart stopped.target"}},
}

// What the plan says of units is what happens to them, both by the rules of NixOS,
// while the host lacks the system, and as the system itself says, when it has it.
func TestPlanForetells(t *testing.T) {
	t.Parallel()
	systems := foretellSystems(t)
	f := newBareField(t, lab.Options{Hosts: []string{"web"}, Systemd: true})
	f.opts = patient(f.opts)
	web := f.lab.Host("web")
	f.switchTo(web, systems["change0"])
	f.awaitUnits(web)
	run := func(script string) {
		t.Helper()
		if out, err := web.Run(t.Context(), "sh", "-c", script); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	run("systemctl start loner listening own-socket")
	if *foretellEach {
		for i, row := range foretold {
			f.foretell(web, row.name, systems[fmt.Sprint("change", i+1)], row.want)
		}
	} else {
		f.foretell(web, "all changes", systems[fmt.Sprint("change", len(foretold))], nil)
	}
	// The way back, from a system that only the host has.
	run(copySystemScript)
	f.foretell(web, "back", systems["back"], nil)
	// The changed socket listens nowhere, as the plan says.
	if out, err := web.Run(t.Context(), "ss", "--listening", "--unix", "--no-header"); err != nil || strings.Contains(out, "/run/listening-") || !strings.Contains(out, "/run/both") {
		t.Errorf("listeners: %v\n%s", err, out)
	}
}

// copySystemScript makes a copy of the running system under another name the
// running system.
//
//go:embed testdata/copysystem.sh
var copySystemScript string

// foretell plans to switch a host to a system, before and after it has the system,
// and switches it.
func (f *field) foretell(h *lab.Host, name string, system store.Path, want []string) {
	f.Helper()
	began := time.Now()
	plan := func(asked bool) units.Forecast {
		f.Helper()
		out := f.deploy(f.Context(), exec.Preview, f.all(system), nil)
		if out[0].Diff == nil || out[0].Diff.Asked != asked {
			f.Fatalf("%s: plan: %s: %v: %+v", name, out[0].Status, out[0].Err, out[0].Diff)
		}
		return out[0].Diff.Forecast
	}
	rules := plan(false)
	f.deploy(f.Context(), exec.Push, f.all(system), nil)
	asked := plan(true)
	if diff := cmp.Diff(rules, asked); diff != "" {
		f.Errorf("%s: by the rules and as the system says (-rules +system):\n%s", name, diff)
	}
	if got := forecastLines(rules); want != nil || *foretellEach && name != "back" {
		if diff := cmp.Diff(want, got); diff != "" {
			f.Errorf("%s: plan (-want +got):\n%s", name, diff)
		}
	} else {
		f.Logf("%s: %s", name, strings.Join(got, ", "))
	}
	before := f.unitTimes(h)
	f.switchTo(h, system)
	if diff := cmp.Diff(changes(rules), f.happened(before, f.unitTimes(h), rules)); diff != "" {
		f.Errorf("%s (-plan +happened):\n%s", name, diff)
	}
	f.Logf("%s took %v", name, time.Since(began))
}

// forecastLines are a forecast, a line for each unit.
func forecastLines(f units.Forecast) []string {
	lines := changes(f)
	for i, line := range lines {
		if unit, ok := strings.CutPrefix(line, "start "); ok && slices.Contains(f.Again, unit) {
			lines[i] = "again " + unit
		}
	}
	for _, name := range f.Stay {
		lines = append(lines, "stay "+name)
	}
	for _, n := range f.Unknown {
		lines = append(lines, "unknown "+n.Unit)
	}
	for _, n := range f.Undone {
		lines = append(lines, "undone "+n.Unit)
	}
	slices.Sort(lines)
	return lines
}

// changes are what happens to units by a forecast.
func changes(f units.Forecast) []string {
	var lines []string
	for what, list := range map[string][]string{"stop": f.Stop, "start": slices.Concat(f.Start, f.Again), "restart": f.Restart, "reload": f.Reload} {
		for _, name := range list {
			lines = append(lines, what+" "+name)
		}
	}
	slices.Sort(lines)
	return lines
}

// A unitTime is the state of a unit, and when it was last started and changed.
type unitTime struct {
	active         bool
	start, changed string
}

//go:embed testdata/units.sh
var unitsScript string

// unitTimes asks a host's systemd for all units but those of sessions.
func (f *field) unitTimes(h *lab.Host) map[string]unitTime {
	f.Helper()
	out, err := h.Run(f.Context(), "sh", "-c", unitsScript)
	if err != nil {
		f.Fatal(err)
	}
	all := map[string]unitTime{}
	for paragraph := range strings.SplitSeq(out, "\n\n") {
		p := map[string]string{}
		for line := range strings.Lines(paragraph) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			p[key] = value
		}
		id := p["Id"]
		if strings.HasPrefix(id, "user") || strings.HasPrefix(id, "run-user") || id == "" || id == "sysinit-reactivation.target" {
			continue
		}
		all[id] = unitTime{p["ActiveState"] == "active" || p["ActiveState"] == "activating", p["InactiveExitTimestampMonotonic"], p["StateChangeTimestampMonotonic"]}
	}
	return all
}

// happened is what became of units, but for those of which the forecast does not
// know. A start that failed is one.
func (f *field) happened(before, after map[string]unitTime, but units.Forecast) []string {
	var lines []string
	for name := range maps.Keys(after) {
		was, is := before[name], after[name]
		started := is.start != was.start && is.start != "0"
		what := ""
		switch {
		case slices.ContainsFunc(but.Unknown, func(n units.Note) bool { return n.Unit == name }):
		case was.active && is.active && started:
			what = "restart "
		case was.active && !is.active:
			what = "stop "
		case !was.active && started:
			what = "start "
		case was.active && is.active && was.changed != is.changed && reloads(name):
			what = "reload "
		}
		if what != "" {
			lines = append(lines, what+name)
		}
	}
	for name, was := range before {
		if _, loaded := after[name]; !loaded && was.active {
			lines = append(lines, "stop "+name)
		}
	}
	slices.Sort(lines)
	return lines
}

// reloads reports whether a change of a unit's state without a start is a reload.
// A path unit goes through its states when systemd reads all units again, and
// systemd-logind.service tells systemd of changes by itself.
func reloads(name string) bool {
	return strings.HasSuffix(name, ".mount") || strings.HasSuffix(name, ".service") && name != "systemd-logind.service"
}

// switchTo switches a host to a system, as NixOS does it. Units may fail.
func (f *field) switchTo(h *lab.Host, system store.Path) {
	f.Helper()
	f.deploy(f.Context(), exec.Push, f.all(system), nil)
	out, err := h.Run(f.Context(), "sh", "-c", `"$1"/bin/switch-to-configuration test 2>&1 || [ $? = 4 ]`, "sh", string(system))
	if err != nil {
		f.Fatalf("switch to %s: %v\n%s", system, err, out)
	}
}

// awaitUnits waits until a host has no job left.
func (f *field) awaitUnits(h *lab.Host) {
	f.Helper()
	// The exit status is that of a degraded machine, too.
	h.Run(f.Context(), "systemctl", "is-system-running", "--wait")
	time.Sleep(time.Second)
}

// foretellSystems builds the systems of testdata/foretell.nix that the test needs.
func foretellSystems(t testing.TB) map[string]store.Path {
	t.Helper()
	nix := func(argv ...string) []byte {
		cmd := osexec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), nixConfig)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", argv[0], err)
		}
		return out
	}
	build := []string{"nix-build", "--no-out-link", "--quiet", "testdata/foretell.nix"}
	if !*foretellEach {
		build = append(build, "-A", "change0", "-A", fmt.Sprint("change", len(foretold)), "-A", "back")
	}
	nix(build...)
	var paths map[string]store.Path
	out := nix("nix-instantiate", "--eval", "--strict", "--json", "-E", "builtins.mapAttrs (_: s: s.outPath) (import ./testdata/foretell.nix)")
	if err := json.Unmarshal(out, &paths); err != nil {
		t.Fatal(err)
	}
	return paths
}
