package transfer

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A Link is a way to one destination over which sessions can be opened.
type Link struct {
	// Serve starts nix-store --serve --write there.
	Serve func(context.Context) (nixserve.Stream, error)
	// ServeCompressed starts the same behind zstd -d, or fails with ErrNoZstd. Nil: there is no such thing.
	ServeCompressed func(context.Context) (nixserve.Stream, error)
	// HeldUp is for how long the network alone has held up what was to be sent, since the connection began, if that
	// is known. Nil: it is not.
	HeldUp func() (time.Duration, bool)
	// Limits are what everything sent must keep within.
	Limits []*Limiter

	waited atomic.Int64 // nanoseconds for the limits
}

// Compression says when to compress what is sent.
type Compression int

// The ways to decide.
const (
	CompressAuto   Compression = iota // when the link proves slow, and the destination can undo it
	CompressNever                     // never
	CompressAlways                    // whenever the destination can undo it
)

// ErrNoZstd says that the destination has no zstd program.
var ErrNoZstd = errors.New("zstd was not found")

// minPacked is the least number of bytes to compress that is worth a session of its own.
const minPacked = 1 << 20

// Copy makes paths and all they refer to valid in the destination, sending only what it lacks. The session it returns,
// nil only with an error, holds the locks: see the function Copy.
//
// A copy begins uncompressed, because compressing costs more than it saves on a fast link. When it proves slow, it
// begins again with what is still missing, compressed.
func (l *Link) Copy(ctx context.Context, src Source, paths []store.Path, opts Options) (*nixserve.Client, Stats, error) {
	t := newTransfer(src, opts)
	found := make(chan error, 1)
	go func() { found <- t.find(ctx, paths) }()
	dst, w, err := l.open(ctx, t)
	findErr := <-found
	if err != nil {
		return nil, t.stats, err
	}
	if err = findErr; err == nil {
		err = t.compare(ctx, dst)
	}
	if err != nil || len(t.missing) == 0 {
		return dst, t.stats, err
	}
	if l.ServeCompressed == nil || opts.Compression == CompressNever || t.stats.MissingBytes < minPacked {
		return dst, t.stats, t.send(ctx, dst, w)
	}

	var packed nixserve.Stream
	if opts.Compression == CompressAuto {
		t.pace = &pace{link: l, left: t.stats.MissingBytes, pack: func() bool {
			packed, err = l.ServeCompressed(ctx)
			return err == nil
		}}
		err := t.send(ctx, dst, w)
		t.pace = nil
		if packed == nil || !errors.Is(err, errSlow) {
			return dst, t.stats, err
		}
		// The session ended in the middle of a path, and its locks with it.
		dst.Close()
		t.substitute = false
		if dst, w, err = l.open(ctx, t); err == nil {
			err = t.compare(ctx, dst)
		}
		if err != nil {
			packed.Close()
			return dst, t.stats, err
		}
	} else if packed, err = l.ServeCompressed(ctx); errors.Is(err, ErrNoZstd) {
		return dst, t.stats, t.send(ctx, dst, w)
	} else if err != nil {
		return dst, t.stats, err
	}

	t.stats.Compressed = true
	compressed := nixserve.NewOneWay(&compressedStream{Stream: Limit(packed, &l.waited, l.Limits...)})
	err = t.send(ctx, compressed, &window{confirmed: t.confirmed})
	if closeErr := compressed.Close(); err == nil {
		err = closeErr
	}
	return dst, t.stats, err
}

// open starts a session for a transfer.
func (l *Link) open(ctx context.Context, t *transfer) (*nixserve.Client, *window, error) {
	s, err := l.Serve(ctx)
	if err != nil {
		return nil, nil, err
	}
	s = Limit(s, &l.waited, l.Limits...)
	dst, err := nixserve.New(ctx, s)
	return dst, newWindow(s, t.confirmed), err
}

// A pace watches how fast a transfer goes, stretch by stretch, until it has once found it slow.
type pace struct {
	link *Link
	left int64       // bytes still to write
	path int64       // bytes of the current path written: they are lost with another session
	pack func() bool // makes ready for compression, if that is possible

	began   time.Time // of the transfer
	ahead   int64     // bytes written before the measurement
	from    time.Time // of the stretch
	waits   waits     // when it began
	cpu     cpuTime
	bytes   int64 // of the stretch
	slow    int   // stretches in a row that were
	decided bool
}

const (
	// sshWindow is how many bytes a connection takes before any has arrived (OpenSSH's channels.h,
	// CHAN_SES_WINDOW_DEFAULT): they say nothing about its speed.
	sshWindow = 2 << 20
	// A link is slow if it carries less than this many bytes a second: compressing takes as long as sending then.
	slowRate = 50e6
	// A stretch is so long, and holds so much; or a second, however little that is.
	measureTime  = 100 * time.Millisecond
	measureBytes = 4 << 20
	giveUpTime   = time.Second
	// slowWhenBusy is how many stretches in a row must be slow on a machine that has no time: now and then the network
	// seems to hold up what the machine itself does.
	slowWhenBusy = 3
)

// wrote counts and tells, once, whether the transfer should begin again, compressed.
func (p *pace) wrote(n int) bool {
	if p.decided {
		return false
	}
	now := time.Now()
	p.left -= int64(n)
	p.path += int64(n)
	switch {
	case p.began.IsZero():
		p.began = now
		p.look()
		return false
	case p.from.IsZero():
		p.ahead += int64(n)
		if p.ahead >= sshWindow {
			p.from = now
			p.look()
		} else if now.Sub(p.began) > giveUpTime {
			p.from, p.bytes = p.began, p.ahead
		} else {
			return false
		}
	default:
		p.bytes += int64(n)
	}
	took := now.Sub(p.from)
	if took < measureTime || p.bytes < measureBytes && took < giveUpTime {
		return false
	}
	s := stretch{took: took, bytes: p.bytes, busy: busySince(p.cpu)}
	before := p.waits
	p.look()
	s.limited = p.waits.limits - before.limits
	s.held, s.knows = p.waits.held-before.held, p.waits.knows && before.knows
	p.from, p.bytes = now, 0
	if p.slow++; !s.slow(p.left) {
		p.slow = 0
	}
	if p.path > p.left || p.slow == 0 || s.busy && !s.byLimit() && p.slow < slowWhenBusy {
		return false // it may be in the next path
	}
	p.decided = true
	return p.pack()
}

// A stretch is what was seen of a transfer for a while.
type stretch struct {
	took    time.Duration
	bytes   int64
	held    time.Duration // for how long the network alone held it up
	knows   bool          // whether that is known
	limited time.Duration // for how long the limits did
	busy    bool          // this machine's processors had nothing left
}

// slow reports whether what is left is better compressed: the link carries little, and it is the link that does not carry
// more. A slow receiver, or a sender that has no time, gains nothing.
func (s stretch) slow(left int64) bool {
	rate := float64(s.bytes) / s.took.Seconds()
	switch {
	case left < minPacked || float64(left)/rate < 0.5, rate > slowRate:
		return false
	case s.byLimit():
		return true
	case s.knows:
		return s.mostly(s.held)
	}
	return !s.busy
}

// byLimit reports whether it is a limit that does not let more through. Unlike the network's, its part is known exactly,
// however busy the machine is.
func (s stretch) byLimit() bool { return s.mostly(s.limited) }

// mostly reports whether waiting took so much of the stretch that it is the reason for its rate.
//
// Measured for the network: 0.62 and more over links of 20 ms and of 200 Mbit/s; where processors are the limit 0.2, and in
// 7 of 1,100 stretches more than 0.6.
func (s stretch) mostly(waiting time.Duration) bool { return waiting >= s.took*3/5 }

// waits are for how long what was to be sent has been held up, since the connection began.
type waits struct {
	limits time.Duration // by the limits
	held   time.Duration // by the network alone
	knows  bool          // whether that is known
}

// look notes where a stretch begins.
func (p *pace) look() {
	p.waits = waits{limits: time.Duration(p.link.waited.Load())}
	if p.link.HeldUp != nil {
		p.waits.held, p.waits.knows = p.link.HeldUp()
	}
	p.cpu, _ = readCPU()
}
