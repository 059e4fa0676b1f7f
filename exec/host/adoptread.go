package host

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/exec/human"
)

// The forms of what a machine says.
var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$`)
	deviceForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!_.:+-]{0,63}$`)
	numberForm  = regexp.MustCompile(`^[0-9]{1,10}:[0-9]{1,10}$`)
	linkForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9#+.:=@_\\-]{0,250}$`) // what udev leaves in the name of a link
	labelForm   = regexp.MustCompile(`^[!-~]{1,100}$`)
	uuidForm    = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]{0,63}$`)
	typeForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	ifaceForm   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$`)
	macForm     = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
	optionForm  = regexp.MustCompile(`^[!-+.-~-]{1,200}$`) // printable, without comma and space
	wordForm    = regexp.MustCompile(`^[!-~]{1,200}$`)
	userForm    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	keyForm     = regexp.MustCompile(`^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{16,}={0,2}$`)
	anyKeyForm  = regexp.MustCompile(`(?:^|[ ,"])((?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+) ([A-Za-z0-9+/]{16,}={0,2})(?: |$)`)
	versionForm = regexp.MustCompile(`[0-9]{2}\.[0-9]{2}`)
	stateForm   = regexp.MustCompile(`^[^#]*\bstateVersion\s*=\s*(?:lib\.mkDefault\s+)?"([0-9]{2}\.[0-9]{2})"`)
	luksForm    = regexp.MustCompile(`^CRYPT-LUKS[12]-([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})-`)
	hostIDForm  = regexp.MustCompile(`^[0-9a-f]{8}$`)
)

// maxFact is the length of the longest line that is read, in bytes: an RSA key with
// 16384 bits and options before it.
const maxFact = 8 << 10

// platforms are Nix's names by those of Linux.
var platforms = map[string]string{
	"x86_64": "x86_64-linux", "aarch64": "aarch64-linux", "i686": "i686-linux", "i386": "i686-linux", "armv7l": "armv7l-linux",
	"armv6l": "armv6l-linux", "riscv64": "riscv64-linux", "ppc64le": "powerpc64le-linux", "loongarch64": "loongarch64-linux",
}

// A hardwareReader collects what adopt.sh printed.
type hardwareReader struct {
	*Hardware
	begun     bool
	device    *Device           // that the lines are about
	links     map[string]string // targets below /dev, by link
	blkid     []string
	uid       string
	resolv    [2][]netip.Addr // of resolv.conf, and of systemd-resolved's own
	states    []Found
	releases  []Found
	passwords map[string]bool
	admins    map[string]bool
	detected  string // by systemd-detect-virt
	container string
	flags     string // of the processor
	loaders   []string
}

// parseHardware reads what adopt.sh printed.
func parseHardware(out string) (*Hardware, error) {
	r := &hardwareReader{
		Hardware: &Hardware{Memory: -1}, links: map[string]string{}, passwords: map[string]bool{}, admins: map[string]bool{},
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "adopt" && rest == "1":
			r.begun = true // a start-up file may have printed before
			continue
		case !r.begun:
			continue
		case len(line) > maxFact || hasControl(line):
			r.unclear("a line of %s", clipWord(word))
			continue
		}
		r.line(word, strings.TrimSpace(rest))
	}
	switch {
	case !r.begun:
		return nil, fmt.Errorf("read what the machine is made of: unexpected answer %q", out[:min(len(out), 200)])
	case r.uid != "" && r.uid != "0":
		return nil, fmt.Errorf("not root on the host, but user %s", clip(r.uid, maxWord))
	case r.Name == "" && len(r.Devices) == 0 && len(r.Mounts) == 0:
		return nil, errors.New("read what the machine is made of: it has neither /proc nor /sys")
	}
	r.finish()
	return r.Hardware, nil
}

// hasControl reports whether a text has control characters other than tabs, or is not
// UTF-8.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool {
		return unicode.IsControl(c) && c != '\t' || human.Hidden(c) || c == utf8.RuneError
	})
}

// clipWord is the word of a line for a message.
func clipWord(word string) string {
	if hasControl(word) {
		return "an unknown kind"
	}
	return clip(word, 20)
}

// unclear notes what was left out.
func (r *hardwareReader) unclear(format string, args ...any) {
	r.Unclear = appendNew(r.Unclear, fmt.Sprintf(format, args...))
}

// take sets a field to a text that has the form, and notes one that has not.
func (r *hardwareReader) take(field *string, form *regexp.Regexp, text, what string) {
	if text == "" {
		return
	}
	if !form.MatchString(text) {
		r.unclear("%s", what)
		return
	}
	*field = text
}

// line reads one fact.
func (r *hardwareReader) line(word, text string) {
	first, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "uid":
		r.uid = first
	case "machine":
		r.System = platforms[first]
		if r.System == "" {
			r.Undetected = appendNew(r.Undetected, "platform: NixOS has none for "+clip(first, 40))
		}
	case "name", "etcname":
		if r.Name == "" || r.Name == "localhost" {
			r.take(&r.Name, nameForm, text, "host name")
		}
	case "os":
		r.osRelease(text)
	case "memory":
		r.Memory = kilobytes(first)
	case "cpu":
		r.cpu(text)
	case "cpus":
		r.CPU.Online = clip(text, 64)
	case "dmi":
		switch first {
		case "sys_vendor":
			r.Maker = clip(rest, maxWord)
		case "product_name":
			r.Model = clip(rest, maxWord)
		}
	case "hypervisor":
		if first == "xen" {
			r.Virtual.Machine = "xen"
		}
	case "container":
		r.take(&r.container, typeForm, first, "kind of container")
	case "virt":
		r.take(&r.detected, typeForm, first, "kind of virtual machine")
	case "cmdline":
		r.Cmdline = clip(text, maxRecord)
	case "firmware":
		if r.Boot.Firmware = BIOS; first == string(EFI) {
			r.Boot.Firmware = EFI
		}
	case "efibits":
		if n, err := strconv.Atoi(first); err == nil && (n == 32 || n == 64) {
			r.Boot.Bits = n
		}
	case "loaderinfo":
		if strings.Contains(text, "systemd-boot") {
			r.Boot.Kind, r.Boot.From = "systemd-boot", "the EFI variable LoaderInfo"
		}
	case "loader":
		r.loaders = appendNew(r.loaders, first)
	case "block":
		r.block(first, rest)
	case "udev":
		r.udev(first, rest)
	case "link":
		r.links[first] = path.Base(rest)
	case "blkid":
		r.blkid = append(r.blkid, text)
	case "swap":
		r.swap(text)
	case "mount":
		r.mount(text)
	case "fstab":
		r.fstab(strings.Fields(text))
	case "crypttab":
		r.crypttab(strings.Fields(text))
	case "noaddr":
		r.Undetected = appendNew(r.Undetected, "its network addresses: it has no program ip")
	case "hostid":
		r.take(&r.HostID, hostIDForm, first, "host ID")
	case "pci", "usb", "mmc":
		r.driver(word, strings.Fields(text))
	case "net":
		r.net(first, rest)
	case "addr":
		r.address(strings.Fields(text))
	case "route":
		r.route(strings.Fields(text))
	case "route6":
		r.route6(strings.Fields(text))
	case "resolv":
		r.resolver(0, strings.Fields(text))
	case "resolved":
		r.resolver(1, strings.Fields(text))
	case "hostkey":
		r.hostKey(strings.Fields(text))
	case "user":
		r.user(strings.Fields(text))
	case "key":
		r.key(text)
	case "password":
		r.passwords[first] = true
	case "group":
		if members := strings.Split(text, ":"); len(members) == 4 {
			for name := range strings.SplitSeq(members[3], ",") {
				r.admins[name] = true
			}
		}
	case "nixfile":
		if strings.HasPrefix(text, "/") {
			r.Config = appendNew(r.Config, clip(text, maxWord))
		}
	case "state":
		if m := stateForm.FindStringSubmatch(rest); m != nil && strings.HasPrefix(first, "/") {
			r.states = append(r.states, Found{Value: m[1], From: clip(first, maxWord), Sure: true})
		}
	case "release":
		if v := versionForm.FindString(rest); v != "" && strings.HasPrefix(first, "/") {
			r.releases = append(r.releases, Found{Value: v, From: clip(first, maxWord)})
		}
	case "autoupgrade":
		r.AutoUpgrade = true
	}
}

// osRelease reads a line of /etc/os-release.
func (r *hardwareReader) osRelease(line string) {
	name, value, _ := strings.Cut(line, "=")
	value = strings.Trim(value, `"'`)
	switch name {
	case "ID":
		r.take(&r.OS.ID, typeForm, value, "name of the operating system")
	case "VERSION_ID":
		r.take(&r.OS.Version, typeForm, value, "version of the operating system")
	case "PRETTY_NAME":
		r.OS.Text = clip(value, maxWord)
	}
}

// cpu reads a line of /proc/cpuinfo.
func (r *hardwareReader) cpu(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch strings.TrimSpace(name) {
	case "vendor_id":
		r.take(&r.CPU.Vendor, typeForm, value, "vendor of the processor")
	case "model name":
		r.CPU.Model = clip(value, maxWord)
	case "flags":
		r.flags = " " + value + " "
		for _, f := range []string{"vmx", "svm"} {
			if strings.Contains(r.flags, " "+f+" ") {
				r.CPU.Virtualisation = f
			}
		}
	}
}

// block reads an attribute of a block device.
func (r *hardwareReader) block(name, rest string) {
	if !deviceForm.MatchString(name) {
		r.unclear("name of a device")
		return
	}
	if r.device = r.Device(name); r.device == nil {
		r.Devices = append(r.Devices, Device{Name: name, Kind: WholeDisk})
		r.device = &r.Devices[len(r.Devices)-1]
	}
	d := r.device
	attr, value, _ := strings.Cut(rest, " ")
	value = strings.TrimSpace(value)
	switch attr {
	case "dev":
		r.take(&d.Number, numberForm, value, "number of device "+name)
	case "size":
		if n, err := strconv.ParseUint(value, 10, 53); err == nil {
			d.Size = int64(n) * 512
		}
	case "ro":
		d.ReadOnly = value == "1"
	case "removable":
		d.Removable = value == "1"
	case "queue/rotational":
		d.Rotational = value == "1"
	case "partition":
		if n, err := strconv.ParseUint(value, 10, 16); err == nil {
			d.Kind, d.Index = Partition, int(n)
		}
	case "parent":
		if deviceForm.MatchString(value) {
			d.Parents = appendNew(d.Parents, value)
		}
	case "dm/name":
		r.take(&d.Mapped, linkForm, value, "name of map "+name)
		if d.Kind == WholeDisk {
			d.Kind = OtherBlock
		}
	case "dm/uuid":
		switch d.Kind = OtherBlock; {
		case strings.HasPrefix(value, "LVM-"):
			d.Kind = LVMVolume
		case strings.HasPrefix(value, "CRYPT-"):
			d.Kind = CryptDisk
			if m := luksForm.FindStringSubmatch(value); m != nil {
				d.LUKS = strings.Join(m[1:], "-")
			}
		}
	case "md/level":
		d.Kind = RAIDArray
		r.take(&d.Level, typeForm, value, "level of RAID "+name)
	case "device/model":
		d.Model = clip(value, maxWord)
	case "device/vendor":
		if !strings.HasPrefix(value, "0x") {
			d.Vendor = clip(value, maxWord)
		}
	case "device/serial", "serial":
		d.Serial = clip(value, maxWord)
	case "module":
		if typeForm.MatchString(value) {
			r.Drivers = append(r.Drivers, Driver{Module: value, For: "disk " + name, Class: "block"})
		}
	}
}

// udev reads a line of a device's entry in the database of udev.
func (r *hardwareReader) udev(name, line string) {
	d := r.Device(name)
	if d == nil {
		return
	}
	if link, ok := strings.CutPrefix(line, "S:"); ok {
		r.link(d, link)
		return
	}
	key, value, _ := strings.Cut(strings.TrimPrefix(line, "E:"), "=")
	r.property(d, key, value)
}

// property sets what udev or blkid say of a device.
func (r *hardwareReader) property(d *Device, key, value string) {
	switch key {
	case "ID_FS_TYPE":
		r.take(&d.FSType, typeForm, value, "file system on "+d.Name)
	case "ID_FS_UUID":
		r.take(&d.UUID, uuidForm, value, "UUID on "+d.Name)
	case "ID_FS_LABEL":
		r.take(&d.Label, labelForm, value, "label on "+d.Name)
	case "ID_PART_ENTRY_UUID":
		r.take(&d.PartUUID, uuidForm, value, "UUID of partition "+d.Name)
	case "ID_PART_ENTRY_TYPE":
		r.take(&d.PartType, uuidForm, strings.ToLower(value), "type of partition "+d.Name)
	case "ID_PART_TABLE_TYPE":
		r.take(&d.Table, typeForm, value, "partition table of "+d.Name)
	case "ID_SERIAL_SHORT":
		d.Serial = clip(value, maxWord)
	case "ID_MODEL":
		d.Model = cmp.Or(d.Model, clip(strings.ReplaceAll(value, "_", " "), maxWord))
	}
}

// link sets what a link to a device says.
func (r *hardwareReader) link(d *Device, link string) {
	dir, name := path.Split(link)
	if !linkForm.MatchString(name) {
		r.unclear("link to device %s", d.Name)
		return
	}
	switch dir {
	case "disk/by-id/":
		d.IDs = appendNew(d.IDs, name)
	case "disk/by-path/":
		// Of several, such as ata-1 and ata-1.0, the shortest.
		if d.ByPath == "" || len(name) < len(d.ByPath) {
			d.ByPath = name
		}
	case "disk/by-uuid/":
		if uuidForm.MatchString(name) {
			d.UUID = cmp.Or(d.UUID, name)
		}
	case "disk/by-partuuid/":
		if uuidForm.MatchString(name) {
			d.PartUUID = cmp.Or(d.PartUUID, name)
		}
	case "mapper/":
		d.Mapped = cmp.Or(d.Mapped, name)
	}
}

// swap reads a line of /proc/swaps.
func (r *hardwareReader) swap(line string) {
	f := strings.Fields(line)
	if len(f) < 5 || !strings.HasPrefix(f[0], "/") {
		return
	}
	at, ok := unescape(f[0])
	priority, err := strconv.Atoi(f[4])
	if !ok || err != nil {
		r.unclear("swap")
		return
	}
	r.Swaps = append(r.Swaps, Swap{Path: at, Size: kilobytes(f[2]), Priority: priority})
}

// mount reads a line of mountinfo.
func (r *hardwareReader) mount(line string) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !ok || len(f) < 6 || len(g) < 3 {
		r.unclear("mount")
		return
	}
	at, okAt := unescape(f[4])
	subtree, okTree := unescape(f[3])
	source, okSource := unescape(g[1])
	if !okAt || !okTree || !okSource || !strings.HasPrefix(at, "/") || path.Clean(at) != at || !numberForm.MatchString(f[2]) || !typeForm.MatchString(g[0]) {
		r.unclear("mount")
		return
	}
	m := Mount{At: at, Source: source, Number: f[2], Subtree: subtree, FSType: g[0]}
	for option := range strings.SplitSeq(f[5]+","+g[2], ",") {
		option, ok := unescape(option)
		if ok && optionForm.MatchString(option) {
			m.Options = appendNew(m.Options, option)
		}
	}
	// Of two at one place, the later one is seen.
	r.Mounts = slices.DeleteFunc(r.Mounts, func(o Mount) bool { return o.At == at })
	r.Mounts = append(r.Mounts, m)
}

// fstab reads a line of /etc/fstab.
func (r *hardwareReader) fstab(f []string) {
	if len(f) < 3 || strings.HasPrefix(f[0], "#") {
		return
	}
	source, okSource := unescape(f[0])
	at, okAt := unescape(f[1])
	if !okSource || !okAt || !typeForm.MatchString(f[2]) {
		r.unclear("line of /etc/fstab")
		return
	}
	m := Mount{At: at, Source: source, FSType: f[2]}
	if len(f) > 3 {
		for option := range strings.SplitSeq(f[3], ",") {
			if option, ok := unescape(option); ok && optionForm.MatchString(option) {
				m.Options = appendNew(m.Options, option)
			}
		}
	}
	r.Table = append(r.Table, m)
}

// crypttab reads a line of /etc/crypttab.
func (r *hardwareReader) crypttab(f []string) {
	if len(f) < 2 || strings.HasPrefix(f[0], "#") {
		return
	}
	f = f[:min(len(f), 4)]
	if !linkForm.MatchString(f[0]) || slices.ContainsFunc(f, func(word string) bool { return !wordForm.MatchString(word) }) {
		r.unclear("line of /etc/crypttab")
		return
	}
	line := EncryptedLine{Mapped: f[0], Text: strings.Join(f, " ")}
	if len(f) > 2 && f[2] != "none" && f[2] != "-" {
		line.Key = f[2]
	}
	r.Encrypted = append(r.Encrypted, line)
}

// unescape reads a name of mountinfo, which has spaces and the like in octal. One with a
// line break in it is none.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	text := b.String()
	return text, len(text) <= maxLine && !hasControl(text) && !strings.Contains(text, "\t")
}

// pciClasses are the classes of PCI devices whose drivers a boot needs, and those of
// networks.
var pciClasses = []struct{ prefix, class string }{
	{"0x01", "storage"}, {"0x02", "network"}, {"0x0c00", "firewire"}, {"0x0c03", "usb"},
}

// driver reads a device of a bus and its module.
func (r *hardwareReader) driver(bus string, f []string) {
	d := Driver{}
	switch {
	case bus == "pci" && len(f) >= 4:
		for _, c := range pciClasses {
			if strings.HasPrefix(f[1], c.prefix) {
				d = Driver{For: "PCI " + clip(f[0], 20) + ", " + c.class, Class: c.class, Vendor: clip(f[2], 10), ID: clip(f[3], 10)}
			}
		}
		f = f[4:]
	case bus == "usb" && len(f) >= 3:
		switch {
		case f[1] == "08":
			d = Driver{For: "USB " + clip(f[0], 20) + ", storage", Class: "storage"}
		case f[1] == "03" && f[2] == "01":
			d = Driver{For: "USB " + clip(f[0], 20) + ", keyboard", Class: "keyboard"}
		}
		f = f[3:]
	case bus == "mmc" && len(f) >= 1:
		d = Driver{For: "card reader " + clip(f[0], 20), Class: "storage"}
		f = f[1:]
	}
	if d.Class == "" || hasControl(d.For) {
		return
	}
	if len(f) > 0 {
		r.take(&d.Module, typeForm, f[0], "kernel module")
	}
	r.Drivers = append(r.Drivers, d)
}

// net reads an attribute of a network interface.
func (r *hardwareReader) net(name, rest string) {
	if !ifaceForm.MatchString(name) {
		r.unclear("name of a network interface")
		return
	}
	i := r.network(name)
	attr, value, _ := strings.Cut(rest, " ")
	switch attr {
	case "mac":
		if value != "00:00:00:00:00:00" {
			r.take(&i.MAC, macForm, value, "hardware address of "+name)
		}
	case "state":
		i.Up = value == "up"
	case "physical":
		i.Physical = true
	case "kind":
		r.take(&i.Kind, typeForm, value, "kind of "+name)
	case "mode":
		mode, _, _ := strings.Cut(value, " ")
		r.take(&i.Mode, typeForm, mode, "mode of "+name)
	case "vlan":
		if n, err := strconv.ParseUint(value, 10, 12); err == nil {
			i.VLAN = int(n)
		}
	case "over":
		r.take(&i.Over, ifaceForm, value, "interface below "+name)
	case "master":
		r.take(&i.Master, ifaceForm, path.Base(value), "master of "+name)
	case "module":
		r.take(&i.Module, typeForm, value, "kernel module of "+name)
	}
}

// network returns the interface of a name, which it adds.
func (r *hardwareReader) network(name string) *Interface {
	i := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == name })
	if i < 0 {
		i = len(r.Interfaces)
		r.Interfaces = append(r.Interfaces, Interface{Name: name})
	}
	return &r.Interfaces[i]
}

// address reads a line of ip -o addr: 2: eth0 inet 10.0.0.1/24 … scope global dynamic …
func (r *hardwareReader) address(f []string) {
	if len(f) < 4 || f[2] != "inet" && f[2] != "inet6" || !slices.Contains(f, "global") || slices.Contains(f, "temporary") {
		return
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
	i := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == name })
	text, _, _ := strings.Cut(f[3], "/")
	prefix, err := netip.ParsePrefix(f[3])
	if err != nil && text == f[3] { // a point to point address has none
		if a, e := netip.ParseAddr(text); e == nil {
			prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
	}
	if i < 0 || err != nil {
		return
	}
	r.Interfaces[i].Addresses = append(r.Interfaces[i].Addresses, Address{Prefix: prefix, Dynamic: slices.Contains(f, "dynamic")})
}

// route reads a line of /proc/net/route.
func (r *hardwareReader) route(f []string) {
	if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || !ifaceForm.MatchString(f[0]) {
		return
	}
	n, err := strconv.ParseUint(f[2], 16, 32)
	if err != nil || n == 0 {
		return
	}
	r.gateway(netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}), f[0])
}

// route6 reads a line of /proc/net/ipv6_route.
func (r *hardwareReader) route6(f []string) {
	if len(f) < 10 || f[9] == "lo" || !ifaceForm.MatchString(f[9]) || len(f[4]) != 32 {
		return
	}
	var a [16]byte
	for i := range a {
		n, err := strconv.ParseUint(f[4][2*i:2*i+2], 16, 8)
		if err != nil {
			return
		}
		a[i] = byte(n)
	}
	if a != [16]byte{} {
		r.gateway(netip.AddrFrom16(a), f[9])
	}
}

func (r *hardwareReader) gateway(a netip.Addr, iface string) {
	if g := (Gateway{Address: a, Interface: iface}); !slices.Contains(r.Gateways, g) {
		r.Gateways = append(r.Gateways, g)
	}
}

// resolver reads a line of resolv.conf.
func (r *hardwareReader) resolver(which int, f []string) {
	if len(f) < 2 {
		return
	}
	switch f[0] {
	case "nameserver":
		if a, err := netip.ParseAddr(f[1]); err == nil && !a.IsLoopback() && !slices.Contains(r.resolv[which], a) {
			r.resolv[which] = append(r.resolv[which], a)
		}
	case "search", "domain":
		for _, name := range f[1:] {
			if nameForm.MatchString(name) {
				r.Search = appendNew(r.Search, name)
			}
		}
	}
}

// hostKey reads a public key.
func (r *hardwareReader) hostKey(f []string) {
	if len(f) < 2 || !keyForm.MatchString(f[0]+" "+f[1]) || !isKey(f[0], f[1]) {
		r.unclear("SSH host key")
		return
	}
	if key := f[0] + " " + f[1]; !slices.Contains(r.HostKeys, key) {
		r.HostKeys = append(r.HostKeys, key)
	}
}

// isKey reports whether a text in base64 is a public key of a type.
func isKey(kind, text string) bool {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < 4 {
		return false
	}
	n := binary.BigEndian.Uint32(key)
	return uint64(n) < uint64(len(key)-4) && string(key[4:4+n]) == kind
}

// user reads a user's name, IDs, home and shell.
func (r *hardwareReader) user(f []string) {
	if len(f) < 4 || !userForm.MatchString(f[0]) {
		r.unclear("user")
		return
	}
	id, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil || !strings.HasPrefix(f[3], "/") {
		r.unclear("user %s", f[0])
		return
	}
	u := User{Name: f[0], ID: int(id), Home: clip(f[3], maxWord)}
	if len(f) > 4 {
		u.Shell = clip(f[4], maxWord)
	}
	r.Users = append(r.Users, u)
}

// key reads the user, the file and a line of authorized keys.
func (r *hardwareReader) key(text string) {
	f := strings.SplitN(text, " ", 3)
	if len(f) < 3 || strings.HasPrefix(f[2], "#") || strings.TrimSpace(f[2]) == "" {
		return
	}
	i := slices.IndexFunc(r.Users, func(u User) bool { return u.Name == f[0] })
	m := anyKeyForm.FindStringSubmatch(f[2])
	if i < 0 || m == nil || !isKey(m[1], m[2]) {
		r.unclear("authorized key")
		return
	}
	u := &r.Users[i]
	if !slices.ContainsFunc(u.Keys, func(k AuthorizedKey) bool { return k.Text == f[2] }) {
		u.Keys = append(u.Keys, AuthorizedKey{Text: f[2], From: clip(f[1], maxWord)})
	}
}

// finish puts together what depends on several facts.
func (r *hardwareReader) finish() {
	for _, link := range slices.Sorted(maps.Keys(r.links)) {
		if d := r.Device(r.links[link]); d != nil {
			r.link(d, link)
		}
	}
	for _, line := range r.blkid {
		r.readBlkid(line)
	}
	for i := range r.Devices {
		slices.SortFunc(r.Devices[i].IDs, compareIDs)
	}
	r.placeMounts()
	if r.Nameservers = r.resolv[1]; len(r.Nameservers) == 0 {
		r.Nameservers = r.resolv[0]
	}
	for i := range r.Users {
		u := &r.Users[i]
		u.Password, u.Admin = r.passwords[u.Name], u.ID == 0 || r.admins[u.Name]
	}
	r.Virtual = r.virtual()
	r.bootLoader()
	if r.OS.ID == "nixos" {
		r.StateVersion = r.stateVersion()
	}
}

// readBlkid reads a line of blkid: /dev/sda1: UUID="…" TYPE="ext4".
func (r *hardwareReader) readBlkid(line string) {
	name, rest, _ := strings.Cut(line, ":")
	d := r.Device(path.Base(name))
	if d == nil {
		return
	}
	names := map[string]string{
		"UUID": "ID_FS_UUID", "TYPE": "ID_FS_TYPE", "LABEL": "ID_FS_LABEL", "PARTUUID": "ID_PART_ENTRY_UUID", "PTTYPE": "ID_PART_TABLE_TYPE",
	}
	for _, m := range blkidForm.FindAllStringSubmatch(rest, -1) {
		if key, ok := names[m[1]]; ok {
			r.property(d, key, m[2])
		}
	}
}

var blkidForm = regexp.MustCompile(`\b([A-Z_]+)="([^"]*)"`)

// compareIDs orders names of a disk: first those with its model and serial number, and of
// them the short ones.
func compareIDs(a, b string) int {
	rank := func(id string) int {
		for i, prefix := range []string{"wwn-", "nvme-eui.", "nvme-uuid.", "nvme-nvme.", "scsi-3", "lvm-", "dm-uuid-", "md-uuid-"} {
			if strings.HasPrefix(id, prefix) {
				return i + 1
			}
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// placeMounts finds the devices of mounts and swaps.
func (r *hardwareReader) placeMounts() {
	find := func(number, source string) string {
		for _, d := range r.Devices {
			if number != "" && d.Number == number || source == "/dev/"+d.Name || d.Mapped != "" && source == "/dev/mapper/"+d.Mapped {
				return d.Name
			}
		}
		return ""
	}
	for i := range r.Mounts {
		m := &r.Mounts[i]
		if m.Device = find(m.Number, m.Source); m.Device == "" && strings.HasPrefix(m.Source, "/dev/") {
			m.Device = find("", "/dev/"+r.links[strings.TrimPrefix(m.Source, "/dev/")])
		}
		if d := r.Device(m.Device); d != nil && d.FSType == "" {
			d.FSType = m.FSType
		}
	}
	for i := range r.Swaps {
		r.Swaps[i].Device = find("", r.Swaps[i].Path)
	}
}

// containers are the words of systemd-detect-virt for containers.
var containers = []string{"systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "rkt", "wsl", "proot", "pouch", "openvz", "container-other"}

// virtual says what the machine is a guest of.
func (r *hardwareReader) virtual() Virtual {
	v := Virtual{Machine: r.Virtual.Machine, Container: r.container}
	switch {
	case slices.Contains(containers, r.detected):
		v.Container = cmp.Or(v.Container, r.detected)
	case r.detected != "" && r.detected != "none":
		v.Machine = r.detected
	}
	if v.Container != "" {
		return Virtual{Container: v.Container}
	}
	if v.Machine != "" || r.detected == "none" {
		return v
	}
	for _, known := range []struct{ in, text, is string }{
		{r.Maker, "QEMU", "qemu"}, {r.Maker, "VMware", "vmware"}, {r.Model, "VirtualBox", "oracle"}, {r.Maker, "innotek", "oracle"},
		{r.Model, "Virtual Machine", "microsoft"}, {r.Maker, "Xen", "xen"}, {r.Maker, "Amazon EC2", "amazon"}, {r.Model, "Google Compute", "google"},
		{r.Maker, "Parallels", "parallels"}, {r.Model, "KVM", "kvm"}, {r.Maker, "Hetzner", "kvm"}, {r.Maker, "DigitalOcean", "kvm"}, {r.Maker, "BHYVE", "bhyve"},
	} {
		if strings.Contains(known.in, known.text) {
			return Virtual{Machine: known.is}
		}
	}
	if strings.Contains(r.flags, " hypervisor ") {
		v.Machine = "vm-other"
	}
	return v
}

// bootLoader finds the boot loader, and the EFI system partition.
func (r *hardwareReader) bootLoader() {
	b := &r.Boot
	if b.Firmware == EFI {
		for _, at := range []string{"/boot/efi", "/efi", "/boot"} {
			if m := r.MountedAt(at); m != nil && (m.FSType == "vfat" || m.FSType == "msdos") {
				b.ESP = at
				break
			}
		}
	}
	for _, file := range r.loaders {
		kind := "grub"
		switch {
		case b.Kind != "":
			return
		case strings.HasSuffix(file, "/loader.conf"):
			if kind = "systemd-boot"; b.Firmware != EFI {
				continue // what a disk was before
			}
		case strings.Contains(file, "extlinux"):
			kind = "extlinux"
		}
		b.Kind, b.From = kind, clip(file, maxWord)
	}
}

// stateVersion is that of the configuration, or else the oldest release that the
// machine still has.
func (r *hardwareReader) stateVersion() Found {
	for _, s := range r.states {
		return s
	}
	oldest := Found{}
	for _, f := range r.releases {
		if oldest.Value == "" || f.Value < oldest.Value {
			oldest = f
		}
	}
	if oldest.Value == "" && versionForm.MatchString(r.OS.Version) {
		oldest = Found{Value: versionForm.FindString(r.OS.Version), From: "/etc/os-release"}
	}
	return oldest
}
