package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

// A host that is on another system than it should be says since when, and which of its
// generations have the system.
func TestInspectionTellsSinceWhen(t *testing.T) {
	dir := t.TempDir()
	profile := filepath.Join(dir, "system")
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, system := range []string{"old", "new", "never"} {
		if err := os.Mkdir(filepath.Join(dir, system), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link(dir+"/old", "system-2-link")
	link(dir+"/new", "system-9-link")
	link(dir+"/new", "system-10-link")
	link(dir+"/old", "system-11-link")
	link(dir+"/new", "system-odd-link")
	link(dir+"/gone", "system-12-link")
	link("system-2-link", "system")
	type told struct {
		Recently       bool
		Wanted, Newest int
	}
	for _, tt := range []struct {
		compare string
		want    told
	}{
		{"new", told{true, 10, 12}},
		{"never", told{true, 0, 12}},
		{"nowhere", told{true, 0, 12}},
		{"old", told{}}, // which it is on
		{"", told{}},
	} {
		r := InspectRequest{}
		if tt.compare != "" {
			r.Compare = store.Path(filepath.Join(dir, tt.compare))
		}
		args := r.args()
		args[0] = profile
		out, err := exec.Command("/bin/sh", append([]string{"-c", inspectScript.text(), "inspect"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		in, err := parseInspection(string(out), time.Now(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		f := in.Facts
		got := told{!f.Since.IsZero() && time.Since(f.Since).Abs() < time.Hour, f.Wanted, f.Newest}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.compare, diff)
		}
	}
}
