package cmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/exec/lab"
	"muster/schema"
)

var (
	provisionTools = flag.String("provision-tools", "", "directory that just test-provision makes: bin/tofu and the provider of lab machines")
	provisionTofu  = flag.String("provision-tofu", "", "OpenTofu or Terraform to use instead of bin/tofu")
	provisionKills = flag.Int("provision-kills", 10, "times that muster provision apply is killed")
)

// A cloud hands out the hosts of a lab as machines, over HTTP on a Unix socket.
type cloud struct {
	t      *testing.T
	lab    *lab.Lab
	socket string

	mu       sync.Mutex
	machines map[string]*lab.Host // by id
	names    map[string]string    // id by name
	sizes    map[string]string    // by id
	requests map[string]int       // by method
	used     map[*lab.Host]bool   // hosts that are or were machines
	slow     time.Duration        // each creation takes so long
	creating chan struct{}        // gets a value when the next one begins; may be nil
	refuses  string               // the name of a machine whose creation fails
	late     int                  // so many readings of a machine have no address yet
	made     func(*lab.Host)      // is told of each new machine; may be nil
}

func newCloud(t *testing.T, hosts ...string) *cloud {
	// A host boots what it has been installed with.
	var boot []byte
	for _, name := range []string{"testdata/provision/boot.sh", "../exec/testdata/boot.sh"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		boot = append(boot, text...)
	}
	c := &cloud{
		t: t, lab: lab.NewWith(t, lab.Options{Hosts: hosts, Boot: string(boot)}), socket: filepath.Join(t.TempDir(), "cloud"),
		machines: map[string]*lab.Host{}, names: map[string]string{}, sizes: map[string]string{}, requests: map[string]int{}, used: map[*lab.Host]bool{},
	}
	for _, h := range c.lab.Hosts {
		if err := h.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /machines", c.create)
	mux.HandleFunc("GET /machines/{id}", c.read)
	mux.HandleFunc("PUT /machines/{id}", c.change)
	mux.HandleFunc("DELETE /machines/{id}", c.destroy)
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return c
}

func (c *cloud) create(w http.ResponseWriter, r *http.Request) {
	var want struct{ Name, Size string }
	if err := json.NewDecoder(r.Body).Decode(&want); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[want.Name] != "" {
		http.Error(w, "there is a machine of the name "+want.Name, http.StatusConflict)
		return
	}
	if c.refuses == want.Name {
		http.Error(w, "the quota is used up", http.StatusForbidden)
		return
	}
	if c.creating != nil {
		c.creating <- struct{}{}
		c.creating = nil
	}
	time.Sleep(c.slow)
	if h := c.free(); h != nil {
		c.requests["POST"]++
		id := fmt.Sprintf("m-%d", c.requests["POST"])
		if err := h.Start(context.Background()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if c.made != nil {
			c.made(h)
		}
		c.machines[id], c.names[want.Name], c.sizes[id] = h, id, want.Size
		c.answer(w, id)
		return
	}
	http.Error(w, "no machine is left", http.StatusInsufficientStorage)
}

// free is a host of the lab that is no machine, if possible one that never was: its disk is
// empty.
func (c *cloud) free() (free *lab.Host) {
	for _, h := range c.lab.Hosts {
		taken := false
		for _, other := range c.machines {
			taken = taken || other == h
		}
		if !taken && (free == nil || c.used[free] && !c.used[h]) {
			free = h
		}
	}
	c.used[free] = true
	return free
}

func (c *cloud) answer(w http.ResponseWriter, id string) {
	h := c.machines[id]
	if h == nil {
		http.NotFound(w, nil)
		return
	}
	address := h.Addr
	if c.late > 0 {
		c.late--
		address = ""
	}
	json.NewEncoder(w).Encode(map[string]string{"id": id, "address": address, "host_key": h.HostKey()})
}

func (c *cloud) read(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer(w, r.PathValue("id"))
}

func (c *cloud) change(w http.ResponseWriter, r *http.Request) {
	var want struct{ Size string }
	json.NewDecoder(r.Body).Decode(&want)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests["PUT"]++
	c.sizes[r.PathValue("id")] = want.Size
	c.answer(w, r.PathValue("id"))
}

func (c *cloud) destroy(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := r.PathValue("id")
	if h := c.machines[id]; h != nil {
		c.requests["DELETE"]++
		h.Stop()
		delete(c.machines, id)
		for name, of := range c.names {
			if of == id {
				delete(c.names, name)
			}
		}
	}
	fmt.Fprintln(w, "{}")
}

// A provisionFleet is a fleet whose machines a cloud makes.
type provisionFleet struct {
	t      *testing.T
	cloud  *cloud
	dir    string
	muster string
	env    []string
	secret string // that a host has
}

func newProvisionFleet(t *testing.T, c *cloud, names ...string) *provisionFleet {
	t.Helper()
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	f := &provisionFleet{t: t, cloud: c, dir: t.TempDir(), secret: "correct-horse-battery-staple-4711"}
	tools, err := filepath.Abs(*provisionTools)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(tools, "bin", "tofu")
	if *provisionTofu != "" {
		program = *provisionTofu
	}
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(c.lab.Identity + ".pub")
	if err != nil {
		out, err := exec.Command("ssh-keygen", "-y", "-f", c.lab.Identity).Output()
		if err != nil {
			t.Fatal(err)
		}
		key = out
	}
	var text strings.Builder
	fmt.Fprintf(&text, "package fleet\n\nnixpkgs: path: %q\n", minios)
	fmt.Fprintf(&text, "provision: {\n\tprogram: %q\n\tproviders: lab: {source: \"muster.test/muster/lab\", config: socket: %q}\n}\n", program, c.socket)
	text.WriteString("defaults: provision: {\n\ttarget: \"custom\"\n\tresource: \"lab_machine\"\n\toutputs: {address: \"address\", host_keys: \"host_key\"}\n\tthen: \"deploy\"\n}\n")
	fmt.Fprintf(&text, "defaults: config: users: users: root: openssh: authorizedKeys: keys: [%q]\n", strings.TrimSpace(string(key)))
	for i, name := range names {
		fmt.Fprintf(&text, "hosts: %s: {\n\tprovision: arguments: {name: %q, size: \"small\"}\n\tdisk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee295232%d\"\n\tsecrets: db: {command: [\"printenv\", \"SECRET\"]}\n}\n", name, name, i)
	}
	f.write("hosts.cue", text.String())
	f.write("tofu.rc", fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", filepath.Join(tools, "mirror")))
	f.write("ssh_config", fmt.Sprintf("Host *\n  User root\n  IdentityFile %s\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n", c.lab.Identity, filepath.Join(f.dir, "known_hosts")))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f.muster = filepath.Join(t.TempDir(), "muster") // the test is muster where it is called so
	if err := os.Symlink(self, f.muster); err != nil {
		t.Fatal(err)
	}
	f.env = append(os.Environ(), "HOME="+f.dir, "MUSTER_SSH_CONFIG="+filepath.Join(f.dir, "ssh_config"), "TF_CLI_CONFIG_FILE="+filepath.Join(f.dir, "tofu.rc"),
		"SECRET="+f.secret, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =", "CHECKPOINT_DISABLE=1")
	return f
}

func (f *provisionFleet) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *provisionFleet) command(args ...string) *exec.Cmd {
	cmd := exec.Command(f.muster, args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	return cmd
}

func (f *provisionFleet) must(args ...string) string {
	f.t.Helper()
	out, err := f.command(args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// refused runs a command that fails, and returns what it says.
func (f *provisionFleet) refused(args ...string) string {
	f.t.Helper()
	out, err := f.command(args...).CombinedOutput()
	if err == nil {
		f.t.Fatalf("muster %s did not fail:\n%s", strings.Join(args, " "), out)
	}
	return string(out)
}

func (f *provisionFleet) says(text, want string) {
	f.t.Helper()
	if !strings.Contains(text, want) {
		f.t.Fatalf("does not say %q:\n%s", want, text)
	}
}

// pinned reads the file of machines.
func (f *provisionFleet) pinned() map[string]schema.PinnedMachine {
	f.t.Helper()
	var file struct {
		Hosts map[string]schema.PinnedMachine `json:"hosts"`
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "provision.json"))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		f.t.Fatal(err)
	}
	return file.Hosts
}

// searched sees that no file of the program has a secret, in any usual form. The state has the host keys that the cloud showed,
// which are public.
func (f *provisionFleet) searched() {
	f.t.Helper()
	identity, err := os.ReadFile(f.cloud.lab.Identity)
	if err != nil {
		f.t.Fatal(err)
	}
	s := new(secretSearch)
	s.add("the secret of a host", []byte(f.secret))
	s.add("the key of the operator", identity)
	if err := s.below("tofu", filepath.Join(f.dir, "provision"), time.Time{}); err != nil {
		f.t.Fatal(err)
	}
	if len(s.found) > 0 || s.files < 5 {
		f.t.Errorf("found in %d files: %q", s.files, s.found)
	}
	f.t.Logf("no secret in %d files of the program", s.files)
}

// TestProvision makes two machines with a real OpenTofu, deploys to them, changes one,
// makes one anew, and destroys them.
func TestProvision(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b", "c")
	f := newProvisionFleet(t, c, "web", "db")
	f.must("vet")
	f.says(f.must("provision", "plan"), "create   web (lab_machine.web)")
	f.says(f.refused("provision", "apply"), "--yes agrees to it")

	// Exactly the plan that was looked at is carried out.
	f.must("provision", "plan", "--out", "machines.plan")
	out := f.must("provision", "apply", "--plan", "machines.plan", "--yes")
	f.says(out, "deploy: web, db")
	if got := len(c.machines); got != 2 {
		t.Fatalf("%d machines are made, want 2", got)
	}
	for name, m := range f.pinned() {
		if m.Done != schema.ThenDeploy || len(m.HostKeys) != 1 || m.Address != c.machines[m.ID].Addr {
			t.Errorf("%s is pinned as %+v", name, m)
		}
		if got, err := c.machines[m.ID].Run(t.Context(), "cat", "/run/muster-secrets/db"); err != nil || strings.TrimSpace(got) != f.secret {
			t.Errorf("%s: the secret is %q, %v", name, got, err)
		}
	}
	f.says(f.must("provision", "show"), "2 machines")
	f.says(f.must("deploy", "--yes"), "unchanged")
	f.says(f.must("provision", "apply"), "every machine is what the inventory says")

	// A change in place loses nothing.
	inventory, err := os.ReadFile(filepath.Join(f.dir, "hosts.cue"))
	if err != nil {
		t.Fatal(err)
	}
	f.write("hosts.cue", strings.Replace(string(inventory), `{name: "web", size: "small"}`, `{name: "web", size: "large"}`, 1))
	before := f.pinned()["web"]
	f.says(f.must("provision", "apply", "--yes"), "update   web")
	if after := f.pinned()["web"]; after.ID != before.ID || c.sizes[after.ID] != "large" {
		t.Errorf("changed: %+v, size %s", after, c.sizes[after.ID])
	}

	// A machine that is made anew is named, and is deployed to again.
	f.write("hosts.cue", strings.Replace(string(inventory), `{name: "web", size: "small"}`, `{name: "web2", size: "small"}`, 1))
	f.says(f.refused("provision", "apply", "--yes"), "the machines of web would be destroyed")
	f.must("provision", "apply", "--yes", "--destroy", "web")
	if after := f.pinned()["web"]; after.ID == before.ID || after.Done != schema.ThenDeploy {
		t.Errorf("made anew: %+v", after)
	}
	f.searched()

	// A machine that a deployment works on is left alone.
	f.says(f.refused("provision", "destroy", "db"), "--yes db agrees to it")
	db := c.machines[f.pinned()["db"].ID]
	unlock := holdLock(t, db)
	f.says(f.refused("provision", "destroy", "db", "--yes", "db"), "nothing is changed: locked by somebody")
	unlock()

	f.must("provision", "destroy", "web", "db", "--yes", "web", "--yes", "db")
	if len(c.machines) != 0 || len(f.pinned()) != 0 {
		t.Errorf("left over: %v, pinned %v", c.machines, f.pinned())
	}
	f.searched()
}

// TestProvisionThenAdopt makes a machine and adopts it: what it is made of goes into the inventory, beside what the inventory says of
// it. Then it is deployed to, and destroyed.
func TestProvisionThenAdopt(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a")
	f := newProvisionFleet(t, c, "web")
	inventory, err := os.ReadFile(filepath.Join(f.dir, "hosts.cue"))
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(inventory), "\n"), func(line string) bool { return strings.Contains(line, "disk_uuid") })
	f.write("hosts.cue", strings.Join(lines, "\n")) // the machine says what its disks are
	f.must("provision", "apply", "--yes", "--then", "adopt")
	pinned := f.pinned()["web"]
	if pinned.Done != schema.ThenAdopt {
		t.Fatalf("pinned as %+v", pinned)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "hosts.cue"))
	if err != nil {
		t.Fatal(err)
	}
	f.says(string(text), `imports: ["./hardware/web.nix"]`)
	if _, err := os.Stat(filepath.Join(f.dir, "hardware", "web.nix")); err != nil {
		t.Error(err)
	}
	f.must("vet")
	f.must("deploy", "--yes")
	if got, err := c.machines[pinned.ID].Run(t.Context(), "cat", "/run/muster-secrets/db"); err != nil || strings.TrimSpace(got) != f.secret {
		t.Errorf("the secret is %q, %v", got, err)
	}
	f.says(f.must("provision", "apply"), "every machine is what the inventory says")
	f.must("provision", "destroy", "web", "--yes", "web")
	f.searched()
}

// TestProvisionKilled kills muster provision apply again and again: while a machine is being made, and at times spread over all
// of its steps. The same command goes on, and no machine is made twice or lost.
func TestProvisionKilled(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b")
	f := newProvisionFleet(t, c, "web", "db")
	creating := make(chan struct{}, 1)
	c.slow, c.creating = 2*time.Second, creating
	apply := []string{"provision", "apply", "--yes"}
	cmd := f.command(apply...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-creating
	cmd.Process.Kill()
	cmd.Wait()
	began := time.Now()
	f.must(apply...)
	took := time.Since(began)
	if made := c.requests["POST"]; made != 2 {
		t.Fatalf("%d machines were made, want 2", made)
	}
	for n := range *provisionKills {
		f.must("provision", "destroy", "web", "db", "--yes", "web", "--yes", "db")
		after := took * time.Duration(n+1) / time.Duration(*provisionKills+1)
		cmd := f.command(apply...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		cmd.Process.Kill()
		cmd.Wait()
		f.must(apply...)
		if made, destroyed := c.requests["POST"], c.requests["DELETE"]; made-destroyed != 2 || len(c.machines) != 2 {
			t.Fatalf("killed after %v: %d made, %d destroyed, %d there", after, made, destroyed, len(c.machines))
		}
		for name, m := range f.pinned() {
			if m.Done != schema.ThenDeploy {
				t.Errorf("killed after %v: %s is %+v", after, name, m)
			}
		}
		t.Logf("killed after %v of %v: went on", after.Round(time.Millisecond), took.Round(time.Millisecond))
	}
	f.says(f.must("deploy", "--yes"), "unchanged")
	f.searched()
}

// holdLock has somebody deploy to a machine, until unlock is called.
func holdLock(t *testing.T, h *lab.Host) (unlock func()) {
	t.Helper()
	if _, err := h.Run(t.Context(), "sh", "-c", `read -r up _ </proc/uptime; t=${up%.*}00; mkdir -p /run/muster; echo "20260101-000000-abcd $t $((t + 60000)) somebody" >/run/muster/lock`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := h.Run(t.Context(), "rm", "/run/muster/lock"); err != nil {
			t.Fatal(err)
		}
	}
}
