package compile

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

// splitInto writes the files of a split network into a directory.
func splitInto(t *testing.T, f *schema.Fleet, format Format, dir string) {
	t.Helper()
	err := Split(f, Options{Format: format, Dir: dir}, func(file *syntax.File) error {
		name := filepath.Join(dir, file.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		return os.WriteFile(name, syntax.Format(file), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSplitGoldens(t *testing.T) {
	for _, tt := range []struct {
		inventory string
		format    Format
		dir       string
	}{
		{"testdata/blog/hosts.toml", Muster, "testdata/blog/split"},
		{"testdata/everything/hosts.cue", Muster, "testdata/everything/split"},
		{"testdata/everything/hosts.cue", Flake, "testdata/everything/split-flake"},
		{"testdata/everything/hosts.cue", Morph, "testdata/everything/split-morph"},
	} {
		t.Run(tt.dir, func(t *testing.T) {
			f := load(t, tt.inventory)
			golden, err := filepath.Abs(tt.dir)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			err = Split(f, Options{Format: tt.format, Dir: golden}, func(file *syntax.File) error {
				got[file.Name] = string(syntax.Format(file))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.RemoveAll(golden); err != nil {
					t.Fatal(err)
				}
				splitInto(t, f, tt.format, golden)
			}
			if diff := cmp.Diff(tree(t, golden), got); diff != "" {
				t.Errorf("(-want +got; -update accepts it):\n%s", diff)
			}
		})
	}
}

// tree returns the files below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A network in many files evaluates to the same systems as one in a single file,
// even if it imports files beside and above the inventory.
func TestSplitIsTheSameFleet(t *testing.T) {
	root, fleets := toolFleets(t, "kluster-cue", "production", "roles", "environments/production", "mixed")
	driver := filepath.Join(root, "driver.nix")
	if err := os.WriteFile(driver, []byte(Driver), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, f := range fleets {
		for _, format := range []Format{Muster, NixOps, Morph, Colmena} {
			t.Run(f.name+"/"+string(format), func(t *testing.T) {
				dir := f.split(t, format)
				out := instantiate(t, `import `+driver+` { network = `+dir+`; }`, "NIX_PATH=nixpkgs="+root+"/minios")
				var got map[string]system
				if err := json.Unmarshal(out, &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(f.want, got); diff != "" {
					t.Errorf("(-one file +many):\n%s", diff)
				}
			})
		}
	}
}

func TestFileNamesAreApartAndPlain(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"web db", "web db"},
		{"web WEB Web", "web WEB-2 Web-3"},
		{"a/b ../etc/passwd", "a-b -etc-passwd"},
		{"... .hidden", "unnamed hidden"},
		{"a$b a{b}", "a-b a-b-"},
		{"a-2 a A", "a-2 a A-3"},
		{strings.Repeat("x", 300) + " " + strings.Repeat("x", 400), strings.Repeat("x", 200) + " " + strings.Repeat("x", 200) + "-2"},
	} {
		if got := strings.Join(fileNames(strings.Fields(tt.names)), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.names, got, tt.want)
		}
	}
}

func TestSplitReportsWhatIsNotNix(t *testing.T) {
	f := &schema.Fleet{Dir: t.TempDir(), Hosts: []*schema.Host{{Name: "web", Address: "192.0.2.1",
		Module: schema.Module{Nix: []schema.Snippet{{At: schema.Pos{File: "hosts.cue", Line: 3, Col: 7}, Text: "{ a = ; }"}}}}}}
	err := Split(f, Options{}, func(file *syntax.File) error { t.Errorf("%s is written", file.Name); return nil })
	if want := "hosts.cue:3:14: not Nix: syntax error, unexpected ';'"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
