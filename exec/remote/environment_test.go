package remote

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/exec/nixcmd"
	"muster/exec/remote/sshconfig"
)

// What a configuration refers to on this machine is to muster what it is to ssh: included files, services, commands, addresses.
func TestTheEnvironmentIsThatOfSSH(t *testing.T) {
	if _, err := exec.LookPath(*sshProgram); err != nil {
		t.Skip("no ssh on this machine")
	}
	t.Setenv("SHELL", "/bin/sh")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"d/b.conf": "User b\n", "d/a.conf": "ConnectTimeout 7\nUser a\n", "d/.hidden.conf": "User hidden\nPort 66\n", "d/c.txt": "User c\n",
		"d/directory.conf/file": "User in-directory\n", ".e/x.conf": "User x\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{
		"Include DIR/d/*.conf\n",
		"Include DIR/d/*\n",
		"Include DIR/d/.*.conf\n",
		"Include DIR/d/[!a].conf\n",
		"Include DIR/d/[^a].conf\n",
		"Include DIR/d/?.conf DIR/d/c.txt\n",
		"Include DIR/*/x.conf\n",
		"Include DIR/.e/*\n",
		"Include DIR/d/directory.conf\n",
		"Include DIR/d/[.conf\n",
		"Include DIR/d/nothing\n",
		"Port ssh\n",
		"Port http-alt\n",
		"Port domain\n",
		"Port SSH\n",
		"Port nosuchservice\n",
		"LocalForward 80 a:www\n",
		"Match exec \"test -d DIR/d\"\n User exec\n",
		"Match exec \"exit 4\"\n User exec\nMatch !exec false\n Port 5\n",
		"Match exec \"kill -9 $$\"\n User exec\n",
		"HostName 127.1\n",
		"IdentityAgent ~root/x\nControlPath /a/%C\n",
		"ControlPath ~nosuchuser/x\n",
		"CanonicalizeHostname yes\nCanonicalDomains invalid\nCanonicalizeFallbackLocal no\n",
	} {
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		want, refused := exec.CommandContext(t.Context(), *sshProgram, "-G", "-F", file, "web1").Output()
		values, err := NewDialer(Config{ConfigFile: file, MatchExec: nixcmd.MatchExec}).Resolve(t.Context(), sshconfig.Query{Host: "web1"})
		if (err == nil) != (refused == nil) {
			t.Errorf("%q: ssh says %v, muster %v", text, refused, err)
		}
		if err != nil || refused != nil {
			continue
		}
		var got bytes.Buffer
		if err := values.Print(&got); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"user", "hostname", "port", "connecttimeout", "localforward", "identityagent", "controlpath"} {
			of := func(answer []byte) (lines []string) {
				for line := range strings.Lines(string(answer)) {
					if strings.HasPrefix(line, key+" ") {
						lines = append(lines, line)
					}
				}
				return lines
			}
			if !slices.Equal(of(want), of(got.Bytes())) {
				t.Errorf("%q: ssh says %q, muster %q", text, of(want), of(got.Bytes()))
			}
		}
	}
}
