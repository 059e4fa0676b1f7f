package exec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/exec/units"
)

// diffOf is what a new release changes on a host, in texts of its own. Each host has one
// package that no other has.
func diffOf(host string) *Diff {
	text := strings.Clone
	d := &Diff{CopyPaths: 300, CopyBytes: int64(len(host))}
	for i := range 300 {
		d.Changed = append(d.Changed, &Package{Name: fmt.Sprint("package", i), Before: []string{text("24.11")}, After: []string{text("25.05"), text("25.05-dev")}})
	}
	d.Changed = append(d.Changed, &Package{Name: "nixos-system-" + host, Before: []string{text("24.11")}, After: []string{text("25.05")}})
	for i := range 100 {
		d.Added = append(d.Added, &Package{Name: fmt.Sprint("new", i), After: []string{text("1")}})
		d.Etc.Changed = append(d.Etc.Changed, fmt.Sprint("file", i))
		d.Restart = append(d.Restart, fmt.Sprintf("unit%d.service", i))
		d.Undone = append(d.Undone, units.Note{Unit: fmt.Sprint("unit", i), Text: text("by hand")})
	}
	return d
}

// Diffs that are shared say what they said before.
func TestLikeDiffsAreEqual(t *testing.T) {
	var l likeDiffs
	for _, host := range []string{"a", "b", "a", "c"} {
		d := diffOf(host)
		l.share(d)
		if diff := cmp.Diff(diffOf(host), d); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
	// Lists with the same elements in another order, or fewer of them, are others.
	for _, names := range [][]string{{"b", "a"}, {"a", "b"}, {"a"}, {"ab"}, nil} {
		d := &Diff{Forecast: units.Forecast{Start: names, Stop: names}, Reboot: names}
		l.share(d)
		if diff := cmp.Diff(&Diff{Forecast: units.Forecast{Start: names, Stop: names}, Reboot: names}, d); diff != "" {
			t.Errorf("%q: %s", names, diff)
		}
	}
}

// What many hosts have in common is held once.
func TestLikeDiffsTakeLittle(t *testing.T) {
	const hosts = 1000
	var l likeDiffs
	diffs := make([]*Diff, hosts)
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	for i := range diffs {
		diffs[i] = diffOf(fmt.Sprintf("h%05d", i))
		l.share(diffs[i])
	}
	each := (held() - before) / hosts
	t.Logf("%d bytes a host", each)
	if each > 8<<10 { // 301 pointers have 2.4 kB, a diff of its own has 50 kB
		t.Errorf("a diff takes %d bytes", each)
	}
	runtime.KeepAlive(diffs)
}
