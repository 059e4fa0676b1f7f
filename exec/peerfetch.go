package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"muster/compile/store"
	"muster/exec/human"
	"muster/exec/nixserve"
	"muster/schema"
)

// fromPeers has the host fetch what it lacks from hosts of its site. What they cannot send
// is left out.
func (s *sender) fromPeers(ctx context.Context, missing []nixserve.PathInfo) error {
	j := s.j
	j.run.sites.lacks(j.share.self, missing)
	for range peerTries {
		p := j.share.from
		if p == nil {
			return nil
		}
		var there []nixserve.PathInfo
		for _, info := range missing {
			if p.closure[info.Path] {
				there = append(there, info)
			}
		}
		if len(there) == 0 {
			return nil
		}
		added, err := s.fetch(ctx, p, there)
		j.said(s.stage)(fmt.Sprintf("muster: %s of %d (%s) from %s", human.Count(len(added), "path"), len(there), human.Bytes(nixserve.TotalSize(added)), p.host.Name))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		j.note(Finding{Check: "peers", Text: fmt.Sprintf("fetch from %s: %v; the rest comes from elsewhere", p.host.Name, err)})
		missing = without(missing, added)
		if err := j.run.sites.next(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// without are infos without others.
func without(infos, others []nixserve.PathInfo) []nixserve.PathInfo {
	drop := map[store.Path]bool{}
	for _, info := range others {
		drop[info.Path] = true
	}
	var rest []nixserve.PathInfo
	for _, info := range infos {
		if !drop[info.Path] {
			rest = append(rest, info)
		}
	}
	return rest
}

// A fetch has one host add paths to its store that another one sends, each as soon as that
// one has it.
//
//	this machine ─ requests ─▶ peer ─ archives ─▶ host ─ answers ─▶ this machine
//	             ─ headers ──────────────────────▶
type fetch struct {
	sites *sites
	share *share // of the host, which others fetch from
	from  *peer
	stop  context.CancelCauseFunc

	mu       sync.Mutex
	pending  []nixserve.PathInfo // that the peer was not asked for, references first
	sent     []nixserve.PathInfo // that it was asked for, in this order
	answered int64               // bytes
	added    int                 // of those sent
	patience *patience
}

// fetch has the host fetch paths from a peer. It returns those that it has got.
func (s *sender) fetch(ctx context.Context, p *peer, infos []nixserve.PathInfo) ([]nixserve.PathInfo, error) {
	p.serving.Do(func() { p.start(ctx, s.j.run) })
	if p.err != nil {
		return nil, fmt.Errorf("it does not serve: %w", p.err)
	}
	h := s.j.conn.ask()
	ready, err := h.ReadyToFetch(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := &fetch{sites: s.j.run.sites, share: &s.j.share, from: p, stop: stop, pending: infos}
	f.patience = newPatience(s.j.run.opts.slowness, f.over)
	f.mu.Lock()
	f.wait()
	f.mu.Unlock()
	requests, requesting := io.Pipe()
	adds, adding := io.Pipe()
	defer requests.Close()
	defer adds.Close()
	s.j.out.changed = true
	if err := s.grant(ctx, p, ready.Key, requests, stop); err != nil {
		return f.end(fmt.Errorf("grant: %w", err))
	}
	go func() {
		err := f.relay(ctx, requesting, adding)
		if err != nil {
			stop(err)
		}
		requesting.Close()
		adding.Close()
	}()
	err = h.Fetch(ctx, ready, p.server, p.conn.address(), schema.PeerPort, nixserve.GreetingSize, adds, f)
	return f.end(err)
}

// grant has a peer answer requests from the owner of a key, until they end.
func (s *sender) grant(ctx context.Context, p *peer, key string, requests io.Reader, stop context.CancelCauseFunc) error {
	granted := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		name := fmt.Sprintf("request%d", p.grants.Add(1))
		err := p.conn.ask().Grant(ctx, p.server, name, key, requests, func() { close(granted) })
		ended <- err
		if err != nil {
			stop(fmt.Errorf("it answers no more: %w", err))
		}
	}()
	return p.await(ctx, s.j.run.opts.AnswerTimeout, granted, ended)
}

// relay asks for each path once the peer has it, until it was asked for all.
func (f *fetch) relay(ctx context.Context, requests, adds io.Writer) error {
	r, err := nixserve.NewRelay(requests, adds)
	if err != nil {
		return err
	}
	for {
		now, more, change, err := f.available()
		if err != nil {
			return err
		}
		if len(now) > 0 {
			if err := r.Send(now); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		if err := f.sites.clock.Wait(ctx, change); err != nil {
			return err
		}
		// Paths that come shortly after each other go in one request.
		if err := f.sites.clock.Sleep(ctx, relayPause); err != nil {
			return err
		}
	}
}

const relayPause = 50 * time.Millisecond

// available takes from what is pending the paths that the peer has, with all of their
// references. more is whether others are pending; the channel is closed when the peer may
// have them.
func (f *fetch) available() (now []nixserve.PathInfo, more bool, change chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sites.mu.Lock()
	defer f.sites.mu.Unlock()
	lacking := map[store.Path]bool{}
	var rest []nixserve.PathInfo
	for _, info := range f.pending {
		ready := f.from.has[info.Path]
		for _, r := range info.References {
			ready = ready && (r == info.Path || !lacking[r])
		}
		if ready {
			now = append(now, info)
		} else {
			lacking[info.Path] = true
			rest = append(rest, info)
		}
	}
	if len(now) == 0 && f.from.state == broken {
		return nil, false, nil, errors.New("it has failed")
	}
	f.pending = rest
	f.sent = append(f.sent, now...)
	f.wait()
	return now, len(rest) > 0, f.from.change, nil
}

// Write takes answers of the store that paths are added to.
func (f *fetch) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered += int64(len(b))
	var paths []store.Path
	for added := min(nixserve.Added(f.answered), len(f.sent)); f.added < added; f.added++ {
		info := f.sent[f.added]
		paths = append(paths, info.Path)
		f.patience.got(info.NARSize)
	}
	f.wait()
	if len(paths) > 0 {
		f.sites.has(f.share.self, paths...)
	}
	return len(b), nil
}

// wait has the patience run until all is there. The caller holds the mutex.
func (f *fetch) wait() {
	switch {
	case f.added < len(f.sent):
		f.patience.run(f.sent[f.added].NARSize)
	case len(f.pending) > 0:
		f.patience.run(f.pending[0].NARSize)
	default:
		f.patience.pause()
	}
}

// over ends the fetch from a peer that is too slow. One that waits itself for what others
// do not have either gets more time.
func (f *fetch) over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.patience.since.IsZero() || time.Now().Before(f.patience.until) {
		return // something has come just now
	}
	if f.added == len(f.sent) && len(f.pending) > 0 && !f.sites.leftBehind(f.share, f.pending[0].Path) {
		f.patience.renew()
		f.wait()
		return
	}
	f.stop(errSlowPeer)
}

// end sums the fetch up.
func (f *fetch) end(err error) ([]nixserve.PathInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.patience.pause()
	if missing := len(f.sent) + len(f.pending) - f.added; err == nil && missing > 0 {
		err = fmt.Errorf("%s did not come", human.Count(missing, "path"))
	}
	return f.sent[:f.added], err
}

var errSlowPeer = errors.New("it is too slow")

// A slowness is how slow a peer may be: for a while, and then a low rate.
type slowness struct {
	grace time.Duration
	rate  int64 // bytes per second
}

var defaultSlowness = slowness{30 * time.Second, 256 << 10}

func (s slowness) of(size int64) time.Duration {
	return time.Duration(float64(size) / float64(s.rate) * float64(time.Second))
}

// A patience is how much longer a peer may be slow. What the peer sends gives it more time,
// up to a limit.
type patience struct {
	allowed slowness
	left    time.Duration
	since   time.Time // when it began to run; zero while it does not
	until   time.Time // when it is over
	timer   *time.Timer
}

func newPatience(s slowness, over func()) *patience {
	p := &patience{allowed: s, timer: time.AfterFunc(time.Hour, over)}
	p.timer.Stop()
	p.renew()
	return p
}

// renew begins anew.
func (p *patience) renew() {
	p.pause()
	p.left = p.allowed.grace
}

// got tells that a path has come.
func (p *patience) got(size int64) {
	p.pause()
	p.left = min(p.left+p.allowed.of(size), p.allowed.grace)
}

// pause stops the clock.
func (p *patience) pause() {
	if !p.since.IsZero() {
		p.timer.Stop()
		p.left -= time.Since(p.since)
		p.since = time.Time{}
	}
}

// run starts the clock, for a next path of some size, unless it runs.
func (p *patience) run(next int64) {
	if p.since.IsZero() {
		p.since = time.Now()
		limit := max(p.left+p.allowed.of(next), 0)
		p.until = p.since.Add(limit)
		p.timer.Reset(limit)
	}
}
