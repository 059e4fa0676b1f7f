package remote

import (
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
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

// serveAgent runs an ssh-agent. It returns the agent's socket, and a counter of connections to it.
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

// x/crypto has no type for refused credentials, so isAuthFailure looks at the text.
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
