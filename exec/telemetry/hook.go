package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/exec"
	"muster/exec/human"
	"muster/exec/webhook"
)

// A Message is what a hook gets, as JSON. Text is a sentence for people, under the name
// by which Slack, Mattermost and others show it.
type Message struct {
	Version int            `json:"version"`
	Event   string         `json:"event"` // "begin", "failure" or "end"
	Time    time.Time      `json:"time"`
	Run     string         `json:"run"`
	Action  string         `json:"action"`
	Fleet   string         `json:"fleet,omitempty"`
	Who     string         `json:"who,omitempty"`
	Text    string         `json:"text"`
	Hosts   int            `json:"hosts"`
	Host    string         `json:"host,omitempty"`   // that failed
	Status  string         `json:"status,omitempty"` // "failed" or "rolled back"; of the run "ok" or "failed"
	Stage   string         `json:"stage,omitempty"`  // in which it failed
	Error   string         `json:"error,omitempty"`  // why
	Counts  map[string]int `json:"counts,omitempty"` // hosts by status, at the end
	Took    float64        `json:"took_s,omitempty"` // seconds, at the end
}

// messageVersion is the version of a [Message].
const messageVersion = 1

// mostWaiting is how many messages may wait for a slow server. Beyond that failures are
// only counted: the end of the run has their number.
const mostWaiting = 200

// A Hook posts messages about a run to a URL. It never holds the run up.
type Hook struct {
	record *Record
	url    string
	queue  chan Message
	sent   chan struct{} // closed when all is sent
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	left  int   // messages that were not sent
	wrong error // why the last of them was not
}

// NewHook begins to tell of a run.
func NewHook(r *Record, url string) *Hook {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hook{record: r, url: url, queue: make(chan Message, mostWaiting), sent: make(chan struct{}), ctx: ctx, cancel: cancel}
	go h.send()
	m := h.message("begin")
	m.Text = fmt.Sprintf("%s: %s of %s begins (run %s, %s)", r.Fleet, r.Action, human.Count(len(r.hosts), "host"), r.ID, r.Who)
	h.put(m)
	return h
}

func (h *Hook) message(event string) Message {
	r := h.record
	return Message{
		Version: messageVersion, Event: event, Time: r.now().UTC(), Run: r.ID, Action: string(r.Action), Fleet: r.Fleet, Who: r.Who, Hosts: len(r.Hosts),
	}
}

// Sink tells of failures, and hands events on to next, which may be nil.
func (h *Hook) Sink(next exec.Sink) exec.Sink {
	return func(e exec.Event) {
		if next != nil {
			next(e)
		}
		ended, ok := e.(exec.HostEnded)
		if !ok || ended.Outcome.Status != exec.Failed && ended.Outcome.Status != exec.RolledBack {
			return
		}
		o := ended.Outcome
		m := h.message("failure")
		m.Host, m.Status, m.Stage, m.Error = o.Host, string(o.Status), string(o.Stage), o.Error
		m.Text = fmt.Sprintf("%s: %s %s: %s: %s", h.record.Fleet, o.Host, o.Status, o.Stage, o.Error)
		h.put(m)
	}
}

func (h *Hook) put(m Message) {
	select {
	case h.queue <- m:
	default:
		h.fail(errors.New("the server is too slow"))
	}
}

// fail counts a message that was not sent, and keeps the last reason.
func (h *Hook) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left++
	h.wrong = err
}

func (h *Hook) send() {
	defer close(h.sent)
	for m := range h.queue {
		body, err := json.Marshal(m)
		if err == nil {
			err = webhook.Post(h.ctx, h.url, nil, body)
		}
		if err != nil {
			h.fail(err)
		}
	}
}

// End tells of the end of the run, which the record has, and waits for what is still to
// be sent, for a while. The error says what was not.
func (h *Hook) End(patience time.Duration) error {
	h.record.mu.Lock()
	m := h.message("end")
	m.Counts, m.Status, m.Took = map[string]int{}, "ok", h.record.ended.Sub(h.record.began).Seconds()
	var words []string
	counts := h.record.counts()
	for status, n := range counts {
		m.Counts[string(status)] = n
		words = append(words, fmt.Sprintf("%d %s", n, status))
	}
	if slices.ContainsFunc(h.record.hosts, (*hostRecord).failed) {
		m.Status = "failed"
	}
	h.record.mu.Unlock()
	slices.Sort(words)
	m.Text = fmt.Sprintf("%s: %s ended after %s: %s (run %s)", h.record.Fleet, h.record.Action, human.Duration(time.Duration(m.Took*float64(time.Second))), strings.Join(words, ", "), h.record.ID)
	stop := time.AfterFunc(patience, h.cancel)
	defer stop.Stop()
	select {
	case h.queue <- m:
	case <-h.ctx.Done():
		h.fail(errors.New("the server is too slow"))
	}
	close(h.queue)
	<-h.sent // soon, once ctx is done
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left == 0 {
		return nil
	}
	return fmt.Errorf("%s not sent: %w", human.Count(h.left, "message"), h.wrong)
}
