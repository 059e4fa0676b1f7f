package archive

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"

	"muster/exec/foreign"
)

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
	text, err := foreign.ReadFileIn(root, sumsName, foreign.Limits{Size: maxSums})
	if errors.Is(err, fs.ErrNotExist) {
		err = damaged("%s is missing: this is not an archive of muster, or not complete", sumsName)
	}
	if err == nil {
		var sums map[string]checksum
		sums, err = parseSums(text)
		d.listed = append(slices.Sorted(maps.Keys(sums)), sumsName)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

func (d *dirContainer) names() []string { return d.listed }

func (d *dirContainer) open(name string) (member, error) {
	f, err := foreign.OpenIn(d.root, name, foreign.Limits{Size: sizeLimit(name)})
	var refused *foreign.RefusedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, damaged("%s is missing", name)
	case errors.As(err, &refused):
		return nil, damaged("%s: %s", name, refused.Why)
	case err != nil:
		return nil, err
	}
	return f, nil
}

func (d *dirContainer) wait() error { return nil }

func (d *dirContainer) close() error { return d.root.Close() }
