package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// world is an Env made of text alone.
func world(files map[string]string) Env {
	vars := map[string]string{"SSH_AUTH_SOCK": "/run/agent", "OTHER_SOCK": "/run/other", "DIR": "/d"}
	return Env{
		Home:     "/home/me",
		User:     "me",
		UserID:   1000,
		HostName: "desk.example.org",
		LookupEnv: func(name string) (string, bool) {
			value, ok := vars[name]
			return value, ok
		},
		HomeOf: func(user string) (string, error) {
			if user != "other" {
				return "", errors.New("unknown")
			}
			return "/home/other", nil
		},
		Glob: func(pattern string) (names []string, err error) {
			for _, name := range slices.Sorted(maps.Keys(files)) {
				if ok, err := path.Match(pattern, name); err != nil {
					return nil, err
				} else if ok {
					names = append(names, name)
				}
			}
			return names, nil
		},
		ReadFile: func(name string) ([]byte, error) {
			text, ok := files[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		},
		Others:    []string{"usekeychain"},
		Service:   func(name string) (int, bool) { return 2222, name == "ssh-alt" },
		Addresses: func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("10.7.1.2")}, nil },
		MatchExec: func(command string) (bool, error) {
			switch command {
			case "true", "test web1 -o me":
				return true, nil
			case "missing":
				return false, errors.New("no such program")
			}
			return false, nil
		},
	}
}

func resolve(text string, q Query, env Env) (*Settings, error) {
	values, err := Read([]File{{Name: "config", Text: text, IncludeDir: "/home/me/.ssh"}}, q, env)
	if err != nil {
		return nil, err
	}
	return values.Settings()
}

// Each row says which settings differ from those of an empty configuration.
func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		query      Query
		want       func(s *Settings)
	}{
		{"empty", "", Query{}, func(s *Settings) {}},
		{"asked for", "User a\nPort 1\n", Query{User: "b", Port: 9}, func(s *Settings) { s.User, s.Port = "b", 9 }},
		{"default user", "", Query{DefaultUser: "root"}, func(s *Settings) { s.User = "root" }},
		{"first value wins", "Port 1\nPort 2\n", Query{}, func(s *Settings) { s.Port = 1 }},
		{"host section", "Host web*\n Port 5\nHost db*\n User x\n", Query{}, func(s *Settings) { s.Port = 5 }},
		{"negated pattern", "Host * !web1\n Port 5\n", Query{}, func(s *Settings) {}},
		{"host name", "HostName %h.Example.org\n", Query{}, func(s *Settings) { s.HostName = "web1.example.org" }},
		{"alias", "HostKeyAlias Other\n", Query{}, func(s *Settings) { s.HostKeyAlias = "other" }},
		{"tokens", "User u\nPort 9\nHostName x\nIdentityFile %d/%h/%n/%r/%p/%u/%i/%l/%L/%k/%%\n", Query{}, func(s *Settings) {
			s.User, s.Port, s.HostName = "u", 9, "x"
			s.IdentityFiles = []string{"/home/me/x/web1/u/9/me/1000/desk.example.org/desk/web1/%"}
			s.NamedIdentities = true
		}},
		{"paths", "IdentityFile ~/a\nIdentityFile ~other/b\nIdentityFile ${DIR}/c\nIdentityFile none\nIdentityFile ~/a\n", Query{}, func(s *Settings) {
			s.IdentityFiles = []string{"/home/me/a", "/home/other/b", "/d/c"}
			s.NamedIdentities = true
		}},
		{"known hosts", "UserKnownHostsFile /a \"/b c\"\nGlobalKnownHostsFile none\n", Query{}, func(s *Settings) {
			s.UserKnownHosts, s.GlobalKnownHosts = []string{"/a", "/b c"}, nil
			s.UpdateHostKeys = false
		}},
		{"agent", "IdentityAgent ~/agent\n", Query{}, func(s *Settings) { s.IdentityAgent = "/home/me/agent" }},
		{"agent of a variable", "IdentityAgent $OTHER_SOCK\n", Query{}, func(s *Settings) { s.IdentityAgent = "/run/other" }},
		{"no agent", "IdentityAgent none\n", Query{}, func(s *Settings) { s.IdentityAgent = "" }},
		{"proxy command", "ProxyCommand nc %h %p # no comment\nProxyJump b\n", Query{}, func(s *Settings) { s.ProxyCommand = "nc web1 22 # no comment" }},
		{"proxy jump", "ProxyJump b\nProxyCommand nc\n", Query{}, func(s *Settings) { s.ProxyJump = "b" }},
		{"times", "ConnectTimeout 1m30s\nServerAliveInterval 2\nServerAliveCountMax 4\n", Query{}, func(s *Settings) {
			s.ConnectTimeout, s.AliveInterval, s.AliveCountMax = 90*time.Second, 2*time.Second, 4
		}},
		{"include", "Include d/*\nPort 3\n", Query{}, func(s *Settings) { s.User, s.Port = "included", 2 }},
		{"include in a section that does not count", "Host db1\n Include d/*\n", Query{}, func(s *Settings) {}},
		{"match exec", "Match exec true\n Port 4\nMatch exec false\n User x\n", Query{}, func(s *Settings) { s.Port = 4 }},
		{"match exec with tokens", "Match exec \"test %h -o %u\"\n Port 4\n", Query{}, func(s *Settings) { s.Port = 4 }},
		{"match final", "HostName real\nMatch final host real\n Port 4\n", Query{}, func(s *Settings) { s.HostName, s.Port = "real", 4 }},
		{"keyword of this system", "UseKeychain yes\nPort 4\n", Query{}, func(s *Settings) { s.Port = 4 }},
		{"match localnetwork", "Match localnetwork 10.7.0.0/16\n Port 4\nMatch localnetwork 10.8.0.0/16\n User x\n", Query{}, func(s *Settings) { s.Port = 4 }},
		{"case counts in Host", "Host WEB1\n Port 4\nHost web1 !WEB1\n User x\n", Query{}, func(s *Settings) { s.User = "x" }},
		{"alias none is a name", "HostKeyAlias none\n", Query{}, func(s *Settings) { s.HostKeyAlias = "none" }},
		{"no tokens in the alias", "HostKeyAlias %h\n", Query{}, func(s *Settings) { s.HostKeyAlias = "%h" }},
		{"service as port", "Port ssh-alt\n", Query{}, func(s *Settings) { s.Port = 2222 }},
		{"no jump", "ProxyJump NONE\n", Query{}, func(s *Settings) {}},
		{"jump by a service", "ProxyJump a@b:ssh-alt,[::1]:22\n", Query{}, func(s *Settings) { s.ProxyJump = "a@b:2222,[::1]:22" }},
		{"final host name is too late", "Match final\n HostName %h.example\n Port 4\n", Query{}, func(s *Settings) { s.Port = 4 }},
		{"algorithms", "Ciphers aes128-ctr\nMACs ^hmac-sha2-256\nKexAlgorithms curve25519-sha256\n", Query{}, func(s *Settings) {
			s.Ciphers, s.KexAlgorithms = []string{"aes128-ctr"}, []string{"curve25519-sha256"}
			s.MACs = append([]string{"hmac-sha2-256"}, slices.DeleteFunc(slices.Clone(opensshAlgorithms["macs"].defaults), func(a string) bool { return a == "hmac-sha2-256" })...)
		}},
		{"bounds", "BindAddress 10.7.0.1\nBindInterface eth0\nAddressFamily inet6\nConnectionAttempts 3\nRekeyLimit 1G 1h\nRequiredRSASize 3072\n", Query{}, func(s *Settings) {
			s.BindAddress, s.BindInterface, s.AddressFamily, s.Attempts, s.RekeyLimit, s.RequiredRSASize = "10.7.0.1", "eth0", "inet6", 3, 1<<30, 3072
		}},
		{"lists of keys", "RevokedHostKeys ~/revoked-%h\nKnownHostsCommand /bin/keys %H\n", Query{}, func(s *Settings) {
			s.RevokedHostKeys, s.KnownHostsCommand = "/home/me/revoked-web1", "/bin/keys %H"
		}},
		{"no public keys", "Host db\n PubkeyAuthentication yes\nHost *\n PubkeyAuthentication no\n", Query{}, func(s *Settings) { s.NoPublicKeys = "config:4: PubkeyAuthentication no" }},
		{"warnings", "NoHostAuthenticationForLocalhost yes\nPKCS11Provider /lib/p.so\n", Query{}, func(s *Settings) {
			s.Warnings = []string{
				"config:1: nohostauthenticationforlocalhost yes: host keys are always checked, also of this machine",
				"config:2: pkcs11provider /lib/p.so: its keys are not offered: add them to an ssh-agent with ssh-add -s, or connect with --ssh openssh",
			}
		}},
		{"match negated", "Match !host db1 user deploy\n Port 4\n", Query{User: "deploy"}, func(s *Settings) { s.User, s.Port = "deploy", 4 }},
		{"match with equals sign", "Match host=web1\n Port 4\n", Query{}, func(s *Settings) { s.Port = 4 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.query.Host = "web1"
			got, err := resolve(tt.text, tt.query, world(map[string]string{
				"/home/me/.ssh/d/1": "Host web1\n Port 2\n",
				"/home/me/.ssh/d/2": "Port 9\nUser included\n",
			}))
			if err != nil {
				t.Fatal(err)
			}
			want := &Settings{
				Original: "web1", HostName: "web1", Port: 22, StrictHostKeys: "yes", IdentityAgent: "/run/agent",
				User: "me", AddressFamily: "any", Attempts: 1, RequiredRSASize: 1024, UpdateHostKeys: true,
				UserKnownHosts:   []string{"/home/me/.ssh/known_hosts", "/home/me/.ssh/known_hosts2"},
				GlobalKnownHosts: []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"},
			}
			for _, kind := range []string{"rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa"} {
				want.IdentityFiles = append(want.IdentityFiles, "/home/me/.ssh/id_"+kind)
			}
			tt.want(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An address with a zone is taken as it is: the percent sign begins no token.
func TestAnAddressWithAZone(t *testing.T) {
	s, err := resolve("User u\n", Query{Host: "fe80::1%usb0"}, world(nil))
	if err != nil || s.HostName != "fe80::1%usb0" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// A name is made canonical as CanonicalizeHostname says, and Host and Match see the canonical name then.
func TestCanonicalNames(t *testing.T) {
	env := world(nil)
	env.LookupHost = func(name, family string) (string, error) {
		aliases := map[string]string{"web1.b.org.": "web1.b.org", "www.b.org.": "web1.real.org", "old": "new.real.org", "full.a.org.": "full.a.org"}
		alias, ok := aliases[name]
		if !ok || family == "inet6" {
			return "", errors.New("no such host")
		}
		return alias, nil
	}
	const domains = "CanonicalizeHostname yes\nCanonicalDomains a.org b.org\n"
	for _, tt := range []struct {
		text, host, want string
		port             int
	}{
		{domains, "web1", "web1.b.org", 22},
		{domains, "WEB1", "web1.b.org", 22},
		{domains, "nowhere", "nowhere", 22},
		{domains, "full.a.org.", "full.a.org", 22},
		{domains, "x.y.z", "x.y.z", 22},
		{domains, "10.1", "10.0.0.1", 22},
		{domains + "Host web1.b.org\n Port 4\n", "web1", "web1.b.org", 4},
		{domains + "Match canonical host *.b.org\n Port 4\n", "web1", "web1.b.org", 4},
		{domains + "Match final\n HostName late\n", "web1", "web1.b.org", 22},
		{domains + "CanonicalizePermittedCNAMEs *.b.org:*.real.org\n", "www", "web1.real.org", 22},
		{domains + "CanonicalizePermittedCNAMEs *.a.org:*.real.org\n", "www", "www.b.org", 22},
		{domains + "AddressFamily inet6\n", "web1", "web1", 22},
		{domains + "ProxyJump j\n", "web1", "web1", 22},
		{"CanonicalizeHostname always\nCanonicalDomains b.org\nProxyJump j\n", "web1", "web1.b.org", 22},
		{"CanonicalDomains b.org\n", "web1", "web1", 22},
	} {
		s, err := resolve(tt.text, Query{Host: tt.host}, env)
		if err != nil || s.HostName != tt.want || s.Port != tt.port {
			t.Errorf("%q, %s: got %+v, %v, want %s, port %d", tt.text, tt.host, s, err, tt.want, tt.port)
		}
	}
}

// An empty Env is enough for a configuration that refers to nothing.
func TestAnEmptyEnvironment(t *testing.T) {
	s, err := resolve("Port 4\nInclude x\nIdentityFile /k\n", Query{Host: "web1"}, Env{})
	if err != nil || s.Port != 4 || s.IdentityAgent != "" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Host a\nUser \"x\n", "config:2: user: quote without end"},
		{"Port\n", "config:1: port: no value"},
		{"Match exec missing\n", `config:1: match exec "missing": no such program`},
		{"Match localnetwork 10.0.0.1/8\n", "config:1: match localnetwork: \"10.0.0.1/8\" is not a network"},
		{"Host b\nNoSuchKeyword x\n", "config:2: nosuchkeyword: there is no such keyword in ssh_config(5)"},
		{"Host b\nPort x\n", "config:2: port: \"x\" is not a port"},
		{"Host b\nUser a b\n", "config:2: user: unexpected \"b\" at the end of the line"},
		{"Ciphers nosuch\n", "config:1: ciphers: unknown algorithm \"nosuch\""},
		{"CanonicalizeHostname yes\nCanonicalDomains x.org\nCanonicalizeFallbackLocal no\n", "a is in none of the CanonicalDomains, and CanonicalizeFallbackLocal is no (config:3)"},
		{"ProxyJump a\n", "proxyjump (config:1): jump host loop via a"},
		{"Match colour red\n", "config:1: match: unknown criterion colour"},
		{"Match host\n", "config:1: match host: no value"},
		{"\nInclude d/*\n", "config:2: /home/me/.ssh/d/bad:1: port: no value"},
		{"Include loop\n", "includes nested too deeply"},
		{"Port 70000\n", "config:1: port: \"70000\" is not a port"},
		{"IdentityFile %Q\n", "%Q is not supported"},
		{"IdentityFile x%\n", "nothing follows the last %"},
		{"IdentityFile ~nobody/x\n", "there is no user nobody"},
		{"IdentityFile ${NO_SUCH_VARIABLE}\n", "the environment has no NO_SUCH_VARIABLE"},
		{"IdentityFile ${DIR\n", "${ without }"},
		{"ConnectTimeout soon\n", "\"soon\" is not a time"},
		{"ConnectTimeout 99999999w\n", "\"99999999w\" is not a time"},
		{"ConnectTimeout 2000w2000w\n", "\"2000w2000w\" is not a time"},
	} {
		_, err := resolve(tt.text, Query{Host: "a"}, world(map[string]string{
			"/home/me/.ssh/d/bad": "Port\n", "/home/me/.ssh/loop": "Include loop\n",
		}))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
	if _, err := resolve("Match exec true\n", Query{Host: "a"}, Env{}); err == nil || !strings.Contains(err.Error(), "config:1: match exec: no command can be run here") {
		t.Errorf("no way to run a command: got %v", err)
	}
}

func TestSplitJump(t *testing.T) {
	for _, tt := range []struct {
		jump, before string
		last         Query
		err          string
	}{
		{"b", "", Query{Host: "b"}, ""},
		{"a, me@b:2222", "a", Query{Host: "b", User: "me", Port: 2222}, ""},
		{"a,b,ssh://c:1/", "a,b", Query{Host: "c", Port: 1}, ""},
		{"[::1]", "", Query{Host: "::1"}, ""},
		{"[::1]:9", "", Query{Host: "::1", Port: 9}, ""},
		{"b:ssh", "", Query{}, `"ssh" is not a port`},
		{"@b", "", Query{}, "no user before @"},
		{"a,", "a", Query{}, "no host"},
	} {
		before, last, err := SplitJump(tt.jump)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: got %v, want %s", tt.jump, err, tt.err)
			}
			continue
		}
		if err != nil || before != tt.before || !cmp.Equal(last, tt.last) {
			t.Errorf("%q: got %q, %+v, %v", tt.jump, before, last, err)
		}
	}
}

func TestAssemble(t *testing.T) {
	set := algorithmSet{known: []string{"a1", "a2", "b1", "old"}, defaults: []string{"a1", "a2", "b1"}}
	for _, tt := range []struct {
		list string
		want string
	}{
		{"", "[a1 a2 b1]"},
		{"b1,a*", "[b1 a1 a2]"},
		{"+old,a1", "[a1 a2 b1 old]"},
		{"-a*", "[b1]"},
		{"^b1", "[b1 a1 a2]"},
		{"unknown,a2", "[a2]"},
		{"unknown", "unknown names no algorithm"},
		{"-*", "[]"},
	} {
		chosen, err := set.assemble(tt.list)
		got := fmt.Sprint(chosen)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.list, got, tt.want)
		}
	}
}

// Settings of any files are within the types' ranges.
func FuzzSettings(f *testing.F) {
	f.Add("Host a*\n\tPort=22\nMatch host x !user \"y z\"\nProxyJump me@[::1]:22,b\nIdentityFile ~/%h\n", "web1")
	f.Add("Match final all\nConnectTimeout 1w2d\nUserKnownHostsFile a b\nInclude loop\n", "a.b")
	f.Fuzz(func(t *testing.T, text, host string) {
		q := Query{Host: host, DefaultUser: "root"}
		s, err := resolve(text, q, world(map[string]string{"/home/me/.ssh/loop": text}))
		if err == nil && (s.User == "" && s.Original != "" || s.Port < 1 || s.Port > 65535 || s.ConnectTimeout < 0) {
			t.Errorf("%+v", s)
		}
		if err == nil {
			SplitJump(s.ProxyJump)
		}
	})
}

// Files that include each other many times end in an error, not in 2^16 readings.
func TestIncludesAreLimited(t *testing.T) {
	reads := 0
	env := Env{
		Glob:     func(pattern string) ([]string, error) { return []string{pattern}, nil },
		ReadFile: func(string) ([]byte, error) { reads++; return []byte("Include a a a\n"), nil },
	}
	_, err := Read([]File{{Name: "config", Text: "Include a\n"}}, Query{Host: "web1"}, env)
	if err == nil || reads > maxIncludes+1 {
		t.Errorf("%d files are read: %v", reads, err)
	}
	env.ReadFile = func(name string) ([]byte, error) {
		if name == "/b" {
			return nil, nil
		}
		reads++
		return []byte(strings.Repeat("Include /b\n", 5000)), nil
	}
	if _, err = Read([]File{{Name: "config", Text: "Include /a\n"}}, Query{Host: "web1"}, env); err == nil || !strings.Contains(err.Error(), "more than 4096 files") {
		t.Errorf("got %v", err)
	}
}
