package adopt

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/ondemand"
	"muster/schema"
)

// A Way is how a machine was reached.
type Way struct {
	User      string // who logged in
	Address   string
	Port      int    // 0 where none was given
	Privilege string // how that user becomes root, in the words of the inventory; "" for root
	HostKey   string // the public key that the machine presented
}

// String is the way as it was given: root@192.0.2.1:2222.
func (w Way) String() string {
	if w.Port == 0 {
		return w.User + "@" + w.Address
	}
	return w.User + "@" + net.JoinHostPort(w.Address, fmt.Sprint(w.Port))
}

// File is where the module of a host's hardware is, relative to the inventory.
func File(name string) string { return "hardware/" + name + ".nix" }

// Entry is the entry of a machine in an inventory.
func Entry(name string, way Way, hw *host.Hardware) *schema.NewHost {
	e := &schema.NewHost{Name: name, Comment: "Adopted from " + way.String() + ", " + comment(cmp.Or(hw.OS.Text, hw.OS.ID, "an unknown system")) + "."}
	add := func(name string, value any, why string) {
		e.Fields = append(e.Fields, schema.NewField{Name: name, Comment: why, Value: value})
	}
	add("host", way.Address, "")
	if way.Port != 0 {
		add("port", way.Port, "")
	}
	add("user", way.User, "")
	if way.Privilege != "" {
		add("privilege", way.Privilege, "")
	}
	add("host_keys", HostKeys(way, hw), "the key it presented, and those in /etc/ssh")
	if hw.System != "" {
		add("system", hw.System, "")
	}
	if disks := disks(hw); len(disks) > 0 {
		add("disks", disks, "")
	}
	add("imports", []string{"./" + File(name)}, "")
	config := []schema.NewField{{Name: "services", Value: []schema.NewField{{Name: "openssh", Value: []schema.NewField{{Name: "enable", Value: true}}}}}}
	if users := users(way, hw); len(users) > 0 {
		config = append(config, schema.NewField{Name: "users", Value: []schema.NewField{{Name: "users", Value: users}}})
	}
	if way.Privilege == string(schema.Sudo) {
		config = append(config, schema.NewField{Name: "security", Value: []schema.NewField{{Name: "sudo", Value: []schema.NewField{
			{Name: "wheelNeedsPassword", Comment: "sudo asked " + way.User + " for none", Value: false},
		}}}})
	}
	add("config", config, "")
	return e
}

// EntryNotes are what the entry of a machine does not say, for the user to see to.
func EntryNotes(way Way, hw *host.Hardware) []string {
	var notes []string
	at := slices.IndexFunc(hw.Users, func(u host.User) bool { return u.Name == way.User })
	if at < 0 || len(hw.Users[at].Keys) == 0 {
		notes = append(notes, fmt.Sprintf("no authorized key of %s was found in its files: say in config.users how %s logs in, or the first deployment keeps you out", way.User, way.User))
	}
	if way.Privilege != "" && way.Privilege != string(schema.Sudo) && way.Privilege != string(schema.SudoPassword) {
		notes = append(notes, fmt.Sprintf("%s became root by %s, which its configuration has to allow: see security.%s", way.User, way.Privilege, way.Privilege))
	}
	return notes
}

// HostKeys are the host keys to pin: the one that the machine presented, and then its
// others.
func HostKeys(way Way, hw *host.Hardware) []string {
	var keys []string
	for _, k := range append([]string{way.HostKey}, hw.HostKeys...) {
		if k != "" && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// diskName is the form of a disk's name in an inventory.
var diskName = ondemand.Regexp(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// disks are the disks of the machine by their IDs. Those that hold what GRUB starts
// from have boot set.
func disks(hw *host.Hardware) []schema.NewField {
	if hw.Virtual.Container != "" {
		return nil
	}
	boot := bootDisks(hw)
	var list []schema.NewField
	for _, d := range hw.Disks() {
		if d.Removable || !diskName().MatchString(d.Name) {
			continue
		}
		what := []string{human.Bytes(d.Size)}
		if model := strings.TrimSpace(d.Vendor + " " + d.Model); model != "" {
			what = append(what, comment(model))
		}
		if d.Serial != "" {
			what = append(what, "serial number "+comment(d.Serial))
		}
		switch {
		case len(d.IDs) > 0:
		case d.ByPath != "":
			what = append(what, "without an ID: this is where it is plugged in")
		default:
			what = append(what, "without an ID: this name may change")
		}
		fields := []schema.NewField{{Name: "device", Value: diskPath(d)}}
		if slices.Contains(boot, d) {
			fields = append(fields, schema.NewField{Name: "boot", Comment: "GRUB is installed on it", Value: true})
		}
		list = append(list, schema.NewField{Name: d.Name, Comment: strings.Join(what, ", "), Value: fields})
	}
	return list
}

// diskPath is a whole disk by its ID, whatever is on it.
func diskPath(d *host.Device) string {
	if len(d.IDs) > 0 {
		return "/dev/disk/by-id/" + d.IDs[0]
	}
	if d.ByPath != "" {
		return "/dev/disk/by-path/" + d.ByPath
	}
	return "/dev/" + d.Name
}

// bootDisks are the disks below /boot, where GRUB starts from a BIOS.
func bootDisks(hw *host.Hardware) []*host.Device {
	if hw.Boot.Firmware != host.BIOS || hw.Boot.Kind != "grub" && hw.Boot.Kind != "" {
		return nil
	}
	mount := hw.MountedAt("/boot")
	if mount == nil {
		mount = hw.MountedAt("/")
	}
	if mount == nil {
		return nil
	}
	var found []*host.Device
	for _, d := range hw.Below(mount.Device) {
		if d.Kind == host.WholeDisk {
			found = append(found, d)
		}
	}
	return found
}

// users are root and the user who logged in, with the keys by which they log in.
func users(way Way, hw *host.Hardware) []schema.NewField {
	var list []schema.NewField
	for _, u := range hw.Users {
		if u.ID != 0 && u.Name != way.User || len(u.Keys) == 0 {
			continue
		}
		var keys, from []string
		for _, k := range u.Keys {
			keys = append(keys, k.Text)
			if !slices.Contains(from, k.From) {
				from = append(from, k.From)
			}
		}
		var fields []schema.NewField
		if u.ID != 0 {
			fields = append(fields, schema.NewField{Name: "isNormalUser", Value: true}, schema.NewField{Name: "uid", Value: u.ID})
			if u.Admin {
				fields = append(fields, schema.NewField{Name: "extraGroups", Value: []string{"wheel"}})
			}
		}
		fields = append(fields, schema.NewField{Name: "openssh", Value: []schema.NewField{{
			Name: "authorizedKeys", Value: []schema.NewField{{Name: "keys", Comment: strings.Join(from, ", "), Value: keys}},
		}}})
		list = append(list, schema.NewField{Name: u.Name, Value: fields})
	}
	return list
}
