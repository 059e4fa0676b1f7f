package archive

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

var flips = flag.Int("flips", 100, "flip `n` random bits of an archive, one after the other")

// archiveKinds are the two forms of an archive.
var archiveKinds = []struct{ name, to string }{
	{"directory", "archive/"},
	{"file", "archive.tar"},
}

func TestArchiveRoundTrip(t *testing.T) {
	from, top := storelab.Closure(t)
	for _, kind := range archiveKinds {
		t.Run(kind.name, func(t *testing.T) {
			ctx := context.Background()
			name := filepath.Join(t.TempDir(), kind.to) + strings.Repeat("/", strings.Count(kind.to, "/"))
			m := Manifest{Hosts: []Host{{Name: "web1", System: top}}}
			var last Progress
			stats, err := Export(ctx, source(t, from), m, name, ExportOptions{Report: func(p Progress) { last = p }})
			if err != nil || stats.Written != 60 || last.Paths != 60 || last.Bytes != stats.ClosureBytes {
				t.Fatalf("%+v, %+v, %v", stats, last, err)
			}
			a, err := Open(ctx, name, OpenOptions{Trusted: []PublicKey{publicKey(t, from)}})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if h := a.Manifest.Host("web1"); h == nil || h.System != top {
				t.Errorf("manifest: %+v", a.Manifest)
			}
			to, plain := storelab.New(t), storelab.New(t)
			if stats, err := copyTo(t, to, a, top); err != nil || stats.Sent != 60 {
				t.Fatalf("import: %+v, %v", stats, err)
			}
			if _, err := copyTo(t, plain, source(t, from), top); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain.PathInfos(top), to.PathInfos(top)); diff != "" {
				t.Errorf("path infos (-copied +imported):\n%s", diff)
			}
			to.Verify()
		})
	}
}

// The commands in README work without muster.
func TestArchiveIsABinaryCache(t *testing.T) {
	from, top := storelab.Closure(t)
	dir := t.TempDir()
	m := Manifest{Hosts: []Host{{Name: "web1", System: top}}}
	if _, err := Export(context.Background(), source(t, from), m, filepath.Join(dir, "archive.tar"), ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	to := storelab.New(t)
	to.Home = t.TempDir()
	run := func(line string) string {
		cmd := to.Command(context.Background(), "/bin/sh", "-c", line)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	run("tar -xf archive.tar")
	readme := run("cat README")
	ran := 0
	for line := range strings.Lines(readme) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "sha256sum ") || strings.HasPrefix(line, "nix ") {
			run(line)
			ran++
		}
	}
	if ran != 2 || !strings.Contains(readme, string(top)+"/bin/switch-to-configuration switch") {
		t.Errorf("README:\n%s", readme)
	}
	if n := len(to.PathInfos(top)); n != 60 {
		t.Errorf("%d paths", n)
	}
	to.Verify()
	a, err := Open(context.Background(), dir, OpenOptions{})
	if err != nil {
		t.Fatalf("the unpacked directory: %v", err)
	}
	a.Close()
}

// archiveFiles returns the files of an archive and their total size.
func archiveFiles(t *testing.T, name string) (files []string, total int64) {
	t.Helper()
	filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, p)
			total += info.Size()
		}
		return nil
	})
	return files, total
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	from, top := storelab.Closure(t)
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for _, kind := range archiveKinds {
		t.Run(kind.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "archive")
			if kind.name == "directory" {
				if err := os.Mkdir(name, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Export(context.Background(), source(t, from), Manifest{Paths: []store.Path{top}}, name, ExportOptions{}); err != nil {
				t.Fatal(err)
			}
			files, total := archiveFiles(t, name)
			check := func() error {
				a, err := Open(context.Background(), name, OpenOptions{})
				if err == nil {
					a.Close()
				}
				return err
			}
			flip := func(file string, at int64, bit int) {
				t.Helper()
				f, err := os.OpenFile(file, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				var b [1]byte
				if _, err := f.ReadAt(b[:], at); err != nil {
					t.Fatal(err)
				}
				b[0] ^= 1 << bit
				if _, err := f.WriteAt(b[:], at); err != nil {
					t.Fatal(err)
				}
			}
			for i := range *flips {
				// Every other time by file, so that small ones are hit, too.
				file, at := "", rnd.Int64N(total)
				for _, f := range files {
					info, err := os.Stat(f)
					if err != nil {
						t.Fatal(err)
					}
					if file = f; at < info.Size() {
						break
					}
					at -= info.Size()
				}
				if i%2 == 1 {
					file = files[rnd.IntN(len(files))]
					info, err := os.Stat(file)
					if err != nil {
						t.Fatal(err)
					}
					at = rnd.Int64N(info.Size())
				}
				bit := rnd.IntN(8)
				flip(file, at, bit)
				if err := check(); err == nil {
					t.Errorf("bit %d of byte %d of %s flipped: not found", bit, at, file)
				}
				flip(file, at, bit)
			}
			if err := check(); err != nil {
				t.Errorf("with all bits as they were: %v", err)
			}
			for _, file := range files {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, content[:rnd.IntN(len(content))], 0o644); err != nil {
					t.Fatal(err)
				}
				if err := check(); !errors.Is(err, ErrDamaged) {
					t.Errorf("%s cut short: got %v", file, err)
				}
				if err := os.WriteFile(file, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// An export continues where an earlier one has stopped.
func TestExportContinues(t *testing.T) {
	from, top := storelab.Closure(t)
	for _, kind := range archiveKinds {
		t.Run(kind.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "archive")
			if kind.name == "directory" {
				name += "/"
			}
			src := source(t, from)
			m := Manifest{Paths: []store.Path{top}}
			broken := errors.New("power cut")
			n := 0
			breaking := sourceFunc{src, func(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
				if n++; n > 25 {
					io.WriteString(w, "half")
					return broken
				}
				return src.NAR(ctx, info, w)
			}}
			if _, err := Export(context.Background(), breaking, m, name, ExportOptions{}); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			if _, err := Open(context.Background(), name, OpenOptions{}); err == nil {
				t.Error("an unfinished archive opens")
			}
			if kind.name == "file" { // half a path is written again
				f, err := os.OpenFile(name+partial, os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					t.Fatal(err)
				}
				f.Write(bytes.Repeat([]byte("x"), 3000))
				f.Close()
			}
			stats, err := Export(context.Background(), src, m, name, ExportOptions{})
			if err != nil || stats.Written != 35 || stats.Closure != 60 {
				t.Fatalf("%+v, %v, want the other 35 paths", stats, err)
			}
			a, err := Open(context.Background(), name, OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			to := storelab.New(t)
			if stats, err := copyTo(t, to, a, top); err != nil || stats.Sent != 60 {
				t.Errorf("%+v, %v", stats, err)
			}
			to.Verify()
			left, _ := filepath.Glob(filepath.Join(dir, "*/.muster-*"))
			more, _ := filepath.Glob(filepath.Join(dir, ".muster-*"))
			if left = append(left, more...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A sourceFunc is a Source with other archives.
type sourceFunc struct {
	Source
	nar nixserve.NARFunc
}

func (s sourceFunc) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	return s.nar(ctx, info, w)
}

func TestNarInfoText(t *testing.T) {
	h := store.HashString(store.SHA256, "x")
	n := &narInfo{PathInfo: nixserve.PathInfo{Path: somePath, Deriver: somePath + ".drv", References: []store.Path{somePath}, NARHash: h, NARSize: 120,
		CA: "fixed:r:sha256:0", Signatures: []string{"a:b", "c:d"}}, URL: "nar/x.nar.zst", FileHash: h, FileSize: 12}
	text := string(n.text())
	got, err := parseNarInfo([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n.text(), got.text()); diff != "" {
		t.Error(diff)
	}
	tests := []struct{ name, old, new, err string }{
		{"a line missing", "NarSize: 120\n", "", "NarSize is missing"},
		{"a line twice", "NarSize: 120\n", "NarSize: 120\nNarSize: 120\n", "duplicate key NarSize"},
		{"no key", "NarSize: 120\n", "NarSize\n", `want "Key: value", got "NarSize\n"`},
		{"an unknown key", "NarSize", "Nar", "Nar: unknown key"},
		{"another compression", "zstd", "xz", "want zstd"},
		{"a negative size", "NarSize: 120", "NarSize: -1", "want a number of bytes"},
		{"a file elsewhere", "nar/x.nar.zst", "../../etc/passwd", "leads out"},
		{"an absolute file", "nar/x.nar.zst", "/etc/passwd", "leads out"},
		{"no store path", "StorePath: /nix/store", "StorePath: /etc", "parse store path"},
	}
	for _, tt := range tests {
		if !strings.Contains(text, tt.old) {
			t.Fatalf("%s: no %q", tt.name, tt.old)
		}
		_, err := parseNarInfo([]byte(strings.Replace(text, tt.old, tt.new, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
		}
	}
}

func FuzzNarInfo(f *testing.F) {
	h := store.HashString(store.SHA256, "x")
	f.Add((&narInfo{PathInfo: nixserve.PathInfo{Path: somePath, NARHash: h}, URL: "nar/x", FileHash: h}).text())
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parseNarInfo(text)
		if err != nil {
			return
		}
		again, err := parseNarInfo(n.text())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(n.text(), again.text()) {
			t.Errorf("%q, then %q", n.text(), again.text())
		}
	})
}

func FuzzSums(f *testing.F) {
	f.Add([]byte(strings.Repeat("0", 64) + "  README\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		listed, err := parseSums(text)
		if err != nil {
			return
		}
		var lines []string
		for name, sum := range listed {
			if !filepath.IsLocal(name) {
				t.Errorf("%q", name)
			}
			lines = append(lines, fmt.Sprintf("%x  %s\n", sum, name))
		}
		slices.Sort(lines)
		given := slices.Sorted(strings.Lines(string(text)))
		if !slices.Equal(lines, given) {
			t.Errorf("%q reads as %q", text, lines)
		}
	})
}
