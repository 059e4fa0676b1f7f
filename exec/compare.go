package exec

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"muster/compile/definitions"
	"muster/compile/store"
	"muster/exec/host"
	"muster/exec/units"
)

// A Diff is what a deployment would change on a host, found out without
// changing anything there.
type Diff struct {
	PackageDiff

	Etc FileDiff `json:"etc,omitzero"`
	// Options is how the definitions of options differ; nil where those of the host's
	// present system are not known.
	Options *definitions.Changes `json:"options,omitempty"`

	CopyPaths int   `json:"copy_paths"` // that the host lacks
	CopyBytes int64 `json:"copy_bytes"` // of their archives

	units.Forecast
	// Asked says that the new system itself told what it would do, by dry-activate.
	// That takes the whole system on the host; where it is not there yet, the rules
	// of NixOS decide.
	Asked bool `json:"asked"`
	// Reboot are the parts that take a restart to change.
	Reboot []string `json:"reboot,omitempty"`
}

// A PackageDiff is how the packages of two systems differ.
type PackageDiff struct {
	Added   []*Package `json:"added,omitempty"`
	Removed []*Package `json:"removed,omitempty"`
	Changed []*Package `json:"changed,omitempty"` // in version
	// Rebuilt counts the packages that are others under the same version.
	Rebuilt int `json:"rebuilt,omitempty"`
}

// A Package is what a store path's name says, before and after.
type Package struct {
	Name   string   `json:"name"`
	Before []string `json:"before,omitempty"` // versions
	After  []string `json:"after,omitempty"`
}

// compare finds out what a deployment would change.
func compare(ctx context.Context, j *job) error {
	out := j.step.System.Out
	j.out.Status = Previewed
	if j.systemUpToDate() {
		if j.upToDate() {
			j.out.Status = Unchanged
		}
		return nil
	}
	if h := j.step.Host; h.Cross != "" {
		j.note(Finding{Check: "build", Text: fmt.Sprintf("cross-built on %s for %s", h.Cross, h.System)})
	}
	if j.buildsElsewhere() {
		return nil // its closure is known when it is built
	}
	infos, err := j.run.opts.Source.Closure(ctx, []store.Path{out})
	if err != nil {
		return err
	}
	sizes := map[store.Path]int64{}
	next := make([]store.Path, 0, len(infos))
	for _, info := range infos {
		sizes[info.Path] = info.NARSize
		next = append(next, info.Path)
	}
	now, err := j.conn.ask().Compare(ctx, next)
	if err != nil {
		return err
	}
	d := &Diff{CopyPaths: len(now.Lacks)}
	for _, p := range now.Lacks {
		d.CopyBytes += sizes[p]
	}
	d.packages(now.Has, next)
	if known := j.run.opts.Definitions; known != nil {
		d.Options = known(j.step.Host.Name, j.out.Before.Current)
	}
	d.Etc = compareEtc(now.Etc, filepath.Join(string(out), "etc"))
	if err := compareUnits(ctx, j, d, now); err != nil {
		return err
	}
	for _, part := range host.Parts {
		want, err := filepath.EvalSymlinks(filepath.Join(string(out), part))
		if have := now.Parts[part]; err == nil && have != "" && have != want {
			d.Reboot = append(d.Reboot, part)
		}
	}
	j.run.diffs.share(d)
	j.out.Diff = d
	return nil
}

// packages compares two closures by the names of their paths.
func (d *PackageDiff) packages(now, next []store.Path) {
	before, after := versions(now), versions(next)
	same := map[store.Path]bool{}
	for _, p := range now {
		same[p] = true
	}
	rebuilt := map[string]bool{}
	for _, p := range next {
		if name, _ := store.SplitName(p.Name()); !same[p] {
			rebuilt[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		switch {
		case after[name] == nil:
			d.Removed = append(d.Removed, &Package{Name: name, Before: before[name]})
		case !slices.Equal(before[name], after[name]):
			d.Changed = append(d.Changed, &Package{Name: name, Before: before[name], After: after[name]})
		case rebuilt[name]:
			d.Rebuilt++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] == nil {
			d.Added = append(d.Added, &Package{Name: name, After: after[name]})
		}
	}
}

// versions are those of each package, sorted.
func versions(paths []store.Path) map[string][]string {
	all := map[string][]string{}
	for _, p := range paths {
		name, version := store.SplitName(p.Name())
		all[name] = append(all[name], version)
	}
	for name, list := range all {
		slices.Sort(list)
		all[name] = slices.Compact(list)
	}
	return all
}
