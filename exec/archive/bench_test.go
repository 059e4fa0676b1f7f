package archive

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"muster/compile/store"
)

var benchSize = flag.Int("bench-size", 32, "open an archive of `n` megabytes before compression")

// BenchmarkOpen opens an archive of texts that compress to about a third, as programs do.
func BenchmarkOpen(b *testing.B) {
	src, r := texts{}, rand.New(rand.NewPCG(1, 2))
	var refs []store.Path
	for i := range *benchSize {
		var text strings.Builder
		for text.Len() < 1<<20 {
			fmt.Fprintf(&text, "%x some words that repeat %x", r.Uint64(), i)
		}
		for _, ref := range refs {
			text.WriteString(string(ref))
		}
		refs = append(refs, src.add(fmt.Sprint(i), text.String(), refs))
	}
	name := filepath.Join(b.TempDir(), "archive.tar")
	stats, err := Export(context.Background(), src, Manifest{Paths: refs}, name, ExportOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(stats.ClosureBytes)
	for b.Loop() {
		a, err := Open(context.Background(), name, OpenOptions{})
		if err != nil {
			b.Fatal(err)
		}
		a.Close()
	}
}
