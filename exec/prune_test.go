package exec

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const prunedDay = 24 * time.Hour

// An oldRun is a run with a journal, the oldest first.
type oldRun struct {
	age  time.Duration // of its last event
	open bool          // it has no end
	held bool          // by its deployer
	torn bool          // its last line is cut
}

// makeRuns makes journals with reports beside them, and returns their directory and names.
func makeRuns(t *testing.T, runs []oldRun) (dir string, names []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "runs")
	for _, run := range runs {
		p := savedExample()
		p.Run = ""
		j, err := CreateJournal(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		if !run.open {
			j.End(ExitOK)
		}
		name := j.file.Name()
		all, err := Journals(dir)
		if err != nil {
			t.Fatal(err)
		}
		name = all[len(all)-1]
		if run.held {
			t.Cleanup(func() { j.Close() })
		} else {
			j.Close()
		}
		if run.torn {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, text[:len(text)-3], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		report := name[:len(name)-len(journalExt)] + ".html"
		if err := os.WriteFile(report, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-run.age)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return dir, names
}

func TestPruneJournals(t *testing.T) {
	old, young := 100*prunedDay, prunedDay
	for _, tt := range []struct {
		name string
		runs []oldRun
		keep KeepRuns
		want []int // the runs that stay
	}{
		{"old ones beyond the last", []oldRun{{age: old}, {age: old}, {age: old}, {age: old}}, KeepRuns{2, 90 * prunedDay}, []int{2, 3}},
		{"young ones stay, however many", []oldRun{{age: old}, {age: young}, {age: young}, {age: young}}, KeepRuns{1, 90 * prunedDay}, []int{1, 2, 3}},
		{"without days", []oldRun{{age: young}, {age: young}, {age: 0}}, KeepRuns{1, 0}, []int{2}},
		{"the last stays in any case", []oldRun{{age: old}}, KeepRuns{}, []int{0}},
		{"fewer than are kept", []oldRun{{age: old}, {age: old}}, KeepRuns{100, 0}, []int{0, 1}},
		{"one that can be resumed", []oldRun{{age: old, open: true}, {age: old}, {age: old}}, KeepRuns{1, 0}, []int{0, 2}},
		{"one in progress", []oldRun{{age: old, open: true, held: true}, {age: old}, {age: old}}, KeepRuns{1, 0}, []int{0, 2}},
		{"one whose deployer has not left yet", []oldRun{{age: old, held: true}, {age: old}, {age: old}}, KeepRuns{1, 0}, []int{0, 2}},
		{"one whose end is cut", []oldRun{{age: old, torn: true}, {age: old}, {age: old}}, KeepRuns{1, 0}, []int{0, 2}},
		{"a clock that was ahead", []oldRun{{age: -old}, {age: old}, {age: old}}, KeepRuns{1, 90 * prunedDay}, []int{0, 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, names := makeRuns(t, tt.runs)
			removed, err := PruneJournals(dir, tt.keep)
			if err != nil {
				t.Fatal(err)
			}
			if removed != len(tt.runs)-len(tt.want) {
				t.Errorf("%d were removed", removed)
			}
			var want, reports []string
			for _, i := range tt.want {
				want = append(want, names[i])
				reports = append(reports, names[i][:len(names[i])-len(journalExt)]+".html")
			}
			got, err := Journals(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			beside, _ := filepath.Glob(filepath.Join(dir, "*.html"))
			if diff := cmp.Diff(reports, beside); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
			// The next run has the number after the last one.
			p := savedExample()
			p.Run = ""
			j, err := CreateJournal(dir, p)
			if err != nil {
				t.Fatal(err)
			}
			j.Close()
			all, _ := Journals(dir)
			if last := all[len(all)-1]; numberOf(last) != len(tt.runs)+1 {
				t.Errorf("the next journal is %s", last)
			}
		})
	}
}

// Files that a crash has left half made go when they are a day old; others of the directory stay.
func TestPruneLeavesWhatIsNotMuster(t *testing.T) {
	dir, _ := makeRuns(t, []oldRun{{age: prunedDay}})
	stays := map[string]time.Duration{"notes.txt": 1000 * prunedDay, ".muster-NEW": time.Hour}
	goes := map[string]time.Duration{".muster-OLD": 2 * prunedDay}
	for _, files := range []map[string]time.Duration{stays, goes} {
		for name, age := range files {
			full := filepath.Join(dir, name)
			if err := os.WriteFile(full, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-age)
			if err := os.Chtimes(full, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := PruneJournals(dir, KeepRuns{Last: 1}); err != nil {
		t.Fatal(err)
	}
	for name := range stays {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for name := range goes {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if _, err := PruneJournals(filepath.Join(dir, "none"), KeepRuns{Last: 1}); err != nil {
		t.Error(err)
	}
}

// A directory that is too full for a new journal is emptied.
func TestPruneEmptiesAFullDirectory(t *testing.T) {
	dir, names := makeRuns(t, []oldRun{{age: 3 * prunedDay}, {}})
	text, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-2 * prunedDay)
	for i := range maxJournals {
		name := filepath.Join(dir, journalName(0, fmt.Sprintf("run%d", i)))
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Journals(dir); err == nil {
		t.Fatal("the directory is not full")
	}
	removed, err := PruneJournals(dir, KeepRuns{Last: 2, Younger: prunedDay})
	if err != nil || removed != maxJournals {
		t.Errorf("%d were removed: %v", removed, err)
	}
	if got, err := Journals(dir); err != nil || len(got) != 2 {
		t.Errorf("%q: %v", got, err)
	}
}

// prunerEnv has TestPruner prune a directory.
const prunerEnv = "MUSTER_TEST_PRUNE"

// A process that is killed while it prunes leaves the journals of the younger runs whole, and
// the next one goes on.
func TestPruneKilledInTheMiddle(t *testing.T) {
	const runs = 400
	list := make([]oldRun, runs)
	for i := range list {
		list[i].age = time.Duration(runs-i) * prunedDay
	}
	list[3].open = true
	dir, names := makeRuns(t, list)
	for {
		cmd := osexec.Command(os.Args[0], "-test.run", "^TestPruner$")
		cmd.Env = append(os.Environ(), prunerEnv+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before, _ := Journals(dir)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var err error
		for gone := false; !gone; {
			select {
			case err = <-ended:
				gone = true
			default:
				if now, _ := Journals(dir); len(now) < len(before)-20 {
					cmd.Process.Kill()
					err = <-ended
					gone = true
				}
			}
		}
		left, listErr := Journals(dir)
		if listErr != nil {
			t.Fatal(listErr)
		}
		// The open one, and the youngest without a gap.
		if left[0] != names[3] || !cmp.Equal(left[1:], names[runs-len(left)+1:]) && len(left) < runs-3 {
			t.Fatalf("%d are left, from %s", len(left), left[0])
		}
		for _, name := range left {
			if _, err := ReadJournal(name); err != nil {
				t.Fatal(err)
			}
		}
		if err == nil {
			if len(left) != 11 {
				t.Errorf("%d are left at the end", len(left))
			}
			return
		}
	}
}

// TestPruner is what the processes of TestPruneKilledInTheMiddle do.
func TestPruner(t *testing.T) {
	dir := os.Getenv(prunerEnv)
	if dir == "" {
		t.Skip("there is nothing to prune")
	}
	if _, err := PruneJournals(dir, KeepRuns{Last: 10}); err != nil {
		t.Fatal(err)
	}
}
