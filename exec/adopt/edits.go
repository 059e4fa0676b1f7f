package adopt

import (
	"slices"
	"strings"

	"muster/exec/host"
	"muster/schema"
)

// Edits are what makes the entry of a host say what its machine is, where that is a fact
// of the machine: its address, host keys, platform and disks, and the module of its
// hardware. What they do not settle is marked in the list as to be changed by hand.
//
// A disk in the place of one that is gone takes over its entry. One that is gone without
// another stays in the inventory: it may only be unplugged.
func Edits(h *schema.Host, way Way, hw *host.Hardware, list []Difference) []schema.HostEdit {
	var edits []schema.HostEdit
	replaced, added := replacedDisks(h, hw)
	for i := range list {
		d := &list[i]
		switch {
		case d.What == "host":
			edits = append(edits, schema.HostEdit{Host: h, Path: "host", Value: way.Address, Old: h.Address})
		case d.What == "host_keys":
			if !slices.ContainsFunc(edits, func(e schema.HostEdit) bool { return e.Path == "host_keys" }) {
				edits = append(edits, schema.HostEdit{Host: h, Path: "host_keys", Value: HostKeys(way, hw), Same: schema.SameKey})
			}
		case d.What == "system":
			edits = append(edits, schema.HostEdit{Host: h, Path: "system", Value: hw.System, Old: h.System})
		case d.What == "imports":
			edits = append(edits, schema.HostEdit{Host: h, Path: "imports", Value: []string{"./" + File(h.Name)}, Keep: true})
		case d.What == "disks":
		case strings.HasPrefix(d.What, "disks."):
			name := strings.TrimPrefix(d.What, "disks.")
			d.ByHand = replaced[name] == nil
		default:
			d.ByHand = !d.ofModule
		}
	}
	for _, o := range h.Disks {
		if d := replaced[o.Name]; d != nil {
			edits = append(edits, schema.HostEdit{Host: h, Path: "disks." + o.Name + ".device", Value: diskPath(d), Old: o.Device})
			if o.Serial != "" {
				edits = append(edits, schema.HostEdit{Host: h, Path: "disks." + o.Name + ".serial", Value: d.Serial, Old: o.Serial})
			}
		}
	}
	for _, f := range added {
		name := f.Name
		for slices.ContainsFunc(h.Disks, func(o schema.Disk) bool { return o.Name == name }) {
			name += "-new"
		}
		edits = append(edits, schema.HostEdit{Host: h, Path: "disks." + name, Value: f.Value, Comment: f.Comment})
	}
	return edits
}

// replacedDisks are the disks of the machine that have taken the place of disks of the
// inventory, by their names there, and those that are new: a disk takes the place of the
// one that is gone that the kernel called by the same name, or of the only one.
func replacedDisks(h *schema.Host, hw *host.Hardware) (replaced map[string]*host.Device, added []schema.NewField) {
	gone := slices.DeleteFunc(slices.Clone(h.Disks), func(o schema.Disk) bool {
		return slices.ContainsFunc(hw.Disks(), func(d *host.Device) bool { return names(d, o.Device) })
	})
	replaced = map[string]*host.Device{}
	take := func(o schema.Disk, d *host.Device) {
		replaced[o.Name] = d
		gone = slices.DeleteFunc(gone, func(g schema.Disk) bool { return g.Name == o.Name })
	}
	for _, f := range newDisks(h, hw) {
		i := slices.IndexFunc(gone, func(o schema.Disk) bool { return o.Name == f.Name })
		if i < 0 {
			added = append(added, f)
			continue
		}
		take(gone[i], hw.Device(f.Name))
	}
	if len(added) == 1 && len(gone) == 1 {
		take(gone[0], hw.Device(added[0].Name))
		added = nil
	}
	return replaced, added
}

// newDisks are the disks of the machine that the inventory does not name.
func newDisks(h *schema.Host, hw *host.Hardware) []schema.NewField {
	return slices.DeleteFunc(disks(hw), func(f schema.NewField) bool {
		return slices.ContainsFunc(h.Disks, func(o schema.Disk) bool { return names(hw.Device(f.Name), o.Device) })
	})
}
