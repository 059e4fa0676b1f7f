package store

import (
	"os"
	"path/filepath"
	"testing"
)

func BenchmarkDump(b *testing.B) {
	path := filepath.Join(b.TempDir(), "big")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 20)
	for b.Loop() {
		if err := Dump(nullWriter{}, path, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHashNAR(b *testing.B) {
	path := filepath.Join(b.TempDir(), "big")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 20)
	for b.Loop() {
		if _, _, err := HashNAR(SHA256, Disk{}, path, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// nullWriter is not an io.ReaderFrom, unlike io.Discard, so the bytes go through memory.
type nullWriter struct{}

func (nullWriter) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkDerivation computes what an evaluator needs of one derivation: its outputs, its path, and its hash as an
// input of others.
func BenchmarkDerivation(b *testing.B) {
	env := map[string]string{}
	for _, k := range []string{"buildInputs", "buildPhase", "builder", "configureFlags", "doCheck", "installPhase", "name", "nativeBuildInputs", "outputs", "patches", "pname", "src", "stdenv", "system", "version"} {
		env[k] = "/nix/store/" + someDigest + "-value\nof \"" + k + "\""
	}
	m := NewModulo(nil)
	b.ReportAllocs()
	for b.Loop() {
		d := &Derivation{Name: "bench", Outputs: map[string]Output{"out": {}, "dev": {}}, Platform: "x86_64-linux", Builder: "/bin/sh", Args: []string{"-e"}, Env: env}
		if err := d.FillOutputs(m); err != nil {
			b.Fatal(err)
		}
		p, err := d.Path()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.hash(d, false, []Path{p}); err != nil {
			b.Fatal(err)
		}
	}
}
