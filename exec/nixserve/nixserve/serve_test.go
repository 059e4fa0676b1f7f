package nixserve

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"muster/compile/store"
)

// A testStore is a chroot store in a temporary directory: its files are below root, its paths begin with /nix/store.
type testStore struct {
	t    *testing.T
	root string
	conf string // lines of nix.conf
	home string // for caches of what binary caches have
}

func newStore(t *testing.T) testStore {
	t.Helper()
	if _, err := exec.LookPath("nix-store"); err != nil {
		t.Skip("no nix-store")
	}
	root := t.TempDir()
	t.Cleanup(func() { makeWritable(root) })
	return testStore{t: t, root: root, home: "/nonexistent"}
}

// makeWritable lets a user who is not root remove store paths.
func makeWritable(root string) {
	filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(p, 0o755)
		}
		return nil
	})
}

func (s testStore) dir() string { return filepath.Join(s.root, "nix/store") }

func (s testStore) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "NIX_REMOTE="+s.root, "HOME="+s.home,
		"NIX_CONFIG=build-users-group =\nsubstitute = false\nexperimental-features = nix-command\n"+s.conf)
	return cmd
}

// run runs a Nix command on the store and returns its standard output.
func (s testStore) run(name string, args ...string) string {
	s.t.Helper()
	cmd := s.command(context.Background(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// serve starts nix-store --serve on the store.
func (s testStore) serve() *process {
	s.t.Helper()
	return startProcess(s.t, s.command(context.Background(), "nix-store", "--serve", "--write"))
}

// client starts a session that ends with the test.
func (s testStore) client() *Client {
	s.t.Helper()
	c, err := New(context.Background(), s.serve())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// local is the store as a source.
func (s testStore) local() *Local {
	l := NewLocal(s.dir(), func(ctx context.Context) (*Client, error) { return New(ctx, s.serve()) })
	s.t.Cleanup(func() { l.Close() })
	return l
}

// instantiate evaluates an expression and returns the paths of its derivations.
func (s testStore) instantiate(expr string) []store.Path {
	s.t.Helper()
	return parsePaths(s.t, s.run("nix-instantiate", "--expr", expr))
}

func parsePaths(t *testing.T, out string) []store.Path {
	t.Helper()
	var paths []store.Path
	for _, line := range strings.Fields(out) {
		p, err := store.ParsePath(line)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// verify checks that every path in the store's database is there and has its recorded hash. (What a killed server left
// on disk of a path that is not in the database does not count: Nix removes it when the path is added again.)
func (s testStore) verify() {
	s.t.Helper()
	if err := s.damage(); err != nil {
		s.t.Error(err)
	}
}

func (s testStore) damage() error {
	out, err := s.command(context.Background(), "nix-store", "--verify", "--check-contents").CombinedOutput()
	if err != nil || strings.Contains(string(out), "error:") || strings.Contains(string(out), "disappeared") {
		return fmt.Errorf("nix-store --verify: %v\n%s", err, out)
	}
	return nil
}

// A process is a Stream to a local command.
type process struct {
	cmd    *exec.Cmd
	in     interface{ Write([]byte) (int, error) }
	out    interface{ Read([]byte) (int, error) }
	close  func() error
	stderr lockedBuffer
	ended  chan struct{}
	err    error
}

func startProcess(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	return startProcessAs(t, cmd, uint32(os.Getuid()))
}

func startProcessAs(t *testing.T, cmd *exec.Cmd, uid uint32) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	// Our own pipes: those of os/exec are closed by Wait, which would lose what is not read yet.
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, &p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != uint32(os.Getuid()) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	p.in, p.out, p.close = inW, outR, sync.OnceValue(inW.Close)
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Close()
		<-p.ended
		outR.Close()
	})
	return p
}

func (p *process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p *process) CloseWrite() error           { return p.close() }
func (p *process) Stderr() string              { return p.stderr.String() }

func (p *process) Close() error {
	p.close()
	return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

func (p *process) Wait() error {
	<-p.ended
	return p.err
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A small closure of derivations and texts: chains, diamonds, files of some size.
const smallClosure = `
let
  mk = n: deps: derivation { name = "d${toString n}"; system = "x86_64-linux"; builder = "/bin/sh";
    args = [ "-c" "echo ${toString n} > $out" ]; inherit deps; src = builtins.toFile "src${toString n}" (big n); };
  big = n: builtins.concatStringsSep "\n" (builtins.genList (i: "line ${toString (i * n)} of file ${toString n}") (n * 40));
  d = builtins.genList (n: mk n (if n == 0 then [] else map (i: builtins.elemAt d i) [ (n - 1) (n / 2) ])) 30;
in builtins.elemAt d 29`

func TestCopySendsAClosure(t *testing.T) {
	ctx := context.Background()
	from, to := newStore(t), newStore(t)
	top := from.instantiate(smallClosure)
	src, dst := from.local(), to.client()

	var last Progress
	stats, err := Copy(ctx, src, dst, top, CopyOptions{Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(from.run("nix-store", "-qR", string(top[0])))
	got := strings.Fields(to.run("nix-store", "-qR", string(top[0])))
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("closure on the destination: got %d paths, want %d", len(got), len(want))
	}
	if stats.Closure != len(want) || stats.Missing != len(want) || stats.Sent != len(want) || stats.SentBytes != stats.ClosureBytes {
		t.Errorf("stats of the first copy: %+v", stats)
	}
	if last.Paths != len(want) || last.Bytes != last.TotalBytes || last.TotalBytes != stats.MissingBytes {
		t.Errorf("last progress: %+v", last)
	}
	to.verify()

	stats, err = Copy(ctx, src, dst, top, CopyOptions{})
	if err != nil || stats.Missing != 0 || stats.Sent != 0 {
		t.Errorf("second copy: %+v, %v", stats, err)
	}
	if err := dst.Close(); err != nil {
		t.Error(err)
	}
}
