package units

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

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
	f.Undone = append(f.Undone, w.userUnits()...)
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
		if !w.OldUser.readable(r.Name, b) || !w.NewUser.readable(r.Name, b) {
			w.unknown[r.Name] = "the user unit differs, and its files could not be read"
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
