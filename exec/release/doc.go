// Package release is what a fleet's hosts pull: signed documents in an object store that say which system each host is to
// have, and what the hosts report there.
//
//	muster/release.json                        the head: number, good until, waves; replaced last, and at once
//	muster/releases/DIR/release.json           a copy of the head, which says until when the release is good
//	muster/releases/DIR/hosts.json             all hosts with their waves and systems
//	muster/releases/DIR/host/NAME.json         what one host needs: its system, health checks, hooks
//	muster/releases/DIR/gates/WAVE.json        written by hosts: whether a wave may begin; and WAVE-1.json, WAVE-2.json by others
//	muster/releases/DIR/opened/WAVE.json       written by an operator: a wave may begin
//	muster/reports/NAME.json                   written by hosts: what has become of one
//	muster/reports/NAME/before.json            written by hosts: the system before the one that it runs
//	muster/prune.json                          whether what nobody needs is being removed
//
// DIR is the release's number and a random word, so that two publishers never write the same documents. A document is one
// line of JSON and a line for each signature. Signatures are Nix's, by the keys that sign store paths.
//
//	publish: Next ─▶ Release.Documents ─▶ objects ─▶ the head, where it still is what Next has read
//	pull:    OpenHead ─▶ OpenPart ─▶ Decide ─▶ activation ─▶ Report
//
// Hosts sign reports and gates with their SSH host keys, whose public halves are in their signed documents. What is not signed
// so opens no gate. Whoever may write to the store can withhold reports, and so hold a rollout up.
package release

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/archive"
	"muster/exec/strictjson"
	"muster/schema"
)

// HeadKey is the object that is replaced last.
const HeadKey = "muster/release.json"

// version changes when documents can no longer be read as before.
const version = 1

// The most bytes of a document.
const (
	MaxHead   = 64 << 10
	MaxPart   = 1 << 20
	MaxHosts  = 64 << 20
	MaxReport = 64 << 10
)

// A Head is the part of a release that every host reads.
type Head struct {
	Version int       `json:"muster_release" want:"1..1000000"`
	Fleet   string    `json:"fleet"`  // the network's description, for messages
	Number  int64     `json:"number"` // only grows
	Dir     string    `json:"dir"`    // of the other documents
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"` // it is not begun afterwards
	Waves   []Wave    `json:"waves"`
	// MaxFailures is how many hosts may fail before no other wave begins; 0 means 1.
	MaxFailures int `json:"max_failures,omitempty" want:"0..1000000"`
	// Share is the percentage of the required hosts of earlier waves that must be done before a wave begins; 0 means 100.
	Share int           `json:"share,omitempty" want:"0..100"`
	Pause time.Duration `json:"pause_ns,omitempty"` // between the end of a wave and the next
}

// A Wave is hosts that activate side by side.
type Wave struct {
	Hosts int       `json:"hosts" want:"0..10000000"`
	Start time.Time `json:"start,omitzero"` // not before; the zero value for at once
}

// A Part is what one host needs of a release.
type Part struct {
	Version int             `json:"muster_release_host" want:"1..1000000"`
	Dir     string          `json:"dir"`
	Host    string          `json:"host"`
	Wave    int             `json:"wave" want:"0..1000000"`
	System  store.Path      `json:"system"`
	Plan    json.RawMessage `json:"plan"` // a plan of one step, as exec saves it
}

// A Members lists all hosts of a release.
type Members struct {
	Version int      `json:"muster_release_hosts" want:"1..1000000"`
	Dir     string   `json:"dir"`
	Hosts   []Member `json:"hosts"`
}

// A Member is a host of a release.
type Member struct {
	Host   string        `json:"host"`
	Wave   int           `json:"wave" want:"0..1000000"`
	System store.Path    `json:"system"`
	Policy schema.Policy `json:"policy,omitempty"`
}

// counts reports whether a gate waits for the host.
func (m *Member) counts() bool { return m.Policy != schema.BestEffort && m.Policy != schema.Roaming }

// PartKey is the object with the part of a host.
func (h *Head) PartKey(host string) string { return h.key("host/" + host + ".json") }

// CopyKey is the object with a copy of the head, which stays when another release is published.
func (h *Head) CopyKey() string { return h.key("release.json") }

// MembersKey is the object with the list of hosts.
func (h *Head) MembersKey() string { return h.key("hosts.json") }

// GateKey is the object about the gate before a wave.
func (h *Head) GateKey(wave int) string { return h.key(fmt.Sprintf("gates/%d.json", wave)) }

// gateKey is the object with what one of several hosts has counted about a gate.
func (h *Head) gateKey(wave, place int) string {
	if place == 0 {
		return h.GateKey(wave)
	}
	return h.key(fmt.Sprintf("gates/%d-%d.json", wave, place))
}

func (h *Head) key(name string) string { return "muster/releases/" + h.Dir + "/" + name }

// ReportKey is the object with the last report of a host.
func ReportKey(host string) string { return "muster/reports/" + host + ".json" }

// newDir is the directory of a release with a number.
func newDir(number int64) string {
	word := make([]byte, 8)
	rand.Read(word)
	return fmt.Sprintf("%d-%s", number, hex.EncodeToString(word))
}

// The errors that callers tell apart.
var (
	ErrUnsigned = errors.New("no trusted key has signed it")
	ErrDamaged  = errors.New("it is damaged or not whole")
)

// kinds are the words that signatures of documents begin with, so that one document never passes for another.
const (
	headKind    = "head"
	partKind    = "host"
	membersKind = "hosts"
)

// signed is the text that is signed of a document.
func signed(kind string, payload []byte) string {
	return "muster-release;1;" + kind + ";" + store.HashBytes(store.SHA256, payload).String()
}

// seal writes a document.
func seal(kind string, v any, keys []*archive.SecretKey) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.Write(payload)
	text.WriteByte('\n')
	for _, k := range keys {
		text.WriteString(k.Sign(signed(kind, payload)) + "\n")
	}
	return text.Bytes(), nil
}

// unseal checks the signatures of a document before it reads anything else of it.
func unseal(kind string, text []byte, keys []archive.PublicKey, into any) error {
	payload, rest, ok := bytes.Cut(text, []byte("\n"))
	if !ok || len(rest) == 0 || rest[len(rest)-1] != '\n' {
		return ErrDamaged
	}
	lines := strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
	if len(lines) > maxSignatures {
		return fmt.Errorf("%w: it has %d signatures, want %d at most", ErrDamaged, len(lines), maxSignatures)
	}
	what := signed(kind, payload)
	if !slices.ContainsFunc(lines, func(sig string) bool {
		return slices.ContainsFunc(keys, func(k archive.PublicKey) bool { return k.Verifies(what, sig) })
	}) {
		return ErrUnsigned
	}
	return decode(payload, into)
}

// decode reads JSON strictly. What it takes in memory is bounded by its length, which the caller has bounded.
func decode(text []byte, into any) error {
	return strictjson.Decode(text, into, strictjson.Limits{Memory: 1<<20 + 16*int64(len(text)), Check: wrong})
}

// wrong says what is wrong with a word of a type; "" for nothing.
func wrong(of reflect.Type, text string) string {
	switch of {
	case reflect.TypeFor[store.Path]():
		if _, err := store.ParsePath(text); err != nil && text != "" {
			return err.Error()
		}
	case reflect.TypeFor[schema.Policy]():
		if text != "" && !slices.Contains([]schema.Policy{schema.Required, schema.BestEffort, schema.Roaming}, schema.Policy(text)) {
			return "want required, best_effort or roaming"
		}
	case reflect.TypeFor[Status]():
		if !slices.Contains(statuses, Status(text)) {
			return "want a status of a report"
		}
	}
	return ""
}

// maxSignatures is the most signatures of a document.
const maxSignatures = 16

// OpenHead reads a head that one of the keys has signed.
func OpenHead(text []byte, keys []archive.PublicKey) (*Head, error) {
	var h Head
	if err := unseal(headKind, text, keys, &h); err != nil {
		return nil, fmt.Errorf("read the release: %w", err)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("read the release: %w", err)
	}
	return &h, nil
}

func (h *Head) check() error {
	switch {
	case h.Version != version:
		return fmt.Errorf("version %d: want %d, which this muster reads", h.Version, version)
	case h.Number < 1:
		return fmt.Errorf("number %d: want 1 or more", h.Number)
	case !isDir(h.Dir, h.Number):
		return fmt.Errorf("dir %.100q: want NUMBER-WORD", h.Dir)
	case h.Made.IsZero() || !h.Until.After(h.Made):
		return errors.New("until: want a time after made")
	case len(h.Waves) == 0:
		return errors.New("waves: want one at least")
	}
	return nil
}

// isDir reports whether a word is a directory of the release with a number.
func isDir(dir string, number int64) bool {
	word, ok := strings.CutPrefix(dir, fmt.Sprintf("%d-", number))
	_, err := hex.DecodeString(word)
	return ok && err == nil && len(word) == 16
}

// OpenPart reads the part of a host in a release.
func OpenPart(text []byte, h *Head, host string, keys []archive.PublicKey) (*Part, error) {
	var p Part
	if err := unseal(partKind, text, keys, &p); err != nil {
		return nil, fmt.Errorf("read release %d for %s: %w", h.Number, host, err)
	}
	if p.Version != version || p.Dir != h.Dir || p.Host != host || p.Wave >= len(h.Waves) || p.System == "" {
		return nil, fmt.Errorf("read release %d for %s: it is for %.100q in %.100q", h.Number, host, p.Host, p.Dir)
	}
	return &p, nil
}

// OpenMembers reads the list of hosts of a release.
func OpenMembers(text []byte, h *Head, keys []archive.PublicKey) (*Members, error) {
	var m Members
	if err := unseal(membersKind, text, keys, &m); err != nil {
		return nil, fmt.Errorf("read the hosts of release %d: %w", h.Number, err)
	}
	if m.Version != version || m.Dir != h.Dir {
		return nil, fmt.Errorf("read the hosts of release %d: they are of %.100q", h.Number, m.Dir)
	}
	return &m, nil
}
