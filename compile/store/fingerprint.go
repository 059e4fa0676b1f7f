package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// A store path's digest is the SHA-256, folded to 160 bits, of a fingerprint:
//
//	<type>:sha256:<hex of the inner hash>:/nix/store:<name>
//
// There are three types. A text, such as a .drv file, has "text" followed by its references. A source, whose inner hash
// is that of its archive, has "source" followed by its references. An output of a build has "output:<its name>".

// TextPath returns where a text with these references is stored: a .drv file, or a result of builtins.toFile.
func TextPath(name, contents string, refs []Path) (Path, error) {
	return textPath(name, HashString(SHA256, contents), refs)
}

func textPath(name string, contents Hash, refs []Path) (Path, error) {
	return makePath(withRefs("text", refs, false), contents, name)
}

// SourcePath returns where a file or directory is stored whose archive has this SHA-256. Only content that was built or
// fetched has references; self tells whether it refers to itself.
func SourcePath(name string, nar Hash, refs []Path, self bool) (Path, error) {
	if nar.Algo() != SHA256 {
		return "", fmt.Errorf("compute store path of %q: want the SHA-256 of an archive, got a %s hash", name, nar.Algo())
	}
	return makePath(withRefs("source", refs, self), nar, name)
}

// FixedPath returns where content with a hash known beforehand is stored. The hash is that of the archive if recursive,
// else of the bytes of a single file.
func FixedPath(name string, h Hash, recursive bool) (Path, error) {
	if h.IsZero() {
		return "", fmt.Errorf("compute store path of %q: no hash", name)
	}
	if recursive && h.Algo() == SHA256 {
		return SourcePath(name, h, nil, false)
	}
	inner := HashString(SHA256, "fixed:out:"+methodAlgo(h.Algo(), recursive)+":"+h.Base16()+":")
	return makePath("output:out", inner, name)
}

// OutputPath returns where an output of an input-addressed derivation is stored, given the derivation's hash modulo.
func OutputPath(drvName, output string, modulo Hash) (Path, error) {
	return makePath("output:"+output, modulo, outputName(drvName, output))
}

// outputName returns the name in an output's path: hello, hello-dev.
func outputName(drvName, output string) string {
	if output == "out" {
		return drvName
	}
	return drvName + "-" + output
}

// TextCA returns the content address of a text, as the store's database has it.
func TextCA(contents string) string { return "text:" + HashString(SHA256, contents).String() }

// FixedCA returns the content address of content with a hash known beforehand.
func FixedCA(h Hash, recursive bool) string {
	if recursive {
		return "fixed:r:" + h.String()
	}
	return "fixed:" + h.String()
}

// Placeholder returns what stands for an output's path in its derivation's environment while the path is not known yet.
// The builder sees the path.
func Placeholder(output string) string {
	return "/" + HashString(SHA256, "nix-output:"+output).Base32()
}

// methodAlgo returns an output's hash algorithm as a derivation spells it: "sha256", or "r:sha256" for the hash of an
// archive.
func methodAlgo(a Algo, recursive bool) string {
	if recursive {
		return "r:" + string(a)
	}
	return string(a)
}

func withRefs(kind string, refs []Path, self bool) string {
	sorted := slices.Clone(refs)
	slices.Sort(sorted)
	var b strings.Builder
	b.WriteString(kind)
	for _, r := range slices.Compact(sorted) {
		b.WriteByte(':')
		b.WriteString(string(r))
	}
	if self {
		b.WriteString(":self")
	}
	return b.String()
}

func makePath(kind string, inner Hash, name string) (Path, error) {
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("compute store path of %q: %w", name, err)
	}
	sum := sha256.Sum256([]byte(kind + ":sha256:" + hex.EncodeToString(inner.sum[:sha256.Size]) + ":" + Dir + ":" + name))
	return Path(Dir + "/" + EncodeBase32(CompressHash(sum[:], 20)) + "-" + name), nil
}
