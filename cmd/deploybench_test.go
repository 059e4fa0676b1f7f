package cmd

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/exec/lab"
)

// The benchmark of deploying: muster deploy against the shortest script that does the same without any care, and against
// colmena, run in turns on fresh hosts. just bench-deploy runs it and says how to get colmena.
var (
	deployBenchOn    = flag.Bool("deploybench", false, "compare muster deploy with a script and with colmena")
	deployBenchCases = flag.String("deploybench-cases", "", "run only the `cases` whose name has one of these texts in it, separated by |")
	deployRounds     = flag.Int("deploybench-rounds", 5, "run each way `n` times")
	colmenaProgram   = flag.String("deploybench-colmena", "/var/tmp/muster-tools/colmena/target/release/colmena", "the `program` colmena")
)

// mostForks is how many processes a host may start for one changed system.
const mostForks = 300

func TestDeployBench(t *testing.T) {
	if !*deployBenchOn {
		t.Skip("a benchmark: run it with -deploybench, or just bench-deploy")
	}
	lab.RequireLab(t)
	b := &deployBench{bench: &bench{t: t, dir: t.TempDir()}}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", b.dir).Run() })
	b.prepare()
	fmt.Printf("%-44s %-10s %9s %9s %9s %7s\n", "case", "way", "wall", "min", "cpu", "forks")
	change := []deployStep{{variant: "A"}, {name: "a changed system", variant: "B", bar: 1, built: true}}
	b.run(deployCase{name: "4 hosts", hosts: 4, steps: change}, script)
	change[1].bar = 1.15
	b.run(deployCase{name: "4 systemd hosts", hosts: 4, systemd: true, steps: change}, script)
	b.run(deployCase{name: "25 hosts", hosts: 25, steps: []deployStep{
		{name: "a first system", variant: "A", bar: 0.8},
		{name: "a changed system", variant: "B", bar: 0.8, forks: mostForks},
		{name: "nothing to do", variant: "B", bar: 0.06},
	}}, colmena)
}

// A deployBench is a bench with what is deployed in it.
type deployBench struct {
	*bench
	systems map[string][]string // by variant of the inventory and number of host
}

// A deployCase is a number of fresh hosts and what is done to them in order.
type deployCase struct {
	name    string
	hosts   int
	systemd bool
	steps   []deployStep
}

// A deployStep is one deployment of a variant of the inventory.
type deployStep struct {
	name    string // "" where it only prepares for the next
	variant string
	built   bool    // everything is evaluated beforehand, too
	bar     float64 // muster's time over that of the other way
	forks   int     // how many processes a host may start; 0 for any
}

// A deployWay is a way to deploy.
type deployWay struct {
	name string
	argv func(b *deployBench, l *lab.Lab, variant string) []string
}

var (
	musterWay = deployWay{"muster", func(b *deployBench, _ *lab.Lab, variant string) []string {
		return []string{b.muster, "deploy", b.inventory(variant)}
	}}
	script = deployWay{"script", func(b *deployBench, l *lab.Lab, variant string) []string {
		file, err := filepath.Abs("testdata/deploy-shortest.sh")
		if err != nil {
			b.t.Fatal(err)
		}
		argv := []string{file, l.SSHConfig}
		for i, h := range l.Hosts {
			argv = append(argv, h.Name, b.systems[variant][i])
		}
		return argv
	}}
	colmena = deployWay{"colmena", func(b *deployBench, _ *lab.Lab, variant string) []string {
		return []string{*colmenaProgram, "apply", "--no-substitute", "--config", filepath.Join(b.inventory(variant), "hive.nix"), "switch"}
	}}
)

// inventory is the directory of a variant of the inventory.
func (b *deployBench) inventory(variant string) string { return filepath.Join(b.dir, "fleet-"+variant) }

// A deployFigure is what one deployment took; the processor's time is that of all hosts, too.
type deployFigure struct {
	figure
	forks int64 // on one host, the mean of all
}

// run runs the ways in turns, each on fresh hosts, and prints how muster compares with the other.
func (b *deployBench) run(c deployCase, other deployWay) {
	if *deployBenchCases != "" && !slices.ContainsFunc(strings.Split(*deployBenchCases, "|"), func(w string) bool { return strings.Contains(c.name, w) }) {
		return
	}
	if other.name == colmena.name {
		if _, err := exec.LookPath(*colmenaProgram); err != nil {
			fmt.Printf("%-44s without colmena: %v; the recipe bench-deploy says how to build it\n", c.name, err)
			return
		}
	}
	b.write(c)
	ways := []deployWay{other, musterWay}
	figures := make([][][]deployFigure, len(c.steps)) // by step, way and round
	for s := range figures {
		figures[s] = make([][]deployFigure, len(ways))
	}
	for round := range *deployRounds {
		for i := range ways {
			w := (i + round) % len(ways)
			for s, f := range b.once(c, ways[w]) {
				figures[s][w] = append(figures[s][w], f)
			}
		}
	}
	for s, step := range c.steps {
		if step.name != "" {
			printDeploy(c.name+", "+step.name, step, ways, figures[s])
		}
	}
}

// write writes the variants of the inventory and builds them.
func (b *deployBench) write(c deployCase) {
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		b.t.Fatal(err)
	}
	b.systems = map[string][]string{}
	for _, variant := range []string{"A", "B"} {
		dir := b.inventory(variant)
		text := fmt.Sprintf("[nixpkgs]\npath = %q\n[defaults.config.environment.etc.changed]\ntext = %q\n", minios, variant)
		for i := range c.hosts {
			text += fmt.Sprintf("[hosts.h%d]\nhost = \"h%[1]d\"\nfile_systems.\"/\".label = \"nixos\"\n", i)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(text), 0o644); err != nil {
			b.t.Fatal(err)
		}
		b.output(b.muster, "compile", "--format", "colmena", "--output", filepath.Join(dir, "hive.nix"), dir)
		b.systems[variant] = systemsBuilt(b.t, b.output(b.muster, "build", "--output", "json", dir), c.hosts)
	}
}

// output runs a command, which must succeed, with the bench's store.
func (b *deployBench) output(argv ...string) []byte {
	b.t.Helper()
	cmd := b.command(context.Background(), nil, argv...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, &stderr)
	}
	return out
}

// systemsBuilt are the systems of the hosts h0 to hN that muster build tells of.
func systemsBuilt(t *testing.T, events []byte, hosts int) []string {
	systems := make([]string, hosts)
	lines := bufio.NewScanner(bytes.NewReader(events))
	for lines.Scan() {
		var event struct {
			Data struct {
				Outcome struct{ Host, System string }
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("muster build: %v: %s", err, lines.Bytes())
		}
		if o := event.Data.Outcome; o.Host != "" {
			i, err := strconv.Atoi(strings.TrimPrefix(o.Host, "h"))
			if err != nil {
				t.Fatal(err)
			}
			systems[i] = o.System
		}
	}
	if slices.Contains(systems, "") {
		t.Fatalf("muster build told of no system for a host: %s", events)
	}
	return systems
}

// once takes fresh hosts through the steps of a case by one way.
func (b *deployBench) once(c deployCase, way deployWay) []deployFigure {
	names := make([]string, c.hosts)
	for i := range names {
		names[i] = fmt.Sprintf("h%d", i)
	}
	l := lab.NewWith(b.t, lab.Options{Hosts: names, DiskSize: 1 << 30, Systemd: c.systemd})
	defer l.Close()
	for _, h := range l.Hosts {
		b.ready(h)
	}
	// What muster remembers of evaluations is of these hosts only.
	home, err := os.MkdirTemp(b.dir, "home")
	if err != nil {
		b.t.Fatal(err)
	}
	var all []deployFigure
	for _, s := range c.steps {
		if s.built {
			b.timeIn(home, l, []string{b.muster, "build", b.inventory(s.variant)})
		}
		forks, cpu := b.forks(l), hostsCPU(l)
		f := b.timeIn(home, l, way.argv(b, l, s.variant))
		f.cpu += hostsCPU(l) - cpu
		all = append(all, deployFigure{f, b.forks(l) - forks - 1})
		b.checkRuns(l, s.variant)
	}
	return all
}

// ready waits until a host does nothing by itself any more. Its shells have empty start-up files.
func (b *deployBench) ready(h *lab.Host) {
	argv := []string{"sh", "-c", "rm -f /root/.bashrc /root/.profile /root/.bash_profile; : >/etc/bash.bashrc; ! [ -d /run/systemd/system ] || systemctl is-system-running --wait"}
	if out, err := h.Run(context.Background(), argv...); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
}

// timeIn runs a command with a home directory of its own.
func (b *deployBench) timeIn(home string, l *lab.Lab, argv []string) figure {
	env := []string{"env", "HOME=" + home, "SSH_CONFIG_FILE=" + l.SSHConfig}
	return b.time(context.Background(), l, 1, [][]string{append(env, argv...)})
}

// forks is how many processes and threads the hosts have started so far, the mean of all: a host counts its process IDs
// from 1, and this starts one.
func (b *deployBench) forks(l *lab.Lab) int64 {
	var sum int64
	for _, h := range l.Hosts {
		out, err := h.Run(context.Background(), "sh", "-c", "echo $$")
		if err != nil {
			b.t.Fatal(err)
		}
		pid, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		sum += pid
	}
	return sum / int64(len(l.Hosts))
}

// hostsCPU is the processor time that the hosts have taken so far, as their processes say: each tells of itself and of the
// children that it has waited for, and a host's first process waits for all others.
func hostsCPU(l *lab.Lab) time.Duration {
	spaces := map[string]bool{}
	for _, h := range l.Hosts {
		space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.Pid()))
		spaces[space] = err == nil
	}
	var ticks int64
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if space, err := os.Readlink(process + "/ns/pid"); err != nil || !spaces[space] {
			continue
		}
		stat, _ := os.ReadFile(process + "/stat")
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 14 {
			for _, field := range fields[11:15] { // utime, stime, cutime, cstime
				n, _ := strconv.ParseInt(field, 10, 64)
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * (time.Second / 100)
}

// checkRuns makes sure that the hosts run what was deployed and would boot it.
func (b *deployBench) checkRuns(l *lab.Lab, variant string) {
	for i, h := range l.Hosts {
		for _, link := range []string{"/run/current-system", "/nix/var/nix/profiles/system"} {
			out, err := h.Run(context.Background(), "readlink", "-f", link)
			if err != nil {
				b.t.Fatal(err)
			}
			if got, want := strings.TrimSpace(out), b.systems[variant][i]; got != want {
				b.t.Fatalf("%s: %s is %s, want %s", h.Name, link, got, want)
			}
		}
	}
}

// printDeploy prints what the ways took for one step, and muster's time over the other's.
func printDeploy(name string, step deployStep, ways []deployWay, figures [][]deployFigure) {
	var walls []float64
	var forks int64
	for w, way := range ways {
		mid := func(of func(deployFigure) int64) int64 {
			var all []int64
			for _, f := range figures[w] {
				all = append(all, of(f))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		wall := time.Duration(mid(func(f deployFigure) int64 { return int64(f.wall) }))
		cpu := time.Duration(mid(func(f deployFigure) int64 { return int64(f.cpu) }))
		forks = mid(func(f deployFigure) int64 { return f.forks })
		least := slices.MinFunc(figures[w], func(a, b deployFigure) int { return cmp.Compare(a.wall, b.wall) })
		fmt.Printf("%-44s %-10s %8.2fs %8.2fs %8.2fs %7d\n", name, way.name, wall.Seconds(), least.wall.Seconds(), cpu.Seconds(), forks)
		walls = append(walls, wall.Seconds())
	}
	// The machine's speed wanders: the ratio of each pair of neighbours says more than that of the medians.
	var pairs []float64
	for i := range figures[0] {
		pairs = append(pairs, figures[1][i].wall.Seconds()/figures[0][i].wall.Seconds())
	}
	slices.Sort(pairs)
	pair := pairs[len(pairs)/2]
	bar := fmt.Sprintf("bar %.2f× %s", step.bar, kept(pair <= step.bar))
	if step.forks != 0 {
		bar += fmt.Sprintf(", %d forks %s", step.forks, kept(forks <= int64(step.forks)))
	}
	fmt.Printf("%-44s %-10s %8.2f× %8.2f× of pairs, %.2f to %.2f; %s\n", name, "ratio", walls[1]/walls[0], pair, pairs[0], pairs[len(pairs)-1], bar)
}

func kept(ok bool) string {
	if ok {
		return "kept"
	}
	return "missed"
}
