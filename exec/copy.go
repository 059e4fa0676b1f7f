package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/compile/store"
	"muster/exec/human"
	"muster/exec/nixserve"
	"muster/exec/transfer"
)

// CopyOptions say how closures are sent. The zero value sends them as fast as
// it goes.
type CopyOptions struct {
	Rate     *transfer.Limiter    // for all hosts together; nil is no limit
	HostRate int64                // bytes per second to one host that has no limit of its own; 0 is no limit
	Pack     transfer.Compression // whether to compress
	Daemon   Carrier              // copies to a host that does not speak nix-store --serve; nil: that is a failure
	Always   bool                 // Daemon copies to every host
	Cache    *Cache               // what hosts lack comes from there; nil: from here
}

// A Carrier copies closures through the nix-daemon of a host, which open
// starts. Lines of it go to log.
type Carrier func(ctx context.Context, open func(context.Context) (nixserve.Stream, error), paths []store.Path, substitute bool, log func(line string)) error

// A Cache is a binary cache between this machine and the hosts, so that what
// many of them lack leaves this machine once.
type Cache struct {
	URL string // as users are told it
	// Push makes closures valid there.
	Push func(ctx context.Context, paths []store.Path, log func(line string)) error
	// Pull are the commands by which a host fetches closures.
	Pull func(paths []store.Path) [][]string
}

// A daemonMachine is a machine whose nix-daemon can be talked to.
type daemonMachine interface {
	// Daemon starts nix-daemon --stdio.
	Daemon(ctx context.Context) (nixserve.Stream, error)
}

// A compressingMachine is a machine that can take what is copied to it compressed.
type compressingMachine interface {
	// ServePacked starts zstd -d | nix-store --serve --write, or fails with
	// transfer.ErrNoZstd.
	ServePacked(ctx context.Context) (nixserve.Stream, error)
	// HeldUp is for how long the network alone has held up what was to be sent.
	HeldUp() (time.Duration, bool)
}

// copyClosure sends the host what it lacks of its system.
func copyClosure(ctx context.Context, j *job) error {
	if j.systemUpToDate() || j.bare.booted {
		return nil
	}
	paths := j.step.Paths
	if j.action() != CopyPaths {
		paths = []store.Path{j.step.System.Out}
		if j.buildsOnTarget() { // and has it
			j.out.Status = Copied
			return nil
		}
	}
	dst, err := (&sender{j: j, stage: Copy}).send(ctx, paths)
	if err != nil {
		return err
	}
	if j.action() != CopyPaths {
		if err := verify(ctx, j, dst); err != nil {
			return err
		}
	}
	j.out.Status = Copied
	return nil
}

// verify finds out whether the host has the whole of its system, as far as that
// was not sent by this run and is not what it runs anyway. An earlier attempt has left
// the rest, and a power cut may have ended it before all was on the disk. dst is the
// session with the host's store; nil where it has none.
func verify(ctx context.Context, j *job, dst *nixserve.Client) error {
	limit := j.activateTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	doubtful, err := unaccounted(ctx, j, dst)
	if err != nil {
		return fmt.Errorf("verify the paths that the host had: %w", err)
	}
	if len(doubtful) <= j.out.Paths {
		return nil
	}
	return j.conn.ask().Verify(ctx, j.bare.root, doubtful)
}

// unaccounted are the paths of a host's new system that are not part of what runs.
func unaccounted(ctx context.Context, j *job, dst *nixserve.Client) ([]store.Path, error) {
	infos, err := j.source().Closure(ctx, []store.Path{j.step.System.Out})
	if err != nil {
		return nil, err
	}
	runs := map[store.Path]bool{}
	if current := []store.Path{j.out.Before.Current}; dst != nil && current[0] != "" {
		// The closure of a path that is not valid would end the session.
		valid, err := dst.QueryValidPaths(ctx, current, false, false)
		if err != nil {
			return nil, err
		}
		closure, err := dst.QueryClosure(ctx, valid, false)
		if err != nil {
			return nil, err
		}
		for _, p := range closure {
			runs[p] = true
		}
	}
	if len(runs) > 0 {
		emitPackages(j, slices.Collect(maps.Keys(runs)), pathsOf(infos))
	}
	var rest []store.Path
	for _, info := range infos {
		if !runs[info.Path] {
			rest = append(rest, info.Path)
		}
	}
	return rest, nil
}

// emitPackages tells how the packages of the system that the host gets differ from those
// of the one that it runs.
func emitPackages(j *job, runs, next []store.Path) {
	e := PackagesCompared{Host: j.step.Host.Name}
	e.packages(runs, next)
	for _, list := range []*[]*Package{&e.Changed, &e.Added, &e.Removed} {
		if most := maxPackages / 3; len(*list) > most {
			e.Left += len(*list) - most
			*list = (*list)[:most]
		}
	}
	j.emit(e)
}

// maxPackages is how many packages an event lists.
const maxPackages = 3000

func pathsOf(infos []nixserve.PathInfo) []store.Path {
	paths := make([]store.Path, len(infos))
	for i, info := range infos {
		paths[i] = info.Path
	}
	return paths
}

// A sender sends closures to the host of a job, in the way the options say.
type sender struct {
	j     *job
	stage Stage // that its lines and its progress belong to
}

// send sends closures over nix-store --serve or, where the host has none,
// through its nix-daemon. It returns the session with the host's store, which stays
// open; nil after the daemon.
func (s *sender) send(ctx context.Context, paths []store.Path) (*nixserve.Client, error) {
	o := &s.j.run.opts.Copy
	m, ok := s.j.conn.machine().(daemonMachine)
	ok = ok && o.Daemon != nil && s.j.built == nil // the daemon's copies are from here
	if ok && o.Always {
		return nil, s.throughDaemon(ctx, m, paths)
	}
	dst, err := s.serve(ctx, paths)
	if !ok || !refusesServe(err) {
		return dst, err
	}
	s.j.note(Finding{Check: "nix", Text: fmt.Sprintf("%v; copying through its daemon", err)})
	if again := s.throughDaemon(ctx, m, paths); again != nil {
		return nil, fmt.Errorf("%w; through its daemon: %w", err, again)
	}
	return nil, nil
}

// refusesServe reports whether a host has no nix-store --serve to talk to,
// though it may have a daemon.
func refusesServe(err error) bool {
	return errors.Is(err, nixserve.ErrNotServe) || errors.Is(err, nixserve.ErrTooOld) || errors.Is(err, nixserve.ErrRefused)
}

// throughDaemon copies closures through the host's daemon. Its sessions stay open
// until the host is done, and with them the daemon's locks on what was copied.
func (s *sender) throughDaemon(ctx context.Context, m daemonMachine, paths []store.Path) error {
	lasting, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	s.j.conn.onClose(func() { stop(nil) })
	open := func(context.Context) (nixserve.Stream, error) {
		session, err := m.Daemon(lasting)
		if err == nil {
			s.j.conn.onClose(func() { session.Close() })
		}
		return session, err
	}
	s.j.out.changed = true
	err := s.j.run.opts.Copy.Daemon(ctx, open, paths, s.j.step.Host.Substitute, s.j.said(s.stage))
	if err != nil {
		return hinted(nixserve.Recognise(err))
	}
	return nil
}

// fromCache has the host fetch what it lacks from the cache, which is filled with
// it first.
func (s *sender) fromCache(ctx context.Context, paths []store.Path) error {
	cache := s.j.run.opts.Copy.Cache
	if err := cache.Push(ctx, paths, s.j.said(s.stage)); err != nil {
		return err
	}
	s.j.out.changed = true
	ctx, cancel := context.WithTimeoutCause(ctx, workLimit, errWorkLimit)
	defer cancel()
	for _, argv := range cache.Pull(paths) {
		lines := &lineWriter{line: s.j.said(s.stage)}
		err := s.j.conn.machine().Run(ctx, argv, nil, lines)
		lines.close()
		if err != nil {
			return fmt.Errorf("pull from %s: %w", cache.URL, hinted(nixserve.Recognise(err)))
		}
	}
	return nil
}

// hinted adds to an error what can be done about it, where that is known.
func hinted(err error) error {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return fmt.Errorf("%w (%s)", err, h.Hint())
	}
	return err
}

// serve copies closures to the host over its connection. The session it returns
// stays open until the host is done: as long as it is, nothing that was copied can
// be collected as garbage.
func (s *sender) serve(ctx context.Context, paths []store.Path) (*nixserve.Client, error) {
	// The session lives in this context, and longer than this stage.
	ctx, stop := context.WithCancelCause(ctx)
	s.j.conn.onClose(func() { stop(nil) })
	o := &s.j.run.opts
	var fetch func(context.Context, []nixserve.PathInfo) error
	var confirmed func(nixserve.PathInfo)
	switch {
	case o.Copy.Cache != nil && s.j.built == nil: // which is filled from here
		fetch = func(ctx context.Context, _ []nixserve.PathInfo) error { return s.fromCache(ctx, paths) }
	case s.j.share.self != nil && s.stage == Copy:
		fetch = s.fromPeers
		confirmed = func(info nixserve.PathInfo) { s.j.run.sites.has(s.j.share.self, info.Path) }
	}
	dst, stats, err := s.link().Copy(ctx, s.j.source(), paths, transfer.Options{
		Fetch:       fetch,
		Answer:      o.AnswerTimeout,
		Stall:       o.ActivateTimeout,
		Substitute:  s.j.step.Host.Substitute,
		Compression: o.Copy.Pack,
		Confirmed:   confirmed,
		Progress: func(p transfer.Progress) {
			// The first report comes before anything is sent.
			if free := s.j.seen.Facts.Space; p.Bytes == 0 && free > 0 && p.TotalBytes > free {
				stop(fmt.Errorf("%s to copy, and only %s free for /nix/store", human.Bytes(p.TotalBytes), human.Bytes(free)))
			}
			s.j.emit(Progressed{Host: s.j.step.Host.Name, Stage: s.stage, Done: p.Bytes, Total: p.TotalBytes})
		},
	})
	if dst != nil {
		s.j.conn.onClose(func() { dst.Close() })
	}
	s.j.out.Paths += stats.Sent
	s.j.out.Bytes += stats.SentBytes
	s.j.out.changed = s.j.out.changed || stats.Sent > 0
	return dst, hinted(err)
}

// link is the way to the host's store.
func (s *sender) link() *transfer.Link {
	m, o := s.j.conn.machine(), &s.j.run.opts.Copy
	l := &transfer.Link{Serve: m.Serve}
	if p, ok := m.(compressingMachine); ok {
		l.ServeCompressed, l.HeldUp = p.ServePacked, p.HeldUp
	}
	if o.Rate != nil {
		l.Limits = append(l.Limits, o.Rate)
	}
	if rate := cmp.Or(max(s.j.step.Host.LimitRate, 0), o.HostRate); rate > 0 {
		l.Limits = append(l.Limits, transfer.NewLimiter(rate))
	}
	return l
}
