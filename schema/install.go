package schema

import (
	"fmt"
	"strconv"
)

// A Layout is what muster install makes of a disk. A disk without partitions is left
// alone.
type Layout struct {
	Serial     string // that the disk must have; "" for any
	Table      string // gpt or mbr
	Partitions []Partition
}

// A Partition is one partition that muster install makes.
type Partition struct {
	At            Pos
	Name          string
	Size          int64  // in MiB; 0 means the rest of the disk
	Type          string // linux, efi, bios or swap
	FS            string // "" for none
	Label         string
	Mount         string // "" for none
	Options       []string
	FormatOptions []string
	Bootable      bool
	Encrypt       string // the secret with its passphrase; "" for none
}

// Mapper is the name of an encrypted partition when it is open.
func (d *Disk) Mapper(i int) string { return d.Name + "-" + d.Partitions[i].Name }

// Formatted is the device with the file system of a partition.
func (d *Disk) Formatted(i int) string {
	switch p := &d.Partitions[i]; {
	case p.Encrypt != "":
		return "/dev/mapper/" + d.Mapper(i)
	case p.Label != "":
		return "/dev/disk/by-label/" + p.Label
	}
	return d.Part(i)
}

// An Install says how a machine that has no NixOS yet becomes a host.
type Install struct {
	HostKey string // a file of age with the SSH host key; "" for none
	Kexec   Kexec
	Disko   bool // the host's configuration makes the disks, by system.build.diskoScript

	// InPlace says that NixOS takes the place of the Linux that runs, on its own file
	// systems. Keep are paths of that Linux which stay where they are.
	InPlace bool
	Keep    []string

	// How the machine is reached until NixOS runs on it, where that differs from
	// the host's own.
	Address  string
	Port     int
	User     string
	HostKeys []string

	pos map[string]Pos // of its fields
}

// A Kexec is an installer. One of Path and URL is set, or neither.
type Kexec struct {
	At   Pos
	Path string
	URL  string
	Hash string
}

// byID is where udev names disks by their ids.
const byID = "/dev/disk/by-id/"

// disk decodes a disk, and adds the file systems and the swap on its partitions to
// those of the host.
func (d *decoder) disk(h *Host, f field, disks *node, path string) {
	n := f.val
	k := Disk{At: f.at, Name: f.name, Device: text(n.get("device")), Boot: truth(n.get("boot"))}
	if n.kind == structKind && n.get("device") == nil {
		k.Device = d.machineDisk(h, f, disks, path)
	}
	k.Serial, k.Table = text(n.get("serial")), text(n.get("table"))
	if list := n.get("partitions"); list != nil && list.kind == listKind {
		for _, e := range list.elems {
			if e.kind == structKind {
				k.Partitions = append(k.Partitions, partition(e))
			}
		}
	}
	if len(k.Partitions) > 0 && k.Table == "" {
		k.Table = "gpt"
	}
	for i, p := range k.Partitions {
		switch {
		case p.Mount != "":
			h.FileSystems = append(h.FileSystems, FileSystem{At: p.At, MountPoint: p.Mount, Device: k.Formatted(i), FSType: p.FS, Options: p.Options})
		case p.FS == "swap":
			h.Swap = append(h.Swap, Swap{At: p.At, Device: k.Formatted(i)})
		}
	}
	h.Disks = append(h.Disks, k)
}

func partition(n *node) Partition {
	p := Partition{
		At: n.at, Name: text(n.get("name")), Size: mebibytes(text(n.get("size"))), Type: text(n.get("type")), FS: text(n.get("fs")),
		Label: text(n.get("label")), Mount: text(n.get("mount")), Options: texts(n.get("options")), FormatOptions: texts(n.get("format_options")),
		Bootable: truth(n.get("bootable")), Encrypt: text(n.get("encrypt")),
	}
	switch {
	case p.Type != "":
	case p.FS == "swap":
		p.Type = "swap"
	default:
		p.Type = "linux"
	}
	return p
}

// mebibytes reads a size such as 20G.
func mebibytes(s string) int64 {
	if s == "" {
		return 0
	}
	n, _ := strconv.ParseInt(s[:len(s)-1], 10, 64)
	switch s[len(s)-1] {
	case 'G':
		n <<= 10
	case 'T':
		n <<= 20
	}
	return n
}

// install decodes what the host says of its installation; the defaults have what it
// does not.
func (d *decoder) install(n, defaults *node, path string) Install {
	i := Install{pos: map[string]Pos{}}
	of := func(name string) *node {
		v := n.get(name)
		if v == nil {
			v = defaults.get(name)
		}
		if v != nil {
			i.pos[name] = v.at
		}
		return v
	}
	file := func(n *node) string {
		if text(n) == "" {
			return ""
		}
		return d.resolve(n.text, n.at)
	}
	i.HostKey, i.Disko = file(of("host_key")), truth(of("disko"))
	i.InPlace, i.Keep = truth(of("in_place")), texts(of("keep"))
	i.Address, i.Port, i.User, i.HostKeys = text(of("host")), number32(of("port")), text(of("user")), texts(of("host_keys"))
	if k := of("kexec"); k != nil && k.kind == structKind {
		i.Kexec = Kexec{At: k.at, Path: file(k.get("path")), URL: text(k.get("url")), Hash: text(k.get("hash"))}
		d.oneOf(k, path+".kexec", "path", "url")
		if i.Kexec.URL != "" && i.Kexec.Hash == "" {
			d.report.add(k.at, path+".kexec", "missing-field", "missing field: want hash, which says what the URL has to give")
		}
	}
	return i
}

// disks checks what is to be made of a host's disks.
func (c *checker) disks(h *Host, at string) {
	devices, names := map[string]string{}, map[string]bool{}
	made, root := false, h.DiskUUID != ""
	for i := range h.Disks {
		d := &h.Disks[i]
		below := at + ".disks." + d.Name
		if other := devices[d.Device]; other != "" && d.Device != "" {
			c.report.add(d.At, below+".device", "disk", "%s is disk %s already", quote(d.Device), other)
		}
		devices[d.Device] = d.Name
		if len(d.Partitions) == 0 && !h.Install.Disko {
			continue
		}
		made = made || len(d.Partitions) > 0
		if len(d.Partitions) > 0 && h.Install.Disko {
			c.report.add(d.At, below+".partitions", "conflict", "has partitions, and install.disko: want one of them")
		}
		// A machine that was made just now has the disks that its cloud says.
		if !d.stable() && !(h.Provision != nil && d.inKernel()) && d.Device != "" {
			c.report.add(d.At, below+".device", "disk", "got %s for a disk that muster install makes partitions on, want it by id: %s…", quote(d.Device), byID).Hint = "other names of a disk change from one boot to the next, and muster install wipes it"
		}
		for n := range d.Partitions {
			p := &d.Partitions[n]
			c.partition(h, d, n, fmt.Sprintf("%s.partitions[%d]", below, n))
			if names[d.Name+" "+p.Name] {
				c.report.add(p.At, below+".partitions", "disk", "two partitions are called %s", quote(p.Name))
			}
			names[d.Name+" "+p.Name] = true
		}
	}
	seen := map[string]Pos{}
	for _, fs := range h.FileSystems {
		if first, taken := seen[fs.MountPoint]; taken {
			c.report.add(fs.At, at+".disks", "file-system", "two file systems are mounted at %s", fs.MountPoint).Hint = "see " + first.String()
		}
		seen[fs.MountPoint] = fs.At
		root = root || fs.MountPoint == "/"
	}
	if made && !root {
		c.report.add(h.PosOf("disks"), at+".disks", "disk", "no partition is mounted at /").Hint = `give one mount: "/"`
	}
}

func (c *checker) partition(h *Host, d *Disk, n int, at string) {
	p := &d.Partitions[n]
	wrong := func(field, format string, args ...any) {
		c.report.add(p.At, at+"."+field, "disk", format, args...)
	}
	if p.Size == 0 && n < len(d.Partitions)-1 {
		wrong("size", "no size: only the last partition of a disk takes the rest")
	}
	if p.Mount != "" && (p.FS == "" || p.FS == "swap") {
		wrong("fs", "it is mounted at %s: want its file system", p.Mount)
	}
	if p.Type == "bios" && (p.FS != "" || d.Table != "gpt") {
		wrong("type", "got bios, want that only for a partition of a gpt disk without a file system")
	}
	if d.Table == "mbr" && n >= 4 {
		wrong("name", "it is partition %d, and an mbr disk has 4", n+1)
	}
	if p.Label != "" && p.FS == "" {
		wrong("label", "it has a label and no file system")
	}
	if most := map[string]int{"vfat": 11, "xfs": 12, "swap": 15}[p.FS]; most > 0 && len(p.Label) > most {
		wrong("label", "got a label of %d characters, want at most %d for %s", len(p.Label), most, p.FS)
	}
	if p.Encrypt == "" {
		return
	}
	if h.Secret(p.Encrypt) == nil {
		wrong("encrypt", "the host has no secret %s", quote(p.Encrypt))
	}
	if p.FS == "" || p.Mount == "/boot" || p.Type == "efi" || p.Type == "bios" {
		wrong("encrypt", "it cannot be encrypted: want that for a partition with a file system that the boot loader does not read")
	}
}

// layout shows what is made of a disk.
func (r *resolver) layout(d Disk) {
	r.text("serial", d.Serial, d.At)
	r.text("table", d.Table, d.At)
	if len(d.Partitions) == 0 {
		return
	}
	l := List{At: d.At}
	for _, p := range d.Partitions {
		l.Elems = append(l.Elems, r.set(p.At, func() {
			r.text("name", p.Name, p.At)
			if p.Size > 0 {
				r.text("size", fmt.Sprintf("%dM", p.Size), p.At)
			}
			r.text("type", p.Type, p.At)
			r.text("fs", p.FS, p.At)
			r.text("label", p.Label, p.At)
			r.text("mount", p.Mount, p.At)
			r.texts("options", p.Options, p.At)
			r.texts("format_options", p.FormatOptions, p.At)
			if p.Bootable {
				r.bool("bootable", true, p.At)
			}
			r.text("encrypt", p.Encrypt, p.At)
		}))
	}
	r.add("partitions", d.At, l)
}

// install shows how a host is installed, where the inventory says something of it.
func (r *resolver) install(i *Install) {
	if len(i.pos) == 0 {
		return
	}
	at := func(field string) Pos { return i.pos[field] }
	var first Pos
	for _, p := range i.pos {
		if first == (Pos{}) || p.Line < first.Line {
			first = p
		}
	}
	r.add("install", first, r.set(first, func() {
		r.text("host_key", i.HostKey, at("host_key"))
		if i.Disko {
			r.bool("disko", true, at("disko"))
		}
		if i.InPlace {
			r.bool("in_place", true, at("in_place"))
		}
		r.texts("keep", i.Keep, at("keep"))
		if k := i.Kexec; k != (Kexec{}) {
			r.add("kexec", k.At, r.set(k.At, func() {
				r.text("path", k.Path, k.At)
				r.text("url", k.URL, k.At)
				r.text("hash", k.Hash, k.At)
			}))
		}
		r.text("host", i.Address, at("host"))
		r.number("port", i.Port, at("port"))
		r.text("user", i.User, at("user"))
		r.texts("host_keys", i.HostKeys, at("host_keys"))
	}))
}

// maxPublicKey is how long a file with a public key may be, in bytes.
const maxPublicKey = 16 << 10

// install checks what is said of the installation, and takes up the public key that
// muster install has made.
func (c *checker) install(h *Host, at string) {
	i := &h.Install
	for n, k := range i.HostKeys {
		if why := badKey(k); why != "" && Fits("HostKey", k) {
			c.report.add(i.pos["host_keys"], fmt.Sprintf("%s.host_keys[%d]", at, n), "host-key", "not a public key: %s", why)
		}
	}
	if k := i.Kexec; k.Path != "" {
		if info := c.lookFor(k.Path); info == nil || !info.Mode().IsRegular() {
			c.report.add(k.At, at+".kexec.path", "missing-file", "no such file: %s", quote(k.Path))
		}
	}
	if i.InPlace && i.Disko {
		c.report.add(i.pos["in_place"], at+".in_place", "conflict", "has in_place, and disko: want one of them").Hint = "in place, NixOS keeps the partitions and file systems that are there"
	}
	if i.Disko && len(h.Disks) == 0 {
		c.report.add(i.pos["disko"], at+".disko", "disk", "the host has no disks").Hint = "name those that disko may wipe: " + `disks: main: device: "/dev/disk/by-id/…"`
	}
	if i.HostKey == "" {
		return
	}
	pos := i.pos["host_key"]
	key, there := c.publicKey(i.HostKey, pos, at+".host_key")
	switch info := c.lookFor(i.HostKey); {
	case info == nil && there:
		c.report.add(pos, at+".host_key", "missing-file", "no such file: %s, and its public key is there", quote(i.HostKey))
		return
	case info == nil:
		e := c.report.warn(pos, at+".host_key", "missing-file", "no such file yet: %s", quote(i.HostKey))
		e.Hint = "muster install makes it"
		return
	case !there:
		e := c.report.warn(pos, at+".host_key", "missing-file", "no such file yet: %s", quote(PublicKeyFile(i.HostKey)))
		e.Hint = "muster install writes it"
		return
	}
	c.ageFile(&Secret{Name: "install.host_key", At: pos, Age: i.HostKey}, at+".host_key")
	if key != "" {
		h.pin(key)
	}
}
