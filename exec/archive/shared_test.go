package archive

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

// In a directory that others write to too, no link of theirs is written through, and no file of theirs is gone on with.
func TestExportIntoASharedDirectory(t *testing.T) {
	from, top := storelab.Closure(t)
	m := Manifest{Paths: []store.Path{top}}
	victim := filepath.Join(t.TempDir(), "victim")
	tests := []struct {
		name string
		to   string
		lay  func(dir string) error
		err  string // "": the export ends well
	}{
		{"a link at the partial file", "a.tar", func(dir string) error { return os.Symlink(victim, filepath.Join(dir, "a.tar.partial")) }, "a.tar.partial\": it is a symbolic link"},
		{"a hard link there", "a.tar", func(dir string) error { return os.Link(victim, filepath.Join(dir, "a.tar.partial")) }, "another name too"},
		{"a fifo there", "a.tar", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "a.tar.partial"), 0o666) }, "it is a fifo"},
		{"a file that others may write", "a.tar", func(dir string) error {
			p := filepath.Join(dir, "a.tar.partial")
			return errors.Join(os.WriteFile(p, nil, 0o666), os.Chmod(p, 0o666))
		}, "may be written to by others"},
		{"a file of another user", "a.tar", func(dir string) error {
			p := filepath.Join(dir, "a.tar.partial")
			return errors.Join(os.WriteFile(p, nil, 0o644), os.Chown(p, 12345, -1))
		}, "belongs to user 12345"},
		{"a link at the file", "a.tar", func(dir string) error { return os.Symlink(victim, filepath.Join(dir, "a.tar")) }, "is a symbolic link"},
		{"a file of another user at the file", "a.tar", func(dir string) error {
			p := filepath.Join(dir, "a.tar")
			return errors.Join(os.WriteFile(p, []byte("theirs"), 0o666), os.Chown(p, 12345, -1), os.Chmod(p, 0o666))
		}, ""},
		{"a hard link at the file", "a.tar", func(dir string) error { return os.Link(victim, filepath.Join(dir, "a.tar")) }, ""},
		{"a link at nar", "a/", func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "a"), 0o755), os.Symlink(filepath.Dir(victim), filepath.Join(dir, "a/nar")))
		}, "nar: want a directory and no link"},
		{"links at members", "a/", func(dir string) error {
			a := filepath.Join(dir, "a")
			errs := []error{os.Mkdir(a, 0o755)}
			for _, name := range []string{sumsName, manifestName, readmeName, cacheName, narInfoName(top)} {
				errs = append(errs, os.Symlink(victim, filepath.Join(a, name)))
			}
			return errors.Join(errs...)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
				t.Fatal(err)
			}
			if err := tt.lay(dir); err != nil {
				t.Skip(err)
			}
			if err := giveLinks(dir); err != nil {
				t.Skip(err)
			}
			_, err := Export(context.Background(), source(t, from), m, filepath.Join(dir, tt.to)+strings.Repeat("/", strings.Count(tt.to, "/")), ExportOptions{})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if got, err := os.ReadFile(victim); string(got) != "mine" {
				t.Errorf("the file behind the link: %q, %v", got, err)
			}
			if err == nil {
				info, err := os.Lstat(filepath.Join(dir, tt.to))
				if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
					t.Errorf("the archive is %v, %v: another user can change it", info, err)
				}
				a, err := Open(context.Background(), filepath.Join(dir, tt.to), OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				a.Close()
			}
		})
	}
}

// giveLinks makes the symbolic links below a directory those of another user.
func giveLinks(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			err = os.Lchown(p, 12345, -1)
		}
		return err
	})
}

// What an earlier attempt has left of another closure is not handed on, and what both have is kept.
func TestAPartialArchiveOfAnotherFleet(t *testing.T) {
	from, top := storelab.Closure(t)
	src := source(t, from)
	all, err := src.Closure(context.Background(), []store.Path{top})
	if err != nil {
		t.Fatal(err)
	}
	var small store.Path
	var wanted []nixserve.PathInfo
	for _, info := range all {
		if wanted, err = src.Closure(context.Background(), []store.Path{info.Path}); err != nil {
			t.Fatal(err)
		}
		if len(wanted) >= 10 {
			small = info.Path
			break
		}
	}
	for _, kind := range archiveKinds {
		t.Run(kind.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), kind.to) + strings.Repeat("/", strings.Count(kind.to, "/"))
			n, broken := 0, errors.New("power cut")
			breaking := sourceFunc{src, func(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
				if n++; n > 47 {
					return broken
				}
				return src.NAR(ctx, info, w)
			}}
			if _, err := Export(context.Background(), breaking, Manifest{Paths: []store.Path{top}}, name, ExportOptions{}); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			stats, err := Export(context.Background(), src, Manifest{Paths: []store.Path{small}}, name, ExportOptions{})
			if err != nil || stats.Closure != len(wanted) || stats.Written == len(wanted) {
				t.Fatalf("%+v, %v: nothing was kept", stats, err)
			}
			a, err := Open(context.Background(), name, OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			infos := 0
			for _, name := range a.files.names() {
				if isNarInfo(name) {
					infos++
				}
			}
			if infos != len(wanted) {
				t.Errorf("%d paths, want %d", infos, len(wanted))
			}
			to := storelab.New(t)
			if _, err := copyTo(t, to, a, small); err != nil {
				t.Fatal(err)
			}
			to.Verify()
		})
	}
}
