package report

import (
	"time"

	"muster/exec"
	"muster/schema"
)

// A Report is what happened in a run, host by host.
type Report struct {
	plan   *exec.Plan
	began  time.Time
	last   time.Time // of the last event
	ended  bool
	status int // muster's exit status, where the run has ended

	hosts  []*host // in the plan's order
	byName map[string]*host
	waves  map[int]time.Time // when each was opened, from 0
	lines  int               // kept of all hosts
	builds builds
}

// A host is what happened to one host.
type host struct {
	*schema.Host
	number int // in the plan, from 0
	wave   int // from 0

	stages   []stage
	said     []line
	checks   []exec.Checked
	findings []exec.Finding
	found    *exec.Inspected
	packages *exec.PackagesCompared
	outcome  *exec.Outcome // nil while it has not ended
	counted  bool          // it has no line of its own: see listed
}

// A stage is one stage of the work on a host.
type stage struct {
	exec.Stage
	from, to time.Time
	err      string
	open     bool // it has not ended
}

// A line is what the work itself printed.
type line struct {
	stage exec.Stage
	text  string
}

// Lines that are kept of a host, and of all hosts. The last ones of a host tell why it
// failed.
const (
	maxLines    = 400
	maxAllLines = 60_000
)

// New returns the report of a run of which only the plan is known.
func New(plan *exec.Plan, began time.Time) *Report {
	r := &Report{plan: plan, began: began, last: began, byName: map[string]*host{}, waves: map[int]time.Time{}}
	for i := range plan.Steps {
		s := &plan.Steps[i]
		h := &host{Host: s.Host, number: i, wave: s.Wave}
		r.hosts = append(r.hosts, h)
		r.byName[s.Host.Name] = h
	}
	return r
}

// Read reads the report of a run from its journal.
func Read(name string) (*Report, error) {
	type timed struct {
		at    time.Time
		event exec.Event
	}
	var events []timed
	record, err := exec.ReplayJournal(name, func(at time.Time, e exec.Event) { events = append(events, timed{at, e}) })
	if err != nil {
		return nil, err
	}
	r := New(record.Plan, record.Began)
	for _, e := range events {
		r.Add(e.at, e.event)
	}
	if record.Ended {
		r.End(record.Status)
	}
	return r, nil
}

// End says that the run has ended, with muster's exit status.
func (r *Report) End(status int) { r.ended, r.status = true, status }

// Add adds an event. Events of a run that was resumed follow those of the attempt before.
func (r *Report) Add(at time.Time, e exec.Event) {
	before := r.last
	if at.After(r.last) {
		r.last = at
	}
	if e, ok := e.(exec.WaveStarted); ok {
		r.waves[e.Wave-1] = at
		return
	}
	if r.builds.add(e) {
		return
	}
	h := r.byName[hostOf(e)]
	if h == nil {
		return
	}
	switch e := e.(type) {
	case exec.StageStarted:
		h.interrupt(before)
		h.stages = append(h.stages, stage{Stage: e.Stage, from: at, to: at, open: true})
		h.outcome = nil
	case exec.StageEnded:
		h.endStage(at, e)
	case exec.Said:
		h.say(r, e)
	case exec.Checked:
		if e.Err != "" {
			h.checks = append(h.checks, e)
		}
	case exec.Found:
		h.findings = append(h.findings, e.Finding)
	case exec.Inspected:
		if h.found == nil { // what the first attempt found counts
			h.found = &e
		}
	case exec.PackagesCompared:
		h.packages = &e
	case exec.HostEnded:
		h.interrupt(at)
		h.outcome = &e.Outcome
	}
}

// hostOf is the host that an event is about; "" for none.
func hostOf(e exec.Event) string {
	switch e := e.(type) {
	case exec.StageStarted:
		return e.Host
	case exec.StageEnded:
		return e.Host
	case exec.Said:
		return e.Host
	case exec.Checked:
		return e.Host
	case exec.Found:
		return e.Host
	case exec.Inspected:
		return e.Host
	case exec.PackagesCompared:
		return e.Host
	case exec.HostEnded:
		return e.Outcome.Host
	}
	return ""
}

func (h *host) endStage(at time.Time, e exec.StageEnded) {
	if n := len(h.stages); n > 0 && h.stages[n-1].open && h.stages[n-1].Stage == e.Stage {
		s := &h.stages[n-1]
		s.to, s.err, s.open = at, e.Err, false
		return
	}
	h.stages = append(h.stages, stage{Stage: e.Stage, from: at.Add(-e.Took), to: at, err: e.Err})
}

// interrupt ends a stage that has no end of its own, as its deployer was gone.
func (h *host) interrupt(at time.Time) {
	if n := len(h.stages); n > 0 && h.stages[n-1].open && at.After(h.stages[n-1].to) {
		h.stages[n-1].to = at
	}
}

// say keeps a line. Of too many, the first ones of the host are dropped.
func (h *host) say(r *Report, e exec.Said) {
	if len(h.said) == maxLines {
		copy(h.said, h.said[1:])
		h.said = h.said[:maxLines-1]
		r.lines--
	}
	if r.lines < maxAllLines {
		h.said = append(h.said, line{e.Stage, e.Line})
		r.lines++
	}
}

// failed reports whether the host did not end as was asked.
func (h *host) failed() bool { return h.outcome != nil && !h.outcome.OK() }

// took is for how long there was work on the host, without the times that it waited.
func (h *host) took() (sum time.Duration) {
	for _, s := range h.stages {
		sum += s.to.Sub(s.from)
	}
	return sum
}
