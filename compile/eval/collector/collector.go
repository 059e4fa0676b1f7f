// Package collector tunes the Go runtime for evaluations, which make much garbage
// in a short time and recurse deeply.
//
// [Hold] and [AllowDeepStacks] change settings of the whole process, so only a
// program's own main path calls them; package eval never does.
//
//	collector.AllowDeepStacks()
//	defer collector.Hold(512 << 20).Release()
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
// process's memory, floor is at most a quarter of the limit.
//
// The runtime only takes a percentage of what survived the last collection, so
// Hold sets the percentage anew after each one.
func Hold(floor int64) *Floor {
	if limit := memoryLimit("/"); limit > 0 {
		floor = min(floor, limit/4)
	}
	f := &Floor{}
	f.bytes.Store(floor)
	f.before = debug.SetGCPercent(percentFor(floor))
	f.arm()
	return f
}

// A Floor is how large the heap may become before garbage is collected.
type Floor struct {
	bytes    atomic.Int64
	released atomic.Bool
	before   int // the percentage that Release restores
}

// arm sets the percentage after the next collection, and after those that follow.
func (f *Floor) arm() {
	// A finalizer runs once after each collection.
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
		if f.released.Load() {
			return
		}
		debug.SetGCPercent(max(100, percentFor(f.bytes.Load())))
		f.arm()
	})
}

// Lower has the collector run from fewer bytes on: at least floor, and three times what
// the heap has now. It is for a process that has all that it keeps, and goes on to make
// garbage. Then a heap that is far larger costs more in fresh pages than it saves in
// collections.
func (f *Floor) Lower(floor int64) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	floor = max(floor, 3*int64(heap[0].Value.Uint64()))
	if floor < f.bytes.Load() {
		f.bytes.Store(floor)
		debug.SetGCPercent(max(100, percentFor(floor)))
	}
}

// Release restores the setting that was before Hold.
func (f *Floor) Release() {
	f.released.Store(true)
	debug.SetGCPercent(f.before)
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
