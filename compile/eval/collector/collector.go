// Package collector tunes the Go runtime for evaluations, which make much garbage
// in a short time and recurse deeply.
//
// [Hold] and [AllowDeepStacks] change settings of the whole process, so only a
// program's own main path calls them; package eval never does.
//
//	collector.AllowDeepStacks()
//	defer collector.Hold(512 << 20)()
package collector

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

// maxStack is what nested evaluation needs in the worst case.
const maxStack = 16 << 30

// AllowDeepStacks raises the process's limit of stack per goroutine. With Go's
// own limit of 1 GB a program that nests calls as deeply as package eval allows
// ends the process.
func AllowDeepStacks() { debug.SetMaxStack(maxStack) }

// Hold keeps the process's garbage collector from running before the heap has
// grown to floor bytes; from then on it runs when the heap has doubled. Most
// evaluations end before memory is short. Where control groups limit the
// process's memory, floor is at most a quarter of the limit. The returned
// function restores the previous setting.
//
// The runtime only takes a percentage of what survived the last collection, so
// Hold sets the percentage anew after each one.
func Hold(floor int64) (undo func()) {
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

// percentFor returns the percentage with which the next collection begins when
// the heap is floor bytes. The runtime takes it of the live heap, the stacks and
// the globals.
func percentFor(floor int64) int {
	const minHeap = 4 << 20 // the runtime's live heap before the first collection
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	live := int64(s[0].Value.Uint64())
	whole := max(minHeap, live+int64(s[1].Value.Uint64())+int64(s[2].Value.Uint64()))
	return int(max(0, floor-live) * 100 / whole)
}

// Memory returns how much memory the process may use: the machine's, or what its
// control groups allow (Linux); 0 where that is unknown.
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

// ProgramText returns how much memory the files that the process has mapped take,
// its own program above all; an estimate where that is unknown. The Go runtime does
// not count it.
func ProgramText() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 2 {
		if pages, err := strconv.ParseInt(fields[2], 10, 64); err == nil {
			return pages * int64(os.Getpagesize())
		}
	}
	return 32 << 20
}

// memoryLimit returns how much memory the process's control groups allow it
// (Linux, version 1 or 2); 0 where they set no limit. root is / except in tests.
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
		// The limits of the enclosing groups hold as well. In a container the
		// outermost group is the container's own.
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
