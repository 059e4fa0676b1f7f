package eval_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/eval"
)

// fleetProgram is a set of hosts that share much, read each other and partly
// fail.
const fleetProgram = `
let
  slow = builtins.foldl' (a: b: a + b) 0 (builtins.genList (i: i) 2000);
  shared = builtins.listToAttrs (builtins.genList (i: { name = "s${toString i}"; value = builtins.seq slow (i * i); }) 200);
  drv = name: inputs: derivation { inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; };
  base = drv "base" [ ];
  wrong = throw "shared mistake";
  a = b; b = a;
  host = name: i: {
    config = {
      out = (drv "host-${name}" [ base shared."s${toString i}" (builtins.attrValues shared) ]).drvPath;
      port = 1000 + i;
      next = hosts."h${toString (if i == 0 then 1 else i - 1)}".config.port;
      text = if i == 3 then wrong else if i == 5 then wrong else if i == 4 then (if i == 4 then a else b) else if i == 6 then b else "${name} ${toString self.config.next} ${self.config.out}";
    };
    self = hosts.${name};
  } // { inherit name; };
  hosts = builtins.listToAttrs (builtins.genList (i: { name = "h${toString i}"; value = let h = host "h${toString i}" i; self = h; in h // {
    config = h.config // { text = if i >= 3 && i <= 6 then h.config.text else "${h.name} ${toString h.config.next} ${h.config.out}"; }; }; }) 20);
in hosts`

func fleetNames() []string {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	return names
}

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
			got[h.Name] = "error: " + h.Err.(*eval.Error).Msg
		}
	})
	return got
}

func TestFleetGivesTheSameWhateverTheOrder(t *testing.T) {
	names := fleetNames()
	program := strings.ReplaceAll(fleetProgram, "self = hosts.${name};", "")
	program = strings.ReplaceAll(program, "${toString self.config.next} ${self.config.out}", "")
	want := fleetResults(t, program, names, "config.text", 1)
	for host, text := range map[string]string{"h3": "error: shared mistake", "h5": "error: shared mistake",
		"h4": "error: infinite recursion encountered", "h6": "error: infinite recursion encountered"} {
		if want[host] != text {
			t.Errorf("%s: %q, want %q", host, want[host], text)
		}
	}
	if !strings.HasPrefix(want["h7"], "h7 1006 /nix/store/") {
		t.Errorf("h7: %q", want["h7"])
	}
	random := rand.New(rand.NewPCG(1, 2))
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		for _, workers := range []int{1, 2, 4, 8} {
			random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			got := fleetResults(t, program, names, "config.text", workers)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("round %d, %d workers (-want +got):\n%s", round, workers, d)
			}
		}
	}
}

// TestRecursionAcrossHosts has two hosts need each other: whoever comes first,
// it is an infinite recursion and never a deadlock.
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
		want := map[string]string{"a": "error: infinite recursion encountered", "b": "error: infinite recursion encountered",
			"c": "error: infinite recursion encountered", "d": "fine"}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	}
}

// TestMiniosFleet evaluates whole systems side by side.
func TestMiniosFleet(t *testing.T) {
	const program = `(import ./examples/minios/testdata/network/eval.nix { }).nodes`
	names := []string{"ee", "il", "sam"}
	const attribute = "config.system.build.toplevel.drvPath"
	want := fleetResults(t, program, names, attribute, 1)
	for name, drv := range want {
		if !strings.HasPrefix(drv, "/nix/store/") || !strings.HasSuffix(drv, ".drv") {
			t.Errorf("%s: %s", name, drv)
		}
	}
	for range 3 {
		names[0], names[1], names[2] = names[1], names[2], names[0]
		if d := cmp.Diff(want, fleetResults(t, program, names, attribute, 3)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}
