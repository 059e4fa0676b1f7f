package exec

import (
	"slices"
	"sync"
)

// A queue begins work on inspected hosts, as many at once as it has places. Hosts
// of the wave whose turn it is come first. Hosts of later waves wait for that wave
// before they activate, so they take half of the places at most: otherwise they
// could keep out the hosts they wait for.
type queue struct {
	waves  *waves
	places int

	mu      sync.Mutex
	ready   []ready
	working map[int]int // hosts at work by wave
	total   int
	all     sync.WaitGroup
}

// A ready host waits for a place.
type ready struct {
	place, wave int
	work        func()
}

func newQueue(w *waves, places int) *queue {
	return &queue{waves: w, places: max(places, 2), working: map[int]int{}}
}

// add has work done when there is a place.
func (q *queue) add(place, wave int, work func()) {
	q.all.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	at, _ := slices.BinarySearchFunc(q.ready, place, func(r ready, place int) int { return r.place - place })
	q.ready = slices.Insert(q.ready, at, ready{place, wave, work})
	q.dispatch()
}

// wait returns when everything that was added is done.
func (q *queue) wait() { q.all.Wait() }

// dispatch fills the places. The caller holds q.mu.
func (q *queue) dispatch() {
	turn := q.waves.turn()
	ahead := 0
	for wave, n := range q.working {
		if wave > turn {
			ahead += n
		}
	}
	for i := 0; i < len(q.ready) && q.total < q.places; {
		r := q.ready[i]
		if r.wave > turn {
			if ahead >= q.places/2 {
				break // the rest are of the same wave or of later ones
			}
			ahead++
		}
		q.ready = slices.Delete(q.ready, i, i+1)
		q.total++
		q.working[r.wave]++
		go q.do(r)
	}
}

func (q *queue) do(r ready) {
	defer q.all.Done()
	r.work()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	q.working[r.wave]--
	q.dispatch()
}
