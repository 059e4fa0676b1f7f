package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"muster/exec/foreign"
)

var errMissing = errors.New(" is missing")

// A dirContainer is an archive that is a directory. Its checksums say which files belong to it; it may hold others.
type dirContainer struct {
	root   *os.Root
	listed []string
}

func openDir(name string) (*dirContainer, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d := &dirContainer{root: root}
	f, err := d.open(sumsName)
	if errors.Is(err, errMissing) {
		err = damaged("%s is missing: this is not an archive of muster, or not complete", sumsName)
	}
	if err == nil {
		d.listed, err = listed(f)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

// listed reads the names of the members from the checksums.
func listed(f member) ([]string, error) {
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	sums, err := parseSums(text)
	return append(slices.Sorted(maps.Keys(sums)), sumsName), err
}

func (d *dirContainer) names() []string { return d.listed }

func (d *dirContainer) open(name string) (member, error) {
	f, err := foreign.OpenIn(d.root, name, foreign.Limits{Size: sizeLimit(name)})
	var refused *foreign.RefusedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s%w", ErrDamaged, name, errMissing)
	case errors.As(err, &refused):
		return nil, damaged("%s: %s", name, refused.Why)
	case err != nil:
		return nil, err
	}
	return f, nil
}

func (d *dirContainer) wait() error { return nil }

func (d *dirContainer) close() error { return d.root.Close() }
