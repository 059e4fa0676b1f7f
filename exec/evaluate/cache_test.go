package evaluate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/schema"
)

// tinyNixOS is a fleet with as little of NixOS as the driver needs: a host's
// derivation is made of what its module says, and hosts can read each other.
var tinyNixOS = map[string]string{
	"tree/lib/default.nix": `{ mkOption = x: x; types = { attrsOf = x: x; unspecified = null; }; }`,
	"tree/nixos/lib/eval-config.nix": `
{ modules, specialArgs, system }:
let
  open = m: if builtins.isFunction m then m (specialArgs // { inherit common config; }) else if builtins.isAttrs m then m else open (import m);
  load = m: let x = open m; in [ x ] ++ builtins.concatMap load (x.imports or [ ]);
  all = builtins.foldl' (a: b: a // b) { } (builtins.concatMap load modules);
  common = import ../common.nix;
  config = {
    text = "${common} ${all.networking.hostName or ""} ${all.say or ""}";
    warnings = if all ? careful then [ all.careful ] else [ ];
    system.build.toplevel = builtins.trace "building ${specialArgs.name}" (derivation {
      name = "system-${specialArgs.name}"; inherit system; builder = "/bin/sh"; inherit (config) text; peer = all.peer or "";
    });
  };
in
{ inherit config; }`,
	"tree/nixos/common.nix": `"common ${builtins.getEnv "MUSTER_TEST"} ${toString (builtins.attrNames (builtins.readDir ./dir))}"`,
	"tree/nixos/dir/x":      "",
	"b.nix":                 `{ ... }: { say = "b's own ${builtins.readFile ./b.txt}"; }`,
	"b.txt":                 "text",
	"hosts.cue": `package fleet
nixpkgs: path: "tree"
hosts: a: {host: "10.0.0.1", nix: "{ say = \"a\"; careful = \"take care\"; }"}
hosts: b: {host: "10.0.0.2", imports: ["b.nix"]}
hosts: c: {host: "10.0.0.3"}
`,
}

// A fleetDir is a directory with the fleet tinyNixOS.
type fleetDir struct {
	t      *testing.T
	dir    string
	caches string
}

func newFleetDir(t *testing.T) *fleetDir {
	t.Setenv("MUSTER_TEST", "")
	w := &fleetDir{t: t, dir: t.TempDir(), caches: filepath.Join(t.TempDir(), "eval")}
	for name, text := range tinyNixOS {
		w.write(name, text)
	}
	return w
}

func (w *fleetDir) write(name, text string) {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fleetDir) edit(name, old, new string) {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil || !strings.Contains(string(b), old) {
		w.t.Fatalf("edit %s: no %q: %v", name, old, err)
	}
	w.write(name, strings.Replace(string(b), old, new, 1))
}

// An evaluatedFleet is the result of an evaluation, by host.
type evaluatedFleet struct {
	Drvs   map[string]string
	Warn   map[string][]string
	Fresh  []string // hosts that were not in the cache
	Traced []string
}

// evaluator is an evaluator of the fleet that keeps a cache.
func (w *fleetDir) evaluator() Embedded {
	w.t.Helper()
	fleet, err := schema.Load(w.t.Context(), filepath.Join(w.dir, "hosts.cue"), schema.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return Embedded{
		Options:     Options{Fleet: fleet},
		Environment: Environment{Getenv: os.Getenv},
		CacheDir:    w.caches,
	}
}

func (w *fleetDir) evaluate(e Embedded) evaluatedFleet {
	w.t.Helper()
	var trace bytes.Buffer
	e.Trace = &trace
	ev, err := e.open(e.CacheDir, e.isPure(e.Fleet.Hosts[0]))
	if err != nil {
		w.t.Fatal(err)
	}
	defer ev.done()
	got := evaluatedFleet{Drvs: map[string]string{}, Warn: map[string][]string{}}
	known := map[string]cachedHost{}
	if ev.cache != nil {
		known = ev.cache.unchanged(names(e.Fleet.Hosts), ev.ev.Look())
	}
	for _, h := range e.Fleet.Hosts {
		if _, ok := known[h.Name]; !ok {
			got.Fresh = append(got.Fresh, h.Name)
		}
	}
	results, err := ev.systems(w.t.Context(), e.Fleet.Hosts, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil || r.Host != e.Fleet.Hosts[i] {
			w.t.Fatalf("result %d is %+v", i, r)
		}
		got.Drvs[r.Host.Name] = string(r.System.Drv) + " " + string(r.System.Out)
		got.Warn[r.Host.Name] = r.Warnings
	}
	got.Traced = strings.Split(strings.TrimSpace(trace.String()), "\n")
	slices.Sort(got.Traced)
	return got
}

// TestUnchangedHostsAreNotEvaluated changes one thing after the other. Only the
// hosts that depend on it are evaluated again, and the results are always the
// same as without a cache.
func TestUnchangedHostsAreNotEvaluated(t *testing.T) {
	w := newFleetDir(t)
	step := func(what string, change func(), fresh ...string) {
		t.Helper()
		change()
		got := w.evaluate(w.evaluator())
		if !slices.Equal(got.Fresh, fresh) {
			t.Errorf("%s: evaluated %v, want %v", what, got.Fresh, fresh)
		}
		uncached := w.evaluator()
		uncached.CacheDir = ""
		want := w.evaluate(uncached)
		got.Fresh, want.Fresh = nil, nil
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: not as without a cache (-without +with):\n%s", what, d)
		}
	}
	edit := func(name, old, new string) func() { return func() { w.edit(name, old, new) } }
	step("the first time", func() {}, "a", "b", "c")
	step("nothing", func() {})
	step("a comment", edit("hosts.cue", "package", "// A comment.\n\npackage"))
	step("a host in the inventory", edit("hosts.cue", `\"a\"`, `\"A\"`), "a")
	step("a host's file", edit("b.nix", "own", "very own"), "b")
	step("a file that the host's file reads", edit("b.txt", "text", "TEXT"), "b")
	step("a file written again with the same text", edit("b.txt", "TEXT", "TEXT"))
	step("a file that all hosts import", edit("tree/nixos/common.nix", "common", "COMMON"), "a", "b", "c")
	step("a new file in a directory that is listed", func() { w.write("tree/nixos/dir/y", "") }, "a", "b", "c")
	step("a removed file", func() { os.Remove(filepath.Join(w.dir, "tree/nixos/dir/x")) }, "a", "b", "c")
	step("a variable that is read", func() { t.Setenv("MUSTER_TEST", "x") }, "a", "b", "c")
	step("a variable that is not read", func() { t.Setenv("MUSTER_TEST_2", "x") })
	step("the defaults", edit("hosts.cue", "hosts:", "defaults: config: boot: loader: timeout: 3\nhosts:"), "a", "b", "c")
	step("a new host", func() { w.edit("hosts.cue", "hosts:", `hosts: d: host: "10.0.0.4"`+"\nhosts:") }, "d")
	step("a removed host", edit("hosts.cue", `hosts: d: host: "10.0.0.4"`, ""))
	step("a host that begins to read another", edit("hosts.cue", `hosts: c: {`, `hosts: c: {nix: "{ nodes, ... }: { peer = nodes.a.config.text; }", `), "c")
	step("nothing", func() {})
	step("the host that is read", edit("hosts.cue", `\"A\"`, `\"a\"`), "a", "c")
	step("a host that is not read", edit("b.txt", "TEXT", "text"), "b")
	step("a search path", func() {
		e := w.evaluator()
		e.Environment.SearchPath = []string{"x=" + w.dir}
		got := w.evaluate(e)
		if len(got.Fresh) != 3 {
			t.Errorf("a search path: evaluated %v", got.Fresh)
		}
	}, "a", "b", "c")
	step("a host that reads the time", edit("hosts.cue", `\"a\"`, `\"${toString (builtins.substring 0 0 (toString builtins.currentTime))}\"`), "a", "b", "c")
	step("a host that reads the time is never cached", func() {}, "a", "b", "c")
}

// TestDamagedCacheIsIgnored cuts and changes the file: the hosts are evaluated,
// and the file is written anew.
func TestDamagedCacheIsIgnored(t *testing.T) {
	w := newFleetDir(t)
	want := w.evaluate(w.evaluator())
	files, err := filepath.Glob(filepath.Join(w.caches, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(files[0]); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	digest, text, _ := bytes.Cut(whole, []byte("\n"))
	withDigest := func(text string) []byte { return []byte(keyOf(text) + "\n" + text) }
	for name, content := range map[string][]byte{
		"empty":          {},
		"half":           whole[:len(whole)/2],
		"other bytes":    append(append([]byte{}, digest...), append([]byte("\n"), bytes.Replace(text, []byte("/nix/store/"), []byte("/nix/STORE/"), 1)...)...),
		"no JSON":        withDigest("{"),
		"other fields":   withDigest(`{"Key":"` + want.Drvs["a"] + `"}`),
		"negative range": withDigest(strings.Replace(string(text), `"Reads":[[0,`, `"Reads":[[-1,`, 1)),
		"past the end":   withDigest(strings.Replace(string(text), `"Reads":[[0,`, `"Reads":[[0,9999],[0,`, 1)),
		"another key":    withDigest(strings.Replace(string(text), `"Key":"`, `"Key":"0`, 1)),
	} {
		if err := os.WriteFile(files[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
		got := w.evaluate(w.evaluator())
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	// The last one was written anew.
	if got := w.evaluate(w.evaluator()); len(got.Fresh) > 0 {
		t.Errorf("evaluated again: %v", got.Fresh)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(files[0]), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestCacheIsBounded saves the caches of more fleets than are kept.
func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	for range maxCaches + 5 {
		c, err := openCache(dir, t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		c.save([]string{"a"}, map[string]evaluatedHost{"a": {}}, nil, nil)
		if again, err := openCache(dir, strings.TrimSpace(filepath.Dir(c.file)), ""); err != nil || again.file == c.file {
			t.Fatal("two fleets in one file")
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != maxCaches {
		t.Errorf("%d fleets are kept, want %d: %v", len(entries), maxCaches, err)
	}
}

// TestHostsAreEvaluatedForTheirDerivation removes one derivation from the store.
// A build needs it, so its host is evaluated although nothing has changed.
func TestHostsAreEvaluatedForTheirDerivation(t *testing.T) {
	w := newFleetDir(t)
	want := w.evaluate(w.evaluator())
	e := w.evaluator()
	ev, err := e.open(e.CacheDir, e.isPure(e.Fleet.Hosts[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer ev.done()
	lost := store.Path(strings.Fields(want.Drvs["b"])[0])
	results, err := ev.systems(t.Context(), e.Fleet.Hosts, func(paths []store.Path) (map[store.Path]bool, error) {
		valid := map[store.Path]bool{}
		for _, p := range paths {
			valid[p] = p != lost
		}
		return valid, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if got := string(r.System.Drv) + " " + string(r.System.Out); r.Err != nil || got != want.Drvs[r.Host.Name] {
			t.Errorf("%s: %s, %v, want %s", r.Host.Name, got, r.Err, want.Drvs[r.Host.Name])
		}
		if evaluated := ev.ev.Derivation(r.System.Drv) != nil; evaluated != (r.System.Drv == lost) {
			t.Errorf("%s: evaluated: %v, want %v", r.Host.Name, evaluated, r.System.Drv == lost)
		}
	}
}

// A cache says which system a host gets. One that others can have written is not used, which is said, and nothing is
// written where others could exchange it.
func TestCachesOfOthersAreNotUsed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(caches, file string) error
		want  string
	}{
		{name: "the file is writable by others", spoil: func(_, file string) error { return os.Chmod(file, 0o666) }, want: "may be written to by others"},
		{name: "the directory is writable by others", spoil: func(caches, _ string) error { return os.Chmod(caches, 0o777) }, want: "may be written to by others"},
		{name: "its parent is writable by others", spoil: func(caches, _ string) error { return os.Chmod(filepath.Dir(caches), 0o777) }, want: "may be written to by others"},
		{name: "the file is a link", spoil: func(caches, file string) error {
			other := filepath.Join(filepath.Dir(caches), "other")
			return errors.Join(os.Rename(file, other), os.Symlink(other, file))
		}, want: "it is a symbolic link"},
		{name: "the file is a link to /dev/zero", spoil: func(_, file string) error {
			return errors.Join(os.Remove(file), os.Symlink("/dev/zero", file))
		}, want: "it is a symbolic link"},
		{name: "the file is a fifo", spoil: func(_, file string) error {
			return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600))
		}, want: "it is a fifo"},
		{name: "the file is sparse", spoil: func(_, file string) error { return os.Truncate(file, 4<<30) }, want: "it is larger than"},
		{name: "the directory is a link", spoil: func(caches, _ string) error {
			return errors.Join(os.Rename(caches, caches+"2"), os.Symlink(caches+"2", caches))
		}, want: "it is a symbolic link"},
		{name: "another user's file", spoil: func(_, file string) error { return os.Chown(file, 12345, -1) }, want: "belongs to user 12345"},
		{name: "another user's directory", spoil: func(caches, _ string) error { return os.Chown(caches, 12345, -1) }, want: "belongs to user 12345"},
		{name: "a file as the directory", spoil: func(caches, _ string) error {
			return errors.Join(os.RemoveAll(caches), os.WriteFile(caches, nil, 0o600))
		}, want: "it is a regular file, want a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.name, "another user") && os.Getuid() != 0 {
				t.Skip("only root can give files away")
			}
			w := newFleetDir(t)
			fresh := w.evaluate(w.evaluator())
			if again := w.evaluate(w.evaluator()); again.Fresh != nil {
				t.Fatalf("the cache is not used: %v", again.Fresh)
			}
			c, err := openCache(w.caches, w.dir, "")
			if err != nil {
				t.Fatal(err)
			}
			// The attacker gives a host the system of another, with a good checksum.
			b, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			_, text, _ := strings.Cut(string(b), "\n")
			a, other := strings.Fields(fresh.Drvs["a"]), strings.Fields(fresh.Drvs["c"])
			text = strings.NewReplacer(a[0], other[0], a[1], other[1]).Replace(text)
			if err := os.WriteFile(c.file, []byte(keyOf(text)+"\n"+text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(w.caches, c.file); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			e := w.evaluator()
			e.Log = &log
			got := w.evaluate(e)
			if diff := cmp.Diff(fresh.Drvs, got.Drvs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := strings.Count(log.String(), "note: the evaluation cache is not"); n != 1 || !strings.Contains(log.String(), tt.want) {
				t.Errorf("said %q, want one note with %q", log.String(), tt.want)
			}
		})
	}
}
