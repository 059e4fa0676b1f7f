package exec

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A replay hands on every event of a journal, whole and in order, and returns what
// reading the journal returns.
func TestReplayHandsOnEveryEvent(t *testing.T) {
	began := time.Now()
	dir := filepath.Join(t.TempDir(), "runs")
	j, err := CreateJournal(dir, savedExample())
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		StageStarted{Host: "a", Stage: Copy},
		Said{Host: "a", Stage: Copy, Line: "sending"},
		PackagesCompared{Host: "a", PackageDiff: PackageDiff{Changed: []*Package{{Name: "nginx", Before: []string{"1"}, After: []string{"2"}}}, Rebuilt: 3}, Left: 1},
		StageEnded{Host: "a", Stage: Copy, Took: time.Second},
		Checked{Host: "a", Check: "unit nginx.service", Err: "failed"},
		HostEnded{Outcome: Outcome{Host: "a", Status: Failed, Stage: Health, Error: "ill", Findings: []Finding{{Check: "clock", Text: "late"}}, NeedsReboot: []string{"kernel"}}},
	}
	sink := j.Sink(func(Event) {})
	for _, e := range want {
		sink(e)
	}
	sink(Progressed{Host: "a", Stage: Copy, Done: 1, Total: 2}) // is not kept
	j.End(ExitPartly)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	var got []Event
	r, err := ReplayJournal(names[0], func(at time.Time, e Event) {
		if at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("%s was at %v", e.Name(), at)
		}
		got = append(got, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(texts(t, want), texts(t, got)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !r.Ended || r.Status != ExitPartly || r.Outcomes["a"].Status != Failed {
		t.Errorf("the record of a replay: %+v", r)
	}
}

func texts(t *testing.T, events []Event) []string {
	var all []string
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+" "+string(text))
	}
	return all
}
