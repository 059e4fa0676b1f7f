package units

import (
	"path"
	"slices"
	"strings"
)

// An Entry is a file or a link in a directory of unit files.
type Entry struct {
	// Path is below the directory, such as "web.service",
	// "web.service.d/overrides.conf" or "timers.target.wants/backup.timer".
	Path string
	// Link is where a link leads: an absolute path, or another name in the same
	// directory.
	Link string
	// Text is the content, of the file that the link leads to. Unread says that it
	// is not known.
	Text   string
	Unread bool
}

// A Tree is a directory of unit files: etc/systemd/system or etc/systemd/user of a
// system.
type Tree struct {
	entries map[string]Entry
	dropins map[string][]string // unit → its drop-ins, sorted
	wants   map[string][]string // unit → units linked below its .wants and .upholds
	needs   map[string][]string // unit → units linked below its .requires
	parsed  map[string]unit
}

// NewTree makes a tree of the entries of a directory.
func NewTree(entries []Entry) *Tree {
	t := &Tree{entries: map[string]Entry{}, dropins: map[string][]string{}, wants: map[string][]string{}, needs: map[string][]string{}, parsed: map[string]unit{}}
	for _, e := range entries {
		t.entries[e.Path] = e
		dir, name := path.Split(e.Path)
		of := strings.TrimSuffix(dir, "/")
		switch path.Ext(of) {
		case ".d":
			if path.Ext(name) == ".conf" {
				of = strings.TrimSuffix(of, ".d")
				t.dropins[of] = append(t.dropins[of], e.Path)
			}
		case ".wants", ".upholds":
			of = strings.TrimSuffix(of, path.Ext(of))
			t.wants[of] = append(t.wants[of], name)
		case ".requires":
			of = strings.TrimSuffix(of, ".requires")
			t.needs[of] = append(t.needs[of], name)
		}
	}
	for _, list := range t.dropins {
		slices.Sort(list)
	}
	return t
}

// target follows links inside the directory, which are other names of a unit.
func (t *Tree) target(name string) Entry {
	e := t.entries[name]
	for range 8 {
		if e.Link == "" || path.IsAbs(e.Link) || strings.Contains(e.Link, "/") {
			break
		}
		next, ok := t.entries[e.Link]
		if !ok {
			break
		}
		e = next
	}
	return e
}

// canonical is the unit that a name stands for: an alias is a link to it.
func (t *Tree) canonical(name string) string {
	if e := t.target(name); e.Path != "" {
		return e.Path
	}
	return name
}

// has reports whether there is a file for exactly this name. A masked unit has one.
func (t *Tree) has(name string) bool { _, ok := t.entries[name]; return ok }

func (t *Tree) masked(name string) bool { return t.target(name).Link == "/dev/null" }

// readable reports whether the content of a unit and of its drop-ins is known.
func (t *Tree) readable(name, base string) bool {
	if t.target(base).Unread {
		return false
	}
	for _, of := range []string{base, name} {
		for _, p := range t.dropins[of] {
			if t.entries[p].Unread {
				return false
			}
		}
	}
	return true
}

// base is the file that a unit has: name@instance.service is of name@.service
// unless it has a file of its own in one of the trees.
func base(name string, trees ...*Tree) string {
	for _, t := range trees {
		if t.has(name) {
			return name
		}
	}
	return template(name)
}

// template is name@.service for name@instance.service, and the name for others.
func template(name string) string {
	stem, ext := path.Ext(name), ""
	stem, ext = strings.TrimSuffix(name, stem), stem
	if at := strings.IndexByte(stem, '@'); at >= 0 && ext != "" {
		return stem[:at+1] + ext
	}
	return name
}

// unit is a unit with its drop-ins; those of its instance come after those of the
// template.
func (t *Tree) unit(name, base string) unit {
	key := name + " " + base
	if u, ok := t.parsed[key]; ok {
		return u
	}
	u := unit{}
	u.add(t.target(base).Text)
	for _, of := range slices.Compact([]string{base, name}) {
		for _, p := range t.dropins[of] {
			u.add(t.entries[p].Text)
		}
	}
	t.parsed[key] = u
	return u
}

// own is a unit by its own file or by that of its template.
func (t *Tree) own(name string) (u unit, ok bool) {
	name = t.canonical(name)
	b := base(name, t)
	if !t.has(b) || t.masked(b) {
		return nil, false
	}
	return t.unit(name, b), true
}

// explicit are the units that a unit's file says it cannot run without.
func (t *Tree) explicit(name string) []string {
	u, _ := t.own(name)
	return dependenciesOf(t, name, u).strong
}
