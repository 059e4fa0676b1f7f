package remote

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/nixcmd"
)

var (
	sshProgram  = flag.String("ssh", "ssh", "the ssh that muster is compared with")
	sshdProgram = flag.String("sshd", "/usr/sbin/sshd", "the sshd of tests")
)

// A yard holds keys, certificates and lists that ssh-keygen makes, and the servers of TestLetInAsBySSH.
type yard struct {
	*sshd
	servers map[string]*sshd
}

// keygen runs ssh-keygen in the yard.
func (y *yard) keygen(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ssh-keygen", append([]string{"-q"}, args...)...)
	cmd.Dir = y.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// newYard makes all keys, certificates, lists and servers.
func newYard(t *testing.T) *yard {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("no ssh-keygen on this machine")
	}
	y := &yard{sshd: startSSHD(t), servers: map[string]*sshd{}}
	for _, name := range []string{"ca", "other_ca", "other", "host"} {
		y.keygen(t, "-t", "ed25519", "-N", "", "-C", name, "-f", name)
	}
	y.keygen(t, "-t", "rsa", "-b", "2048", "-N", "", "-f", "host_rsa")
	y.keygen(t, "-t", "ecdsa", "-N", "", "-f", "host_ecdsa")
	y.keygen(t, "-t", "rsa", "-b", "2048", "-N", "", "-f", "rsa_ca")
	y.keygen(t, "-t", "rsa", "-b", "2048", "-N", "", "-f", "id_rsa")
	certificates := map[string][]string{
		"good":     {"-s", "ca", "-h", "-n", "127.0.0.1,web.example", "-z", "42"},
		"expired":  {"-s", "ca", "-h", "-n", "127.0.0.1", "-V", "20200101:20210101", "-z", "43"},
		"early":    {"-s", "ca", "-h", "-n", "127.0.0.1", "-V", "20900101:20910101", "-z", "44"},
		"elsewhre": {"-s", "ca", "-h", "-n", "db.example", "-z", "45"},
		"wild":     {"-s", "ca", "-h", "-n", "*.0.0.1,*.example", "-z", "46"},
		"user":     {"-s", "ca", "-n", "127.0.0.1", "-z", "47"},
		"rsa_ca":   {"-s", "rsa_ca", "-h", "-n", "127.0.0.1", "-z", "48"},
		"stranger": {"-s", "other_ca", "-h", "-n", "127.0.0.1", "-z", "42"},
		"options":  {"-s", "ca", "-h", "-n", "127.0.0.1", "-z", "49", "-O", "critical:nobody@example.org=1"},
	}
	for name, args := range certificates {
		y.keygen(t, "-t", "ed25519", "-N", "", "-f", "host_"+name)
		y.keygen(t, append(args, "-I", "id-"+name, "host_"+name+".pub")...)
		if name == "user" { // as a certificate of a host, which sshd takes
			continue
		}
		y.servers[name] = y.server(t, "HostKey "+y.path("host_"+name), "HostCertificate "+y.path("host_"+name+"-cert.pub"))
	}
	y.servers["plain"] = y.server(t, "HostKey "+y.path("host"))
	y.servers["many"] = y.server(t, "HostKey "+y.path("host"), "HostKey "+y.path("host_ecdsa"), "HostKey "+y.path("host_rsa"))
	y.servers["rsa"] = y.server(t, "HostKey "+y.path("host_rsa"))
	y.servers["gex"] = y.server(t, "HostKey "+y.path("host"), "KexAlgorithms diffie-hellman-group-exchange-sha256,ecdh-sha2-nistp384")
	y.servers["cbc"] = y.server(t, "HostKey "+y.path("host"), "Ciphers aes128-cbc", "MACs hmac-sha2-512")

	for name, spec := range map[string]string{
		"serial": "serial: 42", "range": "serial: 40-50", "elsewhere": "serial: 7\nserial: 100-200", "id": "id: id-good",
		"key": "key: " + string(y.read(t, "host.pub")), "sha256": "sha256: " + string(y.read(t, "host.pub")),
		"sha1": "sha1: " + string(y.read(t, "host.pub")), "print": "hash: " + ssh.FingerprintSHA256(mustPublic(t, y.path("host"))),
		"bitmap": "serial: 40\nserial: 42\nserial: 44\nserial: 46\nserial: 48\nserial: 50\nserial: 53",
	} {
		y.write(t, name+".spec", spec+"\n")
		args := []string{"-k", "-f", name + ".krl"}
		if strings.Contains(spec, "serial:") || strings.Contains(spec, "id:") {
			args = append(args, "-s", "ca.pub")
		}
		y.keygen(t, append(args, name+".spec")...)
	}
	y.keygen(t, "-k", "-f", "ca.krl", "ca.pub")
	y.keygen(t, "-k", "-f", "good.krl", "host_good.pub")
	y.keygen(t, "-k", "-f", "cert.krl", "host_good-cert.pub")
	y.write(t, "short.krl", string(y.read(t, "key.krl")[:60]))
	y.write(t, "garbage", "this is no key\n")
	y.write(t, "empty", "# nothing\n\n")
	y.write(t, "ca_list", string(y.read(t, "ca.pub")))
	y.write(t, "host_list", "# compromised\n"+string(y.read(t, "host.pub")))
	y.write(t, "late_garbage", string(y.read(t, "other.pub"))+"rubbish\n")
	y.write(t, "open_id", string(y.read(t, "id")))
	if err := os.Chmod(y.path("open_id"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, output := range map[string]string{"keys": "127.0.0.1 HOST", "no_keys": "", "other_keys": "127.0.0.1 OTHER"} {
		keys := strings.NewReplacer("HOST", string(y.read(t, "host.pub")), "OTHER", string(y.read(t, "other.pub"))).Replace(output)
		y.write(t, name+".txt", strings.ReplaceAll(keys, "127.0.0.1", fmt.Sprintf("[127.0.0.1]:%d", y.servers["plain"].port)))
	}
	return y
}

// server starts an sshd with host keys of the yard, which accepts the yard's keys.
func (y *yard) server(t *testing.T, lines ...string) *sshd {
	t.Helper()
	s := startSSHDAlone(t, append(lines, "AuthorizedKeysFile "+y.path("authorized_keys"))...)
	return s
}

func (y *yard) read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(y.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// public is the public key of a file, without its comment.
func (y *yard) public(t *testing.T, name string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey(y.read(t, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(authorized(key))
}

// In known_hosts and in configurations, NAME stands for the name of the server as known_hosts has it, DIR for the yard,
// and <KEY> for a public key.
type letInRow struct {
	name   string
	server string
	known  string // known_hosts
	config string
	in     bool
	says   string // in our error
}

var letInRows = []letInRow{
	// Whom ssh lets in.
	{"known", "plain", "NAME <host>", "", true, ""},
	{"known without its port", "plain", "127.0.0.1 <host>", "", true, ""},
	{"alias", "plain", "web1 <host>", "HostKeyAlias WEB1", true, ""},
	{"pattern", "plain", "[127.*]:* <host>", "", true, ""},
	{"authority", "good", "@cert-authority * <ca>", "", true, ""},
	{"authority, alias", "good", "@cert-authority web.example <ca>", "HostKeyAlias web.example", true, ""},
	{"authority by RSA", "rsa_ca", "@cert-authority * <rsa_ca>", "", true, ""},
	{"expired, but the key is known", "expired", "@cert-authority * <ca>\nNAME <host_expired>", "", true, ""},
	{"another authority, but the key is known", "stranger", "@cert-authority * <ca>\nNAME <host_stranger>", "", true, ""},
	{"authority for all, a known key without certificate", "plain", "@cert-authority * <ca>\nNAME <host>", "", true, ""},
	{"list revokes nothing", "plain", "NAME <host>", "RevokedHostKeys DIR/empty", true, ""},
	{"list revokes another key", "plain", "NAME <host>", "RevokedHostKeys DIR/ca_list", true, ""},
	{"list by serial of others", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/elsewhere.krl", true, ""},
	{"list by serial of another authority", "stranger", "@cert-authority * <other_ca>", "RevokedHostKeys DIR/serial.krl", true, ""},
	{"list of another key", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/key.krl", true, ""},
	{"list with tilde and tokens", "plain", "NAME <host>", "RevokedHostKeys DIR/empty", true, ""},
	{"no list", "plain", "NAME <host>", "RevokedHostKeys none", true, ""},
	{"revoked for others", "plain", "@revoked web1 <host>\nNAME <host>", "", true, ""},
	{"RSA of the least size", "rsa", "NAME <host_rsa>", "RequiredRSASize 2048", true, ""},
	{"ECDSA among many", "many", "NAME <host_ecdsa>", "", true, ""},
	{"command prints the key", "plain", "", "KnownHostsCommand /bin/cat DIR/keys.txt", true, ""},
	{"command prints nothing, the key is known", "plain", "NAME <host>", "KnownHostsCommand /bin/cat DIR/no_keys.txt", true, ""},
	{"key exchange in common", "gex", "NAME <host>", "", true, ""},
	{"cipher added", "cbc", "NAME <host>", "Ciphers +aes128-cbc", true, ""},
	{"rekeying early", "plain", "NAME <host>", "RekeyLimit 1M", true, ""},
	{"bound address", "plain", "NAME <host>", "BindAddress 127.0.0.1", true, ""},
	{"bound interface", "plain", "NAME <host>", "BindInterface lo", true, ""},
	{"family", "plain", "NAME <host>", "AddressFamily inet", true, ""},
	{"algorithms of the key accepted", "plain", "NAME <host>", "PubkeyAcceptedAlgorithms ssh-ed25519", true, ""},
	{"RSA key by SHA-2", "plain", "NAME <host>", "IdentityFile DIR/id_rsa\nPubkeyAcceptedAlgorithms rsa-sha2-256", true, ""},
	{"preferred public keys", "plain", "NAME <host>", "PreferredAuthentications publickey,password", true, ""},
	{"address as a number", "plain", "NAME <host>", "HostName 127.1", true, ""},
	{"through a command", "plain", "NAME <host>", "ProxyCommand DIR/pipe %h %p", true, ""},

	// Whom ssh does not let in.
	{"unknown", "plain", "web1 <host>", "", false, "host key unknown"},
	{"changed", "plain", "NAME <other>", "", false, "host key changed"},
	{"known for another port", "plain", "[127.0.0.1]:1 <host>", "", false, "host key unknown"},
	{"known, but not by the alias", "plain", "NAME <host>", "HostKeyAlias web1", false, "host key unknown"},
	{"alias has no port", "plain", "[web1]:22 <host>", "HostKeyAlias web1", false, "host key unknown"},
	{"key revoked", "plain", "@revoked * <host>\nNAME <host>", "", false, "host key revoked"},
	{"authority revoked", "good", "@revoked * <ca>\n@cert-authority * <ca>", "", false, "host key revoked"},
	{"key of a certificate revoked", "good", "@revoked * <host_good>\n@cert-authority * <ca>", "", false, "host key revoked"},
	{"list of keys", "plain", "NAME <host>", "RevokedHostKeys DIR/host_list", false, "host key revoked"},
	{"list of keys names the authority", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/ca_list", false, "host key revoked"},
	{"binary list of keys", "plain", "NAME <host>", "RevokedHostKeys DIR/key.krl", false, "host key revoked"},
	{"binary list by SHA-256", "plain", "NAME <host>", "RevokedHostKeys DIR/sha256.krl", false, "host key revoked"},
	{"binary list by fingerprint", "plain", "NAME <host>", "RevokedHostKeys DIR/print.krl", false, "host key revoked"},
	{"binary list by SHA-1", "plain", "NAME <host>", "RevokedHostKeys DIR/sha1.krl", false, "host key revoked"},
	{"binary list by serial", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/serial.krl", false, "host key revoked"},
	{"binary list by range", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/range.krl", false, "host key revoked"},
	{"binary list by bitmap", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/bitmap.krl", false, "host key revoked"},
	{"binary list by name", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/id.krl", false, "host key revoked"},
	{"binary list of the authority", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/ca.krl", false, "host key revoked"},
	{"binary list of the certificate", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/cert.krl", false, "host key revoked"},
	{"binary list of the certificate's key", "good", "@cert-authority * <ca>", "RevokedHostKeys DIR/good.krl", false, "host key revoked"},
	{"list is missing", "plain", "NAME <host>", "RevokedHostKeys DIR/missing", false, "missing"},
	{"list is no list", "plain", "NAME <host>", "RevokedHostKeys DIR/garbage", false, "garbage:1"},
	{"list is wrong behind a key", "plain", "NAME <host>", "RevokedHostKeys DIR/late_garbage", false, "late_garbage:2"},
	{"binary list is cut", "plain", "NAME <host>", "RevokedHostKeys DIR/short.krl", false, "it ends too early"},
	{"list is a directory", "plain", "NAME <host>", "RevokedHostKeys DIR", false, "directory"},
	{"certificate has expired", "expired", "@cert-authority * <ca>", "", false, "has expired: it was valid until"},
	{"certificate is not yet valid", "early", "@cert-authority * <ca>", "", false, "not yet valid"},
	{"certificate is for another host", "elsewhre", "@cert-authority * <ca>", "", false, "principal"},
	{"certificate is for a pattern", "wild", "@cert-authority * <ca>", "", false, "principal"},
	{"certificate is for another alias", "good", "@cert-authority * <ca>", "HostKeyAlias db.example", false, "principal"},
	{"certificate with an option nobody knows", "options", "@cert-authority * <ca>", "", false, "critical"},
	{"another authority", "stranger", "@cert-authority * <ca>", "", false, "no authorities for hostname"},
	{"authority of other hosts", "good", "@cert-authority *.example <ca>", "", false, "host key unknown"},
	{"authority's key as a key of the host", "good", "NAME <ca>", "", false, "host key changed"},
	{"authority's line without its marker", "good", "* <ca>", "", false, "host key changed"},
	{"authority, and no certificate", "plain", "@cert-authority * <ca>", "", false, "host key unknown"},
	{"host's own key as authority", "plain", "@cert-authority * <host>", "", false, "host key unknown"},
	{"authority signs by an algorithm that is left out", "rsa_ca", "@cert-authority * <rsa_ca>", "CASignatureAlgorithms -rsa*", false, "CASignatureAlgorithms"},
	{"certificates are left out", "good", "@cert-authority * <ca>", "HostKeyAlgorithms -*-cert-*", false, ""},
	{"RSA is too short", "rsa", "NAME <host_rsa>", "RequiredRSASize 3072", false, "host key too short"},
	{"known key is left out", "many", "NAME <host>", "HostKeyAlgorithms ecdsa-sha2-nistp256", false, ""},
	{"command prints nothing", "plain", "", "KnownHostsCommand /bin/cat DIR/no_keys.txt", false, "host key unknown"},
	{"command prints another key", "plain", "", "KnownHostsCommand /bin/cat DIR/other_keys.txt", false, "host key changed"},
	{"command fails", "plain", "", "KnownHostsCommand /bin/false", false, ""},
	{"no cipher in common", "cbc", "NAME <host>", "", false, "no common algorithm"},
	{"no key exchange in common", "gex", "NAME <host>", "KexAlgorithms curve25519-sha256", false, "it has diffie-hellman-group-exchange-sha256, ecdh-sha2-nistp384"},
	{"no MAC in common", "cbc", "NAME <host>", "Ciphers aes128-cbc\nMACs hmac-sha2-256", false, "no common algorithm"},
	{"wrong family", "plain", "NAME <host>", "AddressFamily inet6", false, ""},
	{"interface is not there", "plain", "NAME <host>", "BindInterface nosuch0", false, "BindInterface nosuch0"},
	{"others can read the key", "plain", "NAME <host>", "IdentityFile DIR/open_id", false, "chmod 600"},
	{"public keys switched off", "plain", "NAME <host>", "PubkeyAuthentication no", false, "PubkeyAuthentication no"},
	{"other ways preferred", "plain", "NAME <host>", "PreferredAuthentications password", false, "PreferredAuthentications password"},
	{"key's algorithm is left out", "plain", "NAME <host>", "PubkeyAcceptedAlgorithms -ssh-ed25519*", false, "PubkeyAcceptedAlgorithms"},
	{"own RSA key is too short", "plain", "NAME <host>", "IdentityFile DIR/id_rsa\nRequiredRSASize 3072", false, "RequiredRSASize is 3072"},
	{"mistyped keyword", "plain", "NAME <host>", "RevokedHostKey DIR/host_list", false, "revokedhostkey"},
	{"wrong value for other hosts", "plain", "NAME <host>", "Match host other\nPort x\nMatch all", false, "port"},
	{"jump host is the host", "plain", "NAME <host>", "ProxyJump root@127.0.0.1:PORT", false, "loop"},
	{"proxy fails", "plain", "NAME <host>", "ProxyCommand false", false, ""},
	{"proxy passes no connection on", "plain", "NAME <host>", "ProxyCommand true\nProxyUseFdpass yes", false, ""},
}

// muster lets in whom ssh lets in, and nobody else.
func TestLetInAsBySSH(t *testing.T) {
	y := newYard(t)
	y.write(t, "authorized_keys", string(y.read(t, "id.pub"))+string(y.read(t, "id_rsa.pub")))
	program, err := filepath.Abs("testdata/pipe.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, y.path("pipe")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range letInRows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, dir := y.servers[tt.server], t.TempDir()
			text := func(text string) string {
				pairs := []string{"NAME", fmt.Sprintf("[127.0.0.1]:%d", s.port), "DIR", y.dir, "PORT", fmt.Sprint(s.port)}
				for _, name := range []string{"host", "host_rsa", "host_ecdsa", "host_good", "host_expired", "host_stranger", "ca", "other_ca", "rsa_ca", "other"} {
					pairs = append(pairs, "<"+name+">", y.public(t, name))
				}
				return strings.NewReplacer(pairs...).Replace(text)
			}
			if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(text(tt.known)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			config := text(tt.config)
			if !strings.Contains(config, "IdentityFile") {
				config += "\nIdentityFile " + y.path("id")
			}
			if !strings.Contains(config, "HostName") {
				config += "\nHostName 127.0.0.1"
			}
			file := filepath.Join(dir, "config")
			lines := fmt.Sprintf(`%s
Port %d
User root
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile %s/known_hosts
GlobalKnownHostsFile none
StrictHostKeyChecking yes
BatchMode yes
ConnectTimeout 60
`, config, s.port, dir)
			if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
				t.Fatal(err)
			}
			output, err := exec.CommandContext(t.Context(), *sshProgram, "-F", file, "host", "echo in").CombinedOutput()
			if in := err == nil; in != tt.in {
				t.Errorf("ssh lets in: %v, want %v: %s", in, tt.in, output)
			}
			err = dialOnce(t, Config{ConfigFile: file, Proxy: nixcmd.ProxyCommand, ProxyPasses: nixcmd.ProxyPasses,
				KnownHosts: nixcmd.KnownHostsCommand, MatchExec: nixcmd.MatchExec}, Target{Name: "host"})
			if in := err == nil; in != tt.in {
				t.Errorf("muster lets in: %v, want %v: %v", in, tt.in, err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got  %v\nwant %s", err, tt.says)
			}
		})
	}
}

// A ProxyCommand with ProxyUseFdpass passes a connection on, and ends.
func TestProxyPassesAConnectionOn(t *testing.T) {
	if *throughOpenSSH {
		t.Skip("ssh runs the command itself, and this one is played by the test: exec/nixcmd has a real one")
	}
	s := startSSHD(t)
	passed := 0
	s.connect(t, Config{
		ConfigFile: s.client(t, "ProxyCommand passes %h %p", "ProxyUseFdpass yes"),
		ProxyPasses: func(ctx context.Context, command string) (net.Conn, error) {
			passed++
			if want := fmt.Sprintf("passes 127.0.0.1 %d", s.port); command != want {
				t.Errorf("runs %s, want %s", command, want)
			}
			return new(net.Dialer).DialContext(ctx, "tcp", s.addr())
		},
	}, Target{})
	if passed != 1 {
		t.Errorf("%d connections", passed)
	}
}

// Warnings about lines of the configuration are told once, with the line.
func TestWarningsAreToldOnce(t *testing.T) {
	s := startSSHD(t)
	config := s.client(t, "VerifyHostKeyDNS yes")
	var warnings []string
	d := NewDialer(Config{ConfigFile: config, Warn: func(text string) { warnings = append(warnings, text) }})
	defer d.Close()
	for range 2 {
		m, err := d.Dial(t.Context(), Target{Name: "host"})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	if want := config + ":1: verifyhostkeydns true: "; len(warnings) != 1 || !strings.HasPrefix(warnings[0], want) {
		t.Errorf("got %q, want %s", warnings, want)
	}
}

// A failed network connection is made again as often as ConnectionAttempts says.
func TestConnectionAttempts(t *testing.T) {
	s := startSSHD(t)
	for _, attempts := range []int{1, 3} {
		tries := 0
		config := s.client(t, "ProxyCommand x", fmt.Sprintf("ConnectionAttempts %d", attempts))
		err := dialOnce(t, Config{ConfigFile: config, ConnectTimeout: time.Minute, Proxy: func(context.Context, string) (net.Conn, error) {
			tries++
			return nil, &net.OpError{Op: "dial", Err: os.ErrPermission}
		}}, Target{Name: "host"})
		if err == nil || tries != attempts {
			t.Errorf("%d attempts, want %d: %v", tries, attempts, err)
		}
	}
}

// Nothing of a key revocation list is read beyond its end, and what is cut is refused.
func FuzzRevocationList(f *testing.F) {
	f.Add([]byte("SSHKRL\n\x00\x00\x00\x00\x01" + strings.Repeat("\x00", 24) + strings.Repeat("\x00", 8)))
	_, key, err := newTestKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseKRL(slices.Concat(krlMagic, data))
		if err == nil {
			list.revokes(key)
		}
	})
}
