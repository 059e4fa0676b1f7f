package host

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What an inspection tells of secrets takes as many programs for two hundred as for two.
func TestInspectionStartsNoProgramForASecret(t *testing.T) {
	started := func(n int) int {
		dir := t.TempDir()
		script := strings.NewReplacer("/var/lib/muster", dir+"/records", "/run/muster-secrets", dir+"/memory", "/etc/ssh/", dir+"/ssh/").Replace(inspectScript.text())
		var macs strings.Builder
		for _, d := range []string{"records/secrets/sets/a", "records/secrets/of", "memory", "memory.volatile/sets/a", "bin", "ssh"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write := func(name, text string, mode os.FileMode) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
				t.Fatal(err)
			}
		}
		for i := range n {
			fmt.Fprintf(&macs, "s%d %064d\n", i, i)
			write(fmt.Sprintf("records/secrets/sets/a/s%d.age", i), "x", 0o600)
			write(fmt.Sprintf("memory.volatile/sets/a/s%d.age", i), "x", 0o600)
		}
		for _, root := range []string{"records/secrets", "memory.volatile"} {
			write(root+"/sets/a/.macs", macs.String(), 0o600)
			write(root+"/sets/a/.key", strings.Repeat("0", 64)+"\n", 0o600)
			if err := os.Symlink("sets/a", filepath.Join(dir, root, "current")); err != nil {
				t.Fatal(err)
			}
		}
		write("ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA host\n", 0o644)
		for _, name := range []string{"cat", "readlink", "stat", "head", "tail", "grep", "df", "date", "uname", "systemctl", "ls", "sed"} {
			path, err := exec.LookPath(name)
			if err != nil {
				continue
			}
			write("bin/"+name, "#!/bin/sh\necho "+name+" >>"+dir+"/started\nexec "+path+" \"$@\"\n", 0o755)
		}
		cmd := exec.Command("/bin/sh", append([]string{"-c", script, "inspect"}, (&InspectRequest{Secrets: true}).args()...)...)
		cmd.Env = []string{"PATH=" + dir + "/bin:" + os.Getenv("PATH")}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Count(string(out), "\nsecretmac "); told != 2*n {
			t.Fatalf("it tells of %d secrets, want %d", told, 2*n)
		}
		if !strings.Contains(string(out), "\nsecretkey "+dir+"/records/secrets 0000") || !strings.Contains(string(out), "\nhostkey ssh-ed25519 AAAA "+dir+"/ssh/ssh_host_ed25519_key\n") {
			t.Errorf("it tells neither the key nor the recipient:\n%s", out)
		}
		list, err := os.ReadFile(filepath.Join(dir, "started"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(list), "\n")
	}
	few, many := started(2), started(200)
	if few != many {
		t.Errorf("%d programs with 2 secrets, %d with 200", few, many)
	}
	t.Logf("%d programs", many)
}

// What is sent has another time than what it replaces, also where the clock or the file
// system gives it the same.
func TestNewSecretsHaveATimeOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	run := func(base string) string {
		s := SecretStore{System: "/nix/store/x", Key: "k", Files: []SecretFile{{Name: "a", Content: []byte(base), MAC: "m"}}}
		var archive bytes.Buffer
		if err := s.write(&archive); err != nil {
			t.Fatal(err)
		}
		// A file system or a clock by which all is at the same time.
		same := "cp() { command cp \"$@\" && find \"$3\" -name '*.age' -exec touch -d @1000 {} +; }\n"
		script := same + strings.NewReplacer("/var/lib/muster", dir+"/records", "/run/muster-secrets", dir+"/memory").Replace(secretsScript.text())
		if base != "" {
			base = dir + "/records/secrets/of/" + base
		}
		cmd := exec.Command("/bin/sh", "-c", script, "secrets", "/nix/store/x", base, "", "")
		cmd.Stdin = &archive
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		at, err := filepath.EvalSymlinks(dir + "/records/secrets/of/x")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	var former time.Time
	for _, base := range []string{"", "x", "x"} {
		info, err := os.Stat(run(base) + "/a.age")
		if err != nil {
			t.Fatal(err)
		}
		if info.ModTime().Equal(former) {
			t.Errorf("two contents have the time %v", former)
		}
		former = info.ModTime()
	}
}
