package eval

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// A thread is the state of one goroutine that evaluates.
type thread struct {
	ev  *Evaluator
	ctx context.Context
	end func() // ends ctx
	id  uint32 // from 1 on; in the state of the thunks that it runs

	heap   *heap // where it allocates: &shared or &own
	shared heap  // region 0
	own    heap  // the region of the host that it evaluates, if any

	host uint64 // the number of the host that it evaluates, if any

	inputs inputs // what only the host that it evaluates depends on

	kept uint64 // number of objects made that refer to a frame: thunks and closures

	running []*thunk   // thunks being evaluated, innermost last
	calls   []callSite // functions being called, innermost at depth-1
	depth   int
	called  posID  // the innermost call of a builtin, for errors
	notes   []note // of addErrorContext, innermost last
	nesting int    // depth of walks over values: printing, comparing, …
	lowest  int    // depth of walks down to which lower need not be called
	deepest int    // number of nested thunks up to which deeper need not be called
	fuel    int    // calls until the next checkpoint
	steps   int64  // calls before the last checkpoint
	calm    int    // checkpoints until memory is measured
	names   int64  // symbols.bytes at the last checkpoint
	use     memoryUse

	root posID // the position of the expression that it evaluates, if known

	scratch []value  // what builtins collect, innermost last
	order   []ranked // of the last call of nameOrder
	zip     []zipped // of the last call of zipAttrsWith

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
	th := &thread{ev: ev, ctx: ctx, end: func() {}, fuel: fuelUnit, names: symbols.bytes.Load(), deepest: min(stackStep, ev.limits.nesting), lowest: min(stackStep, ev.limits.walk)}
	if ev.opts.MaxTime > 0 {
		th.ctx, th.end = context.WithTimeoutCause(ctx, ev.opts.MaxTime, ErrTime)
	}
	ev.memory.threads.Add(1)
	th.own.region = region
	th.heap = &th.shared
	if region != 0 {
		th.heap, th.host = &th.own, ev.hosts.Add(1)
	}
	ev.waits.add(th)
	return th
}

func (th *thread) release() {
	th.end()
	th.ev.memory.threads.Add(-1)
	th.ev.waits.remove(th)
}

// owner is the host that what is being evaluated belongs to, 0 if it is shared.
func (th *thread) owner() uint64 {
	if th.heap == &th.own {
		return th.host
	}
	return 0
}

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
		panic(th.limitError("stack overflow; max-call-depth exceeded"))
	}
	th.checkStack()
	if th.depth == cap(th.calls) {
		th.calls = append(th.calls, make([]callSite, max(64, th.depth))...)
	}
	th.calls = th.calls[:min(cap(th.calls), th.depth+stackStep, th.ev.limits.depth)]
}

// stackStep is how much deeper calls, thunks and walks may nest before the stack is
// checked again.
const stackStep = 512

// deeper checks whether thunks may nest deeper than th.deepest.
func (th *thread) deeper() {
	if len(th.running) > th.ev.limits.nesting {
		panic(th.limitError("stack overflow (possible infinite recursion)"))
	}
	th.checkStack()
	th.deepest = min(len(th.running)+stackStep, th.ev.limits.nesting)
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
	if th.ctx.Err() != nil {
		th.canceled(false)
	}
	if max := th.ev.limits.steps; max > 0 && th.steps > max {
		panic(th.limitError("evaluation takes more than %d steps", max))
	}
	if th.calm--; th.calm < 0 {
		th.checkMemory(0)
	}
	th.checkNames()
}

// canceled ends the evaluation after its context has ended. waited says that another thread
// was waited for.
func (th *thread) canceled(waited bool) {
	err := th.contextError()
	if err.Kind == LimitError {
		err.Pos, err.waited = th.ev.shownAt(th.place()), waited
	}
	panic(err)
}

// contextError says why the context has ended.
func (th *thread) contextError() *Error {
	cause := context.Cause(th.ctx)
	if errors.Is(cause, ErrTime) {
		return &Error{Kind: LimitError, Msg: fmt.Sprintf("evaluation takes longer than %v", th.ev.opts.MaxTime), cause: cause}
	}
	return &Error{Kind: CanceledError, Msg: "evaluation canceled", cause: cause}
}

// limitError returns a LimitError at the innermost known place of the program.
func (th *thread) limitError(format string, args ...any) *Error {
	return &Error{Kind: LimitError, Msg: fmt.Sprintf(format, args...), Pos: th.ev.shownAt(th.place())}
}

// place returns the position of what is being evaluated: that of the innermost
// call or thunk that has one.
func (th *thread) place() posID {
	calls := th.depth
	for i := len(th.running); i >= 0; i-- {
		// The calls that the i-th thunk made are inside of it.
		for ; calls > 0 && int(th.calls[calls-1].running) >= i; calls-- {
			if c := th.calls[calls-1]; c.pos != 0 {
				return c.pos
			}
		}
		if i == 0 {
			break
		}
		if t := th.running[i-1]; t.flags == runsCode && t.runBy(th) {
			if pos := positionOf(t.lazy().node); pos != 0 {
				return pos
			}
		}
	}
	return th.root
}

// descend bounds the depth of a walk over a value. The caller undoes it with
// th.nesting--.
func (th *thread) descend() {
	if th.nesting++; th.nesting > th.lowest {
		th.lower()
	}
}

// lower checks whether walks may nest deeper than th.lowest.
func (th *thread) lower() {
	walk := th.ev.limits.walk
	if th.nesting > walk {
		panic(th.limitError("stack overflow; max-call-depth exceeded"))
	}
	th.checkStack()
	th.lowest = min(th.nesting+stackStep, walk)
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
	running, depth, notes, nesting, heap, scratch, called := len(th.running), th.depth, len(th.notes), th.nesting, th.heap, len(th.scratch), th.called
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		x, ok := r.(*Error)
		if !ok {
			x = &Error{Kind: InternalError, Msg: fmt.Sprintf("evaluator bug: %v", r), cause: fmt.Errorf("%v\n%s", r, debug.Stack())}
		}
		err = th.abandon(th.placed(x), running, depth, notes)
		th.depth, th.notes, th.nesting, th.heap, th.called = depth, th.notes[:notes], nesting, heap, called
		th.unwind(scratch)
	}()
	return f(), nil
}

// unwind removes from scratch all but the first n values.
func (th *thread) unwind(n int) {
	clear(th.scratch[n:])
	th.scratch = th.scratch[:n]
}

// keepSmall returns a buffer for the next use if it is small.
func keepSmall[T any](buffer []T) []T {
	if cap(buffer) > 1<<12 {
		return nil
	}
	return buffer
}
