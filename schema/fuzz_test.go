package schema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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

// A number of bytes is digits and a unit, and within the limits.
func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"800", "500k", "10M", "1.5G", "0x1p4", "1e3", "NaN", "inf", "1_000", "+5", "-1k", "k", "0.0001k", "999999G9"} {
		f.Add(s)
	}
	written := regexp.MustCompile(`^[0-9]+(\.[0-9]+)?[kKMG]?$`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseBytes(text)
		if err != nil {
			return
		}
		if n < 1 || n > 1e15 || !written.MatchString(text) {
			t.Errorf("%q is %d bytes", text, n)
		}
		if again, err := ParseBytes(strconv.FormatInt(n, 10)); err != nil || again != n {
			t.Errorf("%d bytes are read as %d, %v", n, again, err)
		}
	})
}

// A duration of the inventory is what time.ParseDuration reads, or the inventory is refused.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"30s", "1h30m", "1.5h", "99999999999h", "5", "-1s", "1µs", "", "0s", ".5s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted, err := json.Marshal(text)
		if err != nil || !utf8.ValidString(text) {
			return
		}
		dir := t.TempDir()
		inventory := `{"hosts": {"a": {"host": "10.0.0.1"}}, "rollout": {"pause": ` + string(quoted) + `}}`
		if err := os.WriteFile(filepath.Join(dir, "hosts.json"), []byte(inventory), 0o644); err != nil {
			t.Fatal(err)
		}
		fleet, err := Load(context.Background(), "hosts.json", Options{Dir: dir})
		if err != nil {
			return
		}
		want, err := time.ParseDuration(text)
		if got := fleet.Rollout.Pause; err != nil || got != want || got < 0 {
			t.Errorf("%q is %v, want %v, %v", text, got, want, err)
		}
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
