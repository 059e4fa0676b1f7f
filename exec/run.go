package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Run carries out a plan and returns the outcomes in the plan's order. When
// ctx ends, what is activating is finished and nothing new is begun.
//
// Every host is inspected first, side by side. Those that may take part go on
// at once, as far as nothing on them changes what runs; that waits until all
// have been inspected, and for their wave. A host that an earlier attempt has
// left in the middle of its activation waits for nobody: see resume.go.
func Run(ctx context.Context, p *Plan, o Options) []Outcome {
	if p.Run != "" {
		o.Run = p.Run
	}
	r := newRun(p, o.withDefaults())
	return r.do(ctx)
}

// A run is what the jobs of a run share.
type run struct {
	plan   *Plan
	opts   Options
	waves  *waves
	queue  *queue
	builds *buildGraph
	undo   undo
	sites  *sites
	change func() // before a host gets another system; does its work once
	diffs  likeDiffs
	limits map[Stage]chan struct{}
	// activating limits hosts from their activation to their confirmation.
	activating chan struct{}

	mu   sync.Mutex
	open int // connections of jobs between survey and work
}

func newRun(p *Plan, o Options) *run {
	w := newWaves(p, &o)
	r := &run{
		plan: p, opts: o, waves: w, undo: undo{sink: o.Sink}, sites: newSites(p, o.clock),
		queue: newQueue(w, o.clock, o.BuildJobs+o.CopyJobs+o.ActivateJobs),
		limits: map[Stage]chan struct{}{
			Build: make(chan struct{}, o.BuildJobs),
			Copy:  make(chan struct{}, o.CopyJobs),
		},
		activating: make(chan struct{}, o.ActivateJobs),
	}
	r.builds = newBuildGraph(r)
	r.change = sync.OnceFunc(func() {
		if o.BeforeChange != nil {
			o.BeforeChange()
		}
	})
	return r
}

func (r *run) do(ctx context.Context) []Outcome {
	starts, stopStarting := context.WithCancelCause(ctx)
	defer stopStarting(nil)
	defer r.sites.close()

	outcomes := make([]Outcome, len(r.plan.Steps))
	chain := newChain(r.plan)
	end := func(i int, j *job) {
		outcomes[i] = j.end(ctx)
		defer chain.ended(i, outcomes[i].OK())
		r.opts.Sink(HostEnded{Outcome: outcomes[i]})
		r.waves.ended(ctx, r.plan.Steps[i].Wave, &outcomes[i])
		if r.opts.FailFast && !outcomes[i].OK() {
			stopStarting(fmt.Errorf("%s failed before it", r.plan.Steps[i].Host.Name))
		}
	}
	survey, rest := split(stages[r.plan.Action])

	// Hosts in the middle of an activation come first: their guards do not wait.
	inProgress := map[int]bool{}
	for place, i := range r.plan.ordered() {
		if j := r.newJob(r.plan.Steps[i]); inActivation(j) {
			inProgress[i] = true
			r.waves.surveyed(ctx)
			r.builds.surveyed(starts)
			r.queue.add(place, j.step.Wave, func() {
				j.begin(ctx, starts, slices.Concat(survey, rest))
				end(i, j)
			})
		}
	}

	surveys := make(chan struct{}, r.opts.ConnectJobs)
	always := context.WithoutCancel(ctx) // a host's part in the run says itself why it is not begun
	for place, i := range r.plan.ordered() {
		if inProgress[i] {
			continue
		}
		_ = r.opts.clock.Acquire(always, surveys)
		r.opts.clock.Go(func() {
			defer func() { <-surveys }()
			defer r.builds.surveyed(starts)
			j := r.newJob(r.plan.Steps[i])
			j.begin(ctx, starts, survey)
			if j.failure.stage == ConnectTo {
				r.undo.miss()
			}
			r.waves.surveyed(ctx)
			if j.failed() || !j.hasWork() {
				if !j.failed() {
					j.stages(ctx, starts, rest) // nothing to do in them
				}
				end(i, j)
				return
			}
			if !j.systemUpToDate() {
				r.change()
			}
			r.park(j)
			begin := func() {
				chain.after(i, func(ok bool) {
					r.queue.add(place, j.step.Wave, func() {
						r.unpark(j)
						if ok {
							j.proceed(ctx, starts, rest)
						} else {
							j.skip(errors.New("not begun: what the host has before it has failed"))
						}
						end(i, j)
					})
				})
			}
			if !r.builds.takes(j, rest) || starts.Err() != nil {
				begin()
				return
			}
			r.queue.reserve()
			r.builds.ask(ctx, starts, j, func() {
				begin()
				r.queue.release()
			})
		})
	}
	for range cap(surveys) {
		_ = r.opts.clock.Acquire(always, surveys)
	}
	r.queue.wait(always)
	return outcomes
}

// park keeps the connection of a job for later, unless there are too many.
func (r *run) park(j *job) {
	r.mu.Lock()
	keep := r.open < r.opts.KeepOpen
	if keep {
		r.open++
		j.place.parked = true
	}
	r.mu.Unlock()
	if !keep && j.conn.drop() {
		j.place.dropped = true
	}
}

func (r *run) unpark(j *job) {
	if j.place.parked {
		r.mu.Lock()
		r.open--
		r.mu.Unlock()
	}
}
