package store

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// A content address that is read gives the same path when it is written and read again.
func FuzzParseCA(f *testing.F) {
	const sum = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"
	for _, s := range []string{"text:" + sum, "fixed:" + sum, "fixed:r:" + sum, "fixed:r:md5:3y8bwfr609h3lh9ch0izcqq7fl", "text:md5:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ca, err := ParseCA(text)
		if err != nil {
			return
		}
		again, err := ParseCA(string(ca.Method) + ca.Hash.String())
		if err != nil || again != ca {
			t.Errorf("%q: %+v, again %+v, %v", text, ca, again, err)
		}
		if p, err := ca.Path("name", nil, false); err == nil {
			if _, err := ParsePath(string(p)); err != nil {
				t.Error(err)
			}
		}
	})
}

// Strings that are read from the wire are within the limits, and are written as they were read.
func FuzzWireStrings(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Fuzz(func(t *testing.T, text []byte) {
		const most, each = 16, 64
		list, err := WireReader{Reader: bufio.NewReader(bytes.NewReader(text))}.Strings(most, each)
		if err != nil {
			return
		}
		var b bytes.Buffer
		w := WireWriter{Writer: bufio.NewWriter(&b)}
		w.PutUint64(uint64(len(list)))
		for _, s := range list {
			if len(s) > each {
				t.Errorf("%d bytes", len(s))
			}
			w.PutString(s)
		}
		if err := w.Flush(); err != nil || len(list) > most || !bytes.HasPrefix(text, b.Bytes()) {
			t.Errorf("%d strings, written as %q, %v", len(list), b.Bytes(), err)
		}
	})
}

// The parts of a version are all of it but its separators, and a name is split once.
func FuzzVersion(f *testing.F) {
	f.Add("hello-2.12.1pre-x")
	f.Fuzz(func(t *testing.T, text string) {
		name, version := SplitName(text)
		if text != name && text != name+"-"+version {
			t.Errorf("%q: %q and %q", text, name, version)
		}
		rest := text
		for _, part := range SplitVersion(text) {
			i := strings.Index(rest, part)
			if i < 0 || strings.Trim(rest[:i], ".-") != "" {
				t.Errorf("%q: %q after %q", text, part, rest)
				return
			}
			rest = rest[i+len(part):]
		}
		if strings.Trim(rest, ".-") != "" {
			t.Errorf("%q is left of %q", rest, text)
		}
	})
}
