package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/schema"
)

// A vmCloud hands out one virtual machine, over HTTP on a Unix socket. Each time it is made it has empty disks and starts into a
// rescue system.
type vmCloud struct {
	machine *virtualMachine
	socket  string
	made    int
	there   bool
}

func newVMCloud(t *testing.T, v *virtualMachine) *vmCloud {
	t.Helper()
	c := &vmCloud{machine: v, socket: filepath.Join(t.TempDir(), "cloud")}
	l, err := net.Listen("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /machines", func(w http.ResponseWriter, _ *http.Request) {
		c.made++
		c.there = true
		v.renew()
		c.answer(w)
	})
	mux.HandleFunc("/machines/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			c.there = false
			v.turnOff()
			fmt.Fprintln(w, "{}")
			return
		}
		c.answer(w)
	})
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return c
}

func (c *vmCloud) answer(w http.ResponseWriter) {
	if !c.there {
		http.Error(w, "no such machine", http.StatusNotFound)
		return
	}
	key, _, _ := strings.Cut(c.machine.read("tree/keys/rescue.pub"), " rescue")
	json.NewEncoder(w).Encode(map[string]string{"id": fmt.Sprintf("m-%d", c.made), "address": "127.0.0.1", "host_key": key})
}

// renew turns the machine on with empty disks.
func (v *virtualMachine) renew() {
	for _, disk := range v.disks {
		v.local("rm", "-f", filepath.Join(v.dir, disk.file))
		v.local("truncate", "-s", "1G", filepath.Join(v.dir, disk.file))
	}
	v.mu.Lock()
	v.off, v.boots, v.down = false, 0, make(chan struct{})
	v.mu.Unlock()
	v.start()
}

// provisioned writes the inventory of a machine that a cloud makes. It says neither where the machine is, nor which disk it has,
// nor which SSH host key.
func (v *virtualMachine) provisioned(c *vmCloud) {
	v.t.Helper()
	v.inventory("virtio-MUSTER01", "MUSTER01", false)
	var kept []string
	for line := range strings.Lines(v.read("hosts.cue") + "\n") {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word != "host:" && word != "device:" && word != "serial:" && word != "host_keys:" {
			kept = append(kept, line)
		}
	}
	v.write("hosts.cue", strings.Join(kept, ""))
	tools, err := filepath.Abs(*provisionTools)
	if err != nil {
		v.t.Fatal(err)
	}
	v.write("provision.cue", fmt.Sprintf(`package fleet

provision: {
	program: %q
	providers: lab: {source: "muster.test/muster/lab", config: socket: %q}
}
hosts: vm: provision: {
	target:   "custom"
	resource: "lab_machine"
	arguments: name: "vm"
	outputs: {address: "address", host_keys: "host_key", disks: "${[\"/dev/disk/by-id/virtio-MUSTER01\"]}"}
	then: "install"
}
`, filepath.Join(tools, "bin", "tofu"), c.socket))
	v.write("tofu.rc", fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", filepath.Join(tools, "mirror")))
	v.t.Setenv("TF_CLI_CONFIG_FILE", filepath.Join(v.dir, "tofu.rc"))
}

// killWhen kills muster when it has printed a text.
func (v *virtualMachine) killWhen(text string, args ...string) {
	v.t.Helper()
	cmd := v.command(args...)
	said, err := os.CreateTemp(v.dir, "said")
	if err != nil {
		v.t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		sofar, _ := os.ReadFile(said.Name())
		if bytes.Contains(sofar, []byte(text)) {
			cmd.Process.Kill()
			<-ended
			return
		}
		select {
		case err := <-ended:
			v.t.Fatalf("muster ended before %q: %v\n%s", text, err, sofar)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// pinned is the machine as the file of machines has it.
func (v *virtualMachine) pinned() schema.PinnedMachine {
	v.t.Helper()
	var file struct {
		Hosts map[string]schema.PinnedMachine `json:"hosts"`
	}
	if err := json.Unmarshal([]byte(v.read("provision.json")), &file); err != nil {
		v.t.Fatal(err)
	}
	return file.Hosts["vm"]
}

// TestProvisionThenInstallVirtualMachine has a real OpenTofu make a virtual machine, which is installed from an empty disk that
// only the machine names; killed on the way; made anew, and installed again.
func TestProvisionThenInstallVirtualMachine(t *testing.T) {
	if *installVM == "" || *provisionTools == "" {
		t.Skip("off without -install-vm and -provision-tools: just test-provision-vm")
	}
	v := newVirtualMachine(t)
	c := newVMCloud(t, v)
	v.provisioned(c)
	v.must("provision", "apply", "--yes", "--then", "none")
	v.refused("its disks are not wiped: there is no terminal to ask on: --yes agrees to it", "provision", "apply", "--boot-timeout", "10m")
	v.untouched("disk.img")
	again := []string{"provision", "apply", "--yes", "--boot-timeout", "10m"}
	for _, stage := range []string{"disks: done", "copy: done", "updating the boot menu"} {
		v.killWhen(stage, again...)
		t.Logf("killed at %q", stage)
	}
	v.must(again...)
	v.installed()
	if m := v.pinned(); m.Done != schema.ThenInstall || m.ID != "m-1" || len(m.HostKeys) > 0 {
		t.Errorf("pinned as %+v", m)
	}
	v.untouched("other.img")
	v.write("provision.cue", strings.Replace(v.read("provision.cue"), `arguments: name: "vm"`, `arguments: name: "vm2"`, 1))
	v.refused("--destroy vm agrees to it", again...)
	v.must(append(again, "--destroy", "vm")...)
	v.installed()
	if m := v.pinned(); m.Done != schema.ThenInstall || m.ID != "m-2" {
		t.Errorf("made anew: pinned as %+v", m)
	}
	v.turnOff()
	if disk, err := os.ReadFile(filepath.Join(v.dir, "disk.img")); err != nil || bytes.Contains(disk, []byte(vmToken)) {
		t.Errorf("the disk holds a secret: %v", err)
	}
}
