package exec

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/schema"
)

// simulatedFleet is a plan for n hosts with a rollout. Every hundredth is tagged canary.
func simulatedFleet(t testing.TB, n int, r schema.Rollout) *Plan {
	t.Helper()
	var hosts []*schema.Host
	for i := range n {
		h := &schema.Host{Name: fmt.Sprintf("h%05d", i)}
		if i%100 == 0 {
			h.Tags = []string{"canary"}
		}
		hosts = append(hosts, h)
	}
	f, p := fleetOf(r, hosts...)
	if err := p.RollOut(f); err != nil {
		t.Fatal(err)
	}
	return p
}

// failing is the standard model with stages that fail on a share of the hosts.
func failing(rates map[Stage]float64) *Model {
	m := StandardModel()
	for s, rate := range rates {
		stage := m.Stages[s]
		stage.Failures = rate
		m.Stages[s] = stage
	}
	return m
}

func TestSimulateStopsAsTheRolloutSays(t *testing.T) {
	lost := failing(map[Stage]float64{Reach: 1})
	lost.Lost = 1
	upToDate := StandardModel()
	upToDate.Unchanged = 1
	for _, tt := range []struct {
		name    string
		r       schema.Rollout
		o       Options
		model   *Model
		hit     int
		stopped string
		want    map[Status]int
	}{
		{"nothing fails", schema.Rollout{Canaries: "@canary", Batch: "20%"}, Options{}, StandardModel(), 300, "", map[Status]int{Activated: 300}},
		{"all are up to date", schema.Rollout{}, Options{}, upToDate, 0, "", map[Status]int{Unchanged: 300}},
		{"the canaries fail", schema.Rollout{Canaries: "@canary", Batch: "20%"}, Options{}, failing(map[Stage]float64{Health: 1}), 3,
			"not begun: 3 hosts failed in the waves before", map[Status]int{RolledBack: 3, Skipped: 297}},
		{"two waves may fail", schema.Rollout{Batch: "10", MaxFailures: 11}, Options{}, failing(map[Stage]float64{Health: 1}), 20,
			"not begun: 20 hosts failed in the waves before", map[Status]int{RolledBack: 20, Skipped: 280}},
		{"hosts do not come back", schema.Rollout{MaxUnavailable: 2}, Options{Jobs: 50}, lost, 2,
			"not begun: 2 hosts down: max_unavailable reached", map[Status]int{Failed: 2, Skipped: 298}},
		{"fail fast", schema.Rollout{}, Options{Jobs: 1, FailFast: true}, failing(map[Stage]float64{Activate: 1}), 3, // a place for each kind of work
			"not begun: h00000 failed before it", map[Status]int{RolledBack: 3, Skipped: 297}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Simulate(t.Context(), simulatedFleet(t, 300, tt.r), tt.o, tt.model, 1)
			if err != nil {
				t.Fatal(err)
			}
			if s.Hit != tt.hit || s.Stopped != tt.stopped {
				t.Errorf("%d hosts were hit, stopped: %q; want %d, %q", s.Hit, s.Stopped, tt.hit, tt.stopped)
			}
			if diff := cmp.Diff(tt.want, s.Statuses); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSimulatedTimeIsThatOfTheLatencies has ten hosts take a minute each, two at once, in
// two waves with a pause between them.
func TestSimulatedTimeIsThatOfTheLatencies(t *testing.T) {
	m := &Model{Stages: map[Stage]StageModel{Activate: {Took: []time.Duration{time.Minute}}}}
	p := simulatedFleet(t, 10, schema.Rollout{Batch: "5", Pause: time.Hour})
	s, err := Simulate(t.Context(), p, Options{ActivateJobs: 2}, m, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := &Simulation{Took: time.Hour + 6*time.Minute, Hosts: 10, Hit: 10, Statuses: map[Status]int{Activated: 10}, Waves: []SimulatedWave{
		{Wave: 1, Hosts: 5, Hit: 5, Begun: true, Took: 3 * time.Minute, Statuses: map[Status]int{Activated: 5}},
		{Wave: 2, Hosts: 5, Hit: 5, Begun: true, Began: time.Hour + 3*time.Minute, Took: 3 * time.Minute, Statuses: map[Status]int{Activated: 5}},
	}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSimulateIsTheSameForASeed(t *testing.T) {
	m := failing(map[Stage]float64{ConnectTo: 0.02, Health: 0.03, Copy: 0.01})
	m.Lost = 0.2
	rollout := schema.Rollout{Canaries: "@canary", Batch: "10%", MaxFailures: 40, MaxUnavailable: 9, Pause: time.Minute}
	simulate := func(seed uint64) *Simulation {
		s, err := Simulate(t.Context(), simulatedFleet(t, 1000, rollout), Options{Jobs: 30}, m, seed)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := simulate(1)
	for range 3 {
		if diff := cmp.Diff(first, simulate(1)); diff != "" {
			t.Fatalf("the same seed (-first +again):\n%s", diff)
		}
	}
	if cmp.Equal(first, simulate(2)) {
		t.Error("another seed is the same run")
	}
}

func TestSimulateIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	o := Options{Sink: func(e Event) {
		if _, ok := e.(HostEnded); ok {
			cancel(stop)
		}
	}}
	if _, err := Simulate(ctx, simulatedFleet(t, 100, schema.Rollout{}), o, StandardModel(), 1); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestAround(t *testing.T) {
	list := Around(time.Minute)
	if middle := (list[49] + list[50]) / 2; middle < 59*time.Second || middle > 61*time.Second {
		t.Errorf("the median is %v", middle)
	}
	if list[98] > 3*time.Minute || list[0] < 20*time.Second {
		t.Errorf("from %v to %v", list[0], list[98])
	}
}
