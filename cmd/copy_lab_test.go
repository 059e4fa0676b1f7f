package cmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/lab"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/exec/transfer"
)

// Copying over real SSH into real stores: what is registered there, and what is left when it breaks off.

// closureForCuts are 24 paths of very different sizes, about 3 MB together, with references among them and to themselves.
const closureForCuts = `
let
  mk = n: deps: derivation {
    name = "cut-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; inherit deps;
    args = [ "-c" "PATH=/usr/bin:/bin; mkdir $out; echo $deps $out >$out/deps; ln -s deps $out/link; seq 1 $((${toString n} * ${toString n} * 60)) >$out/numbers" ];
  };
  all = builtins.genList (n: mk n (map (i: builtins.elemAt all i) (if n < 2 then builtins.genList (i: i) n else [ (n - 1) (n / 2) ]))) 24;
in builtins.elemAt all 23`

// A sender is a store of its own to send from.
type sender struct {
	*bench
	top store.Path
}

func newSender(t *testing.T) *sender {
	t.Helper()
	lab.RequireLab(t)
	b := &bench{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(b.dir, "nix"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &sender{b, store.Path(b.build("closure.nix", closureForCuts))}
}

// source is the store as a source to copy from.
func (s *sender) source() *transfer.Local { return sourceIn(s.t, s.bench) }

func sourceIn(t testing.TB, b *bench) *transfer.Local {
	l := transfer.NewLocal(filepath.Join(b.dir, "nix/store"), func(ctx context.Context) (*nixserve.Client, error) {
		cmd := b.command(context.WithoutCancel(ctx), nil, "nix-store", "--serve")
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return nixserve.New(ctx, &localServe{ReadCloser: out, in: in, cmd: cmd})
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// A localServe is a nix-store --serve of the test's own store.
type localServe struct {
	io.ReadCloser
	in   io.WriteCloser
	cmd  *exec.Cmd
	once sync.Once
	err  error
}

func (l *localServe) Write(b []byte) (int, error) { return l.in.Write(b) }
func (l *localServe) CloseWrite() error           { return l.in.Close() }
func (l *localServe) Close() error                { l.cmd.Process.Kill(); return l.Wait() }
func (l *localServe) Stderr() string              { return "" }
func (l *localServe) Wait() error {
	l.once.Do(func() { l.err = l.cmd.Wait() })
	return l.err
}

// dial connects to a host of the lab.
func dial(ctx context.Context, sshConfig, host string) (machine, func(), error) {
	d := remote.NewDialer(remote.Config{ConfigFile: sshConfig})
	m, err := d.Dial(ctx, remote.Target{Name: host})
	if err != nil {
		d.Close()
		return machine{}, nil, err
	}
	return machine{m}, func() { m.Close(); d.Close() }, nil
}

// registered is what Nix tells of a closure on a host, without what a store decides for itself.
func registered(t *testing.T, h *lab.Host, top store.Path) map[string]any {
	t.Helper()
	out, err := h.Run(context.Background(), "nix", "path-info", "--json", "--recursive", string(top))
	if err != nil {
		t.Fatal(err)
	}
	type info struct {
		Path, Deriver, NARHash string
		NARSize                int64
		References, Signatures []string
		CA                     string
	}
	var infos []info
	if err := json.Unmarshal([]byte(out), &infos); err != nil {
		// Nix since 2.19 has them by path.
		var byPath map[string]info
		if err := json.Unmarshal([]byte(out), &byPath); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for p, i := range byPath {
			i.Path = p
			infos = append(infos, i)
		}
	}
	byPath := make(map[string]any)
	for _, i := range infos {
		slices.Sort(i.References)
		byPath[i.Path] = i
	}
	return byPath
}

// TestOtherNixVersions copies to hosts that run another Nix. MUSTER_TEST_NIX names them, as 2.26=/opt/nix-2.26,2.34=…: directories
// with all a nix-bin package needs, unpacked, its libc included. just test-nix gets them from Debian.
func TestOtherNixVersions(t *testing.T) {
	if os.Getenv("MUSTER_TEST_NIX") == "" {
		t.Skip("no other Nix: set MUSTER_TEST_NIX, or run just test-nix")
	}
	s := newSender(t)
	key := filepath.Join(s.dir, "key")
	for _, argv := range [][]string{
		{"nix-store", "--generate-binary-cache-key", "lab-1", key, key + ".pub"},
		{"nix", "--extra-experimental-features", "nix-command", "store", "sign", "--recursive", "--key-file", key, string(s.top)},
	} {
		if out, err := s.command(context.Background(), nil, argv...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
		}
	}
	for _, v := range strings.Split(os.Getenv("MUSTER_TEST_NIX"), ",") {
		version, dir, _ := strings.Cut(v, "=")
		t.Run(version, func(t *testing.T) {
			lab := lab.New(t, "theirs", "plain", "packed")
			ctx := context.Background()
			for _, h := range lab.Hosts {
				installNix(t, h, dir)
				if out, err := h.Run(ctx, "nix-store", "--version"); err != nil || !strings.Contains(out, " "+version) {
					t.Fatalf("%q, %v", out, err)
				}
			}
			if out, err := s.command(ctx, lab, "nix", "--extra-experimental-features", "nix-command", "copy", "--to", "ssh://theirs", string(s.top)).CombinedOutput(); err != nil {
				t.Fatalf("nix copy: %v\n%s", err, out)
			}
			src := transfer.Share(s.source(), 64_000_000)
			want := registered(t, lab.Host("theirs"), s.top)
			if info := fmt.Sprint(want[string(s.top)]); len(want) != 24 || !strings.Contains(info, ".drv") || !strings.Contains(info, "lab-1:") || !strings.Contains(info, "sha256") {
				t.Fatalf("%d paths, such as %s", len(want), info)
			}
			for host, pack := range map[string]transfer.Compression{"plain": transfer.CompressNever, "packed": transfer.CompressAlways} {
				stats, err := copyCut(ctx, src, s.top, lab.SSHConfig, host, pack, 0, nil)
				if err != nil || stats.Sent != 24 || stats.Compressed != (pack == transfer.CompressAlways) {
					t.Errorf("%s: %+v, %v", host, stats, err)
					continue
				}
				if diff := gocmp.Diff(want, registered(t, lab.Host(host), s.top)); diff != "" {
					t.Errorf("%s: path infos (-nix copy +muster):\n%s", host, diff)
				}
				verify(t, lab.Host(host))
				if stats, err := copyCut(ctx, src, s.top, lab.SSHConfig, host, pack, 0, nil); err != nil || stats.Missing != 0 {
					t.Errorf("%s again: %+v, %v", host, stats, err)
				}
			}
		})
	}
}

// installNix gives a host another Nix, in front of this machine's.
func installNix(t *testing.T, h *lab.Host, dir string) {
	t.Helper()
	if err := h.InstallNix(dir); err != nil {
		t.Fatal(err)
	}
}

func TestHostsRegisterWhatNixCopyRegisters(t *testing.T) {
	s := newSender(t)
	lab := lab.New(t, "theirs", "plain", "packed")
	ctx := context.Background()
	key := filepath.Join(s.dir, "key")
	for _, argv := range [][]string{
		{"nix-store", "--generate-binary-cache-key", "lab-1", key, key + ".pub"},
		{"nix", "--extra-experimental-features", "nix-command", "store", "sign", "--recursive", "--key-file", key, string(s.top)},
		{"nix", "--extra-experimental-features", "nix-command", "copy", "--to", "ssh://theirs", string(s.top)},
	} {
		if out, err := s.command(ctx, lab, argv...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
		}
	}
	want := registered(t, lab.Host("theirs"), s.top)
	if info := fmt.Sprint(want[string(s.top)]); len(want) != 24 || !strings.Contains(info, ".drv") || !strings.Contains(info, "lab-1:") || !strings.Contains(info, "cut-11") {
		t.Fatalf("the test is about 24 paths with derivers, signatures and references, got %d, such as %v", len(want), info)
	}
	src := transfer.Share(s.source(), 64_000_000)
	var g sync.WaitGroup
	for host, pack := range map[string]transfer.Compression{"plain": transfer.CompressNever, "packed": transfer.CompressAlways} {
		g.Go(func() {
			m, done, err := dial(ctx, lab.SSHConfig, host)
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			l := transfer.Link{Serve: m.Serve, ServeCompressed: m.ServePacked}
			dst, stats, err := l.Copy(ctx, src, []store.Path{s.top}, transfer.Options{Compression: pack})
			if err != nil || stats.Sent != 24 || stats.Compressed != (pack == transfer.CompressAlways) {
				t.Errorf("%s: %+v, %v", host, stats, err)
				return
			}
			if err := dst.Close(); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		})
	}
	g.Wait()
	for _, host := range []string{"plain", "packed"} {
		if diff := gocmp.Diff(want, registered(t, lab.Host(host), s.top)); diff != "" {
			t.Errorf("%s: path infos (-nix copy +muster):\n%s", host, diff)
		}
		verify(t, lab.Host(host))
	}
}

// verify checks that every valid path of a host is there and has its recorded hash.
func verify(t *testing.T, h *lab.Host) {
	t.Helper()
	// Nix 2.8 says what is wrong on standard error and ends well where it could forget a path.
	out, err := h.Run(context.Background(), "/bin/sh", "-c", "nix-store --verify --check-contents 2>&1")
	if err != nil || strings.Contains(out, "error:") || strings.Contains(out, "disappeared") || strings.Contains(out, "was modified") {
		t.Errorf("%s: verify: %v\n%s", h.Name, err, out)
	}
}

var cuts = flag.Int("cuts", 2, "break a copy to a host off at `n` random places in each way")

// A cutStream does something once so many bytes are written.
type cutStream struct {
	nixserve.Stream
	left int64
	cut  func()
}

func (c *cutStream) Write(b []byte) (int, error) {
	if c.cut == nil || int64(len(b)) <= c.left {
		c.left -= int64(len(b))
		return c.Stream.Write(b)
	}
	n, err := c.Stream.Write(b[:c.left])
	cut := c.cut
	c.cut = nil
	cut()
	if err != nil {
		return n, err
	}
	m, err := c.Stream.Write(b[n:])
	return n + m, err
}

// copyCut copies to a host of a lab and has cut done after some bytes.
func copyCut(ctx context.Context, src transfer.Source, top store.Path, sshConfig, host string, pack transfer.Compression, at int64, cut func()) (transfer.Stats, error) {
	m, done, err := dial(ctx, sshConfig, host)
	if err != nil {
		return transfer.Stats{}, err
	}
	defer done()
	wrap := func(open func(context.Context) (nixserve.Stream, error)) func(context.Context) (nixserve.Stream, error) {
		return func(ctx context.Context) (nixserve.Stream, error) {
			s, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return &cutStream{Stream: s, left: at, cut: cut}, nil
		}
	}
	l := transfer.Link{Serve: wrap(m.Serve), ServeCompressed: wrap(m.ServePacked)}
	if pack == transfer.CompressAlways {
		l.Serve = m.Serve
	}
	dst, stats, err := l.Copy(ctx, src, []store.Path{top}, transfer.Options{Compression: pack})
	if dst != nil {
		dst.Close()
	}
	return stats, err
}

// Wherever a copy breaks off, what is valid on the host is whole, and another sends the rest and no more.
func TestCutOverSSH(t *testing.T) {
	s := newSender(t)
	lab := lab.New(t, "h")
	h := lab.Host("h")
	ctx := context.Background()
	src := s.source()
	closure, err := src.Closure(ctx, []store.Path{s.top})
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, info := range closure {
		total += info.NARSize + 400
	}
	killServers := func() {
		h.Run(ctx, "/bin/sh", "-c", `for p in /proc/[0-9]*; do
			tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^nix-store --serve' && kill -9 ${p#/proc/}; done; true`)
	}
	ways := []struct {
		name string
		copy func(pack transfer.Compression, at int64) error
	}{
		{"connection", func(pack transfer.Compression, at int64) error {
			_, err := copyCut(ctx, src, s.top, lab.SSHConfig, "h", pack, at, func() { h.KillSessions() })
			return err
		}},
		{"receiver killed", func(pack transfer.Compression, at int64) error {
			_, err := copyCut(ctx, src, s.top, lab.SSHConfig, "h", pack, at, killServers)
			return err
		}},
		{"sender killed", func(pack transfer.Compression, at int64) error {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSenderThatDies$")
			cmd.Env = append(os.Environ(), fmt.Sprintf("MUSTER_TEST_DIE=%d %d %s %s %s", at, pack, s.dir, lab.SSHConfig, s.top))
			return cmd.Run()
		}},
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			broken := 0
			for i := range *cuts {
				pack := []transfer.Compression{transfer.CompressNever, transfer.CompressAlways}[i%2]
				at := rnd.Int64N(total)
				if pack == transfer.CompressAlways {
					at /= 4 // about what it is compressed to
				}
				if err := way.copy(pack, at); err != nil {
					broken++
				}
				// What the far end still works on ends with its input.
				for began := time.Now(); serving(h) && time.Since(began) < 2*time.Minute; {
					time.Sleep(10 * time.Millisecond)
				}
				verify(t, h)
				before, err := h.Run(ctx, "/bin/sh", "-c", "cd /nix/store && nix-store --check-validity --print-invalid "+join(closure)+" | wc -l")
				if err != nil {
					t.Fatal(err)
				}
				missing, _ := strconv.Atoi(strings.TrimSpace(before))
				stats, err := copyCut(ctx, src, s.top, lab.SSHConfig, "h", transfer.CompressNever, 0, nil)
				if err != nil || stats.Sent != missing {
					t.Errorf("cut at %d of %d, then again: %+v, %v; %d paths were missing", at, total, stats, err, missing)
				}
				verify(t, h)
				if _, err := h.Run(ctx, "nix-store", "--check-validity", string(s.top)); err != nil {
					t.Error(err)
				}
				if _, err := h.Run(ctx, "nix-store", "--gc"); err != nil {
					t.Fatal(err)
				}
			}
			if broken < *cuts/2 {
				t.Errorf("only %d of %d copies were broken off", broken, *cuts)
			}
		})
	}
}

func join(infos []nixserve.PathInfo) string {
	var b strings.Builder
	for _, i := range infos {
		b.WriteString(string(i.Path) + " ")
	}
	return b.String()
}

// serving reports whether a nix-store serves on the host.
func serving(h *lab.Host) bool {
	for _, pid := range h.Processes() {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasPrefix(string(line), "nix-store\x00--serve") {
			return true
		}
	}
	return false
}

// TestSenderThatDies is the other process of TestCutOverSSH.
func TestSenderThatDies(t *testing.T) {
	var at int64
	var pack int
	var dir, config, top string
	if n, _ := fmt.Sscan(os.Getenv("MUSTER_TEST_DIE"), &at, &pack, &dir, &config, &top); n != 5 {
		t.Skip("a part of TestCutOverSSH")
	}
	src := sourceIn(t, &bench{t: t, dir: dir})
	_, err := copyCut(context.Background(), src, store.Path(top), config, "h", transfer.Compression(pack), at, func() {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	if err != nil {
		t.Error(err)
	}
}
