package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"muster/exec"
	"muster/exec/archive"
	"muster/exec/objectstore"
	"muster/exec/release"
	"muster/exec/sshsig"
)

// A report that the store does not take is delivered by the next poll, not after hours.
func TestAReportThatIsNotTakenIsDeliveredLater(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.publish("new", map[string]int{"a": 0, "b": 1})
	w.server.Break(func(r *http.Request) bool { return r.Method == http.MethodPut })
	if status, err := w.poll("a"); status != release.Activated || err == nil || !strings.Contains(err.Error(), "it is kept, and delivered later") {
		t.Errorf("%q, %v", status, err)
	}
	if _, err := w.poll("a"); err == nil {
		t.Error("it was delivered to a store that takes nothing")
	}
	w.server.Break(nil)
	w.expect("a", "")
	if r := w.report("a"); r.Status != release.Activated {
		t.Errorf("%+v", r)
	}
	w.expect("b", release.Activated)
	w.server.Load()
	w.expect("a", "")
	if l := w.server.Load(); l.Requests != 1 {
		t.Errorf("a poll without news: %+v", l)
	}
}

// Hosts that may only read the store count gates for themselves.
func TestAGateWithoutTheRightToWrite(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.publish("new", map[string]int{"a": 0, "b": 1})
	w.expect("a", release.Activated)
	w.server.Break(func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/gates/") && r.Method == http.MethodPut
	})
	w.expect("b", release.Activated)
}

// An inbox takes reports in their order, also those of a time when it was away.
func TestReportsByHook(t *testing.T) {
	w := newWorld(t, "web1")
	inbox := &hookServer{TB: t, status: http.StatusNotFound}
	server := httptest.NewServer(inbox)
	defer server.Close()
	a := w.agents["web1"]
	a.Inbox = Hook{URL: server.URL + "/hooks/T0/secret-word", Authorization: "Bearer secret-token"}
	w.publish("new", map[string]int{"web1": 0})
	m := w.machine("web1")
	m.fetchErr = errors.New("no route to host")
	if _, err := w.poll("web1"); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "POST to "+server.URL+": 404 Not Found; it is kept") {
		t.Errorf("got %v", err)
	}
	m.fetchErr = nil
	if status, err := w.poll("web1"); status != release.Activated || err == nil {
		t.Errorf("%q, %v", status, err)
	}
	inbox.status = http.StatusNoContent
	w.expect("web1", "")
	w.expect("web1", "")
	var got []release.Status
	for _, text := range inbox.taken {
		r, err := release.ParseReport([]byte(text.body), "web1")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Status)
		if err := sshsig.Verify([]string{hostKey(t, "web1").Public()}, "muster-report", []byte(text.body), text.signature); err != nil || text.auth != "Bearer secret-token" {
			t.Errorf("%+v: %v", text, err)
		}
	}
	if len(got) != 2 || got[0] != release.Retrying || got[1] != release.Activated {
		t.Errorf("reports: %v", got)
	}
	if w.server.Get(release.ReportKey("web1")) != nil {
		t.Error("the store has a report too")
	}
	for _, name := range []string{memoryFile, outboxFile} {
		if text, err := os.ReadFile(filepath.Join(a.Dir, name)); err != nil || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	// One that the inbox never takes is told of, and holds up none after it.
	inbox.status = http.StatusRequestEntityTooLarge
	w.publish("too large", map[string]int{"web1": 0})
	if _, err := w.poll("web1"); err == nil || !strings.Contains(err.Error(), "413 Request Entity Too Large; it is not sent again") {
		t.Errorf("got %v", err)
	}
	inbox.status, inbox.taken = http.StatusNoContent, nil
	w.publish("after it", map[string]int{"web1": 0})
	if _, err := w.poll("web1"); err != nil || len(inbox.taken) != 1 {
		t.Errorf("%d reports, %v", len(inbox.taken), err)
	}
	// A redirection leads nowhere: what is sent is for the server that was named.
	inbox.status = http.StatusTemporaryRedirect
	w.publish("newer", map[string]int{"web1": 0})
	if _, err := w.poll("web1"); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("got %v", err)
	}
}

// A hookServer takes what is posted.
type hookServer struct {
	testing.TB
	mu     sync.Mutex
	status int
	taken  []posted
}

type posted struct{ body, signature, auth string }

func (s *hookServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if s.status == http.StatusNoContent {
		s.taken = append(s.taken, posted{string(body), r.Header.Get(SignatureHeader), r.Header.Get("Authorization")})
	}
	w.Header().Set("Location", "http://127.0.0.1:1/")
	w.WriteHeader(s.status)
}

// What waits for an inbox that is never back is bounded, and the last is among it.
func TestTheOutboxIsBounded(t *testing.T) {
	w := newWorld(t, "web1")
	a := w.agents["web1"]
	away := &awayInbox{}
	a.Inbox = away
	w.publish("new", map[string]int{"web1": 0})
	m := w.machine("web1")
	for i := range 3 * maxUnsent {
		m.fetchErr = errors.New("attempt " + time.Duration(i).String())
		w.poll("web1")
	}
	if len(away.last) != maxUnsent || !strings.Contains(away.last[maxUnsent-1], "attempt 59ns") {
		t.Errorf("%d reports, the last %s", len(away.last), away.last[len(away.last)-1])
	}
	// A file that cannot be read loses what was in it, and nothing else.
	if err := os.WriteFile(filepath.Join(a.Dir, outboxFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.fetchErr, a.Inbox = nil, nil
	w.expect("web1", release.Activated)
	if r := w.report("web1"); r.Status != release.Activated {
		t.Errorf("%+v", r)
	}
}

type awayInbox struct{ last []string }

func (a *awayInbox) Deliver(_ context.Context, reports []string) ([]string, error) {
	a.last = reports
	return reports, errors.New("connection refused")
}

// An agent that is newer than the one before signs what that one has reported.
func TestAnOlderAgentsReportIsSignedByTheNext(t *testing.T) {
	w := newWorld(t, "a", "b")
	signers := w.agents["a"].Signers
	w.agents["a"].Signers = nil
	w.publish("new", map[string]int{"a": 0, "b": 1})
	w.expect("a", release.Activated)
	w.expect("b", release.Waiting)
	if r := w.report("b"); !strings.Contains(r.Error, "such as that of a: it is not signed") {
		t.Errorf("%+v", r)
	}
	w.now = w.now.Add(2 * time.Minute)
	w.agents["a"].Signers = signers
	w.expect("a", "")
	w.expect("b", release.Activated)
}

// A store that shows a release before all of it, or has lost a part, does not pass for a release without the host.
func TestAStoreThatLacksThePartOfAHost(t *testing.T) {
	w := newWorld(t, "web1", "web2")
	h := w.publish("new", map[string]int{"web1": 0})
	part, members := w.server.Get(h.PartKey("web1")), w.server.Get(h.MembersKey())
	w.server.Set(h.PartKey("web1"), nil)
	w.server.Set(h.MembersKey(), nil)
	w.expect("web1", release.Retrying)
	w.server.Set(h.MembersKey(), members)
	w.expect("web1", release.Retrying)
	if r := w.report("web1"); !strings.Contains(r.Error, "the store lacks muster/releases/") {
		t.Errorf("%+v", r)
	}
	w.expect("web2", release.Absent)
	w.server.Set(h.PartKey("web1"), part)
	w.expect("web1", release.Activated)
}

// Clocks are wrong before NTP has set them, and some are for years.
func TestClocksThatJump(t *testing.T) {
	const year = 365 * 24 * time.Hour
	t.Run("the last report is of a time to come", func(t *testing.T) {
		w := newWorld(t, "web1")
		w.publish("new", map[string]int{"web1": 0})
		w.expect("web1", release.Activated)
		w.now = w.now.Add(20 * year)
		w.agents["web1"].memory(t, func(m *memory) { m.Reported = w.now })
		w.now = w.now.Add(-20 * year).Add(time.Minute)
		w.expect("web1", "")
		if r := w.report("web1"); !r.At.Equal(w.now) {
			t.Errorf("it was seen at %s, now is %s", r.At, w.now)
		}
	})
	t.Run("a push of a time to come keeps no release away", func(t *testing.T) {
		w := newWorld(t, "web1")
		w.machine("web1").deploy(system("pushed"), "me@laptop", w.now.Add(20*year))
		w.publish("new", map[string]int{"web1": 0})
		w.expect("web1", release.Activated)
	})
	t.Run("a clock before all releases undoes no push", func(t *testing.T) {
		w := newWorld(t, "web1")
		w.publish("new", map[string]int{"web1": 0})
		w.machine("web1").deploy(system("pushed"), "me@laptop", w.now.Add(3*24*time.Hour))
		w.now = time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC)
		w.expect("web1", release.Overtaken)
	})
	t.Run("a clock of 1970 takes releases", func(t *testing.T) {
		w := newWorld(t, "web1")
		w.publish("new", map[string]int{"web1": 0})
		w.now = time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC)
		w.expect("web1", release.Activated)
		if r := w.report("web1"); r.At.Year() != 2026 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a clock that is ahead refuses, and remembers nothing of it", func(t *testing.T) {
		w := newWorld(t, "web1")
		w.publish("new", map[string]int{"web1": 0})
		now := w.now
		w.now = now.Add(20 * year)
		if _, err := w.poll("web1"); !errors.Is(err, ErrExpired) {
			t.Errorf("got %v", err)
		}
		w.now = now
		w.expect("web1", release.Activated)
	})
}

// A release by a publisher whose clock was years ahead has hosts count the time from then. The next publisher is told, and what
// it publishes for long enough is taken.
func TestAPublisherWhoseClockWasAhead(t *testing.T) {
	const year = 365 * 24 * time.Hour
	w := newWorld(t, "web1")
	now := w.now
	w.now = now.Add(12 * year)
	w.publish("ahead", map[string]int{"web1": 0})
	w.now = now
	w.expect("web1", release.Activated)
	d := w.draft("new", map[string]int{"web1": 0})
	if _, err := release.Publish(t.Context(), w.store, d, []*archive.SecretKey{w.key}); err == nil || !strings.Contains(err.Error(), "set the clock right, or let it be good for longer") {
		t.Errorf("got %v", err)
	}
	d.Until = now.Add(13 * year)
	if _, err := release.Publish(t.Context(), w.store, d, []*archive.SecretKey{w.key}); err != nil {
		t.Fatal(err)
	}
	w.expect("web1", release.Activated)
	if got := w.machine("web1").state.Current; got != system("new") {
		t.Errorf("it runs %s", got)
	}
}

// Every document that is cut at any byte is refused, and nothing is activated by it; whole again, it is taken.
func TestDocumentsCutAtEveryByte(t *testing.T) {
	w := newWorld(t, "web1", "web2")
	w.publish("first", map[string]int{"web1": 0, "web2": 1})
	w.expect("web1", release.Activated)
	h := w.publish("new", map[string]int{"web1": 0, "web2": 1})
	for _, key := range []string{release.HeadKey, h.PartKey("web1")} {
		whole := w.server.Get(key)
		for n := range len(whole) {
			w.server.Set(key, whole[:n:n])
			if got, _ := w.poll("web1"); got != "" && got != release.Retrying {
				t.Fatalf("%s cut at byte %d of %d: %s", key, n, len(whole), got)
			}
		}
		w.server.Set(key, whole)
	}
	if got := w.machine("web1").state.Current; got != system("first") {
		t.Errorf("web1 runs %s", got)
	}
	w.expect("web1", release.Activated)
	report := w.server.Get(release.ReportKey("web1"))
	for n := range len(report) {
		w.now = w.now.Add(2 * time.Minute / time.Duration(len(report))) // a gate is believed for a while
		w.agents["web2"].Fresh = time.Nanosecond
		w.server.Set(release.ReportKey("web1"), report[:n:n])
		w.expect("web2", release.Waiting)
	}
	w.server.Set(release.ReportKey("web1"), report)
	w.now = w.now.Add(time.Minute)
	w.expect("web2", release.Activated)
}

// An agent that was killed between keeping what became of a release and keeping its report says it at the next poll.
func TestAnAgentThatWasKilledBeforeItsReport(t *testing.T) {
	for _, before := range []bool{false, true} {
		w := newWorld(t, "web1")
		if before {
			w.publish("first", map[string]int{"web1": 0})
			w.expect("web1", release.Activated)
		}
		w.publish("new", map[string]int{"web1": 0})
		said := ""
		if before {
			w.agents["web1"].memory(t, func(m *memory) { said = m.Report })
		}
		w.expect("web1", release.Activated)
		w.agents["web1"].memory(t, func(m *memory) { m.Report = said })
		w.server.Set(release.ReportKey("web1"), nil)
		w.expect("web1", "")
		if r := w.report("web1"); r.Status != release.Activated || r.Dir == "" || !strings.Contains(string(w.server.Get(release.HeadKey)), r.Dir) {
			t.Errorf("%+v", r)
		}
		w.server.Set(release.ReportKey("web1"), nil)
		w.expect("web1", "") // once is enough
		if w.server.Get(release.ReportKey("web1")) != nil {
			t.Error("it is reported again")
		}
	}
}

// The store is told what a host was on before, for as long as it runs what it has taken.
func TestTheStoreKnowsTheSystemBefore(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	w.expect("web1", release.Activated)
	w.expect("web1", "")
	want := fmt.Sprintf(`{"muster_before":1,"host":"web1","system":%q}`+"\n", system("old"))
	if got := string(w.server.Get(release.BeforeKey("web1"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// memory changes what the agent has kept.
func (a *Agent) memory(t *testing.T, change func(m *memory)) {
	t.Helper()
	m, err := a.recall()
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	if err := m.keep(a); err != nil {
		t.Fatal(err)
	}
}

// Wherever an agent ends, by a power cut for example, the next one goes on: the release is activated, once, and reported.
func TestAnAgentThatEndsAnywhere(t *testing.T) {
	for step := 0; ; step++ {
		w := newWorld(t, "a", "b")
		w.publish("new", map[string]int{"a": 0, "b": 1})
		w.expect("a", release.Activated)
		agent := w.agents["b"]
		cut := &powerCut{Store: w.store, now: make(chan struct{})}
		cut.left.Store(int64(step))
		agent.Store = cut
		whole := make(chan struct{})
		go func() {
			defer close(whole)
			agent.Poll(context.Background())
		}()
		ended := false
		select {
		case <-cut.now:
			ended = true
		case <-whole:
		}
		next := *agent
		next.Store, next.Dir = w.store, filepath.Join(t.TempDir(), "disk")
		if err := os.CopyFS(next.Dir, os.DirFS(agent.Dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(next.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		w.agents["b"] = &next
		w.poll("b")
		w.expect("b", "")
		if n := len(w.machine("b").deployments); n != 1 {
			t.Errorf("cut at step %d: %d deployments", step, n)
		}
		if r := w.report("b"); r.Status != release.Activated && r.Status != release.Unchanged {
			t.Errorf("cut at step %d: %+v", step, r)
		}
		if !ended {
			if step < 8 {
				t.Errorf("a poll has %d steps", step)
			}
			return
		}
	}
}

// A powerCut stops the agent for ever at one of its requests, before or after it has reached the store.
type powerCut struct {
	objectstore.Store
	left atomic.Int64
	once sync.Once
	now  chan struct{} // closed when the power is cut
}

func (p *powerCut) step() {
	if p.left.Add(-1) < 0 {
		p.once.Do(func() { close(p.now) })
		select {}
	}
}

func (p *powerCut) Get(ctx context.Context, key, etag string) (*objectstore.Object, error) {
	p.step()
	defer p.step()
	return p.Store.Get(ctx, key, etag)
}

func (p *powerCut) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c objectstore.Condition) error {
	p.step()
	defer p.step()
	return p.Store.Put(ctx, key, body, size, c)
}

// On a full disk nothing is begun that could not be remembered, and once there is room the agent goes on.
//
// It runs in a process of its own, as what go test writes of this one would find the disk full, too.
func TestAFullDisk(t *testing.T) {
	const alone = "PULL_FULL_DISK"
	if os.Getenv(alone) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := osexec.CommandContext(t.Context(), self, "-test.run=^TestAFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestAFullDisk") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	a := w.agents["web1"]
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// No file may grow: what a full disk refuses.
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	status, err := w.poll("web1")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "keep the agent's state") || w.machine("web1").activations != 0 {
		t.Errorf("%q, %v, %d activations", status, err, w.machine("web1").activations)
	}
	w.expect("web1", release.Activated)
}

// What a store sends is bounded, whatever it claims.
func TestDocumentsOf100MB(t *testing.T) {
	huge := make([]byte, 100<<20)
	for i := range huge {
		huge[i] = ' '
	}
	w := newWorld(t, "a", "b")
	h := w.publish("new", map[string]int{"a": 0, "b": 1})
	head := w.server.Get(release.HeadKey)
	w.server.Set(release.HeadKey, huge)
	if _, err := w.poll("a"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("head: %v", err)
	}
	w.server.Set(release.HeadKey, head)
	for _, key := range []string{h.PartKey("b"), h.MembersKey(), h.GateKey(1), h.OpeningKey(1)} {
		good := w.server.Get(key)
		w.server.Set(key, huge)
		w.expect("b", release.Retrying)
		w.server.Set(key, good)
	}
	w.server.Set(release.ReportKey("a"), huge) // counts as none
	w.expect("b", release.Waiting)
	w.expect("a", release.Activated)
}

// Two machines that believe to be the same host report side by side: what the one that the inventory does not know says opens
// no gate.
func TestAMachineUnderTheNameOfAnother(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.publish("new", map[string]int{"a": 0, "b": 1})
	twin := *w.agents["a"]
	twin.Dir, twin.Signers, twin.Machine = t.TempDir(), []*sshsig.Key{hostKey(t, "a's former machine")}, &pretended{}
	if r, err := twin.Poll(t.Context()); r.Status != release.Activated || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	w.expect("b", release.Waiting)
	if r := w.report("b"); !strings.Contains(r.Error, "such as that of a: another key has signed it: SHA256:") {
		t.Errorf("%+v", r)
	}
}

// A host whose name has changed finds nothing for it under the former one, and is left as it is.
func TestAHostThatWasRenamed(t *testing.T) {
	w := newWorld(t, "old")
	w.publish("one", map[string]int{"old": 0})
	w.expect("old", release.Activated)
	w.publish("two", map[string]int{"new": 0})
	w.expect("old", release.Absent)
	w.agents["old"].Host = "new" // by a push
	w.publish("three", map[string]int{"new": 0})
	w.expect("old", release.Activated)
}

// A system that the cache has lost is fetched once it is there again; the host stays on what it has.
func TestASystemThatTheCacheHasLost(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	m := w.machine("web1")
	m.fetchErr = errors.New("path is not valid")
	for range 10 {
		w.expect("web1", release.Retrying)
	}
	if r := w.report("web1"); r.Running != system("old") || !strings.Contains(r.Error, "path is not valid") || m.activations != 0 {
		t.Errorf("%+v", r)
	}
	m.fetchErr = nil
	w.expect("web1", release.Activated)
}

// The key of a fleet is changed by two releases: one by both keys, and one by the new.
func TestTheKeyOfTheReleasesChanges(t *testing.T) {
	w := newWorld(t, "a", "b")
	waves := map[string]int{"a": 0, "b": 1}
	w.publish("one", waves)
	w.expect("a", release.Activated)
	w.expect("b", release.Activated)
	old, next := w.key, key(t, "fleet-2", 2)
	w.now = w.now.Add(2 * time.Minute)
	if _, err := release.Publish(t.Context(), w.store, w.draft("two", waves), []*archive.SecretKey{old, next}); err != nil {
		t.Fatal(err)
	}
	w.expect("a", release.Activated) // with the system, the new key
	w.agents["a"].Keys = []archive.PublicKey{next.Public()}
	w.expect("b", release.Activated)
	w.agents["b"].Keys = []archive.PublicKey{next.Public()}
	w.expect("a", "")
	w.key = next
	w.publish("three", waves)
	w.expect("a", release.Activated)
	w.now = w.now.Add(2 * time.Minute)
	w.expect("b", release.Activated)
	// Who has stolen the old key is believed nowhere.
	w.key = old
	w.server.Set(release.HeadKey, nil)
	w.number = 99
	w.publish("evil", waves)
	if _, err := w.poll("a"); !errors.Is(err, release.ErrUnsigned) {
		t.Errorf("got %v", err)
	}
}

// An activation that another deployment overtakes in the middle gives way, and the release is looked at anew.
func TestAPushDuringAPull(t *testing.T) {
	w := newWorld(t, "web1")
	w.publish("new", map[string]int{"web1": 0})
	m := w.machine("web1")
	m.outcome = exec.Outcome{Status: exec.Failed, Stage: exec.Inspect, Error: "the host has moved on since the plan was made"}
	w.expect("web1", release.Retrying)
	m.deploy(system("pushed"), "me@laptop", w.now.Add(time.Minute))
	m.outcome = exec.Outcome{}
	w.expect("web1", release.Overtaken)
	if m.state.Current != system("pushed") {
		t.Errorf("it runs %s", m.state.Current)
	}
}
