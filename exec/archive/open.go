package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// An Archive is an archive that Export has written and Open has checked. It is a transfer.Source.
type Archive struct {
	Manifest Manifest

	infos map[store.Path]*narInfo
	open  func(name string) (io.ReadCloser, error) // one of its files
	file  *os.File                                 // nil for a directory
}

// Open reads all of an archive, a directory or a file, and checks it. The error about one that is damaged or not complete
// is ErrDamaged.
func Open(ctx context.Context, name string) (*Archive, error) {
	a := &Archive{infos: make(map[store.Path]*narInfo)}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	files := make(map[string][]byte) // all but the nars
	if info.IsDir() {
		err = a.checkDir(ctx, name, files)
	} else {
		err = a.checkFile(ctx, name, files)
	}
	if err == nil {
		err = a.index(files)
	}
	if err != nil {
		a.Close()
		return nil, fmt.Errorf("open archive %s: %w", name, err)
	}
	return a, nil
}

// Close closes the archive.
func (a *Archive) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// maxSmall is how large the files other than the nars may be.
const maxSmall = 64 << 20

// isSmall reports whether a file of an archive is read into memory: all but the nars are.
func isSmall(name string) bool { return !strings.HasPrefix(name, "nar/") }

// checkDir compares the files of a directory with their checksums, and fills files with the small ones.
func (a *Archive) checkDir(ctx context.Context, dir string, files map[string][]byte) error {
	a.open = func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if errors.Is(err, os.ErrNotExist) {
		return damaged("%s is missing: this is not an archive of muster, or not complete", sumsName)
	}
	if err != nil {
		return err
	}
	listed, err := parseSums(sums)
	if err != nil {
		return err
	}
	for name, want := range listed {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		f, err := a.open(name)
		if errors.Is(err, os.ErrNotExist) {
			return damaged("%s is missing", name)
		}
		if err != nil {
			return err
		}
		h := sha256.New()
		var text bytes.Buffer
		w := io.Writer(h)
		if isSmall(name) {
			w = io.MultiWriter(h, &limitedBuffer{&text})
		}
		_, err = io.Copy(w, contextReader{ctx, f})
		f.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if hex.EncodeToString(h.Sum(nil)) != want {
			return damaged("%s does not match %s", name, sumsName)
		}
		if isSmall(name) {
			files[name] = text.Bytes()
		}
	}
	return nil
}

// checkFile compares a tar archive with its checksum, finds where its files are, and fills files with the small ones.
func (a *Archive) checkFile(ctx context.Context, name string, files map[string][]byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	a.file = f
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := info.Size() - int64(len(trailer)+2*sha256.Size+1)
	last := make([]byte, len(trailer)+2*sha256.Size+1)
	if end < 0 {
		return damaged("too short: this is not an archive of muster, or not complete")
	}
	if _, err := f.ReadAt(last, end); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, io.NewSectionReader(f, 0, end)}); err != nil {
		return err
	}
	if string(last) != fmt.Sprintf("%s%x\n", trailer, h.Sum(nil)) {
		if !bytes.HasPrefix(last, []byte(trailer)) {
			return damaged("no checksum at the end: this is not an archive of muster, or not complete")
		}
		return damaged("wrong checksum")
	}

	type place struct{ at, size int64 }
	places := make(map[string]place)
	at := &offsetReader{r: io.NewSectionReader(f, 0, end)} // not an io.Seeker, so the tar reader cannot skip bytes uncounted
	for r := tar.NewReader(at); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return damaged("%v", err)
		}
		places[h.Name] = place{at.n, h.Size}
		if isSmall(h.Name) {
			if files[h.Name], err = io.ReadAll(io.LimitReader(r, maxSmall)); err != nil {
				return damaged("%s: %v", h.Name, err)
			}
		}
	}
	a.open = func(name string) (io.ReadCloser, error) {
		p, ok := places[name]
		if !ok {
			return nil, os.ErrNotExist
		}
		return io.NopCloser(io.NewSectionReader(f, p.at, p.size)), nil
	}
	return nil
}

// index reads the manifest and the infos, and checks that the closures are complete.
func (a *Archive) index(files map[string][]byte) error {
	text, ok := files[manifestName]
	if !ok {
		return damaged("%s is missing", manifestName)
	}
	if err := json.Unmarshal(text, &a.Manifest); err != nil {
		return damaged("%s: %v", manifestName, err)
	}
	if a.Manifest.Version != manifestVersion {
		return fmt.Errorf("%s: version %d, want %d", manifestName, a.Manifest.Version, manifestVersion)
	}
	for name, text := range files {
		if !strings.HasSuffix(name, ".narinfo") {
			continue
		}
		n, err := parseNarInfo(text)
		if err != nil {
			return damaged("%s: %v", name, err)
		}
		if narInfoName(n.Path) != name {
			return damaged("%s describes %s", name, n.Path)
		}
		f, err := a.open(n.URL)
		if err != nil {
			return damaged("%s is missing", n.URL)
		}
		f.Close()
		a.infos[n.Path] = n
	}
	_, err := a.Closure(context.Background(), a.Manifest.roots())
	return err
}

// Closure returns the infos of paths and all they refer to, references first.
func (a *Archive) Closure(_ context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	return nixserve.Closure(paths, func(p store.Path) (nixserve.PathInfo, error) {
		n, ok := a.infos[p]
		if !ok {
			return nixserve.PathInfo{}, damaged("%s is missing", p)
		}
		return n.PathInfo, nil
	})
}

// NAR decompresses the archive of a path and checks it.
func (a *Archive) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	n, ok := a.infos[info.Path]
	if !ok {
		return damaged("%s is missing", info.Path)
	}
	f, err := a.open(n.URL)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(contextReader{ctx, f})
	if err != nil {
		return err
	}
	defer z.Close()
	h := store.NewHashWriter(store.SHA256, w)
	if _, err := io.Copy(h, io.LimitReader(z, n.NARSize+1)); err != nil {
		return err
	}
	if h.Size() != n.NARSize || h.Sum() != n.NARHash {
		return damaged("%s does not match %s", n.URL, narInfoName(n.Path))
	}
	return nil
}

// A contextReader fails once the context has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// A limitedBuffer takes no more than maxSmall bytes.
type limitedBuffer struct{ b *bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxSmall {
		return 0, damaged("a file of more than %d bytes", maxSmall)
	}
	return l.b.Write(p)
}
