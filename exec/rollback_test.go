package exec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec"
)

// rollBack undoes the last deployment and says what became of each host.
func (f *field) rollBack(t *testing.T, action exec.Action) []string {
	t.Helper()
	p := f.plan(action, f.all(""))
	var got []string
	for _, o := range f.run(t.Context(), p, f.opts, nil) {
		what := o.Reason
		if o.Err != nil {
			what = fmt.Sprintf("%s: %v", o.Stage, o.Err)
		} else if what == "" {
			what = systemName(o.System)
		}
		if run, ok := strings.CutPrefix(what, "not changed by run "); ok && run != "" {
			what = "not changed"
		}
		got = append(got, fmt.Sprintf("%s %s: %s", o.Host, o.Status, what))
	}
	return got
}

func (f *field) mustDeploy(t *testing.T, want map[string]store.Path, status exec.Status) {
	t.Helper()
	for _, o := range f.deploy(t.Context(), exec.Switch, want, nil) {
		if o.Status != status {
			t.Fatalf("%s: %s: %s: %v", o.Host, o.Status, o.Stage, o.Err)
		}
	}
}

// A rollback undoes one deployment after the other, each on the hosts that it
// changed, and passes over what was never confirmed.
func TestRollbackUndoesDeployments(t *testing.T) {
	t.Parallel()
	f := newField(t, "web", "db")
	f.opts = patient(f.opts)
	f.mustDeploy(t, f.all(system(t, "new")), exec.Activated)
	f.mustDeploy(t, map[string]store.Path{"web": system(t, "noboot")}, exec.RolledBack)
	if out, err := f.lab.Host("web").Run(t.Context(), "sh", "-c", "rmdir /boot/loader/loader.conf.tmp; tail -n 1 /var/lib/muster/rejected"); err != nil || !strings.Contains(out, " "+string(system(t, "noboot"))+" ") {
		t.Errorf("rejected: %q, %v", out, err)
	}
	f.mustDeploy(t, map[string]store.Path{"web": system(t, "newer")}, exec.Activated)

	steps := []struct {
		action exec.Action
		want   []string
		on     [2]string // what web and db are on then
	}{
		{exec.WouldRevert, []string{"web previewed: new", "db unchanged: not changed"}, [2]string{"newer", "new"}},
		{exec.Rollback, []string{"web reverted: new", "db unchanged: not changed"}, [2]string{"new", "new"}},
		{exec.Rollback, []string{"web reverted: old", "db reverted: old"}, [2]string{"old", "old"}},
	}
	for i, s := range steps {
		if diff := cmp.Diff(s.want, f.rollBack(t, s.action)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i+1, diff)
		}
		f.expect("web", s.on[0], s.on[0], s.on[0])
		f.expect("db", s.on[1], s.on[1], s.on[1])
	}
	for _, line := range f.rollBack(t, exec.Rollback) {
		if !strings.Contains(line, " failed: revert: no generation before 1 to go back to: run ") {
			t.Errorf("past the first: %s", line)
		}
	}
}

// A host that cannot be reached or whose way back fails keeps no other from it, and
// the next rollback undoes the same deployment there.
func TestRollbackThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := newField(t, "web", "db", "off")
	f.opts = patient(f.opts)
	f.mustDeploy(t, f.all(system(t, "new")), exec.Activated)
	f.mustDeploy(t, f.all(system(t, "newer")), exec.Activated)
	if err := f.lab.Host("off").Stop(); err != nil {
		t.Fatal(err)
	}
	// The way back of db fails: its boot loader cannot be set.
	if out, err := f.lab.Host("db").Run(t.Context(), "mkdir", "-p", "/boot/loader/loader.conf.tmp/x"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := f.rollBack(t, exec.Rollback)
	if got[0] != "web reverted: new" || !strings.HasPrefix(got[1], "db rolled back: confirm: ") && !strings.HasPrefix(got[1], "db failed: confirm: ") || !strings.HasPrefix(got[2], "off failed: connect: ") {
		t.Errorf("%q", got)
	}
	f.expect("web", "new", "new", "new")
	if out, err := f.lab.Host("db").Run(t.Context(), "rm", "-r", "/boot/loader/loader.conf.tmp"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := f.lab.Host("off").Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"web unchanged: not changed", "db reverted: new", "off reverted: new"}, f.rollBack(t, exec.Rollback)); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	for _, name := range []string{"web", "db", "off"} {
		f.expect(name, "new", "new", "new")
	}
}
