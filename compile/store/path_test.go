package store

import (
	"strings"
	"testing"
)

const someDigest = "s66mzxpvicwk07gjbjfw9izjfa797vsw"

func TestParsePath(t *testing.T) {
	tests := []struct {
		name string
		path string
		err  string // part of the error, "" for none
	}{
		{"plain", "/nix/store/" + someDigest + "-hello-2.12.1", ""},
		{"every kind of character", "/nix/store/" + someDigest + "-aZ0+-._?=", ""},
		{"leading dot", "/nix/store/" + someDigest + "-.hidden", ""},
		{"longest name", "/nix/store/" + someDigest + "-" + strings.Repeat("x", 211), ""},
		{"elsewhere", "/home/" + someDigest + "-hello", "want /nix/store/<digest>-<name>"},
		{"the store itself", "/nix/store", "want /nix/store/<digest>-<name>"},
		{"relative", someDigest + "-hello", "want /nix/store/<digest>-<name>"},
		{"inside", "/nix/store/" + someDigest + "-hello/bin/hello", `"/bin/hello" is inside a store path`},
		{"no digest", "/nix/store/hello", "want a digest of 32 characters"},
		{"digest only", "/nix/store/" + someDigest, "want a digest of 32 characters"},
		{"letter that is no digit", "/nix/store/e66mzxpvicwk07gjbjfw9izjfa797vsw-hello", `'e' cannot be in a digest`},
		{"upper case digest", "/nix/store/" + strings.ToUpper(someDigest) + "-hello", `'S' cannot be in a digest`},
		{"no name", "/nix/store/" + someDigest + "-", "the name is empty"},
		{"name too long", "/nix/store/" + someDigest + "-" + strings.Repeat("x", 212), "212 characters, want at most 211"},
		{"space", "/nix/store/" + someDigest + "-a b", "character ' ' cannot be in a name"},
		{"newline", "/nix/store/" + someDigest + "-a\n", `character '\n' cannot be in a name`},
		{"dot", "/nix/store/" + someDigest + "-.", `begins with "."`},
		{"dots", "/nix/store/" + someDigest + "-..-x", `begins with ".."`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParsePath(tt.path)
			if tt.err == "" {
				if err != nil || string(p) != tt.path || p.Digest() != someDigest || p.Digest()+"-"+p.Name() != p.Base() {
					t.Errorf("got %q, %v", p, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, %v, want an error with %q", p, err, tt.err)
			}
		})
	}
}

func TestSplitPath(t *testing.T) {
	p, rest, err := SplitPath("/nix/store/" + someDigest + "-hello/bin/hello")
	if err != nil || p.Name() != "hello" || rest != "/bin/hello" {
		t.Errorf("got %q, %q, %v", p, rest, err)
	}
	p, rest, err = SplitPath("/nix/store/" + someDigest + "-hello")
	if err != nil || p.Name() != "hello" || rest != "" {
		t.Errorf("got %q, %q, %v", p, rest, err)
	}
	if _, _, err := SplitPath("/etc/passwd"); err == nil {
		t.Error("a path outside of the store was split")
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("/nix/store/" + someDigest + "-hello")
	f.Add("/nix/store/" + someDigest + "-")
	f.Add("/nix/store/")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		if p.String() != s || Dir+"/"+p.Digest()+"-"+p.Name() != s {
			t.Errorf("%q is taken apart as %q and %q", s, p.Digest(), p.Name())
		}
		if strings.Count(s, "/") != 3 {
			t.Errorf("%q is not directly in the store", s)
		}
		if q, rest, err := SplitPath(s + "/x"); err != nil || q != p || rest != "/x" {
			t.Errorf("split: %q, %q, %v", q, rest, err)
		}
	})
}
