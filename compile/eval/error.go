package eval

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/syntax"
)

// An ErrorKind tells errors apart that a caller may treat differently.
type ErrorKind uint8

const (
	// EvalError is a mistake in the program: a missing attribute, a wrong type.
	EvalError ErrorKind = iota
	// ThrowError comes from builtins.throw; tryEval catches it.
	ThrowError
	// AssertError is an assertion that does not hold; tryEval catches it.
	AssertError
	// AbortError comes from builtins.abort.
	AbortError
	// ParseError is text that is not Nix.
	ParseError
	// RecursionError is a value that needs itself.
	RecursionError
	// LimitError is a program that needs more than Options allow.
	LimitError
	// CanceledError is an evaluation whose context ended.
	CanceledError
	// UnsupportedError is something this evaluator leaves to Nix.
	UnsupportedError
	// InternalError is a bug of this evaluator.
	InternalError
)

// An Error says why a value could not be computed, in Nix's words.
type Error struct {
	Kind  ErrorKind
	Msg   string
	Pos   syntax.Pos // where, if known
	Trace []TraceEntry
	cause error
}

// A TraceEntry is one step of the way to an error, innermost first: "while
// calling the 'f' function", or what addErrorContext had to say.
type TraceEntry struct {
	Text string
	Pos  syntax.Pos
}

// Error returns the message and where it happened, without the trace.
func (e *Error) Error() string {
	if e.Pos.IsValid() {
		return e.Pos.String() + ": " + e.Msg
	}
	return e.Msg
}

// Unwrap returns the error of the outside world behind e, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Detail returns the message and its trace as Nix prints them, outermost step
// first.
func (e *Error) Detail() string {
	var b strings.Builder
	b.WriteString("error:\n")
	for i := len(e.Trace) - 1; i >= 0; i-- {
		t := e.Trace[i]
		fmt.Fprintf(&b, "       … %s\n", strings.ReplaceAll(t.Text, "\n", "\n         "))
		if t.Pos.IsValid() {
			fmt.Fprintf(&b, "         at %s\n", t.Pos)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "       error: %s\n", strings.ReplaceAll(e.Msg, "\n", "\n       "))
	if e.Pos.IsValid() {
		fmt.Fprintf(&b, "       at %s\n", e.Pos)
	}
	return b.String()
}

// catchable reports whether tryEval turns e into a value.
func (e *Error) catchable() bool { return e.Kind == ThrowError || e.Kind == AssertError }

// passing reports whether e says nothing about the value that was asked for:
// asked again, under another context or with higher limits, it may be there.
func (e *Error) passing() bool { return e.Kind == CanceledError || e.Kind == LimitError }

// Errors travel as panics: evaluation is deeply recursive and nearly always
// succeeds. [thread.try] is the only place that catches them.

// fail reports a mistake in the program.
func (th *thread) fail(pos posID, format string, args ...any) {
	th.failAs(EvalError, pos, format, args...)
}

func (th *thread) failAs(kind ErrorKind, pos posID, format string, args ...any) {
	panic(&Error{Kind: kind, Msg: fmt.Sprintf(format, args...), Pos: th.ev.positions.at(pos)})
}

// failCause reports what went wrong outside.
func (th *thread) failCause(pos posID, cause error, format string, args ...any) {
	panic(&Error{Kind: EvalError, Msg: fmt.Sprintf(format, args...), Pos: th.ev.positions.at(pos), cause: cause})
}

// wantType reports a value of the wrong type: what is "a set", "an integer", …
func (th *thread) wantType(pos posID, want string, v value) {
	th.fail(pos, "expected %s but found %s", want, th.describe(v))
}

// describe names a value's type and, if that helps, the value.
func (th *thread) describe(v value) string {
	return kindNames[v.kind()] + ": " + th.show(v)
}

// kindNames are the types as error messages name them.
var kindNames = [...]string{
	kindNull: "null", kindBool: "a Boolean", kindInt: "an integer", kindFloat: "a float", kindString: "a string",
	kindPath: "a path", kindList: "a list", kindSet: "a set", kindLambda: "a function", kindBuiltin: "a built-in function",
	kindPartial: "a partially applied built-in function", kindThunk: "a thunk", kindNone: "nothing",
}

// maxTrace bounds the steps an error remembers: a runaway recursion has many,
// all alike.
const maxTrace = 200

// traced returns x with the steps from the innermost call outwards to, not
// including, the first calls calls and notes notes. x itself is not changed:
// others may know it already.
func (th *thread) traced(x *Error, calls, notes int) *Error {
	y := *x
	y.Trace = slices.Clip(y.Trace)
	n := len(th.notes)
	pending := slices.Clone(th.notes)
	innermost := th.depth
	for d := innermost; d >= calls && len(y.Trace) < maxTrace; d-- {
		for n > notes && pending[n-1].depth >= d {
			n--
			y.Trace = append(y.Trace, TraceEntry{Text: th.noteText(pending[n])})
		}
		if d > calls {
			c := th.calls[d-1]
			y.Trace = append(y.Trace, TraceEntry{Text: "while calling " + c.fn.describe(), Pos: th.ev.positions.at(c.pos)})
		}
	}
	return &y
}

// noteText evaluates what addErrorContext was given; if that fails, too, the
// note says so.
func (th *thread) noteText(n note) string {
	out, err := th.try(func() value { return stringValue(n.text()) })
	if err != nil {
		return "(error in the error context: " + err.Msg + ")"
	}
	return out.str()
}
