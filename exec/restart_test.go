package exec_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
	"muster/exec/lab"
	"muster/schema"
)

// newRestartField starts hosts with real systemd and a journal that outlives a
// restart. A host that has the file /var/slow takes its time to boot.
func newRestartField(t *testing.T, names ...string) *field {
	t.Helper()
	f := newFieldIn(t, lab.Options{Hosts: names, Systemd: true, Boot: "[ ! -e /var/slow ] || sleep 8"})
	f.opts = patient(f.opts)
	f.opts.RebootTimeout = time.Minute
	for _, h := range f.lab.Hosts {
		if out, err := h.Run(t.Context(), "sh", "-c", "mkdir -p /var/log/journal && journalctl --flush"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return f
}

// Hosts that are up to date and need a restart get it wave by wave, no more at once
// than may be down, drained before and taken back after.
func TestRestartsKeepToTheRollout(t *testing.T) {
	t.Parallel()
	f := newRestartField(t, "a", "b", "c")
	want := f.all(system(t, "kernel"))
	for _, o := range f.deploy(t.Context(), exec.Switch, want, nil) {
		if o.Status != exec.Activated || o.Rebooted || len(o.NeedsReboot) == 0 {
			t.Fatalf("%s: %s, needs %v: %v", o.Host, o.Status, o.NeedsReboot, o.Err)
		}
	}

	var mu sync.Mutex
	var happened []string
	down, most := 0, 0
	add := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		happened = append(happened, what)
	}
	o := f.opts
	o.Reboot = true
	o.Local = func(_ context.Context, argv, env []string, _ func(string)) error {
		host := strings.TrimPrefix(env[slices.IndexFunc(env, func(s string) bool { return strings.HasPrefix(s, "MUSTER_HOST=") })], "MUSTER_HOST=")
		add(host + " " + argv[0])
		mu.Lock()
		defer mu.Unlock()
		if argv[0] == "drain" {
			down++
			most = max(most, down)
		} else {
			down--
		}
		return nil
	}
	plan := f.plan(exec.Switch, want)
	plan.Rollout.MaxUnavailable = 1
	for i := range plan.Steps {
		plan.Steps[i].Wave = min(i, 1)
		plan.Steps[i].Hooks = []schema.Hook{
			{Before: "reboot", Command: []string{"drain"}, Timeout: time.Minute},
			{After: "reboot", Command: []string{"undrain"}, Timeout: time.Minute},
			{Before: "activate", Command: []string{"activating"}, Timeout: time.Minute},
		}
		plan.Steps[i].Host.Health = []schema.Check{{Unit: "sshd.service", Timeout: 10 * time.Second, Interval: 100 * time.Millisecond, Retries: 50}}
	}
	out := f.run(t.Context(), plan, o, func(e exec.Event) {
		if e, ok := e.(exec.HostEnded); ok {
			add(e.Outcome.Host + " ended")
		}
	})
	for _, o := range out {
		if o.Status != exec.Unchanged || !o.Rebooted || len(o.NeedsReboot) > 0 || o.KernelBefore != "6.6.63" || o.KernelAfter != "6.12.1" {
			t.Errorf("%s: %s, rebooted %v from %q to %q, needs %v: %v", o.Host, o.Status, o.Rebooted, o.KernelBefore, o.KernelAfter, o.NeedsReboot, o.Err)
		}
		f.expect(o.Host, "kernel", "kernel", "kernel")
	}
	if most != 1 {
		t.Errorf("%d were down at once", most)
	}
	// Hosts of one wave give their place to the next before they have told of their end.
	at := func(what string) int { return slices.Index(happened, what) }
	second := []string{"b", "c"}
	if at("c drain") < at("b drain") {
		slices.Reverse(second)
	}
	var drained, expected []string
	for _, what := range happened {
		if !strings.HasSuffix(what, " ended") {
			drained = append(drained, what)
		}
	}
	for _, host := range append([]string{"a"}, second...) {
		expected = append(expected, host+" drain", host+" undrain")
		if at(host+" ended") < at(host+" undrain") {
			t.Errorf("%s has ended before it was undrained: %v", host, happened)
		}
	}
	if diff := cmp.Diff(expected, drained); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at("a ended") > at(second[0]+" drain") {
		t.Errorf("the second wave began before the first had ended: %v", happened)
	}

	// Once more: nothing needs it.
	for _, o := range f.run(t.Context(), f.plan(exec.Switch, want), o, nil) {
		if o.Status != exec.Unchanged || o.Rebooted {
			t.Errorf("%s again: %s, rebooted %v: %v", o.Host, o.Status, o.Rebooted, o.Err)
		}
	}
	if out := f.run(t.Context(), f.plan(exec.Boot, want), o, nil); out[0].Rebooted {
		t.Errorf("action boot: %s, rebooted %v", out[0].Status, out[0].Rebooted)
	}
}

// A host that boots another system is named with what its journal says.
func TestRestartIntoAnotherSystem(t *testing.T) {
	t.Parallel()
	f := newRestartField(t, "web")
	o := f.opts
	o.Reboot = true
	plan := f.plan(exec.Switch, f.all(system(t, "kernel")))
	plan.Steps[0].Hooks = []schema.Hook{{Before: "reboot", OnHost: true, Timeout: time.Minute, Command: []string{"sh", "-c",
		"logger -t web the loader is tampered with; sed -i 's/^default .*/default nixos-generation-1.conf/' /boot/loader/loader.conf"}}}
	var said []string
	out := f.run(t.Context(), plan, o, func(e exec.Event) {
		if e, ok := e.(exec.Said); ok && e.Stage == exec.Restart {
			said = append(said, e.Line)
		}
	})
	wantErr := fmt.Sprintf("it has booted %s, not %s; no attempt to boot it has left a journal", system(t, "old"), system(t, "kernel"))
	if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Restart || !strings.Contains(o.Error, wantErr) {
		t.Errorf("%s at %s: %v", o.Status, o.Stage, o.Err)
	}
	if got := exec.ExitStatus(t.Context(), out); got != exec.ExitPartly {
		t.Errorf("exit status %d", got)
	}
	if text := strings.Join(said, "\n"); len(said) < 5 || !strings.HasPrefix(text, "the last lines of the journal of the boot before the restart:\n") || !strings.Contains(text, "systemd[1]: ") {
		t.Errorf("said:\n%s", text)
	}
	f.expect("web", "old", "kernel", "old")
}

// A host that comes back when nobody waits for it any longer says so to whoever
// looks next, until a deployment has seen it.
func TestRestartThatTakesTooLong(t *testing.T) {
	t.Parallel()
	f := newRestartField(t, "web")
	h := f.lab.Host("web")
	if err := h.WriteFile("/var/slow", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := f.opts
	o.Reboot, o.RebootTimeout = true, 4*time.Second
	want := f.all(system(t, "kernel"))
	out := f.run(t.Context(), f.plan(exec.Switch, want), o, nil)
	if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Restart || !strings.Contains(o.Error, "not back after 4s") {
		t.Fatalf("%s at %s: %v", o.Status, o.Stage, o.Err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if out = f.deploy(t.Context(), exec.Look, want, nil); out[0].OK() {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it did not come back: %v", out[0].Err)
		}
	}
	found := func(o *exec.Outcome) string {
		for _, f := range o.Findings {
			if f.Check == "restart" {
				return f.Text
			}
		}
		return ""
	}
	if got := found(&out[0]); !strings.Contains(got, "had ended before it came back") || !strings.Contains(got, string(system(t, "kernel"))) {
		t.Errorf("looked at: %q", got)
	}
	if out = f.deploy(t.Context(), exec.Switch, want, nil); out[0].Status != exec.Unchanged || found(&out[0]) == "" {
		t.Errorf("deployed: %s: %q", out[0].Status, found(&out[0]))
	}
	if out = f.deploy(t.Context(), exec.Look, want, nil); found(&out[0]) != "" {
		t.Errorf("looked at again: %q", found(&out[0]))
	}
}
