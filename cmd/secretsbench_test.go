package cmd

import (
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/exec/lab"
)

// The benchmark of secrets: muster secrets push against one scp for each secret and
// against colmena's upload of keys, run in turns on the same hosts. just bench-secrets runs it.
var (
	secretsBenchOn    = flag.Bool("secretsbench", false, "compare muster secrets push with scp and with colmena")
	secretsBenchHosts = flag.Int("secretsbench-hosts", 20, "push to `n` hosts")
	secretsBenchCount = flag.Int("secretsbench-count", 200, "push `n` secrets to each")
	secretsRounds     = flag.Int("secretsbench-rounds", 3, "run each way `n` times")
)

const (
	secretsJobs      = 10  // hosts at once, as muster and colmena do it
	secretsScpBar    = 0.2 // muster's time over that of scp
	secretsColmenaUp = 0.5 // and of colmena
)

func TestSecretsBench(t *testing.T) {
	if !*secretsBenchOn {
		t.Skip("a benchmark: run it with -secretsbench, or just bench-secrets")
	}
	lab.RequireLab(t)
	b := &bench{t: t, dir: t.TempDir()}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", b.dir).Run() })
	b.prepare()
	var names []string
	for i := range *secretsBenchHosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	l := lab.NewWith(t, lab.Options{Hosts: names, DiskSize: 1 << 30})
	for _, h := range l.Hosts {
		// colmena needs a sh that knows pipefail, as that of NixOS does.
		if out, err := h.Run(t.Context(), "mount", "--bind", "/usr/bin/bash", "/usr/bin/sh"); err != nil {
			t.Fatal(err, out)
		}
	}
	s := &secretsBench{bench: b, lab: l, keys: filepath.Join(b.dir, "keys")}
	s.write()
	s.renew()
	s.timeIn(l, []string{b.muster, "deploy", b.dir})
	ways := []secretsWay{{"scp", 0, s.scp}, {"muster", 0, s.muster}}
	if _, err := exec.LookPath(*colmenaProgram); err == nil {
		ways = append(ways, secretsWay{"colmena", 0, s.colmena})
	} else {
		fmt.Printf("without colmena: %v; the recipe bench-deploy says how to build it\n", err)
	}
	ways = append(ways, secretsWay{"muster, one changed", 1, s.muster}, secretsWay{"muster, none changed", 2, s.muster})
	figures := make([][]figure, len(ways))
	for round := range *secretsRounds {
		for i := range ways {
			w := (i + round) % len(ways)
			switch ways[w].change {
			case 0:
				s.renew()
			case 1:
				s.muster() // all are there
				s.renewOne(0)
			case 2:
				s.muster()
			}
			figures[w] = append(figures[w], ways[w].run())
			s.check(ways[w].name)
		}
	}
	s.print(ways, figures)
}

// A secretsWay is a way to bring secrets to hosts. change says what is new before it: 0
// for all, 1 for one, 2 for nothing.
type secretsWay struct {
	name   string
	change int
	run    func() figure
}

// A secretsBench is a bench with files of secrets in it.
type secretsBench struct {
	*bench
	lab  *lab.Lab
	keys string
}

// write writes the inventory and colmena's hive.
func (s *secretsBench) write() {
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		s.t.Fatal(err)
	}
	var inventory, keys, hive strings.Builder
	fmt.Fprintf(&inventory, "[nixpkgs]\npath = %q\n", minios)
	fmt.Fprintf(&hive, "{\n  meta.nixpkgs = import %q { };\n  defaults = {\n    fileSystems.\"/\".label = \"nixos\";\n", minios)
	for i := range *secretsBenchCount {
		fmt.Fprintf(&inventory, "[defaults.secrets.k%d]\nfile = \"keys/k%[1]d\"\n", i)
		fmt.Fprintf(&keys, "    deployment.keys.k%d = { keyFile = %q; destDir = \"/run/keys\"; };\n", i, filepath.Join(s.keys, fmt.Sprintf("k%d", i)))
	}
	hive.WriteString(keys.String() + "  };\n")
	for _, h := range s.lab.Hosts {
		fmt.Fprintf(&inventory, "[hosts.%s]\nhost = %[1]q\nfile_systems.\"/\".label = \"nixos\"\n", h.Name)
		fmt.Fprintf(&hive, "  %s = { deployment.targetHost = %[1]q; };\n", h.Name)
	}
	hive.WriteString("}\n")
	for name, text := range map[string]string{"hosts.toml": inventory.String(), "hive.nix": hive.String()} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.Mkdir(s.keys, 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// renew gives all secrets a new content, of 400 characters.
func (s *secretsBench) renew() {
	for i := range *secretsBenchCount {
		s.renewOne(i)
	}
}

func (s *secretsBench) renewOne(i int) {
	if err := os.WriteFile(filepath.Join(s.keys, fmt.Sprintf("k%d", i)), []byte(strings.Repeat(rand.Text()[:20], 20)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *secretsBench) timeIn(l *lab.Lab, argvs ...[]string) figure {
	for i := range argvs {
		argvs[i] = append([]string{"env", "SSH_CONFIG_FILE=" + l.SSHConfig}, argvs[i]...)
	}
	return s.time(s.t.Context(), l, secretsJobs, argvs)
}

func (s *secretsBench) muster() figure {
	return s.timeIn(s.lab, []string{s.bench.muster, "secrets", "push", "--jobs", fmt.Sprint(secretsJobs), s.dir})
}

func (s *secretsBench) colmena() figure {
	return s.timeIn(s.lab, []string{*colmenaProgram, "upload-keys", "--config", filepath.Join(s.dir, "hive.nix")})
}

// scp copies each file to each host by itself.
func (s *secretsBench) scp() figure {
	var argvs [][]string
	for _, h := range s.lab.Hosts {
		script := `cd "$1" && ssh -F "$2" "$3" mkdir -p /run/keys && for k in *; do scp -q -F "$2" "$k" "$3:/run/keys/$k" || exit 1; done`
		argvs = append(argvs, []string{"sh", "-c", script, "sh", s.keys, s.lab.SSHConfig, h.Name})
	}
	return s.timeIn(s.lab, argvs...)
}

// check makes sure that the hosts have the secrets.
func (s *secretsBench) check(way string) {
	dir := "/run/keys"
	if strings.HasPrefix(way, "muster") {
		dir = "/run/muster-secrets"
	}
	for _, i := range []int{0, *secretsBenchCount - 1} {
		want, err := os.ReadFile(filepath.Join(s.keys, fmt.Sprintf("k%d", i)))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, h := range s.lab.Hosts {
			if got, err := h.Run(s.t.Context(), "cat", fmt.Sprintf("%s/k%d", dir, i)); err != nil || got != string(want) {
				s.t.Fatalf("%s: %s does not have the secret k%d: %v", way, h.Name, i, err)
			}
		}
	}
}

// print prints what the ways took, and muster's time over that of the others.
func (s *secretsBench) print(ways []secretsWay, figures [][]figure) {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d secrets x %d hosts, %d rounds; load %s", *secretsBenchCount, *secretsBenchHosts, *secretsRounds, load)
	fmt.Printf("%-24s %9s %9s\n", "way", "wall", "cpu")
	for w, way := range ways {
		wall := median(figures[w], func(f figure) time.Duration { return f.wall })
		cpu := median(figures[w], func(f figure) time.Duration { return f.cpu })
		fmt.Printf("%-24s %8.2fs %8.2fs\n", way.name, wall.Seconds(), cpu.Seconds())
	}
	for w, way := range ways {
		bar := map[string]float64{"scp": secretsScpBar, "colmena": secretsColmenaUp}[way.name]
		if bar == 0 {
			continue
		}
		var pairs []float64
		for i := range figures[w] {
			pairs = append(pairs, figures[1][i].wall.Seconds()/figures[w][i].wall.Seconds())
		}
		slices.Sort(pairs)
		mid := pairs[len(pairs)/2]
		fmt.Printf("muster / %-15s %8.3f× of pairs, %.3f to %.3f; bar %.2f× %s\n", way.name, mid, pairs[0], pairs[len(pairs)-1], bar, kept(mid <= bar))
	}
}
