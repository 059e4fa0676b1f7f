package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

func TestHostKeys(t *testing.T) {
	// A server with three kinds of keys and a certificate: the client chooses which one the server presents.
	s := startSSHD(t)
	s.stop()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := s // holds the files the running server uses
	rsaPub, ecPub := keys.writePrivate(t, "host_rsa", rsaKey, ""), keys.writePrivate(t, "host_ec", ecKey, "")
	ca, other := keys.writeKey(t, "ca"), keys.writeKey(t, "other")
	keys.writeKey(t, "host_cert")
	certified := mustPublic(t, keys.path("host_cert"))
	keys.write(t, "host_cert-cert.pub", authorized(signCert(t, keys.path("ca"), certified, ssh.HostCert, "127.0.0.1", "web.example")))
	plain := startSSHD(t, "HostKey "+keys.path("host_rsa"), "HostKey "+keys.path("host_ec"))
	withCert := startSSHD(t, "HostKey "+keys.path("host_ec"), "HostKey "+keys.path("host_cert"), "HostCertificate "+keys.path("host_cert-cert.pub"))
	ed := plain.hostKey

	hashed := func(name string) string {
		salt := []byte("0123456789abcdefghij")
		return fmt.Sprintf("|1|%s|%s", b64(salt), b64(hashName(name, salt)))
	}
	name := fmt.Sprintf("[127.0.0.1]:%d", plain.port)
	line := func(names string, key ssh.PublicKey) string { return names + " " + authorized(key) }
	for _, tt := range []struct {
		name    string
		server  *sshd
		known   string   // known_hosts
		config  []string // more of it
		pinned  []string
		want    error
		message string
	}{
		{"known", plain, line(name, ed), nil, nil, nil, ""},
		{"only rsa known", plain, line(name, rsaPub), nil, nil, nil, ""},
		{"only ecdsa known", plain, line(name, ecPub), nil, nil, nil, ""},
		{"hashed", plain, line(hashed(name), ed), nil, nil, nil, ""},
		{"one of several names", plain, line("web1,"+name+",10.0.0.1", ed), nil, nil, nil, ""},
		{"pattern", plain, line("[127.0.0.*]:*", ed), nil, nil, nil, ""},
		{"negated pattern", plain, line("[127.0.0.*]:*,!"+name, ed), nil, nil, ErrHostKeyUnknown, ""},
		{"without its port", plain, line("127.0.0.1", ed), nil, nil, nil, ""},
		{"another key without the port", plain, line("127.0.0.1", other), nil, nil, ErrHostKeyUnknown, ""},
		{"second line fits", plain, line(name, other) + line(name, ed), nil, nil, nil, ""},
		{"after nonsense", plain, "# comment\n\nnonsense\n" + name + " ssh-ed25519 AAAA\n@whatever " + line(name, other) + line(name, ed), nil, nil, nil, ""},
		{"unknown", plain, line("web1", ed), nil, nil, ErrHostKeyUnknown, "host key unknown: NAME offers ssh-ed25519 SHA256:"},
		{"no file", plain, "", []string{"UserKnownHostsFile DIR/nothing"}, nil, ErrHostKeyUnknown, "no key for it in DIR/nothing"},
		{"unknown, checking switched off", plain, "", []string{"StrictHostKeyChecking no"}, nil, ErrHostKeyUnknown, "StrictHostKeyChecking no is not honoured here"},
		{"unknown, asking", plain, "", []string{"StrictHostKeyChecking ask"}, nil, ErrHostKeyUnknown, ""},
		{"changed", plain, "#\n" + line(name, other), nil, nil, ErrHostKeyChanged, "want " + fingerprint(other).String() + " (DIR/known_hosts:2)"},
		{"changed, other kind", plain, line(name, other), []string{"HostKeyAlgorithms ecdsa-sha2-nistp256"}, nil, ErrHostKeyChanged, fingerprint(ecPub).String()},
		{"changed, checking switched off", plain, line(name, other), []string{"StrictHostKeyChecking no"}, nil, ErrHostKeyChanged, ""},
		{"changed, accepting new", plain, line(name, other), []string{"StrictHostKeyChecking accept-new"}, nil, ErrHostKeyChanged, ""},
		{"revoked", plain, "@revoked " + line("*", ed) + line(name, ed), nil, nil, ErrHostKeyRevoked, "(DIR/known_hosts:1)"},
		{"revoked elsewhere", plain, "@revoked " + line("web1", ed) + line(name, ed), nil, nil, nil, ""},
		{"alias", plain, line("web1", ed), []string{"HostKeyAlias web1"}, nil, nil, ""},
		{"alias, unknown", plain, line(name, ed), []string{"HostKeyAlias web1"}, nil, ErrHostKeyUnknown, "web1 offers"},
		{"second file", plain, line(name, ed), []string{"UserKnownHostsFile DIR/nothing DIR/known_hosts"}, nil, nil, ""},
		{"configured algorithms leave the known key out", plain, line(name, ed), []string{"HostKeyAlgorithms -ssh-ed25519"}, nil, ErrHostKeyChanged, ""},
		{"pinned", plain, line(name, other), nil, []string{authorized(ed)}, nil, ""},
		{"pinned rsa, with comment", plain, "", nil, []string{strings.TrimSpace(authorized(rsaPub)) + " web1"}, nil, ""},
		{"one of two pinned", plain, "", nil, []string{authorized(other), authorized(ed)}, nil, ""},
		{"another pinned", plain, line(name, ed), nil, []string{authorized(other)}, ErrHostKeyChanged, "(inventory:1)"},
		{"authority pinned", withCert, "", nil, []string{"cert-authority " + authorized(ca)}, nil, ""},
		{"authority", withCert, "@cert-authority " + line("*", ca), nil, nil, nil, ""},
		{"authority for others", withCert, "@cert-authority " + line("*.example", ca), nil, nil, ErrHostKeyUnknown, ""},
		{"another authority", withCert, "@cert-authority " + line("*", other), nil, nil, ErrHostKeyChanged, "its certificate is not accepted"},
		{"certificate is for another name", withCert, "@cert-authority " + line("*", ca), []string{"HostKeyAlias db.example"}, nil, ErrHostKeyChanged, "principal"},
		{"certificate is for the alias", withCert, "@cert-authority " + line("*.example", ca), []string{"HostKeyAlias web.example"}, nil, nil, ""},
		{"authority is revoked", withCert, "@revoked " + line("*", ca) + "@cert-authority " + line("*", ca), nil, nil, ErrHostKeyRevoked, ""},
		{"certified key is revoked", withCert, "@revoked " + line("*", certified) + "@cert-authority " + line("*", ca), nil, nil, ErrHostKeyRevoked, ""},
		{"authority and plain key", withCert, "@cert-authority " + line("*", other) + line("[127.0.0.1]:*", certified), nil, nil, nil, ""},
		{"authority, server has no certificate", plain, "@cert-authority " + line("*", ca) + line(name, ed), nil, nil, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fill := func(text string) string {
				return strings.NewReplacer("DIR", tt.server.dir, "NAME", fmt.Sprintf("[127.0.0.1]:%d", tt.server.port)).Replace(text)
			}
			config := tt.server.client(t, fill(strings.Join(tt.config, "\n")))
			tt.server.write(t, "known_hosts", fill(tt.known))
			err := dialOnce(t, Config{ConfigFile: config}, Target{Name: "web1", Address: "host", HostKeys: tt.pinned})
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				return
			}
			var hostKey *HostKeyError
			if !errors.As(err, &hostKey) || !strings.HasPrefix(hostKey.Offered.SHA256, "SHA256:") {
				t.Errorf("got %#v", err)
			}
			if !strings.Contains(err.Error(), fill(tt.message)) {
				t.Errorf("got  %v\nwant %s", err, fill(tt.message))
			}
			if now, _ := os.ReadFile(tt.server.path("known_hosts")); string(now) != fill(tt.known) {
				t.Errorf("known_hosts is now %q", now)
			}
		})
	}
	t.Run("bad pin", func(t *testing.T) {
		err := dialOnce(t, Config{ConfigFile: plain.client(t)}, Target{Name: "host", HostKeys: []string{"ssh-ed25519 nonsense"}})
		if err == nil || !strings.Contains(err.Error(), "host key 1 of the inventory") {
			t.Errorf("got %v", err)
		}
	})
}

// A key is accepted by its fingerprint where none is known, and nowhere else; nothing is
// added to known_hosts, and the machine says which key it was.
func TestAcceptHostKey(t *testing.T) {
	s := startSSHD(t)
	other := s.writeKey(t, "other")
	name := fmt.Sprintf("[127.0.0.1]:%d", s.port)
	shown, another := ssh.FingerprintSHA256(s.hostKey), ssh.FingerprintSHA256(other)
	for _, tt := range []struct {
		name, known, accept string
		want                error
	}{
		{"the fingerprint shown", "", shown, nil},
		{"another fingerprint", "", another, ErrHostKeyUnknown},
		{"none", "", "", ErrHostKeyUnknown},
		{"another key is known", name + " " + authorized(other), shown, ErrHostKeyChanged},
		{"the key is revoked", "@revoked " + name + " " + authorized(s.hostKey), shown, ErrHostKeyRevoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := s.client(t, "")
			s.write(t, "known_hosts", tt.known)
			d := NewDialer(Config{ConfigFile: config})
			defer d.Close()
			m, err := d.Dial(t.Context(), Target{Name: "web1", Address: "host", AcceptHostKey: tt.accept})
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if now, _ := os.ReadFile(s.path("known_hosts")); string(now) != tt.known {
				t.Errorf("known_hosts is now %q", now)
			}
			if err != nil {
				return
			}
			defer m.Close()
			if want := strings.TrimSpace(authorized(s.hostKey)); !strings.HasPrefix(want, m.HostKey()) {
				t.Errorf("it is %s, want %s", m.HostKey(), want)
			}
		})
	}
}

// accept-new adds a key once, in a form that OpenSSH reads; later dials accept no other key.
func TestAcceptNew(t *testing.T) {
	s := startSSHD(t)
	for _, hash := range []string{"yes", "no"} {
		t.Run("hashed "+hash, func(t *testing.T) {
			config := s.client(t, "StrictHostKeyChecking accept-new", "HashKnownHosts "+hash)
			s.write(t, "known_hosts", "web9 "+strings.TrimSpace(authorized(s.hostKey))) // no newline at its end
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					if err := dialOnce(t, Config{ConfigFile: config}, Target{Name: "host"}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			data, err := os.ReadFile(s.path("known_hosts"))
			if err != nil || strings.Count(string(data), "\n") != 2 || strings.Count(string(data), "ssh-ed25519") != 2 {
				t.Errorf("known_hosts, %v:\n%s", err, data)
			}
			if plain := strings.Contains(string(data), "127.0.0.1"); plain == (hash == "yes") {
				t.Errorf("name is written plainly: %v", plain)
			}
			out, err := exec.Command("ssh-keygen", "-F", fmt.Sprintf("[127.0.0.1]:%d", s.port), "-f", s.path("known_hosts")).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "ssh-ed25519") {
				t.Errorf("ssh-keygen does not find it: %v\n%s", err, out)
			}
			s.write(t, "known_hosts", strings.ReplaceAll(string(data), b64(s.hostKey.Marshal()), b64(s.writeKey(t, "other").Marshal())))
			if err := dialOnce(t, Config{ConfigFile: config}, Target{Name: "host"}); !errors.Is(err, ErrHostKeyChanged) {
				t.Errorf("got %v, want %v", err, ErrHostKeyChanged)
			}
		})
	}
}

// A run reads known_hosts once, and again when it has changed.
func TestKnownHostsIsReadOnce(t *testing.T) {
	s := startSSHD(t)
	file, line := s.path("known_hosts"), fmt.Sprintf("[127.0.0.1]:%d %s", s.port, authorized(s.hostKey))
	d := NewDialer(Config{ConfigFile: s.client(t)})
	s.write(t, "known_hosts", "# no key yet\n")
	defer d.Close()
	dial := func() error {
		m, err := d.Dial(t.Context(), Target{Name: "host"})
		if err == nil {
			m.Close()
		}
		return err
	}
	if err := dial(); !errors.Is(err, ErrHostKeyUnknown) {
		t.Fatalf("got %v", err)
	}
	s.write(t, "known_hosts", line)
	for range 3 {
		if err := dial(); err != nil {
			t.Fatal(err)
		}
	}
	read := d.knownFiles.byName[file]
	if err := dial(); err != nil || d.knownFiles.byName[file] != read {
		t.Errorf("%v, or it was read anew", err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := dial(); err == nil || !strings.Contains(err.Error(), "may be written to by others") {
		t.Errorf("read once, it is no longer checked: %v", err)
	}
}

// No known_hosts file, whatever is in it, makes a key accepted that it does not contain. The index of names finds the lines
// that a search line by line finds.
func FuzzKnownHosts(f *testing.F) {
	f.Add("web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n")
	f.Add("@revoked * ssh-ed25519 AAAA\n@cert-authority")
	f.Add("|1|AAAA|BBBB ssh-rsa x\nWeb1,[web1]:2222,web1 x\n*,!web1 x\n[web?]:* x")
	_, key, err := newTestKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		known := parseKnown("known_hosts", []byte(text))
		for _, name := range []string{"web1", "[web1]:2222"} {
			var want, got []int
			n := 0
			for line := range strings.Lines(text) {
				n++
				if names := knownNames([]byte(line)); names != "" && matchKnown(name, names) {
					want = append(want, n)
				}
			}
			for _, line := range known.lines(name) {
				got = append(got, line.number)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines of %s (-want +got):\n%s", name, diff)
			}
		}
		h := &hostKeys{name: "[web1]:2222", principal: "web1", strict: "yes"}
		h.take(known, &sshconfig.Settings{HostName: "web1", Port: 2222})
		if err := h.check(key); err == nil {
			t.Errorf("a fresh key was accepted")
		}
		if _, err := h.algorithms(nil); err != nil {
			t.Error(err)
		}
	})
}
