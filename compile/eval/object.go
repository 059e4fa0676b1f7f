package eval

import "unsafe"

// Only this file and heap.go use unsafe: this one lays out and reads values,
// heap.go allocates them. Every conversion checks the kind in the object's
// header first; object_test.go tests them.

// A value is a reference to an object: 8 bytes, passed in a register. The zero
// value is an empty slot. Any other value is either in weak head normal form or
// a thunk; [thread.force] turns a thunk into its result.
type value struct{ o *object }

// A kind is the type of an object.
type kind uint8

const (
	kindNone kind = iota
	kindNull
	kindBool
	kindInt
	kindFloat
	kindString
	kindPath
	kindList
	kindSet
	kindLambda  // a function written in Nix
	kindBuiltin // a function written in Go
	kindPartial // a builtin with some of its arguments
	kindThunk   // not evaluated yet, or a reference to its result
)

// An object is the header of every value. All objects except thunks are
// immutable.
type object struct {
	kind   kind
	flags  uint8  // of a string: hasContext; of an integer: isLong; of a thunk: what it runs
	region uint16 // of a thunk: the region it allocates in; see heap.go
	n      uint32 // of a list or set: its length; of a boolean: 0 or 1; of an integer that fits: its value; of a string: its symbol, if known, atomic; of a thunk: its state, atomic
}

const (
	hasContext = 1
	isLong     = 1
)

// isShort reports whether an integer fits into an object's header.
func isShort(i int64) bool { return i == int64(int32(i)) }

func shortObject(i int64) object { return object{kind: kindInt, n: uint32(int32(i))} }

// An intObject is an integer that is not short.
type intObject struct {
	object
	v int64
}

type floatObject struct {
	object
	v float64
}

// A stringObject is a string without context, or a path.
type stringObject struct {
	object
	s string
}

// A contextString is a string with context.
type contextString struct {
	stringObject
	context references
}

type listObject struct {
	object
	elems *value
}

type setObject struct {
	object
	attrs *attr
}

// An attr is one attribute of a set. Sets are sorted by symbol.
type attr struct {
	sym symbol
	pos posID
	v   value
}

// A closure is a lambda and the frame of the scope around it.
type closure struct {
	object
	fn  *lambda
	env *frame
}

// A partial is a builtin with some of its arguments.
type partial struct {
	object
	b    *builtin
	n    int
	args [2]value
}

// A thunk is a delayed computation. While it is pending, code and env say what
// to compute:
//
//	flags       code           env
//	runsCode    *lazy          *frame          evaluate the code in the frame
//	appliesOne  *object (f)    *object (x)     f x
//	appliesTwo  *object (f)    *[2]value       f x y
//	mapsAttr    *object (f)    *attr (x = y)   f "x" y
//
// Once it is done, code is the *object of the result; once it failed, the
// *Error. env is then nil, so that what it needed can be collected. See
// thunk.go.
type thunk struct {
	object
	code unsafe.Pointer
	env  unsafe.Pointer
}

const (
	runsCode uint8 = iota
	appliesOne
	appliesTwo
	mapsAttr
)

// A frame holds the variables of one scope: a reference to the frame of the
// enclosing scope, directly followed by the slots.
type frame struct {
	up *frame
}

// slot returns the i-th variable of a frame.
func (f *frame) slot(i int) *value {
	return (*value)(unsafe.Add(unsafe.Pointer(f), unsafe.Sizeof(*f)+uintptr(i)*unsafe.Sizeof(value{})))
}

func (v value) kind() kind   { return v.o.kind }
func (v value) isNone() bool { return v.o == nil }
func (v value) isInt() bool  { return v.o.kind == kindInt }
func (v value) isFunction() bool {
	return v.o.kind == kindLambda || v.o.kind == kindBuiltin || v.o.kind == kindPartial
}

func (v value) float() float64       { return (*floatObject)(unsafe.Pointer(v.o)).v }
func (v value) bool() bool           { return v.o.n != 0 }
func (v value) closure() *closure    { return (*closure)(unsafe.Pointer(v.o)) }
func (v value) builtin() *builtin    { return (*builtin)(unsafe.Pointer(v.o)) }
func (v value) partial() *partial    { return (*partial)(unsafe.Pointer(v.o)) }
func (v value) thunk() *thunk        { return (*thunk)(unsafe.Pointer(v.o)) }
func (t *thunk) result() value       { return value{(*object)(t.code)} }
func (t *thunk) failure() *Error     { return (*Error)(t.code) }
func (t *thunk) setResult(v value)   { t.code, t.env = unsafe.Pointer(v.o), nil }
func (t *thunk) setFailure(e *Error) { t.code, t.env = unsafe.Pointer(e), nil }

// int returns an integer.
func (v value) int() int64 {
	if v.o.flags&isLong == 0 {
		return int64(int32(v.o.n))
	}
	return (*intObject)(unsafe.Pointer(v.o)).v
}

// str returns the text of a string or path.
func (v value) str() string { return (*stringObject)(unsafe.Pointer(v.o)).s }

// context returns the context of a string.
func (v value) context() references {
	if v.o.flags&hasContext == 0 {
		return nil
	}
	return (*contextString)(unsafe.Pointer(v.o)).context
}

// list returns the elements of a list; they must not be changed.
func (v value) list() []value {
	l := (*listObject)(unsafe.Pointer(v.o))
	return unsafe.Slice(l.elems, int(l.n))
}

// attrs returns the attributes of a set, sorted by symbol; they must not be
// changed.
func (v value) attrs() []attr {
	s := (*setObject)(unsafe.Pointer(v.o))
	return unsafe.Slice(s.attrs, int(s.n))
}

// same reports whether two values are the same object.
func (v value) same(w value) bool { return v.o == w.o }

// lazy returns what a thunk that runs code evaluates.
func (t *thunk) lazy() *lazy { return (*lazy)(t.code) }

// frame returns the frame in which a thunk that runs code evaluates it.
func (t *thunk) frame() *frame { return (*frame)(t.env) }

// run computes a pending thunk.
func (t *thunk) run(th *thread) value {
	switch t.flags {
	case runsCode:
		return (*lazy)(t.code).node.eval(th, (*frame)(t.env))
	case appliesOne:
		return th.call(value{(*object)(t.code)}, value{(*object)(t.env)})
	case mapsAttr:
		a := (*attr)(t.env)
		return th.call2(value{(*object)(t.code)}, a.sym.value(), a.v)
	}
	args := (*[2]value)(t.env)
	return th.call2(value{(*object)(t.code)}, args[0], args[1])
}

// These values are allocated once.
var (
	valueNull     = value{&object{kind: kindNull}}
	valueTrue     = value{&object{kind: kindBool, n: 1}}
	valueFalse    = value{&object{kind: kindBool}}
	emptyList     = value{&(&listObject{object: object{kind: kindList}}).object}
	emptySet      = value{&(&setObject{object: object{kind: kindSet}}).object}
	emptyString   = value{&(&stringObject{object: object{kind: kindString}}).object}
	smallIntegers [smallIntMax - smallIntMin]object
)

const smallIntMin, smallIntMax = -1024, 16384

func init() {
	for i := range smallIntegers {
		smallIntegers[i] = shortObject(int64(i) + smallIntMin)
	}
}

func boolValue(b bool) value {
	if b {
		return valueTrue
	}
	return valueFalse
}

// intValue makes an integer outside of any region; see [thread.newInt].
func intValue(i int64) value {
	if i >= smallIntMin && i < smallIntMax {
		return value{&smallIntegers[i-smallIntMin]}
	}
	if isShort(i) {
		o := shortObject(i)
		return value{&o}
	}
	return value{&(&intObject{object{kind: kindInt, flags: isLong}, i}).object}
}

func floatValue(f float64) value {
	return value{&(&floatObject{object{kind: kindFloat}, f}).object}
}

func stringValue(s string) value {
	if s == "" {
		return emptyString
	}
	return value{&(&stringObject{object{kind: kindString}, s}).object}
}

func pathValue(s string) value {
	return value{&(&stringObject{object{kind: kindPath}, s}).object}
}

func contextValue(s string, c references) value {
	if len(c) == 0 {
		return stringValue(s)
	}
	return value{&(&contextString{stringObject{object{kind: kindString, flags: hasContext}, s}, c}).object}
}

// listValue makes a list of elements that are not changed afterwards.
func listValue(elems []value) value {
	if len(elems) == 0 {
		return emptyList
	}
	return value{&(&listObject{object{kind: kindList, n: uint32(len(elems))}, unsafe.SliceData(elems)}).object}
}

// setValue makes a set of attributes sorted by symbol that are not changed
// afterwards.
func setValue(attrs []attr) value {
	if len(attrs) == 0 {
		return emptySet
	}
	return value{&(&setObject{object{kind: kindSet, n: uint32(len(attrs))}, unsafe.SliceData(attrs)}).object}
}

// text makes a string of bytes that are not changed afterwards, without
// copying.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
