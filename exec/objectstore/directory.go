package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"muster/exec/foreign"
)

// A directory is a store whose objects are files, such as one that a web server serves or that several machines mount.
type directory struct{ dir string }

func (d directory) String() string { return "file://" + d.dir }

// maxFile is the most bytes of one object.
const maxFile = 1 << 40

func (d directory) Get(_ context.Context, key, etag string) (*Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := foreign.OpenIn(root, key, foreign.Limits{Size: maxFile})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat() // of the file that is open, whatever has its name by now
	if err != nil {
		f.Close()
		return nil, err
	}
	now := tag(info)
	if etag != "" && etag == now {
		f.Close()
		return nil, ErrNotModified
	}
	return &Object{Body: f, Size: info.Size(), ETag: now}, nil
}

// tag changes when a file is replaced: each Put makes a new one.
func tag(info fs.FileInfo) string {
	inode := uint64(0)
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = s.Ino
	}
	return fmt.Sprintf(`"%x-%x-%x"`, info.ModTime().UnixNano(), info.Size(), inode)
}

// Put writes a temporary file beside the object and renames it. Writers with conditions exclude each other by a lock.
func (d directory) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c Condition) (err error) {
	if err := checkKey(key); err != nil {
		return err
	}
	name := filepath.Join(d.dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".muster-*")
	if err != nil {
		return err
	}
	defer func() {
		temp.Close()
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	if _, err := io.CopyN(temp, body, size); err != nil {
		return err
	}
	if err := errors.Join(temp.Chmod(0o644), temp.Sync()); err != nil {
		return err
	}
	if c != (Condition{}) {
		unlock, err := d.lock()
		if err != nil {
			return err
		}
		defer unlock()
		if err := d.holds(key, c); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return os.Rename(temp.Name(), name)
}

// lock keeps other writers with conditions waiting.
func (d directory) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(d.dir, ".muster-lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %v", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// holds compares an object with a condition.
func (d directory) holds(key string, c Condition) error {
	info, err := os.Lstat(filepath.Join(d.dir, filepath.FromSlash(key)))
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Match == "":
		return nil
	case err == nil && !c.Absent && strings.TrimPrefix(c.Match, "W/") == tag(info):
		return nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return ErrConflict
	}
	return err
}
