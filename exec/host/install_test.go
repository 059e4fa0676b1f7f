package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestABareMachineIsRead(t *testing.T) {
	const id = "/dev/disk/by-id/"
	got, err := parseBare(`motd
lacks mkfs.xfs
os debian installer Debian GNU/Linux 12
root overlay overlay
uid 0
machine x86_64
firmware efi
memory 1000
bootid 1-2
current `+string(oldSystem)+`
deployed run7
pending abc run7 `+string(newSystem)+`
agreed abc
mounted abc run7
disk 0 name sda
disk 0 size 2048
disk 0 serial S1
disk 0 model QEMU  HARDDISK
disk 0 table 0x1234ABCD
disk 0 holds sda1 1024  UUID="1" LABEL="old root" TYPE="ext4" PARTLABEL="x"
disk 0 used sda1 /media
disk 0 used sda1 /media
disk 1 missing
disk 7 name sdz
disk x name sdz
named ata-S1 sda 2048
named broken
nameless vda 2048
nameless broken
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
				Holds: []Content{{Name: "sda1", Size: 1 << 19, Type: "ext4", Label: "old root"}}, Used: []Use{{"sda1", "/media"}},
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
