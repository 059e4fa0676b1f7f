package release

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/exec/human"
	"muster/exec/objectstore"
)

// A Gate says whether a wave may begin. The first host of the wave that finds none, or an old one, counts the reports and
// writes a new one; the others read that. So a host that waits reads one small object a poll, whatever the size of the fleet.
type Gate struct {
	Version int       `json:"muster_gate" want:"1..1000000"`
	Wave    int       `json:"wave" want:"0..1000000"`
	Open    bool      `json:"open"`
	Stopped bool      `json:"stopped,omitempty"` // too many have failed: it never opens
	Done    int       `json:"done" want:"0..10000000"`
	Failed  int       `json:"failed" want:"0..10000000"`
	Of      int       `json:"of" want:"0..10000000"` // hosts that it waits for
	At      time.Time `json:"at"`
	Why     string    `json:"why,omitempty"` // it is not open
}

// maxGate is the most bytes of a gate.
const maxGate = 4096

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
	Members func(ctx context.Context) (*Members, error)
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
	key := h.GateKey(wave)
	text, _, err := objectstore.Read(ctx, w.Store, key, objectstore.ReadOptions{Limit: maxGate})
	if err != nil && !errors.Is(err, objectstore.ErrNotFound) {
		return Gate{}, err
	}
	// What cannot be read is counted again.
	var g Gate
	if err == nil && decode(text, &g) == nil && g.Wave == wave && (g.Open || now.Sub(g.At).Abs() < w.Fresh) {
		return g, nil
	}
	members, err := w.Members(ctx)
	if err != nil {
		return Gate{}, err
	}
	reports, err := Reports(ctx, w.Store, before(members.Hosts, wave))
	if err != nil {
		return Gate{}, err
	}
	g = h.Count(wave, members.Hosts, reports, now)
	if text, err = json.Marshal(g); err != nil {
		return g, err
	}
	return g, objectstore.Write(ctx, w.Store, key, text, objectstore.Condition{})
}

// before are the hosts of the waves before one that a gate waits for.
func before(members []Member, wave int) (hosts []string) {
	for i := range members {
		if m := &members[i]; m.Wave < wave && m.counts() {
			hosts = append(hosts, m.Host)
		}
	}
	return hosts
}

// readers is how many reports are read side by side.
const readers = 16

// Reports reads the last reports of hosts. A report that cannot be read counts as none.
func Reports(ctx context.Context, s objectstore.Store, hosts []string) (map[string]*Report, error) {
	list := make([]*Report, len(hosts))
	var g errgroup.Group
	g.SetLimit(readers)
	for i, host := range hosts {
		g.Go(func() error {
			list[i], _ = ReadReport(ctx, s, host)
			return nil
		})
	}
	g.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	reports := map[string]*Report{}
	for i, host := range hosts {
		if list[i] != nil {
			reports[host] = list[i]
		}
	}
	return reports, nil
}
