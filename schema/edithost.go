package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// A HostEdit is a fact of a host that its inventory is to say.
type HostEdit struct {
	Host *Host
	Path string // below the host: "host", "host_keys", "disks.sda.device"; "disks.sdb" for a new disk

	// Value is a string, a []string, or a []NewField where there is nothing yet. Texts of
	// a list that are there already keep their places, and with Keep all that are there;
	// Same reports whether two are the same, where that is not equality.
	Value any
	Keep  bool
	Same  func(a, b string) bool

	Old     string // what a string is now
	Comment string // above something new
}

// EditHosts returns the texts of the files of an inventory, by their names in positions,
// in which facts of its hosts are others. All else stays as it is, with its comments and
// its layout. What is not written out in the entry of the host, such as a list that is
// computed, is an error.
func EditHosts(edits []HostEdit, read func(name string) ([]byte, error)) (map[string][]byte, error) {
	files := map[string]*hostFile{}
	for _, e := range edits {
		at, name := e.anchor()
		f := files[at.File]
		if f == nil {
			text, err := read(at.File)
			if err != nil {
				return nil, err
			}
			f = newHostFile(at.File, text)
			files[at.File] = f
		}
		if offset := f.offset(at); offset < 0 || !f.edit(&e, offset, name) {
			return nil, fmt.Errorf("%s: hosts.%s.%s is not written out there: change it by hand, to %s", at, e.Host.Name, e.Path, jsonText(e.Value, "", false))
		}
	}
	texts := map[string][]byte{}
	for name, f := range files {
		texts[name] = f.edited()
	}
	return texts, nil
}

// anchor is the place of the fact, or else that of the fact that it is put beside, whose
// name is returned then: "host" or "disks", or "entry" for a machine that muster made, whose
// address is in a file of pins.
func (e *HostEdit) anchor() (at Pos, beside string) {
	if at, ok := e.Host.pos.find(e.Path); ok {
		return at, ""
	}
	if strings.HasPrefix(e.Path, "disks.") && len(e.Host.Disks) > 0 {
		return e.Host.Disks[0].At, "disks"
	}
	if e.Host.Provision != nil {
		return e.Host.At, "entry"
	}
	return e.Host.PosOf("host"), "host"
}

// edit makes one edit at an offset, beside another fact where that is named. It reports
// false where the text is not of a form that it knows.
func (f *hostFile) edit(e *HostEdit, at int, beside string) bool {
	switch beside {
	case "host":
		return f.addField(e, at)
	case "disks":
		return f.addDisk(e, at)
	case "entry":
		return f.addToEntry(e)
	}
	switch value := e.Value.(type) {
	case string:
		end, text, ok := f.literal(at, f.inFlow(at))
		if !ok || text != e.Old {
			return false
		}
		f.put(at, end, jsonText(value, "", false))
		return true
	case []string:
		return f.editList(e, at, value)
	}
	return false
}

// editList gives a list other texts.
func (f *hostFile) editList(e *HostEdit, at int, want []string) bool {
	elems, ok := f.list(at)
	if !ok {
		return false
	}
	same := e.Same
	if same == nil {
		same = func(a, b string) bool { return a == b }
	}
	var added []string
	var gone, kept []listed
	for _, w := range want {
		if !slices.ContainsFunc(elems, func(l listed) bool { return same(l.text, w) }) {
			added = append(added, w)
		}
	}
	for _, l := range elems {
		if e.Keep || slices.ContainsFunc(want, func(w string) bool { return same(l.text, w) }) {
			kept = append(kept, l)
		} else if len(added) > 0 { // in the place of another
			f.put(l.from, l.to, jsonText(added[0], "", false))
			added, kept = added[1:], append(kept, l)
		} else {
			gone = append(gone, l)
		}
	}
	if len(kept) == 0 {
		if len(gone) > 0 || f.text[at] != '[' {
			return false
		}
		text := jsonText(added, "", false)
		f.put(at+1, at+1, text[1:len(text)-1])
		return true
	}
	for _, l := range gone {
		f.remove(l, elems)
	}
	for _, text := range added {
		f.addAfter(kept[len(kept)-1], jsonText(text, "", false), f.text[at] == '-')
	}
	return true
}

// remove takes an element out of a list, with its line where it has one for itself.
func (f *hostFile) remove(l listed, elems []listed) {
	before, end := f.before(l.from), f.lineEnd(l.to)
	i := slices.Index(elems, l)
	switch {
	case strings.Trim(string(before), " \t-") == "" && f.nothing(f.text[l.to:end]):
		f.put(l.from-len(before), min(end+1, len(f.text)), "")
	case i+1 < len(elems):
		f.put(l.from, elems[i+1].from, "")
	case i > 0:
		f.put(elems[i-1].to, l.to, "")
	default:
		f.put(l.from, l.to, "")
	}
}

// addAfter adds an element behind another of a list, on a line for itself where the other
// has one.
func (f *hostFile) addAfter(l listed, text string, dashes bool) {
	before, end := string(f.before(l.from)), f.lineEnd(l.to)
	rest := f.text[l.to:end]
	switch {
	case dashes:
		f.put(end, end, "\n"+before+text)
	case strings.TrimSpace(before) != "" || !f.nothing(rest):
		f.put(l.to, l.to, ", "+text)
	case bytes.HasPrefix(bytes.TrimSpace(rest), []byte(",")):
		f.put(end, end, "\n"+before+text+",")
	default:
		f.put(l.to, l.to, ",")
		f.put(end, end, "\n"+before+text)
	}
}

// hostKey is the key of a host's address, behind what precedes it on its line.
var hostKey = ondemand.Regexp(`^(.*?)(?:"host"|'host'|host)[ \t]*[:=][ \t]*$`)

// addField adds a field to the host beside its address, which is at a place.
func (f *hostFile) addField(e *HostEdit, at int) bool {
	end, text, ok := f.literal(at, f.inFlow(at))
	m := hostKey().FindStringSubmatch(string(f.before(at)))
	if !ok || text != e.Host.Address || m == nil {
		return false
	}
	prefix, lineEnd := m[1], f.lineEnd(end)
	if strings.ContainsAny(prefix, "{,[") || !f.nothing(f.text[end:lineEnd]) {
		f.put(end, end, ", "+f.member(strings.Split(e.Path, "."), e.Value))
		return f.kind != ".yaml" || f.inFlow(at)
	}
	lines := f.block(prefix, strings.Split(e.Path, "."), e.Value, e.Comment)
	if f.kind == ".json" { // which has a comma behind all but the last
		f.put(end, end, ","+lines)
	} else {
		f.put(lineEnd, lineEnd, lines)
	}
	return true
}

// addToEntry adds a field to the entry of the host, wherever it has room.
func (f *hostFile) addToEntry(e *HostEdit) bool {
	names := strings.Split(e.Path, ".")
	value := within(names[1:], e.Value)
	field := &setField{name: names[0], text: f.inline(value)}
	field.lines, _ = value.([]string)
	return f.set(e.Host.Name, field, true) == nil
}

// addDisk adds a disk before the first one of the host, whose name is at a place.
func (f *hostFile) addDisk(e *HostEdit, at int) bool {
	name := []string{strings.TrimPrefix(e.Path, "disks.")}
	prefix := string(f.before(at))
	header := f.kind == ".toml" && strings.HasPrefix(strings.TrimSpace(prefix), "[")
	if !header && strings.ContainsAny(prefix, "{,[") {
		f.put(at, at, f.member(name, e.Value)+", ")
		return true
	}
	// Above the comments of the first disk.
	start := at - len(prefix)
	for start > 0 && f.comment() != "" {
		line := start - 1 - len(f.before(start-1))
		if !strings.HasPrefix(strings.TrimSpace(string(f.text[line:start])), f.comment()) {
			break
		}
		start = line
	}
	var text string
	switch fields, isTable := e.Value.([]NewField); {
	case header && isTable:
		var b strings.Builder
		if e.Comment != "" {
			b.WriteString("# " + e.Comment + "\n")
		}
		b.WriteString(prefix + tomlName(name[0]) + "]\n")
		for _, field := range fields {
			b.WriteString(tomlName(field.Name) + " = " + jsonText(field.Value, "", false) + "\n")
		}
		text = b.String() + "\n"
	default:
		text = strings.TrimPrefix(f.block(prefix, name, e.Value, e.Comment), "\n")
		if f.kind == ".json" {
			text += ","
		}
		text += "\n"
	}
	f.put(start, start, text)
	return true
}
