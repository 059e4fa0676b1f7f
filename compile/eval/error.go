package eval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/compile/syntax"
)

// An ErrorKind distinguishes errors that callers treat differently.
type ErrorKind uint8

const (
	// EvalError is an error in the program: a missing attribute, a wrong type.
	EvalError ErrorKind = iota
	// ThrowError comes from builtins.throw; tryEval catches it.
	ThrowError
	// AssertError is an assertion that failed; tryEval catches it.
	AssertError
	// AbortError comes from builtins.abort.
	AbortError
	// ParseError is text that is not Nix.
	ParseError
	// RecursionError is a value that needs itself.
	RecursionError
	// LimitError is a program that exceeds a limit.
	LimitError
	// CanceledError is an evaluation whose context ended.
	CanceledError
	// UnsupportedError is something that only Nix supports.
	UnsupportedError
	// InternalError is a bug in this package.
	InternalError
)

// An Error says why a value could not be computed, in Nix's words.
type Error struct {
	Kind   ErrorKind
	Msg    string
	Pos    syntax.Pos // may be invalid
	Trace  []TraceEntry
	steps  []step // further entries of Trace, not yet in words
	cause  error
	waited bool // the limit of time was reached while another thread was waited for
}

// A TraceEntry is one step on the way to an error, innermost first: "while
// calling the 'f' function", or the text of addErrorContext. An entry without text
// is the place of an expression that was being evaluated; [Error.Detail], which
// prints what Nix prints, leaves it out.
type TraceEntry struct {
	Text string
	Pos  syntax.Pos
}

// ErrTime and ErrMemory are in the chain of a [LimitError] of Options.MaxTime and
// Options.MaxMemory.
var (
	ErrTime   = errors.New("the limit of time is reached")
	ErrMemory = errors.New("the limit of memory is reached")
)

// Error returns the message and its position, without the trace.
func (e *Error) Error() string {
	if e.Pos.IsValid() {
		return e.Pos.String() + ": " + e.Msg
	}
	return e.Msg
}

// Unwrap returns the cause outside the program, such as an error of the World,
// if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Detail returns the trace, outermost step first, and the message, as Nix
// prints them.
func (e *Error) Detail() string {
	var b strings.Builder
	b.WriteString("error:\n")
	for i := len(e.Trace) - 1; i >= 0; i-- {
		t := e.Trace[i]
		if t.Text == "" {
			continue
		}
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

// catchable reports whether tryEval catches e.
func (e *Error) catchable() bool { return e.Kind == ThrowError || e.Kind == AssertError }

// transient reports whether e is not stored as the result of a thunk. The thunk
// may have a value when asked again in another context or with higher limits. A
// recursion is stored neither: each host must find the whole circle itself,
// because the trace depends on which thread closed it.
func (e *Error) transient() bool {
	return e.Kind == CanceledError || e.Kind == LimitError || e.Kind == RecursionError
}

// Errors travel as panics: evaluation is deeply recursive and nearly always
// succeeds. [thread.try] is the only place that catches them.

// fail ends the evaluation with an error in the program.
func (th *thread) fail(pos posID, format string, args ...any) {
	th.failAs(EvalError, pos, format, args...)
}

func (th *thread) failAs(kind ErrorKind, pos posID, format string, args ...any) {
	if pos == 0 && kind == LimitError {
		pos = th.place()
	}
	panic(&Error{Kind: kind, Msg: sprintf(format, args), Pos: th.ev.shownAt(pos)})
}

// failCause is fail for an error that has a cause outside the program.
func (th *thread) failCause(pos posID, cause error, format string, args ...any) {
	panic(&Error{Kind: EvalError, Msg: sprintf(format, args), Pos: th.ev.shownAt(pos), cause: cause})
}

// placed returns an error that has just been raised. One without a position is that of a builtin: its first step is
// where that was called.
func (th *thread) placed(err *Error) *Error {
	if err.Pos.IsValid() || len(err.steps) > 0 || th.called == 0 || err.transient() {
		return err
	}
	y := *err
	y.steps = []step{{pos: th.called}}
	return &y
}

// maxText is how many bytes of a text of the program messages show.
const maxText = 16 << 10

// shortened returns a text as messages show it. A text of the program may have any
// length.
func shortened(s string) string { return shortenedTo(maxText, s) }

func shortenedTo(most int, s string) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes more)", s[:end], len(s)-end)
}

// shortenedName returns a name as messages show it: in quotes unless it is an
// identifier.
func shortenedName(s string) string {
	if len(s) > maxText || isIdentifier(s) {
		return shortened(s)
	}
	p := printer{brief: true, most: maxText}
	p.text(s)
	return p.b.String()
}

// sprintf is [fmt.Sprintf] with shortened texts.
func sprintf(format string, args []any) string {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			args[i] = shortened(a)
		case symbol:
			args[i] = shortenedName(a.String())
		case error:
			args[i] = shortened(a.Error())
		}
	}
	return fmt.Sprintf(format, args...)
}

// wantType fails for a value of the wrong type. want is "a set", "an integer",
// …
func (th *thread) wantType(pos posID, want string, v value) {
	th.fail(pos, "expected %s but found %s", want, th.describe(v))
}

// describe returns the type of a value and the value itself.
func (th *thread) describe(v value) string {
	return typeWords(v) + ": " + th.show(v)
}

// typeWords returns the type of a value in the words of error messages: "a set", "the built-in function 'head'".
func typeWords(v value) string {
	switch v.kind() {
	case kindBuiltin:
		return "the built-in function '" + v.builtin().name + "'"
	case kindPartial:
		return "the partially applied built-in function '" + v.partial().b.name + "'"
	}
	return kindNames[v.kind()]
}

// kindNames are the types in the words of error messages. [typeWords] names builtins too.
var kindNames = [...]string{
	kindNull: "null", kindBool: "a Boolean", kindInt: "an integer", kindFloat: "a float", kindString: "a string",
	kindPath: "a path", kindList: "a list", kindSet: "a set", kindLambda: "a function", kindBuiltin: "a built-in function",
	kindPartial: "a partially applied built-in function", kindThunk: "a thunk", kindNone: "nothing",
}

// maxTrace bounds the steps of an error. A runaway recursion has many steps,
// all alike.
const maxTrace = 200

// maxPlaces bounds the entries without text. A circle through the module system
// leads through some hundred expressions of NixOS before one of the user's.
const maxPlaces = 2000

// A step is a call (fn), the text of addErrorContext (note), or an expression that
// was being evaluated.
type step struct {
	fn   *lambda
	note func(*thread) string
	pos  posID
}

// An unwinding walks the calls and notes of a thread from the innermost
// outwards and adds them to an error. It copies the error, because other thunks
// may hold it already.
type unwinding struct {
	th            *thread
	err           *Error
	depth, notes  int // current position in the thread's calls and notes
	calls, marked int // the position at which it ends
	steps         []step
	places        int // number of steps without text
}

// until walks to the beginning of the running thunk with that index, and
// returns the error as that thunk sees it.
func (u *unwinding) until(running int) *Error {
	if u.steps == nil {
		u.steps = slices.Clip(u.err.steps)
		for _, s := range u.steps {
			u.count(s)
		}
	}
	for len(u.steps)-u.places+len(u.err.Trace) < maxTrace {
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
	if running >= 0 {
		u.place(u.th.running[running])
	}
	if len(u.steps) > len(u.err.steps) {
		y := *u.err
		y.steps = slices.Clip(u.steps)
		u.err = &y
	}
	return u.err
}

func (u *unwinding) count(s step) {
	if s.fn == nil && s.note == nil {
		u.places++
	}
}

// place adds the code of a thunk that is being evaluated.
func (u *unwinding) place(t *thunk) {
	if u.places == maxPlaces || t.flags != runsCode || !t.runBy(u.th) {
		return
	}
	s := step{pos: positionOf(t.lazy().node)}
	if s.pos != 0 && (len(u.steps) == 0 || u.steps[len(u.steps)-1].pos != s.pos) {
		u.steps = append(u.steps, s)
		u.places++
	}
}

// withTrace returns x with its steps added to its Trace. After a note that runs
// into a limit no further notes are evaluated.
func (th *thread) withTrace(x *Error) *Error {
	if x == nil || len(x.steps) == 0 {
		return x
	}
	y := *x
	y.steps = nil
	y.Trace = slices.Clip(y.Trace)
	var broken *Error
	for _, s := range x.steps {
		if s.note != nil {
			text := ""
			if broken == nil || !broken.transient() {
				text, broken = th.noteText(s)
			}
			if text != "" {
				y.Trace = append(y.Trace, TraceEntry{Text: text})
			}
			continue
		}
		text := ""
		if s.fn != nil {
			text = "while calling " + shortened(s.fn.describe())
		}
		y.Trace = append(y.Trace, TraceEntry{Text: text, Pos: th.ev.shownAt(s.pos)})
	}
	return &y
}

// noteText evaluates the text of a note. If that fails, the note says so.
func (th *thread) noteText(s step) (string, *Error) {
	out, err := th.attempt(func() value { return stringValue(shortened(s.note(th))) })
	if err != nil {
		return "(error in the error context: " + err.Msg + ")", err
	}
	return out.str(), nil
}
