package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/cmd"
)

// Every example is checked, compiled and evaluated in full on a machine without
// Nix, and its derivations are those of Nix.
func TestExamplesNeedNoNix(t *testing.T) {
	nix, err := osexec.LookPath("nix-instantiate")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var fleets []string
	for _, pattern := range []string{"../examples/*/network.nix", "../examples/*/*/network.nix"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			fleets = append(fleets, filepath.Dir(f))
		}
	}
	if len(fleets) < 10 {
		t.Fatalf("only %d examples: %q", len(fleets), fleets)
	}
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NIX_PATH", "nixpkgs="+minios) // for the fleet that says nothing of it
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, fleet := range fleets {
		t.Run(fleet, func(t *testing.T) {
			muster := func(args ...string) []byte {
				t.Helper()
				var out, errs bytes.Buffer
				if status := cmd.Run(context.Background(), args, nil, &out, &errs); status != 0 {
					t.Fatalf("muster %q: exit status %d\n%s", args, status, errs.String())
				}
				return out.Bytes()
			}
			evaluate := func(evaluator string) (systems any) {
				t.Helper()
				if err := json.Unmarshal(muster("eval", fleet, "--json", "--evaluator", evaluator), &systems); err != nil {
					t.Fatal(err)
				}
				return systems
			}
			t.Setenv("PATH", "/nonexistent")
			muster("vet", fleet)
			if !bytes.Contains(muster("compile", fleet), []byte("deployment")) {
				t.Error("compile prints no network")
			}
			ours := evaluate("embedded")
			t.Setenv("PATH", filepath.Dir(nix)+":/usr/bin:/bin")
			if diff := cmp.Diff(evaluate("nix"), ours); diff != "" {
				t.Errorf("Nix evaluates otherwise (-nix +ours):\n%s", diff)
			}
		})
	}
}
