package exec

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"muster/compile/store"
	"muster/exec/host"
)

// A Diff is what a deployment would change on a host, found out without
// changing anything there.
type Diff struct {
	Added   []Package `json:"added,omitempty"`
	Removed []Package `json:"removed,omitempty"`
	Changed []Package `json:"changed,omitempty"` // in version
	// Rebuilt counts the packages that are others under the same version.
	Rebuilt int `json:"rebuilt,omitempty"`

	CopyPaths int   `json:"copy_paths"` // that the host lacks
	CopyBytes int64 `json:"copy_bytes"` // of their archives

	Stop    []string `json:"stop,omitempty"`
	Start   []string `json:"start,omitempty"`
	Restart []string `json:"restart,omitempty"`
	Reload  []string `json:"reload,omitempty"`
	Stay    []string `json:"stay,omitempty"` // changed, and left running all the same
	// Asked says that these are what the system itself says it would do, by
	// dry-activate. That takes the whole system on the host; where it is not
	// there yet, they are what the unit files of both systems say.
	Asked bool `json:"asked"`
	// Reboot are the parts that take a restart to change.
	Reboot []string `json:"reboot,omitempty"`
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
	if j.upToDate() {
		j.out.Status = Unchanged
		return nil
	}
	if j.buildsOnTarget() {
		return nil // its closure is known when the host has built it
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
	if len(now.Lacks) == 0 {
		// Where the host cannot be asked, unit files are compared.
		if said, err := j.conn.ask().DryActivate(ctx, out); err == nil {
			d.readUnits(said)
		}
	}
	if !d.Asked {
		if err := d.compareUnits(now.Units, string(out)); err != nil {
			return err
		}
	}
	for _, part := range host.Parts {
		want, err := filepath.EvalSymlinks(filepath.Join(string(out), part))
		if have := now.Parts[part]; err == nil && have != "" && string(have) != want {
			d.Reboot = append(d.Reboot, part)
		}
	}
	j.out.Diff = d
	return nil
}

// packages compares two closures by the names of their paths.
func (d *Diff) packages(now, next []store.Path) {
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
			d.Removed = append(d.Removed, Package{Name: name, Before: before[name]})
		case !slices.Equal(before[name], after[name]):
			d.Changed = append(d.Changed, Package{Name: name, Before: before[name], After: after[name]})
		case rebuilt[name]:
			d.Rebuilt++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] == nil {
			d.Added = append(d.Added, Package{Name: name, After: after[name]})
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

// unitsLine is how switch-to-configuration tells of units in a dry run.
var unitsLine = regexp.MustCompile(`^would (NOT )?(stop|start|restart|reload) the following .*units[^:]*: *(.+)$`)

// readUnits reads what a system says that it would do.
func (d *Diff) readUnits(said string) {
	d.Asked = true
	for line := range strings.Lines(said) {
		m := unitsLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		list := map[string]*[]string{"stop": &d.Stop, "start": &d.Start, "restart": &d.Restart, "reload": &d.Reload}[m[2]]
		if m[1] != "" {
			list = &d.Stay
		}
		*list = append(*list, strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	// NixOS stops and starts most of those that it restarts.
	starts, again := map[string]bool{}, map[string]bool{}
	for _, name := range d.Start {
		starts[name] = true
	}
	for _, name := range d.Stop {
		if starts[name] && !again[name] {
			again[name] = true
			d.Restart = append(d.Restart, name)
		}
	}
	isAgain := func(name string) bool { return again[name] }
	d.Stop, d.Start = slices.DeleteFunc(d.Stop, isAgain), slices.DeleteFunc(d.Start, isAgain)
	for _, list := range []*[]string{&d.Stop, &d.Start, &d.Restart, &d.Reload, &d.Stay} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// compareUnits compares the units a host has with those of a system here, by
// the rules by which NixOS decides.
func (d *Diff) compareUnits(now map[string]string, system string) error {
	dir := filepath.Join(system, "etc/systemd/system")
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil // built elsewhere
	}
	if err != nil {
		return fmt.Errorf("read the units of %s: %w", system, err)
	}
	wanted := map[string]bool{}
	for _, kind := range []string{"wants", "requires", "upholds"} {
		links, _ := filepath.Glob(filepath.Join(dir, "*."+kind, "*"))
		for _, link := range links {
			wanted[filepath.Base(link)] = true
		}
	}
	next := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		switch filepath.Ext(name) {
		case ".service", ".socket", ".timer", ".mount", ".path":
		default:
			continue
		}
		target, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue // masked
		}
		next[name] = true
		over, _ := filepath.EvalSymlinks(filepath.Join(dir, name+".d/overrides.conf"))
		switch was := now[name]; {
		case was == "" && wanted[name]:
			d.Start = append(d.Start, name)
		case was == "", was == strings.TrimSpace(target+" "+over):
		default:
			d.change(name, target, over)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if !next[name] {
			d.Stop = append(d.Stop, name)
		}
	}
	return nil
}

// change adds a unit whose files are others to what is done about it.
func (d *Diff) change(name string, files ...string) {
	says := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			says[strings.TrimSpace(line)] = true
		}
	}
	switch {
	case says["X-ReloadIfChanged=true"], filepath.Ext(name) == ".mount":
		d.Reload = append(d.Reload, name)
	case says["X-RestartIfChanged=false"], says["RefuseManualStop=true"], says["X-OnlyManualStart=true"]:
		d.Stay = append(d.Stay, name)
	default:
		d.Restart = append(d.Restart, name)
	}
}
