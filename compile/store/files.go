package store

import (
	"io/fs"
	"os"
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

// Open is [os.Open].
func (Disk) Open(path string) (fs.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // not a nil *os.File
	}
	return f, nil
}

// ReadDir is [os.ReadDir].
func (Disk) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Readlink is [os.Readlink].
func (Disk) Readlink(path string) (string, error) { return os.Readlink(path) }
