package eval

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/compile/store"
)

// An importedFile is a file as import sees it: parsed, lowered, and evaluated
// at most once.
type importedFile struct {
	once   once
	value  value  // a thunk in the shared region
	digest string // set if Options.Record is set
}

// importFile returns the value of a file, or of default.nix in a directory.
func (th *thread) importFile(p string, pos posID) value {
	e, ok := th.ev.files.Load(p)
	if !ok {
		e, _ = th.ev.files.LoadOrStore(p, &importedFile{})
	}
	f := e.(*importedFile)
	f.once.do(th, func() {
		n, digest, err := th.loadFile(p, th.ev.base)
		if err != nil {
			panic(err)
		}
		z := newLazy(n)
		own := th.heap
		th.heap = &th.shared
		f.value, f.digest = th.newThunk(&z, nil), digest
		th.heap = own
	})
	th.recordImport(p, f.digest)
	return th.force(f.value)
}

// corePath is the directory of the files that come with Nix, <nix/…>.
const corePath = "/__corepkgs__/"

//go:embed fetchurl.nix
var fetchurlText string

// coreFile returns a file that comes with Nix.
func coreFile(p string) ([]byte, bool) {
	if p == corePath+"fetchurl.nix" {
		return []byte(fetchurlText), true
	}
	return nil, false
}

// loadFile parses and lowers a file in a scope. The digest is for recordImport.
func (th *thread) loadFile(p string, sc *scope) (n node, digest string, err *Error) {
	real := p
	src, ok := coreFile(p)
	if !ok {
		if real, err = th.ev.resolveImport(p, th.ev.mayRead); err != nil {
			return nil, "", err
		}
		if src, err = th.tryReadFile(real); err != nil {
			return nil, "", err
		}
	}
	th.reserve(len(src))
	file, perr := th.ev.parse(real, src, th.progress)
	if perr != nil {
		return nil, "", perr
	}
	if th.ev.opts.Record && !ok {
		th.ev.imported.Store(real, true)
		digest = th.ev.importDigest(real, src)
	}
	n, err = th.ev.lower(file.Expr, path.Dir(real), sc, th.progress)
	return n, digest, err
}

// progress accounts for a stretch of work that takes about as much time and memory
// as the calls between two checkpoints.
func (th *thread) progress() { th.spend(fuelUnit) }

// maxLinks is how many symbolic links a path may lead through, as in Nix.
const maxLinks = 1024

// resolveImport follows links, and goes from a directory to its default.nix.
// Relative paths in a file are relative to its real path. Whatever may forbid is
// not passed through.
func (ev *Evaluator) resolveImport(p string, may func(p string) *Error) (string, *Error) {
	for range maxLinks {
		if err := may(p); err != nil {
			return "", err
		}
		info, err := ev.lstat(p)
		switch {
		case err != nil:
			return "", ev.fileError(p, err)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := ev.world.Readlink(ev.onDisk(p))
			if err != nil {
				return "", ev.fileError(p, err)
			}
			if !strings.HasPrefix(target, "/") {
				target = path.Dir(p) + "/" + target
			}
			p = cleanPath(target)
		case info.IsDir():
			p += "/default.nix"
		default:
			return p, nil
		}
	}
	return "", &Error{Msg: "infinite symlink recursion in path '" + p + "'"}
}

// fileError says in Nix's words why a path cannot be read.
func (ev *Evaluator) fileError(p string, err error) *Error {
	asked := p
	p = shortened(ev.shownPath(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Msg: ev.missing(asked), cause: err}
	case errors.Is(err, syscall.ELOOP):
		return &Error{Msg: "infinite symlink recursion in path '" + p + "'", cause: err}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Msg: "opening file '" + p + "': Permission denied", cause: err}
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return &Error{Msg: "reading file '" + p + "': " + pathErr.Err.Error(), cause: err}
	}
	return &Error{Msg: "reading file '" + p + "': " + shortened(err.Error()), cause: err}
}

// onDisk returns the path from which p can be read. A source that is not in the
// store yet is read from its original place.
func (ev *Evaluator) onDisk(p string) string {
	if !inside(p, store.Dir) {
		return p
	}
	sp, rest, err := store.SplitPath(p)
	if err != nil {
		return p
	}
	s, ok := ev.Source(sp)
	if !ok || s.File == "" {
		return p
	}
	if _, err := ev.world.Lstat(string(sp)); err == nil {
		return p
	}
	for at := s.File; at != s.File+rest; {
		next := strings.IndexByte((s.File + rest)[len(at)+1:], '/')
		if next < 0 {
			at = s.File + rest
		} else {
			at = (s.File + rest)[:len(at)+1+next]
		}
		if s.Omit[at] {
			return p // a filter refused it
		}
	}
	return s.File + rest
}

// accepted returns those entries of a directory that no filter has refused. Only one of a source that is not in the store
// yet has others: it is read where it comes from.
func (ev *Evaluator) accepted(p string, entries []fs.DirEntry) []fs.DirEntry {
	sp, _, err := store.SplitPath(p)
	if err != nil {
		return entries
	}
	s, ok := ev.Source(sp)
	dir := ev.onDisk(p)
	if !ok || len(s.Omit) == 0 || dir == p {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e fs.DirEntry) bool { return s.Omit[dir+"/"+e.Name()] })
}

// lstat is Lstat of the world; a text that is not in the store yet is a file,
// too.
func (ev *Evaluator) lstat(p string) (fs.FileInfo, error) {
	if s, ok := ev.Source(store.Path(p)); ok && s.File == "" {
		return textInfo(s.Text), nil
	}
	return ev.world.Lstat(ev.onDisk(p))
}

// stat is lstat after following links.
func (ev *Evaluator) stat(p string) (fs.FileInfo, error) {
	if s, ok := ev.Source(store.Path(p)); ok && s.File == "" {
		return textInfo(s.Text), nil
	}
	return ev.world.Stat(ev.onDisk(p))
}

// textInfo is the FileInfo of a text.
type textInfo string

func (t textInfo) Name() string       { return "" }
func (t textInfo) Size() int64        { return int64(len(t)) }
func (t textInfo) Mode() fs.FileMode  { return 0o444 }
func (t textInfo) ModTime() time.Time { return time.Unix(1, 0) }
func (t textInfo) IsDir() bool        { return false }
func (t textInfo) Sys() any           { return nil }

// mayRead returns an error if pure or restricted mode forbids p, or the path
// that p's links lead to.
func (ev *Evaluator) mayRead(p string) *Error {
	if !ev.opts.Pure && !ev.opts.Restricted {
		return nil
	}
	if err := ev.mayReadPlain(p); err != nil {
		return err
	}
	return ev.mayFollow(p)
}

// mayLook is mayRead for a path whose last element is not followed.
func (ev *Evaluator) mayLook(p string) *Error {
	if !ev.opts.Pure && !ev.opts.Restricted {
		return nil
	}
	if p == store.Dir || p == "/" {
		return nil // that it exists is no secret
	}
	if err := ev.mayReadPlain(p); err != nil {
		return err
	}
	return ev.mayFollow(path.Dir(p))
}

// Allow adds to the paths that may be read in pure and restricted mode. No evaluation may be in progress.
func (ev *Evaluator) Allow(paths ...string) {
	ev.opts.Allowed = append(slices.Clone(ev.opts.Allowed), paths...)
}

// mayFollow returns an error if the links in a path lead to one that is forbidden.
func (ev *Evaluator) mayFollow(p string) *Error {
	if inside(p, store.Dir) && !ev.opts.Pure {
		return nil
	}
	disk := ev.onDisk(p)
	real, e := ev.world.EvalSymlinks(disk)
	if e != nil || real == disk || ev.leadsTo(real) || ev.insideSource(p, real) {
		return nil
	}
	return ev.mayReadPlain(real)
}

// insideSource reports whether a path is in the same source as p, which is not in the
// store yet.
func (ev *Evaluator) insideSource(p, real string) bool {
	sp, _, err := store.SplitPath(p)
	if err != nil {
		return false
	}
	s, ok := ev.Source(sp)
	if !ok || s.File == "" {
		return false
	}
	if info, err := ev.world.Lstat(s.File); err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return false // the source is the link
	}
	dir, err := ev.world.EvalSymlinks(s.File)
	return err == nil && inside(real, dir)
}

// leadsTo reports whether a path is below an allowed path whose links were
// followed.
func (ev *Evaluator) leadsTo(real string) bool {
	for _, allowed := range ev.opts.Allowed {
		if dir, err := ev.world.EvalSymlinks(allowed); err == nil && inside(real, dir) {
			return true
		}
	}
	for _, e := range ev.opts.NixPath {
		if dir, err := ev.world.EvalSymlinks(e.Path); err == nil && !ev.opts.Pure && inside(real, dir) {
			return true
		}
	}
	return false
}

func (ev *Evaluator) mayReadPlain(p string) *Error {
	shown := shortened(p)
	if inside(p, store.Dir) && !ev.opts.Restricted && (!ev.opts.Pure || ev.mayReadStore(p)) {
		return nil
	}
	for _, allowed := range ev.opts.Allowed {
		if inside(p, allowed) {
			return nil
		}
	}
	if !ev.opts.Pure {
		for _, e := range ev.opts.NixPath {
			if inside(p, e.Path) {
				return nil
			}
		}
		return &Error{Msg: "access to absolute path '" + shown + "' is forbidden in restricted mode"}
	}
	return &Error{Msg: "access to absolute path '" + shown + "' is forbidden in pure evaluation mode (use '--impure' to override)"}
}

// inside reports whether p is dir or below it.
func inside(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// maxFile is the most that is read of a file. Files such as /dev/zero do not end.
const maxFile = 1 << 30

// open opens a file to read it to its end. Anything but regular files and devices
// is refused: reading a fifo may wait for ever.
func (th *thread) open(p string) (fs.File, int64, *Error) {
	f, err := th.ev.world.Open(th.ev.onDisk(p))
	if err != nil {
		return nil, 0, th.ev.fileError(p, err)
	}
	info, err := f.Stat()
	var problem *Error
	switch {
	case err != nil:
		problem = th.ev.fileError(p, err)
	case info.IsDir():
		problem = &Error{Msg: "read of 4096 bytes: Is a directory"}
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0:
		problem = &Error{Msg: "file '" + shortened(p) + "' is not a regular file"}
	default:
		return &meteredFile{f, th}, info.Size(), nil
	}
	f.Close()
	return nil, 0, problem
}

func (th *thread) tryReadFile(p string) ([]byte, *Error) {
	if err := th.ev.mayRead(p); err != nil {
		return nil, err
	}
	if s, ok := th.ev.Source(store.Path(p)); ok && s.File == "" {
		return []byte(s.Text), nil
	}
	f, size, problem := th.open(p)
	if problem != nil {
		return nil, problem
	}
	defer f.Close()
	text := textBuilder{th: th}
	if size <= maxFile {
		th.reserve(int(size))
		text.b = make([]byte, 0, size+512) // only a hint: files in /proc have size 0
	}
	for {
		text.grow(512)
		n, err := f.Read(text.b[len(text.b):cap(text.b)])
		text.b = text.b[:len(text.b)+n]
		switch {
		case err == io.EOF:
			return text.b, nil
		case err != nil:
			return nil, th.ev.fileError(p, err)
		case len(text.b) > maxFile:
			return nil, th.limitError("file '%s' is longer than %d MB", shortened(p), maxFile>>20)
		}
	}
}

// A meteredFile is a file that a thread reads. Reading counts as work, so that it
// can be canceled and has a limit of time.
type meteredFile struct {
	fs.File
	th *thread
}

func (f *meteredFile) Read(p []byte) (int, error) {
	stop := func() bool { return true }
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		// A terminal may never answer.
		stop = context.AfterFunc(f.th.ctx, func() { f.Close() })
	}
	n, err := f.File.Read(p)
	stop()
	f.th.spend(16 + n/16)
	return n, err
}

// meteredFiles are the files of the world, metered.
type meteredFiles struct {
	store.Files
	th *thread
}

// Open implements [store.Files].
func (m meteredFiles) Open(p string) (fs.File, error) {
	f, err := m.Files.Open(p)
	if err != nil {
		return nil, err
	}
	return &meteredFile{f, m.th}, nil
}

var errTooLarge = errors.New("the file is too large")

// digestOf writes the content of the file at path p to a hash. Files longer than
// maxFile are refused.
func digestOf(files store.Files, p string, h io.Writer) error {
	f, err := files.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0:
		return fmt.Errorf("%s is not a regular file", p)
	}
	n, err := io.Copy(h, io.LimitReader(f, maxFile+1))
	if err == nil && n > maxFile {
		err = errTooLarge
	}
	return err
}

// readFileOf returns the content of the file at path p, of at most maxFile bytes.
func readFileOf(files store.Files, p string) ([]byte, error) {
	var b bytes.Buffer
	err := digestOf(files, p, &b)
	return b.Bytes(), err
}

// readFile returns a file's content.
func (th *thread) readFile(p string) []byte {
	b, err := th.tryReadFile(p)
	if err != nil {
		panic(err)
	}
	th.recordFile(p, b)
	return b
}

// hashFileAt returns the hash of a file's content.
func (th *thread) hashFileAt(p string, a store.Algo) store.Hash {
	if err := th.ev.mayRead(p); err != nil {
		panic(err)
	}
	if s, ok := th.ev.Source(store.Path(p)); ok && s.File == "" {
		return store.HashString(a, s.Text)
	}
	f, _, problem := th.open(p)
	if problem != nil {
		panic(problem)
	}
	defer f.Close()
	h, seen := store.NewHashWriter(a, nil), sha256.New()
	var w io.Writer = h
	if th.inputsHere() != nil {
		w = io.MultiWriter(h, seen)
	}
	if _, err := io.Copy(w, f); err != nil {
		panic(th.ev.fileError(p, err))
	}
	if th.inputsHere() != nil && !th.ev.isText(p) {
		th.recordAt(fileInput, p, shortDigest(seen.Sum(nil)))
	}
	return h.Sum()
}
