package eval_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
	"muster/compile/store"
)

// An environment is this computer with other environment variables.
type environment struct {
	eval.OS
	vars map[string]string
}

func (e environment) Getenv(name string) string { return e.vars[name] }

// A memoryWorld is a whole world in memory.
type memoryWorld struct {
	mu      sync.Mutex
	files   fstest.MapFS // by absolute path without the leading slash
	env     map[string]string
	fetched map[string]eval.Fetched                 // by URL
	build   func(*store.Derivation) *fstest.MapFile // builds an output that is one file
}

func (w *memoryWorld) fs(do func(files fstest.MapFS)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do(w.files)
}

func (w *memoryWorld) Open(p string) (f fs.File, err error) {
	w.fs(func(files fstest.MapFS) { f, err = files.Open(p[1:]) })
	return f, err
}

func (w *memoryWorld) Lstat(p string) (info fs.FileInfo, err error) {
	w.fs(func(files fstest.MapFS) { info, err = files.Lstat(p[1:]) })
	return info, err
}

func (w *memoryWorld) Stat(p string) (info fs.FileInfo, err error) {
	w.fs(func(files fstest.MapFS) { info, err = files.Stat(p[1:]) })
	return info, err
}

func (w *memoryWorld) ReadDir(p string) (entries []fs.DirEntry, err error) {
	if info, err := w.Stat(p); err == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: p, Err: syscall.ENOTDIR}
	}
	w.fs(func(files fstest.MapFS) { entries, err = files.ReadDir(p[1:]) })
	return entries, err
}

func (w *memoryWorld) Readlink(p string) (target string, err error) {
	w.fs(func(files fstest.MapFS) { target, err = files.ReadLink(p[1:]) })
	return target, err
}

func (w *memoryWorld) EvalSymlinks(p string) (string, error) { return p, nil }
func (w *memoryWorld) Abs(p string) (string, error)          { return "/" + p, nil }
func (w *memoryWorld) Getenv(name string) string             { return w.env[name] }

func (w *memoryWorld) References(context.Context, store.Path) ([]store.Path, error) { return nil, nil }

func (w *memoryWorld) Built(_ context.Context, output store.Path) bool {
	_, err := w.Stat(string(output))
	return err == nil
}

func (w *memoryWorld) Realise(_ context.Context, ev *eval.Evaluator, outputs []eval.DerivationOutput) error {
	for _, o := range outputs {
		w.fs(func(files fstest.MapFS) { files[string(o.Path)[1:]] = w.build(ev.Derivation(o.Drv)) })
	}
	return nil
}

func (w *memoryWorld) Fetch(_ context.Context, r eval.FetchRequest) (eval.Fetched, error) {
	var argument struct{ URL string }
	if err := json.Unmarshal([]byte(r.JSON), &argument); err != nil {
		return eval.Fetched{}, err
	}
	f, ok := w.fetched[argument.URL]
	if !ok {
		return eval.Fetched{}, fmt.Errorf("no route to %s", argument.URL)
	}
	return f, nil
}

const somePackages = "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-source"

func newMemoryWorld() *memoryWorld {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
	return &memoryWorld{
		env:     map[string]string{"DOMAIN": "example.org", "HOME": "/home/ada"},
		fetched: map[string]eval.Fetched{"https://example.org/packages.tar.gz": {Path: somePackages}},
		build: func(d *store.Derivation) *fstest.MapFile {
			return text(fmt.Sprintf("{ builtBy = %q; }", d.Name))
		},
		files: fstest.MapFS{
			"fleet/default.nix": text(`
				let
				  lib = import ./lib;
				  files = builtins.attrNames (builtins.readDir ./hosts);
				  host = file: { name = lib.withoutSuffix file; value = import (./hosts + "/${file}"); };
				in builtins.listToAttrs (map host files)`),
			"fleet/lib/default.nix": text(`{ withoutSuffix = builtins.replaceStrings [ ".nix" ] [ "" ]; }`),
			"fleet/hosts/db1.nix":   text(`{ port = (builtins.fromJSON (builtins.readFile ../data.json)).port; backup = builtins.pathExists ../backup; }`),
			"fleet/hosts/web1.nix":  text(`{ name = "web1." + builtins.getEnv "DOMAIN"; site = "${../site}"; common = import ../common.nix; }`),
			"fleet/common.nix":      &fstest.MapFile{Data: []byte("lib"), Mode: fs.ModeSymlink | 0o777},
			"fleet/data.json":       text(`{ "port": 5432 }`),
			"fleet/site/index.html": text("<h1>hello</h1>\n"),
			"fleet/site/run":        {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
			"fleet/site/link":       {Data: []byte("index.html"), Mode: fs.ModeSymlink | 0o777},

			somePackages[1:] + "/hello.nix": text(`derivation { name = "hello"; system = "x86_64-linux"; builder = "/bin/sh"; }`),
		},
	}
}

// TestWorldInMemory evaluates a fleet that is nowhere on disk.
func TestWorldInMemory(t *testing.T) {
	w := newMemoryWorld()
	ev := eval.New(eval.Options{World: w, NixPath: []eval.SearchEntry{{Prefix: "fleet", Path: "fleet"}, {Prefix: "pkgs", Path: "https://example.org/packages.tar.gz"}}})

	// The same directory on disk must have the same store path.
	site, err := fs.Sub(w.files, "fleet/site")
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(t.TempDir(), "site")
	if err := os.CopyFS(disk, site); err != nil {
		t.Fatal(err)
	}
	h, _, err := store.HashNAR(store.SHA256, store.Disk{}, disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	sitePath, err := store.SourcePath("site", h, nil, false)
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct{ program, want string }{
		{`builtins.attrNames (import ./.)`, `["db1","web1"]`},
		{`(import ./.).db1`, `{"backup":false,"port":5432}`},
		{`(import ./.).web1.name`, `"web1.example.org"`},
		{`builtins.attrNames (import ./.).web1.common`, `["withoutSuffix"]`},
		{`(import ./.).web1.site`, `"` + string(sitePath) + `"`},
		{`builtins.readDir ./site`, `{"index.html":"regular","link":"symlink","run":"regular"}`},
		{`builtins.readFile ./site/link`, `"<h1>hello</h1>\n"`},
		{`builtins.pathExists <fleet/hosts/db1.nix>`, `true`},
		{`toString ~/x`, `"/home/ada/x"`},
		{`builtins.getEnv "PATH"`, `""`},
		{`builtins.pathExists /etc/passwd`, `false`},
		{`(import <pkgs/hello.nix>).name`, `"hello"`},
		{`import (import <pkgs/hello.nix>)`, `{"builtBy":"hello"}`},
		{`builtins.hashFile "sha256" ./data.json`, `"` + store.HashBytes(store.SHA256, w.files["fleet/data.json"].Data).Base16() + `"`},
		{`import ./hosts/db2.nix`, `error: path '/fleet/hosts/db2.nix' does not exist`},
		{`builtins.readDir ./data.json`, `error: '/fleet/data.json' is not a directory`},
		{`builtins.readFile ./site`, `error: read of 4096 bytes: Is a directory`},
		{`builtins.fetchurl "https://example.org/x"`, `error: fetchurl: no route to https://example.org/x`},
	} {
		t.Run(c.program, func(t *testing.T) {
			v, err := ev.Expr(t.Context(), c.program, "/fleet")
			got := ""
			if err == nil {
				got, err = v.JSON(t.Context())
			}
			if err != nil {
				got = "error: " + err.(*eval.Error).Msg
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestInputsOfWorldInMemory changes files in memory and checks which hosts are
// unchanged.
func TestInputsOfWorldInMemory(t *testing.T) {
	w := newMemoryWorld()
	ev := eval.New(eval.Options{World: w, Record: true})
	hosts, err := ev.Expr(t.Context(), `{ db1 = toString (import ./hosts/db1.nix).port; web1 = "${./site}"; }`, "/fleet")
	if err != nil {
		t.Fatal(err)
	}
	inputs, shared := map[string][]eval.Input{}, []eval.Input(nil)
	ev.Fleet(t.Context(), hosts, []string{"db1", "web1"}, "", 2, func(h eval.Host) {
		if h.Err != nil {
			t.Fatal(h.Err)
		}
		inputs[h.Name] = h.Inputs
	})
	shared, _ = ev.Shared()
	same := func() string {
		look, names := ev.Look(), []string(nil)
		for _, name := range []string{"db1", "web1"} {
			all := append(inputs[name], shared...)
			ok := true
			for _, in := range all {
				ok = ok && look.Same(in)
			}
			if ok {
				names = append(names, name)
			}
		}
		return strings.Join(names, " ")
	}
	var got []string
	got = append(got, same())
	w.files["fleet/site/run"].Mode = 0o644
	got = append(got, same())
	w.files["fleet/site/run"].Mode = 0o755
	w.files["fleet/hosts/db1.nix"].Data = []byte("{ port = 1; }")
	got = append(got, same())
	if d := cmp.Diff([]string{"db1 web1", "db1", "web1"}, got); d != "" {
		t.Errorf("unchanged hosts (-want +got):\n%s", d)
	}
}

// TestWorldThatCannotFetchOrBuild evaluates programs that need more than OS
// offers.
func TestWorldThatCannotFetchOrBuild(t *testing.T) {
	for program, want := range map[string]string{
		`builtins.fetchurl "https://example.org/x"`:                                                                       "fetchurl: nothing can be fetched here",
		`builtins.findFile [ { path = "https://example.org/x"; } ] "y"`:                                                   "search path entry 'https://example.org/x': nothing can be fetched here",
		`import (derivation { name = "x"; system = "x86_64-linux"; builder = builtins.toFile "never" "built"; }).outPath`: "import from derivation is not available here",
	} {
		t.Run(program, func(t *testing.T) {
			_, err := eval.New(eval.Options{}).Expr(t.Context(), program, "/")
			e, ok := err.(*eval.Error)
			if !ok || e.Kind != eval.UnsupportedError || !strings.Contains(e.Msg, want) {
				t.Errorf("got %v, want an UnsupportedError with %q", err, want)
			}
		})
	}
}
