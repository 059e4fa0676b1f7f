package cmd

import (
	"muster/exec/human"

	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/exec/lab"
)

// The benchmark of copying: muster push against nix-copy-closure, run in turns
// on the same machines, stores emptied in between. just bench-copy runs it.
var (
	copyBench  = flag.Bool("copybench", false, "compare muster push with nix-copy-closure")
	benchCases = flag.String("copybench-cases", "", "run only the `cases` whose name has one of these texts in it, separated by |")
	rounds     = flag.Int("copybench-rounds", 5, "run each way `n` times")
	smallPaths = flag.Int("copybench-paths", 501, "paths of the closure of many small ones")
	bigMB      = flag.Int("copybench-megabytes", 300, "size of the closure of six big paths")
	idleHosts  = flag.Int("copybench-idle-hosts", 50, "hosts that have it all already")
	stockSSH   = flag.Bool("copybench-stock-ssh", true, "the hosts' sshd exchanges keys as OpenSSH does by default, not as the lab has it")
	benchArgs  = flag.String("copybench-args", "", "further `arguments` of muster push")
	hugeMB     = flag.Int("copybench-huge-megabytes", 5000, "size of the closure sent to 8 hosts that keep nothing")
)

func TestCopyBench(t *testing.T) {
	if !*copyBench {
		t.Skip("a benchmark: run it with -copybench, or just bench-copy")
	}
	lab.RequireLab(t)
	b := &bench{t: t, dir: t.TempDir()}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", b.dir).Run() })
	b.prepare()
	fmt.Printf("%-34s %-18s %9s %9s %9s   %s\n", "case", "way", "wall", "min", "cpu", "memory")
	b.compare("many small paths, 1 host, 20 ms", b.small, 1, 1, false, func(h *lab.Host) error { return h.Delay(20 * time.Millisecond) })
	b.compare("many small paths, 8 hosts", b.small, 8, 8, false, nil)
	b.compare("few big paths, 8 hosts", b.big, 8, 8, false, nil)
	b.compare("few big paths, 1 host, 200 Mbit/s", b.big, 1, 1, false, func(h *lab.Host) error { return h.Rate(200e6) })
	b.compare("nothing to copy", b.small, *idleHosts, 10, true, nil)
	b.huge(8)
}

// A bench is a source store of its own and a muster to copy from it.
type bench struct {
	t          *testing.T
	dir        string
	muster     string
	small, big func() string // store paths, built when they are asked for
}

// prepare builds muster and the closures.
func (b *bench) prepare() {
	b.muster = filepath.Join(b.dir, "muster-under-test")
	if out, err := exec.Command("go", "build", "-o", b.muster, "./muster").CombinedOutput(); err != nil {
		b.t.Fatalf("build muster: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(b.dir, "nix"), 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.small = sync.OnceValue(func() string {
		return b.build("small.nix", fmt.Sprintf(`
let
  mk = n: deps: derivation {
    name = "bench-small-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; inherit deps;
    args = [ "-c" "PATH=/usr/bin:/bin; mkdir -p $out/share; echo $deps >$out/deps; for i in 1 2 3 4; do seq ${toString n} $((${toString n} + 600 * i)) >$out/share/$i; done" ];
  };
  all = builtins.genList (n: mk n (map (i: builtins.elemAt all i) (if n < 3 then builtins.genList (i: i) n else [ (n - 1) (n / 2) (n / 3) ]))) %d;
in builtins.elemAt all %d`, *smallPaths, *smallPaths-1))
	})
	b.big = sync.OnceValue(b.buildBig)
}

func (b *bench) buildBig() string {
	for i := range 6 {
		b.data(fmt.Sprintf("data%d", i), *bigMB*1e6/6, uint64(i))
	}
	return b.build("big.nix", `
let
  mk = n: deps: derivation {
    name = "bench-big-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; inherit deps;
    src = ./. + "/data${toString n}";
    args = [ "-c" "PATH=/usr/bin:/bin; mkdir $out; echo $deps >$out/deps; cat $src >$out/data" ];
  };
  all = builtins.genList (n: mk n (if n == 0 then [ ] else [ (builtins.elemAt all (n - 1)) ])) 6;
in builtins.elemAt all 5`)
}

// data writes a file of what systems are made of: programs and libraries of this machine, one after the other.
func (b *bench) data(name string, size int, seed uint64) {
	f, err := os.Create(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	var files []string
	for _, dir := range []string{"/usr/bin", "/usr/lib"} {
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, p)
			}
			return nil
		})
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	for n := 0; n < size; {
		content, err := os.ReadFile(files[rnd.IntN(len(files))])
		if err != nil {
			continue
		}
		content = content[:min(len(content), size-n, 8<<20)]
		n += len(content)
		if _, err := f.Write(content); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) build(name, text string) string {
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	cmd := b.command(context.Background(), nil, "nix-build", "--no-out-link", "--max-jobs", "2", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("build %s: %v\n%s", name, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// command is a command in whose /nix is the bench's own store.
func (b *bench) command(ctx context.Context, lab *lab.Lab, argv ...string) *exec.Cmd {
	args := append([]string{"--mount", "/bin/sh", "-c", `mount --bind "$0" /nix && exec "$@"`, filepath.Join(b.dir, "nix")}, argv...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	if lab != nil {
		cmd.Env = append(cmd.Env, "MUSTER_SSH_CONFIG="+lab.SSHConfig, "NIX_SSHOPTS=-F "+lab.SSHConfig)
	}
	return cmd
}

// A figure is what one run took.
type figure struct {
	wall, cpu time.Duration
	memory    int64 // bytes, the largest process of it
}

// wanted reports whether a case is to be run.
func wanted(name string) bool {
	return *benchCases == "" || slices.ContainsFunc(strings.Split(*benchCases, "|"), func(w string) bool { return strings.Contains(name, w) })
}

// lab starts hosts and writes the inventory of them.
func (b *bench) lab(n int) (_ *lab.Lab, inventoryFile string) {
	names := make([]string, n)
	alias := map[string][]string{}
	inventory := "[nixpkgs]\nunpinned = true\n"
	for i := range names {
		names[i] = fmt.Sprintf("h%d", i)
		addr := fmt.Sprintf("192.0.2.%d", i+1)
		alias[names[i]] = []string{addr}
		inventory += fmt.Sprintf("[hosts.%s]\nhost = %q\ndisk_uuid = \"01b3bcba-c0ef-4538-8dd2-%012d\"\n", names[i], addr, i)
	}
	hosts := filepath.Join(b.dir, "hosts.toml")
	if err := os.WriteFile(hosts, []byte(inventory), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return lab.NewWith(b.t, lab.Options{Hosts: names, Alias: alias, DiskSize: 1 << 30}), hosts
}

// stock has a host's sshd exchange keys as OpenSSH does that nobody has configured, which is what users' hosts do. The
// lab has it do that more cheaply, for the sake of its own tests.
func (b *bench) stock(h *lab.Host) {
	const config = "/etc/ssh/sshd_config"
	text, err := h.ReadFile(config)
	if err != nil {
		b.t.Error(err)
		return
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return strings.HasPrefix(l, "KexAlgorithms") })
	if err := h.WriteFile(config, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		b.t.Error(err)
		return
	}
	if _, err := h.Run(context.Background(), "/bin/sh", "-c", "kill -HUP $(cat /run/sshd.pid)"); err != nil {
		b.t.Error(err)
		return
	}
	time.Sleep(300 * time.Millisecond) // until it has let go of its port
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", h.Addr+":22")
		if err == nil {
			conn.Close()
			return
		}
		if time.Since(began) > 30*time.Second {
			b.t.Error(err)
			return
		}
	}
}

// huge sends more than any memory holds to hosts that swallow it.
func (b *bench) huge(n int) {
	name := fmt.Sprintf("%d MB, %d hosts that keep nothing", *hugeMB, n)
	if !wanted(name) {
		return
	}
	path := b.build("huge.nix", fmt.Sprintf(`
let
  mk = n: deps: derivation {
    name = "bench-huge-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; inherit deps;
    args = [ "-c" "PATH=/usr/bin:/bin; mkdir $out; echo $deps >$out/deps; truncate -s %dM $out/data" ];
  };
  all = builtins.genList (n: mk n (if n == 0 then [ ] else [ (builtins.elemAt all (n - 1)) ])) 10;
in builtins.elemAt all 9`, max(1, *hugeMB/10)))
	lab, hosts := b.lab(n)
	defer lab.Close()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range lab.Hosts {
		err := errors.Join(h.WriteFile("/root/swallow", self, 0o755),
			h.WriteFile("/usr/local/bin/nix-store", []byte("#!/bin/sh\nMUSTER_TEST_SWALLOW=1 exec /root/swallow -test.run='^TestSwallow$'\n"), 0o755))
		if err != nil {
			b.t.Fatal(err)
		}
	}
	f := b.time(context.Background(), lab, 1, [][]string{{b.muster, "push", "--path", path, "--jobs", fmt.Sprint(n), hosts}})
	fmt.Printf("%-34s %-18s %8.2fs %9s %8.2fs   %s\n", name, "muster push", f.wall.Seconds(), "", f.cpu.Seconds(), human.Bytes(f.memory))
}

// TestSwallow is a nix-store --serve --write that has nothing and keeps nothing.
func TestSwallow(t *testing.T) {
	if os.Getenv("MUSTER_TEST_SWALLOW") == "" {
		t.Skip("a part of TestCopyBench")
	}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriter(os.Stdout)
	word := func() uint64 {
		var b [8]byte
		if _, err := io.ReadFull(in, b[:]); err != nil {
			os.Exit(0)
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	skipString := func() { n := word(); in.Discard(int(n + -n&7)) }
	skipList := func() {
		for range word() {
			skipString()
		}
	}
	say := func(n uint64) { out.Write(binary.LittleEndian.AppendUint64(nil, n)) }
	word()
	word()
	say(0x5452eecb)
	say(0x207)
	for {
		out.Flush()
		switch cmd := word(); cmd {
		case 1: // query valid paths
			word()
			word()
			skipList()
			say(0)
		case 9: // add to store
			skipString()
			skipString()
			skipString()
			skipList()
			word()
			size := word()
			word()
			skipList()
			skipString()
			if _, err := io.CopyN(io.Discard, in, int64(size)); err != nil {
				os.Exit(1)
			}
			say(1)
		default:
			fmt.Fprintf(os.Stderr, "error: request %d\n", cmd)
			os.Exit(1)
		}
	}
}

// compare runs both ways in turns and prints the medians.
func (b *bench) compare(name string, closure func() string, n, jobs int, full bool, shape func(*lab.Host) error) {
	if !wanted(name) {
		return
	}
	path := closure()
	lab, hosts := b.lab(n)
	defer lab.Close()
	if *stockSSH {
		var g sync.WaitGroup
		for _, h := range lab.Hosts {
			g.Go(func() { b.stock(h) })
		}
		g.Wait()
	}
	if shape != nil {
		for _, h := range lab.Hosts {
			if err := shape(h); err != nil {
				b.t.Fatal(err)
			}
		}
	}

	ways := []struct {
		name string
		run  func(ctx context.Context) figure
	}{
		{"nix-copy-closure", func(ctx context.Context) figure {
			var argvs [][]string
			for _, h := range lab.Hosts {
				argvs = append(argvs, []string{"nix-copy-closure", "--to", h.Name, path})
			}
			return b.time(ctx, lab, jobs, argvs)
		}},
		{"muster push", func(ctx context.Context) figure {
			return b.time(ctx, lab, 1, [][]string{append([]string{b.muster, "push", "--path", path, "--jobs", fmt.Sprint(jobs), hosts}, strings.Fields(*benchArgs)...)})
		}},
	}
	if full {
		ways[0].run(context.Background())
	}
	figures := make([][]figure, len(ways))
	for round := range *rounds {
		for i := range ways {
			w := (i + round) % len(ways)
			if !full {
				b.empty(lab)
			}
			figures[w] = append(figures[w], ways[w].run(context.Background()))
			b.check(lab, path, round == 0)
		}
	}
	var medians []figure
	for w, way := range ways {
		m := figure{
			wall:   median(figures[w], func(f figure) time.Duration { return f.wall }),
			cpu:    median(figures[w], func(f figure) time.Duration { return f.cpu }),
			memory: median(figures[w], func(f figure) int64 { return f.memory }),
		}
		least := slices.MinFunc(figures[w], func(a, b figure) int { return cmp.Compare(a.wall, b.wall) })
		fmt.Printf("%-34s %-18s %8.2fs %8.2fs %8.2fs   %s\n", name, way.name, m.wall.Seconds(), least.wall.Seconds(), m.cpu.Seconds(), human.Bytes(m.memory))
		medians = append(medians, m)
	}
	// The machine's speed wanders: the ratio of each pair of neighbours says more than that of the medians.
	var pairs []float64
	for i := range figures[0] {
		pairs = append(pairs, figures[1][i].wall.Seconds()/figures[0][i].wall.Seconds())
	}
	slices.Sort(pairs)
	fmt.Printf("%-34s %-18s %8.2f× %8.2f× %8.2f×   pairs %.2f to %.2f\n", name, "ratio",
		medians[1].wall.Seconds()/medians[0].wall.Seconds(), pairs[len(pairs)/2], medians[1].cpu.Seconds()/medians[0].cpu.Seconds(), pairs[0], pairs[len(pairs)-1])
}

func median[T cmp.Ordered](figures []figure, of func(figure) T) T {
	var all []T
	for _, f := range figures {
		all = append(all, of(f))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// time runs commands, some of them at once.
func (b *bench) time(ctx context.Context, lab *lab.Lab, jobs int, argvs [][]string) figure {
	var sum figure
	var mu sync.Mutex
	var g sync.WaitGroup
	limit := make(chan struct{}, jobs)
	began := time.Now()
	for _, argv := range argvs {
		limit <- struct{}{}
		g.Go(func() {
			defer func() { <-limit }()
			cmd := b.command(ctx, lab, argv...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			err := cmd.Start()
			var memory int64
			if err == nil {
				watched := watchMemory(cmd.Process.Pid)
				err = cmd.Wait()
				memory = watched()
			}
			if err != nil {
				b.t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, said.String())
				return
			}
			mu.Lock()
			defer mu.Unlock()
			sum.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			sum.memory = max(sum.memory, memory)
		})
	}
	g.Wait()
	sum.wall = time.Since(began)
	return sum
}

// watchMemory reads the most memory a process has had, until its result is asked for. What the kernel says of a child that
// has ended counts this process too, of which it was a copy before it became another program.
func watchMemory(pid int) (most func() int64) {
	stop, peak := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, after, _ := strings.Cut(string(status), "VmHWM:")
			var kB int64
			fmt.Sscan(after, &kB)
			most = max(most, kB<<10)
			select {
			case <-tick.C:
			case <-stop:
				peak <- most
				return
			}
		}
	}()
	return func() int64 { close(stop); return <-peak }
}

// empty takes everything out of the hosts' stores.
func (b *bench) empty(lab *lab.Lab) {
	for _, h := range lab.Hosts {
		if _, err := h.Run(context.Background(), "nix-store", "--gc"); err != nil {
			b.t.Fatal(err)
		}
	}
}

// check makes sure that the hosts have it all, and in the first round that it is whole.
func (b *bench) check(lab *lab.Lab, path string, whole bool) {
	for i, h := range lab.Hosts {
		argv := []string{"nix-store", "--check-validity", path}
		if whole && i == 0 {
			argv = []string{"/bin/sh", "-c", "nix-store --verify-path $(nix-store -qR " + path + ")"}
		}
		if _, err := h.Run(context.Background(), argv...); err != nil {
			b.t.Fatal(err)
		}
	}
}
