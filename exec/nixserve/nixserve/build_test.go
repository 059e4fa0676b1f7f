package nixserve

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/compile/store"
)

// buildingStore is a store that can build: in a sandbox, as chroot stores must, with this machine's shell in it.
func buildingStore(t *testing.T) testStore {
	s := newStore(t)
	s.conf = "sandbox = true\nsandbox-paths = /bin"
	for _, dir := range []string{"/usr", "/lib", "/lib64"} {
		if _, err := os.Stat(dir); err == nil {
			s.conf += " " + dir
		}
	}
	probe := s.command(context.Background(), "nix-build", "--no-out-link", "--expr",
		`derivation { name = "probe"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ": > $out" ]; }`)
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("no sandbox to build in: %v\n%s", err, out)
	}
	return s
}

const buildExpr = `derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo building; SCRIPT" ]; }`

func TestBuildPaths(t *testing.T) {
	s := buildingStore(t)
	ctx := context.Background()
	stream := s.serve()
	c, err := New(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	bad := s.instantiate(strings.ReplaceAll(buildExpr, "SCRIPT", "exit 3"))
	err = c.BuildPaths(ctx, bad, BuildOptions{})
	var failed *BuildError
	if !errors.As(err, &failed) || failed.Status != 100 || !strings.Contains(err.Error(), string(bad[0])) {
		t.Errorf("a builder that fails: %v", err)
	}
	slow := s.instantiate(strings.ReplaceAll(buildExpr, "SCRIPT", "while :; do :; done"))
	if err := c.BuildPaths(ctx, slow, BuildOptions{Timeout: time.Second}); !errors.As(err, &failed) || failed.Status != 101 {
		t.Errorf("a builder that takes too long: %v", err)
	}
	good := s.instantiate(strings.ReplaceAll(buildExpr, "SCRIPT", "echo done > $out"))
	if err := c.BuildPaths(ctx, good, BuildOptions{}); err != nil {
		t.Errorf("a good builder after two bad ones: %v", err)
	}
	out := parsePaths(t, s.run("nix-store", "-q", "--outputs", string(good[0])))
	if valid, err := c.QueryValidPaths(ctx, out, true, false); err != nil || len(valid) != 1 {
		t.Errorf("the output: %v, %v", valid, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if log := stream.Stderr(); !strings.Contains(log, "building") {
		t.Errorf("the log: %q", log)
	}
}

// The derivation is on one machine, the building on another.
func TestBuildDerivation(t *testing.T) {
	from, s := newStore(t), buildingStore(t)
	read := func(script string) (store.Path, *store.Derivation) {
		p := from.instantiate(strings.ReplaceAll(buildExpr, "SCRIPT", script))[0]
		text, err := os.ReadFile(filepath.Join(from.root, string(p)))
		if err != nil {
			t.Fatal(err)
		}
		d, err := store.ParseDerivation(p, text)
		if err != nil {
			t.Fatal(err)
		}
		return p, d
	}
	ctx, c := context.Background(), s.client()
	p, d := read("exit 1")
	var failed *BuildError
	if _, err := c.BuildDerivation(ctx, p, d, BuildOptions{}); !errors.As(err, &failed) || BuildStatus(failed.Status).Succeeded() {
		t.Errorf("a builder that fails: %v", err)
	}
	p, d = read("echo done > $out")
	result, err := c.BuildDerivation(ctx, p, d, BuildOptions{})
	if err != nil || result.Status != Built || result.Stop.IsZero() {
		t.Errorf("got %+v, %v", result, err)
	}
	if text, err := os.ReadFile(filepath.Join(s.root, string(d.Outputs["out"].Path))); err != nil || string(text) != "done\n" {
		t.Errorf("the output holds %q, %v", text, err)
	}
	if result, err = c.BuildDerivation(ctx, p, d, BuildOptions{}); err != nil || result.Status != AlreadyValid {
		t.Errorf("again: %+v, %v", result, err)
	}
}

// Substitution happens on the destination, from its own caches.
func TestDestinationSubstitutes(t *testing.T) {
	from, top := builtClosure(t)
	cache := t.TempDir()
	from.run("nix", "copy", "--to", "file://"+cache, string(top))
	to := newStore(t)
	to.conf = "substitute = true\nrequire-sigs = false\nsubstituters = file://" + cache
	to.home = t.TempDir()
	stats, err := Copy(context.Background(), from.local(), to.client(), []store.Path{top}, CopyOptions{Substitute: true})
	if err != nil || stats.Closure != 60 || stats.Missing != 0 {
		t.Errorf("got %+v, %v, want nothing left to send", stats, err)
	}
	to.verify()
	if out, err := exec.Command("sh", "-c", "ls "+to.dir()+" | wc -l").Output(); err != nil || strings.TrimSpace(string(out)) != "60" {
		t.Errorf("%s paths on the destination, %v", out, err)
	}
}
