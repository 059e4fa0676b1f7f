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
		"bench":                    {benchCUE(3), true},
		"parts":                    {"package p\nhosts: a: host: \"x\"\nhosts: a: port: 22\nhosts: b: {}\n", true},
		"comments":                 {"// c\npackage p\n// d\na: 1 // e\nb: [ // f\n\t1, // g\n]\n", true},
		"quoted":                   {"package p\n\"a b\": \"\\u00e9\\n\"\nc: [true, null, [], {}]\n", true},
		"multiline":                {"package p\na: \"\"\"\n\tx\n\ty\n\t\"\"\"\n", true},
		"schema":                   {"package p\nimport \"muster.internal/schema\"\nhosts: schema.#Hosts & {a: schema.#Host & {host: \"x\"}}\n", true},
		"embedded":                 {"package p\na: {b: 1}\na: c: 2\n", true},
		"template":                 {benchTemplate(2), true},
		"overridden":               {"package p\nhosts: [Name=_]: {\n\tport: *22 | int\n\tuser: *\"root\" | string\n\troles: [\"web\"]\n\tconfig: networking: hostName: Name\n\tconfig2: a: \"x-\\(Name).y\\n\"\n}\nhosts: h1: {\n\thost: \"x\"\n\tconfig: networking: domain: \"d\"\n\tuser: \"u\"\n\troles: [\"web\"]\n}\nhosts: \"h-2\": host: \"y\"\n", true},
		"two templates":            {"package p\nhosts: {\n[string]: {a: 1, c: {x: 1, y: 2}}\n[_]: {b: 2, c: z: 3}\n}\nhosts: {h1: {c: {w: 1, y: 2}, d: 1}, h2: {}}\n", true},
		"template and schema":      {"package p\nimport \"muster.internal/schema\"\nhosts: schema.#Hosts & {[string]: schema.#Host & {a: 1}, h: schema.#Host & {b: 1}}\n", true},
		"template after hosts":     {"package p\nhosts: h: a: 1\nhosts: [string]: b: 1\n", false},
		"template and host again":  {"package p\nhosts: [string]: b: 1\nhosts: h: a: 1\nhosts: h: c: 1\n", false},
		"template of some":         {"package p\nhosts: [=~\"^a\"]: b: 1\nhosts: h: a: 1\n", false},
		"template elsewhere":       {"package p\nroles: [string]: b: 1\nroles: h: a: 1\n", false},
		"template conflicts":       {"package p\nhosts: [string]: b: 1\nhosts: h: b: 2\n", false},
		"template of another type": {"package p\nhosts: [string]: b: *1 | int\nhosts: h: b: \"x\"\n", false},
		"template to be filled":    {"package p\nhosts: [string]: b: string\nhosts: h: b: \"x\"\n", false},
		"template shadows":         {"package p\nhosts: [N=string]: {N: \"x\", b: N}\nhosts: h: c: 1\n", false},
		"template twice":           {"package p\nhosts: [N=string]: {b: a: 1, b: c: 2, b: d: 1}\nhosts: h: {b: e: 1, c: 1, b: {c: 2, f: 1}}\n", true},
		"twice":                    {"package p\na: 1\na: 1\n", false},
		"hidden":                   {"package p\n_a: 1\nb: 2\n", false},
		"reference":                {"package p\na: 1\nb: a\n", false},
		"default":                  {"package p\na: *1 | 2\n", false},
		"optional":                 {"package p\na?: 1\n", false},
		"unused":                   {"package p\nimport \"muster.internal/schema\"\na: 1\n", false},
		"init":                     {initText, false},
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
	f.Add(benchTemplate(2))
	f.Add("hosts: [N=_]: {a: *1 | int, b: \"\\(N).x\", c: {d: N, e: [1]}}\nhosts: {h: {c: {e: [1], f: 2}, a: 3}, i: {}}\n")
	seeds(f, ".cue")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 4096 && !strings.Contains(text, "import") {
			comparePlain(t, text)
		}
	})
}
