// Package eval evaluates Nix: the whole language and its builtins, in process,
// with the same results as Nix down to every derivation path.
//
//	syntax.Expr ── lower ──▶ node ── eval ──▶ value ── Print, JSON, Text, … ──▶ text
//	                                  │ ▲
//	                                  ▼ │
//	                 World: files, environment, store
//
// # Use
//
//	ev := eval.New(eval.Options{NixPath: path})
//	v, err := ev.File(ctx, "/etc/nixos/hosts.nix")
//	v, err = v.Select(ctx, "web1.config.system.build.toplevel.drvPath", nil)
//	drv, _, err := v.Text(ctx)
//
// [Evaluator.Fleet] evaluates many hosts in parallel. Nothing is ever written:
// derivations and sources are kept in memory, and [Evaluator.Derivation] and
// [Evaluator.Source] say what to write before something is built.
//
// Programs may nest deeply. A process that evaluates foreign programs calls
// collector.AllowDeepStacks first; this package changes no setting of the process.
//
// # Following a thunk
//
// Take f (1 + 2). The parser's tree is lowered once (lower.go): names become
// slots of frames, and an argument becomes a [lazy], which knows how to delay it.
// A literal needs nothing, a variable is copied, and 1 + 2 needs a thunk.
// Evaluating the call (call.go) makes the thunk, puts it into the frame of f's
// body and evaluates that body. Where the body needs the argument, its variable
// node calls force (thunk.go), which marks the thunk as running, evaluates 1 + 2
// in the frame that the thunk remembers, and stores the result; from then on
// everyone who asks gets the result. A thunk that is met while it is running is an
// infinite recursion.
//
// # What is where
//
//	eval.go, autocall.go   the entry points: Options, Evaluator, Value
//	fleet.go               many hosts in parallel
//	world.go               World: files, environment and store
//	symbol.go, position.go names and positions as small numbers
//	object.go, heap.go     values: layout and allocation; the only unsafe code
//	lower.go, lowerset.go  trees to nodes: scopes, slots, merged bindings
//	node*.go, call.go      the language, one node type for each construct
//	memory.go, once.go     the limit of memory; work that is done once for all threads
//	thread.go, thunk.go    the state of one goroutine; forcing, waiting, failing
//	error.go               errors and their traces
//	coerce.go, compare.go  conversion to strings, == and <
//	context.go             what strings refer to
//	print.go               values as text
//	builtin.go             how builtins are defined; builtin_*.go has one family each
//	files.go               import, and which files may be read
//	input.go               what an evaluation depended on
//	derivations.go         all derivations and sources that an evaluation made
//	ere, float, collector  packages: regular expressions, floats as text, tuning of the runtime
package eval
