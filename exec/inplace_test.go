package exec

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/exec/host"
	"muster/schema"
)

func TestMachinesThatAreNotReplaced(t *testing.T) {
	const (
		want   = "/nix/store/00000000000000000000000000000001-nixos-system-web-1"
		debian = "uid 0\nos debian - Debian 12\nmount 1 0 8:1 / / rw - ext4 /dev/sda1 rw\nmachine x86_64\n"
		nixos  = "uid 0\nos nixos - NixOS\nmount 1 0 8:1 / / rw - ext4 /dev/sda1 rw\nmachine x86_64\ncurrent " + want + "\nbooted " + want + "\n"
	)
	for _, tt := range []struct{ name, text, want string }{
		{"a Linux", debian, ""},
		{"a Linux with what an attempt has installed", debian + "pending layout run1 " + want + "\ndeployed run1\n", ""},
		{"what was installed, booted and not seen yet", nixos + "pending layout run1 " + want + "\ndeployed run1\n", ""},
		{"NixOS", nixos, "it runs NixOS already (" + want + "): muster adopt brings it into the inventory, and muster deploy what the inventory says"},
		{"an installer", strings.Replace(debian, "ext4", "tmpfs", 1), "Debian 12 runs from memory or a medium there: install it without --in-place, to disks that the inventory names"},
		{"without Nix", debian + "lacks nix-env\nlacks nix-store\n", "Debian 12 has no nix-env, nix-store: install what is missing (Nix as the package nix-bin, or as nixos.org/download says)"},
		{"of another kind", strings.Replace(debian, "x86_64", "aarch64", 1), "it is a aarch64, and the inventory says x86_64-linux"},
	} {
		p := NewPlan(Install, []Step{{Host: &schema.Host{Name: "web", System: "x86_64-linux"}, System: System{Out: want}}})
		p.Wanted.InPlace = true
		r := newRun(p, Options{}.withDefaults())
		j := r.newJob(r.plan.Steps[0])
		j.conn.use(bareMachine{tt.text})
		if got := errorText(lookBare(t.Context(), j)); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestPlacesThatDoNotFit(t *testing.T) {
	const table = "# a comment\n/dev/disk/by-uuid/r / ext4 defaults 0 1\n/dev/disk/by-uuid/b /boot ext4 defaults 0 2\n/swap none swap defaults\n"
	answer, err := os.ReadFile("testdata/place.txt")
	if err != nil {
		t.Fatal(err)
	}
	there := string(answer)
	boots := &schema.Host{Name: "web", Disks: []schema.Disk{{Name: "main", Device: "/dev/sda", Boot: true}}}
	for _, tt := range []struct {
		name         string
		host         *schema.Host
		efi          bool
		table, there string
		want         string
	}{
		{"what fits", boots, false, table, there, ""},
		{"a container", boots, false, table, there + "container lxc\n", "it is a container (lxc), whose boot is not its own"},
		{"another root", boots, false, table, strings.Replace(there, "wants / /dev/sda2", "wants / /dev/sdc1", 1), "the new system mounts /dev/disk/by-uuid/r at /, which is /dev/sdc1 there, and what is mounted there is /dev/sda2"},
		{"no such device", boots, false, table, strings.Replace(there, "wants / /dev/sda2", "wants / ", 1), "the new system mounts /dev/disk/by-uuid/r at /, and the machine has no such device: there it is /dev/sda2"},
		{"a boot of its own", boots, false, strings.ReplaceAll(table, "/boot", "/elsewhere"), there, "/boot is a file system of its own there (/dev/sda1), and the new system does not mount it: add it to file_systems, as muster adopt does"},
		{"a nix of its own", boots, false, table, there + "mount /nix ext4 /dev/sdd1\n", "/nix is a file system of its own there (/dev/sdd1), and the new system does not mount it: add it to file_systems, as muster adopt does"},
		{"a usr of its own", boots, false, table, there + "mount /usr ext4 /dev/sdd1\n", "/usr is a file system of its own there (/dev/sdd1), and cannot be moved aside: reinstall the machine by install.kexec instead"},
		{"logs of their own", boots, false, table, there + "mount /var/log ext4 /dev/sdd1\n", ""},
		{"no root in the configuration", boots, false, "", there, "/ is a file system of its own there (/dev/sda2), and the new system does not mount it: add it to file_systems, as muster adopt does"},
		{"no disk to boot from", &schema.Host{Name: "web"}, false, table, there, "it starts by BIOS or by a kernel from elsewhere, and no disk of the inventory has boot: true, so that no boot loader would be installed: set it for the disk that the machine starts from"},
		{"EFI, and nothing is known of it", boots, true, table, there, "it starts by EFI, and its EFI system partition is not mounted at /boot, /boot/efi or /efi: mount it, and add it to file_systems"},
		{"EFI", boots, true, strings.Replace(table, "/boot ext4", "/boot vfat", 1), strings.Replace(there, "/boot ext4", "/boot vfat", 1), ""},
		{"no room", boots, false, table, strings.Replace(there, "store 9000000", "store 90000", 1), "only 92.2 MB are free for /nix/store"},
		{"no room for files", boots, false, table, strings.Replace(there, "900000\n", "900\n", 1), "only 900 files more can be made on the file system of /nix/store"},
		{"a file system that does not count its files", boots, false, table, strings.Replace(there, "900000\n", "0\n", 1), ""},
		{"no room in boot", boots, false, table, strings.Replace(there, "boot 900000", "boot 9000", 1), "only 9.2 MB are free in /boot, and a kernel with its initrd takes up to 100.7 MB"},
		{"no answer", boots, false, table, "welcome\n", `look at the file systems: unexpected answer "welcome\n"`},
	} {
		file := filepath.Join(t.TempDir(), "fstab")
		if err := os.WriteFile(file, []byte(tt.table), 0o600); err != nil {
			t.Fatal(err)
		}
		lines, err := readFSTab(file)
		if err != nil {
			t.Fatal(err)
		}
		place, err := host.New(bareMachine{tt.there}, 0).LookInPlace(context.Background(), lines)
		if err == nil {
			err = fits(tt.host, tt.efi, &place, lines)
		}
		if got := errorText(err); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
