package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// loadMachine loads an inventory with one host, web, and a file of machines.
func loadMachine(t *testing.T, machine, host, pins string) (*Fleet, error) {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("nixpkgs: unpinned: true\nhosts: web: {\n\tprovision: {%s}\n\t%s\n\tconfig: users: users: root: openssh: authorizedKeys: keys: [%q]\n}\n", machine, host, machineKey)
	for name, text := range map[string]string{"hosts.cue": text, "provision.json": pins} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Load(t.Context(), dir, Options{})
}

const (
	machineKey    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	customMachine = `target: "custom", resource: "lab_machine", outputs: {address: "address", disks: "disks"}`
	noPins        = `{"version": 1, "hosts": {}}`
)

func pinsOf(host, more string) string {
	return fmt.Sprintf(`{"version": 1, "hosts": {%q: {"target": "custom", "id": "m-1", "address": "192.0.2.1"%s}}}`, host, more)
}

func hetznerMachine(target string) string {
	return fmt.Sprintf(`target: %q, size: "2x4G", region: "fsn1", image: "debian-12", ssh_keys: [%q]`, target, machineKey)
}

// The disk of a machine that is made needs no device in the inventory.
func TestMadeMachinesSayTheirDisks(t *testing.T) {
	const partitions = `partitions: [{name: "swap", size: "1G", fs: "swap"}, {name: "root", fs: "ext4", label: "nixos", mount: "/"}]`
	one := "disks: main: {boot: true, " + partitions + "}"
	tests := []struct{ name, machine, host, pins, device, swap, err string }{
		{name: "hetzner", machine: hetznerMachine("hetzner"), host: one, pins: noPins, device: "/dev/sda", swap: "/dev/sda1"},
		{name: "digitalocean", machine: hetznerMachine("digitalocean"), host: one, pins: noPins, device: "/dev/vda", swap: "/dev/vda1"},
		{name: "gcp", machine: hetznerMachine("gcp"), host: one, pins: noPins, device: "/dev/disk/by-id/scsi-0Google_PersistentDisk_persistent-disk-0", swap: "/dev/disk/by-id/scsi-0Google_PersistentDisk_persistent-disk-0-part1"},
		{name: "aws before it is made", machine: hetznerMachine("aws"), host: one, pins: noPins, device: "/dev/nvme0n1", swap: "/dev/nvme0n1p1"},
		{name: "the inventory's own", machine: hetznerMachine("hetzner"), host: strings.Replace(one, "boot", `device: "/dev/disk/by-id/scsi-x", boot`, 1), pins: noPins, device: "/dev/disk/by-id/scsi-x", swap: "/dev/disk/by-id/scsi-x-part1"},
		{name: "custom before it is made", machine: customMachine, host: one, pins: noPins, device: "/dev/disk/by-id/not-known-until-made-main", swap: "/dev/disk/by-id/not-known-until-made-main-part1"},
		{name: "by name", machine: customMachine, host: one, pins: pinsOf("web", `, "disks": {"main": "/dev/disk/by-id/virtio-a", "data": "/dev/disk/by-id/virtio-b"}`), device: "/dev/disk/by-id/virtio-a", swap: "/dev/disk/by-id/virtio-a-part1"},
		{name: "the only one", machine: customMachine, host: one, pins: pinsOf("web", `, "disks": {"disk1": "/dev/disk/by-id/virtio-a"}`), device: "/dev/disk/by-id/virtio-a", swap: "/dev/disk/by-id/virtio-a-part1"},
		{name: "made under another name", machine: customMachine + `, made_as: "old"`, host: one, pins: pinsOf("old", `, "disks": {"disk1": "/dev/disk/by-id/virtio-a"}`), device: "/dev/disk/by-id/virtio-a", swap: "/dev/disk/by-id/virtio-a-part1"},
		{name: "no such name", machine: customMachine, host: one, pins: pinsOf("web", `, "disks": {"a": "/dev/disk/by-id/virtio-a", "b": "/dev/disk/by-id/virtio-b"}`), err: "hosts.web.disks.main: the machine has no disk of this name: it has a, b"},
		{name: "custom without an output", machine: strings.Replace(customMachine, `, disks: "disks"`, "", 1), host: one, pins: noPins, err: `hosts.web.disks.main: missing field "device"`},
		{name: "two of a cloud", machine: hetznerMachine("hetzner"), host: one + "\n\tdisks: data: {}", pins: noPins, err: `hosts.web.disks.main: missing field "device"`},
		{name: "none is made", machine: `target: "none"`, host: one + "\n\thost: \"192.0.2.1\"", pins: noPins, err: `hosts.web.disks.main: missing field "device"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := loadMachine(t, tt.machine, tt.host, tt.pins)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			h := f.Host("web")
			if d := h.Disks[0]; d.Device != tt.device || h.Swap[0].Device != tt.swap {
				t.Errorf("device %s, swap %s, want %s, %s", d.Device, h.Swap[0].Device, tt.device, tt.swap)
			}
		})
	}
}

// The SSH host keys that a machine was made with are those of what it runs until it is
// installed.
func TestKeysOfAMadeMachineAreItsInstallers(t *testing.T) {
	for done, want := range map[string][]string{"": {machineKey}, "adopt": {machineKey}, "install": nil} {
		f, err := loadMachine(t, customMachine, "", pinsOf("web", fmt.Sprintf(`, "host_keys": [%q], "done": %q`, machineKey, done)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f.Host("web").Install.HostKeys); diff != "" {
			t.Errorf("done %q (-want +got):\n%s", done, diff)
		}
	}
}

// A host that was renamed keeps its machine.
func TestARenamedHostHasItsMachine(t *testing.T) {
	f, err := loadMachine(t, customMachine+`, made_as: "old"`, "", pinsOf("old", `, "done": "install"`))
	if err != nil {
		t.Fatal(err)
	}
	h, m := f.Host("web"), f.Provision.Machine("web")
	if h.Address != "192.0.2.1" || h.MadeName() != "old" || m == nil || m.Done != ThenInstall {
		t.Errorf("address %q, made as %q, pinned as %+v", h.Address, h.MadeName(), m)
	}
}
