package schema

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A fleet may be a tree of folders, one a host, or have its hosts in a file of data:
//
//	hosts: "$dir": "./hosts"
//
//	hosts/web1/default.nix                       web1
//	hosts/prod/web2/{meta.toml,default.nix}      web2, with the tag prod and the fields of meta.toml
//	hosts/aarch64-linux/pi/configuration.nix     pi, of that system
//
//	hosts: {"$file": "tf.json", "$at": "hosts.value"}
//
// What is read becomes part of the inventory's tree, with positions in those files, and is
// checked like the rest of it.

// metaFiles are the files with the fields of a host in its folder, and moduleFiles those
// that make a folder one of a host without them.
var (
	metaFiles   = []string{"meta.nix", "meta.json", "meta.toml", "meta.yaml", "meta.cue"}
	moduleFiles = []string{"default.nix", "configuration.nix"}
)

const (
	maxHostDirs  = 100_000
	maxHostDepth = 8
)

// expandHosts adds the hosts of $dir and $file to those of the inventory.
func (l *loader) expandHosts(ctx context.Context) {
	hosts := l.tree.get("hosts")
	if hosts == nil || hosts.kind != structKind {
		return
	}
	e := &hostReader{loader: l, ctx: ctx, hosts: hosts}
	if dir := hosts.get("$dir"); text(dir) != "" {
		name := filepath.Join(l.dirOf(dir.at), dir.text)
		if filepath.IsAbs(dir.text) {
			name = dir.text
		}
		if before := len(l.report.list); !e.folder(name, nil, dir.at) && len(l.report.list) == before {
			l.report.add(dir.at, "hosts.$dir", "missing-file", "no host in %s", quote(dir.text)).Hint = "want folders with " + anyOf(append(slices.Clone(moduleFiles), metaFiles...))
		}
	}
	if file := hosts.get("$file"); text(file) != "" {
		name := file.text
		if !filepath.IsAbs(name) {
			name = filepath.Join(l.dirOf(file.at), name)
		}
		e.file(name, file, hosts.get("$at"))
	}
}

// A hostReader reads hosts that are not in the inventory itself.
type hostReader struct {
	loader *loader
	ctx    context.Context
	hosts  *node
	dirs   int
}

// folder reads a folder: a host, or folders of hosts. words are the names of the folders
// around it. It reports whether there is a host.
func (e *hostReader) folder(dir string, words []string, at Pos) bool {
	r := e.loader.report
	if e.dirs++; e.dirs > maxHostDirs || len(words) > maxHostDepth {
		r.add(at, "hosts.$dir", "too-large", "more than %d folders, or nested deeper than %d", maxHostDirs, maxHostDepth)
		return false
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.add(at, "hosts.$dir", "missing-file", "cannot read the folder %s: %v", quote(e.loader.show(dir)), bare(err))
		return false
	}
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(d os.DirEntry) bool { return d.Name() == name && !d.IsDir() })
	}
	if len(words) > 0 && (slices.ContainsFunc(metaFiles, has) || slices.ContainsFunc(moduleFiles, has)) {
		e.host(dir, words, has)
		return true
	}
	found := false
	for _, d := range entries {
		e.link(dir, d, at)
		if name := d.Name(); d.IsDir() && name[0] != '.' && name[0] != '_' {
			below, before := filepath.Join(dir, name), len(r.list)
			if e.folder(below, append(slices.Clone(words), name), at) {
				found = true
			} else if len(r.list) == before {
				r.add(at, "hosts.$dir", "missing-file", "neither a host nor a folder of hosts: %s", quote(e.loader.show(below))).Hint = "want " + anyOf(append(slices.Clone(moduleFiles), metaFiles...)) + " in it, or a name that begins with _"
			}
		}
	}
	return found
}

// link reports a folder that is a symbolic link, which is not followed: links may go in
// circles, and out of the repository.
func (e *hostReader) link(dir string, d os.DirEntry, at Pos) {
	name := d.Name()
	if d.Type()&os.ModeSymlink == 0 || name[0] == '.' || name[0] == '_' {
		return
	}
	below := filepath.Join(dir, name)
	if info, err := os.Stat(below); err == nil && !info.IsDir() {
		return
	}
	e.loader.report.add(at, "hosts.$dir", "file", "a symbolic link, which is not followed: %s", quote(e.loader.show(below))).Hint = "want a folder, whose default.nix may import another one's; or a name that begins with _"
}

// host adds the host of a folder.
func (e *hostReader) host(dir string, words []string, has func(string) bool) {
	name, around := words[len(words)-1], words[:len(words)-1]
	n, at := e.meta(dir, has)
	if n == nil {
		return
	}
	str := func(text string) *node { return &node{kind: stringKind, at: at, text: text} }
	for _, word := range around {
		if isSystem(word) {
			if n.get("system") == nil {
				n.set("system", at, str(word))
			}
		} else if !addTo(n, "tags", str(word)) {
			return // the shape reports what tags is
		}
	}
	for _, file := range moduleFiles {
		if has(file) {
			// "." is default.nix for Nix.
			addTo(n, "imports", str("./"+file))
			break
		}
	}
	e.add(field{name: name, at: at, val: n})
}

// isSystem reports whether a word is one of the systems of schema.cue.
func isSystem(word string) bool {
	return inventoryShape().fields["hosts"].entry.fields["system"].leaf.accepts(&node{kind: stringKind, text: word})
}

// addTo adds an element to a list of a host, which is made if it is missing. It reports
// whether that is a list.
func addTo(n *node, name string, elem *node) bool {
	if n.get(name) == nil {
		n.set(name, elem.at, &node{kind: listKind, at: elem.at})
	}
	list := n.get(name)
	if list.kind == listKind {
		list.elems = append(list.elems, elem)
	}
	return list.kind == listKind
}

// meta reads the fields of a host in its folder, and returns where they are. It is nil
// where that fails.
func (e *hostReader) meta(dir string, has func(string) bool) (n *node, at Pos) {
	var files []string
	for _, name := range metaFiles {
		if has(name) {
			files = append(files, name)
		}
	}
	place := func(name string) Pos {
		return Pos{File: e.loader.show(filepath.Join(dir, name)), Line: 1, Col: 1}
	}
	switch len(files) {
	case 0:
		for _, name := range moduleFiles {
			if has(name) {
				return &node{kind: structKind, at: place(name)}, place(name)
			}
		}
	case 1:
		if files[0] == "meta.json" && e.empty(filepath.Join(dir, files[0])) {
			e.loader.report.add(place(files[0]), "", "syntax", "the file is empty").Hint = `write {"host": "ADDRESS"}, or {}`
			return nil, at
		}
		n = e.data(filepath.Join(dir, files[0]))
		if n != nil && n.kind != structKind {
			e.loader.report.add(n.at, "", "type", "got %s, want the fields of a host", n)
			return nil, at
		}
		return n, place(files[0])
	}
	e.loader.report.add(place(files[1]), "", "conflict", "%s has them too: want the fields of a host in one file", quote(files[0]))
	return nil, at
}

// empty reports whether a file has no text.
func (e *hostReader) empty(name string) bool {
	data, err := readText(name, e.loader.texts)
	return err == nil && len(bytes.TrimSpace(data)) == 0
}

// add adds a host. One that is there already gets the fields that it lacks.
func (e *hostReader) add(h field) {
	i := e.hosts.index(h.name)
	if i < 0 {
		e.hosts.set(h.name, h.at, h.val)
		return
	}
	there := e.hosts.fields[i]
	if there.val.kind != structKind || h.val.kind != structKind {
		e.loader.report.add(h.at, join("hosts", h.name), "duplicate-name", "the host is there twice").Hint = "see " + there.at.String()
		return
	}
	for _, f := range h.val.fields {
		if j := there.val.index(f.name); j >= 0 {
			e.loader.report.add(f.at, join(join("hosts", h.name), f.name), "duplicate-name", "the field is there twice").Hint = "see " + there.val.fields[j].at.String()
			continue
		}
		there.val.set(f.name, f.at, f.val)
	}
}

// file adds the hosts of a file of data, which at says the place of in it.
func (e *hostReader) file(name string, file, at *node) {
	e.loader.fleet.Files = append(e.loader.fleet.Files, name)
	n := e.data(name)
	if n == nil {
		return
	}
	way := ""
	for _, step := range strings.FieldsFunc(text(at), func(r rune) bool { return r == '.' }) {
		next := n.get(step)
		if next == nil {
			x := e.loader.report.add(at.at, "hosts.$at", "missing-file", "%s has no %s", quote(file.text), join(way, step))
			var names []string
			for _, f := range n.fields {
				names = append(names, f.name)
			}
			if near := nearest(step, names); near != "" {
				x.Hint = "did you mean " + quote(near) + "?"
			}
			return
		}
		n, way = next, join(way, step)
	}
	if n.kind != structKind {
		e.loader.report.add(n.at, "", "type", "got %s, want hosts by name: their fields, or their addresses", n)
		return
	}
	for _, f := range n.fields {
		if f.val.kind == stringKind || f.val.kind == listKind {
			address := &node{kind: structKind, at: f.val.at}
			address.set("host", f.val.at, f.val)
			f.val = address
		}
		e.add(f)
	}
}

// data reads a file of data; nil where that fails, which is reported.
func (e *hostReader) data(name string) *node {
	l := e.loader
	shown := l.show(name)
	start := Pos{File: shown, Line: 1, Col: 1}
	if filepath.Ext(name) == ".cue" {
		c := &cueReader{root: l.root, dir: filepath.Dir(name), report: l.report, show: l.show, main: name, limits: l.limits, given: l.texts}
		return c.read(e.ctx, []string{"./" + filepath.Base(name)}, "")
	}
	data, err := readText(name, l.texts)
	if err != nil {
		l.report.add(start, "", "file", "cannot be read: %v", bare(err))
		return nil
	}
	s := newSource(shown, bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), l.report)
	if s == nil {
		return nil
	}
	switch ext := filepath.Ext(name); {
	case ext == ".json":
		return readJSON(s, l.report)
	case ext == ".toml":
		return readTOML(s, l.report)
	case ext == ".yaml" || ext == ".yml":
		return readYAML(s, l.report)
	case ext == ".nix" && l.data != nil:
		v, wrong := l.data(shown, s.data)
		if wrong != nil {
			wrong.Rule = "syntax"
			l.report.list = append(l.report.list, wrong)
			return nil
		}
		return nodeOf(v)
	default:
		l.report.add(start, "", "file", "unknown file type %q, want .json, .toml, .yaml, .cue or .nix", ext)
		return nil
	}
}

// nodeOf is the node of a value of plain data.
func nodeOf(v Value) *node {
	n := &node{at: v.Pos()}
	switch v := v.(type) {
	case Null:
		n.kind = nullKind
	case Bool:
		n.kind, n.bool = boolKind, v.V
	case Int:
		n.kind, n.num = intKind, v.V
	case Float:
		n.kind, n.flt = floatKind, v.V
	case String:
		n.kind, n.text = stringKind, v.V
	case List:
		n.kind = listKind
		for _, e := range v.Elems {
			n.elems = append(n.elems, nodeOf(e))
		}
	case *Attrs:
		n.kind = structKind
		for _, f := range v.Fields {
			n.set(f.Name, f.At, nodeOf(f.Value))
		}
	}
	return n
}
