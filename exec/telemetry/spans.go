package telemetry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/exec/ondemand"
	"muster/exec/webhook"
)

// The spans of a run in OTLP's JSON form, of which this is the part that muster says:
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
//
//	run ─ wave ─ host ─ stage
type (
	traces struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	span struct {
		Trace      string      `json:"traceId"`
		ID         string      `json:"spanId"`
		Parent     string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     *spanStatus `json:"status,omitempty"`
	}
	spanStatus struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	attribute struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

const (
	spanInternal = 1 // SPAN_KIND_INTERNAL
	statusOK     = 1 // STATUS_CODE_OK
	statusError  = 2 // STATUS_CODE_ERROR
)

// mostSpans is the number of spans in one request: collectors take 4 MB and more.
const mostSpans = 2000

func textAttribute(key, value string) attribute {
	return attribute{key, map[string]any{"stringValue": strings.ToValidUTF8(value, "�")}}
}

// intAttribute has its number as a text, as JSON of Protocol Buffers has 64 bits.
func intAttribute(key string, value int64) attribute {
	return attribute{key, map[string]any{"intValue": strconv.FormatInt(value, 10)}}
}

// A spanMaker makes the spans of one trace.
type spanMaker struct {
	trace string
	spans []span
}

// add adds a span, and returns its id.
func (m *spanMaker) add(parent, name string, began, ended time.Time, err string, failed bool, attributes ...attribute) string {
	s := span{
		Trace: m.trace, ID: randomHex(8), Parent: parent, Name: name, Kind: spanInternal,
		Start: strconv.FormatInt(began.UnixNano(), 10), End: strconv.FormatInt(ended.UnixNano(), 10), Attributes: attributes,
		Status: &spanStatus{Code: statusOK},
	}
	if failed || err != "" {
		s.Status = &spanStatus{statusError, strings.ToValidUTF8(err, "�")}
	}
	m.spans = append(m.spans, s)
	return s.ID
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// traceParent matches the header traceparent of W3C Trace Context.
var traceParent = ondemand.Regexp(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}`)

// spansOf are the spans of the run: part of the trace that parent names, as the variable
// TRACEPARENT of a CI job has it, or a trace of their own.
func (r *Record) spansOf(parent string) []span {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, above := &spanMaker{trace: randomHex(16)}, ""
	if p := traceParent().FindStringSubmatch(parent); p != nil {
		m.trace, above = p[1], p[2]
	}
	failed := 0
	waves := map[int][]*hostRecord{}
	for _, h := range r.hosts {
		if h.failed() {
			failed++
		}
		if !h.began.IsZero() {
			waves[h.wave()] = append(waves[h.wave()], h)
		}
	}
	message := ""
	if failed > 0 {
		message = fmt.Sprintf("%d of %d hosts failed", failed, len(r.hosts))
	}
	root := m.add(above, "muster "+string(r.Action), r.began, r.ended, message, failed > 0,
		textAttribute("muster.run", r.ID), textAttribute("muster.action", string(r.Action)), textAttribute("muster.fleet", r.Fleet),
		textAttribute("enduser.id", r.Who), intAttribute("muster.hosts", int64(len(r.hosts))))
	for number := range slices.Max(append(sortedWaves(waves), 0)) {
		if hosts := waves[number+1]; len(hosts) > 0 {
			r.addWave(m, root, number+1, hosts)
		}
	}
	return m.spans
}

func sortedWaves(waves map[int][]*hostRecord) (numbers []int) {
	for n := range waves {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

// wave is the number of the host's wave, from 1.
func (h *hostRecord) wave() int {
	if h.outcome == nil {
		return 1
	}
	return max(1, h.outcome.Wave)
}

// addWave adds the spans of one wave.
func (r *Record) addWave(m *spanMaker, root string, number int, hosts []*hostRecord) {
	began, ended := hosts[0].began, hosts[0].ended
	failed := false
	for _, h := range hosts {
		if h.began.Before(began) {
			began = h.began
		}
		if h.ended.After(ended) {
			ended = h.ended
		}
		failed = failed || h.failed()
	}
	attributes := []attribute{intAttribute("muster.wave", int64(number)), intAttribute("muster.hosts", int64(len(hosts)))}
	if at := r.waves[number]; !at.IsZero() { // before that, its hosts connect and build
		attributes = append(attributes, textAttribute("muster.wave.activates_from", at.UTC().Format(time.RFC3339Nano)))
	}
	parent := m.add(root, fmt.Sprintf("wave %d", number), began, ended, "", failed, attributes...)
	for _, h := range hosts {
		r.addHost(m, parent, h)
	}
}

// addHost adds the spans of one host.
func (r *Record) addHost(m *spanMaker, wave string, h *hostRecord) {
	attributes, message := []attribute{textAttribute("host.name", h.name), textAttribute("muster.status", string(h.status()))}, ""
	if o := h.outcome; o != nil {
		message = o.Error
		attributes = append(attributes, intAttribute("muster.sent_bytes", o.Bytes), intAttribute("muster.sent_paths", int64(o.Paths)))
		if o.System != "" {
			attributes = append(attributes, textAttribute("muster.system", string(o.System)))
		}
	}
	if !h.failed() {
		message = ""
	}
	parent := m.add(wave, h.name, h.began, h.ended, message, h.failed(), attributes...)
	for _, s := range h.stages {
		m.add(parent, string(s.stage), s.began, s.ended, s.err, false, textAttribute("host.name", h.name), textAttribute("muster.stage", string(s.stage)))
	}
}

// SendSpans sends the spans of the run to the OTLP/HTTP endpoint at a URL. parent is the
// traceparent that they belong to, and headers go with each request, as the variable
// OTEL_EXPORTER_OTLP_HEADERS has them: name=value,name=value.
func (r *Record) SendSpans(ctx context.Context, endpoint, parent, headers string) error {
	target, err := tracesURL(endpoint)
	if err != nil {
		return err
	}
	named, err := parseHeaders(headers)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(r.spansOf(parent), mostSpans) {
		body, err := json.Marshal(traces{[]resourceSpans{{
			Resource:   resource{[]attribute{textAttribute("service.name", "muster"), textAttribute("service.version", cmp.Or(r.Version, "unknown"))}},
			ScopeSpans: []scopeSpans{{Scope: scope{"muster", r.Version}, Spans: some}},
		}}})
		if err != nil {
			return err
		}
		if err := webhook.Post(ctx, target, named, body); err != nil {
			return err
		}
	}
	return nil
}

// tracesURL is where spans go: OTLP/HTTP has them at /v1/traces below an endpoint.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u = u.JoinPath("v1", "traces")
	}
	return u.String(), nil
}

// parseHeaders reads name=value,name=value, whose values are percent-encoded.
func parseHeaders(text string) (map[string]string, error) {
	named := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: want name=value, with commas between several") // the values are secret
		}
		named[strings.TrimSpace(name)] = plain
	}
	return named, nil
}
