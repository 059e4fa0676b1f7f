package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenDir(t *testing.T) {
	dir := made(t)
	for name, want := range map[string]string{
		"dir": "", "file": "it is a regular file, want a directory", "dirlink": "it is a symbolic link, want a directory",
		"fifo": "it is a fifo, want a directory", "wide": "it may be written to by others (mode 0777): chmod go-w", "none": "no such file",
	} {
		root, err := OpenDir(filepath.Join(dir, name))
		if err == nil {
			root.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "wide/mine"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(filepath.Join(dir, "wide/mine")); err == nil || !strings.Contains(err.Error(), "wide") {
		t.Errorf("in a directory that others may write to: %v", err)
	}
}

func TestNames(t *testing.T) {
	root, err := OpenDir(made(t))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if names, err := Names(root, 100); err != nil || len(names) < 5 {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := Names(root, 3); err == nil || !strings.Contains(err.Error(), "it holds more than 3 files") {
		t.Errorf("got %v", err)
	}
}
