package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/compile/syntax"
)

// realNix is the Nix of this machine, building with the machine's own shell.
// Where Nix can be installed it must be: only elsewhere is the test skipped.
func realNix(t *testing.T) *Nix {
	t.Helper()
	n, err := Find()
	if errors.Is(err, ErrNoNix) {
		if _, apt := exec.LookPath("apt-get"); apt != nil {
			t.Skip(err)
		}
		t.Fatalf("%v: apt-get install nix-bin", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("building without a daemon needs root")
	}
	n.Env = []string{"NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group ="}
	return n
}

// instantiate makes a derivation that runs a shell script.
func instantiate(t *testing.T, n *Nix, name, script string) store.Path {
	t.Helper()
	// Something new every time, so that it is really built.
	expr := fmt.Sprintf(`derivation { name = "%s"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" %s ]; nonce = "%d"; }`,
		name, syntax.Quote(script), time.Now().UnixNano())
	out, err := n.output(t.Context(), nil, nil, "nix-instantiate", "--expr", expr)
	if err != nil {
		t.Fatal(err)
	}
	drv, err := store.ParsePath(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return drv
}

func TestABuildThatFailsIsItsOwnHostsError(t *testing.T) {
	n := realNix(t)
	dir := t.TempDir()
	drvs := map[string]store.Path{
		"good":  instantiate(t, n, "good", "echo hello > $out"),
		"bad":   instantiate(t, n, "bad", "echo it is broken; exit 3"),
		"other": instantiate(t, n, "other", "echo other > $out"),
	}
	b := n.NewBuilder()
	var mu sync.Mutex
	outs, errs := map[string]store.Path{}, map[string]error{}
	var wg sync.WaitGroup
	for name, drv := range drvs {
		wg.Go(func() {
			out, err := b.Realise(t.Context(), drv, filepath.Join(dir, "roots", name), nil)
			mu.Lock()
			defer mu.Unlock()
			outs[name], errs[name] = out, err
		})
	}
	wg.Wait()
	for _, name := range []string{"good", "other"} {
		if errs[name] != nil {
			t.Errorf("%s: %v", name, errs[name])
			continue
		}
		if target, err := os.Readlink(filepath.Join(dir, "roots", name)); err != nil || target != string(outs[name]) {
			t.Errorf("root of %s is %q (%v), want %s", name, target, err, outs[name])
		}
	}
	if errs["bad"] == nil || !strings.Contains(errs["bad"].Error(), "exit code 3") {
		t.Errorf("bad: %v", errs["bad"])
	}
}

func TestABuildEndsWhenNobodyWantsIt(t *testing.T) {
	n := realNix(t)
	drv := instantiate(t, n, "endless", "while :; do :; done")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	began := time.Now()
	if _, err := n.NewBuilder().Realise(ctx, drv, "", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}

// A tiny driver, so that this test is about the command and not about NixOS.
const tinyDriver = `{ network, hosts ? null }:
let net = import network; in
builtins.listToAttrs (map (name: {
  inherit name;
  value = let
    drv = derivation { name = "system-${net.${name}}"; system = "x86_64-linux"; builder = "/bin/sh"; };
  in { drv = drv.drvPath; out = drv.outPath; };
}) hosts)`

func TestAHostThatDoesNotEvaluateLeavesTheOthers(t *testing.T) {
	n := realNix(t)
	expr, err := syntax.ParseExpr(`{ a = "one"; b = throw "b is not ready"; c = "three"; }`)
	if err != nil {
		t.Fatal(err)
	}
	net := Network{File: &syntax.File{Expr: expr}, Driver: tinyDriver, Hosts: []string{"a", "b", "c"}}
	results, err := n.Evaluate(t.Context(), net)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 {
		t.Fatalf("results: %+v", results)
	}
	for i, host := range net.Hosts {
		r := results[i]
		if r.Host != host {
			t.Errorf("result %d is of %s, want %s", i, r.Host, host)
		}
		if host == "b" {
			if r.Err == nil || !strings.Contains(r.Err.Error(), "b is not ready") {
				t.Errorf("b: %v", r.Err)
			}
			continue
		}
		if r.Err != nil || !r.Value.Drv.IsDerivation() || !strings.HasPrefix(r.Value.Out.Name(), "system-") {
			t.Errorf("%s: %+v", host, r)
		}
		if _, err := os.Stat(string(r.Value.Drv)); err != nil {
			t.Errorf("%s was not written to the store: %v", host, err)
		}
	}
}

// TestAHostThatTakesTooLongLeavesTheOthers has one of three hosts loop.
func TestAHostThatTakesTooLongLeavesTheOthers(t *testing.T) {
	n := realNix(t)
	expr, err := syntax.ParseExpr(`let f = n: if n == 0 then "" else f (n - 1) + f (n - 1); in { a = "one"; b = f 64; c = "three"; }`)
	if err != nil {
		t.Fatal(err)
	}
	net := Network{File: &syntax.File{Expr: expr}, Driver: tinyDriver, Hosts: []string{"a", "b", "c"}, MaxTime: 5 * time.Second}
	results, err := n.Evaluate(t.Context(), net)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Host != "b" && r.Err != nil {
			t.Errorf("%s: %v", r.Host, r.Err)
		}
		if r.Host == "b" && (r.Err == nil || !strings.Contains(r.Err.Error(), "evaluation takes longer than 5s")) {
			t.Errorf("b: %v", r.Err)
		}
	}
}

func TestTheMessageIsFoundInWhatNixSays(t *testing.T) {
	for _, tt := range []struct{ name, stderr, want string }{
		{"2.8, message first", "error: undefined variable 'x'\n\n       at /n.nix:1:1:\n\n            1| x\n", "undefined variable 'x'"},
		{"2.26, message last", "error:\n       … while evaluating the attribute 'web'\n         at /n.nix:2:3:\n\n       error: undefined variable 'x'\n       at /n.nix:1:1:\n", "undefined variable 'x'"},
		{"several lines", "error: Failed assertions:\n       - no root file system\n       - no boot loader\n(use '--show-trace' to show detailed location information)\n", "Failed assertions:\n- no root file system\n- no boot loader"},
		{"text below the word", "error:\n       Failed assertions:\n       - The fileSystems option does not specify your root file system.\n\n(use '--show-trace' to show detailed location information)\n", "Failed assertions:\n- The fileSystems option does not specify your root file system."},
		{"empty lines, 2.8", "error: first\n\n       second\n         indented\n\n       at /n.nix:1:1:\n\n            1| x\n\n       … while calling\n", "first\n\nsecond\n  indented"},
		{"empty lines, 2.34", "error:\n       … while calling the 'throw' builtin\n         at /n.nix:1:1:\n            1| x\n\n       error: first\n\n       second\n", "first\n\nsecond"},
		{"warnings before", "warning: substitute is off\nerror: boom\n", "boom"},
		{"no error at all", "Killed\n", "Killed"},
		{"nothing", "", ""},
	} {
		if diff := cmp.Diff(tt.want, message(tt.stderr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFailedBuildsAreRecognised(t *testing.T) {
	var f failures
	for _, line := range strings.Split(`building '/nix/store/00000000000000000000000000000001-a.drv'...
error: builder for '/nix/store/00000000000000000000000000000001-a.drv' failed with exit code 1;
       last 2 log lines:
       > compiling
       > a.c:1: no
       For full logs, run 'nix log …'.
error: 1 dependencies of derivation '/nix/store/00000000000000000000000000000002-b.drv' failed to build`, "\n") {
		f.read(line)
	}
	want := []*BuildError{{
		Drv: "/nix/store/00000000000000000000000000000001-a.drv",
		Msg: "builder for '/nix/store/00000000000000000000000000000001-a.drv' failed with exit code 1;",
		Log: []string{"compiling", "a.c:1: no"},
	}}
	if diff := cmp.Diff(want, f.list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := f.among([]string{"/nix/store/00000000000000000000000000000003-c.drv"}); err != nil {
		t.Errorf("a stranger's failure was taken: %v", err)
	}
}
