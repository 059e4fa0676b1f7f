package storelab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/store"
)

// A Store is a chroot store in a temporary directory: its files are below Root, its paths begin with /nix/store.
type Store struct {
	Root string
	Conf string // lines of nix.conf
	Home string // the home directory of its commands, where Nix caches what binary caches have

	t TB
}

// Closure makes a store that has the outputs of [SmallClosure] and their sources, 60 paths. It returns the path that
// refers to all of them, too.
func Closure(t TB) (Store, store.Path) {
	s := New(t)
	return s, s.addOutputs(s.Instantiate(SmallClosure)[0])
}

// New makes an empty store. The test is skipped where there is no Nix.
func New(t TB) Store {
	t.Helper()
	if _, err := exec.LookPath("nix-store"); err != nil {
		t.Skip("no nix-store")
	}
	root := t.TempDir()
	t.Cleanup(func() { MakeWritable(root) })
	return Store{t: t, Root: root, Home: "/nonexistent"}
}

// MakeWritable makes store paths below root removable for a user who is not root.
func MakeWritable(root string) {
	filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(p, 0o755)
		}
		return nil
	})
}

// Dir is the directory that holds the store's paths.
func (s Store) Dir() string { return filepath.Join(s.Root, "nix/store") }

// Command is a command that works on the store.
func (s Store) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "NIX_REMOTE="+s.Root, "HOME="+s.Home,
		"NIX_CONFIG=build-users-group =\nsubstitute = false\nexperimental-features = nix-command\n"+s.Conf)
	return cmd
}

// Run runs a Nix command on the store and returns its standard output.
func (s Store) Run(name string, args ...string) string {
	s.t.Helper()
	cmd := s.Command(context.Background(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// Serve starts nix-store --serve --write on the store.
func (s Store) Serve() *Process {
	s.t.Helper()
	return Start(s.t, s.Command(context.Background(), "nix-store", "--serve", "--write"))
}

// Instantiate evaluates an expression and returns the paths of its derivations.
func (s Store) Instantiate(expr string) []store.Path {
	s.t.Helper()
	return ParsePaths(s.t, s.Run("nix-instantiate", "--expr", expr))
}

// ParsePaths reads the store paths that a Nix command has printed.
func ParsePaths(t TB, out string) []store.Path {
	t.Helper()
	var paths []store.Path
	for _, line := range strings.Fields(out) {
		p, err := store.ParsePath(line)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// Verify checks that every path in the store's database exists and has its recorded hash. What a killed server left on
// disk of a path that is not in the database does not count: Nix removes it when the path is added again.
func (s Store) Verify() {
	s.t.Helper()
	if err := s.Damage(); err != nil {
		s.t.Error(err)
	}
}

// Damage is what nix-store --verify finds wrong, nil for a whole store.
func (s Store) Damage() error {
	out, err := s.Command(context.Background(), "nix-store", "--verify", "--check-contents").CombinedOutput()
	if err != nil || strings.Contains(string(out), "error:") || strings.Contains(string(out), "disappeared") {
		return fmt.Errorf("nix-store --verify: %v\n%s", err, out)
	}
	return nil
}

// SmallClosure is an expression for thirty derivations and as many files: chains, diamonds, files of some size.
const SmallClosure = `
let
  mk = n: deps: derivation { name = "d${toString n}"; system = "x86_64-linux"; builder = "/bin/sh";
    args = [ "-c" "echo ${toString n} > $out" ]; inherit deps; src = builtins.toFile "src${toString n}" (big n); };
  big = n: builtins.concatStringsSep "\n" (builtins.genList (i: "line ${toString (i * n)} of file ${toString n}") (n * 40));
  d = builtins.genList (n: mk n (if n == 0 then [] else map (i: builtins.elemAt d i) [ (n - 1) (n / 2) ])) 30;
in builtins.elemAt d 29`

// addOutputs adds what a build would have made of the derivations of drv's closure: directories that refer to the outputs
// of the inputs, and every other one to itself. Derivers are recorded, and all outputs are signed.
func (s Store) addOutputs(drv store.Path) store.Path {
	s.t.Helper()
	var load strings.Builder
	read := func(p store.Path) *store.Derivation {
		text, err := os.ReadFile(filepath.Join(s.Root, string(p)))
		if err != nil {
			s.t.Fatal(err)
		}
		d, err := store.ParseDerivation(p, text)
		if err != nil {
			s.t.Fatal(err)
		}
		return d
	}
	done := make(map[store.Path]bool)
	var add func(p store.Path) store.Path
	add = func(p store.Path) store.Path {
		d := read(p)
		out := d.Outputs["out"].Path
		if done[p] {
			return out
		}
		done[p] = true
		refs := slices.Clone(d.InputSrcs)
		for in := range d.InputDrvs {
			refs = append(refs, add(in))
		}
		if len(done)%2 == 1 {
			refs = append(refs, out)
		}
		slices.Sort(refs)
		disk := filepath.Join(s.Root, string(out))
		if err := os.MkdirAll(filepath.Join(disk, "bin"), 0o755); err != nil {
			s.t.Fatal(err)
		}
		for name, contents := range map[string]string{"refs": fmt.Sprint(refs), "bin/run": "#!/bin/sh\n", "data": strings.Repeat(d.Name, 4000)} {
			mode := os.FileMode(0o444)
			if name == "bin/run" {
				mode = 0o555
			}
			if err := os.WriteFile(filepath.Join(disk, name), []byte(contents), mode); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := os.Symlink("refs", filepath.Join(disk, "link")); err != nil {
			s.t.Fatal(err)
		}
		h, size, err := store.HashNAR(store.SHA256, store.Disk{}, disk, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&load, "%s\n%s\n%d\n%s\n%d\n", out, h.Base16(), size, p, len(refs))
		for _, r := range refs {
			fmt.Fprintln(&load, r)
		}
		return out
	}
	top := add(drv)
	cmd := s.Command(context.Background(), "nix-store", "--load-db")
	cmd.Stdin = strings.NewReader(load.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("nix-store --load-db: %v\n%s", err, out)
	}
	key := filepath.Join(s.Root, "key")
	s.Run("nix-store", "--generate-binary-cache-key", "test-1", key, s.PublicKey())
	s.Run("nix", "store", "sign", "--key-file", key, "--recursive", string(top))
	return top
}

// PublicKey is the file with the key that the outputs of Closure are signed by.
func (s Store) PublicKey() string { return filepath.Join(s.Root, "key.pub") }

// PathInfos is what Nix tells of a closure by path, without what each store decides for itself.
func (s Store) PathInfos(top store.Path) map[string]any {
	s.t.Helper()
	var infos []map[string]any
	if err := json.Unmarshal([]byte(s.Run("nix", "path-info", "--json", "--recursive", string(top))), &infos); err != nil {
		s.t.Fatal(err)
	}
	byPath := make(map[string]any)
	for _, i := range infos {
		delete(i, "registrationTime")
		byPath[i["path"].(string)] = i
	}
	return byPath
}
