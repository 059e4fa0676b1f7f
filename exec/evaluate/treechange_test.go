package evaluate

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/schema"
)

var treeChanges = flag.Int("tree-changes", 50, "change each tree `n` times")

// treeReaders are what hosts of a flake read of its tree, one for each host: files, and the
// tree itself in all the ways in which a program may see that another tree is another one.
var treeReaders = []string{
	// Files.
	`if builtins.pathExists ../data/a && builtins.readFileType ../data/a == "regular" then builtins.readFile ../data/a else "no a"`,
	`toString (builtins.attrNames (builtins.readDir ../data))`,
	`toString (builtins.attrNames (builtins.readDir self))`,
	`builtins.toJSON (builtins.readDir ../.)`,
	`if builtins.pathExists ../data/b then "there" else "missing"`,
	`if builtins.pathExists "${self}/data/dir/." then "directory" else "none"`,
	`if builtins.pathExists ../data/m.nix then toString (import (../data + "/m.nix")) else "no module"`,
	`if builtins.pathExists (self + "/data/m.nix") then toString (import "${self}/data/m.nix") else "no module"`,
	`if builtins.pathExists ../data/m.nix then builtins.hashFile "sha256" ../data/m.nix else "no module"`,
	`"${../data}"`,
	`"${../data/set.nix}"`,
	`builtins.filterSource (p: t: baseNameOf p != "b") ../data`,
	`builtins.path { path = ../.; name = "tree"; filter = p: t: baseNameOf p == "data" || baseNameOf (dirOf p) == "data"; }`,
	`builtins.path { path = ../data; name = "data"; filter = p: t: builtins.match ".*/b" p == null; }`,
	`toString (import ../data/set.nix).x`,
	`builtins.toJSON (builtins.unsafeGetAttrPos "x" (import ../data/set.nix)).line`,
	`builtins.toJSON (removeAttrs (builtins.fromJSON (builtins.readFile ../flake.lock)) [ "version" ])`,
	// Its path.
	`self.outPath`,
	`"${self}"`,
	`"${../.}"`,
	`toString ../data`,
	`(import ../data/set.nix).file`,
	`builtins.unsafeDiscardStringContext self.outPath`,
	`builtins.substring 0 0 self.outPath`,
	`builtins.hashString "sha256" (toString ../.)`,
	`builtins.substring 11 5 (toString ../.)`,
	`builtins.substring 30 100 (toString ../data)`,
	`builtins.substring 43 100 (toString ../data)`,
	`toString (builtins.stringLength (toString ../data))`,
	`if toString ../. < "/nix/store/b" then "less" else "more"`,
	`if "/nix/store/m" < toString ../. then "less" else "more"`,
	`toString (builtins.attrNames { "${toString ../.}" = 1; "/nix/store/m" = 2; } == [ "/nix/store/m" "${toString ../.}" ])`,
	`builtins.toJSON (builtins.match ".*store/(.).*" (toString ../.))`,
	`toString (builtins.length (builtins.split "a" (toString ../.)))`,
	`toString (builtins.length (builtins.split "/" (toString ../.)))`,
	`builtins.elemAt (builtins.split "/" (toString ../data)) 8`,
	`builtins.elemAt (builtins.split "/" (toString ../data)) 6`,
	`toString (builtins.stringLength (builtins.replaceStrings [ "b" ] [ "" ] (toString ../.)))`,
	`builtins.replaceStrings [ "/" ] [ "_" ] (toString ../.)`,
	`baseNameOf self.outPath`,
	`baseNameOf (toString ../data)`,
	`builtins.head (builtins.sort builtins.lessThan [ "m" (baseNameOf self.outPath) ])`,
	`builtins.unsafeDiscardStringContext (toString (builtins.attrNames (builtins.getContext "${self}")))`,
	`toString (builtins.compareVersions (toString ../.) "/nix/store/m")`,
	`(builtins.parseDrvName (baseNameOf (toString ../.))).name`,
	`builtins.toFile "file" (toString ../.)`,
	`builtins.trace (toString ../.) "traced"`,
	`builtins.trace self.sourceInfo "traced"`,
	`builtins.toXML { path = toString ../.; }`,
	`toString (builtins.pathExists "/tmp/${baseNameOf self.outPath}")`,
	`toString (../. == /. + toString ../.)`,
	// An input that is locked: a tree of its own.
	`other.outPath`,
	`other.text`,
	`builtins.readFile "${other}/text"`,
	// What describes it.
	`self.narHash`,
	`self.sourceInfo.narHash`,
	`self.rev or "none"`,
	`self.shortRev or self.dirtyShortRev or "none"`,
	`toString (self.revCount or 0)`,
	`self.lastModifiedDate`,
	`if self ? rev then "clean" else "dirty"`,
	`toString (builtins.hasAttr "dirtyRev" self)`,
	`toString (builtins.attrNames self)`,
	`builtins.toJSON (builtins.attrNames (removeAttrs self.sourceInfo [ "outPath" ]))`,
	`let f = { rev ? "none", ... }: rev; in f self`,
	`let f = { rev ? "none", ... }@all: all.dirtyRev or rev; in f (self // { x = 1; })`,
	`with { rev = "none"; }; with self; rev`,
	`(self // { x = 1; }).rev or "none"`,
	`(removeAttrs self [ "outPath" ]).rev or "none"`,
	`toString (builtins.length (builtins.catAttrs "rev" [ self ]))`,
	`toString (builtins.attrNames (builtins.intersectAttrs { rev = 1; dirtyRev = 1; } self))`,
	`let inherit (self) lastModified; in toString lastModified`,
	`toString (self.sourceInfo == { })`,
	`lib.narHash or "relative"`,
	`lib.outPath`,
	// Another host.
	`self.nixosConfigurations.h0.config.text`,
	`"nothing"`,
}

// impureReaders fetch what is not locked, which pure evaluation forbids.
var impureReaders = []string{
	`(builtins.fetchTree { type = "path"; path = toString ../data; }).narHash`,
	`(builtins.getFlake "path:${toString ../lib}").outPath`,
}

// A flakeDir is a fleet whose hosts are systems of a flake.
type flakeDir struct {
	*fleetDir
	git    bool
	impure bool
	fetch  string
}

// newFlakeDir writes a flake with a host for each of some programs.
func newFlakeDir(t *testing.T, git bool, programs []string) *flakeDir {
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "a")
		t.Setenv("GIT_"+who+"_EMAIL", "a@example.org")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &flakeDir{fleetDir: &fleetDir{t: t, dir: dir, caches: filepath.Join(t.TempDir(), "eval")}, git: git, fetch: t.TempDir()}
	w.write("flake/flake.nix", `{
  inputs.lib.url = "path:./lib";
  inputs.other.url = "path:/nonexistent";
  outputs = { self, lib, other }: {
    nixosConfigurations = builtins.listToAttrs (map (file: let name = builtins.head (builtins.match "(.*)\\.nix" file); in {
      inherit name;
      value = lib.system { inherit name; module = args: import (./hosts + "/${file}") (args // { inherit self lib other; }); };
    }) (builtins.attrNames (builtins.readDir ./hosts)));
  };
}`)
	w.write("other/flake.nix", `{ outputs = { self }: { text = import ./text.nix; }; }`)
	w.write("other/text.nix", `builtins.readFile ./text`)
	w.write("other/text", "other")
	w.write("flake/flake.lock", fmt.Sprintf(otherLock, filepath.Join(dir, "other"), w.lock("other")))
	w.write("flake/lib/flake.nix", `{ outputs = { self }: { system = import ./system.nix; }; }`)
	w.write("flake/lib/system.nix", `{ name, module }: rec {
  config.text = module { inherit name; };
  config.system.build.toplevel = derivation { name = "system-${name}"; system = "x86_64-linux"; builder = "/bin/sh"; text = config.text; };
}`)
	w.write("flake/data/a", "a")
	w.write("flake/data/set.nix", `{ x = 1; file = __curPos.file; }`)
	cue := "package fleet\n"
	for i, program := range programs {
		w.write(fmt.Sprintf("flake/hosts/h%d.nix", i), "{ name, self, lib, other, ... }:\n"+program+"\n")
		cue += fmt.Sprintf("hosts: h%d: {host: \"192.0.2.%d\", flake: \"./flake#h%d\"}\n", i, i+1, i)
	}
	w.write("hosts.cue", cue)
	if git {
		w.run("git", "init", "-q")
		w.run("git", "add", "-A")
		w.run("git", "commit", "-qm", "first")
	}
	return w
}

// otherLock is a lock file with the path and the hash of the input other.
const otherLock = `{"nodes": {
  "lib": {"locked": {"path": "./lib", "type": "path"}, "original": {"path": "./lib", "type": "path"}, "parent": []},
  "other": {"locked": {"path": %[1]q, "type": "path", "narHash": %[2]q}, "original": {"path": "/nonexistent", "type": "path"}},
  "root": {"inputs": {"lib": "lib", "other": "other"}}}, "root": "root", "version": 7}
`

// lock returns the hash of a directory of the fleet.
func (w *flakeDir) lock(name string) string {
	w.t.Helper()
	tree, err := w.fetcher().Fetch(w.t.Context(), flake.Attrs{"type": "path", "path": filepath.Join(w.dir, name)}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return tree.Locked["narHash"].(string)
}

// fetcher keeps what it fetches in a directory of the test, and uses no store.
func (w *flakeDir) fetcher() *fetch.Fetcher {
	return &fetch.Fetcher{Dir: w.fetch, StoreDir: "/nonexistent", Registry: flake.Registry{}, TTL: -1}
}

// run runs a command in the flake.
func (w *flakeDir) run(name string, args ...string) {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join(w.dir, "flake")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
}

// evaluator is that of fleetDir with a fetcher.
func (w *flakeDir) evaluator() Embedded {
	w.t.Helper()
	fleet, err := schema.Load(w.t.Context(), filepath.Join(w.dir, "hosts.cue"), schema.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return Embedded{
		Options:     Options{Fleet: fleet, Impure: w.impure},
		Environment: Environment{Getenv: os.Getenv, NixVersion: "2.34.8", Fetcher: w.fetcher()},
		CacheDir:    w.caches,
	}
}

// compare evaluates with the cache and without, and returns the hosts that were evaluated
// because something has changed for them.
func (w *flakeDir) compare(what string) (fresh []string) {
	w.t.Helper()
	got := w.evaluate(w.evaluator())
	uncached := w.evaluator()
	uncached.CacheDir = ""
	want := w.evaluate(uncached)
	fresh = got.Fresh
	got.Fresh, want.Fresh = nil, nil
	if d := cmp.Diff(want, got); d != "" {
		w.t.Fatalf("%s: not as without a cache (-without +with):\n%s", what, d)
	}
	return fresh
}

// A tree of a flake is changed in 100 ways, 50 as a plain directory and 50 as a working tree
// of git: with the cache, the systems are those that an evaluation without finds. Some of the
// trees are evaluated impurely.
func TestTheCacheNeverLiesAboutFlakes(t *testing.T) {
	for name, c := range map[string]struct {
		git, impure bool
		changes     int
	}{
		"path":         {changes: *treeChanges},
		"git":          {git: true, changes: *treeChanges},
		"path, impure": {impure: true, changes: *treeChanges / 5},
		"git, impure":  {git: true, impure: true, changes: *treeChanges / 5},
	} {
		t.Run(name, func(t *testing.T) {
			readers := treeReaders
			if c.impure {
				readers = append(slices.Clone(treeReaders), impureReaders...)
			}
			w := newFlakeDir(t, c.git, readers)
			w.impure = c.impure
			rng := rand.New(rand.NewPCG(24, 3))
			cached := 0
			for i := range c.changes {
				what := w.change(rng)
				fresh := w.compare(fmt.Sprintf("%d: %s", i, what))
				cached += len(readers) - len(fresh)
			}
			if all := c.changes * len(readers); cached < all/4 {
				t.Errorf("only %d of %d systems came from the cache", cached, all)
			} else {
				t.Logf("%d of %d systems came from the cache", cached, all)
			}
		})
	}
}

// change changes something in the tree, and returns what.
func (w *flakeDir) change(rng *rand.Rand) string {
	names := []string{"data/a", "data/b", "data/dir", "data/dir/x", "data/m.nix", "new", "lib/other"}
	name := names[rng.IntN(len(names))]
	p := filepath.Join(w.dir, "flake", name)
	if dir := filepath.Join(w.dir, "flake/data/dir"); name == "data/dir/x" {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			os.RemoveAll(dir)
			os.Mkdir(dir, 0o755)
		}
	}
	kinds := 6
	if w.git {
		kinds = 10
	}
	switch rng.IntN(kinds) {
	case 0, 1:
		os.RemoveAll(p)
		w.write("flake/"+name, fmt.Sprint(rng.IntN(3)))
		return "write " + name
	case 2:
		os.RemoveAll(p)
		return "remove " + name
	case 3:
		if name == "data/m.nix" {
			return "nothing"
		}
		os.RemoveAll(p)
		os.Symlink("a", p)
		return "link " + name
	case 4:
		w.write("flake/data/set.nix", strings.Repeat("\n", rng.IntN(3))+fmt.Sprintf(`{ x = %d; file = __curPos.file; }`, rng.IntN(2)))
		return "write set.nix"
	case 5:
		lock := filepath.Join(w.dir, "flake/flake.lock")
		text, _ := os.ReadFile(lock)
		os.WriteFile(lock, append(text, '\n'), 0o644)
		return "append to flake.lock"
	case 6:
		w.run("git", "add", "-A")
		return "git add"
	case 7, 8:
		w.run("git", "add", "-A")
		w.run("git", "commit", "-qm", "next", "--allow-empty")
		return "git commit"
	default:
		w.run("git", "rm", "-rq", "--cached", "--ignore-unmatch", name)
		return "git rm --cached " + name
	}
}

// Of the hosts of a flake, those are evaluated again that depend on what has changed.
func TestUnchangedHostsOfFlakesAreNotEvaluated(t *testing.T) {
	w := newFlakeDir(t, true, []string{
		`builtins.readFile ../data/a + baseNameOf (toString ../data) + builtins.seq self.outPath ""`,
		`if self ? rev then self.rev else "dirty"`,
		`"${../data}"`,
		`other.text`,
	})
	step := func(what string, change func(), fresh ...string) {
		t.Helper()
		change()
		if got := w.compare(what); !slices.Equal(got, fresh) {
			t.Errorf("%s: evaluated %v, want %v", what, got, fresh)
		}
	}
	git := func(args ...string) func() { return func() { w.run("git", args...) } }
	write := func(name, text string) func() { return func() { w.write("flake/"+name, text) } }
	step("the first time", func() {}, "h0", "h1", "h2", "h3")
	step("nothing", func() {})
	step("a host's file", write("hosts/h3.nix", `{ ... }: "changed"`), "h1", "h3")
	step("the same again", write("hosts/h3.nix", `{ ... }: "again"`), "h3")
	step("a file that git does not know", write("data/new", ""))
	step("git knows it", git("add", "-A"), "h2")
	step("a file that a host reads", write("data/a", "b"), "h0", "h2")
	step("a file that all hosts read", func() { w.edit("flake/lib/system.nix", "system-", "system.") }, "h0", "h1", "h2", "h3")
	step("a commit", git("commit", "-qam", "next"), "h1")
	step("another", git("commit", "-qm", "next", "--allow-empty"), "h1")
	step("a file in a directory that all hosts list", func() { write("hosts/more.nix", "")(); w.run("git", "add", "-A") }, "h0", "h1", "h2", "h3")
	step("flake.nix", func() { w.edit("flake/flake.nix", "outputs =", "description = \"hosts\"; outputs =") }, "h0", "h1", "h2", "h3")
}

// A program compares the path of a tree with one that it gets from elsewhere: that the tree
// becomes the one of that path is seen.
func TestATreeThatBecomesAnotherIsSeen(t *testing.T) {
	w := newFlakeDir(t, false, []string{
		`if builtins.unsafeDiscardStringContext self.outPath == builtins.getEnv "TREE" then "equal" else "other"`,
		`if builtins.elem (toString ../.) [ (builtins.getEnv "TREE") ] then "equal" else "other"`,
	})
	w.impure = true // pure evaluation has no environment
	w.write("flake/data/a", "the other")
	tree, err := w.fetcher().Fetch(t.Context(), flake.Attrs{"type": "path", "path": filepath.Join(w.dir, "flake")}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TREE", string(tree.Path))
	w.write("flake/data/a", "the first")
	w.compare("the first tree")
	w.write("flake/data/a", "the other")
	if fresh := w.compare("the other tree"); len(fresh) != 2 {
		t.Errorf("only %v were evaluated again", fresh)
	}
}
