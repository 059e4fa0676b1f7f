package eval_test

import (
	"flag"
	"path/filepath"
	"testing"

	"muster/compile/eval"
	"muster/compile/eval/collector"
)

// benchmarks are programs that each exercise one thing.
var benchmarks = []struct{ name, program string }{
	{"calls", `let ack = m: n: if m == 0 then n + 1 else if n == 0 then ack (m - 1) 1 else ack (m - 1) (ack m (n - 1)); in ack 2 100`},
	{"arguments", `let f = { a, b ? a + 1, ... }: a + b; in builtins.foldl' (s: i: s + f { a = i; c = 0; }) 0 (builtins.genList (i: i) 20000)`},
	{"thunks", `let chain = n: if n == 0 then { v = 0; } else let next = chain (n - 1); in { v = next.v + 1; }; in (chain 5000).v`},
	{"recursive sets", `builtins.foldl' (s: i: s + (rec { a = i; b = a * 2; c = { inherit a b; }; }).c.b) 0 (builtins.genList (i: i) 20000)`},
	{"growing a set", `builtins.length (builtins.attrNames (builtins.foldl' (s: i: s // { "name${toString i}" = i; }) { } (builtins.genList (i: i) 1000)))`},
	{"merging wide sets", `let wide = k: builtins.listToAttrs (builtins.genList (i: { name = "n${toString (i * k)}"; value = i; }) 10000); in (wide 2 // wide 3) ? n3`},
	{"lookups", `let s = builtins.listToAttrs (builtins.genList (i: { name = "n${toString i}"; value = i; }) 1000); in builtins.foldl' (a: n: a + s.${n}) 0 (builtins.concatMap (_: builtins.attrNames s) [ 1 2 3 4 5 6 7 8 9 10 ])`},
	{"sorting", `builtins.head (builtins.sort (a: b: a < b) (builtins.genList (i: i * 7919 - i * 7919 / 10007 * 10007) 20000))`},
	{"strings", `builtins.stringLength (builtins.concatStringsSep ", " (map (i: "item ${toString i}") (builtins.genList (i: i) 20000)))`},
	{"replacing", `builtins.stringLength (builtins.replaceStrings [ "a" "bc" ] [ "xyz" "" ] (builtins.concatStringsSep "" (builtins.genList (i: "abcd") 20000)))`},
	{"regular expressions", `builtins.length (builtins.filter (s: builtins.match "([a-z]+)-([0-9]*)7" s != null) (builtins.genList (i: "item-${toString i}") 5000))`},
	{"closure", `builtins.length (builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: if x.key > 5000 then [ ] else [ { key = 2 * x.key; } { key = 2 * x.key + 1; } ]; })`},
	{"json", `builtins.stringLength (builtins.toJSON (builtins.fromJSON (builtins.toJSON (builtins.genList (i: { inherit i; s = "text ${toString i}"; l = [ i true null ]; }) 3000))))`},
	{"derivations", `builtins.foldl' (last: i: (derivation { name = "n${toString i}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ last ]; }).outPath) "" (builtins.genList (i: i) 500)`},
}

func BenchmarkEval(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v, err := eval.New(eval.Options{}).Expr(b.Context(), bench.program, "/")
				if err == nil {
					_, err = v.Print(b.Context(), true)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var benchPrograms = flag.String("bench-programs", "", "the Nix `files` of BenchmarkPrograms, a pattern")

// BenchmarkPrograms evaluates the programs of -bench-programs. just profile
// makes of it the profile that the compiler optimizes by.
func BenchmarkPrograms(b *testing.B) {
	files, err := filepath.Glob(*benchPrograms)
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		if file, err = filepath.Abs(file); err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(file), func(b *testing.B) {
			defer collector.Hold(512 << 20).Release()
			for b.Loop() {
				v, err := eval.New(eval.Options{}).File(b.Context(), file)
				if err == nil {
					v, err = v.AutoCall(b.Context(), nil)
				}
				if err == nil {
					_, err = v.Print(b.Context(), true)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFleet evaluates whole systems of a small NixOS, with and without
// recording their inputs.
func BenchmarkFleet(b *testing.B) {
	dir, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	for name, opts := range map[string]eval.Options{"plain": {}, "recording": {Record: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ev := eval.New(opts)
				hosts, err := ev.Expr(b.Context(), `(import ./examples/minios/testdata/network/eval.nix { }).nodes`, dir)
				if err != nil {
					b.Fatal(err)
				}
				ev.Fleet(b.Context(), hosts, []string{"ee", "il", "sam"}, "config.system.build.toplevel.drvPath", 2, func(h eval.Host) {
					if h.Err != nil {
						b.Error(h.Err)
					}
				})
			}
		})
	}
}
