package eval

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// The life of a thunk. Its state is in the object's header and changed
// atomically: the low byte is the phase, the rest the id of the thread that
// runs it.
//
//	pending ──▶ running ──▶ done      code is the result
//	              │  ▲  └─▶ failed    code is the error, which everyone who asks gets
//	              ▼  │
//	            awaited               running, and another thread sleeps until it ends
//
// No other thread meets a thunk in the region of a host, so the one that evaluates the
// host needs no atomic operations to change its state.
//
// A thread that meets a thunk it is running itself has found an infinite
// recursion. A thread that meets a thunk of another thread waits, unless that
// thread waits, directly or through others, for it: that is an infinite
// recursion, too.
const (
	thunkPending uint32 = iota
	thunkRunning
	thunkAwaited
	thunkDone
	thunkFailed

	phaseMask  = 0xff
	ownerShift = 8
)

// force returns v in weak head normal form.
func (th *thread) force(v value) value {
	if v.o.kind != kindThunk {
		return v
	}
	return th.forceThunk(v.thunk())
}

func (th *thread) forceThunk(t *thunk) value {
	state := atomic.LoadUint32(&t.n)
	if state == thunkDone {
		return t.result()
	}
	own := t.region != 0 && t.region == th.own.region
	if state != thunkPending || !own && !atomic.CompareAndSwapUint32(&t.n, thunkPending, th.id<<ownerShift|thunkRunning) {
		if !th.claim(t) {
			return t.result()
		}
	} else if own {
		t.n = th.id<<ownerShift | thunkRunning
	}
	th.running = append(th.running, t)
	if len(th.running) > th.deepest {
		th.deeper()
	}
	var v value
	if t.region == th.heap.region {
		v = t.run(th)
	} else {
		outer := th.heap
		th.heap = th.heapOf(t.region)
		v = t.run(th)
		th.heap = outer
	}
	th.running = th.running[:len(th.running)-1]
	t.setResult(v)
	if own {
		t.n = thunkDone
	} else if atomic.SwapUint32(&t.n, thunkDone)&phaseMask == thunkAwaited {
		th.ev.waits.wake()
	}
	return v
}

// heapOf returns the heap of a region: the shared one, or that of the host that
// this thread evaluates. A thunk of another host, which should not occur,
// allocates in the shared one.
func (th *thread) heapOf(region uint16) *heap {
	if region != 0 && region == th.own.region {
		return &th.own
	}
	return &th.shared
}

// claim makes this thread the one that runs t, or returns false once t is done.
func (th *thread) claim(t *thunk) bool {
	for !atomic.CompareAndSwapUint32(&t.n, thunkPending, th.id<<ownerShift|thunkRunning) {
		switch state := atomic.LoadUint32(&t.n); state & phaseMask {
		case thunkDone:
			return false
		case thunkFailed:
			panic(t.failure())
		case thunkPending:
			// The other thread abandoned it; try again.
		default:
			if state>>ownerShift == th.id {
				th.failAs(RecursionError, 0, "infinite recursion encountered")
			}
			th.ev.waits.wait(th, t)
		}
	}
	return true
}

// abandon ends the thunks that this thread has begun since there were mark of
// them: they fail with err or, if err is transient, are pending again. Each
// remembers the steps that led to the error from its own beginning, so that
// everyone who needs it later gets the same trace. abandon returns err with the
// steps since there were that many calls and notes.
func (th *thread) abandon(err *Error, mark, calls, notes int) *Error {
	u := unwinding{th: th, err: err, depth: th.depth, notes: len(th.notes), calls: calls, marked: notes}
	for i := len(th.running) - 1; i >= mark; i-- {
		t := th.running[i]
		seen := u.until(i)
		th.running[i] = nil
		state := thunkPending
		if !err.transient() {
			t.setFailure(seen)
			state = thunkFailed
		}
		if atomic.SwapUint32(&t.n, state)&phaseMask == thunkAwaited {
			th.ev.waits.wake()
		}
	}
	th.running = th.running[:mark]
	return u.until(-1)
}

// waits records which thread waits for which thunk.
type waits struct {
	mu      sync.Mutex
	changed *sync.Cond
	threads []*thread // by id-1; nil if the id is free
	blocked int       // number of times that a thread slept
}

func (w *waits) add(th *thread) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.threads {
		if other == nil {
			w.threads[i], th.id = th, uint32(i+1)
			return
		}
	}
	w.threads = append(w.threads, th)
	th.id = uint32(len(w.threads))
}

func (w *waits) remove(th *thread) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.threads[th.id-1] = nil
}

// wake has all sleeping threads check again.
func (w *waits) wake() {
	w.mu.Lock()
	w.changed.Broadcast()
	w.mu.Unlock()
}

// wait returns when t is no longer running.
func (w *waits) wait(th *thread, t *thunk) {
	for range 20 { // most waits are short
		if phase := atomic.LoadUint32(&t.n) & phaseMask; phase != thunkRunning && phase != thunkAwaited {
			return
		}
		runtime.Gosched()
	}
	stop := context.AfterFunc(th.ctx, w.wake)
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	th.waiting = t
	defer func() { th.waiting = nil }()
	for {
		state := atomic.LoadUint32(&t.n)
		switch state & phaseMask {
		case thunkRunning:
			// Whichever thread ends it has to wake the others.
			if !atomic.CompareAndSwapUint32(&t.n, state, state&^phaseMask|thunkAwaited) {
				continue
			}
		case thunkAwaited:
		default:
			return
		}
		if w.circular(th, t) {
			th.failAs(RecursionError, 0, "infinite recursion encountered")
		}
		if th.ctx.Err() != nil {
			th.canceled(true)
		}
		w.blocked++
		w.changed.Wait()
	}
}

// circular reports whether t cannot end before th continues. This is exact,
// because a sleeping thread does nothing else.
func (w *waits) circular(th *thread, t *thunk) bool {
	for {
		state := atomic.LoadUint32(&t.n)
		if phase := state & phaseMask; phase != thunkRunning && phase != thunkAwaited {
			return false
		}
		owner := w.threads[state>>ownerShift-1]
		if owner == th {
			return true
		}
		if owner == nil || owner.waiting == nil {
			return false
		}
		t = owner.waiting
	}
}

// done reports whether t has a result.
func (t *thunk) done() bool { return atomic.LoadUint32(&t.n) == thunkDone }

// unclaim makes a thunk that this thread claimed pending again.
func (th *thread) unclaim(t *thunk) {
	if atomic.SwapUint32(&t.n, thunkPending)&phaseMask == thunkAwaited {
		th.ev.waits.wake()
	}
}

// runBy reports whether th is evaluating t.
func (t *thunk) runBy(th *thread) bool {
	state := atomic.LoadUint32(&t.n)
	phase := state & phaseMask
	return state>>ownerShift == th.id && (phase == thunkRunning || phase == thunkAwaited)
}
