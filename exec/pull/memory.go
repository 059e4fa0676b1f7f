package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"muster/exec/foreign"
	"muster/exec/release"
	"muster/exec/strictjson"
)

// A memory is what the agent keeps between polls. The number and the latest time protect the host from old releases: where
// they cannot be read, nothing is taken.
type memory struct {
	Version  int            `json:"muster_agent" want:"1..1000000"`
	Number   int64          `json:"number"` // of the last release that was taken up
	Dir      string         `json:"dir"`
	ETag     string         `json:"etag,omitempty"` // of its head in the store
	Latest   time.Time      `json:"latest"`         // the latest time that a release has shown
	Status   release.Status `json:"status,omitempty"`
	Run      string         `json:"run,omitempty"`   // of its activation
	Found    string         `json:"found,omitempty"` // the run of the last deployment when the release was first looked at
	Attempts int            `json:"attempts,omitempty" want:"0..1000"`
	Report   string         `json:"report,omitempty"` // the last one, without its time
	Reported time.Time      `json:"reported,omitzero"`
}

const (
	memoryVersion = 1
	maxMemory     = 256 << 10
	memoryFile    = "state.json"
	headFile      = "release.json"
)

// recall reads what an earlier poll has kept.
func (a *Agent) recall() (*memory, error) {
	name := filepath.Join(a.Dir, memoryFile)
	text, err := foreign.ReadFile(name, foreign.Limits{Size: maxMemory, Trusted: true})
	if errors.Is(err, fs.ErrNotExist) {
		return &memory{Version: memoryVersion}, nil
	}
	if err == nil {
		m := &memory{}
		if err = strictjson.Decode(text, m, strictjson.Limits{Memory: 8 * maxMemory}); err == nil && m.Version != memoryVersion {
			err = fmt.Errorf("version %d: want %d", m.Version, memoryVersion)
		}
		if err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("read %s: %w: without it an old release could pass for a new one; remove it to trust the next release whatever its number", name, err)
}

// keep writes the memory, so that a crash leaves the former one or this one.
func (m *memory) keep(a *Agent) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return a.write(memoryFile, text)
}

func (a *Agent) write(name string, text []byte) error {
	root, err := os.OpenRoot(a.Dir)
	if err == nil {
		defer root.Close()
		err = foreign.ReplaceText(root, name, text)
	}
	if err != nil {
		return fmt.Errorf("keep the agent's state: %w", err)
	}
	return nil
}

// take has the memory be about a release, before anything is done about it.
func (m *memory) take(a *Agent, h *release.Head, text []byte, etag string) error {
	if h.Dir != m.Dir {
		m.Status, m.Run, m.Found, m.Attempts = "", "", "", 0
	}
	m.Number, m.Dir, m.ETag = h.Number, h.Dir, etag
	if h.Made.After(m.Latest) {
		m.Latest = h.Made
	}
	if err := a.write(headFile, text); err != nil {
		return err
	}
	return m.keep(a)
}

// keptHead is the head that the last poll has kept, nil where there is none to trust.
func (p *poll) keptHead() *release.Head {
	text, err := foreign.ReadFile(filepath.Join(p.Dir, headFile), foreign.Limits{Size: release.MaxHead, Trusted: true})
	if err != nil {
		return nil
	}
	h, err := release.OpenHead(text, p.Keys)
	if err != nil || h.Dir != p.memory.Dir {
		return nil
	}
	return h
}
