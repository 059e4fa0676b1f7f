// Package pull is the agent of a host that takes its system from releases in an object store: see package release.
//
//	        ┌────────────── not modified, and settled ──────────────┐
//	head ───┤                                                       ├─▶ nothing to do
//	        └─▶ signature, number, expiry ─▶ part ─▶ wave and gate ─┼─▶ waiting
//	                                                                └─▶ fetch ─▶ activate ─▶ settled ─▶ report
//
//	a := &pull.Agent{Store: s, Keys: keys, Host: "web1", Dir: "/var/lib/muster-agent", Machine: m}
//	result, err := a.Poll(ctx)
//
// Activation is that of a push: the lock on the host, its guard, its health checks and its records are those of package exec.
// What the agent believes does not depend on the store: the number of the last release and the latest time that it has seen
// are kept on the host.
package pull

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/host"
	"muster/exec/objectstore"
	"muster/exec/release"
	"muster/exec/sshsig"
)

// A Machine is the host that the agent runs on.
type Machine interface {
	// Look returns what the host is on, and its deployments, the newest last.
	Look(ctx context.Context) (host.State, []host.Deployment, error)
	// Fetch brings a system to the host's store, by way of the agent's store. Every path must be signed by one of the keys.
	Fetch(ctx context.Context, system store.Path, from objectstore.Store, keys []archive.PublicKey) error
	// Activate carries out a plan of one step. Where the new system has to be reached, reachable says whether it can.
	Activate(ctx context.Context, plan *exec.Plan, who string, reachable func(context.Context) error) exec.Outcome
}

// An Agent takes releases for one host.
type Agent struct {
	Store   objectstore.Store
	Keys    []archive.PublicKey
	Host    string
	Dir     string // of what is kept between polls
	Machine Machine
	Signers []*sshsig.Key    // the host's SSH host keys, which sign what it reports
	Inbox   Inbox            // takes reports; nil for the store
	Version string           // of muster, for reports
	Fresh   time.Duration    // how long a gate is believed; the time between polls is right
	Now     func() time.Time // nil is time.Now
}

// Who begins what the agent's deployments are recorded under.
const Who = "muster agent: "

// maxAttempts is how often the activation of one release is begun.
const maxAttempts = 3

// ahead is how far the time of a deployment may be ahead of the clock.
const ahead = 24 * time.Hour

// heartbeat is how old the last report may become.
const heartbeat = 6 * time.Hour

// A Result is what a poll came to.
type Result struct {
	Status release.Status // "" where there was no news
	Number int64
	Text   string // in words
}

// The errors about releases that are not taken.
var (
	ErrReplayed = errors.New("it is older than one that the host has taken")
	ErrExpired  = errors.New("it has expired")
)

// Poll looks at the store once, and takes what is there for the host. Its error is about the store or about a release that is
// refused; what becomes of an activation is in the result.
func (a *Agent) Poll(ctx context.Context) (Result, error) {
	unlock, err := a.lock()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	p := &poll{Agent: a, outbox: a.unsent()}
	if p.memory, err = a.recall(); err != nil {
		return Result{}, err
	}
	return p.run(ctx)
}

// lock lets one agent work at a time.
func (a *Agent) lock() (unlock func(), err error) {
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep the agent's state: %w", err)
	}
	f, err := os.OpenFile(a.Dir+"/lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep the agent's state: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another agent is at work in %s", a.Dir)
	}
	return func() { f.Close() }, nil
}

// A poll is one look at the store.
type poll struct {
	*Agent
	memory *memory
	outbox *outbox
	head   *release.Head
	part   *release.Part
	seen   host.State // before anything is done
}

// now is the time by the host's clock, or the latest that a release has shown: a clock that was set back revives no release.
func (p *poll) now() time.Time {
	if t := p.clock(); t.After(p.memory.Latest) {
		return t
	}
	return p.memory.Latest
}

// clock is the time by the host's clock.
func (p *poll) clock() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *poll) run(ctx context.Context) (Result, error) {
	err := p.readHead(ctx)
	if err != nil {
		if !errors.Is(err, objectstore.ErrUnreachable) && ctx.Err() == nil {
			p.reportProblem(ctx, err)
		}
		return Result{}, err
	}
	if p.memory.Status.Settled() {
		err := p.reportAgain(ctx)
		return Result{Number: p.head.Number, Text: fmt.Sprintf("release %d: nothing to do", p.head.Number)}, err
	}
	out := p.take(ctx)
	return p.settle(ctx, out)
}

// readHead reads the head of the release in the store, or that of the last poll where it has not changed.
func (p *poll) readHead(ctx context.Context) error {
	kept := p.keptHead()
	etag := ""
	if kept != nil {
		etag = p.memory.ETag
	}
	text, etag, err := objectstore.Read(ctx, p.Store, release.HeadKey, objectstore.ReadOptions{Limit: release.MaxHead, ETag: etag})
	switch {
	case errors.Is(err, objectstore.ErrNotModified) && kept != nil:
		p.head = kept
		return p.inTime(kept)
	case errors.Is(err, objectstore.ErrNotFound):
		return fmt.Errorf("%s: no release has been published there", p.Store)
	case err != nil:
		return err
	}
	h, err := release.OpenHead(text, p.Keys)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Store, err)
	}
	if err := p.admit(h); err != nil {
		return fmt.Errorf("%s: refuse release %d: %w", p.Store, h.Number, err)
	}
	p.head = h
	return p.memory.take(p.Agent, h, text, etag)
}

// admit refuses a release that is older than the last, or another of the same number.
func (p *poll) admit(h *release.Head) error {
	switch m := p.memory; {
	case h.Number < m.Number:
		return fmt.Errorf("%w: number %d", ErrReplayed, m.Number)
	case h.Number == m.Number && h.Dir != m.Dir:
		return fmt.Errorf("%w: number %d was another release", ErrReplayed, m.Number)
	}
	return p.inTime(h)
}

// inTime refuses a release that is not begun any more. One that the host has taken stays.
func (p *poll) inTime(h *release.Head) error {
	if taken := h.Dir == p.memory.Dir && p.memory.Status.Settled(); taken || p.now().Before(h.Until) {
		return nil
	}
	return fmt.Errorf("%w: it was good until %s", ErrExpired, h.Until.UTC().Format(time.RFC3339))
}

// take does what is to be done about the release, and says what has come of it.
func (p *poll) take(ctx context.Context) report {
	if err := p.readPart(ctx); errors.Is(err, objectstore.ErrNotFound) {
		return p.absent(ctx)
	} else if err != nil {
		return retry(err)
	}
	state, deployments, err := p.Machine.Look(ctx)
	if err != nil {
		return retry(err)
	}
	p.seen = state
	if by := p.overtaken(state, deployments); by != "" {
		return report{Status: release.Overtaken, Error: by}
	}
	step, err := p.part.Step()
	if err != nil {
		return retry(err)
	}
	if !state.Has(p.part.System) {
		if gate := p.gate(ctx); gate.Status != "" {
			return gate
		}
		if err := p.Machine.Fetch(ctx, p.part.System, p.Store, p.Keys); err != nil {
			return retry(fmt.Errorf("fetch %s: %w", p.part.System, err))
		}
	}
	// What has been done to the host since it was looked at is not undone.
	step.Expect = &state
	return p.activate(ctx, step)
}

// absent is the report where the store has nothing for the host: that it is not part of the release says the signed list of
// hosts only. A store may show the head of a release before its other documents, or have lost one.
func (p *poll) absent(ctx context.Context) report {
	members, err := p.members(ctx)
	switch {
	case err != nil:
		return retry(err)
	case slices.ContainsFunc(members.Hosts, func(m release.Member) bool { return m.Host == p.Host }):
		return retry(fmt.Errorf("release %d names the host, and the store lacks %s", p.head.Number, p.head.PartKey(p.Host)))
	}
	return report{Status: release.Absent}
}

// gate waits for nothing: where the wave may not begin, the result has a status, and the next poll looks again.
func (p *poll) gate(ctx context.Context) report {
	w := release.Waiter{Store: p.Store, Keys: p.Keys, Members: p.members, Host: p.Host, Signers: p.Signers, Fresh: p.Fresh}
	g, err := w.Gate(ctx, p.head, p.part.Wave, p.now())
	switch {
	case err != nil:
		return retry(fmt.Errorf("look whether wave %d may begin: %w", p.part.Wave+1, err))
	case !g.Open:
		return report{Status: release.Waiting, Error: fmt.Sprintf("for wave %d: %s", p.part.Wave+1, g.Why)}
	}
	return report{}
}

func (p *poll) members(ctx context.Context) (*release.Members, error) {
	text, _, err := objectstore.Read(ctx, p.Store, p.head.MembersKey(), objectstore.ReadOptions{Limit: release.MaxHosts})
	if err != nil {
		return nil, err
	}
	return release.OpenMembers(text, p.head, p.Keys)
}

// readPart reads what the release has for the host.
func (p *poll) readPart(ctx context.Context) error {
	text, _, err := objectstore.Read(ctx, p.Store, p.head.PartKey(p.Host), objectstore.ReadOptions{Limit: release.MaxPart})
	if err != nil {
		return err
	}
	p.part, err = release.OpenPart(text, p.head, p.Host, p.Keys)
	return err
}

// overtaken says what was deployed to the host by other means after the release was made; "" for nothing. A push is not undone
// by an older release. Between releases, the number decides.
func (p *poll) overtaken(state host.State, deployments []host.Deployment) string {
	last := host.Deployment{Run: "none"}
	if len(deployments) > 0 {
		last = deployments[len(deployments)-1]
	}
	// What comes after the first look is newer, whatever the clocks say.
	if p.memory.Found == "" {
		p.memory.Found = last.Run
	}
	ours := last.Run == "none" || strings.HasPrefix(last.Who, Who)
	before := last.Time.Before(p.head.Made) || p.toCome(last.Time)
	if ours || state.Generation.System == p.part.System || last.Run == p.memory.Found && before {
		return ""
	}
	return fmt.Sprintf("run %s (%s) deployed at %s, after release %d was made", last.Run, last.Who, last.Time.UTC().Format(time.RFC3339), p.head.Number)
}

// toCome reports whether a time is one that a clock which was ahead has left: it would keep releases away until it comes. By a
// clock that is behind a release, nothing is said.
func (p *poll) toCome(t time.Time) bool {
	return !p.clock().Before(p.memory.Latest) && t.After(p.clock().Add(ahead))
}

// activate activates the system as a push does. An activation that was killed is begun again, and not for ever.
func (p *poll) activate(ctx context.Context, step exec.Step) report {
	m := p.memory
	if m.Attempts >= maxAttempts {
		return report{Status: release.Failed, Error: fmt.Sprintf("it was begun %d times and never ended", m.Attempts)}
	}
	if m.Run == "" {
		m.Run = exec.NewRunID()
	}
	m.Attempts++
	if err := m.keep(p.Agent); err != nil {
		return retry(err)
	}
	plan := &exec.Plan{Run: m.Run, Action: exec.Switch, Dir: "/", Steps: []exec.Step{step}}
	o := p.Machine.Activate(ctx, plan, fmt.Sprintf("%srelease %d", Who, p.head.Number), p.reachable)
	r := report{Running: o.Running, Boots: o.Boots, Generation: o.After.Number, Reboot: o.NeedsReboot, Error: o.Error}
	if o.Error != "" && o.Stage != "" {
		r.Error = fmt.Sprintf("%s: %s", o.Stage, o.Error)
	}
	switch {
	case o.Status == exec.Activated:
		r.Status = release.Activated
	case o.Status == exec.Unchanged:
		r.Status = release.Unchanged
		r.Running, r.Boots = o.Before.Current, o.Before.Boots
	case o.Status == exec.RolledBack:
		r.Status = release.RolledBack
	case o.Interrupted || !o.Stage.InActivation():
		r.Status = release.Retrying
		m.Attempts--
	default:
		r.Status = release.Failed
	}
	return r
}

// reachable is what a push tries by a new connection: whether the new system still reaches the store, from which the next
// release has to come. A store that answers anything is reached.
func (p *poll) reachable(ctx context.Context) error {
	_, _, err := objectstore.Read(ctx, p.Store, release.HeadKey, objectstore.ReadOptions{Limit: release.MaxHead, ETag: p.memory.ETag})
	if errors.Is(err, objectstore.ErrUnreachable) || ctx.Err() != nil {
		return fmt.Errorf("the store is out of reach: %w", err)
	}
	return nil
}
