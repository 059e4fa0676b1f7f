package cmd

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"muster/compile/eval/collector"
)

// The switches of the process around loading an inventory. Only package cmd sets
// such switches: a library shares its process with code it does not know.

// clearEnvironment removes the variables that change what the CUE library does.
// Some values of them make every evaluation fail.
func clearEnvironment() {
	os.Unsetenv("CUE_EXPERIMENT")
	os.Unsetenv("CUE_DEBUG")
}

const (
	relaxedGC     = 200       // GC percent while an inventory is loaded
	relaxedGrowth = 466 << 20 // bytes the heap may grow by under it
)

// relaxGC makes the garbage collector run half as often until restore is called
// or the heap has grown by relaxedGrowth. Evaluating CUE is mostly allocating,
// and takes an eighth less time so.
func relaxGC() (restore func()) {
	before := debug.SetGCPercent(relaxedGC)
	if before < 0 || before > relaxedGC {
		debug.SetGCPercent(before)
		return func() {}
	}
	limit := heapSize() + relaxedGrowth
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer debug.SetGCPercent(before)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if heapSize() > limit {
					return
				}
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// heapSize returns the bytes of live and dead objects on the heap.
func heapSize() uint64 {
	use := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(use)
	return use[0].Value.Uint64()
}

// limitMemory has Go collect garbage more often as the process nears a number of
// bytes, so that the limit of an evaluation counts what is in use. 0 is no limit.
func limitMemory(bytes int64) {
	if bytes > 0 {
		debug.SetMemoryLimit(bytes)
	}
}

// collectFrom is the size of the heap at which an evaluation begins to collect
// garbage. Most evaluations end before.
const collectFrom = 512 << 20

// holdCollector keeps the garbage collector from running during an evaluation
// until the heap has grown to collectFrom.
func holdCollector() (undo func()) { return collector.Hold(collectFrom) }
