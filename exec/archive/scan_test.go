package archive

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

// somePaths are paths with digests of their own.
func somePaths(n int) []store.Path {
	paths := make([]store.Path, n)
	for i := range paths {
		p, err := store.TextPath("some", fmt.Sprint(i), nil)
		if err != nil {
			panic(err)
		}
		paths[i] = p
	}
	slices.Sort(paths)
	return paths
}

// A scan finds what bytes.Contains finds, however the text is cut into writes.
func TestScanFindsEveryReference(t *testing.T) {
	paths := somePaths(40)
	s := newScanner(paths)
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var text []byte
		for range r.IntN(8) {
			switch r.IntN(4) {
			case 0:
				text = append(text, pick(r, paths).Digest()...)
			case 1:
				text = append(text, pick(r, paths).Digest()[:r.IntN(33)]...)
			case 2:
				text = append(text, "/nix/store/"...)
			case 3:
				text = append(text, bytes.Repeat([]byte("a"), r.IntN(40))...)
			}
		}
		var want []store.Path
		for _, p := range paths {
			if bytes.Contains(text, []byte(p.Digest())) {
				want = append(want, p)
			}
		}
		scan := s.scan()
		for left := text; len(left) > 0; {
			n := 1 + r.IntN(min(len(left), 50))
			scan.Write(left[:n])
			left = left[n:]
		}
		if diff := cmp.Diff(want, scan.differs(nil)); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", text, diff)
		}
		if left := scan.differs(want); len(left) > 0 {
			t.Fatalf("%q: differs by %v", text, left)
		}
	}
}

// A text may mention a path that it does not refer to, and refer to one that it does not mention. Export says so in the
// manifest, and Open takes only what is said there.
func TestReferencesThatAScanDoesNotFind(t *testing.T) {
	ctx, src := context.Background(), texts{}
	dep := src.add("dep", "a text", nil)
	mentions := src.add("mentions", "a text about "+string(dep), nil)
	silent := src.add("silent", "a text about nothing", []store.Path{dep})
	name := filepath.Join(t.TempDir(), "archive.tar")
	if _, err := Export(ctx, src, Manifest{Paths: []store.Path{dep, mentions, silent, dep}}, name, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	a, err := Open(ctx, name, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := map[store.Path][]store.Path{mentions: {dep}, silent: {dep}}
	if diff := cmp.Diff(want, a.Manifest.ScanDiffers); diff != "" {
		t.Errorf("scan_differs (-want +got):\n%s", diff)
	}
	for p := range want {
		b := unpack(t, name)
		var m Manifest
		if err := m.parse(b.member(manifestName).body); err != nil {
			t.Fatal(err)
		}
		delete(m.ScanDiffers, p)
		if b.member(manifestName).body, err = m.text(); err != nil {
			t.Fatal(err)
		}
		b.mend()
		if _, err := Open(ctx, b.write(t.TempDir(), false), OpenOptions{}); err == nil || !strings.Contains(err.Error(), "contents of "+string(p)+" differ about "+string(dep)) {
			t.Errorf("without %s: %v", p, err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	s := newScanner(somePaths(2000))
	r := rand.NewChaCha8([32]byte{})
	binary := make([]byte, 1<<20)
	r.Read(binary)
	hex := fmt.Appendf(nil, "%x", binary[:1<<19])
	for name, text := range map[string][]byte{"binary": binary, "hex": hex} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(1 << 20)
			scan := s.scan()
			for b.Loop() {
				scan.Write(text)
			}
		})
	}
}
