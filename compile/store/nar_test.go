package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nar returns the strings of an archive, right or wrong.
func nar(tokens ...string) string {
	var b strings.Builder
	for _, s := range tokens {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		b.Write(n[:])
		b.WriteString(s)
		b.Write(make([]byte, padding(int64(len(s)))))
	}
	return b.String()
}

// dir returns the archive of one directory.
func dir(entries ...string) string {
	return nar("nix-archive-1", "(", "type", "directory") + strings.Join(entries, "") + nar(")")
}

func entry(name string) string {
	return nar("entry", "(", "name", name, "node", "(", "type", "regular", "contents", "hi", ")", ")")
}

func TestReadArchive(t *testing.T) {
	sub := nar("entry", "(", "name", "s", "node", "(", "type", "directory") + entry("x") + nar(")", ")")
	text := dir(entry("a"), nar("entry", "(", "name", "l", "node", "(", "type", "symlink", "target", "../a", ")", ")"), sub,
		nar("entry", "(", "name", "z", "node", "(", "type", "regular", "executable", "", "contents", "", ")", ")"))
	want := []NARHeader{
		{Path: "", Type: Directory},
		{Path: "a", Type: Regular, Size: 2},
		{Path: "l", Type: Symlink, Target: "../a"},
		{Path: "s", Type: Directory},
		{Path: "s/x", Type: Regular, Size: 2},
		{Path: "z", Type: Regular, Executable: true},
	}
	for _, read := range []bool{true, false} { // files are read, or skipped by Next
		r := NewNARReader(strings.NewReader(text))
		var got []NARHeader
		for {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, *h)
			if read && h.Size > 0 {
				if b, err := io.ReadAll(r); err != nil || string(b) != "hi" {
					t.Errorf("%s holds %q, %v", h.Path, b, err)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// restore unpacks an archive to path, which must not exist.
func restore(r io.Reader, path string) error {
	nr := NewNARReader(r)
	for {
		h, err := nr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := restoreFile(nr, h, filepath.Join(path, filepath.FromSlash(h.Path))); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
}

// restoreFile makes one file, which must not exist.
func restoreFile(r io.Reader, h *NARHeader, disk string) error {
	switch h.Type {
	case Directory:
		return os.Mkdir(disk, 0o777)
	case Symlink:
		return os.Symlink(h.Target, disk)
	}
	mode := os.FileMode(0o666)
	if h.Executable {
		mode = 0o777
	}
	f, err := os.OpenFile(disk, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func TestReadArchiveRefuses(t *testing.T) {
	good := dir(entry("a"), entry("b"))
	tests := []struct {
		name string
		text string
		err  string
	}{
		{"nothing", "", "unexpected EOF"},
		{"something else", nar("not-an-archive", "("), `got "not-an-archive", want "nix-archive-1"`},
		{"truncated", good[:len(good)-8], "unexpected EOF"},
		{"bytes after the end", good + "\x00", "bytes follow its end"},
		{"an archive after the end", good + good, "bytes follow its end"},
		{"truncated in a file", good[:len(nar("nix-archive-1", "(", "type", "directory")+entry("a"))-40], "unexpected EOF"},
		{"parent directory", dir(entry("..")), `bad name ".."`},
		{"current directory", dir(entry(".")), `bad name "."`},
		{"no name", dir(entry("")), `bad name ""`},
		{"slash", dir(entry("a/b")), `bad name "a/b"`},
		{"absolute", dir(entry("/etc")), `bad name "/etc"`},
		{"zero byte", dir(entry("a\x00b")), "bad name"},
		{"name too long", dir(entry(strings.Repeat("n", 256))), "a string of 256 bytes, want at most 255"},
		{"duplicate entry", dir(entry("a"), entry("a")), `duplicate entry "a"`},
		{"wrong order", dir(entry("b"), entry("a")), `entry "a" is out of order after "b"`},
		{"unknown type", nar("nix-archive-1", "(", "type", "socket", ")"), `unknown type "socket"`},
		{"empty link", nar("nix-archive-1", "(", "type", "symlink", "target", "", ")"), "bad link target"},
		{"executable with a value", nar("nix-archive-1", "(", "type", "regular", "executable", "x", "contents", "", ")"), `got "x", want ""`},
		{"huge string", nar("nix-archive-1") + "\xff\xff\xff\xff\xff\xff\xff\x7f", "want at most"},
		{"huge file", nar("nix-archive-1", "(", "type", "regular", "contents") + "\xff\xff\xff\xff\xff\xff\xff\xff", "out of range"},
		{"padding", strings.Replace(good, "hi\x00", "hi\x01", 1), "padding that is not zero"},
		{"too deep", nar("nix-archive-1") + strings.Repeat(nar("(", "type", "directory", "entry", "(", "name", strings.Repeat("d", 200), "node"), 30), "bytes: want at most 4095"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			err := restore(strings.NewReader(tt.text), filepath.Join(dir, "restored"))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want an error with %q", err, tt.err)
			}
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if e.Name() != "restored" {
					t.Errorf("%s was made outside", e.Name())
				}
			}
		})
	}
}

func TestRestoreTouchesNothingThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "there")
	outside := filepath.Join(t.TempDir(), "outside")
	writeFile(t, outside, "mine", 0o644)
	if err := os.Symlink(outside, path); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := DumpFile(&b, []byte("theirs"), false); err != nil {
		t.Fatal(err)
	}
	if err := restore(&b, path); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v, want that it exists", err)
	}
	if got, _ := os.ReadFile(outside); string(got) != "mine" {
		t.Errorf("the file behind the link now holds %q", got)
	}
}

func TestDumpRefusesWhatArchivesCannotHold(t *testing.T) {
	dir, err := os.MkdirTemp("", "nar") // short, as socket names must be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Dump(io.Discard, dir, nil); err == nil || !strings.Contains(err.Error(), "socket: want a regular file") {
		t.Errorf("got %v", err)
	}
	noSockets := func(path string, ft FileType) (bool, error) { return ft != Unknown, nil }
	if err := Dump(io.Discard, dir, noSockets); err != nil {
		t.Errorf("filtered out: %v", err)
	}
	stop := errors.New("stop")
	if err := Dump(io.Discard, dir, func(string, FileType) (bool, error) { return false, stop }); err != stop {
		t.Errorf("got %v, want the filter's error", err)
	}
}

func TestWriterHoldsToTheHeaders(t *testing.T) {
	root := NARHeader{Type: Directory}
	file := func(path string, size int64) NARHeader { return NARHeader{Path: path, Type: Regular, Size: size} }
	tests := []struct {
		name    string
		headers []NARHeader
		err     string
	}{
		{"nothing", nil, "no header was written"},
		{"two roots", []NARHeader{root, root}, "a second root"},
		{"no directory", []NARHeader{root, file("a/b", 0)}, "its directory is not open"},
		{"below a file", []NARHeader{file("", 0), file("a", 0)}, "its directory is not open"},
		{"directory left already", []NARHeader{root, {Path: "a", Type: Directory}, file("b", 0), file("a/c", 0)}, "its directory is not open"},
		{"wrong order", []NARHeader{root, file("b", 0), file("a", 0)}, "out of order"},
		{"bytes missing", []NARHeader{file("", 3)}, "lacks 3 bytes"},
		{"unknown type", []NARHeader{{Type: Unknown}}, `type "unknown"`},
		{"bad target", []NARHeader{{Type: Symlink}}, "bad link target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := NewNARWriter(io.Discard)
			for _, h := range tt.headers {
				w.WriteHeader(h)
			}
			if err := w.Close(); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want an error with %q", err, tt.err)
			}
		})
	}
	w := NewNARWriter(io.Discard)
	w.WriteHeader(file("", 1))
	if _, err := w.Write([]byte("ab")); err == nil {
		t.Error("more bytes were taken than announced")
	}
}

func FuzzNARReader(f *testing.F) {
	f.Add([]byte(dir(entry("a"), entry("b"))))
	f.Add([]byte(nar("nix-archive-1", "(", "type", "symlink", "target", "x", ")")))
	f.Add([]byte(nar("nix-archive-1", "(", "type", "regular", "executable", "", "contents", "abc", ")")))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out bytes.Buffer
		if err := copyNAR(&out, bytes.NewReader(text)); err != nil {
			return
		}
		if !bytes.HasPrefix(text, out.Bytes()) {
			t.Errorf("%q\nwritten again is\n%q", text, out.Bytes())
		}
	})
}
