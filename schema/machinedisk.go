package schema

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// MadeName is the name that the machine of a host was made under, which is that of the
// host unless the host has been renamed since.
func (h *Host) MadeName() string {
	if h.Provision != nil && h.Provision.MadeAs != "" {
		return h.Provision.MadeAs
	}
	return h.Name
}

// made is the machine of a host as the file of machines has it; nil for none.
func (d *decoder) made(h *Host) *PinnedMachine {
	if d.machines == nil {
		d.machines = map[string]*PinnedMachine{}
		for i := range d.pinned {
			d.machines[d.pinned[i].Host] = &d.pinned[i]
		}
	}
	if h.Provision == nil {
		return nil
	}
	return d.machines[h.Name]
}

// showsKeys adds the SSH host keys that a made machine has shown to those that it may have
// until it is installed.
func (d *decoder) showsKeys(h *Host) {
	m := d.made(h)
	if m == nil || m.Done == ThenInstall {
		return
	}
	for _, key := range m.HostKeys {
		if !slices.Contains(h.Install.HostKeys, key) {
			h.Install.HostKeys = append(h.Install.HostKeys, key)
		}
	}
}

// machineDisk is the device of a disk for which the inventory names none: what the made
// machine says, or the place that its cloud gives the disk that a machine boots from.
func (d *decoder) machineDisk(h *Host, f field, disks *node, path string) string {
	missing := func() string {
		d.report.add(f.at, join(path, f.name), "missing-field", "missing field %q, want a device such as %s…", "device", byID)
		return ""
	}
	if h.Provision == nil {
		return missing()
	}
	alone := 0
	for _, other := range disks.fields {
		if other.val.get("device") == nil {
			alone++
		}
	}
	made, rule := d.made(h), targetRules[h.Provision.Target]
	switch {
	case made != nil && made.Disks[f.name] != "":
		return made.Disks[f.name]
	case made != nil && len(made.Disks) == 1 && alone == 1:
		for _, device := range made.Disks {
			return device
		}
	case made != nil && len(made.Disks) > 0:
		d.report.add(f.at, join(path, f.name), "disk", "the machine has no disk of this name: it has %s", strings.Join(slices.Sorted(maps.Keys(made.Disks)), ", ")).Hint = "name the disk so, or give it a device"
		return ""
	case alone == 1 && rule.disk != "":
		return rule.disk
	case made == nil && h.Provision.Outputs.Disks != "":
		return byID + "not-known-until-made-" + f.name
	}
	return missing()
}

// stable reports whether a device names the same disk at each boot.
func (k *Disk) stable() bool {
	id, ok := strings.CutPrefix(k.Device, byID)
	return ok && path.Base(k.Device) == id
}

// ByID reports whether the device of a disk is one of the names that udev makes of what
// the disk says of itself.
func (k *Disk) ByID() bool { return strings.HasPrefix(k.Device, byID) }

// inKernel reports whether a device is a disk by the kernel's own name, such as /dev/sda.
func (k *Disk) inKernel() bool {
	name, ok := strings.CutPrefix(k.Device, "/dev/")
	return ok && name != "" && !strings.ContainsAny(name, "/")
}

// Part is the device of a partition, by its index. The links that udev makes for a disk by
// id have the number of the partition at their end; the kernel puts it behind the name of
// the disk, after a "p" where that ends in a digit.
func (k *Disk) Part(i int) string {
	switch last := k.Device[max(0, len(k.Device)-1):]; {
	case !k.inKernel():
		return fmt.Sprintf("%s-part%d", k.Device, i+1)
	case last >= "0" && last <= "9":
		return fmt.Sprintf("%sp%d", k.Device, i+1)
	}
	return fmt.Sprintf("%s%d", k.Device, i+1)
}
