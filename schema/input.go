package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// An Input is a tree beside nixpkgs that modules of the fleet come from. Kind says
// where it is; without one, the lock file does.
type Input struct {
	Name string
	At   Pos
	Kind InputKind

	Owner, Repo string // of GitHub, GitLab and SourceHut
	Host        string // their server; "" means the public one
	URL         string // of Git, Tarball and File
	Path        string // a directory, relative to the inventory's or absolute
	Ref         string // a branch or tag
	Rev         string // a commit
	Hash        string // of its NAR: sha256-…
	Dir         string // where its flake.nix is; "" means the top
	Submodules  bool
	Flake       bool
	Follows     []Follow
}

// An InputKind says how an input is fetched. The names are those of flake
// references.
type InputKind string

// The kinds.
const (
	GitHub    InputKind = "github"
	GitLab    InputKind = "gitlab"
	SourceHut InputKind = "sourcehut"
	Git       InputKind = "git"
	Tarball   InputKind = "tarball"
	File      InputKind = "file"
	Directory InputKind = "path"
)

var inputKinds = []InputKind{GitHub, GitLab, SourceHut, Git, Tarball, File, Directory}

// A Follow says that an input of a flake is an input of the fleet, or one of that
// one's inputs. An empty Path is the fleet's directory.
type Follow struct {
	Name string
	Path []string
}

// Pinned reports whether the inventory itself says which content the input has.
func (i *Input) Pinned() bool {
	switch i.Kind {
	case "":
		return false
	case Directory:
		return true
	case Git:
		return i.Rev != ""
	case Tarball, File:
		return i.Hash != ""
	}
	return i.Rev != "" && i.Hash != ""
}

// A FlakeSystem is a system that a flake or a Nix file defines. Exactly one of Dir, Ref
// and File says where.
type FlakeSystem struct {
	At   Pos
	File string   // a Nix file, relative to the inventory's directory or absolute
	Dir  string   // the flake's directory, relative to the inventory's or absolute
	Repo string   // the root of the Git repository that Dir is in, if any; as Dir
	Ref  string   // a flake reference such as github:owner/repo
	Attr []string // names from the flake's outputs, or the file's value, on
}

// What is what defines the system, in words.
func (s *FlakeSystem) What() string {
	if s.File != "" {
		return "a Nix file"
	}
	return "a flake"
}

// Reference is what a flake reference says of the input in words, its type first. Of a
// forge, a commit leaves no room for a branch; / in the name of a group is written %2F.
func (i *Input) Reference() (words [][2]string) {
	ref := i.Ref
	if i.Rev != "" && i.Kind != Git {
		ref = ""
	}
	for _, w := range [][2]string{
		{"type", string(i.Kind)}, {"owner", strings.ReplaceAll(i.Owner, "/", "%2F")}, {"repo", i.Repo}, {"host", i.Host}, {"url", i.URL},
		{"ref", ref}, {"rev", i.Rev}, {"narHash", i.Hash},
	} {
		if w[1] != "" {
			words = append(words, w)
		}
	}
	return words
}

// SelfInput is the name under which modules get the fleet's directory.
const SelfInput = "self"

// A Lock is the lock file of a fleet.
type Lock struct {
	At    Pos    // where the inventory names it, if it does
	Path  string // relative to the inventory's directory, or absolute
	Flake bool   // it is a flake.lock, which says which inputs are flakes
	Names []string

	unread bool // it has problems, so that nobody knows which inputs it pins
}

// pins reports whether the lock file pins an input, or may.
func (l *Lock) pins(name string) bool {
	return l != nil && (l.unread || slices.Contains(l.Names, name))
}

// HasInput reports whether the fleet has an input of that name.
func (f *Fleet) HasInput(name string) bool {
	return name == SelfInput || slices.ContainsFunc(f.Inputs, func(i Input) bool { return i.Name == name }) ||
		f.Lock.pins(name)
}

// HasInputs reports whether modules of the fleet get inputs.
func (f *Fleet) HasInputs() bool { return len(f.Inputs) > 0 || f.Lock != nil }

// HasFlakes reports whether the fleet has inputs, or hosts whose systems flakes define.
func (f *Fleet) HasFlakes() bool {
	return f.HasInputs() || slices.ContainsFunc(f.Hosts, func(h *Host) bool {
		return h.Flake != nil || slices.ContainsFunc(h.Profiles, func(p *Profile) bool { return p.Flake != nil })
	})
}

// FlakeHosts are the hosts whose systems flakes define.
func (f *Fleet) FlakeHosts() (hosts []*Host) {
	for _, h := range f.Hosts {
		if h.Flake != nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// inputNames are the names of all inputs, sorted.
func (f *Fleet) inputNames() []string {
	names := []string{SelfInput}
	for _, i := range f.Inputs {
		names = append(names, i.Name)
	}
	if f.Lock != nil {
		names = append(names, f.Lock.Names...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// inputs decodes the inputs.
func (d *decoder) inputs(n *node) {
	if n == nil || n.kind != structKind {
		return
	}
	for _, f := range n.fields {
		if f.val.kind != structKind {
			continue
		}
		v := f.val
		in := Input{
			Name: f.name, At: f.at, Host: text(v.get("host")), Ref: text(v.get("ref")), Rev: text(v.get("rev")), Hash: text(v.get("hash")),
			Dir: text(v.get("dir")), Submodules: truth(v.get("submodules")), Flake: v.get("flake") == nil || truth(v.get("flake")),
		}
		for _, kind := range inputKinds {
			if where := text(v.get(string(kind))); where != "" && in.Kind == "" {
				in.place(kind, where)
				if kind == Directory {
					in.Path = d.resolve(where, v.get("path").at)
				}
				if kind == File {
					in.Flake = false
				}
			}
		}
		if follows := v.get("follows"); follows != nil && follows.kind == structKind {
			for _, g := range follows.fields {
				in.Follows = append(in.Follows, Follow{g.name, strings.FieldsFunc(text(g.val), func(r rune) bool { return r == '/' })})
			}
		}
		d.fleet.Inputs = append(d.fleet.Inputs, in)
	}
}

// flakeSystem decodes FLAKE#ATTRIBUTE. An attribute of one name is the name of a
// configuration, as for nixos-rebuild --flake.
func (d *decoder) flakeSystem(n *node, path string) *FlakeSystem {
	ref, attr, ok := strings.Cut(text(n), "#")
	if !ok || ref == "" || attr == "" {
		return nil
	}
	s := &FlakeSystem{At: n.at}
	switch {
	case strings.HasPrefix(ref, ".") || strings.HasPrefix(ref, "/"):
		s.Dir = d.resolve(ref, n.at)
		s.Repo = d.repository(s.Dir)
	case strings.Contains(ref, ":"):
		s.Ref = ref
	default:
		d.report.add(n.at, path, "type", "got the flake %s, want a directory such as . or ./fleet, or a flake reference such as github:owner/repo", quote(ref))
		return nil
	}
	names, err := splitAttr(attr)
	if err != nil {
		d.report.add(n.at, path, "type", "got the attribute %s, want names with dots between them", quote(attr))
		return nil
	}
	if len(names) == 1 {
		names = []string{"nixosConfigurations", names[0]}
	}
	s.Attr = names
	return s
}

// nixosSystem decodes FILE#ATTRIBUTE.
func (d *decoder) nixosSystem(n *node, path string) *FlakeSystem {
	file, attr, ok := strings.Cut(text(n), "#")
	if !ok || file == "" || attr == "" {
		return nil
	}
	names, err := splitAttr(attr)
	if err != nil {
		d.report.add(n.at, path, "type", "got the attribute %s, want names with dots between them", quote(attr))
		return nil
	}
	return &FlakeSystem{At: n.at, File: d.resolve(file, n.at), Attr: names}
}

// repository is the root of the Git repository that a directory is in, or "". Nix
// sees only what is tracked in it.
func (d *decoder) repository(dir string) string {
	abs := dir
	if !filepath.IsAbs(abs) {
		abs = filepath.Join(d.fleet.Dir, dir)
	}
	for at := abs; ; at = filepath.Dir(at) {
		if exists(filepath.Join(at, ".git")) {
			if rel, err := filepath.Rel(d.fleet.Dir, at); err == nil && !filepath.IsAbs(dir) {
				return rel
			}
			return at
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}

// splitAttr splits the path of an attribute at its dots. A name may be in quotes.
func splitAttr(attr string) ([]string, error) {
	var names []string
	for rest := attr; ; {
		var name string
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, errors.New("unterminated quotes")
			}
			name, rest = rest[1:1+end], rest[2+end:]
			if rest != "" && rest[0] != '.' {
				return nil, errors.New("text behind quotes")
			}
		} else {
			end := strings.IndexByte(rest+".", '.')
			name, rest = rest[:end], rest[end:]
		}
		if name == "" {
			return nil, errors.New("an empty name")
		}
		names = append(names, name)
		if rest == "" {
			return names, nil
		}
		rest = rest[1:]
	}
}

// place says where an input is.
func (i *Input) place(kind InputKind, where string) {
	i.Kind = kind
	switch kind {
	case GitHub, GitLab, SourceHut:
		at := strings.LastIndexByte(where, '/')
		i.Owner, i.Repo = where[:max(at, 0)], where[at+1:]
	case Git, Tarball, File:
		i.URL = where
	}
}

// DefaultLock is the lock file that is read where the inventory names none, and that
// muster update writes.
const DefaultLock = "muster.lock"

// lock reads the names of the inputs that a lock file pins.
func (d *decoder) lock(n *node) {
	lock, before := &Lock{Path: "./" + DefaultLock}, len(d.report.list)
	if n != nil {
		if text(n) == "" {
			return
		}
		lock.At, lock.Path = n.at, d.resolve(n.text, n.at)
	}
	name := lock.Path
	if !filepath.IsAbs(name) {
		name = filepath.Join(d.fleet.Dir, name)
	}
	data, err := readLimited(name)
	switch {
	case n == nil && errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		d.report.add(lock.At, "lock", "missing-file", "lock file %s: cannot be read: %v", quote(lock.Path), bare(err))
	}
	d.fleet.Lock = lock
	defer func() { lock.unread = len(d.report.list) > before }()
	if err != nil {
		return
	}
	shown := name
	if d.show != nil {
		shown = d.show(name)
	}
	source := newSource(shown, bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), d.report)
	if source == nil || conflicting(source, d.report) {
		return
	}
	before = len(d.report.list)
	if tree := readJSON(source, d.report); tree != nil {
		lock.read(tree, d.report)
		return
	}
	for _, e := range d.report.list[before:] {
		if strings.Contains(e.Hint, "hosts") {
			e.Hint = "have the file written anew" // it is no inventory
		}
	}
}

// conflicting reports a conflict that git has left in a file.
func conflicting(s *source, r *report) bool {
	for line := range len(s.lines) {
		if strings.HasPrefix(s.line(line+1), "<<<<<<< ") {
			r.add(Pos{File: s.name, Line: line + 1, Col: 1}, "", "lock", "the mark of a merge conflict").Hint = "resolve the conflict, or have the file written anew"
			return true
		}
	}
	return false
}

// read finds out what kind of lock file it is, and which inputs it pins: those of the
// root of a flake.lock (versions 5 to 7), or all of npins, lon and niv.
func (l *Lock) read(tree *node, r *report) {
	names := func(n *node) {
		if n != nil && n.kind == structKind {
			for _, f := range n.fields {
				l.Names = append(l.Names, f.name)
			}
		}
	}
	switch {
	case tree.kind != structKind:
		r.add(tree.at, "", "lock", "got %s, want a lock file: a JSON object", tree)
	case tree.get("nodes") != nil && tree.get("root") != nil:
		l.Flake = true
		if v := tree.get("version"); v == nil || v.kind != intKind || v.num < 5 || v.num > 7 {
			e := r.add(tree.at, "version", "lock", "missing: want the version of the lock file, 5 to 7")
			if v != nil {
				e.Pos, e.Msg = v.at, fmt.Sprintf("got version %s, want 5 to 7", v)
			}
			e.Hint = "nix flake lock writes a newer one"
			return
		}
		root := tree.get("nodes").get(text(tree.get("root")))
		if root == nil {
			r.add(tree.get("root").at, "root", "lock", "there is no such node")
			return
		}
		names(root.get("inputs"))
		nodes := lockNodes{all: tree.get("nodes"), root: text(tree.get("root")), known: map[*node]lockTarget{}}
		nodes.checkReferences(r)
		nodes.checkLocked(r)
	case tree.get("pins") != nil:
		if v := tree.get("version"); v != nil && (v.kind != intKind || v.num < 1 || v.num > 8) {
			r.add(v.at, "version", "lock", "got version %s of npins' file, want 1 to 8", v).Hint = "npins upgrade writes a newer one; this muster knows none above 8"
			return
		}
		checkPins(tree.get("pins"), "pins", r)
		names(tree.get("pins"))
	case tree.get("sources") != nil && tree.get("version") != nil:
		if v := tree.get("version"); text(v) != "1" {
			r.add(v.at, "version", "lock", "got version %s of lon's file, want \"1\"", v)
			return
		}
		checkPins(tree.get("sources"), "sources", r)
		names(tree.get("sources"))
	default:
		for _, f := range tree.fields {
			if f.val.kind != structKind || f.val.get("type") == nil {
				r.add(f.at, "", "lock", "not a lock file: want a flake.lock, or one of npins, lon or niv")
				return
			}
		}
		names(tree)
	}
}

// checkPins checks that what npins or lon has pinned are sets.
func checkPins(pins *node, path string, r *report) {
	if pins.kind != structKind {
		r.add(pins.at, path, "lock", "got %s, want a JSON object", pins)
		return
	}
	for _, f := range pins.fields {
		if f.val.kind != structKind {
			r.add(f.val.at, join(path, f.name), "lock", "got %s, want a pin: a JSON object", f.val)
		}
	}
}

// lockNodes are the nodes of a flake.lock, and the name of the root.
type lockNodes struct {
	all   *node
	root  string
	known map[*node]lockTarget // of inputs that follow others
}

// A lockTarget is the node that an input leads to, "" if there is none. The path of one that is not found has no end.
type lockTarget struct {
	name  string
	found bool
}

// checkReferences checks that the nodes name nodes that are there, and that what an input follows does not follow it.
func (l lockNodes) checkReferences(r *report) {
	for _, f := range l.all.fields {
		inputs := f.val.get("inputs")
		if inputs == nil || inputs.kind != structKind {
			continue
		}
		for _, in := range inputs.fields {
			path := join(join(join("nodes", f.name), "inputs"), in.name)
			if to := text(in.val); to != "" && l.all.get(to) == nil {
				r.add(in.val.at, path, "lock", "there is no node %s", quote(to))
			} else if !l.resolve(in.val).found {
				r.add(in.val.at, path, "lock", "the input follows itself").Hint = "lock the flake again"
			}
		}
	}
}

// resolve returns the node that an input is: one that is named, or that a path of inputs leads to from the root.
func (l lockNodes) resolve(input *node) lockTarget {
	if input == nil || input.kind != listKind {
		return lockTarget{text(input), true}
	}
	if t, ok := l.known[input]; ok {
		return t // not found yet if the path leads back to this input
	}
	l.known[input] = lockTarget{}
	t := lockTarget{l.root, true}
	for _, part := range input.elems {
		if t = l.resolve(l.all.get(t.name).get("inputs").get(text(part))); t.name == "" {
			break
		}
	}
	l.known[input] = t
	return t
}

// checkLocked checks that what is fetched cannot change. Paths are of this machine.
func (l lockNodes) checkLocked(r *report) {
	for _, f := range l.all.fields {
		locked := f.val.get("locked")
		if f.name == l.root || locked == nil || locked.kind != structKind || text(locked.get("type")) == "path" {
			continue
		}
		if locked.get("narHash") == nil && locked.get("rev") == nil {
			r.add(locked.at, join(join("nodes", f.name), "locked"), "lock", "the input is not locked: it has neither a rev nor a narHash").Hint = "lock the flake again"
		}
	}
}

// An inputUse is one $input, which must exist.
type inputUse struct {
	at         Pos
	path, name string
}

// The forms of attributes and files of inputs, as schema.cue has them.
var (
	attrPathText = ondemand.Regexp(`^[A-Za-z_][A-Za-z0-9_'-]*(\.[A-Za-z0-9_][A-Za-z0-9_'-]*)*$`)
	subPathText  = ondemand.Regexp(`^[A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+)*$`)
)

// inputFields checks what stands beside $input.
func (v *valueReader) inputFields(n *node, path string) bool {
	var given []string
	for _, f := range n.fields {
		form, want := attrPathText, "an attribute such as packages.x86_64-linux.default"
		switch f.name {
		case "$input":
			continue
		case "path":
			form, want = subPathText, "the path of a file in the input"
		case "attr", "module":
		default:
			v.report.add(f.at, join(path, f.name), "marker", "%s beside $input, which takes only attr or path", quote(f.name))
			return false
		}
		given = append(given, f.name)
		if f.val.kind != stringKind || !form().MatchString(f.val.text) || strings.Contains("/"+f.val.text+"/", "/../") {
			v.report.add(f.val.at, join(path, f.name), "marker", "got %s, want %s", f.val, want)
			return false
		}
	}
	if len(given) > 1 {
		v.report.add(n.at, path, "conflict", "has %s, want one of them", strings.Join(given, " and "))
		return false
	}
	return true
}

// textOf is the text of a field.
func textOf(n *node, name string) string { return text(n.get(name)) }

// checkInputs checks that inputs are pinned and that what names one finds it.
func (c *checker) checkInputs() {
	f := c.fleet
	for i := range f.Inputs {
		c.input(&f.Inputs[i])
	}
	for _, u := range c.inputs {
		c.hasInput(u.at, u.path, u.name)
	}
	for _, h := range f.Hosts {
		c.flakeSystem(h)
	}
}

// flakeSystem checks that the flake of a host is there, and that what muster would
// compose a system of is not said beside it.
func (c *checker) flakeSystem(h *Host) {
	if h.Flake == nil {
		return
	}
	path := join("hosts", h.Name)
	if file := h.Flake.File; file != "" && c.lookFor(file) == nil {
		c.report.add(h.Flake.At, path+".nixos", "missing-file", "no such file: %s", quote(file))
	}
	if dir := h.Flake.Dir; dir != "" {
		switch {
		case c.lookFor(dir) == nil:
			c.report.add(h.Flake.At, path+".flake", "missing-file", "no such directory: %s", quote(dir))
		case c.lookFor(filepath.Join(dir, "flake.nix")) == nil:
			c.report.add(h.Flake.At, path+".flake", "missing-file", "no flake.nix in %s", quote(dir))
		}
	}
	if h.Nixpkgs != nil {
		c.report.add(h.Nixpkgs.At, path+".nixpkgs", "conflict", "%s decides which NixOS the host has", h.Flake.What()).Hint = "leave it out"
	}
}

// input checks one input.
func (c *checker) input(in *Input) {
	n, path := c.tree.get("inputs").get(in.Name), join("inputs", in.Name)
	var kinds []string
	for _, kind := range inputKinds {
		if n.get(string(kind)) != nil {
			kinds = append(kinds, string(kind))
		}
	}
	locked := c.fleet.Lock.pins(in.Name)
	switch {
	case in.Name == SelfInput:
		c.report.add(in.At, path, "input", "self is the fleet's directory").Hint = "give the input another name"
	case len(kinds) > 1:
		c.report.add(n.at, path, "conflict", "has %s, want one of them", strings.Join(kinds, " and "))
	case n.get("url") != nil: // the field is told to be unknown, with what takes its place
	case len(kinds) == 0 && !locked:
		c.report.add(in.At, path, "input", "nothing says where it is: want one of github, gitlab, sourcehut, git, tarball, file and path, or a lock file that pins it")
	case !in.Pinned() && !locked && !c.unpinned:
		e := c.report.add(in.At, path, "input", "not pinned")
		switch {
		case in.Kind == Tarball || in.Kind == File:
			e.Hint = "muster update pins it, or add its hash"
		case in.Rev == "" && in.Kind == Git:
			e.Hint = "muster update pins it, or add the rev of a commit"
		default:
			e.Hint = "muster update pins it, or add the rev of a commit and the hash of its tree"
		}
	}
	if in.Kind == Directory {
		at := n.get("path").at
		switch info := c.lookFor(in.Path); {
		case info == nil:
			c.report.add(at, path+".path", "missing-file", "no such directory: %s", quote(in.Path))
		case !info.IsDir():
			c.report.add(at, path+".path", "missing-file", "not a directory: %s", quote(in.Path))
		case in.Flake && c.lookFor(filepath.Join(in.Path, in.Dir, "flake.nix")) == nil:
			c.report.add(at, path+".path", "missing-file", "no flake.nix in %s", quote(filepath.Join(in.Path, in.Dir))).Hint = "set flake: false if it is no flake"
		default:
			c.inside(at, path+".path", in.Path)
		}
	}
	for _, f := range in.Follows {
		if len(f.Path) > 0 {
			c.hasInput(n.get("follows").get(f.Name).at, join(path+".follows", f.Name), f.Path[0])
		}
	}
}

// hasInput reports a reference to an input that the fleet does not have.
func (c *checker) hasInput(at Pos, path, name string) {
	if c.fleet.HasInput(name) {
		return
	}
	names := c.fleet.inputNames()
	e := c.report.add(at, path, "undefined-input", "no input named %s", quote(name))
	if near := nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(names) > 1 {
		e.Hint = "known inputs: " + strings.Join(names, ", ")
	} else {
		e.Hint = "add it to inputs, or name the lock file that pins it in lock"
	}
}
