package cmd

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestRelaxedGCIsRestored(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	restore := relaxGC()
	if got := gcPercent(); got != relaxedGC {
		t.Errorf("GC percent is %d while loading, want %d", got, relaxedGC)
	}
	restore()
	if got := gcPercent(); got != 100 {
		t.Errorf("GC percent is %d after loading, want 100", got)
	}
}

func TestRelaxedGCEndsWhenTheHeapGrows(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer relaxGC()()
	big := make([]byte, relaxedGrowth+64<<20)
	for end := time.Now().Add(10 * time.Second); gcPercent() != 100 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := gcPercent(); got != 100 {
		t.Errorf("GC percent is %d with %d bytes more on the heap, want 100", got, len(big))
	}
}

func TestRelaxedGCLeavesOtherSettingsAlone(t *testing.T) {
	for _, before := range []int{-1, 300} {
		restore := debug.SetGCPercent(before)
		relaxGC()()
		if got := debug.SetGCPercent(restore); got != before {
			t.Errorf("GC percent is %d, want %d", got, before)
		}
	}
}

// gcPercent returns the GC percent without setting it.
func gcPercent() int {
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	return int(percent[0].Value.Uint64())
}
