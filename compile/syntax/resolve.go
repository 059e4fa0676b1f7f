package syntax

import (
	"slices"
	"strings"
)

// Resolve returns an [*Error] for the first undefined variable of f, like Nix after
// parsing: undefined variable 'x'. Any variable in the body of a with counts as
// defined. global reports whether a name is defined everywhere; nil means
// [IsGlobal].
func Resolve(f *File, global func(name string) bool) error {
	if global == nil {
		global = IsGlobal
	}
	r := resolver{global: global}
	r.expr(f.Expr, nil)
	if r.err != nil {
		return r.err
	}
	return nil
}

// A scope is the names that one construct defines, or a with.
type scope struct {
	names map[string]bool
	one   string // the name, if there is one
	with  bool
	up    *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.up {
		if s.with || s.one == name || s.names[name] {
			return true
		}
	}
	return false
}

type resolver struct {
	global func(string) bool
	err    *Error
}

func (r *resolver) name(name string, at Pos, s *scope) {
	if r.err == nil && name != "__curPos" && !s.has(name) && !r.global(name) {
		r.err = &Error{At: at, Msg: "undefined variable '" + name + "'"}
	}
}

func (r *resolver) expr(e Expr, s *scope) {
	if r.err != nil {
		return
	}
	switch e := e.(type) {
	case *Ident:
		r.name(e.Name, e.At, s)
	case *Attrs:
		set, err := Merge(e)
		r.fail(err)
		r.set(set, s)
	case *Let:
		set, err := MergeLet(e.Bindings)
		r.fail(err)
		r.expr(e.Body, r.set(set, s))
	case *LegacyLet:
		set, err := MergeLet(e.Bindings)
		r.fail(err)
		r.set(set, s)
	case *Lambda:
		inner := &scope{one: e.Param, up: s}
		if e.Formals != nil {
			inner.names = make(map[string]bool, len(e.Formals.List))
			for i := range e.Formals.List {
				inner.names[e.Formals.List[i].Name] = true
			}
			for i := range e.Formals.List {
				if d := e.Formals.List[i].Default; d != nil {
					r.expr(d, inner)
				}
			}
		}
		r.expr(e.Body, inner)
	case *With:
		r.expr(e.Scope, s)
		r.expr(e.Body, &scope{with: true, up: s})
	default:
		children(e, func(c Expr) { r.expr(c, s) })
	}
}

func (r *resolver) fail(err error) {
	if err != nil && r.err == nil {
		r.err = err.(*Error)
	}
}

// set resolves the attributes of a set and returns its scope if it is recursive.
func (r *resolver) set(set *Set, s *scope) *scope {
	if set == nil || r.err != nil {
		return s
	}
	inner := s
	if set.Rec {
		inner = &scope{names: make(map[string]bool, len(set.Attrs)), up: s}
		for i := range set.Attrs {
			inner.names[set.Attrs[i].Name] = true
		}
	}
	for _, from := range set.Froms {
		r.expr(from, inner)
	}
	for i := range set.Attrs {
		switch d := &set.Attrs[i]; {
		case d.Kind == Inherited:
			r.name(d.Name, d.At, s)
		case d.Kind == InheritedFrom:
		case d.Set != nil:
			r.set(d.Set, inner)
		default:
			r.expr(d.Value, inner)
		}
	}
	for i := range set.Dyn {
		d := &set.Dyn[i]
		r.expr(d.Name, inner)
		if d.Set != nil {
			r.set(d.Set, inner)
		} else {
			r.expr(d.Value, inner)
		}
	}
	return inner
}

// IsGlobal reports whether Nix 2.8 to 2.34 defines name everywhere: builtins, true,
// map, __add, …
func IsGlobal(name string) bool {
	if rest, ok := strings.CutPrefix(name, "__"); ok {
		return has(hiddenGlobals, rest)
	}
	return has(globals, name)
}

func has(sorted []string, name string) bool {
	_, ok := slices.BinarySearch(sorted, name)
	return ok
}

// globals are the names that are defined everywhere, sorted.
var globals = []string{
	"abort", "baseNameOf", "break", "builtins", "derivation", "derivationStrict", "dirOf",
	"false", "fetchGit", "fetchMercurial", "fetchTarball", "fetchTree", "fromTOML",
	"import", "isNull", "map", "null", "placeholder", "removeAttrs", "scopedImport",
	"throw", "toString", "true",
}

// hiddenGlobals are the names that are defined everywhere with __ before them,
// sorted.
var hiddenGlobals = []string{
	"add", "addDrvOutputDependencies", "addErrorContext", "all", "any", "appendContext",
	"attrNames", "attrValues", "bitAnd", "bitOr", "bitXor", "catAttrs", "ceil",
	"compareVersions", "concatLists", "concatMap", "concatStringsSep", "convertHash",
	"currentSystem", "currentTime", "deepSeq", "div", "elem", "elemAt", "fetchurl",
	"filter", "filterSource", "findFile", "flakeRefToString", "floor", "foldl'", "fromJSON",
	"functionArgs", "genList", "genericClosure", "getAttr", "getContext", "getEnv",
	"getFlake", "groupBy", "hasAttr", "hasContext", "hashFile", "hashString", "head",
	"intersectAttrs", "isAttrs", "isBool", "isFloat", "isFunction", "isInt", "isList",
	"isPath", "isString", "langVersion", "length", "lessThan", "listToAttrs", "mapAttrs",
	"match", "mul", "nixPath", "nixVersion", "parseDrvName", "parseFlakeRef", "partition",
	"path", "pathExists", "readDir", "readFile", "readFileType", "replaceStrings", "seq",
	"sort", "split", "splitVersion", "storeDir", "storePath", "stringLength", "sub",
	"substring", "tail", "toFile", "toJSON", "toPath", "toXML", "trace", "traceVerbose",
	"tryEval", "typeOf", "unsafeDiscardOutputDependency", "unsafeDiscardStringContext",
	"unsafeGetAttrPos", "warn", "zipAttrsWith",
}
