package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a first deployment would trip over is found where the inventory says everything
// of a host, and never where a module may say more.
func TestFirstDeploy(t *testing.T) {
	const bootable = "file_systems: \"/\": label: \"nixos\"\nconfig: boot: loader: grub: device: \"/dev/sda\"\n"
	const stated = "config: system: stateVersion: \"24.11\"\n"
	for _, c := range []struct {
		name, host, beside string
		want               []string
	}{
		{name: "nothing", want: []string{"no root file system", "no boot loader", "no state version"}},
		{name: "all", host: bootable + stated},
		{name: "no boot loader", host: "disk_uuid: \"6f3d9f6e-1c35-4d5a-9b9c-0a7a8d1b2c3d\"\n" + stated, want: []string{"no boot loader"}},
		{name: "another file system", host: "file_systems: \"/srv\": label: \"srv\"\nconfig: boot: loader: \"systemd-boot\": enable: true\n" + stated, want: []string{"no root file system"}},
		{name: "no state version", host: bootable, want: []string{"no state version"}},
		{name: "an option instead of the field", host: "config: {fileSystems: \"/\": device: \"/dev/sda1\", boot: loader: \"systemd-boot\": enable: true}\n" + stated},
		{name: "in the defaults", host: bootable, beside: "defaults: " + strings.TrimSpace(stated)},
		{name: "in a role", host: bootable + "roles: [\"old\"]\n", beside: "roles: old: " + strings.TrimSpace(stated)},
		{name: "a module may have it", host: "imports: [\"./hardware.nix\"]\n"},
		{name: "a text may have it", host: "nix: \"{ ... }: { }\"\n"},
		{name: "a module of the defaults may have it", beside: "defaults: imports: [\"./hardware.nix\"]"},
		{name: "an expression may have it", host: bootable + "config: system: $expr: \"import ./state.nix\"\n"},
		{name: "a condition may hold", host: bootable + "config: system: {$if: \"true\", $then: stateVersion: \"24.11\"}\n"},
		{name: "a container", host: "config: boot: isContainer: true\n" + stated},
		{name: "disks of disko", host: "config: disko: devices: disk: main: device: \"/dev/sda\"\n" + stated},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"hosts.cue":    "nixpkgs: unpinned: true\nhosts: web: {\nhost: \"192.0.2.1\"\n" + c.host + "}\n" + c.beside + "\n",
				"hardware.nix": "{ }",
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			fleet, err := Load(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			found := FirstDeploy(fleet)
			for i, e := range found {
				if i >= len(c.want) || !strings.Contains(found.Error(), c.want[i]) {
					t.Errorf("found %v, want %v", e, c.want)
				}
			}
			if len(found) != len(c.want) {
				t.Errorf("found %v, want %v", found, c.want)
			}
		})
	}
}
