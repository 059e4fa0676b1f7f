package host

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"muster/exec/human"
	"muster/exec/ondemand"
)

// block reads an attribute of a block device.
func (r *hardwareReader) block(name, rest string) {
	if !deviceForm().MatchString(name) {
		r.unclear("name of a device")
		return
	}
	attr, value, _ := strings.Cut(rest, " ")
	value = strings.TrimSpace(value)
	switch attr { // facts that are no device's own
	case "held":
		r.held[name] = human.Clip(value, maxWord)
		return
	case "table":
		r.tables[name] = strings.ToLower(strings.TrimPrefix(human.Clip(value, maxWord), "0x"))
		return
	}
	d := r.Device(name)
	if d == nil {
		r.Devices = append(r.Devices, Device{Name: name, Kind: WholeDisk})
		d = &r.Devices[len(r.Devices)-1]
	}
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
		if deviceForm().MatchString(value) {
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
			if m := luksForm().FindStringSubmatch(value); m != nil {
				d.LUKS = strings.Join(m[1:], "-")
			}
		}
	case "md/level":
		d.Kind = RAIDArray
		r.take(&d.Level, typeForm, value, "level of RAID "+name)
	case "device/model":
		d.Model = human.Clip(value, maxWord)
	case "device/vendor":
		if !strings.HasPrefix(value, "0x") {
			d.Vendor = human.Clip(value, maxWord)
		}
	case "device/serial", "serial":
		d.Serial = human.Clip(value, maxWord)
	case "vpd":
		d.Serial = cmp.Or(d.Serial, human.Clip(value, maxWord))
	case "module":
		if typeForm().MatchString(value) {
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
		d.Serial = human.Clip(value, maxWord)
	case "ID_SERIAL":
		d.Serial = cmp.Or(d.Serial, human.Clip(value, maxWord))
	case "ID_MODEL":
		d.Model = cmp.Or(d.Model, human.Clip(strings.ReplaceAll(value, "_", " "), maxWord))
	}
}

// link sets what a link to a device says.
func (r *hardwareReader) link(d *Device, link string) {
	dir, name := path.Split(link)
	if !linkForm().MatchString(name) {
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
		if uuidForm().MatchString(name) {
			d.UUID = cmp.Or(d.UUID, name)
		}
	case "disk/by-partuuid/":
		if uuidForm().MatchString(name) {
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
	if !okAt || !okTree || !okSource || !strings.HasPrefix(at, "/") || path.Clean(at) != at || !numberForm().MatchString(f[2]) || !typeForm().MatchString(g[0]) {
		r.unclear("mount")
		return
	}
	m := Mount{At: at, Source: source, Number: f[2], Subtree: subtree, FSType: g[0]}
	for option := range strings.SplitSeq(f[5]+","+g[2], ",") {
		option, ok := unescape(option)
		if ok && optionForm().MatchString(option) {
			m.Options = appendNew(m.Options, option)
		}
	}
	r.mounted = append(r.mounted, m)
	if ofRunningSystem(at) {
		return
	}
	// Of two at one place, the later one is seen.
	r.Mounts = slices.DeleteFunc(r.Mounts, func(o Mount) bool { return o.At == at })
	r.Mounts = append(r.Mounts, m)
}

// ofRunningSystem reports whether a place has what a running system mounts there by itself.
func ofRunningSystem(at string) bool {
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run"} {
		if at == dir || strings.HasPrefix(at, dir+"/") {
			return true
		}
	}
	for _, dir := range []string{"/var/lib/docker/", "/var/lib/containers/", "/var/lib/kubelet/", "/var/lib/containerd/"} {
		if strings.HasPrefix(at, dir) {
			return true
		}
	}
	return false
}

// fstab reads a line of /etc/fstab.
func (r *hardwareReader) fstab(f []string) {
	if len(f) < 3 || strings.HasPrefix(f[0], "#") {
		return
	}
	source, okSource := unescape(f[0])
	at, okAt := unescape(f[1])
	if !okSource || !okAt || !typeForm().MatchString(f[2]) {
		r.unclear("line of /etc/fstab")
		return
	}
	m := Mount{At: at, Source: source, FSType: f[2]}
	if len(f) > 3 {
		for option := range strings.SplitSeq(f[3], ",") {
			if option, ok := unescape(option); ok && optionForm().MatchString(option) {
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
	if !linkForm().MatchString(f[0]) || slices.ContainsFunc(f, func(word string) bool { return !wordForm().MatchString(word) }) {
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
	for _, m := range blkidForm().FindAllStringSubmatch(rest, -1) {
		if key, ok := names[m[1]]; ok {
			r.property(d, key, m[2])
		}
	}
}

var blkidForm = ondemand.Regexp(`\b([A-Z_]+)="([^"]*)"`)

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

// finishDisks puts together what several lines say of disks.
func (r *hardwareReader) finishDisks() {
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
	for i := range r.Mounts {
		m := &r.Mounts[i]
		m.Device = r.deviceOf(m)
		if d := r.Device(m.Device); d != nil && d.FSType == "" {
			d.FSType = m.FSType
		}
	}
	for i := range r.Swaps {
		r.Swaps[i].Device = r.deviceAt("", r.Swaps[i].Path)
	}
}

// deviceOf finds the device of a mount; "" for none.
func (r *hardwareReader) deviceOf(m *Mount) string {
	name := r.deviceAt(m.Number, m.Source)
	if link, ok := r.links[strings.TrimPrefix(m.Source, "/dev/")]; ok && name == "" {
		return r.deviceAt("", "/dev/"+link)
	}
	return name
}

// deviceAt finds the device of a number or a path.
func (r *hardwareReader) deviceAt(number, path string) string {
	for _, d := range r.Devices {
		if number != "" && d.Number == number || path == "/dev/"+d.Name || d.Mapped != "" && path == "/dev/mapper/"+d.Mapped {
			return d.Name
		}
	}
	return ""
}

// uses are what a device and its partitions are in use as.
func (r *hardwareReader) uses(name string) []Use {
	var list []Use
	add := func(name, as string) {
		if use := (Use{Name: name, As: as}); !slices.Contains(list, use) && len(list) < maxList {
			list = append(list, use)
		}
	}
	for _, part := range r.withParts(name) {
		for i := range r.mounted {
			if r.deviceOf(&r.mounted[i]) == part.Name {
				add(part.Name, human.Clip(r.mounted[i].At, maxWord))
			}
		}
		for _, s := range r.Swaps {
			if s.Device == part.Name {
				add(part.Name, "swap")
			}
		}
		for _, o := range r.Devices {
			if o.Kind != Partition && slices.Contains(o.Parents, part.Name) {
				add(part.Name, "part of "+o.Name)
			}
		}
		if fs := r.held[part.Name]; fs != "" && !slices.ContainsFunc(list, func(u Use) bool { return u.Name == part.Name }) {
			add(part.Name, "part of a "+fs+" that is mounted")
		}
	}
	return list
}

// withParts are a device and its partitions.
func (r *hardwareReader) withParts(name string) []*Device {
	var list []*Device
	if d := r.Device(name); d != nil {
		list = append(list, d)
	}
	for i := range r.Devices {
		if d := &r.Devices[i]; d.Kind == Partition && slices.Contains(d.Parents, name) {
			list = append(list, d)
		}
	}
	return list
}
