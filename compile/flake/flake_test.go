package flake_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/flake"
)

func TestDamagedLocksAreRefusedAtTheirPlace(t *testing.T) {
	const node = `{"locked": {"type": "path", "path": "/x", "narHash": "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "original": {"type": "path", "path": "/x"}}`
	for _, c := range []struct{ text, want string }{
		{"{\n  \"version\": 7,\n<<<<<<< HEAD\n  \"root\": \"root\"\n", "f:3:1: read the lock file: a merge conflict is left in the file"},
		{"{\n  \"version\": 7,\n  \"root\": \"root\"\n>>>>>>> other\n}", "f:4:1: read the lock file: a merge conflict"},
		{"{\n  \"version\": 7,\n  \"root\": root\n}", "f:3:11: read the lock file: invalid character 'r' looking for beginning of value"},
		{"{ \"version\": 7", "read the lock file: the text ends too early"},
		{"", "f:1:1: read the lock file: the text ends too early"},
		{"{ \"version\": 7, \"root\": \"root\", \"nodes\": { \"root\": { } } }\n}", "f:2:1: read the lock file: text after the end"},
		{"{ \"nodes\": [ ] }", "f:1:12: read the lock file: array is not what belongs in nodes"},
		{`{ "version": 8, "root": "root", "nodes": { "root": { } } }`, "lock file 'f' has unsupported version 8"},
		{`{ "version": 4, "root": "root", "nodes": { "root": { } } }`, "unsupported version 4"},
		{`{ "root": "root", "nodes": { "root": { } } }`, "unsupported version 0"},
		{`{ "version": 7, "root": "top", "nodes": { "root": { } } }`, "lock file 'f' has no root node"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": "b" } } } }`, "lock file references missing node 'b'"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": "root" } } } }`, "contains cycle to root node"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": 1 } } } }`, "input 'a' is neither the name of a node nor a path to one"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": "b" } }, "b": { } } }`, "node 'b': attribute 'locked' missing in lock file"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": "b" } }, "b": { "locked": { "type": "path", "path": "/x" }, "original": { "type": "path", "path": "/x" } } } }`, "Lock file contains unlocked input"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": "b" } }, "b": { "locked": { "type": "path", "path": [] }, "original": { } } } }`, "node 'b': input attribute path: want a string, a number or a boolean"},
		{`{ "version": 7, "root": "root", "nodes": { "root": { "inputs": { "a": "b", "c": [ "a" ], "d": [ ] } }, "b": ` + node + ` } }`, ""},
	} {
		_, err := flake.ParseLock("f", []byte(c.text))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// A lock file that was parsed is written as it was.
func TestLockStaysWhatItIs(t *testing.T) {
	const text = `{
  "nodes": {
    "a": {
      "flake": false,
      "locked": {
        "lastModified": 5,
        "narHash": "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "path": "/a",
        "type": "path"
      },
      "original": {
        "path": "/a",
        "type": "path"
      }
    },
    "b": {
      "inputs": {
        "a": [
          "a"
        ],
        "cut": []
      },
      "locked": {
        "path": "./b",
        "type": "path"
      },
      "original": {
        "path": "./b",
        "type": "path"
      },
      "parent": []
    },
    "root": {
      "inputs": {
        "a": "a",
        "b": "b"
      }
    }
  },
  "root": "root",
  "version": 7
}`
	lock, err := flake.ParseLock("flake.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := lock.JSON()
	if diff := cmp.Diff(text, got); diff != "" {
		t.Error(diff)
	}
	n, err := lock.Find([]string{"b", "a"})
	if err != nil || n == nil || n.Locked.Attrs.String("path") != "/a" {
		t.Errorf("%v, %v", n, err)
	}
}

func TestRegistry(t *testing.T) {
	own, err := flake.ParseRegistry("registry.json", []byte(`{"version": 2, "flakes": [
		{"from": {"type": "indirect", "id": "mine"}, "to": {"type": "github", "owner": "me", "repo": "mine", "dir": "sub"}},
		{"from": {"type": "indirect", "id": "alias"}, "to": {"type": "indirect", "id": "nixpkgs"}},
		{"from": {"type": "indirect", "id": "a"}, "to": {"type": "indirect", "id": "b"}},
		{"from": {"type": "indirect", "id": "b"}, "to": {"type": "indirect", "id": "a"}},
		{"from": {"type": "indirect", "id": "exact"}, "to": {"type": "path", "path": "/x"}, "exact": true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	all := append(own, flake.Global()...)
	for _, c := range []struct{ from, to, dir, fail string }{
		{from: "nixpkgs", to: "github:NixOS/nixpkgs/nixpkgs-unstable"},
		{from: "nixpkgs/nixos-26.05", to: "github:NixOS/nixpkgs/nixos-26.05"},
		{from: "nixpkgs/1234567890123456789012345678901234567890", to: "github:NixOS/nixpkgs/1234567890123456789012345678901234567890"},
		{from: "alias/x", to: "github:NixOS/nixpkgs/x"},
		{from: "mine", to: "github:me/mine", dir: "sub"},
		{from: "github:o/r", to: "github:o/r"},
		{from: "nothing", fail: "cannot find flake 'flake:nothing' in the flake registries"},
		{from: "exact/x", fail: "cannot find flake"},
		{from: "a", fail: "cycle detected in flake registry"},
	} {
		ref, err := flake.Parse(c.from, false)
		if err != nil {
			t.Fatal(err)
		}
		found, dir, err := all.Find(ref.Attrs)
		if c.fail != "" {
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: %v", c.from, err)
			}
			continue
		}
		if got := (flake.Ref{Attrs: found}).String(); err != nil || got != c.to || dir != c.dir {
			t.Errorf("%s: got %s, %q, %v", c.from, got, dir, err)
		}
	}
	if _, err := flake.ParseRegistry("r", []byte(`{"version": 1}`)); err == nil {
		t.Error("version 1 is taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"github:a/b/c?dir=x", "nixpkgs", "git+https://h/r?ref=x", "path:./x", "/x y?lastModified=1#z", "https://h/x.tar.gz?narHash=sha256-x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := flake.Parse(text, true)
		if err != nil {
			return
		}
		spelled, err := ref.URL()
		if err != nil || strings.HasPrefix(spelled, "path://") {
			return // a path that begins with two slashes has no URL
		}
		again, err := flake.Parse(spelled, true)
		if err == nil {
			if twice, _ := again.URL(); twice != spelled {
				t.Errorf("%q is %q, which is %q", text, spelled, twice)
			}
		}
	})
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(`{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"a": ["b", "c"], "b": []}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if lock, err := flake.ParseLock("flake.lock", text); err == nil {
			lock.JSON()
			lock.Find([]string{"a", "b"})
		}
	})
}

func FuzzParseRegistry(f *testing.F) {
	f.Add([]byte(`{"version": 2, "flakes": [{"from": {"type": "indirect", "id": "a"}, "to": {"type": "path", "path": "/x"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := flake.ParseRegistry("r", text); err == nil {
			r.Find(flake.Attrs{"type": "indirect", "id": "a"})
		}
	})
}
