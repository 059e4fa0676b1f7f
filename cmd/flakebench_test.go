package cmd

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec/human"
)

// The benchmark of a flake whose hosts share a nixpkgs: muster eval against nix eval, in
// turns. just bench-flake runs it. Without the flag, a few hosts show that it works.
var (
	flakeBench       = flag.String("flakebench", "", "compare with this `nix`, a path")
	flakeBenchHosts  = flag.String("flakebench-hosts", "10,100,300", "the `numbers` of hosts, comma-separated")
	flakeBenchRounds = flag.Int("flakebench-rounds", 5, "run each `n` times")
)

// Bars are parts of Nix's wall time for all hosts, and a time.
const (
	flakeBarFirst  = 0.35
	flakeBarEdited = 0.05
	flakeBarAgain  = 200 * time.Millisecond
	flakeBarMemory = 1.1 // of the memory that fewer hosts take
)

func TestFlakeBench(t *testing.T) {
	b := &evalBencher{t: t, dir: t.TempDir()}
	b.buildMuster()
	if *flakeBench == "" {
		b.flakeRound(4, 1)
		return
	}
	fmt.Printf("%-6s %-8s %9s %9s %9s %7s   %s\n", "hosts", "what", "cpu", "wall", "memory", "wall", "bar")
	var before int64
	for text := range strings.SplitSeq(*flakeBenchHosts, ",") {
		hosts, err := strconv.Atoi(text)
		b.must(err)
		memory := b.compareFlake(hosts)
		if before > 0 {
			fmt.Printf("%-6d %-8s %29s %6.3f×   of the hosts above ≤ %v×, from 100 hosts on\n", hosts, "memory", human.Bytes(memory), float64(memory)/float64(before), flakeBarMemory)
		}
		before = memory
	}
}

// A flakeRun is what one round took.
type flakeRun struct{ first, again, edited, nix figure }

// compareFlake prints the medians of some rounds, and returns the most memory that a first
// run took.
func (b *evalBencher) compareFlake(hosts int) (memory int64) {
	var runs []flakeRun
	for round := range *flakeBenchRounds {
		runs = append(runs, b.flakeRound(hosts, round))
		memory = max(memory, runs[round].first.memory)
	}
	row := func(what string, of func(flakeRun) figure, bar string) {
		var wall, cpu, parts []float64
		var memory int64
		for _, r := range runs {
			f := of(r)
			wall, cpu = append(wall, f.wall.Seconds()), append(cpu, f.cpu.Seconds())
			parts = append(parts, f.wall.Seconds()/r.nix.wall.Seconds())
			memory = max(memory, f.memory)
		}
		for _, l := range [][]float64{wall, cpu, parts} {
			slices.Sort(l)
		}
		m := len(runs) / 2
		fmt.Printf("%-6d %-8s %8.3fs %8.3fs %9s %6.3f×   %s\n", hosts, what, cpu[m], wall[m], human.Bytes(memory), parts[m], bar)
	}
	row("first", func(r flakeRun) figure { return r.first }, fmt.Sprintf("wall ≤ %v×", flakeBarFirst))
	row("again", func(r flakeRun) figure { return r.again }, fmt.Sprintf("wall ≤ %v", flakeBarAgain))
	row("edited", func(r flakeRun) figure { return r.edited }, fmt.Sprintf("wall ≤ %v×", flakeBarEdited))
	row("nix", func(r flakeRun) figure { return r.nix }, "")
	return memory
}

// flakeRound evaluates a new flake for the first time, again, with one host edited, and
// with Nix. All must find the same systems.
func (b *evalBencher) flakeRound(hosts, round int) flakeRun {
	dir := filepath.Join(b.dir, fmt.Sprintf("flake-%d-%d", hosts, round))
	// It stays until the end: next to files that were removed a moment ago, ext4 takes 0.6 ms to make one.
	b.writeFlake(dir, hosts)
	env := append(os.Environ(), "XDG_CACHE_HOME="+dir+"/cache", "NIX_REMOTE="+dir+"/root", "GIT_CONFIG_GLOBAL=/dev/null",
		"NIX_CONFIG=experimental-features = nix-command flakes\nflake-registry =\nsubstituters =\nbuild-users-group =")
	git := func(args ...string) {
		b.time(env, append([]string{"git", "-C", dir + "/flake", "-c", "user.name=a", "-c", "user.email=a@b"}, args...))
	}
	nix := func() (f figure, systems map[string]string) {
		f, out := b.time(env, []string{*flakeBench, "eval", "--json", "--read-only", "--no-eval-cache", dir + "/flake#nixosConfigurations",
			"--apply", "builtins.mapAttrs (_: host: host.config.system.build.toplevel.drvPath)"})
		b.must(json.Unmarshal([]byte(out), &systems))
		return f, systems
	}
	muster := func(more ...string) (f figure, systems map[string]string) {
		f, out := b.time(env, append([]string{b.muster, "eval", "--json", dir + "/hosts.cue"}, more...))
		return f, drvsOf(b.t, out)
	}
	check := func(what string, got, want map[string]string) {
		if d := cmp.Diff(want, got); d != "" {
			b.t.Fatalf("%d hosts, %s (-want +got):\n%s", hosts, what, d)
		}
	}
	git("init", "-q")
	git("add", "-A")
	if *flakeBench != "" {
		b.time(env, []string{*flakeBench, "flake", "lock", dir + "/flake"})
		git("add", "-A")
	}
	git("commit", "-qm", "all")
	// Git reads what was written in the second of its index again and again. People's files are older.
	time.Sleep(1100 * time.Millisecond)
	git("status")
	var run flakeRun
	reference := func() (systems map[string]string) {
		if *flakeBench == "" {
			_, systems = muster("--no-eval-cache")
			return systems
		}
		run.nix, systems = nix()
		return systems
	}
	want := reference()
	var got map[string]string
	run.first, got = muster()
	check("the first time", got, want)
	run.again, got = muster()
	check("again", got, want)
	edited := filepath.Join(dir, fmt.Sprintf("flake/hosts/h%d.nix", hosts/2))
	text, err := os.ReadFile(edited)
	b.must(err)
	b.must(os.WriteFile(edited, []byte(strings.Replace(string(text), "hello", "good bye", 1)), 0o644))
	run.edited, got = muster()
	first := run.nix
	check("one host edited", got, reference())
	if round%2 == 0 {
		run.nix = first // the machine's speed wanders: take those of before and after in turns
	}
	if got["h0"] != want["h0"] || got[fmt.Sprintf("h%d", hosts/2)] == want[fmt.Sprintf("h%d", hosts/2)] {
		b.t.Fatalf("%d hosts: the edit changes the wrong systems", hosts)
	}
	return run
}

// drvsOf reads what muster eval --json prints.
func drvsOf(t *testing.T, out string) map[string]string {
	t.Helper()
	var systems map[string]struct{ Drv string }
	if err := json.Unmarshal([]byte(out), &systems); err != nil {
		t.Fatalf("read %.300s: %v", out, err)
	}
	drvs := map[string]string{}
	for host, s := range systems {
		drvs[host] = s.Drv
	}
	return drvs
}

// writeFlake writes a flake with hosts that have some services each and share modules and
// a nixpkgs, which is minios, and the inventory of a fleet of these hosts.
func (b *evalBencher) writeFlake(dir string, hosts int) {
	write := func(name, text string) {
		p := filepath.Join(dir, name)
		b.must(os.MkdirAll(filepath.Dir(p), 0o755))
		b.must(os.WriteFile(p, []byte(text), 0o644))
	}
	b.must(os.CopyFS(filepath.Join(dir, "nixpkgs"), os.DirFS("../examples/minios")))
	write("flake/flake.nix", fmt.Sprintf(`{
  inputs.nixpkgs.url = "path:%s/nixpkgs";
  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      names = map (lib.removeSuffix ".nix") (builtins.attrNames (builtins.readDir ./hosts));
    in
    {
      nixosConfigurations = lib.genAttrs names (
        name:
        lib.nixosSystem {
          system = "x86_64-linux";
          specialArgs = { inherit self; };
          modules = [
            ./common.nix
            (./hosts + "/${name}.nix")
          ];
        }
      );
    };
}
`, dir))
	write("flake/common.nix", `{ lib, pkgs, ... }:
{
  environment.systemPackages = [ pkgs.hello ];
  services.openssh.enable = true;
  fileSystems."/" = { device = "/dev/sda"; fsType = "ext4"; };
  users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys.pub ];
  system.stateVersion = "24.11";
}
`)
	write("flake/keys.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator\n")
	inventory := "package fleet\n"
	for i := range hosts {
		write(fmt.Sprintf("flake/hosts/h%d.nix", i), fmt.Sprintf(`{ ... }:
{
  networking.hostName = "h%[1]d";
  services.nginx.enable = %[2]t;
  services.nginx.virtualHosts."h%[1]d.example.org".root = "/var/www/%[1]d";
  environment.etc."motd".text = "hello from %[1]d";
  users.users.admin = { isNormalUser = true; extraGroups = [ "wheel" ]; };
}
`, i, i%3 == 0))
		inventory += fmt.Sprintf("hosts: h%[1]d: {host: \"10.0.%[2]d.%[3]d\", flake: \"./flake#h%[1]d\"}\n", i, i/250, i%250+1)
	}
	write("hosts.cue", inventory)
}
