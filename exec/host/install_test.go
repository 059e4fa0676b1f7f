package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestABareMachineIsRead(t *testing.T) {
	const id = "/dev/disk/by-id/"
	got, err := parseBare(`motd
lacks mkfs.xfs
os debian installer Debian GNU/Linux 12
mount 1 0 0:20 / / rw - overlay overlay rw
mount 2 1 8:1 / /media rw - ext4 /dev/sda1 rw
mount 3 1 8:1 / /media rw - ext4 /dev/sda1 rw
mount 4 1 8:1 /var /run/hidden rw - ext4 /dev/root rw
mount 5 1 8:2 / /mnt rw - ext4 /dev/sda2 rw
uid 0
machine x86_64
firmware efi
memory 1000
bootid 1-2
current `+string(oldSystem)+`
deployed run7
pending abc run7 `+string(newSystem)+`
agreed abc
there abc run7
wanted 0 sda
wanted 7 sdz
wanted x sdz
block sda table 0x1234ABCD
block sda
block sda dev 8:0
block sda size 2048
block sda device/model QEMU  HARDDISK
block sda vpd S 1
block sda1 parent sda
block sda2 parent sda
block sda1 dev 8:1
block sda1 size 1024
block sda1 partition 1
block sda2 dev 8:2
block sda2 size 512
block sda2 partition 2
block vda size 2048
block dm-0 parent sda2
block dm-0 dm/uuid LVM-x
block sda2 held btrfs
block sda1 held btrfs
link disk/by-id/ata-S1 ../../sda
link disk/by-id/ata-S1-part1 ../../sda1
link broken
blkid /dev/sda: PTUUID="1234abcd" PTTYPE="dos"
blkid /dev/sda1: UUID="1" LABEL="old root" TYPE="ext4" PARTLABEL="x"
`, []string{id + "ata-S1", id + "ata-S2"})
	if err != nil {
		t.Fatal(err)
	}
	want := Bare{
		Name: "Debian GNU/Linux 12", OS: "debian", Variant: "installer", RootFS: "overlay", Machine: "x86_64", EFI: true, Memory: 1000 << 10,
		Lacks: []string{"mkfs.xfs"}, BootID: "1-2", Current: oldSystem, Deployed: "run7", Pending: Note{Layout: "abc", Run: "run7", System: newSystem},
		Agreed: "abc", Mounted: true, There: Note{Layout: "abc", Run: "run7"},
		Disks: []BareDisk{
			{
				Device: id + "ata-S1", Name: "sda", Size: 1 << 20, Serial: "S1", Model: "QEMU  HARDDISK", TableID: "1234abcd",
				Holds: []Content{{Name: "sda1", Size: 1 << 19, Type: "ext4", Label: "old root"}, {Name: "sda2", Size: 1 << 18, Type: "ext4"}},
				Used:  []Use{{"sda1", "/media"}, {"sda1", "/run/hidden"}, {"sda2", "/mnt"}, {"sda2", "part of dm-0"}},
			},
			{Device: id + "ata-S2", Missing: true},
		},
		Named:    []NamedDisk{{ID: "ata-S1", Name: "sda", Size: 1 << 20}},
		Nameless: []NamedDisk{{Name: "vda", Size: 1 << 20}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A disk of this computer is seen with its partition table, what is on it and what it is
// in use as, and so is one of a kind that is not listed unasked.
func TestDisksOfThisMachineAreSeen(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	file := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 8<<20); err != nil {
		t.Fatal(err)
	}
	table := exec.Command("sfdisk", "-q", file)
	table.Stdin = strings.NewReader("label: gpt\nlabel-id: 01234567-89ab-4def-8123-456789abcdef\nsize=2MiB, type=L\n")
	if out, err := table.CombinedOutput(); err != nil {
		t.Skipf("sfdisk: %v: %s", err, out)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		t.Skipf("losetup: %v", err)
	}
	loop := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "--detach", loop).Run() })
	b, err := New(here{}, time.Minute).LookBare(t.Context(), []string{loop, "/dev/none"}, []string{"sh", "no-such-program"})
	if err != nil {
		t.Fatal(err)
	}
	if d := b.Disks[0]; d.Missing || d.Partition || d.Size != 8<<20 || d.TableID != "01234567-89ab-4def-8123-456789abcdef" || len(d.Used) > 0 {
		t.Errorf("%+v", d)
	}
	if !b.Disks[1].Missing || len(b.Lacks) != 1 || b.RootFS == "" {
		t.Errorf("%+v", b)
	}
	hw, err := New(here{}, time.Minute).Hardware(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root := hw.MountedAt("/")
	if root == nil || root.Device == "" {
		return // no disk of this computer is known to be in use
	}
	if b, err = New(here{}, time.Minute).LookBare(t.Context(), []string{"/dev/" + root.Device}, nil); err != nil {
		t.Fatal(err)
	}
	if len(b.Disks[0].Used) == 0 || len(b.Named)+len(b.Nameless) == 0 {
		t.Errorf("%+v", b)
	}
}
