package nixcmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"muster/compile/store"
)

// someStorePath adds a file to the store and returns its path.
func someStorePath(t *testing.T, n *Nix, text string) store.Path {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copied")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := n.output(context.Background(), nil, nil, "nix-store", "--add", file)
	if err != nil {
		t.Fatal(err)
	}
	return store.Path(strings.TrimSpace(string(out)))
}

// A pipe is a command as a channel.
type pipe struct {
	io.Reader
	io.Writer
	cmd    *exec.Cmd
	stderr *lockedTail
	once   sync.Once
}

func (p *pipe) Close() error {
	p.once.Do(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	return nil
}

func (p *pipe) Stderr() string { return p.stderr.String() }

func startPipe(t *testing.T, env []string, argv ...string) (Channel, error) {
	p := &pipe{cmd: exec.Command(argv[0], argv[1:]...), stderr: &lockedTail{tail: tail{limit: 1 << 20}}}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.stderr
	var err error
	if p.Writer, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.Reader, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { p.Close() })
	return p, nil
}

func TestCopyToDaemon(t *testing.T) {
	n := realNix(t)
	ctx := context.Background()
	p := someStorePath(t, n, "through a daemon "+t.TempDir())
	// The store of another machine: its files are elsewhere, its paths the same.
	root := t.TempDir()
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", root).Run() })
	there := "NIX_REMOTE=" + root
	err := n.CopyToDaemon(ctx, func(context.Context) (Channel, error) {
		return startPipe(t, []string{there}, "nix-daemon", "--stdio")
	}, []store.Path{p}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(root, string(p))); err != nil || !strings.HasPrefix(string(text), "through a daemon") {
		t.Errorf("%q, %v", text, err)
	}
	check := exec.Command("nix-store", "--verify-path", string(p))
	check.Env = append(os.Environ(), there)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	err = n.CopyToDaemon(ctx, func(context.Context) (Channel, error) {
		return startPipe(t, nil, "/bin/sh", "-c", "echo nobody is at home >&2; exit 3")
	}, []store.Path{p}, false, nil)
	if err == nil || !strings.Contains(err.Error(), "nobody is at home") {
		t.Errorf("a daemon that ends: %v", err)
	}
	gone := errors.New("no way there")
	err = n.CopyToDaemon(ctx, func(context.Context) (Channel, error) { return nil, gone }, []store.Path{p}, false, nil)
	if !errors.Is(err, gone) {
		t.Errorf("a daemon that cannot be reached: %v", err)
	}
}

func TestPusher(t *testing.T) {
	n := realNix(t)
	ctx := context.Background()
	dir := t.TempDir()
	out, err := n.output(ctx, nil, nil, "nix-instantiate", "--expr", `derivation { name = "never-built"; system = "x"; builder = "/"; }`)
	if err != nil {
		t.Fatal(err)
	}
	paths := []store.Path{store.Path(strings.TrimSpace(string(out)))} // copied as it is, not built
	for _, text := range []string{"one", "two", "three"} {
		paths = append(paths, someStorePath(t, n, text+" for "+dir))
	}
	p := n.NewPusher("file://" + dir + "?compression=none")
	var g sync.WaitGroup
	for i := range 12 {
		g.Go(func() {
			if err := p.Push(ctx, paths[i%4:i%4+1], func(string) {}); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if infos, _ := filepath.Glob(dir + "/*.narinfo"); len(infos) != 4 {
		t.Errorf("the cache has %v", infos)
	}
	err = n.NewPusher("file:///proc/nowhere?secret-key=/etc/secret").Push(ctx, paths, func(string) {})
	if err == nil || strings.Contains(err.Error(), "?secret-key") || !strings.Contains(err.Error(), "push to file:///proc/nowhere") {
		t.Errorf("got %v", err)
	}
}

func TestPullURL(t *testing.T) {
	tests := []struct{ push, pull string }{
		{"s3://bucket", "s3://bucket"},
		{"s3://bucket?region=eu-west-1&secret-key=/root/key&compression=zstd", "s3://bucket?region=eu-west-1"},
		{"file:///srv/cache?secret-key=/root/key", "file:///srv/cache"},
		{"ssh://root@cache?ssh-key=/root/key", "ssh://root@cache"},
	}
	for _, tt := range tests {
		if got := PullURL(tt.push); got != tt.pull {
			t.Errorf("%s: got %s, want %s", tt.push, got, tt.pull)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"s3://bucket", "file:///srv/cache", "ssh-ng://root@cache", "https://cache.example.com"} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "bucket", "/srv/cache", "s3://", "--help", "-x://y", "s3://a b"} {
		if CheckURL(bad) == nil {
			t.Errorf("%q is taken for a URL", bad)
		}
	}
}
