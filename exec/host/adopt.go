package host

import (
	"context"
	"net/netip"
	"slices"
)

// Hardware is what a running Linux is made of, as adopt.sh reads it: what NixOS has to
// know to run on the machine. A text of the machine is one line, without control
// characters, of limited length and of the form that its field names; whatever else the
// machine says is left out, and told in Unclear.
type Hardware struct {
	Name    string     `json:"name"`              // its host name, as the kernel has it
	OS      OS         `json:"os"`                // what runs on it
	System  string     `json:"system"`            // Nix's name of its platform, such as x86_64-linux; "" for one unknown
	Memory  int64      `json:"memory"`            // bytes of RAM, -1 where unknown
	CPU     CPU        `json:"cpu"`               // its processors
	Maker   string     `json:"maker,omitempty"`   // of the machine, by its firmware: "Dell Inc."
	Model   string     `json:"model,omitempty"`   // by its firmware: "PowerEdge R740"
	Virtual Virtual    `json:"virtual"`           // whose guest it is
	Boot    BootLoader `json:"boot"`              // how it starts
	Cmdline string     `json:"cmdline,omitempty"` // of its kernel

	// Devices are its disks, their partitions, and what is made of those: RAID, LUKS, LVM.
	// Each has a name that is unique among them. Loop devices, CD drives, floppy disks and
	// RAM disks are left out.
	Devices []Device `json:"devices"`
	Mounts  []Mount  `json:"mounts"`          // below /, without /proc, /sys, /dev, /run and those of containers
	Table   []Mount  `json:"fstab,omitempty"` // /etc/fstab: what is to be mounted, as it is written there

	// Encrypted is /etc/crypttab: the encrypted disks that are opened after the first stage of a boot, or in it.
	Encrypted []EncryptedLine `json:"crypttab,omitempty"`

	Swaps   []Swap   `json:"swaps,omitempty"`
	HostID  string   `json:"host_id,omitempty"` // of /etc/hostid, which ZFS has in its pools: 8 hexadecimal digits
	Drivers []Driver `json:"drivers,omitempty"` // kernel modules in use that a boot needs

	Interfaces  []Interface  `json:"interfaces"`            // of the network, without lo and those of containers
	Gateways    []Gateway    `json:"gateways,omitempty"`    // default routes
	Nameservers []netip.Addr `json:"nameservers,omitempty"` // DNS servers, not the machine's own stub
	Search      []string     `json:"search,omitempty"`      // DNS search domains

	HostKeys []string `json:"host_keys,omitempty"` // public SSH host keys, without comments: "ssh-ed25519 AAAA…"
	Users    []User   `json:"users,omitempty"`     // who have a shell: root, and those with user IDs from 1000 on

	// StateVersion is NixOS's system.stateVersion: that of its configuration or, where it
	// is not found, the oldest release that the machine still has. "" for another system.
	StateVersion Found    `json:"state_version"`
	Config       []string `json:"config,omitempty"`     // Nix files of its configuration, below /etc/nixos and in the running system
	AutoUpgrade  bool     `json:"auto_upgrade"`         // it upgrades itself: system.autoUpgrade
	Unclear      []string `json:"unclear,omitempty"`    // what the machine said and is left out, by its kind
	Undetected   []string `json:"undetected,omitempty"` // what could not be found out, and why
}

// An OS is an operating system, by /etc/os-release.
type OS struct {
	ID      string `json:"id"`                // "nixos", "debian", …
	Version string `json:"version,omitempty"` // "24.05", "12"
	Text    string `json:"text,omitempty"`    // "Debian GNU/Linux 12 (bookworm)"
}

// A CPU is what is the same for all processors of a machine.
type CPU struct {
	Vendor         string `json:"vendor,omitempty"`         // "GenuineIntel", "AuthenticAMD"; "" elsewhere
	Model          string `json:"model,omitempty"`          // "AMD EPYC"
	Online         string `json:"online,omitempty"`         // their numbers: "0-7"
	Virtualisation string `json:"virtualisation,omitempty"` // "vmx" or "svm", where it can be a host of virtual machines
}

// A Virtual says what a machine is a guest of: "" for none. A container shares the
// kernel of its host, so that it has no disks, no boot loader and no modules.
type Virtual struct {
	Machine   string `json:"machine,omitempty"`   // in systemd's words: "kvm", "qemu", "vmware", "oracle", "microsoft", "xen", …
	Container string `json:"container,omitempty"` // "systemd-nspawn", "lxc", …
}

// A Firmware is what starts a machine.
type Firmware string

// The firmwares.
const (
	EFI  Firmware = "efi"
	BIOS Firmware = "bios" // or another that is not EFI
)

// A BootLoader is how a machine starts.
type BootLoader struct {
	Firmware Firmware `json:"firmware"`
	Bits     int      `json:"bits,omitempty"` // of EFI: 64 or 32
	Kind     string   `json:"kind,omitempty"` // "systemd-boot", "grub", "extlinux"; "" where none was found
	From     string   `json:"from,omitempty"` // the file that says so
	ESP      string   `json:"esp,omitempty"`  // where the EFI system partition is mounted: "/boot", "/boot/efi"
}

// A DeviceKind is what a block device is.
type DeviceKind string

// The kinds of devices.
const (
	WholeDisk  DeviceKind = "disk"
	Partition  DeviceKind = "partition"
	CryptDisk  DeviceKind = "crypt" // opened LUKS
	LVMVolume  DeviceKind = "lvm"
	RAIDArray  DeviceKind = "raid"  // mdraid
	OtherBlock DeviceKind = "other" // another map, such as multipath
)

// A Device is a block device.
type Device struct {
	Name    string     `json:"name"` // as in /sys/class/block: "sda1", "dm-0", "nvme0n1"
	Kind    DeviceKind `json:"kind"`
	Parents []string   `json:"parents,omitempty"` // names of those it is a part of or made of
	Size    int64      `json:"size"`              // bytes
	Number  string     `json:"number"`            // major and minor: "8:1"

	// Of disks.
	IDs        []string `json:"ids,omitempty"`     // its links below /dev/disk/by-id, the best to name it by first; partitions have them too
	ByPath     string   `json:"by_path,omitempty"` // its link below /dev/disk/by-path, which says where it is plugged in
	Vendor     string   `json:"vendor,omitempty"`
	Model      string   `json:"model,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	Table      string   `json:"table,omitempty"` // of its partitions: "gpt", "dos"; "" where unknown
	ReadOnly   bool     `json:"read_only,omitempty"`
	Removable  bool     `json:"removable,omitempty"`
	Rotational bool     `json:"rotational,omitempty"`

	// Of partitions.
	Index    int    `json:"index,omitempty"`     // its number on the disk
	PartUUID string `json:"part_uuid,omitempty"` // its own, which does not change with what is on it
	PartType string `json:"part_type,omitempty"` // c12a7328-f81f-11d2-ba4b-00a0c93ec93b for an EFI system partition

	// Of maps and arrays.
	Mapped string `json:"mapped,omitempty"` // its name below /dev/mapper
	LUKS   string `json:"luks,omitempty"`   // of opened LUKS: the UUID of the container
	Level  string `json:"level,omitempty"`  // of RAID: "raid1"

	// What is on it.
	FSType string `json:"fs_type,omitempty"` // "ext4", "crypto_LUKS", "LVM2_member", "linux_raid_member", "swap", …
	UUID   string `json:"uuid,omitempty"`    // of what is on it
	Label  string `json:"label,omitempty"`
}

// Path is the device by the name it keeps: what is on it by UUID, a disk by ID, a map by
// name, and else the kernel's name, which may be another after the next boot.
func (d *Device) Path() string {
	switch {
	case d.UUID != "" && d.FSType != "linux_raid_member" && d.FSType != "zfs_member" && d.FSType != "LVM2_member":
		return "/dev/disk/by-uuid/" + d.UUID
	case d.Mapped != "":
		return "/dev/mapper/" + d.Mapped
	case len(d.IDs) > 0:
		return "/dev/disk/by-id/" + d.IDs[0]
	case d.ByPath != "":
		return "/dev/disk/by-path/" + d.ByPath
	case d.PartUUID != "":
		return "/dev/disk/by-partuuid/" + d.PartUUID
	}
	return "/dev/" + d.Name
}

// A Mount is a file system in use.
type Mount struct {
	At      string   `json:"at"`                // where
	Source  string   `json:"source"`            // what: "/dev/sda1", "tank/home", "tmpfs", "server:/export"
	Device  string   `json:"device,omitempty"`  // the name of its [Device]; "" for one that has none
	Number  string   `json:"number,omitempty"`  // major and minor of the file system
	Subtree string   `json:"subtree,omitempty"` // the part of the file system that is mounted: "/", or of btrfs "/@home"
	FSType  string   `json:"fs_type"`
	Options []string `json:"options,omitempty"` // of the mount, then of the file system, each once
}

// An EncryptedLine is a line of /etc/crypttab. Text is the whole of it, its words one
// space apart.
type EncryptedLine struct {
	Mapped string `json:"mapped"` // its name below /dev/mapper
	Key    string `json:"key,omitempty"`
	Text   string `json:"text"`
}

// A Swap is a device or a file that is swapped to.
type Swap struct {
	Path     string `json:"path"`             // as the kernel has it
	Device   string `json:"device,omitempty"` // the name of its [Device]; "" for a file
	Size     int64  `json:"size"`             // bytes
	Priority int    `json:"priority"`         // negative where none was given
}

// A Driver is a kernel module in use.
type Driver struct {
	Module string `json:"module"`
	For    string `json:"for"`    // "PCI 0000:00:1f.2, storage"
	Class  string `json:"class"`  // "storage", "usb", "firewire", "network", "keyboard", "block"
	Vendor string `json:"vendor"` // of a PCI device, "0x1af4"; "" for another
	ID     string `json:"id"`     // of a PCI device, "0x1042"; "" for another
}

// An Interface is one of the network.
type Interface struct {
	Name      string    `json:"name"`
	MAC       string    `json:"mac,omitempty"`
	Kind      string    `json:"kind,omitempty"`   // "bridge", "bonding", "vlan", "wireless", "tun_flags"; "" for a plain one
	Mode      string    `json:"mode,omitempty"`   // of a bond: "active-backup"
	Master    string    `json:"master,omitempty"` // the bridge or bond that it is part of
	VLAN      int       `json:"vlan,omitempty"`   // the ID of a VLAN
	Over      string    `json:"over,omitempty"`   // the interface that a VLAN is on
	Module    string    `json:"module,omitempty"`
	Physical  bool      `json:"physical"`
	Up        bool      `json:"up"`
	Addresses []Address `json:"addresses,omitempty"` // of global scope
}

// An Address is one of an interface, with the length of its network's prefix.
type Address struct {
	Prefix  netip.Prefix `json:"prefix"`
	Dynamic bool         `json:"dynamic"` // it lapses: DHCP or router advertisements gave it
}

// A Gateway is where a default route leads.
type Gateway struct {
	Address   netip.Addr `json:"address"`
	Interface string     `json:"interface"`
}

// A User is one who has a shell.
type User struct {
	Name     string          `json:"name"`
	ID       int             `json:"id"`
	Home     string          `json:"home"`
	Shell    string          `json:"shell"`
	Password bool            `json:"password"` // there is one to log in with
	Admin    bool            `json:"admin"`    // root, or in the group sudo, wheel or admin
	Keys     []AuthorizedKey `json:"keys,omitempty"`
}

// An AuthorizedKey is a line of a file of authorized keys.
type AuthorizedKey struct {
	Text string `json:"text"`
	From string `json:"from"` // the file
}

// A Found is a value and where it was found.
type Found struct {
	Value string `json:"value,omitempty"`
	From  string `json:"from,omitempty"`
	Sure  bool   `json:"sure,omitempty"` // it was read, and not concluded from something else
}

// Hardware reads what the machine is made of, and changes nothing on it.
func (h *Host) Hardware(ctx context.Context) (*Hardware, error) {
	out, err := h.ask(ctx, adoptScript, "")
	if err != nil {
		return nil, err
	}
	return parseHardware(out)
}

// Device returns the device of a name, or nil.
func (hw *Hardware) Device(name string) *Device {
	for i := range hw.Devices {
		if hw.Devices[i].Name == name {
			return &hw.Devices[i]
		}
	}
	return nil
}

// Disks are the whole disks.
func (hw *Hardware) Disks() []*Device {
	var disks []*Device
	for i := range hw.Devices {
		if hw.Devices[i].Kind == WholeDisk {
			disks = append(disks, &hw.Devices[i])
		}
	}
	return disks
}

// Below are the devices that a device is a part of or made of, itself first, each once.
func (hw *Hardware) Below(name string) []*Device {
	var found []*Device
	var add func(name string)
	add = func(name string) {
		d := hw.Device(name)
		if d == nil || slices.Contains(found, d) {
			return
		}
		found = append(found, d)
		for _, p := range d.Parents {
			add(p)
		}
	}
	add(name)
	return found
}

// MountedAt returns what is mounted at a path, or nil.
func (hw *Hardware) MountedAt(at string) *Mount {
	for i := range hw.Mounts {
		if hw.Mounts[i].At == at {
			return &hw.Mounts[i]
		}
	}
	return nil
}
