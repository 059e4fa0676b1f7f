package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/exec/transfer"
	"muster/schema"
)

// Options say how a run is done and by what. A zero limit is the default.
type Options struct {
	Run string // names the run, on the hosts too: the same for an attempt that goes on with it
	Who string // who runs it, for others who find a host locked

	Jobs         int // hosts at once in each kind of work that has no limit of its own; 10
	ConnectJobs  int // hosts being connected to and looked at
	BuildJobs    int // hosts being built for
	CopyJobs     int // hosts being copied to
	ActivateJobs int // hosts being activated
	KeepOpen     int // connections kept between looking at a host and going on with it; 200

	FailFast bool // after a failure, begin no other host
	Reboot   bool // restart hosts whose new kernel, initrd or systemd needs it

	ActivateTimeout time.Duration // for one activation; 10 minutes
	ConfirmTimeout  time.Duration // for a new connection after it, then the host returns by itself; 1 minute
	RevertTimeout   time.Duration // for that return; 2 minutes
	RebootTimeout   time.Duration // until a host is back after a restart; 10 minutes
	AnswerTimeout   time.Duration // for a host to answer a question; 30 seconds
	LockTimeout     time.Duration // without a sign of life, until a lock on a host lapses; 1 minute

	Roots string // directory of the garbage collector roots, one a host; "" for none
	Copy  CopyOptions

	Connect Connect
	Builder Builder
	Source  transfer.Source
	Local   Local // runs hooks here; nil where there are none
	Sink    Sink  // may be nil
	// Confirm is asked before a wave (from 2) where the rollout wants that.
	Confirm func(ctx context.Context, wave int) error
}

func (o *Options) defaults() {
	number := func(n *int, standard int) {
		if *n <= 0 {
			*n = standard
		}
	}
	duration := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	number(&o.Jobs, 10)
	for _, n := range []*int{&o.ConnectJobs, &o.BuildJobs, &o.CopyJobs, &o.ActivateJobs} {
		number(n, o.Jobs)
	}
	number(&o.KeepOpen, 200)
	duration(&o.ActivateTimeout, 10*time.Minute)
	duration(&o.ConfirmTimeout, time.Minute)
	duration(&o.RevertTimeout, 2*time.Minute)
	duration(&o.RebootTimeout, 10*time.Minute)
	duration(&o.AnswerTimeout, 30*time.Second)
	duration(&o.LockTimeout, time.Minute)
	if o.Run == "" {
		o.Run = NewRunID()
	}
	o.Who = or(o.Who, "somebody")
	o.Sink = oneAtATime(o.Sink)
}

// Run carries out a plan and returns the outcomes in the plan's order. When
// ctx ends, what is activating is finished and nothing new is begun.
//
// Every host is looked at first, side by side. Those that may take part go on
// at once, as far as nothing on them changes what runs; that waits until all
// have been looked at, and for their wave. A host whose activation an earlier
// attempt has left midway waits for nobody: see resume.go.
func Run(ctx context.Context, p *Plan, o Options) []Outcome {
	if p.Run != "" {
		o.Run = p.Run
	}
	o.defaults()
	r := &running{opts: &o, gates: newGates(p, &o), limits: map[Stage]chan struct{}{
		Build: make(chan struct{}, o.BuildJobs),
		Copy:  make(chan struct{}, o.CopyJobs),
	}, activating: make(chan struct{}, o.ActivateJobs)}
	starts, stopStarting := context.WithCancelCause(ctx)
	defer stopStarting(nil)

	outcomes := make([]Outcome, len(p.Steps))
	end := func(i int, j *job) {
		outcomes[i] = j.end(ctx)
		o.Sink(HostEnded{outcomes[i]})
		r.gates.ended(ctx, p.Steps[i].Wave, &outcomes[i])
		if o.FailFast && !outcomes[i].OK() {
			stopStarting(fmt.Errorf("%s failed before it", p.Steps[i].Host.Name))
		}
	}
	survey, rest := split(stages[p.Action])
	newJob := func(i int) *job {
		return &job{running: r, action: p.Action, generation: p.Generation, command: p.Command, keep: p.Keep, step: p.Steps[i], opts: &o}
	}
	queue := newQueue(r.gates, o.BuildJobs+o.CopyJobs+o.ActivateJobs)

	// Those that were left midway are in a hurry, and may keep one waiting.
	midway := map[int]bool{}
	for place, i := range p.ordered() {
		if j := newJob(i); j.midway() {
			midway[i] = true
			r.gates.surveyed(ctx)
			queue.add(place, j.step.Wave, func() {
				j.begin(ctx, starts, slices.Concat(survey, rest))
				end(i, j)
			})
		}
	}

	// Not errgroup.WithContext: one host's failure is its own.
	var looks errgroup.Group
	looks.SetLimit(o.ConnectJobs)
	for place, i := range p.ordered() {
		if midway[i] {
			continue
		}
		looks.Go(func() error {
			j := newJob(i)
			j.begin(ctx, starts, survey)
			r.gates.surveyed(ctx)
			if j.failed() || j.settled() && !o.Reboot {
				if !j.failed() {
					j.stages(ctx, starts, rest) // nothing to do in them
				}
				end(i, j)
				return nil
			}
			r.park(j)
			queue.add(place, j.step.Wave, func() {
				r.unpark(j)
				j.proceed(ctx, starts, rest)
				end(i, j)
			})
			return nil
		})
	}
	looks.Wait()
	queue.wait()
	return outcomes
}

// split divides the stages of an action into those that only look, and the
// rest.
func split(all []Stage) (survey, rest []Stage) {
	for i, s := range all {
		if s != ConnectTo && s != Inspect {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

// running is what the jobs of a run share.
type running struct {
	opts   *Options
	gates  *gates
	limits map[Stage]chan struct{}
	// activating limits hosts from their activation to their confirmation.
	activating chan struct{}

	mu   sync.Mutex
	open int // connections of jobs between survey and work
}

// park keeps the connection of a job for later, unless there are too many.
func (r *running) park(j *job) {
	r.mu.Lock()
	keep := r.open < r.opts.KeepOpen
	if keep {
		r.open++
		j.parked = true
	}
	r.mu.Unlock()
	if m := j.current(); !keep && m != nil {
		m.Close()
		j.dropped = true
	}
}

func (r *running) unpark(j *job) {
	if j.parked {
		r.mu.Lock()
		r.open--
		r.mu.Unlock()
	}
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
	*running
	action     Action
	generation int
	command    []string
	keep       Keep
	step       Step
	opts       *Options

	began   time.Time
	facts   Facts
	parked  bool
	dropped bool // the connection was closed between survey and work
	waiting bool // the guard on the host waits for confirmation
	left    bool // it did so when an attempt before this one had left it
	entered bool // through the gate of its wave
	seen    int64

	out     Outcome
	stage   Stage
	err     error
	closers []func()

	mu      sync.Mutex
	machine Machine
}

// begin takes the host through its first stages. starts says whether it may
// begin, ctx whether it may go on.
func (j *job) begin(ctx, starts context.Context, list []Stage) {
	j.began = time.Now()
	j.out = Outcome{Host: j.step.Host.Name, System: j.step.System.Out, Policy: j.step.Host.Policy, Wave: j.step.Wave}
	if j.step.Err != nil {
		j.fail(Evaluate, j.step.Err)
		return
	}
	j.stages(ctx, starts, list)
}

// proceed takes the host through the rest of its stages.
func (j *job) proceed(ctx, starts context.Context, list []Stage) {
	if j.dropped {
		j.dropped = false
		if err := j.reconnect(ctx); err != nil {
			j.fail(ConnectTo, err)
			return
		}
	}
	j.stages(ctx, starts, list)
}

// stages takes the host through some of its stages.
func (j *job) stages(ctx, starts context.Context, list []Stage) {
	if starts.Err() != nil {
		j.out.Status = Skipped
		j.fail("", fmt.Errorf("not begun: %w", context.Cause(starts)))
		return
	}
	for _, s := range list {
		if err := j.stageOf(ctx, s); err != nil {
			j.fail(s, err)
			return
		}
	}
}

// stageOf does one stage, with its hooks, when its turn has come.
func (j *job) stageOf(ctx context.Context, s Stage) error {
	if s == Activate || s == Revert {
		if err := j.enter(ctx); err != nil {
			return err
		}
	}
	if limit := j.limits[s]; limit != nil && !j.settled() {
		select {
		case limit <- struct{}{}:
			defer func() { <-limit }()
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil && !j.waiting && j.out.Status != Activated && j.out.Status != Reverted {
		return context.Cause(ctx)
	}
	began := time.Now()
	j.opts.Sink(StageStarted{Host: j.step.Host.Name, Stage: s})
	err := j.hooked(ctx, s)
	ended := StageEnded{Host: j.step.Host.Name, Stage: s, Took: time.Since(began)}
	if err != nil {
		ended.Err = err.Error()
	}
	j.opts.Sink(ended)
	return err
}

// enter waits for the host's wave, and for its turn in it, which lasts until
// the host has ended.
func (j *job) enter(ctx context.Context) error {
	if j.settled() || j.action == DryActivate {
		return nil
	}
	if j.left {
		j.gates.rejoin()
		j.entered = true
		return nil
	}
	if err := j.gates.enter(ctx, j.step.Wave); err != nil {
		j.out.Status = Skipped
		return err
	}
	j.entered = true
	select {
	case j.activating <- struct{}{}:
		j.onClose(func() { <-j.activating })
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		j.out.Status = Skipped
		return context.Cause(ctx)
	}
	return nil
}

func (j *job) fail(s Stage, err error) { j.stage, j.err = s, err }

func (j *job) failed() bool { return j.err != nil }

// end sums the job up.
func (j *job) end(ctx context.Context) Outcome {
	for i := len(j.closers) - 1; i >= 0; i-- {
		j.closers[i]()
	}
	j.out.Took = time.Since(j.began)
	if err := j.err; err != nil {
		j.out.Stage, j.out.Err, j.out.Error = j.stage, err, err.Error()
		j.out.Interrupted = ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
		switch {
		case j.out.Status == RolledBack:
		case j.out.Status == Skipped:
			j.out.Stage = ""
		case j.step.Host.Policy == schema.Roaming && j.stage == ConnectTo && errors.Is(err, ErrUnreachable):
			j.out.Status = Away
		default:
			j.out.Status = Failed
		}
	}
	if j.entered {
		j.gates.leave(j.out.OK() || j.out.Status == RolledBack)
	}
	return j.out
}

// connect reaches the host; the connection lasts for the whole job.
func (j *job) connect(ctx context.Context) error {
	m, err := j.opts.Connect(ctx, j.step.Host)
	if err != nil {
		m, err = j.comesBack(ctx, err)
	}
	if err != nil {
		return err
	}
	if m == nil {
		return errors.New("no connection")
	}
	j.setMachine(m)
	j.onClose(func() { j.current().Close() })
	return nil
}

// current is the connection in use.
func (j *job) current() Machine {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.machine
}

// setMachine puts another connection in the place of the one there is.
func (j *job) setMachine(m Machine) {
	j.mu.Lock()
	old := j.machine
	j.machine = m
	j.mu.Unlock()
	if old != nil && old != m {
		old.Close()
	}
}

// onClose has f done when the host is done, the last first.
func (j *job) onClose(f func()) { j.closers = append(j.closers, f) }

// said hands lines of a stage to the sink.
func (j *job) said(s Stage) func(string) {
	return func(line string) { j.opts.Sink(Said{Host: j.step.Host.Name, Stage: s, Line: line}) }
}
