package cmd

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
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
