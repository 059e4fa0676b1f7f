package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/exec/nixserve"
)

// Options say how a run is done and by what. Sink may be nil.
type Options struct {
	Jobs            int           // hosts at once; 0 is 10
	FailFast        bool          // after a failure, begin no other host
	ActivateTimeout time.Duration // for one activation; 0 is 10 minutes
	Roots           string        // directory of the garbage collector roots, one a host; "" for none
	Copy            CopyOptions

	Connect Connect
	Builder Builder
	Source  nixserve.Source
	Sink    Sink
}

// Run carries out a plan and returns the outcomes in the plan's order. When
// ctx ends, what is activating is finished and nothing new is begun.
func Run(ctx context.Context, p *Plan, o Options) []Outcome {
	if o.Jobs <= 0 {
		o.Jobs = 10
	}
	if o.ActivateTimeout <= 0 {
		o.ActivateTimeout = 10 * time.Minute
	}
	o.Sink = oneAtATime(o.Sink)

	outcomes := make([]Outcome, len(p.Steps))
	starts, stopStarting := context.WithCancelCause(ctx)
	defer stopStarting(nil)
	// Not errgroup.WithContext: one host's failure is its own.
	var g errgroup.Group
	g.SetLimit(o.Jobs)
	for i, step := range p.Steps {
		g.Go(func() error {
			j := &job{action: p.Action, generation: p.Generation, step: step, opts: &o}
			outcomes[i] = j.run(ctx, starts)
			o.Sink(HostEnded{outcomes[i]})
			if o.FailFast && !outcomes[i].OK() {
				stopStarting(fmt.Errorf("%s failed before it", step.Host.Name))
			}
			return nil
		})
	}
	g.Wait()
	return outcomes
}

func oneAtATime(sink Sink) Sink {
	if sink == nil {
		return func(Event) {}
	}
	var mu sync.Mutex
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		sink(e)
	}
}

// A job is the work on one host.
type job struct {
	action     Action
	generation int
	step       Step
	opts       *Options

	machine Machine
	out     Outcome
	closers []func()
}

// run takes the host through its stages. starts says whether it may begin,
// ctx whether it may go on.
func (j *job) run(ctx, starts context.Context) Outcome {
	began := time.Now()
	j.out = Outcome{Host: j.step.Host.Name, System: j.step.System.Out}
	stage, err := j.stages(ctx, starts)
	for i := len(j.closers) - 1; i >= 0; i-- {
		j.closers[i]()
	}
	j.out.Took = time.Since(began)
	if err != nil {
		j.out.Stage, j.out.Err, j.out.Error = stage, err, err.Error()
		if j.out.Status != RolledBack && j.out.Status != Skipped {
			j.out.Status = Failed
		}
	}
	return j.out
}

func (j *job) stages(ctx, starts context.Context) (Stage, error) {
	if j.step.Err != nil {
		return Evaluate, j.step.Err
	}
	if starts.Err() != nil {
		j.out.Status = Skipped
		return "", fmt.Errorf("not begun: %w", context.Cause(starts))
	}
	for _, s := range stages[j.action] {
		began := time.Now()
		j.opts.Sink(StageStarted{Host: j.step.Host.Name, Stage: s})
		err := ctx.Err()
		if err != nil {
			err = context.Cause(ctx)
		} else {
			err = work[s](j, ctx)
		}
		ended := StageEnded{Host: j.step.Host.Name, Stage: s, Took: time.Since(began)}
		if err != nil {
			ended.Err = err.Error()
		}
		j.opts.Sink(ended)
		if err != nil {
			return s, err
		}
	}
	return "", nil
}

// connect reaches the host; the connection lasts for the whole job.
func (j *job) connect(ctx context.Context) error {
	m, err := j.opts.Connect(ctx, j.step.Host)
	if err != nil {
		return err
	}
	if m == nil {
		return errors.New("no connection")
	}
	j.machine = m
	j.onClose(func() { m.Close() })
	return nil
}

// onClose has f done when the host is done, the last first.
func (j *job) onClose(f func()) { j.closers = append(j.closers, f) }

// said hands lines of a stage to the sink.
func (j *job) said(s Stage) func(string) {
	return func(line string) { j.opts.Sink(Said{Host: j.step.Host.Name, Stage: s, Line: line}) }
}

// settled reports whether the host already is what the action would make it.
func (j *job) settled() bool {
	want, have := j.step.System.Out, j.out.Before
	if want == "" {
		return false
	}
	switch j.action {
	case Switch:
		return have.Generation.System == want && have.Current == want
	case Boot:
		return have.Generation.System == want
	case Test:
		return have.Current == want
	}
	return false
}
