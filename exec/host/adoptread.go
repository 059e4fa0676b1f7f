package host

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/exec/human"
	"muster/exec/ondemand"
)

// The forms of what a machine says.
var (
	nameForm    = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$`)
	deviceForm  = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9!_.:+-]{0,63}$`)
	numberForm  = ondemand.Regexp(`^[0-9]{1,10}:[0-9]{1,10}$`)
	linkForm    = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9#+.:=@_\\-]{0,250}$`) // what udev leaves in the name of a link
	labelForm   = ondemand.Regexp(`^[!-~]([ -~]{0,98}[!-~])?$`)
	uuidForm    = ondemand.Regexp(`^[0-9A-Za-z][0-9A-Za-z-]{0,63}$`)
	typeForm    = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	ifaceForm   = ondemand.Regexp(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$`)
	macForm     = ondemand.Regexp(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
	optionForm  = ondemand.Regexp(`^[!-+.-~-]{1,200}$`) // printable, without comma and space
	wordForm    = ondemand.Regexp(`^[!-~]{1,200}$`)
	userForm    = ondemand.Regexp(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
	keyForm     = ondemand.Regexp(`^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{16,}={0,2}$`)
	anyKeyForm  = ondemand.Regexp(`(?:^|[ ,"])((?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+) ([A-Za-z0-9+/]{16,}={0,2})(?: |$)`)
	versionForm = ondemand.Regexp(`[0-9]{2}\.[0-9]{2}`)
	stateForm   = ondemand.Regexp(`^[^#]*\bstateVersion\s*=\s*(?:lib\.mkDefault\s+)?"([0-9]{2}\.[0-9]{2})"`)
	luksForm    = ondemand.Regexp(`^CRYPT-LUKS[12]-([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})-`)
	hostIDForm  = ondemand.Regexp(`^[0-9a-f]{8}$`)
)

// maxFact is the length of the longest line that is read, in bytes: an RSA key with
// 16384 bits and options before it.
const maxFact = 8 << 10

// platforms are Nix's names by those of Linux.
var platforms = map[string]string{
	"x86_64": "x86_64-linux", "aarch64": "aarch64-linux", "i686": "i686-linux", "i386": "i686-linux", "armv7l": "armv7l-linux",
	"armv6l": "armv6l-linux", "riscv64": "riscv64-linux", "ppc64le": "powerpc64le-linux", "loongarch64": "loongarch64-linux",
}

// A hardwareReader collects what adopt.sh printed, and of installlook.sh what it says of
// disks.
type hardwareReader struct {
	*Hardware
	begun     bool
	links     map[string]string // targets below /dev, by link
	blkid     []string
	mounted   []Mount           // all mounts, also those that are not listed
	held      map[string]string // devices that a mounted file system has beside its first, by name, and its type
	tables    map[string]string // IDs of partition tables, by disk
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
	gateways  []metricGateway
	noIP      bool         // addresses are those that the kernel lists for all to read
	connected []connected  // networks of IPv4 that interfaces are in
	local     []netip.Addr // addresses of IPv4 without their interfaces
	trieAddr  string       // the address that the next line is about
	clients   [][]string   // command lines of DHCP clients
}

// parseHardware reads what adopt.sh printed.
func parseHardware(out string) (*Hardware, error) {
	r := newHardwareReader()
	for line := range strings.Lines(out) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "adopt 1":
			r.begun = true // a start-up file may have printed before
		case r.begun:
			r.fact(line)
		}
	}
	switch {
	case !r.begun:
		return nil, fmt.Errorf("read what the machine is made of: unexpected answer %q", out[:min(len(out), 200)])
	case r.uid != "" && r.uid != "0":
		return nil, fmt.Errorf("not root on the host, but user %s", human.Clip(r.uid, maxWord))
	case r.Name == "" && len(r.Devices) == 0 && len(r.Mounts) == 0:
		return nil, errors.New("read what the machine is made of: it has neither /proc nor /sys")
	}
	r.finish()
	return r.Hardware, nil
}

func newHardwareReader() *hardwareReader {
	return &hardwareReader{
		Hardware: &Hardware{Memory: -1}, links: map[string]string{}, held: map[string]string{}, tables: map[string]string{},
		passwords: map[string]bool{}, admins: map[string]bool{},
	}
}

// fact reads one line.
func (r *hardwareReader) fact(line string) {
	word, rest, _ := strings.Cut(line, " ")
	if len(line) > maxFact || hasControl(line) {
		r.unclear("a line of %s", clipWord(word))
		return
	}
	r.line(word, strings.TrimSpace(rest))
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
	return human.Clip(word, 20)
}

// unclear notes what was left out.
func (r *hardwareReader) unclear(format string, args ...any) {
	r.Unclear = appendNew(r.Unclear, fmt.Sprintf(format, args...))
}

// take sets a field to a text that has the form, and notes one that has not.
func (r *hardwareReader) take(field *string, form func() *regexp.Regexp, text, what string) {
	if text == "" {
		return
	}
	if !form().MatchString(text) {
		r.unclear("%s", what)
		return
	}
	*field = text
}

// line reads the text of a fact.
func (r *hardwareReader) line(word, text string) {
	first, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "uid":
		r.uid = first
	case "machine":
		r.System = platforms[first]
		if r.System == "" {
			r.Undetected = appendNew(r.Undetected, "platform: NixOS has none for "+human.Clip(first, 40))
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
		r.CPU.Online = human.Clip(text, 64)
	case "dmi":
		switch first {
		case "sys_vendor":
			r.Maker = human.Clip(rest, maxWord)
		case "product_name":
			r.Model = human.Clip(rest, maxWord)
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
		r.Cmdline = human.Clip(text, maxRecord)
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
		r.noIP = true
	case "inet6":
		r.inet6(strings.Fields(text))
	case "trie":
		r.trie(text)
	case "dhcp":
		r.clients = append(r.clients, strings.Fields(text))
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
			r.Config = appendNew(r.Config, human.Clip(text, maxWord))
		}
	case "state":
		if m := stateForm().FindStringSubmatch(rest); m != nil && strings.HasPrefix(first, "/") {
			r.states = append(r.states, Found{Value: m[1], From: human.Clip(first, maxWord), Sure: true})
		}
	case "release":
		if v := versionForm().FindString(rest); v != "" && strings.HasPrefix(first, "/") {
			r.releases = append(r.releases, Found{Value: v, From: human.Clip(first, maxWord)})
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
		r.OS.Text = human.Clip(value, maxWord)
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
		r.CPU.Model = human.Clip(value, maxWord)
	case "flags":
		r.flags = " " + value + " "
		for _, f := range []string{"vmx", "svm"} {
			if strings.Contains(r.flags, " "+f+" ") {
				r.CPU.Virtualisation = f
			}
		}
	}
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
				d = Driver{For: "PCI " + human.Clip(f[0], 20) + ", " + c.class, Class: c.class, Vendor: human.Clip(f[2], 10), ID: human.Clip(f[3], 10)}
			}
		}
		f = f[4:]
	case bus == "usb" && len(f) >= 3:
		switch {
		case f[1] == "08":
			d = Driver{For: "USB " + human.Clip(f[0], 20) + ", storage", Class: "storage"}
		case f[1] == "03" && f[2] == "01":
			d = Driver{For: "USB " + human.Clip(f[0], 20) + ", keyboard", Class: "keyboard"}
		}
		f = f[3:]
	case bus == "mmc" && len(f) >= 1:
		d = Driver{For: "card reader " + human.Clip(f[0], 20), Class: "storage"}
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

// finish puts together what depends on several facts.
func (r *hardwareReader) finish() {
	r.finishDisks()
	r.finishNetwork()
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
		b.Kind, b.From = kind, human.Clip(file, maxWord)
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
	if oldest.Value == "" && versionForm().MatchString(r.OS.Version) {
		oldest = Found{Value: versionForm().FindString(r.OS.Version), From: "/etc/os-release"}
	}
	return oldest
}
