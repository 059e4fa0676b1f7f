package cmd

import (
	"path/filepath"
	"strings"
	"testing"
)

// The version of the inventory is that of the package which hosts get, or else nothing is
// planned: minios has Kubernetes 1.31.2, and k3s and RKE2 1.31.1.
func TestClusterVersionIsThatOfThePackage(t *testing.T) {
	for _, row := range []struct {
		name, distribution, version string
		is                          string // in the message; "" where it fits
	}{
		{"its minor version", "kubernetes", "1.31", ""},
		{"its patch", "kubernetes", "1.31.2", ""},
		{"another patch", "kubernetes", "1.31.1", "1.31.2"},
		{"another minor version", "kubernetes", "1.34", "1.31.2"},
		{"k3s", "k3s", "1.31.1", ""},
		{"another k3s", "k3s", "1.32", "1.31.1"},
		{"another RKE2", "rke2", "1.31.0", "1.31.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cluster{distribution: row.distribution, hosts: 2, masters: 1, more: `, version: "` + row.version + `"`}.write(t, dir)
			out := clusterPKI{t, dir}.muster("eval")
			want := "kluster.version is " + row.version + ", and config.services." + row.distribution + ".package is Kubernetes " + row.is + ": pin a nixpkgs that has it, or set services." + row.distribution + ".package."
			if row.is == "" && strings.Contains(out, "Failed assertions") || row.is != "" && !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
				t.Errorf("want %q in\n%s", want, out)
			}
		})
	}
}

// apply asks the cluster again whether its upgrade goes in the order of Kubernetes, as deploy
// and plan do: what has become of it since the plan was made counts.
func TestApplyAsksTheCluster(t *testing.T) {
	dir := t.TempDir()
	cluster{distribution: "k3s", hosts: 1, masters: 1, more: `, rollout: timeout: "1s"`}.write(t, dir)
	edit(t, filepath.Join(dir, "hosts.cue"), `host: "10.9.0.1"`, `port: 1, host: "127.0.0.1"`, 1) // where nothing answers
	p := clusterPKI{t, dir}
	p.muster("secrets", "generate")
	for _, verb := range [][]string{{"plan", "--out", "p", "--identity", "identity"}, {"apply", "p", "--yes", "--identity", "identity"}, {"resume"}, {"retry"}} {
		out := p.muster(verb...)
		if verb[0] == "resume" {
			continue // the run has ended
		}
		if !strings.Contains(out, "the cluster was not asked") {
			t.Errorf("%v: %s", verb, out)
		}
	}
}
