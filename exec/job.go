package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/host"
	"muster/exec/transfer"
	"muster/schema"
)

// A job is the work on one host: its step of the plan, what is known of the host,
// and what has become of it.
type job struct {
	run     *run // what the jobs of a run share
	step    Step
	conn    *connection
	guard   *guard
	place   placement
	seen    host.Inspection // the host as last inspected
	secrets secretWork
	bare    bareWork
	back    back
	held    held
	share   share // in its site; see peers.go
	cluster membership
	early   bool            // the system was built in the run's graph, or has failed
	built   transfer.Source // where another host has built the system; nil for this machine
	out     Outcome
	journey
	outputs *outputs
}

// A held is the lock on the host.
type held struct {
	stop     func() // ends its renewal; nil while there is no lock
	released bool   // the host was given back
}

// A journey is how far the job has come.
type journey struct {
	began    time.Time
	recorded bool // what the host was found on is in the journal
	failure  failure
}

// A back is how a host takes part in a rollback.
type back struct {
	way   *way  // nil until it is decided
	unfit error // why the host cannot take part, if it is to change
}

// A failure is where a job ended before its last stage, and why.
type failure struct {
	stage Stage
	err   error
}

// A placement is where a job stands among the others.
type placement struct {
	parked  bool // its connection is kept between survey and work
	dropped bool // it was closed instead
	entered bool // the job counts as being activated
}

func (r *run) newJob(step Step) *job {
	dial := r.opts.Connect
	if r.plan.Action == Install {
		dial = dial.orBare()
	}
	conn := &connection{host: step.Host, dial: dial, answer: r.opts.AnswerTimeout}
	j := &job{run: r, step: step, conn: conn}
	j.outputs = &outputs{emit: func(s Stage, line string) { j.emit(Said{Host: step.Host.Name, Stage: s, Line: line}) }}
	j.cluster = r.membership(&j.step)
	j.guard = &guard{conn: conn, watch: host.Watch{Run: r.opts.Run}, said: j.said}
	return j
}

// begin takes the host through its first stages. starts says whether it may
// begin, ctx whether it may go on.
func (j *job) begin(ctx, starts context.Context, list []Stage) {
	j.began = j.now()
	j.out = Outcome{Host: j.step.Host.Name, System: j.step.System.Out, Policy: j.step.Host.Policy, Wave: j.step.Wave + 1}
	if j.step.Err != nil {
		j.failure = failure{Evaluate, j.step.Err}
		return
	}
	j.stages(ctx, starts, list)
}

// proceed takes the host through the rest of its stages.
func (j *job) proceed(ctx, starts context.Context, list []Stage) {
	if j.action().goesBack() && !j.step.Host.Unconnected && starts.Err() == nil && !j.hasGuard() {
		if j.failure = choose(ctx, j); j.failed() || j.action() == WouldRevert {
			return
		}
		if j.back.way.leave != "" {
			j.stages(ctx, starts, []Stage{Rejoin}) // what an earlier attempt has taken out
			return
		}
	}
	if j.place.dropped {
		j.place.dropped = false
		if err := j.conn.renew(ctx); err != nil {
			j.failure = failure{ConnectTo, err}
			return
		}
	}
	j.stages(ctx, starts, list)
}

// stages takes the host through some of its stages.
func (j *job) stages(ctx, starts context.Context, list []Stage) {
	if j.early && j.failed() {
		return
	}
	if starts.Err() != nil {
		j.skip(fmt.Errorf("not begun: %w", context.Cause(starts)))
		return
	}
	for _, s := range list {
		if s == Build && j.early || j.step.Host.Unconnected && s != Build || s == SendSecrets && !j.secrets.changed() || s == PreCheck && !j.checksBefore() || s == HostKey && !j.secrets.keyChanges() ||
			s == Leave && !j.leaves() || s == Rejoin && !j.cluster.isOut() {
			continue
		}
		if err := j.stage(ctx, s); err != nil {
			j.failure = failure{s, err}
			j.rejoinAfterFailure(ctx)
			return
		}
		if s == Inspect {
			j.cluster.survey(ctx, j)
		}
	}
}

// skip ends the job before its work.
func (j *job) skip(why error) {
	j.out.Status = Skipped
	j.failure = failure{"", why}
}

// stage does one stage, with its hooks, when its turn has come.
func (j *job) stage(ctx context.Context, s Stage) error {
	if (s == PreCheck || s == Activate || s == Revert) && !j.upToDate() && !j.place.entered || (s == Leave || s == Restart && j.needsRestart()) && !j.place.entered {
		if err := j.enter(ctx); err != nil {
			return err
		}
	}
	if limit := j.run.limits[s]; limit != nil && !j.upToDate() {
		if j.run.opts.clock.Acquire(ctx, limit) == nil {
			defer func() { <-limit }()
		}
	}
	if ctx.Err() != nil && !j.guard.waiting && j.out.Status != Activated && j.out.Status != Reverted {
		return context.Cause(ctx)
	}
	if s == Copy { // those of its site that it waits for have places
		if err := j.run.sites.join(ctx, j); err != nil {
			j.run.sites.leave(j, err)
			return err
		}
	}
	began := j.now()
	j.emit(StageStarted{Host: j.step.Host.Name, Stage: s})
	err := clipped(withHooks(ctx, j, s))
	if s == Copy {
		j.run.sites.leave(j, err)
	}
	j.outputs.of(s).end()
	ended := StageEnded{Host: j.step.Host.Name, Stage: s, Took: j.now().Sub(began)}
	if err != nil {
		ended.Err = err.Error()
	}
	j.emit(ended)
	return err
}

// enter waits for the host's wave, and for its turn in it, which lasts until
// the host has ended.
func (j *job) enter(ctx context.Context) error {
	if j.action() == DryActivate {
		return nil
	}
	if j.guard.resumed {
		j.run.waves.rejoin(&j.step)
		j.place.entered = true
		return nil
	}
	if err := j.run.waves.enter(ctx, &j.step); err != nil {
		j.out.Status = Skipped
		return err
	}
	j.place.entered = true
	if j.run.opts.clock.Acquire(ctx, j.run.activating) == nil {
		j.conn.onClose(func() { <-j.run.activating })
	}
	if ctx.Err() != nil {
		j.out.Status = Skipped
		return context.Cause(ctx)
	}
	return nil
}

// upToDate reports whether the host already is what the action would make it.
func (j *job) upToDate() bool { return j.systemUpToDate() && !j.secrets.changed() }

// systemUpToDate reports whether the host has its system already, as the action
// would make it.
func (j *job) systemUpToDate() bool {
	want, have := j.step.System.Out, j.out.Before
	if j.action() == PushSecrets {
		return true
	}
	if want == "" || j.installsBootLoader() {
		return false
	}
	switch j.action() {
	case Switch, Preview:
		return have.Has(want) && !j.hasGuard()
	case Boot:
		return have.WouldBoot(want)
	case Test:
		return have.Current == want && !j.hasGuard()
	}
	return false
}

// hasWork reports whether anything remains to be done on an inspected host: an
// up-to-date one may have to be checked or restarted.
func (j *job) hasWork() bool {
	return !j.upToDate() || j.needsRestart() || j.checksUpToDate() || j.cluster.held || len(j.brokenMeshes()) > 0
}

// installsBootLoader reports whether the boot loader itself is installed anew.
func (j *job) installsBootLoader() bool {
	switch j.action() {
	case Switch, Boot, Rollback:
		return j.run.opts.InstallBootLoader
	}
	return false
}

// hasGuard reports whether an earlier attempt of this run has left a guard on the
// host.
func (j *job) hasGuard() bool { return j.seen.Guard == j.run.opts.Run }

// end sums the job up.
func (j *job) end(ctx context.Context) Outcome {
	j.conn.close()
	j.out.Took = j.now().Sub(j.began)
	if err := clipped(j.failure.err); err != nil {
		j.out.Stage, j.out.Err, j.out.Error = j.failure.stage, err, err.Error()
		j.out.Interrupted = ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
		switch {
		case j.out.Status == RolledBack:
		case j.out.Status == Skipped:
			j.out.Stage = ""
		case j.step.Host.Policy == schema.Roaming && j.failure.stage == ConnectTo && errors.Is(err, ErrUnreachable):
			j.out.Status = Away
		default:
			j.out.Status = Failed
		}
	}
	if !j.failed() && j.step.Host.Unconnected && j.action() != BuildOnly {
		j.out.Status = NoAddress
	}
	if j.place.entered {
		untouched := j.failure.stage == Leave && !j.out.changed
		j.run.waves.leave(&j.step, j.out.OK() || j.out.Status == RolledBack || untouched)
	}
	return j.out
}

func (j *job) now() time.Time { return j.run.opts.clock.Now() }

func (j *job) failed() bool { return j.failure.err != nil }

func (j *job) action() Action { return j.run.plan.Action }

func (j *job) emit(e Event) { j.run.opts.Sink(e) }

// said hands lines of a stage to the sink, as many as are allowed.
func (j *job) said(s Stage) func(string) { return j.outputs.of(s).line }

// note tells of something that is not as it should be, and goes on.
func (j *job) note(f Finding) {
	f.Text = clip(f.Text)
	j.out.Findings = append(j.out.Findings, f)
	j.emit(Found{Host: j.step.Host.Name, Finding: f})
}

// connect reaches the host. The connection lasts for the whole job.
func connect(ctx context.Context, j *job) error {
	err := j.conn.open(ctx)
	if err != nil {
		return awaitReturn(ctx, j, err)
	}
	return nil
}

// nothing is what a host without a system is said to return to.
const nothing = "nothing"

// formerSystem names what the host ran when it was inspected.
func (j *job) formerSystem() string { return cmp.Or(string(j.out.Before.Current), nothing) }
