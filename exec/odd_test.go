package exec_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
)

// Hosts that are not as most are.

// A host whose Nix cannot be written to is found out before anything changes, and
// said to be that.
func TestReadOnlyNixIsFoundBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	web := f.lab.Host("web")
	for _, argv := range [][]string{{"mount", "--bind", "/nix", "/nix"}, {"mount", "-o", "remount,ro,bind", "/nix"}} {
		if out, err := web.Run(t.Context(), argv...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	before := f.snapshot(web)
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil)
	if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Inspect || o.Error != "/nix is read-only" {
		t.Errorf("%s: %s: %s", o.Status, o.Stage, o.Error)
	}
	if diff := cmp.Diff(before, f.snapshot(web)); diff != "" {
		t.Error(diff)
	}
	if out := f.deploy(t.Context(), exec.Look, f.all(system(t, "old")), nil); !out[0].OK() {
		t.Errorf("status: %s: %s", out[0].Status, out[0].Error)
	}
}

// A container was booted without a kernel and an initrd: no restart brings them.
func TestContainersNeedNoRestartForAKernel(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	container := "cp -a $(readlink -f /run/booted-system) /container && rm /container/kernel /container/initrd && ln -sfn /container /run/booted-system"
	if out, err := f.lab.Host("web").Run(t.Context(), "sh", "-c", container); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kernel := f.all(system(t, "kernel"))
	if d := f.deploy(t.Context(), exec.Preview, kernel, nil)[0].Diff; d == nil || !cmp.Equal(d.Reboot, []string{"kernel-modules"}) {
		t.Errorf("planned: %+v", d)
	}
	if o := f.deploy(t.Context(), exec.Switch, kernel, nil)[0]; !o.OK() || !cmp.Equal(o.NeedsReboot, []string{"kernel-modules"}) {
		t.Errorf("%s: needs %v: %v", o.Status, o.NeedsReboot, o.Err)
	}
}

// A restart shows in what process 1 is, for the kernel of a container goes on.
func TestARestartShowsInTheBootID(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	id := func() string {
		out := f.deploy(t.Context(), exec.Look, f.all(system(t, "old")), nil)
		m, err := f.connect(t.Context(), f.hosts["web"])
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		boot, err := exec.HostOf(m).Boot(t.Context())
		if err != nil || boot.System != system(t, "old") || boot.ID != out[0].Facts.BootID {
			t.Fatalf("boot %+v, inspected %q: %v", boot, out[0].Facts.BootID, err)
		}
		return boot.ID
	}
	before := id()
	if again := id(); again != before {
		t.Errorf("it was %s, and is %s without a restart", before, again)
	}
	if err := f.lab.Host("web").Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := id(); after == before {
		t.Errorf("it is %s before and after a restart", before)
	}
}
