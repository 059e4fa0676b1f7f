package foreign

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// OpenDir opens a directory that only this user or root can write to: it belongs to one of them, is no symbolic link, and
// neither group nor others may write to it. For each directory that leads to it, the same holds as in [Limits.Trusted].
func OpenDir(name string) (*os.Root, error) {
	before, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, refused(name, "it is %s, want a directory", kind(before.Mode()))
	}
	if why := distrust(before); why != "" {
		return nil, refused(name, "it %s", why)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if err := checkOpened(root, name, before); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

func checkOpened(root *os.Root, name string, before fs.FileInfo) error {
	after, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(before, after) {
		return refused(name, "it was exchanged while it was opened")
	}
	return checkDirs(filepath.Clean(name))
}

// Names are the names of at most so many files in a directory, in no order.
func Names(root *os.Root, most int) ([]string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(most + 1)
	switch {
	case len(names) > most:
		return nil, refused(root.Name(), "it holds more than %d files", most)
	case err != nil && err != io.EOF:
		return nil, err
	}
	return names, nil
}
