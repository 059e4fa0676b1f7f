package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// An Archive is an archive that Export has written and Open has checked. It is a transfer.Source.
type Archive struct {
	Manifest Manifest

	infos map[store.Path]*narInfo
	files container
	sums  map[string]checksum
}

// OpenOptions say what an archive must be like. The zero value takes an archive without signatures.
type OpenOptions struct {
	// Required are keys of which one must have signed the manifest and each path. None: no signature is needed.
	Required []PublicKey
	// Trusted are keys whose signatures are passed on to the store, besides the required ones. No others are.
	Trusted []PublicKey
	// Admit is called once it is known what the archive holds, before the archives of the paths, which are nearly all of
	// it, are read: to see whether it is for this machine and whether there is room. May be nil.
	Admit func(*Archive) error
}

// Open reads all of an archive, a directory or a file, once, and checks it:
//
//   - only members that Export writes, each once, each with its checksum
//   - the manifest, and that the archive holds the closure of its systems and paths and nothing else
//   - the archive of each path: codec, form, hash and size before and after decompression, content address
//   - that each path refers to what its contents mention, as far as the store that exported it said so
//   - signatures
//
// The error about one that is damaged or not complete is ErrDamaged.
func Open(ctx context.Context, name string, opts OpenOptions) (*Archive, error) {
	a := &Archive{infos: make(map[store.Path]*narInfo)}
	err := a.openFiles(ctx, name)
	if err == nil {
		err = a.check(ctx, opts)
	}
	if err == nil {
		return a, nil
	}
	a.Close()
	if refusal := (refusedByCaller{}); errors.As(err, &refusal) {
		return nil, refusal.error
	}
	return nil, fmt.Errorf("open archive %q: %w", name, err)
}

// A refusedByCaller is an error of OpenOptions.Admit.
type refusedByCaller struct{ error }

// Close closes the archive.
func (a *Archive) Close() error {
	if a.files == nil {
		return nil
	}
	return a.files.close()
}

func (a *Archive) openFiles(ctx context.Context, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		d, err := openDir(name)
		if err == nil {
			a.files = d
		}
		return err
	}
	t, err := openTar(ctx, name)
	if err == nil {
		a.files = t
	}
	return err
}

// check reads the small members first, and the archives of paths when all else is well.
func (a *Archive) check(ctx context.Context, opts OpenOptions) error {
	if err := a.readSums(); err != nil {
		return err
	}
	if err := a.checkCacheInfo(); err != nil {
		return err
	}
	if err := a.readManifest(opts.Required); err != nil {
		return err
	}
	if err := a.checkReadme(); err != nil {
		return err
	}
	if err := a.readNarInfos(ctx, opts); err != nil {
		return err
	}
	if err := a.checkClosure(ctx); err != nil {
		return err
	}
	if opts.Admit != nil {
		if err := opts.Admit(a); err != nil {
			return refusedByCaller{err}
		}
	}
	if err := a.checkNARs(ctx); err != nil {
		return err
	}
	return a.files.wait()
}

// readSums reads the checksums, and compares their names with the members.
func (a *Archive) readSums() error {
	text, err := a.readAll(sumsName)
	if err != nil {
		return err
	}
	if a.sums, err = parseSums(text); err != nil {
		return err
	}
	for _, name := range a.files.names() {
		if _, ok := a.sums[name]; !ok && name != sumsName {
			return damaged("%s: not in %s", name, sumsName)
		}
	}
	there := make(map[string]bool, len(a.sums))
	for _, name := range a.files.names() {
		there[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(a.sums)) {
		if !there[name] {
			return damaged("%s is missing", name)
		}
	}
	return nil
}

// readAll returns the bytes of a member.
func (a *Archive) readAll(name string) ([]byte, error) {
	f, err := a.files.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text := make([]byte, f.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// readMember is readAll for members that have a checksum.
func (a *Archive) readMember(name string) ([]byte, error) {
	text, err := a.readAll(name)
	if err != nil {
		return nil, err
	}
	if sum, _, _ := sumOf(bytes.NewReader(text)); sum != a.sums[name] {
		return nil, damaged("%s does not match %s", name, sumsName)
	}
	return text, nil
}

func (a *Archive) checkCacheInfo() error {
	text, err := a.readMember(cacheName)
	if err == nil && string(text) != cacheText {
		err = damaged("%s: want a store in %s and nothing else, got %.200q", cacheName, store.Dir, text)
	}
	return err
}

// checkReadme checks that the README, which is for people, does nothing to their terminals.
func (a *Archive) checkReadme() error {
	text, err := a.readMember(readmeName)
	if err != nil {
		return err
	}
	if !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		return damaged("%s: want text that can be printed", readmeName)
	}
	return nil
}

func (a *Archive) readManifest(required []PublicKey) error {
	text, err := a.readMember(manifestName)
	if err != nil {
		return err
	}
	if err := a.Manifest.parse(text); err != nil {
		return err
	}
	var signatures []string
	if _, signed := a.sums[manifestSigs]; signed {
		text, err := a.readMember(manifestSigs)
		if err != nil {
			return err
		}
		signatures = strings.Fields(string(text))
	}
	if len(required) > 0 && len(verified(manifestFingerprint(text), signatures, required)) == 0 {
		return unsigned(manifestName, required)
	}
	return nil
}

// ErrUnsigned says that an archive lacks a signature that is required.
var ErrUnsigned = errors.New("not signed by a required key")

func unsigned(what string, required []PublicKey) error {
	names := make([]string, len(required))
	for i, k := range required {
		names[i] = k.name
	}
	return fmt.Errorf("%s is %w: want a signature by %s", what, ErrUnsigned, strings.Join(names, " or "))
}

// readNarInfos reads what the archive says of its paths.
func (a *Archive) readNarInfos(ctx context.Context, opts OpenOptions) error {
	believed := slices.Concat(opts.Required, opts.Trusted)
	known := make(map[store.Path]store.Path) // so that each path is in memory once
	var total int64
	for _, name := range a.files.names() {
		if !isNarInfo(name) {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		text, err := a.readMember(name)
		if err != nil {
			return err
		}
		if total += int64(len(text)); total > maxNarInfos {
			return damaged("narinfos of more than %d bytes", maxNarInfos)
		}
		n, err := parseNarInfo(text)
		if err == nil {
			err = n.check(name, text)
		}
		if err != nil {
			return damaged("%s: %v", name, err)
		}
		if _, ok := a.sums[n.URL]; !ok {
			return damaged("%s: %s is missing", name, n.URL)
		}
		fp := fingerprint(n.PathInfo)
		if len(opts.Required) > 0 && len(verified(fp, n.Signatures, opts.Required)) == 0 {
			return unsigned(string(n.Path), opts.Required)
		}
		n.Signatures = verified(fp, n.Signatures, believed)
		n.intern(known)
		a.infos[n.Path] = n
	}
	return nil
}

// checkClosure checks that the archive holds all that its manifest needs, and nothing else.
func (a *Archive) checkClosure(ctx context.Context) error {
	closure, err := a.Closure(ctx, a.Manifest.roots())
	if err != nil && !errors.Is(err, ErrDamaged) {
		err = damaged("%v", err) // paths refer to each other
	}
	if err != nil {
		return err
	}
	var total int64
	for _, info := range closure {
		if info.NARSize > math.MaxInt64-total {
			return damaged("%s: NarSize %d is out of range", narInfoName(info.Path), info.NARSize)
		}
		total += info.NARSize
	}
	if len(closure) < len(a.infos) {
		needed := make(map[store.Path]bool, len(closure))
		for _, info := range closure {
			needed[info.Path] = true
		}
		for _, p := range a.paths() {
			if !needed[p] {
				return damaged("%s: %s is not needed by anything in %s", narInfoName(p), p, manifestName)
			}
		}
	}
	for p, refs := range a.Manifest.ScanDiffers {
		for _, r := range append(refs, p) {
			if a.infos[r] == nil {
				return damaged("%s: scan_differs: %s is missing", manifestName, r)
			}
		}
	}
	return nil
}

// paths are the paths of the archive, sorted.
func (a *Archive) paths() []store.Path {
	return slices.Sorted(maps.Keys(a.infos))
}

// checkNARs reads the archives of all paths, several at once. It reports the first that is damaged.
func (a *Archive) checkNARs(ctx context.Context) error {
	byURL := make(map[string][]*narInfo)
	for _, p := range a.paths() {
		n := a.infos[p]
		byURL[n.URL] = append(byURL[n.URL], n)
	}
	var urls []string
	for _, name := range a.files.names() {
		if !isNAR(name) {
			continue
		}
		if byURL[name] == nil {
			return damaged("%s: no narinfo is about it", name)
		}
		urls = append(urls, name)
	}
	scanner := newScanner(a.paths())
	return inParallel(len(urls), func() (func(i int) error, func(), error) {
		c, err := newNARChecker(scanner)
		if err != nil {
			return nil, nil, err
		}
		return func(i int) error { return a.checkNAR(ctx, c, byURL[urls[i]]) }, c.close, nil
	})
}

// checkNAR reads one archive.
func (a *Archive) checkNAR(ctx context.Context, c *narChecker, infos []*narInfo) error {
	n := infos[0]
	if a.sums[n.URL] != checksum(n.FileHash.Bytes()) {
		return damaged("%s: %s has another checksum than %s", n.URL, narInfoName(n.Path), sumsName)
	}
	f, err := a.files.open(n.URL)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Size() != n.FileSize {
		return damaged("%s: it has %d bytes, %s says %d", n.URL, f.Size(), narInfoName(n.Path), n.FileSize)
	}
	found, err := c.check(ctx, f, infos)
	if err != nil {
		return err
	}
	for _, n := range infos {
		if diff := found.differs(n.References); !slices.Equal(diff, a.Manifest.ScanDiffers[n.Path]) {
			return damaged("%s: References and the contents of %s differ about %s", narInfoName(n.Path), n.Path, firstDifference(diff, a.Manifest.ScanDiffers[n.Path]))
		}
	}
	return nil
}

// firstDifference returns the first path that is in only one of two sorted lists.
func firstDifference(a, b []store.Path) store.Path {
	for _, p := range append(slices.Clone(a), b...) {
		if slices.Contains(a, p) != slices.Contains(b, p) {
			return p
		}
	}
	return ""
}

// inParallel does n pieces of work, each with one of several workers that begin makes. It returns the error of the first
// piece, by number, that has one; later ones are then left out.
func inParallel(n int, begin func() (do func(i int) error, end func(), err error)) error {
	var (
		mu    sync.Mutex
		next  int
		first = n
		why   error
		wg    sync.WaitGroup
	)
	fail := func(i int, err error) {
		mu.Lock()
		defer mu.Unlock()
		if i < first {
			first, why = i, err
		}
	}
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= first
	}
	for range min(n, workers()) {
		wg.Go(func() {
			do, end, err := begin()
			if err != nil {
				fail(-1, err)
				return
			}
			defer end()
			for i, ok := take(); ok; i, ok = take() {
				if err := do(i); err != nil {
					fail(i, err)
				}
			}
		})
	}
	wg.Wait()
	return why
}

// Closure returns the infos of paths and all they refer to, references first. Their signatures are those of trusted keys.
func (a *Archive) Closure(_ context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	return nixserve.Closure(paths, func(p store.Path) (nixserve.PathInfo, error) {
		n, ok := a.infos[p]
		if !ok {
			return nixserve.PathInfo{}, damaged("%s is missing", p)
		}
		return n.PathInfo, nil
	})
}

// NAR decompresses the archive of a path and checks it again: the file may have changed since.
func (a *Archive) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	n, ok := a.infos[info.Path]
	if !ok {
		return damaged("%s is missing", info.Path)
	}
	f, err := a.files.open(n.URL)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := newDecoder()
	if err != nil {
		return err
	}
	defer z.Close()
	if err := z.Reset(contextReader{ctx, f}); err != nil {
		return err
	}
	h := store.NewHashWriter(store.SHA256, w)
	if _, err := io.Copy(h, io.LimitReader(z, n.NARSize)); err != nil {
		return err
	}
	if more, _ := z.Read(make([]byte, 1)); more > 0 || h.Size() != n.NARSize || h.Sum() != n.NARHash {
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
