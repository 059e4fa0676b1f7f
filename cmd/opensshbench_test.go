package cmd

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"muster/exec/lab"
)

var (
	opensshBenchOn = flag.Bool("opensshbench", false, "compare muster deploy --ssh openssh, where nothing is to do, with ssh HOST true")
	opensshHosts   = flag.Int("opensshbench-hosts", 50, "connect to `n` hosts")
	opensshRounds  = flag.Int("opensshbench-rounds", 5, "run each way `n` times")
)

// opensshBar is the most that a deployment with nothing to do may take of the time of bare ssh.
const opensshBar = 1.3

// A deployment with nothing to do, through the system's ssh, against ssh itself on the same hosts, as many at a time, in
// turns. just bench-openssh runs it.
func TestOpenSSHBench(t *testing.T) {
	if !*opensshBenchOn {
		t.Skip("a benchmark: run it with -opensshbench, or just bench-openssh")
	}
	lab.RequireLab(t)
	b := &deployBench{bench: &bench{t: t, dir: t.TempDir()}}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", b.dir).Run() })
	b.prepare()
	b.write(deployCase{hosts: *opensshHosts})
	var names []string
	for i := range *opensshHosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	l := lab.NewWith(t, lab.Options{Hosts: names, DiskSize: 1 << 30})
	home, err := os.MkdirTemp(b.dir, "home")
	if err != nil {
		t.Fatal(err)
	}
	var bare [][]string
	for _, h := range l.Hosts {
		b.ready(h)
		bare = append(bare, []string{"ssh", "-F", l.SSHConfig, h.Name, "true"})
	}
	deploy := []string{b.muster, "deploy", "--yes", b.inventory("A")}
	b.timeIn(home, l, deploy)
	ways := []struct {
		name string
		run  func() figure
	}{
		{"ssh HOST true", func() figure { return b.time(context.Background(), l, 10, bare) }},
		{"--ssh openssh", func() figure { return b.timeIn(home, l, append(slices.Clone(deploy), "--ssh", "openssh")) }},
		{"--ssh builtin", func() figure { return b.timeIn(home, l, append(slices.Clone(deploy), "--ssh", "builtin")) }},
	}
	walls := make([][]time.Duration, len(ways))
	fmt.Printf("%-16s %9s %9s %9s\n", "way", "wall", "min", "cpu")
	var cpu [3]time.Duration
	for round := range *opensshRounds {
		for i := range ways {
			w := (i + round) % len(ways)
			f := ways[w].run()
			walls[w], cpu[w] = append(walls[w], f.wall), f.cpu
		}
	}
	mid := make([]time.Duration, len(ways))
	for w, way := range ways {
		slices.Sort(walls[w])
		mid[w] = walls[w][len(walls[w])/2]
		fmt.Printf("%-16s %8.2fs %8.2fs %8.2fs\n", way.name, mid[w].Seconds(), walls[w][0].Seconds(), cpu[w].Seconds())
	}
	fmt.Printf("%.2fx of ssh (%.2fx of the best), at most %.1fx\n", mid[1].Seconds()/mid[0].Seconds(), walls[1][0].Seconds()/walls[0][0].Seconds(), opensshBar)
}
