package exec

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"muster/compile/store"
	"muster/exec/clock"
	"muster/exec/host"
	"muster/exec/nixserve"
	"muster/schema"
)

// Peers: hosts of one site send each other what this machine has sent to one of them.
//
//	this machine ═ uplink ═▶ first host of the site ─▶ others ─▶ others
//	             ─ what only they have ─────────────▶
//
// The first host of a site that has something to copy gets it from here. Each other one
// fetches from a host that has begun before it, path by path, as soon as that one has a path:
// the whole site has its systems soon after the first host. A host serves a few
// others at once, by an sshd of its own that knows no command but to read what it was
// granted for one host (host/scripts/peerserve.sh). What a peer sends is checked against
// the hashes that this machine knows. Whatever goes wrong, what is missing is sent from here.

const (
	usersOfPeer  = 3 // hosts that fetch from one peer at once
	peerTries    = 2 // peers that may fail a host
	peerFailures = 2 // hosts that a peer may fail
	mostSeeds    = 2 // hosts of a site that get from here what the others wait for; the second one, where the first is slow
)

// sites are the sites of a run.
type sites struct {
	clock clock.Clock

	mu     sync.Mutex
	byName map[string]*site
}

// A site is the hosts behind one uplink. The mutex of the sites guards it.
type site struct {
	peers  []*peer       // in the order in which they began
	change chan struct{} // closed when a peer has room for another user, and when one ends
}

// A peer is a host that has its system, or is getting it.
type peer struct {
	host    *schema.Host
	closure map[store.Path]bool // what it has in the end

	// The mutex of the sites guards these.
	state  peerState
	depth  int // peers between this machine and it, while it gets its system
	has    map[store.Path]bool
	change chan struct{} // closed when it has more, or ends
	users  int
	failed int // fetches from it

	serving sync.Once
	server  host.PeerServer
	conn    *connection
	stop    context.CancelCauseFunc
	ended   chan struct{}
	err     error
	grants  atomic.Int64
}

// A peerState says what a peer is good for.
//
//	getting ─▶ whole ─▶ broken
//	   └─────────────────▲
type peerState int

const (
	getting peerState = iota // its system: it has some paths, and will have the others
	whole                    // has its system
	broken                   // its copy, or peerFailures fetches from it, have failed
)

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
	site *site
	self *peer          // nil for a job that takes no part
	from *peer          // where the host fetches from; nil for this machine
	not  map[*peer]bool // that have failed the host
}

// takesPart reports whether what the host lacks may come from others of its site.
func (j *job) takesPart() bool {
	switch j.action() {
	case Switch, Boot, Test, Push:
		return j.step.Site != "" && !j.upToDate() && !j.buildsOnTarget() && j.built == nil && j.run.opts.simulated == nil
	}
	return false
}

// join waits until the host may copy: as the first of its site, or from a peer. Those that
// it may fetch from have joined before, so no two wait for each other.
func (s *sites) join(ctx context.Context, j *job) error {
	if !j.takesPart() {
		return nil
	}
	infos, err := j.source().Closure(ctx, []store.Path{j.step.System.Out})
	if err != nil {
		return nil // the copy fails for the same reason
	}
	self := &peer{host: j.step.Host, closure: map[store.Path]bool{}, has: map[store.Path]bool{}, change: make(chan struct{}), ended: make(chan struct{})}
	for _, info := range infos {
		self.closure[info.Path] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	site := s.byName[j.step.Site]
	site.peers = append(site.peers, self)
	j.share = share{site: site, self: self, not: map[*peer]bool{}}
	return s.choose(ctx, &j.share)
}

// choose takes the peer that is the nearest to this machine, and of those the one with the
// fewest users. It waits where all have as many as they may. The caller holds the mutex,
// which it gives up meanwhile.
func (s *sites) choose(ctx context.Context, sh *share) error {
	for {
		any := false
		for _, p := range sh.eligible() {
			any = true
			if p.users < usersOfPeer && (sh.from == nil || p.depth < sh.from.depth || p.depth == sh.from.depth && p.users < sh.from.users) {
				sh.from = p
			}
		}
		if sh.from != nil {
			sh.from.users++
			sh.self.depth = sh.from.depth + 1
			return nil
		}
		if !any {
			sh.self.depth = 0
			return nil
		}
		change := sh.site.change
		s.mu.Unlock()
		err := s.clock.Wait(ctx, change)
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// eligible are the peers that a host may fetch from.
func (sh *share) eligible() (list []*peer) {
	before := true
	for _, p := range sh.site.peers {
		if p == sh.self {
			before = false
		}
		if p != sh.self && !sh.not[p] && (p.state == whole || p.state == getting && before) {
			list = append(list, p)
		}
	}
	return list
}

// leftBehind reports whether a host gets a path sooner that its peer does not have: from
// another one, or from here.
func (s *sites) leftBehind(sh *share, path store.Path) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range sh.eligible() {
		if p != sh.from && p.has[path] && p.users < usersOfPeer {
			return true
		}
	}
	seeds := 0
	for _, p := range sh.site.peers {
		if p.state == getting && p.depth == 0 {
			seeds++
		}
	}
	return seeds < mostSeeds
}

// broadcast closes a channel that others wait at, and makes the next one.
func broadcast(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}

// leave ends a host's copy.
func (s *sites) leave(j *job, err error) {
	if j.share.self == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	self := j.share.self
	switch {
	case err != nil:
		self.state = broken
	case self.state == getting:
		self.state, self.has = whole, self.closure
	}
	self.depth = 0
	s.release(&j.share)
	broadcast(&self.change)
	j.share = share{}
}

// release gives back the peer that the host has fetched from. The caller holds the mutex.
func (s *sites) release(sh *share) {
	if sh.from != nil {
		sh.from.users--
		sh.from = nil
	}
	broadcast(&sh.site.change)
}

// next takes another peer in place of the one that has failed the host.
func (s *sites) next(ctx context.Context, j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := j.share.from
	j.share.not[p] = true
	if p.failed++; p.failed >= peerFailures || p.err != nil {
		p.state = broken
		broadcast(&p.change)
	}
	s.release(&j.share)
	return s.choose(ctx, &j.share)
}

// lacks tells that a host has all of its system but these paths.
func (s *sites) lacks(p *peer, missing []nixserve.PathInfo) {
	without := map[store.Path]bool{}
	for _, info := range missing {
		without[info.Path] = true
	}
	var has []store.Path
	for path := range p.closure {
		if !without[path] {
			has = append(has, path)
		}
	}
	s.has(p, has...)
}

// has tells that a host has more paths.
func (s *sites) has(p *peer, paths ...store.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.state != getting {
		return
	}
	for _, path := range paths {
		p.has[path] = true
	}
	broadcast(&p.change)
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
		err := p.conn.ask().ServePeers(lasting, schema.PeerPort, func(s host.PeerServer) { p.server = s; close(ready) })
		if lasting.Err() == nil {
			stop(fmt.Errorf("it has ended: %v", err))
		}
	}()
	gone := make(chan error, 1)
	go func() { <-p.ended; gone <- context.Cause(lasting) }()
	p.err = p.await(ctx, r.opts.AnswerTimeout, ready, gone)
}

// await waits for an answer of the peer, within a limit.
func (p *peer) await(ctx context.Context, limit time.Duration, answer <-chan struct{}, ended <-chan error) error {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-answer:
		return nil
	case err := <-ended:
		return err
	case <-timeout.C:
		return fmt.Errorf("no answer within %v", limit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// JoinSites gives the plan's hosts their sites, as the fleet's cache says.
func (p *Plan) JoinSites(fleet *schema.Fleet) {
	sites := schema.Sites(fleet)
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Host.Profile == nil {
			s.Site = sites[s.Host.MachineName()]
		}
	}
}
