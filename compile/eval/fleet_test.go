package eval_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
)

var fleetFull = flag.Bool("fleet-full", false, "evaluate 100 hosts in 20 orders instead of few in few")

// fleetProgram is a set of hosts that share much, read each other and fail in
// many ways, mostly for reasons that they share.
const fleetProgram = `
let
  slow = builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i) 2000);
  shared = builtins.listToAttrs (builtins.genList (i: { name = "s${toString i}"; value = builtins.seq slow (i * i); }) 200);
  drv = name: inputs: derivation { inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; };
  base = drv "base" [ ];
  check = x: complain x;
  complain = x: builtins.addErrorContext "while ${x} complains" (throw "shared mistake");
  wrong = check "somebody";
  a = step b; b = step c; c = step a;
  step = x: builtins.seq slow x;
  broken = builtins.deepSeq { zz = throw "zz"; aa = throw "aa"; } 1;
  typo = shared.s1 + "x";
  host = i: let name = "h${toString i}"; next = hosts."h${toString (if i == 0 then 1 else i - 1)}"; in {
    port = 1000 + i;
    out = (drv "host-${name}" [ base shared."s${toString i}" (builtins.attrValues shared) ]).drvPath;
    text = {
      "3" = wrong; "5" = "x" + wrong; "11" = (check "host").x;
      "4" = a; "6" = b; "8" = c; "10" = next.text;
      "12" = toString broken; "13" = toString broken;
      "14" = toString typo; "15" = toString (typo + 1); "16" = next.text; "17" = next.missing;
    }.${toString i} or "${name} ${toString next.port} ${(host i).out}";
  };
  hosts = builtins.listToAttrs (builtins.genList (i: { name = "h${toString i}"; value = host i; }) 100);
in hosts`

func fleetResults(t *testing.T, program string, names []string, attribute string, workers int) map[string]string {
	t.Helper()
	ev := eval.New(eval.Options{})
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := ev.Expr(t.Context(), program, dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	ev.Fleet(t.Context(), hosts, names, attribute, workers, func(h eval.Host) {
		got[h.Name] = h.Text
		if h.Err != nil {
			got[h.Name] = h.Err.(*eval.Error).Detail()
		}
	})
	return got
}

func TestFleetGivesTheSameWhateverTheOrder(t *testing.T) {
	var names []string
	hosts, orders := 20, 5
	if *fleetFull {
		hosts, orders = 100, 20
	}
	for i := range hosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	want := fleetResults(t, fleetProgram, names, "text", 1)
	for host, text := range map[string]string{
		"h3": "error: shared mistake", "h5": "error: shared mistake", "h11": "error: shared mistake",
		"h4": "error: infinite recursion encountered", "h6": "error: infinite recursion encountered", "h8": "error: infinite recursion encountered",
		"h12": "error: aa", "h13": "error: aa",
		"h14": "error: cannot add a string to an integer", "h16": "error: cannot add a string to an integer", "h17": "error: attribute 'missing' missing",
	} {
		if got := lastErrorLine(want[host]); got != text {
			t.Errorf("%s: %q, want %q", host, got, text)
		}
	}
	if !strings.Contains(want["h11"], "while somebody complains") && !strings.Contains(want["h11"], "while host complains") {
		t.Errorf("h11: %s", want["h11"])
	}
	if !strings.HasPrefix(want["h7"], "h7 1006 /nix/store/") {
		t.Errorf("h7: %q", want["h7"])
	}
	inAnyOrder(t, fleetProgram, names, "text", orders, want)
}

// inAnyOrder evaluates hosts in many orders, by 1, 2, 4 and 8 goroutines.
func inAnyOrder(t *testing.T, program string, names []string, attribute string, orders int, want map[string]string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for order := range orders {
		for _, workers := range []int{1, 2, 4, 8} {
			random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			got := fleetResults(t, program, names, attribute, workers)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("order %d, %d workers (-want +got):\n%s", order, workers, d)
			}
		}
	}
}

// TestRecursionAcrossHosts has two hosts that need each other. Whichever comes
// first, that is an infinite recursion and never a deadlock.
func TestRecursionAcrossHosts(t *testing.T) {
	const program = `
let
  work = builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i) 3000);
  x = builtins.seq work y;
  y = builtins.seq (work + 1) z;
  z = builtins.seq (work + 2) x;
in { a.v = x; b.v = y; c.v = z; d.v = "fine"; }`
	for range 50 {
		got := fleetResults(t, program, []string{"d", "a", "b", "c"}, "v", 3)
		for name, detail := range got {
			if strings.HasPrefix(detail, "error:") {
				got[name] = lastErrorLine(detail)
			}
		}
		want := map[string]string{"a": "error: infinite recursion encountered", "b": "error: infinite recursion encountered",
			"c": "error: infinite recursion encountered", "d": "fine"}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	}
}

// TestMiniosFleet evaluates whole systems in parallel: those of a network, and
// copies of them with other names.
func TestMiniosFleet(t *testing.T) {
	hosts, orders := 3, 1
	if *fleetFull {
		hosts, orders = 97, 20
	}
	program := fmt.Sprintf(`
let
  network = import ./examples/minios/testdata/network/network.nix;
  kinds = [ "ee" "il" "sam" ];
  copy = i: {
    name = "h${toString i}";
    value = { lib, ... }: { imports = [ network.${builtins.elemAt kinds (i - i / 3 * 3)} ]; networking.hostName = lib.mkForce "h${toString i}"; };
  };
in import ./compile/driver.nix {
  network = network // { network.nixpkgs = ./examples/minios; } // builtins.listToAttrs (builtins.genList copy %d);
  attr = [ "config" ];
}`, hosts)
	names := []string{"ee", "il", "sam"}
	for i := range hosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	const attribute = "system.build.toplevel.drvPath"
	want := fleetResults(t, program, names, attribute, 1)
	seen := map[string]bool{}
	for name, drv := range want {
		if !strings.HasPrefix(drv, "/nix/store/") || !strings.HasSuffix(drv, ".drv") || seen[drv] {
			t.Errorf("%s: %s", name, drv)
		}
		seen[drv] = true
	}
	inAnyOrder(t, program, names, attribute, orders, want)
}
