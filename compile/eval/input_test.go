package eval_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/compile/eval"
)

// An inputWorld is a directory and an environment that a program reads.
type inputWorld struct {
	t     *testing.T
	dir   string
	env   map[string]string
	parts map[string]string
}

func newInputWorld(t *testing.T) *inputWorld {
	w := &inputWorld{t: t, dir: t.TempDir(), env: map[string]string{"SET": "1"}, parts: map[string]string{"a": "1", "b": "1"}}
	w.write("one.nix", `"one"`)
	w.write("two.nix", `import ./one.nix`)
	w.write("text", "text")
	w.write("link", "")
	w.remove("link")
	if err := os.Symlink("one.nix", filepath.Join(w.dir, "link")); err != nil {
		t.Fatal(err)
	}
	w.write("tree/default.nix", `"tree"`)
	w.write("tree/kept", "kept")
	w.write("tree/left", "left")
	w.write("tree/below/deep", "deep")
	return w
}

func (w *inputWorld) write(name, text string) {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *inputWorld) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// An inputEnvironment fetches the same path for every request.
type inputEnvironment struct{ environment }

func (inputEnvironment) Fetch(context.Context, eval.FetchRequest) (eval.Fetched, error) {
	return eval.Fetched{Path: "/nix/store/none"}, nil
}

func (w *inputWorld) evaluator() *eval.Evaluator {
	return eval.New(eval.Options{Record: true, NixVersion: "2.34.8", Parts: w.parts,
		NixPath: []eval.SearchEntry{{Prefix: "gone", Path: w.dir + "/gone"}, {Prefix: "gone", Path: w.dir + "/tree"}},
		World:   inputEnvironment{environment{vars: w.env}},
	})
}

// inputs evaluates { a = …; } as a fleet of one host and returns its inputs.
func (w *inputWorld) inputs(program string) []eval.Input {
	w.t.Helper()
	ev := w.evaluator()
	hosts, err := ev.Expr(w.t.Context(), "{ a = "+program+"; }", w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []eval.Input
	ev.Fleet(w.t.Context(), hosts, []string{"a"}, "", 1, func(h eval.Host) {
		if h.Err != nil {
			w.t.Fatalf("%s: %v", program, h.Err)
		}
		all = h.Inputs
	})
	shared, _ := ev.Shared()
	return append(all, shared...)
}

func (w *inputWorld) same(inputs []eval.Input) bool {
	look := w.evaluator().Look()
	for _, in := range inputs {
		if !look.Same(in) {
			return false
		}
	}
	return true
}

// TestInputsChange changes one thing at a time after an evaluation. Look
// notices exactly the changes that matter to the program.
func TestInputsChange(t *testing.T) {
	edit := func(name, text string) func(*inputWorld) { return func(w *inputWorld) { w.write(name, text) } }
	remove := func(name string) func(*inputWorld) { return func(w *inputWorld) { w.remove(name) } }
	executable := func(name string) func(*inputWorld) {
		return func(w *inputWorld) { os.Chmod(filepath.Join(w.dir, name), 0o755) }
	}
	setenv := func(name, v string) func(*inputWorld) { return func(w *inputWorld) { w.env[name] = v } }
	setpart := func(name, v string) func(*inputWorld) { return func(w *inputWorld) { w.parts[name] = v } }
	const copied = `"${builtins.path { path = ./link; name = "copy"; }}"`
	const filtered = `"${builtins.filterSource (p: t: baseNameOf p != "left") ./tree}"`
	for _, c := range []struct {
		program, what string
		change        func(*inputWorld)
		same          bool
	}{
		{`import ./one.nix`, "nothing", func(*inputWorld) {}, true},
		{`import ./one.nix`, "edited", edit("one.nix", `"1"`), false},
		{`import ./one.nix`, "same size, same text", edit("one.nix", `"one"`), true},
		{`import ./one.nix`, "removed", remove("one.nix"), false},
		{`import ./one.nix`, "another file", edit("two.nix", `"2"`), true},
		{`import ./two.nix`, "what the file imports", edit("one.nix", `"1"`), false},
		{`import ./link`, "what the link leads to", edit("one.nix", `"1"`), false},
		{`import ./link`, "the link", func(w *inputWorld) {
			w.remove("link")
			os.Symlink("two.nix", filepath.Join(w.dir, "link"))
		}, false},
		{`import ./tree`, "default.nix", edit("tree/default.nix", `"t"`), false},
		{`import ./tree`, "beside it", edit("tree/kept", `"t"`), true},
		{`builtins.scopedImport { } ./one.nix`, "edited", edit("one.nix", `"1"`), false},
		{`builtins.readFile ./text`, "edited", edit("text", "TEXT"), false},
		{`builtins.hashFile "sha256" ./text`, "edited", edit("text", "TEXT"), false},
		{`toString (builtins.attrNames (builtins.readDir ./tree))`, "nothing", func(*inputWorld) {}, true},
		{`toString (builtins.attrNames (builtins.readDir ./tree))`, "a new file", edit("tree/new", ""), false},
		{`toString (builtins.attrNames (builtins.readDir ./tree))`, "a file less", remove("tree/kept"), false},
		{`toString (builtins.attrNames (builtins.readDir ./tree))`, "a file's content", edit("tree/kept", "x"), true},
		{`if builtins.pathExists ./new then "yes" else "no"`, "there now", edit("new", ""), false},
		{`if builtins.pathExists ./new then "yes" else "no"`, "elsewhere", edit("newer", ""), true},
		{`if builtins.pathExists ./text then "yes" else "no"`, "gone", remove("text"), false},
		{`if builtins.pathExists (toString ./tree + "/") then "yes" else "no"`, "a file now", func(w *inputWorld) {
			w.remove("tree")
			w.write("tree", "")
		}, false},
		{`builtins.readFileType ./text`, "a directory now", func(w *inputWorld) {
			w.remove("text")
			w.write("text/x", "")
		}, false},
		{`toString <gone/kept>`, "found earlier", edit("gone/kept", ""), false},
		{`builtins.getEnv "SET"`, "set otherwise", setenv("SET", "2"), false},
		{`builtins.getEnv "UNSET"`, "set now", setenv("UNSET", "2"), false},
		{`builtins.getEnv "UNSET"`, "another", setenv("SET", "2"), true},
		{`"${./tree}"`, "nothing", func(*inputWorld) {}, true},
		{`"${./tree}"`, "a file deep below", edit("tree/below/deep", "x"), false},
		{`"${./tree}"`, "executable", executable("tree/kept"), false},
		{`"${./text}"`, "edited", edit("text", "TEXT"), false},
		{`"${builtins.path { path = ./text; recursive = false; }}"`, "edited", edit("text", "TEXT"), false},
		{copied, "what the link leads to", edit("one.nix", `"1"`), false},
		{copied, "the link, to a file with the same text", func(w *inputWorld) {
			w.remove("link")
			w.write("same.nix", `"one"`)
			os.Symlink("same.nix", filepath.Join(w.dir, "link"))
		}, false},
		{copied, "another file", edit("two.nix", `"2"`), true},
		{filtered, "nothing", func(*inputWorld) {}, true},
		{filtered, "what passes", edit("tree/kept", "x"), false},
		{filtered, "what is left out", edit("tree/left", "x"), true},
		{filtered, "what is left out is a directory", func(w *inputWorld) {
			w.remove("tree/left")
			w.write("tree/left/x", "")
		}, false},
		{filtered, "what is left out is gone", remove("tree/left"), true},
		{filtered, "a new file", edit("tree/new", ""), false},
		{`import "${./tree}/default.nix"`, "in a copy of a tree", edit("tree/default.nix", `"t"`), false},
		{`toString builtins.currentTime`, "time goes on", func(*inputWorld) {}, false},
		{`"${builtins.fetchurl "https://example.org/"}"`, "the world", func(*inputWorld) {}, false},
		{`(builtins.unsafeGetAttrPos "x" (import ./set.nix)).file`, "a line more", edit("set.nix", "\n{ x = 1; }"), false},
	} {
		t.Run(c.program+", "+c.what, func(t *testing.T) {
			w := newInputWorld(t)
			w.write("set.nix", "{ x = 1; }")
			inputs := w.inputs(c.program)
			c.change(w)
			if got := w.same(inputs); got != c.same {
				t.Errorf("same: %v, want %v; inputs %v", got, c.same, inputs)
			}
		})
	}
	t.Run("parts of the program", func(t *testing.T) {
		w := newInputWorld(t)
		ev := w.evaluator()
		f, err := ev.Expr(t.Context(), `{ part }: let net = { a = "a"; b = "b"; c = "c"; }; in { a = part net "a"; c = part net "c"; }`, w.dir)
		if err != nil {
			t.Fatal(err)
		}
		if f, err = f.AutoCall(t.Context(), map[string]eval.Value{"part": ev.Part()}); err != nil {
			t.Fatal(err)
		}
		inputs := map[string][]eval.Input{}
		ev.Fleet(t.Context(), f, []string{"a", "c"}, "", 1, func(h eval.Host) { inputs[h.Name] = h.Inputs })
		if len(inputs["a"]) == 0 || !w.same(inputs["a"]) {
			t.Errorf("nothing changed: %v", inputs["a"])
		}
		setpart("b", "2")(w)
		if !w.same(inputs["a"]) {
			t.Errorf("another part changed")
		}
		setpart("a", "2")(w)
		if w.same(inputs["a"]) {
			t.Errorf("the part changed")
		}
		if len(inputs["c"]) == 0 || w.same(inputs["c"]) {
			t.Errorf("a part without digest: %v", inputs["c"])
		}
	})
}

// TestInputsBelongToHosts has a file that two hosts share, a file for each of
// them, and a file that only one host reads, through what they share.
func TestInputsBelongToHosts(t *testing.T) {
	w := newInputWorld(t)
	for _, name := range []string{"a", "b", "common", "lazy"} {
		w.write(name+".nix", `"`+name+`"`)
	}
	w.write("shared.nix", `let lazy = import ./lazy.nix; in { inherit lazy; plain = "x"; }`)
	var said bytes.Buffer
	ev := eval.New(eval.Options{Record: true, Trace: &said})
	hosts, err := ev.Expr(t.Context(), `
let
  shared = import ./shared.nix;
  host = name: f: builtins.trace "evaluating ${name}" (import (./. + "/${name}.nix") + import ./common.nix + f shared);
in
{ a = host "a" (s: s.lazy); b = host "b" (s: s.plain); }`, w.dir)
	if err != nil {
		t.Fatal(err)
	}
	byHost, traced := map[string]string{}, map[string]string{}
	ev.Fleet(t.Context(), hosts, []string{"a", "b"}, "", 2, func(h eval.Host) {
		byHost[h.Name], traced[h.Name] = fileNames(h.Inputs), strings.Join(h.Said, "|")
	})
	shared, _ := ev.Shared()
	for got, want := range map[string]string{
		byHost["a"]:       "a.nix common.nix",
		byHost["b"]:       "b.nix common.nix",
		fileNames(shared): "shared.nix lazy.nix",
		traced["a"]:       "trace: evaluating a",
		traced["b"]:       "trace: evaluating b",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func fileNames(inputs []eval.Input) string {
	var names []string
	for _, in := range inputs {
		names = append(names, filepath.Base(in.Name))
	}
	return strings.Join(names, " ")
}
