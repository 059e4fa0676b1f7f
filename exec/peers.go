package exec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"muster/compile/store"
	"muster/exec/clock"
	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/nixserve"
	"muster/schema"
)

// Peers: hosts of one site send each other what this machine has sent to one of them.
//
//	this machine ═ uplink ═▶ first host of the site ─▶ others ─▶ others
//	             ─ what only they have ─────────────▶
//
// The first host of a site that has something to copy gets it from here; the others wait
// for that. Each host that has its system then serves it to a few others at once, by an
// sshd of its own that knows no command but to read what it was granted for one host
// (host/scripts/peerserve.sh). What a peer sends is checked against the hashes that this
// machine knows. Whatever goes wrong, what is missing is sent from here.

// PeerPort is the port at which hosts serve others of their site.
const PeerPort = 17322

const (
	usersOfPeer = 3 // hosts that fetch from one peer at once
	peerTries   = 2 // peers that a host tries
)

// How long the next path of a peer may take: a while, and as long as it takes at a low rate.
var peerPatience = struct {
	least time.Duration
	rate  int64 // bytes per second
}{30 * time.Second, 1 << 20}

// sites are the sites of a run.
type sites struct {
	clock clock.Clock

	mu     sync.Mutex
	byName map[string]*site
}

// A site is the hosts behind one uplink. The mutex of the sites guards it.
type site struct {
	seeding bool // a host is getting its system from here
	peers   []*peer
	change  chan struct{} // closed when any of this changes
}

// A peer is a host that has its system.
type peer struct {
	host   *schema.Host
	has    map[store.Path]bool
	users  int
	broken bool

	serving sync.Once
	server  host.PeerServer
	conn    *connection
	stop    context.CancelCauseFunc
	ended   chan struct{}
	err     error
	grants  atomic.Int64
}

func newSites(p *Plan, c clock.Clock) *sites {
	s := &sites{clock: c, byName: map[string]*site{}}
	for i := range p.Steps {
		if name := p.Steps[i].Site; name != "" && s.byName[name] == nil {
			s.byName[name] = &site{change: make(chan struct{})}
		}
	}
	return s
}

// A share is how a job takes part in its site.
type share struct {
	site  *site
	seeds bool  // it gets from here what the others wait for
	from  *peer // where the host fetches from; nil for none
}

// takesPart reports whether what the host lacks may come from others of its site.
func (j *job) takesPart() bool {
	switch j.action() {
	case Switch, Boot, Test, Push:
		return j.step.Site != "" && !j.upToDate() && !j.buildsOnTarget() && j.built == nil && j.run.opts.simulated == nil
	}
	return false
}

// join waits until the host may copy: as the first of its site, or from a peer.
func (s *sites) join(ctx context.Context, j *job) error {
	if !j.takesPart() {
		return nil
	}
	s.mu.Lock()
	site := s.byName[j.step.Site]
	for {
		p, any := site.choose(nil)
		if p != nil || !any && !site.seeding {
			site.seeding = site.seeding || p == nil
			j.share = share{site: site, seeds: p == nil, from: p}
			s.mu.Unlock()
			return nil
		}
		change := site.change
		s.mu.Unlock()
		if err := s.clock.Wait(ctx, change); err != nil {
			return err
		}
		s.mu.Lock()
	}
}

// choose takes the peer with the fewest users, nil where all have as many as they may.
// any is whether there is a peer at all. The caller holds the mutex.
func (s *site) choose(not *peer) (best *peer, any bool) {
	for _, p := range s.peers {
		if p.broken || p == not {
			continue
		}
		any = true
		if p.users < usersOfPeer && (best == nil || p.users < best.users) {
			best = p
		}
	}
	if best != nil {
		best.users++
	}
	return best, any
}

// leave ends a host's copy. A host that has its system is a peer from then on.
func (s *sites) leave(ctx context.Context, j *job, err error) {
	site := j.share.site
	if site == nil {
		return
	}
	var new *peer
	if err == nil {
		if infos, err := j.source().Closure(ctx, []store.Path{j.step.System.Out}); err == nil {
			new = &peer{host: j.step.Host, has: map[store.Path]bool{}, ended: make(chan struct{})}
			for _, info := range infos {
				new.has[info.Path] = true
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.share.seeds {
		site.seeding = false
	}
	if j.share.from != nil {
		j.share.from.users--
	}
	if new != nil {
		site.peers = append(site.peers, new)
	}
	j.share = share{}
	close(site.change)
	site.change = make(chan struct{})
}

// next gives back the peer that has failed the host, and takes another one.
func (s *sites) next(j *job) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := j.share.from
	old.users--
	old.broken = true
	j.share.from, _ = j.share.site.choose(old)
	return j.share.from
}

// close ends what peers serve.
func (s *sites) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, site := range s.byName {
		for _, p := range site.peers {
			if p.stop != nil {
				p.stop(nil)
				<-p.ended
				p.conn.close()
			}
		}
	}
}

// fromPeers has the host fetch what it lacks from hosts of its site. What they cannot send
// is left out.
func (s *sender) fromPeers(ctx context.Context, missing []nixserve.PathInfo) error {
	j := s.j
	for range peerTries {
		p := j.share.from
		if p == nil {
			return nil
		}
		var there []nixserve.PathInfo
		for _, info := range missing {
			if p.has[info.Path] {
				there = append(there, info)
			}
		}
		if len(there) == 0 {
			return nil
		}
		added, err := s.fetch(ctx, p, there)
		j.said(s.stage)(fmt.Sprintf("muster: %s of %d (%s) from %s", human.Count(added, "path"), len(there), human.Bytes(nixserve.TotalSize(there[:added])), p.host.Name))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		j.note(Finding{Check: "peers", Text: fmt.Sprintf("fetch from %s: %v; the rest comes from elsewhere", p.host.Name, err)})
		missing = without(missing, there[:added])
		j.run.sites.next(j)
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

// fetch has the host fetch paths from a peer. added is how many it has got.
func (s *sender) fetch(ctx context.Context, p *peer, infos []nixserve.PathInfo) (added int, err error) {
	p.serving.Do(func() { p.start(ctx, s.j.run) })
	if p.err != nil {
		return 0, fmt.Errorf("it does not serve: %w", p.err)
	}
	h, relay := s.j.conn.ask(), nixserve.NewRelay(infos)
	ready, err := h.ReadyToFetch(ctx)
	if err != nil {
		return 0, err
	}
	name := fmt.Sprintf("request%d", p.grants.Add(1))
	if err := p.conn.ask().Grant(ctx, p.server, name, ready.Key, relay.Read); err != nil {
		return 0, fmt.Errorf("grant: %w", err)
	}
	s.j.out.changed = true
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	answers := newAnswerMonitor(relay, stop)
	defer answers.timer.Stop()
	what := host.Fetched{Skip: relay.Skip, Greeting: relay.Greeting, Headers: relay.Headers, Sizes: relay.Sizes}
	err = h.Fetch(ctx, ready, p.server, p.conn.address(), PeerPort, what, answers)
	added = relay.Added(answers.bytes.Load())
	if err == nil && added < len(infos) {
		err = fmt.Errorf("it sent %d of %s", added, human.Count(len(infos), "path"))
	}
	return min(added, len(infos)), err
}

// An answerMonitor counts the answers of the store that paths are added to, and ends a
// fetch whose next answer takes too long.
type answerMonitor struct {
	relay *nixserve.Relay
	stop  context.CancelCauseFunc
	bytes atomic.Int64
	timer *time.Timer
}

func newAnswerMonitor(r *nixserve.Relay, stop context.CancelCauseFunc) *answerMonitor {
	m := &answerMonitor{relay: r, stop: stop}
	m.timer = time.AfterFunc(m.patience(), func() { stop(errSlowPeer) })
	return m
}

var errSlowPeer = errors.New("it is too slow")

// patience is how long the next answer may take.
func (m *answerMonitor) patience() time.Duration {
	next := min(m.relay.Added(m.bytes.Load()), len(m.relay.Sizes)-1)
	return peerPatience.least + time.Duration(m.relay.Sizes[next]*int64(time.Second)/peerPatience.rate)
}

func (m *answerMonitor) Write(b []byte) (int, error) {
	m.bytes.Add(int64(len(b)))
	m.timer.Reset(m.patience())
	return len(b), nil
}

// start has the peer serve until the run ends.
func (p *peer) start(ctx context.Context, r *run) {
	lasting, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	p.conn = &connection{host: p.host, dial: r.opts.Connect, answer: r.opts.AnswerTimeout}
	p.stop = stop
	if p.err = p.conn.open(ctx); p.err != nil {
		close(p.ended)
		return
	}
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		err := p.conn.ask().ServePeers(lasting, PeerPort, func(s host.PeerServer) { p.server = s; close(ready) })
		if lasting.Err() == nil {
			stop(fmt.Errorf("it has ended: %v", err))
		}
	}()
	timeout := time.NewTimer(r.opts.AnswerTimeout)
	defer timeout.Stop()
	select {
	case <-ready:
	case <-p.ended:
		p.err = context.Cause(lasting)
	case <-timeout.C:
		p.err = fmt.Errorf("no answer within %v", r.opts.AnswerTimeout)
	case <-ctx.Done():
		p.err = context.Cause(ctx)
	}
}

// JoinSites gives the plan's hosts their sites, as the fleet's cache says.
func (p *Plan) JoinSites(fleet *schema.Fleet) {
	for _, selector := range fleet.Cache.Peers {
		hosts, err := schema.Select(fleet, selector)
		if err != nil {
			continue // the inventory was checked: its hosts are not all of the fleet
		}
		in := map[string]bool{}
		for _, h := range hosts {
			in[h.Name] = true
		}
		for i := range p.Steps {
			if s := &p.Steps[i]; s.Site == "" && in[s.Host.MachineName()] && s.Host.Profile == nil {
				s.Site = selector
			}
		}
	}
}
