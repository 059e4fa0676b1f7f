package nixserve

import (
	"context"
	"fmt"
	"io"
	"sync"

	"muster/compile/store"
)

// CopyOptions say how to copy. The zero value copies everything that is missing.
type CopyOptions struct {
	Substitute bool           // let the destination fetch what it can from its own binary caches first
	Progress   func(Progress) // called as bytes are written and paths confirmed, never twice at the same time
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
}

// Copy makes paths and all they refer to valid in the destination, sending only what it lacks. Both what it has and
// what it is sent are locked against its garbage collector until dst is closed.
//
// After an error the destination holds whole valid paths only, and a second Copy over a new session sends the rest.
func Copy(ctx context.Context, src Source, dst *Client, paths []store.Path, opts CopyOptions) (Stats, error) {
	var stats Stats
	closure, err := src.Closure(ctx, paths)
	if err != nil {
		return stats, fmt.Errorf("find closure: %w", err)
	}
	missing, err := Missing(ctx, dst, closure, opts.Substitute)
	if err != nil {
		return stats, err
	}
	stats.Closure, stats.ClosureBytes = len(closure), sumNARs(closure)
	stats.Missing, stats.MissingBytes = len(missing), sumNARs(missing)

	p := progress{report: opts.Progress, now: Progress{TotalPaths: len(missing), TotalBytes: stats.MissingBytes}}
	p.add(0, 0)
	nar := func(ctx context.Context, info PathInfo, w io.Writer) error {
		return src.NAR(ctx, info, &progressWriter{w: w, p: &p})
	}
	stats.Sent, err = dst.Send(ctx, missing, nar, func(info PathInfo) { p.add(1, 0) })
	stats.SentBytes = sumNARs(missing[:stats.Sent])
	return stats, err
}

// Missing returns those of infos that the destination lacks, in the same order, and locks all of them there.
func Missing(ctx context.Context, dst *Client, infos []PathInfo, substitute bool) ([]PathInfo, error) {
	all := make([]store.Path, len(infos))
	for i, info := range infos {
		all[i] = info.Path
	}
	valid, err := dst.QueryValidPaths(ctx, all, true, substitute)
	if err != nil {
		return nil, err
	}
	has := make(map[store.Path]bool, len(valid))
	for _, p := range valid {
		has[p] = true
	}
	var missing []PathInfo
	for _, info := range infos {
		if !has[info.Path] {
			missing = append(missing, info)
		}
	}
	return missing, nil
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

type progressWriter struct {
	w io.Writer
	p *progress
}

func (w *progressWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.p.add(0, int64(n))
	return n, err
}
