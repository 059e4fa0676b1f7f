package units

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// A world is the state of all units while a switch goes on.
type world struct {
	*Switch
	active     map[string]bool
	touched    map[string]bool // stopped or started since the beginning
	ran        map[string]bool // started, and ended by itself
	visited    map[string]bool // a start was asked of it and of all it pulls in
	names      map[string]string
	dependents map[string][]string // unit → units that stop and restart with it
	conflicted map[string][]string // unit → active units that conflict with it
	unknown    map[string]string
	vendors    bool // some units are the machine's own
}

func (s *Switch) newWorld() *world {
	w := &world{Switch: s, active: map[string]bool{}, touched: map[string]bool{}, ran: map[string]bool{},
		visited: map[string]bool{}, names: map[string]string{}, unknown: map[string]string{}}
	for id, l := range s.loaded() {
		w.active[id] = l.alive()
		w.vendors = w.vendors || l.vendor()
		for _, name := range l.Names {
			w.names[name] = id
		}
	}
	return w
}

// canonical is the unit that a name stands for.
func (w *world) canonical(name string) string {
	if w.New.has(name) {
		name = w.New.canonical(name)
	}
	if id, ok := w.names[name]; ok {
		return id
	}
	return name
}

// relateLoaded sets what stops with what by what systemd has loaded.
func (w *world) relateLoaded() {
	w.dependents = map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(w.State.Units)) {
		for _, on := range w.State.Units[id].Strong {
			if own, ok := w.names[on]; ok {
				on = own
			}
			w.dependents[on] = append(w.dependents[on], id)
		}
	}
}

// relateNew sets what stops with what by the new unit files.
func (w *world) relateNew() {
	w.dependents, w.conflicted = map[string][]string{}, map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(w.active)) {
		if !w.active[id] {
			continue
		}
		d := w.newDependencies(id)
		for _, on := range d.strong {
			on = w.canonical(on)
			w.dependents[on] = append(w.dependents[on], id)
		}
		for _, other := range d.conflicts {
			w.conflicted[other] = append(w.conflicted[other], id)
		}
	}
}

// newDependencies are those of a unit in the new system. Where it is not the
// system's own unit they are what is loaded, without what the old system added.
func (w *world) newDependencies(name string) dependencies {
	u, ok := w.New.own(name)
	d := dependenciesOf(w.New, name, u)
	l := w.State.Units[name]
	if ok {
		// systemd adds the mounts of the directories that a unit uses.
		for _, on := range l.Strong {
			if path.Ext(on) == ".mount" && !slices.Contains(w.Old.explicit(name), on) {
				d.strong = append(d.strong, on)
			}
		}
		return d
	}
	b := base(name, w.Old, w.New)
	if w.Old.has(b) || w.New.masked(b) {
		return d // removed
	}
	d = dependenciesOf(w.New, name, w.New.unit(name, b))
	gone := dependenciesOf(w.Old, name, w.Old.unit(name, b))
	d.strong = append(d.strong, without(l.Strong, gone.strong)...)
	d.pulls = append(d.pulls, without(l.Pulls, gone.pulls)...)
	return d
}

func without(list, gone []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(gone, s) })
}

// stop stops a unit, and what cannot run without it.
func (w *world) stop(name string) {
	name = w.canonical(name)
	if !w.active[name] {
		return
	}
	w.active[name], w.touched[name] = false, true
	for _, dependent := range w.dependents[name] {
		w.stop(dependent)
	}
}

// restart restarts a unit, and what cannot run without it. A unit that does not
// run is started.
func (w *world) restart(name string) {
	name = w.canonical(name)
	restarted := map[string]bool{}
	w.tryRestart(name, restarted)
	restarted[name] = true
	for _, name := range slices.Sorted(maps.Keys(restarted)) {
		w.start(name)
	}
}

func (w *world) tryRestart(name string, seen map[string]bool) {
	if seen[name] || !w.active[name] {
		return
	}
	seen[name], w.touched[name] = true, true
	for _, dependent := range w.dependents[name] {
		w.tryRestart(dependent, seen)
	}
}

// reloads are the unit and those to which it passes a reload on.
func (w *world) reloads(name string) []string {
	all := []string{name}
	u, ok := w.New.own(name)
	if !ok {
		return all
	}
	for _, other := range slices.Sorted(maps.Keys(w.active)) {
		o, _ := w.New.own(other)
		if w.active[other] && (slices.Contains(u.words("Unit", "PropagatesReloadTo"), other) || slices.Contains(o.words("Unit", "ReloadPropagatedFrom"), name)) {
			all = append(all, other)
		}
	}
	return all
}

// start starts a unit with all it pulls in. A unit that is active already pulls in
// nothing, unless the start is asked of the unit itself: systemd drops the jobs of
// active units, and then those that only they require.
func (w *world) start(name string) {
	name = w.canonical(name)
	if w.visited[name] || !w.exists(name) {
		return
	}
	w.visited[name] = true
	d := w.newDependencies(name)
	for _, on := range d.pulls {
		if !w.active[w.canonical(on)] {
			w.start(on)
		}
	}
	if w.active[name] || w.ran[name] || !w.conditionsHold(name) {
		return
	}
	w.touched[name] = true
	if w.once(name) {
		w.ran[name] = true
	} else {
		w.active[name] = true
	}
	for _, other := range d.conflicts {
		w.stop(other)
	}
	for _, other := range w.conflicted[name] {
		w.stop(other)
	}
}

// exists reports whether the new system or the machine has the unit.
func (w *world) exists(name string) bool {
	switch path.Ext(name) {
	case ".device", ".slice", ".scope":
		return false // nothing is told of them
	}
	if strings.Contains(name, "@.") {
		return false // a template
	}
	b := base(name, w.Old, w.New)
	if w.New.has(b) {
		return !w.New.masked(b)
	}
	l, loaded := w.State.Units[name]
	switch {
	case path.Ext(name) == ".mount" && w.inFstab(name), path.Ext(name) == ".swap" && w.inFstab(name):
		return true
	case w.Old.has(b):
		return false
	case path.Ext(name) == ".mount" && l.generated():
		return false // of a line in /etc/fstab that is gone
	case loaded && l.Fragment != "":
		return true
	case !loaded && w.vendors && w.State.Known && len(w.unknown) < maxNotes:
		w.unknown[name] = "it is started if the machine has it"
	}
	return false
}

// maxNotes bounds what is told of units that cannot be foretold.
const maxNotes = 50

// conditionsHold reports whether the conditions of a unit are taken to hold: they
// did the last time, or there are none. Otherwise it is not known.
func (w *world) conditionsHold(name string) bool {
	b := base(name, w.Old, w.New)
	l := w.State.Units[name]
	u, own := w.New.own(name)
	if !own && l.generated() && !w.touched[name] {
		// Boot was to start it, and did not, or it was stopped by hand.
		w.unknown[name] = "it starts if its device is there"
		return false
	}
	if !own {
		return !l.Checked || l.Met
	}
	if !u.conditional() {
		return true
	}
	unchanged := w.Old.has(b) && maps.EqualFunc(w.Old.unit(name, b)["Unit"], u["Unit"], slices.Equal)
	if l.Checked && unchanged {
		return l.Met
	}
	w.unknown[name] = "it starts if its conditions hold"
	return false
}

// once reports whether a unit runs, ends and is inactive then.
func (w *world) once(name string) bool {
	if u, ok := w.New.own(name); ok {
		return slices.Equal(u["Service"]["Type"], []string{"oneshot"}) && !u.flag("Service", "RemainAfterExit", false)
	}
	return w.State.Units[name].Once
}

// inFstab reports whether a mount or swap is a line of the new /etc/fstab.
func (w *world) inFstab(name string) bool {
	mounts, swaps := parseFstab(w.NewFstab)
	for where, m := range mounts {
		if unitOfPath(where, ".mount") == name {
			return !w.ignores(m)
		}
	}
	for device, m := range swaps {
		if unitOfPath(device, ".swap") == name {
			return !w.ignores(m)
		}
	}
	return false
}

// mountsOfBoot are the lines of the new /etc/fstab that local-fs.target,
// remote-fs.target and swap.target start.
func (w *world) mountsOfBoot() []string {
	var names []string
	mounts, swaps := parseFstab(w.NewFstab)
	for where, m := range mounts {
		if !m.has("noauto") && !m.has("x-systemd.automount") && !w.ignores(m) {
			names = append(names, unitOfPath(where, ".mount"))
		}
	}
	for device, m := range swaps {
		if !m.has("noauto") && !w.ignores(m) && strings.HasPrefix(device, "/") {
			names = append(names, unitOfPath(device, ".swap"))
		}
	}
	slices.Sort(names)
	return names
}

// stopSwaps turns off the swap devices that are gone from /etc/fstab.
func (w *world) stopSwaps() {
	_, before := parseFstab(w.State.Fstab)
	_, after := parseFstab(w.NewFstab)
	for _, device := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[device]; !stays && strings.HasPrefix(device, "/") {
			w.stop(unitOfPath(device, ".swap"))
		}
	}
}
