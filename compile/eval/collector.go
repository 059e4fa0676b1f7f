package eval

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// HoldCollector keeps the garbage collector of this process from running
// before the heap has grown to floor bytes, and lets it run from then on when
// the heap has doubled. Most evaluations make much garbage in a short time and
// are over before memory is short. The function it returns undoes it.
//
// What the runtime offers is a percentage of what survived the last collection;
// so that is set anew after each one.
func HoldCollector(floor int64) (undo func()) {
	const minHeap = 4 << 20 // what the runtime takes for live at the start
	before := debug.SetGCPercent(int(floor * 100 / minHeap))
	var done atomic.Bool
	var arm func()
	arm = func() {
		// A finalizer runs once after each collection.
		runtime.SetFinalizer(new([16]byte), func(*[16]byte) {
			if done.Load() {
				return
			}
			s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
			metrics.Read(s)
			live := max(int64(s[0].Value.Uint64()), minHeap)
			debug.SetGCPercent(int(max(100, (floor-live)*100/live)))
			arm()
		})
	}
	arm()
	return func() {
		done.Store(true)
		debug.SetGCPercent(before)
	}
}
