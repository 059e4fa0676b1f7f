package nixserve

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"muster/compile/store"
)

// On the wire everything is a 64-bit little-endian word or made of them: a string is its length, its bytes and zeros up
// to a multiple of eight; a list is its length and its strings.

const (
	maxString = 64 << 20 // a reply's longest string; only an error message or a path is ever sent
	maxList   = 16 << 20 // a reply's longest list
)

type wireWriter struct{ w *bufio.Writer } // remembers its first error until Flush

func (w wireWriter) word(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	w.w.Write(b[:])
}

func (w wireWriter) bool(b bool) {
	if b {
		w.word(1)
	} else {
		w.word(0)
	}
}

func (w wireWriter) string(s string) {
	w.word(uint64(len(s)))
	w.w.WriteString(s)
	var zero [8]byte
	w.w.Write(zero[:-len(s)&7])
}

func (w wireWriter) strings(list []string) {
	w.word(uint64(len(list)))
	for _, s := range list {
		w.string(s)
	}
}

func (w wireWriter) paths(list []store.Path) {
	w.word(uint64(len(list)))
	for _, p := range list {
		w.string(string(p))
	}
}

type wireReader struct{ r *bufio.Reader }

func (r wireReader) word() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r.r, b[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

func (r wireReader) string() (string, error) {
	n, err := r.word()
	if err != nil {
		return "", err
	}
	if n > maxString {
		return "", malformed("a string of %d bytes", n)
	}
	b, err := readN(r.r, int(n))
	if err != nil {
		return "", err
	}
	var pad [8]byte
	if _, err := io.ReadFull(r.r, pad[:-n&7]); err != nil {
		return "", noEOF(err)
	}
	if pad != [8]byte{} {
		return "", malformed("padding that is not zero after %q", truncate(string(b), 64))
	}
	return string(b), nil
}

// readN reads n bytes and makes room only for what arrives, whatever length was announced.
func readN(r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		part := min(n-len(b), max(step, len(b)))
		b = append(b, make([]byte, part)...)
		if _, err := io.ReadFull(r, b[len(b)-part:]); err != nil {
			return nil, noEOF(err)
		}
	}
	return b, nil
}

func (r wireReader) strings() ([]string, error) {
	n, err := r.word()
	if err != nil {
		return nil, err
	}
	if n > maxList {
		return nil, malformed("a list of %d strings", n)
	}
	list := make([]string, 0, min(n, 1024))
	for range n {
		s, err := r.string()
		if err != nil {
			return nil, noEOF(err)
		}
		list = append(list, s)
	}
	return list, nil
}

func (r wireReader) paths() ([]store.Path, error) {
	list, err := r.strings()
	if err != nil {
		return nil, err
	}
	paths := make([]store.Path, len(list))
	for i, s := range list {
		if paths[i], err = store.ParsePath(s); err != nil {
			return nil, malformed("%w", err)
		}
	}
	return paths, nil
}

// noEOF turns an end of file in the middle of something into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("malformed reply: "+format, args...)
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
