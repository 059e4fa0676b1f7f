package adopt

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/exec/host"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// machines are the machines of exec/host's tests.
func machines(t *testing.T) map[string]*host.Hardware {
	t.Helper()
	files, err := filepath.Glob("../host/testdata/machines/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no machines: %v", err)
	}
	all := map[string]*host.Hardware{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hw := new(host.Hardware)
		if err := json.Unmarshal(text, hw); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = hw
	}
	return all
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

func TestModules(t *testing.T) {
	for name, hw := range machines(t) {
		var b strings.Builder
		if err := syntax.Fprint(&b, Module(hw)); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".nix", b.String())
		if _, err := syntax.ParseFile(name, []byte(b.String()), syntax.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
