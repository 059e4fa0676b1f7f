package exec_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
	"muster/schema"
)

// Stand-ins for systemd, of which a lab host has none. What systemd-run starts
// has nothing of the session it is called from: neither its terminal nor its
// environment.
var (
	//go:embed testdata/systemd-run.sh
	fakeSystemdRun string
	//go:embed testdata/systemctl.sh
	fakeSystemctl string
)

// Where there is systemd, the guard is a unit of it, and units are asked for
// there.
func TestGuardIsAUnitOfSystemd(t *testing.T) {
	if *onSystemd {
		t.Skip("pretends what these hosts have")
	}
	t.Parallel()
	f := newField(t, "web")
	web := f.lab.Host("web")
	for name, text := range map[string]string{"/usr/local/bin/systemd-run": fakeSystemdRun, "/usr/local/bin/systemctl": fakeSystemctl, "/root/unit-state": "active\n"} {
		if err := web.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := web.Run(t.Context(), "mkdir", "-p", "/run/systemd/system"); err != nil {
		t.Fatal(err)
	}
	f.hosts["web"].Health = []schema.Check{{Unit: "httpd.service", Timeout: 10 * time.Second, Interval: 50 * time.Millisecond, Retries: 1}}
	read := func(name string) string {
		text, err := web.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}

	plan := f.plan(exec.Switch, f.all(system(t, "new")))
	plan.Run = exec.NewRunID()
	out := f.run(t.Context(), plan, f.opts, nil)[0]
	if out.Status != exec.Activated || len(out.Findings) != 1 || out.Findings[0].Text != "failed before: smartd.service" {
		t.Errorf("%s: %s: %v; %v", out.Status, out.Stage, out.Err, out.Findings)
	}
	f.expect("web", "new", "new", "new")
	words := "\n" + read("/root/systemd-run")
	for _, want := range []string{"--collect", "--unit=muster-" + plan.Run, "/bin/sh", "/run/muster/guard/guard.sh", string(system(t, "new"))} {
		if !strings.Contains(words, "\n"+want+"\n") {
			t.Errorf("systemd-run is not told %s:%s", want, words)
		}
	}
	if asked := read("/root/systemctl"); !strings.Contains(asked, "show --property=ActiveState --value -- httpd.service") {
		t.Errorf("systemctl is asked %s", asked)
	}

	// A unit that is not what it should be takes the host back.
	if err := web.WriteFile("/root/unit-state", []byte("activating\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out = f.deploy(t.Context(), exec.Switch, f.all(system(t, "newer")), nil)[0]
	if out.Status != exec.RolledBack || !strings.Contains(out.Error, "health check unit httpd.service: it is activating") {
		t.Errorf("%s: %s: %v", out.Status, out.Stage, out.Err)
	}
	f.expect("web", "new", "new", "new")

	// Where systemd refuses, nothing has begun, and that is said.
	if err := web.WriteFile("/root/no-units", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out = f.deploy(t.Context(), exec.Switch, f.all(system(t, "newer")), nil)[0]
	if out.Status != exec.Failed || out.Stage != exec.Activate || !strings.Contains(out.Error, "Access denied") {
		t.Errorf("%s: %s: %v", out.Status, out.Stage, out.Err)
	}
	f.expect("web", "new", "new", "new")
}

// What an activation prints in many small writes is told whole.
func TestEachLineOfAnActivationIsTold(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	var got, want []string
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "talks")), func(e exec.Event) {
		if e, ok := e.(exec.Said); ok && e.Stage == exec.Activate && (strings.HasPrefix(e.Line, "said ") || strings.Contains(e.Line, "left out")) {
			got = append(got, e.Line)
		}
	})
	if out[0].Status != exec.Activated {
		t.Fatalf("%s: %v", out[0].Status, out[0].Err)
	}
	for i := range 15 {
		want = append(want, fmt.Sprintf("said %d", i+1))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
