package exec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"muster/compile/store"
	"muster/exec/clock"
	"muster/exec/host"
)

// A Simulation is how a run of simulated hosts went. Times are simulated.
type Simulation struct {
	Took  time.Duration   `json:"took_ns"`
	Hosts int             `json:"hosts"`
	Hit   int             `json:"hit"` // hosts whose activation was begun
	Waves []SimulatedWave `json:"waves"`
	// Stopped is why the hosts that are left were not begun; "" where none is left.
	Stopped  string         `json:"stopped,omitempty"`
	Statuses map[Status]int `json:"statuses"`
}

// A SimulatedWave is how one wave went.
type SimulatedWave struct {
	Wave     int            `json:"wave"` // from 1
	Hosts    int            `json:"hosts"`
	Hit      int            `json:"hit"`
	Begun    bool           `json:"begun"`
	Began    time.Duration  `json:"began_ns"` // since the run began
	Took     time.Duration  `json:"took_ns"`
	Statuses map[Status]int `json:"statuses"`
}

// Simulate carries out a plan as [Run] does, on hosts that are a [Model] and whose time
// passes at once. What the model draws depends on the seed and on the places of hosts in
// the plan. Hooks are not run, and confirmations are given at once.
func Simulate(ctx context.Context, p *Plan, o Options, m *Model, seed uint64) (*Simulation, error) {
	plan := *p
	plan.Run, plan.Steps = "", slices.Clone(p.Steps)
	for i := range plan.Steps {
		plan.Steps[i].Hooks, plan.Steps[i].Err = nil, nil
		plan.Steps[i].System = System{Out: simulatedSystem}
	}
	o.Confirm = func(context.Context, int) error { return nil }
	w := &simulatedRun{model: m, seed: seed, places: map[string]int{}, reported: o.Sink, result: &Simulation{Hosts: len(plan.Steps), Statuses: map[Status]int{}}}
	for i := range plan.Steps {
		w.places[plan.Steps[i].Host.Name] = i
	}
	for n, names := range plan.Waves() {
		w.result.Waves = append(w.result.Waves, SimulatedWave{Wave: n + 1, Hosts: len(names), Statuses: map[Status]int{}})
		for _, name := range names {
			plan.Steps[w.places[name]].Wave = n
		}
	}
	w.waveOf = func(name string) *SimulatedWave { return &w.result.Waves[plan.Steps[w.places[name]].Wave] }
	o.Sink, o.simulated = w.event, w
	clock.Simulate(ctx, time.Unix(0, 0).UTC(), func(c *clock.Simulated) {
		w.clock, o.clock, w.began = c, c, c.Now()
		Run(ctx, &plan, o)
		w.result.Took = c.Now().Sub(w.began)
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return w.result, nil
}

// simulatedSystem is what simulated hosts get.
const simulatedSystem store.Path = "/nix/store/00000000000000000000000000000000-nixos-system-simulated"

// A simulatedRun does the stages of simulated hosts, and counts.
type simulatedRun struct {
	model    *Model
	seed     uint64
	clock    *clock.Simulated
	began    time.Time
	places   map[string]int // of hosts in the plan
	waveOf   func(host string) *SimulatedWave
	reported Sink
	result   *Simulation
}

// event counts what an event says.
func (w *simulatedRun) event(e Event) {
	now := w.clock.Now().Sub(w.began)
	switch e := e.(type) {
	case WaveStarted:
		wave := &w.result.Waves[e.Wave-1]
		wave.Begun, wave.Began = true, now
	case HostEnded:
		wave := w.waveOf(e.Outcome.Host)
		wave.Statuses[e.Outcome.Status]++
		w.result.Statuses[e.Outcome.Status]++
		if e.Outcome.Status == Skipped {
			if w.result.Stopped == "" {
				w.result.Stopped = e.Outcome.Error
			}
		} else if wave.Begun {
			wave.Took = now - wave.Began
		}
		if e.Outcome.changed {
			wave.Hit++
			w.result.Hit++
		}
	}
	if w.reported != nil {
		w.reported(e)
	}
}

// stage is what a stage does on a simulated host.
func (w *simulatedRun) stage(s Stage) stageFunc {
	return func(ctx context.Context, j *job) error {
		if s != ConnectTo && s != Inspect && j.upToDate() {
			if s == Activate {
				j.out.Status = Unchanged
			}
			return nil
		}
		if s == Activate || s == Revert {
			j.out.changed = true
		}
		visit := w.visit(j, s)
		if err := w.clock.Sleep(ctx, visit.took); err != nil {
			return err
		}
		if visit.fails {
			if s.InActivation() && s != Restart && !visit.lost {
				j.out.Status = RolledBack
			}
			if s == ConnectTo {
				return fmt.Errorf("simulated: %w", ErrUnreachable)
			}
			return fmt.Errorf("simulated: stage %s fails", s)
		}
		switch s {
		case Inspect:
			w.inspected(j)
		case Activate:
			j.out.Status = Activated
		case Revert:
			j.out.Status = Reverted
		case Build:
			j.out.Status = Built
		case Copy:
			j.out.Status = Copied
		}
		return nil
	}
}

// inspected finds a simulated host on its system already, or in need of a restart.
func (w *simulatedRun) inspected(j *job) {
	want := j.step.System.Out
	known, ok := w.model.Known[j.step.Host.Name]
	if ok && known.Status == Unchanged || !ok && w.draw(j, "up to date").Float64() < w.model.Unchanged {
		j.out.Before = host.State{Generation: host.Generation{System: want}, Current: want}
	} else if j.run.opts.Reboot {
		j.seen.Facts.Needs = []string{"kernel"}
	}
}

// A visit is what a stage does to one host.
type visit struct {
	took        time.Duration
	fails, lost bool
}

// visit draws how long a stage takes on a host and whether it fails.
func (w *simulatedRun) visit(j *job, s Stage) visit {
	m := w.model.Stages[s]
	if known, ok := w.model.Known[j.step.Host.Name]; ok {
		if took, ok := known.Took[s]; ok {
			return visit{took: took, fails: known.Failed == s, lost: known.Status == Failed}
		}
	}
	random := w.draw(j, s)
	v := visit{fails: random.Float64() < m.Failures, lost: random.Float64() < w.model.Lost}
	at := random.Float64()
	v.took = quantile(m.Took, at)
	if v.fails && len(m.TookFailing) > 0 {
		v.took = quantile(m.TookFailing, at)
	}
	if s == Reach && v.fails { // its guard waits for the confirmation in vain
		v.took = max(v.took, j.confirmTimeout())
	}
	return v
}

// draw is the source of what is random about a host in a stage.
func (w *simulatedRun) draw(j *job, s Stage) *rand.Rand {
	place, stage := uint64(w.places[j.step.Host.Name]), uint64(0)
	for _, c := range []byte(s) {
		stage = stage*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(w.seed, place<<32^stage))
}

func quantile(list []time.Duration, at float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[int(at*float64(len(list)))]
}

// A Model says what simulated hosts are like.
type Model struct {
	Stages    map[Stage]StageModel
	Unchanged float64 // share of the hosts that are up to date
	Lost      float64 // share of the failed activations after which the host does not return
	// Known are hosts whose stages take what they took in a run.
	Known map[string]KnownHost
}

// A StageModel says how long a stage takes and how often it fails.
type StageModel struct {
	Took        []time.Duration // each as likely as the others
	TookFailing []time.Duration // where it fails; nil for Took
	Failures    float64         // share of the hosts
}

// A KnownHost is what a run recorded of a host.
type KnownHost struct {
	Took   map[Stage]time.Duration
	Failed Stage // "" for none
	Status Status
}

// StandardModel is the model of hosts of which nothing is known: small servers that get
// some hundred megabytes.
func StandardModel() *Model {
	m := &Model{Stages: map[Stage]StageModel{}}
	for s, median := range map[Stage]time.Duration{
		ConnectTo: 400 * time.Millisecond, Inspect: 300 * time.Millisecond, Build: 2 * time.Second, Lock: 100 * time.Millisecond,
		Copy: 20 * time.Second, PreCheck: time.Second, HostKey: time.Second, SendSecrets: time.Second, Activate: 12 * time.Second,
		Revert: 12 * time.Second, Reach: 500 * time.Millisecond, Health: 2 * time.Second, Confirm: 300 * time.Millisecond, Restart: time.Minute,
	} {
		m.Stages[s] = StageModel{Took: Around(median)}
	}
	return m
}

// spread is the standard deviation of the logarithm of latencies.
const spread = 0.35

// Around are durations that are spread around a median as latencies are: in a log-normal
// distribution, of which one host in a hundred takes more than twice the median.
func Around(median time.Duration) []time.Duration {
	const n = 100
	list := make([]time.Duration, n)
	for i := range list {
		q := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/n-1)
		list[i] = time.Duration(float64(median) * math.Exp(spread*q))
	}
	return list
}

// ModelOf is the model of the hosts of an earlier run, of its journal. Stages that no
// host of the run came to are as in [StandardModel].
func ModelOf(journal string) (*Model, error) {
	m := StandardModel()
	r := recordedRun{current: map[string]map[Stage]StageEnded{}, all: map[Stage][]StageEnded{}, known: map[string]KnownHost{}}
	if _, err := ReplayJournal(journal, func(_ time.Time, e Event) { r.add(e) }); err != nil {
		return nil, err
	}
	if r.ended == 0 {
		return nil, errors.New("no host of the run has ended")
	}
	for s, list := range r.all {
		m.Stages[s] = stageModel(list)
	}
	m.Unchanged = float64(r.unchanged) / float64(r.ended)
	if n := r.lost + r.returned; n > 0 {
		m.Lost = float64(r.lost) / float64(n)
	}
	m.Known = r.known
	return m, nil
}

// A recordedRun collects what the events of a run say about its hosts.
type recordedRun struct {
	current                          map[string]map[Stage]StageEnded // of hosts that have not ended
	all                              map[Stage][]StageEnded
	known                            map[string]KnownHost
	ended, unchanged, lost, returned int
}

func (r *recordedRun) add(e Event) {
	switch e := e.(type) {
	case StageEnded:
		if r.current[e.Host] == nil {
			r.current[e.Host] = map[Stage]StageEnded{}
		}
		r.current[e.Host][e.Stage] = e
	case HostEnded:
		stages := r.current[e.Outcome.Host]
		delete(r.current, e.Outcome.Host)
		if !e.Outcome.Interrupted {
			r.end(&e.Outcome, stages)
		}
	}
}

// end takes up a host that has ended. One that was up to date says nothing about the
// stages that change a host.
func (r *recordedRun) end(o *Outcome, stages map[Stage]StageEnded) {
	known := KnownHost{Took: map[Stage]time.Duration{}, Status: o.Status}
	for s, e := range stages {
		if o.Status == Unchanged && s != ConnectTo && s != Inspect {
			continue
		}
		r.all[s] = append(r.all[s], e)
		known.Took[s] = e.Took
		if e.Err != "" {
			known.Failed = s
		}
	}
	if o.Status != Skipped {
		r.ended++
	}
	r.known[o.Host] = known
	switch {
	case o.Status == Unchanged:
		r.unchanged++
	case o.Status == RolledBack:
		r.returned++
	case o.Status == Failed && o.Stage.InActivation():
		r.lost++
	}
}

func stageModel(list []StageEnded) StageModel {
	var m StageModel
	for _, e := range list {
		if e.Err == "" {
			m.Took = append(m.Took, e.Took)
		} else {
			m.TookFailing = append(m.TookFailing, e.Took)
		}
	}
	m.Failures = float64(len(m.TookFailing)) / float64(len(list))
	if m.Took == nil {
		m.Took = m.TookFailing
	}
	slices.Sort(m.Took)
	slices.Sort(m.TookFailing)
	return m
}

// SetLatency has a stage take so long in the median, also on hosts that are known.
func (m *Model) SetLatency(s Stage, median time.Duration) {
	stage := m.Stages[s]
	stage.Took, stage.TookFailing = Around(median), nil
	m.Stages[s] = stage
	m.forget(s)
}

// SetFailures has a stage fail on a share of the hosts, also of those that are known.
func (m *Model) SetFailures(s Stage, share float64) {
	stage := m.Stages[s]
	stage.Failures = share
	m.Stages[s] = stage
	m.forget(s)
}

// forget drops what is known of a stage of single hosts.
func (m *Model) forget(s Stage) {
	for _, known := range m.Known {
		delete(known.Took, s)
	}
}
