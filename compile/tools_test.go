package compile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

// The tests in this file run other tools on the output for them. Each needs a
// checkout of the tool, named by an environment variable:
//
//	MUSTER_MORPH    morph 1.8 or newer, which is built and run (as root)
//	MUSTER_COLMENA  colmena 0.5 (0.4 knows no jump hosts)
//	MUSTER_NIXOPS   NixOps 2
//	MUSTER_NIXOPS1  NixOps 1.7
//	MUSTER_FLAKE    a Nix that knows flakes' relative inputs, 2.26 or newer: its program, such as nix
//	MUSTER_NIXFMT   nixfmt 1.4: its program
//
// just test-tools runs them all.
func checkout(t *testing.T, variable string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skipf("%s names no checkout", variable)
	}
	return dir
}

// mixed has all options that tools have for reaching a host, machines of two
// platforms, and what caused bugs before: options of nixpkgs, and dependencies of the
// user's own.
const mixed = `package fleet

network: description: "two kinds of machine"
nixpkgs: path: "../minios"

roles: web: config: services: nginx: enable: true

defaults: config: {
	nixpkgs: config: allowUnfree: true
	users: users: root: openssh: authorizedKeys: keys: ["ssh-ed25519 AAAA operator"]
	services: openssh: enable: true
}

hosts: [string]: file_systems: "/": label: "nixos"
hosts: {
	big: {
		host: "2001:db8::1"
		port: 2222
		user: "deploy"
		privilege: "sudo"
		tags: ["eu", "prod"]
		substitute: true
		config: system: extraDependencies: [{$pkg: "htop"}]
	}
	"small-1": {
		host:     "small.example.org"
		user:     "root"
		system:   "aarch64-linux"
		jump:     "big"
		build_on: "target"
		roles: ["web"]
		config: environment: etc: peer: text: $str: "${nodes.big.config.networking.hostName} of ${name}\n"
	}
}
`

// A toolFleet is an example, or mixed, in a writable directory.
type toolFleet struct {
	name  string
	dir   string // of its inventory, below root
	fleet *schema.Fleet
	want  map[string]system // by host
}

type system struct{ Drv, Out string }

// toolFleets copies the examples into a directory and returns it and them, all
// or those that are named.
func toolFleets(t *testing.T, names ...string) (root string, fleets []toolFleet) {
	t.Helper()
	root = t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "mixed"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "mixed/hosts.cue"), []byte(mixed), 0o644); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "minios" || d.Name() == "cue.mod" {
			return fs.SkipDir
		}
		cue, _ := filepath.Glob(filepath.Join(path, "*.cue"))
		toml, _ := filepath.Glob(filepath.Join(path, "hosts.toml"))
		if len(cue)+len(toml) == 0 || filepath.Base(path) == "environments" {
			return nil
		}
		name, _ := filepath.Rel(root, path)
		if len(names) > 0 && !slices.Contains(names, name) {
			return nil
		}
		f, err := schema.Load(t.Context(), path, schema.Options{Dir: root})
		if err != nil {
			return err
		}
		fleets = append(fleets, toolFleet{name: name, dir: path, fleet: f, want: systems(t, root, f)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(fleets) < 9 && len(fleets) != len(names) {
		t.Fatalf("%d fleets, want all examples, or those of %q", len(fleets), names)
	}
	return root, fleets
}

// systems evaluates a fleet with muster.
func systems(t *testing.T, root string, f *schema.Fleet) map[string]system {
	t.Helper()
	driver := filepath.Join(t.TempDir(), "driver.nix")
	if err := os.WriteFile(driver, []byte(Driver), 0o644); err != nil {
		t.Fatal(err)
	}
	var got map[string]system
	out := instantiate(t, `import `+driver+` { network = `+write(t, f, Muster)+`; }`, "NIX_PATH=nixpkgs="+root+"/minios")
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// file writes the network of a fleet for a tool beside its inventory.
func (f toolFleet) file(t *testing.T, format Format, name string) string {
	t.Helper()
	file, err := Network(f.fleet, Options{Format: format})
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(f.dir, name)
	if err := os.WriteFile(name, syntax.Format(file), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// split writes the network of a fleet for a tool as many files and returns their
// directory.
func (f toolFleet) split(t *testing.T, format Format) string {
	t.Helper()
	dir := filepath.Join(f.dir, "split-"+string(format))
	splitInto(t, f.fleet, format, dir)
	return dir
}

// sameSystems compares the derivations of a tool, as JSON by host, with those of
// muster.
func (f toolFleet) sameSystems(t *testing.T, out []byte) {
	t.Helper()
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := map[string]string{}
	for host, s := range f.want {
		want[host] = s.Drv
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("systems (-muster +other):\n%s", diff)
	}
}

// said compares how a tool would reach the hosts of mixed.
func said(t *testing.T, out []byte, want map[string]map[string]any) {
	t.Helper()
	var got map[string]map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for host := range want {
		for key := range got[host] {
			if _, asked := want[host][key]; !asked {
				delete(got[host], key)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMorphBuildsWhatMusterBuilds(t *testing.T) {
	dir := checkout(t, "MUSTER_MORPH")
	morph := filepath.Join(t.TempDir(), "morph")
	build := exec.Command("go", "build", "-mod=mod", "-o", morph, "-ldflags", "-X main.assetRoot="+filepath.Join(dir, "data"), ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	command(t, build)

	root, fleets := toolFleets(t)
	for _, f := range fleets {
		t.Run(f.name, func(t *testing.T) {
			file := f.file(t, Morph, "morph.nix")
			network := `(import ` + dir + `/data/eval-machines.nix { networkExpr = ` + file + `; })`
			path := "NIX_PATH=nixpkgs=" + root + "/minios"
			for _, file := range []string{file, f.split(t, Morph)} {
				nodes := `(import ` + dir + `/data/eval-machines.nix { networkExpr = ` + file + `; }).nodes`
				f.sameSystems(t, instantiate(t, `builtins.mapAttrs (_: n: n.config.system.build.toplevel.drvPath) `+nodes, path))
			}
			if f.name == "mixed" {
				said(t, instantiate(t, network+`.info.machines`), map[string]map[string]any{
					"big":     {"targetHost": "2001:db8::1", "targetPort": 2222.0, "targetUser": "deploy", "tags": []any{"eu", "prod"}, "substituteOnDestination": true},
					"small-1": {"targetHost": "small.example.org", "targetPort": nil, "targetUser": "root", "tags": []any{}, "substituteOnDestination": false},
				})
				return // it has a machine that cannot be built here
			}
			if os.Getuid() != 0 {
				t.Skip("building into /nix/store needs root here")
			}
			run := exec.Command(morph, "build", file)
			run.Env = append(os.Environ(), path, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
			result := strings.TrimSpace(string(command(t, run)))
			got := map[string]string{}
			entries, err := os.ReadDir(result)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if got[e.Name()], err = os.Readlink(filepath.Join(result, e.Name())); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]string{}
			for host, s := range f.want {
				want[host] = s.Out
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("systems (-muster +morph):\n%s", diff)
			}
		})
	}
}

func TestColmenaEvaluatesWhatMusterEvaluates(t *testing.T) {
	dir := checkout(t, "MUSTER_COLMENA")
	root, fleets := toolFleets(t)
	for _, f := range fleets {
		t.Run(f.name, func(t *testing.T) {
			var hive string
			for _, file := range []string{f.split(t, Colmena), f.file(t, Colmena, "hive.nix")} {
				hive = colmenaHive(dir, "rawHive = import "+file)
				f.sameSystems(t, instantiate(t, `builtins.mapAttrs (_: s: s.drvPath) `+hive+`.toplevel`, "NIX_PATH=nixpkgs="+root+"/minios"))
			}
			if f.name == "mixed" {
				said(t, instantiate(t, hive+`.deploymentConfig`), colmenaSays)
			}
		})
	}
}

// colmenaHive is colmena's evaluation of a hive, given as its argument.
func colmenaHive(dir, hive string) string {
	return fmt.Sprintf(`(import %[1]s/src/nix/hive/eval.nix {
	  %[2]s;
	  colmenaOptions = import %[1]s/src/nix/hive/options.nix;
	  colmenaModules = import %[1]s/src/nix/hive/modules.nix;
	})`, dir, hive)
}

var colmenaSays = map[string]map[string]any{
	"big":     {"targetHost": "2001:db8::1", "targetPort": 2222.0, "targetUser": "deploy", "tags": []any{"eu", "prod"}, "buildOnTarget": false, "sshOptions": []any{}},
	"small-1": {"targetHost": "small.example.org", "targetPort": nil, "targetUser": "root", "tags": []any{}, "buildOnTarget": true, "sshOptions": []any{"-J", "deploy@[2001:db8::1]:2222"}},
}

func TestTheFlakeEvaluatesToWhatMusterEvaluates(t *testing.T) {
	nix := checkout(t, "MUSTER_FLAKE")
	colmena := os.Getenv("MUSTER_COLMENA")
	root, fleets := toolFleets(t)
	store := t.TempDir()
	eval := func(t *testing.T, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(nix, append([]string{"eval", "--json", "--no-write-lock-file"}, args...)...)
		cmd.Env = append(os.Environ(), "NIX_REMOTE=local?root="+store, "HOME="+store, "NIX_PATH=",
			"NIX_CONFIG=substitute = false\nbuild-users-group =\nexperimental-features = nix-command flakes")
		return command(t, cmd)
	}
	for _, f := range fleets {
		t.Run(f.name, func(t *testing.T) {
			f.split(t, Flake)
			f.file(t, Flake, "flake.nix")
			flake := "path:" + root + "?dir=" + f.name
			var more []string
			if f.fleet.Nixpkgs.Path == "" {
				more = []string{"--override-input", "nixpkgs", "path:" + root + "/minios"}
			}
			for _, flake := range []string{flake, flake + "/split-flake"} {
				f.sameSystems(t, eval(t, append(slices.Clone(more), flake+"#nixosConfigurations",
					"--apply", `builtins.mapAttrs (_: n: n.config.system.build.toplevel.drvPath)`)...))
			}
			if colmena == "" || f.fleet.Nixpkgs.Path == "" {
				return
			}
			hive := colmenaHive(colmena, fmt.Sprintf("rawFlake = builtins.getFlake %q", flake))
			f.sameSystems(t, eval(t, "--impure", "--expr", `builtins.mapAttrs (_: s: s.drvPath) `+hive+`.toplevel`))
			if f.name == "mixed" {
				said(t, eval(t, "--impure", "--expr", hive+`.deploymentConfig`), colmenaSays)
			}
		})
	}
}

// NixOps adds its own options to every system, so systems differ from muster's. The
// options of the inventory do not.
const nixopsSystems = `builtins.mapAttrs (_: node: {
  inherit (node.config.networking) hostName extraHosts;
  packages = node.config.system.path.outPath;
  fstab = node.config.environment.etc.fstab.text;
  kernel = node.config.boot.kernelPackages.kernel.outPath;
  keys = node.config.users.users.root.openssh.authorizedKeys.keys;
  lost = builtins.filter (unit: !(node.config.systemd.services ? ${unit})) (builtins.attrNames plain.${node.config.networking.hostName}.config.systemd.services);
  builds = builtins.match ".*\\.drv" node.config.system.build.toplevel.drvPath != null;
})`

func TestNixOps2TakesTheNetwork(t *testing.T) {
	dir := checkout(t, "MUSTER_NIXOPS")
	root, fleets := toolFleets(t)
	for _, f := range fleets {
		t.Run(f.name, func(t *testing.T) {
			var network string
			for _, file := range []string{f.split(t, NixOps), f.file(t, NixOps, "nixops.nix")} {
				network = fmt.Sprintf(`(import %s/nix/eval-machine-info.nix {
				  networkExprs = [ %s ]; pluginNixExprs = [ ]; uuid = "u"; deploymentName = "d"; args = { };
				})`, dir, file)
				f.nixops(t, root, network)
			}
			if f.name == "mixed" {
				said(t, instantiate(t, network+`.info.machines`), map[string]map[string]any{
					"big":     {"targetHost": "2001:db8::1", "targetPort": 2222.0, "targetUser": "deploy", "targetEnv": "none", "sshOptions": []any{}},
					"small-1": {"targetHost": "small.example.org", "targetPort": 22.0, "targetUser": "root", "targetEnv": "none", "sshOptions": []any{"-J", "deploy@[2001:db8::1]:2222"}},
				})
			}
			said(t, instantiate(t, `{ inherit (`+network+`.info) network; }`, "NIX_PATH=nixpkgs="+root+"/minios"), map[string]map[string]any{
				"network": {"description": f.fleet.Network.Description, "enableRollback": true},
			})
		})
	}
}

// nixops compares a network evaluated by NixOps with muster's.
func (f toolFleet) nixops(t *testing.T, root, network string) {
	t.Helper()
	path := "NIX_PATH=nixpkgs=" + root + "/minios"
	driver := filepath.Join(t.TempDir(), "driver.nix")
	if err := os.WriteFile(driver, []byte(Driver), 0o644); err != nil {
		t.Fatal(err)
	}
	plain := `plain = builtins.mapAttrs (_: config: { inherit config; }) (import ` + driver + ` { network = ` + write(t, f.fleet, Muster) + `; attr = [ "config" ]; })`
	of := func(nodes string) string {
		return string(instantiate(t, `let `+plain+`; in `+nixopsSystems+` `+nodes, path))
	}
	if diff := cmp.Diff(of("plain"), of(network+".nodes")); diff != "" {
		t.Errorf("systems (-muster +NixOps):\n%s", diff)
	}
}

// NixOps 1.7 asks for "info" first, all of it, as XML.
func TestNixOps1TakesTheNetwork(t *testing.T) {
	dir := checkout(t, "MUSTER_NIXOPS1")
	root, fleets := toolFleets(t)
	for _, f := range fleets {
		for _, h := range f.fleet.Hosts {
			h.Jump = "" // which it does not know
		}
		t.Run(f.name, func(t *testing.T) {
			network := f.file(t, NixOps, "nixops.nix")
			cmd := exec.Command("nix-instantiate", "--eval-only", "--xml", "--strict", dir+"/nix/eval-machine-info.nix",
				"--arg", "networkExprs", "[ "+network+" ]", "--arg", "args", "{ }", "--argstr", "uuid", "u",
				"--argstr", "deploymentName", "d", "--arg", "checkConfigurationOptions", "false", "-A", "info")
			cmd.Env = append(os.Environ(), "NIX_REMOTE=dummy://", "NIX_PATH=nixpkgs="+root+"/minios")
			xml := string(command(t, cmd))
			for _, h := range f.fleet.Hosts {
				if !strings.Contains(xml, `<string value="`+h.Address+`" />`) {
					t.Errorf("%s: %s is not in what NixOps reads", h.Name, h.Address)
				}
			}
			if len(xml) > 1<<20 {
				t.Errorf("NixOps reads %d bytes", len(xml))
			}
		})
	}
}

// nixfmt changes nothing in the output, in any format, in one file or many, for the
// examples and for mixed.
func TestNixfmtLeavesWhatIsWritten(t *testing.T) {
	nixfmt := checkout(t, "MUSTER_NIXFMT")
	_, fleets := toolFleets(t)
	for _, name := range []string{"testdata/everything", "testdata/blog/hosts.toml"} {
		fleets = append(fleets, toolFleet{name: name, dir: t.TempDir(), fleet: load(t, name)})
	}
	for _, f := range fleets {
		for _, format := range Formats() {
			names := []string{f.file(t, format, "written-"+string(format)+".nix")}
			dir := f.split(t, format)
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && filepath.Ext(path) == ".nix" {
					names = append(names, path)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(nixfmt, append([]string{"--check"}, names...)...).CombinedOutput(); err != nil {
				t.Errorf("%s as %s: %v\n%s", f.name, format, err, out)
			}
		}
	}
}

// command runs a command and returns its output.
func command(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return out
}
