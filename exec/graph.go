package exec

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"muster/compile/store"
	"muster/exec/builds"
)

// A buildGraph hands the systems of a run's hosts to the builder as one graph: when all
// hosts have been inspected or, as a host may keep the others waiting, when the window has
// passed since the first asked. Each window is twice as long as the one before, so a run has
// few graphs.
//
//	surveyed ──▶ asked ──▶ handed over ──▶ built or failed ──▶ the queue
//	                 (all surveyed, or window)
//
// A host takes no place in the queue while its system is built.
type buildGraph struct {
	run     *run
	watcher *graphWatcher

	mu      sync.Mutex
	left    int // hosts that have not been inspected
	asked   []builds.Want
	window  time.Duration
	waiting *time.Timer
}

// firstWindow is for how long hosts are gathered at first.
const firstWindow = time.Second

func newBuildGraph(r *run) *buildGraph {
	return &buildGraph{run: r, watcher: newGraphWatcher(r.opts.Sink), left: len(r.plan.Steps), window: firstWindow}
}

// takes reports whether the system of an inspected host is built in the graph. A host with a
// hook at its build waits for that.
func (g *buildGraph) takes(j *job, rest []Stage) bool {
	if len(rest) == 0 || rest[0] != Build || g.run.opts.simulated != nil || j.systemUpToDate() || j.buildsElsewhere() {
		return false
	}
	for _, h := range j.step.Hooks {
		if h.Before == hookStages[Build] || h.After == hookStages[Build] {
			return false
		}
	}
	return true
}

// ask asks for the system of a host. then is called when it is built or has failed.
func (g *buildGraph) ask(ctx, starts context.Context, j *job, then func()) {
	began := j.now()
	j.emit(StageStarted{Host: j.step.Host.Name, Stage: Build})
	want := j.want()
	want.Done = func(out store.Path, err error) {
		if ctx.Err() == nil && starts.Err() != nil && errors.Is(err, context.Cause(starts)) {
			err = nil // the host is not begun, and says so itself
		} else {
			j.builtAs(out, err)
			j.early = true
		}
		ended := StageEnded{Host: j.step.Host.Name, Stage: Build, Took: j.now().Sub(began)}
		if err = clipped(err); err != nil {
			ended.Err = err.Error()
		}
		j.emit(ended)
		then()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, want)
	if g.waiting == nil {
		g.waiting = time.AfterFunc(g.window, func() { g.handOver(starts) })
		g.window *= 2
	}
}

// surveyed counts a host as inspected. It has asked before.
func (g *buildGraph) surveyed(starts context.Context) {
	g.mu.Lock()
	g.left--
	last := g.left == 0
	g.mu.Unlock()
	if last {
		g.handOver(starts)
	}
}

// handOver has all be built that was asked for.
func (g *buildGraph) handOver(ctx context.Context) {
	g.mu.Lock()
	wants := g.asked
	g.asked = nil
	if g.waiting != nil {
		g.waiting.Stop()
		g.waiting = nil
	}
	g.mu.Unlock()
	if len(wants) > 0 {
		g.run.opts.clock.Go(func() { g.run.opts.Builder.Build(ctx, wants, g.watcher) })
	}
}

// want is what the host needs built.
func (j *job) want() builds.Want {
	w := builds.Want{Drv: j.step.System.Drv, Out: j.step.System.Out}
	if j.run.opts.Roots != "" {
		w.Root = filepath.Join(j.run.opts.Roots, j.step.Host.Name)
	}
	return w
}

// builtAs takes up what has become of the host's system.
func (j *job) builtAs(out store.Path, err error) {
	var failed interface{ FailedBuild() (store.Path, []string) }
	if errors.As(err, &failed) {
		_, log := failed.FailedBuild()
		for _, line := range log {
			j.said(Build)(line)
		}
	}
	if err != nil {
		j.failure = failure{Build, err}
		return
	}
	j.step.System.Out = out
	j.out.System, j.out.Status = out, Built
}

// A graphWatcher makes events of what is seen of builds.
type graphWatcher struct {
	sink Sink

	mu      sync.Mutex
	outputs map[store.Path]*output
}

func newGraphWatcher(sink Sink) *graphWatcher {
	return &graphWatcher{sink: sink, outputs: map[store.Path]*output{}}
}

// Started, Phase, Ended, Counted, Lost and Said are those of [builds.Watcher].
func (w *graphWatcher) Started(drv store.Path, on string) {
	w.sink(BuildStarted{Drv: drv, Builder: on})
}

func (w *graphWatcher) Phase(drv store.Path, phase string) {
	w.sink(BuildPhase{Drv: drv, Phase: clipWord(phase)})
}

// Printed hands on as many lines of a build as are allowed.
func (w *graphWatcher) Printed(drv store.Path, line string) {
	w.mu.Lock()
	o := w.outputs[drv]
	if o == nil {
		o = &output{full: maxOutput, emit: func(line string) { w.sink(BuildPrinted{Drv: drv, Line: line}) }}
		w.outputs[drv] = o
	}
	w.mu.Unlock()
	o.line(clip(line))
}

func (w *graphWatcher) Ended(drv store.Path, on string, took time.Duration, err string) {
	w.mu.Lock()
	o := w.outputs[drv]
	delete(w.outputs, drv)
	w.mu.Unlock()
	if o != nil {
		o.end()
	}
	w.sink(BuildEnded{Drv: drv, Builder: on, Took: took, Err: clip(err)})
}

func (w *graphWatcher) Counted(c builds.Counts) {
	w.sink(BuildsCounted{Built: c.Built, Failed: c.Failed, Running: c.Running, Total: c.Total})
}

func (w *graphWatcher) Lost(l builds.Loss) {
	w.sink(BuilderLost{Builder: l.Builder, Why: clip(l.Why), Drv: l.Drv, For: l.For, Left: l.Left})
}

func (w *graphWatcher) Said(line string) { w.sink(NixSaid{Line: clip(line)}) }

// buildAlone builds the system of one host, by itself.
func buildAlone(ctx context.Context, j *job) error {
	w := j.want()
	w.Done = j.builtAs
	j.run.opts.Builder.Build(ctx, []builds.Want{w}, j.run.builds.watcher)
	return j.failure.err
}
