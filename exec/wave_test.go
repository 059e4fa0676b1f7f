package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec/host"
	"muster/schema"
)

func fleetOf(rollout schema.Rollout, hosts ...*schema.Host) (*schema.Fleet, *Plan) {
	f := &schema.Fleet{Hosts: hosts, Rollout: rollout}
	p := &Plan{Action: Switch}
	for _, h := range hosts {
		p.Steps = append(p.Steps, Step{Host: h, System: System{Out: newSystem}})
	}
	return f, p
}

func TestWavesFollowTheRollout(t *testing.T) {
	hosts := []*schema.Host{
		{Name: "db1", Tags: []string{"db"}}, {Name: "db2", Tags: []string{"db"}},
		{Name: "web1", Tags: []string{"web"}}, {Name: "web2", Tags: []string{"web", "canary"}}, {Name: "web3", Tags: []string{"web"}},
	}
	for _, tt := range []struct {
		name string
		r    schema.Rollout
		want [][]string
	}{
		{"all at once", schema.Rollout{}, [][]string{{"db1", "db2", "web1", "web2", "web3"}}},
		{"canaries, then the rest", schema.Rollout{Canaries: "@canary"}, [][]string{{"web2"}, {"db1", "db2", "web1", "web3"}}},
		{"batches", schema.Rollout{Batch: "2"}, [][]string{{"db1", "db2"}, {"web1", "web2"}, {"web3"}}},
		{"shares round up", schema.Rollout{Batch: "50%"}, [][]string{{"db1", "db2", "web1"}, {"web2", "web3"}}},
		{"a share of the rest", schema.Rollout{Canaries: "@canary", Batch: "25%"}, [][]string{{"web2"}, {"db1"}, {"db2"}, {"web1"}, {"web3"}}},
		{"order", schema.Rollout{Order: []string{"@web", "db2"}, Batch: "3"}, [][]string{{"web1", "web2", "web3"}, {"db2", "db1"}}},
		{"canaries before the order", schema.Rollout{Canaries: "@canary", Order: []string{"@web"}, Batch: "4"}, [][]string{{"web2"}, {"web1", "web3", "db1", "db2"}}},
	} {
		f, p := fleetOf(tt.r, hosts...)
		if err := p.RollOut(f); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, p.Waves()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, bad := range []schema.Rollout{{Batch: "0"}, {Batch: "many"}, {Batch: "-1%"}, {Canaries: "nobody"}} {
		f, p := fleetOf(bad, hosts...)
		if err := p.RollOut(f); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// runWaves reverts fake hosts in waves: the stages of Rollback need no store.
func runWaves(t *testing.T, p *Plan, fakes map[string]*fakeHost, o Options) ([]Outcome, []string) {
	t.Helper()
	p.Action = Rollback
	var mu sync.Mutex
	var began []string
	o.Connect = func(_ context.Context, h *schema.Host) (Machine, error) {
		f := fakes[h.Name]
		if f.refuse != nil {
			return nil, f.refuse
		}
		return f, nil
	}
	o.Sink = func(e Event) {
		if e, ok := e.(StageStarted); ok && e.Stage == Revert {
			mu.Lock()
			began = append(began, e.Host)
			mu.Unlock()
		}
	}
	return Run(t.Context(), p, o), began
}

func fleetOfFakes(n int) ([]*schema.Host, map[string]*fakeHost) {
	var hosts []*schema.Host
	fakes := map[string]*fakeHost{}
	for i := range n {
		h := &schema.Host{Name: fmt.Sprintf("h%d", i)}
		hosts = append(hosts, h)
		fakes[h.Name] = newFakeHost(oldSystem, newSystem)
	}
	return hosts, fakes
}

func TestAWaveWaitsForThoseBeforeIt(t *testing.T) {
	hosts, fakes := fleetOfFakes(9)
	f, p := fleetOf(schema.Rollout{Batch: "3"}, hosts...)
	if err := p.RollOut(f); err != nil {
		t.Fatal(err)
	}
	// More places than hosts, and fewer: later waves must not keep out earlier ones.
	for _, jobs := range []int{20, 1} {
		out, began := runWaves(t, p, fakes, Options{Jobs: jobs})
		for i := range out {
			if !out[i].OK() {
				t.Errorf("%s: %s: %v", out[i].Host, out[i].Status, out[i].Err)
			}
		}
		wave := map[string]int{}
		for n, names := range p.Waves() {
			for _, name := range names {
				wave[name] = n
			}
		}
		for i := 1; i < len(began); i++ {
			if wave[began[i]] < wave[began[i-1]] {
				t.Errorf("%d jobs: begun in the order %v", jobs, began)
			}
		}
		for _, h := range fakes {
			*h = *newFakeHost(oldSystem, newSystem)
		}
	}
}

func TestAFailedWaveStopsTheNext(t *testing.T) {
	for _, tt := range []struct {
		name    string
		policy  schema.Policy
		most    int
		skipped bool
	}{
		{"a required host", schema.Required, 0, true},
		{"one failure is allowed", schema.Required, 2, false},
		{"best effort", schema.BestEffort, 0, false},
		{"roaming", schema.Roaming, 0, false},
	} {
		hosts, fakes := fleetOfFakes(3)
		hosts[0].Policy = tt.policy
		fakes["h0"].refuse = fmt.Errorf("no route: %w", ErrUnreachable)
		f, p := fleetOf(schema.Rollout{Batch: "1", MaxFailures: tt.most}, hosts...)
		if err := p.RollOut(f); err != nil {
			t.Fatal(err)
		}
		out, _ := runWaves(t, p, fakes, Options{})
		if got := out[2].Status == Skipped; got != tt.skipped {
			t.Errorf("%s: the third is %s: %v", tt.name, out[2].Status, out[2].Err)
		}
		want := map[schema.Policy]Status{schema.Required: Failed, schema.BestEffort: Failed, schema.Roaming: Away}[tt.policy]
		if out[0].Status != want {
			t.Errorf("%s: the first is %s, want %s", tt.name, out[0].Status, want)
		}
		exit := ExitPartly
		if tt.policy != schema.Required {
			exit = ExitOK
		} else if tt.skipped {
			exit = ExitFailed
		}
		if got := ExitStatus(t.Context(), out); got != exit {
			t.Errorf("%s: exit status %d, want %d", tt.name, got, exit)
		}
	}
}

func TestNoMoreAreDownThanMayBe(t *testing.T) {
	hosts, fakes := fleetOfFakes(6)
	var mu sync.Mutex
	down, most := 0, 0
	for _, h := range fakes {
		h.switched = make(chan struct{})
		close(h.switched)
	}
	f, p := fleetOf(schema.Rollout{MaxUnavailable: 2}, hosts...)
	if err := p.RollOut(f); err != nil {
		t.Fatal(err)
	}
	p.Action = Rollback
	Run(t.Context(), p, Options{
		Connect: func(_ context.Context, h *schema.Host) (Machine, error) { return fakes[h.Name], nil },
		Sink: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			switch e := e.(type) {
			case StageStarted:
				if e.Stage == Revert {
					down++
					most = max(most, down)
				}
			case StageEnded:
				if e.Stage == Restart {
					down--
				}
			}
		},
	})
	if most > 2 {
		t.Errorf("%d were down at once", most)
	}

	// Two that do not come back use it up.
	hosts, fakes = fleetOfFakes(4)
	for _, h := range fakes {
		h.guardSays = "stuck for a test"
	}
	f, p = fleetOf(schema.Rollout{MaxUnavailable: 2}, hosts...)
	if err := p.RollOut(f); err != nil {
		t.Fatal(err)
	}
	out, began := runWaves(t, p, fakes, Options{})
	if len(began) != 2 {
		t.Errorf("begun: %v", began)
	}
	skipped := 0
	for i := range out {
		if out[i].Status == Skipped && strings.Contains(out[i].Error, "2 hosts down") {
			skipped++
		}
	}
	if skipped != 2 {
		t.Errorf("%d skipped: %+v", skipped, out)
	}
}

func TestAPauseIsKeptAndAnsweredNo(t *testing.T) {
	hosts, fakes := fleetOfFakes(2)
	f, p := fleetOf(schema.Rollout{Batch: "1", Pause: 50 * time.Millisecond, Confirm: true}, hosts...)
	if err := p.RollOut(f); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	asked := 0
	out, _ := runWaves(t, p, fakes, Options{Confirm: func(_ context.Context, wave int) error {
		asked = wave
		return errors.New("not today")
	}})
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("the pause took %v", took)
	}
	if asked != 2 || out[1].Status != Skipped || !strings.Contains(out[1].Error, "not today") {
		t.Errorf("asked for wave %d; the second is %s: %s", asked, out[1].Status, out[1].Error)
	}
}

func TestPreflightFindsAllAtOnce(t *testing.T) {
	h := newFakeHost(oldSystem, newSystem)
	h.facts = "machine armv7l\nspace fs 1 1 100 1% /nix\nbootspace fs 1 1 10 1% /boot\nmemory 1000\ndisk missing\nlacks flock\nfailed a.service\nlock 70 2 other-run bob@desk\n"
	hosts := []*schema.Host{{Name: "web", System: "x86_64-linux", DiskUUID: "u"}}
	_, p := fleetOf(schema.Rollout{}, hosts...)
	out, _ := runWaves(t, p, map[string]*fakeHost{"web": h}, Options{})
	var got []string
	for _, f := range out[0].Findings {
		got = append(got, fmt.Sprintf("%s %v %s", f.Check, f.Bad, f.Text))
	}
	want := []string{
		"tools true it has no flock",
		"system true it is a armv7l, and the inventory says x86_64-linux",
		"disk true it has no disk with UUID u, from which it would have to boot",
		"space true only 102.4 kB free for /nix/store",
		"space true only 10.2 kB free for /boot",
		"memory true only 1.0 MB of memory available",
		"lock true locked by bob@desk for 1m10s (run other-run)",
		"units false failed before: a.service",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if out[0].Status != Failed || out[0].Stage != Inspect || !errors.Is(out[0].Err, host.ErrLocked) || len(h.commands) > 0 {
		t.Errorf("%s at %s after %q: %v", out[0].Status, out[0].Stage, h.commands, out[0].Err)
	}
}

func TestAnOldNixIsTooOld(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"2.4", "2.5", true}, {"2.5", "2.5", false}, {"2.18.1", "2.5", false}, {"1.11", "2.5", true}, {"2", "2.5", true}, {"3.0pre", "2.5", false}, {"unknown", "2.5", false}} {
		if got := olderThan(tt.a, tt.b); got != tt.want {
			t.Errorf("%s older than %s: %v", tt.a, tt.b, got)
		}
	}
}

func TestGarbageIsWhatNoRuleKeeps(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	day := 24 * time.Hour
	gens := []host.Generation{
		{Number: 1, System: "/s1", Created: now.Add(-90 * day)},
		{Number: 2, System: "/s2", Created: now.Add(-60 * day)},
		{Number: 3, System: "/s3", Created: now.Add(-30 * day)},
		{Number: 5, System: "/s5", Created: now.Add(-10 * day), Current: true},
		{Number: 6, System: "/s6", Created: now.Add(-1 * day)},
	}
	for _, tt := range []struct {
		name string
		keep Keep
		on   host.State
		want []int
	}{
		{"the newest", Keep{Last: 1}, host.State{}, []int{1, 2, 3}},
		{"some of the newest", Keep{Last: 3}, host.State{}, []int{1, 2}},
		{"the young", Keep{Last: 1, Newer: 45 * day}, host.State{}, []int{1, 2}},
		{"what was booted", Keep{Last: 1}, host.State{Booted: "/s1"}, []int{2, 3}},
		{"what runs", Keep{Last: 1}, host.State{Current: "/s2"}, []int{1, 3}},
		{"all", Keep{Last: 9}, host.State{}, nil},
	} {
		if diff := cmp.Diff(tt.want, tt.keep.old(gens, tt.on, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
