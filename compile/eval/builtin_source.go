package eval

import (
	"io/fs"
	"path"
	"strings"

	"muster/compile/store"
)

// sourceBuiltins copy files to the store. Nothing is written: the store path
// follows from the content, and Evaluator.Source says what to write before
// something that needs it is built.
var sourceBuiltins = []*builtin{
	fn2("toFile", toFile),
	fn2("filterSource", filterSource),
	fn1("path", pathBuiltin),
	fn1("storePath", storePath),
}

// A storedSource is a path and the store path of its copy.
type storedSource struct {
	once once
	path store.Path
	hash store.Hash
}

// copyToStore returns the store path of a copy of the file or directory p. As in Nix,
// what is in the store already is copied under its whole name.
func (th *thread) copyToStore(p string, pos posID) store.Path {
	if strings.HasSuffix(p, ".drv") {
		th.fail(pos, "file names are not allowed to end in '.drv'")
	}
	if err := th.ev.mayRead(p); err != nil {
		panic(err)
	}
	e, ok := th.ev.sources.Load(p)
	if !ok {
		e, _ = th.ev.sources.LoadOrStore(p, &storedSource{})
	}
	s := e.(*storedSource)
	s.once.do(th, func() {
		if _, err := th.ev.lstat(p); err != nil {
			panic(th.ev.fileError(p, err))
		}
		src, h, err := th.hash(p, value{})
		if err == nil {
			s.hash = h
			s.path, err = store.SourcePath(path.Base(p), h, nil, false)
		}
		if err != nil {
			th.failCause(pos, err, "copying '%s' to the store: %v", p, err)
		}
		th.ev.derivations.addSource(s.path, src, 0)
	})
	if !th.isCopied(p) {
		th.recordAt(treeInput, p, s.hash.SRI())
	}
	return s.path
}

// isCopied reports whether a path is in something that the evaluation has copied to the
// store or fetched by its hash. What is in there follows from its name.
func (th *thread) isCopied(p string) bool {
	if t, _ := th.ev.treeAt(p); t != nil || !inside(p, store.Dir) {
		return false
	}
	sp, _, err := store.SplitPath(p)
	_, ours := th.ev.Source(sp)
	return err == nil && ours
}

// storeString returns a store path as a string that refers to it.
func storeString(p store.Path) value {
	return contextValue(string(p), references{pathReference(p)})
}

func toFile(th *thread, name, contents value) value {
	n := th.wantPlainString(name, 0)
	v := th.wantString(contents, 0)
	var refs []store.Path
	for _, r := range v.context() {
		p, output, deep := r.split()
		if output != "" || deep {
			th.fail(0, "files created by builtins.toFile may not reference derivations, but %s references %s", n, strings.Replace(string(r), string(p), p.Base(), 1))
		}
		refs = append(refs, p)
	}
	th.checkName(n, "invalid store path name", "")
	th.observe(v.str())
	for _, p := range refs {
		th.observe(string(p))
	}
	p, err := store.TextPath(n, v.str(), refs)
	if err != nil {
		th.fail(0, "%v", err)
	}
	th.ev.derivations.addSource(p, Source{Text: v.str(), References: refs}, th.owner())
	return storeString(p)
}

func filterSource(th *thread, filter, x value) value {
	p := th.readablePath(x)
	return th.addPath(path.Base(p), p, th.wantFunction(filter, 0), true, store.Hash{})
}

func pathBuiltin(th *thread, x value) value {
	var p, name string
	var filter value
	var want store.Hash
	recursive := true
	for _, a := range th.wantSet(x, 0) {
		switch a.sym {
		case symPath:
			p = th.readablePath(a.v)
		case symName:
			name = th.wantPlainString(a.v, a.pos)
		case symFilter:
			filter = th.wantFunction(a.v, a.pos)
		case symRecursive:
			recursive = th.wantBool(a.v, a.pos)
		case symSha256:
			want = th.parseHash(th.wantPlainString(a.v, a.pos), store.SHA256, a.pos)
		default:
			th.fail(a.pos, "unsupported argument '%s' to 'builtins.path'", a.sym)
		}
	}
	if p == "" {
		th.fail(0, "missing required 'path' attribute in the first argument to 'builtins.path'")
	}
	if name == "" {
		name = path.Base(p)
	}
	return th.addPath(name, p, filter, recursive, want)
}

// addPath returns the store path of a copy of what filter accepts of p. If the
// store has a path with the hash that is given, p is not read.
func (th *thread) addPath(name, p string, filter value, recursive bool, want store.Hash) value {
	if !want.IsZero() {
		sp, err := store.FixedPath(name, want, recursive)
		if err != nil {
			th.fail(0, "%v", err)
		}
		if info, err := th.ev.world.Lstat(string(sp)); err == nil {
			th.recordType(typeInput, string(sp), info, nil)
			return th.found(sp)
		}
	}
	if err := th.ev.mayRead(p); err != nil {
		panic(err)
	}
	if !th.ev.compat.keepsLinks {
		p = th.resolveLinks(p)
	}
	if _, err := th.ev.lstat(p); err != nil {
		panic(th.ev.fileError(p, err))
	}
	src := Source{File: th.ev.onDisk(p), Flat: true}
	var h store.Hash
	var err error
	if recursive {
		src, h, err = th.hash(p, filter)
		th.recordFiltered(p, src, h)
	} else {
		h = th.hashFileAt(p, store.SHA256)
	}
	if e, ok := err.(*Error); ok {
		panic(e)
	}
	if err != nil {
		th.failCause(0, err, "adding path '%s': %v", p, err)
	}
	if !want.IsZero() && h != want {
		th.fail(0, "store path mismatch in (possibly filtered) path added from '%s': specified %s, got %s", p, want.SRI(), h.SRI())
	}
	sp, err := store.FixedPath(name, h, recursive)
	if err != nil {
		th.fail(0, "%v", err)
	}
	th.ev.derivations.addSource(sp, src, th.owner())
	return storeString(sp)
}

// resolveLinks returns the path that p leads to when the symbolic links in all of it are followed. The links are recorded:
// a link that leads elsewhere is another input.
func (th *thread) resolveLinks(p string) string {
	real := "/"
	links := 0
	for rest := p; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		at := path.Join(real, name) // name may be "", "." or ".."
		if info, err := th.ev.lstat(at); err != nil || at == real || info.Mode()&fs.ModeSymlink == 0 {
			real = at
			continue
		}
		if links++; links > maxLinks {
			th.fail(0, "infinite symlink recursion in path '%s'", p)
		}
		target, err := th.ev.world.Readlink(th.ev.onDisk(at))
		if err != nil {
			panic(th.ev.fileError(at, err))
		}
		if th.inputsHere() != nil {
			if _, h, err := th.hash(at, value{}); err == nil {
				th.recordAt(treeInput, at, h.SRI())
			}
		}
		if path.IsAbs(target) {
			real = "/"
		}
		rest = target + "/" + rest
	}
	return real
}

// hash returns what of p a filter accepts, and the hash of its archive.
func (th *thread) hash(p string, filter value) (Source, store.Hash, error) {
	src := Source{File: th.ev.onDisk(p)}
	var below Source // the source that p is in, if that is not in the store yet
	if sp, _, err := store.SplitPath(p); err == nil && src.File != p {
		below, _ = th.ev.Source(sp)
	}
	if s, ok := th.ev.Source(store.Path(p)); ok && s.File == "" {
		th.failAs(UnsupportedError, 0, "a copy of the text '%s' is left to Nix", p)
	}
	h, _, err := store.HashNAR(store.SHA256, meteredFiles{th.ev.world, th}, src.File, th.filter(filter, p, below.Omit, &src))
	return src, h, err
}

// filter makes a store.Filter of a function and notes what it refuses in src.
// The function sees files on disk as files below p.
func (th *thread) filter(f value, p string, omit map[string]bool, src *Source) store.Filter {
	if f.isNone() && len(omit) == 0 {
		return nil
	}
	src.Omit = map[string]bool{}
	return func(file string, t store.FileType) (bool, error) {
		if omit[file] || f.isNone() {
			src.Omit[file] = omit[file]
			return !omit[file], nil
		}
		name := p + strings.TrimPrefix(file, src.File)
		v, err := th.try(func() value { return th.call2(f, stringValue(name), stringValue(string(t))) })
		if err == nil {
			_, err = th.try(func() value { th.wantBool(v, 0); return v })
		}
		if err != nil {
			return false, err
		}
		if !v.bool() {
			src.Omit[file] = true
		}
		return v.bool(), nil
	}
}

// storePath makes a string of a path that is in the store already.
func storePath(th *thread, x value) value {
	if th.ev.opts.Pure {
		th.fail(0, "'builtins.storePath' is not allowed in pure evaluation mode")
	}
	var c references
	p := th.wantPath(x, &c, 0)
	sp, _, err := store.SplitPath(p)
	if err != nil {
		th.fail(0, "path '%s' is not in the Nix store", p)
	}
	return contextValue(p, c.with(pathReference(sp)))
}
