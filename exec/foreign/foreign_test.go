package foreign

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func ExampleReadFile() {
	_, err := ReadFile("/dev/zero", Limits{Size: 1 << 20})
	fmt.Println(err)
	// Output: open "/dev/zero": it is a device, want a regular file
}

// made is a directory with one file of each kind.
func made(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(dir, 0o755))
	must(os.WriteFile(filepath.Join(dir, "file"), []byte("12345678"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "open"), []byte("12345678"), 0o644))
	must(os.Chmod(filepath.Join(dir, "open"), 0o666))
	must(os.Symlink("file", filepath.Join(dir, "link")))
	must(os.Symlink("/dev/zero", filepath.Join(dir, "zero")))
	must(os.Symlink("link2", filepath.Join(dir, "link2")))
	must(os.Mkdir(filepath.Join(dir, "dir"), 0o755))
	must(os.Mkdir(filepath.Join(dir, "wide"), 0o755))
	must(os.Chmod(filepath.Join(dir, "wide"), 0o777))
	must(os.WriteFile(filepath.Join(dir, "wide/file"), []byte("1234"), 0o644))
	must(os.Symlink("wide", filepath.Join(dir, "dirlink")))
	must(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(err)
	t.Cleanup(func() { l.Close() })
	return dir
}

func TestWhatIsRefused(t *testing.T) {
	dir := made(t)
	if os.Getuid() == 0 {
		os.WriteFile(filepath.Join(dir, "theirs"), []byte("1"), 0o644)
		os.Chown(filepath.Join(dir, "theirs"), 12345, 0)
	}
	tests := []struct {
		name   string
		file   string
		limits Limits
		err    string // "": opened
		in     string // the error of OpenIn where it differs
	}{
		{name: "a file", file: "file", limits: Limits{Size: 8}},
		{name: "too large", file: "file", limits: Limits{Size: 7}, err: "larger than 7 bytes"},
		{name: "a link", file: "link", limits: Limits{Size: 8}, err: "a symbolic link"},
		{name: "a link that the user names", file: "link", limits: Limits{Size: 8, Links: true}, in: "a symbolic link"},
		{name: "a link to a device", file: "zero", limits: Limits{Size: 8, Links: true}, err: "a device", in: "a symbolic link"},
		{name: "a link to itself", file: "link2", limits: Limits{Size: 8}, err: "a symbolic link"},
		{name: "a directory", file: "dir", limits: Limits{Size: 8}, err: "a directory"},
		{name: "a fifo", file: "fifo", limits: Limits{Size: 8}, err: "a fifo"},
		{name: "a socket", file: "socket", limits: Limits{Size: 8}, err: "a socket"},
		{name: "missing", file: "no", limits: Limits{Size: 8}, err: "no such file"},
		{name: "trusted", file: "file", limits: Limits{Size: 8, Trusted: true}},
		{name: "written to by others", file: "open", limits: Limits{Size: 8, Trusted: true}, err: "may be written to by others (mode 0666)"},
		{name: "in a directory of all", file: "wide/file", limits: Limits{Size: 8, Trusted: true}, err: `/wide" may be written to by others`, in: "-"},
		{name: "in a directory that is a link", file: "dirlink/file", limits: Limits{Size: 8}, in: "dirlink is a symbolic link, want a directory"},
		{name: "of another user", file: "theirs", limits: Limits{Size: 8, Trusted: true}, err: "belongs to user 12345"},
		{name: "of another user, who may", file: "theirs", limits: Limits{Size: 8}},
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file == "theirs" && os.Getuid() != 0 {
				t.Skip("only root can give files away")
			}
			check := func(f *File, err error, want string) {
				t.Helper()
				if err == nil {
					f.Close()
				}
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			f, err := Open(filepath.Join(dir, tt.file), tt.limits)
			check(f, err, tt.err)
			if tt.in == "-" {
				return
			}
			if tt.in == "" {
				tt.in = tt.err
			}
			f, err = OpenIn(root, tt.file, tt.limits)
			check(f, err, tt.in)
		})
	}
	if _, err := OpenIn(root, "../x", Limits{Size: 1}); err == nil {
		t.Error("a name that leads out is opened")
	}
	if _, err := Open(filepath.Join(dir, "no"), Limits{Size: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// The sticky bit keeps files from all but the owner of their directory.
func TestStickyDirectories(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give directories away")
	}
	for _, tt := range []struct {
		name string
		mode os.FileMode
		uid  int
		err  string
	}{
		{"of root", 0o777 | os.ModeSticky, 0, ""},
		{"of another user", 0o777 | os.ModeSticky, 12345, "belongs to user 12345"},
		{"of another user, who alone may write", 0o755 | os.ModeSticky, 12345, "belongs to user 12345"},
		{"not sticky", 0o777, 0, "may be written to by others"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(made(t), "dir")
			if err := errors.Join(os.Mkdir(dir+"/mine", 0o700), os.WriteFile(dir+"/file", []byte("1"), 0o600), os.Chmod(dir, tt.mode), os.Chown(dir, tt.uid, 0)); err != nil {
				t.Fatal(err)
			}
			_, err := ReadFile(dir+"/file", Limits{Size: 8, Trusted: true})
			for _, err := range []error{err, CheckDir(dir + "/mine")} {
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
			}
		})
	}
}

func TestLimitsHoldWhileReading(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("12345678"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(name, Limits{Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.WriteFile(name, bytes.Repeat([]byte("9"), 100), 0o644); err != nil { // it grows
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	var refused *RefusedError
	if len(got) != 10 || !errors.As(err, &refused) || refused.Name != name {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	var b [20]byte
	if n, err := f.ReadAt(b[:], 4); n != 4 || err != io.EOF {
		t.Errorf("ReadAt: %d, %v", n, err)
	}

	f, err = Open(name, Limits{Size: 1000, Time: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	time.Sleep(2 * time.Millisecond)
	if _, err := io.ReadAll(f); err == nil || !strings.Contains(err.Error(), "not read within 1ms") {
		t.Errorf("got %v", err)
	}
}

// What fails while it is written leaves the former file, and nothing else.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	full := errors.New("disk full")
	for _, tt := range []struct {
		text string
		fail error
		want string
	}{{"old", nil, "old"}, {"half", full, "old"}, {"new", nil, "new"}} {
		err := Replace(root, "f", func(f *os.File) error {
			_, err := f.WriteString(tt.text)
			return cmp.Or(tt.fail, err)
		})
		if !errors.Is(err, tt.fail) {
			t.Errorf("%s: %v", tt.text, err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v", tt.text, got, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: %v, %v", tt.text, entries, err)
		}
	}
}

func TestReplaceText(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, text := range []string{"former", "next"} {
		if err := ReplaceText(root, "x", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := root.ReadFile("x")
	info, statErr := root.Stat("x")
	if err != nil || statErr != nil || string(text) != "next" || info.Mode() != 0o600 {
		t.Errorf("%q, %v, %v, %v", text, err, info, statErr)
	}
	if names, err := Names(root, 10); err != nil || len(names) != 1 {
		t.Errorf("left: %q, %v", names, err)
	}
	if err := ReplaceText(root, "none/x", nil); err == nil {
		t.Error("a directory that is not there")
	}
}
