// Package eval evaluates Nix: the whole language and its builtins, in process,
// with the same results as Nix down to every derivation path.
//
//	syntax.Expr ── lower ──▶ node ── eval ──▶ value
//
// # Following a thunk
//
// Take f (1 + 2). The parser's tree is lowered once (lower.go): names become
// slots of frames, and an argument becomes a [lazy], which knows what putting
// it off takes: nothing for a literal, a copy for a variable, a thunk for
// 1 + 2. Evaluating the call (call.go) makes the thunk, puts it into the frame
// of f's body and evaluates that body. Where the body needs the argument, its
// variable node calls force (thunk.go), which marks the thunk as running,
// evaluates 1 + 2 in the frame the thunk remembers, and stores what came out;
// everyone who asks from then on gets the result. A thunk met while it is
// running is an infinite recursion.
//
// # What is where
//
//	eval.go, autocall.go   the way in: Options, Evaluator, Value
//	symbol.go, position.go names and places as small numbers
//	object.go, heap.go     values: layout and allocation; the only unsafe code
//	lower.go, lowerset.go  trees to nodes: scopes, slots, merged bindings
//	node*.go, call.go      the language, one node type a construct
//	thread.go, thunk.go    one goroutine's state; forcing, waiting, failing
//	coerce.go, compare.go  strings of values, == and <
//	context.go             what strings refer to
//	print.go               values as text
//	builtin.go             how builtins are defined; builtin_*.go one family each
//	ere.go                 regular expressions
//	files.go               import, and what may be read
//	derivations.go         all recipes and sources an evaluation made
//
// # Use
//
//	ev := eval.New(eval.Options{NixPath: path})
//	v, err := ev.File(ctx, "/etc/nixos/hosts.nix")
//	v, err = v.Select(ctx, "web1.config.system.build.toplevel.drvPath", nil)
//	drv, _, err := v.Text(ctx)
//
// Nothing is ever written: derivations and sources are kept in memory, and
// [Evaluator.Derivation] and [Evaluator.Source] say what to write where
// something is to be built.
package eval
