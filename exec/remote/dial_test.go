package remote

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func dialOnce(t *testing.T, c Config, target Target) error {
	t.Helper()
	d := NewDialer(c)
	defer d.Close()
	m, err := d.Dial(t.Context(), target)
	if err != nil {
		return err
	}
	defer m.Close()
	if out, err := m.Output(t.Context(), "echo", "in"); err != nil || string(out) != "in\n" {
		t.Errorf("let in, but: %q, %v", out, err)
	}
	return nil
}

// serveAgent runs an ssh-agent and returns its socket and how often it was connected to.
func serveAgent(t *testing.T, keys ...agent.AddedKey) (socket string, connections *atomic.Int32) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(k); err != nil {
			t.Fatal(err)
		}
	}
	socket = filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	connections = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer c.Close()
				agent.ServeAgent(ring, c)
			}()
		}
	}()
	return socket, connections
}

func rawKey(t *testing.T, file string) crypto.PrivateKey {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.PrivateKey)
}

// signCert makes a certificate for key.
func signCert(t *testing.T, ca string, key ssh.PublicKey, kind uint32, principals ...string) *ssh.Certificate {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(rawKey(t, ca))
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: key, CertType: kind, KeyId: "test", ValidPrincipals: principals, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	return cert
}

func (s *sshd) writePrivate(t *testing.T, name string, key crypto.PrivateKey, passphrase string) ssh.PublicKey {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

func TestAuth(t *testing.T) {
	s := startSSHD(t)
	ca := s.writeKey(t, "ca")
	s.write(t, "authorized_keys", authorized(mustPublic(t, s.path("id"))))
	s.stop()
	s = restart(t, s, "TrustedUserCAKeys "+s.path("ca.pub"))
	_ = ca
	other := s.writeKey(t, "other")
	withCert := s.writeKey(t, "certified")
	cert := signCert(t, s.path("ca"), withCert, ssh.UserCert, "root")
	s.write(t, "certified-cert.pub", authorized(cert))
	s.writePrivate(t, "locked", rawKey(t, s.path("id")), "open sesame")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaPub, ecPub := s.writePrivate(t, "rsa", rsaKey, ""), s.writePrivate(t, "ec", ecKey, "")
	rsaLocked := s.writePrivate(t, "rsa_locked", rsaKey, "open sesame")
	_ = rsaLocked
	s.write(t, "authorized_keys", authorized(mustPublic(t, s.path("id")))+authorized(rsaPub)+authorized(ecPub))

	full, connections := serveAgent(t, agent.AddedKey{PrivateKey: rawKey(t, s.path("other"))}, agent.AddedKey{PrivateKey: rawKey(t, s.path("id"))})
	certAgent, _ := serveAgent(t, agent.AddedKey{PrivateKey: rawKey(t, s.path("certified")), Certificate: cert})
	certKeyAgent, _ := serveAgent(t, agent.AddedKey{PrivateKey: rawKey(t, s.path("certified"))})
	s.write(t, "pubonly.pub", authorized(mustPublic(t, s.path("id"))))
	s.write(t, "garbage", "this is no key\n")

	passphrase := func(text string) func(context.Context, string) ([]byte, error) {
		return func(context.Context, string) ([]byte, error) { return []byte(text), nil }
	}
	for _, tt := range []struct {
		name   string
		config string
		pass   func(context.Context, string) ([]byte, error)
		want   []string // parts of the AuthError; none: let in
	}{
		{"ed25519 file", "IdentityFile DIR/id", nil, nil},
		{"rsa file", "IdentityFile DIR/rsa", nil, nil},
		{"ecdsa file", "IdentityFile DIR/ec", nil, nil},
		{"second of two files", "IdentityFile DIR/other\nIdentityFile DIR/id", nil, nil},
		{"wrong file", "IdentityFile DIR/other", nil, []string{"refuses user root with DIR/other " + fingerprint(other).String()}},
		{"no file", "IdentityFile DIR/nothing", nil, []string{"no key to offer"}},
		{"no key in file", "IdentityFile DIR/garbage", nil, []string{"no key to offer; read key DIR/garbage: "}},
		{"agent", "IdentityFile none\nIdentitiesOnly no\nIdentityAgent " + full, nil, nil},
		{"agent, key is not configured", "IdentityFile DIR/other\nIdentitiesOnly yes\nIdentityAgent " + full, nil, []string{"with agent " + fingerprint(other).String()}},
		{"agent, public key is configured", "IdentityFile DIR/pubonly\nIdentitiesOnly yes\nIdentityAgent " + full, nil, nil},
		{"agent, public key file is configured", "IdentityFile DIR/pubonly.pub\nIdentitiesOnly yes\nIdentityAgent " + full, nil, nil},
		{"agent is not there", "IdentityFile DIR/other\nIdentityAgent DIR/nothing", nil, []string{"ssh-agent DIR/nothing: "}},
		{"public key without agent", "IdentityFile DIR/pubonly", nil, []string{"DIR/pubonly is a public key whose private key no ssh-agent has"}},
		{"encrypted, agent has it", "IdentityFile DIR/locked\nIdentitiesOnly yes\nIdentityAgent " + full, nil, nil},
		{"encrypted, passphrase", "IdentityFile DIR/locked", passphrase("open sesame"), nil},
		{"encrypted rsa, passphrase", "IdentityFile DIR/rsa_locked", passphrase("open sesame"), nil},
		{"encrypted, wrong passphrase", "IdentityFile DIR/locked", passphrase("hello"), []string{"unlock key DIR/locked: wrong passphrase"}},
		{"encrypted, nobody to ask", "IdentityFile DIR/locked", nil, []string{"DIR/locked is encrypted and not in an ssh-agent"}},
		{"certificate beside the key", "IdentityFile DIR/certified", nil, nil},
		{"certificate configured", "IdentityFile DIR/certified\nCertificateFile DIR/certified-cert.pub", nil, nil},
		{"certificate in the agent", "IdentityFile none\nIdentitiesOnly no\nIdentityAgent " + certAgent, nil, nil},
		{"certificate file, key in the agent", "IdentityFile none\nIdentitiesOnly no\nCertificateFile DIR/certified-cert.pub\nIdentityAgent " + certKeyAgent, nil, nil},
		{"user without", "User nobody\nIdentityFile DIR/other", nil, []string{"refuses user nobody"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := func(text string) string { return strings.ReplaceAll(text, "DIR", s.dir) }
			s.client(t)
			s.write(t, "auth_config", dir(tt.config)+fmt.Sprintf("\nPort %d\nHostName 127.0.0.1\nUserKnownHostsFile %s/known_hosts\nIdentityAgent none\n", s.port, s.dir))
			err := dialOnce(t, Config{ConfigFile: s.path("auth_config"), Passphrase: tt.pass}, Target{Name: "host"})
			if tt.want == nil {
				if err != nil {
					t.Errorf("not let in: %v", err)
				}
				return
			}
			var auth *AuthError
			if !errors.Is(err, ErrAuth) || !errors.As(err, &auth) {
				t.Fatalf("got %v, want %v", err, ErrAuth)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), dir(part)) {
					t.Errorf("got  %v\nwant %s", err, dir(part))
				}
			}
		})
	}

	t.Run("one agent connection for all dials", func(t *testing.T) {
		s.write(t, "auth_config", fmt.Sprintf("IdentityAgent %s\nIdentityFile none\nPort %d\nHostName 127.0.0.1\nUserKnownHostsFile %s/known_hosts\n", full, s.port, s.dir))
		connections.Store(0)
		d := NewDialer(Config{ConfigFile: s.path("auth_config")})
		defer d.Close()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				m, err := d.Dial(t.Context(), Target{Name: "host"})
				if err != nil {
					t.Error(err)
					return
				}
				m.Close()
			})
		}
		wg.Wait()
		if n := connections.Load(); n != 1 {
			t.Errorf("%d connections to the agent, want 1", n)
		}
	})
}

func mustPublic(t *testing.T, file string) ssh.PublicKey {
	t.Helper()
	key, err := ssh.NewSignerFromKey(rawKey(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return key.PublicKey()
}

// restart starts an sshd like s, with more configuration, in its place.
func restart(t *testing.T, s *sshd, extra ...string) *sshd {
	t.Helper()
	n := startSSHD(t, extra...)
	for _, name := range []string{"id", "ca", "ca.pub"} {
		if data, err := os.ReadFile(s.path(name)); err == nil {
			n.write(t, name, string(data))
		}
	}
	n.write(t, "authorized_keys", authorized(mustPublic(t, n.path("id"))))
	return n
}

// x/crypto has no type for refused credentials.
func TestIsAuthFailure(t *testing.T) {
	for _, tt := range []struct {
		text    string
		trusted bool
		want    bool
	}{
		{"ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain", true, true},
		{"ssh: handshake failed: ssh: disconnect, reason 2: Too many authentication failures", true, true},
		{"ssh: handshake failed: ssh: no common algorithm for host key", false, false},
	} {
		if got := isAuthFailure(errors.New(tt.text), tt.trusted); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.text, got, tt.want)
		}
	}
	if isAuthFailure(fmt.Errorf("ssh: handshake failed: %w", io.EOF), true) {
		t.Error("a connection that broke is not an authentication failure")
	}
}

func TestUnreachable(t *testing.T) {
	listen := func(serve func(net.Conn)) int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go serve(c)
			}
		}()
		return l.Addr().(*net.TCPAddr).Port
	}
	hold := func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }
	for _, tt := range []struct {
		name string
		port int
		want string
	}{
		{"refused", freePort(t), "connection refused"},
		{"silent", listen(hold), "accepted the connection but did not finish the SSH handshake within 500ms"},
		{"stops after its version", listen(func(c net.Conn) { c.Write([]byte("SSH-2.0-Test\r\n")); hold(c) }), "accepted the connection but did not finish the SSH handshake within 500ms"},
		{"hangs up", listen(func(c net.Conn) { c.Close() }), "keeps closing the connection (tried for 500ms)"},
		{"hangs up after its version", listen(func(c net.Conn) { c.Write([]byte("SSH-2.0-Test\r\n")); c.Close() }), "keeps closing the connection (tried for 500ms)"},
		{"not ssh", listen(func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); c.Close() }), "unreachable: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			within(t, 1500*time.Millisecond, func() {
				err = dialOnce(t, Config{ConfigFile: "none", ConnectTimeout: 500 * time.Millisecond}, Target{Name: "web1", Address: "127.0.0.1", Port: tt.port})
			})
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("no such name", func(t *testing.T) {
		err := dialOnce(t, Config{ConfigFile: "none", ConnectTimeout: 2 * time.Second}, Target{Name: "web1.invalid"})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx := shortContext(t, 200*time.Millisecond)
		var err error
		within(t, time.Second, func() {
			_, err = NewDialer(Config{ConfigFile: "none"}).Dial(ctx, Target{Address: "127.0.0.1", Port: listen(hold)})
		})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	t.Run("bad names", func(t *testing.T) {
		for _, name := range []string{"", "-oProxyCommand=x", "a b", "a\nb"} {
			if err := dialOnce(t, Config{ConfigFile: "none"}, Target{Address: name}); err == nil || errors.Is(err, ErrUnreachable) {
				t.Errorf("%q: got %v", name, err)
			}
		}
	})
}

// sshd drops connections when too many wait to be let in. All get in, in time.
func TestManyDialsPastMaxStartups(t *testing.T) {
	s := startSSHD(t, "MaxStartups 2:100:2")
	d := NewDialer(Config{ConfigFile: s.client(t)})
	defer d.Close()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			m, err := d.Dial(t.Context(), Target{Name: "host"})
			if err != nil {
				t.Error(err)
				return
			}
			m.Close()
		})
	}
	wg.Wait()
	if !strings.Contains(s.log.String(), "MaxStartups") {
		t.Errorf("sshd has dropped none: the test shows nothing\n%s", s.log)
	}
}

func TestJumpHosts(t *testing.T) {
	target, bastion, front := startSSHD(t), startSSHD(t), startSSHD(t)
	known := func(s *sshd) string { return fmt.Sprintf("[127.0.0.1]:%d %s", s.port, authorized(s.hostKey)) }
	section := func(name string, s *sshd) string {
		return fmt.Sprintf("Host %s\n\tHostName 127.0.0.1\n\tPort %d\n\tUser root\n\tIdentityFile %s/id\n", name, s.port, s.dir)
	}
	target.write(t, "known_hosts", known(target)+known(bastion)+known(front))
	config := func(t *testing.T, head string) string {
		target.write(t, "jump_config", head+"\n"+section("target", target)+section("bastion", bastion)+section("front", front)+
			fmt.Sprintf("Host *\n\tIdentityAgent none\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s/known_hosts\n", target.dir))
		return target.path("jump_config")
	}
	for _, tt := range []struct {
		name, head, jump string
		bastion, front   bool // the way leads through
		want             string
	}{
		{"configured", "Host target\n\tProxyJump bastion", "", true, false, ""},
		{"from the inventory", "", "bastion", true, false, ""},
		{"with user and port", "", fmt.Sprintf("root@bastion:%d", bastion.port), true, false, ""},
		{"as an address", fmt.Sprintf("Match host 127.0.0.1\n\tIdentityFile %s/id", bastion.dir), fmt.Sprintf("ssh://root@127.0.0.1:%d", bastion.port), true, false, ""},
		{"chain", "", "front,bastion", true, true, ""},
		{"bastion has its own", "Host target\n\tProxyJump bastion\nHost bastion\n\tProxyJump front", "", true, true, ""},
		{"none in the inventory", "Host target\n\tProxyJump bastion", "none", false, false, ""},
		{"none in front", "Host target\n\tProxyJump none\nHost *\n\tProxyJump bastion", "", false, false, ""},
		{"in a circle", "Host target\n\tProxyJump bastion\nHost bastion\n\tProxyJump front\nHost front\n\tProxyJump bastion", "", false, false, "circle"},
		{"through itself", "Host *\n\tProxyJump bastion", "", false, false, "circle"},
		{"user refused by bastion", "", "nobody@bastion", false, false, "jump host 127.0.0.1:"},
		{"not a jump host", "", "bastion:port", false, false, "not a port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := func(s *sshd) int { return strings.Count(s.log.String(), "Accepted publickey") }
			b, f := before(bastion), before(front)
			err := dialOnce(t, Config{ConfigFile: config(t, tt.head)}, Target{Name: "target", Jump: tt.jump})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := before(bastion) > b; got != tt.bastion {
				t.Errorf("through bastion: %v, want %v", got, tt.bastion)
			}
			if got := before(front) > f; got != tt.front {
				t.Errorf("through front: %v, want %v", got, tt.front)
			}
		})
	}

	t.Run("unreachable behind it", func(t *testing.T) {
		err := dialOnce(t, Config{ConfigFile: config(t, ""), ConnectTimeout: 3 * time.Second},
			Target{Name: "web1", Address: "127.0.0.1", Port: freePort(t), Jump: "bastion"})
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "Connection refused") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("silent behind it", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		within(t, 4*time.Second, func() {
			err = dialOnce(t, Config{ConfigFile: config(t, ""), ConnectTimeout: 2 * time.Second},
				Target{Name: "web1", Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Jump: "bastion"})
		})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("shared, and closed by the last", func(t *testing.T) {
		before := strings.Count(bastion.log.String(), "Accepted publickey")
		d := NewDialer(Config{ConfigFile: config(t, "")})
		defer d.Close()
		machines := make([]*Machine, 6)
		var wg sync.WaitGroup
		for i := range machines {
			wg.Go(func() {
				m, err := d.Dial(t.Context(), Target{Name: "target", Jump: "bastion"})
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { m.Close() })
				machines[i] = m
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		if n := strings.Count(bastion.log.String(), "Accepted publickey") - before; n != 1 {
			t.Errorf("%d connections to the jump host, want 1", n)
		}
		for i, m := range machines {
			if out, err := m.Output(t.Context(), "echo", "in"); err != nil || string(out) != "in\n" {
				t.Errorf("machine %d: %q, %v", i, out, err)
			}
			m.Close()
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.jumps) != 0 {
			t.Errorf("still open: %v", d.jumps)
		}
	})
}

// A line is a TCP proxy to an sshd that can go dead.
type deadLine struct {
	l      net.Listener
	frozen atomic.Bool
	mu     sync.Mutex
	conns  []net.Conn
}

func newLine(t *testing.T, to string) *deadLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &deadLine{l: l}
	t.Cleanup(func() { l.Close(); p.cut() })
	pump := func(dst, src net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			for p.frozen.Load() {
				time.Sleep(10 * time.Millisecond)
			}
			if n > 0 {
				if _, err := dst.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		dst.Close()
		src.Close()
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go pump(in, out)
			go pump(out, in)
		}
	}()
	return p
}

func (p *deadLine) port() int { return p.l.Addr().(*net.TCPAddr).Port }

func (p *deadLine) cut() {
	p.frozen.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
}

func throughLine(t *testing.T, keepAlive time.Duration) (*Machine, *deadLine) {
	t.Helper()
	s := startSSHD(t)
	p := newLine(t, s.addr())
	m := s.connect(t, Config{KeepAlive: keepAlive}, Target{Name: "host", Port: p.port(), HostKeys: []string{authorized(s.hostKey)}})
	return m, p
}

// The link dies without a word: whoever waits is told, after three unanswered questions.
func TestKeepAliveFindsADeadLink(t *testing.T) {
	m, link := throughLine(t, 200*time.Millisecond)
	stream, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // alive, if idle
	if out, err := m.Output(t.Context(), "echo", "alive"); err != nil || string(out) != "alive\n" {
		t.Fatalf("%q, %v", out, err)
	}
	link.frozen.Store(true)
	within(t, 3*time.Second, func() {
		for name, f := range map[string]func() error{
			"run":    func() error { return m.Run(t.Context(), Command{Argv: []string{"true"}}) },
			"stream": func() error { io.ReadAll(stream.Stdout); return stream.Wait() },
		} {
			if err := f(); !errors.Is(err, ErrConnectionLost) || !strings.Contains(err.Error(), "no answer for") {
				t.Errorf("%s: got %v, want %v", name, err, ErrConnectionLost)
			}
		}
	})
	if _, err := stream.Stdin.Write([]byte("x")); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("write: got %v", err)
	}
	if err := m.Run(t.Context(), Command{Argv: []string{"true"}}); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("afterwards: got %v", err)
	}
}

// Busy is not dead: a keepalive waits its turn behind what is sent, and what comes back counts.
func TestKeepAliveLeavesABusyLinkAlone(t *testing.T) {
	m, _ := throughLine(t, 100*time.Millisecond)
	var out countBytes
	if err := m.Run(t.Context(), Command{Argv: []string{"cat"}, Stdin: io.LimitReader(zeros{}, 64<<20), Stdout: &out}); err != nil || out != 64<<20 {
		t.Errorf("%d bytes, %v", out, err)
	}
}

type countBytes int64

func (c *countBytes) Write(p []byte) (int, error) { *c += countBytes(len(p)); return len(p), nil }

// On a dead link a cancelled Run comes back even before the keepalive has noticed.
func TestCancelOnADeadLink(t *testing.T) {
	m, link := throughLine(t, -1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	started := &firstLine{line: make(chan string, 1)}
	go func() {
		done <- m.Run(ctx, Command{Argv: []string{"sh", "-c", "echo; sleep 30"}, Stdout: started})
	}()
	<-started.line
	link.frozen.Store(true)
	go func() { done <- m.Run(ctx, Command{Argv: []string{"true"}}) }()
	time.Sleep(100 * time.Millisecond)
	cancel()
	within(t, abortLimit+time.Second, func() {
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		}
	})
	within(t, time.Second, func() { m.Close() })
}

func TestConnectionCut(t *testing.T) {
	m, link := throughLine(t, 0)
	started := &firstLine{line: make(chan string, 1)}
	done := make(chan error, 1)
	go func() {
		done <- m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "echo; sleep 5"}, Stdout: started})
	}()
	<-started.line
	link.cut()
	var err error
	within(t, 2*time.Second, func() { err = <-done })
	if !errors.Is(err, ErrConnectionLost) {
		t.Errorf("got %v, want %v", err, ErrConnectionLost)
	}
	<-m.Lost()
}

// Closing a machine ends what waits on it.
func TestCloseEndsRun(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	done := make(chan error, 1)
	go func() { done <- m.Run(t.Context(), Command{Argv: []string{"sleep", "5"}}) }()
	time.Sleep(200 * time.Millisecond)
	m.Close()
	var err error
	within(t, 2*time.Second, func() { err = <-done })
	if !errors.Is(err, ErrConnectionLost) {
		t.Errorf("got %v, want %v", err, ErrConnectionLost)
	}
}

// A server that allows fewer sessions than we would use is waited for.
func TestFewSessions(t *testing.T) {
	m := startSSHD(t, "MaxSessions 2").connect(t, Config{}, Target{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := m.Run(t.Context(), Command{Argv: []string{"sleep", "0.1"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestNoGoroutineIsLeft(t *testing.T) {
	s, bastion := startSSHD(t), startSSHD(t)
	config := s.client(t, fmt.Sprintf("Host bastion\n\tHostName 127.0.0.1\n\tPort %d\n\tIdentityFile %s/id", bastion.port, bastion.dir))
	known, _ := os.ReadFile(s.path("known_hosts"))
	s.write(t, "known_hosts", string(known)+fmt.Sprintf("[127.0.0.1]:%d %s", bastion.port, authorized(bastion.hostKey)))
	socket, _ := serveAgent(t)
	before := runtime.NumGoroutine()
	d := NewDialer(Config{ConfigFile: config, KeepAlive: 50 * time.Millisecond})
	d.agents.signers(t.Context(), socket)
	for _, jump := range []string{"none", "bastion"} {
		m, err := d.Dial(t.Context(), Target{Name: "host", Jump: jump})
		if err != nil {
			t.Fatal(err)
		}
		m.Output(t.Context(), "echo")
		m.Run(shortContext(t, 300*time.Millisecond), Command{Argv: []string{"sleep", "20"}})
		stream, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}})
		if err != nil {
			t.Fatal(err)
		}
		stream.Close()
		if _, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}}); err != nil { // left to Close
			t.Fatal(err)
		}
		m.Close()
	}
	dialOnceSilent(t, d)
	d.Close()
	for range 300 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	var stacks bytes.Buffer
	buf := make([]byte, 1<<20)
	stacks.Write(buf[:runtime.Stack(buf, true)])
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, &stacks)
}

func dialOnceSilent(t *testing.T, d *Dialer) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := d.Dial(shortContext(t, 100*time.Millisecond), Target{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Error("a silent server let us in")
	}
}
