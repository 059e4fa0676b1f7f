package cmd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/exec/lab"
	"muster/schema"
)

// newRescueFleet is a fleet whose machines come up in a rescue system, with a new root at
// /mnt. They are installed.
func newRescueFleet(t *testing.T, c *cloud, names ...string) *provisionFleet {
	t.Helper()
	f := newProvisionFleet(t, c, names...)
	rescue, err := os.ReadFile("testdata/provision/rescue.sh")
	if err != nil {
		t.Fatal(err)
	}
	c.made = func(h *lab.Host) {
		if _, err := h.Run(t.Context(), "sh", "-c", string(rescue)); err != nil {
			t.Error(err)
		}
	}
	identity := filepath.Join(f.dir, "id.key")
	if out, err := exec.Command("age-keygen", "-o", identity).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	recipient, err := exec.Command("age-keygen", "-y", identity).Output()
	if err != nil {
		t.Fatal(err)
	}
	f.write("install.cue", fmt.Sprintf("package fleet\n\nsecret_recipients: [%q]\nhosts: [Name=string]: install: host_key: \"keys/\\(Name).age\"\ndefaults: provision: then: \"install\"\n", strings.TrimSpace(string(recipient))))
	f.edit(`	then: "deploy"`+"\n", "")
	return f
}

// edit changes the inventory.
func (f *provisionFleet) edit(before, after string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "hosts.cue"))
	if err != nil || !strings.Contains(string(text), before) {
		f.t.Fatalf("hosts.cue: no %q: %v", before, err)
	}
	f.write("hosts.cue", strings.Replace(string(text), before, after, 1))
}

// installing is the command that makes and installs machines.
func installingMachines(more ...string) []string {
	return append([]string{"provision", "apply", "--yes", "--identity", "id.key"}, more...)
}

// isInstalled checks that a machine has been installed, once.
func (f *provisionFleet) isInstalled(name string) schema.PinnedMachine {
	f.t.Helper()
	m := f.pinned()[name]
	if m.Done != schema.ThenInstall || len(m.HostKeys) > 0 {
		f.t.Fatalf("%s is pinned as %+v", name, m)
	}
	h := f.cloud.machines[m.ID]
	if h == nil {
		f.t.Fatalf("%s: there is no machine %s", name, m.ID)
	}
	out, err := h.Run(f.t.Context(), "sh", "-c", "cat /run/muster-secrets/db; grep -c . /var/lib/muster/deployments; cat /etc/ssh/ssh_host_ed25519_key.pub")
	key, keyErr := os.ReadFile(filepath.Join(f.dir, "keys", name+".age.pub"))
	if err != nil || keyErr != nil || !strings.HasPrefix(out, f.secret) || !strings.Contains(out, strings.Fields(string(key))[1]) {
		f.t.Fatalf("%s: %v, %v: it has\n%s\nwant the secret and the key %s", name, err, keyErr, out, key)
	}
	return m
}

// TestProvisionThenInstall makes machines, installs them, and installs those that are new or made anew, no other.
func TestProvisionThenInstall(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b", "c", "d")
	f := newRescueFleet(t, c, "web", "db")
	f.must("vet")

	f.says(f.refused("provision", "apply"), "--yes agrees to it")
	f.must(installingMachines()...)
	web, db := f.isInstalled("web"), f.isInstalled("db")
	f.says(f.must("provision", "apply"), "every machine is what the inventory says")
	f.says(f.must("deploy", "--yes", "--identity", "id.key"), "unchanged")

	// What was installed is not installed again, whatever --then says and whatever the file of machines has lost.
	f.says(f.must("provision", "apply", "--yes", "--then", "adopt"), "web: the machine is not new: it was installed")
	f.forgets("web")
	f.says(f.must(installingMachines()...), "note: web: an earlier attempt has installed it")
	f.isInstalled("web")

	// One machine more: it is made and installed, and the others are left alone.
	f.edit("hosts: db:", "hosts: api: {provision: arguments: {name: \"api\", size: \"small\"}, disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee2952329\", secrets: db: {command: [\"printenv\", \"SECRET\"]}}\nhosts: db:")
	out := f.must(installingMachines()...)
	f.says(out, "create   api")
	f.says(out, "install: api\n")
	f.isInstalled("api")
	if f.isInstalled("web").ID != web.ID || f.isInstalled("db").ID != db.ID {
		t.Error("another machine than api was made")
	}

	// A change of size changes a machine, and nothing is installed.
	f.edit(`{name: "web", size: "small"}`, `{name: "web", size: "large"}`)
	out = f.must(installingMachines()...)
	f.says(out, "update   web")
	if strings.Contains(out, "install:") || f.isInstalled("web").ID != web.ID || c.sizes[web.ID] != "large" {
		t.Errorf("changed: %+v, size %s:\n%s", f.pinned()["web"], c.sizes[web.ID], out)
	}

	// A machine that is made anew has another SSH host key and empty disks: it is installed, and no other is.
	before := c.machines[db.ID]
	f.edit(`{name: "db", size: "small"}`, `{name: "db2", size: "small"}`)
	f.says(f.refused(installingMachines()...), "--destroy db agrees to it")
	out = f.must(installingMachines("--destroy", "db")...)
	f.says(out, "install: db\n")
	if after := f.isInstalled("db"); after.ID == db.ID || c.machines[after.ID] == before || f.isInstalled("web").ID != web.ID {
		t.Errorf("made anew: %+v", after)
	}
	f.says(f.must("deploy", "--yes", "--identity", "id.key"), "unchanged")
	f.searched()
	f.must("provision", "destroy", "web", "db", "api", "--yes", "web", "--yes", "db", "--yes", "api")
	if len(c.machines) != 0 || len(f.pinned()) != 0 {
		t.Errorf("left over: %v, pinned %v", c.machines, f.pinned())
	}
	f.searched()
}

// TestProvisionThenInstallKilled kills muster with SIGKILL in each step, and gives the same command again: all is made and
// installed once.
func TestProvisionThenInstallKilled(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	for _, kill := range []struct {
		at    string // a line that is printed
		after time.Duration
	}{
		{at: "Creating..."}, {at: "Creation complete"}, {at: "Apply complete"}, {at: "install: "}, {at: "evaluated"},
		{at: "evaluated", after: 700 * time.Millisecond}, {at: "updating the boot menu"}, {at: "updating the boot menu", after: time.Second}, {at: ": installed"},
	} {
		t.Run(fmt.Sprintf("%s %v", kill.at, kill.after), func(t *testing.T) {
			c := newCloud(t, "a", "b")
			f := newRescueFleet(t, c, "web", "db")
			c.slow = 500 * time.Millisecond
			if said, killed := f.killWhen(kill.at, kill.after, installingMachines()...); !killed {
				t.Fatalf("ended before:\n%s", said)
			}
			f.must(installingMachines()...)
			web, db := f.isInstalled("web"), f.isInstalled("db")
			if made := c.requests["POST"]; made != 2 || len(c.machines) != 2 || web.ID == db.ID {
				t.Errorf("%d made, %d there", made, len(c.machines))
			}
			f.says(f.must("deploy", "--yes", "--identity", "id.key"), "unchanged")
			f.searched()
		})
	}
}

// forgets has the file of machines say that a machine is new.
func (f *provisionFleet) forgets(name string) {
	f.t.Helper()
	var machines []schema.PinnedMachine
	for host, m := range f.pinned() {
		if m.Host = host; host == name {
			m.Done = ""
		}
		machines = append(machines, m)
	}
	f.write("provision.json", string(schema.PinnedText(machines)))
}

// killWhen kills muster a while after it has printed a line with a text. It reports false where
// muster ends before.
func (f *provisionFleet) killWhen(text string, after time.Duration, args ...string) (said string, killed bool) {
	f.t.Helper()
	cmd := f.command(args...)
	r, w, err := os.Pipe()
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	w.Close()
	defer cmd.Wait()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), text) {
			time.Sleep(after)
			cmd.Process.Kill()
			io.Copy(io.Discard, r)
			return said, true
		}
	}
	return said, false
}
