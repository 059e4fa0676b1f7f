package eval

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
)

// A thread is one goroutine that evaluates, with all that belongs to it alone.
type thread struct {
	ev  *Evaluator
	ctx context.Context
	id  uint32 // 1 …; what it runs is marked with it

	heap   *heap // where it allocates now: one of the following two
	shared heap  // region 0
	own    heap  // the host's region, if it evaluates one

	inputs inputs // what only the host it evaluates depends on

	kept uint64 // how often something was made that refers to a frame: thunks, closures

	running []*thunk   // being evaluated, innermost last
	calls   []callSite // of functions being called, innermost at depth-1
	depth   int
	notes   []note // of addErrorContext
	nesting int    // of walks over values: printing, comparing, …
	deepest int    // limits.nesting
	fuel    int    // calls until the next checkpoint
	steps   int64  // calls before the last checkpoint

	waiting *thunk // what another thread runs and this one needs; under ev.waits.mu
}

// A callSite is a function being called, for traces.
type callSite struct {
	fn      *lambda
	pos     posID
	running uint32 // how many thunks were being evaluated
}

// A note is what addErrorContext says about the calls from depth on.
type note struct {
	depth   int
	running int
	text    func(*thread) string
}

// fuelUnit is how many calls are made between two looks at the clock.
const fuelUnit = 4096

// newThread makes a thread that evaluates in a region; the caller releases it.
func (ev *Evaluator) newThread(ctx context.Context, region uint16) *thread {
	th := &thread{ev: ev, ctx: ctx, fuel: fuelUnit, deepest: ev.limits.nesting}
	th.own.region = region
	th.heap = &th.shared
	if region != 0 {
		th.heap = &th.own
	}
	ev.waits.add(th)
	return th
}

func (th *thread) release() { th.ev.waits.remove(th) }

// enter notes that fn is being called; the caller undoes it by th.depth--.
func (th *thread) enter(fn *lambda, pos posID) {
	if th.depth == len(th.calls) {
		th.growCalls()
	}
	th.calls[th.depth] = callSite{fn, pos, uint32(len(th.running))}
	th.depth++
}

func (th *thread) growCalls() {
	if th.depth >= th.ev.limits.depth {
		th.failAs(LimitError, 0, "stack overflow; max-call-depth exceeded")
	}
	th.calls = append(th.calls, make([]callSite, min(max(64, len(th.calls)), th.ev.limits.depth-th.depth))...)
}

// spend accounts for n steps of work outside of calls.
func (th *thread) spend(n int) {
	if th.fuel -= n; th.fuel < 0 {
		th.checkpoint()
	}
}

// checkpoint is passed now and then by everything that can go on for long.
func (th *thread) checkpoint() {
	th.steps += int64(fuelUnit - th.fuel)
	th.fuel = fuelUnit
	if err := th.ctx.Err(); err != nil {
		panic(&Error{Kind: CanceledError, Msg: "evaluation canceled", cause: context.Cause(th.ctx)})
	}
	if max := th.ev.limits.steps; max > 0 && th.steps > max {
		th.failAs(LimitError, 0, "evaluation takes more than %d steps", max)
	}
	if max := th.ev.limits.memory; max > 0 && heapInUse() > uint64(max) {
		th.failAs(LimitError, 0, "evaluation needs more than %d MB of memory", max>>20)
	}
}

// reserve checks the memory limit before n bytes are allocated at once.
func (th *thread) reserve(n int) {
	if n > 4096 {
		th.reserveMuch(int64(n))
	}
}

func (th *thread) reserveMuch(n int64) {
	max := th.ev.limits.memory
	if max == 0 {
		max = defaultAllocation
	}
	if n > max || n > 64<<20 && th.ev.limits.memory > 0 && heapInUse()+uint64(n) > uint64(max) {
		th.failAs(LimitError, 0, "evaluation needs more than %d MB of memory", max>>20)
	}
	th.spend(int(min(n/64, 1<<20)))
}

// defaultAllocation is the most one value may need where no limit is set.
const defaultAllocation = 16 << 30

func heapInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// descend bounds the depth of a walk over a value; the caller undoes it by
// th.nesting--.
func (th *thread) descend() {
	if th.nesting++; th.nesting > th.ev.limits.depth {
		th.failAs(LimitError, 0, "stack overflow; max-call-depth exceeded")
	}
}

// try runs f and returns the error it was left with, if any, with its trace.
func (th *thread) try(f func() value) (value, *Error) {
	v, err := th.attempt(f)
	return v, th.spelled(err)
}

// attempt is try without the trace. All thunks f had begun and not finished
// have then failed with the error.
func (th *thread) attempt(f func() value) (v value, err *Error) {
	running, depth, notes, nesting, heap := len(th.running), th.depth, len(th.notes), th.nesting, th.heap
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		x, ok := r.(*Error)
		if !ok {
			x = &Error{Kind: InternalError, Msg: fmt.Sprintf("evaluator bug: %v", r), cause: fmt.Errorf("%v\n%s", r, debug.Stack())}
		}
		err = th.abandon(x, running, depth, notes)
		th.depth, th.notes, th.nesting, th.heap = depth, th.notes[:notes], nesting, heap
	}()
	return f(), nil
}
