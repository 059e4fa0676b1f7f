package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/archive"
	"muster/exec/objectstore"
)

// An Opening has a wave begin whatever hosts have reported. An operator signs it with the key of the release.
type Opening struct {
	Version int       `json:"muster_opening" want:"1..1000000"`
	Dir     string    `json:"dir"`
	Wave    int       `json:"wave" want:"0..1000000"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
}

const openingKind = "opening"

// OpeningKey is the object by which an operator opens the gate before a wave.
func (h *Head) OpeningKey(wave int) string { return h.key(fmt.Sprintf("opened/%d.json", wave)) }

// OpenGate has a wave of a release begin. Agents that are older than openings go by a gate without signature.
func OpenGate(ctx context.Context, s objectstore.Store, h *Head, wave int, by string, at time.Time, keys []*archive.SecretKey) error {
	if wave < 1 || wave >= len(h.Waves) {
		return fmt.Errorf("open the gate before wave %d: release %d has %d waves, of which the first has no gate", wave+1, h.Number, len(h.Waves))
	}
	at = at.UTC().Truncate(time.Second)
	text, err := seal(openingKind, Opening{Version: version, Dir: h.Dir, Wave: wave, At: at, By: by}, keys)
	if err != nil {
		return err
	}
	if err := objectstore.Write(ctx, s, h.OpeningKey(wave), text, objectstore.Condition{}); err != nil {
		return err
	}
	older := fmt.Appendf(nil, `{"muster_gate":%d,"wave":%d,"open":true,"done":0,"failed":0,"of":0,"at":%q}`, version, wave, at.Format(time.RFC3339))
	return objectstore.Write(ctx, s, h.GateKey(wave), append(older, '\n'), objectstore.Condition{})
}

// opened reports whether an operator has opened the gate before a wave.
func (w *Witness) opened(ctx context.Context, wave int) (bool, error) {
	text, _, err := objectstore.Read(ctx, w.Store, w.Head.OpeningKey(wave), objectstore.ReadOptions{Limit: maxGate})
	if errors.Is(err, objectstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var o Opening
	if err := unseal(openingKind, text, w.Keys, &o); err != nil {
		return false, nil // anybody may have written it
	}
	return o.Version == version && o.Dir == w.Head.Dir && o.Wave == wave, nil
}
