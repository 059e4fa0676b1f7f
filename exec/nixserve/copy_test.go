package nixserve

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
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
)

// addOutputs makes what a build would have made: for each derivation of drv's closure its output, a directory that
// refers to the inputs' outputs and, in its odd ones, to itself; with derivers recorded and all signed.
func (s testStore) addOutputs(drv store.Path) store.Path {
	s.t.Helper()
	var load strings.Builder
	read := func(p store.Path) *store.Derivation {
		text, err := os.ReadFile(filepath.Join(s.root, string(p)))
		if err != nil {
			s.t.Fatal(err)
		}
		d, err := store.ParseDerivation(p, text)
		if err != nil {
			s.t.Fatal(err)
		}
		return d
	}
	done := make(map[store.Path]bool)
	var add func(p store.Path) store.Path
	add = func(p store.Path) store.Path {
		d := read(p)
		out := d.Outputs["out"].Path
		if done[p] {
			return out
		}
		done[p] = true
		refs := slices.Clone(d.InputSrcs)
		for in := range d.InputDrvs {
			refs = append(refs, add(in))
		}
		if len(done)%2 == 1 {
			refs = append(refs, out)
		}
		slices.Sort(refs)
		disk := filepath.Join(s.root, string(out))
		if err := os.MkdirAll(filepath.Join(disk, "bin"), 0o755); err != nil {
			s.t.Fatal(err)
		}
		for name, contents := range map[string]string{"refs": fmt.Sprint(refs), "bin/run": "#!/bin/sh\n", "data": strings.Repeat(d.Name, 4000)} {
			mode := os.FileMode(0o444)
			if name == "bin/run" {
				mode = 0o555
			}
			if err := os.WriteFile(filepath.Join(disk, name), []byte(contents), mode); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := os.Symlink("refs", filepath.Join(disk, "link")); err != nil {
			s.t.Fatal(err)
		}
		h, size, err := store.HashNAR(store.SHA256, store.Disk{}, disk, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&load, "%s\n%s\n%d\n%s\n%d\n", out, h.Base16(), size, p, len(refs))
		for _, r := range refs {
			fmt.Fprintln(&load, r)
		}
		return out
	}
	top := add(drv)
	cmd := s.command(context.Background(), "nix-store", "--load-db")
	cmd.Stdin = strings.NewReader(load.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("nix-store --load-db: %v\n%s", err, out)
	}
	key := filepath.Join(s.root, "key")
	s.run("nix-store", "--generate-binary-cache-key", "test-1", key, s.publicKey())
	s.run("nix", "store", "sign", "--key-file", key, "--recursive", string(top))
	return top
}

func (s testStore) publicKey() string { return filepath.Join(s.root, "key.pub") }

// builtClosure is a store with a closure of outputs, and its top.
func builtClosure(t *testing.T) (testStore, store.Path) {
	s := newStore(t)
	return s, s.addOutputs(s.instantiate(smallClosure)[0])
}

// pathInfos is what Nix tells of a closure, without what a store decides for itself.
func (s testStore) pathInfos(top store.Path) map[string]any {
	s.t.Helper()
	var infos []map[string]any
	if err := json.Unmarshal([]byte(s.run("nix", "path-info", "--json", "--recursive", string(top))), &infos); err != nil {
		s.t.Fatal(err)
	}
	byPath := make(map[string]any)
	for _, i := range infos {
		delete(i, "registrationTime")
		byPath[i["path"].(string)] = i
	}
	return byPath
}

func TestRegisteredAsNixCopyDoes(t *testing.T) {
	from, top := builtClosure(t)
	ours, theirs := newStore(t), newStore(t)
	if _, err := Copy(context.Background(), from.local(), ours.client(), []store.Path{top}, CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	theirs.run("nix", "copy", "--no-check-sigs", "--from", from.root, "--to", theirs.root, string(top))
	got, want := ours.pathInfos(top), theirs.pathInfos(top)
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
	ours.verify()
}

// The other tests lean on this.
func TestDamageIsFound(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"changed": func(p string) error { return os.WriteFile(filepath.Join(p, "data"), []byte("?"), 0o644) },
		"gone":    os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			s, top := builtClosure(t)
			if err := s.damage(); err != nil {
				t.Fatal(err)
			}
			disk := filepath.Join(s.root, string(top))
			makeWritable(disk)
			os.Chmod(filepath.Join(disk, "data"), 0o644)
			if err := spoil(disk); err != nil {
				t.Fatal(err)
			}
			if s.damage() == nil {
				t.Error("not found")
			}
		})
	}
}

func TestQueriesAgree(t *testing.T) {
	from, top := builtClosure(t)
	ctx, c := context.Background(), from.client()
	closure, err := c.QueryClosure(ctx, []store.Path{top}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := parsePaths(t, from.run("nix-store", "-qR", string(top)))
	slices.Sort(closure)
	slices.Sort(want)
	if diff := cmp.Diff(want, closure); diff != "" {
		t.Errorf("closure:\n%s", diff)
	}
	var b strings.Builder
	if err := c.DumpStorePath(ctx, top, &b); err != nil {
		t.Fatal(err)
	}
	infos, err := c.QueryPathInfos(ctx, []store.Path{top, somePath})
	if err != nil || len(infos) != 1 || infos[0].NARHash != store.HashString(store.SHA256, b.String()) || infos[0].NARSize != int64(b.Len()) {
		t.Errorf("info %+v, %v; the archive has %d bytes", infos, err, b.Len())
	}
	valid, err := c.QueryValidPaths(ctx, []store.Path{somePath, top}, true, false)
	if err != nil || !slices.Equal(valid, []store.Path{top}) {
		t.Errorf("valid: %v, %v", valid, err)
	}
}

func TestSourceThatLacksThePath(t *testing.T) {
	from, to := newStore(t), newStore(t)
	_, err := Copy(context.Background(), from.local(), to.client(), []store.Path{somePath}, CopyOptions{})
	if err == nil || !strings.Contains(err.Error(), string(somePath)+" is not in the store") {
		t.Errorf("got %v", err)
	}
}

func TestLockedPathsSurviveGarbageCollection(t *testing.T) {
	from, top := builtClosure(t)
	to := newStore(t)
	dst := to.client()
	if _, err := Copy(context.Background(), from.local(), dst, []store.Path{top}, CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	to.run("nix-store", "--gc")
	if n := len(to.pathInfos(top)); n != 60 {
		t.Errorf("%d paths left while the session is open", n)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	to.run("nix-store", "--gc")
	if _, err := os.Lstat(filepath.Join(to.root, string(top))); err == nil {
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
			at := slices.IndexFunc(closure, func(i PathInfo) bool { return i.Path.Name() == "d12" })
			bad := closure[at].Path
			data := filepath.Join(from.root, string(bad), "data")
			os.Chmod(filepath.Dir(data), 0o755)
			os.Chmod(data, 0o644)
			if err := spoil(data); err != nil {
				t.Fatal(err)
			}
			stats, err := Copy(ctx, src, to.client(), []store.Path{top}, CopyOptions{})
			var path *PathError
			if !errors.As(err, &path) || path.Path != bad || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want %s to be blamed", err, bad)
			}
			if stats.Sent != at {
				t.Errorf("%d paths confirmed, want the %d before it", stats.Sent, at)
			}
			to.verify()
		})
	}
}

// A cutStream breaks off after some bytes in one of several ways.
type cutStream struct {
	*process
	left int64
	cut  func(*process)
	once sync.Once
}

func (c *cutStream) Write(p []byte) (int, error) {
	if int64(len(p)) <= c.left {
		c.left -= int64(len(p))
		return c.process.Write(p)
	}
	n, _ := c.process.Write(p[:c.left])
	c.left = 0
	c.once.Do(func() { c.cut(c.process) })
	return n, io.ErrClosedPipe
}

var cuts = flag.Int("cuts", 4, "break a copy off at `n` random places in each way")

// Wherever the connection breaks, what is valid on the destination is whole, and another copy sends the rest and no more.
func TestCutAnywhere(t *testing.T) {
	from, top := builtClosure(t)
	ctx, src := context.Background(), from.local()
	closure, err := src.Closure(ctx, []store.Path{top})
	if err != nil {
		t.Fatal(err)
	}
	total := sumNARs(closure) + int64(len(closure))*400
	ways := map[string]func(*process){
		"the connection ends":    func(p *process) { p.CloseWrite() },
		"the receiver is killed": func(p *process) { p.Close() },
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for name, cut := range ways {
		t.Run(name, func(t *testing.T) {
			to := newStore(t)
			to.run("nix-store", "--init")
			broken := 0
			for range *cuts {
				at := rnd.Int64N(total)
				dst, err := New(ctx, &cutStream{process: to.serve(), left: at, cut: cut})
				var stats Stats
				if err == nil {
					stats, err = Copy(ctx, src, dst, []store.Path{top}, CopyOptions{})
					dst.Close()
				}
				if err != nil {
					broken++
				}
				if err == nil && stats.Missing > 0 && stats.Sent != stats.Missing {
					t.Fatalf("cut at %d: no error, %+v", at, stats)
				}
				to.verify()

				fresh := to.client()
				left, err := Missing(ctx, fresh, closure, false)
				if err != nil {
					t.Fatal(err)
				}
				if len(left) > stats.Missing-stats.Sent && stats.Missing > 0 {
					t.Errorf("cut at %d: %d paths are missing, but %d of %d were confirmed", at, len(left), stats.Sent, stats.Missing)
				}
				again, err := Copy(ctx, src, fresh, []store.Path{top}, CopyOptions{})
				if err != nil || again.Sent != len(left) {
					t.Errorf("cut at %d: second copy: %+v, %v, want %d sent", at, again, err, len(left))
				}
				to.verify()
				fresh.Close()
				to.run("nix-store", "--gc")
			}
			if broken < *cuts/2 {
				t.Errorf("only %d of %d copies were broken off", broken, *cuts)
			}
		})
	}
}

// One host's copy ends; the others share the source and go on.
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
			var opts CopyOptions
			if i == 0 {
				opts.Progress = func(p Progress) {
					if p.Paths > 5 {
						cancel()
					}
				}
			}
			stats, err := Copy(ctx, src, dst, []store.Path{top}, opts)
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
	if err := syscall.Mount("none", to.root, "tmpfs", 0, "size=10m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(to.root, syscall.MNT_DETACH) })
	dst := to.client()
	fill(t, filepath.Join(to.root, "filler"))
	_, err := Copy(context.Background(), from.local(), dst, []store.Path{top}, CopyOptions{})
	if !errors.Is(err, ErrDiskFull) {
		t.Errorf("got %v, want that the disk is full", err)
	}
}

// fill leaves a few hundred kilobytes of a file system.
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

// A user other than root adds paths through the daemon, which wants them signed by a key it knows.
func TestUntrustedUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("becoming another user takes root")
	}
	const nobody = 65534
	from, top := builtClosure(t)
	key, err := os.ReadFile(from.publicKey())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		conf string
		is   error
	}{
		{"key unknown", "", ErrUntrusted},
		{"key known", "trusted-public-keys = " + string(key), nil},
		{"user trusted", "trusted-users = root nobody", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := newStore(t)
			for dir := to.root; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
				os.Chmod(dir, 0o755)
			}
			socket := filepath.Join(to.root, "socket")
			daemon := to.command(context.Background(), "nix-daemon")
			daemon.Env = append(daemon.Env, "NIX_DAEMON_SOCKET_PATH="+socket,
				"NIX_CONFIG=build-users-group =\nsubstitute = false\n"+tt.conf)
			running := startProcess(t, daemon)
			for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
				if _, err := os.Stat(socket); err == nil {
					break
				}
			}
			serve := exec.Command("nix-store", "--serve", "--write")
			serve.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "NIX_REMOTE=unix://" + socket, "NIX_CONFIG=substitute = false"}
			dst, err := New(context.Background(), startProcessAs(t, serve, nobody))
			if err != nil {
				t.Fatalf("%v (daemon: %s)", err, running.Stderr())
			}
			defer dst.Close()
			stats, err := Copy(context.Background(), from.local(), dst, []store.Path{top}, CopyOptions{})
			if tt.is == nil {
				if err != nil || stats.Sent != 60 {
					t.Errorf("got %+v, %v (daemon: %s)", stats, err, running.Stderr())
				}
				return
			}
			var server *ServerError
			if !errors.Is(err, tt.is) || !errors.As(err, &server) || !strings.Contains(server.Hint(), "trusted-users") {
				t.Errorf("got %v, want %v", err, tt.is)
			}
		})
	}
}
