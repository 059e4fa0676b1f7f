package release

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"muster/exec/archive"
	"muster/exec/human"
	"muster/exec/objectstore"
	"muster/exec/sshsig"
)

// A Gate says whether a wave may begin. The first host of the wave that finds none, or an old one, counts the reports and
// writes a new one; the others read that. So a host that waits reads two small objects a poll, whatever the size of the fleet.
// A gate that is open must be signed by the hosts that have counted, of which the first few each do, and is not believed at all
// in a small release.
type Gate struct {
	Version int       `json:"muster_gate" want:"1..1000000"`
	Wave    int       `json:"wave" want:"0..1000000"`
	Open    bool      `json:"open"`
	Stopped bool      `json:"stopped,omitempty"` // too many have failed: it never opens
	Done    int       `json:"done" want:"0..10000000"`
	Failed  int       `json:"failed" want:"0..10000000"`
	Of      int       `json:"of" want:"0..10000000"` // hosts that it waits for
	At      time.Time `json:"at"`
	Why     string    `json:"why,omitempty"`  // it is not open
	Dir     string    `json:"dir,omitempty"`  // of the release
	Host    string    `json:"host,omitempty"` // that has counted
}

// maxGate is the most bytes of a gate.
const maxGate = 32 << 10

// Count is the gate before a wave by what the hosts of earlier waves have reported.
func (h *Head) Count(wave int, members []Member, reports map[string]*Report, now time.Time) Gate {
	g := Gate{Version: version, Wave: wave, At: now}
	var last time.Time
	for i := range members {
		m := &members[i]
		if m.Wave >= wave || !m.counts() {
			continue
		}
		g.Of++
		r := reports[m.Host]
		if r == nil || r.Dir != h.Dir {
			continue
		}
		switch {
		case r.Status.Done():
			g.Done++
		case r.Status.failed():
			g.Failed++
		}
		if r.At.After(last) && !r.At.After(now) {
			last = r.At
		}
	}
	share := cmp.Or(h.Share, 100)
	switch {
	case g.Failed >= max(h.MaxFailures, 1):
		g.Stopped, g.Why = true, human.Count(g.Failed, "host")+" failed in the waves before"
	case g.Done*100 < (g.Of-g.Failed)*share:
		g.Why = fmt.Sprintf("%d of %s in the waves before are done", g.Done, human.Count(g.Of, "host"))
	case now.Before(last.Add(h.Pause)):
		g.Why = "the pause after the wave before lasts until " + last.Add(h.Pause).UTC().Format(time.RFC3339)
	default:
		g.Open = true
	}
	return g
}

// A Waiter finds out whether waves may begin.
type Waiter struct {
	Store   objectstore.Store
	Keys    []archive.PublicKey // of the release
	Members func(ctx context.Context) (*Members, error)
	Host    string        // that waits
	Signers []*sshsig.Key // its keys
	// Fresh is how long a gate is believed that is not open.
	Fresh time.Duration
}

// Gate is the gate before a wave.
func (w *Waiter) Gate(ctx context.Context, h *Head, wave int, now time.Time) (Gate, error) {
	if start := h.Waves[wave].Start; now.Before(start) {
		return Gate{Wave: wave, At: now, Why: "the wave begins at " + start.UTC().Format(time.RFC3339)}, nil
	}
	if wave == 0 {
		return Gate{Open: true, At: now}, nil
	}
	witness := &Witness{Store: w.Store, Head: h, Keys: w.Keys}
	g, place, err := witness.gate(ctx, wave, w.Host)
	if err != nil {
		return Gate{}, err
	}
	if g == nil || !g.Open && now.Sub(g.At).Abs() >= w.Fresh {
		if g, err = w.count(ctx, witness, wave, place, now); err != nil {
			return Gate{}, err
		}
	}
	if !g.Open {
		if g.Open, err = witness.opened(ctx, wave); err != nil {
			return Gate{}, err
		}
	}
	return *g, nil
}

// count counts the reports of the waves before, and tells the other hosts, beside what others have counted.
func (w *Waiter) count(ctx context.Context, witness *Witness, wave, place int, now time.Time) (*Gate, error) {
	members, err := w.Members(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := witness.Reports(ctx, before(members.Hosts, wave))
	if err != nil {
		return nil, err
	}
	g := witness.Head.Count(wave, members.Hosts, believed(heard), now)
	g.Dir, g.Host = witness.Head.Dir, w.Host
	if doubt := doubted(heard); doubt != "" && !g.Open {
		g.Why = human.Clip(g.Why+"; "+doubt, maxGate/4)
	}
	text, err := g.sign(w.Signers)
	if err != nil {
		return nil, err
	}
	if !g.Open {
		place = 0
	}
	// A host that may only read the store counts for itself.
	_ = objectstore.Write(ctx, w.Store, witness.Head.gateKey(wave, place), text, objectstore.Condition{})
	return &g, ctx.Err()
}

// sign is the gate as an object holds it.
func (g Gate) sign(keys []*sshsig.Key) ([]byte, error) {
	text, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	return signByHost(gateNamespace, append(text, '\n'), keys)
}
