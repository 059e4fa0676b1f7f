package cmd

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var exampleNixpkgs = flag.String("tools-nixpkgs", "", "with -tools: a `directory` with all of nixpkgs, over which the deployers' own example networks are converted")

// TestConvertExamples converts the networks that come with colmena and morph, over a real
// nixpkgs, and compares their systems with those of the deployers' own evaluators.
func TestConvertExamples(t *testing.T) {
	if *deployerTools == "" || *exampleNixpkgs == "" {
		t.Skip("needs -tools and -tools-nixpkgs")
	}
	for source, hosts := range map[string]string{
		"morph/examples/simple.nix":                          "2 of 2",
		"morph/examples/secrets.nix":                         "1 of 1",
		"morph/examples/healthchecks.nix":                    "1 of 1",
		"colmena/integration-tests/apply/hive.nix":           "5 of 5",
		"colmena/integration-tests/exec/hive.nix":            "4 of 4",
		"colmena/integration-tests/parallel/hive.nix":        "4 of 4",
		"colmena/integration-tests/build-on-target/hive.nix": "3 of 3",
		"colmena/integration-tests/apply-local/hive.nix":     "1 of 1",
		"colmena/integration-tests/allow-apply-all/hive.nix": "2 of 2",
	} {
		t.Run(source, func(t *testing.T) { convertExample(t, source, hosts) })
	}
}

var comparedSystems = regexp.MustCompile(`compared: (\d+ of \d+) systems?`)

func convertExample(t *testing.T, source, hosts string) {
	tool, _, _ := strings.Cut(source, "/")
	dir := t.TempDir()
	// The files of the checkout, where they are, and nixpkgs where they look for it.
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(*deployerTools, tool))); err != nil {
		t.Fatal(err)
	}
	nixpkgs, err := filepath.Abs(*exampleNixpkgs)
	if err != nil {
		t.Fatal(err)
	}
	source = filepath.Join(dir, strings.TrimPrefix(source, tool+"/"))
	if tool == "colmena" { // the test puts it beside the hive
		text, err := os.ReadFile(filepath.Join(dir, "integration-tests/tools.nix"))
		if err != nil {
			t.Fatal(err)
		}
		writeTestFile(t, filepath.Join(filepath.Dir(source), "tools.nix"), string(text))
	}
	writeTestFile(t, filepath.Join(dir, "nixpkgs.nix"), nixpkgs+"\n")
	t.Chdir(dir)
	t.Setenv("NIX_PATH", "nixpkgs="+nixpkgs)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	args := []string{"convert", source, "--tool", filepath.Join(*deployerTools, tool, map[string]string{"colmena": "src/nix/hive/eval.nix", "morph": "data/eval-machines.nix"}[tool])}
	if text, err := os.ReadFile(source); err == nil && bytes.Contains(text, []byte("text = ")) {
		args = append(args, "--recipient", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
	}
	var out bytes.Buffer
	status := Run(context.Background(), args, strings.NewReader(""), &out, &out)
	if m := comparedSystems.FindStringSubmatch(out.String()); status != 0 || m == nil || m[1] != hosts {
		t.Errorf("exit status %d, want %s compared:\n%s", status, hosts, &out)
	}
	t.Log(out.String())
}

func writeTestFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
