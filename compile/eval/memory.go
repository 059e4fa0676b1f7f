package eval

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"

	"muster/compile/eval/collector"
)

// A memoryGauge holds the process to Options.MaxMemory. What counts is nearly what
// the operating system counts: everything the Go runtime uses, garbage and stacks
// included, and the text of the program. Free pages do not count: they are used
// first, and with a limit of its own (debug.SetMemoryLimit) the runtime returns them
// before it takes others.
//
// Threads ask at checkpoints, and before anything large is allocated. Above the
// limit the gauge first collects garbage. Only what is in use after that ends an
// evaluation.
type memoryGauge struct {
	max     int64        // bytes; 0 is no limit
	outside int64        // bytes of the process that the runtime does not know of
	threads atomic.Int64 // number of threads that allocate

	mu sync.Mutex // one collection at a time
}

func (g *memoryGauge) init(max int64) {
	if g.max = max; max > 0 {
		g.outside = collector.ProgramText()
	}
}

// A memoryUse is what the Go runtime says about its memory, in bytes.
type memoryUse struct {
	samples [4]metrics.Sample
}

// read measures anew.
func (m *memoryUse) read() {
	if m.samples[0].Name == "" {
		for i, name := range []string{"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes", "/memory/classes/heap/stacks:bytes"} {
			m.samples[i].Name = name
		}
	}
	metrics.Read(m.samples[:])
}

func (m *memoryUse) at(i int) int64 { return int64(m.samples[i].Value.Uint64()) }

// inUse is what the runtime has from the operating system, except free pages.
func (m *memoryUse) inUse() int64 { return m.at(0) - m.at(1) - m.at(2) }

// stacks is the part of inUse that is stacks.
func (m *memoryUse) stacks() int64 { return m.at(3) }

// perCheckpoint is about the most that a thread allocates from one checkpoint to
// the next without a call of reserve.
const perCheckpoint = 4 << 20

// admit reports whether n more bytes may be allocated, and how many checkpoints a
// thread may leave out before it asks again.
func (g *memoryGauge) admit(use *memoryUse, n int64) (ok bool, leaveOut int) {
	limit := g.max - g.outside - n
	use.read()
	if room := limit - use.inUse(); room >= 0 {
		return true, int(min(room/(perCheckpoint*max(1, g.threads.Load())), 64))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// Another thread may have collected meanwhile.
	if use.read(); use.inUse() <= limit {
		return true, 0
	}
	runtime.GC()
	use.read()
	// A collection must make so much room that the next is not needed at once.
	return use.inUse() <= limit-g.max/16, 0
}

// checkMemory ends the evaluation if the process would exceed the memory limit
// with n more bytes.
func (th *thread) checkMemory(n int64) {
	g := &th.ev.memory
	if g.max == 0 {
		if n > defaultAllocation {
			th.tooMuchMemory(defaultAllocation)
		}
		return
	}
	ok, leaveOut := g.admit(&th.use, n)
	if !ok {
		th.tooMuchMemory(g.max)
	}
	th.calm = leaveOut
}

func (th *thread) tooMuchMemory(limit int64) {
	err := th.limitError("evaluation needs more than %d MB of memory", limit>>20)
	err.cause = ErrMemory
	panic(err)
}

// checkNames ends the evaluation of a thread that makes names without end. Names
// are never freed, so other threads and hosts must keep memory to work with.
func (th *thread) checkNames() {
	names := symbols.bytes.Load()
	grown := names - th.names
	th.names = names
	if max := th.ev.memory.max; max > 0 && names > max/4 && grown > manyNames {
		th.tooMuchMemory(max)
	}
}

// manyNames is more than a NixOS system adds from one checkpoint to the next, in
// bytes.
const manyNames = 64 << 10

// checkStack ends the evaluation if the process would exceed the memory limit when
// the runtime doubles the stack of this thread. It copies the stack: for a moment
// there are the old and the new one.
func (th *thread) checkStack() {
	if th.ev.memory.max == 0 {
		return
	}
	th.use.read()
	if s := th.use.stacks(); s > smallStacks {
		th.checkMemory(2 * s)
	}
}

// smallStacks are stacks that need no check.
const smallStacks = 8 << 20

// reserve checks the memory limit before n bytes are allocated at once.
func (th *thread) reserve(n int) {
	if n > 4096 {
		th.reserveMuch(int64(n))
	}
}

func (th *thread) reserveMuch(n int64) {
	if n >= manyBytes {
		th.checkMemory(n)
	}
	th.spend(int(min(n/64, 1<<20)))
}

// manyBytes are checked before they are allocated. Less is checked at the next
// checkpoint.
const manyBytes = 1 << 20

// defaultAllocation is the most that one value may need without a memory limit.
const defaultAllocation = 16 << 30

// add appends elements to a list that is being built, within the memory limit.
func (th *thread) add(list []value, more ...value) []value {
	if n := len(list) + len(more); n > cap(list) && n > 1024 {
		n += n / 4
		th.reserve(valueSize * n)
		list = append(make([]value, 0, n), list...)
	}
	return append(list, more...)
}

// Sizes in bytes.
const (
	valueSize = 8
	attrSize  = 16
	thunkSize = 24
	intSize   = 8
)

// A textBuilder builds a text within the memory limit.
type textBuilder struct {
	th *thread
	b  []byte
}

// grow makes room for n more bytes.
func (t *textBuilder) grow(n int) {
	if n <= cap(t.b)-len(t.b) {
		return
	}
	size := len(t.b) + n
	size += min(size, 1<<20) + size/4
	t.th.reserve(size)
	t.b = append(make([]byte, 0, size), t.b...)
}

func (t *textBuilder) WriteString(s string) {
	t.grow(len(s))
	t.b = append(t.b, s...)
}

// WriteByte implements [io.ByteWriter]. It never fails.
func (t *textBuilder) WriteByte(c byte) error {
	if len(t.b) == cap(t.b) {
		t.grow(1)
	}
	t.b = append(t.b, c)
	return nil
}

// Write implements [io.Writer] for package fmt.
func (t *textBuilder) Write(p []byte) (int, error) {
	t.grow(len(p))
	t.b = append(t.b, p...)
	return len(p), nil
}

func (t *textBuilder) Len() int { return len(t.b) }

// String returns the text, which must not be added to afterwards.
func (t *textBuilder) String() string { return text(t.b) }
