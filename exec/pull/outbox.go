package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"muster/exec/foreign"
	"muster/exec/strictjson"
	"muster/exec/webhook"
)

// An Inbox takes reports where they do not go into the store of releases.
type Inbox interface {
	// Deliver delivers reports, the oldest first, and returns those that are to be delivered later. One that is never taken
	// is an error, and does not keep those after it.
	Deliver(ctx context.Context, reports []string) (left []string, err error)
}

// An outbox is the reports that are still to be delivered. Nothing is decided by it: where its file cannot be read, it is
// empty, and the next report is sent in any case.
type outbox struct {
	Version int      `json:"muster_agent_reports" want:"1..1000000"`
	Signed  bool     `json:"signed"` // the last report was
	Unsent  []string `json:"unsent,omitempty"`
}

const (
	outboxVersion = 1
	outboxFile    = "reports.json"
	maxOutbox     = 4 << 20
	// maxUnsent is how many reports are kept for later. The oldest go first.
	maxUnsent = 20
)

// unsent reads what an earlier poll has kept.
func (a *Agent) unsent() *outbox {
	o := &outbox{}
	text, err := a.outboxText()
	if err != nil || strictjson.Decode(text, o, strictjson.Limits{Memory: 8 * maxOutbox}) != nil || o.Version != outboxVersion {
		return &outbox{Version: outboxVersion}
	}
	return o
}

func (a *Agent) outboxText() ([]byte, error) {
	return foreign.ReadFile(filepath.Join(a.Dir, outboxFile), foreign.Limits{Size: maxOutbox, Trusted: true})
}

// add has a report be delivered after those before it.
func (o *outbox) add(report []byte, signed bool) {
	o.Unsent, o.Signed = append(o.Unsent, string(report)), signed
	o.Unsent = o.Unsent[max(0, len(o.Unsent)-maxUnsent):]
}

// keep writes the outbox, where it has changed.
func (o *outbox) keep(a *Agent) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if old, err := a.outboxText(); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return a.write(outboxFile, text)
}

// A Hook is an inbox that takes reports by HTTP, each by a POST.
type Hook struct {
	URL           string // may hold a token: no error has more of it than the server
	Authorization string // the header; "" for none
}

// SignatureHeader has the signatures of a report, with commas between them.
const SignatureHeader = "Muster-Signature"

// Deliver posts reports: the line that is signed is the body.
func (h Hook) Deliver(ctx context.Context, reports []string) (left []string, err error) {
	for i, report := range reports {
		line, signatures, _ := strings.Cut(report, "\n")
		header := map[string]string{}
		if h.Authorization != "" {
			header["Authorization"] = h.Authorization
		}
		if signatures != "" {
			header[SignatureHeader] = strings.Join(strings.Fields(signatures), ",")
		}
		switch post := webhook.Post(ctx, h.URL, header, []byte(line+"\n")); {
		case errors.Is(post, webhook.ErrRejected):
			err = errors.Join(err, fmt.Errorf("%w; it is not sent again", post))
		case post != nil:
			return reports[i:], errors.Join(err, fmt.Errorf("%w; it is kept, and delivered later", post))
		}
	}
	return nil, err
}
