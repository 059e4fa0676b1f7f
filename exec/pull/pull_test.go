package pull

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/host"
	"muster/exec/lab/objectlab"
	"muster/exec/objectstore"
	"muster/exec/release"
	"muster/exec/sshsig"
	"muster/schema"
)

func key(t testing.TB, name string, seed byte) *archive.SecretKey {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	k, err := archive.ParseSecretKey([]byte(name + ":" + base64.StdEncoding.EncodeToString(private)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// hostKey is the SSH host key of a host.
func hostKey(t testing.TB, host string) *sshsig.Key {
	t.Helper()
	sum := sha256.Sum256([]byte(host))
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(sum[:]), "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := sshsig.ParseKey(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// system is a system of that name.
func system(name string) store.Path {
	return store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-" + name)
}

// A world is a store with agents, whose machines are pretended: what real ones do is in the tests of package cmd.
type world struct {
	testing.TB
	server *objectlab.Server
	store  objectstore.Store
	key    *archive.SecretKey
	agents map[string]*Agent
	now    time.Time
	number int64 // of the next release; 0 for one more than the last
}

func newWorld(t testing.TB, hosts ...string) *world {
	w := &world{TB: t, server: objectlab.New(""), key: key(t, "fleet-1", 1), agents: map[string]*Agent{}, now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(w.server)
	t.Cleanup(server.Close)
	var err error
	if w.store, err = objectstore.Open(server.URL, objectstore.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range hosts {
		w.agents[name] = &Agent{
			Store: w.store, Keys: []archive.PublicKey{w.key.Public()}, Host: name, Dir: filepath.Join(t.TempDir(), name), Fresh: time.Minute,
			Signers: []*sshsig.Key{hostKey(t, name)},
			Machine: &pretended{state: host.State{Current: system("old"), Generation: host.Generation{Number: 1, System: system("old")}}},
			Now:     func() time.Time { return w.now },
		}
	}
	return w
}

// publish publishes a system for hosts by their waves.
func (w *world) publish(name string, waves map[string]int) *release.Head {
	w.Helper()
	h, err := release.Publish(w.Context(), w.store, w.draft(name, waves), []*archive.SecretKey{w.key})
	if err != nil {
		w.Fatal(err)
	}
	return h
}

func (w *world) draft(name string, waves map[string]int) *release.Draft {
	plan := &exec.Plan{}
	for host, wave := range waves {
		plan.Steps = append(plan.Steps, exec.Step{Host: &schema.Host{Name: host, Policy: schema.Required, HostKeys: []string{hostKey(w, host).Public()}}, System: exec.System{Out: system(name)}, Wave: wave})
	}
	return &release.Draft{Fleet: "test", Plan: plan, Made: w.now, Until: w.now.Add(time.Hour), Number: w.number}
}

func (w *world) machine(name string) *pretended { return w.agents[name].Machine.(*pretended) }

// poll has a host look once.
func (w *world) poll(name string) (release.Status, error) {
	w.Helper()
	r, err := w.agents[name].Poll(w.Context())
	return r.Status, err
}

func (w *world) expect(name string, want release.Status) {
	w.Helper()
	if got, err := w.poll(name); got != want || err != nil {
		w.Errorf("%s: got %q, %v, want %q", name, got, err, want)
	}
}

// report is the last report of a host.
func (w *world) report(name string) *release.Report {
	w.Helper()
	r, err := release.ParseReport(w.server.Get(release.ReportKey(name)), name)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// A pretended machine activates what its test says.
type pretended struct {
	state       host.State
	deployments []host.Deployment
	outcome     exec.Outcome // of an activation that does not succeed
	activations int
	fetchErr    error
	killed      bool // the agent dies in the middle
}

var errKilled = errors.New("killed")

func (m *pretended) Look(context.Context) (host.State, []host.Deployment, error) {
	return m.state, m.deployments, nil
}

func (m *pretended) Fetch(context.Context, store.Path, objectstore.Store, []archive.PublicKey) error {
	return m.fetchErr
}

func (m *pretended) Activate(ctx context.Context, plan *exec.Plan, who string, reachable func(context.Context) error) exec.Outcome {
	m.activations++
	if m.killed {
		panic(errKilled)
	}
	o := m.outcome
	if err := reachable(ctx); err != nil && o.Status == "" {
		o = exec.Outcome{Status: exec.RolledBack, Stage: exec.Reach, Error: err.Error()}
	}
	switch want := plan.Steps[0].System.Out; {
	case m.state.Has(want):
		o.Status, o.Before = exec.Unchanged, m.state
	case o.Status == "":
		m.deploy(want, who, time.Time{})
		o.Status, o.Running = exec.Activated, want
	}
	return o
}

// deploy is a deployment, by the agent or by others.
func (m *pretended) deploy(s store.Path, who string, at time.Time) {
	m.state = host.State{Current: s, Generation: host.Generation{Number: m.state.Generation.Number + 1, System: s}}
	m.deployments = append(m.deployments, host.Deployment{Run: fmt.Sprint(len(m.deployments)), Time: at, Generation: m.state.Generation, Who: who})
}

func TestAReleaseIsTakenOnce(t *testing.T) {
	w := newWorld(t, "web1", "web2")
	if _, err := w.poll("web1"); err == nil || !strings.Contains(err.Error(), "no release has been published") {
		t.Errorf("an empty store: %v", err)
	}
	w.publish("new", map[string]int{"web1": 0})
	w.expect("web1", release.Activated)
	w.expect("web2", release.Absent)
	if r := w.report("web1"); r.Status != release.Activated || r.Running != system("new") || r.Number != 1 || !r.At.Equal(w.now) {
		t.Errorf("%+v", r)
	}
	w.server.Load()
	w.expect("web1", "")
	if l := w.server.Load(); l.Requests != 1 || l.NotModified != 1 || l.Sent != 0 {
		t.Errorf("a poll without news: %+v", l)
	}
	if n := w.machine("web1").activations; n != 1 {
		t.Errorf("%d activations", n)
	}
	// A host that was away takes what is there when it is back.
	for range 3 {
		w.publish("newer", map[string]int{"web1": 0, "web2": 0})
	}
	w.expect("web1", release.Activated)
	w.expect("web2", release.Activated)
	if r := w.report("web2"); r.Number != 4 {
		t.Errorf("%+v", r)
	}
	// A sign of life.
	w.now = w.now.Add(7 * time.Hour)
	w.expect("web1", "")
	if r := w.report("web1"); r.Status != release.Activated || !r.At.Equal(w.now) {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsRefused(t *testing.T) {
	waves := map[string]int{"web1": 0}
	for name, tt := range map[string]struct {
		store func(w *world, old []byte)
		want  error
		says  string
	}{
		"replayed": {func(w *world, old []byte) { w.server.Set(release.HeadKey, old) }, ErrReplayed, "it is older than one that the host has taken"},
		"expired":  {func(w *world, _ []byte) { w.publish("bad", waves); w.now = w.now.Add(2 * time.Hour) }, ErrExpired, "it was good until 2026-11-29T13:00:00Z"},
		"half":     {func(w *world, _ []byte) { w.publish("bad", waves); half(w, release.HeadKey) }, release.ErrDamaged, "not whole"},
		"tampered": {func(w *world, _ []byte) { w.publish("bad", waves); tamper(w, release.HeadKey) }, release.ErrUnsigned, "no trusted key"},
		"wrong key": {func(w *world, _ []byte) {
			w.server.Set(release.HeadKey, nil)
			w.key = key(w, "fleet-1", 9)
			w.publish("bad", waves)
		}, release.ErrUnsigned, "no trusted key"},
		"another seven": {sameNumber, ErrReplayed, "was another release"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web1")
			w.publish("first", waves)
			old := w.server.Get(release.HeadKey)
			w.publish("good", waves)
			w.expect("web1", release.Activated)
			tt.store(w, old)
			_, err := w.poll("web1")
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v, %q", err, tt.want, tt.says)
			}
			m := w.machine("web1")
			if m.activations != 1 || m.state.Current != system("good") {
				t.Errorf("it runs %s after %d activations", m.state.Current, m.activations)
			}
			// What had become of the release before stays in the report.
			if r := w.report("web1"); r.Status != release.Activated || r.Problem == "" {
				t.Errorf("%+v", r)
			}
			w.key, w.now = key(t, "fleet-1", 1), w.now.Add(time.Second)
			// The publisher begins anew, above the number that the hosts have.
			w.server.Set(release.HeadKey, nil)
			w.number = 9
			w.publish("x", waves)
			w.expect("web1", release.Activated)
			if r := w.report("web1"); r.Problem != "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func half(w *world, key string) { w.server.Set(key, w.server.Get(key)[:100]) }

func tamper(w *world, key string) {
	w.server.Set(key, bytes.Replace(bytes.Clone(w.server.Get(key)), []byte(`"number":`), []byte(`"number":1`), 1))
}

// sameNumber has a signed release of the number that the host has.
func sameNumber(w *world, _ []byte) {
	w.server.Set(release.HeadKey, nil)
	w.publish("bad", map[string]int{"web1": 0})
	w.publish("bad", map[string]int{"web1": 0})
}

// The documents behind the head are signed as well.
func TestAPartThatIsTamperedWith(t *testing.T) {
	w := newWorld(t, "web1", "web2")
	h := w.publish("good", map[string]int{"web1": 0, "web2": 0})
	good := w.server.Get(h.PartKey("web1"))
	w.server.Set(h.PartKey("web1"), bytes.Replace(bytes.Clone(good), []byte("good"), []byte("evil"), 1))
	w.server.Set(h.PartKey("web2"), good)
	w.expect("web1", release.Retrying)
	w.expect("web2", release.Retrying)
	if n := w.machine("web1").activations + w.machine("web2").activations; n != 0 {
		t.Errorf("%d activations", n)
	}
	w.server.Set(h.PartKey("web1"), good)
	w.expect("web1", release.Activated)
}

func TestAClockThatWasSetBackRevivesNothing(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("first", map[string]int{"web1": 0})
	w.expect("web1", release.Activated)
	stale := w.draft("stale", map[string]int{"web1": 0}) // good for an hour
	w.now = w.now.Add(3 * time.Hour)
	w.publish("second", map[string]int{"web1": 0})
	w.expect("web1", release.Activated)
	// One that Publish would not publish after the second: the head of another store, with a higher number.
	stale.Number = 9
	other := newWorld(t)
	if _, err := release.Publish(t.Context(), other.store, stale, []*archive.SecretKey{w.key}); err != nil {
		t.Fatal(err)
	}
	w.server.Set(release.HeadKey, other.server.Get(release.HeadKey))
	w.now = w.now.Add(-3 * time.Hour) // the clock of the host
	if _, err := w.poll("web1"); !errors.Is(err, ErrExpired) {
		t.Errorf("got %v", err)
	}
}

func TestWithoutItsMemoryTheAgentTakesNothing(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("good", map[string]int{"web1": 0})
	w.expect("web1", release.Activated)
	name := filepath.Join(w.agents["web1"].Dir, memoryFile)
	if err := os.WriteFile(name, []byte(`{"muster_agent":1,"number":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.poll("web1"); err == nil || !strings.Contains(err.Error(), "an old release could pass for a new one") {
		t.Errorf("got %v", err)
	}
}

func TestWavesWait(t *testing.T) {
	w := newWorld(t, "a", "b", "c", "d")
	waves := map[string]int{"a": 0, "b": 1, "c": 1, "d": 2}
	w.publish("new", waves)
	for _, name := range []string{"b", "c", "d"} {
		w.expect(name, release.Waiting)
	}
	w.expect("a", release.Activated)
	w.expect("b", release.Waiting) // the gate was counted lately
	w.now = w.now.Add(2 * time.Minute)
	w.expect("b", release.Activated)
	w.expect("d", release.Waiting)
	w.expect("c", release.Activated)
	w.now = w.now.Add(2 * time.Minute)
	w.expect("d", release.Activated)

	// A bad release ends in its first wave.
	w.publish("bad", waves)
	w.machine("a").outcome = exec.Outcome{Status: exec.RolledBack, Stage: exec.Health, Error: "unit web is failed"}
	w.expect("a", release.RolledBack)
	w.expect("a", "") // and is not tried again
	w.now = w.now.Add(2 * time.Minute)
	for _, name := range []string{"b", "c", "d"} {
		w.expect(name, release.Waiting)
		if r := w.report(name); !strings.Contains(r.Error, "1 host failed in the waves before") || w.machine(name).state.Current != system("new") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// The release that mends it is taken.
	w.machine("a").outcome = exec.Outcome{}
	w.publish("mended", waves)
	w.expect("a", release.Activated)
	w.expect("b", release.Activated)
}

func TestAPushIsNotUndoneByAnOlderRelease(t *testing.T) {
	w := newWorld(t, "web1")
	waves := map[string]int{"web1": 0}
	w.publish("pulled", waves)
	w.machine("web1").deploy(system("pushed"), "me@laptop", w.now.Add(time.Minute))
	w.expect("web1", release.Overtaken)
	w.expect("web1", "")
	if r := w.report("web1"); !strings.Contains(r.Error, "(me@laptop) deployed at 2026-11-29T12:01:00Z, after release 1 was made") {
		t.Errorf("%+v", r)
	}
	w.now = w.now.Add(2 * time.Minute)
	w.publish("newer", waves)
	w.expect("web1", release.Activated)
	// The agent's own deployments are compared by number: this one ended after the next release was made.
	w.machine("web1").deployments[1].Time = w.now.Add(time.Hour)
	w.publish("newest", waves)
	w.expect("web1", release.Activated)
	if n := len(w.machine("web1").deployments); n != 3 {
		t.Errorf("%d deployments", n)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	m := w.machine("web1")
	m.fetchErr = errors.New("no route to host")
	w.expect("web1", release.Retrying)
	m.fetchErr = nil
	m.outcome = exec.Outcome{Status: exec.Failed, Stage: exec.Inspect, Error: "run x of muster works on the host"}
	for range 5 { // a push works on the host
		w.expect("web1", release.Retrying)
	}
	m.outcome = exec.Outcome{}
	w.expect("web1", release.Activated)
}

// An agent that is killed in an activation begins it again under the same name, and not for ever.
func TestAnAgentThatIsKilled(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	m := w.machine("web1")
	m.killed = true
	runs := map[string]bool{}
	for range maxAttempts {
		func() {
			defer func() { recover() }()
			w.poll("web1")
		}()
		kept, err := w.agents["web1"].recall()
		if err != nil {
			t.Fatal(err)
		}
		runs[kept.Run] = true
	}
	m.killed = false
	w.expect("web1", release.Failed)
	if len(runs) != 1 || m.activations != maxAttempts {
		t.Errorf("runs %v, %d activations", runs, m.activations)
	}
}

// A system that cuts the host off from the store is rolled back; a store that has faults is not cut off.
func TestTheNewSystemMustReachTheStore(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	away, err := objectstore.Open("http://127.0.0.1:1", objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := w.agents["web1"]
	a.Machine = &cutOff{pretended: w.machine("web1"), cut: func() { a.Store = away }}
	if r, _ := a.Poll(t.Context()); r.Status != release.RolledBack || !strings.Contains(r.Text, "the store is out of reach") {
		t.Errorf("%+v", r)
	}
	w = newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	a = w.agents["web1"]
	a.Machine = &cutOff{pretended: w.machine("web1"), cut: func() { w.server.Break(func(*http.Request) bool { return true }) }}
	if r, _ := a.Poll(t.Context()); r.Status != release.Activated {
		t.Errorf("%+v", r)
	}
}

// A cutOff machine loses the store in its activation.
type cutOff struct {
	*pretended
	cut func()
}

func (m *cutOff) Activate(ctx context.Context, plan *exec.Plan, who string, reachable func(context.Context) error) exec.Outcome {
	m.cut()
	return m.pretended.Activate(ctx, plan, who, reachable)
}

func TestOneAgentAtATime(t *testing.T) {
	w := newWorld(t, "web1")
	unlock, err := w.agents["web1"].lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.poll("web1"); err == nil || !strings.Contains(err.Error(), "another agent is at work") {
		t.Errorf("got %v", err)
	}
	unlock()
	if _, err := os.Stat(w.agents["web1"].Dir); errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

var fleetSize = flag.Int("agents", 100, "compare the load of `n` agents with that of ten times as many")

// The load of a store grows with the number of agents, and no faster.
func TestTheLoadIsLinear(t *testing.T) {
	small, large := loadOf(t, *fleetSize), loadOf(t, 10**fleetSize)
	for name, n := range small {
		t.Logf("%-22s %5d agents: %d requests, %d bytes; %5d agents: %d requests, %d bytes", name, *fleetSize, n.Requests, n.Sent, 10**fleetSize, large[name].Requests, large[name].Sent)
		if large[name].Requests > 11*n.Requests || large[name].Sent > 12*n.Sent {
			t.Errorf("%s: %+v for %d agents, %+v for ten times as many", name, n, *fleetSize, large[name])
		}
	}
	quiet := large["poll without news"]
	if agents := 10 * *fleetSize; quiet.Requests > 2*agents || quiet.Sent > int64(2000*agents) {
		t.Errorf("polls without news: %+v", quiet)
	}
}

// loadOf plays a rollout in five waves with agents and returns the load of each part of it.
func loadOf(t *testing.T, agents int) map[string]objectlab.Load {
	var names []string
	waves := map[string]int{}
	for i := range agents {
		name := fmt.Sprintf("host%d", i)
		names, waves[name] = append(names, name), 5*i/agents
	}
	w := newWorld(t, names...)
	w.publish("new", waves)
	load := map[string]objectlab.Load{"publish": w.server.Load()}
	all := func() (waiting int) {
		for _, name := range slices.Backward(names) { // the last wave first
			status, err := w.poll(name)
			if err != nil {
				t.Fatal(err)
			}
			if status == release.Waiting {
				waiting++
			}
		}
		return waiting
	}
	for round := 0; ; round++ {
		if round > 10 {
			t.Fatal("the rollout does not end")
		}
		waiting := all()
		if round == 0 {
			load["first round"] = w.server.Load()
		}
		w.now = w.now.Add(10 * time.Minute)
		if waiting == 0 {
			break
		}
	}
	load["rest of the rollout"] = w.server.Load()
	all()
	load["poll without news"] = w.server.Load()
	return load
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{"muster_agent":1,"number":7,"dir":"7-00","latest":"2026-11-29T12:00:00Z","status":"activated"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a := &Agent{Dir: t.TempDir()}
		if err := os.WriteFile(filepath.Join(a.Dir, memoryFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := a.recall()
		if err != nil {
			return
		}
		if err := m.keep(a); err != nil {
			t.Fatal(err)
		}
		if again, err := a.recall(); err != nil || again.Number != m.Number || again.Dir != m.Dir {
			t.Errorf("%+v, then %+v, %v", m, again, err)
		}
	})
}
