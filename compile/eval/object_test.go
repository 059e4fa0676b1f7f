package eval

import (
	"math"
	"testing"
	"unsafe"
)

// TestObjectsBeginWithTheirHeader checks what the conversions in object.go rely
// on: an object has the address of its header.
func TestObjectsBeginWithTheirHeader(t *testing.T) {
	offsets := map[string]uintptr{
		"int":     unsafe.Offsetof(intObject{}.object),
		"float":   unsafe.Offsetof(floatObject{}.object),
		"string":  unsafe.Offsetof(stringObject{}.object),
		"context": unsafe.Offsetof(contextString{}.stringObject),
		"list":    unsafe.Offsetof(listObject{}.object),
		"set":     unsafe.Offsetof(setObject{}.object),
		"closure": unsafe.Offsetof(closure{}.object),
		"partial": unsafe.Offsetof(partial{}.object),
		"builtin": unsafe.Offsetof(builtin{}.object),
		"thunk":   unsafe.Offsetof(thunk{}.object),
	}
	for name, o := range offsets {
		if o != 0 {
			t.Errorf("%s: header at %d", name, o)
		}
	}
	if s := unsafe.Sizeof(object{}); s != 8 {
		t.Errorf("header takes %d bytes", s)
	}
	if s := unsafe.Sizeof(thunk{}); s != 24 {
		t.Errorf("thunk takes %d bytes", s)
	}
}

// TestValuesComeBack makes values with both allocators and reads them.
func TestValuesComeBack(t *testing.T) {
	ev := New(Options{})
	th := ev.newThread(t.Context(), 0)
	defer th.release()
	for _, i := range []int64{0, -1, smallIntMin, smallIntMin - 1, smallIntMax - 1, smallIntMax, math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, math.MinInt32 - 1, 1 << 62, math.MinInt64} {
		if v := th.newInt(i); v.kind() != kindInt || v.int() != i || intValue(i).int() != i {
			t.Errorf("integer %d came back as %d", i, v.int())
		}
	}
	if v := floatValue(1.5); v.kind() != kindFloat || v.float() != 1.5 {
		t.Error("float")
	}
	if v := th.newString("a"); v.kind() != kindString || v.str() != "a" || v.context() != nil {
		t.Error("string")
	}
	c := references{"/nix/store/x"}
	if v := contextValue("a", c); v.kind() != kindString || v.str() != "a" || len(v.context()) != 1 {
		t.Error("string with context")
	}
	for _, n := range []int{0, 1, 7, 511, 512, 513, 5000} {
		l := th.newValues(n)
		for i := range l {
			if !l[i].isNone() {
				t.Fatalf("value %d of %d is used", i, n)
			}
			l[i] = th.newInt(int64(i))
		}
		v := th.newList(l)
		if len(v.list()) != n {
			t.Fatalf("list of %d has %d", n, len(v.list()))
		}
		for i, x := range v.list() {
			if x.int() != int64(i) {
				t.Fatalf("element %d is %d", i, x.int())
			}
		}
	}
	for _, n := range []int{1, 3, 400, 600} {
		up := th.newFrame(nil, 1)
		f := th.newFrame(up, n)
		for i := range n {
			if !f.slot(i).isNone() {
				t.Fatalf("slot %d is used", i)
			}
			*f.slot(i) = th.newInt(int64(i))
		}
		if f.up != up {
			t.Fatal("the outer frame is lost")
		}
		for i := range n {
			if f.slot(i).int() != int64(i) {
				t.Fatalf("slot %d holds %d", i, f.slot(i).int())
			}
		}
	}
}
