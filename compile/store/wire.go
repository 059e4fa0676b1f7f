package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Nix's archives and protocols share one wire format. Everything is made of 64-bit little-endian words: a string is its
// length, its bytes and zeros up to a multiple of eight; a list is its length and its elements.

// A WireWriter writes the wire format. Like the [bufio.Writer] in it, it remembers its first error until Flush.
type WireWriter struct{ *bufio.Writer }

var zeros [8]byte

// PutUint64 writes a word.
func (w WireWriter) PutUint64(n uint64) {
	w.Write(binary.LittleEndian.AppendUint64(w.AvailableBuffer(), n))
}

// PutBool writes a word that is 1 for true.
func (w WireWriter) PutBool(b bool) {
	if b {
		w.PutUint64(1)
	} else {
		w.PutUint64(0)
	}
}

// PutString writes a string.
func (w WireWriter) PutString(s string) {
	w.PutUint64(uint64(len(s)))
	w.WriteString(s)
	w.Write(zeros[:padding(int64(len(s)))])
}

// PutStrings writes a list of strings.
func (w WireWriter) PutStrings(list []string) {
	w.PutUint64(uint64(len(list)))
	for _, s := range list {
		w.PutString(s)
	}
}

// PutPaths writes a list of store paths.
func (w WireWriter) PutPaths(list []Path) {
	w.PutUint64(uint64(len(list)))
	for _, p := range list {
		w.PutString(string(p))
	}
}

// A WireReader reads the wire format. It takes nothing longer than its caller allows, and makes room only for what
// arrives, whatever length was announced. Input that ends too early is [io.ErrUnexpectedEOF]; input that breaks the
// format is a [*WireError].
type WireReader struct{ *bufio.Reader }

// A WireError says that what was read is not what the wire format, or its user, allows.
type WireError struct{ Err error }

func (e *WireError) Error() string { return e.Err.Error() }
func (e *WireError) Unwrap() error { return e.Err }

func wireErrorf(format string, args ...any) error {
	return &WireError{Err: fmt.Errorf(format, args...)}
}

// Uint64 reads a word.
func (r WireReader) Uint64() (uint64, error) {
	b, err := r.Peek(8)
	if err != nil {
		return 0, noEOF(err)
	}
	n := binary.LittleEndian.Uint64(b)
	r.Discard(8)
	return n, nil
}

// String reads a string of at most limit bytes.
func (r WireReader) String(limit int) (string, error) {
	n, err := r.Uint64()
	if err != nil {
		return "", err
	}
	if n > uint64(limit) {
		return "", wireErrorf("a string of %d bytes, want at most %d", n, limit)
	}
	b, err := readGrowing(r, int(n))
	if err != nil {
		return "", noEOF(err)
	}
	s := string(b)
	if err = r.skipPadding(int64(n)); err == errPadding {
		err = wireErrorf("%w after %.64q", errPadding.Err, s)
	}
	return s, err
}

var errPadding = &WireError{Err: errors.New("padding that is not zero")}

// readGrowing reads n bytes and makes room for them as they arrive.
func readGrowing(r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		part := min(n-len(b), max(step, len(b)))
		b = append(b, make([]byte, part)...)
		if _, err := io.ReadFull(r, b[len(b)-part:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// skipPadding reads the zeros after n bytes.
func (r WireReader) skipPadding(n int64) error {
	b, err := r.Peek(int(padding(n)))
	if err != nil {
		return noEOF(err)
	}
	for _, zero := range b {
		if zero != 0 {
			return errPadding
		}
	}
	r.Discard(len(b))
	return nil
}

// Strings reads a list of at most limit strings of at most each bytes.
func (r WireReader) Strings(limit, each int) ([]string, error) {
	n, err := r.Uint64()
	if err != nil {
		return nil, err
	}
	if n > uint64(limit) {
		return nil, wireErrorf("a list of %d strings, want at most %d", n, limit)
	}
	list := make([]string, 0, min(n, 1024))
	for range n {
		s, err := r.String(each)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// maxWirePath is more than the longest store path.
const maxWirePath = 512

// Paths reads a list of at most limit store paths.
func (r WireReader) Paths(limit int) ([]Path, error) {
	list, err := r.Strings(limit, maxWirePath)
	if err != nil {
		return nil, err
	}
	paths := make([]Path, len(list))
	for i, s := range list {
		if paths[i], err = ParsePath(s); err != nil {
			return nil, &WireError{Err: err}
		}
	}
	return paths, nil
}

// padding is the number of zeros after n bytes.
func padding(n int64) int64 { return -n & 7 }

// noEOF turns an end of the input, which is never right inside of something, into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
