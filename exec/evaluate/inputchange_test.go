package evaluate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What hosts read of the fleet's own inputs that are directories, and of the fleet's
// directory by the name of self, are inputs one by one.
func TestUnchangedHostsWithInputsAreNotEvaluated(t *testing.T) {
	w := newFleetDir(t)
	for name, text := range map[string]string{
		"palette/flake.nix": `{ outputs = { self }: { colours = { red = "#ff0000"; blue = "#0000ff"; }; }; }`,
		"palette/red.nix":   `"red"`,
		"c.txt":             "text",
		"e.txt":             "text",
		"b.nix":             `{ inputs, ... }: { say = inputs.palette.colours.red; }`,
		"c.nix":             `{ text, ... }: { say = text; }`,
		"d.nix":             `{ inputs, ... }: { say = "${inputs.palette}"; }`,
		"e.nix":             `{ inputs, ... }: { say = "${/. + (inputs.self + "/e.txt")}"; }`,
		"f.nix":             `{ own, ... }: { say = builtins.readFile (own + "/f.txt"); }`,
		"f.txt":             "text",
		"g.nix":             `{ inputs, ... }: { say = import (inputs.palette + "/red.nix"); }`,
		"hosts.cue": `package fleet
nixpkgs: path: "tree"
inputs: palette: path: "./palette"
hosts: b: {host: "192.0.2.1", imports: ["b.nix"]}
hosts: c: {host: "192.0.2.2", imports: ["c.nix"], special_args: text: {$expr: "builtins.readFile (inputs.self + \"/c.txt\")"}}
hosts: d: {host: "192.0.2.3", imports: ["d.nix"]}
hosts: e: {host: "192.0.2.4", imports: ["e.nix"]}
hosts: f: {host: "192.0.2.5", imports: ["f.nix"], special_args: own: {$expr: "inputs.self"}}
hosts: g: {host: "192.0.2.6", imports: ["g.nix"]}
`,
	} {
		w.write(name, text)
	}
	step := func(what string, change func(), fresh ...string) {
		t.Helper()
		change()
		got := w.evaluate(w.evaluator())
		if !slices.Equal(got.Fresh, fresh) {
			t.Errorf("%s: evaluated %v, want %v", what, got.Fresh, fresh)
		}
		uncached := w.evaluator()
		uncached.CacheDir = ""
		want := w.evaluate(uncached)
		got.Fresh, want.Fresh = nil, nil
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: not as without a cache (-without +with):\n%s", what, d)
		}
	}
	write := func(name, text string) func() { return func() { w.write(name, text) } }
	step("the first time", func() {}, "b", "c", "d", "e", "f", "g")
	step("nothing", func() {})
	step("a file that a host imports", write("palette/red.nix", `"RED"`), "d", "g")
	step("a file of the input that nobody reads", write("palette/other", ""), "d")
	step("a file that a special argument of a host reads", write("c.txt", "TEXT"), "c")
	step("a file that a host copies", write("e.txt", "TEXT"), "e")
	step("a file that a host reads by a special argument", write("f.txt", "TEXT"), "f")
	// Hosts that were evaluated together have the flake in common.
	step("the flake", func() { w.edit("palette/flake.nix", "#ff0000", "#ee0000") }, "b", "d", "g")
	step("a special argument of a host in the inventory", func() { w.edit("hosts.cue", "c.txt", "e.txt") }, "c")
}
