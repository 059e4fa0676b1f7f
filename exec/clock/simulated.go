package clock

import (
	"container/heap"
	"context"
	"time"
)

// Simulated runs goroutines one at a time, in an order that depends on nothing but
// what they do. When all of them wait, time goes on to the end of the first sleep.
//
//	running ─ Sleep, Wait, Acquire ─▶ waiting ─ its turn ─▶ running
//
// A goroutine that waits hands over to the next: one that can go on, or else the one
// that wakes up first. Those that wait on one channel go on in the order in which they
// began to wait.
type Simulated struct {
	ctx   context.Context
	began time.Time
	now   time.Duration

	ready    []*task
	channels []*line // that goroutines wait on
	sleeping sleepers
	slept    int // sleeps that were begun
	alive    int
	over     chan struct{}
}

// A task is a goroutine that waits.
type task struct {
	turn chan struct{}
	err  error

	wakes time.Duration
	order int // among those that wake up at the same time
}

// A line is the tasks that wait on one channel, the first first.
type line struct {
	channel any
	try     func() bool // receives from the channel, or sends
	tasks   []*task
}

// Simulate calls f with a simulated clock, which begins at a time, and returns when f
// and all goroutines of the clock have ended. When ctx ends, nothing waits any more.
func Simulate(ctx context.Context, began time.Time, f func(*Simulated)) {
	s := &Simulated{ctx: ctx, began: began, over: make(chan struct{})}
	s.Go(func() { f(s) })
	s.next()
	<-s.over
}

// Now implements [Clock].
func (s *Simulated) Now() time.Time { return s.began.Add(s.now) }

// Go implements [Clock]. f begins when those that can go on have had their turns.
func (s *Simulated) Go(f func()) {
	t := &task{turn: make(chan struct{}, 1)}
	s.alive++
	s.ready = append(s.ready, t)
	go func() {
		<-t.turn
		f()
		s.alive--
		s.next()
	}()
}

// Sleep implements [Clock].
func (s *Simulated) Sleep(_ context.Context, d time.Duration) error {
	t := &task{turn: make(chan struct{}, 1), wakes: s.now + d, order: s.slept}
	s.slept++
	heap.Push(&s.sleeping, t)
	return s.wait(t)
}

// Wait implements [Clock].
func (s *Simulated) Wait(_ context.Context, c <-chan struct{}) error {
	return s.waitOn(c, func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	})
}

// Acquire implements [Clock].
func (s *Simulated) Acquire(_ context.Context, places chan struct{}) error {
	return s.waitOn(places, func() bool {
		select {
		case places <- struct{}{}:
			return true
		default:
			return false
		}
	})
}

func (s *Simulated) waitOn(channel any, try func() bool) error {
	for _, l := range s.channels {
		if l.channel == channel {
			t := &task{turn: make(chan struct{}, 1)}
			l.tasks = append(l.tasks, t)
			return s.wait(t)
		}
	}
	if try() {
		return s.ended()
	}
	t := &task{turn: make(chan struct{}, 1)}
	s.channels = append(s.channels, &line{channel: channel, try: try, tasks: []*task{t}})
	return s.wait(t)
}

// wait hands over to another task until it is the turn of t.
func (s *Simulated) wait(t *task) error {
	s.next()
	<-t.turn
	return t.err
}

// next gives the turn to the task that goes on.
func (s *Simulated) next() {
	t := s.choose()
	if t == nil {
		if s.alive > 0 {
			panic("clock: every simulated goroutine waits, and none sleeps")
		}
		close(s.over)
		return
	}
	t.err = s.ended()
	t.turn <- struct{}{}
}

func (s *Simulated) ended() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return nil
}

func (s *Simulated) choose() *task {
	if len(s.ready) > 0 {
		t := s.ready[0]
		s.ready = s.ready[1:]
		return t
	}
	for i, l := range s.channels {
		if s.ctx.Err() == nil && !l.try() {
			continue
		}
		t := l.tasks[0]
		if l.tasks = l.tasks[1:]; len(l.tasks) == 0 {
			s.channels = append(s.channels[:i], s.channels[i+1:]...)
		}
		return t
	}
	if len(s.sleeping) == 0 {
		return nil
	}
	t := heap.Pop(&s.sleeping).(*task)
	if s.ctx.Err() == nil {
		s.now = t.wakes
	}
	return t
}

// sleepers are a heap of the tasks that sleep, the first to wake up first.
type sleepers []*task

func (h sleepers) Len() int { return len(h) }
func (h sleepers) Less(i, j int) bool {
	if h[i].wakes != h[j].wakes {
		return h[i].wakes < h[j].wakes
	}
	return h[i].order < h[j].order
}
func (h sleepers) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *sleepers) Push(t any)   { *h = append(*h, t.(*task)) }
func (h *sleepers) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}
