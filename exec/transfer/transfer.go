package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// Options say how to copy. The zero value sends everything that is missing.
type Options struct {
	Substitute  bool        // let the destination fetch what it can from its own binary caches first
	Compression Compression // when to compress
	// Fetch brings what is missing, of which it is told, in another way before anything is sent. What it leaves out is sent. It is not called
	// when nothing is missing. May be nil.
	Fetch func(ctx context.Context, missing []nixserve.PathInfo) error
	// Confirmed is called for each path that was sent and that the destination has registered, never concurrently. May be nil.
	Confirmed func(nixserve.PathInfo)
	Progress  func(Progress) // called as bytes are written and paths confirmed, never concurrently; may be nil
	// Answer is how long the destination may take to answer a question. Substitution takes as long as it takes, up to
	// substituteLimit. 0: no limit.
	Answer time.Duration
	// Stall is how long less than stallBytes may be sent, and no path confirmed. 0: no limit.
	Stall time.Duration
}

// Progress tells how far one copy has come. Its totals are what the destination lacks.
type Progress struct {
	Paths, TotalPaths int   // confirmed by the destination
	Bytes, TotalBytes int64 // of archives, written to the connection
}

// Stats sum up a copy.
type Stats struct {
	Closure      int   // paths in the closure
	ClosureBytes int64 // of their archives
	Missing      int   // paths that the destination lacked
	MissingBytes int64
	Sent         int // paths that the destination confirmed; fewer than Missing only with an error
	SentBytes    int64
	Compressed   bool // whether some were sent compressed
}

// A transfer is a copy in progress.
type transfer struct {
	src        Source
	substitute bool
	fetch      func(context.Context, []nixserve.PathInfo) error
	roots      []store.Path
	closure    []nixserve.PathInfo
	missing    []nixserve.PathInfo // what the destination still lacks
	stats      Stats
	progress   progress
	registered func(nixserve.PathInfo) // may be nil
	throughput *throughputMonitor      // nil: not monitored
	limits     limits
}

func newTransfer(src Source, opts Options) *transfer {
	return &transfer{src: src, substitute: opts.Substitute, fetch: opts.Fetch, progress: progress{report: opts.Progress}, registered: opts.Confirmed,
		limits: limits{answer: opts.Answer, stall: opts.Stall}}
}

// find finds the closure of paths.
func (t *transfer) find(ctx context.Context, paths []store.Path) (err error) {
	t.roots = paths
	if t.closure, err = t.src.Closure(ctx, paths); err != nil {
		return fmt.Errorf("find closure: %w", err)
	}
	t.stats.Closure, t.stats.ClosureBytes = len(t.closure), nixserve.TotalSize(t.closure)
	return nil
}

// compare finds out what of the closure is missing, and locks all of it. It fetches what can be fetched.
func (t *transfer) compare(ctx context.Context, dst *nixserve.Client) error {
	if err := t.findMissing(ctx, dst); err != nil {
		return err
	}
	if fetch := t.fetch; fetch != nil && len(t.missing) > 0 {
		t.fetch, t.substitute = nil, false
		if err := fetch(ctx, t.missing); err != nil {
			return err
		}
		if err := t.findMissing(ctx, dst); err != nil {
			return err
		}
	}
	t.stats.Missing = t.stats.Sent + len(t.missing)
	t.stats.MissingBytes = t.stats.SentBytes + nixserve.TotalSize(t.missing)
	t.progress.begin(Progress{
		Paths: t.stats.Sent, TotalPaths: t.stats.Missing,
		Bytes: t.stats.SentBytes, TotalBytes: t.stats.MissingBytes,
	})
	return nil
}

// findMissing asks what is missing. It asks about the roots first: a valid path has a valid closure, and a lock on it
// keeps all of that. Where a system is there already, this asks about one path instead of a thousand.
func (t *transfer) findMissing(ctx context.Context, dst *nixserve.Client) error {
	t.missing = nil
	lacks, err := t.lacking(ctx, dst, t.roots)
	if err != nil || len(lacks) == 0 {
		return err
	}
	all := make([]store.Path, len(t.closure))
	for i, info := range t.closure {
		all[i] = info.Path
	}
	if lacks, err = t.lacking(ctx, dst, all); err != nil {
		return err
	}
	for _, info := range t.closure {
		if lacks[info.Path] {
			t.missing = append(t.missing, info)
		}
	}
	return nil
}

// lacking is the set of those paths that the destination lacks. All of them are locked there.
func (t *transfer) lacking(ctx context.Context, dst *nixserve.Client, paths []store.Path) (map[store.Path]bool, error) {
	ctx, cancel := t.limits.question(ctx, len(paths), t.substitute)
	defer cancel()
	valid, err := dst.QueryValidPaths(ctx, paths, true, t.substitute)
	if err != nil {
		return nil, err
	}
	lacks := make(map[store.Path]bool, len(paths))
	for _, p := range paths {
		lacks[p] = true
	}
	for _, p := range valid {
		delete(lacks, p)
	}
	return lacks, nil
}

// send sends what is missing.
func (t *transfer) send(ctx context.Context, dst *nixserve.Client, w *window) error {
	nar := func(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
		if t.throughput != nil {
			t.throughput.path = 0
		}
		return t.src.NAR(ctx, info, &progressWriter{w: w, t: t})
	}
	ctx, stop := t.limits.watch(ctx)
	defer stop()
	n, err := dst.Send(ctx, t.missing, nar, w)
	t.stats.Sent += n
	t.stats.SentBytes += nixserve.TotalSize(t.missing[:n])
	t.missing = t.missing[n:]
	return err
}

// confirmed is called for each path that the destination has registered.
func (t *transfer) confirmed(info nixserve.PathInfo) {
	t.limits.moved.Add(stallBytes)
	t.progress.add(1, 0)
	if t.registered != nil {
		t.registered(info)
	}
}

// A progress counts for two goroutines: one writes archives, the other reads confirmations.
type progress struct {
	report func(Progress) // may be nil

	mu  sync.Mutex
	now Progress
}

func (p *progress) begin(now Progress) {
	p.mu.Lock()
	p.now = now
	p.mu.Unlock()
	p.add(0, 0)
}

func (p *progress) add(paths int, bytes int64) {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Paths += paths
	p.now.Bytes += bytes
	p.report(p.now)
}

// A progressWriter counts what is written of an archive. It fails with errSlow when the throughput turns out to be low.
type progressWriter struct {
	w io.Writer
	t *transfer
}

// errSlow ends a transfer that is to be continued compressed.
var errSlow = errors.New("the link is slow")

func (w *progressWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if err == nil {
		err = w.wrote(n)
	}
	return n, err
}

func (w *progressWriter) TakesCompressed() bool { return takesCompressed(w.w) }

func (w *progressWriter) WriteCompressed(size int, frame []byte) error {
	if err := w.w.(nixserve.CompressedWriter).WriteCompressed(size, frame); err != nil {
		return err
	}
	return w.wrote(size)
}

func (w *progressWriter) wrote(n int) error {
	w.t.limits.moved.Add(int64(n))
	w.t.progress.add(0, int64(n))
	if w.t.throughput != nil && w.t.throughput.wrote(n) {
		return errSlow
	}
	return nil
}
