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
	steps []step // further ones, not yet spelled out
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

// passing reports whether e is not remembered as what a value is: asked again,
// under another context or with higher limits, the value may be there. A value
// that needs itself is so whoever asks, but each is to find its own way around
// the circle: where it was closed depends on who came first.
func (e *Error) passing() bool {
	return e.Kind == CanceledError || e.Kind == LimitError || e.Kind == RecursionError
}

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

// A step is a call or a note.
type step struct {
	fn   *lambda
	note func(*thread) string
	pos  posID
}

// An unwinding follows the calls and notes of a thread from the innermost
// outwards and adds them to an error. The error itself is not changed: others
// may know it already.
type unwinding struct {
	th            *thread
	err           *Error
	depth, notes  int // where it is
	calls, marked int // where it ends
	steps         []step
}

// until goes on to where the thunk numbered running begins, and returns the
// error as it is known there.
func (u *unwinding) until(running int) *Error {
	if u.steps == nil {
		u.steps = slices.Clip(u.err.steps)
	}
	for len(u.steps)+len(u.err.Trace) < maxTrace {
		if u.notes > u.marked && u.th.notes[u.notes-1].depth >= u.depth {
			n := u.th.notes[u.notes-1]
			if n.running <= running {
				break
			}
			u.notes--
			u.steps = append(u.steps, step{note: n.text})
			continue
		}
		if u.depth <= u.calls {
			break
		}
		c := u.th.calls[u.depth-1]
		if int(c.running) <= running {
			break
		}
		u.depth--
		u.steps = append(u.steps, step{fn: c.fn, pos: c.pos})
	}
	if len(u.steps) > len(u.err.steps) {
		y := *u.err
		y.steps = slices.Clip(u.steps)
		u.err = &y
	}
	return u.err
}

// spelled returns x with its steps in words.
func (th *thread) spelled(x *Error) *Error {
	if x == nil || len(x.steps) == 0 {
		return x
	}
	y := *x
	y.steps = nil
	y.Trace = slices.Clip(y.Trace)
	for _, s := range x.steps {
		if s.note != nil {
			y.Trace = append(y.Trace, TraceEntry{Text: th.noteText(s)})
			continue
		}
		y.Trace = append(y.Trace, TraceEntry{Text: "while calling " + s.fn.describe(), Pos: th.ev.positions.at(s.pos)})
	}
	return &y
}

// noteText evaluates what addErrorContext was given; if that fails, too, the
// note says so.
func (th *thread) noteText(s step) string {
	out, err := th.attempt(func() value { return stringValue(s.note(th)) })
	if err != nil {
		return "(error in the error context: " + err.Msg + ")"
	}
	return out.str()
}
