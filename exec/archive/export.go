package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A Source has the paths to export.
type Source interface {
	// Closure returns the infos of paths and of all they refer to, references first.
	Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error)
	// NAR is a [nixserve.NARFunc].
	NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error
}

// Progress tells how far an export has come. Its totals leave out what an earlier attempt has written.
type Progress struct {
	Paths, TotalPaths int
	Bytes, TotalBytes int64 // of archives before compression
}

// Stats sum up an export.
type Stats struct {
	Closure      int   // paths in the archive
	ClosureBytes int64 // of their archives before compression
	Written      int   // paths that this export has written; an earlier attempt has written the others
	WrittenBytes int64
}

// ExportOptions say how to export. The zero value signs nothing.
type ExportOptions struct {
	Keys   []*SecretKey   // sign the manifest and each path
	Report func(Progress) // called as bytes and paths are written; may be nil
}

// Export writes an archive of the closures that the manifest names: a directory if to ends in a slash or is a directory,
// else a file. It keeps what an earlier attempt has written of these closures, as far as that is whole.
func Export(ctx context.Context, src Source, m Manifest, to string, opts ExportOptions) (Stats, error) {
	var stats Stats
	m.Version, m.Paths = manifestVersion, unique(m.Paths)
	closure, err := src.Closure(ctx, m.roots())
	if err != nil {
		return stats, fmt.Errorf("find closure: %w", err)
	}
	stats.Closure, stats.ClosureBytes = len(closure), nixserve.TotalSize(closure)
	e := &exporting{src: src, closure: closure, manifest: m, opts: opts, stats: &stats}
	if err := e.run(ctx, to); err != nil {
		return stats, fmt.Errorf("write archive %q: %w", to, err)
	}
	return stats, nil
}

// unique leaves out what is in a list a second time.
func unique(paths []store.Path) []store.Path {
	seen := make(map[store.Path]bool)
	return slices.DeleteFunc(slices.Clone(paths), func(p store.Path) bool {
		again := seen[p]
		seen[p] = true
		return again
	})
}

// An exporting is an Export in progress.
type exporting struct {
	src      Source
	closure  []nixserve.PathInfo
	manifest Manifest
	opts     ExportOptions
	stats    *Stats

	out     target
	scanner *scanner
}

func (e *exporting) run(ctx context.Context, to string) error {
	if err := e.manifest.check(); err != nil {
		return err
	}
	paths := make([]store.Path, len(e.closure))
	for i, info := range e.closure {
		paths[i] = info.Path
		e.closure[i] = sign(info, e.opts.Keys)
	}
	e.scanner = newScanner(paths)
	checker, err := newNARChecker(e.scanner)
	if err != nil {
		return err
	}
	defer checker.close()
	if e.out, err = newTarget(to, e.closure, checker); err != nil {
		return err
	}
	defer e.out.close()
	if err := e.writePaths(ctx); err != nil {
		return err
	}
	return e.finish()
}

// writePaths writes the paths that an earlier attempt has not written.
func (e *exporting) writePaths(ctx context.Context) error {
	e.manifest.ScanDiffers = nil
	var missing []nixserve.PathInfo
	for _, info := range e.closure {
		if found := e.out.kept(info); found != nil {
			e.scanned(info, found)
		} else {
			missing = append(missing, info)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	p := progress{now: Progress{TotalPaths: len(missing), TotalBytes: nixserve.TotalSize(missing)}, report: e.opts.Report}
	p.add(0, 0)
	for _, info := range missing {
		if err := e.writePath(ctx, info, &p); err != nil {
			return err
		}
		p.add(1, 0)
		e.stats.Written++
		e.stats.WrittenBytes += info.NARSize
	}
	return nil
}

// scanned records by which references a path differs from what its contents mention.
func (e *exporting) scanned(info nixserve.PathInfo, found *scan) {
	diff := found.differs(info.References)
	if len(diff) == 0 {
		return
	}
	if e.manifest.ScanDiffers == nil {
		e.manifest.ScanDiffers = make(map[store.Path][]store.Path)
	}
	e.manifest.ScanDiffers[info.Path] = diff
}

// finish writes what is not about one path.
func (e *exporting) finish() error {
	manifest, err := e.manifest.text()
	if err != nil {
		return err
	}
	if err := putText(e.out, cacheName, []byte(cacheText)); err != nil {
		return err
	}
	if err := putText(e.out, manifestName, manifest); err != nil {
		return err
	}
	if len(e.opts.Keys) > 0 {
		var sigs strings.Builder
		for _, k := range e.opts.Keys {
			sigs.WriteString(k.Sign(manifestFingerprint(manifest)) + "\n")
		}
		if err := putText(e.out, manifestSigs, []byte(sigs.String())); err != nil {
			return err
		}
	}
	if err := putText(e.out, readmeName, e.manifest.readme()); err != nil {
		return err
	}
	return e.out.finish(e.closure)
}

func putText(out target, name string, text []byte) error {
	return out.put(name, int64(len(text)), bytes.NewReader(text))
}

// writePath compresses the archive of a path into a temporary file, because its hash is part of its name, and adds it.
func (e *exporting) writePath(ctx context.Context, info nixserve.PathInfo, p *progress) error {
	f, temp, err := e.out.temp()
	if err != nil {
		return err
	}
	defer e.out.remove(temp)
	defer f.Close()
	compressed := store.NewHashWriter(store.SHA256, f)
	z, err := zstd.NewWriter(compressed, zstd.WithWindowSize(maxWindow))
	if err != nil {
		return err
	}
	found := e.scanner.scan()
	whole := store.NewHashWriter(store.SHA256, io.MultiWriter(z, found))
	err = e.src.NAR(ctx, info, countWriter{whole, p})
	if err == nil {
		err = z.Close()
	} else {
		z.Close()
	}
	if err == nil && (whole.Size() != info.NARSize || whole.Sum() != info.NARHash) {
		err = nixserve.ErrCorrupt
	}
	if err != nil {
		return &nixserve.PathError{Op: "read", Path: info.Path, Err: err}
	}
	e.scanned(info, found)
	n := narInfo{PathInfo: info, FileHash: compressed.Sum(), FileSize: compressed.Size()}
	n.URL = narName(n.FileHash)
	text := n.text()
	if err := n.check(narInfoName(info.Path), text); err != nil { // Open would refuse it
		return fmt.Errorf("%s: what the store's database says of it: %w", info.Path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := e.out.put(n.URL, n.FileSize, f); err != nil {
		return err
	}
	return putText(e.out, narInfoName(info.Path), text)
}

// A progress counts what is written and reports it.
type progress struct {
	now    Progress
	report func(Progress) // may be nil
}

func (p *progress) add(paths int, bytes int64) {
	p.now.Paths += paths
	p.now.Bytes += bytes
	if p.report != nil {
		p.report(p.now)
	}
}

// A countWriter counts the bytes that it passes on.
type countWriter struct {
	io.Writer
	p *progress
}

func (w countWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.p.add(0, int64(n))
	return n, err
}
