package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"muster/compile/store"
	"muster/exec/objectstore"
	"muster/exec/sshsig"
)

// A Status says what a host has made of a release.
type Status string

// What can become of a release on a host.
const (
	Activated  Status = "activated"   // it runs what the release says
	Unchanged  Status = "unchanged"   // it did so before
	Waiting    Status = "waiting"     // for its wave
	Retrying   Status = "retrying"    // nothing was changed; the next poll tries again
	RolledBack Status = "rolled back" // the new system failed, and the host is back on what it had
	Failed     Status = "failed"      // the host is on something else; see Error
	Overtaken  Status = "overtaken"   // it was deployed by other means after the release was made, and is left alone
	Absent     Status = "absent"      // the release does not name the host
	Refused    Status = "refused"     // what is in the store is no release for this host; see Error
)

var statuses = []Status{Activated, Unchanged, Waiting, Retrying, RolledBack, Failed, Overtaken, Absent, Refused}

// Done reports whether the host has what the release says, or something newer.
func (s Status) Done() bool { return s == Activated || s == Unchanged || s == Overtaken }

// failed reports whether the release was too much for the host.
func (s Status) failed() bool { return s == RolledBack || s == Failed }

// Settled reports whether nothing more is done about the release on the host.
func (s Status) Settled() bool { return s.Done() || s.failed() || s == Absent }

// A Report is what a host says of itself, and signs with its SSH host keys.
type Report struct {
	Version int    `json:"muster_report" want:"1..1000000"`
	Host    string `json:"host"`
	Number  int64  `json:"number"` // of the release that Status is about
	Dir     string `json:"dir"`
	Status  Status `json:"status"`
	Error   string `json:"error,omitempty"`
	// Problem is why what is in the store was refused, where the report is still about the release before.
	Problem    string     `json:"problem,omitempty"`
	At         time.Time  `json:"at"`
	System     store.Path `json:"system,omitempty"` // what the release says
	Running    store.Path `json:"running,omitempty"`
	Boots      store.Path `json:"boots,omitempty"`
	Generation int        `json:"generation,omitempty" want:"0..2147483647"`
	Reboot     []string   `json:"needs_reboot,omitempty"` // parts that take a restart to change
	Muster     string     `json:"muster,omitempty"`       // the version of the agent
}

// A Before is the system that a host was on before the one that it reports: muster prune keeps it. Nobody signs it, as it only
// makes paths stay. It is no field of a report, which agents that are older could not read.
type Before struct {
	Version int        `json:"muster_before" want:"1..1000000"`
	Host    string     `json:"host"`
	System  store.Path `json:"system"`
}

// BeforeKey is the object with the Before of a host.
func BeforeKey(host string) string { return "muster/reports/" + host + "/before.json" }

// WriteBefore writes the Before of a host.
func WriteBefore(ctx context.Context, s objectstore.Store, host string, system store.Path) error {
	text, err := json.Marshal(Before{Version: version, Host: host, System: system})
	if err != nil {
		return err
	}
	return objectstore.Write(ctx, s, BeforeKey(host), append(text, '\n'), objectstore.Condition{})
}

// readBefore reads the system that a host was on before; "" where that is not known.
func readBefore(ctx context.Context, s objectstore.Store, host string) (store.Path, error) {
	text, _, err := objectstore.Read(ctx, s, BeforeKey(host), objectstore.ReadOptions{Limit: MaxReport})
	if errors.Is(err, objectstore.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var b Before
	if decode(text, &b) != nil || b.Version != version || b.Host != host {
		return "", nil
	}
	return b.System, nil
}

// maxWhy is the length at which an error in a report is cut.
const maxWhy = 2000

// Text is the report as one line, which is what is signed of it.
func (r Report) Text() ([]byte, error) {
	r.Version = version
	for _, text := range []*string{&r.Error, &r.Problem} {
		*text = (*text)[:min(len(*text), maxWhy)]
	}
	text, err := json.Marshal(r)
	return append(text, '\n'), err
}

// Sign is a report as an object holds it: its text, and a line for the signature by each of the host's keys.
func (r Report) Sign(keys []*sshsig.Key) ([]byte, error) {
	text, err := r.Text()
	if err != nil {
		return nil, err
	}
	return signByHost(reportNamespace, text, keys)
}

// ParseReport reads the report of a host, with or without signatures, which it does not check.
func ParseReport(text []byte, host string) (*Report, error) {
	payload, _, err := splitSigned(text)
	if err != nil {
		return nil, fmt.Errorf("read the report of %s: %w", host, err)
	}
	var r Report
	if err := decode(payload, &r); err != nil {
		return nil, fmt.Errorf("read the report of %s: %w", host, err)
	}
	if r.Version != version || r.Host != host {
		return nil, fmt.Errorf("read the report of %s: it is of %.100q", host, r.Host)
	}
	return &r, nil
}
