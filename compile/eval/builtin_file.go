package eval

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// fileBuiltins read files.
var fileBuiltins = []*builtin{
	fn1("import", func(th *thread, x value) value { return th.importFile(th.readablePath(x), 0) }),
	fn2("scopedImport", scopedImport),
	fn1("pathExists", pathExists),
	fn1("readFile", readFile),
	fn1("readDir", readDir),
	fn1("readFileType", readFileType),
	fn2("findFile", findFile),
	fn1("getEnv", getEnv),
}

// readablePath returns the path that v stands for. It builds the outputs of
// derivations that v refers to.
func (th *thread) readablePath(v value) string {
	var c references
	p := th.wantPath(v, &c, 0)
	th.realise(c)
	return p
}

// scopedImport evaluates a file with additional names in scope.
func scopedImport(th *thread, names, x value) value {
	p := th.readablePath(x)
	attrs := th.wantSet(names, 0)
	sc := &scope{up: th.ev.base, names: make([]symbol, len(attrs))}
	env := th.newFrame(nil, len(attrs))
	for i, a := range attrs {
		sc.names[i] = a.sym
		*env.slot(i) = a.v
	}
	n, digest, err := th.loadFile(p, sc)
	if err != nil {
		panic(err)
	}
	th.recordImport(p, digest)
	return n.eval(th, env)
}

func pathExists(th *thread, x value) value {
	// With a slash at the end the path must be a directory.
	v := th.force(x)
	var c references
	if v.kind() != kindPath {
		s := th.coerce(v, &c, 0, 0)
		if strings.HasSuffix(s, "/") || strings.HasSuffix(s, "/.") {
			th.realise(c)
			p := th.wantPath(stringValue(s), &c, 0)
			if p != "/" && th.ev.mayRead(p) != nil {
				th.recordForbidden(p)
				return valueFalse
			}
			info, err := th.ev.stat(p)
			th.recordType(targetInput, p, info, err)
			return boolValue(err == nil && info.IsDir())
		}
	}
	p := th.wantPath(v, &c, 0)
	th.realise(c)
	if th.ev.mayLook(p) != nil {
		th.recordForbidden(p)
		return valueFalse
	}
	info, err := th.ev.lstat(p)
	th.recordType(typeInput, p, info, err)
	return boolValue(err == nil)
}

// recordForbidden records that the program saw that p may not be read. That may change
// if it is because of where a link leads.
func (th *thread) recordForbidden(p string) {
	if th.ev.mayReadPlain(p) == nil {
		th.record(volatileInput, p, "")
	}
}

func readFile(th *thread, x value) value {
	p := th.readablePath(x)
	b := th.readFile(p)
	s := text(b)
	if strings.IndexByte(s, 0) >= 0 {
		th.fail(0, "the contents of the file '%s' cannot be represented as a Nix string", p)
	}
	// A file in the store may refer to whatever its store object refers to.
	return contextValue(s, th.referencesOfFile(p, s))
}

func readDir(th *thread, x value) value {
	p := th.readablePath(x)
	if err := th.ev.mayRead(p); err != nil {
		panic(err)
	}
	entries, err := th.ev.world.ReadDir(th.ev.onDisk(p))
	if errors.Is(err, syscall.ENOTDIR) {
		if real, err := th.ev.world.EvalSymlinks(p); err == nil {
			p = real
		}
		th.fail(0, "'%s' is not a directory", p)
	}
	if err != nil {
		panic(th.ev.fileError(p, err))
	}
	th.recordDir(p, entries)
	entries = th.ev.accepted(p, entries)
	attrs := th.newAttrs(len(entries))
	for i, e := range entries {
		attrs[i] = attr{sym: intern(e.Name()), v: fileTypeValue(e.Type())}
	}
	sortAttrs(attrs)
	return th.newSet(attrs)
}

func readFileType(th *thread, x value) value {
	p := th.readablePath(x)
	if err := th.ev.mayLook(p); err != nil {
		panic(err)
	}
	info, err := th.ev.lstat(p)
	if err != nil {
		panic(th.ev.fileError(p, err))
	}
	th.recordType(typeInput, p, info, nil)
	return fileTypeValue(info.Mode())
}

var (
	typeRegular   = stringValue("regular")
	typeDirectory = stringValue("directory")
	typeSymlink   = stringValue("symlink")
	typeUnknown   = stringValue("unknown")
)

func fileTypeValue(m fs.FileMode) value {
	switch {
	case m.IsRegular():
		return typeRegular
	case m.IsDir():
		return typeDirectory
	case m&fs.ModeSymlink != 0:
		return typeSymlink
	}
	return typeUnknown
}

// findFile searches for a name in a search path: <nixpkgs/lib> is findFile
// nixPath "nixpkgs/lib".
func findFile(th *thread, entries, x value) value {
	name := th.wantPlainString(x, 0)
	for _, e := range th.wantList(entries, 0) {
		attrs := th.wantSet(e, 0)
		prefix := ""
		if a := find(attrs, symPrefix); a != nil {
			prefix = th.wantPlainString(a.v, 0)
		}
		var c references
		dir := th.coerce(th.wantAttr(attrs, symPath), &c, 0, 0)
		rest, ok := strings.CutPrefix(name, prefix)
		switch {
		case prefix == "":
			rest = "/" + name
		case !ok, rest != "" && rest[0] != '/':
			continue
		}
		th.realise(c)
		th.recordRelative(dir)
		if dir, ok = th.searchEntry(dir); !ok {
			continue
		}
		p := path.Clean(dir + rest)
		info, err := th.ev.stat(p)
		th.recordType(targetInput, p, info, err)
		if err == nil {
			return pathValue(p)
		}
	}
	if rest, ok := strings.CutPrefix(name, "nix/"); ok {
		return pathValue(corePath + rest)
	}
	hint := " (add it using $NIX_PATH or -I)"
	if th.ev.opts.Pure {
		hint = ""
		th.failAs(ThrowError, 0, "cannot look up '<%s>' in pure evaluation mode (use '--impure' to override)", name)
	}
	th.failAs(ThrowError, 0, "file '%s' was not found in the Nix search path%s", name, hint)
	return value{}
}

func getEnv(th *thread, x value) value {
	name := th.wantPlainString(x, 0)
	if th.ev.opts.Pure || th.ev.opts.Restricted {
		return emptyString
	}
	v := th.ev.world.Getenv(name)
	th.record(envInput, name, digest([]byte(v)))
	return stringValue(v)
}
