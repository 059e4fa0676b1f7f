package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/exec/host"
	"muster/schema"
)

func savedExample() *Plan {
	return &Plan{
		Run: "20260101-000000-abcd", Dir: "/fleet", Action: Switch,
		Builders: []string{"ssh://builder x86_64-linux"}, Cache: schema.Cache{PushTo: "s3://systems", PullFrom: "https://systems"},
		Rollout: schema.Rollout{MaxUnavailable: 2, MaxFailures: 1, Pause: time.Minute, Confirm: true},
		Steps: []Step{
			{Host: &schema.Host{Name: "a", Address: "10.0.0.1", Port: 22, User: "me", Privilege: schema.Sudo, Policy: schema.Roaming,
				Health: []schema.Check{{TCP: "80", Timeout: time.Second, Retries: 3}}},
				System: System{Out: newSystem}, Expect: &host.State{Current: oldSystem},
				Hooks: []schema.Hook{{Before: "activate", Command: []string{"drain"}, Timeout: time.Second}}},
			{Host: &schema.Host{Name: "b", Address: "10.0.0.2", Substitute: true, LimitRate: 1e6}, System: System{Out: newSystem}, Wave: 1},
			{Host: &schema.Host{Name: "c", Address: "10.0.0.3"}, Wave: 2, Err: errors.New("does not evaluate")},
		},
	}
}

var planCompare = cmp.Options{
	cmpopts.IgnoreUnexported(Plan{}, schema.Host{}, schema.Install{}),
	cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) }),
}

func TestAPlanIsSavedWhole(t *testing.T) {
	want := savedExample()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(Plan)
	if err := json.Unmarshal(text, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, planCompare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{
		`{}`, `{"muster_plan":2}`, `{"muster_plan":1,"action":"dance"}`,
		`{"muster_plan":1,"action":"switch","steps":[{"host":{}}]}`,
		`{"muster_plan":1,"action":"switch","steps":[{"host":{"name":"a"},"system":{"out":"/bin/sh"}}]}`,
		`{"muster_plan":1,"action":"switch","steps":[{"host":{"name":"a"},"wave":99999999}]}`,
	} {
		if err := json.Unmarshal([]byte(bad), new(Plan)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestAJournalSaysWhatIsLeft(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	p := savedExample()
	j, err := CreateJournal(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	sink := j.Sink(func(Event) {})
	sink(StageStarted{Host: "a", Stage: Copy})
	sink(HostEnded{Outcome: Outcome{Host: "a", Status: Activated}})
	sink(StageStarted{Host: "b", Stage: Copy})

	names, err := Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("journals: %v, %v", names, err)
	}
	past, err := ReadJournal(names[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := past.Reopen(); !errors.Is(err, ErrRunning) {
		t.Errorf("a journal that is written to was opened: %v", err)
	}
	j.Close() // the deployer was killed, in the middle of a line
	f, _ := os.OpenFile(names[0], os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"time":"2026-01-01T00:00:00Z","event":"HostEn`)
	f.Close()

	if past, err = ReadJournal(names[0]); err != nil {
		t.Fatal(err)
	}
	if past.Ended {
		t.Error("it has not ended")
	}
	rest := past.Rest(func(_ string, ended *Outcome) bool { return ended == nil })
	var left []string
	for _, s := range rest.Steps {
		left = append(left, s.Host.Name)
	}
	if diff := cmp.Diff([]string{"b", "c"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"b"}, {"c"}}, rest.Waves()); diff != "" {
		t.Errorf("waves (-want +got):\n%s", diff)
	}
	again, err := past.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	again.Sink(func(Event) {})(HostEnded{Outcome: Outcome{Host: "b", Status: RolledBack}})
	again.End(ExitRolledBack)
	again.Close()
	if past, err = ReadJournal(names[0]); err != nil {
		t.Fatal(err)
	}
	if !past.Ended || past.Status != ExitRolledBack || past.Outcomes["b"].Status != RolledBack {
		t.Errorf("after going on: %+v", past)
	}
}

func TestAFullDiskEndsTheJournalAndNotTheRun(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	j := &Journal{file: full}
	var told []string
	sink := j.Sink(func(e Event) {
		if e, ok := e.(JournalFailed); ok {
			told = append(told, e.Err)
		}
	})
	out := runOn(t.Context(), &Plan{Action: Rollback}, map[string]*fakeHost{"a": newFakeHost(oldSystem, newSystem)}, Options{Sink: sink})
	if out[0].Status != Reverted {
		t.Errorf("outcome %s (%v)", out[0].Status, out[0].Err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "no space left") {
		t.Errorf("told %q", told)
	}
}

// What a rollback decided to undo stands for all attempts: on the hosts that are
// left, another deployment may be the last.
func TestARollbackGoesOnWithWhatItUndoes(t *testing.T) {
	web, db := newHostWith(3, 3), newHostWith(2, 2)
	web.facts = past{"R1 0→1", "R2 1→2", "R3 2→3"}.record(t)
	db.facts = past{"R1 0→1", "R2 1→2"}.record(t)
	dir := t.TempDir()
	plan := &Plan{Action: Rollback, Run: "R4", Steps: []Step{{Host: &schema.Host{Name: "web"}}}}
	j, err := CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	plan.Steps = nil
	out := runOn(t.Context(), plan, map[string]*fakeHost{"web": web}, Options{Sink: j.Sink(func(Event) {})})
	j.Close()
	if out[0].Status != Reverted || web.profile != 2 {
		t.Fatalf("%s: %v", out[0].Status, out[0].Err)
	}
	names, err := Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("%q, %v", names, err)
	}
	record, err := ReadJournal(names[0])
	if err != nil {
		t.Fatal(err)
	}
	rest := record.Rest(func(string, *Outcome) bool { return true })
	text, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	again := new(Plan)
	if err := json.Unmarshal(text, again); err != nil {
		t.Fatal(err)
	}
	if again.Undo != "R3" {
		t.Errorf("it undoes %q, want R3", again.Undo)
	}
	again.Steps = nil
	if out := runOn(t.Context(), again, map[string]*fakeHost{"db": db}, Options{}); out[0].Status != Unchanged || db.profile != 2 {
		t.Errorf("db: %s, generation %d: %v", out[0].Status, db.profile, out[0].Err)
	}
}

// A journal never grows larger than what is read: output is left out first, then it ends, and that is said once.
func TestAJournalStaysReadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	j, err := CreateJournal(dir, savedExample())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	sink := j.Sink(func(e Event) {
		if e, ok := e.(JournalFailed); ok {
			told = append(told, e.Err)
		}
	})
	j.size = maxJournalOutput
	sink(Said{Host: "a", Stage: Build, Line: "left out"})
	sink(StageStarted{Host: "a", Stage: Build})
	j.size = maxJournal
	sink(StageStarted{Host: "a", Stage: Copy})
	sink(StageStarted{Host: "a", Stage: Activate})
	j.Close()
	if diff := cmp.Diff([]string{"write StageStarted: the journal is full at 1.1 GB"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	names, err := Journals(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil || strings.Count(string(text), "\n") != 2 || strings.Contains(string(text), "left out") {
		t.Errorf("%v: %s", err, text)
	}
	if _, err := ReadJournal(names[0]); err != nil {
		t.Error(err)
	}
}

func FuzzReadJournal(f *testing.F) {
	text, err := os.ReadFile("testdata/journal_v0.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		r := &Record{Outcomes: map[string]Outcome{}, Reached: map[string]Attempt{}, baselines: map[string]Baseline{}}
		if r.read(bytes.NewReader(text)) == nil && r.Plan == nil {
			t.Fatal("read, and without a plan")
		}
	})
}

func FuzzReadPlan(f *testing.F) {
	for _, p := range []*Plan{savedExample(), attacked()} {
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := decodePlan(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodePlan(again); err != nil {
			t.Fatalf("saved again, it is refused: %v", err)
		}
	})
}

func TestAJournalThatCannotEnd(t *testing.T) {
	j, err := CreateJournal(filepath.Join(t.TempDir(), "runs"), savedExample())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.End(ExitOK); err == nil || !strings.Contains(err.Error(), "write the end of the run to its journal: ") {
		t.Errorf("got %v", err)
	}
}
