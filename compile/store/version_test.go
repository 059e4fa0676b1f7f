package store

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
)

func ExampleCompareVersions() {
	name, version := SplitName("nix-2.18.9")
	fmt.Println(name, version, CompareVersions(version, "2.4"))
	// Output: nix 2.18.9 1
}

func TestCompareVersions(t *testing.T) {
	// Each version is before the next.
	ordered := []string{"", "0", "1pre", "1", "1.0", "1.9", "1.10", "1.10.1", "2.3a", "2.3.1", "2.30pre20240101", "2.30"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := CompareVersions(a, b), cmp.Compare(i, j); got != want {
				t.Errorf("compare %q and %q: got %d, want %d", a, b, got, want)
			}
		}
	}
	for _, equal := range [][2]string{{"1.2", "1-2"}, {"1..2", "1.2"}, {"01", "1"}, {"a1", "a.1"}} {
		if got := CompareVersions(equal[0], equal[1]); got != 0 {
			t.Errorf("compare %q and %q: got %d, want 0", equal[0], equal[1], got)
		}
	}
}

func TestSplitName(t *testing.T) {
	for s, want := range map[string][2]string{
		"hello-2.12.1":     {"hello", "2.12.1"},
		"hello":            {"hello", ""},
		"hello-world":      {"hello-world", ""},
		"a-b-1-c":          {"a-b", "1-c"},
		"hello--1":         {"hello", "-1"},
		"hello-":           {"hello-", ""},
		"nix-2.4pre_20211": {"nix", "2.4pre_20211"},
		"":                 {"", ""},
	} {
		name, version := SplitName(s)
		if got := [2]string{name, version}; got != want {
			t.Errorf("split %q: got %q, want %q", s, got, want)
		}
	}
}

func TestSplitVersion(t *testing.T) {
	if got, want := SplitVersion("1.2pre-3"), []string{"1", "2", "pre", "3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := SplitVersion(".-"); len(got) > 0 {
		t.Errorf("got %q, want no component", got)
	}
}
