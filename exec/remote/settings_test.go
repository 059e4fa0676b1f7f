package remote

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec/remote/sshconfig"
)

func TestAConfigurationThatIsNotThere(t *testing.T) {
	if _, err := NewDialer(Config{ConfigFile: "/nonexistent"}).settings(t.Context(), sshconfig.Query{Host: "a"}, nil); err == nil {
		t.Error("a configuration that is not there was read")
	}
}

// ssh -G is run only where the files hold something that only ssh understands.
func TestSSHIsAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	for _, tt := range []struct {
		text string
		args []string
	}{
		{"Port 4\n", nil},
		{"Match exec true\nPort 4\n", []string{"-G", "-F", file, "-l", "deploy", "-p", "99", "--", "web1"}},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var args []string
		d := NewDialer(Config{ConfigFile: file, Resolve: func(_ context.Context, a []string) ([]byte, error) {
			args = a
			return []byte("user deploy\nhostname 100%\nport 99\nuserknownhostsfile /a /b\n"), nil
		}})
		s, err := d.settings(t.Context(), sshconfig.Query{Host: "web1", User: "deploy", Port: 99, DefaultUser: "root"}, nil)
		if err != nil || s.Port != 99 || s.User != "deploy" {
			t.Errorf("%q: got %+v, %v", tt.text, s, err)
		}
		if args != nil && s.HostName != "100%" {
			t.Errorf("%q: host name %q", tt.text, s.HostName)
		}
		if diff := cmp.Diff(tt.args, args); diff != "" {
			t.Errorf("%q: ssh's arguments (-want +got):\n%s", tt.text, diff)
		}
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
	d.env.Home, d.systemConfig = home, filepath.Join(home, "system")
	s, err := d.settings(t.Context(), sshconfig.Query{Host: "a"}, nil)
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

func FuzzRoute(f *testing.F) {
	f.Add("Host a*\n\tProxyJump me@[::1]:22,b\n", "web1")
	f.Add("ProxyJump %h,ssh://x\n", "a.b")
	f.Fuzz(func(t *testing.T, config, host string) {
		if strings.Contains(strings.ToLower(config), "include") {
			t.Skip("reads files")
		}
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		NewDialer(Config{ConfigFile: file}).route(t.Context(), sshconfig.Query{Host: host, DefaultUser: "root"}, nil, "", 0)
	})
}
