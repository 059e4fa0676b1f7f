package collector

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control groups", nil, 0},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 0},
		{"own limit", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000\n"}, 1000},
		{"limit of an enclosing group", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000\n", "sys/fs/cgroup/a/memory.max": "500\n"}, 500},
		{"limit of a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "700\n"}, 700},
		{"version 1", map[string]string{"proc/self/cgroup": "5:cpu:/x\n4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "900\n"}, 900},
		{"version 1 without a limit", map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range c.files {
				p := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := memoryLimit(root); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestHoldReleased checks that Release restores the previous setting.
func TestHoldReleased(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(123))
	floor := Hold(512 << 20)
	high := debug.SetGCPercent(123)
	debug.SetGCPercent(high)
	floor.Lower(64 << 20)
	low := debug.SetGCPercent(123)
	if low >= high {
		t.Errorf("the percentage is %d with a floor of 512 MB, and %d with a lower one", high, low)
	}
	floor.Lower(1 << 30)
	if got := debug.SetGCPercent(123); got != 123 {
		t.Errorf("a higher floor changes the percentage to %d", got)
	}
	floor.Release()
	if got := debug.SetGCPercent(123); got != 123 {
		t.Errorf("the percentage is %d afterwards, want 123", got)
	}
}
