package schema

import "strings"

// Host returns the name of the host of the inventory that builds a system; "" where it is
// built where muster runs, or on its own host.
func (b BuildOn) Host() string {
	if b == BuildLocal || b == BuildTarget {
		return ""
	}
	return string(b)
}

// Reachable returns the host with what it takes to reach it, and without what is deployed
// there.
func (h *Host) Reachable() *Host {
	host := *h
	host.Health, host.AllSecrets, host.DiskUUID, host.Disks, host.Install = nil, nil, "", nil, Install{}
	return &host
}

// buildHosts reports hosts that cannot build the systems of others: they do not exist, are
// the host itself, have no address, or build in a circle.
func (c *checker) buildHosts() {
	fine := map[*Host]bool{}
	for _, h := range c.fleet.Hosts {
		name := h.BuildOn.Host()
		if name == "" {
			continue
		}
		at, path := h.PosOf("build_on"), join("hosts", h.Name)+".build_on"
		switch builder := c.hosts[name]; {
		case builder == nil:
			if e := c.noHost(at, path, name); e.Hint == "" {
				e.Hint = "want local, target or the name of a host"
			}
		case builder == h:
			fine[h] = true
			c.report.add(at, path, "build_on", "the host is itself %s", quote(name)).Hint = `want "target" to build on the host itself, or "local"`
		case builder.Unconnected:
			c.report.add(at, path, "build_on", "host %s has no address", quote(name)).Hint = "set its host"
		default:
			c.buildCircle(h, fine)
		}
	}
}

// buildCircle reports the circle of build hosts that h leads to. Those that are fine lead
// to none that is not reported.
func (c *checker) buildCircle(h *Host, fine map[*Host]bool) {
	var trail []*Host
	place := map[*Host]int{}
	at := h
	for ; at != nil && !fine[at]; at = c.hosts[at.BuildOn.Host()] {
		if _, again := place[at]; again {
			var names []string
			for _, t := range append(trail[place[at]:], at) {
				names = append(names, t.Name)
			}
			c.report.add(at.PosOf("build_on"), join("hosts", at.Name)+".build_on", "build_on", "circle of build hosts: %s", strings.Join(names, " → "))
			break
		}
		place[at] = len(trail)
		trail = append(trail, at)
	}
	for _, t := range trail {
		fine[t] = true
	}
}
