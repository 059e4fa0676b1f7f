package sshconfig

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What this package reads in a configuration is what ssh reads.
func TestConfigMeansWhatItMeansToSSH(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("no ssh on this machine")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web.conf", "Host web*\n\tUser included\n\tPort 2201\nMatch all\n\tConnectTimeout 7\n")
	write("more.conf", "ServerAliveInterval 11\nHost db\n\tPort 2202\n")
	me := localUser(t)
	for _, tt := range []struct {
		name, config string
		queries      []Query
	}{
		{"empty", "", []Query{{Host: "web1"}, {Host: "WEB1", User: "me", Port: 99}, {Host: "::1"}}},
		{"first value wins", "Host web1\n Port 1\n User a\nHost *\n Port 2\n User b\n", []Query{{Host: "web1"}, {Host: "web2"}, {Host: "web1", User: "x", Port: 9}}},
		{"equals signs, quotes, case", "host=web1\n\tPORT = 7\n\tuSeR=\"a b\"\n\tHostKeyAlias  'other'\n", []Query{{Host: "web1"}}},
		{"comments", "# Host web1\nHost web1 # a web server\n  # Port 1\n  Port 2 # two\n", []Query{{Host: "web1"}, {Host: "a"}}},
		{"patterns", "Host web* !web2 db?\n Port 5\nHost *.example.org\n HostName %h.internal\n", []Query{{Host: "web1"}, {Host: "web2"}, {Host: "db1"}, {Host: "db12"}, {Host: "a.example.org"}}},
		{"host name", "Host w\n HostName %h1.Example.Org\nHost x\n HostName 10.0.0.1\nHost y\n HostName 100%%\n", []Query{{Host: "w"}, {Host: "x"}, {Host: "y"}}},
		{"identity files", "Host web1\n IdentityFile ~/.ssh/%r@%h-%p\n IdentityFile /k/%n-%u-%d-%%\nIdentityFile /all\nCertificateFile ~/c1\nCertificateFile /c2\n", []Query{{Host: "web1"}, {Host: "b"}}},
		{"identity file none", "IdentityFile none\n", []Query{{Host: "web1"}}},
		{"same identity file twice", "IdentityFile /a\nIdentityFile /a\n", []Query{{Host: "web1"}}},
		{"known hosts", "UserKnownHostsFile /a ~/b /c/%h\nGlobalKnownHostsFile /g1 /g2\nUserKnownHostsFile /late\n", []Query{{Host: "web1"}}},
		{"known hosts none", "UserKnownHostsFile none\nGlobalKnownHostsFile none\n", []Query{{Host: "web1"}}},
		{"strictness", "Host a\n StrictHostKeyChecking accept-new\nHost b\n StrictHostKeyChecking no\nHost c\n StrictHostKeyChecking yes\nHost d\n StrictHostKeyChecking off\nHost *\n HashKnownHosts yes\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}, {Host: "d"}}},
		{"agent", "Host a\n IdentityAgent none\nHost b\n IdentityAgent ~/agent\nHost c\n IdentityAgent SSH_AUTH_SOCK\nHost d\n IdentityAgent $OTHER_SOCK\nHost *\n IdentitiesOnly yes\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}, {Host: "d"}, {Host: "e"}}},
		{"times", "Host a\n ConnectTimeout 5\n ServerAliveInterval 3\n ServerAliveCountMax 9\nHost b\n ConnectTimeout 1m30s\n ServerAliveInterval 2m\nHost c\n ConnectTimeout none\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}}},
		{"jump", "Host a\n ProxyJump b\nHost c\n ProxyJump me@b:22,d\nHost d\n ProxyJump none\n ProxyCommand nc %h %p\nHost e\n ProxyCommand nc %h %p # not a comment\n ProxyJump b\nHost f\n ProxyCommand none\nHost h\n ProxyJump none\nHost *\n ProxyJump z\n", []Query{{Host: "a"}, {Host: "c"}, {Host: "d"}, {Host: "e"}, {Host: "f"}, {Host: "g"}, {Host: "h"}}},
		{"include", "Include " + dir + "/*.conf\nHost web1\n User me\nPort 3\n", []Query{{Host: "web1"}, {Host: "db"}, {Host: "x"}}},
		{"include in a section", "Host web1\n Include " + dir + "/web.conf\n Port 77\nHost *\n User last\n", []Query{{Host: "web1"}, {Host: "web2"}, {Host: "db"}}},
		{"include of nothing", "Include /nonexistent/*.conf\nInclude /nonexistent/file\nPort 4\n", []Query{{Host: "a"}}},
		{"match host", "Host w\n HostName 10.1.2.3\nMatch host 10.1.*\n Port 8\nMatch originalhost w\n User orig\nMatch host w\n ConnectTimeout 3\n", []Query{{Host: "w"}, {Host: "x"}, {Host: "10.1.9.9"}}},
		{"match user", "Match user deploy,ci\n Port 9\nMatch user " + me + "\n Port 10\nMatch !user deploy\n ConnectTimeout 4\n", []Query{{Host: "a", User: "deploy"}, {Host: "a"}, {Host: "a", User: "other"}}},
		{"match user as configured", "Host a\n User deploy\nMatch user deploy\n Port 9\n", []Query{{Host: "a"}, {Host: "b"}}},
		{"match local user", "Match localuser " + me + "\n Port 9\nMatch localuser nobody-else\n User x\n", []Query{{Host: "a"}}},
		{"match several", "Match host w* user deploy\n Port 9\nMatch all\n ConnectTimeout 2\n", []Query{{Host: "w1", User: "deploy"}, {Host: "w1"}, {Host: "x", User: "deploy"}}},
		{"match final", "Host w\n HostName real.example\nMatch final host real.example\n Port 31\nMatch final all\n User late\nHost *\n ConnectTimeout 6\n", []Query{{Host: "w"}, {Host: "x"}}},
		{"match exec behind another", "Match host nosuch exec \"exit 1\"\n Port 9\n", []Query{{Host: "w"}}},
		{"section ends section", "Host a\n Port 1\nMatch all\n User x\nHost b\n Port 2\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "/run/agent")
			t.Setenv("OTHER_SOCK", "/run/other")
			file := filepath.Join(dir, "config")
			write("config", tt.config)
			for _, q := range tt.queries {
				q.DefaultUser = "root"
				got, err := readFile(t, file, q)
				if err != nil {
					t.Fatal(err)
				}
				want, err := ParseAnswer(askSSH(t, file, q)).Settings(q, realEnv(t))
				if err != nil {
					t.Fatal(err)
				}
				// ssh lists all algorithms, and says nothing of which values are its defaults.
				want.HostKeyAlgorithms = got.HostKeyAlgorithms
				if got.User == "root" && want.User == me {
					want.User = "root"
				}
				if got.StrictHostKeys == "yes" && want.StrictHostKeys == "ask" {
					want.StrictHostKeys = "yes"
				}
				if got.AliveCountMax == 0 && want.AliveCountMax == 3 {
					want.AliveCountMax = 0
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%+v (-ssh +own):\n%s", q, diff)
				}
			}
		})
	}
}

func localUser(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// realEnv is the environment that ssh sees.
func realEnv(t *testing.T) Env {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	hostName, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return Env{Home: u.HomeDir, User: u.Username, UserID: os.Getuid(), HostName: hostName,
		LookupEnv: os.LookupEnv, Glob: filepath.Glob, ReadFile: os.ReadFile}
}

func readFile(t *testing.T, file string, q Query) (*Settings, error) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env := realEnv(t)
	values, err := Read([]File{{Name: file, Text: string(text), IncludeDir: filepath.Join(env.Home, ".ssh")}}, q, env)
	if err != nil {
		return nil, err
	}
	return values.Settings(q, env)
}

func askSSH(t *testing.T, file string, q Query) []byte {
	t.Helper()
	args := []string{"-G", "-F", file}
	if q.User != "" {
		args = append(args, "-l", q.User)
	}
	if q.Port != 0 {
		args = append(args, "-p", strconv.Itoa(q.Port))
	}
	answer, err := exec.CommandContext(t.Context(), "ssh", append(args, "--", q.Host)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
