package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/exec/adopt"
	"muster/exec/host"
)

// Machines that cannot be had here, as recorded in exec/host's testdata, give an
// inventory that vets, whose systems have the file systems, swap, addresses and disks
// that were read, and that does not differ from them.
func TestRecordedMachinesAreAdopted(t *testing.T) {
	files, err := filepath.Glob("../exec/host/testdata/machines/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no machines: %v", err)
	}
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	inventory := "package fleet\n\nnixpkgs: path: " + `"` + minios + `"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "hosts.cue"), []byte(inventory), 0o644); err != nil {
		t.Fatal(err)
	}
	var machines []*adopted
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := &adopted{Hardware: new(host.Hardware), way: adopt.Way{User: "root", Address: "192.0.2." + string(rune('1'+i))}}
		if err := json.Unmarshal(text, m.Hardware); err != nil {
			t.Fatal(err)
		}
		machines = append(machines, m)
	}
	adoptAll(t, dir, machines, "adopted")
	out := muster(t, "vet", dir)
	if want := "6 hosts, all in order\n"; out != want {
		t.Errorf("vet: %s", out)
	}
	for option, want := range adoptedOptions {
		var got any
		name, attr, _ := strings.Cut(option, " ")
		if err := json.Unmarshal([]byte(muster(t, "eval", "--json", "--on", name, "--attr", attr, dir)), &got); err != nil {
			t.Fatal(err)
		}
		if m, ok := got.(map[string]any); ok {
			got = m[name]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", option, diff)
		}
	}
	for _, m := range machines {
		m.entry, m.module, m.known, m.Differences = nil, nil, nil, nil
	}
	adoptAll(t, dir, machines, "unchanged")
}

// adoptedOptions are options of the machines' systems, as JSON has them.
var adoptedOptions = map[string]any{
	`anna config.fileSystems."/".device`:                         "/dev/disk/by-uuid/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
	`anna config.fileSystems."/".options`:                        []any{"noatime", "compress=zstd:3", "discard=async", "subvol=@"},
	`anna config.fileSystems."/srv/my data".fsType`:              "ext4",
	`anna config.boot.initrd.luks.devices.cryptroot.device`:      "/dev/disk/by-uuid/5f1c0e6e-2a9b-4e0f-a2c6-d1f0a1b2c3d4",
	`anna config.boot.loader.systemd-boot.enable`:                true,
	`anna config.system.stateVersion`:                            "23.05",
	`Rescue-01 config.networking.defaultGateway6.address`:        "fe80::1",
	`Rescue-01 config.networking.interfaces.eth0.ipv6.addresses`: []any{map[string]any{"address": "2001:db8:1::7", "prefixLength": 64.0}},
	`edge7 config.networking.defaultGateway.interface`:           "eth0",
	`edge7 config.networking.interfaces.eth2.useDHCP`:            true,
	`debian-4gb-fsn1 config.boot.loader.grub.devices`:            []any{"/dev/disk/by-id/virtio-hc-volume-1"},
	`debian-4gb-fsn1 config.fileSystems."/var/www".device`:       "/mnt/vol/www",
	`debian-4gb-fsn1 config.networking.defaultGateway.address`:   "172.31.0.1",
	`debian-4gb-fsn1 config.networking.nameservers`:              []any{"185.12.64.1", "2a01:4ff:ff00::add:1"},
	`store1 config.boot.loader.grub.devices`:                     []any{"/dev/disk/by-id/ata-HGST_A", "/dev/disk/by-id/ata-HGST_B"},
	`store1 config.boot.swraid.enable`:                           true,
	`store1 config.networking.bonds.bond0.interfaces`:            []any{"eno1", "eno2"},
	`store1 config.networking.hostId`:                            "12345678",
	`store1 config.nixpkgs.hostPlatform`:                         "aarch64-linux",
	`store1 config.users.users.root.openssh.authorizedKeys.keys`: []any{`ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ a"b${c}''\`},
}

// What a machine has become is written into its entry, in every language: another address,
// a disk in the place of one that is gone, one more, other host keys. The comments stay.
func TestEntriesAreUpdated(t *testing.T) {
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"hosts.cue":  "package fleet\n\nnixpkgs: path: %q // ours\n",
		"hosts.toml": "nixpkgs.path = %q # ours\n",
		"hosts.yaml": "nixpkgs:\n  path: %q # ours\n",
		"hosts.json": "{\n  \"nixpkgs\": {\"path\": %q},\n  \"hosts\": {}\n}\n",
	} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			inventory := filepath.Join(dir, file)
			if err := os.WriteFile(inventory, fmt.Appendf(nil, text, minios), 0o644); err != nil {
				t.Fatal(err)
			}
			recorded, err := os.ReadFile("../exec/host/testdata/machines/cloud.json")
			if err != nil {
				t.Fatal(err)
			}
			again := func(address string, change func(hw *host.Hardware)) []*adopted {
				m := &adopted{Hardware: new(host.Hardware), way: adopt.Way{User: "root", Address: address}}
				if err := json.Unmarshal(recorded, m.Hardware); err != nil {
					t.Fatal(err)
				}
				change(m.Hardware)
				return []*adopted{m}
			}
			same := func(*host.Hardware) {}
			adoptAll(t, inventory, again("192.0.2.1", same), "adopted")
			adoptAll(t, inventory, again("192.0.2.1", same), "unchanged")
			other := func(hw *host.Hardware) {
				hw.Device("vda").IDs = []string{"virtio-new-volume"}
				hw.Devices = append(hw.Devices, host.Device{Name: "vdz", Kind: host.WholeDisk, Size: 1 << 40, IDs: []string{"virtio-more"}})
				hw.HostKeys = append(hw.HostKeys, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg")
			}
			adoptAll(t, inventory, again("192.0.2.9", other), "updated", "update")
			adoptAll(t, inventory, again("192.0.2.9", other), "unchanged")
			if text, err := os.ReadFile(inventory); err != nil || strings.Contains(string(text), "by-id/virtio-hc-volume-1") || file != "hosts.json" && !strings.Contains(string(text), " ours\n") {
				t.Errorf("%v\n%s", err, text)
			}
			if out, want := muster(t, "vet", inventory), "1 host, all in order\n"; out != want {
				t.Errorf("vet: %s", out)
			}
		})
	}
}

// Two hosts that share what one of them is to have alone are left as they are.
func TestSharedFactsAreLeft(t *testing.T) {
	dir := t.TempDir()
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"
	inventory := "package fleet\n\nnixpkgs: unpinned: true\nhosts: [string]: disks: sda: device: \"/dev/disk/by-id/old\"\n" +
		"hosts: a: {host: \"192.0.2.1\", host_keys: [\"" + key + "\"], imports: [\"./hardware/a.nix\"]}\nhosts: b: host: \"192.0.2.2\"\n"
	if err := os.WriteFile(filepath.Join(dir, "hosts.cue"), []byte(inventory), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "hardware"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hardware", "a.nix"), []byte("{ ... }: { }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	hw := &host.Hardware{Name: "a", System: "x86_64-linux", HostKeys: []string{key}, Devices: []host.Device{{Name: "sda", Kind: host.WholeDisk, IDs: []string{"new"}}}}
	a := &adoption{options: &adoptOptions{yes: true, update: true}, std: streams{out: io.Discard, err: io.Discard}}
	if err := a.open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	m := &adopted{Hardware: hw, Name: "a", way: adopt.Way{User: "root", Address: "192.0.2.1"}, known: a.fleet.Host("a")}
	a.machines = []*adopted{m}
	if err := a.place(m); err != nil {
		t.Fatal(err)
	}
	if err := a.write(t.Context()); err == nil || !strings.Contains(err.Error(), "b would change with what is edited") {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "hosts.cue")); err != nil || string(text) != inventory {
		t.Errorf("%v\n%s", err, text)
	}
}

// adoptAll is what adopt does once it has read the machines.
func adoptAll(t *testing.T, dir string, machines []*adopted, state string, update ...string) {
	t.Helper()
	a := &adoption{options: &adoptOptions{yes: true, update: len(update) > 0}, std: streams{out: io.Discard, err: io.Discard}}
	if err := a.open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		a.machines = append(a.machines, m)
		if h := a.fleet.Host(m.Name); h != nil {
			m.known = h
		}
		if err := a.place(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if m.State != state {
			t.Errorf("%s: %s, want %s: %v", m.Name, m.State, state, m.Differences)
		}
	}
}

// muster runs a verb and returns what it prints.
func muster(t *testing.T, args ...string) string {
	t.Helper()
	var out, stderr bytes.Buffer
	root := newRoot(streams{in: strings.NewReader(""), out: &out, err: &stderr, warn: &warningWriter{w: &stderr}, doc: &out})
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out.String()
}
