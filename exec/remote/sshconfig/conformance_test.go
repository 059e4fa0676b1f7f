package sshconfig

import (
	"bytes"
	"errors"
	goflag "flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	sshProgram    = goflag.String("ssh", "ssh", "the ssh that says what a configuration means")
	generatedN    = goflag.Int("generated", 300, "generated configurations")
	generatedSeed = goflag.Uint64("generated-seed", 1, "seed of the first of them")
)

// A dialect is what an ssh knows.
type dialect struct {
	isNew      bool // Tag, tokens of Include and all else of OpenSSH 9.9
	algorithms map[string]algorithmSet
	defaults   map[string][]string // the lines of an empty configuration
}

// oldOnly is a text that newer releases read in another way, or the other text for these.
func (d dialect) oldOnly(text, other string) string {
	if d.isNew {
		return other
	}
	return text
}

// asked is what ssh -G says.
func asked(t *testing.T, file string, q Query) ([]byte, error) {
	t.Helper()
	args := []string{"-G", "-F", file}
	if q.User != "" {
		args = append(args, "-l", q.User)
	}
	if q.Port != 0 {
		args = append(args, "-p", strconv.Itoa(q.Port))
	}
	answer, err := exec.CommandContext(t.Context(), *sshProgram, append(args, "--", q.Host)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%v: %s", err, exit.Stderr)
	}
	return answer, err
}

// knownDialect finds out what the ssh of this machine knows.
func knownDialect(t *testing.T) dialect {
	t.Helper()
	if _, err := exec.LookPath(*sshProgram); err != nil {
		t.Skip("no ssh on this machine")
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("Tag x\nChannelTimeout none\nInclude ${HOME}/nothing-here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := asked(t, file, Query{Host: "a"})
	d := dialect{isNew: err == nil, algorithms: map[string]algorithmSet{}}
	answer, err := asked(t, "/dev/null", Query{Host: "a"})
	if err != nil {
		t.Fatal(err)
	}
	d.defaults = byKeyword(answer)
	for key, set := range opensshAlgorithms {
		query := map[string]string{"ciphers": "cipher", "macs": "mac", "kexalgorithms": "kex"}[key]
		if query == "" {
			query = "key-sig"
		}
		known, err := exec.CommandContext(t.Context(), *sshProgram, "-Q", query).Output()
		if err != nil {
			t.Fatal(err)
		}
		set.known = strings.Fields(string(known))
		if key == "casignaturealgorithms" {
			set.known = slices.DeleteFunc(set.known, isCertificate)
		}
		_, list, _ := strings.Cut(d.defaults[key][0], " ")
		set.defaults = strings.Split(list, ",")
		d.algorithms[key] = set
	}
	return d
}

// byKeyword sorts the lines of an answer by their keywords.
func byKeyword(answer []byte) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(string(answer)) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[strings.ToLower(key)] = append(all[strings.ToLower(key)], strings.TrimRight(line, "\n"))
	}
	return all
}

// order is the order of keywords in an answer.
func order(answer []byte) (keys []string) {
	for line := range strings.Lines(string(answer)) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		keys = append(keys, key)
	}
	return slices.Compact(keys)
}

// differences compares an answer of ssh with ours. Where neither is set, defaults can differ: Debian has some of its own,
// and they change from release to release.
func (d dialect) differences(t *testing.T, theirs, ours []byte) (differences []string) {
	t.Helper()
	var none bytes.Buffer
	v, err := Read(nil, Query{Host: "a"}, d.env(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Print(&none); err != nil {
		t.Fatal(err)
	}
	initial, want, got := byKeyword(none.Bytes()), byKeyword(theirs), byKeyword(ours)
	for key := range maps.Keys(want) {
		if got[key] == nil && initial[key] == nil && keywordsByName[key] != nil && keywordsByName[key].print == unlisted && key != "host" {
			delete(want, key) // GSSAPI of Debian
		}
	}
	if !d.isNew {
		for key := range newKeywords {
			delete(got, key)
		}
	}
	keys := slices.Concat(slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		bothDefault := slices.Equal(got[key], initial[key]) && slices.Equal(want[key], d.defaults[key])
		// Debian probes every five minutes where BatchMode is on.
		isBatch := key == "serveraliveinterval" && slices.Equal(want["batchmode"], []string{"batchmode yes"})
		if !slices.Equal(want[key], got[key]) && !bothDefault && !isBatch {
			differences = append(differences, fmt.Sprintf("ssh %q, muster %q", want[key], got[key]))
		}
	}
	known := func(of map[string][]string) func(string) bool {
		return func(key string) bool { return of[strings.ToLower(key)] == nil }
	}
	if diff := cmp.Diff(slices.DeleteFunc(order(theirs), known(got)), slices.DeleteFunc(order(ours), known(want))); diff != "" {
		differences = append(differences, "order of keywords:\n"+diff)
	}
	return differences
}

// env is the environment that ssh sees.
func (d dialect) env(t *testing.T) Env {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	hostName, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return Env{
		Home: u.HomeDir, User: u.Username, UserID: os.Getuid(), HostName: hostName,
		LookupEnv: os.LookupEnv, ReadFile: os.ReadFile,
		HomeOf: func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.HomeDir, nil
		},
		Glob: func(pattern string) ([]string, error) {
			names, err := filepath.Glob(strings.ReplaceAll(pattern, "[!", "[^"))
			return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(filepath.Base(name), ".") }), err
		},
		Service:   func(name string) (int, bool) { p, err := net.LookupPort("tcp", name); return p, err == nil },
		MatchExec: func(command string) (bool, error) { return exec.Command("/bin/sh", "-c", command).Run() == nil, nil },
		Addresses: func() (addresses []netip.Addr, err error) {
			all, err := net.InterfaceAddrs()
			for _, a := range all {
				if n, ok := a.(*net.IPNet); ok {
					addr, _ := netip.AddrFromSlice(n.IP)
					addresses = append(addresses, addr.Unmap())
				}
			}
			return addresses, err
		},
		algorithms: d.algorithms,
	}
}

// ours is what this package says about a file.
func (d dialect) ours(t *testing.T, file string, q Query) ([]byte, error) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env := d.env(t)
	v, err := Read([]File{{Name: file, Text: string(text), IncludeDir: filepath.Join(env.Home, ".ssh")}}, q, env)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = v.Print(&b)
	return b.Bytes(), err
}

// compare says in what ssh and this package differ about a file.
func (d dialect) compare(t *testing.T, file string, q Query) []string {
	t.Helper()
	theirs, refused := asked(t, file, q)
	ours, err := d.ours(t, file, q)
	switch {
	case refused != nil && err == nil:
		return []string{"ssh refuses it: " + refused.Error()}
	case refused == nil && err != nil:
		return []string{"ssh takes it, we do not: " + err.Error()}
	case err != nil:
		if !regexp.MustCompile(`:\d+\b|read ssh configuration`).MatchString(err.Error()) {
			return []string{"the error names no line: " + err.Error()}
		}
		return nil
	}
	return d.differences(t, theirs, ours)
}

// What this package reads in a configuration is what ssh reads.
func TestConfigMeansWhatItMeansToSSH(t *testing.T) {
	d := knownDialect(t)
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web.conf", "Host web*\n\tUser included\n\tPort 2201\nMatch all\n\tConnectTimeout 7\n")
	write("more.conf", "ServerAliveInterval 11\nHost db\n\tPort 2202\n")
	me := localUser(t)
	for _, tt := range []struct {
		name, config string
		queries      []Query
	}{
		{"empty", "", []Query{{Host: "web1"}, {Host: "WEB1", User: "me", Port: 99}, {Host: "::1"}}},
		{"first value wins", "Host web1\n Port 1\n User a\nHost *\n Port 2\n User b\n", []Query{{Host: "web1"}, {Host: "web2"}, {Host: "web1", User: "x", Port: 9}}},
		{"equals signs, quotes, case", "host=web1\n\tPORT = 7\n\tuSeR=\"a b\"\n\tHostKeyAlias  'other'\n", []Query{{Host: "web1"}}},
		{"comments", "# Host web1\nHost web1 # a web server\n  # Port 1\n  Port 2 # two\n", []Query{{Host: "web1"}, {Host: "a"}}},
		{"patterns", "Host web* !web2 db?\n Port 5\nHost *.example.org\n HostName %h.internal\n", []Query{{Host: "web1"}, {Host: "web2"}, {Host: "db1"}, {Host: "db12"}, {Host: "a.example.org"}}},
		{"host name", "Host w\n HostName %h1.Example.Org\nHost x\n HostName 10.0.0.1\nHost y\n HostName 100%%\n", []Query{{Host: "w"}, {Host: "x"}, {Host: "y"}}},
		{"identity files", "Host web1\n IdentityFile ~/.ssh/%r@%h-%p\n IdentityFile /k/%n-%u-%d-%%\nIdentityFile /all\nCertificateFile ~/c1\nCertificateFile /c2\n", []Query{{Host: "web1"}, {Host: "b"}}},
		{"identity file none", "IdentityFile none\n", []Query{{Host: "web1"}}},
		{"same identity file twice", "IdentityFile /a\nIdentityFile /a\n", []Query{{Host: "web1"}}},
		{"known hosts", "UserKnownHostsFile /a ~/b /c/%h\nGlobalKnownHostsFile /g1 /g2\nUserKnownHostsFile /late\n", []Query{{Host: "web1"}}},
		{"known hosts none", "UserKnownHostsFile none\nGlobalKnownHostsFile none\n", []Query{{Host: "web1"}}},
		{"strictness", "Host a\n StrictHostKeyChecking accept-new\nHost b\n StrictHostKeyChecking no\nHost c\n StrictHostKeyChecking yes\nHost d\n StrictHostKeyChecking off\nHost *\n HashKnownHosts yes\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}, {Host: "d"}}},
		{"agent", "Host a\n IdentityAgent none\nHost b\n IdentityAgent ~/agent\nHost c\n IdentityAgent SSH_AUTH_SOCK\nHost d\n IdentityAgent $OTHER_SOCK\nHost *\n IdentitiesOnly yes\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}, {Host: "d"}, {Host: "e"}}},
		{"times", "Host a\n ConnectTimeout 5\n ServerAliveInterval 3\n ServerAliveCountMax 9\nHost b\n ConnectTimeout 1m30s\n ServerAliveInterval 2m\nHost c\n ConnectTimeout none\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}}},
		{"jump", "Host a\n ProxyJump b\nHost c\n ProxyJump me@b:22,d\nHost d\n ProxyJump none\n ProxyCommand nc %h %p\nHost e\n ProxyCommand nc %h %p # not a comment\n ProxyJump b\nHost f\n ProxyCommand none\nHost h\n ProxyJump none\nHost *\n ProxyJump z\n", []Query{{Host: "a"}, {Host: "c"}, {Host: "d"}, {Host: "e"}, {Host: "f"}, {Host: "g"}, {Host: "h"}}},
		{"include", "Include " + dir + "/*.conf\nHost web1\n User me\nPort 3\n", []Query{{Host: "web1"}, {Host: "db"}, {Host: "x"}}},
		{"include in a section", "Host web1\n Include " + dir + "/web.conf\n Port 77\nHost *\n User last\n", []Query{{Host: "web1"}, {Host: "web2"}, {Host: "db"}}},
		{"include of nothing", "Include /nonexistent/*.conf\nInclude /nonexistent/file\nPort 4\n", []Query{{Host: "a"}}},
		{"match host", "Host w\n HostName 10.1.2.3\nMatch host 10.1.*\n Port 8\nMatch originalhost w\n User orig\nMatch host w\n ConnectTimeout 3\n", []Query{{Host: "w"}, {Host: "x"}, {Host: "10.1.9.9"}}},
		{"match user", "Match user deploy,ci\n Port 9\nMatch user " + me + "\n Port 10\nMatch !user deploy\n ConnectTimeout 4\n", []Query{{Host: "a", User: "deploy"}, {Host: "a"}, {Host: "a", User: "other"}}},
		{"match user as configured", "Host a\n User deploy\nMatch user deploy\n Port 9\n", []Query{{Host: "a"}, {Host: "b"}}},
		{"match local user", "Match localuser " + me + "\n Port 9\nMatch localuser nobody-else\n User x\n", []Query{{Host: "a"}}},
		{"match several", "Match host w* user deploy\n Port 9\nMatch all\n ConnectTimeout 2\n", []Query{{Host: "w1", User: "deploy"}, {Host: "w1"}, {Host: "x", User: "deploy"}}},
		{"match final", "Host w\n HostName real.example\nMatch final host real.example\n Port 31\nMatch final all\n User late\nHost *\n ConnectTimeout 6\n", []Query{{Host: "w"}, {Host: "x"}}},
		{"match exec behind another", "Match host nosuch exec \"exit 1\"\n Port 9\n", []Query{{Host: "w"}}},
		{"section ends section", "Host a\n Port 1\nMatch all\n User x\nHost b\n Port 2\n", []Query{{Host: "a"}, {Host: "b"}, {Host: "c"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "/run/agent")
			t.Setenv("OTHER_SOCK", "/run/other")
			file := filepath.Join(dir, "config")
			write("config", tt.config)
			for _, q := range tt.queries {
				for _, difference := range d.compare(t, file, q) {
					t.Errorf("%+v: %s", q, difference)
				}
			}
		})
	}
}

// Generated configurations mean to this package what they mean to ssh, and what ssh refuses is refused.
func TestGeneratedConfigurations(t *testing.T) {
	d := knownDialect(t)
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	t.Setenv("MUSTER_TEST_NAME", "name")
	t.Setenv("SHELL", "/bin/sh")
	dir := t.TempDir()
	file := filepath.Join(dir, "config")
	refused, began := 0, time.Now()
	for i := range *generatedN {
		seed := *generatedSeed + uint64(i)
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), dialect: d, dir: dir}
		c := g.configuration()
		for n := range 2 {
			os.Remove(filepath.Join(dir, fmt.Sprintf("included.%d.conf", n)))
		}
		for n, text := range c.included {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("included.%d.conf", n)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, []byte(c.main), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ours(t, file, c.query); err != nil {
			refused++
		}
		if differences := d.compare(t, file, c.query); differences != nil {
			t.Errorf("seed %d, %+v:\n%s\n--- config\n%s--- included\n%s", seed, c.query, strings.Join(differences, "\n"), c.main, strings.Join(c.included, "---\n"))
		}
	}
	t.Logf("%d configurations, of which %d are refused, in %v", *generatedN, refused, time.Since(began).Round(time.Second))
}

func localUser(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// Each value of testdata/keywords.txt means what it means to ssh, or is refused as by ssh. No keyword of the manual is without.
func TestEveryKeyword(t *testing.T) {
	d := knownDialect(t)
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	text, err := os.ReadFile("testdata/keywords.txt")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	seen := map[*keyword]bool{}
	rows, refused := 0, 0
	for line := range strings.Lines(string(text)) {
		name, values, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || line[0] == '#' {
			continue
		}
		k := keywordsByName[strings.ToLower(name)]
		seen[k] = true
		if k != nil && newKeywords[k.name] && !d.isNew {
			continue
		}
		for value := range strings.SplitSeq(values, " | ") {
			if err := os.WriteFile(file, []byte(name+" "+value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			rows++
			q := Query{Host: "web1"}
			if _, err := d.ours(t, file, q); err != nil {
				refused++
			}
			for _, difference := range d.compare(t, file, q) {
				t.Errorf("%s %s: %s", name, value, difference)
			}
		}
	}
	t.Logf("%d rows, of which %d are refused", rows, refused)
	for i := range keywords {
		if k := &keywords[i]; !seen[k] && k.parse != nil && k.print != unlisted {
			t.Errorf("%s has no row", k.name)
		}
	}
}

// newKeywords are those that OpenSSH 9.2 does not know.
var newKeywords = map[string]bool{"tag": true, "channeltimeout": true, "obscurekeystroketiming": true}

var update = goflag.Bool("update", false, "rewrite exec/SSH.md")

// exec/SSH.md lists what muster does with each keyword.
func TestTheTableOfKeywords(t *testing.T) {
	const file = "../../SSH.md"
	var b strings.Builder
	b.WriteString(`# What muster does with the SSH configuration

muster reads ` + "`~/.ssh/config`, `/etc/ssh/ssh_config`" + ` and what they include, or the file of ` + "`--ssh-config`" + `, line by
line as ssh (OpenSSH 9.9) does. What ssh refuses is refused, with the file and the line: a keyword that nobody knows, a value
that is wrong, also in a section for other hosts. ` + "`muster ssh -G HOST`" + ` prints what the configuration means for a host, in the
format of ` + "`ssh -G`" + `.

Each keyword of ssh_config(5) is *used* (it means to muster what it means to ssh), *harmless* (it makes no difference to what
muster does), or *warned*: a value that would make a difference is named in a warning, with its line. An *obsolete* keyword
ssh passes over too. This table is made from the one that muster reads files by.

| keyword | muster | why |
| --- | --- | --- |
`)
	for _, k := range keywords {
		if k.use != used && k.why == "" {
			t.Errorf("%s is %s: why?", k.name, k.use)
		}
		names := append([]string{lower(k.name)}, k.aliases...)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(names, "`, `"), k.use, k.why)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), b.String()); diff != "" {
		t.Errorf("%s is not what the table of keywords says: just update (-have +want):\n%s", file, diff)
	}
}
