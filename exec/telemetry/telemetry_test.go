package telemetry

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	muster "muster/exec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// played is the record of a run of three hosts in two waves, of which the second fails,
// with a second between any two events.
func played(t *testing.T) *Record {
	t.Helper()
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	clock := func() time.Time { at = at.Add(time.Second); return at }
	r := NewRecord(Run{ID: "20260102-150405-abcd", Action: muster.Switch, Fleet: `The "web" fleet`, Who: "ann@desk", Hosts: []string{"web1", "web2", "db"}, Version: "1.0"}, clock)
	sink := r.Sink(nil)
	ok := func(host string, stage muster.Stage) {
		sink(muster.StageStarted{Host: host, Stage: stage})
		sink(muster.StageEnded{Host: host, Stage: stage, Took: time.Second})
	}
	ok("web1", muster.ConnectTo)
	ok("web2", muster.ConnectTo)
	sink(muster.WaveStarted{Wave: 1, Of: 2, Hosts: 1})
	ok("web1", muster.Activate)
	sink(muster.HostEnded{Outcome: muster.Outcome{Host: "web1", Status: muster.Activated, Bytes: 1 << 40, Paths: 7, Took: 3 * time.Second}})
	sink(muster.WaveStarted{Wave: 2, Of: 2, Hosts: 1})
	sink(muster.StageStarted{Host: "web2", Stage: muster.Activate})
	sink(muster.StageEnded{Host: "web2", Stage: muster.Activate, Err: `exit status 4: "nginx" \ failed`})
	sink(muster.HostEnded{Outcome: muster.Outcome{Host: "web2", Status: muster.RolledBack, Wave: 2, Stage: muster.Activate, Error: `exit status 4: "nginx" \ failed`, Took: 5 * time.Second}})
	r.End()
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestMetrics(t *testing.T) { golden(t, "run.prom", played(t).Metrics()) }

// Prometheus' own checker finds nothing wrong with the metrics.
func TestPromtoolTakesMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool, of Debian's package prometheus")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(string(played(t).Metrics()))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
}

// A collector keeps what it gets.
type collector struct {
	mu     sync.Mutex
	bodies [][]byte
	heads  []http.Header
	paths  []string
	fail   int // how many requests to refuse first
	status int // with this status
	hang   chan struct{}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.hang != nil {
		select {
		case <-c.hang:
		case <-r.Context().Done():
		}
		return
	}
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail > 0 {
		c.fail--
		w.WriteHeader(c.status)
		return
	}
	c.bodies, c.heads, c.paths = append(c.bodies, body), append(c.heads, r.Header), append(c.paths, r.URL.Path)
}

// A spanTree is a span as a test shows it.
type spanTree struct {
	Name   string
	Failed string     `json:",omitempty"`
	Took   float64    // seconds
	Below  []spanTree `json:",omitempty"`
}

func treeOf(spans []span, parent string) (list []spanTree) {
	for _, s := range spans {
		if s.Parent != parent {
			continue
		}
		var began, ended int64
		json.Unmarshal([]byte(s.Start), &began)
		json.Unmarshal([]byte(s.End), &ended)
		one := spanTree{Name: s.Name, Took: time.Duration(ended - began).Seconds(), Below: treeOf(spans, s.ID)}
		if s.Status.Code == statusError {
			one.Failed = "failed: " + s.Status.Message
		}
		list = append(list, one)
	}
	return list
}

func TestSpans(t *testing.T) {
	c := &collector{fail: 1, status: http.StatusServiceUnavailable}
	server := httptest.NewServer(c)
	defer server.Close()
	parent := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if err := played(t).SendSpans(t.Context(), server.URL, parent, "authorization=Bearer%20x,k=v"); err != nil {
		t.Fatal(err)
	}
	if len(c.bodies) != 1 || c.paths[0] != "/v1/traces" || c.heads[0].Get("Authorization") != "Bearer x" || c.heads[0].Get("Content-Type") != "application/json" {
		t.Fatalf("%d requests to %q with %v", len(c.bodies), c.paths, c.heads)
	}
	var got traces
	if err := json.Unmarshal(c.bodies[0], &got); err != nil {
		t.Fatal(err)
	}
	spans := got.ResourceSpans[0].ScopeSpans[0].Spans
	for _, s := range spans {
		if s.Trace != "4bf92f3577b34da6a3ce929d0e0e4736" || len(s.ID) != 16 {
			t.Errorf("span %s has trace %q and id %q", s.Name, s.Trace, s.ID)
		}
	}
	text, err := json.MarshalIndent(treeOf(spans, "00f067aa0ba902b7"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "spans.json", append(text, '\n'))
}

func TestManySpansAreSentInParts(t *testing.T) {
	c := new(collector)
	server := httptest.NewServer(c)
	defer server.Close()
	r := NewRecord(Run{ID: "x", Action: muster.Switch}, time.Now)
	sink := r.Sink(nil)
	for i := range 3 * mostSpans {
		sink(muster.StageStarted{Host: string(rune('a' + i%26)), Stage: muster.Copy})
	}
	r.End()
	if err := r.SendSpans(t.Context(), server.URL+"/v1/traces", "", ""); err != nil {
		t.Fatal(err)
	}
	if len(c.bodies) != 4 {
		t.Errorf("%d requests, want 4", len(c.bodies))
	}
}

func TestErrorsNameNoToken(t *testing.T) {
	if _, err := parseHeaders("authorization t0ken"); err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("headers: %v", err)
	}
}

func TestHook(t *testing.T) {
	c := &collector{fail: 2, status: http.StatusTooManyRequests}
	server := httptest.NewServer(c)
	defer server.Close()
	r := played(t)
	h := NewHook(r, server.URL)
	sink := h.Sink(nil)
	for _, host := range r.hosts {
		if host.outcome != nil {
			sink(muster.HostEnded{Outcome: *host.outcome})
		}
	}
	if err := h.End(time.Minute); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, body := range c.bodies {
		var m Message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		list = append(list, m.Event+" "+m.Status+": "+m.Text)
	}
	want := []string{
		`begin : The "web" fleet: switch of 3 hosts begins (run 20260102-150405-abcd, ann@desk)`,
		`failure rolled back: The "web" fleet: web2 rolled back: activate: exit status 4: "nginx" \ failed`,
		`end failed: The "web" fleet: switch ended after 13.0 s: 1 activated, 1 rolled back, 1 skipped (run 20260102-150405-abcd)`,
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A server that does not answer holds no event up, and the end only as long as is given.
func TestHookThatHangs(t *testing.T) {
	c := &collector{hang: make(chan struct{})}
	server := httptest.NewServer(c)
	defer server.Close()
	defer close(c.hang)
	r := played(t)
	h := NewHook(r, server.URL)
	sink := h.Sink(nil)
	for range 5 * mostWaiting { // none of these waits
		sink(muster.HostEnded{Outcome: muster.Outcome{Host: "x", Status: muster.Failed}})
	}
	err := h.End(10 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "messages not sent") || errors.Unwrap(err) == nil {
		t.Errorf("got %v", err)
	}
}
