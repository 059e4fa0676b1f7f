// Package telemetry tells others of a run: Prometheus by a file of metrics, OpenTelemetry by spans over OTLP/HTTP, and chat rooms
// and CI by an HTTP hook. A [Record] is made of the events of the run, which hold no secret:
//
//	r := telemetry.NewRecord(run, time.Now)
//	sink := r.Sink(next)
//	exec.Run(ctx, plan, exec.Options{Sink: sink})
//	r.End()
//	os.WriteFile("muster.prom", r.Metrics(), 0o644)
package telemetry

import (
	"sync"
	"time"

	"muster/exec"
)

// A Run is what is known of a run when it begins.
type Run struct {
	ID      string
	Action  exec.Action
	Fleet   string // its name, for people
	Who     string
	Hosts   []string
	Version string // of muster
}

// A Record is what became of a run. Its methods may be called from several goroutines.
type Record struct {
	Run
	now func() time.Time

	mu    sync.Mutex
	began time.Time
	ended time.Time
	hosts []*hostRecord // in the order of the run
	by    map[string]*hostRecord
	waves map[int]time.Time // when they began, by number from 1
}

// A hostRecord is what became of one host.
type hostRecord struct {
	name         string
	began, ended time.Time // zero where nothing was begun
	stages       []stageRecord
	outcome      *exec.Outcome
}

// A stageRecord is one stage of the work on a host.
type stageRecord struct {
	stage        exec.Stage
	began, ended time.Time
	err          string
}

// NewRecord begins the record of a run.
func NewRecord(run Run, now func() time.Time) *Record {
	r := &Record{Run: run, now: now, began: now(), by: map[string]*hostRecord{}, waves: map[int]time.Time{}}
	for _, name := range run.Hosts {
		r.host(name)
	}
	return r
}

// host is the record of a host, which is begun if there is none.
func (r *Record) host(name string) *hostRecord {
	h := r.by[name]
	if h == nil {
		h = &hostRecord{name: name}
		r.by[name] = h
		r.hosts = append(r.hosts, h)
	}
	return h
}

// Sink records events, and hands them on to next, which may be nil.
func (r *Record) Sink(next exec.Sink) exec.Sink {
	return func(e exec.Event) {
		r.add(e)
		if next != nil {
			next(e)
		}
	}
}

func (r *Record) add(e exec.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	switch e := e.(type) {
	case exec.StageStarted:
		h := r.host(e.Host)
		if h.began.IsZero() {
			h.began = now
		}
		h.stages = append(h.stages, stageRecord{stage: e.Stage, began: now})
	case exec.StageEnded:
		h := r.host(e.Host)
		for i := len(h.stages) - 1; i >= 0; i-- {
			if s := &h.stages[i]; s.stage == e.Stage && s.ended.IsZero() {
				s.ended, s.err = now, e.Err
				break
			}
		}
	case exec.WaveStarted:
		if r.waves[e.Wave].IsZero() {
			r.waves[e.Wave] = now
		}
	case exec.HostEnded:
		h := r.host(e.Outcome.Host)
		h.ended, h.outcome = now, &e.Outcome
	}
}

// End says that the run is over.
func (r *Record) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = r.now()
	for _, h := range r.hosts {
		if !h.began.IsZero() && h.ended.IsZero() {
			h.ended = r.ended
		}
		for i := range h.stages {
			if h.stages[i].ended.IsZero() {
				h.stages[i].ended = r.ended
			}
		}
	}
}

// status is the status of a host; one without an outcome was interrupted, or not begun.
func (h *hostRecord) status() exec.Status {
	switch {
	case h.outcome != nil:
		return h.outcome.Status
	case h.began.IsZero():
		return exec.Skipped
	}
	return exec.Failed
}

// failed reports whether the host ended in a way that its run does not call success.
func (h *hostRecord) failed() bool {
	s := h.status()
	return s == exec.Failed || s == exec.RolledBack
}

// counts are the numbers of hosts by status.
func (r *Record) counts() map[exec.Status]int {
	n := map[exec.Status]int{}
	for _, h := range r.hosts {
		n[h.status()]++
	}
	return n
}
