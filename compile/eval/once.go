package eval

import (
	"sync"
	"sync/atomic"
)

// A once does something once for all threads, as [sync.Once] does, with two
// differences. A thread that waits for another stops waiting when its context
// ends. And what ends with a transient error was not done: the next thread tries
// again.
type once struct {
	done atomic.Bool
	mu   sync.Mutex
	busy chan struct{} // closed when the thread that is busy ends; nil if there is none
	err  *Error        // every thread gets it
}

// do calls f unless it has been called with success or has failed before. f must
// not force values: threads that wait here are not seen by the search for infinite
// recursion.
func (o *once) do(th *thread, f func()) {
	if !o.done.Load() && o.claim(th) {
		o.run(f)
	}
	if o.err != nil {
		panic(o.err)
	}
}

// claim makes this thread the one that calls f, or returns false once that is done.
func (o *once) claim(th *thread) bool {
	for {
		o.mu.Lock()
		if o.done.Load() {
			o.mu.Unlock()
			return false
		}
		busy := o.busy
		if busy == nil {
			o.busy = make(chan struct{})
		}
		o.mu.Unlock()
		if busy == nil {
			return true
		}
		select {
		case <-busy:
		case <-th.ctx.Done():
			th.canceled(true)
		}
	}
}

// run calls f and notes how it ended.
func (o *once) run(f func()) {
	defer func() {
		r := recover()
		err, failed := r.(*Error)
		o.mu.Lock()
		defer o.mu.Unlock()
		if failed && !err.transient() {
			o.err = err
		}
		o.done.Store(r == nil || o.err != nil)
		close(o.busy)
		o.busy = nil
		if !o.done.Load() {
			panic(r)
		}
	}()
	f()
}
