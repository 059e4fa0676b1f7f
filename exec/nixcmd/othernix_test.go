package nixcmd_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"muster/exec/nixcmd"
)

// builderNix is the variable with the directory of a Nix that builders have in place of this
// machine's.
const builderNix = "MUSTER_BUILDER_NIX"

// graphTests are the tests of builders that any Nix passes.
const graphTests = "^Test(AGraphIsBuiltOnce|AFailureIsThatOfItsSystems|ALostBuilderIsRoutedAround|WhatNoMachineBuilds|FeaturesOfBuilders|AllBuildersGone)$"

// TestGraphsOfOtherNixVersions has the graph built by another Nix, by builders with another
// Nix, and by both. MUSTER_TEST_NIX names them, as for TestOtherNixVersions of package cmd.
func TestGraphsOfOtherNixVersions(t *testing.T) {
	others := os.Getenv("MUSTER_TEST_NIX")
	if others == "" {
		t.Skip("no other Nix: set MUSTER_TEST_NIX, or run just test-nix")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for other := range strings.SplitSeq(others, ",") {
		version, dir, _ := strings.Cut(other, "=")
		here := append(os.Environ(), "MUSTER_TEST_NIX=")
		there := append(here, builderNix+"="+dir)
		run := []string{self, "-test.run", graphTests, "-test.v"}
		fromOther := append([]string{"testdata/other-nix.sh", dir}, run...)
		t.Run(version+" on builders", func(t *testing.T) { passes(t, run, there) })
		if strings.HasPrefix(version, "2.3.") {
			fromOther[4] = "^TestAnOldNixIsNamed$"
			t.Run(version+" here", func(t *testing.T) { passes(t, fromOther, here) })
			continue
		}
		t.Run(version+" here", func(t *testing.T) { passes(t, fromOther, here) })
		t.Run(version+" on both", func(t *testing.T) { passes(t, fromOther, there) })
	}
}

// A Nix that cannot say how builds go is named as what is wrong.
func TestAnOldNixIsNamed(t *testing.T) {
	n, err := nixcmd.Find()
	if err != nil {
		t.Skip(err)
	}
	if version, err := n.Version(t.Context()); err != nil || !strings.HasPrefix(version, "2.3.") {
		t.Skip("this machine's Nix is not of 2.3")
	}
	f := newFleet(t, 1, 0, "1", "")
	g := f.nix.NewGraph()
	g.Machines = []string{}
	f.build(g, nil)
	if err := f.hosts[0].err; err == nil || !strings.HasPrefix(err.Error(), "this machine's Nix is older than 2.4") {
		t.Errorf("error: %v", err)
	}
}

func passes(t *testing.T, argv, env []string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "\n--- PASS: ") || strings.Contains(text, "--- SKIP") {
		t.Errorf("%v\n%s", err, text)
	}
}
