package eval_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
	"muster/compile/store"
)

// These tests compare whole systems and package sets, derivation by derivation:
// always minios, and what just identity names.
var (
	identity        []string
	identityNix     = flag.String("identity-nix", "nix-instantiate", "the nix-instantiate to compare with")
	identityWorkers = flag.Int("identity-workers", 2, "evaluate this `many` elements at once")
)

func init() {
	flag.Func("identity", "compare the derivations of this Nix `expression`, a set or list of them or of their paths, with what Nix makes of it", func(s string) error {
		identity = append(identity, s)
		return nil
	})
}

// identityProgram makes a set of derivation paths of an expression that holds
// derivations.
const identityProgram = `
let
  given = (%s);
  set = if builtins.isList given then builtins.listToAttrs (builtins.genList (i: { name = toString i; value = builtins.elemAt given i; }) (builtins.length given))
    else if builtins.isAttrs given && given.type or "" != "derivation" then given
    else { it = given; };
  path = v: if builtins.isAttrs v then (if v.type or null == "derivation" then v.drvPath else "a set")
    else if builtins.isString v then v
    else "a " + builtins.typeOf v;
in builtins.mapAttrs (name: path) set
`

func TestDerivationsAreWhatNixMakes(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	compare := func(files, expr string, least int) {
		found, err := filepath.Glob(filepath.Join(root, files))
		if err != nil || len(found) < least {
			t.Fatalf("%s: only %d files: %v", files, len(found), err)
		}
		for _, file := range found {
			name, _ := filepath.Rel(root, file)
			t.Run(name, func(t *testing.T) {
				if n := compareDerivations(t, fmt.Sprintf(expr, root, file), root+"/examples/minios"); n < 40 {
					t.Errorf("only %d derivations were compared", n)
				}
			})
		}
	}
	network := `builtins.mapAttrs (_: config: config.system.build.toplevel) (import %s/compile/driver.nix { network = %s; attr = [ "config" ]; })`
	compare("examples/*/network.nix", network, 7)
	compare("examples/environments/*/network.nix", network, 2)
	compare("examples/minios/testdata/network/[^e]*.nix", `(import %s/examples/minios/testdata/network/eval.nix { network = %s; }).toplevels`, 3)
	for i, expr := range identity {
		t.Run(fmt.Sprintf("given/%d", i), func(t *testing.T) { compareDerivations(t, expr, "") })
	}
}

// compareDerivations compares the elements of a set, and every derivation that
// evaluating it makes, byte for byte. It returns the number of derivations.
func compareDerivations(t *testing.T, expr, nixpkgs string) int {
	nix := findOracle(t, *identityNix)
	nix.store = t.TempDir()
	t.Cleanup(func() { makeWritable(nix.store) })
	program := fmt.Sprintf(identityProgram, expr)

	began := time.Now()
	o := eval.Options{NixVersion: nix.version}
	if nixpkgs != "" {
		nix.path, o.NixPath = "nixpkgs="+nixpkgs, []eval.SearchEntry{{Prefix: "nixpkgs", Path: nixpkgs}}
	}
	ev := eval.New(o)
	set, err := ev.Expr(t.Context(), program, "/")
	if err != nil {
		t.Fatal(err)
	}
	names, err := set.AttrNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours, failed := map[string]string{}, map[string]*eval.Error{}
	ev.Fleet(t.Context(), set, names, "", *identityWorkers, func(h eval.Host) {
		var e *eval.Error
		switch {
		case h.Err == nil:
			ours[h.Name] = h.Text
		case !errors.As(h.Err, &e) || e.Kind == eval.InternalError || e.Kind == eval.UnsupportedError || e.Kind == eval.LimitError:
			t.Errorf("%s: %v", h.Name, h.Err)
		case e.Kind == eval.ThrowError || e.Kind == eval.AssertError:
			ours[h.Name] = "throws"
		default:
			failed[h.Name] = e
		}
	})
	took := time.Since(began)

	theirs := nix.evaluateAll(t, program, names, failed)
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("derivations (-Nix +ours):\n%s", diff)
	}
	paths, throws := map[string]bool{}, 0
	for _, p := range ours {
		if p == "throws" {
			throws++
		} else if strings.HasPrefix(p, store.Dir) {
			paths[p] = true
		}
	}
	n := compareStore(t, ev, nix.store, paths)
	t.Logf("Nix %s: %d elements, of which %d fail and %d throw, have %d derivations; all %d that were made on the way are the same; took %v, at most %s of memory",
		nix.version, len(names), len(failed), throws, len(paths), n, took.Round(time.Millisecond), peakMemory())
	return n
}

// evaluateAll evaluates the elements with Nix, which writes the derivations. An
// element that fails for other reasons than throw or assert ends Nix, so
// elements that failed in this package are evaluated one by one; other failures
// are found by halving.
func (o oracle) evaluateAll(t *testing.T, program string, names []string, failed map[string]*eval.Error) map[string]string {
	file := filepath.Join(t.TempDir(), "program.nix")
	theirs := map[string]string{}
	ask := func(names []string) error {
		list, _ := json.Marshal(names)
		text := fmt.Sprintf(`let set = %s; in builtins.listToAttrs (map (name: { inherit name; value =
			let r = builtins.tryEval set.${name}; in if r.success then r.value else "throws"; }) (builtins.fromJSON %s))`, program, quote(string(list)))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), o.command, "--eval", "--strict", "--json", "--read-write-mode", file)
		cmd.Env = append(os.Environ(), "HOME=/homeless-shelter", "NIX_PATH="+o.path, "NIX_REMOTE="+o.store, "NIX_CONFIG=build-users-group =\nsubstitute = false")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%w: %s", err, stderr.String())
		}
		return json.Unmarshal(out, &theirs)
	}
	var halve func(names []string)
	halve = func(names []string) {
		if err := ask(names); err == nil {
			return
		} else if len(names) == 1 {
			t.Errorf("%s: Nix fails: %v", names[0], err)
			return
		}
		halve(names[:len(names)/2])
		halve(names[len(names)/2:])
	}
	rest := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return failed[name] != nil })
	if len(rest) > 0 {
		halve(rest)
	}
	for name, e := range failed {
		err := ask([]string{name})
		switch {
		case err == nil:
			t.Errorf("%s: fails only here: %v", name, e)
			delete(theirs, name)
		case !strings.Contains(err.Error(), strings.SplitN(e.Msg, "\n", 2)[0]):
			t.Logf("%s: another error: %s\n%v", name, e.Msg, lastErrorLine(err.Error()))
		}
	}
	return theirs
}

// compareStore compares every derivation that Nix wrote with that of this
// package, and checks that everything it refers to exists. It returns the
// number of derivations that Nix wrote.
func compareStore(t *testing.T, ev *eval.Evaluator, root string, paths map[string]bool) int {
	dir := filepath.Join(root, store.Dir)
	files, err := filepath.Glob(dir + "/*.drv")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		p := store.Path(store.Dir + "/" + filepath.Base(file))
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := ev.Derivation(p)
		if d == nil {
			t.Errorf("%s was not made here", p)
		} else if got := d.ATerm(); string(got) != string(want) {
			t.Errorf("%s:\n ours %s\n  nix %s", p, got, want)
		}
	}
	seen := map[store.Path]bool{}
	var walk func(p store.Path)
	walk = func(p store.Path) {
		if seen[p] {
			return
		}
		seen[p] = true
		if _, err := os.Lstat(filepath.Join(root, string(p))); err != nil {
			t.Errorf("%s is not what Nix made", p)
		}
		if d := ev.Derivation(p); d != nil {
			for _, r := range d.References() {
				walk(r)
			}
		}
	}
	for p := range paths {
		if strings.HasSuffix(p, ".drv") { // other files belong to outputs, which are not built
			walk(store.Path(p))
		}
	}
	return len(files)
}

// peakMemory returns the peak memory of this process (Linux).
func peakMemory() string {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	return strings.TrimSpace(strings.SplitN(after, "\n", 2)[0])
}
