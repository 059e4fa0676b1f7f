package remote

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Users of the test's machine, whose password is "open sesame".
const (
	testHash   = "$6$muster$kOmjHed6CLnNRtKsHAR5ujM.ZcmdXDYXKx/Q1/T.xYx6nyNGTSfuncXiYKNBGUMkL2GMczLcUCX2Uj31tptlQ/"
	testShadow = "root:*:19000:0:99999:7:::\nfree:" + testHash + ":19000:0:99999:7:::\nasked:" + testHash + ":19000:0:99999:7:::\nplain:" + testHash + ":19000:0:99999:7:::\n"
	testPasswd = "root:x:0:0:root:/root:/bin/bash\nsshd:x:104:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n" +
		"free:x:60001:60001::/tmp:/bin/sh\nasked:x:60002:60002::/tmp:/bin/bash\nplain:x:60003:60003::/tmp:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n"
	testSudoers = "root ALL=(ALL) ALL\nfree ALL=(ALL) NOPASSWD: ALL\nasked ALL=(ALL) ALL\n"
)

// startSudoHost starts a server on which these users can log in with the test's key.
func startSudoHost(t *testing.T, sudoers string) *sshd {
	t.Helper()
	if _, err := exec.LookPath("sudo"); err != nil {
		t.Skip("no sudo on this machine")
	}
	if err := exec.Command("unshare", "--mount", "true").Run(); err != nil {
		t.Skip("no mount namespaces on this machine")
	}
	return startSudoHostWith(t, map[string]string{"/etc/passwd": testPasswd, "/etc/shadow": testShadow, "/etc/sudoers": sudoers + testSudoers})
}

// startSudoHostWith starts a server on a machine with these files.
func startSudoHostWith(t *testing.T, etc map[string]string) *sshd {
	t.Helper()
	s := startSSHDIn(t, etc)
	// sshd reads them as the user who logs in.
	for _, f := range []string{filepath.Dir(s.dir), s.dir, s.path("authorized_keys"), s.path("etc_etc_passwd")} {
		if err := os.Chmod(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(s.path("etc_etc_sudoers"), 0o440); err != nil {
		t.Fatal(err)
	}
	for file, text := range etc {
		if strings.HasPrefix(text, "#!") {
			if err := os.Chmod(s.path("etc"+strings.ReplaceAll(file, "/", "_")), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

func password(text string, asked *atomic.Int32) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		asked.Add(1)
		return []byte(text), nil
	}
}

func TestSudo(t *testing.T) {
	s := startSudoHost(t, "")
	var asked, never atomic.Int32
	for _, tt := range []struct {
		name   string
		target Target
		want   error
	}{
		{"root needs none", Target{User: "root"}, nil},
		{"root by another name needs none", Target{User: "toor"}, nil},
		{"without password", Target{User: "free", Become: Sudo, SudoPassword: password("wrong", &never)}, nil},
		{"with password", Target{User: "asked", Become: Sudo, SudoPassword: password("open sesame", &asked)}, nil},
		{"wrong password", Target{User: "asked", Become: Sudo, SudoPassword: password("open up", &asked)}, ErrSudoPassword},
		{"two lines", Target{User: "asked", Become: Sudo, SudoPassword: password("open sesame\nid", &asked)}, ErrSudoPassword},
		{"no password to give", Target{User: "asked", Become: Sudo}, ErrSudoPassword},
		{"not in sudoers", Target{User: "plain", Become: Sudo, SudoPassword: password("open sesame", &asked)}, ErrNoSudo},
		{"not to be used", Target{User: "free"}, ErrNoSudo},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.target.Name = "host"
			m := s.connect(t, Config{}, tt.target)
			input := bytes.Repeat([]byte("open sesame\n"), 10000)
			asked.Store(0)
			for range 2 {
				var out bytes.Buffer
				err := m.Run(t.Context(), Command{Argv: []string{"sh", "-c", `id -u; echo "$A"; cat`}, Privileged: true,
					Env: map[string]string{"A": "b c"}, Stdin: bytes.NewReader(input), Stdout: &out})
				if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if want := "0\nb c\n" + string(input); tt.want == nil && out.String() != want {
					t.Errorf("%d bytes of output, want %d: %.40q", out.Len(), len(want), out.String())
				}
				if err != nil && strings.Contains(err.Error(), "open sesame") {
					t.Errorf("the password is in the message: %v", err)
				}
			}
			if n := asked.Load(); n > 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
	if n := never.Load(); n > 0 {
		t.Error("asked for a password that sudo does not need")
	}
}

// Doas is the real one, run0 stands in: it takes a systemd that Debian does not have yet.
func TestOtherWaysToBecomeRoot(t *testing.T) {
	if _, err := exec.LookPath("doas"); err != nil {
		t.Skip("no doas on this machine")
	}
	run0, err := os.ReadFile("testdata/run0.sh")
	if err != nil {
		t.Fatal(err)
	}
	s := startSudoHostWith(t, map[string]string{
		"/etc/passwd": testPasswd, "/etc/shadow": testShadow, "/etc/sudoers": testSudoers,
		"/etc/doas.conf": "permit nopass free\npermit asked\n",
		"/usr/bin/run0":  string(run0),
	})
	for _, tt := range []struct {
		user string
		by   Become
		err  string
	}{
		{"free", Doas, ""},
		{"asked", Doas, "doas asks asked for a password"},
		{"plain", Doas, "Operation not permitted"},
		{"free", Run0, ""},
		{"asked", Run0, "run0 asks asked for a password"},
		{"root", Doas, ""},
		{"toor", Run0, ""},
	} {
		t.Run(string(tt.by)+" "+tt.user, func(t *testing.T) {
			m := s.connect(t, Config{}, Target{Name: "host", User: tt.user, Become: tt.by})
			var out bytes.Buffer
			err := m.Run(t.Context(), Command{Argv: []string{"sh", "-c", `id -u; echo "$A"; cat; exit 3`}, Privileged: true,
				Env: map[string]string{"A": "b c"}, Stdin: strings.NewReader("input\n"), Stdout: &out})
			if tt.err != "" {
				if !errors.Is(err, ErrNoSudo) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %v: %s", err, ErrNoSudo, tt.err)
				}
				return
			}
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Status != 3 || out.String() != "0\nb c\ninput\n" {
				t.Errorf("%v, output %q", err, out.String())
			}
		})
	}
}

func TestNoSudoInstalled(t *testing.T) {
	s := startSSHDIn(t, map[string]string{"/etc/passwd": testPasswd, "/etc/shadow": testShadow, "/usr/bin/sudo": "#!/nonexistent\n"})
	for _, f := range []string{filepath.Dir(s.dir), s.dir, s.path("authorized_keys"), s.path("etc_etc_passwd")} {
		if err := os.Chmod(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := s.connect(t, Config{}, Target{Name: "host", User: "free", Become: Sudo})
	if err := m.Run(t.Context(), Command{Argv: []string{"true"}, Privileged: true}); !errors.Is(err, ErrNoSudo) {
		t.Errorf("got %v, want %v", err, ErrNoSudo)
	}
}

// A command that runs as root is ended as root, even where sudo gives it a terminal of its own.
func TestCancelEndsAPrivilegedCommand(t *testing.T) {
	for _, sudoers := range []string{"", "Defaults use_pty\n"} {
		s := startSudoHost(t, sudoers)
		for _, user := range []string{"free", "asked"} {
			t.Run(user+" "+strings.TrimSpace(sudoers), func(t *testing.T) {
				m := s.connect(t, Config{}, Target{Name: "host", User: user, Become: Sudo, SudoPassword: password("open sesame", new(atomic.Int32))})
				ctx, cancel := context.WithCancel(t.Context())
				started := &firstLine{line: make(chan string, 1)}
				done := make(chan error, 1)
				go func() {
					done <- m.Run(ctx, Command{Argv: []string{"sh", "-c", "echo $$; sleep 1000; :"}, Privileged: true, Stdout: started})
				}()
				pid, err := strconv.Atoi(strings.TrimSpace(<-started.line))
				if err != nil {
					t.Fatal(err)
				}
				cancel()
				ends(t, func() { err = <-done })
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				ends(t, func() {
					for {
						stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
						if err != nil || strings.Contains(string(stat), ") Z ") {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				})
			})
		}
	}
}
