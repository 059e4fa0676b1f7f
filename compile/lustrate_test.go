package compile

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oldLinux is a root file system whose place NixOS takes.
var oldLinux = map[string]string{
	"nix/store/a":                   "system",
	"boot/grub/grub.cfg":            "menu",
	"etc/fstab":                     "old",
	"etc/ssh/ssh_host_ed25519_key":  "key",
	"etc/NIXOS":                     "",
	"etc/NIXOS_LUSTRATE":            "etc/ssh/ssh_host_ed25519_key\nvar/lib/muster\nsrv/my data\nusr\nnot/there\n",
	"var/lib/muster/secrets/a.age":  "sealed",
	"var/log/syslog":                "old",
	"srv/my data/file":              "kept",
	"srv/other":                     "old",
	"usr/bin/sh":                    "kept",
	".hidden":                       "old",
	"old-root/etc/of-one-before-it": "older",
}

// lustrated is what becomes of it. An older old-root has the time in its name.
var lustrated = map[string]string{
	"nix/store/a":                     "system",
	"boot/grub/grub.cfg":              "menu",
	"etc/ssh/ssh_host_ed25519_key":    "key",
	"etc/NIXOS":                       "",
	"var/lib/muster/secrets/a.age":    "sealed",
	"srv/my data/file":                "kept",
	"usr/bin/sh":                      "kept",
	"old-root/etc/fstab":              "old",
	"old-root/etc/NIXOS":              "",
	"old-root/etc/NIXOS_LUSTRATE":     oldLinux["etc/NIXOS_LUSTRATE"],
	"old-root/var/log/syslog":         "old",
	"old-root/srv/other":              "old",
	"old-root/.hidden":                "old",
	"old-root.N/etc/of-one-before-it": "older",
}

func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func readTree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		name := strings.TrimPrefix(file, root+"/")
		if top, rest, _ := strings.Cut(name, "/"); strings.HasPrefix(top, "old-root.") {
			name = "old-root.N/" + rest
		}
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The old Linux is moved aside and what is kept moved back, whenever that is cut off, and
// a boot after that changes nothing.
func TestLustrateIsResumedWhereverItIsCutOff(t *testing.T) {
	// Its mv, mkdir, cp and rm end the script when they have worked N times.
	failing := t.TempDir()
	for _, program := range []string{"mv", "mkdir", "cp", "rm"} {
		real, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		shim := fmt.Sprintf("#!/bin/sh\necho >>\"$COUNT\"; [ $(wc -l <\"$COUNT\") -le \"$N\" ] || { kill -9 $PPID; exit 1; }\nexec %s \"$@\"\n", real)
		if err := os.WriteFile(filepath.Join(failing, program), []byte(shim), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(root string, n int) error {
		count := filepath.Join(t.TempDir(), "count")
		cmd := exec.Command("/bin/sh", "-s", root)
		cmd.Stdin = strings.NewReader(lustrateScript)
		cmd.Env = append(slices.Clone(os.Environ()), "PATH="+failing+":"+os.Getenv("PATH"), "COUNT="+count, fmt.Sprint("N=", n))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	cuts := 0
	for n := 0; ; n++ {
		root := makeTree(t, oldLinux)
		cut := run(root, n)
		if err := run(root, 1000); err != nil {
			t.Fatalf("cut off after %d steps, and begun again: %v", n, err)
		}
		if diff := cmp.Diff(lustrated, readTree(t, root)); diff != "" {
			t.Fatalf("cut off after %d steps (-want +got):\n%s", n, diff)
		}
		if cut == nil {
			break
		}
		cuts++
	}
	if cuts < 12 {
		t.Errorf("cut off at %d places only", cuts)
	}
}
