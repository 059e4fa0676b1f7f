package units

import (
	"path"
	"slices"
	"strings"
)

// A State is what systemd on a host says of its units.
type State struct {
	// Known says that systemd answered. Where it did not, the units that boot
	// starts are taken to be active.
	Known bool
	Units map[string]Loaded // those that systemd has loaded
	Fstab string            // /etc/fstab
	// Container says that the host is a container, which mounts no devices.
	Container bool
	// Pending are units that an interrupted activation had still to start, restart
	// and reload.
	Pending Decision
	Users   []UserUnit // that run
}

// Properties are those that [ParseLoaded] reads, for systemctl show.
const Properties = "Id,Names,LoadState,ActiveState,ConditionResult,ConditionTimestampMonotonic,FragmentPath,Requires,Requisite,BindsTo,PartOf,Wants,Upholds,Triggers,RefuseManualStart,RefuseManualStop,Type,RemainAfterExit"

// A Loaded unit is one that systemd has loaded.
type Loaded struct {
	Names    []string // Id among them
	Active   string   // active, inactive, failed, activating, ...
	Fragment string   // its file; "" where it has none or is masked
	Checked  bool     // it was to start once, so that Met is known
	Met      bool     // its conditions held then
	// Strong are the units whose stop stops this one and whose restart restarts
	// it. Pulls are those that its start starts.
	Strong, Pulls []string
	Triggers      []string // what a timer, path or socket starts
	RefusesStart  bool
	RefusesStop   bool
	Once          bool // it runs, ends and is inactive then
}

// runs reports whether the unit counts as active for NixOS.
func (l Loaded) runs() bool { return l.Active == "active" || l.Active == "activating" }

// ParseLoaded reads the answer of systemctl show --property=Properties, which has
// a paragraph for each unit.
func ParseLoaded(shown string) map[string]Loaded {
	all := map[string]Loaded{}
	for paragraph := range strings.SplitSeq(shown, "\n\n") {
		p := map[string]string{}
		for line := range strings.Lines(paragraph) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			p[key] = value
		}
		if p["Id"] == "" {
			continue
		}
		list := func(keys ...string) (words []string) {
			for _, key := range keys {
				words = append(words, strings.Fields(p[key])...)
			}
			return words
		}
		if p["LoadState"] != "loaded" {
			p["FragmentPath"] = ""
		}
		all[p["Id"]] = Loaded{
			Names:        list("Names"),
			Active:       p["ActiveState"],
			Fragment:     p["FragmentPath"],
			Checked:      p["ConditionTimestampMonotonic"] != "0" && p["ConditionTimestampMonotonic"] != "",
			Met:          p["ConditionResult"] == "yes",
			Strong:       list("Requires", "Requisite", "BindsTo", "PartOf"),
			Pulls:        list("Requires", "BindsTo", "Wants", "Upholds"),
			Triggers:     list("Triggers"),
			RefusesStart: p["RefuseManualStart"] == "yes",
			RefusesStop:  p["RefuseManualStop"] == "yes",
			Once:         p["Type"] == "oneshot" && p["RemainAfterExit"] == "no",
		}
	}
	return all
}

// alive reports whether the unit is active for systemd.
func (l Loaded) alive() bool { return l.runs() || l.Active == "reloading" || l.Active == "refreshing" }

// vendor reports whether the unit's file is neither of the system nor made by a
// generator. NixOS has none; a machine with another distribution's systemd does.
func (l Loaded) vendor() bool {
	return strings.HasPrefix(l.Fragment, "/usr/") || strings.HasPrefix(l.Fragment, "/lib/")
}

// generated reports whether a generator made the unit's file: of /etc/fstab, for
// one.
func (l Loaded) generated() bool { return strings.HasPrefix(l.Fragment, "/run/systemd/generator") }

// assumeBooted takes the units that boot starts from a tree to be active.
func assumeBooted(t *Tree) map[string]Loaded {
	all := map[string]Loaded{}
	var add func(name string)
	add = func(name string) {
		name = t.canonical(name)
		if _, seen := all[name]; seen {
			return
		}
		u, ok := t.own(name)
		if !ok && path.Ext(name) != ".target" {
			return
		}
		deps := dependenciesOf(t, name, u)
		l := Loaded{Active: "active", Strong: deps.strong, Pulls: deps.pulls, Fragment: "/etc/systemd/system/" + name}
		if !ok {
			l.Fragment = "/usr/lib/systemd/system/" + name
		}
		all[name] = l
		for _, d := range deps.pulls {
			add(d)
		}
	}
	for _, root := range bootRoots {
		add(root)
	}
	return all
}

// bootRoots are the targets that boot reaches.
var bootRoots = []string{"default.target", "multi-user.target", "sysinit.target", "basic.target", "sockets.target", "timers.target", "paths.target", "local-fs.target"}

// dependencies are those that a unit has by its file and the links beside it.
type dependencies struct{ strong, pulls, conflicts []string }

func dependenciesOf(t *Tree, name string, u unit) dependencies {
	words := func(keys ...string) (list []string) {
		for _, key := range keys {
			list = append(list, u.words("Unit", key)...)
		}
		return list
	}
	d := dependencies{
		strong:    words("Requires", "Requisite", "BindsTo", "PartOf"),
		pulls:     words("Requires", "BindsTo", "Wants", "Upholds"),
		conflicts: words("Conflicts"),
	}
	for _, where := range words("RequiresMountsFor") {
		for ; strings.HasPrefix(where, "/"); where = path.Dir(where) {
			d.strong = append(d.strong, unitOfPath(where, ".mount"))
			if where == "/" {
				break
			}
		}
	}
	d.pulls = append(d.pulls, u.words("Service", "Sockets")...)
	if values := u["Service"]["Type"]; slices.Contains(values, "dbus") {
		d.strong = append(d.strong, "dbus.socket")
	}
	for _, of := range slices.Compact([]string{template(name), name}) {
		d.strong = append(d.strong, t.needs[of]...)
		d.pulls = append(d.pulls, t.needs[of]...)
		d.pulls = append(d.pulls, t.wants[of]...)
	}
	for _, list := range [][]string{d.strong, d.pulls, d.conflicts} {
		for i, s := range list {
			list[i] = instantiate(s, name)
		}
	}
	return d
}

// instantiate replaces the specifiers for names in a dependency of a unit: an
// instance may require another of the same instance. A template that is linked
// below .wants stands for the instance that wants it.
func instantiate(dependency, of string) string {
	stem := strings.TrimSuffix(of, path.Ext(of))
	prefix, instance, _ := strings.Cut(stem, "@")
	if !strings.Contains(dependency, "%") {
		return dependency
	}
	return strings.NewReplacer("%i", instance, "%I", instance, "%n", of, "%N", stem, "%p", prefix, "%P", prefix, "%%", "%").Replace(dependency)
}
