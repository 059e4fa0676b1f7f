package cmd

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/exec/lab"
	"muster/exec/lab/objectlab"
	"muster/exec/objectstore"
	"muster/exec/release"
)

var (
	pullHosts = flag.Int("pull-hosts", 3, "let `n` hosts pull")
	pullS3    = flag.String("pull-s3", "", "pull from a bucket of this versitygw `program`, instead of a server with PUT")
)

// A pullFleet is hosts that pull, and the store that they pull from. Nothing connects to the hosts by SSH.
type pullFleet struct {
	*testing.T
	lab     *lab.Lab
	dir     string
	home    string
	command string
	url     string
	env     []string // credentials of the store
	store   objectstore.Store
	key     string // the public half
	systemd bool
}

func newPullFleet(t *testing.T) *pullFleet {
	t.Helper()
	lab.RequireLab(t)
	f := &pullFleet{T: t, dir: t.TempDir(), home: t.TempDir(), command: musterProgram(t), systemd: *onSystemd}
	var names []string
	for i := range *pullHosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	f.lab = lab.NewWith(t, lab.Options{Hosts: names, Systemd: f.systemd})
	f.serve()
	program, err := os.ReadFile(f.command)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range f.lab.Hosts {
		if err := h.WriteFile("/root/muster", program, 0o755); err != nil {
			t.Fatal(err)
		}
		f.on(h.Name, "mkdir", "-p", "/etc/muster")
	}
	f.key = strings.TrimSpace(f.run(0, "publish", "--make-key", "fleet-1", "--key", f.home+"/key"))
	f.run(0, "publish", "--make-key", "fleet-1", "--key", f.home+"/other")
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(minios, f.home+"/minios"); err != nil {
		t.Fatal(err)
	}
	return f
}

// serve starts the store where the hosts reach it.
func (f *pullFleet) serve() {
	f.Helper()
	l, err := net.Listen("tcp", f.address()+":0")
	if err != nil {
		f.Fatal(err)
	}
	if *pullS3 != "" {
		l.Close()
		f.serveS3(l.Addr().String())
	} else {
		server := &http.Server{Handler: objectlab.New("fleet:word")}
		go server.Serve(l)
		f.Cleanup(func() { server.Close() })
		f.url, f.env = "http://"+l.Addr().String(), []string{storeAuth + "=fleet:word"}
	}
	for _, e := range f.env {
		name, value, _ := strings.Cut(e, "=")
		f.Setenv(name, value)
	}
	if f.store, err = objectstore.Open(f.url, objectstore.Options{Authorization: os.Getenv(storeAuth)}); err != nil {
		f.Fatal(err)
	}
}

// address is this machine's address in the network of the hosts.
func (f *pullFleet) address() string {
	f.Helper()
	way, err := net.Dial("udp", f.lab.Hosts[0].Addr+":9") // sends nothing
	if err != nil {
		f.Fatal(err)
	}
	defer way.Close()
	address, _, _ := net.SplitHostPort(way.LocalAddr().String())
	return address
}

// serveS3 starts versitygw over a directory, with a bucket.
func (f *pullFleet) serveS3(address string) {
	f.Helper()
	dir := f.TempDir()
	if err := os.Mkdir(dir+"/fleet", 0o755); err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command(*pullS3, "--access", "fleet", "--secret", "word1234", "--port", address, "posix", "--sidecar", f.TempDir(), dir)
	log, err := os.Create(f.home + "/gateway.log")
	if err != nil {
		f.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); f.Failed() {
			f.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	for range 1000 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.url = "s3://fleet?scheme=http&endpoint=" + address
	f.env = []string{"AWS_ACCESS_KEY_ID=fleet", "AWS_SECRET_ACCESS_KEY=word1234"}
}

// run runs muster here and returns what it prints, with standard error where it fails.
func (f *pullFleet) run(status int, args ...string) string {
	f.Helper()
	out, _ := f.output(status, args...)
	return out
}

// output runs muster here and returns what it prints.
func (f *pullFleet) output(status int, args ...string) (stdout, stderr string) {
	f.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(f.Context(), f.command, args...)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), append(f.env, "HOME="+f.home, "XDG_STATE_HOME="+f.home+"/state", "MUSTER_SSH_CONFIG="+f.lab.SSHConfig, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	if err != nil || got != status {
		f.Fatalf("muster %s: status %d, want %d: %v\n%s%s", strings.Join(args, " "), got, status, err, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// on runs a command on a host, past SSH.
func (f *pullFleet) on(host string, argv ...string) string {
	f.Helper()
	out, err := f.lab.Host(host).Run(f.Context(), argv...)
	if err != nil {
		f.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// inventory writes the fleet: a canary, then batches, with more CUE.
func (f *pullFleet) inventory(more string) {
	f.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "package fleet\n\nnixpkgs: path: %q\nrollout: {canaries: \"h0\", batch: %d}\n", f.home+"/minios", *pullHosts/2)
	fmt.Fprintf(&b, "defaults: {\n\tpull: {from: %q, key: %q, every: \"2099-01-01\"}\n\tconfig: system: stateVersion: \"24.05\"\n", f.url, f.key)
	// The test starts the agent; the package is the muster that the test has put there.
	b.WriteString("\tconfig: boot: loader: grub: device: \"/dev/sda\"\n\tconfig: muster: pull: package: $expr: \"pkgs.writeShellScriptBin \\\"muster\\\" \\\"exec /root/muster \\\\\\\"$@\\\\\\\"\\\"\"\n}\n")
	for _, h := range f.lab.Hosts {
		fmt.Fprintf(&b, "hosts: %s: {host: %q, host_keys: [%q], file_systems: \"/\": {device: \"/dev/sda1\", fs_type: \"ext4\"}}\n", h.Name, h.Name, h.HostKey())
	}
	b.WriteString(more + "\n")
	if err := os.WriteFile(f.dir+"/hosts.cue", []byte(b.String()), 0o600); err != nil {
		f.Fatal(err)
	}
}

// publish publishes the inventory with a text in /etc/generation, and more.
func (f *pullFleet) publish(generation, more string, args ...string) {
	f.Helper()
	f.inventory(fmt.Sprintf("defaults: config: environment: etc: generation: text: %q\n%s", generation, more))
	f.run(0, append([]string{"publish", "--to", f.url, "--key", f.home + "/key"}, args...)...)
}

// labHostKey is the file of the SSH host key of a lab host.
const labHostKey = "/etc/ssh/ssh_host_ed25519_key"

// pull has a host look once, and returns what its agent says.
func (f *pullFleet) pull(host string) string {
	f.Helper()
	argv := append([]string{"env", "LC_ALL=C"}, f.env...)
	argv = append(argv, "NIX_CONFIG=sandbox = false\nbuild-users-group =", "/bin/sh", "-c", `/root/muster agent run --from "$1" --host "$2" --key "$3" --host-keys "$4" --interval 1s 2>&1; true`, "sh", f.url, host, f.key, labHostKey)
	return f.on(host, argv...)
}

// pullAll has hosts look side by side.
func (f *pullFleet) pullAll(hosts []*lab.Host) map[string]string {
	f.Helper()
	var mu sync.Mutex
	var g sync.WaitGroup
	said := map[string]string{}
	slots := make(chan struct{}, 4)
	for _, h := range hosts {
		slots <- struct{}{}
		g.Go(func() {
			defer func() { <-slots }()
			out := f.pull(h.Name)
			mu.Lock()
			said[h.Name] = out
			mu.Unlock()
		})
	}
	g.Wait()
	return said
}

// generation is what a host runs; "" for no system.
func (f *pullFleet) generation(host string) string {
	f.Helper()
	return f.on(host, "sh", "-c", "cat /run/current-system/etc/generation 2>/dev/null || true")
}

// expect compares what the agents say, and what the hosts run.
func (f *pullFleet) expect(said map[string]string, says, generation string) {
	f.Helper()
	for host, text := range said {
		if !strings.Contains(text, says) {
			f.Errorf("%s: want %q, got:\n%s", host, says, text)
		}
		if got := f.generation(host); got != generation {
			f.Errorf("%s: it runs %q, want %q:\n%s", host, got, generation, text)
		}
	}
}

// object reads or writes an object, as who has stolen the credentials can.
func (f *pullFleet) object(key string) []byte {
	f.Helper()
	text, _, err := objectstore.Read(f.Context(), f.store, key, objectstore.ReadOptions{Limit: release.MaxHosts})
	if err != nil {
		f.Fatal(err)
	}
	return text
}

func (f *pullFleet) setHead(text []byte) {
	f.Helper()
	if err := objectstore.Write(context.Background(), f.store, release.HeadKey, text, objectstore.Condition{}); err != nil {
		f.Fatal(err)
	}
}

func TestPull(t *testing.T) {
	f := newPullFleet(t)
	canary, rest := f.lab.Hosts[:1], f.lab.Hosts[1:]
	wave2 := rest[:max(1, *pullHosts/2)]
	wave3 := rest[len(wave2):]

	// The first release, wave by wave.
	f.publish("one", "")
	f.expect(f.pullAll(rest), "waiting: for wave", "")
	f.expect(f.pullAll(canary), "release 1: activated", "one")
	time.Sleep(2 * time.Second) // gates are counted again
	f.expect(f.pullAll(wave3), "waiting: for wave 3: 1 of", "")
	f.expect(f.pullAll(wave2), "release 1: activated", "one")
	time.Sleep(2 * time.Second)
	f.expect(f.pullAll(wave3), "release 1: activated", "one")
	f.expect(f.pullAll(f.lab.Hosts), "release 1: nothing to do", "one")
	first := f.object(release.HeadKey)
	f.forgedReport()
	if out := f.run(0, "status", "--from", f.url); strings.Count(out, "1 of 1") != *pullHosts {
		t.Errorf("status:\n%s", out)
	}

	// A bad release ends at its first wave, by its health check.
	f.publish("bad", `defaults: config: {}`+"\n"+`hosts: h0: health: [{command: ["sh", "-c", "! grep -q bad /etc/generation"], retries: 0}]`)
	f.expect(f.pullAll(canary), "release 2: rolled back", "one")
	f.expect(f.pullAll(canary), "release 2: nothing to do", "one")
	time.Sleep(2 * time.Second)
	f.expect(f.pullAll(rest), "1 host failed in the waves before", "one")
	if out := f.run(3, "status", "--from", f.url); !strings.Contains(out, "rolled back") {
		t.Errorf("status:\n%s", out)
	}

	// A host that is away for two releases takes the last.
	away := f.lab.Hosts[*pullHosts-1]
	if err := away.Stop(); err != nil {
		t.Fatal(err)
	}
	f.publish("three", "")
	f.expect(f.pullAll(canary), "release 3: activated", "three")
	f.publish("four", "")
	for range 3 {
		time.Sleep(2 * time.Second)
		f.pullAll(f.lab.Hosts[:*pullHosts-1])
	}
	if err := away.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	f.pullAll([]*lab.Host{away})
	f.expect(f.pullAll(f.lab.Hosts), "release 4: nothing to do", "four")

	// What is no release for these hosts.
	good := f.object(release.HeadKey)
	f.publish("five", "", "--good-for", "1s")
	fifth := f.object(release.HeadKey)
	time.Sleep(2 * time.Second)
	for name, tt := range map[string]struct {
		head []byte
		says string
	}{
		"replayed":       {first, "it is older than one that the host has taken"},
		"expired":        {fifth, "it has expired"},
		"tampered":       {bytes.Replace(bytes.Clone(good), []byte(`"number":4`), []byte(`"number":9`), 1), "no trusted key has signed it"},
		"half-written":   {good[:len(good)/2], "damaged or not whole"},
		"wrongly signed": {f.signedByAnother(), "no trusted key has signed it"},
	} {
		f.setHead(tt.head)
		for host, text := range f.pullAll(f.lab.Hosts[:min(3, *pullHosts)]) {
			if !strings.Contains(text, tt.says) {
				t.Errorf("%s: %s: want %q, got:\n%s", name, host, tt.says, text)
			}
		}
	}
	f.setHead(good)
	f.expect(f.pullAll(f.lab.Hosts), "nothing to do", "four")

	// A path that another key has signed is not substituted, though the release is good.
	f.run(0, "publish", "--to", f.url, "--key", f.home+"/key") // of what is in the inventory: five
	narinfo := f.spoil(f.lab.Hosts[0].Name)
	f.expect(f.pullAll(canary), "retrying: fetch", "four")
	if err := objectstore.Write(context.Background(), f.store, narinfo.key, narinfo.text, objectstore.Condition{}); err != nil {
		t.Fatal(err)
	}
	f.expect(f.pullAll(canary), "release 5: activated", "five")
	f.prune()
}

// prune looks at what the store of the hosts could do without, where all is young, and removes it from another.
func (f *pullFleet) prune() {
	f.Helper()
	if out := f.run(0, "prune", "--from", f.url, "--keep", "1", "--newer-than", "0s", "--dry-run"); !strings.Contains(out, "stays: newest") || !strings.Contains(out, "0 releases of") {
		f.Errorf("prune --dry-run:\n%s", out)
	}
	dir := f.TempDir()
	url := "file://" + dir
	for _, generation := range []string{"six", "seven", "eight"} {
		f.inventory(fmt.Sprintf("defaults: config: environment: etc: generation: text: %q", generation))
		f.run(0, "publish", "--to", url, "--key", f.home+"/key", "--good-for", "1h")
	}
	paths := func() []string {
		f.Helper()
		infos, err := filepath.Glob(dir + "/*.narinfo")
		if err != nil {
			f.Fatal(err)
		}
		return infos
	}
	before := len(paths())
	old := time.Now().Add(-30 * 24 * time.Hour)
	for _, name := range append(paths(), globs(f.T, dir+"/muster/releases/[12]-*/*", dir+"/muster/releases/[12]-*/*/*", dir+"/nar/*")...) {
		if err := os.Chtimes(name, old, old); err != nil {
			f.Fatal(err)
		}
	}
	if out := f.run(0, "prune", "--from", url, "--keep", "1", "--dry-run"); !strings.Contains(out, "would be removed") || len(paths()) != before {
		f.Errorf("prune --dry-run: %d paths of %d are left:\n%s", len(paths()), before, out)
	}
	// Copies of heads say that both are good for some minutes yet.
	for _, name := range globs(f.T, dir+"/muster/releases/[12]-*/release.json") {
		if err := os.Remove(name); err != nil {
			f.Fatal(err)
		}
	}
	if out := f.run(0, "prune", "--from", url, "--keep", "1", "--dry-run"); strings.Count(out, "stays: perhaps good") != 2 {
		f.Errorf("prune --dry-run:\n%s", out)
	}
	old = time.Now().Add(-100 * 24 * time.Hour)
	for _, name := range globs(f.T, dir+"/muster/releases/[12]-*/*", dir+"/muster/releases/[12]-*/*/*") {
		if err := os.Chtimes(name, old, old); err != nil {
			f.Fatal(err)
		}
	}
	if _, errs := f.output(1, "prune", "--from", url, "--keep", "1"); !strings.Contains(errs, "nothing is removed: there is no terminal to ask on") || len(paths()) != before {
		f.Errorf("prune without --yes: %d paths of %d are left:\n%s", len(paths()), before, errs)
	}
	if out := f.run(0, "prune", "--from", url, "--keep", "1", "--yes"); !strings.Contains(out, "2 releases of 3") || len(paths()) >= before || len(globs(f.T, dir+"/muster/releases/*")) != 1 {
		f.Errorf("prune: %d paths of %d are left:\n%s", len(paths()), before, out)
	}
	// Nix finds the closures of all systems of the release that is left.
	systems := regexp.MustCompile(`"system":"([^"]+)"`).FindAllStringSubmatch(string(mustRead(f.T, globs(f.T, dir+"/muster/releases/*/hosts.json")[0])), -1)
	for _, m := range systems {
		out, err := exec.Command("nix", "--extra-experimental-features", "nix-command", "path-info", "-r", "--store", url, m[1]).CombinedOutput()
		if err != nil {
			f.Errorf("%v\n%s", err, out)
		}
	}
	// Paths with the same contents share an archive.
	archives := map[string]bool{}
	for _, info := range paths() {
		_, rest, _ := strings.Cut(string(mustRead(f.T, info)), "\nURL: ")
		archive, _, _ := strings.Cut(rest, "\n")
		archives[dir+"/"+archive] = true
	}
	there := globs(f.T, dir+"/nar/*")
	if len(systems) != *pullHosts || len(there) != len(archives) || slices.ContainsFunc(there, func(name string) bool { return !archives[name] }) {
		f.Errorf("%d systems, %d paths with %d archives, %d archives are there", len(systems), len(paths()), len(archives), len(there))
	}
}

// globs are the files of patterns.
func globs(t testing.TB, patterns ...string) (names []string) {
	t.Helper()
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// forgedReport has the store say of a host what its key has not signed.
func (f *pullFleet) forgedReport() {
	f.Helper()
	key := release.ReportKey("h0")
	good := f.object(key)
	line, _, _ := bytes.Cut(good, []byte("\n"))
	for says, text := range map[string][]byte{
		"it is not signed":                 append(line, '\n'),
		"the signature is of another text": bytes.Replace(good, []byte(`"generation":`), []byte(`"generation":1`), 1),
	} {
		if err := objectstore.Write(f.Context(), f.store, key, text, objectstore.Condition{}); err != nil {
			f.Fatal(err)
		}
		if out := f.run(3, "status", "--from", f.url); !strings.Contains(out, "not believed") || !strings.Contains(out, "it says activated: "+says) {
			f.Errorf("status:\n%s", out)
		}
	}
	if err := objectstore.Write(f.Context(), f.store, key, good, objectstore.Condition{}); err != nil {
		f.Fatal(err)
	}
}

// signedByAnother is the head of a release by another key of the same name.
func (f *pullFleet) signedByAnother() []byte {
	f.Helper()
	dir := f.TempDir()
	f.run(0, "publish", "--to", "file://"+dir, "--key", f.home+"/other")
	text, err := os.ReadFile(filepath.Join(dir, release.HeadKey))
	if err != nil {
		f.Fatal(err)
	}
	return text
}

type savedObject struct {
	key  string
	text []byte
}

// spoil breaks the signature of a host's system in the binary cache, and returns what was there.
func (f *pullFleet) spoil(host string) savedObject {
	f.Helper()
	members := f.object(f.members())
	_, text, _ := strings.Cut(string(members), `"host":"`+host+`"`)
	_, text, _ = strings.Cut(text, `"system":"/nix/store/`)
	key := text[:32] + ".narinfo"
	old := f.object(key)
	at := bytes.Index(old, []byte("Sig: fleet-1:"))
	spoilt := bytes.Clone(old)
	spoilt[at+20] ^= 1
	if err := objectstore.Write(context.Background(), f.store, key, spoilt, objectstore.Condition{}); err != nil {
		f.Fatal(err)
	}
	return savedObject{key, old}
}

// members is the key of the list of hosts of the current release.
func (f *pullFleet) members() string {
	_, text, _ := strings.Cut(string(f.object(release.HeadKey)), `"dir":"`)
	dir, _, _ := strings.Cut(text, `"`)
	return "muster/releases/" + dir + "/hosts.json"
}
