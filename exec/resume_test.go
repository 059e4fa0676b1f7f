package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"muster/exec/builds"
	"muster/exec/host"
	"muster/schema"
)

// A run that is gone on with touches a host only where the host is what the run had found or made. Run R2 had found
// generation 1 with system 1, by run R1, and was to bring system 2. R3 is a newer run.
func TestResumeLeavesWhatHasMovedOn(t *testing.T) {
	const r1, r2, r3 = "20260101-000000-aaaa", "20260102-000000-aaaa", "20260103-000000-aaaa"
	found := &Baseline{Run: r2, State: host.State{Generation: host.Generation{Number: 1, System: sys(1)}, Current: sys(1), Boots: sys(1)}, DeployedBy: r1}
	for _, tt := range []struct {
		name     string
		action   Action
		baseline *Baseline
		gens     []int // systems of the generations; the last is the profile's
		current  int
		boots    int
		by       string // who deployed the profile's system
		guard    string
		want     Status
		err      string
	}{
		{"as found", Switch, found, []int{1}, 1, 1, r1, "", Activated, ""},
		{"what it was to have runs, and is not confirmed", Switch, found, []int{1}, 2, 1, r1, r2, Activated, ""},
		{"the profile was moved and the boot loader not", Switch, found, []int{1, 2}, 2, 1, r2, "", Activated, ""},
		{"it has it", Switch, found, []int{1, 2}, 2, 2, r2, "", Unchanged, ""},
		{"it has it by a newer run", Switch, found, []int{1, 2}, 2, 2, r3, "", Unchanged, ""},
		{"a newer run deployed another", Switch, found, []int{1, 3}, 3, 3, r3, "", Failed,
			"the host has moved on since run " + r2 + ": it is on generation 2 (" + string(sys(3)) + "), which run " + r3 + " deployed, and was on generation 1 (" + string(sys(1)) + "); it is left alone"},
		{"by hand", Switch, found, []int{1, 3}, 3, 3, "", "", Failed,
			"the host has moved on since run " + r2 + ": it is on generation 2 (" + string(sys(3)) + ") now, and was on generation 1 (" + string(sys(1)) + "); it is left alone"},
		{"tested by hand", Switch, found, []int{1}, 3, 1, r1, "", Failed, "it is on generation 1, running " + string(sys(3)) + " now"},
		{"a newer run set what is booted", Switch, found, []int{1, 2, 3}, 2, 3, r3, "", Failed, "which run " + r3 + " deployed"},
		{"another boot default", Switch, found, []int{1}, 1, 3, r1, "", Failed, "booting " + string(sys(3))},
		{"a newer run went away and back", Switch, found, []int{1}, 1, 1, r3, "", Failed, "run " + r3 + " has deployed generation 1"},
		{"found with what a run of a later name had deployed", Switch, &Baseline{Run: r2, State: found.State, DeployedBy: r3}, []int{1}, 1, 1, r3, "", Activated, ""},
		{"a newer run set the same for the next boot", Boot, found, []int{1, 2}, 1, 2, r3, "", Unchanged, ""},
		{"a newer run made the same the profile's", Switch, found, []int{1, 2}, 1, 2, r3, "", Failed, "run " + r3 + " has deployed generation 2"},
		{"the same system as another generation", Switch, found, []int{3, 1}, 1, 1, r1, "", Failed, "it is on generation 2"},
		{"never looked at", Switch, nil, []int{3}, 3, 3, r1, "", Activated, ""},
		{"never looked at, by hand", Switch, nil, []int{3}, 3, 3, "", "", Activated, ""},
		{"never looked at, and a newer run deployed", Switch, nil, []int{3}, 3, 3, r3, "", Failed, "which run " + r3 + " deployed"},
		{"a test that is done", Test, found, []int{1}, 2, 1, r1, "", Unchanged, ""},
		{"a rollback of this run that is done", Rollback, found, []int{3, 1}, 1, 1, r2, "", Reverted, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newFakeHost()
			for i, n := range tt.gens {
				h.gens[i+1] = sys(n)
				h.profile = i + 1
			}
			h.current = sys(tt.current)
			h.facts = fmt.Sprintf("boots %s\n", sys(tt.boots))
			if tt.by != "" {
				h.facts += "ours " + tt.by + "\n"
			}
			if tt.guard != "" {
				h.facts += "guard 0 " + tt.guard + " activated 0\n"
				h.guard = []string{tt.guard, string(sys(2)), string(sys(1)), "switch", "0"}
			}
			before := h.current
			p := &Plan{Action: tt.action, Run: r2, Steps: []Step{{
				Host: &schema.Host{Name: "web"}, System: System{Out: sys(2)}, Earlier: &Attempt{Run: r2}, Baseline: tt.baseline,
			}}}
			went := false
			out := Run(t.Context(), p, Options{
				Builder: noBuilder{},
				Connect: func(context.Context, *schema.Host) (Machine, error) { return h, nil },
				Sink: func(e Event) {
					if e, ok := e.(StageEnded); ok && e.Stage == Inspect && e.Err == "" {
						went = true
					}
				},
			})
			if tt.want == Activated || tt.want == Reverted { // the run goes on; what it does then is for other tests
				if !went {
					t.Errorf("it was left alone: %s: %v", out[0].Status, out[0].Err)
				}
				return
			}
			if out[0].Status != tt.want || tt.err != "" && !strings.Contains(out[0].Error, tt.err) {
				t.Errorf("%s: %v\nwant %s: %s", out[0].Status, out[0].Err, tt.want, tt.err)
			}
			if tt.want == Failed && !errors.Is(out[0].Err, ErrOvertaken) {
				t.Errorf("another failure: %v", out[0].Err)
			}
			if h.guard != nil || h.current != before {
				t.Error("it was touched")
			}
		})
	}
}

// A noBuilder has nothing.
type noBuilder struct{}

func (noBuilder) Build(_ context.Context, wants []builds.Want, _ builds.Watcher) {
	for _, w := range wants {
		w.Done("", errors.New("nothing is built here"))
	}
}

// What a run finds a host on is written down before anything is done there, and stands for all attempts.
func TestARunWritesDownWhatItFinds(t *testing.T) {
	p := &Plan{Action: Switch, Steps: []Step{{Host: &schema.Host{Name: "web"}, System: System{Out: newSystem}}}}
	dir := t.TempDir() + "/runs"
	j, err := CreateJournal(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	h := newFakeHost(oldSystem)
	h.facts = "ours R0\n"
	connect := func(context.Context, *schema.Host) (Machine, error) { return h, nil }
	Run(t.Context(), p, Options{Connect: connect, Builder: noBuilder{}, Sink: j.Sink(func(Event) {})})
	j.Close()
	rest := func() Step {
		names, err := Journals(dir)
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		r, err := ReadJournal(names[len(names)-1])
		if err != nil {
			t.Fatal(err)
		}
		return r.Rest(func(string, *Outcome) bool { return true }).Steps[0]
	}
	first := rest()
	want := Baseline{Run: p.Run, State: host.State{Generation: host.Generation{Number: 1, System: oldSystem, Current: true}, Current: oldSystem}, DeployedBy: "R0"}
	if first.Baseline == nil || *first.Baseline != want {
		t.Fatalf("found %+v, want %+v", first.Baseline, want)
	}

	// A retry is another run. Where it does not reach the host, what the first had found still counts.
	again := &Plan{Action: Switch, Steps: []Step{first}}
	if j, err = CreateJournal(dir, again); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if b := rest().Baseline; b == nil || *b != want {
		t.Errorf("after a retry: %+v, want %+v", b, want)
	}
	if again.Run <= p.Run {
		t.Errorf("run %s sorts before %s", again.Run, p.Run)
	}
}
