package cmd

import (
	"muster/exec/human"

	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/compile"
)

// The benchmark of evaluating: muster eval against Nix, run in turns.
// just bench-eval runs it. It needs programs and NixOS trees that are not ours:
// DIR holds evaluator-bench, with a README that says where the rest is from.
var (
	evalBench       = flag.String("evalbench", "", "compare evaluators on the corpora in `dir`")
	evalBenchNix    = flag.String("evalbench-nix", "2.8=nix-instantiate", "compare with these, `name=command`, comma-separated; ratios are to the first")
	evalBenchLike   = flag.String("evalbench-like", "", "another `command` with nix-instantiate's options, for the programs of one file")
	evalBenchCases  = flag.String("evalbench-cases", ".", "run only the cases whose name matches the `pattern`")
	evalBenchRounds = flag.Int("evalbench-rounds", 5, "run each `n` times; evaluations of more than 20 s once")
)

// An evalCase is something every evaluator evaluates. Bars are those of issue
// 5: the part of the first Nix's time that muster may take.
type evalCase struct {
	name      string
	file      string // of evaluator-bench
	args      []string
	tree      string // instead: a fleet of this NixOS, see fleetTrees
	hosts     int
	edited    bool // one host was edited since the fleet was last evaluated
	cpu, wall float64
}

var evalCases = []evalCase{
	{name: "fib 25", file: "fib25", cpu: 0.5},
	{name: "fib 30", file: "fib30", cpu: 0.5},
	{name: "foldl' 1e6", file: "foldl", cpu: 0.5},
	{name: "attribute sets", file: "attrs", cpu: 1},
	{name: "sort 200k", file: "sort", cpu: 1},
	{name: "genericClosure 1e5", file: "closure", cpu: 1},
	{name: "rec sets 3e5", file: "rec", cpu: 1},
	{name: "strings, regex", file: "strings", cpu: 1},
	{name: "nixpkgs lib tests", file: "libtests", cpu: 0.5},
	{name: "evalModules 10", file: "modules", args: []string{"n", "10"}, cpu: 1},
	{name: "evalModules 100", file: "modules", args: []string{"n", "100"}, cpu: 0.7},
	{name: "evalModules 1000", file: "modules", args: []string{"n", "1000"}, cpu: 1},
	{name: "NixOS 2015", file: "fleet-nixos2015", args: []string{"n", "1"}, cpu: 0.8},
	{name: "ekaos 2026", file: "fleet-ekaos", args: []string{"n", "1"}, cpu: 0.8},
	{name: "ekaos ×10, one list", file: "fleet-ekaos", args: []string{"n", "10"}, cpu: 1},
	{name: "NixOS 2015 ×10, one list", file: "fleet-nixos2015", args: []string{"n", "10"}, cpu: 1},
	{name: "fleet of 20, own pkgs", tree: "own", hosts: 20, cpu: 1, wall: 0.5},
	{name: "fleet of 20, shared pkgs", tree: "shared", hosts: 20, cpu: 1, wall: 0.5},
	{name: "fleet of 50, own pkgs", tree: "own", hosts: 50, cpu: 1, wall: 0.5},
	{name: "fleet of 100, own pkgs", tree: "own", hosts: 100, cpu: 1, wall: 0.5},
	{name: "fleet of 100, shared pkgs", tree: "shared", hosts: 100, cpu: 1, wall: 0.5},
	{name: "fleet of 100, ekaos", tree: "ekaos", hosts: 100, cpu: 1, wall: 0.5},
	{name: "fleet of 100, one edited", tree: "own", hosts: 100, edited: true, cpu: 0.05, wall: 0.05},
}

// fleetTrees are NixOS trees of nothing but an eval-config.nix that calls the
// real one, for what the trees of the corpora do not have: a host's name in
// specialArgs, and ekaos a NixOS's shape.
var fleetTrees = map[string]struct{ corpus, lib, evalConfig string }{
	"own": {"nixpkgs-2015", "lib", `
args: import (CORPUS + "/nixos/lib/eval-config.nix") (removeAttrs args [ "specialArgs" ] // { extraArgs = args.specialArgs; })`},
	"shared": {"nixpkgs-2015", "lib", `
let pkgs = import CORPUS { system = "x86_64-linux"; }; in
args: import (CORPUS + "/nixos/lib/eval-config.nix") (removeAttrs args [ "specialArgs" ] // { inherit pkgs; extraArgs = args.specialArgs; })`},
	"ekaos": {"corepkgs", "../nix-lib", `
let pkgs = import CORPUS { system = "x86_64-linux"; }; in
args:
let system = import (CORPUS + "/ekaos") { inherit pkgs; configuration.imports = [ (CORPUS + "/ekaos/examples/minimal-system.nix") ] ++ args.modules; };
in { config = { system.build = { inherit (system) toplevel; }; warnings = [ ]; }; }`},
}

// fleetHosts are modules of hosts, as in evaluator-bench.
var fleetHosts = map[string]string{
	"nixpkgs-2015": `
{ pkgs, ... }:
{
  fileSystems."/".device = "/dev/sda1";
  fileSystems."/".fsType = "ext4";
  boot.loader.grub.device = "/dev/sda";
  services.openssh.enable = true;
  services.nginx.enable = true;
  services.nginx.httpConfig = "# host %[1]d%[3]s";
  services.postgresql.enable = %[2]t;
  services.postgresql.package = pkgs.postgresql94;
  users.extraUsers.admin = { uid = 1000; home = "/home/admin"; createHome = true; extraGroups = [ "wheel" ]; };
}`,
	"corepkgs": `
{ lib, ... }: { networking.hostName = lib.mkForce "node%[1]d%[3]s"; }`,
}

func TestEvalBench(t *testing.T) {
	if *evalBench == "" {
		t.Skip("a benchmark: run it with -evalbench DIR, or just bench-eval DIR")
	}
	b := &evalBencher{t: t, dir: t.TempDir()}
	b.prepare()
	pattern := regexp.MustCompile(*evalBenchCases)
	fmt.Printf("%-26s %-10s %9s %9s %9s %7s %7s   %s\n", "case", "evaluator", "cpu", "wall", "memory", "cpu", "wall", "bar")
	for _, c := range evalCases {
		if pattern.MatchString(c.name) {
			b.compare(c)
		}
	}
}

type evalBencher struct {
	t       *testing.T
	dir     string
	corpora string
	muster  string
	ways    []evalWay // ours first
}

// An evalWay is an evaluator: muster, or a command like nix-instantiate.
type evalWay struct {
	name    string
	command []string
}

// buildMuster builds the program that is measured.
func (b *evalBencher) buildMuster() {
	b.muster = filepath.Join(b.dir, "muster-under-test")
	if out, err := exec.Command("go", "build", "-o", b.muster, "./muster").CombinedOutput(); err != nil {
		b.t.Fatalf("build muster: %v\n%s", err, out)
	}
}

func (b *evalBencher) prepare() {
	b.buildMuster()
	var err error
	if b.corpora, err = filepath.Abs(*evalBench); err != nil {
		b.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.corpora, "evaluator-bench")); err != nil {
		b.t.Fatal(err)
	}
	b.ways = []evalWay{{"muster", nil}}
	for _, nix := range strings.Split(*evalBenchNix, ",") {
		name, command, ok := strings.Cut(nix, "=")
		if !ok {
			b.t.Fatalf("-evalbench-nix %s: want name=command", nix)
		}
		b.ways = append(b.ways, evalWay{name, strings.Fields(command)})
	}
	if *evalBenchLike != "" {
		b.ways = append(b.ways, evalWay{filepath.Base(*evalBenchLike), strings.Fields(*evalBenchLike)})
	}
}

// compare runs a case in turns and prints a line for each evaluator.
func (b *evalBencher) compare(c evalCase) {
	ways := b.ways
	if c.tree != "" {
		b.writeFleet(c, "")
		if *evalBenchLike != "" {
			ways = ways[:len(ways)-1]
		}
	}
	figures := make([][]figure, len(ways))
	rounds := *evalBenchRounds
	for round := 0; round < rounds; round++ {
		var want string
		for i := range ways {
			w := (i + round) % len(ways)
			f, out := b.evaluate(c, ways[w], round)
			if f.wall > 20*time.Second {
				rounds = 1
			}
			figures[w] = append(figures[w], f)
			if want == "" {
				want = out
			} else if out != want {
				b.t.Errorf("%s: %s gives\n%.300s\nand not\n%.300s", c.name, ways[w].name, out, want)
			}
		}
	}
	var ours, first figure
	for w, way := range ways {
		m := figure{
			wall:   median(figures[w], func(f figure) time.Duration { return f.wall }),
			cpu:    median(figures[w], func(f figure) time.Duration { return f.cpu }),
			memory: median(figures[w], func(f figure) int64 { return f.memory }),
		}
		switch w {
		case 0:
			ours = m
		case 1:
			first = m
		}
		fmt.Printf("%-26s %-10s %8.3fs %8.2fs %9s", c.name, way.name, m.cpu.Seconds(), m.wall.Seconds(), human.Bytes(m.memory))
		if w > 0 {
			// Of neighbours in time: the machine's speed wanders.
			fmt.Printf(" %6.2f× %6.2f×", ratio(figures[0], figures[w], func(f figure) time.Duration { return f.cpu }),
				ratio(figures[0], figures[w], func(f figure) time.Duration { return f.wall }))
		}
		if w == 1 {
			fmt.Printf("   %s", c.verdict(ours, first, figures))
		}
		fmt.Println()
	}
}

func ratio(ours, theirs []figure, of func(figure) time.Duration) float64 {
	var all []float64
	for i := range ours {
		all = append(all, of(ours[i]).Seconds()/of(theirs[i]).Seconds())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (c *evalCase) verdict(ours, first figure, figures [][]figure) string {
	cpu := ratio(figures[0], figures[1], func(f figure) time.Duration { return f.cpu })
	wall := ratio(figures[0], figures[1], func(f figure) time.Duration { return f.wall })
	bar := fmt.Sprintf("cpu ≤ %.2f", c.cpu)
	met := cpu <= c.cpu
	if c.wall > 0 {
		bar += fmt.Sprintf(", wall ≤ %.2f", c.wall)
		met = met && wall <= c.wall
	}
	if c.hosts >= 100 {
		bar += ", 1.2 GB"
		met = met && ours.memory <= 1.2e9
	}
	if met {
		return bar
	}
	return bar + " MISSED"
}

// evaluate runs one evaluator once and returns what it printed, in a form that
// can be compared.
func (b *evalBencher) evaluate(c evalCase, way evalWay, round int) (figure, string) {
	env := append(os.Environ(), "NIX_REMOTE="+filepath.Join(b.dir, "root"), "XDG_CACHE_HOME="+filepath.Join(b.dir, "cache"))
	if c.tree == "" {
		file := filepath.Join(b.corpora, "evaluator-bench", c.file+".nix")
		var argv []string
		if way.command == nil {
			argv = []string{b.muster, "eval", "--strict", "--file", file}
		} else {
			argv = append(slices.Clone(way.command), "--readonly-mode", "--eval", "--strict", file)
		}
		if len(c.args) > 0 {
			argv = append(argv, "--arg", c.args[0], c.args[1])
		}
		return b.time(env, argv)
	}
	dir := filepath.Join(b.dir, "fleet")
	if way.command == nil {
		argv := []string{b.muster, "eval", "--json", dir + "/hosts.cue"}
		if c.edited {
			b.writeFleet(c, "")
			b.time(env, argv)
			b.writeFleet(c, fmt.Sprintf(" edit%d", round))
		} else {
			argv = slices.Insert(argv, 2, "--no-eval-cache")
		}
		f, out := b.time(env, argv)
		var systems map[string]struct{ Drv, Out string }
		if err := json.Unmarshal([]byte(out), &systems); err != nil {
			b.t.Fatalf("read %.300s: %v", out, err)
		}
		drvs := map[string]string{}
		for host, s := range systems {
			drvs[host] = s.Drv
		}
		text, _ := json.Marshal(drvs)
		return f, string(text)
	}
	f, out := b.time(env, append(slices.Clone(way.command), "--readonly-mode", "--eval", "--strict", "--json", dir+"/all.nix"))
	return f, out
}

// time runs a command.
func (b *evalBencher) time(env, argv []string) (figure, string) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	out, err := cmd.Output()
	wall := time.Since(began)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, stderr.String())
	}
	s := cmd.ProcessState
	return figure{wall: wall, cpu: s.UserTime() + s.SystemTime(), memory: s.SysUsage().(*syscall.Rusage).Maxrss << 10}, strings.TrimSpace(string(out))
}

// writeFleet writes an inventory, and for Nix the network it compiles to, with
// edit in the configuration of the last host.
func (b *evalBencher) writeFleet(c evalCase, edit string) {
	tree := fleetTrees[c.tree]
	corpus := filepath.Join(b.corpora, tree.corpus)
	dir := filepath.Join(b.dir, "fleet")
	b.must(os.RemoveAll(dir))
	b.must(os.MkdirAll(dir+"/tree/nixos/lib", 0o755))
	b.must(os.Symlink(filepath.Join(corpus, tree.lib), dir+"/tree/lib"))
	b.must(os.WriteFile(dir+"/tree/nixos/lib/eval-config.nix", []byte(strings.ReplaceAll(tree.evalConfig, "CORPUS", corpus)), 0o644))
	var inventory strings.Builder
	fmt.Fprintf(&inventory, "package fleet\nnixpkgs: path: \"tree\"\n")
	for i := range c.hosts {
		name := fmt.Sprintf("node%d", i)
		module := name + ".nix"
		mark := ""
		if i == c.hosts-1 {
			mark = edit
		}
		b.must(os.WriteFile(filepath.Join(dir, module), fmt.Appendf(nil, fleetHosts[tree.corpus], i, i%3 == 0, mark), 0o644))
		fmt.Fprintf(&inventory, "hosts: %s: {host: \"10.0.%d.%d\", imports: [%q]}\n", name, i/250, i%250+1, module)
	}
	b.must(os.WriteFile(dir+"/hosts.cue", []byte(inventory.String()), 0o644))
	out, err := exec.Command(b.muster, "compile", dir+"/hosts.cue").Output()
	b.must(err)
	b.must(os.WriteFile(dir+"/network.nix", out, 0o644))
	b.must(os.WriteFile(dir+"/driver.nix", []byte(compile.Driver), 0o644))
	b.must(os.WriteFile(dir+"/all.nix", []byte(`builtins.mapAttrs (_: h: h.drv) (import ./driver.nix { network = ./network.nix; })`), 0o644))
}

func (b *evalBencher) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}
