package archive

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/exec/nixserve"
)

// A dirTarget is a directory. Every file appears in it whole, a path's narinfo after its archive.
type dirTarget struct{ dir string }

func newDirTarget(dir string) (*dirTarget, error) {
	if err := os.MkdirAll(filepath.Join(dir, "nar"), 0o755); err != nil {
		return nil, err
	}
	// Without its checksums it is no archive until it is finished again.
	if err := os.Remove(filepath.Join(dir, sumsName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &dirTarget{dir: dir}, nil
}

func (d *dirTarget) has(info nixserve.PathInfo) bool {
	text, err := os.ReadFile(filepath.Join(d.dir, narInfoName(info.Path)))
	if err != nil {
		return false
	}
	n, err := parseNarInfo(text)
	if err != nil || n.Path != info.Path || n.NARHash != info.NARHash || !bytes.Equal(text, n.of(info).text()) {
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

// finish lists the files that belong to the archive: the directory may hold others.
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
	sums := make(map[string]string)
	for _, name := range slices.Compact(names) { // equal archives share a file
		sum, _, err := fileSum(filepath.Join(d.dir, name))
		if err != nil {
			return err
		}
		sums[name] = sum
	}
	return putText(d, sumsName, formatSums(sums))
}

func (d *dirTarget) close() {}
