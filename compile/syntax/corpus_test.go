package syntax

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// TestCorpusComments prints every file with its comments: none is lost, the tree
// is the same, and printing again changes nothing.
func TestCorpusComments(t *testing.T) {
	n, comments, moved := 0, 0, 0
	for _, name := range corpus(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ParseFile(name, src, Options{Comments: true})
		if err != nil {
			continue
		}
		out := Format(f)
		g, err := ParseFile(name, out, Options{Comments: true})
		if err != nil {
			t.Errorf("%s: printed text does not parse: %v", name, err)
			continue
		}
		n++
		if !equal(f.Expr, g.Expr) {
			t.Errorf("%s: printing changed the tree", name)
		}
		want, got := commentWords(src), commentWords(out)
		comments += len(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: comments differ (-in +out)\n%s", name, diff)
		}
		// A comment beside parentheses that nobody needs may move, but once.
		twice := Format(g)
		h, err := ParseFile(name, twice, Options{Comments: true})
		if err != nil {
			t.Errorf("%s: printed twice: %v", name, err)
			continue
		}
		if string(twice) != string(out) {
			moved++
		}
		if diff := cmp.Diff(string(twice), string(Format(h))); diff != "" {
			t.Errorf("%s: printing does not settle (-twice +thrice)\n%s", name, diff)
		}
	}
	t.Logf("%d files, %d words in comments; printing again changed %d", n, comments, moved)
}

// commentWords returns the words of all comments, sorted.
func commentWords(src []byte) []string {
	s := scanner{src: string(src), line: 1, comments: &commentScanner{}}
	p := parser{scanner: s}
	// Strings hold what looks like a comment: only the parser knows.
	f := &File{}
	p.file, p.notes = &f.Name, map[any]*Note{}
	p.comments.all = map[int]string{}
	p.next()
	p.expr()
	var words []string
	for _, c := range p.comments.all {
		words = append(words, strings.FieldsFunc(c, func(r rune) bool { return strings.ContainsRune("/*# \t\r\n", r) })...)
	}
	slices.Sort(words)
	return words
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
		if !equal(f.Expr, g.Expr) {
			t.Errorf("%s: printing changed the tree", name)
			continue
		}
		if diff := cmp.Diff(string(out), string(Format(g))); diff != "" {
			t.Errorf("%s: printing again differs (-once +twice)\n%s", name, diff)
		}
	}
	t.Logf("%d files, %d bytes: %d accepted and printed, %d rejected", accepted+rejected, bytes, accepted, rejected)
}
