package exec_test

import (
	_ "embed"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/exec"
	"muster/exec/lab"
)

//go:embed testdata/snapshot.sh
var snapshotScript string

// snapshot is everything on a host's disk and in its /run, all that is its own: a line a file with
// its kind, mode, owner, size, time of change, target and content. Only the time
// of the directory of Nix's database is left out: SQLite makes two files there
// for as long as somebody reads.
func (f *field) snapshot(h *lab.Host) []string {
	f.Helper()
	out, err := h.Run(f.Context(), "sh", "-c", snapshotScript)
	if err != nil {
		f.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	if *onSystemd {
		lines = slices.DeleteFunc(lines, func(line string) bool { return systemdsOwn.MatchString(line) })
	}
	return lines
}

// systemdsOwn are the lines of a snapshot for what a living systemd changes by itself, at
// any log in: sessions, units of users, the journal, and the times of their directories.
var systemdsOwn = regexp.MustCompile(`(^|  )(/run d |/run/(motd\.dynamic|utmp|mount|systemd|user|log)\b|/var/log/(journal|wtmp|lastlog)\b|/var/lib/systemd d )`)

// Whatever only looks leaves a host as it was, to the last file and time.
func TestLookingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	web := f.lab.Host("web")
	for _, action := range []exec.Action{exec.Preview, exec.Look, exec.List, exec.Clean} {
		plan := f.plan(action, f.all(system(t, "kernel")))
		plan.Keep = exec.Keep{Last: 1, Dry: true}
		before := f.snapshot(web)
		out := f.run(t.Context(), plan, f.opts, nil)
		if !out[0].OK() {
			t.Errorf("%s: %s: %v", action, out[0].Status, out[0].Err)
		}
		if diff := cmp.Diff(before, f.snapshot(web)); diff != "" {
			t.Errorf("%s changes the host (-before +after):\n%s", action, diff)
		}
		if action == exec.Preview {
			d := out[0].Diff
			if d == nil || d.CopyPaths == 0 || d.CopyBytes == 0 || len(d.Changed) == 0 || !cmp.Equal(d.Reboot, []string{"kernel", "initrd", "kernel-modules"}) {
				t.Errorf("the plan's difference: %+v", d)
			}
		}
	}
}

// A plan tells of the units that are touched: by comparing files where the host
// lacks the new system, and else as that system itself says, which is the same.
// Neither leaves a trace.
func TestPlanTellsOfUnits(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	type units struct{ Stop, Start, Restart, Reload, Stay []string }
	for _, step := range []struct {
		system string
		want   units
	}{
		{"web", units{Start: []string{"httpd.service"}}},
		{"web2", units{Restart: []string{"httpd.service"}}},
		{"old", units{Stop: []string{"httpd.service"}}},
	} {
		want := f.all(system(t, step.system))
		for _, there := range []bool{false, true} {
			if there {
				f.deploy(t.Context(), exec.Push, want, nil)
			}
			before := f.snapshot(f.lab.Host("web"))
			out := f.deploy(t.Context(), exec.Preview, want, nil)
			if diff := cmp.Diff(before, f.snapshot(f.lab.Host("web"))); diff != "" {
				t.Errorf("%s: the plan changes the host (-before +after):\n%s", step.system, diff)
			}
			d := out[0].Diff
			if d == nil {
				t.Fatalf("%s: %s: %v", step.system, out[0].Status, out[0].Err)
			}
			// The system old is on the host from the beginning.
			if asked := there || step.system == "old"; d.Asked != asked {
				t.Errorf("%s: asked: %v, want %v", step.system, d.Asked, asked)
			}
			if diff := cmp.Diff(step.want, units{d.Stop, d.Start, d.Restart, d.Reload, d.Stay}, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s, there %v: (-want +got):\n%s", step.system, there, diff)
			}
		}
		if out := f.deploy(t.Context(), exec.Switch, want, nil); out[0].Status != exec.Activated {
			t.Fatalf("%s: %s: %v", step.system, out[0].Status, out[0].Err)
		}
	}
}

// A plan that was saved, read again and applied leaves what a deployment leaves.
func TestApplyIsDeploy(t *testing.T) {
	t.Parallel()
	f := newField(t, "applied", "deployed")
	f.opts = patient(f.opts)
	want := system(t, "new")
	plan := f.plan(exec.Switch, f.all(want))
	looked := f.run(t.Context(), f.plan(exec.Preview, f.all(want)), f.opts, nil)
	if !looked[0].OK() {
		t.Fatalf("plan: %s: %v", looked[0].Status, looked[0].Err)
	}
	saved := *plan
	saved.Steps = slices.Clone(plan.Steps[:1])
	saved.Steps[0].Expect = &looked[0].Before
	text, err := json.Marshal(&saved)
	if err != nil {
		t.Fatal(err)
	}
	read := new(exec.Plan)
	if err := json.Unmarshal(text, read); err != nil {
		t.Fatal(err)
	}
	if out := f.run(t.Context(), read, f.opts, nil); out[0].Status != exec.Activated {
		t.Fatalf("apply: %s: %v", out[0].Status, out[0].Err)
	}
	plan.Steps = plan.Steps[1:]
	if out := f.run(t.Context(), plan, f.opts, nil); out[0].Status != exec.Activated {
		t.Fatalf("deploy: %s: %v", out[0].Status, out[0].Err)
	}
	content := func(name string) string {
		out, err := f.lab.Host(name).Run(t.Context(), "sh", "-c", `
find /nix/store /boot /nix/var/nix/profiles -type f -exec md5sum {} + | grep -v /.links/ | sort
find /nix/store /boot /nix/var/nix/profiles /run/current-system -type l -printf '%p %l\n' | sort
nix-store --dump-db $(nix-store -qR /nix/var/nix/profiles/system) | grep -v '^[0-9]*$'`)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if diff := cmp.Diff(content("deployed"), content("applied")); diff != "" {
		t.Errorf("(-deployed +applied):\n%s", diff)
	}

	// Once more: all is done. Then the host moves on.
	out := f.run(t.Context(), read, f.opts, nil)
	if out[0].Status != exec.Unchanged {
		t.Errorf("applied again: %s: %v", out[0].Status, out[0].Err)
	}
	if out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "newer")), nil); out[0].Status != exec.Activated {
		t.Fatalf("deploy: %s: %v", out[0].Status, out[0].Err)
	}
	out = f.run(t.Context(), read, f.opts, nil)
	if out[0].Status != exec.Failed || !strings.Contains(out[0].Error, "moved on") {
		t.Errorf("applied to a host that moved on: %s: %v", out[0].Status, out[0].Err)
	}
}

// A system with another kernel is booted where that is asked for, and the host
// is back under another boot ID.
func TestRebootIntoANewKernel(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	o := f.opts
	o.Reboot = true
	out := f.run(t.Context(), f.plan(exec.Switch, f.all(system(t, "new"))), o, nil)
	if out[0].Status != exec.Activated || out[0].Rebooted {
		t.Errorf("same kernel: %s, rebooted %v: %v", out[0].Status, out[0].Rebooted, out[0].Err)
	}
	out = f.run(t.Context(), f.plan(exec.Switch, f.all(system(t, "kernel"))), f.opts, nil)
	if out[0].Status != exec.Activated || len(out[0].NeedsReboot) == 0 {
		t.Errorf("not asked for: %s, needs %v: %v", out[0].Status, out[0].NeedsReboot, out[0].Err)
	}
	out = f.run(t.Context(), f.plan(exec.Switch, f.all(system(t, "kernel"))), o, nil)
	if !out[0].OK() || !out[0].Rebooted || len(out[0].NeedsReboot) > 0 {
		t.Errorf("asked for: %s, rebooted %v, needs %v: %v", out[0].Status, out[0].Rebooted, out[0].NeedsReboot, out[0].Err)
	}
	f.expect("web", "kernel", "kernel", "kernel")

	// One that does not come back in time has failed.
	o.RebootTimeout = 2 * time.Second
	out = f.run(t.Context(), f.plan(exec.Switch, f.all(system(t, "new"))), o, func(e exec.Event) {
		if e, ok := e.(exec.StageStarted); ok && e.Stage == exec.Restart {
			if err := f.lab.Host("web").WriteFile("/usr/local/sbin/reboot", []byte("#!/bin/sh\nexec kill -TERM 1\n"), 0o755); err != nil {
				t.Error(err)
			}
		}
	})
	if out[0].Status != exec.Failed || out[0].Stage != exec.Restart || !strings.Contains(out[0].Error, "not back after 2s") {
		t.Errorf("gone: %s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	}
	f.booted("web")
	f.expect("web", "new", "new", "new")
}
