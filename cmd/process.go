package cmd

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"

	"muster/compile/eval/collector"
	"muster/schema"
)

// This file is the one place that sets what holds for the whole process. Only
// package cmd does so: a library shares its process with code it does not know.

// narrow has Go use half of the processors until widen is called. A run waits for
// hosts, and every packet from them wakes it; on more processors Go spends more on
// passing that work between threads than on the work. Measured on two, copying to
// eight hosts: six times as many context switches, a third more processor time.
// One processor carries some 1 GB/s of SSH. GOMAXPROCS in the environment prevails.
func narrow() (widen func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	all := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS((all + 1) / 2)
	return func() { runtime.GOMAXPROCS(all) }
}

// taken are the variables that protectSecrets has removed from the environment.
var taken takenVariables

// protectSecrets keeps what muster knows of the hosts' secrets to muster: it leaves no
// core dump, no other process of the user can read its memory, and the variables that
// secrets come from are no longer in the environment of what it starts.
func protectSecrets(hosts []*schema.Host) {
	for _, h := range hosts {
		if len(h.AllSecrets) > 0 {
			hideMemory()
		}
		for _, s := range h.AllSecrets {
			if s.Env != "" {
				taken.take(s.Env)
			}
		}
	}
}

// noCoreDumps has the process, and what it starts, leave no core dumps.
func noCoreDumps() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
}

// takenVariables are variables that are no longer in the environment.
type takenVariables struct{ values map[string]string }

func (t *takenVariables) take(name string) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return
	}
	if t.values == nil {
		t.values = map[string]string{}
	}
	t.values[name] = value
	os.Unsetenv(name)
}

// lookup is os.LookupEnv before they were taken.
func (t *takenVariables) lookup(name string) (string, bool) {
	if value, ok := t.values[name]; ok {
		return value, true
	}
	return os.LookupEnv(name)
}

// clearEnvironment removes the variables that change what the CUE library does.
// Some values of them make every evaluation fail.
func clearEnvironment() {
	os.Unsetenv("CUE_EXPERIMENT")
	os.Unsetenv("CUE_DEBUG")
}

// dropRelativeHome removes a HOME that is no absolute path from the environment, and says so:
// what muster keeps would be written to wherever it is called.
func dropRelativeHome(errs io.Writer) {
	if home := os.Getenv("HOME"); home != "" && !filepath.IsAbs(home) {
		os.Unsetenv("HOME")
		fmt.Fprintf(errs, "note: HOME is %q, not an absolute path: it is ignored\n", home)
	}
}

const (
	relaxedGC     = 200       // GC percent while an inventory is loaded
	relaxedGrowth = 466 << 20 // bytes the heap may grow by under it
)

// relaxGC makes the garbage collector run half as often until restore is called
// or the heap has grown by relaxedGrowth. Evaluating CUE is mostly allocating,
// and takes an eighth less time so.
func relaxGC() (restore func()) {
	before := endStart(relaxedGC)
	if before < 0 || before > relaxedGC {
		debug.SetGCPercent(before)
		return func() {}
	}
	limit := heapSize() + relaxedGrowth
	return every(10*time.Millisecond, func() bool { return heapSize() <= limit }, func() { debug.SetGCPercent(before) })
}

// every calls f again and again until it returns false or stop is called, and then
// undo. stop returns when that is done.
func every(interval time.Duration, f func() bool, undo func()) (stop func()) {
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer undo()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-stopping:
				return
			case <-tick.C:
				if !f() {
					return
				}
			}
		}
	}()
	return func() {
		close(stopping)
		<-stopped
	}
}

// softMemory is what the process takes at most, if it can, while it loads a large
// fleet and compiles it.
const softMemory = 1150 << 20

// saveMemory has Go collect garbage more often as the process nears softMemory, or
// a quarter more than is live, until restore is called. A limit that is set already,
// as by GOMEMLIMIT, prevails.
func saveMemory() (restore func()) {
	before := debug.SetMemoryLimit(-1)
	if before != math.MaxInt64 {
		return func() {}
	}
	debug.SetMemoryLimit(softMemory)
	return every(50*time.Millisecond, func() bool {
		debug.SetMemoryLimit(max(softMemory, liveHeap()/4*5))
		return true
	}, func() { debug.SetMemoryLimit(before) })
}

// liveHeap returns the bytes that the last collection found to be in use.
func liveHeap() int64 {
	use := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(use)
	return int64(use[0].Value.Uint64())
}

// heapSize returns the bytes of live and dead objects on the heap.
func heapSize() uint64 {
	use := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(use)
	return use[0].Value.Uint64()
}

// limitMemory has Go collect garbage more often as the process nears a number of
// bytes, so that an evaluation with this limit is not ended by garbage. The runtime
// does not count the program itself, and needs some time to collect. 0 is no limit.
func limitMemory(bytes int64) {
	if bytes > 0 {
		debug.SetMemoryLimit(max(bytes/2, bytes-bytes/10-collector.ProgramText()))
	}
}

// collectFrom is the size of the heap at which an evaluation begins to collect
// garbage. Most evaluations end before.
const collectFrom = 512 << 20

// holdCollector keeps the garbage collector from running during an evaluation
// until the heap has grown to collectFrom.
func holdCollector() *heldCollector {
	before := endStart(startGC)
	return &heldCollector{floor: collector.Hold(collectFrom), before: before}
}

// A heldCollector is a garbage collector that holdCollector keeps from running.
type heldCollector struct {
	floor  *collector.Floor
	before int // the GC percent to restore
}

// collectHosts is collectFrom once the first host is evaluated: what comes then is freed
// with its host.
const collectHosts = 160 << 20

// lower has the collector run more often from now on.
func (h *heldCollector) lower() { h.floor.Lower(collectHosts) }

// release undoes holdCollector.
func (h *heldCollector) release() {
	h.floor.Release()
	debug.SetGCPercent(h.before)
}

// startGC is the GC percent until the first collection: what is there at the start
// of the process, the libraries' tables and the commands, is just below the size at
// which Go collects first, and little of it is garbage.
const startGC = 400

var starting struct {
	sync.Once
	usual int // the GC percent without beginStart
}

// beginStart puts the first collection off.
func beginStart() {
	starting.usual = debug.SetGCPercent(startGC)
	runtime.AddCleanup(new([64]byte), func(struct{}) {
		starting.Do(func() { debug.SetGCPercent(starting.usual) })
	}, struct{}{})
}

// endStart sets the GC percent and returns the one to restore, which is never
// startGC. The usual percent is not set in between: with a heap as large as at the
// start, a collection would begin.
func endStart(percent int) (before int) {
	first := false
	starting.Do(func() { first = true })
	before = debug.SetGCPercent(percent)
	if first && starting.usual != 0 {
		return starting.usual
	}
	return before
}

// setenv sets an environment variable, for the programs that muster runs too,
// until undo is called.
func setenv(name, value string) (undo func()) {
	before, existed := os.LookupEnv(name)
	os.Setenv(name, value)
	return func() {
		if existed {
			os.Setenv(name, before)
		} else {
			os.Unsetenv(name)
		}
	}
}
