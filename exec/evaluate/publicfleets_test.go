package evaluate_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

var publicMuster = flag.String("public-muster", "", "have this `program`, muster, convert the public fleets")

// TestPublicFleets has muster convert the fleets in testdata/fleetsnewest.txt over the stand-in for nixpkgs, or, with
// -public-nixpkgs, those in testdata/fleets.txt, which are of the days of that tree, and compare the systems of the
// inventory with those of the source. Inputs are as for [TestPublicFlakes]. A system that does not evaluate in the source
// is no failure; one that differs is.
func TestPublicFleets(t *testing.T) {
	if *publicMuster == "" {
		t.Skip("needs -public-muster and -public-mirrors")
	}
	table := "testdata/fleetsnewest.txt"
	if *publicNixpkgs != "" {
		table = "testdata/fleets.txt"
	}
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	p := newPublicInputs(t, string(text))
	fmt.Printf("%-34s %-12s %-34s %s\n", "repository", "commit", "converted", "systems that are equal")
	for line := range strings.Lines(string(text)) {
		repo, commit, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || repo == "#" || !regexp.MustCompile(*publicOnly).MatchString(repo) {
			continue
		}
		t.Run(repo, func(t *testing.T) { p.convert(t, repo, commit) })
	}
}

var (
	convertedLine = regexp.MustCompile(`(?m)^converted (.*)$`)
	comparedLine  = regexp.MustCompile(`(?m)^compared: (\d+ of \d+) systems?`)
)

// convert converts one fleet and prints a line of the table.
func (p *publicInputs) convert(t *testing.T, repo, commit string) {
	dir := p.flake(t, repo, commit)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, *publicMuster, "convert", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_CACHE_HOME="+p.dir+"/cache", "NIX_CONFIG=flake-registry =\nextra-experimental-features = nix-command flakes pipe-operators")
	out, err := cmd.CombinedOutput()
	first := func(expr *regexp.Regexp) string {
		if m := expr.FindSubmatch(out); m != nil {
			return string(m[1])
		}
		return "-"
	}
	fmt.Printf("%-34s %-12s %-34s %s\n", repo, commit, first(convertedLine), first(comparedLine))
	t.Logf("%v\n%s", err, out)
	if strings.Contains(string(out), ": another system than in the source") {
		t.Error("systems differ")
	}
}
