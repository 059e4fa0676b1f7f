package schema

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// wholeAndPieces evaluates the package in a directory whole and in pieces of size
// hosts. It returns both trees and the problems of both.
func wholeAndPieces(t *testing.T, dir, file string, size int) (trees [2]*node, problems [2]Errors, pieces int) {
	t.Helper()
	for i, size := range []int{1 << 20, size} {
		l, err := newLoader(file, Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		c := &cueReader{root: l.root, dir: l.fleet.Dir, report: l.report, show: l.show, main: l.file, noPlain: true, piece: size}
		args, pkg := []string{"."}, packageOf(l.file)
		if pkg == "" {
			args = []string{"./" + filepath.Base(l.file)}
		}
		trees[i] = c.read(context.Background(), args, pkg)
		problems[i], pieces = l.report.list.sorted(), c.pieces
	}
	return trees, problems, pieces
}

func comparePieces(t *testing.T, dir, file string, size int) (pieces int) {
	t.Helper()
	trees, problems, pieces := wholeAndPieces(t, dir, file, size)
	if d := cmp.Diff(problems[0], problems[1]); d != "" {
		t.Errorf("problems of the whole (-) and of %d pieces (+): %s", pieces, d)
	}
	if d := cmp.Diff(trees[0], trees[1], sameTree); d != "" {
		t.Errorf("the whole (-) and %d pieces (+): %s", pieces, d)
	}
	return pieces
}

// TestPiecesGiveTheWhole compares a fleet evaluated whole with one evaluated in
// pieces of 2 hosts. Where pieces is false, the whole must be evaluated.
func TestPiecesGiveTheWhole(t *testing.T) {
	plain := "hosts: {a: host: \"10.0.0.1\"}\nhosts: b: host: \"10.0.0.2\"\nhosts: \"c-c\": {}\nhosts: {d: port: 22, e: {}}\nhosts: a: port: 23\n"
	numbered := `host: "10.0.0.\(i)", port: 22, config: {a: i, b: x}`
	for name, tt := range map[string]struct {
		text   string
		pieces bool
	}{
		"plain":              {plain, true},
		"template":           {plain + "hosts: [Name=_]: {user: *\"root\" | string, config: me: Name}\nhosts: b: user: \"u\"\n", true},
		"template-last":      {plain + "hosts: [string]: {tags: [\"t\"]}\n", true},
		"template-conflict":  {plain + "hosts: [string]: {port: 22 | 24, host: string}\n", true},
		"template-unknown":   {plain + "hosts: [string]: {user: string}\n", true},
		"undecided":          {plain + "hosts: [string]: {meta: x: bool, if meta.x {user: \"u\"}}\n", true},
		"let":                {"let U = \"u\"\nlet V = \"v\"\n" + plain + "hosts: b: user: U\nhosts: e: user: V\n", true},
		"let-unused":         {"let U = \"u\"\n" + plain, false},
		"reference":          {plain + "hosts: d: config: x: hosts.b.host\nhosts: e: config: y: hosts[\"a\"].port\n", true},
		"reference-sibling":  {"hosts: {a: host: \"x\", b: user: \"u\", c: {}, d: config: x: a.host, e: config: y: hosts.b}\n", true},
		"reference-all":      {plain + "meta: all: [for n, h in hosts {n}]\n", false},
		"reference-computed": {plain + "_n: \"a\"\nhosts: e: config: x: hosts[_n].host\n", false},
		"reference-missing":  {plain + "hosts: e: config: x: hosts.zz.host\n", false},
		"alias":              {"H=hosts: a: host: \"x\"\n" + plain + "meta: x: H.a.host\n", false},
		"embedding":          {plain + "_more: {hosts: f: {}}\n_more\n", false},
		"value":              {plain + "_h: {f: {}}\nhosts: _h & {g: {}}\n", false},
		"schema":             {"import \"muster.internal/schema\"\nhosts: schema.#Hosts & {a: {}, b: {}, c: {}}\nhosts: schema.#Hosts & {d: {}, e: {}}\n", true},
		"list":               {`hosts: {for i, x in ["a", "b", "c", "d", "e"] {(x): {` + numbered + `}}}` + "\n", true},
		"list-hidden":        {`_l: ["a", "b", "c", "d", "e"]` + "\n" + `hosts: {for i, x in _l if i != 2 {(x): {` + numbered + `}}}` + "\n", true},
		"list-shared":        {`_l: ["a", "b", "c", "d", "e"]` + "\n" + `hosts: {for i, x in _l {(x): {` + numbered + `}}}` + "\nmeta: names: _l\n", true},
		"list-shown":         {`list: ["a", "b", "c", "d", "e"]` + "\n" + `hosts: {for x in list {(x): {}}}` + "\n", true},
		"list-open":          {`_l: ["a", "b", "c", "d", "e", ...string]` + "\n" + `hosts: {for i, x in _l {(x): {` + numbered + `}}}` + "\n", false},
		"struct":             {`_m: {a: 1, b: 2, c: 3, d: 4, e: 5}` + "\n" + `hosts: {for x, i in _m {(x): {` + numbered + `}}}` + "\n", true},
		"range":              {"import \"list\"\n" + `hosts: {for i in list.Range(3, 16, 2) let x = "q" {"h\(i)": {` + numbered + `}}}` + "\n", true},
		"range-index":        {"import \"list\"\n_to: 16\n" + `hosts: {for i, x in list.Range(3, _to, 2) {"h\(x)": {` + numbered + `}}}` + "\n", true},
		"range-conflict":     {"import \"list\"\n" + `hosts: {for i, x in list.Range(0, 9, 1) {"h\(x)": {` + numbered + `, port: 20 + i}}}` + "\n", true},
		"range-unknown":      {"import \"list\"\n" + `hosts: {for i, x in list.Range(0, 9, 1) {"h\(x)": {` + numbered + `, user: string}}}` + "\n", true},
		"range-huge":         {"import \"list\"\n_n: 3\n" + `hosts: {for i, x in list.Range(0, _n*3, 1) {"h\(x)": {` + numbered + `}}}` + "\n", false},
		"nested": {"import \"list\"\n_s: [\"ams\", \"ber\", \"cph\"]\n" +
			`hosts: {for s, x in _s for r in list.Range(0, 3, 1) if r != 1 {for k, i in list.Range(5, 8, 1) {"\(x)-\(r)-\(k)": {` + numbered + `, config: c: s}}}}` + "\n", true},
		"nested-dependent": {"import \"list\"\n_s: [{n: 2, x: \"a\"}, {n: 3, x: \"b\"}, {n: 4, x: \"c\"}, {n: 0, x: \"d\"}]\n" +
			`hosts: {for s in _s for i in list.Range(0, s.n, 1) let x = s.x {"\(x)-\(i)": {` + numbered + `}}}` + "\n", true},
		"two-generators": {"import \"list\"\n" + plain +
			`hosts: {for i in list.Range(0, 5, 1) let x = 1 {"f\(i)": {` + numbered + `}}, for i in list.Range(0, 5, 1) let x = 1 {"g\(i)": {` + numbered + `}}}` + "\n", true},
		"generated-and-written":   {"import \"list\"\n" + `hosts: {for i in list.Range(0, 5, 1) let x = 1 {"h\(i)": {` + numbered + `}}}` + "\nhosts: h3: user: \"u\"\n", false},
		"generated-twice":         {"import \"list\"\n" + `hosts: {for i in list.Range(0, 5, 1) {"h\(i)": port: 22}, for i in list.Range(0, 5, 1) {"h\(i)": user: "u"}}` + "\n", false},
		"generated-and-referred":  {"import \"list\"\n" + `hosts: {for i in list.Range(0, 5, 1) {"h\(i)": port: 22}}` + "\nmeta: x: hosts.h3.port\n", false},
		"generated-with-template": {"import \"list\"\n" + `hosts: {[N=_]: {config: me: N, user: *"root" | string}, for i in list.Range(0, 5, 1) let x = N {"h\(i)": {` + numbered + `}}}` + "\n_N: 1\nlet N = 7\n", true},
		"hosts-bad":               {"hosts: [1, 2, 3]\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "hosts.cue", "package fleet\n"+tt.text)
			if pieces := comparePieces(t, dir, "hosts.cue", 2); pieces > 0 != tt.pieces {
				t.Errorf("%d pieces", pieces)
			}
		})
	}
}

// TestPiecesOfTheCorpus evaluates the inventories of testdata in pieces of 1 host.
func TestPiecesOfTheCorpus(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.txtar")
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, f := range ar.Files {
			name := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Dir(name), filepath.Base(name), string(f.Data))
		}
		if _, err := os.Stat(filepath.Join(dir, "hosts.cue")); err != nil {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) { comparePieces(t, dir, "hosts.cue", 1) })
	}
}

// TestPiecesOfRandomFleets builds fleets of random declarations.
func TestPiecesOfRandomFleets(t *testing.T) {
	inPieces := 0
	for seed := range uint64(100) {
		text := randomFleet(rand.New(rand.NewPCG(seed, 22)))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "hosts.cue", text)
			if comparePieces(t, dir, "hosts.cue", 1+int(seed%4)) > 0 {
				inPieces++
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
	if inPieces < 20 {
		t.Errorf("only %d of the fleets were evaluated in pieces", inPieces)
	}
}

// randomFleet returns a fleet, which need not be valid.
func randomFleet(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	body := func(name, n string) string {
		var fields []string
		for range r.IntN(4) {
			fields = append(fields, pick(
				`host: "10.0.0.\(`+n+`)"`, `port: 22`, `port: *22 | int`, `port: `+n, `user: "u"`, `user: string`, `tags: ["t", _tag]`,
				`config: a: `+name, `config: {b: `+n+`, c: _tag}`, `config: peer: hosts.a.port`, `config: peer: hosts["b"].config.b`,
				`if `+n+` > 3 {policy: "roaming"}`, `meta: x: `+pick("int", n)+`, if meta.x > 1 {user: "m"}`, `config: {for k in ["x", "y"] {(k): `+n+`}}`))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	var b strings.Builder
	b.WriteString("package fleet\n\nimport \"list\"\n\n_tag: \"t\"\n_l: [\"p\", \"q\", \"r\", \"s\"]\n_ok: list.Contains(_l, \"p\")\nlet Seven = 7\n_seven: Seven\n")
	for range 3 + r.IntN(6) {
		name := pick("a", "b", "c", "d", "e", "f", "g", `"h-h"`)
		b.WriteString("hosts: " + pick(
			name+": "+body(`"n"`, "5"),
			"{"+name+": "+body(`"n"`, "Seven")+"}",
			"{"+name+": "+body(`"n"`, "1")+", "+pick("x", "y", "z")+": "+body(`"n"`, "2")+"}",
			"[N=_]: "+body("N", "4"),
			"[string]: "+body(`"s"`, "4"),
			`{for i, n in _l {(n): `+body("n", "i")+`}}`,
			`{for i, n in ["k", "l", "m"] if i != 1 {(n): `+body("n", "i")+`}}`,
			`{for i in list.Range(`+pick("0", "2")+`, 6, `+pick("1", "2")+`) let n = "r\(i)" {(n): `+body("n", "i")+`}}`,
			`{for s in ["v", "w"] for j, i in list.Range(4, 7, 1) {"\(s)-\(j)": `+body("s", "i")+`}}`,
		) + "\n")
	}
	return b.String()
}
