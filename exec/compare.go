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

// compareScript says of which of the paths given the host has none, what its
// current system is made of, its units, each with its file and the one that
// NixOS puts beside a package's own unit, and the parts it was booted with.
const compareScript = `
PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/bin:/bin
for p; do [ -e "$p" ] || echo "lacks $p"; done
[ -e /run/current-system ] || exit 0
system=$(readlink -f /run/current-system)
nix-store --query --requisites "$system" | while read -r p; do echo "has $p"; done
for f in "$system"/etc/systemd/system/*; do
  case $f in
  *.service | *.socket | *.timer | *.mount | *.path)
    over=$f.d/overrides.conf
    [ -f "$over" ] && over=$(readlink -f "$over") || over=
    [ ! -f "$f" ] || echo "unit ${f##*/} $(readlink -f "$f") $over"
    ;;
  esac
done
for part in kernel initrd kernel-modules systemd; do
  [ ! -e /run/booted-system/$part ] || echo "part $part $(readlink -f /run/booted-system/$part)"
done
`

// dryScript has system $1, which the host has, say what switching to it would do.
// The lock that NixOS takes for that is a file, made on a file system that only
// this process sees: nothing is left of it.
const dryScript = `
PATH=$PATH:/run/current-system/sw/bin:/usr/bin:/bin
[ -x "$1/bin/switch-to-configuration" ] || exit 1
if [ -d /run/systemd/system ]; then
  [ -d /run/nixos ] && exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run/nixos && exec "$1/bin/switch-to-configuration" dry-activate' sh "$1" 2>&1
  exit 1
fi
exec "$1/bin/switch-to-configuration" dry-activate 2>&1
`

// compare finds out what a deployment would change.
func (j *job) compare(ctx context.Context) error {
	out := j.step.System.Out
	j.out.Status = Previewed
	if j.settled() {
		j.out.Status = Unchanged
		return nil
	}
	if j.buildsThere() {
		return nil // what it will be made of is known when it has built it
	}
	infos, err := j.opts.Source.Closure(ctx, []store.Path{out})
	if err != nil {
		return err
	}
	sizes := map[store.Path]int64{}
	next := make([]store.Path, 0, len(infos))
	for _, info := range infos {
		sizes[info.Path] = info.NARSize
		next = append(next, info.Path)
	}
	d := &Diff{}
	var now []store.Path
	units, parts := map[string]string{}, map[string]string{}
	seen := false
	for chunk := range slices.Chunk(next, 1000) {
		args := make([]string, len(chunk))
		for i, p := range chunk {
			args[i] = string(p)
		}
		said, err := j.ask(ctx, j.current(), compareScript, args...)
		if err != nil {
			return err
		}
		for line := range strings.Lines(said) {
			what, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch {
			case what == "lacks":
				d.CopyPaths++
				d.CopyBytes += sizes[store.Path(value)]
			case seen:
			case what == "has":
				now = append(now, store.Path(value))
			case what == "unit":
				name, target, _ := strings.Cut(value, " ")
				units[name] = target
			case what == "part":
				name, target, _ := strings.Cut(value, " ")
				parts[name] = target
			}
		}
		seen = true
	}
	d.packages(now, next)
	if d.CopyPaths == 0 && seen {
		// What cannot be asked is compared.
		if said, err := j.ask(ctx, j.current(), dryScript, string(out)); err == nil {
			d.readUnits(said)
		}
	}
	if !d.Asked {
		if err := d.compareUnits(units, string(out)); err != nil {
			return err
		}
	}
	for _, part := range []string{"kernel", "initrd", "kernel-modules", "systemd"} {
		want, err := filepath.EvalSymlinks(filepath.Join(string(out), part))
		if err == nil && parts[part] != "" && parts[part] != want {
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
		if name, _ := splitName(p.Name()); !same[p] {
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
		name, version := splitName(p.Name())
		all[name] = append(all[name], version)
	}
	for name, list := range all {
		slices.Sort(list)
		all[name] = slices.Compact(list)
	}
	return all
}

// splitName splits a name as builtins.parseDrvName does: the version begins
// after the first dash that no letter follows.
func splitName(s string) (name, version string) {
	for i := 0; i+1 < len(s); i++ {
		if c := s[i+1]; s[i] == '-' && !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
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
	again := func(name string) bool { return slices.Contains(d.Stop, name) && slices.Contains(d.Start, name) }
	for _, name := range slices.Clone(d.Stop) {
		if again(name) {
			d.Restart = append(d.Restart, name)
			d.Stop = slices.DeleteFunc(d.Stop, func(s string) bool { return s == name })
			d.Start = slices.DeleteFunc(d.Start, func(s string) bool { return s == name })
		}
	}
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
