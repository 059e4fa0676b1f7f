package cmd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newMachinesFleet is a fleet whose machines are made, and nothing else is done with them.
func newMachinesFleet(t *testing.T, c *cloud, names ...string) *provisionFleet {
	t.Helper()
	f := newProvisionFleet(t, c, names...)
	f.edit(`then: "deploy"`, `then: "none"`)
	return f
}

// TestProvisionHalf has the cloud refuse one machine of two: the other one is made and known, and the same command makes the rest.
func TestProvisionHalf(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b")
	f := newMachinesFleet(t, c, "web", "db")
	c.refuses = "db"
	f.says(f.refused("provision", "apply", "--yes"), "the quota is used up")
	web := f.pinned()["web"]
	if len(f.pinned()) != 1 || c.machines[web.ID] == nil {
		t.Fatalf("pinned: %+v", f.pinned())
	}
	c.refuses = ""
	out := f.must("provision", "apply", "--yes")
	f.says(out, "create   db")
	if strings.Contains(out, "web (") || f.pinned()["web"].ID != web.ID || c.requests["POST"] != 2 {
		t.Errorf("made again: %+v\n%s", f.pinned(), out)
	}
}

// TestProvisionLate has the cloud say late which addresses machines have.
func TestProvisionLate(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a")
	f := newMachinesFleet(t, c, "web")
	c.late = 3
	f.says(f.must("provision", "apply", "--yes"), "waiting for the address of web")
	m := f.pinned()["web"]
	if m.Address != c.machines[m.ID].Addr {
		t.Errorf("pinned as %+v", m)
	}
	f.must("provision", "destroy", "web", "--yes", "web")
	c.late = 1000
	f.says(f.refused("provision", "apply", "--yes", "--boot-timeout", "3s"), "the machines of web are made, and have no address after 3s")
	c.late = 0
	f.says(f.must("provision", "apply", "--yes"), "waiting for the address of web")
	if made := c.requests["POST"]; made != 2 || len(f.pinned()) != 1 {
		t.Errorf("%d machines were made; pinned %+v", made, f.pinned())
	}
}

// TestProvisionRenamed renames a host, whose machine stays; without the word of the inventory it would be destroyed, which takes its
// name. A host that leaves the inventory is destroyed by its name, also where nothing but the program's state knows it.
func TestProvisionRenamed(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b", "c")
	f := newMachinesFleet(t, c, "web", "db")
	f.must("provision", "apply", "--yes", "--then", "deploy")
	web := f.pinned()["web"]
	f.edit("hosts: web: {", "hosts: www: {")
	out := f.refused("provision", "apply", "--yes")
	f.says(out, `note: web left the inventory, and www is new: a host that was renamed keeps its machine with provision: made_as: "web"`)
	f.says(out, "nothing is changed: the machines of web would be destroyed")
	f.edit("hosts: www: {", "hosts: www: {\n\tprovision: made_as: \"web\"")
	f.says(f.must("provision", "plan"), "every machine is what the inventory says")
	f.must("provision", "apply")
	if www := f.pinned()["www"]; www.ID != web.ID || www.Done != web.Done || len(f.pinned()) != 2 {
		t.Errorf("pinned as %+v", f.pinned())
	}
	f.must("deploy", "--yes", "--on", "www")

	f.edit("hosts: db: {", "_gone: {")
	if err := os.Remove(filepath.Join(f.dir, "provision.json")); err != nil {
		t.Fatal(err)
	}
	f.says(f.refused("provision", "apply", "--yes"), "the machines of db would be destroyed")
	f.must("provision", "apply", "--yes", "--destroy", "db")
	if len(c.machines) != 1 || c.machines[web.ID] == nil {
		t.Errorf("left: %v", c.machines)
	}
}

// TestProvisionOthersResources has a resource that the user wrote be destroyed, which takes its address.
func TestProvisionOthersResources(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b")
	f := newMachinesFleet(t, c, "web")
	if err := os.Mkdir(filepath.Join(f.dir, "provision"), 0o777); err != nil {
		t.Fatal(err)
	}
	f.write("provision/own.tf", "resource \"lab_machine\" \"data\" {\n  name = \"data\"\n}\n")
	f.must("provision", "apply", "--yes")
	if err := os.Remove(filepath.Join(f.dir, "provision", "own.tf")); err != nil {
		t.Fatal(err)
	}
	out := f.refused("provision", "apply", "--yes")
	f.says(out, "nothing is changed: lab_machine.data would be destroyed")
	f.says(out, "hint: --destroy lab_machine.data agrees to it")
	f.must("provision", "apply", "--yes", "--destroy", "lab_machine.data")
	if len(c.machines) != 1 {
		t.Errorf("left: %v", c.machines)
	}
}

// TestProvisionTogether has two operators apply at once, and a plan that somebody else has overtaken.
func TestProvisionTogether(t *testing.T) {
	if *provisionTools == "" {
		t.Skip("needs OpenTofu and the provider of lab machines: just test-provision")
	}
	c := newCloud(t, "a", "b", "c")
	f := newMachinesFleet(t, c, "web", "db")
	f.must("provision", "plan", "--out", "first.plan")
	creating := make(chan struct{}, 1)
	c.slow, c.creating = 3*time.Second, creating
	first := f.command("provision", "apply", "--yes")
	var said bytes.Buffer
	first.Stdout, first.Stderr = &said, &said
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	<-creating
	out := f.must("provision", "apply", "--yes")
	if err := first.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.Bytes())
	}
	f.says(out, "works on the same state: waiting for its lock")
	f.says(out, "every machine is what the inventory says")
	if made := c.requests["POST"]; made != 2 {
		t.Errorf("%d machines were made", made)
	}

	// A plan that has been carried out already is no mistake: the command goes on. One that somebody else has overtaken is.
	c.slow = 0
	f.says(f.must("provision", "apply", "--yes", "--plan", "first.plan"), "the plan has been carried out already")
	f.edit(`{name: "web", size: "small"}`, `{name: "web", size: "large"}`)
	f.must("provision", "plan", "--out", "second.plan")
	tofu := exec.Command(filepath.Join(*provisionTools, "bin", "tofu"), "destroy", "-auto-approve", "-target=lab_machine.db")
	tofu.Dir, tofu.Env = filepath.Join(f.dir, "provision"), f.env
	if out, err := tofu.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f.says(f.refused("provision", "apply", "--yes", "--plan", "second.plan"), "somebody has changed the machines since the plan was made: plan anew")
	if len(f.pinned()) != 1 || f.pinned()["web"].ID == "" {
		t.Errorf("pinned: %+v", f.pinned())
	}
	f.says(f.must("provision", "apply", "--yes"), "create   db")
}
