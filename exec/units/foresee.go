package units

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A Forecast is what becomes of units. All lists are sorted.
type Forecast struct {
	Stop    []string `json:"stop,omitempty"`
	Start   []string `json:"start,omitempty"` // they do not run now
	Restart []string `json:"restart,omitempty"`
	Reload  []string `json:"reload,omitempty"`
	// Again are units that ran once and have ended, and run once more because a
	// target wants them.
	Again   []string `json:"again,omitempty"`
	Stay    []string `json:"stay,omitempty"`    // changed, and left running as they are
	Unknown []Note   `json:"unknown,omitempty"` // what cannot be foretold
	Undone  []Note   `json:"undone,omitempty"`  // what NixOS leaves to the user
}

// A Note says something about a unit, or about all where Unit is empty.
type Note struct {
	Unit string `json:"unit,omitempty"`
	Text string `json:"text"`
}

// reactivation is the target that switch-to-configuration restarts, for units that
// run before sysinit.target.
const reactivation = "sysinit-reactivation.target"

// Foresee foretells what comes of a decision: the steps of
// switch-to-configuration, with what systemd does at each.
func (s *Switch) Foresee(d Decision) Forecast {
	w := s.newWorld()
	start, stop := s.targets()

	w.dependents = w.loadedDependents()
	for _, name := range append(d.Stop.sorted(), stop...) {
		w.stop(name)
	}
	w.stopSwaps()

	// From here on the new unit files count.
	w.dependents = w.newDependents()
	if s.New.has(reactivation) {
		w.restart(reactivation)
	}
	var reloaded []string
	for _, name := range d.Reload.sorted() {
		if w.active[name] {
			reloaded = append(reloaded, w.reloads(name)...)
		} else if u, _ := s.New.own(name); !u.flag("Unit", "RefuseManualStart", false) {
			start = append(start, name)
		}
	}
	for _, name := range d.Restart.sorted() {
		w.restart(name)
	}
	for _, name := range append(d.Start.sorted(), start...) {
		w.start(name)
	}
	for _, name := range w.mountsOfBoot() {
		w.start(name)
	}
	return w.forecast(d, reloaded)
}

// targets are those that are started again with all they want, and those that are
// stopped before.
func (s *Switch) targets() (start, stop []string) {
	for _, name := range slices.Sorted(maps.Keys(s.loaded())) {
		l := s.State.Units[name]
		b := base(name, s.Old, s.New)
		if path.Ext(name) != ".target" || !l.runs() || !l.vendor() && (!s.Old.has(b) || !s.New.has(b)) || s.New.masked(b) {
			continue
		}
		u := s.New.unit(name, b)
		switch name {
		case "suspend.target", "hibernate.target", "hybrid-sleep.target":
		default:
			if !u.flag("Unit", "RefuseManualStart", l.vendor() && l.RefusesStart) && !u.flag("Unit", "X-OnlyManualStart", false) {
				start = append(start, name)
			}
		}
		if u.flag("Unit", "X-StopOnReconfiguration", false) {
			stop = append(stop, name)
		}
	}
	return start, stop
}

// A world is the state of all units while a switch goes on.
type world struct {
	*Switch
	active     map[string]bool
	touched    map[string]bool // stopped or started since the beginning
	ran        map[string]bool // started, and ended by itself
	visited    map[string]bool // a start was asked of it and of all it pulls in
	names      map[string]string
	dependents map[string][]string // unit → units that stop and restart with it
	unknown    map[string]string
	vendors    bool // some units are the machine's own
}

func (s *Switch) newWorld() *world {
	w := &world{Switch: s, active: map[string]bool{}, touched: map[string]bool{}, ran: map[string]bool{},
		visited: map[string]bool{}, names: map[string]string{}, unknown: map[string]string{}}
	for id, l := range s.loaded() {
		w.active[id] = l.runs()
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

// loadedDependents are by what systemd has loaded.
func (w *world) loadedDependents() map[string][]string {
	all := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(w.State.Units)) {
		for _, on := range w.State.Units[id].Strong {
			if own, ok := w.names[on]; ok {
				on = own
			}
			all[on] = append(all[on], id)
		}
	}
	return all
}

// newDependents are by the new unit files.
func (w *world) newDependents() map[string][]string {
	all := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(w.active)) {
		if w.active[id] {
			for _, on := range w.newDependencies(id).strong {
				all[w.canonical(on)] = append(all[w.canonical(on)], id)
			}
		}
	}
	return all
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
	w.tryRestart(name, map[string]bool{})
	w.start(name)
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
	u, _ := w.New.own(name)
	for _, other := range slices.Sorted(maps.Keys(w.active)) {
		o, _ := w.New.own(other)
		if w.active[other] && (slices.Contains(u.words("Unit", "PropagatesReloadTo"), other) || slices.Contains(o.words("Unit", "ReloadPropagatedFrom"), name)) {
			all = append(all, other)
		}
	}
	return all
}

// start starts a unit with all it pulls in.
func (w *world) start(name string) {
	name = w.canonical(name)
	if w.visited[name] || !w.exists(name) {
		return
	}
	w.visited[name] = true
	d := w.newDependencies(name)
	for _, on := range d.pulls {
		w.start(on)
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
	for _, other := range slices.Sorted(maps.Keys(w.active)) {
		if u, ok := w.New.own(other); ok && w.active[other] && other != name && slices.Contains(u.words("Unit", "Conflicts"), name) {
			w.stop(other)
		}
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

// forecast sums up what has become of the units.
func (w *world) forecast(d Decision, reloaded []string) Forecast {
	var f Forecast
	for _, name := range slices.Sorted(maps.Keys(w.touched)) {
		was := w.State.Units[name].runs()
		switch {
		case name == reactivation:
		case was && w.active[name], was && w.ran[name]:
			f.Restart = append(f.Restart, name)
		case was:
			f.Stop = append(f.Stop, name)
		case w.ran[name] && w.ranBefore(name):
			f.Again = append(f.Again, name)
		case w.active[name], w.ran[name]:
			f.Start = append(f.Start, name)
		}
	}
	slices.Sort(reloaded)
	for _, name := range slices.Compact(reloaded) {
		if !w.touched[name] {
			f.Reload = append(f.Reload, name)
		}
	}
	var stay Set
	stay.Add(d.Skip.sorted()...)
	w.changedSockets(&f, &stay)
	for name := range stay {
		if !w.touched[name] {
			f.Stay = append(f.Stay, name)
		}
	}
	slices.Sort(f.Stay)
	w.notes(&f, d)
	return f
}

// ranBefore reports whether a unit that runs once is one that the host has now.
func (w *world) ranBefore(name string) bool {
	_, loaded := w.State.Units[name]
	return w.Old.has(base(name, w.Old, w.New)) || loaded && w.State.Units[name].Fragment != ""
}

// changedSockets are the sockets that run on as they are: NixOS does nothing about
// a changed socket.
func (w *world) changedSockets(f *Forecast, stay *Set) {
	for _, name := range slices.Sorted(maps.Keys(w.State.Units)) {
		b := base(name, w.Old, w.New)
		if path.Ext(name) != ".socket" || !w.State.Units[name].runs() || w.touched[name] || !w.Old.has(b) || !w.New.has(b) || w.New.masked(b) {
			continue
		}
		if !w.Old.readable(name, b) || !w.New.readable(name, b) {
			continue
		}
		before, after := w.Old.unit(name, b), w.New.unit(name, b)
		if difference(before, after) != restart {
			continue
		}
		stay.Add(name)
		text := "NixOS does not restart a changed socket: restart it to apply the change"
		if !slices.Equal(listeners(before), listeners(after)) {
			text = "systemd closes the listeners that are gone and opens no new ones: restart the socket"
		}
		f.Undone = append(f.Undone, Note{Unit: name, Text: text})
	}
}

// listeners are what a socket listens on.
func listeners(u unit) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(u["Socket"])) {
		if strings.HasPrefix(key, "Listen") {
			for _, value := range u["Socket"][key] {
				all = append(all, key+"="+value)
			}
		}
	}
	return all
}

// notes adds what cannot be foretold and what is left undone.
func (w *world) notes(f *Forecast, d Decision) {
	for name := range d.Unread {
		w.unknown[name] = "it differs, and its files could not be read"
	}
	for _, name := range w.Nspawn {
		w.unknown["systemd-nspawn@"+name+".service"] = "releases of NixOS differ in whether they reload or restart it"
	}
	w.triggered()
	for _, name := range slices.Sorted(maps.Keys(w.unknown)) {
		f.Unknown = append(f.Unknown, Note{Unit: name, Text: w.unknown[name]})
	}
	if !w.State.Known {
		f.Unknown = append(f.Unknown, Note{Text: "which units are active; those that boot starts are taken to be"})
	}
	if w.Requests {
		f.Unknown = append(f.Unknown, Note{Text: "what an activation script of the system asks to be restarted"})
	}
	f.Undone = append(f.Undone, w.userUnits()...)
}

// triggered finds the units that a timer or path unit may start as soon as it is
// started itself.
func (w *world) triggered() {
	for _, name := range slices.Sorted(maps.Keys(w.touched)) {
		u, ok := w.New.own(name)
		if !ok || !w.active[name] {
			continue
		}
		var section string
		var keys []string
		switch path.Ext(name) {
		case ".timer":
			section, keys = "Timer", []string{"OnBootSec", "OnStartupSec"}
		case ".path":
			section, keys = "Path", []string{"PathExists", "PathExistsGlob", "DirectoryNotEmpty"}
		}
		for _, key := range keys {
			if len(u[section][key]) == 0 {
				continue
			}
			service := strings.TrimSuffix(name, path.Ext(name)) + ".service"
			if of := u.words(section, "Unit"); len(of) > 0 {
				service = of[len(of)-1]
			}
			if !w.touched[service] && !w.active[service] {
				w.unknown[service] = fmt.Sprintf("%s may start it at once (%s)", name, key)
			}
		}
	}
}

// A UserUnit is a unit that runs in the service manager of a user.
type UserUnit struct{ User, Name string }

// userUnits are the changed units of users: their managers read the new files, and
// what runs goes on.
func (w *world) userUnits() []Note {
	if w.OldUser == nil || w.NewUser == nil {
		return nil
	}
	users := map[string][]string{}
	for _, r := range w.State.Users {
		b := base(r.Name, w.OldUser, w.NewUser)
		if !w.OldUser.has(b) {
			continue
		}
		if !w.NewUser.has(b) || difference(w.OldUser.unit(r.Name, b), w.NewUser.unit(r.Name, b)) != same {
			users[r.Name] = append(users[r.Name], r.User)
		}
	}
	var notes []Note
	for _, name := range slices.Sorted(maps.Keys(users)) {
		of := slices.Compact(slices.Sorted(slices.Values(users[name])))
		notes = append(notes, Note{Unit: name, Text: fmt.Sprintf("user unit of %s: it runs on as it is until it is restarted or the user logs in anew", strings.Join(of, ", "))})
	}
	return notes
}
