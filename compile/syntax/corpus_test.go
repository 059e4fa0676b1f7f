package syntax

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus returns the Nix files of this repository and of the directories that
// MUSTER_NIX_CORPUS lists, separated by colons.
func corpus(t testing.TB) []string {
	t.Helper()
	dirs := filepath.SplitList(os.Getenv("MUSTER_NIX_CORPUS"))
	dirs = append(dirs, filepath.Join("..", ".."))
	var files []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".nix") {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestCorpusRoundTrip prints every file that parses and parses what was
// printed: the tree is the same, and printing it again changes nothing.
func TestCorpusRoundTrip(t *testing.T) {
	accepted, rejected, bytes := 0, 0, 0
	for _, name := range corpus(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bytes += len(src)
		f, err := ParseFile(name, src, Options{})
		if err != nil {
			rejected++
			continue
		}
		accepted++
		out := Format(f)
		g, err := ParseFile(name, out, Options{})
		if err != nil {
			t.Errorf("%s: printed text does not parse: %v", name, err)
			continue
		}
		if !Equal(f.Expr, g.Expr) {
			t.Errorf("%s: printing changed the tree", name)
			continue
		}
		if again := Format(g); string(again) != string(out) {
			t.Errorf("%s: printing is not stable", name)
		}
	}
	t.Logf("%d files, %d bytes: %d accepted and printed, %d rejected", accepted+rejected, bytes, accepted, rejected)
}
