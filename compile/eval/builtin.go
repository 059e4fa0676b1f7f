package eval

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"

	"muster/compile/syntax"
)

// A builtin is a function written in Go. It gets its arguments unevaluated and
// returns a value in weak head normal form. Exactly one of f1, f2 and f3 is
// set, according to arity.
//
// Each family of builtins has a file and a table. To add a builtin, write a
// function and a line in the table of its family.
type builtin struct {
	object
	name  string // as an attribute of builtins
	arity int

	features []string // it exists if one of these experimental features is on; empty: always
	listed   bool     // it exists without them if the Nix that is imitated listsFlakes
	f1       func(th *thread, x value) value
	f2       func(th *thread, x, y value) value
	f3       func(th *thread, x, y, z value) value
}

func (b *builtin) value() value { return value{&b.object} }

// families returns all builtins.
func families() [][]*builtin {
	return [][]*builtin{typeBuiltins, controlBuiltins, numberBuiltins, listBuiltins, attrBuiltins, stringBuiltins,
		contextBuiltins, versionBuiltins, regexBuiltins, hashBuiltins, jsonBuiltins, xmlBuiltins, tomlBuiltins, fileBuiltins, sourceBuiltins,
		derivationBuiltins, fetchBuiltins, flakeBuiltins}
}

func fn1(name string, f func(th *thread, x value) value) *builtin {
	return &builtin{object: object{kind: kindBuiltin}, name: name, arity: 1, f1: f}
}

func fn2(name string, f func(th *thread, x, y value) value) *builtin {
	return &builtin{object: object{kind: kindBuiltin}, name: name, arity: 2, f2: f}
}

func fn3(name string, f func(th *thread, x, y, z value) value) *builtin {
	return &builtin{object: object{kind: kindBuiltin}, name: name, arity: 3, f3: f}
}

// experimental returns b, to exist only if one of some experimental features is
// on.
func experimental(b *builtin, features ...string) *builtin {
	b.features = features
	return b
}

// leftToNix returns a builtin that only Nix supports.
func leftToNix(name string, arity int, feature string) *builtin {
	left := func(th *thread) value {
		th.failAs(UnsupportedError, 0, "builtins.%s is left to Nix: evaluate with --evaluator nix", name)
		return value{}
	}
	if arity == 2 {
		return experimental(fn2(name, func(th *thread, _, _ value) value { return left(th) }), feature)
	}
	return experimental(fn1(name, func(th *thread, _ value) value { return left(th) }), feature)
}

// leaveToNix ends the evaluation at something that only Nix supports, and Nix
// only with an experimental feature.
func (th *thread) leaveToNix(feature string, pos posID) {
	if !th.ev.enabled(feature) {
		th.fail(pos, "experimental Nix feature '%s' is disabled; add '--extra-experimental-features %s' to enable it", feature, feature)
	}
	th.failAs(UnsupportedError, pos, "the experimental feature '%s' is left to Nix", feature)
}

// globalNames are the builtins that are in scope under their own names. The
// others are in scope with two underscores in front.
var globalNames = map[string]bool{
	"abort": true, "baseNameOf": true, "break": true, "builtins": true, "derivation": true, "derivationStrict": true, "dirOf": true,
	"false": true, "fetchGit": true, "fetchMercurial": true, "fetchTarball": true, "fetchTree": true, "fromTOML": true,
	"import": true, "isNull": true, "map": true, "null": true, "placeholder": true, "removeAttrs": true,
	"scopedImport": true, "throw": true, "toString": true, "true": true,
}

//go:embed derivation.nix
var derivationText string

// bindBuiltins makes the outermost scope and the set of builtins.
func (ev *Evaluator) bindBuiltins() {
	ev.base = &scope{constants: map[symbol]value{}}
	var attrs []attr
	define := func(name string, v value) {
		attrs = append(attrs, attr{sym: intern(name), v: v})
		if !globalNames[name] {
			name = "__" + name
		}
		ev.base.constants[intern(name)] = v
	}
	define("true", valueTrue)
	define("false", valueFalse)
	define("null", valueNull)
	define("langVersion", intValue(6))
	define("nixVersion", stringValue(ev.opts.NixVersion))
	define("storeDir", stringValue("/nix/store"))
	if !ev.opts.Pure {
		define("currentSystem", stringValue(ev.opts.System))
		define("currentTime", ev.currentTime())
	}
	define("nixPath", ev.nixPathValue())
	for _, family := range families() {
		for _, b := range family {
			if len(b.features) == 0 || b.listed && ev.compat.listsFlakes || slices.ContainsFunc(b.features, ev.enabled) {
				define(b.name, b.value())
			}
		}
	}
	// The set builtins contains itself, so it is a thunk that gets its result last.
	all := &thunk{object: object{kind: kindThunk, n: thunkDone}}
	define("builtins", value{&all.object})
	all.setResult(emptySet)
	derivation, err := ev.lowerDerivation()
	if err != nil {
		panic("derivation.nix: " + err.Error())
	}
	define("derivation", value{&(&closure{object{kind: kindLambda}, derivation, nil}).object})
	all.setResult(sortedSet(attrs...))
}

// currentTime returns a thunk, so that the evaluator can record who needs the
// time.
func (ev *Evaluator) currentTime() value {
	now := fn1("currentTime", func(th *thread, _ value) value {
		th.record(volatileInput, "builtins.currentTime", "")
		return intValue(ev.opts.Now.Unix())
	})
	var th thread
	th.heap = &th.shared
	return th.delayCall(now.value(), valueNull)
}

func (ev *Evaluator) lowerDerivation() (*lambda, error) {
	file, err := syntax.ParseFile("<nix/derivation-internal.nix>", []byte(derivationText), syntax.Options{})
	if err != nil {
		return nil, err
	}
	n, fail := ev.lower(file.Expr, "/", ev.base, nil)
	if fail != nil {
		return nil, fail
	}
	return n.(*lambda), nil
}

// nixPathValue returns [ { path = …; prefix = …; } … ].
func (ev *Evaluator) nixPathValue() value {
	var list []value
	for _, entry := range ev.opts.NixPath {
		if ev.opts.Pure {
			break
		}
		list = append(list, sortedSet(
			attr{sym: symPath, v: stringValue(entry.Path)},
			attr{sym: symPrefix, v: stringValue(entry.Prefix)}))
	}
	return listValue(list)
}

// compat holds what differs between versions of Nix.
type compat struct {
	wraps        bool // integers wrap around: before 2.25
	roundsInts   bool // ceil and floor convert integers to floats and back: before 2.29
	oldJSON      bool // toJSON writes six digits of a float, bytes that are not UTF-8, and \u0008 instead of \b: before 2.12
	forcesUnused bool // sort, filter and genericClosure force the function even if the list is empty, and genList never: before 2.13
	replacesAll  bool // replaceStrings forces replacements that it does not need: before 2.16
	rightFirst   bool // a // b forces b first: since 2.32
	noDrvOutput  bool // no output may be named drv: before 2.20
	dropsFalse   bool // __contentAddressed = false and __impure = false are no part of a derivation: before 2.17, and since 2.32
	plainMissing bool // the name of a missing attribute is never in quotes: before 2.9
	oldTrace     bool // trace prints values as nix-instantiate --eval does: before 2.20
	clampsTOML   bool // fromTOML reads a float beyond the largest as the largest: 2.8 does, 2.26 refuses it
	keepsLinks   bool // path and filterSource copy a symbolic link itself, not what it leads to: before 2.21
	listsFlakes  bool // getFlake and the like exist without the feature flakes: 2.34 has them, 2.26 does not
	pure         bool

	allReferences bool // a file read from the store has all references of its store object: before 2.12
}

// versionAtLeast compares the first two numbers of a Nix version.
func versionAtLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	a, _ := strconv.Atoi(parts[0])
	b := 0
	if len(parts) > 1 {
		b, _ = strconv.Atoi(parts[1])
	}
	return a > major || a == major && b >= minor
}
