package units

import (
	"maps"
	"path"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// A Set is a set of unit names.
type Set map[string]bool

// Add adds units to the set.
func (s *Set) Add(names ...string) {
	for _, name := range names {
		if *s == nil {
			*s = Set{}
		}
		(*s)[name] = true
	}
}

func (s Set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

// A Decision is what switch-to-configuration asks of systemd.
type Decision struct {
	Stop, Start, Restart, Reload Set
	Skip                         Set // changed, and left running
	// Unread are units whose files differ and could not be read, so that nothing is
	// decided about them.
	Unread Set
}

// Merge adds another decision, of a host where an activation was interrupted.
func (d *Decision) Merge(o Decision) {
	d.Stop.Add(o.Stop.sorted()...)
	d.Start.Add(o.Start.sorted()...)
	d.Restart.Add(o.Restart.sorted()...)
	d.Reload.Add(o.Reload.sorted()...)
	d.Skip.Add(o.Skip.sorted()...)
}

// dryLine is how switch-to-configuration speaks of units in a dry run.
var dryLine = ondemand.Regexp(`^would (NOT )?(stop|start|restart|reload) the following .*units[^:]*: *(.+)$`)

// ReadDry reads the output of dry-activate.
func ReadDry(said string) Decision {
	var d Decision
	for line := range strings.Lines(said) {
		m := dryLine().FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		set := map[string]*Set{"stop": &d.Stop, "start": &d.Start, "restart": &d.Restart, "reload": &d.Reload}[m[2]]
		if m[1] != "" {
			set = &d.Skip
		}
		set.Add(strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return d
}

// A Switch is what is known before a host switches to another system.
type Switch struct {
	Old, New         *Tree // etc/systemd/system of the systems
	OldUser, NewUser *Tree // etc/systemd/user; nil where not looked at
	NewFstab         string
	State            State
	// Nspawn are the containers that the new system describes in
	// etc/systemd/nspawn. Releases of NixOS differ in what they do about them.
	Nspawn []string
	// Requests says that an activation script of the new system may ask for more
	// restarts and reloads.
	Requests bool
}

// loaded is what systemd has loaded, or is taken to have.
func (s *Switch) loaded() map[string]Loaded {
	if !s.State.Known && s.State.Units == nil {
		s.State.Units = assumeBooted(s.Old)
	}
	return s.State.Units
}

// Decide decides by the rules of switch-to-configuration. Targets, which it
// starts again without saying so, are part of [Switch.Foresee].
func (s *Switch) Decide() Decision {
	d := s.State.Pending
	d = Decision{Start: maps.Clone(d.Start), Restart: maps.Clone(d.Restart), Reload: maps.Clone(d.Reload)}
	for _, name := range slices.Sorted(maps.Keys(s.loaded())) {
		if s.State.Units[name].runs() {
			s.decide(&d, name)
		}
	}
	s.decideMounts(&d)
	return d
}

// decide is about one active unit.
func (s *Switch) decide(d *Decision, name string) {
	base := name
	if !s.Old.has(name) && !s.New.has(name) {
		base = templateByNixOS(name)
	}
	vendor := s.State.Units[name].vendor() && !s.Old.has(base)
	switch {
	case vendor && s.New.masked(base):
		d.Stop.Add(name)
		return
	case vendor:
		if len(s.Old.dropins[name])+len(s.New.dropins[name])+len(s.Old.dropins[base])+len(s.New.dropins[base]) == 0 && !s.New.has(base) {
			return
		}
	case !s.Old.has(base):
		return
	case !s.New.has(base) || s.New.masked(base):
		if s.Old.unit(name, base).flag("Unit", "X-StopOnRemoval", true) {
			d.Stop.Add(name)
		}
		return
	}
	if path.Ext(name) == ".target" {
		return
	}
	if !s.Old.readable(name, base) || !s.New.readable(name, base) {
		d.Unread.Add(name)
		return
	}
	switch difference(s.Old.unit(name, base), s.New.unit(name, base)) {
	case restart:
		s.modified(d, name, base)
	case reload:
		if !d.Restart[name] {
			d.Reload.Add(name)
		}
	}
}

// templateByNixOS is the template of an instance, as NixOS finds it: the name of
// the instance ends at the first dot, so that one with a dot has no template.
func templateByNixOS(name string) string {
	at := strings.LastIndexByte(name, '@')
	if at < 0 {
		return name
	}
	dot := strings.IndexByte(name[at:], '.')
	if dot < 0 {
		return name
	}
	return name[:at+1] + name[at+dot:]
}

// modified decides about an active unit with a difference that takes a restart.
func (s *Switch) modified(d *Decision, name, base string) {
	switch name {
	case "sysinit.target", "basic.target", "multi-user.target", "graphical.target":
		return
	case "-.mount", "nix.mount":
		d.Reload.Add(name)
		return
	}
	switch path.Ext(name) {
	case ".slice", ".socket":
		return
	case ".mount":
		d.Restart.Add(name)
		return
	}
	if strings.HasPrefix(name, "systemd-nspawn@") {
		return
	}
	u, l := s.New.unit(name, base), s.State.Units[name]
	refusesStop := u.flag("Unit", "RefuseManualStop", l.vendor() && l.RefusesStop)
	switch {
	case u.flag("Service", "X-ReloadIfChanged", false) && !d.Restart[name] && !d.Stop[name]:
		d.Reload.Add(name)
	case !u.flag("Service", "X-RestartIfChanged", true), refusesStop, u.flag("Unit", "X-OnlyManualStart", false):
		d.Skip.Add(name)
	case !u.flag("Service", "X-StopIfChanged", true), path.Ext(name) != ".service":
		d.Restart.Add(name)
		delete(d.Reload, name)
	default:
		s.stopAndStart(d, name, base, u)
	}
}

// stopAndStart has a service stopped before activation and started after it. A
// service behind a socket is stopped with the socket, and only the socket starts.
func (s *Switch) stopAndStart(d *Decision, name, base string, u unit) {
	sockets := u.words("Service", "Sockets")
	if len(sockets) == 0 {
		sockets = []string{strings.TrimSuffix(base, path.Ext(base)) + ".socket"}
	}
	bySocket := false
	for _, socket := range sockets {
		l, ok := s.State.Units[socket]
		if !ok || l.Active == "inactive" {
			continue
		}
		d.Stop.Add(socket)
		if s.New.has(socket) || l.vendor() {
			d.Start.Add(socket)
			bySocket = true
		}
	}
	if !bySocket || u.flag("Service", "X-NotSocketActivated", false) {
		d.Start.Add(name)
	}
	d.Stop.Add(name)
	delete(d.Reload, name)
}

// decideMounts compares /etc/fstab of both systems.
func (s *Switch) decideMounts(d *Decision) {
	before, _ := parseFstab(s.State.Fstab)
	after, _ := parseFstab(s.NewFstab)
	for _, where := range slices.Sorted(maps.Keys(before)) {
		was := before[where]
		is, stays := after[where]
		name := unitOfPath(where, ".mount")
		if s.ignores(was) && s.State.Units[name].Active == "" {
			continue
		}
		same := was.device == is.device && was.kind == is.kind
		switch {
		case !stays:
			d.Stop.Add(name)
		case same && was.options == is.options:
		case same:
			d.Reload.Add(name)
		case where != "/" && where != "/nix":
			d.Restart.Add(name)
		case was.options != is.options:
			d.Reload.Add(name)
		default:
			d.Skip.Add(name)
		}
	}
}

// ignores reports whether systemd makes no unit of a line of /etc/fstab: in a
// container it leaves devices out.
func (s *Switch) ignores(m mount) bool {
	return !s.State.Known || s.State.Container && (m.kind == "swap" || strings.HasPrefix(m.device, "/dev/") || strings.Contains(m.device, "="))
}

// Forecast is what a decision means where nothing else is known of the units.
func (d Decision) Forecast() Forecast {
	var f Forecast
	for _, name := range d.Stop.sorted() {
		if d.Start[name] {
			d.Restart.Add(name)
		} else {
			f.Stop = append(f.Stop, name)
		}
	}
	for _, name := range d.Start.sorted() {
		if !d.Stop[name] {
			f.Start = append(f.Start, name)
		}
	}
	f.Restart, f.Reload, f.Stay = d.Restart.sorted(), d.Reload.sorted(), d.Skip.sorted()
	return f
}
