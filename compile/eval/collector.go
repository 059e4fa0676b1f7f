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
