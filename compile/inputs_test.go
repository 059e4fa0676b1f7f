package compile

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

// The trees that inputs are tested with: flakes that use each other, and one that is none.
var inputTrees = map[string]string{
	"dep/flake.nix":     `{ outputs = { self }: { value = "dep"; rev = "an output wins over nothing"; }; }`,
	"lib/sub/flake.nix": `{ inputs.dep.url = "github:nobody/dep"; outputs = { self, dep, ... }: { value = "lib of ${dep.value}"; }; }`,
	"tree/name":         "tree",
	"root/info.nix": `inputs: let
	  names = set: builtins.attrNames (builtins.removeAttrs set [ "inputs" "outputs" "self" "sourceInfo" "_type" ]);
	  info = input: {
	    names = names input;
	    source = names (input.sourceInfo or input);
	    top = builtins.unsafeDiscardStringContext "${input.sourceInfo or input}";
	    time = [ (input.lastModified or null) (input.lastModifiedDate or null) ];
	    of = [ (input.narHash or null) (input.rev or null) (input.shortRev or null) (input.revCount or null) ];
	  };
	in {
	  dep = info inputs.dep // { inherit (inputs.dep) value; };
	  lib = info inputs.lib // { inherit (inputs.lib) value; same = inputs.lib.inputs.dep.outPath == inputs.dep.outPath; };
	  tree = info inputs.tree // { text = builtins.readFile (inputs.tree + "/name"); };
	  repo = info inputs.repo // { inherit (inputs.repo) value; };
	}`,
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE=2024-02-29T12:34:56Z", "GIT_COMMITTER_DATE=2024-02-29T12:34:56Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// writeInputTrees makes the trees with an archive each, and a Git repository.
func writeInputTrees(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range inputTrees {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dep", "lib", "tree"} {
		run(t, dir, "tar", "-czf", name+".tar.gz", "--mtime=2001-09-09 01:46:40Z", name)
	}
	run(t, dir, "cp", "-r", "dep", "repo")
	for _, args := range []string{"init -q -b main", "add .", "-c user.name=a -c user.email=a@b commit -q -m one", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m two"} {
		run(t, filepath.Join(dir, "repo"), "git", strings.Fields(args)...)
	}
	return dir
}

// inputsFile writes the function that makes inputs, and returns its name.
func writeInputsNix(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "inputs.nix")
	if err := os.WriteFile(name, syntax.Format(&syntax.File{Expr: inputsText()}), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// The inputs that a flake.lock pins have the values that Nix gives them where it evaluates
// the flake itself. Nix 2.8, which is here, differs from later ones in three: it has no
// _type, no sourceInfo of trees, and no directory of a flake in its outPath.
func TestInputsAreWhatNixMakesOfAFlakeLock(t *testing.T) {
	dir := writeInputTrees(t)
	root := filepath.Join(dir, "root")
	flake := `{
	  inputs.dep.url = "file://` + dir + `/dep.tar.gz";
	  inputs.lib = { url = "file://` + dir + `/lib.tar.gz?dir=sub"; inputs.dep.follows = "dep"; };
	  inputs.tree = { url = "file://` + dir + `/tree.tar.gz"; flake = false; };
	  inputs.repo.url = "git+file://` + dir + `/repo?ref=main";
	  outputs = inputs: { info = import ./info.nix inputs; };
	}`
	if err := os.WriteFile(filepath.Join(root, "flake.nix"), []byte(flake), 0o644); err != nil {
		t.Fatal(err)
	}
	instantiate(t, "1") // skips where there is no Nix
	registry := filepath.Join(dir, "registry.json")
	if err := os.WriteFile(registry, []byte(`{"flakes": [], "version": 2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	nix := func(args ...string) string {
		return run(t, root, "nix", append([]string{"--extra-experimental-features", "nix-command flakes", "--flake-registry", registry}, args...)...)
	}
	nix("flake", "lock", "path:"+root)
	want := nix("eval", "--json", "path:"+root+"#info")
	want = want[strings.Index(want, "{"):]
	for _, features := range []string{"", "flakes"} {
		got := instantiate(t, `import `+root+`/info.nix (import `+writeInputsNix(t)+` { self = `+root+`; lock = `+root+`/flake.lock; pins = { }; })`,
			"NIX_CONFIG=experimental-features = "+features)
		if d := cmp.Diff(decodeJSON(t, []byte(want)), decodeJSON(t, got)); d != "" {
			t.Errorf("with %q (-nix +ours):\n%s", features, d)
		}
	}
	later := instantiate(t, `let inputs = import `+writeInputsNix(t)+` { self = `+root+`; lock = `+root+`/flake.lock; pins = { }; }; in
		[ inputs.lib._type inputs.tree.sourceInfo.narHash (inputs.lib.outPath == inputs.lib.sourceInfo.outPath + "/sub") ]`)
	if want := `["flake","` + hashPath(t, dir+"/tree") + `",true]`; string(later) != want {
		t.Errorf("as later versions of Nix: %s, want %s", later, want)
	}
}

func hashPath(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(run(t, ".", "nix", "--extra-experimental-features", "nix-command", "hash", "path", name))
}

func decodeJSON(t *testing.T, data []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return v
}

// Pins of the inventory, and those of other lock files, lead to the same trees.
func TestInputsOfOtherPins(t *testing.T) {
	dir := writeInputTrees(t)
	maker := writeInputsNix(t)
	instantiate(t, "1")
	hash := func(name string) string { return hashPath(t, filepath.Join(dir, name)) }
	rev := strings.TrimSpace(run(t, filepath.Join(dir, "repo"), "git", "rev-parse", "HEAD"))
	// The text of tree/name, which is "tree".
	fileHash := "sha256-" + base64.StdEncoding.EncodeToString(func() []byte { sum := sha256.Sum256([]byte("tree")); return sum[:] }())
	tarball := func(name string) string { return "file://" + dir + "/" + name + ".tar.gz" }
	for _, tt := range []struct{ name, lock, pins, expr, want string }{
		{
			"pins", "",
			`{ dep = { locked = { type = "tarball"; url = "` + tarball("dep") + `"; narHash = "` + hash("dep") + `"; }; flake = true; };
			  lib = { locked = { type = "path"; path = ` + dir + `/lib; dir = "sub"; }; follows.dep = [ "dep" ]; flake = true; };
			  again = { locked = { type = "path"; path = ` + dir + `/lib; dir = "sub"; }; follows.dep = [ "lib" "dep" ]; flake = true; };
			  tree = { locked = { type = "git"; url = "file://` + dir + `/repo"; rev = "` + rev + `"; }; flake = false; }; }`,
			`[ inputs.lib.value inputs.again.value (builtins.readFile (inputs.tree.outPath + "/flake.nix") == builtins.readFile ` + dir + `/dep/flake.nix) inputs.tree.shortRev (inputs.self.outPath == ` + dir + `) ]`,
			`["lib of dep","lib of dep",true,"` + rev[:7] + `",true]`,
		},
		{
			"npins", `{"pins": {"dep": {"type": "Channel", "url": "` + tarball("dep") + `", "hash": "` + hash("dep") + `"},
				"tree": {"type": "Git", "repository": {"type": "Git", "url": "file://` + dir + `/repo"}, "revision": "` + rev + `", "url": null, "hash": "x"}}, "version": 3}`,
			`{ dep = { flake = true; }; }`,
			`[ inputs.dep.value (builtins.pathExists (inputs.tree.outPath + "/flake.nix")) inputs.tree.revision ]`, `["dep",true,"` + rev + `"]`,
		},
		{
			"npins 8", `{"pins": {
				"link": {"type": "Url", "url": "` + tarball("tree") + `", "unpack": true, "hash": "` + hash("tree") + `"},
				"moves": {"type": "MutableUrl", "update_url": "https://example.org/x", "url": "file://` + dir + `/tree/name", "unpack": false, "hash": "` + fileHash + `"},
				"sub": {"type": "Git", "repository": {"type": "Git", "url": "file://` + dir + `/repo"}, "branch": "main", "submodules": true, "revision": "` + rev + `", "url": "https://example.org/unused.tar.gz", "hash": "x", "frozen": true},
				"image": {"type": "Container", "image_name": "ubuntu", "image_tag": "latest", "image_digest": "sha256:00", "hash": "x"},
				"odd": {"type": "Later", "hash": "x"}}, "version": 8}`,
			`{ }`,
			`[ (builtins.readFile (inputs.link + "/name")) (builtins.readFile inputs.moves.outPath) (builtins.substring 44 99 inputs.sub.outPath) (inputs.image ? outPath) inputs.image.image_tag (builtins.tryEval inputs.odd.outPath).success ]`,
			`["tree","tree","repo-` + rev[:7] + `",false,"latest",false]`,
		},
		{
			"npins 7", `{"pins": {
				"plain": {"type": "Tarball", "url": "` + tarball("tree") + `", "locked_url": null, "hash": "` + hash("tree") + `"},
				"locked": {"type": "Tarball", "url": "https://example.org/moves", "locked_url": "` + tarball("tree") + `", "hash": "` + hash("tree") + `"},
				"release": {"type": "GitRelease", "repository": {"type": "GitHub", "owner": "a", "repo": "b"}, "pre_releases": false, "version_upper_bound": null, "release_prefix": null, "submodules": false, "version": "1", "revision": "` + rev + `", "url": "` + tarball("tree") + `", "hash": "` + hash("tree") + `"}}, "version": 7}`,
			`{ }`,
			`map (pin: builtins.readFile (pin + "/name")) [ inputs.plain inputs.locked inputs.release ]`, `["tree","tree","tree"]`,
		},
		{
			"lon odd", `{"version": "1", "sources": {"tag": {"type": "Git", "fetchType": "git", "frozen": true, "revision": "` + rev + `", "url": "file://` + dir + `/repo"},
				"odd": {"type": "Forgejo", "fetchType": "later"}}}`,
			`{ }`,
			`[ (builtins.pathExists (inputs.tag + "/flake.nix")) (builtins.tryEval inputs.odd.outPath).success ]`, `[true,false]`,
		},
		{
			"niv odd", `{"my tree": {"type": "tarball", "url": "` + tarball("tree") + `", "sha256": "` + hash("tree") + `", "builtin": false, "branch": "main", "url_template": "https://example.org/<rev>.tar.gz"},
				"name": {"type": "file", "url": "file://` + dir + `/tree/name", "sha256": "` + fileHash + `"},
				"repo": {"type": "git", "repo": "file://` + dir + `/repo", "branch": "main", "rev": "` + rev + `"},
				"root": {"type": "local", "path": "` + dir + `/tree"}, "odd": {"type": "later"}}`,
			`{ }`,
			`[ (builtins.readFile (inputs."my tree" + "/name")) (builtins.substring 44 99 inputs."my tree".outPath) (builtins.readFile inputs.name.outPath) (builtins.substring 44 99 inputs.name.outPath)
			   (builtins.pathExists (inputs.repo + "/flake.nix")) (builtins.readFile (inputs.root + "/name")) (builtins.tryEval inputs.odd.outPath).success ]`,
			`["tree","my-tree-src","tree","name-src",true,"tree",false]`,
		},
		{
			"lon", `{"version": "1", "sources": {"tree": {"type": "GitHub", "fetchType": "tarball", "url": "` + tarball("tree") + `", "hash": "` + hash("tree") + `"},
				"repo": {"type": "Git", "fetchType": "git", "branch": "main", "revision": "` + rev + `", "url": "file://` + dir + `/repo"}}}`,
			`{ }`,
			`[ (builtins.readFile (inputs.tree + "/name")) (builtins.pathExists (inputs.repo + "/flake.nix")) ]`, `["tree",true]`,
		},
		{
			"niv", `{"tree": {"type": "tarball", "url": "` + tarball("tree") + `", "sha256": "` + hash("tree") + `"}, "here": {"type": "local", "path": "tree"}}`,
			`{ }`,
			`[ (builtins.readFile (inputs.tree + "/name")) (builtins.readFile (inputs.here + "/name")) ]`, `["tree","tree"]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lock := "null"
			if tt.lock != "" {
				lock = filepath.Join(t.TempDir(), "lock.json")
				if err := os.WriteFile(lock, []byte(tt.lock), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := instantiate(t, `let inputs = import `+maker+` { self = `+dir+`; lock = `+lock+`; pins = `+tt.pins+`; }; in `+tt.expr)
			if d := cmp.Diff(decodeJSON(t, []byte(tt.want)), decodeJSON(t, got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// An input is written as a lock of flakes would have it, whatever its kind, in every
// format that has words for what the fleet says.
func TestPinsAreWrittenAsLocks(t *testing.T) {
	f, err := schema.Load(t.Context(), "testdata/inputs/fleet.cue", schema.Options{Nix: CheckNix})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []Format{Muster, Colmena} {
		t.Run(string(format), func(t *testing.T) {
			file, err := Network(f, Options{Format: format})
			if err != nil {
				t.Fatal(err)
			}
			// The function that makes inputs is the same in all.
			text := strings.Replace(string(syntax.Format(file)), exprLines(t), "…", 1)
			golden := filepath.Join("testdata/inputs", string(format)+".nix")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("(-want +got; -update accepts it):\n%s", diff)
			}
		})
	}
	for format, want := range map[Format]string{
		Flake: "nixpkgs of host a: the format flake has one nixpkgs for all hosts",
		Morph: "special_args: the format morph has none",
	} {
		if _, err := Network(f, Options{Format: format}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", format, err, want)
		}
	}
}

// exprLines are the lines of the function that makes inputs, as a let binding has them.
func exprLines(t *testing.T) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(exprText(inputsText())), "\n")
	for i, line := range lines {
		if i > 0 && line != "" {
			lines[i] = "    " + line
		}
	}
	return strings.Join(lines, "\n")
}
