package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// seeds adds the inventories of a kind in testdata.
func seeds(f *testing.F, ext string) {
	inventoryShape() // made once, and not at the expense of the first input
	files, _ := filepath.Glob("testdata/broken/*.txtar")
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, af := range ar.Files {
			if filepath.Ext(af.Name) == ext {
				f.Add(string(af.Data))
			}
		}
	}
}

// fuzzLoad loads any text. It must soon give a fleet, or problems with positions and
// without unwelcome words.
func fuzzLoad(t *testing.T, file, text string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	process := clock{}
	start := process.now() // a machine busy with other things is not at fault
	fleet, err := Load(context.Background(), file, Options{Dir: dir})
	if took := process.now() - start; took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	var problems Errors
	if err != nil && !errors.As(err, &problems) {
		t.Fatalf("not a problem of the inventory: %v", err)
	}
	if err == nil {
		problems = fleet.Warnings
		all, err := Inspect(fleet, "")
		if err != nil {
			t.Fatal(err)
		}
		JSON(all)
	}
	for _, p := range problems {
		lines := strings.Count(text, "\n") + 1
		if !p.Pos.IsValid() || p.Pos.Line > lines || p.Pos.Col < 1 {
			t.Errorf("no such place: %v", p)
		}
		if p.Msg == "" || strings.ContainsAny(p.Error(), "\n\r\x00\x1b") {
			t.Errorf("not one plain line: %q", p.Error())
		}
		if m := unwelcome.FindString(p.Msg + p.Hint); m != "" && !strings.Contains(text, m) {
			t.Errorf("%q in %v", m, p)
		}
	}
}

func FuzzLoadTOML(f *testing.F) {
	f.Add(blog)
	f.Add(benchTOML(2))
	seeds(f, ".toml")
	f.Fuzz(func(t *testing.T, text string) { fuzzLoad(t, "hosts.toml", text) })
}

func FuzzLoadJSON(f *testing.F) {
	f.Add(benchJSON(2))
	seeds(f, ".json")
	f.Fuzz(func(t *testing.T, text string) { fuzzLoad(t, "hosts.json", text) })
}

func FuzzLoadYAML(f *testing.F) {
	f.Add(benchYAML(2))
	seeds(f, ".yaml")
	f.Fuzz(func(t *testing.T, text string) { fuzzLoad(t, "hosts.yaml", text) })
}

func FuzzLoadCUE(f *testing.F) {
	f.Add(blogCUE)
	f.Add(benchTemplate(2))
	f.Add(initText)
	seeds(f, ".cue")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		fuzzLoad(t, "hosts.cue", text)
	})
}

// For every leaf of schema.cue, the shape accepts the same scalars as CUE.
func FuzzShape(f *testing.F) {
	for _, s := range []string{"", "10.0.0.1", "10.0.0.300", "fe80::1%eth0", "web1.example.org", "root", "x86_64-linux", "sudo", "5m", "20%",
		"01b3bcba-c0ef-4538-8dd2-f7dee2952322", "ABCD-1234", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc0hKBhCHFz", "root@a:22", "/dev/sda", "\x00", "é", "10.0.0.0/8"} {
		f.Add(s, int64(len(s)), 1.5)
	}
	f.Fuzz(func(t *testing.T, s string, i int64, x float64) {
		for _, n := range []*node{{kind: stringKind, text: s}, {kind: intKind, num: i}, {kind: floatKind, flt: x}, {kind: boolKind, bool: i%2 == 0}, {kind: nullKind}} {
			for path, leaf := range cueLeaves() {
				if got, want := leaf.ours(n), leaf.cue(n); got != want {
					t.Errorf("%s: %v: we say %v, CUE %v", path, fmt.Sprint(n), got, want)
				}
			}
		}
	})
}
