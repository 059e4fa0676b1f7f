package store

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Files is where archives are made of: a file system with absolute paths. Its
// errors are those of package os.
type Files interface {
	Lstat(path string) (fs.FileInfo, error)
	Open(path string) (fs.File, error)
	ReadDir(path string) ([]fs.DirEntry, error) // sorted by name
	Readlink(path string) (string, error)
}

// Disk is the file system of this computer.
type Disk struct{}

// Lstat is [os.Lstat].
func (Disk) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

// Open is [os.Open], except that it does not wait for somebody to write to a fifo.
func (Disk) Open(path string) (fs.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err // not a nil *os.File
	}
	return f, nil
}

// ReadDir is [os.ReadDir], except that it does not wait for somebody to write to a
// fifo.
func (Disk) ReadDir(path string) ([]fs.DirEntry, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Readlink is [os.Readlink].
func (Disk) Readlink(path string) (string, error) { return os.Readlink(path) }
