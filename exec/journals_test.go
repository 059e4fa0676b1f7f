package exec

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Runs are ordered by the number of their journals: not by the clock, nor by the chance in their names. Journals of
// earlier versions come first.
func TestJournalsAreOrderedByNumber(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"20270101-000000-zzzz.jsonl", "20270101-000000-aaaa.jsonl", "000009.20990101-000000-aaaa.jsonl", ".muster-x", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // the clock is before all of them
		p := savedExample()
		p.Run = ""
		j, err := CreateJournal(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
	names, err := Journals(dir)
	if err != nil {
		t.Fatal(err)
	}
	var order, runs []string
	for _, name := range names {
		order = append(order, fmt.Sprintf("%d %.15s", numberOf(name), RunOf(name)))
		runs = append(runs, RunOf(name))
	}
	want := []string{"0 20270101-000000", "0 20270101-000000", "9 20990101-000000", "10 20990101-000001", "11 20990101-000002", "12 20990101-000003"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.IsSorted(runs) {
		t.Errorf("the names of the runs are in another order: %q", runs)
	}
}

// Two that begin at once have two numbers, and no journal is ever seen without its plan.
func TestJournalsBeginSideBySide(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	var begun sync.WaitGroup
	for range 20 {
		begun.Go(func() {
			p := savedExample()
			p.Run = ""
			j, err := CreateJournal(dir, p)
			if err != nil {
				t.Error(err)
				return
			}
			j.Close()
		})
	}
	done := make(chan struct{})
	go func() { begun.Wait(); close(done) }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		names, err := Journals(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, err := ReadJournal(name); err != nil {
				t.Error(err)
			}
		}
	}
	names, _ := Journals(dir)
	numbers := map[int]bool{}
	for _, name := range names {
		numbers[numberOf(name)] = true
	}
	if len(numbers) != 20 {
		t.Errorf("20 runs have %d numbers", len(numbers))
	}
	for name, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, names[0]: 0o600} {
		if info, err := os.Lstat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, want %v", name, info.Mode(), want)
		}
	}
}

// No journal is begun where others could exchange it.
func TestNoJournalIsBegunWhereOthersMayWrite(t *testing.T) {
	for name, lay := range map[string]func(dir string){
		"it may be written to by others (mode 0777)": func(dir string) { os.Mkdir(dir, 0o700); os.Chmod(dir, 0o777) },
		"it is a symbolic link, want a directory":    func(dir string) { os.Symlink(t.TempDir(), dir) },
		"not a directory":                            func(dir string) { os.WriteFile(dir, nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "runs")
		lay(dir)
		_, err := CreateJournal(dir, savedExample())
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

// noEntryEnv has TestDirectoryThatMayNotBeEntered look into a directory as another user.
const noEntryEnv = "MUSTER_TEST_NO_ENTRY"

// A directory that may not be entered is not one without journals.
func TestDirectoryThatMayNotBeEntered(t *testing.T) {
	if dir := os.Getenv(noEntryEnv); dir != "" {
		names, err := Journals(dir)
		fmt.Println("found", names, err)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("takes root, to become another user")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := osexec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), noEntryEnv+"="+filepath.Join(dir, "state/runs"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "look for journals: ") || !strings.Contains(string(out), "permission denied") {
		t.Errorf("%v: %s", err, out)
	}
}
