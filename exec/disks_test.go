package exec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/exec/host"
	"muster/schema"
)

// laidOut is a host with a disk of every kind of partition.
func laidOut() *schema.Host {
	return &schema.Host{Name: "web", Disks: []schema.Disk{
		{Name: "main", Device: "/dev/disk/by-id/nvme-A", Layout: schema.Layout{Serial: "A", Table: "gpt", Partitions: []schema.Partition{
			{Name: "grub", Size: 1, Type: "bios"},
			{Name: "esp", Size: 512, Type: "efi", FS: "vfat", Label: "ESP", Mount: "/boot/efi"},
			{Name: "boot", Size: 1024, Type: "linux", FS: "ext4", Mount: "/boot", Bootable: true},
			{Name: "swap", Size: 2048, Type: "swap", FS: "swap", Label: "swap"},
			{Name: "root", Type: "linux", FS: "btrfs", Mount: "/", Options: []string{"noatime", "compress=zstd"}, Encrypt: "disk", FormatOptions: []string{"--csum", "xxhash"}},
		}}},
		{Name: "old", Device: "/dev/disk/by-id/ata-B", Layout: schema.Layout{Table: "mbr", Partitions: []schema.Partition{
			{Name: "data", Type: "linux", FS: "xfs", Label: "data", Mount: "/data", Bootable: true},
		}}},
		{Name: "other", Device: "/dev/sdz"},
	}}
}

func TestWhatIsMadeOfDisks(t *testing.T) {
	h := laidOut()
	made := madeDisks(h)
	if len(made) != 2 {
		t.Fatalf("%d disks are made, want 2: one without partitions is left alone", len(made))
	}
	want := []string{`label: gpt
label-id: ` + tableID(layoutID(h), made[0]) + `

size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name="grub"
size=512MiB, type=U, name="esp"
size=1024MiB, type=L, name="boot", attrs=LegacyBIOSBootable
size=2048MiB, type=S, name="swap"
type=L, name="root"
`, `label: dos
label-id: 0x` + tableID(layoutID(h), made[1]) + `

type=L, bootable
`}
	for i, d := range made {
		if diff := cmp.Diff(want[i], sfdiskScript(layoutID(h), d)); diff != "" {
			t.Errorf("disk %s (-want +got):\n%s", d.Name, diff)
		}
	}
	var formats []string
	for _, d := range made {
		for _, p := range d.Partitions {
			if p.FS != "" {
				formats = append(formats, strings.Join(formatter(&p), " "))
			}
		}
	}
	if diff := cmp.Diff([]string{"mkfs.vfat -F 32 -n ESP", "mkfs.ext4 -F -q", "mkswap -L swap", "mkfs.btrfs -f --csum xxhash", "mkfs.xfs -f -L data"}, formats); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
	var mounts []string
	for _, m := range mountsOf(made, []host.BareDisk{{Name: "nvme0n1"}, {Name: "sda"}}) {
		mounts = append(mounts, strings.Join([]string{m.Where, m.FS, m.Options, m.Name, m.Mapper}, " "))
	}
	if diff := cmp.Diff([]string{"/ btrfs noatime,compress=zstd nvme0n1 main-root", "/boot ext4  nvme0n1 ", "/boot/efi vfat  nvme0n1 ", "/data xfs  sda "}, mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

// What an earlier attempt has made is taken for ours only where it is made alike.
func TestAnotherLayoutHasAnotherID(t *testing.T) {
	first := layoutID(laidOut())
	for name, change := range map[string]func(h *schema.Host){
		"host":    func(h *schema.Host) { h.Name = "db" },
		"device":  func(h *schema.Host) { h.Disks[0].Device += "2" },
		"serial":  func(h *schema.Host) { h.Disks[0].Serial = "" },
		"table":   func(h *schema.Host) { h.Disks[1].Table = "gpt" },
		"size":    func(h *schema.Host) { h.Disks[0].Partitions[1].Size++ },
		"fs":      func(h *schema.Host) { h.Disks[0].Partitions[2].FS = "xfs" },
		"mount":   func(h *schema.Host) { h.Disks[0].Partitions[2].Mount = "/b" },
		"encrypt": func(h *schema.Host) { h.Disks[0].Partitions[4].Encrypt = "" },
	} {
		h := laidOut()
		change(h)
		if layoutID(h) == first {
			t.Errorf("another %s gives the same layout", name)
		}
	}
	if layoutID(laidOut()) != first {
		t.Error("the same layout has two IDs")
	}
}

func TestDisksThatAreNotWiped(t *testing.T) {
	good := host.BareDisk{Device: "/dev/disk/by-id/nvme-A", Name: "nvme0n1", Size: 100 << 30, Serial: "A"}
	with := func(change func(d *host.BareDisk)) host.BareDisk {
		d := good
		change(&d)
		return d
	}
	for _, tt := range []struct {
		name  string
		disk  host.BareDisk
		inUse bool
		want  string // "" for none
	}{
		{"the disk", good, false, ""},
		{"missing", host.BareDisk{Missing: true}, false, "the machine has no such disk; in /dev/disk/by-id it has nvme-C (nvme1n1, 1.0 TB)"},
		{"missing, and one has no ID", host.BareDisk{Device: "vda", Missing: true}, false, "the machine has no such disk; in /dev/disk/by-id it has nvme-C (nvme1n1, 1.0 TB); without an ID it has vda (2.0 GB): give a virtual disk a serial number in its hypervisor's settings, and virtio-SERIAL will be its ID"},
		{"another serial number", with(func(d *host.BareDisk) { d.Serial = "C" }), false, `its serial number is "C", and the inventory says "A"`},
		{"no serial number", with(func(d *host.BareDisk) { d.Serial = "" }), false, `its serial number is "", and the inventory says "A"`},
		{"a partition", with(func(d *host.BareDisk) { d.Partition, d.Name = true, "nvme0n1p1" }), false, "it is a partition, nvme0n1p1, and no whole disk"},
		{"read-only", with(func(d *host.BareDisk) { d.ReadOnly = true }), false, "it is read-only"},
		{"too small", with(func(d *host.BareDisk) { d.Size = 1 << 30 }), false, "it has 1.1 GB, and its partitions take 3.8 GB"},
		{"mounted", with(func(d *host.BareDisk) {
			d.Used = []host.Use{{Name: "nvme0n1p1", As: "/mnt/x"}, {Name: "nvme0n1p2", As: "swap"}}
		}), false, "it is in use, and has to be unmounted or stopped first: nvme0n1p1 (/mnt/x), nvme0n1p2 (swap)"},
		{"in use by what runs before the installer", with(func(d *host.BareDisk) { d.Used = []host.Use{{Name: "nvme0n1p1", As: "/"}} }), true, ""},
		{"another in use before the installer", with(func(d *host.BareDisk) { d.Serial = "C" }), true, `its serial number is "C", and the inventory says "A"`},
	} {
		b := &host.Bare{Disks: []host.BareDisk{tt.disk}, Named: []host.NamedDisk{{ID: "nvme-C", Name: "nvme1n1", Size: 1e12}}}
		if tt.disk.Device == "vda" {
			b.Nameless = []host.NamedDisk{{Name: "vda", Size: 2e9}}
		}
		err := checkDisk(madeDisks(laidOut())[0], b, 0, tt.inUse)
		want := ""
		if tt.want != "" {
			want = "disk main, /dev/disk/by-id/nvme-A: " + tt.want + "; nothing was wiped"
		}
		if got := errorText(err); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, want)
		}
	}
	twice := &host.Bare{Disks: []host.BareDisk{good, good}}
	if got := errorText(checkDisk(madeDisks(laidOut())[1], twice, 1, false)); !strings.Contains(got, "it is the same disk as another of the host: nvme0n1") {
		t.Errorf("one disk by two names: %s", got)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A disk that is known by its name in the kernel is wiped only where it must be the one that
// is meant.
func TestDisksByNamesOfTheKernel(t *testing.T) {
	sda := host.BareDisk{Device: "/dev/sda", Name: "sda", Size: 40 << 30, Serial: "S1", Model: "QEMU"}
	named := host.NamedDisk{ID: "scsi-1", Name: "sda", Size: 40 << 30}
	volume := host.NamedDisk{ID: "scsi-2", Name: "sdb", Size: 100 << 30}
	config := host.NamedDisk{Name: "vdb", Size: 500 << 10} // of a cloud, with what cloud-init gets
	tests := []struct {
		name   string
		device string
		disks  []host.NamedDisk
		rooted []host.BareDisk
		err    string
	}{
		{"the only disk", "/dev/sda", []host.NamedDisk{named}, nil, ""},
		{"beside one that is too small", "/dev/sda", []host.NamedDisk{named, config}, nil, ""},
		{"beside another", "/dev/sda", []host.NamedDisk{named, volume, volume}, nil, "disk main, /dev/sda: the machine has other disks, scsi-2 (107.4 GB), and which of them the kernel calls so changes from one start to the next: give the disk its device by id, /dev/disk/by-id/…; nothing was wiped"},
		{"beside another, with the root", "/dev/sda", []host.NamedDisk{named, volume}, []host.BareDisk{sda}, ""},
		{"the root was on another", "/dev/sda", []host.NamedDisk{named, volume}, []host.BareDisk{{Name: "sda", Size: 100 << 30, Serial: "S2"}}, "disk main, /dev/sda: the machine has other disks"},
		{"by id", "/dev/disk/by-id/scsi-1", []host.NamedDisk{named, volume}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &schema.Disk{Name: "main", Device: tt.device, Layout: schema.Layout{Partitions: []schema.Partition{{Name: "root", Size: 1024}}}}
			err := isTheOne(d, &host.Bare{Disks: []host.BareDisk{sda}, Named: tt.disks}, 0, tt.rooted)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
	rooted := withRoot(&host.Bare{Disks: []host.BareDisk{{Name: "a", Used: []host.Use{{Name: "a1", As: "/"}}}, {Name: "b", Used: []host.Use{{Name: "b1", As: "/boot"}}}}})
	if len(rooted) != 1 || rooted[0].Name != "a" {
		t.Errorf("with a root: %+v", rooted)
	}
}
