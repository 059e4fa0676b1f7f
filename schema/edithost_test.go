package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What machines became is written where the inventory says what they were, in every
// language and form of it; all else stays as it was written.
func TestEditHosts(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"
	const rsa = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMUIpPa6eFonflHaHPFPqjdbrrIAffAS2I9PdrZsuhl1"
	short := strings.NewReplacer("KEY2", rsa, "KEY", key)
	sameKey := func(a, b string) bool { return strings.HasPrefix(a+" ", b+" ") || strings.HasPrefix(b+" ", a+" ") }
	tests := []struct{ name, file, src, want string }{
		{"cue in lines", "hosts.cue", `package fleet

nixpkgs: unpinned: true
hosts: web1: {
	host: "192.0.2.1" // the address
	// its keys
	host_keys: [
		"KEY2", // old
		"KEY old", // kept
	]
	// the disk
	disks: sda: {
		device: "/dev/disk/by-id/a"
		boot:   true // GRUB
	}
}
`, `package fleet

nixpkgs: unpinned: true
hosts: web1: {
	host: "192.0.2.9" // the address
	system: "aarch64-linux"
	// its keys
	host_keys: [
		"KEY old", // kept
	]
	// 1 TB
	disks: sdb: device: "/dev/disk/by-id/b"
	// the disk
	disks: sda: {
		device: "/dev/disk/by-id/c"
		boot:   true // GRUB
	}
}
`},
		{"cue on a line", "hosts.cue", `nixpkgs: unpinned: true
hosts: web1: {host: "192.0.2.1", host_keys: ["KEY2"], disks: {sda: {device: "/dev/disk/by-id/a"}}}
`, `nixpkgs: unpinned: true
hosts: web1: {host: "192.0.2.9", system: "aarch64-linux", host_keys: ["KEY"], disks: {sdb: device: "/dev/disk/by-id/b", sda: {device: "/dev/disk/by-id/c"}}}
`},
		{"cue in fields", "hosts.cue", `nixpkgs: unpinned: true
hosts: web1: host: "192.0.2.1"
hosts: web1: host_keys: []
`, `nixpkgs: unpinned: true
hosts: web1: host: "192.0.2.9"
hosts: web1: system: "aarch64-linux"
// 1 TB
hosts: web1: disks: sdb: device: "/dev/disk/by-id/b"
hosts: web1: host_keys: ["KEY"]
`},
		{"toml", "hosts.toml", `nixpkgs.unpinned = true
[hosts.web1]
host = "192.0.2.1" # the address
host_keys = ["KEY2", 'KEY']

# the disk
[hosts.web1.disks.sda]
device = "/dev/disk/by-id/a"
`, `nixpkgs.unpinned = true
[hosts.web1]
host = "192.0.2.9" # the address
system = "aarch64-linux"
host_keys = ['KEY']

# 1 TB
[hosts.web1.disks.sdb]
device = "/dev/disk/by-id/b"

# the disk
[hosts.web1.disks.sda]
device = "/dev/disk/by-id/c"
`},
		{"toml with dots", "hosts.toml", `nixpkgs.unpinned = true
hosts.web1.host = "192.0.2.1"
hosts.web1.host_keys = [
  # its key
  "KEY2"
]
hosts.web1.disks = {sda = {device = "/dev/disk/by-id/a"}}`, `nixpkgs.unpinned = true
hosts.web1.host = "192.0.2.9"
hosts.web1.system = "aarch64-linux"
hosts.web1.host_keys = [
  # its key
  "KEY"
]
hosts.web1.disks = {sdb = {device = "/dev/disk/by-id/b"}, sda = {device = "/dev/disk/by-id/c"}}`},
		{"yaml", "hosts.yaml", `nixpkgs:
  unpinned: true
hosts:
  web1:
    host: 192.0.2.1 # the address
    host_keys:
      - KEY2
      # kept
      - KEY
    disks:
      # the disk
      sda:
        device: /dev/disk/by-id/a
`, `nixpkgs:
  unpinned: true
hosts:
  web1:
    host: "192.0.2.9" # the address
    system: "aarch64-linux"
    host_keys:
      # kept
      - KEY
    disks:
      # 1 TB
      sdb:
        device: "/dev/disk/by-id/b"
      # the disk
      sda:
        device: "/dev/disk/by-id/c"
`},
		{"yaml without disks", "hosts.yml", `nixpkgs: {unpinned: true}
hosts:
    web1:
        host: "192.0.2.1"
`, `nixpkgs: {unpinned: true}
hosts:
    web1:
        host: "192.0.2.9"
        system: "aarch64-linux"
        host_keys:
          - "KEY"
        # 1 TB
        disks:
          sdb:
            device: "/dev/disk/by-id/b"
`},
		{"yaml in braces", "hosts.yaml", `nixpkgs: {unpinned: true}
hosts:
  web1: {host: 192.0.2.1, host_keys: ['KEY2'], disks: {sda: {device: /dev/disk/by-id/a}}}
`, `nixpkgs: {unpinned: true}
hosts:
  web1: {host: "192.0.2.9", system: "aarch64-linux", host_keys: ["KEY"], disks: {sdb: {device: "/dev/disk/by-id/b"}, sda: {device: "/dev/disk/by-id/c"}}}
`},
		{"json", "hosts.json", `{
  "nixpkgs": {"unpinned": true},
  "hosts": {
    "web1": {
      "host": "192.0.2.1",
      "host_keys": [
        "KEY2",
        "KEY"
      ],
      "disks": {
        "sda": {"device": "/dev/disk/by-id/a"}
      }
    }
  }
}
`, `{
  "nixpkgs": {"unpinned": true},
  "hosts": {
    "web1": {
      "host": "192.0.2.9",
      "system": "aarch64-linux",
      "host_keys": [
        "KEY"
      ],
      "disks": {
        "sdb": {"device": "/dev/disk/by-id/b"},
        "sda": {"device": "/dev/disk/by-id/c"}
      }
    }
  }
}
`},
		{"json without the rest", "hosts.json", `{"nixpkgs": {"unpinned": true}, "hosts": {"web1": {"host": "192.0.2.1"}}}`,
			`{"nixpkgs": {"unpinned": true}, "hosts": {"web1": {"host": "192.0.2.9", "system": "aarch64-linux", "host_keys": ["KEY"], "disks": {"sdb": {"device": "/dev/disk/by-id/b"}}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := []byte(short.Replace(tt.src))
			fleet := loadText(t, tt.file, src)
			h := fleet.Host("web1")
			edits := []HostEdit{
				{Host: h, Path: "host", Value: "192.0.2.9", Old: h.Address},
				{Host: h, Path: "system", Value: "aarch64-linux", Old: h.System},
				{Host: h, Path: "host_keys", Value: []string{key}, Same: sameKey},
				{Host: h, Path: "disks.sdb", Value: []NewField{{Name: "device", Value: "/dev/disk/by-id/b"}}, Comment: "1 TB"},
			}
			if len(h.Disks) > 0 {
				edits = append(edits, HostEdit{Host: h, Path: "disks.sda.device", Value: "/dev/disk/by-id/c", Old: h.Disks[0].Device})
			}
			texts, err := EditHosts(edits, func(string) ([]byte, error) { return src, nil })
			if err != nil {
				t.Fatal(err)
			}
			if len(texts) != 1 {
				t.Fatalf("%d files", len(texts))
			}
			for _, text := range texts {
				if diff := cmp.Diff(short.Replace(tt.want), string(text)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				h := loadText(t, tt.file, text).Host("web1")
				if h.Address != "192.0.2.9" || h.System != "aarch64-linux" || len(h.HostKeys) != 1 || len(h.Disks) != max(1, 2*len(fleet.Host("web1").Disks)) {
					t.Errorf("%s", text)
				}
			}
		})
	}
}

// loadText loads an inventory of one file.
func loadText(t *testing.T, name string, text []byte) *Fleet {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	fleet, err := Load(t.Context(), file, Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return fleet
}

// What is not written out where the host has it is left to the user.
func TestEditsLeftToTheUser(t *testing.T) {
	for _, src := range []string{
		"_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg\"]\nhosts: web1: {host: _at, host_keys: _keys}\n_at: \"192.0.2.1\"\n",
		"hosts: web1: {host: \"192.0.2.\\(1)\", host_keys: [_key]}\n_key: \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg\"\n",
	} {
		src := []byte("nixpkgs: unpinned: true\n" + src)
		h := loadText(t, "hosts.cue", src).Host("web1")
		for _, e := range []HostEdit{
			{Host: h, Path: "host", Value: "192.0.2.9", Old: h.Address},
			{Host: h, Path: "host_keys", Value: []string{"ssh-ed25519 AAAA"}},
			{Host: h, Path: "system", Value: "aarch64-linux"},
		} {
			if _, err := EditHosts([]HostEdit{e}, func(string) ([]byte, error) { return src, nil }); err == nil || !strings.Contains(err.Error(), "change it by hand") {
				t.Errorf("%s of\n%s: %v", e.Path, src, err)
			}
		}
	}
}

// The address of a machine that muster made is in provision.json. What else it is goes into
// the entry of the host.
func TestEditHostsThatWereMade(t *testing.T) {
	pins := string(PinnedText([]PinnedMachine{{Host: "web1", Target: Hetzner, ID: "7", Address: "192.0.2.1"}}))
	tests := []struct{ file, src, want string }{
		{"hosts.cue", `package fleet

nixpkgs: unpinned: true
hosts: web1: {
	provision: {target: "hetzner", size: "cx22", region: "fsn1", image: "debian-12", ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]} // small
}
`, `package fleet

nixpkgs: unpinned: true
hosts: web1: {
	imports: ["./hardware/web1.nix"]
	disks: {sda: {device: "/dev/disk/by-id/a"}}
	provision: {target: "hetzner", size: "cx22", region: "fsn1", image: "debian-12", ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]} // small
}
`},
		{"hosts.toml", `nixpkgs.unpinned = true
[hosts.web1]
provision = {target = "hetzner", size = "cx22", region = "fsn1", image = "debian-12", ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]} # small
`, `nixpkgs.unpinned = true
[hosts.web1]
imports = ["./hardware/web1.nix"]
disks = {sda = {device = "/dev/disk/by-id/a"}}
provision = {target = "hetzner", size = "cx22", region = "fsn1", image = "debian-12", ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]} # small
`},
		{"hosts.yaml", `nixpkgs: {unpinned: true}
hosts:
  web1:
    # small
    provision: {target: hetzner, size: cx22, region: fsn1, image: debian-12, ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}
`, `nixpkgs: {unpinned: true}
hosts:
  web1:
    # small
    imports:
      - "./hardware/web1.nix"
    disks: {sda: {device: "/dev/disk/by-id/a"}}
    provision: {target: hetzner, size: cx22, region: fsn1, image: debian-12, ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}
`},
		{"hosts.json", `{"nixpkgs": {"unpinned": true}, "hosts": {"web1": {"provision": {"target": "hetzner", "size": "cx22", "region": "fsn1", "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}}}}
`, `{"nixpkgs": {"unpinned": true}, "hosts": {"web1": {"imports": ["./hardware/web1.nix"], "disks": {"sda": {"device": "/dev/disk/by-id/a"}}, "provision": {"target": "hetzner", "size": "cx22", "region": "fsn1", "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}}}}
`},
		// Nothing but the name is in the entry.
		{"hosts.json", `{"nixpkgs": {"unpinned": true}, "defaults": {"provision": {"target": "hetzner", "size": "cx22", "region": "fsn1", "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}}, "hosts": {"web1": { }}}
`, `{"nixpkgs": {"unpinned": true}, "defaults": {"provision": {"target": "hetzner", "size": "cx22", "region": "fsn1", "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}}, "hosts": {"web1": {"imports": ["./hardware/web1.nix"], "disks": {"sda": {"device": "/dev/disk/by-id/a"}} }}}
`},
		{"hosts.toml", `nixpkgs.unpinned = true
defaults.provision = {target = "hetzner", size = "cx22", region = "fsn1", image = "debian-12", ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}
hosts.web1 = {}
`, `nixpkgs.unpinned = true
defaults.provision = {target = "hetzner", size = "cx22", region = "fsn1", image = "debian-12", ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}
hosts.web1 = {imports = ["./hardware/web1.nix"], disks = {sda = {device = "/dev/disk/by-id/a"}}}
`},
		{"hosts.cue", `nixpkgs: unpinned: true
defaults: provision: {"target": "hetzner", "size": "cx22", "region": "fsn1", "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}
hosts: web1: {}
`, `nixpkgs: unpinned: true
defaults: provision: {"target": "hetzner", "size": "cx22", "region": "fsn1", "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"]}
hosts: web1: {
imports: ["./hardware/web1.nix"]

disks: {sda: {device: "/dev/disk/by-id/a"}}
}
`},
	}
	for _, c := range tests {
		t.Run(c.file, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, c.file)
			for file, text := range map[string]string{c.file: c.src, "provision.json": pins, "hardware/web1.nix": "{ }"} {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			fleet, err := Load(t.Context(), name, Options{})
			if err != nil {
				t.Fatal(err)
			}
			h := fleet.Host("web1")
			texts, err := EditHosts([]HostEdit{
				{Host: h, Path: "imports", Value: []string{"./hardware/web1.nix"}},
				{Host: h, Path: "disks.sda", Value: []NewField{{Name: "device", Value: "/dev/disk/by-id/a"}}},
			}, os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(map[string][]byte{h.At.File: []byte(c.want)}, texts); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			edited, err := Load(t.Context(), name, Options{Texts: map[string][]byte{name: []byte(c.want)}})
			if err != nil || len(edited.Host("web1").Disks) != 1 || len(edited.Host("web1").Imports) != 1 {
				t.Errorf("what is written: %v", err)
			}
		})
	}
}
