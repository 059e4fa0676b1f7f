package exec

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A FileDiff is how the files of /etc differ between two systems, by their names in it.
// Those of units are left out: see [units.Forecast].
type FileDiff struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"`
}

// maxFiles is how many files of a kind are listed.
const maxFiles = 1000

// compareEtc compares where the files of a host's etc lead with a directory of the new
// system, which is left alone where it is not on this machine. A file in the store has
// another name when its content is another.
func compareEtc(before map[string]string, dir string) FileDiff {
	var d FileDiff
	after := linksBelow(dir)
	if len(before) == 0 || len(after) == 0 {
		return d
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch link, had := before[name]; {
		case ofUnits(name):
		case !had:
			d.Added = append(d.Added, name)
		case link != after[name]:
			d.Changed = append(d.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, has := after[name]; !has && !ofUnits(name) {
			d.Removed = append(d.Removed, name)
		}
	}
	for _, list := range []*[]string{&d.Added, &d.Removed, &d.Changed} {
		*list = (*list)[:min(len(*list), maxFiles)]
	}
	return d
}

// ofUnits reports whether a file of /etc is about units of systemd.
func ofUnits(name string) bool {
	return strings.HasPrefix(name, "systemd/system") || strings.HasPrefix(name, "systemd/user")
}

// linksBelow are the symbolic links below a directory of the store, with where they lead.
func linksBelow(dir string) map[string]string {
	links := map[string]string{}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink == 0 {
			return nil // what can't be read is not compared
		}
		if link, err := os.Readlink(path); err == nil {
			name, _ := filepath.Rel(dir, path)
			links[name] = link
		}
		return nil
	})
	return links
}
