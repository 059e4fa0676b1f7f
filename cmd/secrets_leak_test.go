package cmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"muster/exec/lab"
	"muster/exec/secret"
)

// A leakFleet is hosts with secrets of every kind, whose contents are random, and all that
// muster has printed about them.
type leakFleet struct {
	t        *testing.T
	lab      *lab.Lab
	dir      string // of the inventory
	home     string
	identity age.Identity
	began    time.Time
	search   secretSearch
	said     map[string][]byte // what runs of muster printed, by what they were
	env      map[string]string
	unit     string // text in the unit app, which makes another system
	secrets  []leakSecret
	command  string // the muster that runs
}

// A leakSecret is a secret of the fleet.
type leakSecret struct {
	name, source string // of the inventory
	options      string
	attributes   string // what stat prints on a host
	value        func(f *leakFleet) []byte
	volatile     bool
}

const plainMode = "400 root:root"

// kinds are the secrets of the fleet.
func (f *leakFleet) kinds() []leakSecret {
	var all []leakSecret
	add := func(n int, kind, options, attributes string, source func(i int, name string) string, value func(i int, name string) []byte) {
		for i := range n {
			name := fmt.Sprintf("%s%d", kind, i)
			all = append(all, leakSecret{name, source(i, name), options, attributes, func(*leakFleet) []byte { return value(i, name) }, strings.Contains(options, "volatile")})
		}
	}
	file := func(name string) []byte { return f.read("plain/" + name) }
	opened := func(_ int, name string) []byte { return f.open(name + ".age") }
	aged := func(_ int, name string) string { return fmt.Sprintf("age: %q", "./"+name+".age") }
	plain := func(_ int, name string) string { return fmt.Sprintf("file: %q", "./plain/"+name) }
	ofFile := func(_ int, name string) []byte { return file(name) }
	for name, generate := range map[string]string{
		"password": `{kind: "password"}`, "hex": `{kind: "hex"}`, "sshkey": `{kind: "ssh-ed25519"}`, "wireguard": `{kind: "wireguard"}`,
		"cert": `{kind: "x509", names: ["db.example.org"], authority: "./ca.age"}`,
	} {
		add(2, name, "", plainMode, func(_ int, name string) string {
			return fmt.Sprintf("age: %q, generate: %s", "./"+name+".age", generate)
		}, opened)
	}
	add(5, "aged", "", plainMode, aged, opened)
	add(3, "kept", "keep: true", plainMode, aged, opened)
	add(4, "command", "", plainMode, func(_ int, name string) string { return fmt.Sprintf("command: [\"cat\", %q]", "./plain/"+name) }, ofFile)
	add(4, "file", "", plainMode, plain, ofFile)
	add(4, "env", "", plainMode, func(i int, _ string) string { return fmt.Sprintf("env: \"LEAK_%d\"", i) },
		func(i int, _ string) []byte { return []byte(f.env[fmt.Sprintf("LEAK_%d", i)]) })
	add(3, "volatile", "volatile: true", plainMode, plain, ofFile)
	add(3, "owned", `owner: "app", group: "ops", mode: "0440"`, "440 app:ops", plain, ofFile)
	add(2, "restarts", `restart: ["app.service"], owner: "app"`, "400 app:root", plain, ofFile)
	add(2, "reloads", `reload: ["web.service"], mode: "0600"`, "600 root:root", plain, ofFile)
	add(2, "template", "", plainMode, func(i int, _ string) string { return fmt.Sprintf("template: \"a={{aged%d}}\\nb={{env%d}}\\n\"", i, i) },
		func(i int, _ string) []byte {
			return fmt.Appendf(nil, "a=%s\nb=%s\n", bytes.TrimSpace(f.open(fmt.Sprintf("aged%d.age", i))), f.env[fmt.Sprintf("LEAK_%d", i)])
		})
	for i := range 3 {
		name := fmt.Sprintf("linked%d", i)
		all = append(all, leakSecret{name, plain(0, name), fmt.Sprintf("path: \"/etc/linked/%d\"", i), plainMode, func(f *leakFleet) []byte { return file(name) }, false})
	}
	if _, err := exec.LookPath("sops"); err != nil {
		f.t.Log("not tried: sops, which is not here")
		return all
	}
	for i := range 2 {
		all = append(all, leakSecret{fmt.Sprintf("sops%d", i), fmt.Sprintf("sops: {file: \"./all.json\", key: \"list.%d\"}", i), "", plainMode,
			func(*leakFleet) []byte { return []byte(f.env[fmt.Sprintf("SOPS_%d", i)]) }, false})
	}
	return all
}

func newLeakFleet(t *testing.T, hosts int) *leakFleet {
	t.Helper()
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	f := &leakFleet{t: t, began: time.Now().Add(-time.Second), dir: t.TempDir(), home: t.TempDir(), said: map[string][]byte{}, env: map[string]string{}, unit: "first", command: musterProgram(t)}
	f.lab = lab.NewWith(t, lab.Options{Hosts: names, Systemd: true})
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f.identity = id
	f.write(f.home+"/identity", []byte(id.String()+"\n"))
	f.search.add("the identity", []byte(id.String()))
	f.secrets = f.kinds()
	for _, s := range f.secrets {
		f.renew(s.name)
	}
	f.inventory(id.Recipient().String())
	return f
}

// musterProgram is a muster: the test is one where it is called so.
func musterProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "muster")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	return program
}

func (f *leakFleet) read(name string) []byte {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

func (f *leakFleet) write(name string, content []byte) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *leakFleet) open(name string) []byte {
	content, err := secret.Open(f.read(name), []age.Identity{f.identity})
	if err != nil {
		f.t.Fatal(err)
	}
	return content
}

// renew gives a secret a new content where that is not muster's to make.
func (f *leakFleet) renew(name string) {
	content := []byte(rand.Text() + rand.Text() + "\n")
	i := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz")
	switch strings.TrimRight(name, "0123456789") {
	case "aged", "kept":
		text, err := secret.SealFile(content, f.identity.(*age.X25519Identity).Recipient().String())
		if err != nil {
			f.t.Fatal(err)
		}
		f.write(filepath.Join(f.dir, name+".age"), text)
	case "env":
		f.env["LEAK_"+i] = strings.TrimSpace(string(content))
	case "sops":
		f.env["SOPS_"+i] = strings.TrimSpace(string(content))
		f.sops()
	case "template", "password", "hex", "sshkey", "wireguard", "cert":
		return
	default:
		f.write(filepath.Join(f.dir, "plain", name), content)
	}
	f.search.add(name, content)
}

// sops encrypts the file of sops.
func (f *leakFleet) sops() {
	plain := filepath.Join(f.dir, "plain", "sops.json")
	f.write(plain, fmt.Appendf(nil, `{"list": [%q, %q]}`, f.env["SOPS_0"], f.env["SOPS_1"]))
	cmd := exec.Command("sops", "--encrypt", "--age", f.identity.(*age.X25519Identity).Recipient().String(), plain)
	text, err := cmd.Output()
	if err != nil {
		f.t.Fatal("sops:", err)
	}
	f.write(filepath.Join(f.dir, "all.json"), text)
}

// inventory writes the inventory.
func (f *leakFleet) inventory(recipient string) {
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		f.t.Fatal(err)
	}
	key, err := f.lab.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
	if err != nil {
		f.t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "package fleet\n\nnixpkgs: path: %q\nsecret_recipients: [%q]\n", minios, recipient)
	text.WriteString("defaults: config: environment: etc: leads: text: $secret: \"aged0\"\n")
	fmt.Fprintf(&text, "defaults: config: users: users: root: openssh: authorizedKeys: keys: [%q]\n", strings.TrimSpace(string(key)))
	for i, h := range f.lab.Hosts {
		fmt.Fprintf(&text, "hosts: %s: {host: %[1]q, disk_uuid: \"01b3bcba-c0ef-4538-8dd2-%012d\"}\n", h.Name, i)
	}
	text.WriteString("defaults: secrets: {\n")
	for _, s := range f.secrets {
		fmt.Fprintf(&text, "\t%q: {%s, %s}\n", s.name, s.source, s.options)
	}
	units, err := os.ReadFile("testdata/secret-units.nix")
	if err != nil {
		f.t.Fatal(err)
	}
	fmt.Fprintf(&text, "}\ndefaults: nix: #\"\"\"\n%s\n\"\"\"#\n", strings.Replace(strings.TrimSpace(string(units)), "FIRST", f.unit, 1))
	f.write(filepath.Join(f.dir, "hosts.cue"), []byte(text.String()))
}

// muster is a command of muster with the secrets of the environment.
func (f *leakFleet) muster(args ...string) *exec.Cmd {
	cmd := exec.Command(f.command, args...)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), "HOME="+f.home, "XDG_CONFIG_HOME=", "TMPDIR="+f.home+"/tmp", "MUSTER_SSH_CONFIG="+f.lab.SSHConfig, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =",
		"SOPS_AGE_KEY_FILE="+f.home+"/identity", "EDITOR=cp "+f.dir+"/plain/edited", "GOTRACEBACK=crash")
	for name, value := range f.env {
		if !strings.HasPrefix(name, "SOPS_") {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// run runs muster and keeps what it prints to be searched. It ends with a status.
func (f *leakFleet) run(status int, args ...string) string {
	f.t.Helper()
	cmd := f.muster(args...)
	out, _ := cmd.CombinedOutput()
	f.said[fmt.Sprintf("muster %s (run %d)", strings.Join(args, " "), len(f.said))] = out
	if got := cmd.ProcessState.ExitCode(); got != status {
		f.t.Fatalf("muster %s: status %d, want %d\n%s", strings.Join(args, " "), got, status, out)
	}
	return string(out)
}

func (f *leakFleet) on(h *lab.Host, argv ...string) string {
	f.t.Helper()
	out, err := h.Run(context.Background(), argv...)
	if err != nil {
		f.t.Fatalf("%s: %s: %v\n%s", h.Name, strings.Join(argv, " "), err, out)
	}
	return out
}

// contents are the digests of what the secrets should be now, by their names.
func (f *leakFleet) contents() map[string]string {
	all := map[string]string{}
	for _, s := range f.secrets {
		content := s.value(f)
		f.search.add(s.name, content)
		sum := sha256.Sum256(content)
		all[s.name] = hex.EncodeToString(sum[:])
	}
	return all
}

// list has a host tell the digest, mode, owner and time of each secret, a line each. It
// asks again where the host exchanges its secrets meanwhile.
func (f *leakFleet) list(h *lab.Host) string {
	f.t.Helper()
	for range 20 {
		out := f.on(h, "sh", "-c", `cd -P /run/muster-secrets && for s in *; do echo "$s $(sha256sum <"$s" | cut -c 1-64) $(stat -c '%a %U:%G %y' "$s")"; done`)
		whole := true
		for line := range strings.Lines(out) {
			whole = whole && len(strings.Fields(line)) == 7
		}
		if whole {
			return out
		}
		time.Sleep(200 * time.Millisecond)
	}
	f.t.Fatalf("%s: its secrets change all the time", h.Name)
	return ""
}

// check has every host tell the digest, mode and owner of each secret, and returns when
// each was changed, by host and secret.
func (f *leakFleet) check(when string, want map[string]string) map[string]string {
	f.t.Helper()
	times := map[string]string{}
	for _, h := range f.lab.Hosts {
		seen := map[string]bool{}
		for line := range strings.Lines(f.list(h)) {
			name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			sum, attributes, _ := strings.Cut(rest, " ")
			i := slices.IndexFunc(f.secrets, func(s leakSecret) bool { return s.name == name })
			if i < 0 {
				f.t.Errorf("%s: %s has a secret %s", when, h.Name, name)
				continue
			}
			seen[name] = true
			words := strings.SplitN(attributes, " ", 3)
			if got := words[0] + " " + words[1]; got != f.secrets[i].attributes {
				f.t.Errorf("%s: %s: %s is %s, want %s", when, h.Name, name, got, f.secrets[i].attributes)
			}
			if sum != want[name] {
				f.t.Errorf("%s: %s: %s has another content than it should have", when, h.Name, name)
			}
			times[h.Name+" "+name] = words[2]
		}
		for name := range want {
			if !seen[name] {
				f.t.Errorf("%s: %s has no secret %s", when, h.Name, name)
			}
		}
		if got := f.on(h, "cat", "/etc/leads"); got != "/run/muster-secrets/aged0" {
			f.t.Errorf("%s: %s: $secret is %q", when, h.Name, got)
		}
		for i := range 3 {
			if got := strings.TrimSpace(f.on(h, "readlink", fmt.Sprintf("/etc/linked/%d", i))); got != fmt.Sprintf("/run/muster-secrets/linked%d", i) {
				f.t.Errorf("%s: %s: /etc/linked/%d leads to %s", when, h.Name, i, got)
			}
		}
	}
	return times
}

// running waits until the units of a host's fleet are active.
func (f *leakFleet) running() {
	f.t.Helper()
	for _, h := range f.lab.Hosts {
		f.on(h, "sh", "-c", "for i in $(seq 200); do systemctl -q is-active app.service web.service && exit; sleep 0.1; done; systemctl status app.service; exit 1")
	}
}

// A fleet is deployed, changed, restarted and rolled back; secrets that cannot be read and
// units that do not run with theirs fail; muster is killed. No secret is anywhere but where
// it belongs, on any machine, in any form.
func TestNoSecretIsAnywhereElse(t *testing.T) {
	lab.RequireLab(t)
	hosts := 1
	if *onSystemd {
		hosts = 5
	}
	f := newLeakFleet(t, hosts)
	if n := len(f.secrets); n < 40 {
		t.Errorf("%d secrets, want 40", n)
	}
	f.write(f.home+"/tmp/x", nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	watch := watchProcesses(&f.search, func(pid string) bool {
		// muster has the environment that it was started with.
		exe, _ := os.Readlink("/proc/" + pid + "/exe")
		return exe == self || exe == ""
	})
	const id = "--identity"
	identity := f.home + "/identity"

	f.run(0, "secrets", "generate")
	f.search.add("the authority", f.open("ca.age"))
	want := f.contents()
	f.run(0, "vet")
	f.run(0, "plan", id, identity)
	f.run(0, "deploy", "--output", "json", id, identity)
	f.check("deployed", want)
	f.running()
	f.costsNothing(id, identity)
	f.changesOne(id, identity)
	times := f.check("one changed", f.contents())

	// Those that change have a new time, and no others.
	touched := []string{"aged0", "command0", "env0", "kept0", "restarts0", "volatile0", "linked0"}
	for _, name := range touched {
		f.renew(name)
	}
	f.run(0, "secrets", "rotate", "password0")
	f.run(0, "secrets", "rotate", "cert0", id, identity)
	f.write(filepath.Join(f.dir, "plain", "edited"), []byte("edited-"+rand.Text()+"\n"))
	f.run(0, "secrets", "edit", "aged1", id, identity)
	touched = append(touched, "password0", "cert0", "aged1", "template0", "template1")
	want = f.contents()
	f.run(3, "status", id, identity)
	f.run(0, "plan", "--output", "json", id, identity)
	f.run(0, "secrets", "push", id, identity)
	later := f.check("pushed", want)
	for key, at := range later {
		_, name, _ := strings.Cut(key, " ")
		if same := at == times[key]; same == slices.Contains(touched, name) {
			t.Errorf("%s: the same time as before: %t", key, same)
		}
	}
	f.run(0, "secrets", "rekey", id, identity)
	f.run(0, "status", id, identity)

	// What is not volatile is there after a restart.
	for _, h := range f.lab.Hosts {
		if err := h.Reboot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.running()
	stored := map[string]string{}
	for _, s := range f.secrets {
		if !s.volatile {
			stored[s.name] = want[s.name]
		}
	}
	if got := changed(later, f.check("restarted", stored)); len(got) > 0 {
		t.Errorf("a restart changes the time of %v", got)
	}
	f.run(0, "secrets", "push", id, identity)
	f.check("pushed after a restart", want)

	// A new system with new secrets, and back to the old one: those that are kept are as
	// they were.
	before := want
	f.renew("kept1")
	f.renew("file0")
	f.unit = "second"
	f.inventory(f.identity.(*age.X25519Identity).Recipient().String())
	want = f.contents()
	f.run(0, "deploy", "--output", "json", id, identity)
	f.check("a second system", want)
	f.run(0, "rollback")
	back := f.contents()
	back["kept1"] = before["kept1"]
	f.check("rolled back", back)
	f.run(0, "deploy", id, identity)
	f.check("the second system again", want)

	// Units that do not run with their secrets: the hosts get back those they had.
	good := f.read("plain/restarts1")
	f.write(filepath.Join(f.dir, "plain", "restarts1"), []byte("bad "+rand.Text()))
	f.renew("aged2")
	f.contents()
	f.run(4, "secrets", "push", id, identity)
	f.check("refused", want)
	f.unit = "third"
	f.inventory(f.identity.(*age.X25519Identity).Recipient().String())
	f.run(4, "deploy", "--output", "json", id, identity)
	f.check("refused with a system", want)
	f.write(filepath.Join(f.dir, "plain", "restarts1"), good)

	// Secrets that cannot be read: what a command prints before it fails is in no message.
	hosts0 := f.read("hosts.cue")
	for i, command := range []string{
		`["sh", "-c", "cat plain/command1 plain/command2; exit 1"]`,
		`["sh", "-c", "cat plain/command1 >&2; exit 1"]`,
		`["sh", "-xc", "x=$(cat plain/command1); echo $x; exit 1"]`,
		`["sh", "-c", "while cat plain/command1; do :; done"]`,
		`["sh", "-c", "base64 plain/command1 >&2; cat plain/command1; exit 1"]`,
	} {
		f.write(filepath.Join(f.dir, "hosts.cue"), bytes.Replace(hosts0, []byte(`["cat", "./plain/command1"]`), []byte(command), 1))
		f.run(1, "secrets", "check", id, identity)
		if i < 2 {
			f.run(1, "deploy", "--output", "json", id, identity)
			f.run(3, "status", id, identity)
		}
	}
	f.write(filepath.Join(f.dir, "hosts.cue"), hosts0)
	f.write(filepath.Join(f.dir, "aged3.age"), append(f.read("aged3.age")[:200], "\n"+string(f.read("plain/file1"))...))
	f.run(2, "secrets", "check", id, identity)
	f.renew("aged3")

	// muster leaves no core dump when it is killed with all secrets in its memory.
	f.write(filepath.Join(f.dir, "hosts.cue"), bytes.Replace(hosts0, []byte(`["cat", "./plain/command1"]`), []byte(`["sh", "-c", "sleep 1; touch reading; sleep 2"]`), 1))
	f.kill(syscall.SIGABRT, id, identity)
	f.write(filepath.Join(f.dir, "hosts.cue"), hosts0)
	for _, h := range f.lab.Hosts {
		f.on(h, "rm", "-f", "/run/muster/lock")
	}
	f.run(0, "deploy", id, identity)
	f.check("at the end", f.contents())

	watch.stop()
	f.lookEverywhere(watch)
}

// costsNothing deploys what is there already: that is one request, as without secrets.
func (f *leakFleet) costsNothing(args ...string) {
	f.t.Helper()
	requests := func() string {
		return f.on(f.lab.Hosts[0], "sh", "-c", "journalctl --no-pager | grep -c 'Starting session: '")
	}
	before, _ := strconv.Atoi(strings.TrimSpace(requests()))
	f.run(0, append([]string{"deploy"}, args...)...)
	if after, _ := strconv.Atoi(strings.TrimSpace(requests())); after-before != 1 || before == 0 {
		f.t.Errorf("a deployment that changes nothing makes %d requests, want 1", after-before)
	}
}

// changesOne changes one secret: one is sent, and the unit that asks for it is restarted,
// and nothing else.
func (f *leakFleet) changesOne(args ...string) {
	f.t.Helper()
	lines := func(script string) map[string]string {
		all := map[string]string{}
		for line := range strings.Lines(f.on(f.lab.Hosts[0], "sh", "-c", script)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			all[name] = value
		}
		return all
	}
	files := func() map[string]string {
		return lines("cd /var/lib/muster/secrets/current/ && stat -c '%n %i' *.age")
	}
	// Units by their last start. Those that come and go with a connection are none of ours.
	units := func() map[string]string {
		return lines("systemctl show --property=Id,InvocationID '*.service' | sed -n '/./!d; N; s/^Id=\\(.*\\)\\nInvocationID=\\(.*\\)/\\1 \\2/p' | grep -v '^user\\|^systemd-\\|^ssh'")
	}
	filesBefore, unitsBefore := files(), units()
	f.renew("restarts0")
	f.run(0, append([]string{"secrets", "push"}, args...)...)
	if got := changed(filesBefore, files()); !slices.Equal(got, []string{"restarts0.age"}) {
		f.t.Errorf("changing restarts0 sends %v", got)
	}
	if got := changed(unitsBefore, units()); !slices.Equal(got, []string{"app.service"}) {
		f.t.Errorf("changing restarts0 restarts %v", got)
	}
}

// changed are the keys of both maps whose values differ.
func changed(a, b map[string]string) (keys []string) {
	for key, v := range b {
		if was, ok := a[key]; ok && was != v {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// kill kills a push of secrets that has read some of them.
func (f *leakFleet) kill(signal syscall.Signal, args ...string) {
	f.t.Helper()
	push := f.muster(append([]string{"secrets", "push"}, args...)...)
	var out bytes.Buffer
	push.Stdout, push.Stderr = &out, &out
	// With the largest core dump that the kernel would write.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		f.t.Fatal(err)
	}
	if limit.Max == 0 {
		f.t.Log("nothing can leave a core dump here: ulimit -H -c is 0")
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		f.t.Fatal(err)
	}
	if err := push.Start(); err != nil {
		f.t.Fatal(err)
	}
	marker := filepath.Join(f.dir, "reading")
	for {
		if _, err := os.Stat(marker); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
		if time.Since(f.began) > 20*time.Minute {
			f.t.Fatalf("the secrets are not read: %s", out.String())
		}
	}
	push.Process.Signal(signal)
	push.Wait()
	os.Remove(marker)
	f.said["muster secrets push, killed by "+signal.String()] = out.Bytes()
	if status := push.ProcessState.Sys().(syscall.WaitStatus); status.CoreDump() {
		f.t.Errorf("muster left a core dump when it was killed by %s", signal)
	}
}

// lookEverywhere looks for the secrets in everything of all machines.
func (f *leakFleet) lookEverywhere(watch *processWatch) {
	f.t.Helper()
	for what, text := range f.said {
		f.search.in(what, text)
	}
	for _, h := range f.lab.Hosts {
		root := h.Root()
		if err := f.search.below(h.Name, root, f.began); err != nil {
			f.t.Error(err)
		}
		f.search.in(h.Name+": its journal", []byte(f.on(h, "journalctl", "--no-pager", "--all", "--output", "export")))
		f.search.in(h.Name+": what it printed", []byte(h.Log()))
		f.search.in(h.Name+": systemd", []byte(f.on(h, "systemctl", "show", "*")))
	}
	skip := []string{filepath.Join(f.dir, "plain"), filepath.Join(f.home, "identity")}
	for who, dir := range map[string]string{"inventory": f.dir, "home": f.home, "store": "/nix", "shared memory": "/dev/shm", "lab": f.lab.Dir} {
		if err := f.search.below(who, dir, f.began, skip...); err != nil {
			f.t.Error(err)
		}
	}
	f.t.Logf("%s secrets in %d forms; %d files, %d bytes; %d samples of %d processes", strconv.Itoa(len(f.secrets)), len(f.search.begin), f.search.files, f.search.bytes, watch.samples, len(watch.processes))
	slices.Sort(f.search.found)
	for i, found := range slices.Compact(f.search.found) {
		if i == 50 {
			f.t.Errorf("and %d more", len(f.search.found)-i)
			break
		}
		f.t.Error(found)
	}
	for _, process := range watch.dumping {
		f.t.Errorf("%s may dump its memory", process)
	}
}
