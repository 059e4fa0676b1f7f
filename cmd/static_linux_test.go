package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// installLine finds the command of README.md that makes the binary.
var installLine = regexp.MustCompile("`((?:[A-Z_]+=[^ `]+ )*go install (?:-[^ `]+ )*\\./cmd/muster)`")

// TestTheInstalledBinaryNeedsNothing builds muster by the README's line and starts
// it in a root directory that has nothing but /proc, the binary and an inventory.
func TestTheInstalledBinaryNeedsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("chroot needs root")
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := installLine.FindSubmatch(readme)
	if line == nil {
		t.Fatalf("README.md has no line like %s", installLine)
	}
	root := t.TempDir()
	install := exec.Command("sh", "-c", string(line[1]))
	install.Dir = ".."
	install.Env = append(os.Environ(), "GOBIN="+root)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line[1], err, out)
	}
	fleet := "[nixpkgs]\nunpinned = true\n[hosts.web]\nhost = \"web.invalid\"\nhost_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbCtpZMX6dLWZBvyGOJxBCPbl0C8g0IBqXJHGCRRbO3\"]\n"
	if err := os.WriteFile(filepath.Join(root, "hosts.toml"), []byte(fleet), 0o644); err != nil {
		t.Fatal(err)
	}
	mountProc(t, root)

	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"--version", 0, "muster"},
		{"vet /hosts.toml", 0, ""},
		{"compile /hosts.toml", 0, "web.invalid"},
		// There is no /etc/passwd to look the user up in, and no name server.
		{"generations /hosts.toml", 1, "connect to web.invalid:22: the name cannot be looked up: name server "},
	} {
		t.Run(tt.args, func(t *testing.T) {
			run := exec.Command("/muster", strings.Fields(tt.args)...)
			run.Dir, run.Env = "/", []string{}
			run.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			out, _ := run.CombinedOutput()
			if got := run.ProcessState.ExitCode(); got != tt.status || !strings.Contains(string(out), tt.want) {
				t.Errorf("exit status %d, want %d and %q:\n%s", got, tt.status, tt.want, out)
			}
		})
	}
}

// mountProc mounts /proc in a root directory until the test ends.
func mountProc(t *testing.T, root string) {
	t.Helper()
	proc := filepath.Join(root, "proc")
	if err := os.Mkdir(proc, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("proc", proc, "proc", 0, ""); err != nil {
		t.Skipf("mount /proc: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(proc, 0); err != nil {
			t.Error(err)
		}
	})
}
