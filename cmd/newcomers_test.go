package cmd_test

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// newcomersFile is a table of mistakes in the text of an inventory. Each is a folder with
// one or several inventories, which make the same mistake in their languages, and
//
//	NAME/want  what muster vet says of each, in the order of the folder
//
// A file NAME.utf16 or NAME.latin1 is written in that encoding.
const newcomersFile = "testdata/newcomers.txtar"

// parsersWords are those of parsers that no message has.
var parsersWords = regexp.MustCompile(`\bEOF\b|IDENT|operand|literal|U\+00[0-9A-F]{2} '|looking for beginning|did not find|disjunction|invalid character|@experiment|unmarshal`)

// Every mistake in the text of an inventory is told with its place and what to write
// instead.
func TestNewcomers(t *testing.T) {
	archive, err := txtar.ParseFile(newcomersFile)
	if err != nil {
		t.Fatal(err)
	}
	root, folders := t.TempDir(), []string{}
	for _, f := range slices.Clone(archive.Files) {
		folder, name, _ := strings.Cut(f.Name, "/")
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		if name == "want" {
			continue
		}
		file := writeEncoded(t, filepath.Join(root, folder), name, string(f.Data))
		t.Run(folder+"/"+file, func(t *testing.T) {
			t.Chdir(filepath.Join(root, folder))
			found := said(t, "vet", file)
			found = found[:strings.LastIndex(strings.TrimSuffix(found, "\n"), "\n")+1] // without the counts
			want := wantOf(archive, folder, f.Name)
			if update() {
				want.Data = append(want.Data, found...)
			} else if !strings.Contains(string(want.Data), found) || found == "" {
				t.Errorf("-want +got:\n%s", gocmp.Diff(string(want.Data), found))
			}
			for line := range strings.Lines(found) {
				if !regexp.MustCompile(`^[\w.]+:\d+:\d+: .*; .`).MatchString(line) {
					t.Errorf("no place, or nothing to do about it: %s", line)
				}
				if w := parsersWords.FindString(line); w != "" {
					t.Errorf("%q in %s", w, line)
				}
			}
		})
	}
	if len(folders) < 60 {
		t.Errorf("%d kinds of mistakes, want at least 60", len(folders))
	}
	if update() {
		if err := os.WriteFile(newcomersFile, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// wantOf returns what is expected of a folder. With -update it is emptied before the
// first of its files is looked at, or added behind the last.
func wantOf(archive *txtar.Archive, folder, file string) *txtar.File {
	first, last := "", -1
	for i, f := range archive.Files {
		switch name, ok := strings.CutPrefix(f.Name, folder+"/"); {
		case !ok:
		case name == "want":
			if update() && file == first {
				archive.Files[i].Data = nil
			}
			return &archive.Files[i]
		default:
			first, last = cmp.Or(first, f.Name), i
		}
	}
	if update() {
		archive.Files = slices.Insert(archive.Files, last+1, txtar.File{Name: folder + "/want"})
		return &archive.Files[last+1]
	}
	return &txtar.File{}
}

// writeEncoded writes a file in the encoding that its name ends in, and returns its name
// without that.
func writeEncoded(t *testing.T, dir, name, text string) string {
	t.Helper()
	data := []byte(text)
	if plain, ok := strings.CutSuffix(name, ".utf16"); ok {
		name, data = plain, []byte{0xff, 0xfe}
		for _, c := range utf16.Encode([]rune(text)) {
			data = append(data, byte(c), byte(c>>8))
		}
	}
	if plain, ok := strings.CutSuffix(name, ".latin1"); ok {
		name, data = plain, nil
		for _, c := range text {
			data = append(data, byte(c))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
