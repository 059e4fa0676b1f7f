package eval

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"muster/compile/flake"
	"muster/compile/syntax"
)

// Options are what a program may see and use. The zero Options are those of an
// impure evaluation that has no search path and discards traces.
type Options struct {
	NixPath    []SearchEntry // where <name> is searched, in order
	System     string        // builtins.currentSystem; "" is x86_64-linux
	NixVersion string        // the version of Nix to behave like; "" is 2.18.9
	Home       string        // what ~ stands for; "" is $HOME
	Now        time.Time     // builtins.currentTime; zero is the time of New
	Trace      io.Writer     // gets what builtins.trace and warn write, line by line; nil discards it

	Features     []string     // experimental features by Nix's names, such as pipe-operators
	AbortOnWarn  bool         // builtins.warn ends the evaluation
	TraceVerbose bool         // builtins.traceVerbose traces
	Lints        syntax.Lints // spellings to report

	Overrides map[string]flake.Ref // other references for inputs of flakes that getFlake is called for, by path

	Pure       bool     // only the program's own text and what has a hash
	OwnFlakes  []string // references that getFlake takes in pure mode though they are not locked
	Restricted bool     // only files below the search path and Allowed
	Allowed    []string // paths that may be read in pure and restricted mode

	NoImportFromDerivation bool // reading an output that is not built is an error

	MaxDepth  int   // nested calls; 0 is 100,000
	MaxSteps  int64 // calls per method call, roughly; 0 is no limit
	MaxMemory int64 // bytes of the process's memory; 0 is no limit
	// MaxTime limits each method call, and each host of Evaluator.Fleet; 0 is no
	// limit.
	MaxTime time.Duration

	// Record has the evaluator record its inputs: see Host and
	// Evaluator.Shared. Parts are the digests of parts of the program: see
	// Evaluator.Part.
	Record bool
	Parts  map[string]string

	World World // files, environment and store; nil is OS{}
}

// A SearchEntry maps <prefix/x> to path/x or, with an empty prefix, <x> to
// path/x.
type SearchEntry struct{ Prefix, Path string }

// An Evaluator evaluates Nix programs. It keeps what it has read and computed:
// a file that is imported twice is evaluated once. Its methods may be called
// from several goroutines.
type Evaluator struct {
	opts      Options
	world     World
	limits    limits
	memory    memoryGauge
	compat    compat
	positions positions
	waits     waits
	base      *scope
	files     sync.Map // *importedFile by path
	imported  sync.Map // set of the paths that files were read from, if Options.Record is set
	places    sync.Map // digest by name of a text that was not imported
	inputs    inputs   // of everything that does not belong to a single host
	regexes   regexCache
	sources   sync.Map // *storedSource by path
	origins   sync.Map // origin by store path, of trees of flakes
	worktrees sync.Map // directory by store path, of trees that are not locked
	fetched   sync.Map // *fetching by FetchRequest
	trees     localTrees
	flakes    sync.Map // *openedFlake by its reference
	readable  readable // of the store, in pure mode
	trace     sync.Mutex
	hosts     atomic.Uint64 // number of hosts so far

	derivations derivations
}

type limits struct {
	depth   int // nested calls
	walk    int // nested walks over values, such as printing
	nesting int // nested thunks
	steps   int64
}

const (
	defaultDepth   = 100_000
	defaultWalk    = 10_000 // as Nix has it since 2.20
	defaultNesting = 400_000
)

// New makes an Evaluator.
func New(o Options) *Evaluator {
	if o.System == "" {
		o.System = "x86_64-linux"
	}
	if o.NixVersion == "" {
		o.NixVersion = "2.18.9"
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.World == nil {
		o.World = OS{}
	}
	if o.Home == "" {
		o.Home = o.World.Getenv("HOME")
	}
	walk := o.MaxDepth
	if o.MaxDepth == 0 {
		o.MaxDepth, walk = defaultDepth, defaultWalk
	}
	ev := &Evaluator{opts: o, world: o.World}
	ev.limits = limits{depth: o.MaxDepth, walk: walk, nesting: defaultNesting, steps: o.MaxSteps}
	ev.memory.init(o.MaxMemory)
	before := func(major, minor int) bool { return !versionAtLeast(o.NixVersion, major, minor) }
	ev.compat = compat{wraps: before(2, 25), roundsInts: before(2, 29), oldJSON: before(2, 12), forcesUnused: before(2, 13), replacesAll: before(2, 16), rightFirst: !before(2, 32), noDrvOutput: before(2, 20),
		allReferences: before(2, 12), dropsFalse: before(2, 17) || !before(2, 32), plainMissing: before(2, 9), oldTrace: before(2, 20), clampsTOML: before(2, 26), keepsLinks: before(2, 21), listsFlakes: !before(2, 27), pure: o.Pure}
	ev.waits.changed = sync.NewCond(&ev.waits.mu)
	ev.derivations.init(ev.world)
	ev.bindBuiltins()
	return ev
}

// enabled reports whether an experimental feature is on.
func (ev *Evaluator) enabled(feature string) bool { return slices.Contains(ev.opts.Features, feature) }

// A Value is a value of the language. It is evaluated only as far as its
// methods need, and can be used as long as its Evaluator.
type Value struct {
	ev *Evaluator
	v  value
}

// run evaluates f with a new thread.
func (ev *Evaluator) run(ctx context.Context, f func(th *thread) value) (Value, error) {
	th := ev.newThread(ctx, 0)
	defer th.release()
	v, err := th.try(func() value { return f(th) })
	if err != nil {
		return Value{}, err
	}
	return Value{ev, v}, nil
}

// File evaluates a file, or default.nix of a directory, as import does.
func (ev *Evaluator) File(ctx context.Context, path string) (Value, error) {
	return ev.run(ctx, func(th *thread) value { return th.importFile(path, 0) })
}

// Expr evaluates an expression; relative paths in it are relative to dir, an
// absolute path.
func (ev *Evaluator) Expr(ctx context.Context, text, dir string) (Value, error) {
	file, err := ev.parse("«string»", []byte(text), nil)
	if err != nil {
		return Value{}, err
	}
	return ev.Tree(ctx, file.Expr, dir)
}

// parse reads a Nix text with the syntax that the options allow. For progress see
// [syntax.Options].
func (ev *Evaluator) parse(name string, text []byte, progress func()) (*syntax.File, *Error) {
	file, err := syntax.ParseFile(name, text, syntax.Options{
		Pipes:    ev.enabled("pipe-operators"),
		Lints:    ev.opts.Lints,
		Progress: progress,
		Warn: func(w *syntax.Error) {
			ev.say(fmt.Sprintf("warning: %s\n         at %s", w.Msg, w.At))
		},
	})
	if err != nil {
		problem := parseError(err)
		problem.Pos = ev.shownPos(problem.Pos)
		return nil, problem
	}
	return file, nil
}

// Tree evaluates an expression that was parsed or generated.
func (ev *Evaluator) Tree(ctx context.Context, e syntax.Expr, dir string) (Value, error) {
	n, err := ev.lower(e, dir, ev.base, nil)
	if err != nil {
		return Value{}, err
	}
	return ev.run(ctx, func(th *thread) value {
		th.root = positionOf(n)
		return n.eval(th, nil)
	})
}

// String makes a string.
func (ev *Evaluator) String(s string) Value { return Value{ev, stringValue(s)} }

// Apply calls a function.
func (v Value) Apply(ctx context.Context, args ...Value) (Value, error) {
	return v.ev.run(ctx, func(th *thread) value {
		f := th.force(v.v)
		for _, a := range args {
			f = th.call(f, a.v)
		}
		return f
	})
}

// AutoCall calls a function that takes a set with those of args that it names,
// as nix-instantiate does with --arg. It returns any other value unchanged.
func (v Value) AutoCall(ctx context.Context, args map[string]Value) (Value, error) {
	return v.ev.run(ctx, func(th *thread) value { return th.autoCall(v.v, args) })
}

// Select follows an attribute path such as a.b."c.d".0 as nix-instantiate -A
// does: it calls functions on the way as [Value.AutoCall] does, but not the one
// that the path leads to, and numbers index lists.
func (v Value) Select(ctx context.Context, path string, args map[string]Value) (Value, error) {
	return v.ev.run(ctx, func(th *thread) value { return th.force(th.selectPath(v.v, path, args)) })
}

// Derivations returns the paths of the derivations that the value is or holds,
// as nix-instantiate prints them: the path of an output other than out is
// followed by the output's name.
func (v Value) Derivations(ctx context.Context, args map[string]Value) ([]string, error) {
	var drvs []string
	_, err := v.ev.run(ctx, func(th *thread) value {
		c := derivationCollector{th: th, args: args}
		c.collect(v.v)
		drvs = c.drvs
		return valueNull
	})
	return drvs, err
}

// Print returns the value as nix-instantiate --eval prints it. With strict,
// everything in the value is evaluated first.
func (v Value) Print(ctx context.Context, strict bool) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value {
		th.force(v.v)
		if strict {
			th.deep(v.v)
		}
		return stringValue(th.print(v.v, strict))
	})
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}

// JSON returns the value as builtins.toJSON writes it.
func (v Value) JSON(ctx context.Context) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value { return toJSON(th, v.v) })
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}

// XML returns the value as nix-instantiate --eval --xml prints it.
func (v Value) XML(ctx context.Context, strict bool) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value {
		th.force(v.v)
		if strict {
			th.deep(v.v)
		}
		return th.xml(v.v, strict)
	})
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}

// Text returns the content of a string, and its context in Nix's spelling.
func (v Value) Text(ctx context.Context) (text string, refs []string, err error) {
	out, err := v.ev.run(ctx, func(th *thread) value { return th.wantString(v.v, 0) })
	if err != nil {
		return "", nil, err
	}
	for _, r := range out.v.context() {
		refs = append(refs, string(r))
	}
	return out.v.str(), refs, nil
}

// AttrNames returns the names of a set, sorted.
func (v Value) AttrNames(ctx context.Context) ([]string, error) {
	var names []string
	_, err := v.ev.run(ctx, func(th *thread) value {
		for _, a := range th.byName(th.wantSet(v.v, 0)) {
			names = append(names, a.sym.String())
		}
		return valueNull
	})
	return names, err
}
