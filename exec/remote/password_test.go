package remote

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// passwordServer starts an sshd whose root has the password "correct horse" and a home directory of its own. changed is
// the day of the last change of the password, as in /etc/shadow: 0 is that of an expired one.
func passwordServer(t *testing.T, changed int, lines ...string) (_ *sshd, home string) {
	t.Helper()
	hash, err := exec.Command("openssl", "passwd", "-6", "correct horse").Output()
	if err != nil {
		t.Fatal(err)
	}
	home = filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	etc := map[string]string{
		"/etc/passwd":     fmt.Sprintf("root:x:0:0:root:%s:/bin/sh\n%s", home, withoutRoot(string(passwd))),
		"/etc/shadow":     fmt.Sprintf("root:%s:%d:0:99999:7:::\n", strings.TrimSpace(string(hash)), changed),
		"/etc/pam.d/sshd": "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\npassword required pam_unix.so\n",
	}
	lines = append(lines, "PasswordAuthentication yes", "PermitRootLogin yes", "AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes")
	return startSSHDIn(t, etc, lines...), home
}

const recently = 20000 // a day, as /etc/shadow counts

var onlyInteractive = []string{"UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no"}

// A password is taken by either way that servers ask for one, and sent once.
func TestPasswordLogin(t *testing.T) {
	for _, tt := range []struct {
		name     string
		changed  int
		lines    []string
		password string
		want     error
		says     string
	}{
		{"password", recently, nil, "correct horse", nil, ""},
		{"keyboard-interactive", recently, onlyInteractive, "correct horse", nil, ""},
		{"both", recently, []string{"UsePAM yes", "KbdInteractiveAuthentication yes"}, "correct horse", nil, ""},
		{"wrong", recently, nil, "battery staple", ErrAuth, "refuses the password"},
		{"wrong, keyboard-interactive", recently, onlyInteractive, "battery staple", ErrAuth, "refuses the password"},
		{"wrong, both", recently, []string{"UsePAM yes", "KbdInteractiveAuthentication yes"}, "battery staple", ErrAuth, "refuses the password"},
		{"keys alone", recently, []string{"PasswordAuthentication no"}, "correct horse", ErrAuth, "it takes no password: it lets users in by publickey"},
		{"root by keys alone", recently, []string{"PermitRootLogin prohibit-password"}, "correct horse", ErrAuth, "PermitRootLogin prohibit-password"},
		{"a key too", recently, []string{"AuthenticationMethods password,publickey"}, "correct horse", ErrAuth, "it wants publickey too"},
		{"expired, keyboard-interactive", 0, onlyInteractive, "correct horse", ErrPasswordExpired, "must be changed first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := passwordServer(t, tt.changed, tt.lines...)
			d := NewDialer(Config{ConfigFile: s.client(t)})
			defer d.Close()
			m, err := d.Dial(t.Context(), Target{Name: "host", Password: []byte(tt.password)})
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v\n%s", err, tt.want, s.log)
			}
			if err == nil {
				if out, err := m.Output(t.Context(), "echo", "in"); err != nil || string(out) != "in\n" {
					t.Errorf("%s, %v", out, err)
				}
				m.Close()
				return
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), tt.password) {
				t.Errorf("got %v\nwant %s", err, tt.says)
			}
			if n := strings.Count(s.log.String(), "Failed password"); n > 1 {
				t.Errorf("%d passwords were sent", n)
			}
		})
	}
}

// Whatever a user's authorized_keys is like, it has one more key afterwards and all it had, and the key lets one in.
func TestAuthorize(t *testing.T) {
	other := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"
	for _, tt := range []struct {
		name, before string // KEY stands for the key
		mode         os.FileMode
		added        bool
	}{
		{"no file", "", 0, true},
		{"empty", "\n", 0o600, true},
		{"another key", other + "\n", 0o644, true},
		{"no newline at the end", "# keys\n" + other, 0o600, true},
		{"there already", other + "\nKEY\n", 0o600, false},
		{"there with options", "no-pty KEY my key", 0o600, false},
		{"in a comment", "# KEY\n" + other + "\n", 0o600, true},
		{"written by Windows", other + "\r\n", 0o600, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, home := passwordServer(t, recently)
			d := NewDialer(Config{ConfigFile: s.client(t)})
			defer d.Close()
			key, err := d.OfferedKey(t.Context(), Target{Name: "host"})
			if err != nil || key != strings.TrimSpace(authorized(mustPublic(t, s.path("id")))) {
				t.Fatalf("%q, %v", key, err)
			}
			dir, file := filepath.Join(home, ".ssh"), filepath.Join(home, ".ssh/authorized_keys")
			before := strings.ReplaceAll(tt.before, "KEY", key)
			if tt.before != "" {
				os.Mkdir(dir, 0o755)
				if err := os.WriteFile(file, []byte(before), tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the second time, it is there
				m, err := d.Dial(t.Context(), Target{Name: "host", Password: []byte("correct horse")})
				if err != nil {
					t.Fatal(err)
				}
				added, err := m.Authorize(t.Context(), key+" me@here")
				m.Close()
				if err != nil || added != tt.added {
					t.Fatalf("added %v, %v", added, err)
				}
				tt.added = false
			}
			now, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if rest, ok := strings.CutPrefix(string(now), before); !ok || strings.Count(rest, "ssh-") > 1 || strings.Contains(rest, "someone") {
				t.Errorf("it is\n%s\nand was\n%s", now, before)
			}
			info, err := os.Stat(file)
			if mode := info.Mode().Perm(); err != nil || mode != 0o600 && mode != tt.mode {
				t.Errorf("mode %o, %v", info.Mode(), err)
			}
			if info, _ := os.Stat(dir); tt.before == "" && info.Mode().Perm() != 0o700 {
				t.Errorf("mode of the directory: %o", info.Mode())
			}
			if err := dialOnce(t, Config{ConfigFile: s.path("config")}, Target{Name: "host"}); err != nil {
				t.Errorf("the key does not let in: %v\n%s", err, now)
			}
		})
	}
	t.Run("expired", func(t *testing.T) {
		s, home := passwordServer(t, 0)
		d := NewDialer(Config{ConfigFile: s.client(t)})
		defer d.Close()
		m, err := d.Dial(t.Context(), Target{Name: "host", Password: []byte("correct horse")})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if _, err := m.Authorize(t.Context(), other); !errors.Is(err, ErrPasswordExpired) {
			t.Errorf("got %v\n%s", err, s.log)
		}
		if left, _ := os.ReadDir(home); len(left) > 0 {
			t.Errorf("there is %v", left)
		}
	})
	t.Run("what is no key", func(t *testing.T) {
		for _, key := range []string{"", "nonsense", other + "\n" + other, "command=\"x\" " + other + "\nx"} {
			if _, err := new(Machine).Authorize(t.Context(), key); err == nil {
				t.Errorf("%q was taken", key)
			}
		}
	})
}

// A host's key is seen without logging in and without writing it down, whatever is known of it, through jump hosts, and
// by both clients.
func TestHostKey(t *testing.T) {
	s := startSSHD(t)
	other := s.writeKey(t, "other")
	name := fmt.Sprintf("[127.0.0.1]:%d", s.port)
	for _, client := range []Client{BuiltIn, OpenSSH} {
		for _, tt := range []struct {
			name, known string
			lines       []string
			pins        []string
			jump        string
			want        error
		}{
			{"unknown", "", nil, nil, "", ErrHostKeyUnknown},
			{"unknown, new ones are taken", "", []string{"StrictHostKeyChecking accept-new"}, nil, "", ErrHostKeyUnknown},
			{"known", name + " " + authorized(s.hostKey), nil, nil, "", nil},
			{"changed", name + " " + authorized(other), nil, nil, "", ErrHostKeyChanged},
			{"changed pin", "", nil, []string{authorized(other)}, "", ErrHostKeyChanged},
			{"revoked", "@revoked * " + authorized(s.hostKey), nil, nil, "", ErrHostKeyRevoked},
			{"alias", "", []string{"HostKeyAlias web1"}, nil, "", ErrHostKeyUnknown},
			{"no way in", "", []string{"IdentityFile none"}, nil, "", ErrHostKeyUnknown},
		} {
			t.Run(fmt.Sprintf("%d %s", client, tt.name), func(t *testing.T) {
				config := s.client(t, tt.lines...)
				s.write(t, "known_hosts", tt.known)
				d := NewDialer(Config{ConfigFile: config, Master: withoutQuestions})
				defer d.Close()
				p, err := d.HostKey(t.Context(), Target{Name: "host", HostKeys: tt.pins, Client: client})
				if err != nil {
					t.Fatal(err)
				}
				if !errors.Is(p.Verdict, tt.want) || tt.want == nil && p.Verdict != nil {
					t.Errorf("got %v, want %v", p.Verdict, tt.want)
				}
				if p.Key != strings.TrimSpace(authorized(s.hostKey)) || p.SHA256 != ssh.FingerprintSHA256(s.hostKey) {
					t.Errorf("got %+v", p)
				}
				if now, _ := os.ReadFile(s.path("known_hosts")); string(now) != tt.known {
					t.Errorf("known_hosts is now %q", now)
				}
			})
		}
	}
}

// A server with several keys shows the one that is known, or one of the type asked for.
func TestHostKeyOfSeveral(t *testing.T) {
	y := &yard{sshd: startSSHD(t)}
	y.keygen(t, "-t", "rsa", "-b", "2048", "-N", "", "-f", "host_rsa")
	s := startSSHD(t, "HostKey "+y.path("host_rsa"))
	rsaKey := mustPublic(t, y.path("host_rsa"))
	name := fmt.Sprintf("[127.0.0.1]:%d", s.port)
	for _, client := range []Client{BuiltIn, OpenSSH} {
		config := s.client(t)
		look := func(known string, types ...string) string {
			t.Helper()
			s.write(t, "known_hosts", known)
			d := NewDialer(Config{ConfigFile: config, Master: withoutQuestions})
			defer d.Close()
			p, err := d.HostKey(t.Context(), Target{Name: "host", Client: client}, types...)
			if err != nil {
				t.Fatal(err)
			}
			return p.Type
		}
		for i, got := range []string{look(""), look(name + " " + authorized(rsaKey)), look("", ssh.KeyAlgoRSA)} {
			if want := []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSA, ssh.KeyAlgoRSA}[i]; got != want {
				t.Errorf("client %d, case %d: got %s, want %s", client, i, got, want)
			}
		}
	}
}

// A key in known_hosts takes the place of another one only on request; other hosts keep theirs.
func TestAddKnownHost(t *testing.T) {
	s := startSSHD(t)
	key, other := authorized(s.hostKey), authorized(s.writeKey(t, "other"))
	name := fmt.Sprintf("[127.0.0.1]:%d", s.port)
	hashed := fmt.Sprintf("|1|%s|%s", b64([]byte("01234567890123456789")), b64(hashName(name, []byte("01234567890123456789"))))
	for _, tt := range []struct {
		name, before string
		replace      bool
		want         string
		fails        string
	}{
		{"new", "web9 " + other, false, "web9 " + other + name + " " + key, ""},
		{"no newline at the end", "# mine", false, "# mine\n" + name + " " + key, ""},
		{"there", name + " " + key, false, name + " " + key, ""},
		{"there, replaced", name + " " + key, true, name + " " + key, ""},
		{"changed", name + " " + other, false, name + " " + other, "host key changed"},
		{"changed, replaced", "a " + other + name + " " + other + "b " + other, true, "a " + other + "b " + other + name + " " + key, ""},
		{"one of several names", "a," + name + ",b " + other, true, "a,b " + other + name + " " + key, ""},
		{"hashed", hashed + " " + other, true, name + " " + key, ""},
		{"of a pattern", "[127.*]:* " + other, true, "[127.*]:* " + other, "change it by hand"},
		{"revoked", "@revoked " + name + " " + key, true, "@revoked " + name + " " + key, "revoked"},
		{"authority", "@cert-authority * " + other, true, "@cert-authority * " + other + name + " " + key, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := s.client(t, "HashKnownHosts no")
			s.write(t, "known_hosts", tt.before)
			if err := os.Chmod(s.path("known_hosts"), 0o644); err != nil {
				t.Fatal(err)
			}
			d := NewDialer(Config{ConfigFile: config})
			defer d.Close()
			file, err := d.AddKnownHost(t.Context(), Target{Name: "host"}, key, tt.replace)
			if tt.fails == "" && (err != nil || file != s.path("known_hosts")) || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("got %s, %v, want %q", file, err, tt.fails)
			}
			if now, _ := os.ReadFile(s.path("known_hosts")); string(now) != tt.want {
				t.Errorf("it is\n%s\nwant\n%s", now, tt.want)
			}
			if info, err := os.Stat(s.path("known_hosts")); err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}
