package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// dialThrough connects to a server through ssh.
func (s *sshd) dialThrough(t *testing.T, config string, target Target) (*Machine, error) {
	t.Helper()
	d := NewDialer(Config{ConfigFile: config, Master: withoutQuestions, ConnectTimeout: 5 * time.Second})
	t.Cleanup(func() { d.Close() })
	target.Name, target.Client = cmp.Or(target.Name, "host"), OpenSSH
	m, err := d.Dial(t.Context(), target)
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

// What Go's SSH does not have, ssh does.
func TestOpenSSHReachesWhatOnlyItCan(t *testing.T) {
	for _, server := range []string{
		"KexAlgorithms sntrup761x25519-sha512@openssh.com",
		"MACs umac-128-etm@openssh.com\nCiphers aes256-ctr",
		"MaxSessions 2",
		"RekeyLimit 1M",
	} {
		t.Run(server, func(t *testing.T) {
			s := startSSHD(t, server)
			m, err := s.dialThrough(t, s.client(t), Target{})
			if err != nil {
				t.Fatalf("%v\n%s", err, s.log)
			}
			if m.User() != "root" || m.HostKey() != "" {
				t.Errorf("user %s, host key %q", m.User(), m.HostKey())
			}
			data := bytes.Repeat([]byte("0123456789abcde\n"), 1<<18) // 4 MiB, both ways
			out := sha256.New()
			if err := m.Run(t.Context(), Command{Argv: []string{"cat"}, Stdin: bytes.NewReader(data), Stdout: out}); err != nil {
				t.Fatal(err)
			}
			if want := sha256.Sum256(data); !bytes.Equal(out.Sum(nil), want[:]) {
				t.Error("the data arrived changed")
			}
			err = m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "echo reason >&2; exit 7"}})
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Status != 7 || exit.lastLine() != "reason" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// ssh's refusals are those of the built-in client.
func TestOpenSSHRefuses(t *testing.T) {
	s := startSSHD(t)
	other := s.writeKey(t, "other")
	line := func(marker string, key ssh.PublicKey) string {
		return fmt.Sprintf("%s[127.0.0.1]:%d %s", marker, s.port, authorized(key))
	}
	for _, tt := range []struct {
		name   string
		config string // in front of the client's
		known  string // known_hosts; "" is the right one
		target Target
		want   error
	}{
		{"no server", "Host host\n Port 1", "", Target{}, ErrUnreachable},
		{"no such name", "", "", Target{Address: "nowhere.invalid"}, ErrUnreachable},
		{"no key is accepted", "Host *\n IdentityFile " + s.path("other") + "\n IdentitiesOnly yes\n PubkeyAuthentication no", "", Target{}, ErrAuth},
		{"unknown key", "", "# none\n", Target{}, ErrHostKeyUnknown},
		{"unknown key, and nothing is checked", "Host *\n StrictHostKeyChecking no", "# none\n", Target{}, ErrHostKeyUnknown},
		{"changed key", "", line("", other), Target{}, ErrHostKeyChanged},
		{"changed key, and nothing is checked", "Host *\n StrictHostKeyChecking no", line("", other), Target{}, ErrHostKeyChanged},
		{"revoked key", "", line("", s.hostKey) + line("@revoked ", s.hostKey), Target{}, ErrHostKeyRevoked},
		{"another key pinned", "", "", Target{HostKeys: []string{authorized(other)}}, ErrHostKeyChanged},
		{"an authority pinned, and no certificate", "", "", Target{HostKeys: []string{"cert-authority " + authorized(other)}}, ErrHostKeyUnknown},
		{"a fingerprint to accept", "", "", Target{AcceptHostKey: "SHA256:x"}, nil},
		{"an option as the name", "", "", Target{Address: "-oProxyCommand=touch /tmp/evil"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := s.client(t, tt.config)
			if tt.known != "" {
				s.write(t, "known_hosts", tt.known)
			}
			m, err := s.dialThrough(t, config, tt.target)
			switch {
			case err == nil:
				t.Errorf("connected as %s", m.User())
			case tt.want != nil && !errors.Is(err, tt.want):
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A pin alone decides, whatever known_hosts says, and settings for interactive use
// do not get in the way.
func TestOpenSSHWithPinsAndOddSettings(t *testing.T) {
	s := startSSHD(t)
	config := s.client(t, `Host *
	ControlMaster no
	ControlPath none
	RemoteCommand echo no
	RequestTTY force
	PermitLocalCommand yes
	LocalCommand touch `+s.path("touched")+`
	LocalForward 127.0.0.1:1 127.0.0.1:2
	ForwardX11 yes
	LogLevel QUIET
	StrictHostKeyChecking no
	ExitOnForwardFailure yes`)
	s.write(t, "known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", s.port, authorized(s.writeKey(t, "other"))))
	m, err := s.dialThrough(t, config, Target{HostKeys: []string{strings.TrimSpace(authorized(s.hostKey))}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := m.Output(t.Context(), "echo", "$HOME"); err != nil || string(out) != "$HOME\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(s.path("touched")); err == nil {
		t.Error("the LocalCommand ran")
	}
}

// masters returns the processes that hold the socket of a machine.
func masters(t *testing.T, config string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		words, _ := os.ReadFile(file)
		if strings.HasPrefix(string(words), "ssh\x00") && strings.Contains(string(words), config) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// The ssh in the background ends with its machine, and with muster.
func TestOpenSSHLeavesNoProcess(t *testing.T) {
	s := startSSHD(t)
	config := s.client(t)
	for name, end := range map[string]func(*Machine){
		"close": func(m *Machine) { m.Close() },
		// As the kernel does where muster is killed.
		"kill": func(m *Machine) { m.conn.transport.Conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			m, err := s.dialThrough(t, config, Target{})
			if err != nil {
				t.Fatal(err)
			}
			if left := masters(t, config); len(left) != 1 {
				t.Fatalf("%d processes of ssh", len(left))
			}
			end(m)
			for began := time.Now(); len(masters(t, config)) > 0; time.Sleep(20 * time.Millisecond) {
				if time.Since(began) > hangs {
					t.Fatalf("ssh is still there: %v", masters(t, config))
				}
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(socketDir(), "muster-ssh-*", "s")); len(left) > 0 {
		t.Errorf("sockets are left: %v", left)
	}
}

// A machine that has a question waits for the user; one machine at a time asks, and
// machines without a question do not wait.
func TestOpenSSHAsksOneAtATime(t *testing.T) {
	var mu sync.Mutex
	asking, most, asked := 0, 0, 0
	d := NewDialer(Config{ConfigFile: "none", Master: func(_ context.Context, args []string, ask bool) (string, error) {
		if batch := slices.Contains(args, "-oBatchMode=yes"); batch == ask {
			t.Errorf("ask %v with %v", ask, args)
		}
		if !ask {
			return "root@host: Permission denied (keyboard-interactive).", errors.New("exit status 255")
		}
		mu.Lock()
		asking++
		asked++
		most = max(most, asking)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		asking--
		mu.Unlock()
		return "Connection closed by 192.0.2.1 port 22", errors.New("exit status 255")
	}})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			_, err := d.Dial(t.Context(), Target{Name: fmt.Sprintf("host%d", i), Address: "192.0.2.1", Client: OpenSSH})
			if !errors.Is(err, ErrUnreachable) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if most != 1 || asked != 4 {
		t.Errorf("%d asked, up to %d at a time", asked, most)
	}
}

// The passphrase of a key is asked for by ssh.
func TestOpenSSHAsksForAPassphrase(t *testing.T) {
	s := startSSHD(t)
	config := s.client(t)
	block, err := os.ReadFile(s.path("id"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(block)
	if err != nil {
		t.Fatal(err)
	}
	s.writePrivate(t, "id", key, "open sesame")
	s.write(t, "askpass", "#!/bin/sh\necho 'open sesame'\n")
	os.Chmod(s.path("askpass"), 0o700)
	t.Setenv("SSH_ASKPASS", s.path("askpass"))
	t.Setenv("SSH_ASKPASS_REQUIRE", "force")
	d := NewDialer(Config{ConfigFile: config, Master: func(ctx context.Context, args []string, ask bool) (string, error) {
		return withoutQuestions(ctx, args, false)
	}})
	m, err := d.Dial(t.Context(), Target{Name: "host", Client: OpenSSH})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Run(t.Context(), Command{Argv: []string{"true"}, Stdout: io.Discard}); err != nil {
		t.Error(err)
	}
}

// The arguments for ssh itself reach a machine by its pins and options alone, wherever the pins are.
func TestSSHArgs(t *testing.T) {
	s := startSSHD(t)
	dir := filepath.Join(t.TempDir(), `a "b" 100% c`)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	pins := filepath.Join(dir, "pins")
	keys := []string{authorized(s.hostKey)}
	if err := os.WriteFile(pins, PinLines(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	target := Target{Name: "127.0.0.1", Port: s.port, HostKeys: keys, Jump: "none", Options: map[string]string{"identityfile": s.path("id"), "identitiesonly": "yes"}}
	args, err := NewDialer(Config{ConfigFile: "none"}).SSHArgs(t.Context(), target, pins)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh", append(args, "echo", "reached")...).CombinedOutput()
	if err != nil || string(out) != "reached\n" {
		t.Errorf("ssh %q: %s%v", args, out, err)
	}
}

// The block of a machine reaches it under a name.
func TestSSHBlock(t *testing.T) {
	s := startSSHD(t)
	pins := filepath.Join(t.TempDir(), "pins")
	keys := []string{authorized(s.hostKey)}
	if err := os.WriteFile(pins, PinLines(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	target := Target{Name: "big", Address: "127.0.0.1", Port: s.port, HostKeys: keys, Jump: "none", Options: map[string]string{"identityfile": s.path("id"), "identitiesonly": "yes"}}
	block, err := NewDialer(Config{ConfigFile: "none"}).SSHBlock(t.Context(), "big", target, pins)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh", "-F", config, "big", "echo", "reached").CombinedOutput()
	if err != nil || string(out) != "reached\n" {
		t.Errorf("%s: %s%v", block, out, err)
	}
}
