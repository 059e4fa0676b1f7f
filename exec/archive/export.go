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
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// An archive carries closures to machines that nobody reaches by SSH. It is a binary cache, as Nix itself knows how to
// read, with a manifest, instructions and a list of checksums:
//
//	nix-cache-info  DIGEST.narinfo  nar/HASH.nar.zst  muster.json  README  SHA256SUMS
//
// as a directory, or as one file: a tar archive of that directory with its checksum behind its end, where tar does not
// look. Opening an archive reads all of it, so that nothing is imported from one that is damaged or not complete.

const (
	manifestName = "muster.json"
	readmeName   = "README"
	sumsName     = "SHA256SUMS"
	cacheName    = "nix-cache-info"
	cacheText    = "StoreDir: " + store.Dir + "\nWantMassQuery: 1\nPriority: 40\n"

	trailer = "muster archive sha256:" // and 64 hexadecimal digits and a newline
)

// ErrDamaged says that an archive is damaged or not complete.
var ErrDamaged = errors.New("damaged archive")

// A Manifest says what an archive is for.
type Manifest struct {
	Version int          `json:"version"`
	Hosts   []Host       `json:"hosts,omitempty"`
	Paths   []store.Path `json:"paths,omitempty"` // to import beside the hosts' systems
}

// A Host is a host and the system it is to have.
type Host struct {
	Name   string     `json:"name"`
	Drv    store.Path `json:"drv,omitempty"`
	System store.Path `json:"system"`
}

const manifestVersion = 1

// Host returns the host of that name, nil if the archive is not for it.
func (m *Manifest) Host(name string) *Host {
	for i := range m.Hosts {
		if m.Hosts[i].Name == name {
			return &m.Hosts[i]
		}
	}
	return nil
}

// roots are the paths whose closures an archive holds.
func (m *Manifest) roots() []store.Path {
	roots := slices.Clone(m.Paths)
	for _, h := range m.Hosts {
		roots = append(roots, h.System)
	}
	slices.Sort(roots)
	return slices.Compact(roots)
}

// readme tells a person at the machine what to do.
func (m *Manifest) readme() []byte {
	var b strings.Builder
	b.WriteString(`This is a binary cache made by muster export. On the machine, as root, with muster:

    muster import ARCHIVE

It checks everything before it touches the machine, loads what is missing, sets
the system profile and switches to it.

With Nix alone, in the unpacked directory:

    sha256sum --check --quiet --strict SHA256SUMS
`)
	load := func(p store.Path) {
		fmt.Fprintf(&b, "    nix --extra-experimental-features nix-command copy --no-check-sigs --from \"file://$PWD\" %s\n", p)
	}
	for _, p := range m.Paths {
		load(p)
	}
	for _, h := range m.Hosts {
		fmt.Fprintf(&b, "\nand on the host %s:\n\n", h.Name)
		load(h.System)
		fmt.Fprintf(&b, "    nix-env --profile /nix/var/nix/profiles/system --set %[1]s\n    %[1]s/bin/switch-to-configuration switch\n", h.System)
	}
	return []byte(b.String())
}

// A Source has the paths to export.
type Source interface {
	// Closure returns the infos of paths and of all they refer to, references first.
	Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error)
	// NAR is a [nixserve.NARFunc].
	NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error
}

// Progress tells how far an export has come. Its totals are what an earlier attempt has not left.
type Progress struct {
	Paths, TotalPaths int
	Bytes, TotalBytes int64 // of archives before compression
}

// Stats sum up an export.
type Stats struct {
	Closure      int   // paths in the archive
	ClosureBytes int64 // of their archives before compression
	Written      int   // paths written this time; the others were there
	WrittenBytes int64
}

// Export writes an archive of the closures that the manifest names. It is a directory if to ends in a slash or is one,
// else a file. What an earlier attempt has left is taken over where it is whole.
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
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return stats, fmt.Errorf("write archive: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{cacheName, []byte(cacheText)}, {manifestName, append(manifest, '\n')}, {readmeName, m.readme()}} {
		if err := out.put(f.name, int64(len(f.text)), bytes.NewReader(f.text)); err != nil {
			return stats, fmt.Errorf("write archive: %w", err)
		}
	}
	if err := out.finish(closure); err != nil {
		return stats, fmt.Errorf("write archive: %w", err)
	}
	return stats, nil
}

// exportPath compresses an archive into a file of its own, because its hash is its name, and adds it.
func exportPath(ctx context.Context, src Source, out target, info nixserve.PathInfo, p *progress) error {
	f, err := out.temp()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	packed := store.NewHashWriter(store.SHA256, f)
	z, err := zstd.NewWriter(packed)
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
	n := narInfo{PathInfo: info, FileHash: packed.Sum(), FileSize: packed.Size()}
	n.URL = "nar/" + n.FileHash.Base32() + ".nar.zst"
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := out.put(n.URL, n.FileSize, f); err != nil {
		return err
	}
	text := n.text()
	return out.put(narInfoName(info.Path), int64(len(text)), bytes.NewReader(text))
}

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

type countWriter struct {
	io.Writer
	p *progress
}

func (w countWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.p.add(0, int64(n))
	return n, err
}

// A target is what an archive is written to.
type target interface {
	has(nixserve.PathInfo) bool // whether both files of a path are there already, whole
	temp() (*os.File, error)
	put(name string, size int64, r io.Reader) error
	finish(closure []nixserve.PathInfo) error
	close()
}

func newTarget(to string) (target, error) {
	info, err := os.Stat(to)
	if strings.HasSuffix(to, "/") || err == nil && info.IsDir() {
		return newDirTarget(to)
	}
	return newTarTarget(to)
}

// A dirTarget writes a directory. Every file appears whole, a path's narinfo after its archive.
type dirTarget struct{ dir string }

func newDirTarget(dir string) (*dirTarget, error) {
	if err := os.MkdirAll(filepath.Join(dir, "nar"), 0o755); err != nil {
		return nil, err
	}
	// Until it is finished again it is no archive.
	if err := os.Remove(filepath.Join(dir, sumsName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &dirTarget{dir}, nil
}

func (d *dirTarget) has(info nixserve.PathInfo) bool {
	text, err := os.ReadFile(filepath.Join(d.dir, narInfoName(info.Path)))
	if err != nil {
		return false
	}
	n, err := parseNarInfo(text)
	if err != nil || n.Path != info.Path || n.NARHash != info.NARHash || !bytes.Equal(text, (&narInfo{info, n.URL, n.FileHash, n.FileSize}).text()) {
		return false
	}
	sum, size, err := fileSum(filepath.Join(d.dir, n.URL))
	return err == nil && size == n.FileSize && sum == n.FileHash.Base16()
}

func (d *dirTarget) temp() (*os.File, error) { return os.CreateTemp(d.dir, ".muster-*") }

func (d *dirTarget) put(name string, size int64, r io.Reader) error {
	f, err := d.temp()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(d.dir, name))
	}
	return err
}

// finish lists what belongs to the archive. Whatever else is in the directory does not.
func (d *dirTarget) finish(closure []nixserve.PathInfo) error {
	names := []string{cacheName, manifestName, readmeName}
	for _, info := range closure {
		text, err := os.ReadFile(filepath.Join(d.dir, narInfoName(info.Path)))
		if err != nil {
			return err
		}
		n, err := parseNarInfo(text)
		if err != nil {
			return err
		}
		names = append(names, narInfoName(info.Path), n.URL)
	}
	slices.Sort(names)
	var sums strings.Builder
	for _, name := range slices.Compact(names) { // equal archives share a file
		sum, _, err := fileSum(filepath.Join(d.dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, name)
	}
	return d.put(sumsName, int64(sums.Len()), strings.NewReader(sums.String()))
}

func (d *dirTarget) close() {}

// fileSum is the SHA-256 of a file, in base 16.
func fileSum(name string) (string, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// A tarTarget writes one file, under another name until it is finished.
type tarTarget struct {
	name  string
	file  *os.File
	sum   hash.Hash // of all that is written
	tar   *tar.Writer
	infos map[store.Path]*narInfo
	sums  map[string]string // of each file by name
}

const partial = ".partial"

func newTarTarget(name string) (*tarTarget, error) {
	f, err := os.OpenFile(name+partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	t := &tarTarget{name: name, file: f, sum: sha256.New(), infos: make(map[store.Path]*narInfo), sums: make(map[string]string)}
	if err := t.takeOver(); err != nil {
		f.Close()
		return nil, err
	}
	t.tar = tar.NewWriter(io.MultiWriter(f, t.sum))
	return t, nil
}

// takeOver keeps what an earlier attempt has written, up to the last path that is whole.
func (t *tarTarget) takeOver() error {
	at := &offsetReader{r: t.file}
	r := tar.NewReader(at)
	var whole int64
	sums := make(map[string]string)
	for {
		h, err := r.Next()
		if err != nil {
			break
		}
		sum := sha256.New()
		var text bytes.Buffer
		isInfo := strings.HasSuffix(h.Name, ".narinfo")
		w := io.Writer(sum)
		if isInfo {
			w = io.MultiWriter(sum, &text)
		}
		if n, err := io.Copy(w, r); err != nil || n != h.Size {
			break
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
		if !isInfo {
			continue
		}
		n, err := parseNarInfo(text.Bytes())
		if err != nil || sums[n.URL] != n.FileHash.Base16() || narInfoName(n.Path) != h.Name {
			break
		}
		end := at.n + -at.n&(tarBlock-1)
		if info, err := t.file.Stat(); err != nil || info.Size() < end {
			break
		}
		t.infos[n.Path], whole = n, end
		t.sums[h.Name], t.sums[n.URL] = sums[h.Name], sums[n.URL]
	}
	if err := t.file.Truncate(whole); err != nil {
		return err
	}
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(t.sum, t.file)
	return err
}

const tarBlock = 512

type offsetReader struct {
	r io.Reader
	n int64
}

func (o *offsetReader) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.n += int64(n)
	return n, err
}

func (t *tarTarget) has(info nixserve.PathInfo) bool {
	n := t.infos[info.Path]
	return n != nil && bytes.Equal(n.text(), (&narInfo{info, n.URL, n.FileHash, n.FileSize}).text())
}

func (t *tarTarget) temp() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(t.name), ".muster-*")
}

func (t *tarTarget) put(name string, size int64, r io.Reader) error {
	if _, ok := t.sums[name]; ok && strings.HasPrefix(name, "nar/") {
		return nil // the same archive under two paths
	}
	if err := t.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(t.tar, sum), r); err != nil {
		return err
	}
	t.sums[name] = hex.EncodeToString(sum.Sum(nil))
	return t.tar.Flush()
}

func (t *tarTarget) finish([]nixserve.PathInfo) error {
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.sums)) {
		fmt.Fprintf(&sums, "%s  %s\n", t.sums[name], name)
	}
	if err := t.put(sumsName, int64(sums.Len()), strings.NewReader(sums.String())); err != nil {
		return err
	}
	if err := t.tar.Close(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.file, "%s%x\n", trailer, t.sum.Sum(nil)); err != nil {
		return err
	}
	if err := errors.Join(t.file.Sync(), t.file.Close()); err != nil {
		return err
	}
	return os.Rename(t.name+partial, t.name)
}

func (t *tarTarget) close() { t.file.Close() }
