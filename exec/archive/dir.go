package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/exec/foreign"
	"muster/exec/nixserve"
)

// A dirTarget is a directory. Every file appears in it whole, a path's narinfo after its archive.
type dirTarget struct {
	root    *os.Root
	checker *narChecker
	signed  bool
}

func newDirTarget(dir string, c *narChecker) (*dirTarget, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &dirTarget{root: root, checker: c}
	if err := d.prepare(); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

func (d *dirTarget) prepare() error {
	if err := d.root.Mkdir("nar", 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := d.root.Lstat("nar"); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("%s: want a directory and no link", filepath.Join(d.root.Name(), "nar")))
	}
	// Without its checksums it is no archive until it is finished again.
	for _, name := range []string{sumsName, manifestSigs} {
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (d *dirTarget) kept(info nixserve.PathInfo) *scan {
	text, err := foreign.ReadFileIn(d.root, narInfoName(info.Path), foreign.Limits{Size: maxNarInfo})
	if err != nil {
		return nil
	}
	n, err := parseNarInfo(text)
	if err != nil || n.check(narInfoName(info.Path), text) != nil || !bytes.Equal(text, n.of(info).text()) {
		return nil
	}
	f, err := foreign.OpenIn(d.root, n.URL, foreign.Limits{Size: n.FileSize})
	if err != nil {
		return nil
	}
	defer f.Close()
	found, err := d.checker.check(context.Background(), f, []*narInfo{n})
	if err != nil {
		return nil
	}
	return found
}

func (d *dirTarget) temp() (*os.File, string, error) { return foreign.CreateTemp(d.root) }

func (d *dirTarget) remove(temp string) { d.root.Remove(temp) }

func (d *dirTarget) put(name string, size int64, r io.Reader) error {
	err := foreign.Replace(d.root, name, func(f *os.File) error {
		if _, err := io.Copy(f, r); err != nil {
			return err
		}
		return f.Chmod(0o644)
	})
	d.signed = d.signed || name == manifestSigs
	return err
}

// finish lists the files that belong to the archive: the directory may hold others.
func (d *dirTarget) finish(closure []nixserve.PathInfo) error {
	names := []string{cacheName, manifestName, readmeName}
	if d.signed {
		names = append(names, manifestSigs)
	}
	sums := make(map[string]checksum)
	for _, info := range closure {
		text, err := foreign.ReadFileIn(d.root, narInfoName(info.Path), foreign.Limits{Size: maxNarInfo})
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
	for _, name := range slices.Compact(names) { // equal archives share a file
		f, err := foreign.OpenIn(d.root, name, foreign.Limits{Size: sizeLimit(name)})
		if err != nil {
			return err
		}
		sum, _, err := sumOf(f)
		f.Close()
		if err != nil {
			return err
		}
		sums[name] = sum
	}
	return putText(d, sumsName, formatSums(sums))
}

func (d *dirTarget) close() { d.root.Close() }
