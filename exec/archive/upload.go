package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"muster/compile/store"
	"muster/exec/nixserve"
	"muster/exec/objectstore"
)

// UploadOptions say how to upload.
type UploadOptions struct {
	Keys   []*SecretKey   // sign each path; one at least
	Report func(Progress) // called from several goroutines, one at a time; may be nil
	// Archives has the archives of paths looked for, too, whose descriptions are there: somebody may have removed them.
	Archives bool
}

// uploads is how many paths are looked at and uploaded side by side. Most of the time is spent waiting for the store.
const uploads = 8

// Upload makes the closures of paths valid in the binary cache that an object store is: any Nix substitutes from it. Paths that
// are there, with a signature by the first key, are left alone. A path's description is written after its archive, so that an
// upload that was interrupted is continued by another.
func Upload(ctx context.Context, src Source, s objectstore.Store, paths []store.Path, opts UploadOptions) (Stats, error) {
	var stats Stats
	closure, err := src.Closure(ctx, paths)
	if err != nil {
		return stats, fmt.Errorf("find closure: %w", err)
	}
	stats.Closure, stats.ClosureBytes = len(closure), nixserve.TotalSize(closure)
	dir, err := os.MkdirTemp("", "muster-upload-*")
	if err != nil {
		return stats, fmt.Errorf("upload to %s: %w", s, err)
	}
	defer os.RemoveAll(dir)
	u := &uploading{src: src, to: s, keys: opts.Keys, dir: dir, archives: opts.Archives}
	missing, err := u.missing(ctx, closure)
	if err != nil {
		return stats, err
	}
	p := &progress{now: Progress{TotalPaths: len(missing), TotalBytes: nixserve.TotalSize(missing)}, report: opts.Report}
	p.add(0, 0)
	var mu sync.Mutex // guards p
	g, together := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, info := range missing {
		g.Go(func() error {
			if err := u.path(together, info); err != nil {
				return fmt.Errorf("upload %s to %s: %w", info.Path, s, err)
			}
			mu.Lock()
			defer mu.Unlock()
			p.add(1, info.NARSize)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return stats, err
	}
	stats.Written, stats.WrittenBytes = len(missing), nixserve.TotalSize(missing)
	return stats, objectstore.Write(ctx, s, cacheName, []byte(cacheText), objectstore.Condition{})
}

// An uploading is an Upload in progress.
type uploading struct {
	src  Source
	to   objectstore.Store
	keys []*SecretKey
	dir  string // for compressed archives

	archives bool // are looked for, too
}

// missing are the paths that the store lacks, or has without the signature.
func (u *uploading) missing(ctx context.Context, closure []nixserve.PathInfo) ([]nixserve.PathInfo, error) {
	lacks := make([]bool, len(closure))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * uploads)
	for i, info := range closure {
		g.Go(func() (err error) {
			lacks[i], err = u.lacks(ctx, info)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var missing []nixserve.PathInfo
	for i, info := range closure {
		if lacks[i] {
			missing = append(missing, info)
		}
	}
	return missing, nil
}

// lacks reports whether the store has no description of a path that its readers will believe.
func (u *uploading) lacks(ctx context.Context, info nixserve.PathInfo) (bool, error) {
	text, _, err := objectstore.Read(ctx, u.to, narInfoName(info.Path), objectstore.ReadOptions{Limit: maxNarInfo})
	if errors.Is(err, objectstore.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	n, err := parseNarInfo(text)
	if err != nil || n.Path != info.Path { // another program may have compressed it otherwise
		return true, nil
	}
	key := u.keys[0].Public()
	print := fingerprint(n.PathInfo)
	if !slices.ContainsFunc(n.Signatures, func(sig string) bool { return key.Verifies(print, sig) }) {
		return true, nil
	}
	if !u.archives {
		return false, nil
	}
	obj, err := u.to.Get(ctx, n.URL, "")
	if err == nil {
		return false, obj.Body.Close()
	}
	if errors.Is(err, objectstore.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// path uploads a path: its archive, then its description.
func (u *uploading) path(ctx context.Context, info nixserve.PathInfo) error {
	f, err := os.Create(filepath.Join(u.dir, info.Path.Digest()))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err := u.compress(ctx, sign(info, u.keys), f)
	if err != nil {
		return err
	}
	if err := u.to.Put(ctx, n.URL, f, n.FileSize, objectstore.Condition{}); err != nil {
		return err
	}
	text := n.text()
	return u.to.Put(ctx, narInfoName(info.Path), bytes.NewReader(text), int64(len(text)), objectstore.Condition{})
}

// compress writes the archive of a path to a file, which is then at its beginning, and returns the description.
func (u *uploading) compress(ctx context.Context, info nixserve.PathInfo, f *os.File) (*narInfo, error) {
	compressed := store.NewHashWriter(store.SHA256, f)
	z, err := zstd.NewWriter(compressed, zstd.WithWindowSize(maxWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	whole := store.NewHashWriter(store.SHA256, z)
	err = u.src.NAR(ctx, info, whole)
	if closed := z.Close(); err == nil {
		err = closed
	}
	if err == nil && (whole.Size() != info.NARSize || whole.Sum() != info.NARHash) {
		err = nixserve.ErrCorrupt
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	n := &narInfo{PathInfo: info, FileHash: compressed.Sum(), FileSize: compressed.Size()}
	n.URL = narName(n.FileHash)
	return n, err
}
