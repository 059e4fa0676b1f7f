package cmd

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sourceTree is a copy of the files that are in the repository, with vendor/.
func sourceTree(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "muster")
	for _, name := range []string{"go.mod", "go.sum"} {
		copyFile(t, filepath.Join("..", name), filepath.Join(tree, name))
	}
	for _, dir := range []string{"cmd", "compile", "exec", "schema", "examples"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			copyFile(t, path, filepath.Join(tree, strings.TrimPrefix(path, "../")))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	vendor := osexec.Command("go", "mod", "vendor")
	vendor.Dir = tree
	if out, err := vendor.CombinedOutput(); err != nil {
		t.Fatalf("go mod vendor: %v\n%s", err, out)
	}
	return tree
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// printedBy runs a program and returns what it prints.
func printedBy(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	c := osexec.Command(name, args...)
	c.Env = append(os.Environ(), "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", c, err, &errs)
	}
	return bytes.TrimSpace(out.Bytes())
}

// The package for nixpkgs gives buildGoModule what it takes, and builds: muster, its manual
// and completions, by real Nix, with the Go of this machine in the place of nixpkgs'.
func TestNixPackage(t *testing.T) {
	if _, err := osexec.LookPath("nix-build"); err != nil {
		t.Fatalf("%v: install it with apt-get install nix-bin", err)
	}
	tree := sourceTree(t)
	sum := strings.TrimSpace(string(printedBy(t, "nix-hash", "--type", "sha256", "--base32", filepath.Join(tree, "vendor"))))
	sum = string(printedBy(t, "nix", "--extra-experimental-features", "nix-command", "hash", "to-sri", "--type", "sha256", sum))

	var got map[string]any
	if err := json.Unmarshal(printedBy(t, "nix-instantiate", "--eval", "--strict", "--json", "testdata/nix/stub.nix", "-A", "arguments"), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "postInstall") // is run below
	want := map[string]any{
		"pname": "muster", "version": "0-unstable", "vendorHash": sum, "subPackages": []any{"cmd/muster"},
		"env": map[string]any{"CGO_ENABLED": 0.0}, "ldflags": []any{"-s", "-w"}, "doCheck": false,
		"nativeBuildInputs": []any{"installShellFiles"},
		"meta": map[string]any{"description": "Deploys a fleet of NixOS machines from a typed inventory", "mainProgram": "muster",
			"platforms": []any{"x86_64-linux", "aarch64-darwin"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments of buildGoModule; where vendorHash differs, cmd/muster/package.nix has to say %s (-want +got):\n%s", sum, diff)
	}

	cache := strings.TrimSpace(string(printedBy(t, "go", "env", "GOCACHE")))
	link := filepath.Join(t.TempDir(), "result")
	printedBy(t, "nix-build", "testdata/nix/stub.nix", "-A", "package", "--out-link", link,
		"--arg", "src", tree, "--argstr", "path", os.Getenv("PATH"), "--argstr", "cache", cache)
	for _, name := range []string{"share/man/man1/muster.1", "share/man/man1/muster-deploy.1", "share/bash-completion/completions/muster.bash", "share/zsh/site-functions/_muster", "share/fish/vendor_completions.d/muster.fish"} {
		if info, err := os.Stat(filepath.Join(link, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s is not installed: %v", name, err)
		}
	}
	if out := printedBy(t, filepath.Join(link, "bin/muster"), "vet", "../examples/webserver"); bytes.Contains(out, []byte("error")) {
		t.Errorf("the muster that was built: %s", out)
	}
}
