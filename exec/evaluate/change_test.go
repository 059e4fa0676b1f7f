package evaluate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
)

// reader is a module that says what everything that evaluation may read is like:
// files, directories, links, kinds of files, what is missing, sources and filtered
// sources, the environment, the search path, the working directory, positions.
const reader = `{ common, ... }:
let
  d = toString ./data;
  kind = name: (builtins.readDir ./data).${name} or "none";
  readable = name: kind name == "regular" || kind name == "symlink" && builtins.pathExists "${d}/${name}/." == false && builtins.pathExists "${d}/target";
  text = name: if readable name then builtins.readFile (d + "/${name}") else "no ${name}";
  found = name: list: let r = builtins.tryEval (builtins.findFile list name); in if r.success then toString r.value else "not found";
  names = [ "a" "b" "link" "dir" "b\xff" ];
in
{
  say = builtins.concatStringsSep "\n" (
    map text names
    ++ map kind names
    ++ builtins.attrNames (builtins.readDir ./data)
    ++ map (n: if builtins.pathExists (d + "/" + n) then "there" else "missing") (names ++ [ "dir/x" "dir/" "gone" ])
    ++ map (n: if kind n == "none" then "" else builtins.readFileType (d + "/" + n)) names
    ++ [
      (builtins.getEnv "MUSTER_TEST")
      (builtins.getEnv "MUSTER_OTHER")
      "${./data}"
      "${builtins.filterSource (p: t: t != "directory" && baseNameOf p != "a") ./data}"
      "${builtins.path { path = ./data; name = "x"; filter = p: t: baseNameOf p != "b"; }}"
      (found "n" builtins.nixPath)
      (found "m/x" builtins.nixPath)
      (found "n" [ { path = "."; prefix = ""; } { path = "data"; prefix = "n"; } ])
      (builtins.toJSON builtins.nixPath)
      (if readable "a" then builtins.hashFile "sha256" ./data/a else "")
      (if kind "m.nix" == "regular" then toString (import ./data/m.nix) else "no module")
      (if kind "dir" == "directory" && builtins.pathExists ./data/dir/default.nix && builtins.readFileType ./data/dir/default.nix == "regular" then toString (import ./data/dir) else "no directory")
      "${toString (builtins.unsafeGetAttrPos "x" { x = 1; }).line}"
    ]
  );
}
`

// Whatever an evaluation may read is changed in 100 ways: with the cache, the systems
// are those that an evaluation without finds.
func TestTheCacheNeverLies(t *testing.T) {
	w := newFleetDir(t)
	w.write("b.nix", strings.Replace(reader, `\xff`, "\xff", 1))
	w.write("hosts.cue", `package fleet
nixpkgs: path: "tree"
hosts: a: {host: "10.0.0.1", nix: "{ say = toString (builtins.attrNames { a = 1; }); }"}
hosts: b: {host: "10.0.0.2", imports: ["b.nix"]}
hosts: c: {host: "10.0.0.3", config: say: {$expr: "let p = builtins.unsafeGetAttrPos \"x\" { x = 1; }; in toString ./data + (if p == null then \"\" else p.file)"}}
`)
	w.write("data/a", "a")
	other := t.TempDir()
	rng := rand.New(rand.NewPCG(24, 6))
	path := []string{"n=."}
	name := func() string {
		return filepath.Join(w.dir, "data", []string{"a", "b", "link", "dir", "dir/x", "dir/default.nix", "m.nix", "b\xff", "target", "new\xfe"}[rng.IntN(10)])
	}
	changes := []func() string{
		func() string {
			n := name()
			os.RemoveAll(n)
			os.MkdirAll(filepath.Dir(n), 0o755)
			os.WriteFile(n, []byte(fmt.Sprint(rng.IntN(3))), 0o644)
			return "write " + n
		},
		func() string { n := name(); os.RemoveAll(n); return "remove " + n },
		func() string { n := name(); os.RemoveAll(n); os.MkdirAll(n, 0o755); return "directory " + n },
		func() string {
			n := name()
			if base := filepath.Base(n); base == "m.nix" || base == "default.nix" || base == "target" {
				return "nothing"
			}
			os.RemoveAll(n)
			os.Symlink("target", n)
			return "link " + n
		},
		func() string { n := name(); os.Chmod(n, 0o755); return "executable " + n },
		func() string { v := fmt.Sprint(rng.IntN(2)); t.Setenv("MUSTER_TEST", v); return "MUSTER_TEST=" + v },
		func() string { v := fmt.Sprint(rng.IntN(2)); t.Setenv("MUSTER_OTHER", v); return "MUSTER_OTHER=" + v },
		func() string {
			dir := []string{w.dir, filepath.Join(w.dir, "tree"), other}[rng.IntN(3)]
			t.Chdir(dir)
			return "cd " + dir
		},
		func() string {
			path = [][]string{{"n=."}, {"n=data", "m=."}, {"n=data m=."}, {"n=data m", "."}, {"n=data", "m=data/dir"}}[rng.IntN(5)]
			return fmt.Sprintf("NIX_PATH %q", path)
		},
		func() string {
			lines := strings.Repeat("\n", rng.IntN(3))
			w.write("b.nix", lines+strings.Replace(reader, `\xff`, "\xff", 1))
			return "lines before b.nix"
		},
	}
	cached := 0
	for i := range 100 {
		what := changes[rng.IntN(len(changes))]()
		evaluator := func() Embedded {
			e := w.evaluator()
			e.Environment.SearchPath = path
			return e
		}
		got := w.evaluate(evaluator())
		uncached := evaluator()
		uncached.CacheDir = ""
		want := w.evaluate(uncached)
		cached += len(want.Fresh) - len(got.Fresh)
		got.Fresh, want.Fresh = nil, nil
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%d: %s: not as without a cache (-without +with):\n%s", i, what, d)
		}
	}
	if cached < 50 {
		t.Errorf("only %d of 300 systems came from the cache", cached)
	}
}

// Search paths that differ only in where one entry ends have different keys.
func TestSettingsHaveKeysOfTheirOwn(t *testing.T) {
	key := func(entries ...string) string { return settingsKey(eval.Options{NixPath: searchEntries(entries)}) }
	if a, b := key("a=b c"), key("a b=c"); a == b {
		t.Errorf("a=b c and a b=c have the key %s", a)
	}
	if a, b := key("a=b", "c=d"), key("a=b} {c=d"); a == b {
		t.Errorf("two entries and one have the key %s", a)
	}
}
