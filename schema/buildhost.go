package schema

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
	circles := c.circles(func(h *Host) *Host { return c.another(h, h.BuildOn.Host()) })
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
			c.report.add(at, path, "build_on", "the host is itself %s", quote(name)).Hint = `want "target" to build on the host itself, or "local"`
		case builder.Unconnected:
			c.report.add(at, path, "build_on", "host %s has no address", quote(name)).Hint = "set its host"
		default:
			if circle := circles.from(h); circle != nil {
				c.report.add(circle[0].PosOf("build_on"), join("hosts", circle[0].Name)+".build_on", "build_on", "circle of build hosts: %s", arrows(circle))
			}
		}
	}
}
