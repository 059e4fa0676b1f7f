package schema

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A lock file of any tool says which inputs there are.
func TestLockFilesOfAllTools(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		names []string
		flake bool
	}{
		"flake.lock":         {`{"nodes": {"a_2": {}, "root": {"inputs": {"a": "a_2", "b": ["a", "c"]}}}, "root": "root", "version": 7}`, []string{"a", "b"}, true},
		"without inputs":     {`{"nodes": {"root": {}}, "root": "root", "version": 5}`, nil, true},
		"npins/sources.json": {`{"pins": {"a": {"type": "Git"}}, "version": 5}`, []string{"a"}, false},
		"lon.lock":           {`{"version": "1", "sources": {"a": {"type": "Git"}}}`, []string{"a"}, false},
		"nix/sources.json":   {`{"a": {"type": "tarball", "url": "x", "sha256": "y"}}`, []string{"a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := loadFiles(t, "", "", "hosts.cue", "nixpkgs: unpinned: true\nlock: \"./the.lock\"\nhosts: {}\n", "the.lock", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(slices.Values(f.Lock.Names))
			if d := cmp.Diff(tt.names, got); d != "" || f.Lock.Flake != tt.flake {
				t.Errorf("flake %v, names (-want +got):\n%s", f.Lock.Flake, d)
			}
		})
	}
}

// A muster.lock is read without being named, and an input called nixpkgs is the fleet's NixOS.
func TestTheLockFileNobodyNames(t *testing.T) {
	f, err := loadFiles(t, "", "", "hosts.cue", "inputs: x: {flake: true}\nhosts: {}\n",
		"muster.lock", `{"nodes": {"n": {}, "root": {"inputs": {"nixpkgs": "n", "x": "n"}}}, "root": "root", "version": 7}`)
	if err != nil {
		t.Fatal(err)
	}
	if f.Nixpkgs.Input != "nixpkgs" || f.Lock.Path != "./muster.lock" || len(f.Warnings) != 1 {
		t.Errorf("nixpkgs %+v, lock %+v, warnings %v", f.Nixpkgs, f.Lock, f.Warnings)
	}
}
