package eval

import (
	"errors"
	"path"
	"slices"
	"strings"

	"muster/compile/flake"
	"muster/compile/store"
)

// flakeBuiltins are about flakes and their inputs.
var flakeBuiltins = []*builtin{
	listed(experimental(fn1("getFlake", getFlake), "flakes")),
	listed(experimental(fn1("parseFlakeRef", parseFlakeRef), "flakes")),
	listed(experimental(fn1("flakeRefToString", flakeRefToString), "flakes")),
}

// listed returns a builtin that exists without its feature in a Nix that listsFlakes, and then refuses flakes.
func listed(b *builtin) *builtin {
	b.listed = true
	return b
}

// needFlakes refuses what only the feature flakes allows.
func (th *thread) needFlakes() {
	if !th.ev.enabled("flakes") {
		th.fail(0, "experimental Nix feature 'flakes' is disabled; add '--extra-experimental-features flakes' to enable it")
	}
}

// needVerified refuses attributes about signatures without the feature verified-fetches.
func (th *thread) needVerified(a flake.Attrs) {
	for _, name := range []string{"keytype", "publicKey", "publicKeys", "verifyCommit"} {
		if a.String("type") == "git" && a.Has(name) && !th.ev.enabled("verified-fetches") {
			th.fail(0, "experimental Nix feature 'verified-fetches' is disabled; add '--extra-experimental-features verified-fetches' to enable it")
		}
	}
}

func parseFlakeRef(th *thread, x value) value {
	text := th.wantPlainString(x, 0)
	th.needFlakes()
	ref, err := flake.Parse(text, false)
	if pin := new(flake.PinError); errors.As(err, &pin) {
		ref, err = pin.Ref, nil
	}
	if err != nil {
		th.fail(0, "%v", err)
	}
	a := ref.Flat()
	th.needVerified(a)
	var attrs []attr
	for _, name := range a.Names() {
		attrs = append(attrs, attr{sym: intern(name), v: attributeValue(a[name])})
	}
	return sortedSet(attrs...)
}

func attributeValue(v any) value {
	switch v := v.(type) {
	case string:
		return stringValue(v)
	case bool:
		return boolValue(v)
	case int64:
		return intValue(v)
	}
	panic("flake: an attribute is neither a string, a boolean nor a number")
}

func flakeRefToString(th *thread, x value) value {
	a := flake.Attrs{}
	for _, at := range th.byName(th.wantSet(x, 0)) {
		switch v := th.force(at.v); v.kind() {
		case kindInt:
			if v.int() < 0 {
				th.fail(0, "negative value given for flake ref attr %s: %d", at.sym, v.int())
			}
			a[at.sym.String()] = v.int()
		case kindBool:
			a[at.sym.String()] = v.bool()
		case kindString:
			a[at.sym.String()] = v.str()
		default:
			th.fail(0, "flake reference attribute sets may only contain integers, Booleans, and strings, but attribute '%s' is %s", at.sym, typeWords(v))
		}
	}
	ref, err := flake.RefFromAttrs(a)
	th.needVerified(a)
	// Neither says what pins it in a URL.
	if pin := new(flake.PinError); errors.As(err, &pin) && (a["type"] == "git" || a["type"] == "indirect") && !a.Has("rev") {
		ref, err = pin.Ref, nil
	}
	var s string
	if err == nil {
		s, err = ref.URL()
	}
	if err != nil {
		th.fail(0, "%v", err)
	}
	return stringValue(s)
}

// fetchTree implements fetchTree and fetchGit.
func (th *thread) fetchTree(x value, git bool) value {
	name := "fetchTree"
	if git {
		name = "fetchGit"
	}
	x = th.force(x)
	var a flake.Attrs
	var err error
	switch {
	case x.kind() == kindSet:
		a, err = flake.FromAttrs(th.inputAttrs(name, x, git))
	case git:
		a, err = flake.FromAttrs(flake.Attrs{"type": "git", "url": th.inputText(x, 0), "exportIgnore": true})
	case !th.ev.enabled("flakes"):
		th.fail(0, "passing a string argument to 'fetchTree' requires the 'flakes' experimental feature")
	default:
		a, err = flake.FetchURL(th.inputText(x, 0))
	}
	if err == nil {
		_, err = a.URL()
	}
	if err != nil {
		th.fail(0, "%v", err)
	}
	th.needVerified(a)
	if a.Bool(flake.FinalAttr) {
		th.fail(0, "input '%s' is not allowed to use the '__final' attribute", flake.Ref{Attrs: a})
	}
	a = a.Without(flake.FinalAttr)
	if th.ev.opts.Pure && !a.Locked() {
		if !a.Has("narHash") {
			th.fail(0, "in pure evaluation mode, '%s' doesn't fetch unlocked input '%s'", name, flake.Ref{Attrs: a})
		}
		th.say("warning: Input '" + flake.Ref{Attrs: a}.String() + "' is unlocked (e.g. lacks a Git revision) but is checked by NAR hash. This is not reproducible and will break after garbage collection or when shared.")
	}
	r := FetchRequest{Fetcher: fetchInput, JSON: a.JSON()}
	if !th.ev.opts.Pure && th.ev.enabled("flakes") {
		r.Registry = GlobalRegistry
	}
	got := th.mustFetch(name, r)
	return th.treeValue(got.Path, th.lockedAttrs(got), git, false)
}

// inputText is a string or path that says where to fetch. A path is not copied to the store.
func (th *thread) inputText(v value, pos posID) string {
	var c references
	s := th.coerce(v, &c, pos, 0)
	th.realise(c)
	return s
}

// inputAttrs are the attributes that a program gives to fetchTree or fetchGit.
func (th *thread) inputAttrs(fetcher string, x value, git bool) flake.Attrs {
	a := flake.Attrs{}
	kind := find(x.attrs(), symType)
	switch {
	case git && kind != nil:
		th.fail(0, "unexpected argument 'type'")
	case git:
		a["type"] = "git"
	case kind == nil:
		th.fail(0, "argument 'type' is missing in call to 'fetchTree'")
	default:
		a["type"] = th.wantPlainString(kind.v, kind.pos)
	}
	for _, at := range th.byName(x.attrs()) {
		if at.sym == symType {
			continue
		}
		switch v := th.force(at.v); v.kind() {
		case kindString, kindPath:
			a[at.sym.String()] = th.inputText(v, at.pos)
		case kindBool:
			a[at.sym.String()] = v.bool()
		case kindInt:
			if v.int() < 0 {
				th.fail(at.pos, "negative value given for '%s' argument '%s': %d", fetcher, at.sym, v.int())
			}
			a[at.sym.String()] = v.int()
		default:
			th.fail(at.pos, "argument '%s' to '%s' is %s while a string, Boolean or integer is expected", at.sym, fetcher, typeWords(v))
		}
	}
	if git && !a.Has("exportIgnore") && !a.Bool("submodules") {
		a["exportIgnore"] = true
	}
	if !git && a["type"] == "git" && !a.Has("shallow") {
		a["shallow"] = true
	}
	if !git && a.Has("name") {
		th.fail(0, "argument 'name' isn’t supported in call to 'fetchTree'")
	}
	return a
}

// lockedAttrs are the attributes that an input is pinned to.
func (th *thread) lockedAttrs(got Fetched) flake.Attrs {
	a, err := flake.ParseAttrs([]byte(got.JSON))
	if err != nil {
		th.fail(0, "%v", err)
	}
	return a
}

// treeValue is the set that describes a tree that was fetched. For fetchGit, a dirty tree has the revision 0; a dirty
// flake has none.
func (th *thread) treeValue(p store.Path, a flake.Attrs, git, dirty bool) value {
	attrs := []attr{{sym: symOutPath, v: storeString(p)}}
	add := func(name string, v value) { attrs = append(attrs, attr{sym: intern(name), v: v}) }
	if h := a.NARHash(); !h.IsZero() {
		add("narHash", stringValue(h.SRI()))
	}
	if a.String("type") == "git" {
		add("submodules", boolValue(a.Bool("submodules")))
	}
	rev := a.String("rev")
	if rev == "" && git {
		rev = strings.Repeat("0", 40)
	}
	count, counted := a.Int("revCount")
	if rev != "" && !dirty {
		add("rev", stringValue(rev))
		add("shortRev", stringValue(rev[:7]))
	}
	if (counted || git) && !dirty {
		add("revCount", intValue(count))
	}
	if a.Has("dirtyRev") {
		add("dirtyRev", stringValue(a.String("dirtyRev")))
		add("dirtyShortRev", stringValue(a.String("dirtyShortRev")))
	}
	if modified, ok := a.Int("lastModified"); ok {
		add("lastModified", intValue(modified))
		add("lastModifiedDate", stringValue(flake.Date(modified)))
	}
	return th.ev.describe(sortedSet(attrs...), p)
}

// checkHash compares a directory of a source that is not in the store yet with the hash that a reference to it has.
func (th *thread) checkHash(ref flake.Ref, from Source, p string) {
	if !ref.Attrs.Has("narHash") {
		return
	}
	got, _, err := store.HashNAR(store.SHA256, th.ev.world, th.ev.onDisk(p), func(name string, _ store.FileType) (bool, error) { return !from.Omit[name], nil })
	if err != nil {
		th.fail(0, "%v", err)
	}
	if want := ref.Attrs.NARHash(); got != want {
		th.fail(0, "NAR hash mismatch in input '%s', expected '%s' but got '%s'", ref, want.SRI(), got.SRI())
	}
}

// getFlake returns the outputs of a flake, and what describes it.
func getFlake(th *thread, x value) value {
	x = th.force(x)
	source := &flakeSource{th: th, names: !th.ev.opts.Pure, pure: th.ev.opts.Pure}
	if x.kind() == kindPath {
		p := th.readablePath(x)
		if _, _, err := store.SplitPath(p); err != nil {
			th.fail(0, "path '%s' is not in the Nix store", p)
		}
		th.needFlakes()
		ref, _ := flake.Parse("flake:get-flake", false)
		top := source.read(p, ref, ref, nil)
		return source.call(top, source.resolve(top, nil))
	}
	text := th.wantPlainString(x, 0)
	th.needFlakes()
	ref, err := flake.Parse(text, false)
	if err != nil {
		th.fail(0, "%v", err)
	}
	if slices.Contains(th.ev.opts.OwnFlakes, text) {
		source.names, source.pure = true, false
	} else if th.ev.opts.Pure && !ref.Attrs.Locked() {
		th.fail(0, "cannot call 'getFlake' on unlocked flake reference '%s' (use --impure to override)", text)
	}
	if p := ref.Attrs.String("path"); ref.Attrs.String("type") == "path" && inside(p, store.Dir) && p != store.Dir {
		sp, rest, err := store.SplitPath(p)
		if from, ours := th.ev.Source(sp); err == nil && ours {
			th.checkHash(ref, from, p)
			get, _ := flake.Parse("flake:get-flake", false)
			top := source.read(path.Join(string(sp), rest, ref.Dir), get, get, nil)
			return source.call(top, source.resolve(top, nil))
		}
	}
	return source.open(ref)
}
