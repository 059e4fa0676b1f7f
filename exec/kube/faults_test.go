package kube

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	fleet "muster/schema"
)

// A faulty transport answers some requests in place of the API server.
type faulty struct {
	http.RoundTripper
	answer func(n int, r *http.Request) *http.Response // nil hands the nth request on

	mu sync.Mutex
	n  int
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.n++
	a := f.answer(f.n, r)
	f.mu.Unlock()
	if a != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return a, nil
	}
	return f.RoundTripper.RoundTrip(r)
}

func answered(code int, kind, text string) *http.Response {
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(strings.NewReader(text)),
	}
}

// disturb has the API of a cluster answer as the function says.
func (w *world) disturb(c *Cluster, answer func(n int, r *http.Request) *http.Response) {
	w.t.Helper()
	o, err := c.open(w.t.Context())
	w.must(err)
	o.api.client.Transport = &faulty{RoundTripper: o.api.client.Transport, answer: answer}
}

// A node leaves its cluster and comes back into it, whatever the API answers in between.
func TestTheAPIAnswersBadly(t *testing.T) {
	w := newWorld(t, 1, 3)
	status := func(code int, reason string) func(int, *http.Request) *http.Response {
		random := rand.New(rand.NewPCG(1, uint64(code)))
		return func(int, *http.Request) *http.Response {
			if random.IntN(2) == 0 {
				return nil
			}
			return answered(code, "application/json", fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`, reason, reason, code))
		}
	}
	half := func(a func() *http.Response) func(int, *http.Request) *http.Response {
		random := rand.New(rand.NewPCG(1, 2))
		return func(int, *http.Request) *http.Response {
			if random.IntN(2) == 0 {
				return nil
			}
			return a()
		}
	}
	for _, row := range []struct {
		name   string
		answer func(int, *http.Request) *http.Response
	}{
		{"errors of the server", status(500, "InternalError")},
		{"too many requests", status(429, "TooManyRequests")},
		{"it is shutting down", status(503, "ServiceUnavailable")},
		{"a time-out of etcd", status(504, "Timeout")},
		{"the page of a balancer", half(func() *http.Response { return answered(502, "text/html", "<html>Bad Gateway</html>") })},
		{"half an answer", half(func() *http.Response { return answered(200, "application/json", `{"items":[{"metadata":`) })},
		{"no rules yet", status(403, "Forbidden")},
	} {
		t.Run(row.name, func(t *testing.T) {
			sub := *w
			sub.t = t
			defer sub.clear()
			sub.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
			c := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
			sub.disturb(c, row.answer)
			l := new(told)
			sub.must(c.Leave(t.Context(), sub.member("n1"), "run1", l.tell))
			sub.must(c.Rejoin(t.Context(), sub.member("n1"), l.tell))
			if want := "cordoned n1\ndrained n1: 1 pod evicted\nready n1\nuncordoned n1"; l.all() != want {
				t.Errorf("told:\n%s\nwant:\n%s", l.all(), want)
			}
			if n := sub.node("n1"); n.Spec.Unschedulable || n.Annotations[cordonedBy] != "" {
				t.Error("n1 is left cordoned")
			}
		})
	}
	for _, row := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"a budget appears in the drain", budgetAppears},
		{"the node is deleted in the drain", nodeDeleted},
		{"the node is deleted before it is cordoned", nodeDeletedBefore},
		{"an operator takes the node over in the drain", takenOver},
		{"removed from two terminals", removedTwice},
		{"the administrator's certificate is not taken", notAuthorized},
	} {
		t.Run(row.name, func(t *testing.T) {
			sub := *w
			sub.t = t
			defer sub.clear()
			row.run(t, &sub)
		})
	}
}

// once calls f at the first request of a method to a path with a part.
func once(method, part string, f func()) func(int, *http.Request) *http.Response {
	var first sync.Once
	return func(_ int, r *http.Request) *http.Response {
		if r.Method == method && strings.Contains(r.URL.Path, part) {
			first.Do(f)
		}
		return nil
	}
}

func budgetAppears(t *testing.T, w *world) {
	w.pod("shop-1", "n1", ownedBy("ReplicaSet", "shop"), labelled("shop"))
	w.pod("shop-2", "n1", ownedBy("ReplicaSet", "shop"), labelled("shop"))
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	w.disturb(c, once(http.MethodPost, "/eviction", func() {
		w.budget("shop", 0)
		time.AfterFunc(2*time.Second, func() { w.allow("shop", 2) })
	}))
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	if got := w.on("n1"); len(got) != 0 {
		t.Errorf("on the node: %v", got)
	}
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
}

func (w *world) deleteNode(name string) {
	w.must(w.core.Delete().Resource("nodes").Name(name).Do(w.t.Context()).Error())
}

func nodeDeleted(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	w.disturb(c, once(http.MethodPost, "/eviction", func() { w.deleteNode("n1") }))
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	// Its kubelet registers it anew when the host has restarted.
	time.AfterFunc(time.Second, func() { w.register("n1", nil) })
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if n := w.node("n1"); n.Spec.Unschedulable || n.Annotations[cordonedBy] != "" {
		t.Error("n1 is left cordoned")
	}
}

func nodeDeletedBefore(t *testing.T, w *world) {
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	w.disturb(c, once(http.MethodGet, "/nodes/n1", func() { w.deleteNode("n1") }))
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	if want := "node n1 is gone: nothing to drain"; l.all() != want {
		t.Errorf("told:\n%s\nwant:\n%s", l.all(), want)
	}
	w.register("n1", nil)
}

func takenOver(t *testing.T, w *world) {
	w.pod("web-1", "n1", ownedBy("ReplicaSet", "web"))
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	w.disturb(c, once(http.MethodPost, "/eviction", func() { w.kubectl("n1", false); w.kubectl("n1", true) }))
	l := new(told)
	w.must(c.Leave(t.Context(), w.member("n1"), "run1", l.tell))
	w.must(c.Rejoin(t.Context(), w.member("n1"), l.tell))
	if n := w.node("n1"); !n.Spec.Unschedulable || n.Annotations[cordonedBy] != "" {
		t.Errorf("unschedulable %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
	}
	w.kubectl("n1", false)
}

func removedTwice(t *testing.T, w *world) {
	w.pod("web-1", "n3", ownedBy("ReplicaSet", "web"))
	one := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	other := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	// The other one has seen the node when the first one removes it.
	w.disturb(other, once(http.MethodGet, "/nodes/n3", func() { w.must(one.Remove(t.Context(), "n3", "run1", new(told).tell)) }))
	l := new(told)
	w.must(other.Remove(t.Context(), "n3", "run2", l.tell))
	if want := "node n3 is gone already"; l.all() != want {
		t.Errorf("told:\n%s\nwant:\n%s", l.all(), want)
	}
	w.register("n3", nil)
}

func notAuthorized(t *testing.T, w *world) {
	c := open(t, w.lab, fleet.KlusterRollout{Timeout: 3 * time.Minute}, w.members)
	w.disturb(c, func(int, *http.Request) *http.Response {
		return answered(401, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
	})
	_, err := c.Status(t.Context())
	if want := "ask the API for its version: Unauthorized: the API does not take the certificate of the administrator"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
