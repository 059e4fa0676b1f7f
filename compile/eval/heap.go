package eval

import "unsafe"

// A heap allocates the objects of one region out of chunks, for one goroutine.
// Allocating is then little more than advancing a slice. The garbage collector
// keeps a chunk while anything in it is used, so what is shared and what
// belongs to one host must not be in the same chunk.
//
// Region 0 is shared: files, libraries, package sets. Host k of a fleet
// evaluates in region k. Every thunk remembers the region that it was made in,
// and while it is forced, by whichever thread, allocation goes there. The
// variables of a thunk are in its own region or in the shared one, and what it
// makes is allocated in its region; so by induction nothing shared ever refers
// to what belongs to a host, and when a host is done its whole region is freed
// at once.
type heap struct {
	region uint16
	size   int     // bytes of the next chunk
	chunks int     // number of chunks so far
	block  uintptr // the prefaulted block that the last chunk is in

	values   []value // slots of frames and elements of lists
	frames   *frame  // free frames of one slot, linked by up
	attrs    []attr
	thunks   []thunk
	closures []closure
	lists    []listObject
	sets     []setObject
	strings  []stringObject
	shorts   []object
	ints     []intObject
}

// Chunks start small, so that a small evaluation stays small, and double.
const firstChunk, lastChunk = 4 << 10, 32 << 10

// manyElements and manyAttrs are the most values and attributes that are allocated in a
// chunk at once: no more than the smallest chunk holds.
const manyElements, manyAttrs = firstChunk / valueSize, firstChunk / attrSize

// manyChunks is the number of chunks after which memory is prefaulted.
const manyChunks = 64

// chunk returns a chunk of objects of one type.
func chunk[T any](h *heap) []T {
	if h.size < lastChunk {
		h.size = max(firstChunk, 2*h.size)
	}
	var t T
	c := make([]T, h.size/int(unsafe.Sizeof(t)))
	if h.chunks++; h.chunks > manyChunks {
		if block := uintptr(unsafe.Pointer(unsafe.SliceData(c))) &^ (prefaultBlock - 1); block != h.block {
			h.block = block
			prefault(block)
		}
	}
	return c
}

// takeValues returns a pointer to the first of n contiguous empty values.
func (th *thread) takeValues(n int) *value {
	h := th.heap
	if n > len(h.values) {
		return th.takeManyValues(n)
	}
	p := unsafe.SliceData(h.values)
	h.values = h.values[n:]
	return p
}

//go:noinline
func (th *thread) takeManyValues(n int) *value {
	if n > manyElements {
		th.reserve(valueSize * n)
		return unsafe.SliceData(make([]value, n))
	}
	h := th.heap
	h.values = chunk[value](h)
	p := unsafe.SliceData(h.values)
	h.values = h.values[n:]
	return p
}

// newValues returns n empty values, for a list.
func (th *thread) newValues(n int) []value {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(th.takeValues(n), n)
}

// newFrame returns a frame of n empty slots.
func (th *thread) newFrame(up *frame, n int) *frame {
	f := (*frame)(unsafe.Pointer(th.takeValues(n + 1)))
	f.up = up
	return f
}

// newParameter returns a frame of one slot that holds v.
func (th *thread) newParameter(up *frame, v value) *frame {
	h := th.heap
	f := h.frames
	if f == nil {
		f = (*frame)(unsafe.Pointer(th.takeValues(2)))
	} else {
		h.frames = f.up
	}
	f.up = up
	*f.slot(0) = v
	return f
}

// reuse frees a frame made by newParameter that nothing refers to.
func (th *thread) reuse(f *frame) {
	*f.slot(0) = value{}
	f.up = th.heap.frames
	th.heap.frames = f
}

// newAttrs returns n empty attributes, for a set.
func (th *thread) newAttrs(n int) []attr {
	h := th.heap
	if n > len(h.attrs) {
		if n > manyAttrs {
			th.reserve(attrSize * n)
			return make([]attr, n)
		}
		h.attrs = chunk[attr](h)
	}
	a := h.attrs[:n:n]
	h.attrs = h.attrs[n:]
	return a
}

// newSet makes a set of attributes sorted by symbol.
func (th *thread) newSet(attrs []attr) value {
	if len(attrs) == 0 {
		return emptySet
	}
	return th.newSetOfItsOwn(attrs)
}

// newSetOfItsOwn is newSet for what is printed as another set than other empty ones, since
// Nix makes room for attributes before it knows that there are none.
func (th *thread) newSetOfItsOwn(attrs []attr) value {
	h := th.heap
	if len(h.sets) == 0 {
		h.sets = chunk[setObject](h)
	}
	s := &h.sets[0]
	h.sets = h.sets[1:]
	s.kind, s.n, s.attrs = kindSet, uint32(len(attrs)), unsafe.SliceData(attrs)
	return value{&s.object}
}

// newList makes a list.
func (th *thread) newList(elems []value) value {
	if len(elems) == 0 {
		return emptyList
	}
	h := th.heap
	if len(h.lists) == 0 {
		h.lists = chunk[listObject](h)
	}
	l := &h.lists[0]
	h.lists = h.lists[1:]
	l.kind, l.n, l.elems = kindList, uint32(len(elems)), unsafe.SliceData(elems)
	return value{&l.object}
}

// newString makes a string without context.
func (th *thread) newString(s string) value {
	if s == "" {
		return emptyString
	}
	h := th.heap
	if len(h.strings) == 0 {
		h.strings = chunk[stringObject](h)
	}
	o := &h.strings[0]
	h.strings = h.strings[1:]
	o.kind, o.s = kindString, s
	return value{&o.object}
}

// newInt makes an integer.
func (th *thread) newInt(i int64) value {
	if i >= smallIntMin && i < smallIntMax {
		return value{&smallIntegers[i-smallIntMin]}
	}
	h := th.heap
	if isShort(i) {
		if len(h.shorts) == 0 {
			h.shorts = chunk[object](h)
		}
		o := &h.shorts[0]
		h.shorts = h.shorts[1:]
		*o = shortObject(i)
		return value{o}
	}
	if len(h.ints) == 0 {
		h.ints = chunk[intObject](h)
	}
	o := &h.ints[0]
	h.ints = h.ints[1:]
	o.kind, o.flags, o.v = kindInt, isLong, i
	return value{&o.object}
}

// newClosure makes a function.
func (th *thread) newClosure(fn *lambda, env *frame) value {
	h := th.heap
	if len(h.closures) == 0 {
		h.closures = chunk[closure](h)
	}
	c := &h.closures[0]
	h.closures = h.closures[1:]
	th.kept++
	c.kind, c.fn, c.env = kindLambda, fn, env
	return value{&c.object}
}

func (th *thread) takeThunk() *thunk {
	h := th.heap
	if len(h.thunks) == 0 {
		h.thunks = chunk[thunk](h)
	}
	t := &h.thunks[0]
	h.thunks = h.thunks[1:]
	t.kind, t.region = kindThunk, h.region
	return t
}

// newThunk returns a thunk that evaluates code in a frame.
func (th *thread) newThunk(code *lazy, env *frame) value {
	th.kept++
	t := th.takeThunk()
	t.code, t.env = unsafe.Pointer(code), unsafe.Pointer(env)
	return value{&t.object}
}

// newConstantThunk is newThunk for code that reads no variables: it keeps no frame.
func (th *thread) newConstantThunk(code *lazy) value {
	t := th.takeThunk()
	t.code, t.env = unsafe.Pointer(code), nil
	return value{&t.object}
}

// delayCall returns a thunk for f x.
func (th *thread) delayCall(f, x value) value {
	t := th.takeThunk()
	t.flags, t.code, t.env = appliesOne, unsafe.Pointer(f.o), unsafe.Pointer(x.o)
	return value{&t.object}
}

// delayCall2 returns a thunk for f x y.
func (th *thread) delayCall2(f, x, y value) value {
	args := th.newValues(2)
	args[0], args[1] = x, y
	t := th.takeThunk()
	t.flags, t.code, t.env = appliesTwo, unsafe.Pointer(f.o), unsafe.Pointer(unsafe.SliceData(args))
	return value{&t.object}
}

// delayMapping returns a thunk for f name value of an attribute.
func (th *thread) delayMapping(f value, a *attr) value {
	t := th.takeThunk()
	t.flags, t.code, t.env = mapsAttr, unsafe.Pointer(f.o), unsafe.Pointer(a)
	return value{&t.object}
}
