package nixserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"muster/compile/store"
)

// CopyOptions say how to copy. The zero value copies everything that is missing.
type CopyOptions struct {
	Substitute bool // let the destination fetch what it can from its own binary caches first
	Pack       Pack // whether to compress; for Link.Copy only
	// Fetch brings what is missing in another way before anything is sent; what it leaves out is sent. It is not
	// called when nothing is missing. May be nil.
	Fetch    func(context.Context) error
	Progress func(Progress) // called as bytes are written and paths confirmed, never twice at the same time
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
	Missing      int   // paths the destination lacked
	MissingBytes int64
	Sent         int // paths it confirmed; less than Missing only with an error
	SentBytes    int64
	Packed       bool // whether they went compressed
}

// Copy makes paths and all they refer to valid in the destination, sending only what it lacks. Both what it has and
// what it is sent are locked against its garbage collector until dst is closed.
//
// After an error the destination holds whole valid paths only, and a second Copy over a new session sends the rest.
func Copy(ctx context.Context, src Source, dst *Client, paths []store.Path, opts CopyOptions) (Stats, error) {
	t := newTransfer(src, opts)
	if err := t.find(ctx, paths); err != nil {
		return t.stats, err
	}
	if err := t.compare(ctx, dst); err != nil {
		return t.stats, err
	}
	return t.stats, t.send(ctx, dst)
}

func newTransfer(src Source, opts CopyOptions) *transfer {
	return &transfer{src: src, substitute: opts.Substitute, fetch: opts.Fetch, progress: progress{report: opts.Progress}}
}

// A transfer is a copy under way: what is to be there, what is missing there, what was sent.
type transfer struct {
	src        Source
	substitute bool
	fetch      func(context.Context) error
	roots      []store.Path
	closure    []PathInfo
	missing    []PathInfo // as it was before anything was sent; later only what still is
	stats      Stats
	progress   progress
	pace       *pace // nil: the speed does not matter
}

// find finds out what must be there in the end.
func (t *transfer) find(ctx context.Context, paths []store.Path) (err error) {
	t.roots = paths
	if t.closure, err = t.src.Closure(ctx, paths); err != nil {
		return fmt.Errorf("find closure: %w", err)
	}
	t.stats.Closure, t.stats.ClosureBytes = len(t.closure), sumNARs(t.closure)
	return nil
}

// compare finds out what is missing, and locks all of the closure.
func (t *transfer) compare(ctx context.Context, dst *Client) error {
	if err := t.ask(ctx, dst); err != nil {
		return err
	}
	if fetch := t.fetch; fetch != nil && len(t.missing) > 0 {
		t.fetch, t.substitute = nil, false
		if err := fetch(ctx); err != nil {
			return err
		}
		if err := t.ask(ctx, dst); err != nil {
			return err
		}
	}
	t.stats.Missing = t.stats.Sent + len(t.missing)
	t.stats.MissingBytes = t.stats.SentBytes + sumNARs(t.missing)
	t.progress.begin(Progress{Paths: t.stats.Sent, TotalPaths: t.stats.Missing, Bytes: t.stats.SentBytes, TotalBytes: t.stats.MissingBytes})
	return nil
}

// ask asks what is missing. What is valid has a valid closure, and a lock on it is one on all of that: most of what is
// deployed again is there, and then one path is asked about and not a thousand.
func (t *transfer) ask(ctx context.Context, dst *Client) error {
	t.missing = nil
	lacks, err := lacking(ctx, dst, t.roots, t.substitute)
	if err != nil || len(lacks) == 0 {
		return err
	}
	t.missing, err = Missing(ctx, dst, t.closure, t.substitute)
	return err
}

// send sends what is missing.
func (t *transfer) send(ctx context.Context, dst *Client) error {
	nar := func(ctx context.Context, info PathInfo, w io.Writer) error {
		if t.pace != nil {
			t.pace.path = 0
		}
		return t.src.NAR(ctx, info, &progressWriter{w: w, t: t})
	}
	n, err := dst.Send(ctx, t.missing, nar, func(PathInfo) { t.progress.add(1, 0) })
	t.stats.Sent += n
	t.stats.SentBytes += sumNARs(t.missing[:n])
	t.missing = t.missing[n:]
	return err
}

// Missing returns those of infos that the destination lacks, in the same order, and locks all of them there.
func Missing(ctx context.Context, dst *Client, infos []PathInfo, substitute bool) ([]PathInfo, error) {
	all := make([]store.Path, len(infos))
	for i, info := range infos {
		all[i] = info.Path
	}
	lacks, err := lacking(ctx, dst, all, substitute)
	if err != nil {
		return nil, err
	}
	var missing []PathInfo
	for _, info := range infos {
		if lacks[info.Path] {
			missing = append(missing, info)
		}
	}
	return missing, nil
}

// lacking is the set of those paths that the destination lacks; all of them are locked there.
func lacking(ctx context.Context, dst *Client, paths []store.Path, substitute bool) (map[store.Path]bool, error) {
	valid, err := dst.QueryValidPaths(ctx, paths, true, substitute)
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

func sumNARs(infos []PathInfo) (n int64) {
	for _, info := range infos {
		n += info.NARSize
	}
	return n
}

// progress counts for two goroutines, the one that writes and the one that reads answers.
type progress struct {
	mu     sync.Mutex
	now    Progress
	report func(Progress)
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

// progressWriter counts what is written of archives, and ends a transfer that turns out to be slow.
type progressWriter struct {
	w io.Writer
	t *transfer
}

func (w *progressWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if err == nil {
		err = w.wrote(n)
	}
	return n, err
}

func (w *progressWriter) takesFrames() bool { return takesFrames(w.w) }

func (w *progressWriter) writeFrame(size int, frame []byte) error {
	if err := w.w.(frameWriter).writeFrame(size, frame); err != nil {
		return err
	}
	return w.wrote(size)
}

func (w *progressWriter) wrote(n int) error {
	w.t.progress.add(0, int64(n))
	if w.t.pace != nil && w.t.pace.wrote(n) {
		return errSlow
	}
	return nil
}

// errSlow ends a transfer that is better begun again, compressed.
var errSlow = errors.New("the link is slow")
