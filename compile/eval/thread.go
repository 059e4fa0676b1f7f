package eval

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
)

// A thread is the state of one goroutine that evaluates.
type thread struct {
	ev  *Evaluator
	ctx context.Context
	id  uint32 // from 1 on; in the state of the thunks that it runs

	heap   *heap // where it allocates: &shared or &own
	shared heap  // region 0
	own    heap  // the region of the host that it evaluates, if any

	inputs inputs // what only the host that it evaluates depends on

	kept uint64 // number of objects made that refer to a frame: thunks and closures

	running []*thunk   // thunks being evaluated, innermost last
	calls   []callSite // functions being called, innermost at depth-1
	depth   int
	notes   []note // of addErrorContext, innermost last
	nesting int    // depth of walks over values: printing, comparing, …
	deepest int    // limits.nesting
	fuel    int    // calls until the next checkpoint
	steps   int64  // calls before the last checkpoint

	waiting *thunk // the thunk of another thread that this one waits for; guarded by ev.waits.mu
}

// A callSite is a function being called, for traces.
type callSite struct {
	fn      *lambda
	pos     posID
	running uint32 // len(thread.running) at the time
}

// A note is the text of addErrorContext for the calls from depth on.
type note struct {
	depth   int
	running int
	text    func(*thread) string
}

// fuelUnit is the number of calls between two checkpoints.
const fuelUnit = 4096

// newThread returns a thread that evaluates in a region. The caller releases
// it.
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

// enter records that fn is being called. The caller undoes it with th.depth--.
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

// checkpoint checks for cancellation and limits. Everything that can take long
// calls it from time to time.
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

// defaultAllocation is the most that one value may need without a memory limit.
const defaultAllocation = 16 << 30

func heapInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// descend bounds the depth of a walk over a value. The caller undoes it with
// th.nesting--.
func (th *thread) descend() {
	if th.nesting++; th.nesting > th.ev.limits.depth {
		th.failAs(LimitError, 0, "stack overflow; max-call-depth exceeded")
	}
}

// try runs f and returns the error that it panicked with, if any, with its
// trace.
func (th *thread) try(f func() value) (value, *Error) {
	v, err := th.attempt(f)
	return v, th.withTrace(err)
}

// attempt is try without the trace. The thunks that f began and did not finish
// fail with the error.
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
