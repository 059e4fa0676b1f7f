package cmd

import (
	"math"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"muster/schema"
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
	runtime.GC() // what other tests left must not shrink the heap meanwhile
	defer relaxGC()()
	big := make([]byte, relaxedGrowth+64<<20)
	for end := time.Now().Add(2 * time.Minute); gcPercent() != 100 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := gcPercent(); got != 100 {
		t.Errorf("GC percent is %d with %d bytes more on the heap, want 100", got, len(big))
	}
	runtime.KeepAlive(big)
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

func TestTheMemoryLimitOfALoadIsUndone(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	restore := saveMemory()
	if got := debug.SetMemoryLimit(-1); got < softMemory || got == math.MaxInt64 {
		t.Errorf("the limit is %d while loading, want %d or a little more", got, softMemory)
	}
	restore()
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("the limit is %d after loading, want none", got)
	}
	debug.SetMemoryLimit(3 << 30)
	defer saveMemory()()
	if got := debug.SetMemoryLimit(-1); got != 3<<30 {
		t.Errorf("the limit of GOMEMLIMIT became %d", got)
	}
}

// TestTheStartEndsWithoutTheUsualPercent: with a heap as large as at the start, the
// usual percent would begin a collection before the next one is set.
func TestTheStartEndsWithoutTheUsualPercent(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	start()
	if got := gcPercent(); got != startGC {
		t.Errorf("GC percent is %d at the start, want %d", got, startGC)
	}
	if before := endStart(250); before != 100 {
		t.Errorf("GC percent %d is to be restored, want 100", before)
	}
	if got := gcPercent(); got != 250 {
		t.Errorf("GC percent is %d after the start, want 250", got)
	}
	if before := endStart(100); before != 250 {
		t.Errorf("GC percent %d is to be restored, want 250", before)
	}
}

func TestTheHeldCollectorIsRestored(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	start()
	runtime.GC() // what other tests left must not be more than collectFrom
	held := holdCollector()
	if got := gcPercent(); got <= startGC {
		t.Errorf("GC percent is %d during an evaluation, want more than %d", got, startGC)
	}
	before := gcPercent()
	if held.lower(); gcPercent() >= before {
		t.Errorf("GC percent is %d once a host is evaluated, want less than %d", gcPercent(), before)
	}
	held.release()
	if got := gcPercent(); got != 100 {
		t.Errorf("GC percent is %d after it, want 100", got)
	}
}

// start is beginStart without the cleanup, which could run during a later test.
func start() {
	starting.Once = sync.Once{}
	starting.usual = debug.SetGCPercent(startGC)
}

// gcPercent returns the GC percent without setting it.
func gcPercent() int {
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(percent)
	return int(percent[0].Value.Uint64())
}

func TestARunTakesHalfOfTheProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(5)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "")
	widen := narrow()
	if n := runtime.GOMAXPROCS(0); n != 3 {
		t.Errorf("%d of 5 processors while it runs", n)
	}
	widen()
	if n := runtime.GOMAXPROCS(0); n != 5 {
		t.Errorf("%d of 5 processors after it", n)
	}
	t.Setenv("GOMAXPROCS", "4")
	defer narrow()()
	if n := runtime.GOMAXPROCS(0); n != 5 {
		t.Errorf("%d processors, though the environment says how many", n)
	}
}

// What muster starts has no secret of the environment, and leaves no core dump.
func TestSecretsOfTheEnvironmentAreTaken(t *testing.T) {
	t.Setenv("SECRET_OF_THIS_TEST", "swordfish")
	t.Cleanup(func() { taken = takenVariables{} })
	protectSecrets([]*schema.Host{{AllSecrets: []*schema.Secret{{Name: "a", Env: "SECRET_OF_THIS_TEST"}, {Name: "b", Env: "NOT_SET"}}}})
	out, err := exec.Command("sh", "-c", "echo $SECRET_OF_THIS_TEST; ulimit -c").Output()
	if err != nil || string(out) != "\n0\n" {
		t.Errorf("a command has %q, %v", out, err)
	}
	r := (&secretFlags{}).reader(t.TempDir())
	h := &schema.Host{Name: "web"}
	if got, err := r.Value(t.Context(), h, &schema.Secret{Env: "SECRET_OF_THIS_TEST"}); err != nil || string(got) != "swordfish" {
		t.Errorf("muster has %q, %v", got, err)
	}
}
