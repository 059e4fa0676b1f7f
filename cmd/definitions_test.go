package cmd

import (
	"fmt"
	"testing"
	"time"

	"muster/compile/definitions"
	"muster/compile/store"
)

// What systems are made of is found by host and system, the latest of a system counts, and of
// each host so many are kept as there is room for.
func TestKnownSystems(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	module := func(sum string) *definitions.System {
		return &definitions.System{Modules: []*definitions.Module{{Sum: sum}}, Pins: map[string]string{"nixpkgs": "1"}}
	}
	out := func(n int) store.Path {
		return store.Path(fmt.Sprintf("/nix/store/%032d-nixos-system", n))
	}
	k := readKnownSystems(t.TempDir())
	now := time.Unix(1_800_000_000, 0).UTC()
	for n := range 10 {
		for _, host := range []string{"a", "b"} {
			if !k.add(host, out(n), module(fmt.Sprint(host, n)), now) {
				t.Errorf("%s %d was there", host, n)
			}
		}
	}
	if k.add("a", out(9), module("a9"), now) {
		t.Error("a system was added twice")
	}
	if !k.add("a", out(9), module("other"), now) {
		t.Error("a system that is made of something else was not added")
	}
	pinned := module("other")
	pinned.Pins["unused"] = "2"
	if !k.add("a", out(9), pinned, now) || k.add("a", out(9), pinned, now) {
		t.Error("a system with another input was not added once")
	}
	whole, err := k.text(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host  string
		n     int
		known string
	}{{"a", 9, "other"}, {"b", 9, "b9"}, {"a", 4, "a4"}, {"b", 4, "b4"}, {"a", 3, ""}, {"c", 9, ""}} {
		got := ""
		if s := k.find(tt.host, out(tt.n)); s != nil {
			got = s.Modules[0].Sum
		}
		if got != tt.known {
			t.Errorf("%s %d: %q, want %q", tt.host, tt.n, got, tt.known)
		}
	}
	less, err := k.text(len(whole) / 2)
	if err != nil || len(less) > len(whole)/2 || k.find("a", out(9)) == nil || k.find("b", out(9)) == nil || k.find("a", out(4)) != nil {
		t.Errorf("%d of %d bytes, %d systems: %v", len(less), len(whole), len(k.Systems), err)
	}
	if _, err := k.text(10); err == nil {
		t.Error("what has no room was written")
	}
}
