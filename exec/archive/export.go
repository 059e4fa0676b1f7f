package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

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

// Export writes an archive of the closures that the manifest names: a directory if to ends in a slash or is a directory,
// else a file. It keeps what an earlier attempt has written, as far as that is whole. report may be nil.
func Export(ctx context.Context, src Source, m Manifest, to string, report func(Progress)) (Stats, error) {
	var stats Stats
	m.Version = manifestVersion
	closure, err := src.Closure(ctx, m.roots())
	if err != nil {
		return stats, fmt.Errorf("find closure: %w", err)
	}
	stats.Closure, stats.ClosureBytes = len(closure), nixserve.TotalSize(closure)

	out, err := newTarget(to)
	if err != nil {
		return stats, fmt.Errorf("write archive: %w", err)
	}
	defer out.close()
	var missing []nixserve.PathInfo
	for _, info := range closure {
		if !out.has(info) {
			missing = append(missing, info)
		}
	}
	p := progress{now: Progress{TotalPaths: len(missing), TotalBytes: nixserve.TotalSize(missing)}, report: report}
	p.add(0, 0)
	for _, info := range missing {
		if err := exportPath(ctx, src, out, info, &p); err != nil {
			return stats, fmt.Errorf("write archive: %w", err)
		}
		p.add(1, 0)
		stats.Written++
		stats.WrittenBytes += info.NARSize
	}
	if err := finish(out, m, closure); err != nil {
		return stats, fmt.Errorf("write archive: %w", err)
	}
	return stats, nil
}

// finish writes what is not about one path.
func finish(out target, m Manifest, closure []nixserve.PathInfo) error {
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := putText(out, cacheName, []byte(cacheText)); err != nil {
		return err
	}
	if err := putText(out, manifestName, append(manifest, '\n')); err != nil {
		return err
	}
	if err := putText(out, readmeName, m.readme()); err != nil {
		return err
	}
	return out.finish(closure)
}

func putText(out target, name string, text []byte) error {
	return out.put(name, int64(len(text)), bytes.NewReader(text))
}

// exportPath compresses the archive of a path into a temporary file, because its hash is part of its name, and adds it.
func exportPath(ctx context.Context, src Source, out target, info nixserve.PathInfo, p *progress) error {
	f, err := out.temp()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	compressed := store.NewHashWriter(store.SHA256, f)
	z, err := zstd.NewWriter(compressed)
	if err != nil {
		return err
	}
	whole := store.NewHashWriter(store.SHA256, z)
	err = src.NAR(ctx, info, countWriter{whole, p})
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
	n := narInfo{PathInfo: info, FileHash: compressed.Sum(), FileSize: compressed.Size()}
	n.URL = "nar/" + n.FileHash.Base32() + ".nar.zst"
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := out.put(n.URL, n.FileSize, f); err != nil {
		return err
	}
	return putText(out, narInfoName(info.Path), n.text())
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
