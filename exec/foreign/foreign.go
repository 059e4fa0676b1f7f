// Package foreign opens files that others may have written: inventories, archives, journals, plans, settings, keys, caches.
// It imports nothing of muster, so that every package may use it; a test in package cmd finds who opens files otherwise.
//
// A foreign file may be a device that never ends, a fifo that nobody writes to, a link to somewhere else, or larger than
// memory. Open refuses all of these before it reads a byte, without ever waiting, and the File that it returns keeps the
// limits while it is read.
//
//	text, err := foreign.ReadFile("fleet.plan", foreign.Limits{Size: 16 << 20, Trusted: true})
package foreign

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Limits say what a file must be like, and how much of it is read. Every file must be a regular one.
type Limits struct {
	Size int64         // most bytes of the file; must be positive
	Time time.Duration // how long reading may take, from Open on; 0 is no limit
	// Trusted wants a file that only this user or root can have written: it belongs to one of them and neither group nor
	// others may write to it, and the same holds for each directory that leads to it. Others may write to a directory that is
	// sticky, as /tmp.
	Trusted bool
	// Links lets the last element of the name be a symbolic link, for names that the user has typed and for settings, which
	// home-manager links to the store. The link itself must then be trusted too.
	Links bool
	// Null lets /dev/null be an empty file, for settings: it is how ssh and Nix are told that there are none.
	Null bool
}

// Time is how long reading a file of ordinary size may take.
const Time = 10 * time.Second

// Settings are the limits of a file of settings, such as nix.conf or ssh_config, of at most size bytes.
func Settings(size int64) Limits {
	return Limits{Size: size, Time: Time, Trusted: true, Links: true, Null: true}
}

// A RefusedError says why a file that exists was not opened, or not read to its end.
type RefusedError struct {
	Name string
	Why  string // "it is a fifo, want a regular file"
}

func (e *RefusedError) Error() string { return fmt.Sprintf("open %q: %s", e.Name, e.Why) }

// A File is an open foreign file. Reads beyond its limits fail.
type File struct {
	file     *os.File
	name     string
	info     fs.FileInfo
	limits   Limits
	deadline time.Time // zero: none
	read     int64     // bytes that Read has returned
}

// Open opens a file for reading. It never blocks. The error about a file that breaks its limits is a [*RefusedError]; the
// error about one that is missing is a [fs.ErrNotExist].
func Open(name string, limits Limits) (*File, error) {
	flag := os.O_RDONLY | syscall.O_NONBLOCK
	if !limits.Links {
		flag |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return nil, explain(name, err, os.Lstat)
	}
	return admit(f, name, limits)
}

// OpenIn opens a file below a directory. Links are refused whatever the limits say, also within the directory. A file that
// another one replaces at this moment is looked at again.
func OpenIn(root *os.Root, name string, limits Limits) (*File, error) {
	for try := 1; ; try++ {
		f, exchanged, err := openIn(root, name, limits)
		if !exchanged || try == maxExchanges {
			return f, err
		}
	}
}

// maxExchanges is how often a file may be replaced while it is opened. Each time takes a writer that meets the moment between
// two system calls.
const maxExchanges = 100

// openIn is OpenIn once. It reports whether the file was replaced meanwhile, which is an error.
func openIn(root *os.Root, name string, limits Limits) (_ *File, exchanged bool, _ error) {
	full := filepath.Join(root.Name(), name)
	// os.Root follows links that stay inside, so each element is looked at before and the file itself again after.
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if info, err := root.Lstat(name[:i]); err != nil {
			return nil, false, err
		} else if !info.IsDir() {
			return nil, false, refused(full, "%s is %s, want a directory", name[:i], kind(info.Mode()))
		}
	}
	before, err := root.Lstat(name)
	if err != nil {
		return nil, false, err
	}
	if !before.Mode().IsRegular() {
		return nil, false, refused(full, "it is %s, want a regular file", kind(before.Mode()))
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, explain(full, err, func(string) (fs.FileInfo, error) { return root.Lstat(name) })
	}
	opened, err := admit(f, full, limits)
	if err == nil && !os.SameFile(before, opened.info) {
		opened.Close()
		return nil, true, refused(full, "it was exchanged while it was opened")
	}
	return opened, false, err
}

// OpenOwn opens a file below a directory for reading and writing, to go on with what this user has begun. Others may write
// to the directory, but not to the file: it must be regular, belong to this user, be known by this name only, and neither
// group nor others may write to it.
func OpenOwn(root *os.Root, name string) (*os.File, error) {
	full := filepath.Join(root.Name(), name)
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if why := notOwn(before); why != "" {
		return nil, refused(full, "it %s", why)
	}
	f, err := root.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && (!os.SameFile(before, after) || notOwn(after) != "") {
		err = refused(full, "it was exchanged while it was opened")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenAppend opens a file to add to it, and makes it for this user alone where there is none. What is there already must be
// within the limits.
func OpenAppend(name string, limits Limits) (*os.File, error) {
	flag := os.O_RDWR | os.O_CREATE | os.O_APPEND | syscall.O_NONBLOCK
	if !limits.Links {
		flag |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, explain(name, err, os.Lstat)
	}
	if _, err := admit(f, name, limits); err != nil {
		return nil, err
	}
	return f, nil
}

func notOwn(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return "is " + kind(info.Mode()) + ", want a regular file"
	case ok && int(st.Uid) != os.Geteuid():
		return fmt.Sprintf("belongs to user %d", st.Uid)
	case ok && st.Nlink != 1:
		return "has another name too (a hard link)"
	}
	return distrust(info)
}

// tempPrefix begins the name of a file that is being made.
const tempPrefix = ".muster-"

// IsTemp reports whether a file has a name that [CreateTemp] gives.
func IsTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// CreateTemp makes a new file below a directory, with a name that cannot be guessed, for this user alone.
func CreateTemp(root *os.Root) (f *os.File, name string, err error) {
	name = tempPrefix + rand.Text()
	f, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, name, err
}

// Replace writes a file below a directory, whole or not at all: under a name of its own, by fill, and then in place of
// what has the name. Only this user may read it, unless fill changes that.
func Replace(root *os.Root, name string, fill func(f *os.File) error) error {
	f, temp, err := CreateTemp(root)
	if err != nil {
		return err
	}
	err = fill(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
	}
	return err
}

// ReplaceText has a text take the place of a file. It is on the disk before it has the name: when the power fails, the former
// file is there, or this one.
func ReplaceText(root *os.Root, name string, text []byte) error {
	return Replace(root, name, func(f *os.File) error {
		if _, err := f.Write(text); err != nil {
			return err
		}
		return f.Sync()
	})
}

// ReadFile returns the contents of a file.
func ReadFile(name string, limits Limits) ([]byte, error) {
	f, err := Open(name, limits)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.all()
}

// ReadFileIn returns the contents of a file below a directory.
func ReadFileIn(root *os.Root, name string, limits Limits) ([]byte, error) {
	f, err := OpenIn(root, name, limits)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.all()
}

// IsMissing reports whether an error says that there is nothing at a path, be it that what is before its end is no directory.
func IsMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// all reads the rest of the file into a text that is made as long as the file is.
func (f *File) all() ([]byte, error) {
	text := bytes.NewBuffer(make([]byte, 0, f.Size()+bytes.MinRead))
	_, err := text.ReadFrom(f)
	return text.Bytes(), err
}

// ReadAll returns what a stream holds, such as standard input or the output of a program, and fails when that is more than
// limit bytes. Name is that of the stream in messages.
func ReadAll(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("read %s: it is longer than %d bytes", name, limit)
	}
	return text, err
}

// CheckDir returns why this user's own files in a directory may be those of others, or nil: the directory must not be a
// link, and only this user or root may have written to it and to the directories that lead to it.
func CheckDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return refused(dir, "it is %s, want a directory", kind(info.Mode()))
	}
	if why := distrust(info); why != "" {
		return refused(dir, "it %s", why)
	}
	return checkDirs(dir)
}

// Stat describes the file as it was when it was opened.
func (f *File) Stat() (fs.FileInfo, error) { return f.info, nil }

// Size returns how large the file was when it was opened.
func (f *File) Size() int64 { return f.info.Size() }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Read reads on. It fails when the file has grown beyond its limit, or the time is over.
func (f *File) Read(p []byte) (int, error) {
	if err := f.late(); err != nil {
		return 0, err
	}
	left := f.limits.Size - f.read
	if int64(len(p)) > left+1 {
		p = p[:left+1] // one more, to tell the end from the limit
	}
	n, err := f.file.Read(p)
	if int64(n) > left {
		return int(left), tooLarge(f.name, f.limits)
	}
	f.read += int64(n)
	return n, err
}

// ReadAt reads bytes at an offset, within the size that the file had when it was opened.
func (f *File) ReadAt(p []byte, at int64) (int, error) {
	if err := f.late(); err != nil {
		return 0, err
	}
	if at >= f.Size() {
		return 0, io.EOF
	}
	if left := f.Size() - at; int64(len(p)) > left {
		n, err := f.file.ReadAt(p[:left], at)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return f.file.ReadAt(p, at)
}

func (f *File) late() error {
	if !f.deadline.IsZero() && time.Now().After(f.deadline) {
		return refused(f.name, "not read within %v", f.limits.Time)
	}
	return nil
}

// admit checks an open file and takes it over.
func admit(f *os.File, name string, limits Limits) (*File, error) {
	if limits.Size <= 0 {
		panic("foreign: no limit of size for " + name)
	}
	info, err := f.Stat()
	if err == nil {
		err = check(info, name, limits)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	opened := &File{file: f, name: name, info: info, limits: limits}
	if limits.Time > 0 {
		opened.deadline = time.Now().Add(limits.Time)
	}
	return opened, nil
}

func check(info fs.FileInfo, name string, limits Limits) error {
	if limits.Null && isNull(info) {
		return nil
	}
	if !info.Mode().IsRegular() {
		return refused(name, "it is %s, want a regular file", kind(info.Mode()))
	}
	if info.Size() > limits.Size {
		return tooLarge(name, limits)
	}
	if !limits.Trusted {
		return nil
	}
	if why := distrust(info); why != "" {
		return refused(name, "it %s", why)
	}
	return checkDirs(name)
}

// isNull reports whether a file is /dev/null.
func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// checkDirs looks at the directories that lead to a file, and to what a link of that name points to: who may write to one
// can exchange what is in it.
func checkDirs(name string) error {
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	link, err := os.Lstat(abs)
	if err != nil {
		return err
	}
	if uid := owner(link); link.Mode()&fs.ModeSymlink != 0 && uid != 0 && uid != os.Geteuid() {
		return refused(name, "it is a link of user %d, who is neither this user nor root: remove the link", uid)
	}
	target, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return err
	}
	if err := checkParents(name, abs); err != nil || target == abs {
		return err
	}
	return checkParents(name, target)
}

func checkParents(name, abs string) error {
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if why := distrust(info); why != "" && !sticky(info) {
			return refused(name, "its directory %q %s", dir, why)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// sticky reports whether others may make files in a directory, but not exchange those of this user or root. The owner of a
// sticky directory can exchange all of them.
func sticky(info fs.FileInfo) bool {
	uid := owner(info)
	return info.Mode()&fs.ModeSticky != 0 && (uid == 0 || uid == os.Geteuid())
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// distrust says who else may write to a file, "" if nobody.
func distrust(info fs.FileInfo) string {
	switch uid := owner(info); {
	case uid != 0 && uid != os.Geteuid():
		return fmt.Sprintf("belongs to user %d, neither to this user nor to root: chown it, or make a copy", uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("may be written to by others (mode %04o): chmod go-w", info.Mode().Perm())
	}
	return ""
}

func refused(name, format string, args ...any) error {
	return &RefusedError{Name: name, Why: fmt.Sprintf(format, args...)}
}

func tooLarge(name string, limits Limits) error {
	return refused(name, "it is larger than %d bytes", limits.Size)
}

// explain turns the error about a link or a socket into one that says so.
func explain(name string, err error, lstat func(string) (fs.FileInfo, error)) error {
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.ENXIO) {
		if info, lstatErr := lstat(name); lstatErr == nil && !info.Mode().IsRegular() {
			return refused(name, "it is %s, want a regular file", kind(info.Mode()))
		}
	}
	return err
}

// kind names the kind of a file that is not regular.
func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a fifo"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m.IsRegular():
		return "a regular file"
	}
	return "a file of an unknown type"
}
