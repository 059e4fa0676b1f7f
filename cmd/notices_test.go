package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestNoticesOfEveryModule(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("../.ci/notices", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}{{end}}{{end}}", "./muster")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	if len(modules) == 0 {
		t.Fatal("no modules are linked")
	}
	for _, module := range modules {
		if files, _ := os.ReadDir(filepath.Join(dir, module)); len(files) == 0 {
			t.Errorf("%s: no notice", module)
		}
	}
}

// TestNoticesWantALicence gathers the notices of a program with a module that has
// a licence and one that has none.
func TestNoticesWantALicence(t *testing.T) {
	source := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":         "module m\n\ngo 1.22\n\nrequire (\n\tx.test/good v0.0.0\n\tx.test/bare v0.0.0\n)\n\nreplace x.test/good => ./good\n\nreplace x.test/bare => ./bare\n",
		"main.go":        "package main\n\nimport (\n\t_ \"x.test/bare\"\n\t_ \"x.test/good\"\n)\n\nfunc main() {}\n",
		"good/go.mod":    "module x.test/good\n",
		"good/good.go":   "package good\n",
		"good/LICENSE":   "Do as you like.\n",
		"bare/go.mod":    "module x.test/bare\n",
		"bare/bare.go":   "package bare\n",
		"bare/README.md": "No licence.\n",
	} {
		file := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gather := func() (string, error) {
		out, err := exec.Command("../.ci/notices", t.TempDir(), source, ".").CombinedOutput()
		return string(out), err
	}
	if out, err := gather(); err == nil || !strings.Contains(out, "x.test/bare@v0.0.0: no licence in "+filepath.Join(source, "bare")) {
		t.Errorf("a module without a licence: %v\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(source, "bare/README.md"), filepath.Join(source, "bare/COPYING")); err != nil {
		t.Fatal(err)
	}
	if out, err := gather(); err != nil {
		t.Errorf("with licences: %v\n%s", err, out)
	}
}
