package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"muster/schema"
)

// Modules that tell hosts of the others, which all hosts that want them share.
const (
	knownHostsModule = "fleetHostKeys"
	extraHostsModule = "fleetAddresses"
)

// firstWith returns the position of a field of the first host that has it.
func (w *writer) firstWith(has func(*schema.Host) bool, field string) schema.Pos {
	i := slices.IndexFunc(w.fleet.Hosts, has)
	return w.fleet.Hosts[i].PosOf(field)
}

// knownHosts are the options by which a host knows the SSH host keys of all hosts.
func (w *writer) knownHosts() *schema.Attrs {
	set := &schema.Attrs{}
	for _, h := range w.fleet.Hosts {
		at := h.PosOf("host_keys")
		for i, key := range h.HostKeys {
			entry := h.Name
			if i > 0 {
				entry = fmt.Sprintf("%s-%d", h.Name, i+1)
			}
			words := strings.Fields(key)
			put(set, texts(at, sshNames(h)), "programs", "ssh", "knownHosts", entry, "hostNames")
			put(set, schema.String{At: at, V: strings.Join(words[:2], " ")}, "programs", "ssh", "knownHosts", entry, "publicKey")
		}
	}
	return set
}

// sshNames are the names under which SSH looks for the keys of a host.
func sshNames(h *schema.Host) []string {
	names := []string{h.Name}
	for _, way := range h.Ways() {
		name := way.Address
		if way.Port != 0 && way.Port != 22 {
			name = fmt.Sprintf("[%s]:%d", way.Address, way.Port)
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// extraHosts are the options by which a host knows the addresses of all hosts.
func (w *writer) extraHosts() *schema.Attrs {
	set := &schema.Attrs{}
	for _, h := range w.fleet.Hosts {
		if h.VariantOf != "" {
			continue
		}
		names := []string{h.Name}
		if label, _, full := strings.Cut(h.Name, "."); full {
			names = append(names, label)
		}
		for _, way := range h.Ways() {
			if a, err := netip.ParseAddr(way.Address); err == nil && a.Zone() == "" {
				put(set, texts(h.PosOf("host"), names), "networking", "hosts", a.String())
			}
		}
	}
	return set
}
