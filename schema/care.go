package schema

import (
	"cmp"
	"time"
)

// A Care says what a deployment takes care of on a host, where that is not as usual.
type Care struct {
	Timeouts    Timeouts
	GuardOff    string // why the host keeps a new system without a new connection; "" for not
	RollbackOff string // why a host that fails is left as it is; "" for not
	// KeepForeign is whether a system that muster has not deployed is left alone.
	KeepForeign bool
	// OnlyChosen is whether the host takes part only if a selector chooses it.
	OnlyChosen bool
	// NeverDeployed is whether the host is only listed, evaluated and built.
	NeverDeployed bool
}

// Timeouts are time limits of a host. 0 means that of the run.
type Timeouts struct {
	Activate time.Duration // for an activation
	Confirm  time.Duration // for a new connection after it
	Reboot   time.Duration // until the host is back after a restart
}

// care decodes the fields of a Care. field finds a field of the host or of the defaults.
func (d *decoder) care(h *Host, n, defaults *node, path string, field func(string) *node) {
	is := func(name string) bool { n := field(name); return n != nil && n.kind == boolKind && !n.bool }
	field("timeouts")
	above := func(n *node, path string, byDefault time.Duration) time.Duration {
		if t, err := time.ParseDuration(text(n)); err == nil && t == 0 && durationText().MatchString(n.text) {
			d.report.add(n.at, path, "type", "got %s, want a duration above 0", n)
		}
		return d.duration(n, path, byDefault)
	}
	limit := func(name string) time.Duration {
		inherited := above(defaults.get("timeouts").get(name), "defaults.timeouts."+name, 0)
		own := n.get("timeouts").get(name)
		if own == nil {
			return inherited // as for most hosts
		}
		return above(own, path+".timeouts."+name, inherited)
	}
	h.Care = Care{
		Timeouts: Timeouts{Activate: limit("activate"), Confirm: limit("confirm"), Reboot: limit("reboot")},
		GuardOff: text(field("guard").get("off")), RollbackOff: text(field("rollback").get("off")),
		KeepForeign: is("replace_foreign"), OnlyChosen: is("allow_all"), NeverDeployed: is("deploy"),
	}
}

// care adds the fields of a Care.
func (r *resolver) care(h *Host, at func(string) Pos) {
	c := &h.Care
	if t := c.Timeouts; t != (Timeouts{}) {
		r.add("timeouts", at("timeouts"), r.set(at("timeouts"), func() {
			for _, l := range []struct {
				name  string
				limit time.Duration
			}{{"activate", t.Activate}, {"confirm", t.Confirm}, {"reboot", t.Reboot}} {
				if l.limit > 0 {
					r.text(l.name, l.limit.String(), at("timeouts"))
				}
			}
		}))
	}
	for _, off := range []struct{ name, why string }{{"guard", c.GuardOff}, {"rollback", c.RollbackOff}} {
		if off.why != "" {
			r.add(off.name, at(off.name), r.set(at(off.name), func() { r.text("off", off.why, at(off.name)) }))
		}
	}
	for _, not := range []struct {
		name string
		is   bool
	}{{"replace_foreign", c.KeepForeign}, {"allow_all", c.OnlyChosen && h.VariantOf == ""}, {"deploy", c.NeverDeployed}} {
		if not.is {
			r.bool(not.name, false, at(not.name))
		}
	}
	r.text("guest_of", h.GuestOf, at("guest_of"))
	r.text("variant_of", h.VariantOf, at("variant_of"))
}

// Machine returns the host that a variant is another system of, and any other host itself.
func (f *Fleet) Machine(h *Host) *Host {
	if h.VariantOf == "" {
		return h
	}
	return cmp.Or(f.Host(h.VariantOf), h)
}

// DeployedWith returns the host that a guest is deployed with, and any other host itself.
func (f *Fleet) DeployedWith(h *Host) *Host {
	for h.GuestOf != "" { // guests may have guests, and no checked fleet has a circle of them
		m := f.Host(h.GuestOf)
		if m == nil {
			break
		}
		h = m
	}
	return h
}

// variants gives hosts that are other systems of a machine the ways to it.
func (f *Fleet) variants() {
	for _, h := range f.Hosts {
		m := f.Machine(h)
		if m == h || !h.Unconnected {
			continue
		}
		h.Address, h.Port, h.User, h.Others, h.Unconnected = m.Address, m.Port, m.User, m.Others, m.Unconnected
		h.AddressOption = m.AddressOption
		h.SSH, h.Local = m.SSH, m.Local
		if _, own := h.pos.find("privilege"); !own {
			h.Privilege, h.PrivilegeCommand = m.Privilege, m.PrivilegeCommand
		}
		if h.Jump == "" {
			h.Jump = m.Jump
		}
		if len(h.HostKeys) == 0 {
			h.HostKeys = m.HostKeys
		}
	}
}

// guests checks the hosts that are deployed with others, or are other systems of a machine.
func (c *checker) guests() {
	circles := c.circles(func(h *Host) *Host { return c.another(h, h.GuestOf) })
	for _, h := range c.fleet.Hosts {
		if h.GuestOf == "" && h.VariantOf == "" {
			continue
		}
		path := join("hosts", h.Name)
		of := func(field, name string) *Host {
			if name == "" {
				return nil
			}
			at := h.PosOf(field)
			switch other := c.hosts[name]; {
			case other == nil:
				c.noHost(at, path+"."+field, name)
			case other == h:
				c.report.add(at, path+"."+field, field, "a host cannot be that of itself")
			default:
				return other
			}
			return nil
		}
		if m := of("variant_of", h.VariantOf); m != nil && m.VariantOf != "" {
			c.report.add(h.PosOf("variant_of"), path+".variant_of", "variant_of", "%s is itself a variant", quote(m.Name)).Hint = "want " + quote(m.VariantOf)
		}
		if of("guest_of", h.GuestOf) != nil {
			if circle := circles.from(h); circle != nil {
				c.report.add(circle[0].PosOf("guest_of"), join("hosts", circle[0].Name)+".guest_of", "guest_of", "circle of guests: %s", arrows(circle))
			}
			for _, field := range []string{"variant_of", "allow_all"} {
				if !c.hasNo(h, field) {
					c.report.add(h.PosOf(field), path+"."+field, "guest_of", "no effect: the host is deployed with %s", quote(h.GuestOf)).Hint = "leave it out"
				}
			}
		}
	}
}
