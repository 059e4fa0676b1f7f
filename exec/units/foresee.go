package units

import (
	"maps"
	"path"
	"slices"
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

	w.relateLoaded()
	for _, name := range append(d.Stop.sorted(), stop...) {
		w.stop(name)
	}
	w.stopSwaps()

	// From here on the new unit files count.
	w.relateNew()
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
		if !w.active[name] {
			w.start(name)
		}
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

// forecast sums up what has become of the units.
func (w *world) forecast(d Decision, reloaded []string) Forecast {
	var f Forecast
	for _, name := range slices.Sorted(maps.Keys(w.touched)) {
		was := w.State.Units[name].alive()
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
