package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wirePath = Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-hello-2.12.1")

func wireReader(text string) WireReader { return WireReader{bufio.NewReader(strings.NewReader(text))} }

func TestWireRoundTrip(t *testing.T) {
	var b bytes.Buffer
	w := WireWriter{bufio.NewWriterSize(&b, 16)} // words do not always fit
	w.PutBool(true)
	w.PutString("")
	w.PutString("seven..")
	w.PutString("exactly8")
	w.PutString(strings.Repeat("long", 50_000))
	w.PutStrings([]string{"a", "", "b"})
	w.PutPaths([]Path{wirePath})
	w.PutUint64(1<<64 - 1)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}

	r := wireReader(b.String())
	var got []any
	read := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	one, err := r.Uint64()
	read(one, err)
	for range 4 {
		s, err := r.String(200_000)
		read(s, err)
	}
	list, err := r.Strings(3, 1)
	read(list, err)
	paths, err := r.Paths(1)
	read(paths, err)
	last, err := r.Uint64()
	read(last, err)
	want := []any{uint64(1), "", "seven..", "exactly8", strings.Repeat("long", 50_000), []string{"a", "", "b"}, []Path{wirePath}, uint64(1<<64 - 1)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the last word: %v", err)
	}
}

func TestWireReaderRefuses(t *testing.T) {
	word := func(n ...uint64) string {
		var b []byte
		for _, n := range n {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		return string(b)
	}
	text := func(r WireReader) error { _, err := r.String(8); return err }
	paths := func(r WireReader) error { _, err := r.Paths(2); return err }
	tests := []struct {
		name  string
		input string
		read  func(WireReader) error
		err   string
	}{
		{"nothing", "", text, "unexpected EOF"},
		{"half a word", "1234", text, "unexpected EOF"},
		{"no bytes", word(3), text, "unexpected EOF"},
		{"no padding", word(3) + "abc\x00", text, "unexpected EOF"},
		{"padding", word(3) + "abcdefgh", text, "padding that is not zero"},
		{"too long", word(9) + strings.Repeat("x", 16), text, "a string of 9 bytes, want at most 8"},
		{"huge", word(1 << 63), text, "a string of 9223372036854775808 bytes"},
		{"too many", word(3), paths, "a list of 3 strings, want at most 2"},
		{"list ends early", word(2, 0), paths, "unexpected EOF"},
		{"no store path", word(1) + nar("/etc/passwd"), paths, `parse store path "/etc/passwd"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.read(wireReader(tt.input))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
			var format *WireError
			if errors.Is(err, io.ErrUnexpectedEOF) == errors.As(err, &format) {
				t.Errorf("%v is an early end and a wrong format, or neither", err)
			}
		})
	}
}

// What is announced takes no memory before it arrives.
func TestWireReaderMakesRoomAsBytesArrive(t *testing.T) {
	announced := string(binary.LittleEndian.AppendUint64(nil, 1<<30)) + "and that is all"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := wireReader(announced).String(1 << 30)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
