package schema

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
