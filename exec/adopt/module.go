package adopt

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/exec/host"
	"muster/exec/human"
)

// Module is the NixOS module of the machine's hardware, with comments that say where
// each fact is from.
func Module(hw *host.Hardware) *syntax.File {
	m := &module{hw: hw, notes: map[any]*syntax.Note{}}
	m.imports()
	if hw.Virtual.Container != "" {
		m.add("boot.isContainer", boolean(true), "a container: "+hw.Virtual.Container)
	} else {
		m.initrd()
		m.bootLoader()
		m.encrypted()
		m.fileSystems()
		m.swap()
		m.processor()
	}
	m.network()
	if v := hw.StateVersion; v.Value != "" {
		if v.Sure {
			m.add("system.stateVersion", str(v.Value), v.From)
		} else {
			m.add("system.stateVersion", m.byDefault(str(v.Value)), v.From+": the oldest release that is still there")
		}
	}
	set := &syntax.Attrs{Bindings: m.bindings}
	formals := &syntax.Formals{Ellipsis: true}
	for _, name := range []string{"config", "lib", "modulesPath"} {
		if m.uses[name] {
			formals.List = append(formals.List, syntax.Formal{Name: name})
		}
	}
	return &syntax.File{Expr: &syntax.Lambda{Formals: formals, Body: set}, Comment: m.heading(), Notes: m.notes}
}

// Notes are what the module does not say, for the user to see to.
func Notes(hw *host.Hardware) []string {
	m := &module{hw: hw, notes: map[any]*syntax.Note{}}
	if hw.Virtual.Container == "" {
		m.initrd()
		m.systemPartition()
		m.encrypted()
		m.fileSystems()
		m.swap()
	}
	m.network()
	if hw.AutoUpgrade {
		m.note("it upgrades itself with system.autoUpgrade, which undoes deployments: its first deployment without that option ends it")
	}
	if hw.OS.ID == "nixos" && len(hw.Config) > 0 {
		m.note("its configuration is in %s, and not part of the inventory: what is only there goes with the first deployment", strings.Join(hw.Config, ", "))
	}
	if hw.OS.ID == "nixos" && hw.StateVersion.Value == "" {
		m.note("its system.stateVersion was not found: set it in the inventory")
	}
	for _, what := range hw.Unclear {
		m.note("left out, because of characters or a form that it may not have: %s", what)
	}
	for _, what := range hw.Undetected {
		m.note("not found out: %s", what)
	}
	return m.notices
}

// A module is a hardware module being put together.
type module struct {
	hw       *host.Hardware
	bindings []syntax.Binding
	uses     map[string]bool // arguments of modules
	wired    map[string]bool // interfaces that are set as made of others
	notes    map[any]*syntax.Note
	notices  []string
}

func (m *module) note(format string, args ...any) {
	m.notices = append(m.notices, fmt.Sprintf(format, args...))
}

// add sets an option. why are the comments above it.
func (m *module) add(option string, value syntax.Expr, why ...string) {
	m.set(attrPath(option), value, why...)
}

func (m *module) set(path syntax.AttrPath, value syntax.Expr, why ...string) {
	a := &syntax.Attr{Path: path, Value: value, Note: &syntax.Note{Blank: len(m.bindings) > 0}}
	for _, w := range why {
		if w != "" {
			a.Note.Before = append(a.Note.Before, comment(w))
		}
	}
	m.bindings = append(m.bindings, a)
}

// arg is an argument of the module.
func (m *module) arg(name string) syntax.Expr {
	if m.uses == nil {
		m.uses = map[string]bool{}
	}
	root, _, _ := strings.Cut(name, ".")
	m.uses[root] = true
	return selected(name)
}

// byDefault is lib.mkDefault value.
func (m *module) byDefault(value syntax.Expr) syntax.Expr {
	return &syntax.Apply{F: m.arg("lib.mkDefault"), Args: []syntax.Expr{value}}
}

// heading is the comment above the module.
func (m *module) heading() []string {
	hw := m.hw
	lines := []string{
		"The hardware of " + comment(hw.Name) + ", as muster adopt read it. muster adopt shows later what has",
		"changed; what you add here stays.",
	}
	what := []string{cmp.Or(hw.OS.Text, hw.OS.ID)}
	if hw.Memory > 0 {
		what = append(what, human.Bytes(hw.Memory)+" of memory")
	}
	if hw.CPU.Model != "" {
		what = append(what, hw.CPU.Model)
	}
	if maker := strings.TrimSpace(hw.Maker + " " + hw.Model); maker != "" {
		what = append(what, maker)
	}
	for _, w := range what {
		if w != "" {
			lines = append(lines, "  "+comment(w))
		}
	}
	return lines
}

// imports are the modules of NixOS for the kind of machine.
func (m *module) imports() {
	name, why := "", ""
	switch v := m.hw.Virtual; {
	case v.Container != "":
	case slices.Contains([]string{"kvm", "qemu", "bochs"}, v.Machine):
		name, why = "/profiles/qemu-guest.nix", "a guest of "+v.Machine
	case v.Machine == "":
		name, why = "/installer/scan/not-detected.nix", "a physical machine: firmware that may be redistributed"
	}
	if name != "" {
		sum := &syntax.Binary{Op: syntax.Add, X: m.arg("modulesPath"), Y: str(name)}
		m.add("imports", &syntax.List{Elems: []syntax.Expr{sum}}, why)
	}
	switch m.hw.Virtual.Machine {
	case "microsoft":
		m.add("virtualisation.hypervGuest.enable", boolean(true), "a guest of Hyper-V")
	case "oracle":
		m.add("virtualisation.virtualbox.guest.enable", boolean(true), "a guest of VirtualBox")
	}
}

// virtioModules are the modules of virtio's PCI devices, by their IDs.
var virtioModules = map[string]string{"0x1001": "virtio_blk", "0x1042": "virtio_blk", "0x1004": "virtio_scsi", "0x1048": "virtio_scsi"}

// initrd sets what the first stage of a boot needs: the modules that find the root file
// system and keyboards, and the disks that it opens.
func (m *module) initrd() {
	available := &syntax.List{}
	known := map[string]bool{}
	need := func(module, why string) {
		if module == "" || known[module] {
			return
		}
		known[module] = true
		e := str(module)
		m.notes[e] = &syntax.Note{After: comment(why)}
		available.Elems = append(available.Elems, e)
	}
	for _, d := range m.hw.Drivers {
		switch d.Class {
		case "storage", "usb", "firewire", "keyboard", "block":
		default:
			continue
		}
		switch {
		case d.Module != "":
			need(d.Module, d.For)
		case d.Vendor == "0x1af4":
			need("virtio_pci", d.For)
		case d.Class == "storage":
			m.note("the driver of %s (%s:%s) is built into its kernel: boot.initrd.availableKernelModules may need a module for it", d.For, d.Vendor, d.ID)
		}
		if d.Vendor == "0x1af4" {
			need(virtioModules[d.ID], d.For)
		}
	}
	if len(available.Elems) > 0 {
		m.add("boot.initrd.availableKernelModules", available)
	}
	used := m.used()
	if slices.ContainsFunc(used, func(d *host.Device) bool { return d.Kind == host.LVMVolume }) {
		m.add("boot.initrd.kernelModules", texts("dm-snapshot"), "LVM")
	}
	if i := slices.IndexFunc(used, func(d *host.Device) bool { return d.Kind == host.RAIDArray }); i >= 0 {
		m.add("boot.swraid.enable", boolean(true), used[i].Name+": "+cmp.Or(used[i].Level, "RAID"))
	}
	for _, d := range used {
		if d.Kind != host.CryptDisk || d.Mapped == "" {
			continue
		}
		uuid := d.LUKS
		for _, p := range d.Parents {
			if parent := m.hw.Device(p); parent != nil && parent.FSType == "crypto_LUKS" && parent.UUID != "" {
				uuid = parent.UUID
			}
		}
		if uuid == "" {
			m.note("the map %s is encrypted, and not as LUKS: it is left out", d.Mapped)
			continue
		}
		m.set(append(attrPath("boot.initrd.luks.devices"), syntax.AttrName{Name: d.Mapped}, syntax.AttrName{Name: "device"}),
			str("/dev/disk/by-uuid/"+uuid), "LUKS on "+strings.Join(d.Parents, ", "))
	}
}

// line is what /etc/crypttab says of an encrypted disk, or nil.
func (m *module) line(d *host.Device) *host.EncryptedLine {
	for i := range m.hw.Encrypted {
		if m.hw.Encrypted[i].Mapped == d.Mapped {
			return &m.hw.Encrypted[i]
		}
	}
	return nil
}

// encrypted sets the encrypted disks that are opened after the first stage of a boot.
func (m *module) encrypted() {
	first, text := m.firstStage(), ""
	for _, l := range m.hw.Encrypted {
		if slices.ContainsFunc(first, func(d *host.Device) bool { return d.Mapped == l.Mapped }) {
			continue // the first stage opens it
		}
		open := slices.ContainsFunc(m.hw.Devices, func(d host.Device) bool { return d.Kind == host.CryptDisk && d.Mapped == l.Mapped })
		if !open {
			continue
		}
		text += l.Text + "\n"
		if l.Key != "" && !strings.HasPrefix(l.Key, "/dev/") {
			m.note("%s is opened with the key in %s, which no configuration brings: it has to stay there, or to be a secret of the inventory", l.Mapped, l.Key)
		}
	}
	if text != "" {
		m.set(append(attrPath("environment.etc.crypttab"), syntax.AttrName{Name: "text"}), str(text), "/etc/crypttab: what is opened after the first stage of a boot")
	}
}

// bootMounts are the places that the first stage of a boot mounts.
var bootMounts = []string{"/", "/nix", "/nix/store", "/var", "/var/log", "/var/lib", "/var/lib/nixos", "/etc", "/usr"}

// firstStage are the devices behind what the first stage of a boot mounts and swaps to,
// each once.
func (m *module) firstStage() []*host.Device {
	var found []*host.Device
	add := func(name string) {
		for _, d := range m.hw.Below(name) {
			if !slices.Contains(found, d) {
				found = append(found, d)
			}
		}
	}
	for _, mount := range m.hw.Mounts {
		if slices.Contains(bootMounts, mount.At) {
			add(mount.Device)
		}
	}
	for _, s := range m.hw.Swaps {
		add(s.Device)
	}
	return found
}

// used are those and the devices behind what is mounted later, but for encrypted ones: of
// those that /etc/crypttab does not have, it notes that they are left out.
func (m *module) used() []*host.Device {
	found := m.firstStage()
	for _, mount := range m.hw.Mounts {
		for _, d := range m.hw.Below(mount.Device) {
			if slices.Contains(found, d) {
				continue
			}
			if d.Kind == host.CryptDisk {
				if m.line(d) != nil {
					continue
				}
				m.note("%s is on the encrypted disk %s, which the first stage of a boot need not open: say in environment.etc.crypttab or boot.initrd.luks.devices how it is opened", mount.At, cmp.Or(d.Mapped, d.Name))
			} else {
				found = append(found, d)
			}
		}
	}
	return found
}

// bootLoader sets how the machine starts. The disks that GRUB is installed on are in
// the entry of the inventory.
func (m *module) bootLoader() {
	b := m.hw.Boot
	kind, why := b.Kind, b.From
	if kind == "" {
		if kind, why = "grub", "no boot loader was found: NixOS's usual one for BIOS"; b.Firmware == host.EFI {
			kind, why = "systemd-boot", "no boot loader was found: NixOS's usual one for EFI"
		}
	}
	efi := func() {
		if b.ESP != "" && b.ESP != "/boot" {
			m.add("boot.loader.efi.efiSysMountPoint", str(b.ESP), "where the EFI system partition is mounted")
		}
		m.add("boot.loader.efi.canTouchEfiVariables", boolean(true), "/sys/firmware/efi")
	}
	switch kind {
	case "systemd-boot":
		m.add("boot.loader.systemd-boot.enable", boolean(true), why)
		efi()
	case "extlinux":
		m.add("boot.loader.grub.enable", boolean(false))
		m.add("boot.loader.generic-extlinux-compatible.enable", boolean(true), why)
	default:
		m.add("boot.loader.grub.enable", boolean(true), why)
		if b.Firmware == host.EFI {
			m.add("boot.loader.grub.efiSupport", boolean(true))
			m.add("boot.loader.grub.device", str("nodev"), "EFI needs none")
			efi()
		}
	}
	var consoles []string
	for _, p := range strings.Fields(m.hw.Cmdline) {
		if strings.HasPrefix(p, "console=") && !slices.Contains(consoles, p) {
			consoles = append(consoles, p)
		}
	}
	if len(consoles) > 0 {
		m.add("boot.kernelParams", texts(consoles...), "/proc/cmdline")
	}
}

// espType is the type of an EFI system partition.
const espType = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

// systemPartition notes an EFI system partition that is not mounted: a boot loader is
// installed to it.
func (m *module) systemPartition() {
	if m.hw.Boot.Firmware != host.EFI || m.hw.Boot.ESP != "" {
		return
	}
	what := "its EFI system partition"
	for _, d := range m.hw.Devices {
		if d.PartType == espType {
			what += " (" + d.Path() + ")"
			break
		}
	}
	m.note("it starts by EFI, and %s is not mounted at /boot, /boot/efi or /efi: mount it and adopt the machine again, or name it in file_systems", what)
}

// fileSystems sets what is mounted.
func (m *module) fileSystems() {
	for _, mount := range m.hw.Mounts {
		f, ok := m.fileSystem(mount)
		if !ok {
			continue
		}
		set := &syntax.Attrs{Bindings: []syntax.Binding{bind("device", str(f.device)), bind("fsType", str(f.fsType))}}
		if len(f.options) > 0 {
			set.Bindings = append(set.Bindings, bind("options", texts(f.options...)))
		}
		m.set(syntax.AttrPath{{Name: "fileSystems"}, {Name: mount.At}}, set, f.why)
	}
}

// A fileSystem is one as NixOS has it.
type fileSystem struct {
	device, fsType string
	options        []string
	why            string
}

// fileSystem is how NixOS mounts what is mounted, and whether it is to.
func (m *module) fileSystem(mount host.Mount) (fileSystem, bool) {
	written := m.written(mount)
	switch {
	case mount.FSType == "tmpfs":
		if mount.At != "/" {
			return fileSystem{}, false
		}
		return fileSystem{device: "tmpfs", fsType: "tmpfs", options: kept(mount.Options, func(o string) bool {
			return strings.HasPrefix(o, "size=") || strings.HasPrefix(o, "mode=")
		}), why: "the root is in memory"}, true
	case mount.FSType == "zfs":
		f := fileSystem{device: mount.Source, fsType: "zfs", why: "ZFS"}
		if written != nil {
			f.options = written.options()
			f.why += ", /etc/fstab"
		} else {
			f.options = []string{"zfsutil"}
		}
		return f, true
	case slices.Contains([]string{"nfs", "nfs4", "9p", "virtiofs", "ceph"}, mount.FSType):
		f := fileSystem{device: mount.Source, fsType: mount.FSType, why: "another machine's"}
		if written != nil {
			f.options = written.options()
			f.why += ", /etc/fstab"
		}
		return f, true
	case slices.Contains(passwordMounts, mount.FSType) && written != nil && !hasPassword(written.Options):
		f := fileSystem{device: mount.Source, fsType: mount.FSType, options: written.options(), why: "another machine's, /etc/fstab"}
		if file := option(written.Options, "credentials="); file != "" {
			m.note("%s is mounted with the password in %s, which no configuration brings: it has to stay there, or to be a secret of the inventory", mount.At, file)
		}
		return f, true
	case mount.Device == "" && mount.At == "/":
		m.note("its root is %s (%s), as that of a live or rescue system, and no disk: name the root file system in file_systems, or make it with muster install", mount.Source, mount.FSType)
		return fileSystem{}, false
	case mount.Device == "":
		if strings.HasPrefix(mount.Source, "/dev/") || slices.Contains(passwordMounts, mount.FSType) {
			m.note("%s (%s on %s) is left out: its disk was not found, or it needs a password", mount.At, mount.FSType, mount.Source)
		}
		return fileSystem{}, false
	}
	if mount.At == "/" && mount.Subtree != "/" && mount.FSType != "btrfs" {
		m.note("its root is the directory %s of the file system on %s, and NixOS has the top of a file system as its root: name one in file_systems", mount.Subtree, m.onDisk(m.hw.Device(mount.Device)))
		return fileSystem{}, false
	}
	if from := m.boundFrom(mount); mount.At != "/" && from != "" {
		if mount.At == "/nix/store" {
			return fileSystem{}, false // NixOS mounts it so itself
		}
		return fileSystem{device: from, fsType: "none", options: []string{"bind"}, why: "bind mount"}, true
	}
	d := m.hw.Device(mount.Device)
	f := fileSystem{device: d.Path(), fsType: mount.FSType, why: m.onDisk(d)}
	if written != nil {
		f.options = written.options()
		f.device = cmp.Or(written.device(), f.device)
		f.why += "; /etc/fstab"
	} else {
		f.options = kept(mount.Options, worthKeeping)
	}
	if f.device == "/dev/"+d.Name && d.Kind != host.RAIDArray {
		m.note("%s is on %s, a name that may be another's after a restart: the machine has neither udev nor blkid to find its UUID", mount.At, f.device)
	}
	return f, true
}

// passwordMounts are file systems of other machines that take a password.
var passwordMounts = []string{"cifs", "smb3", "fuse.sshfs", "davfs"}

// hasPassword reports whether a password is one of mount options.
func hasPassword(options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		return strings.HasPrefix(o, "password=") || strings.HasPrefix(o, "pass=") || strings.HasPrefix(o, "password2=")
	})
}

// A tableLine is a line of /etc/fstab.
type tableLine host.Mount

// written is the line of /etc/fstab for what is mounted, or nil.
func (m *module) written(mount host.Mount) *tableLine {
	for _, line := range m.hw.Table {
		if line.At == mount.At && line.FSType != "none" && (line.FSType == mount.FSType || line.FSType == "auto") {
			t := tableLine(line)
			return &t
		}
	}
	return nil
}

// options are the mount options, without those that NixOS adds itself.
func (t *tableLine) options() []string {
	return kept(t.Options, func(o string) bool { return o != "defaults" && o != "rw" && o != "x-initrd.mount" })
}

// device is the device by a name that lasts, or "".
func (t *tableLine) device() string {
	for prefix, dir := range map[string]string{"UUID=": "by-uuid", "LABEL=": "by-label", "PARTUUID=": "by-partuuid", "PARTLABEL=": "by-partlabel"} {
		if name, ok := strings.CutPrefix(t.Source, prefix); ok && name != "" && !strings.Contains(name, "/") {
			return "/dev/disk/" + dir + "/" + strings.Trim(name, `"`)
		}
	}
	if strings.HasPrefix(t.Source, "/dev/disk/by-") || strings.HasPrefix(t.Source, "/dev/mapper/") {
		return t.Source
	}
	return ""
}

// boundFrom is the directory that a bind mount shows; "" where it is none.
func (m *module) boundFrom(mount host.Mount) string {
	subtree := mount.Subtree
	if subvol := option(mount.Options, "subvol="); mount.FSType == "btrfs" && subvol != "" {
		if path.Clean("/"+subvol) == subtree {
			return ""
		}
	} else if subtree == "/" && m.first(mount) {
		return ""
	}
	// The mount that shows the nearest directory above it.
	best, from := -1, ""
	for _, o := range m.hw.Mounts {
		if o.Number != mount.Number || o.At == mount.At || len(o.Subtree) <= best {
			continue
		}
		rest, ok := strings.CutPrefix(subtree, strings.TrimSuffix(o.Subtree, "/"))
		if ok && (rest == "" || rest[0] == '/') && !(o.Subtree == subtree && !m.first(o)) {
			best, from = len(o.Subtree), path.Join(o.At, rest)
		}
	}
	return from
}

// first reports whether a mount is the first of its file system's subtree.
func (m *module) first(mount host.Mount) bool {
	for _, o := range m.hw.Mounts {
		if o.Number == mount.Number && o.Subtree == mount.Subtree {
			return o.At == mount.At
		}
	}
	return true
}

// option is what follows a prefix in a list of mount options.
func option(options []string, prefix string) string {
	for _, o := range options {
		if value, ok := strings.CutPrefix(o, prefix); ok {
			return value
		}
	}
	return ""
}

// worthKeeping reports whether a mount option is one that someone chose. The kernel
// lists others, such as its limits.
func worthKeeping(o string) bool {
	name, _, _ := strings.Cut(o, "=")
	return slices.Contains([]string{
		"noatime", "nodiratime", "ro", "nosuid", "nodev", "noexec", "discard", "compress", "compress-force", "subvol", "fmask", "dmask", "umask",
		"uid", "gid", "commit", "data", "sync", "nodatacow", "autodefrag", "usrquota", "grpquota", "prjquota", "degraded",
	}, name)
}

// kept are the options that a function keeps, each as NixOS people write it.
func kept(options []string, keep func(string) bool) []string {
	var list []string
	for _, o := range options {
		if keep(o) {
			list = append(list, strings.Replace(o, "subvol=/", "subvol=", 1))
		}
	}
	return list
}

// onDisk says what a file system is on, for a comment.
func (m *module) onDisk(d *host.Device) string {
	what := d.Name
	if d.Mapped != "" {
		what = d.Mapped
	}
	for _, p := range m.hw.Below(d.Name)[1:] {
		switch p.Kind {
		case host.WholeDisk:
			if len(p.IDs) > 0 {
				return what + ", " + p.IDs[0]
			}
		case host.CryptDisk:
			what += " in LUKS"
		}
	}
	return what
}

// swap sets what is swapped to.
func (m *module) swap() {
	list := &syntax.List{}
	for _, s := range m.hw.Swaps {
		device := s.Path
		switch d := m.hw.Device(s.Device); {
		case strings.HasPrefix(s.Path, "/dev/zram"):
			m.add("zramSwap.enable", boolean(true), s.Path)
			continue
		case d != nil:
			device = d.Path()
		case strings.HasPrefix(s.Path, "/dev/"):
			m.note("swap on %s is left out: its disk was not found", s.Path)
			continue
		}
		set := &syntax.Attrs{Bindings: []syntax.Binding{bind("device", str(device))}}
		if s.Priority >= 0 {
			set.Bindings = append(set.Bindings, bind("priority", &syntax.Int{Value: int64(s.Priority)}))
		}
		m.notes[set] = &syntax.Note{After: comment(fmt.Sprintf("%s, %s", s.Path, human.Bytes(s.Size)))}
		list.Elems = append(list.Elems, set)
	}
	if len(list.Elems) > 0 {
		m.add("swapDevices", list, "/proc/swaps")
	}
	if m.hw.HostID != "" && slices.ContainsFunc(m.hw.Mounts, func(mount host.Mount) bool { return mount.FSType == "zfs" }) {
		m.add("networking.hostId", str(m.hw.HostID), "/etc/hostid, by which ZFS knows its pools")
	}
}

// processor sets what depends on the processor.
func (m *module) processor() {
	vendor := map[string]string{"GenuineIntel": "intel", "AuthenticAMD": "amd"}[m.hw.CPU.Vendor]
	if kvm := map[string]string{"vmx": "kvm-intel", "svm": "kvm-amd"}[m.hw.CPU.Virtualisation]; kvm != "" {
		m.add("boot.kernelModules", texts(kvm), "/proc/cpuinfo: "+m.hw.CPU.Virtualisation)
	}
	if vendor != "" && m.hw.Virtual.Machine == "" {
		m.add("hardware.cpu."+vendor+".updateMicrocode", m.byDefault(m.arg("config.hardware.enableRedistributableFirmware")), "/proc/cpuinfo: "+m.hw.CPU.Vendor)
	}
}

// comment is a text of the machine for a comment: one line, and never a whole /*…*/,
// which the printer would take as written.
func comment(text string) string {
	text = strings.Join(strings.Fields(human.Plain(text)), " ")
	if strings.HasPrefix(text, "/*") {
		text = "(" + text + ")"
	}
	return text
}

func str(text string) *syntax.String { return &syntax.String{Parts: []syntax.Part{{Text: text}}} }

func boolean(b bool) syntax.Expr { return &syntax.Ident{Name: fmt.Sprint(b)} }

func texts(list ...string) *syntax.List { return syntax.StringList(list) }

// attrPath is a.b.c, whose names have no dots.
func attrPath(dotted string) syntax.AttrPath {
	var p syntax.AttrPath
	for name := range strings.SplitSeq(dotted, ".") {
		p = append(p, syntax.AttrName{Name: name})
	}
	return p
}

func bind(name string, value syntax.Expr) syntax.Binding {
	return &syntax.Attr{Path: attrPath(name), Value: value}
}

// selected is the expression a.b.c.
func selected(dotted string) syntax.Expr {
	root, rest, more := strings.Cut(dotted, ".")
	if !more {
		return &syntax.Ident{Name: root}
	}
	return &syntax.Select{X: &syntax.Ident{Name: root}, Path: attrPath(rest)}
}
