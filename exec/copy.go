package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"muster/compile/store"
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

// A daemoned is a machine whose nix-daemon can be talked to.
type daemoned interface {
	// Daemon starts nix-daemon --stdio.
	Daemon(ctx context.Context) (nixserve.Stream, error)
}

// A packer is a machine that can take what is copied to it compressed.
type packer interface {
	// ServePacked starts zstd -d | nix-store --serve --write, or fails with
	// transfer.ErrNoZstd.
	ServePacked(ctx context.Context) (nixserve.Stream, error)
	// HeldUp is for how long the network alone has held up what was to be sent.
	HeldUp() (time.Duration, bool)
}

// copy sends the host what it lacks of its system.
func (j *job) copy(ctx context.Context) error {
	if j.settled() {
		return nil
	}
	paths := j.step.Paths
	if j.action != CopyPaths {
		paths = []store.Path{j.step.System.Out}
		if j.buildsThere() { // and has it
			j.out.Status = Copied
			return nil
		}
	}
	if err := j.send(ctx, paths); err != nil {
		return err
	}
	if j.action != CopyPaths {
		if err := j.verify(ctx); err != nil {
			return err
		}
	}
	j.out.Status = Copied
	return nil
}

// verifyScript looks at what system $1 is made of and the running one is not.
// Where that is more than the $2 paths that were sent just now, the rest was
// there: from an attempt that a power cut may have ended before all of it was on
// the disk. It prints what is not as it was registered.
const verifyScript = `
PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/bin:/bin
current=
[ ! -e /run/current-system ] || current=$(readlink -f /run/current-system)
if [ "$current" = "$1" ]; then exit; fi
set -f
all=$(nix-store --query --requisites "$1") || exit
have=
[ -z "$current" ] || have=" $(nix-store --query --requisites "$current" 2>/dev/null | tr '\n' ' ')"
n=$2
set --
for p in $all; do case $have in *" $p "*) ;; *) set -- "$@" "$p" ;; esac; done
if [ $# -le "$n" ]; then exit; fi
nix-store --verify-path "$@" 2>&1 || exit 3
`

// verify finds out whether the host has the whole of its system, as far as that
// was not sent by this run and is not what it runs anyway.
func (j *job) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, j.opts.ActivateTimeout, fmt.Errorf("not done after %v", j.opts.ActivateTimeout))
	defer cancel()
	var said bytes.Buffer
	err := j.current().Run(ctx, []string{"/bin/sh", "-c", verifyScript, "sh", string(j.step.System.Out), strconv.Itoa(j.out.Paths)}, &said, nil)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case said.Len() > 0:
		return fmt.Errorf("%w: %s", ErrDamaged, oneLine(said.String()))
	}
	return fmt.Errorf("verify what the host had of it already: %w", err)
}

// ErrDamaged says that paths of a host's store are not what they were made as.
var ErrDamaged = errors.New("the host's store is damaged")

// send copies closures to the host in the way the options say.
func (j *job) send(ctx context.Context, paths []store.Path) error {
	o := &j.opts.Copy
	m, ok := j.current().(daemoned)
	ok = ok && o.Daemon != nil
	if ok && o.Always {
		return j.carry(ctx, m, paths)
	}
	_, err := j.deliver(ctx, Copy, paths)
	if !ok || !refusesServe(err) {
		return err
	}
	j.note(Finding{Check: "nix", Text: fmt.Sprintf("%v; copying through its daemon", err)})
	if elseErr := j.carry(ctx, m, paths); elseErr != nil {
		return fmt.Errorf("%w; through its daemon: %w", err, elseErr)
	}
	return nil
}

// note tells of something that is not as it should be, and goes on.
func (j *job) note(f Finding) {
	j.out.Findings = append(j.out.Findings, f)
	j.opts.Sink(Found{Host: j.step.Host.Name, Finding: f})
}

// refusesServe reports whether a host has no nix-store --serve to talk to,
// though it may have a daemon.
func refusesServe(err error) bool {
	return errors.Is(err, nixserve.ErrNotServe) || errors.Is(err, nixserve.ErrTooOld) || errors.Is(err, nixserve.ErrRefused)
}

// carry copies closures through the host's daemon. Its sessions stay open until
// the host is done, and with them the daemon's locks on what was copied.
func (j *job) carry(ctx context.Context, m daemoned, paths []store.Path) error {
	lasting, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	j.onClose(func() { stop(nil) })
	open := func(context.Context) (nixserve.Stream, error) {
		s, err := m.Daemon(lasting)
		if err == nil {
			j.onClose(func() { s.Close() })
		}
		return s, err
	}
	j.out.changed = true
	err := j.opts.Copy.Daemon(ctx, open, paths, j.step.Host.Substitute, j.said(Copy))
	if err != nil {
		return hinted(nixserve.Recognise(err))
	}
	return nil
}

// fetch has the host fetch what it lacks from the cache, filled with it before.
func (j *job) fetch(ctx context.Context, stage Stage, paths []store.Path) error {
	cache := j.opts.Copy.Cache
	if err := cache.Push(ctx, paths, j.said(stage)); err != nil {
		return err
	}
	j.out.changed = true
	for _, argv := range cache.Pull(paths) {
		lines := &lineWriter{line: j.said(stage)}
		err := j.current().Run(ctx, argv, nil, lines)
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

// deliver copies closures to the host over its connection. The session it
// returns stays open until the host is done: as long as it is, nothing that
// was copied can be collected as garbage.
func (j *job) deliver(ctx context.Context, stage Stage, paths []store.Path) (*nixserve.Client, error) {
	// The session lives in this context, and longer than this stage.
	ctx, stop := context.WithCancelCause(ctx)
	j.onClose(func() { stop(nil) })
	var fetch func(context.Context) error
	if j.opts.Copy.Cache != nil {
		fetch = func(ctx context.Context) error { return j.fetch(ctx, stage, paths) }
	}
	dst, stats, err := j.link().Copy(ctx, j.opts.Source, paths, transfer.Options{
		Fetch:       fetch,
		Substitute:  j.step.Host.Substitute,
		Compression: j.opts.Copy.Pack,
		Progress: func(p transfer.Progress) {
			// The first report comes before anything is sent.
			if free := j.facts.Space; p.Bytes == 0 && free > 0 && p.TotalBytes > free {
				stop(fmt.Errorf("%s to copy, and only %s free for /nix/store", bytesText(p.TotalBytes), bytesText(free)))
			}
			j.opts.Sink(Progressed{Host: j.step.Host.Name, Stage: stage, Done: p.Bytes, Total: p.TotalBytes})
		},
	})
	if dst != nil {
		j.onClose(func() { dst.Close() })
	}
	j.out.Paths += stats.Sent
	j.out.Bytes += stats.SentBytes
	j.out.changed = j.out.changed || stats.Sent > 0
	return dst, hinted(err)
}

// link is the way to the host's store.
func (j *job) link() *transfer.Link {
	l := &transfer.Link{Serve: j.machine.Serve}
	if p, ok := j.machine.(packer); ok {
		l.ServeCompressed, l.HeldUp = p.ServePacked, p.HeldUp
	}
	if j.opts.Copy.Rate != nil {
		l.Limits = append(l.Limits, j.opts.Copy.Rate)
	}
	rate := j.opts.Copy.HostRate
	if own := j.step.Host.LimitRate; own > 0 {
		rate = own
	}
	if rate > 0 {
		l.Limits = append(l.Limits, transfer.NewLimiter(rate))
	}
	return l
}
