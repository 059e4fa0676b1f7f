package schema

import (
	"net/netip"
	"slices"
)

// PeerPort is the port at which hosts of a site serve each other store paths: see
// [Cache.Peers].
const PeerPort = 17322

// Sites are the sites of hosts, by name: the first of the cache's selectors that chooses
// the host. Hosts without a site are not in the map.
func Sites(f *Fleet) map[string]string {
	sites := map[string]string{}
	for _, selector := range f.Cache.Peers {
		hosts, err := Select(f, selector)
		if err != nil {
			continue // the inventory was checked: its hosts are not all of the fleet
		}
		for _, h := range hosts {
			if sites[h.Name] == "" {
				sites[h.Name] = selector
			}
		}
	}
	return sites
}

// PeerAddresses are the addresses from which a host may fetch from others of its site:
// those at which it is reached, and those in the fleet's meshes. One that is reached by name
// alone has none: firewalls know no names.
func PeerAddresses(f *Fleet, h *Host) []netip.Addr {
	var all []netip.Addr
	add := func(a netip.Addr) {
		if a = a.Unmap().WithZone(""); a.IsValid() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	for _, way := range h.Ways() {
		if a, err := netip.ParseAddr(way.Address); err == nil {
			add(a)
		}
	}
	for _, mesh := range f.Meshes {
		for _, m := range mesh.Members {
			if m.Host == h.Name {
				for _, a := range m.Addresses {
					add(a)
				}
			}
		}
	}
	return all
}
