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

// An Archive is a Source: one that Export has written. All of it was read and found whole when it was opened.
type Archive struct {
	Manifest Manifest

	infos map[store.Path]*narInfo
	open  func(name string) (io.ReadCloser, error) // one of its files
	file  *os.File                                 // nil for a directory
}

// Open reads all of an archive, a directory or a file, and checks it. An error that is ErrDamaged says that it is
// damaged or not complete.
func Open(ctx context.Context, name string) (*Archive, error) {
	a := &Archive{infos: make(map[store.Path]*narInfo)}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	files := make(map[string][]byte) // the small ones
	if info.IsDir() {
		err = a.checkDir(ctx, name, files)
	} else {
		err = a.checkFile(ctx, name, files)
	}
	if err == nil {
		err = a.understand(files)
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

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// maxSmall is how large a file of an archive other than the nars may be.
const maxSmall = 64 << 20

// small reads a file of the archive that is kept in memory: all but the nars.
func isSmall(name string) bool { return !strings.HasPrefix(name, "nar/") }

// checkDir compares the files of a directory with its list of checksums.
func (a *Archive) checkDir(ctx context.Context, dir string, files map[string][]byte) error {
	a.open = func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if errors.Is(err, os.ErrNotExist) {
		return damaged("it has no %s: it is no archive of muster, or not complete", sumsName)
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
			return damaged("%s is not what %s says", name, sumsName)
		}
		if isSmall(name) {
			files[name] = text.Bytes()
		}
	}
	return nil
}

// parseSums reads what sha256sum writes, and nothing else.
func parseSums(text []byte) (map[string]string, error) {
	listed := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(line, "  ")
		name, ended := strings.CutSuffix(name, "\n")
		raw, err := hex.DecodeString(sum)
		if !ok || !ended || err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != sum ||
			!filepath.IsLocal(name) || filepath.Clean(name) != name || listed[name] != "" {
			return nil, damaged("%s: %.200q is not a checksum and a name", sumsName, line)
		}
		listed[name] = sum
	}
	return listed, nil
}

// checkFile hashes a tar archive and finds where its files are.
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
		return damaged("it is too short: it is no archive of muster, or not complete")
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
			return damaged("it does not end as one: it is no archive of muster, or not complete")
		}
		return damaged("its checksum is wrong")
	}

	type place struct{ at, size int64 }
	places := make(map[string]place)
	at := &offsetReader{r: io.NewSectionReader(f, 0, end)} // no Seeker, so that n is where the reader is
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

// understand reads the manifest and the infos, and checks that all that is needed is there.
func (a *Archive) understand(files map[string][]byte) error {
	text, ok := files[manifestName]
	if !ok {
		return damaged("it has no %s", manifestName)
	}
	if err := json.Unmarshal(text, &a.Manifest); err != nil {
		return damaged("%s: %v", manifestName, err)
	}
	if a.Manifest.Version != manifestVersion {
		return fmt.Errorf("it is of version %d, this muster knows version %d", a.Manifest.Version, manifestVersion)
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
			return damaged("%s is about %s", name, n.Path)
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
			return nixserve.PathInfo{}, damaged("%s is not in it", p)
		}
		return n.PathInfo, nil
	})
}

// NAR unpacks a path's archive.
func (a *Archive) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	n, ok := a.infos[info.Path]
	if !ok {
		return damaged("%s is not in it", info.Path)
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
		return damaged("%s holds something else than %s says", n.URL, narInfoName(n.Path))
	}
	return nil
}

// contextReader stops a long reading when the context ends.
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

// limitedBuffer takes no more than a file that is kept in memory may have.
type limitedBuffer struct{ b *bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxSmall {
		return 0, damaged("a file of more than %d bytes", maxSmall)
	}
	return l.b.Write(p)
}
