package remote

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	me := localUser()
	for _, tt := range []struct {
		name, config string
		queries      []query
	}{
		{"empty", "", []query{{host: "web1"}, {host: "WEB1", user: "me", port: 99}, {host: "::1"}}},
		{"first value wins", "Host web1\n Port 1\n User a\nHost *\n Port 2\n User b\n", []query{{host: "web1"}, {host: "web2"}, {host: "web1", user: "x", port: 9}}},
		{"equals signs, quotes, case", "host=web1\n\tPORT = 7\n\tuSeR=\"a b\"\n\tHostKeyAlias  'other'\n", []query{{host: "web1"}}},
		{"comments", "# Host web1\nHost web1 # a web server\n  # Port 1\n  Port 2 # two\n", []query{{host: "web1"}, {host: "a"}}},
		{"patterns", "Host web* !web2 db?\n Port 5\nHost *.example.org\n HostName %h.internal\n", []query{{host: "web1"}, {host: "web2"}, {host: "db1"}, {host: "db12"}, {host: "a.example.org"}}},
		{"host name", "Host w\n HostName %h1.Example.Org\nHost x\n HostName 10.0.0.1\nHost y\n HostName 100%%\n", []query{{host: "w"}, {host: "x"}, {host: "y"}}},
		{"identity files", "Host web1\n IdentityFile ~/.ssh/%r@%h-%p\n IdentityFile /k/%n-%u-%d-%%\nIdentityFile /all\nCertificateFile ~/c1\nCertificateFile /c2\n", []query{{host: "web1"}, {host: "b"}}},
		{"identity file none", "IdentityFile none\n", []query{{host: "web1"}}},
		{"same identity file twice", "IdentityFile /a\nIdentityFile /a\n", []query{{host: "web1"}}},
		{"known hosts", "UserKnownHostsFile /a ~/b /c/%h\nGlobalKnownHostsFile /g1 /g2\nUserKnownHostsFile /late\n", []query{{host: "web1"}}},
		{"known hosts none", "UserKnownHostsFile none\nGlobalKnownHostsFile none\n", []query{{host: "web1"}}},
		{"strictness", "Host a\n StrictHostKeyChecking accept-new\nHost b\n StrictHostKeyChecking no\nHost c\n StrictHostKeyChecking yes\nHost d\n StrictHostKeyChecking off\nHost *\n HashKnownHosts yes\n", []query{{host: "a"}, {host: "b"}, {host: "c"}, {host: "d"}}},
		{"agent", "Host a\n IdentityAgent none\nHost b\n IdentityAgent ~/agent\nHost c\n IdentityAgent SSH_AUTH_SOCK\nHost d\n IdentityAgent $OTHER_SOCK\nHost *\n IdentitiesOnly yes\n", []query{{host: "a"}, {host: "b"}, {host: "c"}, {host: "d"}, {host: "e"}}},
		{"times", "Host a\n ConnectTimeout 5\n ServerAliveInterval 3\n ServerAliveCountMax 9\nHost b\n ConnectTimeout 1m30s\n ServerAliveInterval 2m\nHost c\n ConnectTimeout none\n", []query{{host: "a"}, {host: "b"}, {host: "c"}}},
		{"jump", "Host a\n ProxyJump b\nHost c\n ProxyJump me@b:22,d\nHost d\n ProxyJump none\n ProxyCommand nc %h %p\nHost e\n ProxyCommand nc %h %p # not a comment\n ProxyJump b\nHost f\n ProxyCommand none\nHost h\n ProxyJump none\nHost *\n ProxyJump z\n", []query{{host: "a"}, {host: "c"}, {host: "d"}, {host: "e"}, {host: "f"}, {host: "g"}, {host: "h"}}},
		{"include", "Include " + dir + "/*.conf\nHost web1\n User me\nPort 3\n", []query{{host: "web1"}, {host: "db"}, {host: "x"}}},
		{"include in a section", "Host web1\n Include " + dir + "/web.conf\n Port 77\nHost *\n User last\n", []query{{host: "web1"}, {host: "web2"}, {host: "db"}}},
		{"include of nothing", "Include /nonexistent/*.conf\nInclude /nonexistent/file\nPort 4\n", []query{{host: "a"}}},
		{"match host", "Host w\n HostName 10.1.2.3\nMatch host 10.1.*\n Port 8\nMatch originalhost w\n User orig\nMatch host w\n ConnectTimeout 3\n", []query{{host: "w"}, {host: "x"}, {host: "10.1.9.9"}}},
		{"match user", "Match user deploy,ci\n Port 9\nMatch user " + me + "\n Port 10\nMatch !user deploy\n ConnectTimeout 4\n", []query{{host: "a", user: "deploy"}, {host: "a"}, {host: "a", user: "other"}}},
		{"match user as configured", "Host a\n User deploy\nMatch user deploy\n Port 9\n", []query{{host: "a"}, {host: "b"}}},
		{"match local user", "Match localuser " + me + "\n Port 9\nMatch localuser nobody-else\n User x\n", []query{{host: "a"}}},
		{"match several", "Match host w* user deploy\n Port 9\nMatch all\n ConnectTimeout 2\n", []query{{host: "w1", user: "deploy"}, {host: "w1"}, {host: "x", user: "deploy"}}},
		{"match final", "Host w\n HostName real.example\nMatch final host real.example\n Port 31\nMatch final all\n User late\nHost *\n ConnectTimeout 6\n", []query{{host: "w"}, {host: "x"}}},
		{"match exec behind another", "Match host nosuch exec \"exit 1\"\n Port 9\n", []query{{host: "w"}}},
		{"section ends section", "Host a\n Port 1\nMatch all\n User x\nHost b\n Port 2\n", []query{{host: "a"}, {host: "b"}, {host: "c"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "/run/agent")
			t.Setenv("OTHER_SOCK", "/run/other")
			file := filepath.Join(dir, "config")
			write("config", tt.config)
			own := NewDialer(Config{ConfigFile: file})
			asked := NewDialer(Config{ConfigFile: file, Resolve: runSSH})
			for _, q := range tt.queries {
				q.defaultUser = "root"
				got, err := own.resolve(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				want, err := asked.resolve(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				// ssh lists all algorithms and says nothing of what is its default.
				want.HostKeyAlgorithms = got.HostKeyAlgorithms
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

func runSSH(ctx context.Context, args []string) ([]byte, error) {
	return exec.CommandContext(ctx, "ssh", args...).Output()
}

func TestConfigErrorsNameTheLine(t *testing.T) {
	for _, tt := range []struct{ config, want string }{
		{"Host a\nUser \"x\n", ":2: user: quote without end"},
		{"Port\n", ":1: port: no value"},
		{"Match exec true\n", ":1: match exec: only ssh itself can tell"},
		{"Match colour red\n", ":1: match: unknown criterion colour"},
		{"Match host\n", ":1: match host: no value"},
		{"Port 70000\n", "\"70000\" is not a port"},
		{"IdentityFile %Q\n", "%Q is not supported"},
		{"IdentityFile ${NO_SUCH_VARIABLE}\n", "the environment has no NO_SUCH_VARIABLE"},
		{"ConnectTimeout soon\n", "\"soon\" is not a time"},
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(tt.config), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewDialer(Config{ConfigFile: file}).resolve(t.Context(), query{host: "a"})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.config, err, tt.want)
		}
	}
	if _, err := NewDialer(Config{ConfigFile: "/nonexistent"}).resolve(t.Context(), query{host: "a"}); err == nil {
		t.Error("a configuration that is not there was read")
	}
}

// Without ConfigFile the user's own file comes before the system's.
func TestConfigFilesInOrder(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh/d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{".ssh/config": "Include d/*\nPort 1\n", ".ssh/d/one": "User u\n", "system": "Port 2\nConnectTimeout 3\n"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := NewDialer(Config{})
	d.home, d.systemConfig = home, filepath.Join(home, "system")
	s, err := d.resolve(t.Context(), query{host: "a"})
	if err != nil || s.Port != 1 || s.User != "u" || s.ConnectTimeout != 3*time.Second {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestProxyCommandNeedsARunner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("ProxyCommand nc %h %p\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := dialOnce(t, Config{ConfigFile: file}, Target{Name: "web1"})
	if err == nil || !strings.Contains(err.Error(), file+" sets a ProxyCommand") {
		t.Errorf("got %v", err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("Host a*\n\tPort=22\nMatch host x !user \"y z\"\nProxyJump me@[::1]:22,b\nIdentityFile ~/%h\n", "web1")
	f.Add("Match final all\nConnectTimeout 1w2d\nUserKnownHostsFile a b\n", "a.b")
	f.Fuzz(func(t *testing.T, config, host string) {
		if strings.Contains(strings.ToLower(config), "include") {
			t.Skip("reads files")
		}
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		d := NewDialer(Config{ConfigFile: file})
		s, err := d.resolve(t.Context(), query{host: host, defaultUser: "root"})
		if err == nil && (s.User == "" || s.Port < 1 || s.Port > 65535) {
			t.Errorf("%+v", s)
		}
		d.route(t.Context(), query{host: host, defaultUser: "root"}, "", 0)
		parseAnswer([]byte(config))
	})
}
