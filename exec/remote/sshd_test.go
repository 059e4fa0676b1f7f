package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/nixcmd"
)

// An sshd is a real OpenSSH server on 127.0.0.1 with keys of its own.
type sshd struct {
	dir     string // its configuration, and the client's
	port    int
	hostKey ssh.PublicKey
	cmd     *exec.Cmd
	log     logFile
}

// startSSHD starts one, which accepts the key dir/id for root. extra comes first in its configuration.
func startSSHD(t *testing.T, extra ...string) *sshd {
	t.Helper()
	return startSSHDIn(t, nil, extra...)
}

// startSSHDIn starts one in a mount namespace of its own, in which the files named by etc hold these texts.
func startSSHDIn(t *testing.T, etc map[string]string, extra ...string) *sshd {
	t.Helper()
	return startSSHDWith(t, etc, true, extra...)
}

// startSSHDAlone starts one that has no host key but those of extra.
func startSSHDAlone(t *testing.T, extra ...string) *sshd {
	t.Helper()
	return startSSHDWith(t, nil, false, extra...)
}

func startSSHDWith(t *testing.T, etc map[string]string, ownKey bool, extra ...string) *sshd {
	t.Helper()
	path, err := exec.LookPath(*sshdProgram)
	if err != nil {
		t.Skip("no sshd on this machine")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to log in as root")
	}
	os.MkdirAll("/run/sshd", 0o755)
	s := &sshd{dir: t.TempDir()}
	s.log = logFile(s.path("log"))
	s.hostKey = s.writeKey(t, "host_ed25519")
	s.write(t, "authorized_keys", authorized(s.writeKey(t, "id")))
	for try := 0; ; try++ {
		s.port = freePort(t)
		hostKey := ""
		if ownKey {
			hostKey = "HostKey " + s.path("host_ed25519")
		}
		if session := filepath.Join(filepath.Dir(path), "sshd-session"); path != "/usr/sbin/sshd" {
			hostKey += "\nSshdSessionPath " + session + "\nSshdAuthPath " + filepath.Join(filepath.Dir(path), "sshd-auth")
		}
		config := strings.Join(extra, "\n") + fmt.Sprintf(`
ListenAddress 127.0.0.1
Port %d
%s
AuthorizedKeysFile %s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
`, s.port, hostKey, s.dir)
		s.write(t, "sshd_config", config)
		s.cmd = exec.Command(path, "-D", "-e", "-f", s.path("sshd_config"))
		if len(etc) > 0 {
			argv := []string{"--mount", "--propagation", "private", "sh", "testdata/bindmounts.sh"}
			for file, text := range etc {
				name := "etc" + strings.ReplaceAll(file, "/", "_")
				s.write(t, name, text)
				argv = append(argv, s.path(name), file)
			}
			s.cmd = exec.Command("unshare", append(append(argv, "--"), s.cmd.Args...)...)
		}
		// A file, because the server's children would keep a pipe open.
		log, err := os.Create(string(s.log))
		if err != nil {
			t.Fatal(err)
		}
		s.cmd.Stderr = log
		err = s.cmd.Start()
		log.Close()
		if err != nil {
			t.Fatal(err)
		}
		if s.answers() {
			break
		}
		s.cmd.Process.Kill()
		s.cmd.Wait()
		if try == 2 {
			t.Fatalf("sshd does not start: %s", s.log)
		}
	}
	t.Cleanup(s.stop)
	return s
}

// A logFile is the log of a server.
type logFile string

func (l logFile) String() string {
	text, err := os.ReadFile(string(l))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *sshd) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *sshd) answers() bool {
	for range 1500 {
		if c, err := net.Dial("tcp", s.addr()); err == nil {
			c.Close()
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

func (s *sshd) addr() string            { return fmt.Sprintf("127.0.0.1:%d", s.port) }
func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeKey makes a key pair NAME and NAME.pub.
func (s *sshd) writeKey(t *testing.T, name string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, string(pem.EncodeToMemory(block)))
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name+".pub", authorized(key))
	return key
}

func authorized(key ssh.PublicKey) string { return string(ssh.MarshalAuthorizedKey(key)) }

// client writes an ssh configuration that reaches this server as "host", and knows its key. lines come first.
func (s *sshd) client(t *testing.T, lines ...string) string {
	t.Helper()
	s.write(t, "known_hosts", fmt.Sprintf("[127.0.0.1]:%d %s", s.port, authorized(s.hostKey)))
	s.write(t, "config", strings.Join(lines, "\n")+fmt.Sprintf(`
Host host
	HostName 127.0.0.1
	Port %d
Host *
	User root
	IdentityFile %s/id
	IdentitiesOnly yes
	IdentityAgent none
	UserKnownHostsFile %s/known_hosts
	GlobalKnownHostsFile none
`, s.port, s.dir, s.dir))
	return s.path("config")
}

// throughOpenSSH has every test connect through the system's ssh.
var throughOpenSSH = flag.Bool("openssh", false, "connect through the system's ssh")

// withoutQuestions is a [Master] without a terminal.
func withoutQuestions(ctx context.Context, args []string, ask bool) (string, error) {
	if ask {
		return "", ErrNoQuestions
	}
	return nixcmd.OpenSSH(ctx, args)
}

// connect dials "host", and closes everything when the test ends.
func (s *sshd) connect(t *testing.T, c Config, target Target) *Machine {
	t.Helper()
	if c.ConfigFile == "" {
		c.ConfigFile = s.client(t)
	}
	if *throughOpenSSH {
		target.Client, c.Master = OpenSSH, withoutQuestions
	}
	d := NewDialer(c)
	t.Cleanup(func() { d.Close() })
	if target.Name == "" {
		target.Name = "host"
	}
	m, err := d.Dial(t.Context(), target)
	if err != nil {
		t.Fatalf("%v\nsshd: %s", err, s.log)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// hangs is after which time something counts as hanging. What a test starts for it lasts longer.
const hangs = 2 * time.Minute

// ends fails the test if f hangs.
func ends(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(hangs):
		t.Fatalf("not done after %v", hangs)
	}
}

func shortContext(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func newTestKey() (ed25519.PrivateKey, ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	key, err := ssh.NewPublicKey(public)
	return private, key, err
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
