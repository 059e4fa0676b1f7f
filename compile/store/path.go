package store

import (
	"fmt"
	"strings"
)

// Dir is the directory of every store path. Stores in other directories are not supported: what was built for one
// cannot be used in the other.
const Dir = "/nix/store"

const (
	digestLen  = 32  // 160 bits in base 32
	maxNameLen = 211 // so that "<digest>-<name>.chroot" and the like fit in a file name of 255 bytes
)

// A Path is the absolute path of one store object, such as
// /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-hello-2.12.1.
type Path string

// ParsePath checks that s is the path of a store object itself, not of a file inside it or elsewhere.
func ParsePath(s string) (Path, error) {
	base, ok := strings.CutPrefix(s, Dir+"/")
	if !ok {
		return "", fmt.Errorf("parse store path %q: want %s/<digest>-<name>", s, Dir)
	}
	if i := strings.IndexByte(base, '/'); i >= 0 {
		return "", fmt.Errorf("parse store path %q: %q is inside a store path", s, base[i:])
	}
	if err := checkBase(base); err != nil {
		return "", fmt.Errorf("parse store path %q: %w", s, err)
	}
	return Path(s), nil
}

// SplitPath splits the path of a file in the store into its store path and the rest, which is empty or begins with a
// slash: /nix/store/…-hello/bin/hello becomes …-hello and /bin/hello.
func SplitPath(s string) (p Path, rest string, err error) {
	end := len(s)
	if base, ok := strings.CutPrefix(s, Dir+"/"); ok {
		if i := strings.IndexByte(base, '/'); i >= 0 {
			end = len(Dir) + 1 + i
		}
	}
	p, err = ParsePath(s[:end])
	if err != nil {
		return "", "", err
	}
	return p, s[end:], nil
}

// checkBase checks "<digest>-<name>".
func checkBase(base string) error {
	if len(base) < digestLen+1 || base[digestLen] != '-' {
		return fmt.Errorf("want a digest of %d characters, a dash and a name after %s/", digestLen, Dir)
	}
	for i := range digestLen {
		if base32Value[base[i]] == notBase32 {
			return fmt.Errorf("character %q cannot be in a digest (base 32 leaves out e, o, t and u)", base[i])
		}
	}
	return CheckName(base[digestLen+1:])
}

// CheckName checks the name of a store path: 1 to 211 letters, digits and characters of "+-._?=". As in Nix since 2.20,
// names that look like a parent directory ("." and "..", alone or before a dash) are errors.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("the name is empty")
	}
	if len(name) > maxNameLen {
		return fmt.Errorf("the name has %d characters, want at most %d", len(name), maxNameLen)
	}
	for i := range len(name) {
		if !nameChar(name[i]) {
			return fmt.Errorf("character %q cannot be in a name (letters, digits and +-._?= can)", name[i])
		}
	}
	if first, _, _ := strings.Cut(name, "-"); first == "." || first == ".." {
		return fmt.Errorf("the name %q begins with %q", name, first)
	}
	return nil
}

func nameChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("+-._?=", c) >= 0
}

// String returns the path as text.
func (p Path) String() string { return string(p) }

// Base returns the path without its directory: "<digest>-<name>".
func (p Path) Base() string { return strings.TrimPrefix(string(p), Dir+"/") }

// Digest returns the 32 characters that make the path unique, "" for an invalid path.
func (p Path) Digest() string {
	if b := p.Base(); len(b) > digestLen {
		return b[:digestLen]
	}
	return ""
}

// Name returns what follows the digest and the dash, such as hello-2.12.1.
func (p Path) Name() string {
	if b := p.Base(); len(b) > digestLen {
		return b[digestLen+1:]
	}
	return ""
}

// IsDerivation reports whether the path names a derivation: it ends in .drv.
func (p Path) IsDerivation() bool { return strings.HasSuffix(string(p), drvExt) }

const drvExt = ".drv"
