package eval

import (
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
)

// HoldCollector keeps the garbage collector of this process from running
// before the heap has grown to floor bytes, and lets it run from then on when
// the heap has doubled. Most evaluations make much garbage in a short time and
// are over before memory is short. Where the process may have little memory,
// floor is a quarter of it at most. The function it returns undoes it.
//
// What the runtime offers is a percentage of what survived the last collection;
// so that is set anew after each one.
func HoldCollector(floor int64) (undo func()) {
	if limit := memoryLimit("/"); limit > 0 {
		floor = min(floor, limit/4)
	}
	before := debug.SetGCPercent(percentFor(floor))
	var done atomic.Bool
	var arm func()
	arm = func() {
		// A finalizer runs once after each collection.
		runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
			if done.Load() {
				return
			}
			debug.SetGCPercent(max(100, percentFor(floor)))
			arm()
		})
	}
	arm()
	return func() {
		done.Store(true)
		debug.SetGCPercent(before)
	}
}

// percentFor is the percentage that has the next collection begin when the heap
// is floor bytes. The runtime takes it of what is live and of what else has to
// be looked at.
func percentFor(floor int64) int {
	const minHeap = 4 << 20 // what the runtime takes for live at the start
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	live := int64(s[0].Value.Uint64())
	whole := max(minHeap, live+int64(s[1].Value.Uint64())+int64(s[2].Value.Uint64()))
	return int(max(0, floor-live) * 100 / whole)
}

// Memory is how much memory the process may have: the machine's, or what its
// control groups allow it (Linux); 0 where that is not known.
func Memory() int64 {
	limit := memoryLimit("/")
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if _, after, ok := strings.Cut(string(text), "MemTotal:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
			if err == nil && (limit == 0 || kb<<10 < limit) {
				return kb << 10
			}
		}
	}
	return limit
}

// memoryLimit is how much memory the process's control groups allow it (Linux,
// either version); 0 where they set no limit. root is / but in tests.
func memoryLimit(root string) int64 {
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	limit := int64(0)
	for _, line := range strings.Split(string(groups), "\n") {
		// 0::/user.slice/a.scope, or 4:memory:/a
		_, rest, _ := strings.Cut(line, ":")
		controllers, group, ok := strings.Cut(rest, ":")
		dir, file := "sys/fs/cgroup", "memory.max"
		switch {
		case !ok:
			continue
		case controllers == "memory":
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case controllers != "":
			continue
		}
		// The limits of the groups around hold as well. In a container the
		// outermost is the container's own.
		for ; ; group = path.Dir(group) {
			b, err := os.ReadFile(filepath.Join(root, dir, group, file))
			if n, perr := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && perr == nil && n > 0 && n < 1<<50 {
				if limit == 0 || n < limit {
					limit = n
				}
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return limit
}
