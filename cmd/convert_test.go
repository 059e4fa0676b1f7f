package cmd

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var deployerTools = flag.String("tools", "", "a `directory` with checkouts of colmena, morph and nixops, whose own evaluators convert is compared with")

// TestConvert converts the fleets of testdata/convert, one a file, named kind_case.txtar.
// A line that begins with $ has the arguments of muster convert. base.nix is beside every
// source, and @minios@ stands for the path of minios. What convert says and writes is in
// want/, which -update rewrites. Systems are compared by convert itself, by -tools with
// what the deployers' own evaluators say.
func TestConvert(t *testing.T) {
	files, err := filepath.Glob("testdata/convert/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		kind, _, _ := strings.Cut(strings.Replace(name, "deploy_rs", "deploy-rs", 1), "_")
		kinds[kind]++
		file, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { convertOne(t, kind, file) })
	}
	for kind, n := range kinds {
		if n < 6 {
			t.Errorf("%s has %d fleets, want six", kind, n)
		}
	}
	if len(kinds) != 8 {
		t.Errorf("fleets of %d kinds, want 8", len(kinds))
	}
}

func convertOne(t *testing.T, kind, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.ReadFile("testdata/convert/base.nix")
	if err != nil {
		t.Fatal(err)
	}
	dir := laidDown(t, archive, base, minios)
	t.Chdir(dir)
	t.Setenv("NIX_PATH", "nixpkgs="+minios)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	args := append([]string{"convert"}, argumentsOf(archive)...)
	if tool := toolOf(kind, archive); *deployerTools != "" && tool != "" {
		args = append(args, "--tool", filepath.Join(*deployerTools, tool))
	}
	var out bytes.Buffer
	status := Run(context.Background(), args, strings.NewReader(""), &out, &out)
	said := strings.ReplaceAll(out.String(), dir, ".")
	if *deployerTools != "" {
		// The deployer's own evaluator finds as many systems the same as the source does.
		var same []byte
		for _, f := range archive.Files {
			if f.Name == "want/said" {
				same = comparedSystems.Find(f.Data)
			}
		}
		if toolOf(kind, archive) != "" && !strings.Contains(said, string(same)) {
			t.Errorf("exit status %d, want %s:\n%s", status, same, said)
		}
		return
	}
	if status != 0 && !strings.Contains(string(archive.Comment), "exit 1") {
		t.Errorf("exit status %d:\n%s", status, said)
	}
	expect(t, file, archive, "want/said", []byte(said))
	inventory, err := os.ReadFile("hosts.cue")
	if err == nil {
		expect(t, file, archive, "want/hosts.cue", inventory)
	}
}

// laidDown writes a source to a directory.
func laidDown(t *testing.T, archive *txtar.Archive, base []byte, minios string) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, bytes.ReplaceAll(data, []byte("@minios@"), []byte(minios)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("base.nix", base)
	for _, f := range archive.Files {
		if !strings.HasPrefix(f.Name, "want/") {
			write(f.Name, f.Data)
		}
	}
	return dir
}

func argumentsOf(archive *txtar.Archive) []string {
	for line := range strings.Lines(string(archive.Comment)) {
		if rest, ok := strings.CutPrefix(line, "$ "); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// toolOf is the evaluator of a deployer in its checkout; "" where a flake's own outputs
// are what it deploys, and for options that only NixOps 1 has.
func toolOf(kind string, archive *txtar.Archive) string {
	if strings.Contains(string(archive.Comment), "NixOps 1") || slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return f.Name == "flake.nix" }) {
		return ""
	}
	return map[string]string{
		"colmena": "colmena/src/nix/hive/eval.nix",
		"morph":   "morph/data/eval-machines.nix",
		"nixops":  "nixops/nix/eval-machine-info.nix",
	}[kind]
}

// expect compares with a file of the archive, or rewrites it.
func expect(t *testing.T, file string, archive *txtar.Archive, name string, got []byte) {
	at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
	if *update {
		if at < 0 {
			archive.Files = append(archive.Files, txtar.File{Name: name})
			at = len(archive.Files) - 1
		}
		archive.Files[at].Data = got
		if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if at < 0 {
		t.Fatalf("no %s: run with -update", name)
	}
	if d := cmp.Diff(string(archive.Files[at].Data), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}
