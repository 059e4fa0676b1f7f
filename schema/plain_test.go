package schema

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bothWays reads CUE text with the plainReader and with CUE; plain is nil if the
// text is not plain data.
func bothWays(t *testing.T, text string) (plain, evaluated *node, problems Errors) {
	dir := t.TempDir()
	file := filepath.Join(dir, "hosts.cue")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, noPlain := range []bool{false, true} {
		l, err := newLoader("hosts.cue", Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		c := &cueReader{root: l.root, dir: dir, report: l.report, show: l.show, main: file, noPlain: noPlain}
		args := []string{"."}
		pkg := packageOf(file)
		if pkg == "" {
			args = []string{"./hosts.cue"}
		}
		n := c.read(context.Background(), args, pkg)
		if noPlain {
			evaluated, problems = n, l.report.list
		} else if c.wasPlain {
			plain = n
		}
	}
	return plain, evaluated, problems
}

// sameTree makes cmp ignore what is not part of an inventory.
var sameTree = cmp.Options{
	cmp.AllowUnexported(node{}, field{}),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".by" }, cmp.Ignore()),
}

func comparePlain(t *testing.T, text string) bool {
	plain, evaluated, problems := bothWays(t, text)
	if plain == nil {
		return false
	}
	if len(problems) > 0 {
		t.Errorf("plain, but CUE says %v", problems)
	}
	if d := cmp.Diff(evaluated, plain, sameTree); d != "" {
		t.Errorf("CUE (-) and the plain reader (+) differ: %s", d)
	}
	return true
}

func TestPlainIsWhatCUESays(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		plain bool
	}{
		"bench":     {benchCUE(3), true},
		"parts":     {"package p\nhosts: a: host: \"x\"\nhosts: a: port: 22\nhosts: b: {}\n", true},
		"comments":  {"// c\npackage p\n// d\na: 1 // e\nb: [ // f\n\t1, // g\n]\n", true},
		"quoted":    {"package p\n\"a b\": \"\\u00e9\\n\"\nc: [true, null, [], {}]\n", true},
		"multiline": {"package p\na: \"\"\"\n\tx\n\ty\n\t\"\"\"\n", true},
		"schema":    {"package p\nimport \"muster.internal/schema\"\nhosts: schema.#Hosts & {a: schema.#Host & {host: \"x\"}}\n", true},
		"embedded":  {"package p\na: {b: 1}\na: c: 2\n", true},
		"template":  {benchTemplate(2), false},
		"twice":     {"package p\na: 1\na: 1\n", false},
		"hidden":    {"package p\n_a: 1\nb: 2\n", false},
		"reference": {"package p\na: 1\nb: a\n", false},
		"default":   {"package p\na: *1 | 2\n", false},
		"optional":  {"package p\na?: 1\n", false},
		"unused":    {"package p\nimport \"muster.internal/schema\"\na: 1\n", false},
		"init":      {initText, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := comparePlain(t, tt.text); got != tt.plain {
				t.Errorf("plain: %v, want %v", got, tt.plain)
			}
		})
	}
}

func FuzzPlain(f *testing.F) {
	f.Add(benchCUE(2))
	f.Add(blogCUE)
	seeds(f, ".cue")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 4096 && !strings.Contains(text, "import") {
			comparePlain(t, text)
		}
	})
}
