package transfer

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

func TestCopySendsAClosure(t *testing.T) {
	ctx := context.Background()
	from, to := newStore(t), newStore(t)
	top := from.Instantiate(storelab.SmallClosure)
	src, dst := from.local(), to.client()

	var last Progress
	stats, err := copyClosure(ctx, src, dst, top, Options{Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(from.Run("nix-store", "-qR", string(top[0])))
	got := strings.Fields(to.Run("nix-store", "-qR", string(top[0])))
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
	to.Verify()

	stats, err = copyClosure(ctx, src, dst, top, Options{})
	if err != nil || stats.Missing != 0 || stats.Sent != 0 {
		t.Errorf("second copy: %+v, %v", stats, err)
	}
	if err := dst.Close(); err != nil {
		t.Error(err)
	}
}

func TestRegisteredAsNixCopyDoes(t *testing.T) {
	from, top := builtClosure(t)
	ours, theirs := newStore(t), newStore(t)
	if _, err := copyClosure(context.Background(), from.local(), ours.client(), []store.Path{top}, Options{}); err != nil {
		t.Fatal(err)
	}
	theirs.Run("nix", "copy", "--no-check-sigs", "--from", from.Root, "--to", theirs.Root, string(top))
	got, want := ours.PathInfos(top), theirs.PathInfos(top)
	if len(want) != 60 {
		t.Fatalf("the test is about 30 outputs and 30 sources, got %d paths", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("path infos (-nix copy +Copy):\n%s", diff)
	}
	info := want[string(top)].(map[string]any)
	if info["deriver"] == nil || info["signatures"] == nil {
		t.Errorf("the test is about derivers and signatures, got %v", info)
	}
	ours.Verify()
}

func TestSourceThatLacksThePath(t *testing.T) {
	from, to := newStore(t), newStore(t)
	_, err := copyClosure(context.Background(), from.local(), to.client(), []store.Path{somePath}, Options{})
	if err == nil || !strings.Contains(err.Error(), string(somePath)+" is not in the store") {
		t.Errorf("got %v", err)
	}
}

func TestLockedPathsSurviveGarbageCollection(t *testing.T) {
	from, top := builtClosure(t)
	to := newStore(t)
	dst := to.client()
	if _, err := copyClosure(context.Background(), from.local(), dst, []store.Path{top}, Options{}); err != nil {
		t.Fatal(err)
	}
	to.Run("nix-store", "--gc")
	if n := len(to.PathInfos(top)); n != 60 {
		t.Errorf("%d paths left while the session is open", n)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	to.Run("nix-store", "--gc")
	if _, err := os.Lstat(filepath.Join(to.Root, string(top))); err == nil {
		t.Error("the path is still there after the session")
	}
}

func TestCorruptedSourcePathIsNamed(t *testing.T) {
	spoil := map[string]func(data string) error{
		"changed": func(data string) error { return os.WriteFile(data, []byte(strings.Repeat("?", 8000)), 0o644) },
		"longer":  func(data string) error { return os.Truncate(data, 1<<20) },
		"shorter": func(data string) error { return os.Truncate(data, 3) },
		"gone":    os.RemoveAll,
	}
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			from, top := builtClosure(t)
			to := newStore(t)
			ctx, src := context.Background(), from.local()
			closure, err := src.Closure(ctx, []store.Path{top})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(closure, func(i nixserve.PathInfo) bool { return i.Path.Name() == "d12" })
			bad := closure[at].Path
			data := filepath.Join(from.Root, string(bad), "data")
			os.Chmod(filepath.Dir(data), 0o755)
			os.Chmod(data, 0o644)
			if err := spoil(data); err != nil {
				t.Fatal(err)
			}
			stats, err := copyClosure(ctx, src, to.client(), []store.Path{top}, Options{})
			var path *nixserve.PathError
			if !errors.As(err, &path) || path.Path != bad || !errors.Is(err, nixserve.ErrCorrupt) {
				t.Fatalf("got %v, want %s to be blamed", err, bad)
			}
			if stats.Sent != at {
				t.Errorf("%d paths confirmed, want the %d before it", stats.Sent, at)
			}
			to.Verify()
		})
	}
}

// A cutStream fails after some bytes, and cuts the connection.
type cutStream struct {
	*storelab.Process
	left int64
	cut  func(*storelab.Process)
	once sync.Once
}

func (c *cutStream) Write(p []byte) (int, error) {
	if int64(len(p)) <= c.left {
		c.left -= int64(len(p))
		return c.Process.Write(p)
	}
	n, _ := c.Process.Write(p[:c.left])
	c.left = 0
	c.once.Do(func() { c.cut(c.Process) })
	return n, io.ErrClosedPipe
}

var cuts = flag.Int("cuts", 4, "break a copy off at `n` random places in each way")

// Wherever the connection breaks, the valid paths on the destination are whole, and another copy sends the rest and no more.
func TestCutAnywhere(t *testing.T) {
	from, top := builtClosure(t)
	ctx, src := context.Background(), from.local()
	closure, err := src.Closure(ctx, []store.Path{top})
	if err != nil {
		t.Fatal(err)
	}
	total := nixserve.TotalSize(closure) + int64(len(closure))*400
	ways := map[string]func(*storelab.Process){
		"the connection ends":    func(p *storelab.Process) { p.CloseWrite() },
		"the receiver is killed": func(p *storelab.Process) { p.Close() },
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for name, cut := range ways {
		t.Run(name, func(t *testing.T) {
			to := newStore(t)
			to.Run("nix-store", "--init")
			broken := 0
			for range *cuts {
				at := rnd.Int64N(total)
				dst, err := nixserve.New(ctx, &cutStream{Process: to.Serve(), left: at, cut: cut})
				var stats Stats
				if err == nil {
					stats, err = copyClosure(ctx, src, dst, []store.Path{top}, Options{})
					dst.Close()
				}
				if err != nil {
					broken++
				}
				if err == nil && stats.Missing > 0 && stats.Sent != stats.Missing {
					t.Fatalf("cut at %d: no error, %+v", at, stats)
				}
				to.Verify()

				fresh := to.client()
				left, err := missing(ctx, fresh, closure)
				if err != nil {
					t.Fatal(err)
				}
				if len(left) > stats.Missing-stats.Sent && stats.Missing > 0 {
					t.Errorf("cut at %d: %d paths are missing, but %d of %d were confirmed", at, len(left), stats.Sent, stats.Missing)
				}
				again, err := copyClosure(ctx, src, fresh, []store.Path{top}, Options{})
				if err != nil || again.Sent != len(left) {
					t.Errorf("cut at %d: second copy: %+v, %v, want %d sent", at, again, err, len(left))
				}
				to.Verify()
				fresh.Close()
				to.Run("nix-store", "--gc")
			}
			if broken < *cuts/2 {
				t.Errorf("only %d of %d copies were broken off", broken, *cuts)
			}
		})
	}
}

// The copies share their source.
func TestOneCancelledCopyLeavesTheOthers(t *testing.T) {
	from, top := builtClosure(t)
	src := from.local()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := src.Closure(cancelled, []store.Path{top}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var failed atomic.Int32
	for i := range 4 {
		to := newStore(t)
		dst := to.client()
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var opts Options
			if i == 0 {
				opts.Progress = func(p Progress) {
					if p.Paths > 5 {
						cancel()
					}
				}
			}
			stats, err := copyClosure(ctx, src, dst, []store.Path{top}, opts)
			if i == 0 && errors.Is(err, context.Canceled) {
				failed.Add(1)
			} else if err != nil || stats.Sent != 60 {
				t.Errorf("host %d: %+v, %v", i, stats, err)
			}
		}()
	}
	wg.Wait()
	if failed.Load() > 1 {
		t.Error("more than one copy was cancelled")
	}
}

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
	from, top := builtClosure(t)
	to := newStore(t)
	if err := syscall.Mount("none", to.Root, "tmpfs", 0, "size=10m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(to.Root, syscall.MNT_DETACH) })
	dst := to.client()
	fill(t, filepath.Join(to.Root, "filler"))
	_, err := copyClosure(context.Background(), from.local(), dst, []store.Path{top}, Options{})
	if !errors.Is(err, nixserve.ErrDiskFull) {
		t.Errorf("got %v, want that the disk is full", err)
	}
}

// fill leaves a few hundred kilobytes of a file system free.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	size, _ := f.Seek(0, io.SeekCurrent)
	if err := f.Truncate(size - 700<<10); err != nil {
		t.Fatal(err)
	}
}

// A user other than root adds paths through the daemon, which accepts only paths signed by a key that it trusts.
func TestUntrustedUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("becoming another user takes root")
	}
	const nobody = 65534
	from, top := builtClosure(t)
	key, err := os.ReadFile(from.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		conf string
		is   error
	}{
		{"key unknown", "", nixserve.ErrUntrusted},
		{"key known", "trusted-public-keys = " + string(key), nil},
		{"user trusted", "trusted-users = root nobody", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := newStore(t)
			for dir := to.Root; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
				os.Chmod(dir, 0o755)
			}
			socket := filepath.Join(to.Root, "socket")
			daemon := to.Command(context.Background(), "nix-daemon")
			daemon.Env = append(daemon.Env, "NIX_DAEMON_SOCKET_PATH="+socket,
				"NIX_CONFIG=build-users-group =\nsubstitute = false\n"+tt.conf)
			running := storelab.Start(t, daemon)
			for start := time.Now(); time.Since(start) < 2*time.Minute; time.Sleep(20 * time.Millisecond) {
				if _, err := os.Stat(socket); err == nil {
					break
				}
			}
			serve := exec.Command("nix-store", "--serve", "--write")
			serve.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "NIX_REMOTE=unix://" + socket, "NIX_CONFIG=substitute = false"}
			dst, err := nixserve.New(context.Background(), storelab.StartAs(t, serve, nobody))
			if err != nil {
				t.Fatalf("%v (daemon: %s)", err, running.Stderr())
			}
			defer dst.Close()
			stats, err := copyClosure(context.Background(), from.local(), dst, []store.Path{top}, Options{})
			if tt.is == nil {
				if err != nil || stats.Sent != 60 {
					t.Errorf("got %+v, %v (daemon: %s)", stats, err, running.Stderr())
				}
				return
			}
			var server *nixserve.ServerError
			if !errors.Is(err, tt.is) || !errors.As(err, &server) || !strings.Contains(server.Hint(), "trusted-users") {
				t.Errorf("got %v, want %v", err, tt.is)
			}
		})
	}
}
