package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tree returns a function that writes files, by name, below a directory.
func tree(files map[string]string) func(dir string) error {
	return func(dir string) error {
		var all error
		for name, text := range files {
			full := filepath.Join(dir, name)
			all = errors.Join(all, os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text), 0o644))
		}
		return all
	}
}

// instead returns a function that puts something else where a tree has a file.
func instead(make func(name string) error, name string, files map[string]string) func(dir string) error {
	return func(dir string) error {
		full := filepath.Join(dir, name)
		if err := tree(files)(dir); err != nil {
			return err
		}
		os.MkdirAll(filepath.Dir(full), 0o755)
		os.Remove(full)
		return make(full)
	}
}

func fifo(name string) error   { return syscall.Mkfifo(name, 0o644) }
func zero(name string) error   { return os.Symlink("/dev/zero", name) }
func folder(name string) error { return os.Mkdir(name, 0o755) }
func sparse(name string) error {
	return errors.Join(os.WriteFile(name, []byte("a: 1\n"), 0o644), os.Truncate(name, 4<<30))
}

// Whatever CUE or the other languages read is a regular file of limited size. Nothing else is waited for.
func TestFilesThatAreNotRead(t *testing.T) {
	module := "module: \"example.org/fleet@v0\"\nlanguage: version: \"v0.9.0\"\n"
	good := "package fleet\nhosts: {}\n"
	importing := "package fleet\nimport \"example.org/fleet/sub\"\nhosts: sub.hosts\n"
	for _, tt := range []struct {
		name string
		make func(dir string) error
		path string // to load, below the directory
		want string // in the message, with the file's name
	}{
		{"a fifo as JSON", instead(fifo, "hosts.json", nil), "hosts.json", "hosts.json:1:1: cannot be read: it is a fifo"},
		{"a fifo as YAML", instead(fifo, "hosts.yaml", nil), "hosts.yaml", "hosts.yaml:1:1: cannot be read: it is a fifo"},
		{"a fifo as TOML", instead(fifo, "hosts.toml", nil), "hosts.toml", "hosts.toml:1:1: cannot be read: it is a fifo"},
		{"a fifo as CUE", instead(fifo, "hosts.cue", nil), "hosts.cue", "hosts.cue:1:1: not read: it is not a regular file"},
		{"a fifo in a directory", instead(fifo, "hosts.cue", nil), "", "hosts.cue:1:1: not read: it is not a regular file"},
		{"a link to /dev/zero as TOML", instead(zero, "hosts.toml", nil), "hosts.toml", "it is a device"},
		{"a link to /dev/zero as CUE", instead(zero, "hosts.cue", nil), "hosts.cue", "outside the inventory's directory"},
		{"a directory as TOML", instead(folder, "hosts.toml", nil), "", "no inventory in it"},
		{"4 GB of JSON", instead(sparse, "hosts.json", nil), "hosts.json", "it is larger than 67108864 bytes"},
		{"4 GB of YAML", instead(sparse, "hosts.yaml", nil), "hosts.yaml", "it is larger than 67108864 bytes"},
		{"4 GB of CUE", instead(sparse, "hosts.cue", nil), "hosts.cue", "hosts.cue:1:1: not read: it is larger than 64 MiB"},
		{"a fifo beside the file", instead(fifo, "more.cue", map[string]string{"hosts.cue": good}), "", "more.cue:1:1: not read"},
		{"a fifo in a parent", instead(fifo, "more.cue", map[string]string{"a/hosts.cue": good, "cue.mod/module.cue": module}), "a", "more.cue:1:1: not read"},
		{"a fifo as the module", instead(fifo, "cue.mod/module.cue", map[string]string{"hosts.cue": good}), "", "cue.mod/module.cue:1:1: not read"},
		{"a fifo in an imported package", instead(fifo, "sub/sub.cue", map[string]string{"hosts.cue": importing, "cue.mod/module.cue": module}), "", "sub/sub.cue:1:1: not read"},
		{"a fifo below cue.mod", instead(fifo, "cue.mod/pkg/example.org/fleet/sub/x.cue", map[string]string{"hosts.cue": importing, "cue.mod/module.cue": module}), "", "x.cue:1:1: not read"},
		{"a fifo that an import imports", instead(fifo, "deep/x.cue", map[string]string{
			"hosts.cue": importing, "cue.mod/module.cue": module,
			"sub/sub.cue": "package sub\nimport \"example.org/fleet/deep\"\nhosts: deep.hosts\n",
		}), "", "deep/x.cue:1:1: not read"},
		{"a fifo of another language", instead(fifo, "x.json", map[string]string{"hosts.cue": "package fleet\nhosts: 1\n"}), "", "hosts.cue:2:8: hosts: got 1"},
		{"a link to /dev/zero of another language", instead(zero, "x.yaml", map[string]string{"hosts.cue": "package fleet\nhosts: 1\n"}), "", "hosts.cue:2:8: hosts: got 1"},
		{"a fifo to embed", instead(fifo, "data.json", map[string]string{"hosts.cue": "@extern(embed)\npackage fleet\nhosts: {} @embed(file=data.json)\n"}), "", "cannot embed data.json: it is not a regular file"},
		{"4 GB to embed", instead(sparse, "data.json", map[string]string{"hosts.cue": "@extern(embed)\npackage fleet\nhosts: {} @embed(glob=*.json)\n"}), "", "cannot embed data.json: it is larger than 64 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.make(dir); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := Load(t.Context(), filepath.Join(dir, tt.path), Options{Dir: dir})
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			case <-time.After(time.Minute): // it would wait for ever
				t.Fatal("Load has not returned")
			}
		})
	}
}

// A module that the inventory depends on is neither fetched nor cached.
func TestLoadWritesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := tree(map[string]string{
		"fleet/cue.mod/module.cue": "module: \"example.org/fleet@v0\"\nlanguage: version: \"v0.9.0\"\ndeps: \"example.com/other@v0\": v: \"v0.1.0\"\n",
		"fleet/hosts.cue":          "package fleet\nimport \"example.com/other@v0:other\"\nhosts: other.hosts\n",
	})(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "CUE_CACHE_DIR", "CUE_CONFIG_DIR"} {
		t.Setenv(name, filepath.Join(dir, "home"))
	}
	before := listing(t, dir)
	_, err := Load(t.Context(), filepath.Join(dir, "fleet"), Options{Dir: filepath.Join(dir, "fleet")})
	if err == nil || !strings.Contains(err.Error(), "put packages of other modules below cue.mod/pkg, muster fetches none") {
		t.Errorf("got %v", err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := os.Lstat("/nonexistent/mod"); err == nil {
		t.Error("/nonexistent/mod is there")
	}
}

// listing describes all that is below a directory.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
