package exec

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/schema"
)

// RollOut gives the plan's hosts their waves, as the fleet's rollout says:
// canaries first, then batches, in the order of the rollout's selectors and
// then of the inventory. Hosts of one wave are activated side by side; a wave
// begins when all hosts of those before have ended.
func (p *Plan) RollOut(fleet *schema.Fleet) error {
	r := fleet.Rollout
	p.Rollout = r
	chosen := func(selector string) (map[string]bool, error) {
		hosts, err := schema.Select(fleet, selector)
		if err != nil {
			return nil, fmt.Errorf("rollout: %s: %w", selector, err)
		}
		in := map[string]bool{}
		for _, h := range hosts {
			in[h.Name] = true
		}
		return in, nil
	}
	var order []int // of steps
	taken := make([]bool, len(p.Steps))
	take := func(selector string) error {
		in, err := chosen(selector)
		if err != nil {
			return err
		}
		for i := range p.Steps {
			if !taken[i] && in[p.Steps[i].Host.Name] {
				taken[i] = true
				order = append(order, i)
			}
		}
		return nil
	}
	if r.Canaries != "" {
		if err := take(r.Canaries); err != nil {
			return err
		}
	}
	canaries := len(order)
	for _, selector := range r.Order {
		if err := take(selector); err != nil {
			return err
		}
	}
	for i := range p.Steps {
		if !taken[i] {
			order = append(order, i)
		}
	}
	for _, h := range r.Hooks {
		in, err := chosen(h.Hosts)
		if err != nil {
			return err
		}
		for i := range p.Steps {
			if s := &p.Steps[i]; in[s.Host.Name] {
				s.Hooks = append(s.Hooks, h)
			}
		}
	}
	size, err := batchSize(r.Batch, len(order)-canaries)
	if err != nil {
		return err
	}
	wave := 0
	if canaries > 0 {
		wave = 1
	}
	for n, i := range order {
		if n < canaries {
			p.Steps[i].Wave = 0
			continue
		}
		p.Steps[i].Wave = wave + (n-canaries)/size
	}
	p.order = order
	return nil
}

// RollBack gives the plan what a way back takes of the fleet's rollout: its hooks,
// its order, and how many hosts may be down at once. Its waves are for what is
// new; whoever goes back is in a hurry, and one host that cannot does not keep
// the others from it.
func (p *Plan) RollBack(fleet *schema.Fleet) error {
	if err := p.RollOut(fleet); err != nil {
		return err
	}
	p.Rollout.Pause, p.Rollout.Confirm = 0, false
	for i := range p.Steps {
		p.Steps[i].Wave = 0
	}
	return nil
}

// batchSize reads "5" or "20%" of n hosts; "" is all of them. A share is
// rounded up.
func batchSize(batch string, n int) (int, error) {
	if batch == "" {
		return max(n, 1), nil
	}
	share, percent := strings.CutSuffix(batch, "%")
	size, err := strconv.Atoi(share)
	if err != nil || size < 1 {
		return 0, fmt.Errorf("rollout: batch %q: want a number of hosts, or a share such as 20%%", batch)
	}
	if percent {
		size = (n*size + 99) / 100
	}
	return max(size, 1), nil
}

// Waves returns the names of the hosts of each wave.
func (p *Plan) Waves() [][]string {
	var waves [][]string
	for _, i := range p.ordered() {
		s := &p.Steps[i]
		for len(waves) <= s.Wave {
			waves = append(waves, nil)
		}
		waves[s.Wave] = append(waves[s.Wave], s.Host.Name)
	}
	return waves
}

// ordered are the numbers of the steps in the order in which they are begun.
func (p *Plan) ordered() []int {
	if len(p.order) == len(p.Steps) {
		return p.order
	}
	order := make([]int, 0, len(p.Steps))
	for wave := 0; len(order) < len(p.Steps); wave++ {
		before := len(order)
		for i := range p.Steps {
			if p.Steps[i].Wave == wave {
				order = append(order, i)
			}
		}
		if len(order) == before && wave > len(p.Steps) {
			break
		}
	}
	return order
}

// waves hold hosts back until their wave may activate.
type waves struct {
	rollout schema.Rollout
	sink    Sink
	ask     func(ctx context.Context, wave int) error

	mu        sync.Mutex
	surveying int // hosts whose preflight has not ended
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
	w := &waves{rollout: p.Rollout, sink: o.Sink, ask: o.Confirm, surveying: len(p.Steps), change: make(chan struct{})}
	for _, s := range p.Steps {
		for len(w.all) <= s.Wave {
			w.all = append(w.all, wave{open: make(chan struct{})})
		}
		w.all[s.Wave].left++
	}
	return w
}

// surveyed says that the preflight of a host has ended.
func (w *waves) surveyed(ctx context.Context) {
	w.mu.Lock()
	w.surveying--
	w.mu.Unlock()
	w.advance(ctx)
}

// ended says what became of a host.
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
			w.refuse(wave, fmt.Errorf("not begun: %s failed in the waves before", countOf(w.failures, "host")))
			return
		}
		if w.rollout.Pause == 0 && !w.rollout.Confirm {
			w.sink(WaveStarted{Wave: wave + 1, Of: len(w.all), Hosts: w.all[wave].left})
			close(w.all[wave].open)
			continue
		}
		go w.between(ctx, wave)
		return
	}
}

// between waits as the rollout says before a wave, then opens it.
func (w *waves) between(ctx context.Context, wave int) {
	var err error
	if w.rollout.Pause > 0 {
		w.sink(Paused{Wave: wave + 1, For: w.rollout.Pause})
		select {
		case <-ctx.Done():
			err = fmt.Errorf("not begun: %w", context.Cause(ctx))
		case <-time.After(w.rollout.Pause):
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

// refuse closes all waves from one on for good. The caller holds w.mu.
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
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.all[wave].open:
	}
	if err := w.all[wave].err; err != nil {
		return err
	}
	for {
		w.mu.Lock()
		most := w.rollout.MaxUnavailable
		if most > 0 && w.lost >= most {
			w.mu.Unlock()
			return fmt.Errorf("not begun: %s down, no more may be", countOf(w.lost, "host"))
		}
		if most == 0 || w.down+w.lost < most {
			w.down++
			w.mu.Unlock()
			return nil
		}
		changed := w.change
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// rejoin is enter for a host that is being activated already.
func (w *waves) rejoin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down++
}

// leave says that a host is no longer being activated, and whether it is well.
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

func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// turn is the wave that may activate or is the next to.
func (w *waves) turn() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.next-1, 0)
}
