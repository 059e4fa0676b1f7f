package minios_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// settings is what Debian's Nix needs so that root can build without a
// nixbld group and with the machine's own /bin/sh (see README.md).
const settings = "substitute = false\nbuild-users-group =\nsandbox = false\n"

// here is the directory of this package: minios itself.
var here = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
})

// need skips the test where programs are missing, except in CI, where that is a failure.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is needed in CI: %v", p, err)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}

// run runs a command and returns its output, its errors and its exit status.
func run(t testing.TB, env []string, argv ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %q: %v", argv, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// eval evaluates a Nix expression to JSON, or to the error it ends with.
// It needs no store: what is only evaluated is written nowhere.
func eval(t testing.TB, expr string) (json, errText string) {
	t.Helper()
	need(t, "nix-instantiate")
	env := []string{"NIX_REMOTE=dummy://", "NIX_PATH=", "NIX_CONFIG=substitute = false\n"}
	out, errs, status := run(t, env, "nix-instantiate", "--eval", "--strict", "--json", "-E", expr)
	if status != 0 {
		return "", errs
	}
	return strings.TrimSpace(out), errs
}

// A store is a directory that the namespaces of this test see as /nix.
type store struct{ dir string }

// shared is the store all tests build in, made once for the whole run.
var shared struct {
	once sync.Once
	store
	err error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if shared.dir != "" {
		// Store paths are read-only; make them removable.
		filepath.WalkDir(shared.dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
		os.RemoveAll(shared.dir)
	}
	os.Exit(status)
}

func newStore(t testing.TB) store {
	t.Helper()
	need(t, "nix-instantiate", "nix-store", "unshare", "nsenter", "mount")
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "minios-nix-")
		if shared.err == nil {
			shared.err = os.MkdirAll("/nix", 0o755)
		}
	})
	if shared.err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(shared.err)
		}
		t.Skipf("no store to build in: %v", shared.err)
	}
	return shared.store
}

// A machine is a private mount namespace with a /nix, /etc, /run, /boot and
// /var of its own: enough of a machine to activate a system on.
type machine struct {
	t   testing.TB
	pid int
}

// newMachine starts one; private are the directories that start out empty.
func newMachine(t testing.TB, s store, private ...string) *machine {
	t.Helper()
	argv := []string{"-m", "sh", "testdata/machine.sh", s.dir}
	if os.Getuid() != 0 {
		argv = append([]string{"-r"}, argv...)
	}
	cmd := exec.Command("unshare", append(argv, private...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ready := make([]byte, 6)
	if _, err := out.Read(ready); err != nil {
		cmd.Wait()
		if os.Getenv("CI") != "" {
			t.Fatal("a private mount namespace cannot be made here")
		}
		t.Skip("a private mount namespace cannot be made here")
	}
	return &machine{t, cmd.Process.Pid}
}

// run runs a command on the machine.
func (m *machine) run(argv ...string) (stdout, stderr string, status int) {
	m.t.Helper()
	enter := []string{"nsenter", "-m", "-t", fmt.Sprint(m.pid)}
	if os.Getuid() != 0 {
		enter = append(enter, "-U", "--preserve-credentials")
	}
	env := []string{"NIX_CONFIG=" + settings, "NIX_REMOTE=", "NIX_PATH=", "HOME=/root"}
	return run(m.t, env, append(append(enter, "--"), argv...)...)
}

// sh runs a shell command that must succeed, and returns what it prints.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, errs, status := m.run("sh", "-c", script)
	if status != 0 {
		m.t.Fatalf("%s: exit status %d: %s", script, status, errs)
	}
	return strings.TrimRight(out, "\n")
}

// build builds the toplevel of a system made of modules (Nix source) and
// returns its store path.
func build(t testing.TB, s store, modules string) string {
	t.Helper()
	m := newMachine(t, s)
	expr := fmt.Sprintf(`(import %s/nixos/lib/eval-config.nix {
		system = "x86_64-linux";
		modules = [ { fileSystems."/".device = "/dev/vda"; networking.hostName = "web"; } ] ++ %s;
	}).config.system.build.toplevel`, here(), modules)
	return buildExpr(t, m, expr)
}

func buildExpr(t testing.TB, m *machine, expr string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "expr.nix")
	if err := os.WriteFile(file, []byte(expr), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, status := m.run("nix-build", "--no-out-link", file)
	if status != 0 {
		t.Fatalf("nix-build: exit status %d:\n%s", status, errs)
	}
	return strings.TrimSpace(out)
}
