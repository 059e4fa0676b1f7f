package eval

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"muster/compile/flake"
	"muster/compile/store"
)

// This file is about the inputs of evaluations that read a directory or a working tree
// of this machine, such as the flake that a fleet is defined in.
//
// Such a tree is evaluated at a store path that has the digest of everything in it:
//
//	/nix/store/pr5zpw1pcc2qhhmcxbhvgb5c7f6fzf0d-source/hosts/web.nix
//
// An edit of any file gives the tree another path. What the program reads in the tree is
// recorded by the name that it has there, hosts/web.nix, so hosts that read other files
// are not evaluated again. Programs pass the path itself around all the time, and it
// changes no result as long as they only build other texts of it and read files. The
// whole tree is recorded as an input where that is no longer so:
//
//   - The digest is part of a result: of a derivation, of a text in the store, of what a
//     host evaluates to, of a line that is traced.
//   - The program looks at the digest itself: it compares it, cuts it, matches it with a
//     regular expression, makes it the name of an attribute.
//
// What describes a tree, such as its revision, is recorded by those who look whether the
// set that describes it has such an attribute.

// A localTree is a directory or working tree of this machine that an evaluation reads
// and that is not pinned.
type localTree struct {
	request string // the [FetchRequest] in JSON; it names the tree in inputs
	got     Fetched
	digest  string // the part of its store path that depends on its content
}

// localTrees are those of an evaluator. There are few.
type localTrees struct {
	mu      sync.Mutex
	known   atomic.Pointer[[]*localTree]
	request map[store.Path]string // by path: who has fetched it, of trees that are pinned as well
}

// list returns all trees; there are none if no inputs are recorded.
func (l *localTrees) list() []*localTree {
	if all := l.known.Load(); all != nil {
		return *all
	}
	return nil
}

// addTree adds the tree that a request has fetched, if it is not pinned. Two requests for
// trees with the same content cannot be told apart by their path: then programs depend on
// all of both.
func (ev *Evaluator) addTree(r FetchRequest, got Fetched) {
	l := &ev.trees
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &localTree{request: requestName(r), got: got, digest: got.Path.Digest()}
	local := isUnpinned(r)
	if other, ok := l.request[got.Path]; ok {
		if other != r.JSON && local {
			ev.inputs.add(t.whole())
		}
		for _, known := range l.list() {
			if other != r.JSON && known.got.Path == got.Path {
				ev.inputs.add(known.whole())
			}
		}
		return
	}
	if l.request == nil {
		l.request = map[store.Path]string{}
	}
	l.request[got.Path] = r.JSON
	if local {
		all := append(slices.Clip(l.list()), t)
		l.known.Store(&all)
	}
}

// any reports whether there are trees. Everything that costs time asks before.
func (l *localTrees) any() bool { return l.known.Load() != nil }

// requestName is what a request is called in inputs.
func requestName(r FetchRequest) string {
	name, err := json.Marshal(r)
	if err != nil {
		panic("name a request: " + err.Error())
	}
	return string(name)
}

// isUnpinned reports whether a request is for a directory or a working tree of this
// machine, which is looked at again at little cost.
func isUnpinned(r FetchRequest) bool {
	a, err := flake.ParseAttrs([]byte(r.JSON))
	if r.Fetcher != fetchInput || err != nil || !a.NARHash().IsZero() {
		return false
	}
	switch a.String("type") {
	case "path":
		return strings.HasPrefix(a.String("path"), "/")
	case "git":
		return strings.HasPrefix(a.String("url"), "file:///")
	}
	return false
}

// whole is the input that is all of a tree.
func (t *localTree) whole() Input {
	return Input{Kind: fetchedInput, Name: t.request, Digest: fetchedDigest(t.got)}
}

// attribute is the input that is an attribute of a tree, such as its revision.
func (t *localTree) attribute(name string) Input {
	return Input{Kind: attributeInput, Tree: t.request, Name: name, Digest: attributeDigest(t.got, name)}
}

// treeAt returns the tree that a path is in, and the path in the tree: "" or one that
// begins with a slash.
func (ev *Evaluator) treeAt(p string) (t *localTree, rest string) {
	for _, t := range ev.trees.list() {
		if inside(p, string(t.got.Path)) {
			return t, p[len(t.got.Path):]
		}
	}
	return nil, ""
}

// nameOf returns by which name a path is recorded: below a tree, or on disk.
func (ev *Evaluator) nameOf(p string) (tree, name string) {
	if t, rest := ev.treeAt(p); t != nil {
		return t.request, rest
	}
	return "", ev.onDisk(p)
}

// recordAt records what is at a path.
func (th *thread) recordAt(kind InputKind, p, digest string) {
	i := th.inputsHere()
	if i == nil {
		return
	}
	in := Input{Kind: kind, Digest: digest}
	if in.Tree, in.Name = th.ev.nameOf(p); in.Tree == "" {
		th.observe(p)
	}
	i.add(in)
}

// recordTree records all of a tree.
func (th *thread) recordTree(t *localTree) {
	if i := th.inputsHere(); i != nil {
		i.add(t.whole())
	}
}

// observe records the trees whose digests are in a text: the program looks at the text, or
// makes a result of it.
func (th *thread) observe(s string) {
	for _, t := range th.ev.trees.list() {
		if strings.Contains(s, t.digest) {
			th.recordTree(t)
		}
	}
}

// observeCut is observe for a program that takes s[from:to], which may cut a digest.
func (th *thread) observeCut(s string, from, to int) {
	for _, t := range th.ev.trees.list() {
		n := len(t.digest)
		for at := 0; ; at++ {
			next := strings.Index(s[at:], t.digest)
			if next < 0 {
				break
			}
			at += next
			inside := from <= at && at+n <= to
			outside := to <= at || at+n <= from
			if !inside && !outside {
				th.recordTree(t)
				break
			}
		}
	}
}

// observeEqual is observe for a program that compares two different texts for equality. It
// depends on a digest only if the texts could be equal with another one.
func (th *thread) observeEqual(a, b string) {
	if len(a) != len(b) {
		return // digests have the same length
	}
	for _, t := range th.ev.trees.list() {
		if hide(a, b, t.digest) || hide(b, a, t.digest) {
			th.recordTree(t)
		}
	}
}

// hide reports whether a and b, of the same length, differ only where a has a digest.
func hide(a, b, digest string) bool {
	end, any := 0, false
	for {
		next := strings.Index(a[end:], digest)
		if next < 0 {
			return any && a[end:] == b[end:]
		}
		any = true
		if a[end:end+next] != b[end:end+next] {
			return false
		}
		end += next + len(digest)
	}
}

// observeLess is observe for a program that asks which of two different texts comes first:
// the first byte in which they differ says it.
func (th *thread) observeLess(a, b string) {
	differ := 0
	for differ < len(a) && differ < len(b) && a[differ] == b[differ] {
		differ++
	}
	for _, t := range th.ev.trees.list() {
		n := len(t.digest)
		for _, s := range []string{a, b} {
			around := s[min(len(s), max(0, differ-n+1)):min(len(s), differ+n)]
			if strings.Contains(around, t.digest) {
				th.recordTree(t)
			}
		}
	}
}

// observeDerivation is observe for a derivation.
func (th *thread) observeDerivation(d *store.Derivation) {
	if !th.ev.trees.any() {
		return
	}
	th.observe(d.Name)
	th.observe(d.Builder)
	for _, s := range d.Args {
		th.observe(s)
	}
	for name, s := range d.Env {
		th.observe(name)
		th.observe(s)
	}
	for _, p := range d.InputSrcs {
		th.observe(string(p))
	}
}

// describesTree is the flag of sets that describe a local tree: they may have attributes
// that depend on all of it.
const describesTree = 1

// describing are the names of such attributes, and those of an input that they are made of.
var describing = map[symbol]string{
	intern("narHash"):          "narHash",
	intern("rev"):              "rev",
	intern("shortRev"):         "rev",
	intern("revCount"):         "revCount",
	intern("dirtyRev"):         "dirtyRev",
	intern("dirtyShortRev"):    "dirtyRev",
	intern("lastModified"):     "lastModified",
	intern("lastModifiedDate"): "lastModified",
}

// described are the attributes of inputs that describing has.
var described = slices.Sorted(maps.Values(describing))

// describe marks a set that describes a tree.
func (ev *Evaluator) describe(set value, tree store.Path) value {
	if t, _ := ev.treeAt(string(tree)); t != nil && set.o.n > 0 {
		set.o.flags |= describesTree
	}
	return set
}

// seen records that a program has seen all attributes of a set.
func (th *thread) seen(set value) {
	if set.o.flags == describesTree {
		th.recordAttributes(set)
	}
}

// lookup returns an attribute of a set, else nil.
func (th *thread) lookup(set value, sym symbol) *attr {
	if set.o.flags == describesTree {
		th.recordLookup(set, sym)
	}
	return find(set.attrs(), sym)
}

// recordLookup records that the program has looked for an attribute of a set that
// describes a tree. Whether it is there may depend on the tree: one in which something was
// changed has no rev.
func (th *thread) recordLookup(set value, sym symbol) {
	name, ok := describing[sym]
	i := th.inputsHere()
	if !ok || i == nil {
		return
	}
	for _, t := range th.describedBy(set) {
		i.add(t.attribute(name))
	}
}

// recordFormals records that a function takes a set that describes a tree apart.
func (th *thread) recordFormals(l *lambda, set value) {
	for _, p := range l.formals {
		th.recordLookup(set, p.sym)
	}
}

// recordAttributes records that the program has seen all attributes of a set that
// describes a tree.
func (th *thread) recordAttributes(set value) {
	i := th.inputsHere()
	if i == nil {
		return
	}
	for _, t := range th.describedBy(set) {
		for _, name := range described {
			i.add(t.attribute(name))
		}
	}
}

// describedBy returns the tree that a set describes. If it has lost its path, that may be
// any.
func (th *thread) describedBy(set value) []*localTree {
	all := th.ev.trees.list()
	if a := find(set.attrs(), symOutPath); a != nil {
		v := a.v
		if v.kind() == kindThunk && v.thunk().done() {
			v = v.thunk().result()
		}
		if v.kind() == kindString && path.IsAbs(v.str()) {
			if t, _ := th.ev.treeAt(path.Clean(v.str())); t != nil {
				return []*localTree{t}
			}
		}
	}
	return all
}
