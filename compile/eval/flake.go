package eval

import (
	"context"
	_ "embed"
	"errors"
	"path"
	"strconv"
	"strings"

	"muster/compile/flake"
	"muster/compile/store"
	"muster/compile/syntax"
)

// A flakeSource finds flakes for [flake.Resolve]. Errors in a flake.nix travel as
// panics, like all errors of programs.
type flakeSource struct {
	th    *thread
	names bool // names of the flake registry may be used
	pure  bool // inputs that are not locked may not be fetched
}

// Flake evaluates a flake as builtins.getFlake does, also one that is not locked.
// The attribute outputs of the value is what its function outputs has returned.
// What flake.lock lacks is completed in memory. Overrides are other references for
// inputs, by path such as nixpkgs/lib.
func (ev *Evaluator) Flake(ctx context.Context, ref flake.Ref, overrides map[string]flake.Ref) (Value, error) {
	return ev.run(ctx, func(th *thread) value {
		source := &flakeSource{th: th, names: true}
		top := source.top(ref)
		return source.call(top, source.resolve(top, overrides))
	})
}

// Lock finds out what the inputs of something are that is like a flake, and what the
// flakes among them take as inputs. Overrides are other references for inputs, by path.
// See [flake.Resolve].
func (ev *Evaluator) Lock(ctx context.Context, top *flake.Flake, overrides map[string]flake.Ref) (resolved *flake.Resolved, err error) {
	_, err = ev.run(ctx, func(th *thread) value {
		resolved = (&flakeSource{th: th, names: true}).resolve(top, overrides)
		return valueNull
	})
	return resolved, err
}

// FlakeInputs finds out what the inputs of a flake are, as its lock file and flake.nix
// have them.
func (ev *Evaluator) FlakeInputs(ctx context.Context, ref flake.Ref) (resolved *flake.Resolved, err error) {
	_, err = ev.run(ctx, func(th *thread) value {
		source := &flakeSource{th: th, names: true}
		resolved = source.resolve(source.top(ref), nil)
		return valueNull
	})
	return resolved, err
}

// A FlakeSetting is a setting of Nix in nixConfig of a flake.
type FlakeSetting struct{ Name, Value string }

// FlakeConfig returns nixConfig of a flake.
func (ev *Evaluator) FlakeConfig(ctx context.Context, ref flake.Ref) (settings []FlakeSetting, err error) {
	_, err = ev.run(ctx, func(th *thread) value {
		source := &flakeSource{th: th, names: true}
		settings = source.settings(source.top(ref).Path)
		return valueNull
	})
	return settings, err
}

// resolve finds the inputs of a flake.
func (s *flakeSource) resolve(top *flake.Flake, overrides map[string]flake.Ref) *flake.Resolved {
	resolved, err := flake.Resolve(top, s, flake.Options{Pure: s.pure, Overrides: overrides})
	if err != nil {
		s.th.failCause(0, err, "lock the flake '%s': %v", top.Locked, err)
	}
	return resolved
}

// Warn implements [flake.Source].
func (s *flakeSource) Warn(text string) { s.th.say("warning: " + text) }

// Flake implements [flake.Source].
func (s *flakeSource) Flake(ref flake.Ref, at []string) (*flake.Flake, error) {
	return s.fetch(ref, at)
}

// FlakeIn implements [flake.Source].
func (s *flakeSource) FlakeIn(dir string, ref flake.Ref, at []string) (*flake.Flake, error) {
	return s.read(dir, ref, ref, at), nil
}

// Tree implements [flake.Source].
func (s *flakeSource) Tree(ref flake.Ref) (locked flake.Ref, dir string, err error) {
	got, err := s.input(FetchRequest{JSON: ref.Attrs.JSON(), Registry: s.registry(GlobalRegistry)})
	if err != nil {
		return flake.Ref{}, "", err
	}
	return flake.Ref{Attrs: s.th.lockedAttrs(got), Dir: ref.Dir}, string(got.Path), nil
}

// registry is where names may be looked up.
func (s *flakeSource) registry(r Registry) Registry {
	if !s.names {
		return NoRegistry
	}
	return r
}

// input fetches an input.
func (s *flakeSource) input(r FetchRequest) (Fetched, error) {
	r.Fetcher = fetchInput
	got, err := s.th.fetch(r)
	if errors.Is(err, ErrUnsupported) {
		a, _ := flake.ParseAttrs([]byte(r.JSON))
		s.th.failAs(UnsupportedError, 0, "flake input '%s': nothing can be fetched here", flake.Ref{Attrs: a})
	}
	if asked, problem := flake.ParseAttrs([]byte(r.JSON)); err == nil && problem == nil {
		s.th.ev.setOrigin(asked, s.th.lockedAttrs(got), got.Path)
	}
	return got, err
}

// top is fetch for the flake that is evaluated.
func (s *flakeSource) top(ref flake.Ref) *flake.Flake {
	f, err := s.fetch(ref, nil)
	if err != nil {
		s.th.failCause(0, err, "%v", err)
	}
	return f
}

// fetch fetches a flake and reads its flake.nix. At is nil for the flake that is evaluated.
func (s *flakeSource) fetch(ref flake.Ref, at []string) (*flake.Flake, error) {
	names := s.registry(AnyRegistry)
	if at != nil {
		names = s.registry(GlobalRegistry)
	}
	got, err := s.input(FetchRequest{JSON: ref.Attrs.JSON(), Registry: names})
	if err != nil {
		return nil, err
	}
	dir := ref.Dir
	if got.Dir != "" {
		dir = got.Dir
	}
	locked := flake.Ref{Attrs: s.th.lockedAttrs(got), Dir: dir}
	// What flake.nix says about self may change what is fetched.
	if again := s.selfAttrs(path.Join(string(got.Path), dir), locked.Attrs); !again.Equal(locked.Attrs) {
		// The next request has the revision of this tree.
		if t, _ := s.th.ev.treeAt(string(got.Path)); t != nil {
			s.th.recordTree(t)
		}
		if got, err = s.input(FetchRequest{JSON: again.Without("narHash").JSON()}); err != nil {
			return nil, err
		}
		locked.Attrs = s.th.lockedAttrs(got)
	}
	return s.read(path.Join(string(got.Path), dir), ref, locked, at), nil
}

// parse reads the flake.nix of a directory: a set whose attributes are not evaluated yet.
func (s *flakeSource) parse(dir string) value {
	th, p := s.th, dir+"/flake.nix"
	text := th.readFile(p)
	th.reserve(len(text))
	file, err := th.ev.parse(p, text, th.progress)
	if err != nil {
		panic(err)
	}
	if _, ok := file.Expr.(*syntax.Attrs); !ok {
		th.fail(0, "file '%s' must be an attribute set", p)
	}
	n, err := th.ev.lower(file.Expr, dir, th.ev.base, th.progress)
	if err != nil {
		panic(err)
	}
	return n.eval(th, nil)
}

var (
	symDescription = intern("description")
	symFlake       = intern("flake")
	symFollows     = intern("follows")
	symInputs      = intern("inputs")
	symNixConfig   = intern("nixConfig")
	symSelf        = intern("self")
)

// plain returns the value of an attribute that flake.nix must not compute: functions, and sets and lists that stand
// there as such, but nothing that has to be evaluated.
func (s *flakeSource) plain(v value) value {
	if v.kind() != kindThunk {
		return v
	}
	t := v.thunk()
	if t.done() {
		return t.result()
	}
	if t.flags == runsCode && t.n == thunkPending {
		if t.lazy().kind == lazyEmptySet {
			return s.th.force(v)
		}
		switch n := t.lazy().node.(type) {
		case *setNode:
			if len(n.dynamic) == 0 {
				return s.th.force(v)
			}
		case *lambda, *listNode, *constant: // the constant is { }, which Nix delays
			return s.th.force(v)
		}
	}
	return v
}

func (s *flakeSource) wantPlain(a attr, kinds ...kind) value {
	v := s.plain(a.v)
	for _, k := range kinds {
		if v.kind() == k {
			return v
		}
	}
	s.th.fail(a.pos, "expected %s but got %s", kindNames[kinds[0]], typeWords(v))
	return v
}

// read reads the flake.nix and flake.lock of a directory.
func (s *flakeSource) read(dir string, ref, locked flake.Ref, at []string) *flake.Flake {
	th := s.th
	f := &flake.Flake{Locked: locked, Path: dir, Inputs: map[string]flake.Input{}, Lock: flake.EmptyLock()}
	set := s.parse(dir).attrs()
	if a := find(set, symDescription); a != nil {
		s.wantPlain(*a, kindString)
	}
	if a := find(set, symInputs); a != nil {
		f.Inputs = s.inputs(*a, at, dir, true)
	}
	outputs := find(set, symOutputs)
	if outputs == nil {
		th.fail(0, "flake '%s' lacks attribute 'outputs'", ref)
	}
	function := s.wantPlain(*outputs, kindLambda, kindBuiltin, kindPartial)
	if function.kind() == kindLambda {
		for _, p := range function.closure().fn.formals {
			name := p.sym.String()
			if _, known := f.Inputs[name]; !known && p.sym != symSelf {
				f.Inputs[name] = flake.Input{Ref: &flake.Ref{Attrs: flake.Attrs{"type": "indirect", "id": name}}}
			}
		}
	}
	if a := find(set, symNixConfig); a != nil {
		s.settingsIn(*a)
	}
	for _, a := range th.byName(set) {
		switch a.sym {
		case symDescription, symInputs, symOutputs, symNixConfig:
		default:
			th.fail(a.pos, "flake '%s' has an unsupported attribute '%s'", ref, a.sym)
		}
	}
	s.readLock(f)
	return f
}

func (s *flakeSource) readLock(f *flake.Flake) {
	p := f.Path + "/flake.lock"
	info, err := s.th.ev.lstat(p)
	s.th.recordType(typeInput, p, info, err)
	if isMissing(err) {
		return
	}
	if f.Lock, err = flake.ParseLock(p, s.th.readFile(p)); err != nil {
		s.th.fail(0, "%v", err)
	}
}

// inputs reads the attribute inputs of a flake, or what one says about the inputs of an input.
func (s *flakeSource) inputs(a attr, at []string, dir string, self bool) map[string]flake.Input {
	inputs := map[string]flake.Input{}
	for _, in := range s.th.byName(s.wantPlain(a, kindSet).attrs()) {
		if in.sym == symSelf {
			if !self {
				s.th.fail(in.pos, "'self' input attribute not allowed")
			}
			continue
		}
		inputs[in.sym.String()] = s.inputOf(in, at, dir)
	}
	return inputs
}

func (s *flakeSource) inputOf(in attr, at []string, dir string) flake.Input {
	th := s.th
	var got flake.Input
	var url string
	attrs, explicit := flake.Attrs{}, flake.Attrs{}
	for _, a := range th.byName(s.wantPlain(in, kindSet).attrs()) {
		switch a.sym {
		case symURL:
			v := s.wantPlain(a, kindString, kindPath)
			url = v.str()
			if v.kind() == kindPath {
				url = "path:" + s.relativeTo(dir, v.str(), a.pos)
			}
			attrs["url"] = url
		case symFlake:
			got.NotFlake = !s.wantPlain(a, kindBool).bool()
		case symInputs:
			got.Inputs = s.inputs(a, at, dir, false)
		case symFollows:
			got.Follows = append([]string{}, at...)
			for name := range strings.SplitSeq(s.wantPlain(a, kindString).str(), "/") {
				if name == "" {
					continue
				}
				if !flake.IsID(name) {
					th.fail(a.pos, "invalid flake input attribute path element '%s'", name)
				}
				got.Follows = append(got.Follows, name)
			}
		default:
			attrs[a.sym.String()] = s.inputAttribute(a)
			explicit[a.sym.String()] = true
		}
	}
	var err error
	switch {
	case attrs.Has("type"):
		var ref flake.Ref
		ref, err = flake.RefFromAttrs(attrs)
		got.Ref = &ref
	case len(explicit) > 0:
		th.fail(in.pos, "unexpected flake input attribute '%s'", explicit.Names()[0])
	case attrs.Has("url"):
		var ref flake.Ref
		if got.NotFlake {
			ref, err = flake.ParseSource(url)
		} else {
			ref, err = flake.Parse(url, true)
		}
		got.Ref = &ref
	}
	if err != nil {
		th.fail(in.pos, "input '%s': %v", in.sym, err)
	}
	if got.Ref != nil && got.Follows != nil {
		th.fail(in.pos, "flake input has both a flake reference and a follows attribute")
	}
	return got
}

// inputAttribute is an attribute of an input that is handed on to its fetcher.
func (s *flakeSource) inputAttribute(a attr) any {
	switch v := a.v; v.kind() {
	case kindString:
		return v.str()
	case kindBool:
		return v.bool()
	case kindInt:
		if v.int() < 0 {
			s.th.fail(a.pos, "negative value given for flake input attribute %s: %d", a.sym, v.int())
		}
		return v.int()
	}
	s.th.fail(a.pos, "flake input attribute '%s' is %s while a string, Boolean, or integer is expected", a.sym, typeWords(a.v))
	return nil
}

// relativeTo spells a path in the tree of a flake relative to the flake.
func (s *flakeSource) relativeTo(dir, p string, pos posID) string {
	tree, _, err := store.SplitPath(dir)
	if err != nil || !inside(p, string(tree)) {
		s.th.fail(pos, "input attribute path '%s' must be in the same source tree as %s", p, dir)
	}
	up := 0
	for !inside(p, dir) {
		dir = path.Dir(dir)
		up++
	}
	return strings.Repeat("../", up) + strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
}

// selfAttrs adds the attributes of inputs.self to those of the tree that a flake is in.
func (s *flakeSource) selfAttrs(dir string, a flake.Attrs) flake.Attrs {
	inputs := find(s.parse(dir).attrs(), symInputs)
	if inputs == nil {
		return a
	}
	self := find(s.wantPlain(*inputs, kindSet).attrs(), symSelf)
	if self == nil {
		return a
	}
	for _, x := range s.th.byName(s.wantPlain(*self, kindSet).attrs()) {
		v := s.inputAttribute(x)
		switch name := x.sym.String(); {
		case name != "submodules" && name != "lfs":
			s.th.fail(x.pos, "flake 'self' attribute '%s' is not supported", name)
		case a.String("type") == "git": // others have neither
			a = a.With(name, v)
		}
	}
	return a
}

// settings are those in nixConfig.
func (s *flakeSource) settings(dir string) []FlakeSetting {
	config := find(s.parse(dir).attrs(), symNixConfig)
	if config == nil {
		return nil
	}
	return s.settingsIn(*config)
}

func (s *flakeSource) settingsIn(config attr) []FlakeSetting {
	var settings []FlakeSetting
	for _, a := range s.th.byName(s.wantPlain(config, kindSet).attrs()) {
		v := s.plain(a.v)
		text := ""
		switch v.kind() {
		case kindString:
			text = v.str()
		case kindPath:
			var c references
			text = s.th.coerce(v, &c, a.pos, copyPaths)
		case kindInt:
			text = strconv.FormatInt(v.int(), 10)
		case kindBool:
			text = strconv.FormatBool(v.bool())
		case kindList:
			var words []string
			for _, x := range v.list() {
				if x.kind() != kindString {
					s.th.fail(a.pos, "list element in flake configuration setting '%s' is %s while a string is expected", a.sym, typeWords(v))
				}
				words = append(words, x.str())
			}
			text = strings.Join(words, " ")
		default:
			s.th.fail(a.pos, "flake configuration setting '%s' is %s", a.sym, typeWords(v))
		}
		settings = append(settings, FlakeSetting{Name: a.sym.String(), Value: text})
	}
	return settings
}

//go:embed callflake.nix
var callFlakeText string

// call evaluates a flake whose inputs are known. Those that were fetched already are handed over; the others are
// fetched when they are needed.
func (s *flakeSource) call(top *flake.Flake, r *flake.Resolved) value {
	th := s.th
	f, args := s.prepare(top, r)
	return th.call(th.call2(f, args[0], args[1]), args[2])
}

// prepare returns the function that makes the value of a flake, and its arguments.
func (s *flakeSource) prepare(top *flake.Flake, r *flake.Resolved) (f value, args [3]value) {
	th := s.th
	text, keys := r.Lock.JSON()
	var fetched []attr
	for n, dir := range r.Dirs {
		locked := n.Locked.Attrs
		if n == r.Lock.Root {
			locked = top.Locked.Attrs
		}
		tree, rest, err := store.SplitPath(dir)
		if err != nil {
			th.fail(0, "%v", err)
		}
		fetched = append(fetched, attr{sym: intern(keys[n]), v: sortedSet(
			attr{sym: intern("sourceInfo"), v: th.treeValue(tree, locked, false, n == r.Lock.Root && r.Fresh)},
			attr{sym: intern("dir"), v: stringValue(strings.TrimPrefix(rest, "/"))})})
	}
	file, err := syntax.ParseFile("«flakes-internal»/call-flake.nix", []byte(callFlakeText), syntax.Options{})
	if err != nil {
		panic("callflake.nix: " + err.Error())
	}
	n, problem := th.ev.lower(file.Expr, "/", th.ev.base, nil)
	if problem != nil {
		panic("callflake.nix: " + problem.Error())
	}
	fetch := fn1("fetchFinalTree", func(th *thread, x value) value { return th.fetchLocked(x) })
	return n.eval(th, nil), [3]value{fromJSON(th, stringValue(text)), sortedSet(fetched...), fetch.value()}
}

// An openedFlake is the value of a flake that getFlake was asked for.
type openedFlake struct {
	once  once
	value value // a thunk in the shared region
}

// open is call for the flake that a reference means. All who ask for it get the same
// value: hosts share what its outputs compute.
func (s *flakeSource) open(ref flake.Ref) value {
	th := s.th
	e, _ := th.ev.flakes.LoadOrStore(ref.Attrs.JSON()+ref.Dir, &openedFlake{})
	o := e.(*openedFlake)
	o.once.do(th, func() {
		own := th.heap
		defer func() { th.heap = own }()
		th.heap = &th.shared
		top := s.top(ref)
		f, args := s.prepare(top, s.resolve(top, th.ev.opts.Overrides))
		o.value = th.delayCall(th.delayCall2(f, args[0], args[1]), args[2])
	})
	return th.force(o.value)
}

// fetchLocked fetches an input of a lock file.
func (th *thread) fetchLocked(x value) value {
	a := flake.Attrs{}
	for _, at := range th.wantSet(x, 0) {
		switch v := th.force(at.v); v.kind() {
		case kindString:
			a[at.sym.String()] = v.str()
		case kindBool:
			a[at.sym.String()] = v.bool()
		case kindInt:
			a[at.sym.String()] = v.int()
		}
	}
	source := flakeSource{th: th}
	got, err := source.input(FetchRequest{JSON: a.JSON(), Final: true})
	if err != nil {
		th.failCause(0, err, "%v", err)
	}
	return th.treeValue(got.Path, a, false, false)
}
