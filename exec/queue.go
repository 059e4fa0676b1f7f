package exec

import (
	"container/heap"
	"context"
	"sync"

	"muster/exec/clock"
)

// A queue begins work on inspected hosts, as many at once as it has places. Hosts
// of the wave whose turn it is come first. Hosts of later waves wait for that wave
// before they activate, so they take half of the places at most: otherwise they
// could keep out the hosts they wait for.
type queue struct {
	waves  *waves
	clock  clock.Clock
	places int

	mu      sync.Mutex
	ready   readyHosts
	working map[int]int // hosts at work by wave
	total   int
	left    int           // hosts that were added and are not done
	done    chan struct{} // closed when left is 0; nil while nobody waits for that
}

// A ready host waits for a place.
type ready struct {
	place, wave int
	work        func()
}

func newQueue(w *waves, c clock.Clock, places int) *queue {
	return &queue{waves: w, clock: c, places: max(places, 2), working: map[int]int{}}
}

// add has work done when there is a place.
func (q *queue) add(place, wave int, work func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left++
	heap.Push(&q.ready, ready{place, wave, work})
	q.dispatch()
}

// reserve has wait wait until release, for what is added later.
func (q *queue) reserve() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left++
}

func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended()
}

// ended counts one less as left. The caller holds q.mu.
func (q *queue) ended() {
	if q.left--; q.left == 0 && q.done != nil {
		close(q.done)
	}
}

// wait returns when everything that was added is done.
func (q *queue) wait(ctx context.Context) {
	q.mu.Lock()
	if q.left == 0 {
		q.mu.Unlock()
		return
	}
	q.done = make(chan struct{})
	q.mu.Unlock()
	_ = q.clock.Wait(ctx, q.done)
}

// dispatch fills the places. The caller holds q.mu.
func (q *queue) dispatch() {
	turn := q.waves.turn()
	ahead := 0
	for wave, n := range q.working {
		if wave > turn {
			ahead += n
		}
	}
	for len(q.ready) > 0 && q.total < q.places {
		if q.ready[0].wave > turn {
			if ahead >= q.places/2 {
				break // the rest are of the same wave or of later ones
			}
			ahead++
		}
		r := heap.Pop(&q.ready).(ready)
		q.total++
		q.working[r.wave]++
		q.clock.Go(func() { q.do(r) })
	}
}

func (q *queue) do(r ready) {
	r.work()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if q.working[r.wave]--; q.working[r.wave] == 0 {
		delete(q.working, r.wave)
	}
	q.dispatch()
	q.ended()
}

// readyHosts are a heap, the first in the order of the plan first.
type readyHosts []ready

func (h readyHosts) Len() int           { return len(h) }
func (h readyHosts) Less(i, j int) bool { return h[i].place < h[j].place }
func (h readyHosts) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *readyHosts) Push(r any)        { *h = append(*h, r.(ready)) }
func (h *readyHosts) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = ready{} // its job is not kept
	*h = old[:len(old)-1]
	return r
}
