package schema

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// unwelcome matches what no message may contain: terms of CUE's evaluator, types of
// Go, and positions in schema.cue.
var unwelcome = regexp.MustCompile(`empty disjunction|incomplete value|schema\.cue|cue\.mod/pkg/|muster\.internal|registry|\bint64\b|\bfloat64\b|map\[|\*ast\.|interface \{|<nil>|%!|#Inventory|out of bound`)

// TestBroken loads the invalid inventories of testdata/broken and compares the
// problems. The comment of an archive may name the file to load.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil || len(files) < 150 {
		t.Errorf("%d broken inventories, want at least 150: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive(t, file, func(dir, what string) string {
				f, err := Load(context.Background(), what, Options{Dir: dir})
				var problems Errors
				if err == nil {
					problems = f.Warnings
				} else if !errors.As(err, &problems) {
					t.Fatal(err)
				}
				for _, p := range problems {
					if !p.Pos.IsValid() {
						t.Errorf("no place: %v", p)
					}
					if m := unwelcome.FindString(p.Error()); m != "" {
						t.Errorf("%q in %v", m, p)
					}
					if strings.ContainsAny(p.Error(), "\n\r\x00\x1b") {
						t.Errorf("not one plain line: %q", p)
					}
				}
				if len(problems) == 0 {
					t.Error("nothing is wrong with it")
				}
				return problems.Error() + "\n"
			})
		})
	}
}

// archive lays out a txtar archive's files, runs f on them, and compares or
// updates the section "want".
func archive(t *testing.T, file string, f func(dir, what string) string) {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	want := -1
	for i, af := range ar.Files {
		if af.Name == "want" {
			want = i
			continue
		}
		name := filepath.Join(dir, af.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, af.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	what := ""
	if m := regexp.MustCompile(`(?m)^load: (.*)$`).FindSubmatch(ar.Comment); m != nil {
		what = string(m[1])
	}
	got := strings.ReplaceAll(f(dir, what), dir, "$DIR")
	if *update {
		if want < 0 {
			ar.Files = append(ar.Files, txtar.File{Name: "want"})
			want = len(ar.Files) - 1
		}
		ar.Files[want].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want < 0 {
		t.Fatal("no section want: run with -update")
	}
	if d := cmp.Diff(string(ar.Files[want].Data), got); d != "" {
		t.Error(d)
	}
}

// TestGood compares all values of the inventories of testdata/good, with their
// positions. The inventories have no warnings.
func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no inventories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive(t, file, func(dir, what string) string {
				f, err := Load(context.Background(), what, Options{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				if len(f.Warnings) > 0 {
					t.Errorf("warnings:\n%v", f.Warnings)
				}
				all, err := Inspect(f, "")
				if err != nil {
					t.Fatal(err)
				}
				var b strings.Builder
				for _, l := range Leaves(all, "") {
					fmt.Fprintf(&b, "%s = %s @ %v\n", l.Path, l.Text, l.At)
				}
				return b.String()
			})
		})
	}
}
