package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"muster/exec/clock"
	"muster/exec/human"
	"muster/schema"
)

// waves hold hosts back until their wave may activate. A wave opens when every
// host has been inspected and all waves before it have ended.
type waves struct {
	rollout schema.Rollout
	sink    Sink
	clock   clock.Clock
	ask     func(ctx context.Context, wave int) error

	mu        sync.Mutex
	surveying int // hosts that have not been inspected
	all       []wave
	failures  int
	next      int // the wave to open next
	down      int // hosts that are being activated
	lost      int // hosts that did not come back from it
	change    chan struct{}
}

type wave struct {
	left int           // hosts that have not ended
	open chan struct{} // closed when the wave may activate, or never will
	err  error         // why it never will
}

func newWaves(p *Plan, o *Options) *waves {
	w := &waves{rollout: p.Rollout, sink: o.Sink, clock: o.clock, ask: o.Confirm, surveying: len(p.Steps), change: make(chan struct{})}
	for _, s := range p.Steps {
		for len(w.all) <= s.Wave {
			w.all = append(w.all, wave{open: make(chan struct{})})
		}
		w.all[s.Wave].left++
	}
	return w
}

// surveyed counts a host as inspected.
func (w *waves) surveyed(ctx context.Context) {
	w.mu.Lock()
	w.surveying--
	w.mu.Unlock()
	w.advance(ctx)
}

// awaitSurvey waits until every host has been inspected.
func (w *waves) awaitSurvey(ctx context.Context) error {
	return w.clock.Wait(ctx, w.all[0].open)
}

// ended counts a host as ended, with its outcome.
func (w *waves) ended(ctx context.Context, wave int, o *Outcome) {
	w.mu.Lock()
	w.all[wave].left--
	if !o.OK() && o.Status != Skipped && o.Policy != schema.BestEffort && o.Policy != schema.Roaming {
		w.failures++
	}
	w.mu.Unlock()
	w.advance(ctx)
}

// advance opens the next wave if all before it have ended. The pause and the
// question before it are waited for in the background.
func (w *waves) advance(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.next < len(w.all) && w.surveying == 0 && (w.next == 0 || w.all[w.next-1].left == 0) {
		wave := w.next
		w.next++
		if wave == 0 {
			w.sink(WaveStarted{Wave: 1, Of: len(w.all), Hosts: w.all[0].left})
			close(w.all[0].open)
			continue
		}
		if limit := max(w.rollout.MaxFailures, 1); w.failures >= limit {
			w.refuse(wave, fmt.Errorf("not begun: %s failed in the waves before", human.Count(w.failures, "host")))
			return
		}
		if w.rollout.Pause == 0 && !w.rollout.Confirm {
			w.sink(WaveStarted{Wave: wave + 1, Of: len(w.all), Hosts: w.all[wave].left})
			close(w.all[wave].open)
			continue
		}
		w.clock.Go(func() { w.between(ctx, wave) })
		return
	}
}

// between waits as the rollout says before a wave, then opens it.
func (w *waves) between(ctx context.Context, wave int) {
	var err error
	if w.rollout.Pause > 0 {
		w.sink(Paused{Wave: wave + 1, For: w.rollout.Pause})
		if err = w.clock.Sleep(ctx, w.rollout.Pause); err != nil {
			err = fmt.Errorf("not begun: %w", err)
		}
	}
	if err == nil && w.rollout.Confirm {
		if w.ask == nil {
			err = errors.New("not begun: the rollout wants a confirmation before this wave, and nobody is there to give it")
		} else if no := w.ask(ctx, wave+1); no != nil {
			err = fmt.Errorf("not begun: %w", no)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.refuse(wave, err)
		return
	}
	w.sink(WaveStarted{Wave: wave + 1, Of: len(w.all), Hosts: w.all[wave].left})
	close(w.all[wave].open)
}

// refuse ends all waves from one on before they begin. The caller holds w.mu.
func (w *waves) refuse(wave int, err error) {
	for i := wave; i < len(w.all); i++ {
		w.all[i].err = err
		close(w.all[i].open)
	}
	w.next = len(w.all)
}

// enter waits until a host of the wave may activate. leave must be called
// afterwards with whether the host is up.
func (w *waves) enter(ctx context.Context, wave int) error {
	if err := w.clock.Wait(ctx, w.all[wave].open); err != nil {
		return err
	}
	if err := w.all[wave].err; err != nil {
		return err
	}
	for {
		w.mu.Lock()
		most := w.rollout.MaxUnavailable
		if most > 0 && w.lost >= most {
			w.mu.Unlock()
			return fmt.Errorf("not begun: %s down: max_unavailable reached", human.Count(w.lost, "host"))
		}
		if most == 0 || w.down+w.lost < most {
			w.down++
			w.mu.Unlock()
			return nil
		}
		changed := w.change
		w.mu.Unlock()
		if err := w.clock.Wait(ctx, changed); err != nil {
			return err
		}
	}
}

// rejoin is enter for a host that is being activated already.
func (w *waves) rejoin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down++
}

// leave counts a host as no longer being activated, and as lost unless it is well.
func (w *waves) leave(well bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down--
	if !well {
		w.lost++
	}
	close(w.change)
	w.change = make(chan struct{})
}

// turn is the wave that may activate, or else the next one to.
func (w *waves) turn() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.next-1, 0)
}
