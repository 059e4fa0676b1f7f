package cmd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/exec/foreign"
	"muster/schema"
)

// writtenFiles are files that were written, and can be what they were again.
type writtenFiles struct {
	undoing []func()
}

// write writes a file, in a directory that it makes where it is missing.
func (w *writtenFiles) write(name string, text []byte) error {
	before, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
	switch {
	case err == nil:
		w.undoing = append(w.undoing, func() { writeFile(name, before) })
	case errors.Is(err, fs.ErrNotExist):
		if err := w.makeDir(filepath.Dir(name)); err != nil {
			return err
		}
		w.undoing = append(w.undoing, func() { os.Remove(name) })
	default:
		return plainError("write", name, err)
	}
	return writeFile(name, text)
}

// makeDir makes a directory and those above it.
func (w *writtenFiles) makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it, writing says
	}
	if err := w.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return plainError("make", dir, err)
	}
	w.undoing = append(w.undoing, func() { os.Remove(dir) })
	return nil
}

// undo brings back what there was.
func (w *writtenFiles) undo() {
	for _, f := range slices.Backward(w.undoing) {
		f()
	}
}
