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
	s := startSSHDIn(t, map[string]string{"/etc/passwd": testPasswd, "/etc/shadow": testShadow, "/etc/sudoers": sudoers + testSudoers})
	// sshd reads them as the user who logs in.
	for _, f := range []string{filepath.Dir(s.dir), s.dir, s.path("authorized_keys"), s.path("etc_etc_passwd")} {
		if err := os.Chmod(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(s.path("etc_etc_sudoers"), 0o440); err != nil {
		t.Fatal(err)
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
		{"without password", Target{User: "free", Sudo: true, SudoPassword: password("wrong", &never)}, nil},
		{"with password", Target{User: "asked", Sudo: true, SudoPassword: password("open sesame", &asked)}, nil},
		{"wrong password", Target{User: "asked", Sudo: true, SudoPassword: password("open up", &asked)}, ErrSudoPassword},
		{"two lines", Target{User: "asked", Sudo: true, SudoPassword: password("open sesame\nid", &asked)}, ErrSudoPassword},
		{"no password to give", Target{User: "asked", Sudo: true}, ErrSudoPassword},
		{"not in sudoers", Target{User: "plain", Sudo: true, SudoPassword: password("open sesame", &asked)}, ErrNoSudo},
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

func TestNoSudoInstalled(t *testing.T) {
	s := startSSHDIn(t, map[string]string{"/etc/passwd": testPasswd, "/etc/shadow": testShadow, "/usr/bin/sudo": "#!/nonexistent\n"})
	for _, f := range []string{filepath.Dir(s.dir), s.dir, s.path("authorized_keys"), s.path("etc_etc_passwd")} {
		if err := os.Chmod(f, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := s.connect(t, Config{}, Target{Name: "host", User: "free", Sudo: true})
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
				m := s.connect(t, Config{}, Target{Name: "host", User: user, Sudo: true, SudoPassword: password("open sesame", new(atomic.Int32))})
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
				within(t, abortLimit+time.Second, func() { err = <-done })
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
					t.Errorf("still there: %s", stat)
				}
			})
		}
	}
}
