package lab

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A tree is removed when it has not been used for a time and is not in use.
func TestTreesThatWereUsedLatelyStay(t *testing.T) {
	if err := Check(); err != nil {
		t.Skip(err)
	}
	cache := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"debian-old": 2 * treeAge, "debian-old-in-use": 2 * treeAge, "debian-new": time.Hour} {
		dir := filepath.Join(cache, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		lock, err := lockFile(t.Context(), dir+".lock", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(lock.Name(), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
		if name == "debian-old-in-use" {
			defer lock.Close()
		} else {
			lock.Close()
		}
	}
	prune(cache, now.Add(-treeAge))
	left, err := filepath.Glob(filepath.Join(cache, "*[^k]"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(cache, "debian-new"), filepath.Join(cache, "debian-old-in-use")}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
}

// Whoever has waited for a lock file that was removed meanwhile locks the one that is there then.
func TestALockFileThatIsRemovedLocksNothing(t *testing.T) {
	if err := Check(); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "lock")
	first, err := lockFile(t.Context(), path, true)
	if err != nil {
		t.Fatal(err)
	}
	locked := make(chan *os.File)
	go func() {
		f, err := lockFile(context.Background(), path, true)
		if err != nil {
			t.Error(err)
		}
		locked <- f
	}()
	time.Sleep(150 * time.Millisecond)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second := <-locked
	defer second.Close()
	if !isAt(second, path) {
		t.Error("the file that is locked is not at its path")
	}
}
