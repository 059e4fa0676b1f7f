package evaluate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/compile/eval"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/compile/store"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
)

var (
	publicMirrors = flag.String("public-mirrors", "", "compare the public flakes whose git directories are here, as OWNER+NAME/repo")
	publicNix     = flag.String("public-nix", "nix", "the Nix to compare with, with what NIX_REMOTE says as its root")
	publicOnly    = flag.String("public-only", ".", "compare only the repositories that this regular expression matches")
	publicHosts   = flag.Int("public-hosts", 3, "compare this many configurations of each kind")
	publicNixpkgs = flag.String("public-nixpkgs", "", "take this tree of nixpkgs, which has all of it, in place of the stand-in")
	publicDir     = flag.String("public-dir", "", "keep the trees here")
)

// TestPublicFlakes evaluates the outputs of the public flakes in testdata/public.txt with the embedded evaluator and
// with Nix 2.34, and compares values, derivations and errors with their places. The inputs that have a mirror are real,
// at the locked commit where the mirror has it; the others are stubs, the same for both (testdata/public is nixpkgs).
func TestPublicFlakes(t *testing.T) {
	if *publicMirrors == "" {
		t.Skip("needs -public-mirrors")
	}
	text, err := os.ReadFile("testdata/public.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := newPublicInputs(t, string(text))
	fmt.Printf("%-40s %-14s %9s %6s %6s\n", "repository", "commit", "compared", "equal", "other")
	for line := range strings.Lines(string(text)) {
		repo, commit, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || repo == "#" || !regexp.MustCompile(*publicOnly).MatchString(repo) {
			continue
		}
		t.Run(repo, func(t *testing.T) {
			c := &publicCase{t: t, inputs: p, dir: p.flake(t, repo, commit)}
			c.compare()
			fmt.Printf("%-40s %-14s %9d %6d %6d\n", repo, commit, c.compared, c.equal, c.compared-c.equal)
		})
	}
}

// publicInputs makes trees of the mirrors and stubs.
type publicInputs struct {
	dir     string
	mirrors map[string]string // git directory by owner/name in lower case
	nixpkgs string
	stub    string
	hashes  map[string]string // of trees, as lock files have them
}

func newPublicInputs(t *testing.T, table string) *publicInputs {
	p := &publicInputs{dir: *publicDir, mirrors: map[string]string{}, hashes: map[string]string{}}
	if p.dir == "" {
		p.dir = t.TempDir()
	}
	dirs, err := filepath.Glob(*publicMirrors + "/*/repo")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no mirrors", err)
	}
	for _, d := range dirs {
		owner, name, _ := strings.Cut(filepath.Base(filepath.Dir(d)), "+")
		p.mirrors[strings.ToLower(owner+"/"+name)] = d
	}
	for now, names := range movedRepositories {
		for _, name := range names {
			p.mirrors[name] = p.mirrors[now]
		}
	}
	p.stub = filepath.Join(p.dir, "stub")
	p.nixpkgs = filepath.Join(p.dir, "nixpkgs")
	if *publicNixpkgs != "" {
		p.realNixpkgs(t)
		p.packages(t, table)
		return p
	}
	if err := os.CopyFS(p.nixpkgs, os.DirFS("testdata/public")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	lib := p.tree(t, "nix-community/nixpkgs.lib", "")
	if err := os.CopyFS(filepath.Join(p.nixpkgs, "lib"), os.DirFS(filepath.Join(lib, "lib"))); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	p.everything(t)
	p.packages(t, table)
	return p
}

// everything changes the module system of the stand-in: options that nobody declares are as lazy as others, each
// evaluated when something asks for it.
func (p *publicInputs) everything(t *testing.T) {
	name := filepath.Join(p.nixpkgs, "lib/modules.nix")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const plain = "recursiveUpdate freeformConfig declaredConfig;"
	const lazy = `if declaredConfig._module.freeformType.name != "everything" then
          recursiveUpdate freeformConfig declaredConfig
        else
          let
            stub = declaredConfig._stub;
            isTree = all (d: isAttrs d.value && !(d.value ? outPath) && !(d.value ? _type));
            below =
              at: options: defs:
              let
                pushed = concatMap (d: map (value: { inherit (d) file; inherit value; }) (pushDownProperties d.value)) defs;
                names = foldl' (all: d: all // d.value) (stub.names at // options) pushed;
              in
              mapAttrs (
                name: _:
                let
                  path = at ++ [ name ];
                  here = map (d: { inherit (d) file; value = d.value.${name}; }) (filter (d: d.value ? ${name}) pushed);
                in
                if options ? ${name} then
                  (if isOption options.${name} then options.${name}.value else below path options.${name} here)
                else if length path < 5 && isTree (concatMap (d: map (value: { inherit value; }) (pushDownProperties d.value)) here) then
                  stub.value path // below path { } here
                else
                  (mergeDefinitions path declaredConfig._module.freeformType here).optionalValue.value or { }
              ) names;
          in
          below prefix options (map (m: { file = m._file; value = m.config; }) (reverseList (doCollect { }).modules));`
	if strings.Contains(string(text), lazy) {
		return
	}
	if !strings.Contains(string(text), plain) {
		t.Fatalf("%s: no %q", name, plain)
	}
	os.Chmod(name, 0o644)
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), plain, lazy, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// movedRepositories are names by which lock files know a repository too.
var movedRepositories = map[string][]string{
	"nix-community/home-manager": {"rycee/home-manager"},
	"nix-community/srvos":        {"numtide/srvos"},
	"zhaofengli/colmena":         {"nix-community/colmena"},
	"cachix/git-hooks.nix":       {"cachix/pre-commit-hooks.nix"},
}

// realNixpkgs makes a tree of hard links to the given nixpkgs, with the names that the flakes mention and it lacks as
// packages that do nothing, and without the error that an option does not exist: flakes may want a newer one.
func (p *publicInputs) realNixpkgs(t *testing.T) {
	if _, err := os.Stat(p.nixpkgs); err == nil {
		return
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-al", *publicNixpkgs, p.nixpkgs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for file, change := range map[string][2]string{
		"pkgs/top-level/default.nix": {"inherit lib localSystem crossSystem config overlays crossOverlays;", `inherit lib localSystem crossSystem config crossOverlays;
    overlays = overlays ++ [
      (final: prev: builtins.listToAttrs (map (name: { inherit name; value = final.runCommand name { version = "1"; } ""; }) (
        builtins.filter (name: !(prev ? ${name})) (builtins.fromJSON (builtins.readFile ../../names.json)))))
    ];`},
		"nixos/lib/eval-config.nix": {"inherit noUserModules baseModules extraModules modules;\n      };", "inherit noUserModules baseModules extraModules modules;\n      };\n      _module.check = lib.mkDefault false;"},
	} {
		name := filepath.Join(p.nixpkgs, file)
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), change[0]) {
			t.Logf("%s is left as it is: %v", file, err)
			continue
		}
		os.Remove(name) // the link
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), change[0], change[1], 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	packageName = regexp.MustCompile(`pkgs\.([a-zA-Z_][\w-]*)|(?m:^\s*([a-zA-Z_][\w-]*),?(?:\s*#.*)?$)|(?m:^\s*, ([a-zA-Z_][\w-]*)$)`)
	ofFlakes    = regexp.MustCompile(`^(outPath|outputs|types|lib|overlays|inputs|lock|locked|source|url|flake|localSystem|shortRev|follows|legacyPackages|x86_64-linux)$`)
	stubModule  = regexp.MustCompile(`(nixosModules?|homeManagerModules?|homeModules?|darwinModules?|flakeModules?|overlays)\.([a-zA-Z_][\w-]*)`)
	packageList = regexp.MustCompile(`with pkgs;\s*(?:\(|\[)([^\])]*)`)
	packageWord = regexp.MustCompile(`[a-zA-Z_][\w-]*`)
	packagePart = regexp.MustCompile(`pkgs\.([a-zA-Z_][\w-]*)\.([a-zA-Z_][\w-]*)|(?m:^\s*([a-zA-Z_][\w-]*)\.([a-zA-Z_][\w-]*)(?:\s*#.*)?$)`)
	ofPackages  = regexp.MustCompile(`^(override|overrideAttrs|outPath|meta|version|pname|name|passthru|src|lib|drvPath|type|outputs|system|pkgs|buildPhase)$`)
	anOption    = regexp.MustCompile(`\b(services|programs)\.([a-zA-Z_][\w-]*)\.`)
	modulePath  = regexp.MustCompile(`(?:modulesPath\s*(?:\}|\+)\s*"?|nixos/modules)(/[\w./-]+)`)
	ofStub      = regexp.MustCompile(`packages\.(?:\$\{[^}]*\}|x86_64-linux)\.([a-zA-Z_][\w-]*)`)
)

// packages writes the names of the packages and the NixOS modules that the flakes mention, for the stub of nixpkgs.
func (p *publicInputs) packages(t *testing.T, table string) {
	names, modules := map[string]bool{"hello": true}, map[string]string{}
	packages := map[string]bool{"default": true}
	parts, options := map[string]map[string]bool{}, map[string]map[string]bool{"services": {}, "programs": {}}
	stubs := map[string]bool{"nixosModules.default": true, "homeManagerModules.default": true, "homeModules.default": true, "overlays.default": true}
	for line := range strings.Lines(table + "\nnix-community/home-manager HEAD\n") {
		repo, commit, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || repo == "#" {
			continue
		}
		err := filepath.WalkDir(p.tree(t, repo, commit), func(file string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || filepath.Ext(file) != ".nix" {
				return err
			}
			text, err := os.ReadFile(file)
			for _, m := range packageName.FindAllSubmatch(text, -1) {
				// A bare word may be the name of an argument, which a real package would take.
				if name := bytes.Join(m[1:], nil); !ofFlakes.Match(name) && (*publicNixpkgs == "" || len(m[1]) > 0) {
					names[string(name)] = true
				}
			}
			for _, m := range packageList.FindAllSubmatch(text, -1) {
				for _, word := range packageWord.FindAll(m[1], -1) {
					if *publicNixpkgs == "" && !ofFlakes.Match(word) {
						names[string(word)] = true
					}
				}
			}
			for _, m := range packagePart.FindAllSubmatch(text, -1) {
				set, part := string(m[1])+string(m[3]), string(m[2])+string(m[4])
				if ofFlakes.MatchString(set) || ofPackages.MatchString(part) {
					continue
				}
				if parts[set] == nil {
					parts[set] = map[string]bool{}
				}
				parts[set][part] = true
			}
			for _, m := range anOption.FindAllSubmatch(text, -1) {
				options[string(m[1])][string(m[2])] = true
			}
			for _, m := range modulePath.FindAllSubmatch(text, -1) {
				name := "nixos/modules" + string(m[1])
				if filepath.Ext(name) != ".nix" {
					name += "/default.nix"
				}
				if !strings.Contains(name, "..") {
					modules[name] = "{ }\n"
				}
			}
			for _, m := range stubModule.FindAllSubmatch(text, -1) {
				stubs[string(m[1])+"."+string(m[2])] = true
			}
			for _, m := range ofStub.FindAllSubmatch(text, -1) {
				packages[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, _ := json.Marshal(slices.Sorted(maps.Keys(names)))
	modules["nixos/modules/installer/scan/not-detected.nix"] = "{ }\n"
	for name := range modules { // those that are there stay
		if _, err := os.Stat(filepath.Join(p.nixpkgs, name)); err == nil {
			delete(modules, name)
		}
	}
	modules["names.json"] = string(text)
	modules["parts.json"] = namesOf(parts)
	modules["options.json"] = namesOf(options)
	writeTree(t, p.nixpkgs, modules)
	var b strings.Builder
	for _, at := range slices.Sorted(maps.Keys(stubs)) {
		switch kind, _, _ := strings.Cut(at, "."); kind {
		case "overlays":
			fmt.Fprintf(&b, "    %s = _: _: { };\n", at)
		case "nixosModule", "nixosModules", "darwinModules":
			fmt.Fprintf(&b, "    %s = { };\n", at)
		case "flakeModule", "flakeModules":
			fmt.Fprintf(&b, "    %s = %s;\n", at, stubFlakeModule)
		default: // of home-manager, which takes no option that is not declared
			fmt.Fprintf(&b, "    %s = { lib, ... }: { _module.check = lib.mkForce false; };\n", at)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(&b, "    packages.x86_64-linux.%[1]s = derivation { name = %[1]q; system = \"x86_64-linux\"; builder = \"/bin/sh\"; };\n", name)
	}
	writeTree(t, p.stub, map[string]string{
		"flake.nix":   "{\n  outputs = _: {\n" + b.String() + "    flakeModule = " + stubFlakeModule + ";\n    nixosModule = { };\n    overlay = _: _: { };\n    lib = { };\n  };\n}\n",
		"default.nix": "{ }\n",
	})
}

// stubFlakeModule is a module of flake-parts that takes options of which nothing is known.
const stubFlakeModule = "{ lib, ... }: { _module.check = lib.mkForce false; perSystem = { lib, ... }: { _module.check = lib.mkForce false; }; }"

// namesOf is JSON for the names in sets of them.
func namesOf(sets map[string]map[string]bool) string {
	lists := map[string][]string{}
	for name, set := range sets {
		lists[name] = slices.Sorted(maps.Keys(set))
	}
	text, _ := json.Marshal(lists)
	return string(text)
}

// tree checks a commit of a repository out, once. Without a commit, or with one that the mirror lacks, it is the newest.
func (p *publicInputs) tree(t *testing.T, repo, commit string) string {
	t.Helper()
	mirror := p.mirrors[strings.ToLower(repo)]
	if mirror == "" {
		t.Fatalf("no mirror of %s", repo)
	}
	run := func(dir string, args ...string) error {
		cmd := exec.Command("git", append([]string{"--git-dir=" + mirror, "--work-tree=" + dir}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_INDEX_FILE="+dir+".index", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		return cmd.Run()
	}
	if commit == "" || run(p.dir, "cat-file", "-e", commit) != nil {
		commit = "HEAD"
	}
	out, err := exec.Command("git", "--git-dir="+mirror, "rev-parse", commit).Output()
	if err != nil {
		t.Fatal(repo, commit, err)
	}
	dir := filepath.Join(p.dir, "tree", strings.ToLower(strings.ReplaceAll(repo, "/", "+"))+"-"+string(out[:12]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, "read-tree", string(out[:40])); err != nil {
		t.Fatal(repo, commit, err)
	}
	run(dir, "checkout-index", "--all", "--quiet") // files that the mirror lacks stay away
	return dir
}

// flake makes a git repository of a flake whose lock file has the trees and stubs for its inputs.
func (p *publicInputs) flake(t *testing.T, repo, commit string) string {
	dir := filepath.Join(p.dir, "flake", strings.ReplaceAll(repo, "/", "+"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(p.tree(t, repo, commit))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "flake.lock" && d.Type().IsRegular() {
			p.lock(t, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &flakeCase{t: t, dir: dir}
	c.git("", "init", "-q")
	c.git("", "add", "-A", "-f")
	c.git("", "commit", "-qm", "first")
	return dir
}

// lock has the nodes of a lock file lead to trees and stubs.
func (p *publicInputs) lock(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lock map[string]any
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	for name, n := range lock["nodes"].(map[string]any) {
		node := n.(map[string]any)
		locked, ok := node["locked"].(map[string]any)
		if path, _ := locked["path"].(string); !ok || strings.HasPrefix(path, ".") {
			continue
		}
		dir := p.input(t, name, locked)
		if p.hashes[dir] == "" {
			hash, _, err := store.HashNAR(store.SHA256, store.Disk{}, dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			p.hashes[dir] = hash.SRI()
		}
		now := map[string]any{"type": "path", "path": dir, "narHash": p.hashes[dir]}
		for _, attr := range []string{"lastModified", "rev", "dir"} {
			if v, ok := locked[attr]; ok && (attr != "dir" || strings.Contains(dir, "/tree/")) {
				now[attr] = v
			}
		}
		node["locked"] = now
	}
	text, _ = json.MarshalIndent(lock, "", "  ")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// input is the tree for a locked input.
func (p *publicInputs) input(t *testing.T, name string, locked map[string]any) string {
	owner, _ := locked["owner"].(string)
	repo, _ := locked["repo"].(string)
	rev, _ := locked["rev"].(string)
	url, _ := locked["url"].(string)
	if p.mirrors[strings.ToLower(owner+"/"+repo)] != "" {
		return p.tree(t, owner+"/"+repo, rev)
	}
	if strings.Contains(url, "/clan/clan-core") && p.mirrors["clan-lol/clan-core"] != "" {
		return p.tree(t, "clan-lol/clan-core", rev)
	}
	if strings.EqualFold(repo, "nixpkgs") || strings.Contains(url, "/nixpkgs") || strings.Contains(url, "releases.nixos.org") {
		return p.nixpkgs
	}
	return p.stub
}

// publicCase compares one flake.
type publicCase struct {
	t               *testing.T
	inputs          *publicInputs
	dir             string
	value           eval.Value // what the embedded evaluator has for the outputs
	ev              *eval.Evaluator
	done            func()
	compared, equal int
	tooLarge        bool // the last evaluation was ended
}

// compare compares outputs of the kinds that are known, and the names of the others.
func (c *publicCase) compare() {
	c.open()
	defer func() { c.done() }()
	for _, output := range c.names("") {
		at := quoted(output)
		switch {
		case slices.Contains([]string{"packages", "devShells", "checks", "legacyPackages", "apps", "hydraJobs"}, output):
			c.names(at)
			for _, name := range limited(c.names(at+".x86_64-linux"), 12) {
				c.probe(at+".x86_64-linux."+quoted(name), "x: x.drvPath or x.program or (builtins.attrNames x)")
			}
		case slices.Contains([]string{"formatter", "devShell", "defaultPackage"}, output):
			c.probe(at+".x86_64-linux", "x: x.drvPath")
		case strings.HasSuffix(output, "Configurations"):
			for _, name := range limited(c.names(at), *publicHosts) {
				c.configuration(output, at+"."+quoted(name))
			}
		case output == "colmenaHive":
			for _, name := range limited(c.names(at+".nodes"), *publicHosts) {
				c.configuration(output, at+".nodes."+quoted(name))
			}
		case slices.Contains([]string{"colmena", "deploy", "inputs", "pkgs", "nixpkgs", "lib"}, output): // hold all of nixpkgs
			c.names(at)
		default:
			c.probe(at, "x: builtins.typeOf x")
			for _, name := range limited(c.names(at), 12) {
				c.probe(at+"."+quoted(name), "")
			}
		}
	}
}

// open begins an evaluation by a new evaluator.
func (c *publicCase) open() {
	if c.done != nil {
		c.done()
	}
	environment := evaluate.Environment{
		Settings:   nixcmd.Settings{System: "x86_64-linux", ExperimentalFeatures: []string{"flakes"}, PureEval: true},
		NixVersion: "2.34.8",
		MaxMemory:  publicMemory,
		Fetcher:    &fetch.Fetcher{Dir: filepath.Join(c.inputs.dir, "cache"), StoreDir: "/nonexistent", Registry: flake.Registry{}},
	}
	c.ev, c.done = environment.Evaluator(evaluate.Options{})
	c.value = eval.Value{}
}

func (c *publicCase) configuration(kind, at string) {
	list := []string{
		"x: builtins.attrNames x", "x: builtins.attrNames x.config", "x: builtins.attrNames x.options", "x: x.config.warnings",
	}
	switch kind {
	case "homeConfigurations":
		list = append(list, "x: x.activationPackage.drvPath", "x: x.config.home.username", "x: map (p: p.drvPath) x.config.home.packages", "x: x.config.home.file")
	default:
		list = append(list, "x: x.config.system.build.toplevel.drvPath", "x: x.config.networking.hostName", "x: x.config.system.stateVersion",
			"x: map (p: p.drvPath) x.config.environment.systemPackages", "x: builtins.mapAttrs (_: u: [ u.home u.openssh.authorizedKeys.keys ]) x.config.users.users",
			"x: x.config.networking.firewall", "x: x.config.nix.settings", "x: builtins.attrNames x.config.systemd.services", "x: builtins.mapAttrs (_: u: builtins.attrNames u) x.config.home-manager.users",
			"x: x.config.fileSystems", "x: x.config.systemd.services", "x: builtins.mapAttrs (_: e: e.text) x.config.environment.etc")
	}
	for _, apply := range list {
		c.probe(at, apply)
	}
}

func limited(names []string, n int) []string { return names[:min(n, len(names))] }

func quoted(name string) string {
	text, _ := json.Marshal(name)
	return strings.ReplaceAll(string(text), "${", `\${`)
}

// names compares the names of a set, and returns them.
func (c *publicCase) names(at string) (names []string) {
	text := c.probe(at, "builtins.attrNames")
	for _, m := range regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// probe compares one attribute, or what a function makes of it, and returns its text.
func (c *publicCase) probe(at, apply string) string {
	here := c.here(at, apply)
	if c.tooLarge {
		c.t.Logf("%s %s: not compared: it takes more than %d MB", at, apply, int64(publicMemory)>>20)
		c.open()
		return ""
	}
	nix := c.nix(at, apply)
	if here != nix { // messages show what was evaluated before
		c.open()
		here = c.here(at, apply)
	}
	c.compared++
	switch {
	case here == nix || c.placed(here) == c.placed(nix):
		c.equal++
	default:
		c.t.Errorf("%s %s\n nix:  %s\n here: %s", at, apply, around(nix, here), around(here, nix))
	}
	return here
}

var (
	shownTree = regexp.MustCompile(`«[a-z+]+:[^»]*»|/nix/store/[0-9a-z]{32}-source`)
	place     = regexp.MustCompile(`((?:TREE[^ :]*|«string»):\d+):\d+`)
	download  = regexp.MustCompile(`^error: .*?download '?(https?://[^ ']*[^ ':]).*`)
)

// placed returns a text without what the two evaluators call a tree of files, without columns, and of a download that
// fails, which all do here, only what was to be downloaded.
func (c *publicCase) placed(text string) string {
	text = download.ReplaceAllString(strings.ReplaceAll(text, c.dir, "TREE"), "error: download $1")
	return place.ReplaceAllString(shownTree.ReplaceAllString(text, "TREE"), "$1")
}

// around returns a text where it differs from another.
func around(text, other string) string {
	i := 0
	for i < len(text) && i < len(other) && text[i] == other[i] {
		i++
	}
	from := max(0, i-200)
	return text[from:min(len(text), i+600)]
}

const publicTime = 90 * time.Second

// publicMemory is what an evaluation may take. An output may print all of nixpkgs.
const publicMemory = 4 << 30

func (c *publicCase) here(at, apply string) string {
	ctx, cancel := context.WithTimeout(c.t.Context(), publicTime)
	defer cancel()
	text, err := c.evaluate(ctx, at, apply)
	if c.tooLarge = errors.Is(err, eval.ErrMemory); err == nil {
		return text
	}
	var own *eval.Error
	if !errors.As(err, &own) {
		return "error: " + err.Error()
	}
	msg, _, _ := strings.Cut(strings.TrimLeft(own.Msg, "\n"), "\n")
	text = "error: " + msg
	if own.Pos.IsValid() {
		text += " at " + own.Pos.String()
	}
	return text
}

func (c *publicCase) evaluate(ctx context.Context, at, apply string) (string, error) {
	ref, _, err := fetch.Locate("git+file://"+c.dir, c.dir)
	if err != nil {
		return "", err
	}
	if c.value == (eval.Value{}) {
		if c.value, err = c.ev.Flake(ctx, ref, nil); err != nil {
			return "", err
		}
	}
	v, err := c.value.Output(ctx, ref.String(), []string{at})
	if err == nil && apply != "" {
		var f eval.Value
		if f, err = c.ev.Expr(ctx, apply, "/"); err == nil {
			v, err = f.Apply(ctx, v)
		}
	}
	if err != nil {
		return "", err
	}
	return v.Show(ctx)
}

var nixPlace = regexp.MustCompile(`\n\s+at (\S+:\d+:\d+):\n`)

func (c *publicCase) nix(at, apply string) string {
	ctx, cancel := context.WithTimeout(c.t.Context(), publicTime)
	defer cancel()
	args := []string{"eval", "--offline", "--no-write-lock-file", "--no-eval-cache", "--extra-experimental-features", "nix-command flakes", "git+file://" + c.dir + "#." + at}
	if apply != "" {
		args = append(args, "--apply", apply)
	}
	cmd := exec.CommandContext(ctx, *publicNix, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	root := os.Getenv("NIX_REMOTE")
	text := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), root+"/nix/store", "/nix/store") }
	if err := cmd.Run(); err == nil {
		return strings.TrimSuffix(text(out), "\n")
	}
	_, msg, _ := cutLast(text(said), "error: ")
	first, rest, _ := strings.Cut(strings.TrimLeft(msg, "\n "), "\n")
	if m := nixPlace.FindStringSubmatch("\n" + rest); m != nil {
		first += " at " + m[1]
	}
	return "error: " + first
}
